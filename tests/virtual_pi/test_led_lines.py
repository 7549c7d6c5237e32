"""Which line an LED gets, by which backend, and what is refused; seen on the pins."""

import pytest

from tests.virtual_pi.leds import GPIO, LED, LedBoard, assert_nothing_left
from tests.virtual_pi.test_endings import BACKENDS, started, tender

OTHERS = {"sysfs": ("gpiochip458", "gpiochip450"), "cdev": ("gpiochip0", "gpiochip1")}
"""Names of pinctrl-bcm2835 and of the firmware's chip, as each backend's folder has them."""


@pytest.mark.parametrize("backend", BACKENDS)
def test_three_leds_count_independently(leds: LedBoard, backend: str) -> None:
    options = f"--led-backend={backend} --led:led0=25 --led:led1=24 --led:led2=23"
    seen = leds.watch(f"./tender {options} test_led_several")

    assert "led0: off\nled1: off\nled2: off\nSUCCESS\n" in seen.result.output
    assert seen.levels("led") == [1, 0] * 4
    assert seen.levels("gpio24") == [1, 0] * 2
    assert seen.levels("gpio23") == [1, 0]
    assert_nothing_left(seen, "led", "gpio24", "gpio23")


@pytest.mark.parametrize("backend", BACKENDS)
def test_initial_level_and_active_low_reach_pin_and_guest(leds: LedBoard, backend: str) -> None:
    """led0 starts on: from its first moment as an output it is high, without a dip."""
    options = (
        f"--led-backend={backend} --led:led0=25 --led:led1=24 --led:led2=23 "
        "--led-initial:led0=on --led-active-low:led1 --led-initial:led2=on --led-active-low:led2"
    )
    seen = leds.watch(f"./tender {options} test_led_several")

    assert "led0: on\nled1: off\nled2: on\nSUCCESS\n" in seen.result.output
    # Counting 1 to 7, then off, then an input.
    assert seen.levels("led") == [1, 0] * 4
    assert seen.levels("gpio24") == [1, 0, 1, 0, 1, 0]
    assert seen.levels("gpio23") == [1, 0, 1, 0]
    assert_nothing_left(seen, "led", "gpio24", "gpio23")


@pytest.mark.parametrize("backend", BACKENDS)
def test_chip_is_known_by_label_and_by_name(leds: LedBoard, backend: str) -> None:
    for chip in ("pinctrl-bcm2835", OTHERS[backend][0]):
        seen = leds.watch(
            f"./tender --led-backend={backend} --led:led0={chip}:25 test_led_endings exit"
        )
        assert seen.levels() == [1, 0], seen.result.output
        assert_nothing_left(seen)


REFUSED = {
    "--led:led0=54": "--led:led0=54: the chip pinctrl-bcm2835 has lines 0 to 53 only",
    "--led:led0=gpiochip9:1": "No GPIO chip with label or name gpiochip9 in",
    "--led:led0=raspberrypi-exp-gpio:8": "has lines 0 to 7 only",
    "--led-active-low:led0": "Device 'led0' of type LED_BASIC declared but not attached",
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("option", "message"), REFUSED.items(), ids=REFUSED)
def test_wrong_line_is_refused_and_no_pin_moves(
    leds: LedBoard, option: str, message: str, backend: str
) -> None:
    command = f"./tender --led-backend={backend} {option} test_led_endings exit; echo status $?"
    seen = leds.watch(command)

    assert message in seen.result.output
    assert "status 1\n" in seen.result.output
    if "No GPIO chip" in message:
        ours, firmware = OTHERS[backend]
        assert f"{ours} (pinctrl-bcm2835)" in seen.result.output
        assert f"{firmware} (raspberrypi-exp-gpio)" in seen.result.output
    assert list(seen.capture) == []
    assert seen.after == seen.before


def test_host_without_character_devices_is_told(leds: LedBoard) -> None:
    hide = "mkdir /tmp/dev; mv /dev/gpiochip* /tmp/dev"
    seen = leds.watch(f"{hide}; {tender('exit', 'cdev')}; mv /tmp/dev/* /dev; rmdir /tmp/dev")

    assert "there is no GPIO chip in /dev; the kernel needs CONFIG_GPIO_CDEV" in seen.result.output
    assert list(seen.capture) == []


# ---- Lines that somebody else has ----------------------------------------------

HELD = {
    ("sysfs", "sysfs"): "is held by another tender: pid {pid}, ./tender --led-backend=sysfs",
    ("sysfs", "cdev"): "GPIO 25 (gpiochip0) is in use by 'sysfs'; left alone",
    ("cdev", "sysfs"): "cannot be exported: Device or resource busy; 'solo5-hvt:led0' uses it",
    ("cdev", "cdev"): "GPIO 25 (gpiochip0) is in use by 'solo5-hvt:led0'; left alone",
}


@pytest.mark.parametrize(("backends", "message"), HELD.items(), ids=["-".join(b) for b in HELD])
def test_second_tender_is_refused_with_the_holders_name(
    leds: LedBoard, backends: tuple[str, str], message: str
) -> None:
    """And the first keeps its line, which is on all the time."""
    first, second = backends
    script = f"{started('wait', first)}; echo pid $pid; {tender('exit', second)}; echo status $?; "
    seen = leds.watch(f"{script} kill -TERM $pid; wait $pid")

    pid = seen.result.output.split("pid ", 1)[1].split()[0]
    assert message.format(pid=pid) in seen.result.output
    assert "status 1\n" in seen.result.output
    assert seen.levels() == [1, 0]
    assert_nothing_left(seen)


@pytest.mark.parametrize("backend", BACKENDS)
def test_foreign_export_is_refused_and_left_alone(leds: LedBoard, backend: str) -> None:
    words = {
        "sysfs": "is already exported by somebody else; not ours, left alone",
        "cdev": "is in use by 'sysfs'; left alone",
    }
    number = leds.number(LED)
    foreign = (
        f"echo {number} > {GPIO}/export; {tender('exit', backend)}; echo status $?; "
        f"cat {GPIO}/gpio{number}/direction; echo {number} > {GPIO}/unexport"
    )
    seen = leds.watch(foreign)

    assert words[backend] in seen.result.output
    assert "status 1\nin\n" in seen.result.output
    assert list(seen.capture) == []
    assert seen.left == ""


def test_later_export_of_somebody_else_is_not_taken_for_a_stale_one(leds: LedBoard) -> None:
    """Tender and guard are killed, an administrator tidies up and uses the line."""
    number = leds.number(LED)
    script = (
        f"{started('wait', 'sysfs')}; kill -KILL $(pidof led-guard) $pid; sleep 0.2; "
        f"echo {number} > {GPIO}/unexport; echo {number} > {GPIO}/export; "
        f"{tender('exit', 'sysfs')}; echo status $?; echo {number} > {GPIO}/unexport"
    )
    seen = leds.watch(script)

    assert "is already exported by somebody else; not ours, left alone" in seen.result.output
    assert "status 1\n" in seen.result.output
    assert seen.levels() == [1, 0]
    assert_nothing_left(seen)


def test_guest_cannot_reach_a_line_that_is_not_granted(leds: LedBoard) -> None:
    seen = leds.watch(f"./tender --led:led0={LED} test_led_handle")

    assert "SUCCESS" in seen.result.output
    assert_nothing_left(seen)
