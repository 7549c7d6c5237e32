"""Shows the console against a real shell behind a login prompt, on real terminals.

Console -- near terminal == cable == far terminal -- login prompt, then a shell
"""

from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from boards import COMMANDS, LONG_S, Board, login_of, once_it_said

from rig.errors import TargetError
from rig.targets import console as module
from rig.targets.console import (
    KEPT_BYTES,
    LONGEST_LINE_BYTES,
    UPLOAD_WINDOW_BYTES,
    Console,
)

ENDLESS = "echo begun; sleep 600"
STRAY = b"\xb2"
"""What QEMU's mini UART sends at every change of the terminal's settings."""

Boards = Callable[..., Board]


@pytest.fixture
def boards() -> Iterator[Boards]:
    made: list[Board] = []

    def make(*program: str) -> Board:
        made.append(Board(*program))
        return made[-1]

    yield make
    for board in made:
        board.end()


@pytest.fixture
def board(boards: Boards) -> Board:
    return boards()


@pytest.fixture
def console(board: Board) -> Iterator[Console]:
    console = Console(board.port)
    console.log_in("root", LONG_S)
    yield console
    console.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file to send."""
    return tmp_path / "sent"


@pytest.mark.parametrize(("command", "status", "output"), COMMANDS.values(), ids=list(COMMANDS))
def test_a_command_gives_its_status_and_what_it_said(
    console: Console, command: str, status: int, output: str | None
) -> None:
    result = console.run(command, LONG_S)
    assert result.status == status
    assert output in (None, result.output)
    assert console.run("echo still here", LONG_S).output == "still here\n"


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_shell_may_edit_its_lines_or_not(boards: Boards, shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    console = Console(boards(login_of(shell)).port)
    console.log_in("root", LONG_S)
    assert [console.run(c, LONG_S).output for c in ("echo one", "true", "printf two")] == [
        "one\n",
        "",
        "two",
    ]
    console.close()


def test_bytes_may_arrive_one_by_one(console: Console, board: Board) -> None:
    board.piece = 1
    result = console.run("printf '12\\n345'; exit 6", LONG_S)
    assert (result.status, result.output) == (6, "12\n345")


def test_a_megabyte_of_output_arrives_whole(console: Console) -> None:
    result = console.run("seq 100000 250000", LONG_S)
    assert result.output == "".join(f"{n}\n" for n in range(100000, 250001))


def test_a_command_is_dated_before_it_is_sent_and_after_it_has_ended(console: Console) -> None:
    result = console.run("date +%s%N", LONG_S)
    assert result.started_ns < int(result.output) < result.ended_ns


def test_what_was_said_outside_commands_is_kept(console: Console) -> None:
    assert "Welcome, root\n" in console.text


def test_a_command_that_does_not_end_is_interrupted(console: Console) -> None:
    with pytest.raises(TargetError, match=r"(?s)no end of 'echo begun.*within 0.2 s; last lines"):
        console.run(ENDLESS, timeout_s=0.2)
    assert console.run("echo free again", LONG_S).output == "free again\n"


def test_a_shell_that_was_idle_when_interrupted_answers_again(
    console: Console, board: Board
) -> None:
    board.from_board = lambda data: re.sub(rb"[0-9a-f]{8}-end:0\r\n", b"", data)
    with pytest.raises(TargetError, match="no end of 'echo hello' within"):
        console.run("echo hello", timeout_s=0.2)
    board.from_board = bytes
    assert console.run("echo hello again", LONG_S).output == "hello again\n"


def test_a_ctrl_c_at_the_rig_interrupts_what_runs_on_the_board(
    console: Console, board: Board
) -> None:
    board.from_board = once_it_said(b"begun", lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        console.run(ENDLESS, LONG_S)
    board.from_board = bytes
    assert console.run("echo free again", LONG_S).output == "free again\n"


@pytest.mark.parametrize("moment", ["sleep 600", "stty raw"])
def test_a_ctrl_c_while_a_line_is_sent_leaves_the_board_in_order(
    console: Console, board: Board, path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    write = board.port.write

    def interrupted(data: bytes) -> None:
        write(data)
        if moment.encode() in data:
            raise KeyboardInterrupt

    monkeypatch.setattr(board.port, "write", interrupted)
    path.write_bytes(b"x" * 5000)
    with pytest.raises(KeyboardInterrupt):
        console.put(path, f"{path}.arrived") if "stty" in moment else console.run(ENDLESS, LONG_S)
    assert console.run("echo free again", LONG_S).output == "free again\n"


def test_a_command_may_be_as_long_as_a_terminal_keeps(console: Console) -> None:
    text = "x" * (LONGEST_LINE_BYTES - 100)
    assert console.run(f"echo {text}", LONG_S).output == f"{text}\n"


def test_a_command_that_a_terminal_would_cut_is_refused(console: Console) -> None:
    with pytest.raises(TargetError, match="too long for a terminal, which keeps 4096: echo"):
        console.run("echo " + "x" * LONGEST_LINE_BYTES)
    assert console.run("echo unharmed", LONG_S).output == "unharmed\n"


def test_the_longest_line_is_what_a_linux_terminal_keeps() -> None:
    master, slave = pty.openpty()
    os.write(master, b"x" * (LONGEST_LINE_BYTES - 1) + b"\n")
    kept = os.read(slave, 8192)
    os.write(master, b"x" * LONGEST_LINE_BYTES + b"\n")
    cut = os.read(slave, 8192)
    os.close(master)
    os.close(slave)
    assert len(kept) == LONGEST_LINE_BYTES
    assert len(cut) == LONGEST_LINE_BYTES


@pytest.mark.parametrize(
    "size", [0, 1, UPLOAD_WINDOW_BYTES, UPLOAD_WINDOW_BYTES + 1, 100_000], ids="{} bytes".format
)
def test_a_file_arrives_bit_by_bit_and_can_be_started(
    console: Console, tmp_path: Path, path: Path, size: int
) -> None:
    path.write_bytes((bytes(range(256)) + Random(size).randbytes(size))[:size])
    arrived = tmp_path / "a new folder" / "it's here"
    console.put(path, str(arrived))
    assert arrived.read_bytes() == path.read_bytes()
    assert arrived.stat().st_mode & 0o777 == 0o755
    assert os.listdir(arrived.parent) == [arrived.name]
    assert console.run("echo and on", LONG_S).output == "and on\n"


def test_a_file_leaves_the_terminal_as_it_was(console: Console, tmp_path: Path, path: Path) -> None:
    before = set(console.run("stty -a < /dev/tty", LONG_S).output.split())
    path.write_bytes(b"\x03")
    console.put(path, str(tmp_path / "arrived"))
    after = set(console.run("stty -a < /dev/tty", LONG_S).output.split())
    assert {"icanon", "isig", "icrnl", "onlcr", "-echo"} <= before & after


def test_stray_bytes_of_the_uart_do_no_harm(boards: Boards, tmp_path: Path, path: Path) -> None:
    board = boards()
    board.from_board = lambda data: re.sub(rb"(?=ready|[0-9a-f]{8}-(go|got)\b)", STRAY, data)
    console = Console(board.port)
    console.log_in("root", LONG_S)
    path.write_bytes(Random(0).randbytes(40_000))
    console.put(path, str(tmp_path / "arrived"))
    console.close()
    assert console.text.count("\ufffd") == 7
    assert (tmp_path / "arrived").read_bytes() == path.read_bytes()


def test_a_file_that_arrives_damaged_is_refused(
    console: Console, board: Board, tmp_path: Path, path: Path
) -> None:
    path.write_bytes(b"marked")
    (tmp_path / "arrived").write_bytes(b"from before")
    board.to_board = lambda data: data.replace(b"marked", b"marred")
    with pytest.raises(TargetError, match="in 3 attempts; at last: it arrived damaged: SHA-256"):
        console.put(path, str(tmp_path / "arrived"))
    assert (tmp_path / "arrived").read_bytes() == b"from before"
    assert sorted(os.listdir(tmp_path)) == ["arrived", "sent"]


def test_bytes_lost_on_the_way_leave_the_board_in_order(
    console: Console, board: Board, tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ACKNOWLEDGE_TIMEOUT_S", 0.2)
    path.write_bytes(b"marked" * 800)
    board.to_board = lambda data: b"" if b"marked" in data else data
    with pytest.raises(TargetError, match="upload was not acknowledged within"):
        console.put(path, str(tmp_path / "arrived"))
    assert console.run("echo in order", LONG_S).output == "in order\n"
    assert os.listdir(tmp_path) == ["sent"]


def test_a_file_for_which_there_is_no_room_is_not_run_as_commands(
    boards: Boards, tmp_path: Path, path: Path
) -> None:
    console = Console(boards("ulimit -f 8; " + login_of("sh")).port)
    console.log_in("root", LONG_S)
    path.write_bytes(f"touch {tmp_path}/run-as-command\n".encode() * 2000)
    with pytest.raises(TargetError, match=r"no room for \d+ bytes in .*: "):
        console.put(path, str(tmp_path / "arrived"))
    assert console.run("echo in order", LONG_S).output == "in order\n"
    assert os.listdir(tmp_path) == ["sent"]
    console.close()


def test_a_folder_that_cannot_be_made_is_named(console: Console, path: Path) -> None:
    path.write_bytes(b"x")
    with pytest.raises(TargetError, match=r"mkdir -p /proc/nowhere.* gave 1: "):
        console.put(path, "/proc/nowhere/sent")


def test_the_hash_of_a_file_on_the_board(console: Console, path: Path) -> None:
    assert console.sha256(str(path)) is None
    path.write_bytes(b"abc")
    assert str(console.sha256(str(path))).startswith("ba7816bf8f01cfea414140de5dae2223b00361a3")


def complaint_at_login(boards: Boards, program: str, last_words: str) -> str:
    """With more patience until the board has said its last words: it may be slow to start."""
    for patience_s in (0.2, 5, LONG_S):
        console = Console(boards(program).port)
        with pytest.raises(TargetError) as caught:
            console.log_in("root", patience_s)
        console.close()
        if str(caught.value).endswith(last_words):
            break
    return str(caught.value).replace(f"{patience_s:g} s;", "N s;")


LAST = "last lines of the console:\n    | "


@pytest.mark.parametrize(
    ("program", "complaint"),
    [
        ("sleep 600", f"no login prompt within N s; {LAST}(nothing at all)"),
        ("exit", f"no login prompt within N s; {LAST}(nothing at all)"),
        ("echo Kernel panic; sleep 600", f"no login prompt within N s; {LAST}Kernel panic"),
        (
            "printf 'login: '; read user; echo Login incorrect; sleep 600",
            f"no shell after logging in as 'root' within N s; {LAST}"
            "login: root\n    | Login incorrect",
        ),
        (
            "printf 'login: '; read user; printf '# '; sleep 600",
            f"the shell does not answer within N s; {LAST}"
            "login: root\n    | # stty -echo; PS1=; PS2=; echo rea''dy",
        ),
    ],
    ids=["silent", "gone", "panic", "refused", "deaf"],
)
def test_a_board_without_a_shell_is_given_up(boards: Boards, program: str, complaint: str) -> None:
    assert complaint_at_login(boards, program, complaint[-5:]) == complaint


def test_a_complaint_shows_the_last_twelve_lines(boards: Boards) -> None:
    complaint = complaint_at_login(boards, "seq 100; sleep 600", "100")
    assert complaint.endswith("console:\n" + "\n".join(f"    | {n}" for n in range(89, 101)))


def test_a_port_that_goes_away_ends_the_wait_at_once(console: Console, board: Board) -> None:
    board.from_board = once_it_said(b"begun", board.unplug)
    started_s = time.monotonic()
    with pytest.raises(TargetError, match=rf"(?s)^{board.port.name} broke: .*\| ready"):
        console.run(ENDLESS, timeout_s=LONG_S)
    assert time.monotonic() - started_s < LONG_S
    with pytest.raises(TargetError, match=str(board.port.name)):
        console.run("echo again", timeout_s=LONG_S)


def test_a_port_that_takes_nothing_is_given_up(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WRITE_TIMEOUT_S", 0.1)
    console, port = Console(board.port), board.port.fileno()
    free = threading.Timer(LONG_S, termios.tcflow, (port, termios.TCOON))
    free.start()
    termios.tcflow(port, termios.TCOOFF)
    with pytest.raises(TargetError, match=f"^cannot write to {board.port.name}: Write timeout"):
        console.run("echo hello", LONG_S)
    free.cancel()
    termios.tcflow(port, termios.TCOON)
    console.close()


def test_nothing_is_left_running_or_open(path: Path) -> None:
    before = set(threading.enumerate()), set(os.listdir("/proc/self/fd"))
    board = Board()
    console = Console(board.port)
    console.log_in("root", LONG_S)
    with pytest.raises(TargetError):
        console.run("yes", timeout_s=0.2)
    console.close()
    board.end()
    assert (set(threading.enumerate()), set(os.listdir("/proc/self/fd"))) == before


def test_a_console_that_was_closed_says_so(console: Console, board: Board) -> None:
    console.close()
    with pytest.raises(TargetError, match=f"cannot write to {board.port.name}"):
        console.run("echo hello")


def test_a_console_that_says_much_is_not_kept_for_ever(console: Console) -> None:
    for _ in range(3):
        console.run("seq 100000 150000", LONG_S)
    console.run("true", LONG_S)
    assert len(console.text) < 2 * KEPT_BYTES
