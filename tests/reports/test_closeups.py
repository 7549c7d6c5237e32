import pytest
from conftest import STARTED_NS, Made, ResultsFolder
from svgs import ends, marks, scale, texts

from reports.closeups import closeup, spot_of
from reports.lanes import Picture
from reports.load import Run, load_results
from rig.capture import Stall
from rig.findings import Finding, Kind, Outcome

MS = 1_000_000
MIDDLE = 375
CYCLE, EDGE = (0, MIDDLE), (MIDDLE, 1000)
"""Where the two panels are, in points."""
FIRST_NS = STARTED_NS + 900 * MS


def only_run(results: ResultsFolder, made: Made) -> Run:
    results.add("Test", made)
    (run,) = load_results(results.path).runs
    return run


def found(run: Run, kind: Kind) -> Finding:
    return next(finding for finding in run.verdict.findings if finding.kind is kind)


def drawn(results: ResultsFolder, made: Made, kind: Kind) -> Picture:
    run = only_run(results, made)
    picture = closeup(run, found(run, kind))
    assert picture
    return picture


LATE = Made(late_ns=[0] * 5 + [12 * MS])
"""Its third on-time is 212 ms, from +1000 to +1212 ms; 200 +/- 5 ms are allowed."""


@pytest.mark.parametrize(
    ("kind", "made", "edge_ms", "begin_ms"),
    [
        (Kind.ON_TIME, LATE, 1212, 1000),
        (Kind.OFF_TIME, LATE, 1500, 1212),
        (Kind.PERIOD, Made(late_ns=[0] * 4 + [12 * MS]), 1500, 1012),
        (Kind.DRIFT, Made(late_ns=[n * 2 * MS for n in range(20)]), 4738, 4700),
        (Kind.FREEZE, Made(missing=2), 4200, None),
        (Kind.COUNT, Made(missing=2), 4200, None),
        (Kind.FINAL_LEVEL, Made(missing=1), 4500, None),
        (Kind.INITIAL_LEVEL, LATE, -900, None),
    ],
)
def test_each_kind_of_finding_has_its_edge(
    results: ResultsFolder, kind: Kind, made: Made, edge_ms: int, begin_ms: int | None
) -> None:
    run = only_run(results, made)
    spot = spot_of(run, found(run, kind))

    assert spot
    assert (spot.edge_ns, spot.begin_ns) == (
        edge_ms * MS,
        None if begin_ms is None else begin_ms * MS,
    )


def test_a_start_that_is_limited_begins_with_the_command(results: ResultsFolder) -> None:
    run = only_run(results, LATE)
    late = Finding(Kind.START_LATENCY, Outcome.FAIL, "late", "led", 900 * MS, (None, 500 * MS), 1)

    spot = spot_of(run, late)
    assert spot
    assert (spot.edge_ns, spot.begin_ns) == (0, -900 * MS)


@pytest.mark.parametrize("kind", [Kind.CLEANUP, Kind.CONSOLE, Kind.EXIT_STATUS, Kind.GUEST_RECORD])
def test_what_is_about_no_moment_of_the_line_has_no_picture(
    results: ResultsFolder, kind: Kind
) -> None:
    run = only_run(results, LATE)

    assert closeup(run, found(run, kind)) is None


def test_the_edge_that_broke_the_limit_is_in_the_picture_under_an_arrow(
    results: ResultsFolder,
) -> None:
    picture = drawn(results, LATE, Kind.ON_TIME)
    (arrow,) = [x for x in marks(picture) if x < MIDDLE]

    assert scale(picture, CYCLE)(arrow) == pytest.approx(1212, abs=2)
    assert "212.0" in texts(picture)
    assert "led, around 1,212.000 ms" in texts(picture)


@pytest.mark.parametrize("late_ms", [-30, -12, 4, 5, 6, 12, 60])
def test_the_enlarged_edge_is_where_it_was_measured_with_the_observers_uncertainty(
    results: ResultsFolder, late_ms: int
) -> None:
    made = Made(late_ns=[0] * 5 + [late_ms * MS])
    run = only_run(results, made)
    picture = closeup(run, found(run, Kind.ON_TIME))
    assert picture
    told = scale(picture, EDGE)
    low, edge, high = (told(x) for x in marks(picture) if x > MIDDLE)

    assert edge == pytest.approx(late_ms, abs=0.15)
    assert (edge - low, high - edge) == pytest.approx((0.301, 0.301), abs=0.03)


def test_the_limit_and_its_uncertainty_are_drawn_where_they_are(results: ResultsFolder) -> None:
    picture = drawn(results, LATE, Kind.ON_TIME)
    told = scale(picture, EDGE)

    (sure,) = ends(picture, "fill: var(--pass)")
    assert [told(x) for x in sure] == pytest.approx([-4.699, 4.699], abs=0.03)
    unsure = [told(x) for span in ends(picture, "fill: var(--inconclusive)") for x in span]
    assert sorted(unsure) == pytest.approx([-5.301, -4.699, 4.699, 5.301], abs=0.03)


def test_an_edge_outside_lies_in_the_zone_of_failure_and_one_inside_does_not(
    results: ResultsFolder,
) -> None:
    for late_ms, is_outside in ((12, True), (3, False)):
        folder = ResultsFolder(results.path.with_name(f"late-{late_ms}"))
        picture = drawn(folder, Made(late_ns=[0] * 5 + [late_ms * MS]), Kind.ON_TIME)
        _, edge, _ = (x for x in marks(picture) if x > MIDDLE)
        zones = [span for span in ends(picture, "fill: var(--fail)") if span[0] > MIDDLE]
        assert any(low < edge < high for low, high in zones) is is_outside


def test_a_finding_without_a_limit_on_time_has_one_panel(results: ResultsFolder) -> None:
    picture = drawn(results, Made(missing=2), Kind.FREEZE)

    assert "The edge, enlarged" not in texts(picture)
    assert texts(picture).count("led, around 4,200.000 ms") == 1


def test_a_stall_is_shown_where_it_was(results: ResultsFolder) -> None:
    made = Made(stalls=(Stall(FIRST_NS + 2_000 * MS, 180 * MS, "heartbeat"),))
    picture = drawn(results, made, Kind.STALL)

    assert scale(picture)(marks(picture)[0]) == pytest.approx(2000, abs=3)


def test_a_line_that_never_moved_is_shown_dark(results: ResultsFolder) -> None:
    picture = drawn(results, Made(missing=20), Kind.COUNT)

    assert "led, around 0.000 ms" in texts(picture)


def test_another_line_that_moved_is_the_one_that_is_shown(results: ResultsFolder) -> None:
    run = only_run(results, LATE)
    guilty = Finding(Kind.FOREIGN, Outcome.FAIL, "moved", "gpio3", 1, (0, 0), 0, time_ns=FIRST_NS)

    picture = closeup(run, guilty)
    assert picture
    assert "gpio3, around 0.000 ms" in texts(picture)


def test_the_same_finding_gives_the_same_picture(results: ResultsFolder) -> None:
    run = only_run(results, LATE)
    finding = found(run, Kind.ON_TIME)

    assert closeup(run, finding) == closeup(run, finding)
