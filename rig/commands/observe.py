"""`rig observe`: what the pins of a bench do, live on the terminal."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Annotated

import typer

from rig.bench import Bench, load_bench
from rig.capture import Capture, Edge
from rig.commands.arguments import BenchFile
from rig.commands.progress import progress
from rig.commands.status import Status
from rig.errors import BenchError, ObserverError
from rig.lab.hold import Hold
from rig.observers.base import Observer
from rig.observers.opening import make_observer
from rig.session import Session
from rig.targets.base import Target
from rig.targets.opening import make_target

EVERY_S = 0.1
"""How often the terminal is brought up to date."""
MOST_LINES = 20
"""Of one line, in one update; more edges become one line of text with their number."""
MOST_HOURS = 24
"""Of a command on the target."""

Seconds = Annotated[
    float | None,
    typer.Option(min=0.1, help="End after so long; otherwise with Ctrl-C.", show_default=False),
]
Command = Annotated[
    str | None,
    typer.Option(
        "--run",
        metavar="COMMAND",
        help="Bring the target up, deploy, run this there, and end with it.",
        show_default=False,
    ),
]


def observe(bench_file: BenchFile, seconds: Seconds = None, command: Command = None) -> None:
    """Show the edges on a bench's lines as they come: time, line, level, distance, rate.

    The target is left alone, unless it is virtual and has to boot, or --run is given. The exit
    status is 0 however long it was, 3 if edges were lost, 4 if the bench broke.
    """
    if seconds and command:
        raise typer.BadParameter("--run ends with its command; leave out --seconds")
    bench = load_bench(bench_file)
    with _opened(bench, command is not None) as (target, observer):
        _tell(f"At first: {levels_now(observer, tuple(bench.lines))}. Ctrl-C ends this.")
        with Watch(observer, _tell) as watch, suppress(KeyboardInterrupt):
            if command:
                said = target.run(command, MOST_HOURS * 3600)
                _tell(f"{said.output.rstrip()}\nIts exit status is {said.status}.")
            else:
                watch.wait(seconds)
        capture = watch.capture()
    _tell(summary(capture, tuple(bench.lines)))
    if not capture.is_complete:
        raise typer.Exit(Status.INCONCLUSIVE)


@contextmanager
def _opened(bench: Bench, deploys: bool) -> Iterator[tuple[Target, Observer]]:
    """The observer, connected; the target is up if it is virtual or to be deployed to."""
    with ExitStack() as open_things:
        with progress(f"observe: bench {bench.name}: connecting"):
            if deploys:
                session = Session.open(bench)
                open_things.callback(session.close)
                target, observer = session.target, session.observer
            else:
                hold = Hold.of(bench)
                open_things.callback(hold.close)
                target = make_target(hold.bench)
                open_things.callback(target.close)
                observer = make_observer(hold.bench, target)
                open_things.callback(observer.close)
                if bench.target.kind == "virtual-pi":
                    target.open({})
                observer.connect()
        yield target, observer


def levels_now(observer: Observer, lines: Sequence[str]) -> str:
    """The levels of those lines that the observer sees, in words."""
    observer.arm()
    levels = observer.stop().initial_levels
    return ", ".join(f"{line} {levels[line]}" for line in lines if line in levels)


class Watch:
    """A capture whose edges are told while it goes on, by a thread of its own."""

    def __init__(self, observer: Observer, tell: Callable[[str], None]) -> None:
        """`tell` gets text for people, in that thread."""
        self._observer = observer
        self._tell = tell
        self._over = threading.Event()
        self._failed: BenchError | None = None
        self._shown = 0
        self._last: dict[str, Edge] = {}
        self._start_ns: int | None = None
        self._capture: Capture | None = None
        self._thread = threading.Thread(target=self._follow, name="observe", daemon=True)

    def __enter__(self) -> "Watch":
        self._observer.arm()
        if now := self._observer.now():
            self._start_ns = now.time_ns
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._capture = self._observer.stop()
        self._show(list(self._capture)[self._shown :])

    def wait(self, seconds: float | None) -> None:
        """Until the time is over, or the observer fails; forever without `seconds`."""
        self._over.wait(seconds)

    def capture(self) -> Capture:
        """What was seen. Raises the `BenchError` that ended the watching, if one did."""
        if self._failed or self._capture is None:
            raise self._failed or ObserverError("nothing was captured")
        return self._capture

    def _follow(self) -> None:
        while not self._over.wait(EVERY_S):
            try:
                self._show(self._observer.peek(self._shown))
            except BenchError as error:
                self._failed = error
                self._over.set()

    def _show(self, edges: list[Edge]) -> None:
        self._shown += len(edges)
        if edges and self._start_ns is None:
            self._start_ns = edges[0].time_ns
        for text in lines_of(edges, self._start_ns or 0, self._last):
            self._tell(text)


def lines_of(edges: list[Edge], start_ns: int, last: dict[str, Edge]) -> Iterator[str]:
    """The text for each edge, or for each line that has too many; keeps `last` up to date."""
    of_line: dict[str, list[Edge]] = {}
    for edge in edges:
        of_line.setdefault(edge.line, []).append(edge)
    for edge in edges:
        mine = of_line[edge.line]
        if len(mine) <= MOST_LINES:
            yield _text(edge, start_ns, last.get(edge.line))
        elif edge is mine[-1]:
            yield _many(mine, start_ns)
        last[edge.line] = edge


def _text(edge: Edge, start_ns: int, before: Edge | None) -> str:
    text = f"{(edge.time_ns - start_ns) / 1e9:12.6f} s  {edge.line:<10} {edge.level}"
    if before is None or edge.time_ns <= before.time_ns:
        return text
    distance_ns = edge.time_ns - before.time_ns
    return f"{text}  after {distance_ns / 1e6:.3f} ms ({1e9 / distance_ns:.4g} edges/s)"


def _many(edges: list[Edge], start_ns: int) -> str:
    first, end = edges[0], edges[-1]
    took_ns = max(1, end.time_ns - first.time_ns)
    return (
        f"{(end.time_ns - start_ns) / 1e9:12.6f} s  {end.line:<10} {end.level}  after "
        f"{len(edges)} edges in {took_ns / 1e6:.3f} ms "
        f"({(len(edges) - 1) * 1e9 / took_ns:.4g} edges/s)"
    )


def summary(capture: Capture, named: Sequence[str]) -> str:
    """What each line did in all; those without a name in the bench file only if they moved."""
    seconds = max(1, capture.end_ns - capture.start_ns) / 1e9
    rows = [f"{seconds:.3f} s, {len(capture.edges)} edges"]
    for line in capture.lines:
        edges = capture.of_line(line)
        if not len(edges) and line not in named:
            continue
        level = int(edges["level"][-1]) if len(edges) else capture.initial_levels[line]
        rows.append(
            f"  {line:<10} {len(edges):>6} edges, {len(edges) / seconds:.4g}/s, now {level}"
        )
    if not capture.is_complete:
        rows.append(f"  edges were lost: {capture.lost}, overrun: {capture.overrun}")
    return "\n".join(rows)


def _tell(text: str) -> None:
    """At once, also into a pipe."""
    print(text, flush=True)
