"""Shows that a capture that contradicts itself is never made, and that none is lost on disk."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from blinks import CLOCK, LINES, START_NS, another_line_moved, good
from hypothesis import given
from hypothesis import strategies as st

from rig.capture import (
    EDGE_DTYPE,
    Capture,
    Clock,
    ClockKind,
    Edge,
    Heartbeat,
    Instant,
    ModeChange,
    Qualification,
    Stall,
    edge_array,
    proven_lost,
    read_capture,
    write_capture,
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


def test_a_capture_that_says_no_more_is_complete_and_sees_levels_alone() -> None:
    capture = Capture((), edge_array([]), {}, 0, 0, CLOCK)
    assert capture.is_complete
    assert not capture.sees_modes
    assert capture.heartbeat is None


def test_captures_are_told_apart_by_identity_and_not_edge_by_edge() -> None:
    assert replace(GOOD) != GOOD
    assert len({GOOD, GOOD}) == 1


@pytest.mark.parametrize(
    "record",
    [
        CLOCK,
        GOOD,
        GOOD.modes[0],
        Heartbeat(beats=1, worst_ns=1),
        Stall(time_ns=1, late_ns=1, cause="heartbeat"),
    ],
    ids=lambda record: type(record).__name__,
)
def test_what_was_captured_cannot_be_changed(record: object) -> None:
    (name, value), *_ = vars(record).items()
    with pytest.raises(AttributeError, match="cannot assign"):
        setattr(record, name, value)


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


@st.composite
def captures(draw: st.DrawFn) -> Capture:
    """Any capture at all: several lines, losses, modes, stalls."""
    lines = draw(st.lists(st.sampled_from(["led", "gpio3", "a b", "ü"]), unique=True, min_size=1))
    times = sorted(draw(st.lists(st.integers(0, 2**62), max_size=12)))
    next_seqno = dict.fromkeys(range(len(lines)), 0)
    rows = []
    for time_ns in times:
        line = draw(st.integers(0, len(lines) - 1))
        seqno = next_seqno[line] + draw(st.integers(0, 3))
        next_seqno[line] = seqno + 1
        rows.append((time_ns, line, draw(st.integers(0, 1)), seqno))
    levels = draw(st.lists(st.integers(0, 1), min_size=len(lines), max_size=len(lines)))
    edges = edge_array(rows)
    mode = st.sampled_from(["in", "out", "alt5"])
    sees_modes = draw(st.booleans())
    moves = draw(st.lists(st.tuples(st.integers(0, 2**62), st.sampled_from(lines), mode)))
    stall = st.builds(Stall, st.integers(), st.integers(), st.sampled_from(["heartbeat"]))
    stalls = st.lists(stall, max_size=2).map(tuple)
    beats = st.builds(Heartbeat, st.integers(0), st.integers(0), stalls)
    qualified = st.builds(Qualification, st.text(), st.floats(0, 1e6), st.floats(0, 1e6))
    ppm = draw(st.floats(0, 1e5))
    return Capture(
        lines=tuple(lines),
        edges=edges,
        initial_levels=dict(zip(lines, levels, strict=True)),
        start_ns=draw(st.integers(-(2**62), 0)),
        end_ns=2**62,
        clock=Clock(draw(st.sampled_from(ClockKind)), 1, ppm, 0, draw(st.none() | qualified)),
        lost=proven_lost(edges, levels) + draw(st.integers(0, 2)),
        overrun=draw(st.booleans()),
        initial_modes={name: draw(mode) for name in lines} if sees_modes else {},
        modes=tuple(ModeChange(*m) for m in sorted(moves)) if sees_modes else (),
        heartbeat=draw(st.none() | beats),
        commanded=draw(st.none() | st.builds(Instant, st.integers(), st.integers(0))),
    )


def written(capture: Capture, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    write_capture(folder, capture)
    return folder


@given(capture=captures())
def test_a_capture_comes_back_from_disk_as_it_was(
    capture: Capture, tmp_path_factory: pytest.TempPathFactory
) -> None:
    back = read_capture(written(capture, tmp_path_factory.getbasetemp() / "round-trip"))
    assert np.array_equal(back.edges, capture.edges)
    assert replace(back, edges=capture.edges).__dict__ == capture.__dict__


def read_vcd(text: str) -> tuple[str, dict[str, int], list[tuple[int, str, int]], int]:
    """A second reader: time scale, initial levels, changes and last time of a VCD file."""
    header, body = text.split("$enddefinitions $end")
    names = {m[1]: m[2] for m in re.finditer(r"\$var wire 1 (\S+) (.+?) \$end", header)}
    scale = re.search(r"\$timescale\s+(.+?)\s+\$end", header)
    initial: dict[str, int] = {}
    changes, now = [], -1
    for word in body.split():
        if word[0] == "#":
            now = int(word[1:])
        elif word[0] in "01" and len(initial) < len(names):
            initial[names[word[1:]]] = int(word[0])
        elif word[0] in "01":
            changes.append((now, names[word[1:]], int(word[0])))
    return scale[1] if scale else "", initial, changes, now


def test_the_vcd_says_the_same_edges_to_another_reader(tmp_path: Path) -> None:
    scene = good()
    another_line_moved(scene)
    scene.initial_levels["gpio4"] = 1
    capture = scene.capture()
    text = (written(capture, tmp_path) / "capture.vcd").read_text()
    scale, initial, changes, last = read_vcd(text)
    assert scale == "1 ns"
    assert initial == capture.initial_levels
    assert changes == [(e.time_ns - START_NS, e.line, e.level) for e in capture]
    assert last == capture.end_ns - capture.start_ns


def test_the_vcd_is_the_same_whenever_it_is_written(tmp_path: Path) -> None:
    first = written(GOOD, tmp_path / "1") / "capture.vcd"
    second = written(GOOD, tmp_path / "2") / "capture.vcd"
    assert first.read_bytes() == second.read_bytes()
    assert "$date" not in first.read_text()


def change_meta(key: str, value: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        meta = json.loads((folder / "capture.json").read_text())
        (folder / "capture.json").write_text(json.dumps({**meta, key: value}))

    return change


def change_table(column: str, values: pa.Array) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        table = pq.read_table(folder / "capture.parquet")
        position = table.column_names.index(column)
        table = table.set_column(position, column, values)
        pq.write_table(table, folder / "capture.parquet")

    return change


def cut(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-9])


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


DAMAGES = {
    "json missing": (remove("capture.json"), "capture.json"),
    "json cut": (cut("capture.json"), "capture.json"),
    "json of another schema": (change_meta("schema", "capture/2"), "capture.json.*capture/1"),
    "json with an unknown key": (change_meta("edge", 1), "capture.json.*edge"),
    "json with a wrong type": (change_meta("initial_levels", ["led"]), "capture.json.*initial"),
    "json that is a list": (
        lambda folder: (folder / "capture.json").write_text("[]"),
        "capture.json",
    ),
    "json that is not text": (
        lambda folder: (folder / "capture.json").write_bytes(b"\xff\xfe"),
        "capture.json",
    ),
    "json with a false budget": (
        change_meta("clock", {**asdict(CLOCK), "latency_ns": -1}),
        "capture.json.*latency -1 ns",
    ),
    "json with a number as text": (change_meta("lost", "0"), "capture.json.*lost"),
    "json that contradicts itself": (change_meta("end_ns", START_NS), "edge lies outside"),
    "parquet missing": (remove("capture.parquet"), "capture.parquet"),
    "parquet cut": (cut("capture.parquet"), "capture.parquet"),
    "parquet empty": (
        lambda folder: (folder / "capture.parquet").write_bytes(b""),
        "capture.parquet",
    ),
    "edges on disk and in json differ": (
        change_meta("edges", 21),
        "capture.parquet.*20 edges, capture.json says 21",
    ),
    "levels too wide": (
        change_table("level", pa.array([257, 256] * 10, pa.int64())),
        "capture.parquet.*level: int64",
    ),
    "a level missing": (
        change_table("level", pa.array([1, None] * 10, pa.uint8())),
        "capture.parquet.*value is missing",
    ),
    "an unknown line": (
        change_table("line", pa.array(["gpio9"] * 20).dictionary_encode()),
        "capture.parquet.*gpio9",
    ),
}


@pytest.mark.parametrize(("damage", "words"), DAMAGES.values(), ids=list(DAMAGES))
def test_a_damaged_capture_is_refused_by_name(
    damage: Callable[[Path], None], words: str, tmp_path: Path
) -> None:
    damage(written(GOOD, tmp_path))
    with pytest.raises(EvidenceError, match=f"(?s){tmp_path}.*{words}"):
        read_capture(tmp_path)
