"""Shows that what the rig orders of the unikernel and what it expects of the pin are one."""

import shlex

import pytest

from rig.expectation import Expectation
from rig.led import Pattern, tender_command

MS = 1_000_000
BLINK = Pattern(cycles=3, on_ns=200 * MS, off_ns=300 * MS, final_level=1)


def test_the_unikernel_is_told_in_microseconds() -> None:
    assert BLINK.arguments == "cycles=3 on_us=200000 off_us=300000 final=1"


def test_a_line_ends_off_unless_it_is_told_otherwise() -> None:
    assert Pattern(1, MS, MS).arguments.endswith(" final=0")


def test_a_pattern_lasts_until_the_last_level_has_been_held() -> None:
    assert BLINK.duration_ns == 3 * 500 * MS + 300 * MS


def test_the_pin_is_expected_to_do_what_was_ordered() -> None:
    assert BLINK.expectation("lamp", tolerance_ns=5 * MS, jitter_ns=2 * MS) == Expectation(
        line="lamp",
        cycles=3,
        on_ns=200 * MS,
        off_ns=300 * MS,
        final_level=1,
        hold_ns=300 * MS,
        tolerance_ns=5 * MS,
        jitter_ns=2 * MS,
    )


@pytest.mark.parametrize(("led", "option"), [({}, "led0"), ({"led": "door"}, "door")])
def test_the_tender_grants_the_line_before_it_names_the_unikernel(
    led: dict[str, str], option: str
) -> None:
    command = tender_command("/opt/it's here/tender", "/opt/led", 25, BLINK.arguments, **led)
    assert shlex.split(command) == [
        "/opt/it's here/tender",
        f"--led:{option}=25",
        "--",
        "/opt/led",
        "cycles=3",
        "on_us=200000",
        "off_us=300000",
        "final=1",
    ]
