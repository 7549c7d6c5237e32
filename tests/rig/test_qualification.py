"""Shows that what is measured against a reference bounds the truth, and what is stored fits."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from references import (
    APART,
    DATE_NS,
    MS,
    SHARED,
    STATED,
    TODAY,
    SimulatedReference,
    Truth,
    measured,
    observed,
    record_for,
    stalled,
    without,
)

from rig.bench import Bench, load_bench
from rig.capture import Clock, ClockKind, Heartbeat
from rig.errors import BenchFileError, ObserverError
from rig.identity import REPOSITORY
from rig.observers.fake import CLOCK, FakeObserver, SimulatedPins
from rig.observers.qualified import QualifiedObserver
from rig.qualification import (
    Leg,
    Record,
    ReferenceFacts,
    accuracy_ppm,
    age_days,
    analyse,
    latency_bound_ns,
    make_record,
    matched,
    path_of,
    rate_between,
    read_record,
    spread,
    steps,
    write_record,
)


def record_of(*legs: Leg, reference: ReferenceFacts = APART) -> Record:
    return measured(legs, reference)


# The measurement.

TRUTHS = st.builds(
    Truth,
    offset_ns=st.integers(-(10**15), 10**15),
    rate_ppm=st.floats(-400, 400),
    late_ns=st.integers(0, 100_000),
    step_ns=st.sampled_from([1, 41, 1000, 5000]),
    bracket_ns=st.integers(1, 100_000),
    seed=st.integers(0, 1000),
)


@given(TRUTHS, st.integers(0, 198), st.integers(1, 199))
def test_the_budget_bounds_the_error_of_every_interval(truth: Truth, first: int, to: int) -> None:
    """The one property that the verdict needs."""
    leg, true = truth.leg()
    budget = record_of(leg).budget
    clock = Clock(ClockKind.KERNEL, budget.resolution_ns, budget.accuracy_ppm, budget.latency_ns)
    last = min(199, first + to)
    stamps = leg.seen["time_ns"]
    measured = int(stamps[last] - stamps[first])
    error = abs(measured - int(true[last] - true[first]))
    assert error <= clock.interval_uncertainty_ns(measured) + 1


@given(TRUTHS.map(lambda truth: replace(truth, rate_ppm=0.0)))
def test_with_one_clock_the_budget_bounds_the_error_of_every_stamp(truth: Truth) -> None:
    truth = replace(truth, offset_ns=0)
    leg, true = truth.leg()
    record = record_of(leg, reference=SHARED)
    errors = leg.seen["time_ns"] - true
    assert int(np.max(errors) - np.min(errors)) <= record.budget.latency_ns
    assert int(np.max(np.abs(errors))) <= record.budget.latency_ns
    assert (record.rate_ppm, record.rate_uncertainty_ppm) == (None, None)


@given(TRUTHS)
def test_the_budget_is_no_wider_than_noise_and_brackets_make_it(truth: Truth) -> None:
    leg, _ = truth.leg()
    record = record_of(leg)
    assert record.rate_uncertainty_ppm is not None
    span_ns = int(leg.seen["time_ns"][-1] - leg.seen["time_ns"][0])
    widest = truth.late_ns + truth.step_ns + 2 * truth.bracket_ns
    assert record.budget.latency_ns <= widest + 2 * record.rate_uncertainty_ppm * span_ns / 1e6 + 2


@given(TRUTHS)
def test_the_rate_is_found_within_its_uncertainty(truth: Truth) -> None:
    """Stamps that are cut or late drift by no more than they are cut or late."""
    leg, _ = truth.leg(400)
    record = record_of(leg)
    assert record.rate_ppm is not None
    assert record.rate_uncertainty_ppm is not None
    span_ns = int(leg.seen["time_ns"][-1] - leg.seen["time_ns"][0])
    noise_ppm = (truth.late_ns + truth.step_ns + truth.bracket_ns) * 2e6 / span_ns
    assert abs(record.rate_ppm - truth.rate_ppm) <= noise_ppm
    assert record.rate_uncertainty_ppm <= 2 * noise_ppm + 1


def test_the_rate_is_not_moved_by_a_few_wild_stamps() -> None:
    true = np.arange(0.0, 1000.0) * MS
    late = 20e-6 * true
    late[[3, 400, 900]] += 50 * MS
    rate, uncertainty = rate_between(true, late)
    assert rate == pytest.approx(20e-6, abs=1e-9)
    assert uncertainty < 1e-6


def test_a_rate_from_few_edges_is_as_unsure_as_its_slopes() -> None:
    true = np.arange(0.0, 20.0) * MS
    late = np.where(np.arange(20) % 4 == 0, 100.0, 0.0)
    rate, uncertainty = rate_between(true, late)
    assert abs(rate) <= uncertainty
    assert uncertainty >= 100 / (10 * MS)


def test_offset_is_told_only_where_the_clock_is_one() -> None:
    leg, _ = Truth(offset_ns=70_000, late_ns=0, bracket_ns=10).leg()
    told = record_of(leg, reference=SHARED).offset_ns
    assert told is not None
    assert abs(told - 70_000) <= 10
    assert record_of(leg).offset_ns is None


def test_granularity_and_smallest_step_are_those_of_the_stamps() -> None:
    leg, _ = Truth(step_ns=5000).leg(interval_ns=MS)
    granularity, smallest = steps([leg])
    assert granularity == 5000
    assert smallest % 5000 == 0
    assert record_of(leg).budget.resolution_ns == 5000


def test_equal_stamps_have_no_step() -> None:
    leg, _ = Truth().leg(20)
    same = replace(leg, capture=replace(leg.capture, edges=leg.capture.edges[:1]))
    assert steps([same]) == (1, 1)


def test_percentiles_are_rounded_up() -> None:
    found = spread(np.array([0.0, 0.2, 10.5]))
    assert (found.p50_ns, found.max_ns) == (1, 11)


def test_edges_at_which_the_reference_was_interrupted_are_not_used() -> None:
    leg, _ = Truth(late_ns=0).leg()
    leg.sent["after_ns"][50] += 9 * MS
    found = matched(leg)
    assert (found.wide, len(found.true_ns)) == (1, 199)
    assert latency_bound_ns(found, 0.0, absolute=True) < MS


def test_a_reference_that_is_interrupted_too_often_gives_no_budget() -> None:
    leg, _ = Truth().leg()
    leg.sent["after_ns"][:90] += 5 * MS
    analysis = analyse([leg], SHARED)
    assert "interrupted at 90 of 200 edges" in analysis.problem
    with pytest.raises(ValueError, match="interrupted at 90"):
        make_record([leg], analysis, SHARED, {}, {}, TODAY)


def test_an_early_stamp_counts_as_much_as_a_late_one() -> None:
    leg, _ = Truth(offset_ns=-60_000, late_ns=10_000, bracket_ns=2).leg()
    latency_ns = record_of(leg, reference=SHARED).budget.latency_ns
    assert 59_000 <= latency_ns <= 60_010


# What was lost.


def fast(interval_ns: int) -> Leg:
    return Truth().leg(interval_ns=interval_ns)[0]


def test_legs_faster_than_the_first_that_lost_are_not_believed() -> None:
    slow, lossy, faster = fast(50 * MS), without(fast(10 * MS), [7, 8]), fast(2 * MS)
    analysis = analyse([faster, slow, lossy], APART)
    assert [leg.sent - leg.seen for leg in analysis.legs] == [0, 2, 0]
    assert [leg.noise is None for leg in analysis.legs] == [False, True, True]
    record = record_of(faster, slow, lossy)
    assert record.whole_up_to_hz == pytest.approx(20, rel=0.1)
    assert record.edges == 200


def test_a_loss_at_the_slowest_rate_is_an_error_of_the_bench() -> None:
    with pytest.raises(
        ObserverError, match=r"of 200 edges at \d+/s the observer saw 198 on led .*"
    ):
        analyse([without(fast(50 * MS), [0, 1]), fast(MS)], APART)


def test_an_edge_more_than_was_sent_is_no_match_either() -> None:
    leg = fast(50 * MS)
    with pytest.raises(ObserverError, match=r"of 198 edges .* saw 200"):
        analyse([replace(leg, sent=leg.sent[:-2])], APART)


def test_a_loss_that_is_admitted_is_a_loss() -> None:
    leg = fast(50 * MS)
    with pytest.raises(ObserverError, match="it says that some are missing"):
        analyse([replace(leg, capture=replace(leg.capture, overrun=True))], APART)


def test_a_leg_in_which_the_host_stalled_says_nothing_about_noise() -> None:
    steady, lame = fast(50 * MS), stalled(fast(10 * MS))
    analysis = analyse([steady, lame], APART)
    assert [leg.stalled for leg in analysis.legs] == [False, True]
    assert analysis.legs[1].noise is None
    assert record_of(steady, lame).edges == 200
    assert "in each of the 1 legs without loss this host stalled" in analyse([lame], APART).problem


def test_the_noise_of_legs_above_a_thousand_edges_a_second_is_not_in_the_budget() -> None:
    slow = fast(10 * MS)
    rough, _ = Truth(late_ns=40_000, bracket_ns=10).leg(interval_ns=200_000)
    assert record_of(slow, rough).budget == record_of(slow).budget
    assert record_of(slow, rough).whole_up_to_hz > 4000


@pytest.mark.parametrize(
    ("stated", "rate", "uncertainty", "reference", "assumed"),
    [
        (50, 10, 5, 500, 50),  # the reference is poorer than the data sheet, and does not object
        (50, 10, 5, 20, 35),  # the reference is better
        (50, 200, 5, 20, 225),  # the reference objects
        (50, -200, 5, 20, 225),
        (50, None, 0, 500, 500),
        (50, None, 0, 20, 50),
    ],
)
def test_the_accuracy_is_what_was_stated_unless_the_measurement_knows_better(
    stated: float, rate: float | None, uncertainty: float, reference: float, assumed: float
) -> None:
    assert accuracy_ppm(stated, rate, uncertainty, reference) == pytest.approx(assumed)


# With the fake observer, from end to end.


def test_the_fake_keeps_the_budget_that_it_claims() -> None:
    pins = SimulatedPins("led")
    pins.wait(DATE_NS)
    observer, reference = FakeObserver(pins), SimulatedReference(pins)
    observer.connect()
    legs = [observed(observer, reference, interval_ns) for interval_ns in (50 * MS, MS, 0)]
    budget = record_of(*legs, reference=SHARED).budget
    assert budget.latency_ns <= CLOCK.latency_ns
    assert (budget.resolution_ns, budget.accuracy_ppm) == (CLOCK.resolution_ns, CLOCK.accuracy_ppm)


def test_a_fake_that_is_late_is_measured_to_be_late() -> None:
    pins = SimulatedPins("led")
    observer, reference = FakeObserver(pins), SimulatedReference(pins)
    observer.connect()
    legs = [observed(observer, reference, 50 * MS)]
    observer.faults.late_ns = 300_000
    legs.append(observed(observer, reference, 10 * MS))
    record = record_of(*legs, reference=SHARED)
    assert 299_000 <= record.budget.latency_ns <= 301_000


@pytest.mark.parametrize("fault", ["lose", "forget", "overrun"])
def test_a_fake_that_does_not_see_all_is_not_qualified(fault: str) -> None:
    pins = SimulatedPins("led")
    observer, reference = FakeObserver(pins), SimulatedReference(pins)
    observer.connect()
    setattr(observer.faults, fault, 2)
    with pytest.raises(ObserverError, match="of 100 edges"):
        analyse([observed(observer, reference, 50 * MS)], SHARED)


# The file.


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    text = (REPOSITORY / "benches" / "virtual.yaml").read_text()
    (tmp_path / "desk.yaml").write_text(text)
    return load_bench(tmp_path / "desk.yaml")


@pytest.fixture
def record(bench: Bench) -> Record:
    return record_for(bench)


def test_what_was_stored_comes_back(bench: Bench, record: Record) -> None:
    assert path_of(bench).name == "desk.qualification.json"
    assert read_record(path_of(bench), bench) is None
    write_record(path_of(bench), record)
    assert read_record(path_of(bench), bench) == record
    assert sorted(path.name for path in bench.file.parent.iterdir()) == [
        "desk.qualification.json",
        "desk.yaml",
    ]


def test_times_to_wait_do_not_make_it_another_bench(bench: Bench, record: Record) -> None:
    write_record(path_of(bench), record)
    text = bench.file.read_text().replace("boot_timeout_s: 120", "boot_timeout_s: 60")
    bench.file.write_text(text.replace("kind: qemu", "kind: qemu\n  qualification_max_age_days: 5"))
    changed = load_bench(bench.file)
    assert changed.observer.qualification_max_age_days == 5
    assert read_record(path_of(changed), changed) == record


def other_wiring(stored: dict[str, Any]) -> None:
    stored["identity"]["lines.led"] = "24"


def other_observer(stored: dict[str, Any]) -> None:
    stored["identity"]["observer.kind"] = "sigrok"
    stored["identity"]["observer.samplerate_hz"] = "24000000"


def other_board(stored: dict[str, Any]) -> None:
    del stored["identity"]["target.kind"]


def future(stored: dict[str, Any]) -> None:
    stored["date"] = "2999-01-01T00:00:00+00:00"


def no_date(stored: dict[str, Any]) -> None:
    stored["date"] = "yesterday"


def no_zone(stored: dict[str, Any]) -> None:
    stored["date"] = "2026-11-23T00:00:00"


def unknown_key(stored: dict[str, Any]) -> None:
    stored["latency_ns"] = 5


def no_budget(stored: dict[str, Any]) -> None:
    del stored["budget"]


def budget_that_narrows(stored: dict[str, Any]) -> None:
    stored["budget"]["latency_ns"] = -1


def other_schema(stored: dict[str, Any]) -> None:
    stored["schema"] = "qualification/2"


FAULTS = {
    other_wiring: "made for another bench: lines.led was 24, is 25",
    other_observer: "made for another bench: observer.kind was sigrok, is qemu",
    other_board: "made for another bench: target.kind was not there, is virtual-pi",
    future: "date: 2999-01-01 is in the future",
    no_date: "not a qualification: .*yesterday",
    no_zone: "not a qualification: .*offset-naive",
    unknown_key: "not a qualification: .*latency_ns",
    no_budget: "not a qualification: .*budget",
    budget_that_narrows: "not a qualification: .*latency_ns",
    other_schema: "not a qualification: .*schema",
}


@pytest.mark.parametrize(
    ("fault", "words"), FAULTS.items(), ids=[fault.__name__ for fault in FAULTS]
)
def test_a_file_that_does_not_fit_is_refused(
    bench: Bench, record: Record, fault: Callable[[dict[str, Any]], None], words: str
) -> None:
    write_record(path_of(bench), record)
    stored = json.loads(path_of(bench).read_text())
    fault(stored)
    path_of(bench).write_text(json.dumps(stored))
    with pytest.raises(BenchFileError, match=f"desk.qualification.json: {words}.*; delete it, or"):
        read_record(path_of(bench), bench)


@pytest.mark.parametrize("text", ["", "{", "[]", "\0\xff", "null"])
def test_junk_is_refused_in_one_line(bench: Bench, text: str) -> None:
    path_of(bench).write_text(text)
    with pytest.raises(BenchFileError, match="not a qualification") as caught:
        read_record(path_of(bench), bench)
    assert "\n" not in str(caught.value)


# The budget in use.


def qualified(record: Record, clock: Clock) -> QualifiedObserver:
    pins = SimulatedPins("led")
    observer = QualifiedObserver(FakeObserver(pins, clock), record, limit_days=100)
    observer.connect()
    pins.wait(MS)
    observer.arm()
    return observer


def test_captures_have_the_measured_budget_and_its_age(record: Record) -> None:
    observer = qualified(record, STATED)
    clock = observer.stop().clock
    observer.close()
    assert (clock.latency_ns, clock.accuracy_ppm, clock.resolution_ns) == (
        record.budget.latency_ns,
        record.budget.accuracy_ppm,
        record.budget.resolution_ns,
    )
    assert clock.kind is STATED.kind
    assert clock.qualification is not None
    assert clock.qualification.date == record.date
    assert clock.qualification.limit_days == 100
    age = (datetime.now(UTC) - TODAY) / timedelta(days=1)
    assert clock.qualification.age_days == pytest.approx(max(0, age), abs=1)


def test_an_emulated_board_that_did_worse_in_this_run_is_believed_no_better(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = FakeObserver.stop
    beating = Heartbeat(beats=9, worst_ns=0)
    monkeypatch.setattr(FakeObserver, "stop", lambda self: replace(stop(self), heartbeat=beating))
    worse = replace(STATED, latency_ns=record.budget.latency_ns + 1)
    better = replace(STATED, latency_ns=1)
    assert qualified(record, worse).stop().clock.latency_ns == worse.latency_ns
    assert qualified(record, better).stop().clock.latency_ns == record.budget.latency_ns


def test_age_is_counted_in_days(record: Record) -> None:
    assert age_days(record, TODAY + timedelta(hours=36)) == 1.5
