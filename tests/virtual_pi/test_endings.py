"""However guest or tender end, the LED goes off and the line is given back.

Every ending happens while the LED is on, with both backends, on a board where
somebody else has exported another line. The promise is 100 ms from the tender's
death; an emulated board on a busy host gets `ROOM` times that.
"""

import pytest

from tests.virtual_pi.leds import GPIO, LED, LedBoard, Seen, assert_nothing_left

PROMISE_NS = 100_000_000
ROOM = 5
BACKENDS = ("sysfs", "cdev")
ON = "the LED is on"
GUARD_MOST_KIB = 64
"""Resident: some pages. A program with a C library has hundreds."""


def tender(ending: str, backend: str, options: str = "") -> str:
    return f"./tender --led-backend={backend} {options} --led:led0={LED} test_led_endings {ending}"


def started(ending: str, backend: str, options: str = "", before: str = "") -> str:
    """Shell: start a tender in the background as $pid, and wait until its LED is on."""
    return (
        f"{before} {tender(ending, backend, options)} > /tmp/out 2>&1 & pid=$!; n=0; "
        f"until grep -q '{ON}' /tmp/out || [ $n -ge 3000 ]; do usleep 10000; n=$((n+1)); done"
    )


def ended(*commands: str) -> str:
    """Shell: raise the marker, run the commands, and tell how $pid ended."""
    return "; ".join((*commands, "wait $pid; echo status $?; sleep 1; cat /tmp/out"))


def assert_switched_off_and_released(seen: Seen) -> None:
    """It was driven off, and only then became an input."""
    assert seen.levels() == [1, 0]
    assert seen.modes() == ["out", "in"]
    assert seen.edges()[1][0] < seen.released_ns()
    assert_nothing_left(seen)


def assert_in_time(seen: Seen, record: pytest.FixtureRequest) -> None:
    late_ns = seen.released_ns() - seen.marked_ns()
    record.node.user_properties.append(("released_ms", late_ns / 1e6))
    print(f"{record.node.name}: released {late_ns / 1e6:.1f} ms after the shell's mark")
    assert late_ns <= ROOM * PROMISE_NS


ENDED_BY_GUEST = {
    "exit": 0,
    "failure": 7,
    "abort": 255,
    "trap": 255,
    "stack": 255,
    "hypercall": 1,
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("ending", "status"), ENDED_BY_GUEST.items())
def test_guest_that_ends_has_its_line_back_before_the_tender_is_gone(
    leds: LedBoard, ending: str, status: int, backend: str
) -> None:
    seen = leds.watch(f"{tender(ending, backend)}; echo status $?; {leds.mark(1)}; {leds.mark(0)}")

    assert f"status {status}\n" in seen.result.output
    assert_switched_off_and_released(seen)
    assert seen.released_ns() < seen.marked_ns()


@pytest.mark.parametrize("backend", BACKENDS)
def test_console_that_is_gone_ends_the_tender_and_frees_the_line(
    leds: LedBoard, backend: str
) -> None:
    command = f"({tender('print', backend)}; echo status $? > /tmp/status) | head -n 5"
    seen = leds.watch(f"{command}; {leds.mark(1)}; cat /tmp/status; {leds.mark(0)}")

    assert "status 141\n" in seen.result.output
    assert_switched_off_and_released(seen)
    assert seen.released_ns() < seen.marked_ns()


# What ends the tender from outside, and the status that a shell sees.
KILLS = {
    "INT": ("kill -INT $pid", 1),
    "TERM": ("kill -TERM $pid", 1),
    "HUP": ("kill -HUP $pid", 1),
    "QUIT": ("kill -QUIT $pid", 1),
    "KILL": ("kill -KILL $pid", 137),
    "SEGV": ("kill -SEGV $pid", 139),
    "KILL its group": ("kill -KILL -$pid", 137),
    "KILL all of its name": ("killall -KILL tender", 137),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("kill", "status"), KILLS.values(), ids=KILLS)
def test_tender_that_is_killed_has_its_line_freed_in_time(
    leds: LedBoard,
    request: pytest.FixtureRequest,
    kill: str,
    status: int,
    backend: str,
) -> None:
    script = f"{started('wait', backend, before='setsid')}; "
    seen = leds.watch(script + ended(leds.mark(1), kill) + f"; {leds.mark(0)}")

    assert f"status {status}\n" in seen.result.output
    assert_switched_off_and_released(seen)
    assert_in_time(seen, request)


@pytest.mark.parametrize("kill", ["TERM", "KILL"])
def test_tender_whose_guest_never_leaves_the_processor_is_no_different(
    leds: LedBoard, request: pytest.FixtureRequest, kill: str
) -> None:
    script = f"{started('spin', 'sysfs')}; "
    seen = leds.watch(script + ended(leds.mark(1), f"kill -{kill} $pid") + f"; {leds.mark(0)}")

    assert_switched_off_and_released(seen)
    assert_in_time(seen, request)


def test_session_that_hangs_up_frees_the_line(
    leds: LedBoard, request: pytest.FixtureRequest
) -> None:
    """As when an SSH connection breaks: the whole session is hung up, then killed."""
    script = f"{started('wait', 'sysfs', before='setsid')}; "
    kills = "kill -HUP -$pid; kill -KILL -$pid"
    seen = leds.watch(script + ended(leds.mark(1), kills) + f"; {leds.mark(0)}")

    assert_switched_off_and_released(seen)
    assert_in_time(seen, request)


@pytest.mark.parametrize("backend", BACKENDS)
def test_tender_that_runs_out_of_memory_has_its_line_freed_in_time(
    leds: LedBoard, request: pytest.FixtureRequest, backend: str
) -> None:
    """The guest grows beyond what a control group allows; the kernel kills the tender."""
    group = "/tmp/cgroup/small"
    leds.shell(
        "mkdir -p /tmp/cgroup; mount -t cgroup2 none /tmp/cgroup; "
        "echo +memory > /tmp/cgroup/cgroup.subtree_control; "
        f"mkdir -p {group}; echo 24M > {group}/memory.max; echo 1 > {group}/memory.oom.group"
    )
    run = f"echo $$ > {group}/cgroup.procs; exec {tender('grow', backend)}"
    seen = leds.watch(
        f'(sh -c "{run.replace("$", chr(92) + "$")}"; echo status $?; {leds.mark(1)}); '
        f"sleep 1; {leds.mark(0)}; rmdir {group}; umount /tmp/cgroup"
    )

    assert "status 137\n" in seen.result.output
    assert_switched_off_and_released(seen)
    assert_in_time(seen, request)


def test_line_that_is_not_given_back_is_caught(leds: LedBoard) -> None:
    seen = leds.watch(tender("exit", "sysfs").replace("./tender", "./defective"))

    assert seen.levels() == [1, 0]
    with pytest.raises(AssertionError):
        assert_nothing_left(seen)


def test_active_low_led_ends_high(leds: LedBoard) -> None:
    """Its off level is high; only the release takes that away."""
    script = f"{started('wait', 'sysfs', '--led-active-low:led0')}; "
    seen = leds.watch(script + ended("kill -KILL $pid"))

    assert seen.levels() == [1, 0, 1, 0]
    assert seen.edges()[2][0] < seen.edges()[3][0] == seen.released_ns()
    assert_nothing_left(seen)


def test_three_leds_of_a_killed_tender_are_all_given_back(leds: LedBoard) -> None:
    options = "--led:led0=25 --led:led1=24 --led:led2=23 --led-initial:led2=on"
    seen = leds.watch(f"timeout -s KILL 0.5 ./tender {options} test_led_several; sleep 1")

    for line in ("led", "gpio24", "gpio23"):
        assert seen.modes(line) == ["out", "in"]
    assert_nothing_left(seen, "led", "gpio24", "gpio23")


def test_guard_is_a_small_program_of_its_own(leds: LedBoard) -> None:
    """By which nobody finds it who means the tender, and which is never in the way."""
    look = "cd /proc/$(pidof led-guard); readlink exe; cat comm; grep ^Rss: smaps_rollup"
    seen = leds.watch(f"{started('wait', 'sysfs')}; {look}; {ended('kill -TERM $pid')}")

    exe, name, resident = seen.result.output.splitlines()[:3]
    assert (exe, name) == ("/memfd:led-guard (deleted)", "led-guard")
    assert int(resident.split()[1]) <= GUARD_MOST_KIB
    assert_nothing_left(seen)


# ---- The guard is hit, too --------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
def test_tender_whose_guard_was_killed_gives_the_line_back_itself(
    leds: LedBoard, backend: str
) -> None:
    script = f"{started('wait', backend)}; "
    seen = leds.watch(script + ended("kill -KILL $(pidof led-guard); sleep 0.2; kill -TERM $pid"))

    assert "status 1\n" in seen.result.output
    assert_switched_off_and_released(seen)


def test_guard_that_was_stopped_is_not_waited_for_and_does_no_harm_later(leds: LedBoard) -> None:
    """When it goes on, the line has long been given back, and is somebody else's."""
    export = f"echo {leds.number(LED)} > {GPIO}/export"
    later = f"guard=$(pidof led-guard); {export}; kill -CONT $guard; sleep 0.5; ls -1 {GPIO}"
    script = f"{started('wait', 'sysfs')}; kill -STOP $(pidof led-guard); kill -TERM $pid; "
    seen = leds.watch(f"{script} {ended()}; {later}; {export.replace('export', 'unexport')}")

    assert "status 1\n" in seen.result.output
    assert f"gpio{leds.number(LED)}\n" in seen.result.output
    assert_switched_off_and_released(seen)


def test_both_killed_leave_an_export_that_the_next_tender_takes_over(leds: LedBoard) -> None:
    script = f"{started('wait', 'sysfs')}; kill -KILL $(pidof led-guard) $pid; sleep 0.2; "
    script += f"ls -1 {GPIO}; {tender('exit', 'sysfs')}; echo status $?"
    seen = leds.watch(script)

    assert f"gpio{leds.number(LED)}\n" in seen.result.output
    assert f"GPIO 25 (sysfs {leds.number(LED)}): taking over what tender" in seen.result.output
    assert "status 0\n" in seen.result.output
    assert seen.levels() == [1, 0, 1, 0]
    assert_nothing_left(seen)


def test_both_killed_have_their_line_freed_by_the_kernel_with_cdev(leds: LedBoard) -> None:
    script = f"{started('wait', 'cdev')}; kill -KILL $(pidof led-guard) $pid; "
    seen = leds.watch(f"{script} {ended()}")

    assert seen.modes() == ["out", "in"]
    assert_nothing_left(seen)
