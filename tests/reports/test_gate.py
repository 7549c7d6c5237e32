"""The release gate: one thing is wrong at a time, and the decision says which."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from conftest import STARTED_NS
from robot.run import run_cli
from sides import (
    NAME,
    altered,
    expecting,
    judged,
    lacking,
    only,
    runs,
    side,
    told,
    with_runs,
    write,
)

from reports.compare import Pair, Side, Sizes
from reports.figures import Figure
from reports.gate import Check, Decision, Gate, decide, judge_worsenings
from reports.gate_tables import to_junit, to_text
from reports.limits import Limit, Limits, load_limits
from reports.robot_result import RobotResult, RobotTest, read_robot_result
from rig.errors import EvidenceError, LimitsError
from rig.identity import REPOSITORY
from rig.verdict import Outcome, Verdict
from tests.run_all import Count, from_junit

HOUR_NS = 3600 * 10**9
ROUND_TRIP = {"figure": "hypercall round trip", "unit": "us", "at_most": 200, "worse_by": 40}
DRIFT = {"figure": "clock drift", "unit": "ppm", "at_most": 500}
ASKED: dict[str, Any] = {
    "suites": ["Led", "Acceptance"],
    "measured": [NAME],
    "least_runs": 8,
    "least_edges": 24,
    "least_defects": 1,
    "benches": {"virtual": {"limits": [ROUND_TRIP, DRIFT]}},
}


def asked(**changes: Any) -> Limits:
    return Limits.model_validate(ASKED | changes)


def limited(*limits: dict[str, Any], **others: Any) -> Limits:
    return asked(benches={"virtual": {"limits": limits, **others}})


def robot(*tests: RobotTest) -> RobotResult:
    """What Robot says when all went well, but for these tests."""
    good = RobotTest(NAME, "PASS", ""), RobotTest("Led / Blinks", "PASS", "")
    return RobotResult((*good, *tests), STARTED_NS, STARTED_NS + HOUR_NS)


@pytest.fixture(scope="session")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Side:
    return side(tmp_path_factory.mktemp("baseline"), runs(1))


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Side:
    """A candidate like the baseline, which also caught a planted defect."""
    folder = tmp_path_factory.mktemp("good")
    write(folder, runs(7, 1, missing=2, record={"purpose": "defect"}), "Caught", "Led")
    return side(folder, runs(2))


def gate(
    candidate: Side,
    baseline: Side | None,
    tests: RobotResult | None = None,
    limits: Limits | None = None,
) -> Gate:
    return decide(candidate, baseline, tests or robot(), limits or asked())


def reasons(decided: Gate) -> list[tuple[Decision, str]]:
    """What keeps it from being accepted."""
    bad = [check for check in decided.checks if check.decision is not Decision.ACCEPTED]
    return [(check.decision, check.name) for check in bad]


def changed(one: Side, place: int, **fields: Any) -> Side:
    """The same results, of which one run recorded something else."""
    chosen = list(one.results.runs)
    chosen[place] = told(with_runs(one, [chosen[place]]), **fields).results.runs[0]
    return with_runs(one, chosen)


def test_a_good_release_is_accepted(good: Side, baseline: Side) -> None:
    decided = gate(good, baseline)

    assert reasons(decided) == []
    assert decided.decision is Decision.ACCEPTED
    count = len(decided.checks)
    folder = baseline.results.folder
    assert decided.line == f"ACCEPTED: all {count} checks passed, compared with {folder}"


def test_one_run_that_failed_rejects_and_is_named(good: Side, baseline: Side) -> None:
    decided = gate(judged(good, Outcome.FAIL), baseline)

    assert reasons(decided) == [(Decision.REJECTED, f"verdict of {NAME}")]
    assert decided.line.startswith(f"REJECTED: verdict of {NAME}: 9 PASS, 1 FAIL; acceptance/")
    assert decided.line.endswith("led went on 11 times")


def test_one_run_that_is_inconclusive_leaves_it_undecided(good: Side, baseline: Side) -> None:
    decided = gate(judged(good, Outcome.INCONCLUSIVE), baseline)

    assert reasons(decided) == [(Decision.UNDECIDED, f"verdict of {NAME}")]


def test_a_verdict_without_findings_leaves_it_undecided(good: Side, baseline: Side) -> None:
    chosen = list(good.results.runs)
    chosen[3] = replace(chosen[3], verdict=Verdict(()))

    assert reasons(gate(with_runs(good, chosen), baseline)) == [
        (Decision.UNDECIDED, f"verdict of {NAME}")
    ]


def test_what_a_doubtful_run_measured_rejects_nothing(good: Side, baseline: Side) -> None:
    """Nor does it count as a sample: all that made it odd may be the bench."""
    slow = altered(good, Figure.ROUND_TRIP, 1e6)
    for place in range(10):
        slow = judged(slow, Outcome.INCONCLUSIVE, place)
    decided = gate(slow, baseline)

    assert decided.decision is Decision.UNDECIDED
    assert (Decision.UNDECIDED, f"samples of {NAME}") in reasons(decided)
    assert f"change of {NAME}: is missing from the candidate" in to_text(decided)


def test_what_rejects_outranks_what_is_undecided(good: Side, baseline: Side) -> None:
    both = judged(judged(good, Outcome.INCONCLUSIVE, 3), Outcome.FAIL, 4)
    decided = gate(told(both, git_commit="unknown"), baseline)

    assert decided.decision is Decision.REJECTED
    assert decided.line.startswith("REJECTED: verdict of ")


def test_the_line_tells_how_many_reasons_more_there_are(good: Side, baseline: Side) -> None:
    decided = gate(told(good, git_commit="unknown"), baseline, limits=asked(least_runs=11))

    assert decided.line.startswith("UNDECIDED: identity: ")
    assert decided.line.endswith(" (and 1 more)")


def test_damaged_evidence_leaves_it_undecided(good: Side, baseline: Side) -> None:
    damaged = replace(good, results=replace(good.results, problems=("led: damaged", "b: cut")))

    assert reasons(gate(damaged, baseline)) == [(Decision.UNDECIDED, "evidence")] * 2


def test_a_planted_defect_that_was_missed_leaves_it_undecided(good: Side, baseline: Side) -> None:
    decided = gate(judged(good, Outcome.PASS, -1), baseline, limits=asked(least_defects=0))

    assert reasons(decided) == [(Decision.UNDECIDED, "planted defect of Led / Caught")]


def test_a_release_whose_suites_could_not_fail_is_undecided(good: Side, baseline: Side) -> None:
    decided = gate(good, baseline, limits=asked(least_defects=2))

    assert reasons(decided) == [(Decision.UNDECIDED, "planted defects")]


def test_without_robots_own_result_it_is_undecided(good: Side, baseline: Side) -> None:
    decided = decide(good, baseline, None, asked(suites=["Acceptance"]))

    assert reasons(decided) == [(Decision.UNDECIDED, "Robot's own result")]


@pytest.mark.parametrize(
    ("status", "message", "decision"),
    [
        ("FAIL", "BenchError: the target does not answer", Decision.UNDECIDED),
        ("FAIL", "INCONCLUSIVE\n  INCONCLUSIVE: led on-time", Decision.UNDECIDED),
        ("FAIL", "Test timeout 5 minutes exceeded.", Decision.UNDECIDED),
        ("FAIL", "", Decision.UNDECIDED),
        ("FAIL", "FAIL\n  FAIL: led on-time", Decision.REJECTED),
        ("SKIP", "this bench has no power switch", Decision.UNDECIDED),
        ("NOT RUN", "", Decision.UNDECIDED),
    ],
)
def test_a_test_that_did_not_pass_is_never_accepted(
    good: Side, baseline: Side, status: Any, message: str, decision: Decision
) -> None:
    decided = gate(good, baseline, robot(RobotTest("Led / Odd", status, message)))

    assert reasons(decided) == [(decision, "test Led / Odd")]


@pytest.mark.parametrize(("status", "count"), [("SKIP", 0), ("FAIL", 1)])
def test_a_bench_may_skip_what_its_limits_name_and_no_more(
    good: Side, baseline: Side, status: Any, count: int
) -> None:
    limits = limited(ROUND_TRIP, may_skip=["Led / Odd"])
    decided = gate(good, baseline, robot(RobotTest("Led / Odd", status, "no switch")), limits)

    assert len(reasons(decided)) == count


@pytest.mark.parametrize(
    ("started_ns", "ended_ns"),
    [
        (STARTED_NS + 2 * 10**9, STARTED_NS + 2 * HOUR_NS),
        (STARTED_NS, STARTED_NS + HOUR_NS - 2 * 10**9),
    ],
)
def test_results_of_another_robot_run_are_not_taken_for_these(
    good: Side, baseline: Side, started_ns: int, ended_ns: int
) -> None:
    other = replace(robot(), started_ns=started_ns, ended_ns=ended_ns)
    decided = gate(good, baseline, other)

    assert reasons(decided) == [(Decision.UNDECIDED, "Robot's own result")]
    assert "these are not the results of this Robot run" in decided.line


def test_a_suite_that_did_not_run_leaves_it_undecided(good: Side, baseline: Side) -> None:
    decided = gate(good, baseline, limits=asked(suites=["Led", "Acceptance", "Cleanup"]))

    assert reasons(decided) == [(Decision.UNDECIDED, "suite Cleanup")]


def test_a_suite_of_which_nothing_passed_did_not_run(good: Side, baseline: Side) -> None:
    tests = robot(RobotTest("Cleanup / Killed", "SKIP", "no switch"))
    limits = asked(
        suites=["Cleanup"],
        benches={"virtual": {"limits": [ROUND_TRIP], "may_skip": ["Cleanup / Killed"]}},
    )

    assert reasons(gate(good, baseline, tests, limits)) == [(Decision.UNDECIDED, "suite Cleanup")]


@pytest.mark.parametrize("commit", ["unknown", f"{'0' * 40}-dirty"])
def test_a_release_that_no_commit_describes_is_undecided(
    good: Side, baseline: Side, commit: str
) -> None:
    dirty = told(good, git_commit=commit)

    assert reasons(gate(dirty, baseline)) == [(Decision.UNDECIDED, "identity")]
    assert reasons(gate(dirty, baseline, limits=asked(uncommitted=True))) == []


def test_a_release_is_one_tender_of_one_commit(good: Side, baseline: Side) -> None:
    images = dict(good.results.runs[3].evidence.run.images)
    images["tender"] = images["tender"].model_copy(update={"sha256": "ab" * 32})
    for mixed in (changed(good, 3, git_commit="f" * 40), changed(good, 3, images=images)):
        decided = gate(mixed, baseline, limits=asked(uncommitted=True))
        assert reasons(decided) == [(Decision.UNDECIDED, "identity")]


@pytest.mark.parametrize("change", [{"least_runs": 11}, {"least_edges": 25}])
def test_too_few_runs_or_edges_leave_it_undecided(
    good: Side, baseline: Side, change: dict[str, Any]
) -> None:
    decided = gate(good, baseline, limits=asked(**change))

    assert reasons(decided) == [(Decision.UNDECIDED, f"samples of {NAME}")]


def test_a_measured_test_that_did_not_run_is_no_pass(good: Side, baseline: Side) -> None:
    limits = asked(measured=[NAME, "Acceptance / Other"])

    assert reasons(gate(good, baseline, limits=limits)) == [
        (Decision.UNDECIDED, "samples of Acceptance / Other"),
        (Decision.UNDECIDED, "change of Acceptance / Other"),
    ]


def test_a_bench_without_limits_is_undecided(good: Side, baseline: Side) -> None:
    limits = asked(benches={"desk": {"limits": [ROUND_TRIP]}})
    decided = gate(good, baseline, limits=limits)

    assert reasons(decided) == [(Decision.UNDECIDED, "limits")]
    assert "has none for virtual, but for: desk" in decided.line


def test_results_of_two_benches_have_no_limits(good: Side, baseline: Side) -> None:
    decided = gate(changed(good, 3, bench="desk"), baseline)

    assert (Decision.UNDECIDED, "limits") in reasons(decided)


@pytest.mark.parametrize(
    ("add", "decision"),
    [(0, Decision.ACCEPTED), (140, Decision.UNDECIDED), (400, Decision.REJECTED)],
)
def test_the_typical_run_is_held_against_its_limit(
    good: Side, add: float, decision: Decision
) -> None:
    """Of about 56 us, give or take 10, at most 200 are allowed."""
    limits = asked(first_release=True)
    decided = decide(altered(good, Figure.ROUND_TRIP, add), None, robot(), limits)

    assert decided.decision is decision
    if decision is not Decision.ACCEPTED:
        assert decided.line.startswith(f"{decision}: hypercall round trip, median of {NAME}: ")
        assert decided.line.endswith("in 10 runs; at most 200.0 us")


def test_the_observers_uncertainty_counts_against_a_limit_either_way(good: Side) -> None:
    """On-time errors of 2 ms, and an observer whose stamps may be off by 0.3 ms."""
    shifted = altered(good, Figure.ON_ERROR, add=2000)

    def decision(at_most_ms: float) -> Decision:
        limit = {"figure": "on-time error", "unit": "ms", "at_most": at_most_ms}
        limits = limited(limit).model_copy(update={"first_release": True})
        return decide(shifted, None, robot(), limits).decision

    assert [decision(ms) for ms in (1.6, 1.8, 2.2, 2.4)] == [
        Decision.REJECTED,
        Decision.UNDECIDED,
        Decision.UNDECIDED,
        Decision.ACCEPTED,
    ]


def test_one_outlier_among_the_runs_breaks_no_limit(good: Side, baseline: Side) -> None:
    out = altered(good, Figure.ROUND_TRIP)
    place = out.summary.index[out.summary["figure"] == Figure.ROUND_TRIP][5]
    out.summary.loc[place, "median"] = 1e9

    assert reasons(gate(out, baseline)) == []


@pytest.mark.parametrize("count", [1, 10])
def test_a_figure_that_is_missing_is_no_pass(good: Side, baseline: Side, count: int) -> None:
    decided = gate(lacking(good, Figure.ROUND_TRIP, count), baseline)

    assert reasons(decided) == [
        (Decision.UNDECIDED, f"hypercall round trip, median of {NAME}"),
        (Decision.UNDECIDED, f"change of hypercall round trip, median of {NAME}"),
    ]


def test_a_figure_that_the_baseline_lacks_is_no_pass(good: Side, baseline: Side) -> None:
    decided = gate(good, lacking(baseline, Figure.ROUND_TRIP, 10))

    assert reasons(decided) == [
        (Decision.UNDECIDED, f"change of hypercall round trip, median of {NAME}")
    ]


@pytest.mark.parametrize(("allowed", "count"), [(True, 0), (False, 1)])
def test_a_first_release_is_accepted_only_where_the_limits_say_so(
    good: Side, allowed: bool, count: int
) -> None:
    decided = gate(good, None, limits=asked(first_release=allowed))

    assert reasons(decided) == [(Decision.UNDECIDED, "baseline")] * count
    assert not allowed or decided.line.endswith("checks passed, compared with nothing")


def test_a_release_is_not_compared_with_itself(good: Side, baseline: Side) -> None:
    decided = gate(good, good)

    assert reasons(decided) == [(Decision.UNDECIDED, "baseline")]
    assert decided.line == "UNDECIDED: baseline: holds runs of the candidate itself"


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.INCONCLUSIVE])
def test_a_baseline_that_did_not_pass_is_no_measure(
    good: Side, baseline: Side, outcome: Outcome
) -> None:
    decided = gate(good, judged(baseline, outcome))

    assert reasons(decided) == [(Decision.UNDECIDED, "baseline")]
    assert f"is {outcome}, so it is no measure" in decided.line


def test_a_baseline_of_an_unlike_bench_is_refused(good: Side, baseline: Side) -> None:
    decided = gate(good, told(baseline, tools={"qemu": "8.0"}))

    assert reasons(decided) == [(Decision.UNDECIDED, "baseline")]
    assert "QEMU is 8.0 in the baseline and 7.2.22 in the candidate" in decided.line


def test_a_baseline_of_an_unlike_pattern_is_refused(good: Side, baseline: Side) -> None:
    decided = gate(good, expecting(baseline, cycles=11))

    assert reasons(decided) == [(Decision.UNDECIDED, f"change of {NAME}")]


def test_a_baseline_of_too_few_runs_is_refused(good: Side, baseline: Side) -> None:
    decided = gate(good, only(baseline, 7))

    assert reasons(decided) == [(Decision.UNDECIDED, f"change of {NAME}")]
    assert "too few runs: 7 in the baseline" in decided.line


def test_what_the_baseline_proved_must_be_proven_again(good: Side, baseline: Side) -> None:
    decided = gate(good, changed(baseline, 0, test="Other"))

    assert reasons(decided) == [(Decision.UNDECIDED, "test Acceptance / Other")]


@pytest.mark.parametrize(
    ("add", "decision"),
    [
        (-500, Decision.ACCEPTED),
        (25, Decision.ACCEPTED),
        (40, Decision.UNDECIDED),
        (100, Decision.REJECTED),
    ],
)
def test_a_figure_may_become_worse_by_so_much_and_no_more(
    baseline: Side, good: Side, add: float, decision: Decision
) -> None:
    """40 us are allowed; 25 are a difference that is sure, and still within it."""
    start = altered(baseline, Figure.ROUND_TRIP, 1000), altered(good, Figure.ROUND_TRIP, 1000)
    limits = limited({**ROUND_TRIP, "at_most": 2000})
    decided = gate(altered(start[1], Figure.ROUND_TRIP, add), start[0], limits=limits)

    assert decided.decision is decision
    if decision is not Decision.ACCEPTED:
        name = f"change of hypercall round trip, median of {NAME}"
        assert reasons(decided) == [(decision, name)]
        assert decided.line.endswith("; worse by at most 40.0 us")


def test_a_change_that_the_observers_may_have_made_does_not_reject(
    good: Side, baseline: Side
) -> None:
    """Each observer may be off by 301 us: 500 us more are not surely more than 100."""
    start = [altered(one, Figure.ON_ERROR, 5000) for one in (baseline, good)]
    limits = limited({"figure": "on-time error", "unit": "us", "worse_by": 100})

    def decision(add: float) -> Decision:
        return gate(altered(start[1], Figure.ON_ERROR, add), start[0], limits=limits).decision

    assert [decision(add) for add in (500, 800)] == [Decision.UNDECIDED, Decision.REJECTED]


def _worsenings(draw: np.random.Generator, add: float) -> list[tuple[Pair, Limit]]:
    """Five figures of 20 runs each that may become worse by 2, and did so by `add`."""
    limit, off = Limit(figure=Figure.DRIFT, unit="ppm", worse_by=2), np.zeros(20)
    values = draw.normal(size=(5, 2, 20))
    return [
        (Pair(NAME, Figure.DRIFT, "median", Sizes(before, off), Sizes(after + add, off)), limit)
        for before, after in values
    ]


@pytest.mark.parametrize(
    ("add", "rejected", "accepted"),
    [(0, (0, 0), (95, 100)), (2, (1, 10), (0, 0)), (4, (95, 100), (0, 0))],
)
def test_what_may_become_worse_by_so_much_is_told_from_what_does(
    add: float, rejected: tuple[int, int], accepted: tuple[int, int]
) -> None:
    """Of 100 releases: at the very limit 5 are rejected, give or take chance, and none accepted."""
    draw = np.random.default_rng(22)
    found = [
        {check.decision for check in judge_worsenings(_worsenings(draw, add))} for _ in range(100)
    ]
    counts = (
        sum(Decision.REJECTED in one for one in found),
        sum(one == {Decision.ACCEPTED} for one in found),
    )

    assert rejected[0] <= counts[0] <= rejected[1]
    assert accepted[0] <= counts[1] <= accepted[1]


def test_the_text_ends_with_the_decision_and_names_every_check(good: Side, baseline: Side) -> None:
    decided = gate(judged(good, Outcome.FAIL), baseline)
    text = to_text(decided)
    lines = " ".join(text.split())

    assert text.splitlines()[-1] == decided.line
    assert all(f"{check.decision} {check.name}: " in lines for check in decided.checks)


def test_junit_has_a_case_for_each_check(tmp_path: Path) -> None:
    checks = (
        Check("evidence", "evidence", Decision.ACCEPTED, "3 runs"),
        Check("verdict", "verdict of A <B>", Decision.REJECTED, "led & \x01more"),
        Check("baseline", "baseline", Decision.UNDECIDED, "none"),
    )
    file = tmp_path / "acceptance.xml"
    file.write_bytes(to_junit(Gate(checks, "")))
    cases = ElementTree.parse(file).getroot().findall("testcase")

    assert from_junit(file) == Count(1, 2, 0)
    assert [case.get("name") for case in cases] == [check.name for check in checks]
    assert [[part.tag for part in case] for case in cases] == [
        ["system-out"],
        ["failure"],
        ["error"],
    ]


@pytest.mark.parametrize(
    ("place", "key", "value", "told"),
    [
        (".", "suite", ["Led"], "suite: unknown key; allowed: suites, measured, least_runs"),
        (".", "least_runs", 7, "least_runs: Input should be greater than or equal to 8, not 7"),
        (".", "least_defects", "one", "least_defects: Input should be a valid integer"),
        (".", "suites", [], "suites: "),
        (".", "benches", {}, "benches: "),
        ("limit", "figure", "speed", "figure: Input should be 'on-time error'"),
        ("limit", "unit", "ppm", "hypercall round trip has the unit us or ms, not ppm"),
        ("limit", "of", "p98", "of: Input should be 'median'"),
        ("limit", "at_most", -1, "at_most: Input should be greater than or equal to 0"),
        ("limit", "most", 1, "most: unknown key; allowed: figure, of, unit, at_most, worse_by"),
    ],
)
def test_a_wrong_limits_file_is_refused_with_file_line_and_key(
    tmp_path: Path, place: str, key: str, value: object, told: str
) -> None:
    document: dict[str, Any] = {**ASKED, "benches": {"virtual": {"limits": [dict(ROUND_TRIP)]}}}
    (document if place == "." else document["benches"]["virtual"]["limits"][0])[key] = value
    file = tmp_path / "limits.yaml"
    file.write_text(_yaml(document))

    with pytest.raises(LimitsError) as caught:
        load_limits(file)
    assert str(caught.value).startswith(f"{file}:")
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (
            [{"figure": "clock drift", "unit": "ppm"}],
            "says no limit; give at_most, worse_by",
        ),
        ([DRIFT, DRIFT], "median of clock drift stands here twice"),
        ([DRIFT | {"of": "p95"}], "a run has clock drift once; leave out of: p95"),
        ([], "limits"),
    ],
)
def test_limits_without_sense_are_refused(
    tmp_path: Path, limits: list[dict[str, Any]], told: str
) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text(_yaml({**ASKED, "benches": {"virtual": {"limits": limits}}}))

    with pytest.raises(LimitsError, match=told):
        load_limits(file)


def _yaml(document: dict[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(document)


def test_a_limit_may_be_written_in_milliseconds() -> None:
    limit = Limit(figure=Figure.ROUND_TRIP, unit="ms", at_most=1.5)

    assert limit.in_unit_of_figure(1.5) == 1500


def test_the_limits_of_the_project_name_suites_and_tests_that_exist() -> None:
    limits = load_limits(REPOSITORY / "robot" / "acceptance.yaml")
    files = {path.stem.title(): path for path in (REPOSITORY / "robot").glob("*.robot")}

    assert set(limits.suites) <= set(files)
    for name in (
        *limits.measured,
        *(skip for it in limits.benches.values() for skip in it.may_skip),
    ):
        suite, test = name.split(" / ")
        assert f"\n{test}\n" in files[suite].read_text()


SUITE = """*** Test Cases ***
Good
    No Operation
Bad
    Fail    FAIL\\n\\ \\ FAIL: led
Blind
    Skip    no switch
"""


@pytest.fixture(scope="session")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Robot writes about three tests."""
    folder = tmp_path_factory.mktemp("robot")
    suite = folder / "led.robot"
    suite.write_text(SUITE)
    words = ["--name", "Release", "--console", "none", "--log", "none", "--report", "none"]
    run_cli(
        [*words, "--outputdir", str(folder), str(folder / "led.robot"), str(folder / "led.robot")],
        exit=False,
    )
    return folder / "output.xml"


def test_robots_result_is_read_as_robot_wrote_it(output: Path) -> None:
    read = read_robot_result(output)
    names = ["Led / Good", "Led / Bad", "Led / Blind"] * 2

    assert [test.name for test in read.tests] == names
    assert [test.status for test in read.tests[:3]] == ["PASS", "FAIL", "SKIP"]
    assert read.tests[1].message.startswith("FAIL\n")
    now_ns = output.stat().st_mtime_ns
    assert now_ns - 600 * 10**9 < read.started_ns < read.ended_ns <= now_ns + 10**9


@pytest.mark.parametrize("text", ["", "<robot>", "<html/>"])
def test_half_of_robots_result_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "output.xml"
    file.write_text(text)

    with pytest.raises(EvidenceError, match=r"output.xml: not a whole output.xml of Robot"):
        read_robot_result(file)


@pytest.fixture
def files(tmp_path: Path, output: Path) -> list[object]:
    """Words for the command, with limits that all of these results keep to."""
    started_ns = read_robot_result(output).started_ns
    record = {"started_ns": started_ns, "ended_ns": started_ns}
    folder = write(tmp_path / "results", runs(2, 8, record=record))
    limits = tmp_path / "limits.yaml"
    may_skip = ["Led / Blind"]
    bench = {"limits": [ROUND_TRIP], "may_skip": may_skip}
    benches = {"benches": {"virtual": bench}}
    limits.write_text(_yaml(ASKED | benches | {"first_release": True, "least_defects": 0}))
    xml = tmp_path / "output.xml"
    xml.write_text(output.read_text().replace('status="FAIL"', 'status="PASS"'))
    return [folder, "--limits", limits, "--robot", xml]


def test_the_command_ends_as_the_gate_does(
    files: list[object],
    output: Path,
    tmp_path: Path,
    rig: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    accepted = rig("report", "gate", *files)
    line = capsys.readouterr().out.splitlines()[-1]
    rejected = rig("report", "gate", *files[:-1], output)
    undecided = rig("report", "gate", *files[:-2])

    assert (accepted, rejected, undecided) == (0, 1, 3)
    assert line.startswith("ACCEPTED: all ")
    assert from_junit(tmp_path / "results" / "acceptance.xml").failed == 2


def test_what_the_gate_cannot_read_is_trouble(
    files: list[object], tmp_path: Path, rig: Callable[..., int]
) -> None:
    none = tmp_path / "none"

    assert rig("report", "gate", none, *files[1:]) == 4
    assert rig("report", "gate", *files, "--baseline", none) == 4
    assert rig("report", "gate", files[0], "--limits", none) == 4
    assert rig("report", "gate", files[0], "--limits", files[2], "--robot", none) == 4
    assert not list(tmp_path.rglob("acceptance.xml"))
