"""Shows that an expectation says all that is needed, and that one without sense is refused."""

from pathlib import Path
from typing import Any

import pytest
from blinks import MS
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rig.errors import ExpectationError
from rig.expectation import Expectation, in_ns, load_expectation

PATTERN: dict[str, Any] = {
    "line": "led",
    "cycles": 10,
    "on_ns": 200 * MS,
    "off_ns": 300 * MS,
    "tolerance_ns": 5 * MS,
}


def expected(**fields: Any) -> Expectation:
    return Expectation.model_validate({**PATTERN, **fields})


def test_what_is_not_said_follows_from_the_pattern() -> None:
    assert expected().model_dump() == {
        **PATTERN,
        "initial_level": 0,
        "final_level": 0,
        "hold_ns": 300 * MS,
        "is_coarse": False,
        "tolerance_percent": 0.0,
        "percentiles_ns": {},
        "jitter_ns": None,
        "drift_ns": 5 * MS,
        "rate_ppm": 100.0,
        "duty_percent": None,
        "smallest_pulse_ns": 19_500_000,
        "least_edges": 2,
        "start_latency_ns": None,
        "may_move": (),
    }


def test_what_is_said_is_not_replaced() -> None:
    said = {"hold_ns": 0, "drift_ns": 0, "smallest_pulse_ns": 0}
    assert {key: getattr(expected(**said), key) for key in said} == said


def test_an_expectation_comes_back_from_json_as_it_was() -> None:
    written = expected(percentiles_ns={"p99.9": MS}, may_move=("gpio14",), duty_percent=1.5)
    assert Expectation.model_validate_json(written.model_dump_json()) == written


def test_the_wider_of_two_tolerances_holds() -> None:
    both = expected(tolerance_percent=2.0)
    assert both.tolerance_of(200 * MS) == 5 * MS
    assert both.tolerance_of(500 * MS) == 10 * MS
    assert both.drift_ns == 10 * MS


def test_a_relative_tolerance_is_enough() -> None:
    relative = {key: value for key, value in PATTERN.items() if key != "tolerance_ns"}
    only = Expectation.model_validate({**relative, "tolerance_percent": 1.0})
    assert only.tolerance_of(200 * MS) == 2 * MS


@pytest.mark.parametrize(
    ("fields", "commanded", "edges", "duration_ns"),
    [
        ({}, 20, 20, 4700 * MS + 300 * MS),
        ({"final_level": 1}, 21, 22, 5000 * MS + 300 * MS),
        ({"initial_level": 1}, 20, 22, 4700 * MS + 300 * MS),
    ],
    ids=["ends-off", "ends-on", "pulled-up"],
)
def test_a_pattern_knows_its_edges_and_its_length(
    fields: dict[str, int], commanded: int, edges: int, duration_ns: int
) -> None:
    pattern = expected(**fields)
    assert (pattern.commanded, pattern.edges) == (commanded, edges)
    assert pattern.duration_ns == duration_ns


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cycles", 0),
        ("cycles", "10"),
        ("on_ns", 0),
        ("off_ns", 0),
        ("on_ns", "200000000"),
        ("off_ns", 300000000.0),
        ("initial_level", 2),
        ("final_level", 2),
        ("final_level", "1"),
        ("hold_ns", -1),
        ("hold_ns", "5"),
        ("tolerance_ns", -1),
        ("tolerance", 5),
        ("tolerance_percent", 100.0),
        ("tolerance_percent", "1"),
        ("jitter_ns", -1),
        ("drift_ns", 0.5),
        ("rate_ppm", 1e6),
        ("duty_percent", -0.1),
        ("smallest_pulse_ns", -1),
        ("least_edges", 1),
        ("start_latency_ns", -1),
        ("may_move", "gpio14"),
    ],
)
def test_an_expectation_that_makes_no_sense_is_refused_by_key(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=rf"(?s)1 validation error.*\n{key}\n"):
        expected(**{key: value})


@pytest.mark.parametrize("rank", ["p0", "p101", "p100.5", "95", "p95.1234", "P95", "p 95"])
def test_a_percentile_that_is_none_is_refused_by_name(rank: str) -> None:
    with pytest.raises(ValidationError, match=f"from p1 to p100, not '{rank}'"):
        expected(percentiles_ns={rank: MS})


@pytest.mark.parametrize(
    "fields",
    [{"tolerance_ns": 200 * MS}, {"on_ns": 400 * MS, "tolerance_ns": 300 * MS}],
    ids=["as-wide-as-the-on-time", "as-wide-as-the-off-time"],
)
def test_a_tolerance_that_would_pass_a_pulse_of_no_length_is_refused(
    fields: dict[str, int],
) -> None:
    with pytest.raises(ValidationError, match=r"a tolerance of \d00.000 ms lets a pulse of no"):
        expected(**fields)
    assert expected(**{**fields, "tolerance_ns": fields["tolerance_ns"] - 1})


@pytest.mark.parametrize(
    ("fits", "breaks", "words"),
    [
        (
            {"smallest_pulse_ns": 195 * MS},
            {"smallest_pulse_ns": 195 * MS + 1},
            r"smallest pulse that counts \(195.000 ms\) must not be longer than the shortest",
        ),
        (
            {"final_level": 1},
            {"final_level": 1, "initial_level": 1},
            "the initial level and the final level cannot both be 1",
        ),
        (
            {"least_edges": 20},
            {"least_edges": 21},
            "the pattern commands 20 edges, so a least number of 21 is never reached",
        ),
        ({"may_move": ("gpio14",)}, {"may_move": ("led",)}, "led is the line that is judged"),
        ({"cycles": 9 * 10**9}, {"cycles": 10**10}, "longer than 146 years"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(
    fits: dict[str, Any], breaks: dict[str, Any], words: str
) -> None:
    assert expected(**fits)
    with pytest.raises(ValidationError, match=words):
        expected(**breaks)


def test_a_tolerance_must_be_given_even_if_it_is_zero() -> None:
    without = {key: value for key, value in PATTERN.items() if key != "tolerance_ns"}
    with pytest.raises(ValidationError, match="a tolerance is missing"):
        Expectation.model_validate(without)
    assert expected(tolerance_ns=0).tolerance_of(MS) == 0


# In a file.

FILE = """\
line: led
cycles: 20
on_ms: 300
off_ms: 400.25
tolerance_ms: 5
percentiles_ms: {p95: 2, p99.9: 4.5}
"""


def written(folder: Path, text: str = FILE) -> Path:
    path = folder / "led.yaml"
    path.write_text(text)
    return path


def test_a_file_says_milliseconds(tmp_path: Path) -> None:
    assert load_expectation(written(tmp_path)) == Expectation(
        line="led",
        cycles=20,
        on_ns=300 * MS,
        off_ns=400_250_000,
        tolerance_ns=5 * MS,
        percentiles_ns={"p95": 2 * MS, "p99.9": 4_500_000},
    )


def test_every_field_can_be_said_in_a_file(tmp_path: Path) -> None:
    more = """\
initial_level: 1
final_level: 0
hold_ms: 100
tolerance_percent: 1.5
jitter_ms: 2
drift_ms: 3
rate_ppm: 50
duty_percent: 0.5
smallest_pulse_ms: 1
least_edges: 10
start_latency_ms: 900
may_move: [gpio14, gpio15]
"""
    said = load_expectation(written(tmp_path, FILE + more))
    assert said.model_fields_set == set(Expectation.model_fields) - {"is_coarse"}  # a suite's own
    assert (said.hold_ns, said.jitter_ns, said.drift_ns) == (100 * MS, 2 * MS, 3 * MS)
    assert (said.smallest_pulse_ns, said.start_latency_ns) == (MS, 900 * MS)
    assert (said.initial_level, said.least_edges, said.rate_ppm) == (1, 10, 50.0)
    assert (said.tolerance_percent, said.duty_percent) == (1.5, 0.5)
    assert said.may_move == ("gpio14", "gpio15")


FAULTS = {
    "time of nothing": ("on_ms: 300", "on_ms: 0", ":3: on_ms: Input should be greater than 0"),
    "time as text": ("on_ms: 300", "on_ms: 300 ms", ":3: on_ms: Input should be a valid number"),
    "time without end": ("on_ms: 300", "on_ms: .inf", ":3: on_ms: Input should be"),
    "part of a nanosecond": (
        "on_ms: 300",
        "on_ms: 0.0000005",
        ":3: on_ms: 5e-07 ms is no whole number of nanoseconds",
    ),
    "nanoseconds": ("on_ms: 300", "on_ns: 300", ":1: on_ms: this key is missing"),
    "misspelt key": ("tolerance_ms", "tolerence_ms", ":5: tolerence_ms: unknown key; allowed: "),
    "line missing": ("line: led\n", "", ":1: line: this key is missing"),
    "no tolerance": ("tolerance_ms: 5\n", "", ":1: a tolerance is missing"),
    "wide tolerance": ("tolerance_ms: 5", "tolerance_ms: 300", ":1: a tolerance of 300.000 ms"),
    "bad percentile": ("p95", "p0", "percentiles_ms.p0: a percentile is written p95 or p99.9"),
    "key twice": ("cycles: 20", "cycles: 20\ncycles: 2", ":3: cycles: this key stands here twice"),
    "no mapping": (FILE, "- led", ":1: must be a mapping with the keys "),
}


@pytest.mark.parametrize(("good", "bad", "words"), FAULTS.values(), ids=list(FAULTS))
def test_a_file_with_a_fault_is_refused_with_its_place(
    tmp_path: Path, good: str, bad: str, words: str
) -> None:
    assert good in FILE
    path = written(tmp_path, FILE.replace(good, bad, 1))
    with pytest.raises(ExpectationError) as caught:
        load_expectation(path)
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"{path}:")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExpectationError, match="No such file or directory"):
        load_expectation(tmp_path / "led.yaml")


@given(time_ns=st.integers(0, 10**15))
def test_milliseconds_are_taken_as_written(time_ns: int) -> None:
    text = f"{time_ns // MS}.{time_ns % MS:06}"
    if float(text) == 0 or len(text.replace(".", "").lstrip("0")) <= 15:  # what a double holds
        assert in_ns(float(text)) == time_ns


# A tolerance that is wider than a pulse.


def test_a_coarse_expectation_may_allow_more_than_a_pulse_is_long() -> None:
    with pytest.raises(ValidationError, match="lets a pulse of no length pass"):
        expected(tolerance_ns=400 * MS)
    assert expected(tolerance_ns=400 * MS, is_coarse=True).smallest_pulse_ns == 0
