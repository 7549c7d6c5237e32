"""Shows that a QEMU which is missing, refuses, hangs or dies is told apart, and always ended.

QEMU is a script here, found on PATH as the real one is; it speaks enough of QMP
and qtest, and fails as it is told.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.errors import TargetError
from rig.targets import qemu as module
from rig.targets.qemu import QEMU, Emulator, QTest

LONG_S = 60

FAKE_QEMU = f"""#!{sys.executable} -IS
import json, os, signal, socket, sys, threading, time

registers = {{0x3f200034: 0x2000000}}

def listen(option):
    path = sys.argv[sys.argv.index(option) + 1].removeprefix("unix:").split(",")[0]
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    return listener

def die():
    print("qemu-system-aarch64: the machine is on fire", file=sys.stderr, flush=True)
    os._exit(3)

def qmp_answer(name, arguments):
    if name == "die":
        die()
    if name == "hang":
        time.sleep(600)
    if name == "arguments":
        return {{"return": sys.argv[1:]}}
    if name in ("qmp_capabilities", "echo"):
        return {{"return": arguments}}
    return {{"error": {{"class": "CommandNotFound", "desc": f"no command {{name}}"}}}}

def requests(connection):
    # They come without any end of line, one at a time.
    while received := connection.recv(4096):
        yield json.loads(received)

def serve_qmp(listener):
    connection = listener.accept()[0]
    answer = {{"QMP": {{"version": {{"qemu": {{"major": 7}}}}, "capabilities": []}}}}
    connection.sendall(json.dumps(answer).encode() + b"\\n")
    for request in requests(connection):
        answer = qmp_answer(request["execute"], request.get("arguments", {{}}))
        answer |= {{"id": request["id"]}} if "id" in request else {{}}
        connection.sendall(json.dumps(answer).encode() + b"\\n")

def qtest_answer(word, *numbers):
    if word == "readl" and numbers[0] == "0xdead":
        return ""
    if word == "readl":
        return f"OK {{registers.get(int(numbers[0], 16), 0):#018x}}\\n"
    if word == "writel":
        registers[int(numbers[0], 16)] = int(numbers[1], 16)
        return "OK\\n"
    if word == "irq_intercept_out" and numbers[0] == "/machine/gpio":
        return "OK\\nIRQ raise 25\\nIRQ lower 25\\n"
    return "FAIL Unknown device\\n"

def serve_qtest(listener):
    stream = listener.accept()[0].makefile("rw")
    for line in stream:
        stream.write(qtest_answer(*line.split()))
        stream.flush()

if os.environ["FAKE_QEMU"] == "refuses":
    sys.exit("qemu-system-aarch64: unsupported machine type")
if os.environ["FAKE_QEMU"] == "silent":
    print("qemu-system-aarch64: waiting for Godot", file=sys.stderr, flush=True)
    time.sleep(600)
if os.environ["FAKE_QEMU"] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
qtest = listen("-qtest")
threading.Thread(target=serve_qtest, args=(qtest,), daemon=True).start()
serve_qmp(listen("-qmp"))
signal.pause()
"""


@pytest.fixture(autouse=True)
def folders(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where folders are made. A socket's path must be short, so not where pytest makes its own."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


@pytest.fixture(autouse=True)
def fake_qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / QEMU).write_text(FAKE_QEMU)
    (tmp_path / QEMU).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("FAKE_QEMU", "works")


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    emulator = Emulator()
    yield emulator
    emulator.stop()


def is_gone(pid: int) -> bool:
    """Bounded, because a process that was killed still takes its time to go.

    A zombie is gone: who has to collect it is not the rig, if that was killed.
    """
    deadline_s = time.monotonic() + LONG_S
    while time.monotonic() < deadline_s:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return True
        if stat.rpartition(") ")[2].startswith("Z"):
            return True
        time.sleep(0.01)
    return False


def test_a_qemu_that_is_not_installed_is_named_with_the_remedy(
    emulator: Emulator, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(folders))
    with pytest.raises(TargetError, match=f"^{QEMU} is not installed; `make setup` installs it$"):
        emulator.start([], [])
    emulator.stop()
    assert os.listdir(folders) == []


def test_a_qemu_that_refuses_is_quoted(
    emulator: Emulator, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_QEMU", "refuses")
    with pytest.raises(TargetError, match=r"QEMU is not running; .*: unsupported machine type$"):
        emulator.start(["-M", "raspi9"], [])
    emulator.stop()
    assert os.listdir(folders) == []


def test_a_qemu_that_does_not_answer_is_given_up(
    emulator: Emulator, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "START_TIMEOUT_S", 0.5)
    monkeypatch.setenv("FAKE_QEMU", "silent")
    with pytest.raises(
        TargetError, match=r"QEMU does not answer within 0\.5 s; QEMU said: .*Godot"
    ):
        emulator.start([], [])
    pid = emulator.pid
    emulator.stop()
    assert is_gone(pid)
    assert os.listdir(folders) == []


def test_a_qemu_that_ignores_sigterm_is_killed(
    emulator: Emulator, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_QEMU", "deaf")
    emulator.start([], [])
    pid, started_s = emulator.pid, time.monotonic()
    emulator.stop()
    assert time.monotonic() - started_s < LONG_S
    assert is_gone(pid)
    assert os.listdir(folders) == []


def test_a_qemu_that_dies_is_quoted_and_cleaned_up_after(emulator: Emulator, folders: Path) -> None:
    emulator.start([], [])
    pid = emulator.pid
    with pytest.raises(TargetError, match=r"QMP die: .*; QEMU said: .*on fire$"):
        emulator.command("die")
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(TargetError, match=r"QEMU is not running; QEMU said: .*on fire$"):
        _ = emulator.pid
    emulator.stop()
    assert os.listdir(folders) == []


def test_a_command_that_is_not_answered_is_given_up(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator.start([], [])
    assert emulator.command("echo", level=1) == {"level": 1}
    with pytest.raises(TargetError, match="QMP nonsense: no command nonsense"):
        emulator.command("nonsense")


def test_a_command_that_hangs_is_given_up(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWER_TIMEOUT_S", 0.5)
    emulator.start([], [])
    with pytest.raises(TargetError, match="QMP hang"):
        emulator.command("hang")


def test_qemu_starts_stopped_and_traces_into_the_fifo(emulator: Emulator) -> None:
    emulator.start(["-M", "raspi3b"], ["gpio_write", "uart_write"])
    arguments = emulator.command("arguments")
    assert "-S" in arguments
    assert arguments[-2:] == ["-M", "raspi3b"]
    assert arguments[arguments.index("-D") + 1] == str(emulator.trace)
    assert [a for a, b in zip(arguments[1:], arguments, strict=False) if b == "-trace"] == [
        "gpio_write",
        "uart_write",
    ]
    assert emulator.trace.is_fifo()


def test_who_wants_to_attach_is_called_when_qemu_answers(emulator: Emulator) -> None:
    told: list[object] = []
    emulator.on_start.append(lambda: told.append(emulator.command("echo", a=1)))
    emulator.on_start.append(lambda: told.append(emulator.pid))
    emulator.start([], [])
    assert told == [{"a": 1}, emulator.pid]


def test_a_ctrl_c_at_the_terminal_does_not_reach_qemu(emulator: Emulator) -> None:
    emulator.start([], [])
    assert os.getsid(emulator.pid) != os.getsid(0)


def test_what_was_not_started_can_be_stopped_and_cannot_be_used(
    emulator: Emulator, folders: Path
) -> None:
    for _ in range(2):
        with pytest.raises(TargetError, match="QEMU is not running"):
            emulator.command("echo")
        with pytest.raises(TargetError, match="QEMU is not running"):
            _ = emulator.pid
        emulator.stop()
    assert os.listdir(folders) == []


RIG = """
import time
from rig.targets.qemu import Emulator
emulator = Emulator()
emulator.start([], [])
print(emulator.pid, emulator.folder, flush=True)
time.sleep(600)
"""


def test_qemu_dies_with_a_rig_that_is_killed_and_the_next_rig_sweeps(folders: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(folders)}
    with subprocess.Popen(
        [sys.executable, "-c", RIG], stdout=subprocess.PIPE, text=True, env=environment
    ) as rig:
        assert rig.stdout
        pid, folder = rig.stdout.readline().split()
        mine = Emulator()
        swept = not Path(folder).exists()
        os.kill(rig.pid, signal.SIGKILL)
    assert not swept
    assert is_gone(int(pid))
    assert Path(folder).exists()
    yours = Emulator()
    assert set(folders.iterdir()) == {mine.folder, yours.folder}
    mine.stop()
    yours.stop()


@pytest.fixture
def irqs() -> list[tuple[int, int]]:
    return []


@pytest.fixture
def qtest(emulator: Emulator, irqs: list[tuple[int, int]]) -> Iterator[QTest]:
    emulator.start([], [])
    qtest = emulator.qtest(lambda number, level: irqs.append((number, level)))
    yield qtest
    qtest.close()


def test_registers_are_read_and_written(qtest: QTest) -> None:
    assert qtest.read_register(0x3F200034) == 0x2000000
    qtest.write_register(0x3F200008, 0x8000)
    assert qtest.read_register(0x3F200008) == 0x8000


def test_interceptions_come_in_order_and_are_no_answers(
    qtest: QTest, irqs: list[tuple[int, int]]
) -> None:
    qtest.intercept_outputs("/machine/gpio")
    assert qtest.read_register(0x3F200034) == 0x2000000
    assert irqs == [(25, 1), (25, 0)]


def test_what_qtest_refuses_is_an_error_of_the_bench(qtest: QTest) -> None:
    with pytest.raises(
        TargetError, match="'irq_intercept_out /nothing' with 'FAIL Unknown device'"
    ):
        qtest.intercept_outputs("/nothing")


def test_a_qtest_that_does_not_answer_is_given_up(
    qtest: QTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWER_TIMEOUT_S", 0.2)
    with pytest.raises(TargetError, match="does not answer 'readl 0xdead'"):
        qtest.read_register(0xDEAD)


def test_a_qtest_whose_qemu_is_gone_is_given_up(
    emulator: Emulator, qtest: QTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWER_TIMEOUT_S", 0.2)
    emulator.stop()
    with pytest.raises(TargetError, match="does not answer 'readl 0x1'"):
        qtest.read_register(1)


@pytest.mark.parametrize("first", ["qtest", "emulator"])
def test_nothing_is_left_running(folders: Path, first: str) -> None:
    before = set(threading.enumerate())
    emulator = Emulator()
    emulator.start([], [])
    pid, qtest = emulator.pid, emulator.qtest(lambda *_: None)
    ends = [qtest.close, emulator.stop]
    for end in ends if first == "qtest" else reversed(ends):
        end()
        for thread in set(threading.enumerate()) - before:
            thread.join(LONG_S)
        assert set(threading.enumerate()) == before
    assert is_gone(pid)
    assert os.listdir(folders) == []
