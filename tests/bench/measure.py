# SPDX-License-Identifier: ISC
"""The measurements: each runs programs of tender/bench on a host and returns figures."""

import re
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from rig.errors import ObserverError
from tests.bench.figure import Figure
from tests.bench.hosts import BUILD, LINE, Host, Pi, command
from tests.bench.samples import certain, median, ratio

START_MOST = 2.0
LED_SET_MOST = {"x86_64": 1.25, "virtual Pi": 1.5}
REOPENS_LEAST = 2.0
MEMORY_MOST_KIB = 1536
SIZE_MOST_KIB = 800
NS_PER_US = 1000
TURN_TIMEOUT_S = 180
"""A turn takes some seconds; on a host with much else to do, one of 18 s was seen."""

Advance = Callable[[], None]
"""Called after each turn, for the progress bar."""


@dataclass(frozen=True)
class Runs:
    """How often each thing is done, and whom to tell."""

    count: int
    advance: Advance = field(default=lambda: None)

    def __iter__(self) -> Iterator[int]:
        for turn in range(self.count):
            yield turn
            self.advance()


@dataclass(frozen=True)
class Turn:
    """One run of one command of a race."""

    command: int
    started_ns: int
    """CLOCK_MONOTONIC of the host."""
    elapsed_ns: int

    @property
    def ended_ns(self) -> int:
        """The same clock."""
        return self.started_ns + self.elapsed_ns


def parse_race(output: str) -> list[Turn]:
    """What bench/race.c printed, whatever else is there."""
    found = re.findall(r"^(\d),(\d+),(\d+)$", output, re.MULTILINE)
    return [Turn(*map(int, fields)) for fields in found]


def parse_calls(output: str) -> dict[str, float]:
    """Median ns per call of each hypercall, as bench_guest's `calls` printed them."""
    batches: dict[str, list[int]] = {}
    for name, ns in re.findall(r"^([a-z_ ]+),(\d+)$", output, re.MULTILINE):
        batches.setdefault(name, []).append(int(ns))
    return {name: statistics.median(values) for name, values in batches.items()}


def parse_stamps(output: str) -> dict[str, int]:
    """When bench/stamps.c was where, in ns."""
    found = re.findall(r"stamp,([^,]+),(\d+)$", output, re.MULTILINE)
    return {name: int(ns) for name, ns in found}


def race(host: Host, *commands: str, marker: str = "") -> str:
    """The command line of one turn for each of `commands`; their output goes to out.0, ..."""
    first = command(host.program("race"), 1, "out", marker)
    return " ".join(("rm -f out.*;", first, *(f"-- {words}" for words in commands)))


def start_to_exit(host: Host, runs: Runs) -> list[Figure]:
    """Figure 1: a hello guest against the least that a program can do with KVM."""
    hello = ("test_hello.hvt", "Hello_Solo5")
    commands = (
        command(host.program("solo5-hvt"), host.program(hello[0]), hello[1]),
        host.program("minimal_kvm"),
        command(host.program("solo5-hvt-stamps"), host.program(hello[0]), hello[1]),
    )
    times_us: tuple[list[float], ...] = ([], [], [])
    spans = Spans()
    for _ in runs:
        output = host.run(f"{race(host, *commands)} && cat out.2", TURN_TIMEOUT_S)
        for turn in parse_race(output):
            times_us[turn.command].append(turn.elapsed_ns / NS_PER_US)
        spans.add(output)
    tender, minimal, _ = times_us
    what = "start to exit, "
    return [
        Figure(1, host.name, f"{what}tender with a hello guest", "us", median(tender)),
        Figure(1, host.name, f"{what}minimal KVM program", "us", median(minimal)),
        Figure(
            *(1, host.name, "tender over minimal KVM program", "x", ratio(tender, minimal)),
            at_most=START_MOST,
        ),
        Figure(
            *(1, host.name, "the same without the guest's own instructions", "x"),
            ratio(spans.without_guest(), minimal),
        ),
        *spans.figures(1, host),
    ]


@dataclass
class Spans:
    """Where the time of a tender with stamps goes, which is command 2 of its race."""

    us: dict[str, list[float]] = field(default_factory=dict)

    def add(self, output: str) -> None:
        """One turn: what the race printed, and after it what the tender did."""
        turn = next(turn for turn in parse_race(output) if turn.command == 2)
        before = turn.started_ns
        stamps = parse_stamps(output) | {"message and kernel's end": turn.ended_ns}
        for name, ns in stamps.items():
            self.us.setdefault(name, []).append((ns - before) / NS_PER_US)
            before = ns

    def without_guest(self) -> list[float]:
        """Of each turn, what is left without the guest's own instructions, in µs."""
        spans = [values for name, values in self.us.items() if not name.startswith("guest")]
        return [sum(turn) for turn in zip(*spans, strict=True)]

    def figures(self, number: int, host: Host) -> list[Figure]:
        """A row for each."""
        return [
            Figure(number, host.name, f"of it: {name}", "us", median(values))
            for name, values in self.us.items()
        ]


def guest(host: Host, tender: str, word: str) -> str:
    """The command line of a tender that gives bench_guest the LED."""
    return command(
        host.program(tender), f"--led:led0={LINE}", host.program("bench_guest.hvt"), word
    )


def hypercalls(host: Host, runs: Runs) -> list[Figure]:
    """Figures 2 and 3: what a hypercall costs, and what the paper's way adds to one."""
    commands = [guest(host, tender, "calls") for tender in (host.tender, "solo5-hvt-reopens")]
    medians: tuple[list[dict[str, float]], ...] = ([], [])
    for _ in runs:
        host.run(race(host, *commands), TURN_TIMEOUT_S)
        for number, of_tender in enumerate(medians):
            of_tender.append(parse_calls(host.run(f"cat out.{number}", TURN_TIMEOUT_S)))
    ours, papers = (_columns(of_tender) for of_tender in medians)
    return [*_led_set(host, ours), *_reopening(host, ours["led_set"], papers["led_set"])]


def _columns(rows: Sequence[dict[str, float]]) -> dict[str, list[float]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def _led_set(host: Host, ns: dict[str, list[float]]) -> list[Figure]:
    led_set = ns["led_set"]
    others = {name: values for name, values in ns.items() if name != "led_set"}
    cheapest = min(others, key=lambda name: statistics.median(others[name]))
    costs = [
        Figure(2, host.name, f"hypercall {name}", "us", median([v / NS_PER_US for v in values]))
        for name, values in ns.items()
    ]
    what = f"led_set over {cheapest}, the cheapest"
    figure = ratio(led_set, others[cheapest])
    return [*costs, Figure(2, host.name, what, "x", figure, at_most=LED_SET_MOST[host.name])]


def _reopening(host: Host, ours: list[float], papers: list[float]) -> list[Figure]:
    in_us = [value / NS_PER_US for value in papers]
    limit = REOPENS_LEAST if isinstance(host, Pi) else None  # files in memory prove nothing
    return [
        Figure(3, host.name, "led_set that opens and closes", "us", median(in_us)),
        Figure(3, host.name, "... over led_set", "x", ratio(papers, ours), at_least=limit),
    ]


def memory(host: Host, runs: Runs) -> list[Figure]:
    """Figure 4: what is resident of the tender besides the guest's memory."""
    own, helpers = [], []
    for _ in runs:
        words = guest(host, "solo5-hvt-stamps", "wait")
        output = host.run(f"{host.program('resident')} waiting.out {words}", TURN_TIMEOUT_S)
        tender_kib, children_kib, guest_kib = map(int, output.split(","))
        own.append(tender_kib - guest_kib)
        helpers.append(children_kib)
    total = median([sum(pair) for pair in zip(own, helpers, strict=True)])
    return [
        Figure(4, host.name, "resident, tender without the guest's memory", "KiB", median(own)),
        Figure(4, host.name, "resident, its helper processes", "KiB", median(helpers)),
        Figure(4, host.name, "resident, all", "KiB", total, at_most=MEMORY_MOST_KIB),
    ]


def size() -> list[Figure]:
    """Figure 5: the program that is copied to a board."""
    kib = (BUILD / "aarch64" / "solo5-hvt").stat().st_size / 1024
    what = "stripped static tender"
    return [Figure(5, "aarch64", what, "KiB", certain(kib), at_most=SIZE_MOST_KIB)]


def first_edge(pi: Pi, runs: Runs) -> list[Figure]:
    """Figure 6: on the observer's clock, from the start of a process to its first edge."""
    marker = pi.export_marker()
    commands = (
        guest(pi, pi.tender, "edge"),
        command(pi.program("native_led"), pi.number(LINE)),
        guest(pi, "solo5-hvt-stamps", "edge"),
    )
    line = race(pi, *commands, marker=marker) + " && cat out.2"
    times_us: tuple[list[float], ...] = ([], [], [])
    spans = Spans()
    for _ in runs:
        output, capture = pi.watch(line, TURN_TIMEOUT_S)
        edges = [(e.time_ns, e.line, e.level) for e in capture]
        for of_command, ns in zip(times_us, first_edges(edges), strict=True):
            of_command.append(ns / NS_PER_US)
        spans.add(output)
    return [*_edge_figures(pi, times_us[0], times_us[1]), *spans.figures(6, pi)]


def first_edges(edges: Sequence[tuple[int, str, int]]) -> list[int]:
    """For each rise of the marker, the ns until the LED rose.

    Raises `ObserverError` if it did not before the marker fell.
    """
    times: list[int] = []
    marked_ns: int | None = None
    for time_ns, line, level in edges:
        if line == "gpio27" and marked_ns is not None:
            raise ObserverError("a marked command did not switch the LED on")
        if line == "gpio27" and level:
            marked_ns = time_ns
        elif line == "led" and level and marked_ns is not None:
            times.append(time_ns - marked_ns)
            marked_ns = None
    return times


def _edge_figures(pi: Pi, tender: list[float], native: list[float]) -> list[Figure]:
    return [
        Figure(6, pi.name, "start to first edge, tender and guest", "us", median(tender)),
        Figure(6, pi.name, "start to first edge, native program", "us", median(native)),
        Figure(6, pi.name, "tender and guest over native program", "x", ratio(tender, native)),
    ]
