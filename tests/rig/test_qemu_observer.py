"""Shows that the three witnesses of the virtual Pi's pins see everything, or say that they did not.

QEMU is a fake here: a GPIO block as QEMU has it, a real FIFO for its trace, and
faults that can be switched on. The real one runs in `tests/virtual_pi`.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import termios
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.capture import ClockKind, Edge
from rig.errors import ObserverError
from rig.observers import qemu as module
from rig.observers.qemu import (
    GPCLR0,
    GPFSEL0,
    GPIO_BASE,
    GPLEV0,
    GPSET0,
    MARKER,
    MODES,
    PINS,
    POWER_CUT,
    QUALIFYING_MARKERS,
    GpioModel,
    QemuObserver,
    TraceReader,
)
from rig.targets.qemu import QTest
from rig.targets.virtual_pi import VirtualPi

LONG_S = 60
MS = 1_000_000
LED = 25
GPFSEL2 = 0x08
INPUT, OUTPUT, ALT0 = 0, 1, 4
LINES = tuple("led" if pin == LED else f"gpio{pin}" for pin in range(PINS))


def selected(pin: int, function: int) -> tuple[int, int]:
    """Offset and value that give one pin a function, and its nine neighbours none."""
    return GPFSEL0 + pin // 10 * 4, function << pin % 10 * 3


def high(pin: int) -> tuple[int, int]:
    return GPSET0 + pin // 32 * 4, 1 << pin % 32


def low(pin: int) -> tuple[int, int]:
    return GPCLR0 + pin // 32 * 4, 1 << pin % 32


class GpioBlock:
    """QEMU's bcm2835_gpio as it was seen to behave, register by register.

    It drives an output line only on a write to a set or clear register, only for
    latches that this write changes, and only if the pin is an output then. The
    interception reports a line only when it changes.
    """

    def __init__(self) -> None:
        self.selects = [0] * 6
        self.latches = [0, 0]
        self.driven = [0] * PINS

    def write(self, offset: int, value: int) -> list[tuple[int, int]]:
        if offset in range(0x00, 0x18, 4):
            self.selects[offset // 4] = value
        if offset in (0x1C, 0x20):
            return self._latch((offset - 0x1C) // 4, value, 1)
        if offset in (0x28, 0x2C):
            return self._latch((offset - 0x28) // 4, value, 0)
        return []

    def read(self, offset: int) -> int:
        return self.selects[offset // 4] if offset < 0x18 else self.latches[(offset - 0x34) // 4]

    def level(self, pin: int) -> int:
        return self.latches[pin // 32] >> pin % 32 & self.is_output(pin)

    def is_output(self, pin: int) -> bool:
        return self.selects[pin // 10] >> pin % 10 * 3 & 7 == 1

    def _latch(self, bank: int, value: int, level: int) -> list[tuple[int, int]]:
        before = self.latches[bank]
        self.latches[bank] = before | value if level else before & ~value
        changed = before ^ self.latches[bank]
        pins = [pin for pin in range(PINS) if pin // 32 == bank and changed >> pin % 32 & 1]
        moved = [pin for pin in pins if self.is_output(pin) and self.driven[pin] != level]
        for pin in moved:
            self.driven[pin] = level
        return [(pin, level) for pin in moved]


# The model of the registers.


def apply(model: GpioModel, *writes: tuple[int, int]) -> list[tuple[int, int]]:
    return [report for write in writes for report in model.apply(*write)]


@pytest.mark.parametrize("pin", range(PINS))
def test_a_function_select_register_sets_its_pin_alone(pin: int) -> None:
    for function in range(8):
        model = GpioModel()
        assert apply(model, selected(pin, function)) == []
        assert model.mode(pin) == MODES[function]
        assert model.functions.count(0) == PINS - bool(function)


def test_the_functions_are_those_of_the_data_sheet() -> None:
    assert [MODES[n] for n in (0b000, 0b001, 0b100, 0b101, 0b110, 0b111, 0b011, 0b010)] == [
        "in",
        "out",
        *(f"alt{n}" for n in range(6)),
    ]


@pytest.mark.parametrize("pin", range(PINS))
def test_set_and_clear_switch_their_pin_alone(pin: int) -> None:
    model = GpioModel()
    assert apply(model, selected(pin, OUTPUT), high(pin)) == [(pin, 1)]
    assert [model.level(n) for n in range(PINS)] == [int(n == pin) for n in range(PINS)]
    assert apply(model, low(pin)) == [(pin, 0)]
    assert not any(model.level(n) for n in range(PINS))


def test_one_write_switches_several_pins_and_leaves_the_others() -> None:
    model = GpioModel()
    outputs = (GPFSEL0, 0b001_001_001)
    assert apply(model, outputs, (GPSET0, 0b101), (GPSET0, 0)) == [(0, 1), (2, 1)]
    assert apply(model, (GPCLR0, 0b011)) == [(0, 0)]
    assert [model.level(pin) for pin in range(3)] == [0, 0, 1]


@pytest.mark.parametrize("offset", [0x18, MARKER, 0x30, GPLEV0, GPLEV0 + 4, 0x40, 0x94])
def test_other_registers_change_nothing(offset: int) -> None:
    model = GpioModel()
    assert apply(model, (offset, 0xFFFFFFFF)) == []
    assert model == GpioModel()


def test_bits_beyond_the_last_pin_are_nothing() -> None:
    model = GpioModel()
    assert apply(model, (GPFSEL0 + 20, 0o1111111111), (GPSET0 + 4, 0xFFFFFFFF)) == [
        (50, 1),
        (51, 1),
        (52, 1),
        (53, 1),
    ]


@pytest.mark.parametrize("function", [n for n in range(8) if n != OUTPUT])
def test_only_an_output_is_ever_on(function: int) -> None:
    model = GpioModel()
    assert apply(model, selected(LED, function), high(LED)) == []
    assert model.level(LED) == 0


def test_a_pin_that_is_high_before_it_is_an_output_goes_unseen_by_the_interception() -> None:
    model = GpioModel()
    assert apply(model, high(LED), selected(LED, OUTPUT)) == []
    assert model.level(LED) == 1
    assert apply(model, low(LED)) == []
    assert model.level(LED) == 0
    assert apply(model, high(LED)) == [(LED, 1)]


def test_a_pin_left_high_comes_back_high_without_a_report() -> None:
    model = GpioModel()
    apply(model, selected(LED, OUTPUT), high(LED), selected(LED, INPUT))
    assert model.level(LED) == 0
    assert apply(model, selected(LED, OUTPUT), high(LED)) == []
    assert model.level(LED) == 1


def test_a_release_makes_the_pin_dark_and_is_not_reported() -> None:
    model = GpioModel()
    assert apply(model, selected(LED, OUTPUT), high(LED), selected(LED, INPUT)) == [(LED, 1)]
    assert (model.level(LED), model.mode(LED)) == (0, "in")


def test_a_board_without_power_drives_nothing_and_nothing_of_it_is_reported() -> None:
    model = GpioModel()
    apply(model, selected(LED, OUTPUT), high(LED))
    assert model.lose_power() == []
    assert (model.level(LED), model.mode(LED)) == (0, "in")
    assert apply(model, selected(LED, OUTPUT), high(LED)) == []  # QEMU never lowered its line


def test_a_pin_taken_for_an_alternate_function_is_dark() -> None:
    model = GpioModel()
    apply(model, selected(LED, OUTPUT), high(LED), selected(LED, ALT0))
    assert (model.level(LED), model.mode(LED)) == (0, "alt0")


PIN = st.sampled_from([0, 1, 9, 10, 31, 32, 53])
MASK = st.sets(st.sampled_from([0, 1, 9, 10, 21, 22, 31])).map(
    lambda bits: sum(1 << b for b in bits)
)
WRITES = st.lists(
    st.one_of(
        st.builds(selected, PIN, st.sampled_from([INPUT, OUTPUT, OUTPUT, ALT0])),
        st.tuples(st.sampled_from([GPSET0, GPSET0 + 4, GPCLR0, GPCLR0 + 4]), MASK),
        st.tuples(st.sampled_from([0x18, MARKER, 0x30, GPLEV0]), MASK),
    ),
    max_size=60,
)


@given(WRITES)
def test_whatever_is_written_the_model_predicts_the_block(writes: list[tuple[int, int]]) -> None:
    model, block = GpioModel(), GpioBlock()
    for write in writes:
        assert model.apply(*write) == block.write(*write)
        assert [model.level(pin) for pin in range(PINS)] == [block.level(p) for p in range(PINS)]


@given(WRITES)
def test_predicted_reports_alternate_on_every_line(writes: list[tuple[int, int]]) -> None:
    reports = apply(GpioModel(), *writes)
    for pin in range(PINS):
        levels = [level for reported, level in reports if reported == pin]
        assert levels == [1, 0] * (len(levels) // 2) + [1] * (len(levels) % 2)


# The reader of the trace.


def trace_line(time_ns: int, write: tuple[int, int], block: str = "bcm2835_gpio") -> bytes:
    offset, value = write
    seconds, micros = divmod(time_ns // 1000, 1_000_000)
    return (
        f"28839@{seconds}.{micros:06}:memory_region_ops_write cpu -1 mr 0x55d0c8e4a2f0 "
        f"addr {GPIO_BASE + offset:#x} value {value:#x} size 4 name '{block}'\n"
    ).encode()


T0 = 1_795_386_112_000_000_000
FOREIGN = (
    b"",
    b"28839@1795386112.000003:memory_region_ops_read cpu 1 mr 0x55d0c8e4a2f0 "
    b"addr 0x3f200034 value 0x2000000 size 4 name 'bcm2835_gpio'",
    b"28839@1795386112.000004:memory_region_ops_write cpu 0 mr 0x55d0c8e4b000 "
    b"addr 0x3f215040 value 0x41 size 1 name 'bcm2835-aux'",
    b"2026-11-22T22:15:12.000005Z qemu-system-aarch64: warning: bcm2835_gpio \xff\xb2",
)
STREAM = b"".join(
    line + b"".join(foreign + b"\n" for foreign in FOREIGN)
    for line in (
        trace_line(T0 + 10 * MS, selected(LED, OUTPUT)),
        trace_line(T0 + 20 * MS, high(LED)),
        trace_line(T0 + 30 * MS + 1000, low(LED)),
        trace_line(T0 + 35 * MS, high(LED), block="bcm2835_gpio_of_another_board"),
        trace_line(T0 + 40 * MS, high(LED)),
        trace_line(T0 + 50 * MS, selected(LED, INPUT)),
        trace_line(T0 + 60 * MS, (MARKER, 7)),
    )
)


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "trace")
    return tmp_path / "trace"


@pytest.fixture
def reader(fifo: Path) -> Iterator[TraceReader]:
    reader = TraceReader(fifo)
    yield reader
    reader.close()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 100, len(STREAM)])
def test_the_trace_may_arrive_in_pieces_of_any_size(
    fifo: Path, reader: TraceReader, size: int
) -> None:
    with fifo.open("wb", buffering=0) as pipe:
        for start in range(0, len(STREAM), size):
            pipe.write(STREAM[start : start + size])
    mark = reader.wait_for_mark(7)
    assert (mark.time_ns, mark.edges, mark.modes, mark.reports) == (T0 + 60 * MS, 4, 2, 3)
    assert reader.edges == [
        (T0 + 20 * MS, LED, 1),
        (T0 + 30 * MS + 1000, LED, 0),
        (T0 + 40 * MS, LED, 1),
        (T0 + 50 * MS, LED, 0),
    ]
    assert reader.modes == [(T0 + 10 * MS, LED, "out"), (T0 + 50 * MS, LED, "in")]
    assert reader.reports == [(LED, 1), (LED, 0), (LED, 1)]


def test_a_mark_is_the_stream_at_its_moment_and_no_later(fifo: Path, reader: TraceReader) -> None:
    with fifo.open("wb", buffering=0) as pipe:
        pipe.write(trace_line(T0, selected(LED, OUTPUT)) + trace_line(T0, high(LED)))
        pipe.write(trace_line(T0, (MARKER, 1)))
        pipe.write(trace_line(T0, low(LED)) + trace_line(T0, (MARKER, 2)))
    after, mark = reader.wait_for_mark(2), reader.wait_for_mark(1)
    assert (mark.levels[LED], mark.latches[LED], mark.functions[LED], mark.edges) == (1, 1, 1, 1)
    assert (after.levels[LED], after.latches[LED], after.functions[LED], after.edges) == (
        0,
        0,
        1,
        2,
    )


def test_a_power_cut_gives_up_what_was_driven_and_no_other_pin_moves(
    fifo: Path, reader: TraceReader
) -> None:
    with fifo.open("wb", buffering=0) as pipe:
        pipe.write(trace_line(T0, selected(LED, OUTPUT)) + trace_line(T0, high(LED)))
        pipe.write(trace_line(T0, selected(14, ALT0)))
        pipe.write(trace_line(T0 + MS, (POWER_CUT, 1)) + trace_line(T0 + MS, (MARKER, 1)))
    mark = reader.wait_for_mark(1)
    assert reader.edges == [(T0, LED, 1), (T0 + MS, LED, 0)]
    assert reader.modes == [(T0, LED, "out"), (T0, 14, "alt0"), (T0 + MS, LED, "in")]
    assert (mark.levels[LED], mark.functions[LED], mark.functions[14]) == (0, 0, 0)


def test_the_trace_outlives_the_one_who_writes_it(fifo: Path, reader: TraceReader) -> None:
    for number in (1, 2):
        with fifo.open("wb", buffering=0) as pipe:
            pipe.write(trace_line(T0, (MARKER, number)))
        assert reader.wait_for_mark(number).time_ns == T0


def test_a_reader_leaves_nothing_open(fifo: Path) -> None:
    before = set(threading.enumerate()), set(os.listdir("/proc/self/fd"))
    reader = TraceReader(fifo)
    reader.close()
    reader.close()
    assert (set(threading.enumerate()), set(os.listdir("/proc/self/fd"))) == before


# The observer.


def nothing_happens() -> None:
    pass


class FakeQemu:
    """Emulator, board and qtest in one, with faults to switch on."""

    def __init__(self, fifo: Path) -> None:
        self.emulator, self.trace, self.pid = self, fifo, 4711
        self.on_start: list[Callable[[], None]] = []
        self.on_power_cut: list[Callable[[], None]] = []
        self.time_lapse = False
        self.block = GpioBlock()
        self.marker_leads_ns = iter([0] * QUALIFYING_MARKERS)
        """How early the stamps of the next markers are."""
        self.before_trace = self.before_report = nothing_happens
        """What holds QEMU up between a stamp, the line with it, and what it stands for."""
        self.traces = self.reports = True
        self.before_read = nothing_happens
        self.intercepted: list[str] = []
        self.is_open = False

    def start(self) -> None:
        self._pipe = self.trace.open("wb", buffering=0)
        for attach in self.on_start:
            attach()

    def qtest(self, on_irq: Callable[[int, int], None]) -> QTest:
        self.on_irq, self.is_open = on_irq, True
        return cast(QTest, self)

    def intercept_outputs(self, device: str) -> None:
        self.intercepted.append(device)

    def write(self, *writes: tuple[int, int]) -> None:
        """What the target writes."""
        for write in writes:
            self._trace(write)
            for report in self.block.write(*write):
                self.before_report()
                if self.reports:
                    self.on_irq(*report)

    def write_register(self, address: int, value: int) -> None:
        if address == GPIO_BASE + MARKER:
            self._trace((MARKER, value))
        else:
            self.write((address - GPIO_BASE, value))

    def read_register(self, address: int) -> int:
        self.before_read()
        return self.block.read(address - GPIO_BASE)

    def close(self) -> None:
        self.is_open = False

    def wait_until_read(self) -> None:
        """Until all of the trace has been read, and all but the last piece of it taken in."""
        unread = array("i", [1])
        while unread[0]:
            fcntl.ioctl(self._pipe, termios.FIONREAD, unread)

    def end(self) -> None:
        self._pipe.close()

    def _trace(self, write: tuple[int, int]) -> None:
        if self.traces:
            early_ns = next(self.marker_leads_ns, 0) if write[0] == MARKER else 0
            line = trace_line(time.time_ns() - early_ns, write)
            self.before_trace()
            self._pipe.write(line)


@pytest.fixture
def board(fifo: Path) -> FakeQemu:
    return FakeQemu(fifo)


@pytest.fixture
def observer(board: FakeQemu) -> Iterator[QemuObserver]:
    observer = QemuObserver(cast(VirtualPi, board), LINES, stall_ns=3600 * 10**9)
    board.start()
    yield observer
    observer.close()
    board.end()


def test_the_rig_knows_the_observers_clock(observer: QemuObserver) -> None:
    observer.connect()
    before_ns = observer.now().time_ns
    observer.arm()
    assert before_ns <= observer.stop().start_ns <= observer.now().time_ns


def test_a_good_run_gives_its_edges_and_modes(board: FakeQemu, observer: QemuObserver) -> None:
    board.write(selected(LED, OUTPUT), high(LED), low(LED), selected(LED, INPUT))
    board.write(selected(14, ALT0))
    observer.arm()
    board.write(selected(LED, OUTPUT), high(LED), low(LED), selected(53, OUTPUT), high(53))
    board.write(high(LED), selected(LED, INPUT))
    capture = observer.stop()
    board.write(low(53))
    assert [edge._replace(time_ns=0) for edge in capture] == [
        Edge(0, "led", 1, 0),
        Edge(0, "led", 0, 1),
        Edge(0, "gpio53", 1, 0),
        Edge(0, "led", 1, 2),
        Edge(0, "led", 0, 3),
    ]
    assert [(change.line, change.mode) for change in capture.modes] == [
        ("led", "out"),
        ("gpio53", "out"),
        ("led", "in"),
    ]
    assert capture.lines == LINES
    assert set(capture.initial_levels.values()) == {0}
    assert {n: m for n, m in capture.initial_modes.items() if m != "in"} == {"gpio14": "alt0"}
    assert capture.is_complete
    assert capture.heartbeat is not None


def test_stamps_are_those_of_the_trace(board: FakeQemu, observer: QemuObserver) -> None:
    asked_ns = time.time_ns()
    observer.arm()
    before_ns = time.time_ns()
    board.write(selected(LED, OUTPUT), high(LED))
    after_ns = time.time_ns()
    capture = observer.stop()
    (edge,), (change,) = capture, capture.modes
    assert asked_ns < capture.start_ns < before_ns
    assert before_ns - 1000 <= change.time_ns <= edge.time_ns <= after_ns
    assert after_ns - 1000 <= capture.end_ns <= time.time_ns()
    assert (capture.clock.kind, capture.clock.resolution_ns) == (ClockKind.EMULATOR, 1000)


def test_a_line_that_is_on_before_is_on_in_the_capture(
    board: FakeQemu, observer: QemuObserver
) -> None:
    board.write(selected(3, OUTPUT), high(3))
    observer.arm()
    capture = observer.stop()
    assert {name for name, level in capture.initial_levels.items() if level} == {"gpio3"}
    assert capture.initial_modes["gpio3"] == "out"


def test_an_observer_can_be_armed_again(board: FakeQemu, observer: QemuObserver) -> None:
    board.write(selected(LED, OUTPUT))
    for _ in range(2):
        observer.arm()
        board.write(high(LED), low(LED))
        assert [(edge.level, edge.seqno) for edge in observer.stop()] == [(1, 0), (0, 1)]


def test_the_worst_stamp_of_a_marker_is_the_latency(
    board: FakeQemu, observer: QemuObserver
) -> None:
    board.marker_leads_ns = iter([0] * 7 + [500 * MS] + [0] * QUALIFYING_MARKERS)
    observer.arm()
    assert 499 * MS < observer.stop().clock.latency_ns < LONG_S * 10**9


@pytest.mark.parametrize("held", ["before_trace", "before_report"])
def test_an_emulator_that_is_held_up_after_a_stamp_widens_the_budget(
    board: FakeQemu, observer: QemuObserver, held: str
) -> None:
    board.write(selected(LED, OUTPUT))
    observer.arm()
    board.write(high(LED))
    setattr(board, held, lambda: time.sleep(0.3))
    board.write(low(LED))
    setattr(board, held, nothing_happens)
    assert observer.stop().clock.latency_ns > 299 * MS


def test_what_held_up_one_capture_is_not_in_the_budget_of_the_next(
    board: FakeQemu, observer: QemuObserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.write(selected(LED, OUTPUT))
    observer.arm()
    time_ns = time.time_ns
    with monkeypatch.context() as later:
        later.setattr(time, "time_ns", lambda: time_ns() + 3600 * 10**9)
        observer._note_report(LED, 1)
    board.reports = False
    board.write(high(LED))
    board.reports = True
    first = observer.stop()
    observer.arm()
    board.write(low(LED))
    second = observer.stop()
    assert first.clock.latency_ns > 3599 * 10**9
    assert second.clock.latency_ns < LONG_S * 10**9


def test_a_release_that_is_held_up_widens_the_budget_too(
    board: FakeQemu, observer: QemuObserver
) -> None:
    board.write(selected(LED, OUTPUT), high(LED))
    observer.arm()
    board.before_trace = lambda: time.sleep(0.3)
    board.write(selected(LED, INPUT))
    board.before_trace = nothing_happens
    assert observer.stop().clock.latency_ns > 299 * MS


def test_what_is_armed_cannot_be_armed_again(observer: QemuObserver) -> None:
    observer.arm()
    with pytest.raises(ObserverError, match="armed already"):
        observer.arm()
    observer.stop()


def test_a_line_is_selected_and_driven_as_the_target_would(
    board: FakeQemu, observer: QemuObserver
) -> None:
    board.write(selected(LED - 1, ALT0))
    observer.select("led", "out")
    assert observer.functions()["led"] == "out"
    assert observer.functions()["gpio24"] == "alt0"
    observer.arm()
    before_ns = time.time_ns()
    asked_ns, done_ns = observer.drive("led", 1)
    observer.drive("led", 0)
    capture = observer.stop()
    observer.select("led", "in")
    assert [edge.level for edge in capture] == [1, 0]
    assert before_ns <= asked_ns <= done_ns <= time.time_ns()
    assert observer.functions()["led"] == "in"


def test_the_interception_is_that_of_the_gpio_block(
    board: FakeQemu, observer: QemuObserver
) -> None:
    assert board.intercepted == ["/machine/soc/peripherals/gpio"]


def test_functions_are_read_from_the_registers(board: FakeQemu, observer: QemuObserver) -> None:
    board.block.write(*selected(LED, OUTPUT))
    board.block.write(*selected(53, ALT0))
    functions = observer.functions()
    assert {n: m for n, m in functions.items() if m != "in"} == {"led": "out", "gpio53": "alt0"}
    assert tuple(functions) == LINES


def forget_a_report(board: FakeQemu) -> None:
    board.reports = False
    board.write(high(LED))


def report_too_much(board: FakeQemu) -> None:
    board.on_irq(4, 1)


def report_another_pin(board: FakeQemu) -> None:
    board.reports = False
    board.write(high(LED))
    board.on_irq(24, 1)


def lose_a_write_to_a_function(board: FakeQemu) -> None:
    board.block.write(*selected(3, OUTPUT))


def lose_a_write_to_a_latch(board: FakeQemu) -> None:
    board.block.write(*high(33))


def invent_a_write(board: FakeQemu) -> None:
    block, board.block = board.block, GpioBlock()
    board.write(selected(3, ALT0))
    board.block = block


DISAGREEMENTS = [
    (forget_a_report, r"interception \[\] \(pin, level\), trace \[\(25, 1\)\]"),
    (report_too_much, r"interception \[\(4, 1\)\] \(pin, level\), trace \[\]"),
    (report_another_pin, r"interception \[\(24, 1\)\] \(pin, level\), trace \[\(25, 1\)\]"),
    (lose_a_write_to_a_function, "gpio3 is 'out' in its register, 'in' by the trace"),
    (lose_a_write_to_a_latch, "gpio33 is 1 in its register, 0 by the trace"),
    (invent_a_write, "gpio3 is 'in' in its register, 'alt0' by the trace"),
]
disagreements = pytest.mark.parametrize(
    ("spoil", "complaint"), DISAGREEMENTS, ids=[spoil.__name__ for spoil, _ in DISAGREEMENTS]
)


@disagreements
def test_witnesses_that_disagree_after_the_run_are_named(
    board: FakeQemu, observer: QemuObserver, spoil: Callable[[FakeQemu], None], complaint: str
) -> None:
    board.write(selected(LED, OUTPUT))
    observer.arm()
    spoil(board)
    with pytest.raises(ObserverError, match=f"^the witnesses of the pins disagree: {complaint}"):
        observer.stop()


@disagreements
def test_witnesses_that_disagree_before_the_run_are_named(
    board: FakeQemu, observer: QemuObserver, spoil: Callable[[FakeQemu], None], complaint: str
) -> None:
    board.write(selected(LED, OUTPUT))
    spoil(board)
    with pytest.raises(ObserverError, match=complaint):
        observer.arm()
    assert "heartbeat" not in {thread.name for thread in threading.enumerate()}


def test_a_pin_that_moves_while_the_registers_are_read_may_hold_still_next_time(
    board: FakeQemu, observer: QemuObserver
) -> None:
    board.write(selected(LED, OUTPUT))
    board.before_read = lambda: board.write(high(LED))
    observer.arm()
    capture = observer.stop()
    assert (capture.initial_levels["led"], len(capture.edges)) == (1, 0)


def test_a_pin_that_moves_after_the_end_is_not_in_the_capture(
    board: FakeQemu, observer: QemuObserver
) -> None:
    board.write(selected(LED, OUTPUT))
    observer.arm()

    def move() -> None:
        board.write(high(LED), low(LED), selected(LED, INPUT), selected(LED, OUTPUT))
        board.wait_until_read()

    board.before_read = move
    capture = observer.stop()
    assert (len(capture.edges), capture.modes) == (0, ())


def test_a_pin_that_never_holds_still_cannot_be_agreed_on(
    board: FakeQemu, observer: QemuObserver
) -> None:
    moves = itertools.cycle([high(LED), low(LED)])
    board.write(selected(LED, OUTPUT))
    observer.arm()
    board.before_read = lambda: board.write(next(moves))
    with pytest.raises(ObserverError, match="the witnesses of the pins disagree"):
        observer.stop()


def test_a_trace_that_is_silent_is_no_trace(
    board: FakeQemu, observer: QemuObserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWER_TIMEOUT_S", 0.1)
    board.traces = False
    with pytest.raises(ObserverError, match="trace is silent: marker 1 did not arrive"):
        observer.arm()


def test_a_trace_that_falls_silent_is_no_trace(
    board: FakeQemu, observer: QemuObserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    observer.arm()
    monkeypatch.setattr(module, "ANSWER_TIMEOUT_S", 0.1)
    board.traces = False
    with pytest.raises(ObserverError, match=r"trace is silent: marker \d+ did not arrive"):
        observer.stop()


def step(monkeypatch: pytest.MonkeyPatch, by_ns: int) -> None:
    """Set the clock of the stamps, against one that nobody can set."""
    clock_gettime_ns = time.clock_gettime_ns

    def clock(number: int) -> int:
        return clock_gettime_ns(number) - (by_ns if number == time.CLOCK_MONOTONIC_RAW else 0)

    monkeypatch.setattr(time, "clock_gettime_ns", clock)


@pytest.mark.parametrize("by_ns", [60_000 * MS, -60_000 * MS])
def test_a_clock_that_was_set_during_the_capture_is_noticed(
    observer: QemuObserver, monkeypatch: pytest.MonkeyPatch, by_ns: int
) -> None:
    observer.arm()
    step(monkeypatch, by_ns)
    with pytest.raises(
        ObserverError, match=r"clock jumped by (6000|5999)\d+ ns .* was set, or the"
    ):
        observer.stop()


def test_a_clock_may_be_slewed_as_far_as_linux_slews_it(
    observer: QemuObserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    observer.arm()
    step(monkeypatch, 2 * MS)
    assert observer.stop().clock.latency_ns >= 2 * MS - 1000, "all stamps may be off by the slew"


def test_an_emulator_that_was_not_let_run_shows_in_the_heartbeat(
    board: FakeQemu, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def cpu_wait_of(pid: int) -> Callable[[], Mapping[str, int]]:
        asked.append(pid)
        waits = iter(range(0, 10**18, 10**15))
        return lambda: {"1": next(waits)}

    monkeypatch.setattr(module, "cpu_wait_of", cpu_wait_of)
    observer = QemuObserver(cast(VirtualPi, board), LINES, stall_ns=3600 * 10**9)
    board.start()
    observer.arm()
    heartbeat = observer.stop().heartbeat
    observer.close()
    board.end()
    assert asked == [board.pid]
    assert heartbeat is not None
    assert {(stall.late_ns, stall.cause) for stall in heartbeat.stalls} == {(10**15, "starved")}


def test_what_was_not_armed_cannot_be_stopped(observer: QemuObserver) -> None:
    with pytest.raises(ObserverError, match="not armed"):
        observer.stop()
    observer.arm()
    observer.stop()
    with pytest.raises(ObserverError, match="not armed"):
        observer.stop()


def test_before_the_board_is_on_there_is_nothing_to_observe(board: FakeQemu) -> None:
    observer = QemuObserver(cast(VirtualPi, board), LINES, stall_ns=1)
    for use in (observer.arm, observer.functions):
        with pytest.raises(ObserverError, match="the observer is not connected"):
            cast(Any, use)()
    observer.close()


@pytest.mark.parametrize("armed", [False, True])
def test_an_observer_leaves_nothing_running_or_open(board: FakeQemu, armed: bool) -> None:
    before = set(threading.enumerate()), set(os.listdir("/proc/self/fd"))
    observer = QemuObserver(cast(VirtualPi, board), LINES, stall_ns=1)
    board.start()
    if armed:
        observer.arm()
    observer.close()
    observer.close()
    board.end()
    assert (set(threading.enumerate()), set(os.listdir("/proc/self/fd"))) == before
    assert not board.is_open


def test_no_memory_is_kept_of_earlier_captures(board: FakeQemu, observer: QemuObserver) -> None:
    """A soak of millions of edges on one board would fill the host otherwise."""
    board.write(selected(LED, OUTPUT))
    for _ in range(3):
        observer.arm()
        board.write(*[high(LED), low(LED)] * 10)
        capture = observer.stop()
        assert [edge.seqno for edge in capture] == list(range(20))
    observer.arm()
    kept = observer._trace
    lists = (kept.edges, kept.read_delays, kept.reports, kept.report_stamps, kept.modes)
    assert [len(one) for one in (*lists, observer._reported, observer._reported_at)] == [0] * 7


def test_a_board_in_time_lapse_has_a_clock_that_keeps_no_time(board: FakeQemu, fifo: Path) -> None:
    board.time_lapse = True
    observer = QemuObserver(cast(VirtualPi, board), LINES, stall_ns=3600 * 10**9)
    board.start()
    observer.arm()
    assert observer.stop().clock.kind is ClockKind.TIME_LAPSE
    observer.close()
    board.end()
