"""Synthetic evidence, sealed by the rig itself, so that the reports read what the rig writes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import pytest

from reports import write_report
from rig.capture import (
    Capture,
    Clock,
    ClockKind,
    Heartbeat,
    Instant,
    ModeChange,
    Stall,
    edge_array,
)
from rig.cleanup import Chip, GpioState
from rig.cli import main
from rig.evidence import EvidenceFolder, Image, RunRecord, folder_name
from rig.verdict import Expectation

STARTED_NS = 1_767_323_045 * 10**9
"""2026-01-02 03:04:05 UTC."""
RUN_FOLDER = "20260102T030405Z-virtual"

GPIO = GpioState(
    chips=(Chip(label="pinctrl-bcm2835", base=458, ngpio=54),),
    exports={},
    holders=(),
    functions={"led": "in", "gpio3": "in"},
)


@dataclass
class Made:
    """One run to be made. Times of edges are nanoseconds after the start of the run."""

    cycles: int = 10
    on_ns: int = 200_000_000
    off_ns: int = 300_000_000
    final_level: int = 0
    tolerance_ns: int = 5_000_000
    first_edge_ns: int = 900_000_000
    late_ns: Sequence[int] = ()
    """How late each commanded edge is; edges beyond the end are on time."""
    round_trips_ns: Sequence[int] = (40_000, 60_000)
    """Taken in turn by the hypercalls."""
    missing: int = 0
    """How many edges at the end never happen."""
    lost: int = 0
    stalls: tuple[Stall, ...] = ()
    clock: ClockKind = ClockKind.EMULATOR
    clock_ppm: float = 0.0
    guest_late_ns: Sequence[int] = ()
    """How late each hypercall is by the guest's own deadline, which is earlier by that."""
    guest_is_late_too: bool = True
    """False: what makes an edge late comes after its hypercall, by the observer's clock."""
    commanded_ns: int = 0
    """When the run was started, on the observer's clock."""
    tells_command: bool = True
    """Whether the observer's clock says when the run was started."""
    sees_modes: bool = True
    record: dict[str, object] = field(default_factory=dict)
    """Fields of `run.json` that differ."""

    def times_ns(self) -> list[int]:
        """Every edge that happens, the release included, on the clock of the observer."""
        times = self._all_times_ns()
        return times[: len(times) - self.missing]

    def _all_times_ns(self) -> list[int]:
        """The same, and those that the unikernel commands and that never happen."""
        period_ns = self.on_ns + self.off_ns
        edges = range(2 * (self.cycles + self.final_level))
        times = [i // 2 * period_ns + i % 2 * self.on_ns for i in edges]
        if self.final_level:
            times[-1] = times[-2] + self.off_ns
        late = [*self.late_ns, *[0] * len(times)]
        return [STARTED_NS + self.first_edge_ns + t + d for t, d in zip(times, late, strict=False)]

    def capture(self) -> Capture:
        """What the observer saw."""
        times = self.times_ns()
        rows = [(time_ns, 0, 1 - i % 2, i) for i, time_ns in enumerate(times)]
        end_ns = max([STARTED_NS + 2_000_000_000, *times]) + 1_000_000_000
        first_ns = STARTED_NS + self.first_edge_ns - 1_000_000
        released_ns = times[-1] if self.final_level else end_ns
        modes = (ModeChange(first_ns, "led", "out"), ModeChange(released_ns, "led", "in"))
        return Capture(
            lines=("led", "gpio3"),
            edges=edge_array(rows),
            initial_levels={"led": 0, "gpio3": 0},
            start_ns=STARTED_NS,
            end_ns=end_ns,
            clock=Clock(self.clock, 1_000, self.clock_ppm, 300_000),
            lost=self.lost,
            initial_modes={"led": "in", "gpio3": "in"} if self.sees_modes else {},
            modes=modes if self.sees_modes else (),
            commanded=Instant(STARTED_NS + self.commanded_ns, 10_000)
            if self.tells_command
            else None,
            heartbeat=Heartbeat(1_000, 2_000_000, self.stalls),
            outlasts_run=True,
        )

    def console(self) -> str:
        """What the unikernel printed."""
        count = 2 * self.cycles + self.final_level
        trips = [self.round_trips_ns[i % len(self.round_trips_ns)] for i in range(count)]
        made = self if self.guest_is_late_too else replace(self, late_ns=())
        called_ns = [time_ns - STARTED_NS for time_ns in made._all_times_ns()]
        guest_late_ns = [*self.guest_late_ns, *[0] * count]
        rows = [
            f"led,{i},{1 - i % 2},{at_ns - guest_late_ns[i]},{at_ns},{at_ns + trip}\n"
            for i, (at_ns, trip) in enumerate(zip(called_ns, trips, strict=False))
        ]
        return (
            f"led-begin,{self.first_edge_ns - 400_000}\n{''.join(rows)}led-end,{count}\nSUCCESS\n"
        )

    def expectation(self) -> Expectation:
        """What was asked of the line."""
        return Expectation(
            line="led",
            cycles=self.cycles,
            on_ns=self.on_ns,
            off_ns=self.off_ns,
            final_level=self.final_level,
            hold_ns=self.off_ns,
            tolerance_ns=self.tolerance_ns,
        )


@dataclass
class ResultsFolder:
    """A results folder that tests fill run by run."""

    path: Path
    count: int = 0

    def add(self, test: str, made: Made | None = None, suite: str = "Led") -> Path:
        """Seal the evidence of one run; its folder."""
        made = made or Made()
        self.count += 1
        expected = made.expectation()
        fields = {
            "suite": suite,
            "test": test,
            "bench": "virtual",
            "bench_file": "benches/virtual.yaml",
            "bench_sha256": "be" * 32,
            "target": {"board": "Raspberry Pi 3 Model B", "kernel": "6.1.0-56-arm64", "base": 458},
            "images": {
                "tender": Image(
                    path="/tmp/tender", source="../build/hvt", sha256="7e" * 32, deploy_ns=8 * 10**6
                ),
                "unikernel": Image(
                    path="/tmp/led.hvt",
                    source="../build/led",
                    sha256="1e" * 32,
                    deploy_ns=5 * 10**6,
                ),
            },
            "command": f"/tmp/tender --led:led=25 /tmp/led.hvt {expected.cycles}",
            "expectation": expected,
            "console_wanted": ("SUCCESS",),
            "exit_wanted": 0,
            "exit_status": 0,
            "started_ns": STARTED_NS,
            "ended_ns": STARTED_NS + 3600 * 10**9,
            "git_commit": "0123456789abcdef0123456789abcdef01234567",
            "tools": {"python": "3.11.2", "qemu": "7.2.22"},
        }
        record = RunRecord.model_validate(fields | made.record)
        folder = self.path / folder_name(suite) / f"{self.count:02}-{folder_name(test)}"
        with EvidenceFolder(folder) as evidence:
            evidence.seal(record, made.capture(), made.console(), GPIO, GPIO)
        return folder


def jitter_ns(count: int, seed: int, worst_ns: int = 150_000) -> list[int]:
    """The same lateness for the same seed, on any machine."""
    random = Random(seed)
    return [int(random.random() ** 2 * worst_ns) for _ in range(count)]


@pytest.fixture
def results(tmp_path: Path) -> ResultsFolder:
    """An empty results folder of one run."""
    return ResultsFolder(tmp_path / "results" / RUN_FOLDER)


@pytest.fixture
def made() -> Callable[..., Made]:
    """Makes runs that differ from a good one in the named fields."""
    return lambda **fields: replace(Made(), **fields)


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> ResultsFolder:
    """Every kind of run that a report must show; tests only read it."""
    results = ResultsFolder(tmp_path_factory.mktemp("suite") / "results" / RUN_FOLDER)
    stall = Stall(STARTED_NS + 2_000_000_000, 180_000_000, "heartbeat")
    defect = {"purpose": "defect"}
    wrong = jitter_ns(20, 2)
    wrong[8] -= 12_000_000
    add, late = results.add, jitter_ns
    add("The LED Blinks Ten Times", Made(late_ns=late(20, 1)))
    add("The LED Keeps Its On-Time", Made(late_ns=wrong))
    long = Made(cycles=120, on_ns=20_000_000, off_ns=30_000_000, late_ns=late(240, 3))
    long.round_trips_ns = [40_000 + extra // 5 for extra in late(240, 4)]
    long.record = {"repeats": 1}
    add("The LED Blinks 120 Times", long)
    add("The LED Ends On", Made(cycles=3, final_level=1, late_ns=late(7, 5)))
    add("The LED Blinks Once", Made(cycles=1))
    add("The Bench Is Busy", Made(late_ns=late(20, 6), stalls=(stall,), record={"repeats": 2}))
    add("The LED Stays Dark", Made(cycles=5, missing=10))
    blind = Made(late_ns=late(20, 7), clock=ClockKind.HARDWARE)
    blind.tells_command = blind.sees_modes = False
    add("A Logic Analyzer Looks On", blind)
    add("One Blink Too Few Is Caught", Made(missing=2, record=defect))
    add("A Wrong On-Time Is Caught", Made(late_ns=wrong, record=defect))
    return results


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs `rig` with these words; returns the exit status."""

    def run(*words: object) -> int:
        monkeypatch.setattr("sys.argv", ["rig", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    return run


@pytest.fixture(scope="session")
def suite_html(suite: ResultsFolder) -> Path:
    """The page of that suite; tests only read it."""
    return write_report(suite.path).html


DATA = Path(__file__).parent.parent / "data"


@pytest.fixture
def golden() -> Callable[[str | Path, str], None]:
    """Compares with a file, of tests/data if it has but a name; what differs is left as `.got`."""

    def compare(name: str | Path, got: str) -> None:
        wanted = DATA / name
        left = wanted.with_name(f"{wanted.name}.got")
        left.unlink(missing_ok=True)
        if not wanted.exists() or wanted.read_text() != got:
            left.write_text(got)
            pytest.fail(f"{wanted.name} differs, see: diff {wanted} {left}")

    return compare
