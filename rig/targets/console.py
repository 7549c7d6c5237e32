"""A shell on a serial console: log in, run commands, send files.

The same code drives a USB serial cable and an emulator's pty. A thread drains
the port at all times, because an emulated target waits when nobody reads.
"""

import contextlib
import re
import secrets
import shlex
import threading
import time

import serial
from serial import rfc2217
from serial.urlhandler import protocol_socket

from rig.errors import TargetError
from rig.targets.shell import BrokenLineError, Result, Shell

Port = serial.Serial | rfc2217.Serial | protocol_socket.Serial
"""On this machine, or behind a server that speaks RFC 2217 or nothing at all."""

UPLOAD_WINDOW_BYTES = 16 * 1024
"""A terminal has no flow control here, so this much is sent before an answer is awaited."""

LONGEST_LINE_BYTES = 4096
"""A Linux terminal keeps this much of one line, its end included (termios(3)); the rest is lost."""

ACKNOWLEDGE_TIMEOUT_S = 60
WRITE_TIMEOUT_S = 30
"""A window takes 1.5 s at 115200 baud; only a port that is stuck takes this long."""

KEPT_BYTES = 64 * 1024
"""So much of what a console said before is kept for messages; a long soak says gigabytes."""

FIRST_PAUSE_S = 2
SHELL_TIMEOUT_S = 10
LOG_OUT_TIMEOUT_S = 5
SETTLED_S = 1

_LOGIN = rb"(?<!Last )login: "
_PROMPT = rb"[#$>](?:\x1b\[[0-9;]*m)* "
"""Of sh, bash and zsh, in colour or not."""
_LONGEST_PATTERN_BYTES = 64


class Console(Shell):
    """A serial console, from power-on to a shell that runs commands.

    Every wait is bounded; what does not arrive in time is a `TargetError` that
    ends with the last lines of the console.
    """

    def __init__(self, port: Port) -> None:
        """`port` is open, with a read timeout well under a second."""
        self._port = port
        if not isinstance(port, rfc2217.Serial):  # which knows only the 5 s of its socket
            self._port.write_timeout = WRITE_TIMEOUT_S
        self._received = bytearray()
        self._arrived = threading.Condition()
        self._broken: Exception | None = None
        self._closing = False
        self._reader = threading.Thread(target=self._drain, name="console", daemon=True)
        self._reader.start()

    def close(self) -> None:
        """Stop reading and close the port."""
        self._closing = True
        self._reader.join(timeout=5)
        self._port.close()

    @property
    def text(self) -> str:
        """What arrived last: since the last command, and `KEPT_BYTES` before."""
        with self._arrived:
            return _text(bytes(self._received))

    @property
    def port_name(self) -> str:
        """Such as /dev/ttyUSB0."""
        return str(self._port.name)

    @property
    def is_broken(self) -> bool:
        """Whether the port has failed; it works no more then."""
        return self._broken is not None

    def log_in(self, user: str, timeout_s: float, password: str | None = None) -> None:
        """From power-on to a silent shell without a prompt."""
        self._wait_for(_LOGIN, 0, timeout_s, "no login prompt")
        self._authenticate(user, password, timeout_s)

    def log_in_again(self, user: str, timeout_s: float, password: str | None = None) -> None:
        """From whatever a board that runs is at to a silent shell without a prompt.

        It may be at its login prompt, or in a shell that a person or a dead rig left, with
        something running in it.
        """
        deadline, pause_s = time.monotonic() + timeout_s, FIRST_PAUSE_S
        while time.monotonic() < deadline:
            here = self._send(b"\x03")
            if self._find(_LOGIN, here, pause_s):
                self._settle()
                return self._authenticate(user, password, timeout_s)
            if self._silenced(pause_s):
                return self._refuse_another(user)
            pause_s *= 2  # a terminal that takes a file needs silence to get over it
        raise TargetError(self._complaint("neither a login prompt nor a shell", timeout_s))

    def become_root(self) -> None:
        """Go on as root, by sudo without a password."""
        self._send(b"exec sudo -n sh")
        if not self._silenced(SHELL_TIMEOUT_S):
            raise TargetError(
                self._complaint(
                    "sudo gives no shell (it must ask for no password)", SHELL_TIMEOUT_S
                )
            )

    def log_out(self) -> None:
        """End the shell, as far as that is possible."""
        with contextlib.suppress(TargetError):
            here = self._send(b"exit")
            self._find(_LOGIN, here, LOG_OUT_TIMEOUT_S)

    def run(self, command: str, timeout_s: float = 10) -> Result:
        """Run a shell command to its end, in a subshell and with nothing to read.

        Raises `TargetError` if it does not end in time; it is interrupted then.
        """
        token = secrets.token_hex(4)
        # All on one line, or the command could read the rest. `eval` keeps a missing quote inside.
        quoted = f"(eval {shlex.quote(command)}) < /dev/null"
        line = f"echo {token}''-begin; {quoted}; echo {token}''-end:$?"
        started_ns = time.time_ns()
        self._forget()
        try:
            here = self._send(line.encode())
            end = rf"{token}-end:(\d+)\r?\n".encode()
            before, status = self._wait_for(end, here, timeout_s, f"no end of {command!r}")
        except BaseException:  # a Ctrl-C here must reach what runs there
            self._interrupt()
            raise
        output = re.split(rf"{token}-begin\r?\n".encode(), before, maxsplit=1)[-1]
        return Result(int(status), _text(output), started_ns, time.time_ns())

    def talk(self, command: str) -> "ConsoleTalk":
        """Start a program in the foreground of this terminal, which does not echo."""
        return ConsoleTalk(self, self._send(command.encode()))

    def send(self, data: bytes, path: str) -> None:
        """In acknowledged windows of raw bytes."""
        name = shlex.quote(path)
        self.must(f": > {name}")
        for start in range(0, len(data), UPLOAD_WINDOW_BYTES):
            if not self._put_window(data[start : start + UPLOAD_WINDOW_BYTES], name):
                raise TargetError(f"the target could not write {path}; its disk may be full")

    def _put_window(self, data: bytes, name: str) -> bool:
        """One acknowledged window: raw bytes into `head`, then back to a normal terminal.

        Returns whether the target could write them; if not, `cat` takes the rest, which would
        be run as commands. `min 0 time 100` ends the waiting for what does not come after 10 s.
        """
        token = secrets.token_hex(4)
        raw, sane = "stty raw -echo min 0 time 100", "stty sane -echo"
        keep = f"head -c {len(data)} >> {name} || {{ cat > /dev/null; false; }}; kept=$?"
        try:
            here = self._send(
                f"{raw}; echo {token}''-go; {keep}; {sane}; echo {token}''-got:$kept".encode()
            )
            self._wait_for(f"{token}-go".encode(), here, 10, "upload does not start")
            self._write(data)
            got = rf"{token}-got:(\d+)\r?\n".encode()
            _, kept = self._wait_for(
                got, here, ACKNOWLEDGE_TIMEOUT_S, "upload was not acknowledged"
            )
        except BaseException as error:
            # After a lost byte, `head` waits for more on a terminal where Ctrl-C means nothing.
            with contextlib.suppress(TargetError):
                self._write(b"\n" * len(data))
            if isinstance(error, TargetError):
                raise BrokenLineError(str(error)) from error
            raise
        return kept == b"0"

    def _authenticate(self, user: str, password: str | None, timeout_s: float) -> None:
        here = self._send(user.encode())
        problem = f"no shell after logging in as {user!r}"
        _, prompt = self._wait_for(rb"(?i:(password: ))|" + _PROMPT, here, timeout_s, problem)
        if prompt.lower() == b"password: ":
            if password is None:
                raise TargetError(
                    f"the board asks for a password of {user!r}: name an environment variable "
                    "that holds it as password_env in the bench file"
                )
            self._send_password(user, password, timeout_s, problem)
        if not self._silenced(timeout_s):
            raise TargetError(self._complaint("the shell does not answer", timeout_s))

    def _send_password(self, user: str, password: str, timeout_s: float, problem: str) -> None:
        here = self._send(password.encode())
        _, refusal = self._wait_for(rb"(ncorrect)|" + _PROMPT, here, timeout_s, problem)
        if refusal == b"ncorrect":
            raise TargetError(
                self._complaint(f"the board refuses the password of {user!r}", timeout_s)
            )

    def _settle(self) -> None:
        """A getty that starts again forgets what came before its prompt."""
        with self._arrived:
            while self._arrived.wait(SETTLED_S):
                pass

    def _silenced(self, timeout_s: float) -> bool:
        """Whether there is a shell; it has neither echo nor prompt then."""
        # Assembled by the shell, so that the echo of this line cannot be taken for the answer.
        here = self._send(b"stty -echo; PS1=; PS2=; echo rea''dy")
        return self._find(rb"ready\r?\n", here, timeout_s) is not None

    def _refuse_another(self, user: str) -> None:
        """A shell that somebody left may be somebody else's."""
        found = self.run("id -un").output.strip()
        if found not in (user, "root"):
            raise TargetError(f"{found!r} is logged in on {self._port.name}, not {user!r}: log out")

    def _forget(self) -> None:
        """Before a command, nobody waits for anything that has come."""
        with self._arrived:
            del self._received[:-KEPT_BYTES]

    def _interrupt(self) -> None:
        """Ctrl-C, until the shell answers again: what it reads at that moment, it forgets."""
        with contextlib.suppress(TargetError):
            for _ in range(10):
                # One is not enough: a shell between reading and starting a command ignores it.
                self._write(b"\x03")
                token = secrets.token_hex(4)
                here = self._send(f"echo {token}''-free".encode())
                if self._find(f"{token}-free\r?\n".encode(), here, timeout_s=0.5):
                    return

    def _send(self, line: bytes) -> int:
        """Send one line; returns where its answer begins in what was received."""
        longest = max(len(part) + 1 for part in line.split(b"\n"))
        if longest > LONGEST_LINE_BYTES:
            raise TargetError(
                f"a line of {longest} bytes is too long for a terminal, which keeps "
                f"{LONGEST_LINE_BYTES}: {line[:60].decode(errors='replace')}..."
            )
        with self._arrived:
            here = len(self._received)
        self._write(line + b"\n")
        return here

    def _write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except (serial.SerialException, OSError) as error:
            raise TargetError(f"cannot write to {self._port.name}: {error}") from error

    def _wait_for(
        self, pattern: bytes, start: int, timeout_s: float, problem: str
    ) -> tuple[bytes, bytes]:
        """Wait until `pattern` is in what arrived after `start`.

        Returns what came before it, and its last group (all of it if it has none).
        """
        found = self._find(pattern, start, timeout_s)
        if found is None:
            raise TargetError(self._complaint(problem, timeout_s))
        return found

    def _find(self, pattern: bytes, start: int, timeout_s: float) -> tuple[bytes, bytes] | None:
        wanted, deadline, seen = re.compile(pattern), time.monotonic() + timeout_s, start
        with self._arrived:
            while not (found := wanted.search(self._received, seen)):
                # To look at everything again at each arrival takes for ever on a long output.
                seen = max(start, len(self._received) - _LONGEST_PATTERN_BYTES)
                left_s = deadline - time.monotonic()
                if left_s <= 0 or self._broken:
                    return None
                self._arrived.wait(left_s)
            return bytes(self._received[start : found.start()]), bytes(found[found.lastindex or 0])

    def _complaint(self, problem: str, timeout_s: float) -> str:
        lines = self.text.splitlines()[-12:]
        last = "\n".join(f"    | {line}" for line in lines) or "    | (nothing at all)"
        if self._broken:
            return f"{self._port.name} broke: {self._broken}; last lines of the console:\n{last}"
        return f"{problem} within {timeout_s:g} s; last lines of the console:\n{last}"

    def _drain(self) -> None:
        while not self._closing:
            try:
                data = self._port.read(max(1, self._port.in_waiting))
            except (serial.SerialException, OSError, TypeError) as error:
                self._broken = None if self._closing else error
                data = b""
            with self._arrived:
                self._received += data
                if data or self._broken:
                    self._arrived.notify_all()
            if self._broken:
                return


class ConsoleTalk:
    """A program in the foreground of a console; see `rig.targets.shell.Talk`."""

    def __init__(self, console: Console, here: int) -> None:
        """`here` is where its output begins in what the console has received."""
        self._console = console
        self._here = here

    def write(self, data: bytes) -> None:
        """To the terminal, so a line must end to be read and may not be too long."""
        self._console._write(data)

    def read(self, timeout_s: float) -> bytes:
        """What has come since the last call, whole lines or not."""
        console = self._console
        with console._arrived:
            console._arrived.wait_for(
                lambda: len(console._received) > self._here or console._broken, timeout_s
            )
            data = bytes(console._received[self._here :])
            self._here += len(data)
            if not data and console._broken:
                raise TargetError(f"{console._port.name} broke: {console._broken}")
            return data

    def close(self) -> None:
        """Ctrl-C, until the shell is back."""
        self._console._interrupt()


def _text(data: bytes) -> str:
    """Console bytes as text; a mini UART in QEMU sends a stray byte at every stty."""
    return data.decode(errors="replace").replace("\r\n", "\n")
