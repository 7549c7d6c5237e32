"""Shows that the guest's record is read whole or not believed, whatever the console carries."""

from collections.abc import Callable

import pyarrow as pa
import pytest
from blinks import (
    ENDS_ON,
    MS,
    TEN_BLINKS,
    UNCERTAINTY_NS,
    Defect,
    Scene,
    cut_off,
    ended_on,
    good,
    inverted,
    one_off_skipped,
    records,
    stuck_low,
)
from hypothesis import given
from hypothesis import strategies as st

from rig.expectation import Expectation
from rig.guest import (
    SCHEMA,
    judge_against_pin,
    judge_console,
    judge_exit_status,
    judge_records,
    parse_records,
)
from rig.verdict import Finding, Kind, Outcome

COUNT = 12
RECORDS = [f"led,{n},{1 - n % 2},{n * 1000},{n * 1000 + 7},{n * 1000 + 57}\n" for n in range(COUNT)]
CONSOLE = f"""\
            |      ___|
test_led: cycles=6 on_us=1 off_us=1 final=0
led-begin,123456789
{"".join(RECORDS)}led-end,{COUNT}
SUCCESS
"""


def judged(console: str) -> Finding:
    (finding,) = judge_records(console, parse_records(console))
    assert finding.kind is Kind.GUEST_RECORD
    return finding


def test_records_become_a_table_in_the_order_printed() -> None:
    table = parse_records(CONSOLE)
    assert table.schema.equals(SCHEMA)
    assert table.num_rows == COUNT
    assert table.slice(3, 1).to_pylist() == [
        {"seqno": 3, "level": 0, "deadline_ns": 3000, "before_ns": 3007, "after_ns": 3057}
    ]
    assert table.schema.metadata[b"app_start_ns"] == b"123456789"
    assert table.schema.metadata[b"clock"] == b"guest monotonic, ns"


def test_a_whole_record_passes_with_its_count() -> None:
    finding = judged(CONSOLE)
    assert finding.outcome is Outcome.PASS
    assert finding.text == "guest recorded 12 hypercalls, announced 12"
    assert (finding.measured, finding.limits) == (12, (12, 12))


def test_a_hypercall_faster_than_the_clock_can_tell_is_no_fault() -> None:
    assert judged(CONSOLE.replace("7007,7057", "7007,7007")).outcome is Outcome.PASS


def without(line: str) -> Callable[[str], str]:
    return lambda console: console.replace(line, "")


def instead(old: str, new: str) -> Callable[[str], str]:
    return lambda console: console.replace(old, new)


FAULTS = {
    "first line missing": (
        without(RECORDS[0]),
        "guest recorded 11 hypercalls, announced 12; number 0 is missing or out of place",
    ),
    "gap": (
        without(RECORDS[5]),
        "guest recorded 11 hypercalls, announced 12; number 5 is missing or out of place",
    ),
    "last line missing": (
        without(RECORDS[-1]),
        "guest recorded 11 hypercalls, announced 12; number 11 is missing or out of place",
    ),
    "two lines swapped": (
        instead(RECORDS[4] + RECORDS[5], RECORDS[5] + RECORDS[4]),
        "guest recorded 12 hypercalls, announced 12; number 4 is missing or out of place",
    ),
    "one line twice": (
        instead(RECORDS[5], RECORDS[5] * 2),
        "guest recorded 13 hypercalls, announced 12; number 6 is missing or out of place",
    ),
    "cut before the end": (
        lambda console: console[: console.index("led-end")],
        "guest recorded 12 hypercalls, announced none; led-end is missing or says 0",
    ),
    "cut within a record": (
        lambda console: console[: console.index("led,9,") + 8],
        "guest recorded 9 hypercalls, announced none; led-end is missing or says 0",
    ),
    "too many announced": (
        instead("led-end,12", "led-end,13"),
        "guest recorded 12 hypercalls, announced 13; number 12 is missing or out of place",
    ),
    "too few announced": (
        instead("led-end,12", "led-end,11"),
        "guest recorded 12 hypercalls, announced 11; number 11 follows the last",
    ),
    "none announced": (
        lambda _: "led-begin,1\nled-end,0\nSUCCESS\n",
        "guest recorded 0 hypercalls, announced none; led-end is missing or says 0",
    ),
    "silence": (
        lambda _: "",
        "guest recorded 0 hypercalls, announced none; led-end is missing or says 0",
    ),
    "digits lost": (
        instead("7007,7057", "7007,757"),
        "guest recorded 12 hypercalls, announced 12; number 7 ended before it began",
    ),
    "something printed into a record": (
        instead("led,7,0", "led,[   12.5] kernel: hello\n7,0"),
        "guest recorded 11 hypercalls, announced 12; number 7 is missing or out of place",
    ),
    "a level that is none": (
        instead("led,7,0", "led,7,2"),
        "guest recorded 11 hypercalls, announced 12; number 7 is missing or out of place",
    ),
    "a number too long for its column": (
        instead("7007,7057", "7007," + "7" * 40),
        "guest recorded 11 hypercalls, announced 12; number 7 is missing or out of place",
    ),
    "a sequence number too long": (
        instead("led,7,", "led,77777777777,"),
        "guest recorded 11 hypercalls, announced 12; number 7 is missing or out of place",
    ),
    "a negative time": (
        instead("7007,7057", "7007,-7057"),
        "guest recorded 11 hypercalls, announced 12; number 7 is missing or out of place",
    ),
}


@pytest.mark.parametrize(("spoil", "text"), FAULTS.values(), ids=list(FAULTS))
def test_a_record_that_is_not_whole_fails_and_says_where(
    spoil: Callable[[str], str], text: str
) -> None:
    spoiled = spoil(CONSOLE)
    assert spoiled != CONSOLE
    finding = judged(spoiled)
    assert finding.outcome is Outcome.FAIL
    assert finding.text == text


@pytest.mark.parametrize(
    "dress",
    [
        pytest.param(lambda text: text.replace("\n", "\r\n"), id="carriage-returns"),
        pytest.param(lambda text: text.replace("\n", "\r\r\n"), id="two-carriage-returns"),
        pytest.param(lambda text: text.replace("\n", "  \n"), id="trailing-blanks"),
        pytest.param(lambda text: "\x00\ufffd\x1b[0m~ " + text + "\udcff\x00", id="garbage-around"),
        pytest.param(lambda text: text.replace("\nled", "\n[ 1.2] led"), id="prefixed-lines"),
        pytest.param(lambda text: text.replace("\n", "\nnoise\n\x07\n"), id="noise-between"),
    ],
)
def test_a_record_is_found_on_a_console_as_it_is(dress: Callable[[str], str]) -> None:
    dressed = dress(CONSOLE)
    assert judged(dressed).outcome is Outcome.PASS
    assert parse_records(dressed).equals(parse_records(CONSOLE))


@given(printed=st.lists(st.integers(0, 3), max_size=4))
def test_only_all_records_once_and_in_order_pass(printed: list[int]) -> None:
    console = "".join(RECORDS[n] for n in printed) + "led-end,3\n"
    assert (judged(console).outcome is Outcome.PASS) == (printed == [0, 1, 2])


@given(
    console=st.text("led,-begin0123456789 \r\n")
    | st.lists(st.sampled_from(["led,", "9" * 25, "0,", "1", "led-end,", "led-begin,", "\n"])).map(
        "".join
    )
)
def test_reading_never_raises(console: str) -> None:
    assert judged(console).kind is Kind.GUEST_RECORD


def test_a_record_without_its_beginning_has_no_time_of_start() -> None:
    table = parse_records(CONSOLE.replace("led-begin", "led-bygone"))
    assert b"app_start_ns" not in table.schema.metadata


def test_an_empty_console_gives_an_empty_table_of_the_same_columns() -> None:
    table = parse_records("")
    assert table.num_rows == 0
    assert table.schema.equals(SCHEMA)
    assert isinstance(table, pa.Table)


def test_each_wanted_text_is_a_finding_and_a_missing_one_fails() -> None:
    found = list(judge_console(CONSOLE, ("SUCCESS", "Solo5: LED", "cycles=6")))
    assert [(f.outcome, f.text) for f in found] == [
        (Outcome.PASS, "console says 'SUCCESS'"),
        (Outcome.FAIL, "console does not say 'Solo5: LED'"),
        (Outcome.FAIL, "console does not say 'cycles=6'"),
    ]
    assert {f.kind for f in found} == {Kind.CONSOLE}


@pytest.mark.parametrize(
    ("console", "outcome"),
    [
        ("SUCCESS", Outcome.PASS),
        ("Solo5\r\n  SUCCESS \r\nbye", Outcome.PASS),
        ("10 %\r20 %\rSUCCESS\r", Outcome.PASS),
        ("NO SUCCESS\n", Outcome.FAIL),
        ("SUCCESSFUL\n", Outcome.FAIL),
        ("SUC\nCESS\n", Outcome.FAIL),
    ],
)
def test_a_wanted_text_is_a_whole_line(console: str, outcome: Outcome) -> None:
    (finding,) = judge_console(console, ("SUCCESS",))
    assert finding.outcome is outcome


# Beside the pin.


def against_pin(
    scene: Scene, printed: list[str] | None = None, expected: Expectation = TEN_BLINKS
) -> dict[Kind, Finding]:
    lines = records(scene, expected.commanded) if printed is None else printed
    console = "".join(lines) + f"led-end,{len(lines)}\n"
    found = judge_against_pin(console, parse_records(console), scene.capture(), expected)
    return {finding.kind: finding for finding in found}


@pytest.mark.parametrize("expected", [TEN_BLINKS, ENDS_ON], ids=["ends-off", "ends-on"])
def test_a_pin_that_did_what_the_guest_says_passes(expected: Expectation) -> None:
    found = against_pin(good(expected), expected=expected)
    assert {finding.outcome for finding in found.values()} == {Outcome.PASS}
    assert found.keys() == {Kind.GUEST_EDGES, Kind.GUEST_TIMING}


def test_a_release_of_a_line_that_is_pulled_up_is_no_edge_of_the_guest() -> None:
    pulled_up = Expectation.model_validate({**TEN_BLINKS.model_dump(), "initial_level": 1})
    scene = good()
    printed = records(scene)
    scene.initial_levels["led"] = 1
    taken_ns, released_ns = (change.time_ns for change in scene.modes)
    scene.led = [(taken_ns, 0), *scene.led, (released_ns, 1)]
    found = against_pin(scene, printed, pulled_up)
    assert {finding.outcome for finding in found.values()} == {Outcome.PASS}


def test_the_guest_is_not_asked_how_often_it_should_have_blinked() -> None:
    more = TEN_BLINKS.model_copy(update={"cycles": 12})
    assert against_pin(good(), expected=more)[Kind.GUEST_EDGES].outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (stuck_low, "so led should show 20 edges; it shows 0, not of the same levels"),
        (one_off_skipped, "so led should show 20 edges; it shows 18, not of the same levels"),
        (inverted, "so led should show 20 edges; it shows 20, not of the same levels"),
        (ended_on, "so led should show 20 edges; it shows 22, not of the same levels"),
    ],
)
def test_a_pin_that_did_something_else_than_the_guest_says_fails(spoil: Defect, text: str) -> None:
    scene = good()
    printed = records(scene)
    spoil(scene)
    found = against_pin(scene, printed)
    assert found[Kind.GUEST_EDGES].outcome is Outcome.FAIL
    assert found[Kind.GUEST_EDGES].text == f"guest set 20 levels, {text}"
    assert found[Kind.GUEST_TIMING].outcome is Outcome.INCONCLUSIVE


def test_a_level_that_the_guest_set_twice_has_no_second_edge() -> None:
    scene = good()
    printed = records(scene)
    printed[7] = printed[7].replace("led,7,0", "led,7,1")
    assert against_pin(scene, printed)[Kind.GUEST_EDGES].outcome is Outcome.FAIL


def test_a_capture_that_ends_too_early_does_not_contradict_the_guest() -> None:
    scene = good()
    printed = records(scene)
    cut_off(scene)
    (edges, timing) = against_pin(scene, printed).values()
    assert edges.outcome is timing.outcome is Outcome.INCONCLUSIVE
    assert edges.text.endswith("[not believed: the capture ends too early]")


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize(
    ("beyond_ns", "outcome"),
    [
        (5 * MS - UNCERTAINTY_NS, Outcome.PASS),
        (5 * MS - UNCERTAINTY_NS + 1, Outcome.INCONCLUSIVE),
        (5 * MS + UNCERTAINTY_NS, Outcome.INCONCLUSIVE),
        (5 * MS + UNCERTAINTY_NS + 1, Outcome.FAIL),
    ],
)
def test_times_of_the_guest_agree_within_the_tolerance_and_the_length_of_its_hypercalls(
    side: int, beyond_ns: int, outcome: Outcome
) -> None:
    scene = good()
    printed = records(scene, called_ns=50_000)
    time_ns, level = scene.led[-1]
    scene.led[-1] = (time_ns + side * (50_000 + beyond_ns), level)
    finding = against_pin(scene, printed)[Kind.GUEST_TIMING]
    assert finding.outcome is outcome
    assert finding.measured == side * beyond_ns
    assert f"{'longer' if side > 0 else 'shorter'} than the guest's stamps allow" in finding.text
    assert finding.text.endswith(", from record 18")


def test_a_record_that_is_not_whole_is_not_compared() -> None:
    found = against_pin(good(), [*records()[:-1], "led,20,0,1,1,1\n"])
    assert {finding.outcome for finding in found.values()} == {Outcome.INCONCLUSIVE}
    assert {finding.text for finding in found.values()} == {
        "the guest's record is not whole, so the pin was not compared with it"
    }


@pytest.mark.parametrize(
    ("status", "wanted", "outcome"),
    [(0, 0, Outcome.PASS), (1, 0, Outcome.FAIL), (0, 255, Outcome.FAIL), (255, 255, Outcome.PASS)],
)
def test_the_exit_status_must_be_the_wanted_one(status: int, wanted: int, outcome: Outcome) -> None:
    (finding,) = judge_exit_status(status, wanted)
    assert (finding.kind, finding.outcome) == (Kind.EXIT_STATUS, outcome)
    assert finding.text == f"exit status is {status}, expected {wanted}"
