"""Two results, and what is said of each figure: each word is provoked, each refusal too."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sides import (
    MS,
    NAME,
    US,
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

from reports.compare import (
    COMPARED,
    LEAST_RUNS,
    Change,
    Compared,
    Comparison,
    Pair,
    Side,
    Sizes,
    compare,
    judge_pairs,
    unlike_benches,
)
from reports.compare_tables import COLUMNS, to_csv, to_json, to_text
from reports.figures import Figure
from rig.capture import ClockKind
from rig.verdict import Outcome


@pytest.fixture(scope="session")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Side:
    return side(tmp_path_factory.mktemp("baseline"), runs(1))


@pytest.fixture(scope="session")
def equal(tmp_path_factory: pytest.TempPathFactory) -> Side:
    return side(tmp_path_factory.mktemp("equal"), runs(2))


@pytest.fixture(scope="session")
def slower(tmp_path_factory: pytest.TempPathFactory) -> Side:
    """Each hypercall takes twice as long."""
    return side(tmp_path_factory.mktemp("slower"), runs(3, trip_ns=50 * US))


def row(compared: Compared, figure: Figure, statistic: str = "median") -> Comparison:
    (found,) = [
        one for one in compared.rows if (one.pair.figure, one.pair.statistic) == (figure, statistic)
    ]
    return found


def test_equal_results_show_no_difference_in_any_figure(baseline: Side, equal: Side) -> None:
    compared = compare(baseline, equal)

    assert {one.change for one in compared.rows} == {Change.SAME}
    assert {one.pair.figure for one in compared.rows} == set(COMPARED)
    assert compared.outcome is Outcome.PASS


def test_a_figure_that_became_worse_is_named_and_no_other(baseline: Side, slower: Side) -> None:
    compared = compare(baseline, slower)
    worse = compared.of(Change.WORSE)

    assert {one.pair.name for one in worse} == {
        "hypercall round trip, median",
        "hypercall round trip, p95",
    }
    assert compared.outcome is Outcome.FAIL
    found = row(compared, Figure.ROUND_TRIP)
    assert found.low95 < 50 < found.high95
    assert found.shift == pytest.approx(50, abs=8)


def test_the_same_seen_the_other_way_round_is_better(baseline: Side, slower: Side) -> None:
    there, back = compare(baseline, slower), compare(slower, baseline)

    assert len(back.of(Change.BETTER)) == len(there.of(Change.WORSE)) == 2
    assert back.outcome is Outcome.PASS
    one, other = row(there, Figure.ROUND_TRIP), row(back, Figure.ROUND_TRIP)
    assert (one.shift, one.low95, one.high95) == (-other.shift, -other.high95, -other.low95)


@pytest.mark.parametrize("add", [1e7, -1e7])
def test_every_figure_is_worse_the_farther_it_is_from_zero(baseline: Side, add: float) -> None:
    """An error, a lateness or a drift is as bad to one side as to the other."""
    far = baseline
    for figure in COMPARED:
        far = altered(far, figure, add)

    there, back = compare(baseline, far), compare(far, baseline)

    assert {row(there, figure).change for figure in COMPARED} == {Change.WORSE}
    assert {row(back, figure).change for figure in COMPARED} == {Change.BETTER}


def test_a_longer_tail_alone_is_worse(baseline: Side) -> None:
    compared = compare(baseline, altered(baseline, Figure.EDGE_LATENESS, 1e7, "p95"))

    assert [one.pair.name for one in compared.of(Change.WORSE)] == ["edge lateness, p95"]


@pytest.mark.parametrize("column", ["median", "p95"])
def test_one_outlier_among_the_runs_is_no_regression(
    baseline: Side, equal: Side, column: str
) -> None:
    out = altered(equal, Figure.ROUND_TRIP)
    first = out.summary.index[out.summary["figure"] == Figure.ROUND_TRIP][0]
    out.summary.loc[first, column] = 1e9
    compared = compare(baseline, out)

    assert row(compared, Figure.ROUND_TRIP, column).change is Change.SAME
    assert compared.outcome is Outcome.PASS


def test_one_outlier_among_the_edges_is_no_regression(tmp_path: Path, baseline: Side) -> None:
    made = runs(5)
    made[3].round_trips_ns = [90 * MS, *made[3].round_trips_ns[1:]]
    compared = compare(baseline, side(tmp_path, made))

    assert {one.change for one in compared.rows} == {Change.SAME}


def test_a_shift_within_the_uncertainty_of_both_observers_cannot_be_told(baseline: Side) -> None:
    """Each observer's stamps may be off by 301 us."""
    figure = Figure.ON_ERROR
    start = altered(baseline, figure, add=1e6)
    within = row(compare(start, altered(start, figure, add=590)), figure)
    beyond = row(compare(start, altered(start, figure, add=615)), figure)

    assert (within.change, beyond.change) == (Change.SAME, Change.WORSE)
    assert within.uncertainty == pytest.approx(602, abs=1)


def test_a_run_that_the_observer_could_not_follow_keeps_its_doubt_to_itself(baseline: Side) -> None:
    worse = altered(baseline, Figure.ON_ERROR, add=5000)
    first = worse.summary.index[worse.summary["figure"] == Figure.ON_ERROR][0]
    worse.summary.loc[first, "uncertainty"] = 4000

    assert row(compare(baseline, worse), Figure.ON_ERROR).change is Change.WORSE


@pytest.mark.parametrize("name", ["baseline", "candidate"])
def test_a_figure_that_one_side_does_not_have_is_no_pass(
    baseline: Side, equal: Side, name: str
) -> None:
    without = lacking(equal, Figure.DRIFT, 10)
    both = (baseline, without) if name == "candidate" else (without, baseline)
    compared = compare(*both)

    assert row(compared, Figure.DRIFT).change is Change.MISSING
    assert compared.outcome is Outcome.INCONCLUSIVE
    assert f"clock drift: missing in 10 of 10 runs of the {name}" in to_text(compared)


@pytest.mark.parametrize(("add", "change"), [(0, "missing"), (1e7, "worse")])
def test_a_figure_that_one_run_does_not_have_can_only_be_worse(
    baseline: Side, equal: Side, add: float, change: str
) -> None:
    gone = lacking(altered(equal, Figure.DRIFT, add), Figure.DRIFT, 1)

    assert row(compare(baseline, gone), Figure.DRIFT).change == change
    assert row(compare(gone, baseline), Figure.DRIFT).change is Change.MISSING


def test_a_figure_that_nobody_has_on_this_bench_is_left_out(baseline: Side, equal: Side) -> None:
    compared = compare(*(lacking(one, Figure.DRIFT, 10) for one in (baseline, equal)))

    assert Figure.DRIFT not in {one.pair.figure for one in compared.rows}
    assert compared.outcome is Outcome.PASS


@pytest.mark.parametrize(("before", "after"), [(8, 7), (7, 8)])
def test_too_few_runs_on_one_side_are_refused(
    baseline: Side, equal: Side, before: int, after: int
) -> None:
    compared = compare(only(baseline, before), only(equal, after))

    assert compared.refusals == (
        f"{NAME}: too few runs: {before} in the baseline, {after} in the candidate; 8 each are "
        "needed",
    )
    assert compared.rows == ()
    assert compared.outcome is Outcome.INCONCLUSIVE


def test_too_few_runs_on_both_sides_leave_nothing_to_compare(baseline: Side, equal: Side) -> None:
    compared = compare(only(baseline, 2), only(equal, 2))

    assert compared.outcome is Outcome.INCONCLUSIVE
    assert "no test ran 8 times on either side" in to_text(compared)
    assert compared.skipped == (f"{NAME} (2 in the baseline, 2 in the candidate)",)


def test_the_least_runs_are_enough_to_find_a_large_difference(baseline: Side, slower: Side) -> None:
    compared = compare(only(baseline, LEAST_RUNS), only(slower, LEAST_RUNS))

    assert row(compared, Figure.ROUND_TRIP).change is Change.WORSE


def test_few_values_among_many_figures_cannot_show_that_nothing_differs() -> None:
    """Four values on each side are less than 0.05 at best, but not half of that."""
    values = Sizes(np.arange(4.0), np.zeros(4))
    pair = Pair(NAME, Figure.DRIFT, "median", values, values)

    assert [one.change for one in judge_pairs([pair])] == [Change.SAME]
    assert [one.change for one in judge_pairs([pair, pair])] == [Change.TOO_FEW] * 2


def test_a_test_that_runs_once_for_another_reason_does_not_get_in_the_way(
    baseline: Side, equal: Side
) -> None:
    compared = compare(*(_with_another(one, "Once", 9) for one in (baseline, equal)))

    assert compared.outcome is Outcome.PASS
    assert compared.skipped == ("Acceptance / Once (1 in the baseline, 1 in the candidate)",)


def test_a_test_that_is_gone_is_no_pass(tmp_path: Path, baseline: Side) -> None:
    more = side(write(tmp_path, runs(1, 8)), runs(2, 8), test="Another")
    gone, new = compare(more, baseline), compare(baseline, more)

    assert gone.refusals == ("Acceptance / Another: is missing from the candidate",)
    assert new.refusals == ("Acceptance / Another: is missing from the baseline",)
    assert {gone.outcome, new.outcome} == {Outcome.INCONCLUSIVE}


def test_a_suite_is_the_same_whatever_ran_beside_it(baseline: Side, equal: Side) -> None:
    among = told(equal, suite="Led & Acceptance.Acceptance")

    assert compare(baseline, among).outcome is Outcome.PASS


def _with_another(one: Side, test: str, first: int) -> Side:
    """The runs from `first` on are of another test."""
    chosen = one.results.runs[first:]
    another = told(with_runs(one, chosen), test=test).results.runs
    return with_runs(one, [*one.results.runs[:first], *another])


TARGET = {"board": "Raspberry Pi 3 Model B", "kernel": "6.1.0-56-arm64", "base": 458}


@pytest.mark.parametrize(
    ("differs", "fields"),
    [
        ("bench is virtual in the baseline and desk in the candidate", {"bench": "desk"}),
        (
            "kernel is 6.1.0-56-arm64 in the baseline and 6.12.9 in the candidate",
            {"target": TARGET | {"kernel": "6.12.9"}},
        ),
        (
            "board is Raspberry Pi 3 Model B in the baseline and Pi 4 in the candidate",
            {"target": TARGET | {"board": "Pi 4"}},
        ),
        (
            "machine is unknown in the baseline and aarch64 in the candidate",
            {"target": TARGET | {"machine": "aarch64"}},
        ),
        (
            "gpio chip is unknown in the baseline and other in the candidate",
            {"target": TARGET | {"gpio_chip": "other"}},
        ),
        (
            "QEMU is 7.2.22 in the baseline and none in the candidate",
            {"tools": {"python": "3.11.2"}},
        ),
    ],
)
def test_unlike_benches_are_refused_by_what_differs(
    baseline: Side, equal: Side, differs: str, fields: dict[str, Any]
) -> None:
    compared = compare(baseline, told(equal, **fields))

    assert compared.refusals == (f"unlike benches: {differs}",)
    assert compared.rows == ()
    assert compared.outcome is Outcome.INCONCLUSIVE


def test_unlike_clocks_are_refused(tmp_path: Path, baseline: Side) -> None:
    other = side(tmp_path, runs(2, 1, clock=ClockKind.HARDWARE))

    assert unlike_benches(baseline, other) == (
        "unlike benches: the observer's clock is emulator in the baseline and hardware in the "
        "candidate",
    )


def test_one_side_of_two_benches_is_refused(baseline: Side) -> None:
    desk = told(with_runs(baseline, baseline.results.runs[8:]), bench="desk").results.runs
    mixed = with_runs(baseline, [*baseline.results.runs[:8], *desk])

    assert unlike_benches(mixed, mixed) == (
        "unlike benches: bench is desk and virtual in the baseline and desk and virtual in the "
        "candidate",
    )


def test_what_cannot_matter_may_differ(baseline: Side, equal: Side) -> None:
    fields = {"git_commit": "f" * 40, "bench_sha256": "00" * 32, "target": TARGET | {"base": 512}}

    assert unlike_benches(baseline, told(equal, **fields)) == ()


@pytest.mark.parametrize(
    ("differs", "fields"),
    [
        ("11 x 200.000 ms on, 300.000 ms off, then off", {"cycles": 11}),
        ("12 x 250.000 ms on, 300.000 ms off, then off", {"on_ns": 250 * MS}),
        ("12 x 200.000 ms on, 250.000 ms off, then off", {"off_ns": 250 * MS}),
        ("12 x 200.000 ms on, 300.000 ms off, then on", {"final_level": 1}),
    ],
)
def test_unlike_patterns_are_refused(
    baseline: Side, equal: Side, differs: str, fields: dict[str, Any]
) -> None:
    compared = compare(baseline, expecting(equal, **fields))

    assert compared.refusals == (
        f"{NAME}: unlike patterns: 12 x 200.000 ms on, 300.000 ms off, then off in the baseline "
        f"and {differs} in the candidate",
    )
    assert compared.outcome is Outcome.INCONCLUSIVE


def test_damaged_evidence_is_no_pass(baseline: Side, equal: Side) -> None:
    damaged = replace(equal, results=replace(equal.results, problems=("led: damaged",)))

    assert compare(baseline, damaged).refusals == ("evidence of the candidate: led: damaged",)
    assert compare(damaged, baseline).refusals == ("evidence of the baseline: led: damaged",)
    assert compare(baseline, damaged).outcome is Outcome.INCONCLUSIVE


def test_a_doubtful_run_does_not_count_and_is_no_pass(baseline: Side, equal: Side) -> None:
    compared = compare(baseline, judged(equal, Outcome.INCONCLUSIVE))

    assert compared.refusals == (
        "1 of 10 runs of the candidate are INCONCLUSIVE, so their figures do not count",
    )
    assert {one.pair.candidate.seen.size for one in compared.rows} == {9}
    assert {one.change for one in compared.rows} == {Change.SAME}
    assert compared.outcome is Outcome.INCONCLUSIVE


def test_a_failed_run_counts(baseline: Side, equal: Side) -> None:
    compared = compare(baseline, judged(equal, Outcome.FAIL))

    assert {one.pair.candidate.seen.size for one in compared.rows} == {10}


def test_a_value_of_which_nobody_knows_how_far_it_is_off_is_missing(
    baseline: Side, equal: Side
) -> None:
    unknown = lacking(equal, Figure.ON_ERROR, 1, "uncertainty")

    assert row(compare(baseline, unknown), Figure.ON_ERROR).change is Change.MISSING


def test_planted_defects_are_not_compared(baseline: Side, equal: Side) -> None:
    compared = compare(baseline, told(equal, purpose="defect"))

    assert compared.refusals == (f"{NAME}: is missing from the candidate",)


def test_text_csv_and_json_say_the_same(baseline: Side, slower: Side) -> None:
    compared = compare(baseline, slower)
    lines = list(csv.DictReader(io.StringIO(to_csv(compared))))
    document = json.loads(to_json(compared))

    assert list(lines[0]) == list(COLUMNS)
    assert document["outcome"] == "FAIL"
    for line, entry, one in zip(lines, document["figures"], compared.rows, strict=True):
        assert line["change"] == entry["change"] == one.change
        assert float(line["shift"]) == pytest.approx(entry["shift"]) == pytest.approx(one.shift)
        assert f"    {one.pair.name} " in to_text(compared)


def test_json_has_null_for_what_is_missing(baseline: Side, equal: Side) -> None:
    compared = compare(baseline, lacking(equal, Figure.DRIFT, 10))
    (entry,) = [
        one for one in json.loads(to_json(compared))["figures"] if one["figure"] == Figure.DRIFT
    ]

    assert (entry["shift"], entry["p"], entry["candidate_runs"]) == (None, None, 0)


def test_the_last_line_of_the_text_is_the_conclusion(
    baseline: Side, equal: Side, slower: Side
) -> None:
    last = [to_text(compare(baseline, other)).splitlines()[-1] for other in (equal, slower)]

    assert last[0] == "nothing is worse: 18 of 18 figures judged"
    assert last[1].startswith("WORSE: 2 of ")
    assert last[1].endswith("hypercall round trip, median; hypercall round trip, p95")


def test_the_text_stays_as_it_is(
    baseline: Side, slower: Side, golden: Callable[[str, str], None]
) -> None:
    text = to_text(compare(baseline, slower))
    for folder, name in ((baseline, "BASELINE"), (slower, "CANDIDATE")):
        text = text.replace(str(folder.results.folder), name)

    golden("compare.txt", text)


@pytest.mark.parametrize(
    ("candidate", "status", "last"),
    [
        ("equal", 0, "nothing is worse: "),
        ("slower", 1, "WORSE: "),
    ],
)
def test_the_command_ends_as_the_comparison_does(
    request: pytest.FixtureRequest,
    baseline: Side,
    rig: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    candidate: str,
    status: int,
    last: str,
) -> None:
    other: Side = request.getfixturevalue(candidate)
    folders = baseline.results.folder, other.results.folder

    assert rig("report", "compare", *folders) == status
    assert capsys.readouterr().out.splitlines()[-1].startswith(last)


@pytest.mark.parametrize(("form", "begins"), [("csv", "test,figure,"), ("json", "{\n")])
def test_the_command_prints_what_a_program_wants_and_cannot_tell_from_few_runs(
    tmp_path: Path,
    rig: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    form: str,
    begins: str,
) -> None:
    folder = write(tmp_path, runs(1, 1))

    assert rig("report", "compare", folder, folder, "--format", form) == 3
    assert capsys.readouterr().out.startswith(begins)


def test_a_folder_without_evidence_is_trouble(rig: Callable[..., int], tmp_path: Path) -> None:
    assert rig("report", "compare", tmp_path / "none", tmp_path) == 4
