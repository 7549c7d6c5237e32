"""The observer that is a second Pi: gpiozero's mock pins below, the real agent between."""

from __future__ import annotations

import math
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mock_pi import BUDGET, WIRING, MockKernel, MockPi

from rig.capture import ClockKind, proven_lost
from rig.errors import ObserverError
from rig.observers import agent
from rig.observers import gpiozero as module
from rig.observers.gpiozero import AGENT, ChildTalk, GpiozeroObserver


@pytest.fixture(autouse=True)
def _no_needless_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "SETTLE_S", 0.01)
    monkeypatch.setattr(agent, "DRAIN_TIMEOUT_S", 0.1)


@pytest.fixture
def pi() -> Iterator[MockPi]:
    mocked = MockPi()
    mocked.observer.connect()
    yield mocked
    mocked.observer.close()


@pytest.fixture
def counting_pi() -> Iterator[MockPi]:
    mocked = MockPi(MockKernel())
    mocked.observer.connect()
    yield mocked
    mocked.observer.close()


def levels(capture: Any, line: str = "led") -> list[int]:
    found: list[int] = capture.of_line(line)["level"].tolist()
    return found


# What it sees.


def test_edges_carry_the_time_of_the_pin_factory(pi: MockPi) -> None:
    stamps = []
    pi.observer.arm()
    for level in (1, 0, 1):
        pi.drive(level)
        stamps.append(round(pi.factory.pin(5)._last_change * 1e9))
        time.sleep(0.002)
    capture = pi.observer.stop()
    assert capture.of_line("led")["time_ns"].tolist() == stamps
    assert levels(capture) == [1, 0, 1]
    assert levels(capture, "other") == []
    assert capture.is_complete


def test_a_late_callback_does_not_make_an_edge_late(
    pi: MockPi, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = agent.Pins._take

    def slowly(*arguments: Any) -> None:
        time.sleep(0.1)
        take(*arguments)

    monkeypatch.setattr(agent.Pins, "_take", slowly)
    pi.observer.arm()
    before_ns = time.monotonic_ns()
    pi.drive(1)
    (edge,) = pi.observer.stop()
    assert 0 <= edge.time_ns - before_ns < 50_000_000


def test_the_budget_is_the_benchs_and_the_step_is_the_agents(pi: MockPi) -> None:
    pi.observer.arm()
    clock = pi.observer.stop().clock
    assert (clock.kind, clock.resolution_ns) == (ClockKind.KERNEL, 53)
    assert (clock.accuracy_ppm, clock.latency_ns) == (BUDGET.accuracy_ppm, BUDGET.latency_ns)


def test_its_clock_is_known_as_well_as_the_round_trip_was_short(pi: MockPi) -> None:
    asked_ns = time.monotonic_ns()
    told = pi.observer.now()
    answered_ns = time.monotonic_ns()
    # The mock's clock is this machine's own, so the truth is known here.
    assert told.time_ns - told.uncertainty_ns <= answered_ns
    assert told.time_ns + told.uncertainty_ns >= asked_ns
    assert told.uncertainty_ns <= answered_ns - asked_ns


def test_a_thousand_edges_arrive_in_order(pi: MockPi) -> None:
    pi.observer.arm()
    for n in range(1000):
        pi.drive(1 - n % 2, "other" if n % 4 >= 2 else "led")
    capture = pi.observer.stop()
    assert len(capture.edges) == 1000
    assert capture.is_complete


def test_it_sees_no_directions(pi: MockPi) -> None:
    pi.observer.arm()
    assert not pi.observer.stop().sees_modes
    assert pi.observer.functions() == {}


# What it loses.


def test_two_equal_levels_in_a_row_are_a_lost_edge(pi: MockPi) -> None:
    pi.observer.arm()
    pi.drive(1)
    pi.drive_unseen(0)
    pi.drive(1)
    capture = pi.observer.stop()
    assert capture.lost == 1
    assert levels(capture) == [1, 1]
    assert capture.of_line("led")["seqno"].tolist() == [0, 2]
    assert proven_lost(capture.edges, [0, 0]) == 1


def test_an_even_number_of_lost_edges_shows_in_the_kernels_count(counting_pi: MockPi) -> None:
    counting_pi.observer.arm()
    counting_pi.drive(1)
    for level in (0, 1, 0, 1):
        counting_pi.drive_unseen(level)
    counting_pi.drive(0)
    capture = counting_pi.observer.stop()
    assert levels(capture) == [1, 0]
    assert capture.lost == 4


def test_an_edge_lost_at_the_very_end_shows_in_the_level(pi: MockPi) -> None:
    pi.observer.arm()
    pi.drive(1)
    pi.drive_unseen(0)
    capture = pi.observer.stop()
    assert levels(capture) == [1]
    assert capture.lost == 1


def test_a_line_that_moves_at_the_very_end_is_not_taken_for_a_lost_edge(
    pi: MockPi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edge between the look at the level and the look at the edges."""
    levels_now = agent.Pins._levels

    def moving(pins: agent.Pins) -> dict[str, int]:
        found = levels_now(pins)
        pi.drive(1 - found["5"])
        return found

    pi.observer.arm()
    monkeypatch.setattr(agent.Pins, "_levels", moving)
    capture = pi.observer.stop()
    assert capture.is_complete


def test_a_line_of_edges_that_was_damaged_on_its_way_is_lost(pi: MockPi) -> None:
    assert pi.talk
    pi.observer.arm()
    pi.talk.spoil = lambda data: data.replace(b'"edges":[[', b'"edges":[[9', 1)
    for level in (1, 0, 1, 0):
        pi.drive(level)
    capture = pi.observer.stop()
    assert capture.lost == 4
    assert len(capture.edges) == 0


def test_a_count_that_matches_is_a_complete_capture(counting_pi: MockPi) -> None:
    counting_pi.observer.arm()
    for level in (1, 0, 1, 0):
        counting_pi.drive(level)
    assert counting_pi.observer.stop().is_complete


def test_more_edges_than_the_agent_keeps_are_an_overrun(
    pi: MockPi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "MOST_EDGES", 3)
    pi.observer.arm()
    for level in (1, 0, 1, 0, 1):
        pi.drive(level)
    capture = pi.observer.stop()
    assert capture.overrun
    assert levels(capture) == [1, 0, 1]


def test_a_line_that_never_holds_still_is_named(
    pi: MockPi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "ARM_TIMEOUT_S", 0.2)
    done = threading.Event()

    def wobble() -> None:
        while not done.wait(0.002):
            pi.drive(1 - int(pi.factory.pin(5).state))

    with_wobble = threading.Thread(target=wobble)
    with_wobble.start()
    with pytest.raises(ObserverError, match=r"GPIO 5 never holds still.*ground.*pull"):
        pi.observer.arm()
    done.set()
    with_wobble.join()


# The conversation.


def test_a_damaged_answer_is_asked_for_again_and_nothing_is_done_twice(
    pi: MockPi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENCE_S", 0.3)
    assert pi.talk
    spoilt = []

    def once(data: bytes) -> bytes:
        if b"start_ns" in data and not spoilt:
            spoilt.append(data)
            return data.replace(b"start_ns", b"startXns")
        return data

    pi.talk.spoil = once
    pi.observer.arm()
    pi.drive(1)
    assert spoilt
    assert levels(pi.observer.stop()) == [1]


def test_other_peoples_lines_are_skipped(pi: MockPi) -> None:
    assert pi.talk
    pi.talk.spoil = lambda data: b"\xb2[ 12.3] usb 1-1: new device\r\n" + data if data else data
    pi.observer.arm()
    pi.drive(1)
    assert levels(pi.observer.stop()) == [1]


def test_a_silent_agent_is_an_error_of_the_bench_within_bounded_time(
    pi: MockPi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENCE_S", 0.1)
    assert pi.talk
    pi.talk.spoil = lambda data: b""
    with pytest.raises(ObserverError, match=r"no answer to 'arm' within 0\.3 s"):
        pi.observer.arm()


def test_an_agent_that_ends_in_mid_run_is_an_error_with_its_last_words(pi: MockPi) -> None:
    assert pi.talk
    pi.observer.arm()
    os.write(pi.talk.agent._answers, b"Segmentation fault\n")
    pi.talk.write(agent.frame(0, {"do": "bye"}))
    with pytest.raises(ObserverError, match=r"(?s)it has ended.*Segmentation fault"):
        pi.observer.stop()


@given(st.integers(0, 10**6), st.dictionaries(st.text(), st.integers() | st.text()), st.data())
def test_a_line_arrives_as_it_was_sent_or_not_at_all(
    number: int, message: dict[str, Any], data: st.DataObject
) -> None:
    line = agent.frame(number, message)
    assert agent.unframe(line) == (number, message)
    place = data.draw(st.integers(line.index(b"{"), len(line) - 2))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != line[place]))
    assert agent.unframe(line[:place] + bytes([other]) + line[place + 1 :]) is None
    assert agent.unframe(line[:place]) is None


# The end of the agent.


def test_the_agent_ends_and_gives_its_lines_back_when_its_input_ends(pi: MockPi) -> None:
    assert pi.talk
    os.close(pi.talk._orders)
    pi.talk.thread.join(timeout=5)
    assert not pi.talk.thread.is_alive()
    assert pi.factory.pins == {}


def test_the_agent_ends_when_the_rig_falls_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "SILENCE_S", 0.2)
    monkeypatch.setattr(module, "BEAT_S", 60)
    mocked = MockPi()
    mocked.observer.connect()
    assert mocked.talk
    mocked.talk.thread.join(timeout=5)
    assert not mocked.talk.thread.is_alive()
    mocked.observer.close()


def test_the_rig_is_heard_even_when_it_has_nothing_to_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(agent, "SILENCE_S", 1.5)
    monkeypatch.setattr(module, "BEAT_S", 0.1)
    mocked = MockPi()
    mocked.observer.connect()
    mocked.observer.arm()
    time.sleep(2.5)
    mocked.observer.stop()
    mocked.observer.close()


# On the second Pi itself, through lgpio.


class FakeLgpio(ModuleType):
    """Of lgpio, what gpiozero calls; GPIO 6 belongs to somebody else, there is no chip 4."""

    class error(Exception):  # noqa: N801, N818 - lgpio's own name
        pass

    def __init__(self) -> None:
        super().__init__("lgpio")
        self.folder = os.getcwd()
        self.calls: list[tuple[Any, ...]] = []
        for n, name in enumerate(("RISING_EDGE", "FALLING_EDGE", "BOTH_EDGES")):
            setattr(self, name, n + 1)
        for n, name in enumerate(("SET_PULL_NONE", "SET_PULL_UP", "SET_PULL_DOWN")):
            setattr(self, name, n)

    def gpiochip_open(self, chip: int) -> int:
        if chip == 4:
            raise self.error("can not open gpiochip")
        return 7

    def gpio_claim_input(self, handle: int, line: int, flags: int = 0) -> None:
        if line > 7:
            raise self.error("'bad GPIO number'")
        if line == 6:
            raise self.error("'GPIO busy'")

    def gpio_get_line_info(self, handle: int, line: int) -> list[Any]:
        if line > 7:
            raise self.error("'bad GPIO number'")
        return [0, line, 0, "", "sysfs" if line == 6 else ""]

    def gpio_get_mode(self, handle: int, line: int) -> int:
        return 1 << 7

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *arguments: self.calls.append((name, *arguments))


@pytest.fixture
def lgpio(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLgpio]:
    fake = FakeLgpio()
    monkeypatch.setitem(sys.modules, "lgpio", fake)
    monkeypatch.setattr("gpiozero.pins.local.get_pi_revision", lambda: 0xA02082)
    monkeypatch.delitem(sys.modules, "gpiozero.pins.lgpio", raising=False)
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")
    yield fake
    sys.modules.pop("gpiozero.pins.lgpio", None)


def test_no_other_pin_factory_is_taken_in_silence(lgpio: FakeLgpio) -> None:
    pins, told = agent.open_lgpio(0, [5], "floating")
    assert type(pins._pins[5]).__name__ == "LGPIOPin"
    assert told == {"factory": "lgpio", "chip": 0}
    assert ("gpio_claim_alert", 7, 5, lgpio.BOTH_EDGES, 1 << 7) in lgpio.calls
    pins.close()


def test_a_line_in_use_is_refused_with_its_holder(lgpio: FakeLgpio) -> None:
    with pytest.raises(RuntimeError, match="GPIO 6: error: 'GPIO busy'; it is in use by 'sysfs'"):
        agent.open_lgpio(0, [5, 6], "floating")


def test_a_line_that_the_chip_does_not_have_is_refused(lgpio: FakeLgpio) -> None:
    with pytest.raises(RuntimeError, match=r"^GPIO 9: error: 'bad GPIO number'$"):
        agent.open_lgpio(0, [9], "floating")


def test_a_missing_chip_is_refused_with_those_that_are_there(lgpio: FakeLgpio) -> None:
    with pytest.raises(RuntimeError, match=r"cannot open GPIO chip 4: can not open.*; there are: "):
        agent.open_lgpio(4, [5], "floating")


def test_a_gpiozero_that_takes_another_chip_in_silence_is_refused(
    lgpio: FakeLgpio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As 2.0.1 does, which forgets what it was asked for."""
    from gpiozero.pins.lgpio import LGPIOFactory

    monkeypatch.setattr(LGPIOFactory, "chip", property(lambda _: 0))
    with pytest.raises(RuntimeError, match="opens GPIO chip 0 whatever it is asked for"):
        agent.open_lgpio(1, [5], "floating")


def test_gpiozero_without_lgpio_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lgpio.py").write_text("raise ModuleNotFoundError('No module named lgpio')")
    environment = {**os.environ, "GPIOZERO_PIN_FACTORY": "mock", "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-P", str(AGENT), "--lines", "5"]
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=60
    )
    told = agent.unframe(done.stdout)
    assert done.returncode == 1
    assert told == (0, {"error": "ModuleNotFoundError: No module named lgpio"})


def test_what_the_agent_cannot_have_is_an_error_of_the_bench(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "lgpio.py").write_text("raise OSError('no chip here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    observer = GpiozeroObserver(ChildTalk, WIRING, BUDGET)
    with pytest.raises(ObserverError, match="no chip here"):
        observer.connect()
    observer.close()


def test_the_kernels_count_is_that_of_the_lines_held(tmp_path: Path) -> None:
    table = tmp_path / "interrupts"
    table.write_text(
        "           CPU0       CPU1\n"
        " 11:       5993       1000     GIC-0  27 Level     arch_timer\n"
        " 55:         20          3  pinctrl-bcm2835   5 Edge      lg\n"
        " 56:          9          0  pinctrl-bcm2835   6 Edge      sysfs\n"
        "Err:          0\n"
    )
    kernel = agent.Kernel(None, 0, str(table))
    assert kernel.edges([5]) == {5: 23}
    assert kernel.edges([5, 6]) is None


# Clocks.


@given(st.integers(0, 97 * 24 * 3600 * 10**9))
def test_seconds_as_a_double_keep_the_nanosecond_for_97_days(stamp_ns: int) -> None:
    clock = agent.SecondsClock(SimpleNamespace(ticks=lambda: stamp_ns / 1e9))
    assert abs(clock.now_ns() - stamp_ns) <= 1
    assert clock.resolution_ns() == agent.KERNEL_STEP_NS


def test_a_board_that_runs_for_thirty_years_says_that_its_stamps_are_coarser() -> None:
    thirty_years_s = 30 * 365 * 24 * 3600.0
    clock = agent.SecondsClock(SimpleNamespace(ticks=lambda: thirty_years_s))
    assert clock.resolution_ns() == math.ceil(math.ulp(thirty_years_s) * 1e9) == 120


@given(
    began_us=st.integers(0, 2**32 - 1),
    later_us=st.integers(0, 10**12),
    wrong_us=st.integers(-(10**9), 10**9),
)
def test_pigpios_count_does_not_wrap_for_ever(began_us: int, later_us: int, wrong_us: int) -> None:
    """The host's clock may be a quarter of an hour off by then."""
    host = iter([0.0, (later_us + wrong_us) / 1e6])
    clock = agent.PigpioClock(SimpleNamespace(ticks=lambda: began_us), 5, lambda: next(host))
    wrapped = (began_us + later_us) % 2**32
    assert clock.stamp_ns(wrapped) == (began_us + later_us) * 1000


# Through pigpiod.


class FakePigpiod(threading.Thread):
    """As much of pigpiod's socket interface as gpiozero needs: 16 bytes in, 16 bytes out."""

    READ, BANK, TICK, REVISION, NOTIFY = 3, 10, 16, 17, 99

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.tick = 2**32 - 1000
        self.levels = 0
        self.listener: socket.socket | None = None
        self.start()

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        with connection:
            while len(request := connection.recv(16)) == 16:
                command, line, *_ = struct.unpack("IIII", request)
                answer = {
                    self.READ: self.levels >> line & 1,
                    self.BANK: self.levels,
                    self.TICK: self.tick,
                    self.REVISION: 0xA02082,
                }.get(command, 0)
                connection.sendall(request[:12] + struct.pack("I", answer))
                if command == self.NOTIFY:
                    self.listener = connection

    def drive(self, line: int, level: int, after_us: int) -> None:
        self.tick = (self.tick + after_us) % 2**32
        self.levels = self.levels & ~(1 << line) | level << line
        assert self.listener
        self.listener.sendall(struct.pack("HHII", 0, 0, self.tick, self.levels))


@pytest.fixture
def pigpiod() -> Iterator[FakePigpiod]:
    daemon = FakePigpiod()
    yield daemon
    daemon.server.close()


def by_pigpio(port: int) -> GpiozeroObserver:
    address = ["--pigpio", f"127.0.0.1:{port}"]
    return GpiozeroObserver(lambda more: ChildTalk([*address, *more]), WIRING, BUDGET)


def test_pigpiods_stamps_are_kept_across_the_wrap(pigpiod: FakePigpiod) -> None:
    observer = by_pigpio(pigpiod.port)
    observer.connect()
    observer.arm()
    for level, after_us in ((1, 500), (0, 600), (1, 700)):
        pigpiod.drive(5, level, after_us)
    time.sleep(0.2)
    capture = observer.stop()
    observer.close()
    assert levels(capture) == [1, 0, 1]
    times = capture.of_line("led")["time_ns"].tolist()
    assert [b - a for a, b in pairwise(times)] == [600_000, 700_000]
    assert (capture.clock.kind, capture.clock.resolution_ns) == (ClockKind.HARDWARE, 5000)


def test_no_pigpiod_is_an_error_that_says_where_it_was_sought() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    observer = by_pigpio(port)
    with pytest.raises(ObserverError, match=f"failed to connect to 127.0.0.1:{port}"):
        observer.connect()
    observer.close()
