"""Shows that no broken waveform of the corpus passes, and that no good one fails."""

from dataclasses import replace
from random import Random

import pytest
from blinks import MS, START_NS, Scene, good
from hypothesis import given
from hypothesis import strategies as st
from waveforms import CORPUS, COUNTED, GRADED, RANKS, REFUSED, UNTOLD, Waveform, table

from rig.capture import Clock, ClockKind
from rig.expectation import Expectation
from rig.identity import REPOSITORY
from rig.verdict import Kind, Outcome, judge

corpus = pytest.mark.parametrize("waveform", CORPUS, ids=lambda waveform: waveform.name)


@corpus
def test_a_defect_of_any_magnitude_is_what_its_limit_and_the_uncertainty_make_it(
    waveform: Waveform,
) -> None:
    outcomes = {n: waveform.outcome(n) for n in waveform.magnitudes()}
    wrong = {n: found for n, found in outcomes.items() if found not in waveform.due(n)}
    assert not wrong
    ranks = [RANKS.index(found) for found in outcomes.values()]
    assert ranks == sorted(ranks), "a larger defect is better"


@corpus
def test_a_defect_is_found_as_what_it_is(waveform: Waveform) -> None:
    first = waveform.first(waveform.worst)
    assert first is not None
    verdict = waveform.verdict(first)
    if waveform.worst == REFUSED:
        assert verdict is None
        return
    assert verdict is not None
    assert waveform.kind in {finding.kind for finding in verdict.not_passed()}
    if waveform.worst == Outcome.FAIL:
        assert waveform.kind in verdict.failing_kinds()


ABOUT_THE_BENCH = {Kind.INCOMPLETE, Kind.STALL, Kind.QUALIFICATION, Kind.FOREIGN}
PLACED = {
    *(Kind.ON_TIME, Kind.OFF_TIME, Kind.PERIOD, Kind.JITTER, Kind.DRIFT),
    *(Kind.GLITCH, Kind.FREEZE),
}


@corpus
@pytest.mark.parametrize("part", [0.0, 0.5, 1.0])
def test_every_finding_names_its_line_and_an_edge_that_there_is(
    waveform: Waveform, part: float
) -> None:
    verdict = waveform.verdict(int(waveform.most * part))
    if verdict is None:
        return
    edges = {
        (int(edge["seqno"]), int(edge["time_ns"]))
        for edge in waveform.scene(int(waveform.most * part)).capture().of_line("led")
    }
    for finding in verdict.findings:
        assert finding.line == "led" or finding.kind in ABOUT_THE_BENCH, finding
        if finding.seqno is not None:
            assert (finding.seqno, finding.time_ns) in edges, finding
        is_share = " deviations is " in finding.text
        if finding.kind in PLACED and finding.measured is not None and not is_share:
            assert finding.seqno is not None, finding


def test_the_corpus_is_as_large_as_it_says() -> None:
    assert len({waveform.name for waveform in CORPUS}) == len(CORPUS) >= 19 + 20


def test_the_table_of_the_corpus_is_the_one_that_is_published() -> None:
    """`pytest -s -k published` prints it; it is also left in results/tests/corpus.txt."""
    made, page = table(), REPOSITORY / "docs" / "verdict.md"
    left = REPOSITORY / "results" / "tests" / "corpus.txt"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_text(made, encoding="utf-8")
    print(f"\n{made}")
    assert made in page.read_text(encoding="utf-8"), f"{page} has another table than {left}"


# With an observer that makes every error its budget allows.


def observed(scene: Scene, random: Random, clock: Clock) -> Scene:
    """The same pins as this clock may show them: late, cut to its steps, and at its own rate.

    It shows what happened in the order in which it happened.
    """
    ppm = random.uniform(-clock.accuracy_ppm, clock.accuracy_ppm)
    stamps, last_ns = {}, START_NS
    for time_ns in sorted({*(t for t, _ in scene.led), *(c.time_ns for c in scene.modes)}):
        shown = (time_ns - START_NS) * (1 + ppm / 1e6) + random.randint(0, clock.latency_ns)
        cut_ns = START_NS + int(shown) // clock.resolution_ns * clock.resolution_ns
        stamps[time_ns] = last_ns = max(last_ns, cut_ns)
    scene.led = [(stamps[time_ns], level) for time_ns, level in scene.led]
    scene.modes = [replace(c, time_ns=stamps[c.time_ns]) for c in scene.modes]
    scene.clock, scene.end_ns = clock, scene.end_ns + 1000 * MS
    return scene


CLOCKS = (
    Clock(ClockKind.HARDWARE, resolution_ns=42, accuracy_ppm=50.0, latency_ns=0),
    Clock(ClockKind.KERNEL, resolution_ns=1, accuracy_ppm=100.0, latency_ns=60_000),
    Clock(ClockKind.EMULATOR, resolution_ns=1000, accuracy_ppm=500.0, latency_ns=400_000),
)
EXACT = [w for w in GRADED if not w.slack and w.expectation.start_latency_ns is None]


@given(
    waveform=st.sampled_from(EXACT),
    clock=st.sampled_from(CLOCKS),
    share=st.floats(0.0, 3.0),
    seed=st.integers(0, 2**32),
)
def test_what_is_beyond_a_limit_never_passes_and_what_is_within_never_fails(
    waveform: Waveform, clock: Clock, share: float, seed: int
) -> None:
    """Whatever the observer does within its budget; the truth is the magnitude."""
    magnitude = int(waveform.limit * share)
    scene = observed(waveform.scene(magnitude), Random(seed), clock)
    outcome = judge(scene.capture(), waveform.expectation).outcome
    assert outcome is not (Outcome.PASS if magnitude > waveform.limit else Outcome.FAIL)


@given(
    waveform=st.sampled_from(COUNTED),
    clock=st.sampled_from(CLOCKS),
    part=st.floats(0.0, 1.0),
    seed=st.integers(0, 2**32),
)
def test_what_has_no_limit_never_passes(
    waveform: Waveform, clock: Clock, part: float, seed: int
) -> None:
    scene = waveform.scene(1 + int((waveform.most - 1) * part))
    expected = waveform.expectation
    assert judge(replace_clock(scene, clock).capture(), expected).outcome is not Outcome.PASS


def replace_clock(scene: Scene, clock: Clock) -> Scene:
    scene.clock = clock
    return scene


def test_ten_thousand_good_blinks_never_fail_and_pass_where_there_is_room() -> None:
    """Every edge late by up to the whole tolerance, every stamp wrong by up to the budget."""
    random, unsure = Random(25), 0
    for _ in range(10_000):
        clock, late_ns = random.choice(CLOCKS), random.choice((0, 3 * MS, 5 * MS))
        expected = Expectation(
            line="led",
            cycles=random.randint(1, 6),
            on_ns=random.randint(10, 900) * MS,
            off_ns=random.randint(10, 900) * MS,
            final_level=random.randint(0, 1),
            tolerance_ns=5 * MS,
            jitter_ns=10 * MS,
            duty_percent=random.choice((None, 50.0)),
            start_latency_ns=3000 * MS,
        )
        truth = good(expected, jitter_ns=late_ns, seed=random.getrandbits(32))
        verdict = judge(observed(truth, random, clock).capture(), expected)
        assert verdict.outcome is not Outcome.FAIL, verdict.not_passed()
        has_room = late_ns < 5 * MS and clock is not CLOCKS[-1]
        assert verdict.outcome is Outcome.PASS or not has_room, verdict.not_passed()
        unsure += verdict.outcome is not Outcome.PASS
    assert 0 < unsure < 1000


# What must hold between two judgments.


def rank(outcome: Outcome) -> int:
    return RANKS.index(outcome)


any_waveform = st.sampled_from([w for w in CORPUS if w.worst != REFUSED])


@given(waveform=any_waveform, part=st.floats(0.0, 1.0), by_ns=st.integers(-(10**12), 10**15))
def test_when_a_capture_was_taken_does_not_matter(
    waveform: Waveform, part: float, by_ns: int
) -> None:
    capture = waveform.scene(int(waveform.most * part)).capture()
    edges = capture.edges.copy()
    edges["time_ns"] += by_ns
    commanded = capture.commanded
    later = replace(
        capture,
        edges=edges,
        start_ns=capture.start_ns + by_ns,
        end_ns=capture.end_ns + by_ns,
        modes=tuple(replace(c, time_ns=c.time_ns + by_ns) for c in capture.modes),
        commanded=commanded and replace(commanded, time_ns=commanded.time_ns + by_ns),
    )
    first, second = (judge(c, waveform.expectation) for c in (capture, later))
    assert [f.text for f in first.findings] == [f.text for f in second.findings]
    assert [f.outcome for f in first.findings] == [f.outcome for f in second.findings]


@given(waveform=st.sampled_from(CORPUS), parts=st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)))
def test_a_larger_defect_is_never_better(waveform: Waveform, parts: tuple[float, float]) -> None:
    smaller, larger = sorted(int(waveform.most * part) for part in parts)
    outcomes = [waveform.outcome(magnitude) for magnitude in (smaller, larger)]
    assert RANKS.index(outcomes[0]) <= RANKS.index(outcomes[1])


WIDER = (
    "tolerance_ns",
    "tolerance_percent",
    "jitter_ns",
    "drift_ns",
    "rate_ppm",
    "duty_percent",
    "start_latency_ns",
)
LIMITED = {"jitter_ns": 3 * MS, "duty_percent": 0.5, "start_latency_ns": 500 * MS}


@given(
    waveform=any_waveform,
    part=st.floats(0.0, 0.2),
    key=st.sampled_from(WIDER),
    factor=st.floats(1.0, 15.0),
)
def test_a_wider_limit_never_makes_an_outcome_worse(
    waveform: Waveform, part: float, key: str, factor: float
) -> None:
    capture = waveform.scene(int(waveform.most * part**3)).capture()
    strict = waveform.expectation.model_copy(update=LIMITED)
    value = getattr(strict, key) or 1.0
    wide = strict.model_copy(update={key: type(value)(value * factor)})
    assert rank(judge(capture, wide).outcome) <= rank(judge(capture, strict).outcome)


@given(
    waveform=any_waveform,
    part=st.floats(0.0, 1.0),
    latency_ns=st.integers(0, 10 * MS),
    resolution_ns=st.integers(0, MS),
    ppm=st.floats(0.0, 1e5),
)
def test_more_uncertainty_never_makes_a_pass_nor_a_fail(
    waveform: Waveform, part: float, latency_ns: int, resolution_ns: int, ppm: float
) -> None:
    capture = waveform.scene(int(waveform.most * part)).capture()
    clock = capture.clock
    worse = replace(
        clock,
        latency_ns=clock.latency_ns + latency_ns,
        resolution_ns=clock.resolution_ns + resolution_ns,
        accuracy_ppm=clock.accuracy_ppm + ppm,
    )
    sure = judge(capture, waveform.expectation).outcome
    unsure = judge(replace(capture, clock=worse), waveform.expectation).outcome
    assert unsure is sure or unsure is not Outcome.PASS
    assert unsure is sure or sure is not Outcome.INCONCLUSIVE or unsure is not Outcome.FAIL


@given(waveform=any_waveform, part=st.floats(0.0, 1.0))
def test_what_is_lost_turns_every_pass_into_doubt(waveform: Waveform, part: float) -> None:
    capture = waveform.scene(int(waveform.most * part)).capture()
    outcome = judge(replace(capture, lost=capture.lost + 1), waveform.expectation).outcome
    assert outcome is not Outcome.PASS


def test_what_is_wrong_with_the_observation_is_never_a_fail() -> None:
    for waveform in UNTOLD:
        assert {waveform.outcome(n) for n in waveform.magnitudes()} <= {
            Outcome.PASS,
            Outcome.INCONCLUSIVE,
        }
