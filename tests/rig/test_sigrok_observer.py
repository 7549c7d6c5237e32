"""The observer behind a logic analyzer: sigrok's own demo device, and one that breaks."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.register_assert_rewrite("observer_contract")
from observer_contract import ObserverContract, Subject, Subjects  # noqa: E402

from rig import bench  # noqa: E402
from rig.capture import ClockKind  # noqa: E402
from rig.errors import BenchFileError, ObserverError  # noqa: E402
from rig.identity import REPOSITORY  # noqa: E402
from rig.observers import sigrok, sigrok_cli  # noqa: E402
from rig.observers.opening import make_observer  # noqa: E402
from rig.observers.sigrok import SigrokObserver  # noqa: E402
from rig.targets.opening import make_target  # noqa: E402

FAKE = Path(__file__).with_name("fake_sigrok_cli.py")
ANALYZER = "fx2lafw:conn=1.5 - Saleae Logic with 8 channels: D0 D1 D2 D3 D4 D5 D6 D7"
OTHER = "fx2lafw:conn=1.7 - sigrok FX2 LA [S/N: 42] with 8 channels: D0 D1 D2 D3 D4 D5 D6 D7"
NEEDS_SIGROK = pytest.mark.skipif(
    shutil.which("sigrok-cli") is None, reason="sigrok-cli is missing (apt-get install sigrok-cli)"
)


def facts(**changes: Any) -> bench.SigrokObserver:
    usual: dict[str, Any] = {
        "kind": "sigrok",
        "driver": "fx2lafw",
        "samplerate_hz": 100_000,
        "accuracy_ppm": 100,
        "wiring": {"led": "D1", "low": "D0"},
    }
    return bench.SigrokObserver(**usual | changes)


class FakeAnalyzer:
    """A folder that is on the PATH and has the fake `sigrok-cli`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        program = folder / "sigrok-cli"
        program.write_text(f"#!{sys.executable} -S\n" + FAKE.read_text())
        program.chmod(0o755)
        self.plug(ANALYZER)
        self.say("driven", "")

    def plug(self, *lines: str) -> None:
        self.say("devices", "".join(f"{line}\n" for line in lines))

    def breaks(self, *words: str) -> None:
        self.say("faults", " ".join(words))

    def drive(self, level: int) -> None:
        now_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        with (self.folder / "driven").open("a") as rows:
            rows.write(f"{now_ns} {level}\n")

    def say(self, name: str, text: str) -> None:
        """As a whole: the fake reads at any moment."""
        new = self.folder / f"{name}.new"
        new.write_text(text)
        new.rename(self.folder / name)

    def asked(self) -> list[str]:
        return (self.folder / "asked").read_text().splitlines()


@pytest.fixture
def analyzer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeAnalyzer:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return FakeAnalyzer(tmp_path)


@contextmanager
def connected(observer: SigrokObserver) -> Iterator[SigrokObserver]:
    try:
        observer.connect()
        yield observer
    finally:
        observer.close()


class TestFakeAnalyzer(ObserverContract):
    """All of the contract, with a line that a test can move."""

    @pytest.fixture
    def subjects(self, analyzer: FakeAnalyzer) -> Subjects:
        @contextmanager
        def subject() -> Iterator[Subject]:
            yield Subject(
                SigrokObserver(facts()),
                "led",
                analyzer.drive,
                lambda: analyzer.breaks("loses=0.5"),
            )

        return subject


@NEEDS_SIGROK
class TestDemoDevice(ObserverContract):
    """What of the contract sigrok's own demo device can show: its lines move by themselves."""

    @pytest.fixture
    def subjects(self) -> Subjects:
        @contextmanager
        def subject() -> Iterator[Subject]:
            yield Subject(SigrokObserver(demo("walking-one")), "led")

        return subject


def demo(pattern: str, **changes: Any) -> bench.SigrokObserver:
    usual: dict[str, Any] = {
        "driver": "demo:analog_channels=0",
        "accuracy_ppm": 500,
        "samplerate_hz": 1000,
        "config": (f"channel_group=Logic:pattern={pattern}",),
        "wiring": {"led": "D0", "other": "D3"},
    }
    return facts(**usual | changes)


@NEEDS_SIGROK
@pytest.mark.parametrize(
    ("pattern", "levels"),
    [
        ("all-low", ({0}, {0})),
        ("all-high", ({1}, {1})),
        ("graycode", ({0, 1}, {0, 1})),
        ("incremental", ({0, 1}, {0, 1})),
    ],
)
def test_demo_pattern_arrives_on_the_lines_it_is_wired_to(
    pattern: str, levels: tuple[set[int], set[int]]
) -> None:
    with connected(SigrokObserver(demo(pattern))) as observer:
        observer.arm()
        time.sleep(0.2)
        capture = observer.stop()

    assert capture.is_complete
    for line, wanted in zip(capture.lines, levels, strict=True):
        assert {capture.initial_levels[line], *capture.of_line(line)["level"].tolist()} == wanted


@NEEDS_SIGROK
def test_demo_counter_is_timed_by_its_samples() -> None:
    """The pattern counts up: D0 changes at each sample, D3 at each eighth."""
    with connected(SigrokObserver(demo("incremental", samplerate_hz=3000))) as observer:
        observer.arm()
        capture = observer.stop()

    numbers = np.arange(1, 100)
    assert capture.of_line("led")["time_ns"][:99].tolist() == (numbers * 10**9 // 3000).tolist()
    assert np.diff(capture.of_line("other")["time_ns"][:20]).min() >= 2_666_666
    assert capture.clock.kind is ClockKind.HARDWARE
    assert (capture.clock.resolution_ns, capture.clock.accuracy_ppm) == (333_335, 500)


@NEEDS_SIGROK
def test_width_of_a_sample_is_found_out() -> None:
    wide = demo("all-high", driver="demo:analog_channels=0:logic_channels=16")
    with connected(SigrokObserver(wide)) as observer:
        observer.arm()
        capture = observer.stop()

    assert capture.initial_levels == {"led": 1, "other": 1}
    assert len(capture.edges) == 0


@NEEDS_SIGROK
def test_analog_channel_is_refused() -> None:
    with (
        pytest.raises(ObserverError, match="names an analog channel"),
        connected(SigrokObserver(demo("sigrok", driver="demo", wiring={"led": "A1"}))),
    ):
        pass


@NEEDS_SIGROK
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"driver": "nosuch"}, r"Driver nosuch not found"),
        ({"wiring": {"led": "D8"}}, r"observer.wiring.led: .* no channel D8; it has D0, D1"),
        ({"config": ("voltage_threshold=1-2",)}, "gives no samples: Failed to set device option"),
        ({"config": ("nonsense=1",)}, "gives no samples: Unknown device option 'nonsense'"),
    ],
)
def test_what_sigrok_refuses_is_told_in_its_words(changes: dict[str, Any], words: str) -> None:
    with (
        pytest.raises(ObserverError, match=words),
        connected(SigrokObserver(demo("sigrok", **changes))),
    ):
        pass


def test_missing_program_is_told_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ObserverError, match="apt-get install sigrok-cli"):
        SigrokObserver(facts()).connect()


def test_no_analyzer_is_told_with_what_to_look_at(analyzer: FakeAnalyzer) -> None:
    analyzer.plug()

    with pytest.raises(ObserverError, match="--scan` finds no analyzer; look at its cable"):
        SigrokObserver(facts()).connect()


@pytest.mark.parametrize("wrong", [{"connection": "1.9"}, {"serial": "41"}])
def test_wrong_analyzer_is_told_with_those_that_are_there(
    analyzer: FakeAnalyzer, wrong: dict[str, str]
) -> None:
    analyzer.plug(ANALYZER, OTHER)

    with pytest.raises(ObserverError) as caught:
        SigrokObserver(facts(**wrong)).connect()

    text = str(caught.value)
    assert text.startswith(f"no analyzer with {' '.join(*wrong.items())}; there are: ")
    assert ANALYZER in text
    assert OTHER in text


def test_two_analyzers_are_refused_until_one_is_named(analyzer: FakeAnalyzer) -> None:
    analyzer.plug(ANALYZER, OTHER)

    with pytest.raises(ObserverError, match=r"2 analyzers fit; set observer\.connection or"):
        SigrokObserver(facts()).connect()


@pytest.mark.parametrize("which", [{"connection": "1.7"}, {"serial": "42"}])
def test_named_analyzer_is_taken(analyzer: FakeAnalyzer, which: dict[str, str]) -> None:
    analyzer.plug(ANALYZER, OTHER)

    with connected(SigrokObserver(facts(**which))):
        assert analyzer.asked()[-1].startswith("--driver fx2lafw:conn=1.7 --channels D0,D1 ")


def test_analyzer_that_refuses_to_start_is_told_in_its_words(analyzer: FakeAnalyzer) -> None:
    with connected(SigrokObserver(facts())) as observer:
        analyzer.breaks("refuses")
        with pytest.raises(ObserverError, match="ended: Failed to set device option 'samplerate'"):
            observer.arm()


def test_analyzer_that_sends_nothing_is_told(
    analyzer: FakeAnalyzer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sigrok, "START_TIMEOUT_S", 1)
    with connected(SigrokObserver(facts())) as observer:
        analyzer.breaks("mute")
        with pytest.raises(ObserverError, match="sent no samples within 1 s: it does not say why"):
            observer.arm()


def test_program_that_does_not_answer_is_told(
    analyzer: FakeAnalyzer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sigrok_cli, "ANSWER_TIMEOUT_S", 1)
    analyzer.breaks("hangs")

    with pytest.raises(ObserverError, match="--scan: no answer within 1 s"):
        SigrokObserver(facts()).connect()


@contextmanager
def armed(analyzer: FakeAnalyzer, *faults: str) -> Iterator[SigrokObserver]:
    """An observer whose analyzer breaks after it was armed."""
    with connected(SigrokObserver(facts())) as observer:
        observer.arm()
        analyzer.breaks(*faults)
        yield observer


def _lives(analyzer: FakeAnalyzer) -> bool:
    pid = (analyzer.folder / "started").read_text()
    try:
        stat = Path("/proc", pid, "stat").read_text()
    except OSError:  # it is gone, perhaps just now
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@contextmanager
def ended(analyzer: FakeAnalyzer, *faults: str) -> Iterator[SigrokObserver]:
    """An observer whose `sigrok-cli` has ended after it was armed."""
    with armed(analyzer, *faults) as observer:
        deadline = time.monotonic() + 10
        while _lives(analyzer) and time.monotonic() < deadline:
            time.sleep(0.01)
        yield observer


def test_unplugged_analyzer_is_lost(analyzer: FakeAnalyzer) -> None:
    with (
        ended(analyzer, "unplugged=0") as observer,
        pytest.raises(ObserverError, match=r"analyzer was lost: .*ended by itself after 0\.\d+"),
    ):
        observer.stop()


def test_analyzer_that_gave_up_is_an_overrun(analyzer: FakeAnalyzer) -> None:
    with ended(analyzer, "dies=0") as observer:
        capture = observer.stop()

    assert capture.overrun
    assert not capture.is_complete


def test_program_that_failed_is_told_in_its_words(analyzer: FakeAnalyzer) -> None:
    with (
        ended(analyzer, "dies=0", "status=3") as observer,
        pytest.raises(ObserverError, match=r"with status 3 \(sr: the analyzer gave up\), while"),
    ):
        observer.stop()


@pytest.mark.usefixtures("hasty")
def test_silent_analyzer_is_told(analyzer: FakeAnalyzer) -> None:
    with armed(analyzer, "silent=0") as observer:
        time.sleep(0.3)
        with pytest.raises(ObserverError, match=r"silent for \d+\.\d s; look at its cable"):
            observer.stop()


@pytest.mark.usefixtures("hasty")
def test_missing_samples_are_an_overrun(analyzer: FakeAnalyzer) -> None:
    with armed(analyzer, "loses=0.2") as observer:
        capture = observer.stop()

    assert capture.overrun


def test_too_many_samples_are_refused(analyzer: FakeAnalyzer) -> None:
    with armed(analyzer, "rate=50") as observer:
        time.sleep(0.3)
        with pytest.raises(ObserverError, match="at 100000 Hz that is too many"):
            observer.stop()


def test_samples_of_another_width_are_refused(analyzer: FakeAnalyzer) -> None:
    analyzer.breaks("wide=9")

    with pytest.raises(ObserverError, match="9216 bytes are not 1024 samples of 2 channels"):
        SigrokObserver(facts()).connect()


def test_flood_of_edges_is_refused(analyzer: FakeAnalyzer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sigrok_cli, "MOST_EDGES", 3)
    with connected(SigrokObserver(facts())) as observer:
        observer.arm()
        for level in (1, 0, 1, 0):
            analyzer.drive(level)
            time.sleep(0.001)
        with pytest.raises(ObserverError, match="a line floats"):
            observer.stop()


def test_program_that_does_not_end_is_ended(
    analyzer: FakeAnalyzer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sigrok_cli, "END_TIMEOUT_S", 1)
    with armed(analyzer, "stubborn") as observer:
        capture = observer.stop()

    assert capture.is_complete
    assert not _lives(analyzer)


KILLED_RIG = """
import os, signal
from rig import bench
from rig.observers.sigrok import SigrokObserver
observer = SigrokObserver(bench.SigrokObserver.model_validate_json(os.environ["FACTS"]))
observer.connect()
observer.arm()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_program_ends_with_a_rig_that_is_killed(analyzer: FakeAnalyzer) -> None:
    environment = os.environ | {"FACTS": facts().model_dump_json()}
    done = subprocess.run([sys.executable, "-c", KILLED_RIG], env=environment, timeout=60)

    deadline = time.monotonic() + 10
    while _lives(analyzer) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert done.returncode == -signal.SIGKILL
    assert not _lives(analyzer)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait long for samples that will not come."""
    monkeypatch.setattr(sigrok, "CATCH_UP_TIMEOUT_S", 1)


@pytest.mark.parametrize(
    ("line", "device"),
    [
        (ANALYZER, ("1.5", "")),
        (OTHER, ("1.7", "42")),
        ("demo - Demo device with 8 channels: D0 D1 D2 D3 D4 D5 D6 D7", ("", "")),
        ("The following devices were found:", None),
        ("", None),
    ],
)
def test_line_of_a_scan(line: str, device: tuple[str, str] | None) -> None:
    found = sigrok_cli.parse_device(line)

    assert (found and (found.connection, found.serial)) == device
    assert found is None or (found.line, len(found.channels)) == (line, 8)


BENCH = """\
observer:
  kind: sigrok
  driver: fx2lafw
  samplerate_hz: 1000000
  accuracy_ppm: 100
  wiring:
    led: D0
"""


@pytest.fixture
def bench_file(tmp_path: Path) -> Path:
    """The virtual bench, with an analyzer at its end."""
    text = (REPOSITORY / "benches" / "virtual.yaml").read_text()
    without = re.sub(r"^observer:\n(?:  .*\n)+", "", text, flags=re.MULTILINE)
    path = tmp_path / "desk.yaml"
    path.write_text(without + BENCH)
    return path


def test_bench_file_with_an_analyzer_makes_its_observer(bench_file: Path) -> None:
    loaded = bench.load_bench(bench_file)

    target = make_target(loaded)
    try:
        assert isinstance(make_observer(loaded, target), SigrokObserver)
    finally:
        target.close()


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("1000000", "0", r"observer\.samplerate_hz: .* greater than 0, not 0"),
        ("1000000", "1 MHz", r"observer\.samplerate_hz: .*not '1 MHz'"),
        (": 100\n", ": 0\n", r"observer\.accuracy_ppm: .* greater than 0, not 0"),
        ("fx2lafw", "-fx2 lafw", r"observer\.driver: .*not '-fx2 lafw'"),
        ("D0", "0", r"observer\.wiring\.led: .*string, not 0"),
        ("D0", "D0-D3", r"observer\.wiring\.led: .*not 'D0-D3'"),
        ("D0", "D0\n    other: D1", "lines has no other; there are: led"),
        ("    led: D0", "    {}", r"observer\.wiring: .*at least 1"),
        ("  driver: fx2lafw\n", "", r"observer\.driver: this key is missing"),
        ("driver:", "drivr:", r"observer\.drivr: unknown key; allowed: .*driver"),
    ],
)
def test_bench_file_with_a_wrong_analyzer_is_refused(
    bench_file: Path, right: str, wrong: str, words: str
) -> None:
    text = bench_file.read_text()
    bench_file.write_text(text.replace(BENCH, BENCH.replace(right, wrong)))

    with pytest.raises(BenchFileError, match=words):
        bench.load_bench(bench_file)


def test_example_of_the_page_is_a_bench(bench_file: Path) -> None:
    page = (REPOSITORY / "docs" / "observers.md").read_text()
    examples = re.findall(r"```yaml\n(observer:.*?)```", page, re.DOTALL)
    example = next(text for text in examples if "kind: sigrok" in text)
    bench_file.write_text(bench_file.read_text().replace(BENCH, example))

    assert isinstance(bench.load_bench(bench_file).observer, bench.SigrokObserver)
