"""The corpus: every way in which a blink can be broken, by how much, and what must come of it.

A `Waveform` spoils a good scene by a magnitude. 0 is good; up to `limit - guard` it must
pass, beyond `limit + guard` it must be `worst`, and between the two nobody can tell. Limit
and guard are worked out here by hand from the expectation and the observer's budget
(`blinks.UNCERTAINTY_NS` for every interval), not taken from the judge.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from blinks import (
    ENDS_ON,
    MS,
    START_NS,
    STARTED,
    TEN_BLINKS,
    UNCERTAINTY_NS,
    Scene,
    another_direction_changed,
    another_line_moved,
    blind,
    driven_after_the_blink,
    ended_off,
    ended_on,
    good,
    inverted,
    move_release,
    never_dark,
    never_released,
    on_and_off_swapped,
    on_another_line,
    released_twice,
    stuck_high_from_before,
)

from rig.capture import ModeChange, Qualification, Stall
from rig.errors import EvidenceError
from rig.expectation import Expectation
from rig.verdict import Kind, Outcome, Verdict, judge

REFUSED = "refused"
"""Instead of an outcome: no such capture can be made, so it can never pass."""
RANKS = (Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.FAIL, REFUSED)

Spoil = Callable[[Scene, int], None]


@dataclass(frozen=True)
class Waveform:
    """One defect over all its magnitudes, from 0 to `most`."""

    name: str
    spoil: Spoil
    kind: Kind
    """The finding that must tell it."""
    unit: str = "ms"
    limit: int = 0
    guard: int = 0
    slack: int = 0
    """How far rounding may move the two places where the outcome changes."""
    most: int = 1
    worst: str = Outcome.FAIL
    fields: dict[str, Any] = field(default_factory=dict)
    """Of the expectation."""
    expected: Expectation = TEN_BLINKS

    @property
    def expectation(self) -> Expectation:
        """What the line is held against."""
        return Expectation.model_validate({**self.expected.model_dump(), **self.fields})

    def scene(self, magnitude: int) -> Scene:
        """What happened on the pins."""
        scene = good(self.expected)
        if magnitude:
            self.spoil(scene, magnitude)
        return scene

    def verdict(self, magnitude: int) -> Verdict | None:
        """What the judge says; None if the capture is refused."""
        try:
            return judge(self.scene(magnitude).capture(), self.expectation)
        except EvidenceError:
            return None

    def outcome(self, magnitude: int) -> str:
        """One of `RANKS`."""
        verdict = self.verdict(magnitude)
        return REFUSED if verdict is None else verdict.outcome

    def due(self, magnitude: int) -> set[str]:
        """What the outcome may be: one, but where rounding has a say."""
        low, high = self.limit - self.guard, self.limit + self.guard
        allowed = set()
        if magnitude <= low + self.slack:
            allowed.add(str(Outcome.PASS))
        if low - self.slack < magnitude <= high + self.slack:
            allowed.add(str(Outcome.INCONCLUSIVE))
        if magnitude > high - self.slack:
            allowed.add(str(self.worst))
        return allowed if magnitude else {str(Outcome.PASS)}

    def first(self, outcome: str) -> int | None:
        """The smallest magnitude that is at least as bad, by halving; None if there is none."""
        rank = RANKS.index(outcome)
        low, high = 0, self.most
        if RANKS.index(self.outcome(high)) < rank:
            return None
        while high - low > 1:
            middle = (low + high) // 2
            if RANKS.index(self.outcome(middle)) < rank:
                low = middle
            else:
                high = middle
        return high

    def amount(self, magnitude: int) -> str:
        """For people, in `unit`."""
        per_unit = {"ms": MS, "ppm": 1000}.get(self.unit, 1)
        return f"{Decimal(magnitude) / per_unit:f}"

    def words(self, magnitude: int) -> str:
        """As what the defect is found."""
        verdict = self.verdict(magnitude)
        if verdict is None:
            return "no such capture"
        kinds = verdict.failing_kinds() or {self.kind}
        return ", ".join(f"`{kind}`" for kind in Kind if kind in kinds)

    def magnitudes(self) -> list[int]:
        """From far below the limit to far above, and close to where the outcome changes."""
        low, high = self.limit - self.guard, self.limit + self.guard
        spread = [self.limit // 100, self.limit // 10, self.limit // 2, self.limit]
        spread += [self.limit * factor for factor in (2, 5, 10, 50)]
        spread += [self.most * n // 12 for n in range(13)]
        spread += [n + off for n in (low, high) for off in (-self.slack, 0, 1, self.slack + 1)]
        return sorted({n for n in spread if 0 <= n <= self.most})


# What one does to a scene.


def _shift(scene: Scene, by_ns: list[int]) -> None:
    """Each edge of the LED by so much; what follows the last goes with it."""
    scene.led = [(t + by, level) for (t, level), by in zip(scene.led, by_ns, strict=True)]
    move_release(scene, scene.modes[-1].time_ns + by_ns[-1])


def _cycles(by_ns: Callable[[int, int], int]) -> Spoil:
    """Every edge of cycle n, by magnitude and n."""
    return lambda scene, m: _shift(scene, [by_ns(m, n // 2) for n in range(20)])


def _edges(weights: dict[int, int]) -> Spoil:
    """These edges and no others, by so many magnitudes."""
    return lambda scene, m: _shift(scene, [m * weights.get(n, 0) for n in range(20)])


def _from(edge: int) -> Spoil:
    return lambda scene, m: _shift(scene, [m if n >= edge else 0 for n in range(20)])


def _once(spoil: Callable[[Scene], None]) -> Spoil:
    """It is so or not."""
    return lambda scene, _: spoil(scene)


def _scaled(scene: Scene, ppb: int) -> None:
    """The target's clock is off, so everything after the first edge is."""
    first_ns = scene.led[0][0]
    _shift(scene, [(t - first_ns) * ppb // 10**9 for t, _ in scene.led])


def _pulses(at_ns: int, width_ns: int, gap_ns: int) -> Spoil:
    """So many extra pulses from `at_ns` after the start of the scene."""

    def spoil(scene: Scene, count: int) -> None:
        begin_ns = START_NS + at_ns
        before = [move for move in scene.led if move[0] < begin_ns]
        level = before[-1][1] if before else 0
        extra = []
        for n in range(count):
            time_ns = begin_ns + n * (width_ns + gap_ns)
            extra += [(time_ns, 1 - level), (time_ns + width_ns, level)]
        scene.led = sorted([*scene.led, *extra])

    return spoil


def _pulse_of(at_ns: int) -> Spoil:
    """One extra pulse as long as the magnitude."""
    return lambda scene, m: _pulses(at_ns, m, 0)(scene, 1)


def _bounce(scene: Scene, count: int) -> None:
    """The sixth edge goes forth and back before it settles, a millisecond each."""
    time_ns, level = scene.led[5]
    extra = [(time_ns + (n + 1) * MS, level ^ (n % 2 == 0)) for n in range(2 * count)]
    scene.led[6:6] = extra


def _without(edges: Callable[[int], slice]) -> Spoil:
    def spoil(scene: Scene, m: int) -> None:
        del scene.led[edges(m)]

    return spoil


def _more_cycles(scene: Scene, count: int, pause_ns: int = 300 * MS) -> None:
    for _ in range(count):
        at_ns = scene.led[-1][0] + pause_ns
        scene.led += [(at_ns, 1), (at_ns + 200 * MS, 0)]
    move_release(scene, scene.led[-1][0] + 320 * MS)


def _one_more_cycle(scene: Scene, seconds: int) -> None:
    _more_cycles(scene, 1, seconds * 1000 * MS)


def _power_of_two(exponent: int) -> Spoil:
    """Every time doubled, or halved, so many times."""

    def spoil(scene: Scene, m: int) -> None:
        first_ns, factor = scene.led[0][0], 2.0 ** (exponent * m)
        scene.led = [(first_ns + int((t - first_ns) * factor), level) for t, level in scene.led]
        move_release(scene, scene.led[-1][0] + 320 * MS)

    return spoil


def _held_shorter(scene: Scene, m: int) -> None:
    move_release(scene, scene.led[-1][0] + 300 * MS - m)


def _on_shorter(scene: Scene, m: int) -> None:
    """As it ends on: it goes dark too early, and is let go then."""
    dark_ns = scene.led[-2][0] + 300 * MS - m
    scene.led[-1] = (dark_ns, 0)
    move_release(scene, dark_ns)


def _stuck_after_a_glitch(scene: Scene) -> None:
    _pulses(1400 * MS, MS, 0)(scene, 1)
    scene.led = scene.led[:8]


def _let_go_and_goes_on(scene: Scene) -> None:
    """The line is released in the middle, and somebody else goes on blinking."""
    scene.modes[-1] = ModeChange(scene.led[9][0] + MS, "led", "in")


def _foreign_pulses(scene: Scene, count: int) -> None:
    scene.moves["gpio3"] = [(START_NS + (700 + n) * MS, 1 - n % 2) for n in range(2 * count)]


def _foreign_edge(at_ns: Callable[[Scene], int]) -> Callable[[Scene], None]:
    def spoil(scene: Scene) -> None:
        scene.moves["gpio4"] = [(at_ns(scene), 1)]

    return spoil


def _recorded(scene: Scene) -> None:
    """As any tool records: no directions, and no run that the tool knows of."""
    blind(scene)
    scene.commanded, scene.outlasts_run = None, False


def _cut(scene: Scene, m: int) -> None:
    """The recording ends earlier."""
    _recorded(scene)
    scene.end_ns -= m
    scene.led = [move for move in scene.led if move[0] <= scene.end_ns]


def _begun_late(scene: Scene, m: int) -> None:
    """The capture begins after the command, and with it what it knows of the pins."""
    blind(scene)
    scene.start_ns = STARTED.time_ns + m
    missed = [move for move in scene.led if move[0] < scene.start_ns]
    scene.led = scene.led[len(missed) :]
    scene.initial_levels["led"] = missed[-1][1] if missed else 0


def _empty(scene: Scene) -> None:
    _recorded(scene)
    scene.led, scene.end_ns = [], scene.start_ns


def _lossy(scene: Scene, count: int) -> None:
    scene.lost = count


def _overrun(scene: Scene) -> None:
    scene.overrun = True


def _stalled(scene: Scene, count: int) -> None:
    stalls = tuple(Stall(START_NS + n * MS, 130 * MS, "heartbeat") for n in range(count))
    scene.heartbeat = scene.heartbeat and replace(scene.heartbeat, stalls=stalls)


def _heart_stopped(scene: Scene) -> None:
    scene.heartbeat = scene.heartbeat and replace(scene.heartbeat, beats=0)


def _aged(scene: Scene, days: int) -> None:
    qualification = Qualification("2026-01-02", float(days), limit_days=365.0)
    scene.clock = replace(scene.clock, qualification=qualification)


def _coarser(scene: Scene, latency_ns: int) -> None:
    """The observer's stamps may be as late as the magnitude; nothing else is wrong."""
    scene.clock = replace(scene.clock, latency_ns=latency_ns)


def _unsteady_rate(scene: Scene, ppb: int) -> None:
    """The observer's clock may be off as far as the magnitude; nothing else is wrong."""
    scene.clock = replace(scene.clock, accuracy_ppm=ppb / 1000)


def _same_stamp(scene: Scene, count: int) -> None:
    """So many edges have the stamp of the one before."""
    for n in range(1, 2 * count, 2):
        scene.led[n] = (scene.led[n - 1][0], scene.led[n][1])


def _record_twice(scene: Scene, count: int) -> None:
    for _ in range(count):
        scene.led.insert(4, scene.led[4])


def _backwards(scene: Scene, m: int) -> None:
    scene.keeps_order = True
    scene.led[6] = (scene.led[5][0] - m, scene.led[6][1])


THUE_MORSE = {n: n.bit_count() % 2 for n in range(20)}
"""Zeros and ones without a rhythm; the first two are 0 and 1."""
WALK = (0, 1, 2, 1, 2, 3, 4, 3, 4, 5)
DRIFT_18 = 5 * MS + 450_000
"""What drift is allowed at the last rise: the tolerance, and 100 ppm of 4500 ms."""

TOLERANCE: dict[str, Any] = {"limit": 5 * MS, "guard": UNCERTAINTY_NS}

GRADED = (
    Waveform("one on-time long", _edges({7: 1}), Kind.ON_TIME, most=290 * MS, **TOLERANCE),
    Waveform(
        "one on-time short: a runt", _edges({7: -1}), Kind.ON_TIME, most=199 * MS, **TOLERANCE
    ),
    Waveform("first on-time long", _edges({1: 1}), Kind.ON_TIME, most=290 * MS, **TOLERANCE),
    Waveform("last on-time short", _edges({19: -1}), Kind.ON_TIME, most=199 * MS, **TOLERANCE),
    Waveform("one off-time long", _edges({8: 1}), Kind.OFF_TIME, most=190 * MS, **TOLERANCE),
    Waveform("one off-time short", _edges({8: -1}), Kind.OFF_TIME, most=290 * MS, **TOLERANCE),
    Waveform("phase jump", _from(10), Kind.PERIOD, most=10_000 * MS, **TOLERANCE),
    Waveform(
        "one period long, the next as much shorter",
        _edges({8: 1, 9: 1}),
        Kind.PERIOD,
        most=290 * MS,
        **TOLERANCE,
    ),
    Waveform(
        "duty shifted",
        _edges(dict.fromkeys(range(1, 20, 2), 1)),
        Kind.ON_TIME,
        most=290 * MS,
        **TOLERANCE,
    ),
    # 0.5 points of 500 ms; ten on-times of which each may be off by 300 us, in 4499.7 ms,
    # are 668 millionths with rounding, so 334 us.
    Waveform(
        "duty shifted within the tolerance",
        _edges(dict.fromkeys(range(1, 20, 2), 1)),
        Kind.DUTY,
        limit=2_500_000,
        guard=334_000,
        slack=500,
        most=290 * MS,
        fields={"duty_percent": 0.5},
    ),
    Waveform("random jitter", _edges(THUE_MORSE), Kind.ON_TIME, most=190 * MS, **TOLERANCE),
    Waveform(
        "random jitter within the tolerance",
        _edges(THUE_MORSE),
        Kind.JITTER,
        limit=1_500_000,
        guard=UNCERTAINTY_NS,
        most=190 * MS,
        fields={"jitter_ns": 3 * MS},
    ),
    Waveform(
        "every other on-time long",
        _edges(dict.fromkeys(range(1, 20, 4), 1)),
        Kind.JITTER,
        limit=3 * MS,
        guard=2 * UNCERTAINTY_NS,
        most=290 * MS,
        fields={"jitter_ns": 3 * MS},
    ),
    Waveform(
        "three of ten on-times long",
        _edges({5: 1, 11: 1, 17: 1}),
        Kind.ON_TIME,
        limit=2 * MS,
        guard=UNCERTAINTY_NS,
        most=290 * MS,
        fields={"percentiles_ns": {"p75": 2 * MS}},
    ),
    Waveform(
        "slow drift",
        _cycles(lambda m, n: m * n // 9),
        Kind.DRIFT,
        limit=DRIFT_18,
        guard=UNCERTAINTY_NS,
        slack=1,
        most=2000 * MS,
    ),
    Waveform(
        "slow drift the other way",
        _cycles(lambda m, n: -m * n // 9),
        Kind.DRIFT,
        limit=DRIFT_18,
        guard=UNCERTAINTY_NS,
        slack=1,
        most=900 * MS,
    ),
    Waveform(
        "exponential drift",
        _cycles(lambda m, n: m * (2**n - 1) // 511),
        Kind.DRIFT,
        limit=DRIFT_18,
        guard=UNCERTAINTY_NS,
        slack=1,
        most=2000 * MS,
    ),
    # Five periods are longer, and add up.
    Waveform(
        "step in the period",
        _cycles(lambda m, n: m * max(0, n - 4)),
        Kind.DRIFT,
        limit=DRIFT_18 // 5,
        guard=UNCERTAINTY_NS // 5,
        slack=1,
        most=100 * MS,
    ),
    # Its peak is 2500 ms into the schedule.
    Waveform(
        "wander there and back",
        _cycles(lambda m, n: m * min(n, 10 - n) // 5),
        Kind.DRIFT,
        limit=5_250_000,
        guard=UNCERTAINTY_NS,
        slack=1,
        most=500 * MS,
    ),
    Waveform(
        "random walk",
        _cycles(lambda m, n: m * WALK[n] // 5),
        Kind.DRIFT,
        limit=DRIFT_18,
        guard=UNCERTAINTY_NS,
        slack=1,
        most=500 * MS,
    ),
    # The second one 3000 ms into the schedule.
    Waveform(
        "two small phase jumps of one sign",
        _cycles(lambda m, n: 0 if n < 3 else m // 2 if n < 6 else m),
        Kind.DRIFT,
        limit=5_300_000,
        guard=UNCERTAINTY_NS,
        slack=1,
        most=500 * MS,
    ),
    # The last edge is due after 4700 ms: 5.47 ms of that, and 0.3 ms.
    Waveform(
        "target's clock slow",
        _scaled,
        Kind.DRIFT,
        unit="ppm",
        limit=1_163_830,
        guard=63_830,
        slack=2,
        most=10**8,
    ),
    Waveform(
        "target's clock fast",
        lambda scene, m: _scaled(scene, -m),
        Kind.DRIFT,
        unit="ppm",
        limit=1_163_830,
        guard=63_830,
        slack=2,
        most=10**8,
    ),
    Waveform(
        "last level held too short", _held_shorter, Kind.HOLD_TIME, most=300 * MS, **TOLERANCE
    ),
    Waveform(
        "last on held too short",
        _on_shorter,
        Kind.HOLD_TIME,
        expected=ENDS_ON,
        most=270 * MS,
        **TOLERANCE,
    ),
    # It begins 90 ms after the command.
    Waveform(
        "start late",
        _from(0),
        Kind.START_LATENCY,
        limit=410 * MS,
        guard=UNCERTAINTY_NS,
        most=100_000 * MS,
        fields={"start_latency_ns": 500 * MS},
    ),
)
"""Defects with a limit that somebody chose."""

COUNTED = (
    Waveform("glitch, so wide", _pulse_of(1400 * MS), Kind.GLITCH, most=190 * MS),
    Waveform("dropout, so wide", _pulse_of(1150 * MS), Kind.GLITCH, most=140 * MS),
    Waveform("glitches", _pulses(1320 * MS, MS, MS), Kind.GLITCH, "pulses", most=100),
    Waveform("bounces of one edge", _bounce, Kind.GLITCH, "bounces", most=50),
    Waveform(
        "burst before the first edge", _pulses(61 * MS, MS, MS), Kind.GLITCH, "pulses", most=19
    ),
    Waveform(
        "chatter while the last level is held",
        _pulses(4850 * MS, MS, MS),
        Kind.GLITCH,
        "pulses",
        most=100,
    ),
    Waveform("double pulse", _pulses(1350 * MS, 100 * MS, 0), Kind.COUNT, "pulses"),
    Waveform("stuck after a glitch", _once(_stuck_after_a_glitch), Kind.FREEZE, ""),
    Waveform(
        "frozen: so many edges missing at the end",
        _without(lambda m: slice(20 - m, None)),
        Kind.COUNT,
        "edges",
        most=20,
    ),
    Waveform(
        "cycles missing at the start",
        _without(lambda m: slice(0, 2 * m)),
        Kind.COUNT,
        "cycles",
        most=10,
    ),
    Waveform(
        "offs missing in the middle",
        _without(lambda m: slice(5, 5 + 2 * m)),
        Kind.COUNT,
        "edges",
        most=7,
    ),
    Waveform(
        "cycles missing in the middle",
        _without(lambda m: slice(4, 4 + 2 * m)),
        Kind.COUNT,
        "cycles",
        most=8,
    ),
    Waveform("cycles too many", _more_cycles, Kind.COUNT, "cycles", most=20),
    Waveform("one cycle too many, so much later", _one_more_cycle, Kind.COUNT, "s", most=60),
    Waveform("stuck high", _without(lambda _: slice(1, None)), Kind.FREEZE, ""),
    Waveform("stuck high from before", _once(stuck_high_from_before), Kind.INITIAL_LEVEL, ""),
    Waveform("stuck low", _without(lambda _: slice(None)), Kind.COUNT, ""),
    Waveform("inverted", _once(inverted), Kind.INITIAL_LEVEL, ""),
    Waveform("on and off swapped", _once(on_and_off_swapped), Kind.ON_TIME, ""),
    Waveform("frequency halved, so often", _power_of_two(1), Kind.PERIOD, "times", most=10),
    Waveform("frequency doubled, so often", _power_of_two(-1), Kind.PERIOD, "times", most=10),
    Waveform("ended on, not off", _once(ended_on), Kind.FINAL_LEVEL, ""),
    Waveform("ended off, not on", _once(ended_off), Kind.FINAL_LEVEL, "", expected=ENDS_ON),
    Waveform("left on for good", _once(never_dark), Kind.RELEASE, "", expected=ENDS_ON),
    Waveform("edges with the stamp of the one before", _same_stamp, Kind.GLITCH, "edges", most=10),
    Waveform("on another line", _once(on_another_line), Kind.FOREIGN, ""),
    Waveform("another line pulses", _foreign_pulses, Kind.FOREIGN, "pulses", most=100),
    Waveform(
        "another line moves as the capture begins",
        _once(_foreign_edge(lambda s: s.start_ns)),
        Kind.FOREIGN,
        "",
    ),
    Waveform(
        "another line moves as the capture ends",
        _once(_foreign_edge(lambda s: s.end_ns)),
        Kind.FOREIGN,
        "",
    ),
    Waveform("another line pulses once", _once(another_line_moved), Kind.FOREIGN, ""),
    Waveform("another line becomes an output", _once(another_direction_changed), Kind.FOREIGN, ""),
    Waveform("never released", _once(never_released), Kind.RELEASE, ""),
    Waveform("released twice", _once(released_twice), Kind.RELEASE, ""),
    Waveform("driven only after the blink", _once(driven_after_the_blink), Kind.RELEASE, ""),
    Waveform("released in the middle, and goes on", _once(_let_go_and_goes_on), Kind.RELEASE, ""),
)
"""Defects of which the least is too much."""

OPEN = Outcome.INCONCLUSIVE
UNTOLD = (
    # It ends 370 ms after the last edge; 295 ms of hold are enough.
    Waveform(
        "recording cut off, so much before its end",
        _cut,
        Kind.HOLD_TIME,
        limit=75 * MS,
        guard=UNCERTAINTY_NS,
        most=5000 * MS,
        worst=OPEN,
    ),
    Waveform("capture begun late", _begun_late, Kind.INCOMPLETE, most=5000 * MS, worst=OPEN),
    Waveform("empty recording", _once(_empty), Kind.INCOMPLETE, "", worst=OPEN),
    Waveform("edges lost, and admitted", _lossy, Kind.INCOMPLETE, "edges", most=20, worst=OPEN),
    Waveform("overrun", _once(_overrun), Kind.INCOMPLETE, "", worst=OPEN),
    Waveform("stalls of the bench", _stalled, Kind.STALL, "stalls", most=20, worst=OPEN),
    Waveform("no heartbeat", _once(_heart_stopped), Kind.STALL, "", worst=OPEN),
    Waveform(
        "qualification old", _aged, Kind.QUALIFICATION, "days", limit=365, most=10_000, worst=OPEN
    ),
    # A step of 1 us is the rest of the 5 ms.
    Waveform(
        "stamps late by up to", _coarser, Kind.ON_TIME, limit=4_999_000, most=1000 * MS, worst=OPEN
    ),
    # (5.47 - 0.3) ms in (4700 + 5.47) ms: a slow clock shows less than the truth.
    Waveform(
        "observer's clock off by up to",
        _unsteady_rate,
        Kind.DRIFT,
        "ppm",
        limit=1_098_720,
        slack=10,
        most=10**8,
        worst=OPEN,
    ),
)
"""What is wrong with the observation, not with the LED: it can cost a PASS, and is no FAIL."""

IMPOSSIBLE = (
    Waveform("time goes back", _backwards, Kind.INCOMPLETE, most=1000 * MS, worst=REFUSED),
    Waveform(
        "one record, several times", _record_twice, Kind.INCOMPLETE, "times", most=10, worst=REFUSED
    ),
    Waveform(
        "edges lost, and not admitted",
        _without(lambda m: slice(3, 3 + 2 * m - 1)),
        Kind.INCOMPLETE,
        "edges",
        most=8,
        worst=REFUSED,
    ),
)
"""No such capture can be made or read."""

CORPUS = (*GRADED, *COUNTED, *UNTOLD, *IMPOSSIBLE)


def table() -> str:
    """The corpus as a table: where each defect is caught, and where it should be."""
    head = "| defect | in | limit | PASS up to | INCONCLUSIVE from | FAIL from | found as |"
    rows = [" | ".join(_row(waveform)) for waveform in CORPUS]
    return (
        "\n".join([head, "|---|---|---|---|---|---|---|", *(f"| {row} |" for row in rows)]) + "\n"
    )


def _row(waveform: Waveform) -> tuple[str, ...]:
    first_open, first_worst = (waveform.first(outcome) for outcome in (OPEN, waveform.worst))
    assert first_open is not None
    assert first_worst is not None
    amount, is_graded = waveform.amount, waveform.limit > 0
    limit = f"{amount(waveform.limit)} ± {amount(waveform.guard)}" if is_graded else "none"
    return (
        waveform.name,
        waveform.unit or "is so",
        limit if waveform.guard else amount(waveform.limit) if is_graded else "0",
        amount(first_open - 1),
        "" if waveform.worst != OPEN and first_open == first_worst else amount(first_open),
        {OPEN: "never"}.get(waveform.worst, amount(first_worst)),
        waveform.words(first_worst),
    )
