"""Shows that a capture that contradicts itself is never made, and that none is lost on disk."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from blinks import CLOCK, LINES, START_NS, good
from hypothesis import given
from hypothesis import strategies as st

from rig.capture import (
    EDGE_DTYPE,
    Capture,
    Clock,
    ClockKind,
    Edge,
    ModeChange,
    edge_array,
    proven_lost,
)
from rig.errors import EvidenceError

GOOD = good().capture()


def with_edge(index: int, field: str, value: int) -> dict[str, Any]:
    edges = GOOD.edges.copy()
    edges[index][field] = value
    return {"edges": edges}


def with_modes(*modes: ModeChange) -> dict[str, Any]:
    return {"modes": modes}


def without_edge(index: int) -> dict[str, Any]:
    return {"edges": np.delete(GOOD.edges, index)}


CONTRADICTIONS = {
    "two lines of one name": ({"lines": ("led", "led", "gpio3")}, "two lines have one name"),
    "no initial level": ({"initial_levels": {"led": 0}}, "initial levels and lines"),
    "initial level 2": ({"initial_levels": dict.fromkeys(LINES, 2)}, "initial level is neither"),
    "window upside down": ({"edges": edge_array([]), "end_ns": START_NS - 1}, "before start_ns"),
    "plain numbers": ({"edges": np.zeros(3)}, "dtype float64"),
    "line index 3 of 3": (with_edge(4, "line", 3), "line index >= 3"),
    "level 2": (with_edge(4, "level", 2), "neither 0 nor 1"),
    "time goes back": (with_edge(4, "time_ns", START_NS + 1), "time goes back at edge 4"),
    "edge before the window": (with_edge(0, "time_ns", START_NS - 1), "edge lies outside"),
    "edge after the window": (with_edge(-1, "time_ns", GOOD.end_ns + 1), "edge lies outside"),
    "record doubled": (
        {"edges": np.insert(GOOD.edges, 5, GOOD.edges[4])},
        "sequence numbers of led do not rise",
    ),
    "sequence number back": (with_edge(7, "seqno", 5), "sequence numbers of led do not rise"),
    "edge lost in silence": (without_edge(5), "1 edges are proven lost, but it admits 0"),
    "first edge lost": (without_edge(0), "1 edges are proven lost, but it admits 0"),
    "equal levels": (with_edge(4, "level", 0), "2 edges are proven lost, but it admits 0"),
    "sequence gap": (with_edge(-1, "seqno", 99), "80 edges are proven lost, but it admits 0"),
    "initial level wrong": (
        {"initial_levels": {**GOOD.initial_levels, "led": 1}},
        "1 edges are proven lost, but it admits 0",
    ),
    "modes of some lines": ({"initial_modes": {"led": "in"}}, "initial modes and lines"),
    "mode of no line": (with_modes(ModeChange(START_NS, "gpio9", "out")), "gpio9 changes to out"),
    "mode out of nothing": ({"initial_modes": {}}, "led changes to out from nothing"),
    "modes go back": (with_modes(*reversed(GOOD.modes)), "time goes back at mode 1"),
    "mode before the window": (
        with_modes(ModeChange(START_NS - 1, "led", "out")),
        "mode lies outside",
    ),
    "mode after the window": (
        with_modes(ModeChange(GOOD.end_ns + 1, "led", "out")),
        "mode lies outside",
    ),
}


@pytest.mark.parametrize(("fields", "words"), CONTRADICTIONS.values(), ids=list(CONTRADICTIONS))
def test_a_capture_that_contradicts_itself_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(EvidenceError, match=words):
        replace(GOOD, **fields)


def test_a_loss_that_is_admitted_is_a_capture_that_is_not_complete() -> None:
    capture = replace(GOOD, **without_edge(5), lost=1)
    assert not capture.is_complete


def test_an_overrun_is_a_capture_that_is_not_complete() -> None:
    assert GOOD.is_complete
    assert not replace(GOOD, overrun=True).is_complete


@pytest.mark.parametrize(
    ("rows", "lost"),
    [
        pytest.param([], 0, id="nothing"),
        pytest.param([(1, 0, 1, 0), (2, 0, 0, 1)], 0, id="good"),
        pytest.param([(1, 0, 0, 0)], 1, id="first-edge-to-the-initial-level"),
        pytest.param([(1, 0, 1, 0), (2, 0, 1, 1), (3, 0, 1, 2)], 2, id="equal-levels"),
        pytest.param([(1, 0, 1, 2), (2, 0, 0, 6)], 5, id="gaps"),
        pytest.param([(1, 0, 1, 0), (2, 0, 1, 2)], 1, id="one-loss-seen-twice"),
        pytest.param([(1, 0, 1, 0), (1, 1, 1, 0), (2, 0, 0, 1)], 0, id="two-lines-good"),
        pytest.param([(1, 0, 1, 1), (2, 1, 1, 3)], 4, id="two-lines-each-with-gaps"),
    ],
)
def test_losses_are_proven_by_gaps_and_by_equal_levels(
    rows: list[tuple[int, int, int, int]], lost: int
) -> None:
    assert proven_lost(edge_array(rows), [0, 0]) == lost


def test_edges_come_with_names_in_time_order() -> None:
    scene = good()
    scene.moves["gpio3"] = [(START_NS + 1, 1)]
    edges = list(scene.capture())
    assert edges[0] == Edge(START_NS + 1, "gpio3", 1, 0)
    assert edges[1] == Edge(scene.led[0][0], "led", 1, 0)
    assert len(edges) == 21


def test_an_empty_array_of_edges_has_the_right_type() -> None:
    assert edge_array([]).dtype == EDGE_DTYPE
    assert not len(Capture((), edge_array([]), {}, 0, 0, GOOD.clock).edges)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("resolution_ns", 0),
        ("latency_ns", -1),
        ("accuracy_ppm", -0.1),
        ("accuracy_ppm", 1e6),
        ("accuracy_ppm", float("nan")),
    ],
)
def test_a_clock_cannot_narrow_a_measurement(field: str, value: float) -> None:
    with pytest.raises(EvidenceError, match=str(value)):
        replace(CLOCK, **{field: value})


@pytest.mark.parametrize(
    ("latency_ns", "resolution_ns", "accuracy_ppm", "interval_ns", "wanted"),
    [
        pytest.param(0, 1, 0.0, 10**9, 1, id="perfect"),
        pytest.param(299_000, 1000, 0.0, 10**9, 300_000, id="stamps"),
        pytest.param(0, 1, 50.0, 10**9, 50_004, id="rate"),
        pytest.param(0, 1, 50.0, -(10**9), 50_004, id="rate-backwards"),
    ],
)
def test_the_budget_adds_latency_resolution_and_rate(
    latency_ns: int, resolution_ns: int, accuracy_ppm: float, interval_ns: int, wanted: int
) -> None:
    clock = Clock(ClockKind.HARDWARE, resolution_ns, accuracy_ppm, latency_ns)
    assert clock.interval_uncertainty_ns(interval_ns) == wanted


@given(
    true_ns=st.integers(0, 10**12),
    late_ns=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
    resolution_ns=st.integers(1, 10**6),
    ppm=st.integers(0, 10**4),
    fast=st.sampled_from([-1, 1]),
    phase_ns=st.integers(0, 10**6),
)
def test_no_clock_within_its_budget_errs_by_more_than_the_uncertainty(
    true_ns: int, late_ns: tuple[int, int], resolution_ns: int, ppm: int, fast: int, phase_ns: int
) -> None:
    clock = Clock(ClockKind.HARDWARE, resolution_ns, ppm, max(late_ns))
    shown_ns = true_ns * (1 + Fraction(fast * ppm, 10**6))
    began, ended = phase_ns + late_ns[0], phase_ns + shown_ns + late_ns[1]
    measured_ns = int(ended // resolution_ns - began // resolution_ns) * resolution_ns
    assert abs(measured_ns - true_ns) <= clock.interval_uncertainty_ns(measured_ns)
