"""Shows that whatever a run leaves on the pins is found, in each view and by name."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from rig.cleanup import (
    Chip,
    Export,
    GpioState,
    is_as_before,
    judge_cleanup,
    judge_kernel_log,
    judge_release,
)
from rig.verdict import Kind, Outcome

CHIP = Chip(label="pinctrl-bcm2835", base=458, ngpio=54)
STATE = GpioState(
    chips=(CHIP, Chip(label="raspberrypi-exp-gpio", base=450, ngpio=8)),
    exports={462: Export(direction="in", value=1)},
    holders=("gpio-462 (sysfs)", "gpio-505 (ACT)"),
    functions={"led": "in", "gpio14": "alt5"},
)


def changed(**fields: Any) -> GpioState:
    return STATE.model_copy(update=fields)


def texts(before: GpioState, after: GpioState, outcome: Outcome) -> list[str]:
    return [f.text for f in judge_cleanup(before, after) if f.outcome is outcome]


def test_a_clean_target_passes_once_for_each_view() -> None:
    findings = list(judge_cleanup(STATE, STATE))
    assert {f.kind for f in findings} == {Kind.CLEANUP}
    assert {f.outcome for f in findings} == {Outcome.PASS}
    assert [(f.text, f.measured) for f in findings] == [
        ("GPIO chips: all 2 as before the run", 2),
        ("sysfs exports: all 1 as before the run", 1),
        ("lines in use: all 2 as before the run", 2),
        ("pin functions: all 2 as before the run", 2),
    ]


LEFT_BEHIND = {
    "a line left exported": (
        {"exports": {**STATE.exports, 483: Export(direction="out", value=0)}},
        "sysfs exports: gpio483 was not there before the run, is out 0 after it",
    ),
    "somebody else's export taken away": (
        {"exports": {}},
        "sysfs exports: gpio462 was in 1 before the run, is not there after it",
    ),
    "somebody else's direction changed": (
        {"exports": {462: Export(direction="out", value=1)}},
        "sysfs exports: gpio462 was in 1 before the run, is out 1 after it",
    ),
    "somebody else's level changed": (
        {"exports": {462: Export(direction="in", value=0)}},
        "sysfs exports: gpio462 was in 1 before the run, is in 0 after it",
    ),
    "a line still held": (
        {"holders": (*STATE.holders, "gpio-483 (led)")},
        "lines in use: gpio-483 (led) was not there before the run, is held after it",
    ),
    "a holder gone": (
        {"holders": STATE.holders[:1]},
        "lines in use: gpio-505 (ACT) was held before the run, is not there after it",
    ),
    "a pin left as an output": (
        {"functions": {**STATE.functions, "led": "out"}},
        "pin functions: led was in before the run, is out after it",
    ),
    "a chip gone": (
        {"chips": (CHIP,)},
        "GPIO chips: raspberrypi-exp-gpio at 450 was 8 lines before the run, is not there after it",
    ),
}


@pytest.mark.parametrize(("left", "text"), LEFT_BEHIND.values(), ids=list(LEFT_BEHIND))
def test_what_was_left_behind_fails_by_name_and_spares_the_other_views(
    left: dict[str, Any], text: str
) -> None:
    assert texts(STATE, changed(**left), Outcome.FAIL) == [text]
    assert len(texts(STATE, changed(**left), Outcome.PASS)) == 3


def test_a_chip_that_comes_back_at_another_base_is_noticed() -> None:
    moved = CHIP.model_copy(update={"base": 512})
    after = changed(chips=(moved, STATE.chips[1]))
    assert texts(STATE, after, Outcome.FAIL) == [
        "GPIO chips: pinctrl-bcm2835 at 458 was 54 lines before the run, is not there after it",
        "GPIO chips: pinctrl-bcm2835 at 512 was not there before the run, is 54 lines after it",
    ]


def test_each_thing_left_behind_is_a_finding_of_its_own() -> None:
    after = changed(exports={}, functions={"led": "out", "gpio14": "in"})
    assert len(texts(STATE, after, Outcome.FAIL)) == 3


def test_no_exports_at_all_is_an_answer() -> None:
    bare = changed(exports={})
    assert "sysfs exports: none before the run, none after it" in texts(bare, bare, Outcome.PASS)


@pytest.mark.parametrize(
    ("view", "name"), [("holders", "lines in use"), ("functions", "pin functions")]
)
def test_a_view_that_the_bench_may_not_have_is_not_passed(view: str, name: str) -> None:
    blind = changed(**{view: type(getattr(STATE, view))()})
    assert not any(name in f.text for f in judge_cleanup(blind, blind))
    assert texts(STATE, blind, Outcome.FAIL)
    assert texts(blind, STATE, Outcome.FAIL)


@pytest.mark.parametrize(
    ("key", "value"), [("ngpio", 0), ("ngpio", "many"), ("lines", 54), ("label", None)]
)
def test_a_chip_that_makes_no_sense_is_refused_by_key(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=rf"\n{key}\n"):
        Chip.model_validate({**CHIP.model_dump(), key: value})


@pytest.mark.parametrize(
    "record", [CHIP, STATE, STATE.exports[462]], ids=["chip", "state", "export"]
)
def test_a_state_cannot_be_changed_after_it_was_read(record: BaseModel) -> None:
    (name, value), *_ = record
    with pytest.raises(ValidationError, match="frozen"):
        setattr(record, name, value)


def test_a_chip_of_one_line_is_a_chip() -> None:
    assert Chip.model_validate({**CHIP.model_dump(), "ngpio": 1}).ngpio == 1


def test_a_state_with_an_unknown_key_is_refused_by_key() -> None:
    with pytest.raises(ValidationError, match=r"\npins\n"):
        GpioState.model_validate({**STATE.model_dump(), "pins": {}})


LEFT: dict[str, tuple[dict[str, Any], Outcome, str]] = {
    "given back": ({}, Outcome.PASS, "was free before the run, is free after it"),
    "left exported": (
        {"exports": {483: Export(direction="out", value=1)}},
        Outcome.FAIL,
        "was free before the run, is exported out 1 after it",
    ),
    "left to the character device": (
        {"holders": ("gpio-483 (solo5-hvt)",)},
        Outcome.FAIL,
        "was free before the run, is gpio-483 (solo5-hvt) after it",
    ),
    "somebody else's left exported": (
        {"exports": {482: Export(direction="out", value=1)}, "holders": ("gpio-4831 (x)",)},
        Outcome.PASS,
        "is free after it",
    ),
}


@pytest.mark.parametrize(("fields", "outcome", "words"), LEFT.values(), ids=list(LEFT))
def test_where_nobody_sees_directions_the_targets_kernel_tells_of_the_release(
    fields: dict[str, Any], outcome: Outcome, words: str
) -> None:
    (finding,) = judge_release("led", 483, STATE, changed(**fields))
    assert (finding.kind, finding.outcome) == (Kind.RELEASE, outcome)
    assert finding.text.startswith("led (gpio483) was free")
    assert words in finding.text


def test_a_line_that_was_in_use_and_still_is_counts_as_given_back() -> None:
    (finding,) = judge_release("led", 462, STATE, STATE)
    assert finding.outcome is Outcome.PASS
    assert "was exported in 1, gpio-462 (sysfs) before the run" in finding.text


# What is left beside the pins.

LEFT = changed(leftovers=("file /opt/rig/.keep",), kernel_log=("[1.0] old",))


def left(*names: str) -> GpioState:
    return LEFT.model_copy(update={"leftovers": (*(LEFT.leftovers or ()), *names)})


@pytest.mark.parametrize(
    "name",
    [
        "process 12: /opt/rig/tender",
        "open in process 12: /run/solo5-hvt/gpio483",
        "file /run/solo5-hvt/gpio483",
    ],
)
def test_whatever_is_left_beside_the_pins_is_named(name: str) -> None:
    assert texts(LEFT, left(name), Outcome.FAIL) == [
        f"processes, open files and files: {name} was not there before the run, is there after it"
    ]
    assert not is_as_before(LEFT, left(name))


def test_what_was_there_before_is_not_left_behind() -> None:
    assert is_as_before(LEFT, LEFT)
    assert "processes, open files and files: all 1 as before the run" in texts(
        LEFT, LEFT, Outcome.PASS
    )


def test_where_nobody_looked_nothing_is_found_out() -> None:
    assert not any("processes" in text for text in texts(STATE, LEFT, Outcome.PASS))


def test_a_new_warning_of_the_kernel_is_found_and_an_old_one_is_not() -> None:
    after = LEFT.model_copy(update={"kernel_log": ("[1.0] old", "[9.0] Oops")})
    assert [(f.outcome, f.text) for f in judge_kernel_log(LEFT, after)] == [
        (Outcome.FAIL, "kernel log: [9.0] Oops")
    ]
    assert [f.outcome for f in judge_kernel_log(LEFT, LEFT)] == [Outcome.PASS]
    assert list(judge_kernel_log(LEFT, STATE)) == []
