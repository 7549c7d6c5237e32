"""Shows that no keyword passes on what was not found out, and that a broken bench is told apart."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from robot.api import ExecutionResult, SkipExecution, logger

import reports
from reports import log_entry
from rig import keywords as module
from rig.abilities import Ability
from rig.aftermath import Aftermath
from rig.bench import Limits
from rig.cleanup import Export, GpioState
from rig.errors import BenchError, BenchFileError, ObserverError, TargetError
from rig.hostile import Attack
from rig.keywords import MOST_RECOVERIES, RigLibrary, Run
from rig.load import Load
from rig.observers.fake import FakeObserver, SimulatedPins
from rig.session import Session
from rig.targets.shell import Result
from rig.verdict import Expectation, Finding, Kind, Outcome, Unseen, Verdict

REPOSITORY = Path(__file__).parents[2]
MS = timedelta(milliseconds=1)
BLINK = (1, 200 * MS, 200 * MS)
NOT_ALWAYS = {
    *(Kind.INCOMPLETE, Kind.STALL, Kind.QUALIFICATION),
    *(Kind.DUTY, Kind.JITTER, Kind.START_LATENCY),
}
EXPECTED = Expectation(line="led", cycles=1, on_ns=2, off_ns=2, tolerance_ns=1)


# With Robot Framework, as its users meet it.

SUITE = """
*** Settings ***
Resource          {repository}/robot/resources/led.resource
Suite Setup       {setup}
Suite Teardown    Close Bench

*** Test Cases ***
LED Blinks
    ${{run}} =    Run LED Unikernel    cycles=2    on=200 ms    off=300 ms
    Verdict Should Be Pass    ${{run}}
"""
BROKEN_BENCH = "name: desk\ntarget: {kind: virtual-pie}\n"
SUITES = {
    "Missing": "Open Bench    nowhere/desk.yaml",
    "Broken": "Open Bench    broken.yaml",
    "Closed": "No Operation",
}


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What Robot says of the one test in each of the suites; all must have failed."""
    folder = tmp_path_factory.mktemp("robot")
    (folder / "broken.yaml").write_text(BROKEN_BENCH)
    for name, setup in SUITES.items():
        text = SUITE.format(repository=REPOSITORY, setup=setup)
        (folder / f"{name}.robot").write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "robot", "--outputdir", "out", *(f"{n}.robot" for n in SUITES)]
    robot = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert robot.returncode == len(SUITES), robot.stdout + robot.stderr
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["out"]
    suites = ExecutionResult(str(folder / "out" / "output.xml")).suite.suites
    return {suite.name: suite.tests[0].message for suite in suites}


def test_a_missing_bench_fails_the_tests_as_a_bench_error(messages: dict[str, str]) -> None:
    words = "BenchFileError: nowhere/desk.yaml: No such file or directory; nowhere has no .yaml"
    assert messages["Missing"].startswith(f"Parent suite setup failed:\n{words}")


def test_a_broken_bench_fails_the_tests_with_every_fault(messages: dict[str, str]) -> None:
    first, *faults = messages["Broken"].removeprefix("Parent suite setup failed:\n").splitlines()
    assert first == (
        "BenchFileError: broken.yaml:2: target: kind 'virtual-pie' is unknown; "
        "allowed: virtual-pi, ssh, serial, lab-ssh, lab-serial"
    )
    assert "broken.yaml:1: limits: this key is missing" in faults


def test_a_bench_that_was_never_opened_fails_the_tests_as_a_bench_error(
    messages: dict[str, str],
) -> None:
    assert messages["Closed"].startswith("BenchError: no bench is open;")


# Keywords that say what should be.

Should = Callable[[RigLibrary, Run], None]
SHOULD: dict[str, tuple[Should, set[Kind]]] = {
    "blinked": (
        RigLibrary.led_should_have_blinked_as_commanded,
        {
            *(Kind.INITIAL_LEVEL, Kind.GLITCH, Kind.COUNT, Kind.FREEZE),
            *(Kind.ON_TIME, Kind.OFF_TIME, Kind.PERIOD, Kind.DRIFT),
        },
    ),
    "ended": (
        lambda library, run: library.led_should_have_ended(run, "off"),
        {Kind.FINAL_LEVEL, Kind.HOLD_TIME},
    ),
    "no other": (RigLibrary.no_other_pin_should_have_moved, {Kind.FOREIGN}),
    "released": (
        RigLibrary.line_should_have_been_exported_driven_and_released,
        {Kind.RELEASE},
    ),
    "as before": (RigLibrary.target_should_be_as_before, {Kind.CLEANUP}),
    "succeeded": (
        RigLibrary.unikernel_should_have_succeeded,
        {
            *(Kind.CONSOLE, Kind.EXIT_STATUS),
            *(Kind.GUEST_RECORD, Kind.GUEST_EDGES, Kind.GUEST_TIMING),
        },
    ),
    "given back": (
        RigLibrary.line_should_have_been_given_back,
        {Kind.INITIAL_LEVEL, Kind.COUNT, Kind.RELEASE, Kind.RELEASE_TIME},
    ),
    "kernel log": (RigLibrary.kernel_log_should_be_clean, {Kind.KERNEL_LOG}),
    "pass": (RigLibrary.verdict_should_be_pass, set(Kind)),
}
OF_AFTERMATHS = {Kind.RELEASE_TIME, Kind.KERNEL_LOG}
"""Nobody looks for these in a run that came to its end."""
EACH_KIND = [(should, kind) for should, kinds in SHOULD.values() for kind in sorted(kinds)]
each_keyword = pytest.mark.parametrize(("should", "kinds"), SHOULD.values(), ids=list(SHOULD))
each_kind = pytest.mark.parametrize(
    ("should", "kind"),
    EACH_KIND,
    ids=[f"{name}-{kind}" for name, (_, kinds) in SHOULD.items() for kind in sorted(kinds)],
)


def finding(kind: Kind, outcome: Outcome = Outcome.PASS) -> Finding:
    return Finding(kind, outcome, f"{kind} is as it is")


def run_with(*findings: Finding) -> Run:
    evidence: Any = SimpleNamespace(run=SimpleNamespace(expectation=EXPECTED), folder=Path("f"))
    return Run(evidence, Verdict(findings))


def all_but(*kinds: Kind) -> list[Finding]:
    return [finding(kind) for kind in Kind if kind not in kinds and kind not in NOT_ALWAYS]


@each_keyword
def test_a_keyword_passes_on_what_it_is_about_whatever_else_fails(
    should: Should, kinds: set[Kind]
) -> None:
    others = [finding(kind, Outcome.FAIL) for kind in Kind if kind not in kinds]
    should(RigLibrary(), run_with(*all_but(*set(Kind) - kinds), *others))


@each_kind
@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.INCONCLUSIVE])
def test_a_keyword_fails_on_each_finding_that_does_not_pass(
    should: Should, kind: Kind, outcome: Outcome
) -> None:
    run = run_with(*all_but(), finding(kind, outcome))
    with pytest.raises(AssertionError) as caught:
        should(RigLibrary(), run)
    assert str(caught.value) == f"{outcome}\n  {outcome}: {kind} is as it is"


@each_kind
def test_a_keyword_fails_on_what_was_not_found_out(should: Should, kind: Kind) -> None:
    is_verdict = should is RigLibrary.verdict_should_be_pass
    if kind in NOT_ALWAYS or (is_verdict and kind in OF_AFTERMATHS):
        should(RigLibrary(), run_with(*all_but(kind)))
        return
    with pytest.raises(AssertionError) as caught:
        should(RigLibrary(), run_with(*all_but(kind)))
    assert str(caught.value) == f"INCONCLUSIVE\n  nothing was found out about {kind}"


def blind_to(*kinds: Kind, findings: tuple[Finding, ...] = ()) -> Run:
    """A run whose observer cannot see these kinds."""
    run = run_with(*all_but(*kinds, *(f.kind for f in findings)), *findings)
    run.verdict = replace(run.verdict, unseen=tuple(Unseen(k, f"{k} unseen") for k in kinds))
    return run


@pytest.mark.parametrize(
    ("should", "kind"),
    [
        (RigLibrary.no_other_pin_should_have_moved, Kind.FOREIGN),
        (RigLibrary.line_should_have_been_exported_driven_and_released, Kind.RELEASE),
    ],
)
def test_a_keyword_on_what_the_observer_cannot_see_skips_and_says_why(
    should: Should, kind: Kind
) -> None:
    with pytest.raises(SkipExecution, match=f"^{kind} unseen$"):
        should(RigLibrary(), blind_to(kind))


def test_a_verdict_passes_on_all_that_its_observer_can_see() -> None:
    RigLibrary().verdict_should_be_pass(blind_to(Kind.FOREIGN, Kind.RELEASE))


def test_what_is_seen_to_fail_is_not_skipped_for_what_is_not_seen() -> None:
    run = blind_to(Kind.FOREIGN, findings=(finding(Kind.COUNT, Outcome.FAIL),))
    with pytest.raises(AssertionError, match="count is as it is"):
        RigLibrary().verdict_should_be_pass(run)


def test_a_defect_need_not_show_where_the_observer_is_blind() -> None:
    run = blind_to(Kind.RELEASE, findings=(finding(Kind.CLEANUP, Outcome.FAIL),))
    RigLibrary().defect_should_be_caught(run, "release", "cleanup")
    with pytest.raises(AssertionError, match="failing cleanup, expected count"):
        RigLibrary().defect_should_be_caught(run, "release", "count")


def test_a_defect_that_cannot_be_seen_at_all_is_skipped() -> None:
    with pytest.raises(SkipExecution, match=r"^release unseen; foreign-pin unseen$"):
        RigLibrary().defect_should_be_caught(
            blind_to(Kind.RELEASE, Kind.FOREIGN), "release", "foreign-pin"
        )


def test_the_worst_of_several_findings_comes_first() -> None:
    run = run_with(finding(Kind.CONSOLE, Outcome.INCONCLUSIVE), finding(Kind.COUNT, Outcome.FAIL))
    with pytest.raises(AssertionError, match=r"^FAIL\n"):
        RigLibrary().verdict_should_be_pass(run)


def test_asking_for_another_end_than_was_ordered_is_a_mistake_of_the_suite() -> None:
    with pytest.raises(ValueError, match="this run was told to end off, not on"):
        RigLibrary().led_should_have_ended(run_with(*all_but()), "on")


CAUGHT = [
    ([], ["count"], "verdict PASS, failing nothing, expected count"),
    ([(Kind.COUNT, Outcome.INCONCLUSIVE)], ["count"], "verdict INCONCLUSIVE, failing nothing"),
    ([(Kind.COUNT, Outcome.FAIL)], ["period"], "verdict FAIL, failing count, expected period"),
    ([(Kind.COUNT, Outcome.FAIL)], ["count", "period"], "failing count, expected count, period"),
    (
        [(Kind.COUNT, Outcome.FAIL), (Kind.PERIOD, Outcome.FAIL)],
        ["count"],
        "failing count, period, expected count\n  FAIL: count is as it is\n  FAIL: period",
    ),
    ([(Kind.COUNT, Outcome.FAIL)], [], "failing count, expected "),
    ([], [], "verdict PASS, failing nothing, expected "),
]


@pytest.mark.parametrize(("found", "kinds", "words"), CAUGHT)
def test_a_defect_that_is_found_as_something_else_is_not_caught(
    found: list[tuple[Kind, Outcome]], kinds: list[str], words: str
) -> None:
    findings = [finding(kind, outcome) for kind, outcome in found]
    run = run_with(*all_but(*(kind for kind, _ in found)), *findings)
    with pytest.raises(AssertionError, match=f"the defect was not caught as it should: .*{words}"):
        RigLibrary().defect_should_be_caught(run, *kinds)


def test_a_defect_is_caught_by_exactly_its_findings() -> None:
    bad = [finding(kind, Outcome.FAIL) for kind in (Kind.ON_TIME, Kind.PERIOD, Kind.PERIOD)]
    run = run_with(*all_but(), *bad, finding(Kind.OFF_TIME, Outcome.INCONCLUSIVE))
    RigLibrary().defect_should_be_caught(run, "period", "on-time")


# Keywords that do something.


class FakeSession:
    """A session with a bench of one line, which runs nothing and remembers everything."""

    def __init__(self) -> None:
        limits = Limits(tolerance_ms=60, stall_ms=30, run_timeout_s=7)
        self.bench = SimpleNamespace(name="desk", lines={"led": 25, "lamp": 3}, limits=limits)
        self.facts = {"board": "Pi", "kernel": "6.1", "gpio_chip": "chip", "gpio_base": 458}
        self.images = {"tender": 1, "test_led": 2}
        self.states = [GpioState(chips=(), exports={}, holders=())] * 2
        self.result = Result(1, "no such line", 0, 0)
        self.repeats = 0
        self.did: list[Any] = []
        self.orders: list[Any] = []
        self.target = self
        self.pins = SimulatedPins("led", "lamp")
        self.observer = FakeObserver(self.pins)
        self.observer.connect()
        self.moves: list[tuple[str, int]] = []
        """What a command does to the pins."""

    def run(self, *order: Any, **limits: Any) -> Any:
        self.did.append((*order, *limits.values()))
        for line, level in self.moves:
            self.pins.drive(line, level)
        if isinstance(order[0], str):
            return self.result
        record = SimpleNamespace(
            command=order[0].command, repeats=self.repeats, suite="Led", test="LED Blinks"
        )
        self.orders.append(order[0])
        evidence = SimpleNamespace(run=record, before="the state before", folder=order[1])
        order[1].mkdir(parents=True)
        return evidence, Verdict((finding(Kind.COUNT),))

    def held(self) -> AbstractContextManager[None]:
        return nullcontext()

    def gpio_state(self) -> GpioState:
        return self.states.pop(0)

    def restore(self, before: object) -> None:
        self.did.append(before)

    def sysfs_number(self, line: str) -> int:
        return 458 + int(self.bench.lines[line])

    def close(self) -> None:
        self.did.append("closed")


class FakeRobot:
    """What a keyword asks Robot Framework, and tells it."""

    variables: ClassVar[dict[str, str]] = {}
    documentation: ClassVar[list[str]] = []

    def get_variables(self) -> dict[str, str]:
        return self.variables

    def set_test_documentation(self, text: str, append: bool) -> None:
        assert append
        self.documentation.append(text)


@pytest.fixture(autouse=True)
def robot(tmp_path: Path) -> type[FakeRobot]:
    """Robot Framework, which writes its log into a folder beside that of the results."""
    log = str(tmp_path / "out" / "log.html")
    FakeRobot.variables = {"${LOG FILE}": log, "${OUTPUT DIR}": str(tmp_path / "out")}
    FakeRobot.documentation = []
    return FakeRobot


@pytest.fixture
def session() -> FakeSession:
    return FakeSession()


@pytest.fixture
def library(session: FakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RigLibrary:
    """With a bench that is open."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "load_bench", lambda path: session.bench)
    monkeypatch.setattr(Session, "open", lambda bench: session)
    monkeypatch.setattr(module, "where", lambda: ("Led", "LED Blinks"))
    monkeypatch.setattr(log_entry, "log_entry", lambda run, link: f"{run.name} at {link}")
    monkeypatch.setattr(module, "BuiltIn", FakeRobot)
    library = RigLibrary()
    library.open_bench("desk.yaml")
    return library


@pytest.mark.parametrize("name", ["Led", "Robot.Led", "Soak & Led & Timing.Led"])
def test_a_suite_has_the_same_name_whatever_runs_with_it(
    robot: type[FakeRobot], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(module, "BuiltIn", robot)
    robot.variables = {"${SUITE NAME}": name, "${TEST NAME}": "LED Blinks 1.5 Times"}
    assert module.where() == ("Led", "LED Blinks 1.5 Times")


def test_a_run_is_ordered_as_the_suite_says(library: RigLibrary, session: FakeSession) -> None:
    run = library.run_led_unikernel(2, 200 * MS, 300 * MS, "on")
    (order, folder), before = session.did
    assert order.command == (
        "/opt/rig/tender --led:led0=25 -- /opt/rig/test_led "
        "cycles=2 on_us=200000 off_us=300000 final=1"
    )
    assert (order.suite, order.test, order.purpose) == ("Led", "LED Blinks", "proof")
    assert (order.tender, order.unikernel) == ("tender", "test_led")
    assert order.timeout_s == 1.3 + 7
    assert order.expectation == Expectation(
        line="led",
        cycles=2,
        on_ns=200_000_000,
        off_ns=300_000_000,
        final_level=1,
        hold_ns=300_000_000,
        tolerance_ns=60_000_000,
    )
    assert order.console_wanted == (
        "test_led: cycles=2 on_us=200000 off_us=300000 final=1",
        "SUCCESS",
    )
    assert folder.parts[0] == "results"
    assert folder.parts[1].endswith("Z-desk")
    assert before == "the state before"
    assert str(run) == f"PASS {folder}"


@pytest.mark.parametrize(
    ("defect", "expected"),
    [
        ({"expected_cycles": 3}, {"cycles": 3}),
        ({"expected_on": 100 * MS}, {"on_ns": 100_000_000}),
        ({"tender": "never-unexports"}, {}),
    ],
)
def test_a_planted_defect_is_marked_and_the_order_stays(
    library: RigLibrary, session: FakeSession, defect: Any, expected: dict[str, int]
) -> None:
    library.run_led_unikernel(2, 200 * MS, 300 * MS, line="lamp", **defect)
    order = session.did[0][0]
    assert order.purpose == "defect"
    assert order.command == (
        f"/opt/rig/{defect.get('tender', 'tender')} --led:led0=3 -- /opt/rig/test_led "
        "cycles=2 on_us=200000 off_us=300000 final=0"
    )
    fields = {"cycles": 2, "on_ns": 200_000_000, "line": "lamp"} | expected
    assert {key: getattr(order.expectation, key) for key in fields} == fields


def test_a_second_run_of_a_test_has_a_folder_of_its_own(
    library: RigLibrary, session: FakeSession
) -> None:
    for _ in range(3):
        library.run_led_unikernel(*BLINK)
    folders = [did[1] for did in session.did if isinstance(did, tuple)]
    assert len(set(folders)) == 3
    assert {folder.parent for folder in folders} == {folders[0].parent}
    assert [folder.name.removeprefix(folders[0].name) for folder in folders] == ["", "-2", "-3"]


def test_a_repeated_run_is_a_warning(
    library: RigLibrary, session: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(logger, "warn", warnings.append)
    library.run_led_unikernel(*BLINK)
    assert warnings == []
    session.repeats = 2
    library.run_led_unikernel(*BLINK)
    assert warnings == ["repeated 2 times: the bench stalled"]


@pytest.mark.parametrize("runs", [0, 2])
def test_a_report_is_written_once_and_only_over_runs(
    library: RigLibrary, session: FakeSession, monkeypatch: pytest.MonkeyPatch, runs: int
) -> None:
    written: list[Path] = []
    monkeypatch.setattr(library, "_write_report", written.append)
    for _ in range(runs):
        library.run_led_unikernel(*BLINK)
    for _ in range(2):
        library.close_bench()
    assert session.did.count("closed") == 1
    assert [path.parent for path in written] == [Path("results")] * bool(runs)


def test_a_bench_that_is_used_again_goes_on_with_its_results(
    library: RigLibrary, session: FakeSession
) -> None:
    """As when all suites run at once, and one of them has a bench of its own."""
    first, own = library.results, session.bench
    session.bench = SimpleNamespace(**vars(own) | {"name": "time-lapse"})
    library.open_bench("lapse.yaml")
    other = library.results
    session.bench = own
    library.open_bench("desk.yaml")
    assert library.results == first
    assert other.name.endswith("-time-lapse")


def test_the_report_says_where_it_lies(
    library: RigLibrary, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told: list[str] = []
    html = tmp_path / "results" / "report.html"
    report = SimpleNamespace(text="all well", html=html, trouble="no history today")
    monkeypatch.setattr(reports, "write_report", lambda path, history: report)
    monkeypatch.setattr(logger, "console", told.append)
    monkeypatch.setattr(logger, "info", lambda text, html=False: told.append(text))
    monkeypatch.setattr(logger, "warn", told.append)
    library.run_led_unikernel(*BLINK)
    told.clear()
    library.close_bench()
    link = '<a href="../results/report.html">Latency report</a>'
    assert told == ["\nall well", "no history today", link]


def test_each_run_is_drawn_into_the_log_with_the_way_to_its_part_of_the_report(
    library: RigLibrary, robot: type[FakeRobot], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(logger, "info", lambda text, html=False: told.append(text) if html else 0)
    runs = [library.run_led_unikernel(*BLINK) for _ in range(2)]
    results = runs[0].evidence.folder.parents[1].name
    names = ["led/led-blinks", "led/led-blinks-2"]
    links = [f"../results/{results}/report.html#run/{name}" for name in names]
    assert told == [f"{name} at {link}" for name, link in zip(names, links, strict=True)]
    wanted = [f"[{link}|Timing and latency of this run]" for link in links]
    assert robot.documentation == wanted


@pytest.mark.parametrize(
    ("log", "results", "link"),
    [
        ("out/log.html", "results/one", "../results/one/r.html"),
        ("out/deep/down/log.html", "results/one", "../../../results/one/r.html"),
        ("log.html", "results/one", "results/one/r.html"),
        ("out/log.html", "out/results", "results/r.html"),
        ("out/log.html", "elsewhere/a b#c", "../elsewhere/a%20b%23c/r.html"),
        ("NONE", "results/one", "../results/one/r.html"),
    ],
)
def test_the_way_from_the_log_is_right_wherever_log_and_results_lie(
    robot: type[FakeRobot],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    log: str,
    results: str,
    link: str,
) -> None:
    monkeypatch.setattr(module, "BuiltIn", robot)
    robot.variables["${LOG FILE}"] = log if log == "NONE" else str(tmp_path / log)
    assert module._from_log(tmp_path / results / "r.html") == link


def test_a_bench_that_cannot_be_opened_is_not_open(
    library: RigLibrary, session: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> None:
        raise BenchFileError(f"{path}: no such key")

    library.close_bench()
    monkeypatch.setattr(module, "load_bench", fail)
    with pytest.raises(BenchFileError):
        library.open_bench("desk.yaml")
    with pytest.raises(BenchError, match="no bench is open"):
        library.run_led_unikernel(*BLINK)


def test_a_refusal_has_its_status_and_every_message(
    library: RigLibrary, session: FakeSession
) -> None:
    library.tender_should_refuse("--led:led0=99 -- {test_led}", "no such", "line")
    assert session.did == [("/opt/rig/tender --led:led0=99 -- /opt/rig/test_led 2>&1", 30)]


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (Result(0, "no such line", 0, 0), "exit status 0, expected 1; said: 'no such line'"),
        (Result(1, "no such", 0, 0), "said: 'no such', expected: 'no such', 'line'"),
        (Result(1, "", 0, 0), "exit status 1, expected 1; said: '', expected: 'no such'"),
    ],
)
def test_a_refusal_of_another_kind_fails(
    library: RigLibrary, session: FakeSession, result: Result, words: str
) -> None:
    session.result = result
    with pytest.raises(AssertionError, match=words):
        library.tender_should_refuse("--led:led0=99", "no such", "line")


def test_a_refusal_that_touches_a_pin_fails(library: RigLibrary, session: FakeSession) -> None:
    touched = session.states[0].model_copy(
        update={"exports": {483: Export(direction="out", value=0)}}
    )
    session.states[1] = touched
    with pytest.raises(AssertionError, match=r"the pins are not as before: .*483"):
        library.tender_should_refuse("--led:led0=99", "no such", "line")


def test_a_refusal_during_which_a_pin_moves_fails(
    library: RigLibrary, session: FakeSession
) -> None:
    """Even if it is as before in the end."""
    session.moves = [("lamp", 1), ("lamp", 0)]
    with pytest.raises(AssertionError, match="lines that should not have moved: lamp"):
        library.tender_should_refuse("--led:led0=99", "no such", "line")


@pytest.mark.parametrize("verb", ["export", "unexport"])
def test_a_line_is_exported_by_its_number_on_the_target(
    library: RigLibrary, session: FakeSession, verb: str
) -> None:
    use = getattr(library, f"{verb}_line")
    with pytest.raises(TargetError, match=f"{verb}' gave 1: no such line"):
        use("led")
    session.result = Result(0, "", 0, 0)
    use("led")
    assert session.did == [(f"echo 483 > /sys/class/gpio/{verb}",)] * 2


# A bench that breaks.


@pytest.fixture
def breaking(session: FakeSession, monkeypatch: pytest.MonkeyPatch) -> list[BaseException | None]:
    """What the next runs raise; None for a good one."""
    faults: list[BaseException | None] = []
    run = session.run

    def broken(*order: Any, **limits: Any) -> Any:
        if faults and (fault := faults.pop(0)):
            raise fault
        return run(*order, **limits)

    monkeypatch.setattr(session, "run", broken)
    return faults


@pytest.mark.parametrize(
    "fault", [TargetError("gone"), ObserverError("gone"), TimeoutError("late")]
)
def test_a_bench_that_broke_is_brought_up_again_for_the_next_test(
    library: RigLibrary,
    session: FakeSession,
    breaking: list[BaseException | None],
    fault: BaseException,
) -> None:
    breaking.append(fault)
    session.reopened = lambda: session.did.append("reopened") or session  # type: ignore[attr-defined]
    with pytest.raises(type(fault)):
        library.run_led_unikernel(*BLINK)
    assert "reopened" not in session.did
    library.run_led_unikernel(*BLINK)
    library.run_led_unikernel(*BLINK)
    assert session.did.count("reopened") == 1


def test_a_verdict_does_not_break_the_bench(library: RigLibrary, session: FakeSession) -> None:
    with pytest.raises(AssertionError):
        library.tender_should_refuse("--led:led0=54", "another message")
    library.run_led_unikernel(*BLINK)


def test_a_bench_that_does_not_come_up_is_given_up_after_some_attempts(
    library: RigLibrary, session: FakeSession, breaking: list[BaseException | None]
) -> None:
    attempts = []

    def dead() -> None:
        attempts.append(1)
        raise TargetError("no login prompt")

    session.reopened = dead  # type: ignore[attr-defined]
    session.bench.file = "desk.yaml"
    breaking.append(TargetError("gone"))
    with pytest.raises(TargetError, match="gone"):
        library.run_led_unikernel(*BLINK)
    for _ in range(MOST_RECOVERIES):
        with pytest.raises(TargetError, match="no login prompt"):
            library.run_led_unikernel(*BLINK)
    with pytest.raises(BenchError, match=r"in vain 3 times; look at it: rig doctor desk\.yaml"):
        library.run_led_unikernel(*BLINK)
    assert len(attempts) == MOST_RECOVERIES


# Runs that are ended early, timed, or hostile.


@pytest.fixture
def shell(session: FakeSession) -> list[str]:
    """What is done on the target besides runs."""
    done: list[str] = []
    fake: Any = session
    fake.shell = SimpleNamespace(must=done.append)
    fake.free_line = lambda: 485
    fake.put = lambda source, path: done.append(f"put {path}")
    fake.power = None
    return done


def orders(session: FakeSession) -> list[Any]:
    return session.orders


def test_a_run_is_ended_as_the_suite_says(
    library: RigLibrary, session: FakeSession, shell: list[str]
) -> None:
    library.end_led_unikernel("SIGKILL", backend="cdev")
    (order,) = orders(session)
    assert order.command == (
        "/opt/rig/tender --led-backend=cdev --led:led0=25 -- /opt/rig/test_led_endings wait"
    )
    assert (order.ending, order.exit_wanted, order.purpose) == ("SIGKILL", 137, "proof")
    assert order.expectation == Aftermath(
        line="led", edges=2, is_taken=True, release_ns=500_000_000
    )
    assert shell == ["echo 485 > /sys/class/gpio/export"]
    assert session.did[-1] == ("echo 485 > /sys/class/gpio/unexport",)


def test_nobody_exports_a_line_where_the_power_is_cut(
    library: RigLibrary, session: FakeSession, shell: list[str]
) -> None:
    library.end_led_unikernel("the power is cut")
    (order,) = orders(session)
    assert order.exit_wanted is None
    assert shell == []


def test_a_deployment_that_breaks_off_may_not_move_the_line(
    library: RigLibrary, session: FakeSession, shell: list[str]
) -> None:
    library.end_led_unikernel("a deployment breaks off")
    (order,) = orders(session)
    assert (order.expectation.edges, order.expectation.is_taken) == (0, False)
    assert order.console_wanted == ()


def test_another_tender_has_a_planted_defect(
    library: RigLibrary, session: FakeSession, shell: list[str]
) -> None:
    library.end_led_unikernel("SIGTERM", tender="tender-bad", unikernel="other")
    library.run_hostile_unikernel(Attack.LINES_OF_OTHERS, tender="tender-bad")
    library.time_led_unikernel(400 * MS, 50, tender="tender-bad", unikernel="other")
    assert [order.purpose for order in orders(session)] == ["defect"] * 3
    assert [order.tender for order in orders(session)] == ["tender-bad"] * 3
    assert orders(session)[0].unikernel == orders(session)[2].unikernel == "other"


@pytest.mark.parametrize(
    ("attack", "granted", "edges", "is_taken"),
    [
        (Attack.EVERY_HYPERCALL_NUMBER, False, 0, False),
        (Attack.BAD_POINTERS_AND_LENGTHS, False, 0, False),
        (Attack.RANDOM_CALLS, False, 0, False),
        (Attack.ITS_OWN_LED, True, 2, None),
        (Attack.LINES_OF_OTHERS, True, 0, None),
    ],
)
def test_a_hostile_unikernel_may_move_what_it_was_granted(
    library: RigLibrary,
    session: FakeSession,
    shell: list[str],
    attack: Attack,
    granted: bool,
    edges: int,
    is_taken: bool | None,
) -> None:
    scripts: list[str] = []
    fake: Any = session
    fake.put = lambda source, path: scripts.append(source.read_text())
    library.run_hostile_unikernel(attack)
    (order,) = orders(session)
    assert (order.expectation.edges, order.expectation.is_taken) == (edges, is_taken)
    assert ("--led:led0=25" in scripts[0]) == granted
    assert session.did[-1] == ("rm -f /opt/rig/hostile.sh",)


@pytest.mark.parametrize(
    ("period_ms", "length", "cycles"),
    [
        (400, "short", 2),
        (0.2, "short", 100),
        (20, "short", 50),
        (400, "release", 75),
        (2000, "release", 20),
    ],
)
def test_how_often_the_led_blinks_follows_from_the_length(
    library: RigLibrary, session: FakeSession, period_ms: float, length: Any, cycles: int
) -> None:
    library.time_led_unikernel(period_ms * MS, 50, length=length)
    assert orders(session)[0].expectation.cycles == cycles


def test_a_tolerance_wider_than_a_pulse_is_warned_of(
    library: RigLibrary, session: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(logger, "warn", warnings.append)
    library.time_led_unikernel(400 * MS, 50, Load.CPU)
    assert warnings == []
    library.time_led_unikernel(400 * MS, 1)
    assert len(warnings) == 1
    fine, coarse = orders(session)
    assert (fine.expectation.is_coarse, fine.load) == (False, Load.CPU)
    assert (coarse.expectation.is_coarse, coarse.expectation.on_ns) == (True, 4_000_000)


def test_what_a_bench_cannot_do_is_skipped_with_its_reason(
    library: RigLibrary, session: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "lacks", lambda *_: "nobody can switch it")
    with pytest.raises(SkipExecution, match="power: nobody can switch it"):
        library.bench_should_be_able_to(Ability.POWER)
    monkeypatch.setattr(module, "lacks", lambda *_: "")
    library.bench_should_be_able_to(Ability.POWER)


def test_a_pulse_that_the_observer_may_miss_is_skipped(
    library: RigLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "shortest_pulse_ns", lambda _: 200_000)
    fake: Any = library
    fake._session.bench.file = "desk.yaml"
    with pytest.raises(SkipExecution, match=r"may miss a pulse below 0\.2"):
        library.bench_should_see_pulses_of(0.1 * MS)
    library.bench_should_see_pulses_of(0.2 * MS)


def aftermath_run(*findings: Finding, console_wanted: tuple[str, ...] = ("on",)) -> Run:
    record = SimpleNamespace(
        expectation=Aftermath(line="led", edges=2, is_taken=True, release_ns=1),
        exit_wanted=1,
        console_wanted=console_wanted,
    )
    evidence: Any = SimpleNamespace(run=record, folder=Path("f"))
    return Run(evidence, Verdict(findings))


ASKED = [
    *(Kind.INITIAL_LEVEL, Kind.COUNT, Kind.RELEASE, Kind.RELEASE_TIME, Kind.FOREIGN),
    *(Kind.CLEANUP, Kind.KERNEL_LOG, Kind.EXIT_STATUS, Kind.CONSOLE),
]


@pytest.mark.parametrize("kind", ASKED)
def test_a_verdict_on_an_aftermath_passes_only_if_all_was_found_out(kind: Kind) -> None:
    library = RigLibrary()
    library.verdict_should_be_pass(aftermath_run(*map(finding, ASKED)))
    with pytest.raises(AssertionError, match=f"nothing was found out about {kind}"):
        library.verdict_should_be_pass(aftermath_run(*(finding(k) for k in ASKED if k != kind)))
    bad = finding(kind, Outcome.FAIL)
    with pytest.raises(AssertionError, match=f"{kind} is as it is"):
        library.verdict_should_be_pass(aftermath_run(*map(finding, ASKED), bad))
