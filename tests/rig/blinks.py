"""Blinks of an LED as an observer might see them: good ones, and one defect each.

A `Scene` is what happened on the pins and can be spoiled; `capture()` makes of it
what an observer would deliver. Each function below `good` plants one defect.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import itemgetter

from rig.capture import Capture, Clock, ClockKind, Heartbeat, Instant, ModeChange, Stall, edge_array
from rig.verdict import Expectation

MS = 1_000_000
START_NS = 1_700_000_000 * 10**9
LINES = ("gpio3", "led", "gpio4")
STEADY = Heartbeat(beats=1000, worst_ns=2 * MS)
CLOCK = Clock(ClockKind.EMULATOR, resolution_ns=1000, accuracy_ppm=0.0, latency_ns=299_000)
STARTED = Instant(START_NS + 10 * MS, uncertainty_ns=0)
UNCERTAINTY_NS = 300_000
"""Of every interval by `CLOCK`."""
DARK_BEFORE_RELEASE_NS = 100_000
"""As seen on the virtual Pi, where the tender writes 0 and then unexports."""

TEN_BLINKS = Expectation(
    line="led",
    cycles=10,
    on_ns=200 * MS,
    off_ns=300 * MS,
    hold_ns=300 * MS,
    tolerance_ns=5 * MS,
)
ENDS_ON = TEN_BLINKS.model_copy(update={"final_level": 1})


@dataclass
class Scene:
    """What happened on the pins: per line its levels in time, as (time_ns, level)."""

    moves: dict[str, list[tuple[int, int]]]
    modes: list[ModeChange]
    end_ns: int
    start_ns: int = START_NS
    initial_levels: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LINES, 0))
    initial_modes: dict[str, str] = field(default_factory=lambda: dict.fromkeys(LINES, "in"))
    clock: Clock = CLOCK
    lost: int = 0
    overrun: bool = False
    heartbeat: Heartbeat | None = STEADY
    commanded: Instant | None = STARTED
    outlasts_run: bool = True
    keeps_order: bool = False
    """Leave the edges as they are, even if their times go back."""

    @property
    def led(self) -> list[tuple[int, int]]:
        """The levels of the LED's line."""
        return self.moves["led"]

    @led.setter
    def led(self, moves: list[tuple[int, int]]) -> None:
        self.moves["led"] = moves

    def capture(self) -> Capture:
        """What an observer that misses nothing makes of it."""
        rows = [
            (time_ns, LINES.index(line), level, seqno)
            for line, moves in self.moves.items()
            for seqno, (time_ns, level) in enumerate(moves)
        ]
        return Capture(
            lines=LINES,
            edges=edge_array(rows if self.keeps_order else sorted(rows, key=itemgetter(0))),
            initial_levels=self.initial_levels,
            start_ns=self.start_ns,
            end_ns=self.end_ns,
            clock=self.clock,
            lost=self.lost,
            overrun=self.overrun,
            initial_modes=self.initial_modes,
            modes=tuple(self.modes),
            heartbeat=self.heartbeat,
            commanded=self.commanded,
            outlasts_run=self.outlasts_run,
        )


Defect = Callable[[Scene], None]


def good(expected: Expectation = TEN_BLINKS, jitter_ns: int = 0, seed: int = 0) -> Scene:
    """A run as expected, each edge late by 0 to `jitter_ns`.

    A line that ends on is switched off just before it is released, as the tender does.
    """
    late = random.Random(seed)
    first_ns, period_ns = START_NS + 100 * MS, expected.on_ns + expected.off_ns
    due = [first_ns + n // 2 * period_ns + n % 2 * expected.on_ns for n in range(_driven(expected))]
    led = [(time_ns + late.randint(0, jitter_ns), 1 - n % 2) for n, time_ns in enumerate(due)]
    released_ns = led[-1][0] + expected.hold_ns + 20 * MS
    if expected.final_level:
        led.append((released_ns - DARK_BEFORE_RELEASE_NS, 0))
    modes = [
        ModeChange(first_ns - 40 * MS, "led", "out"),
        ModeChange(released_ns, "led", "in"),
    ]
    return Scene({"led": led, "gpio3": [], "gpio4": []}, modes, released_ns + 50 * MS)


def _driven(expected: Expectation) -> int:
    return 2 * expected.cycles + expected.final_level


def records(scene: Scene | None = None, count: int = 20, called_ns: int = 50_000) -> list[str]:
    """What a guest prints that has switched the LED as in this scene, hypercall by hypercall.

    Its clock started at 1 s when the scene did; an edge comes in the middle of its hypercall.
    """
    moves = (scene or good()).led[:count]
    begun = [(time_ns - START_NS + 1000 * MS - called_ns // 2, level) for time_ns, level in moves]
    return [
        f"led,{n},{level},{at_ns},{at_ns},{at_ns + called_ns}\n"
        for n, (at_ns, level) in enumerate(begun)
    ]


def stuck_high(scene: Scene) -> None:
    """It goes on once and never off again."""
    scene.led = scene.led[:1]


def stuck_high_from_before(scene: Scene) -> None:
    """It was on before the run and stays so."""
    scene.led, scene.initial_levels["led"] = [], 1


def stuck_low(scene: Scene) -> None:
    """It never moves."""
    scene.led = []


def frozen_after_four_cycles(scene: Scene) -> None:
    """It blinks well, then no more."""
    scene.led = scene.led[:8]


def one_off_skipped(scene: Scene) -> None:
    """Twice on in a row without an off between: a pair of edges is not there."""
    del scene.led[5:7]


def glitch(scene: Scene) -> None:
    """A short extra pulse in the middle of the third off-time."""
    at_ns = scene.led[5][0] + 100 * MS
    scene.led[6:6] = [(at_ns, 1), (at_ns + 2 * MS, 0)]


def glitch_within_one_stamp(scene: Scene) -> None:
    """An extra pulse so short that both its edges have one stamp."""
    at_ns = scene.led[5][0] + 100 * MS
    scene.led[6:6] = [(at_ns, 1), (at_ns, 0)]


def on_and_off_swapped(scene: Scene) -> None:
    """On for the off-time and off for the on-time."""
    duty_shifted(scene, by_ns=100 * MS)
    move_release(scene, scene.led[-1][0] + 320 * MS)


def duty_shifted(scene: Scene, by_ns: int = 20 * MS) -> None:
    """On too long, off too short, the period right."""
    scene.led = [(t if level else t + by_ns, level) for t, level in scene.led]


def slow(scene: Scene) -> None:
    """Everything takes 5 % longer."""
    first_ns = scene.led[0][0]
    scene.led = [(first_ns + (t - first_ns) * 105 // 100, level) for t, level in scene.led]
    move_release(scene, scene.led[-1][0] + 320 * MS)


def one_on_time_long(scene: Scene, by_ns: int = 10 * MS) -> None:
    """The fourth on-time and nothing else: the next edge is on time again."""
    scene.led[7] = (scene.led[7][0] + by_ns, 0)


def inverted(scene: Scene) -> None:
    """Every level is the other one."""
    scene.led = [(t, 1 - level) for t, level in scene.led]
    scene.initial_levels["led"] = 1


def on_another_line(scene: Scene) -> None:
    """The right blink on the wrong pin."""
    scene.moves["gpio4"], scene.led = scene.led, []
    scene.modes = [ModeChange(c.time_ns, "gpio4", c.mode) for c in scene.modes]


def cut_off(scene: Scene) -> None:
    """The capture ends in the seventh on-time, and nobody knows whether the run did."""
    scene.led = scene.led[:13]
    scene.end_ns = scene.led[-1][0] + 10 * MS
    scene.modes.pop()
    scene.outlasts_run = False


def ended_on(scene: Scene) -> None:
    """It goes on once more at the end, and off only by its release."""
    last_ns, released_ns = scene.led[-1][0], scene.modes[-1].time_ns + 500 * MS
    scene.led += [(last_ns + 300 * MS, 1), (released_ns - DARK_BEFORE_RELEASE_NS, 0)]
    move_release(scene, released_ns)


def ended_off(scene: Scene) -> None:
    """The last switch on, after the cycles, does not come."""
    scene.led = scene.led[:-2]


def never_dark(scene: Scene) -> None:
    """The line ends on as it should, and stays on when it is released."""
    scene.led = scene.led[:-1]


def held_for_80_ms(scene: Scene) -> None:
    """The last level is right, but the line is let go too early."""
    ends_on = scene.modes[-1].time_ns - scene.led[-1][0] == DARK_BEFORE_RELEASE_NS
    if ends_on:
        dark_ns = scene.led[-2][0] + 80 * MS
        scene.led[-1] = (dark_ns, 0)
        move_release(scene, dark_ns + DARK_BEFORE_RELEASE_NS)
    else:
        move_release(scene, scene.led[-1][0] + 80 * MS)


def dark_by_the_release_itself(scene: Scene) -> None:
    """No defect: a line that ends on is not switched off first, it goes dark as it is let go."""
    scene.led[-1] = (scene.modes[-1].time_ns, 0)


def never_released(scene: Scene) -> None:
    """The line stays an output."""
    scene.modes.pop()


def released_twice(scene: Scene) -> None:
    """The line is taken and released once more after the run."""
    after_ns = scene.modes[-1].time_ns
    scene.modes += [
        ModeChange(after_ns + 10 * MS, "led", "out"),
        ModeChange(after_ns + 20 * MS, "led", "in"),
    ]


def driven_after_the_blink(scene: Scene) -> None:
    """The line blinks while it is an input: the target does not drive it."""
    last_ns = scene.led[-1][0]
    scene.modes[0] = ModeChange(last_ns + 10 * MS, "led", "out")


def another_line_moved(scene: Scene) -> None:
    """Somebody else's pin pulses once."""
    scene.moves["gpio3"] = [(START_NS + 700 * MS, 1), (START_NS + 750 * MS, 0)]


def another_direction_changed(scene: Scene) -> None:
    """Somebody else's pin becomes an output, without a move."""
    scene.modes.insert(1, ModeChange(START_NS + 700 * MS, "gpio3", "out"))


def blind(scene: Scene) -> None:
    """No defect: an observer that sees levels, not directions."""
    scene.modes, scene.initial_modes = [], {}


def stalled(scene: Scene) -> None:
    """The rig's host did not run for 250 ms, and twice for a little less."""
    stalls = (
        Stall(START_NS + 700 * MS, 40 * MS, "starved"),
        Stall(START_NS + 900 * MS, 250 * MS, "heartbeat"),
        Stall(START_NS + 950 * MS, 50 * MS, "heartbeat"),
    )
    scene.heartbeat = Heartbeat(beats=1000, worst_ns=250 * MS, stalls=stalls)


def move_release(scene: Scene, released_ns: int) -> None:
    """Let go of the line then, and end the capture a little later."""
    scene.modes[-1] = ModeChange(released_ns, "led", "in")
    scene.end_ns = released_ns + 50 * MS
