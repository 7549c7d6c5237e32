"""A real shell behind a login prompt, on real terminals, and what every shell of the rig must do.

    near terminal == cable == far terminal -- login prompt, then a shell

The cable is two threads that copy bytes and can do to them what cables do.
"""

from __future__ import annotations

import os
import pty
import select
import subprocess
import threading
from collections.abc import Callable

import serial

LONG_S = 60
"""For what must happen; how fast this machine is decides nothing."""


Spoil = Callable[[bytes], bytes]


def login_of(shell: str) -> str:
    """Ctrl-C and an empty name bring the prompt again, as with getty."""
    ask = "while [ -z \"$user\" ]; do printf 'pi3 login: '; read user; done"
    prompt = f"trap '' INT; printf 'Starting...\\n\\n'; {ask}; trap - INT"
    return f"{prompt}; echo Welcome, $user; PS1='pi3:~# ' exec {shell} -i"


class Board:
    """A program on a terminal of its own, at the far end of a cable."""

    def __init__(self, program: str = login_of("sh")) -> None:
        self.to_board: Spoil = bytes
        self.from_board: Spoil = bytes
        self.said = b""
        self.piece = 4096
        """So many bytes travel at a time."""
        self._near, near_end = pty.openpty()
        self._far, far_end = pty.openpty()
        self.port = serial.Serial(os.ttyname(near_end), 115200, timeout=0.02, exclusive=True)
        # Held, or the cable would end when nobody has the port open.
        self._near_end = near_end
        command = ["setsid", "--ctty", "sh", "-c", program]
        self._program = subprocess.Popen(command, stdin=far_end, stdout=far_end, stderr=far_end)
        os.close(far_end)
        self._stop, self._running = os.pipe()
        ways = [(self._near, self._far, "to_board"), (self._far, self._near, "from_board")]
        self._cable = [threading.Thread(target=self._copy, args=way) for way in ways]
        for thread in self._cable:
            thread.start()

    def unplug(self) -> None:
        """The near terminal goes away, as when a USB cable is pulled."""
        self._cut()
        os.close(self._near)
        self._near = -1

    def end(self) -> None:
        """The far terminal hangs up with the program, which leads its session."""
        self._program.kill()
        self._program.wait(LONG_S)
        if self._near >= 0:
            self.unplug()
        os.close(self._far)
        os.close(self._near_end)
        os.close(self._stop)
        self.port.close()

    def _cut(self) -> None:
        os.close(self._running)
        for thread in self._cable:
            thread.join(LONG_S)

    def _copy(self, source: int, sink: int, way: str) -> None:
        while True:
            ready, _, _ = select.select([source, self._stop], [], [])
            if self._stop in ready:
                return
            try:
                data = os.read(source, self.piece)
                self.said += data if way == "from_board" else b""
                os.write(sink, getattr(self, way)(data))
            except OSError:  # the program has ended, and its terminal with it
                return


def once_it_said(words: bytes, then: Callable[[], object]) -> Spoil:
    """`then` happens, in a thread of its own, when the board has said `words`."""

    def listen(data: bytes) -> bytes:
        if words in data:
            threading.Thread(target=then).start()
        return data

    return listen


COMMANDS = {
    "output": ("echo hello", 0, "hello\n"),
    "no output": ("true", 0, ""),
    "status": ("exit 7", 7, ""),
    "status of what is no program": ("no-such-program", 127, None),
    "status of what was killed": ("sh -c 'kill -9 $$'", 137, None),
    "no line end": ("printf abc", 0, "abc"),
    "empty lines": ("echo; echo", 0, "\n\n"),
    "several lines": ("echo one\necho two", 0, "one\ntwo\n"),
    "several commands": ("cd / && pwd; echo two", 0, "/\ntwo\n"),
    "a comment": ("echo one # two", 0, "one\n"),
    "quotes": (
        """echo 'one  two' "it's" \\"three\\" 'four!'""",
        0,
        'one  two it\'s "three" four!\n',
    ),
    "a quote too few": ("echo 'one", 2, None),
    "a bracket too many": ("echo one; }", 2, None),
    "reads its input": ("cat; echo read", 0, "read\n"),
    "asks a question": ('read answer; echo "<$answer>"', 0, "<>\n"),
    "leaves something running": ("sleep 600 & echo started", 0, "started\n"),
    "a marker of somebody else": ("echo 0123abcd-end:5; echo 0123abcd-begin", 0, None),
    "the marker's own text": ("echo \"echo 0123abcd''-end:\\$?\"", 0, "echo 0123abcd''-end:$?\n"),
    "umlauts": ("printf 'f\\303\\274r'", 0, "für"),
    "bytes that are no text": ("printf '\\262a\\377\\000b'", 0, "\ufffda\ufffd\0b"),
}
"""Command -> exit status, and output if that is the same in every shell."""
