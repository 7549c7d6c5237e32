"""A second Pi that watches the target's pins with gpiozero.

The watching is done by an agent (`rig.observers.agent`), one small program, whether it runs
beside the rig or on another board. What differs is only how it is started and spoken with:

- `local`: the rig runs on the second Pi, and the agent is its child;
- `pigpio`: the agent is a child, too, and gpiozero reaches a distant pigpiod through it;
- over SSH or a serial console: the rig puts the agent on the second Pi and starts it there.

An edge has the time that its pin factory gave it: the kernel's or pigpiod's, never the time
at which Python got to know of it.
"""

import contextlib
import hashlib
import select
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rig.capture import (
    EDGE_DTYPE,
    Capture,
    Clock,
    ClockKind,
    Edge,
    Instant,
    edge_array,
    named_edges,
    proven_lost,
)
from rig.errors import ObserverError, TargetError
from rig.observers import agent
from rig.targets.base import Target
from rig.targets.shell import Shell, Talk

AGENT = Path(agent.__file__)
"""The one file that runs on the second Pi."""

HELLO_TIMEOUT_S = 120
"""gpiozero takes seconds to import on a Pi, longer on an emulated one."""
SILENCE_S = 6.0
"""An order is repeated after so long without a word, and given up after `MOST_ATTEMPTS`."""
MOST_ATTEMPTS = 3
BEAT_S = 5.0
"""Well below the time after which the agent takes the rig for gone."""
_LAST_WORDS = 8


@dataclass(frozen=True)
class Budget:
    """What the instrument's data say about its clock; its kind and step the agent tells."""

    accuracy_ppm: float
    latency_ns: int


class AgentLink:
    """The conversation with one agent; what is not understood is kept for error messages."""

    def __init__(self, talk: Talk) -> None:
        """The agent has been started. Ends it in `close`."""
        self._talk = talk
        self._changed = threading.Condition()
        self._answers: dict[int, dict[str, Any]] = {}
        self._failed = ""
        self._heard_s = time.monotonic()
        self._written_s = self._heard_s
        self._number = 0
        self._others: list[str] = []
        self.edges: dict[int, tuple[int, int, int]] = {}
        """Number in the capture -> (time in ns, line, level)."""
        self.hello: dict[str, Any] = {}
        self._closing = False
        self._reader = threading.Thread(target=self._read, name="agent", daemon=True)
        self._reader.start()

    def wait_for_hello(self) -> dict[str, Any]:
        """What the agent says about itself once it holds its lines. Raises `ObserverError`."""
        with self._changed:
            self._changed.wait_for(lambda: self.hello or self._failed, HELLO_TIMEOUT_S)
        if not self.hello:
            silence = f"it did not start within {HELLO_TIMEOUT_S} s"
            raise ObserverError(self._complaint(self._failed or silence))
        return self.hello

    def ask(self, order: str) -> dict[str, Any]:
        """Give one order and wait for its answer, as long as anything is heard at all.

        Raises `ObserverError` if the agent refuses, fails or falls silent.
        """
        self._number += 1
        for _ in range(MOST_ATTEMPTS):
            self._write(self._number, {"do": order})
            if answer := self._wait_for_answer(self._number):
                if "error" in answer:
                    raise ObserverError(self._complaint(answer["error"]))
                return answer
        silent_s = MOST_ATTEMPTS * SILENCE_S
        raise ObserverError(self._complaint(f"no answer to {order!r} within {silent_s:g} s"))

    def close(self) -> None:
        """Tell the agent to give its lines back, and end it; safe to call at any time."""
        if self._closing:
            return
        if not self._failed:
            with contextlib.suppress(ObserverError):
                self._write(0, {"do": "bye"})
            with self._changed:
                self._changed.wait_for(lambda: self._failed, timeout=3)
        self._closing = True
        self._reader.join(timeout=10)
        self._talk.close()

    def _wait_for_answer(self, number: int) -> dict[str, Any] | None:
        began_s = time.monotonic()
        with self._changed:
            while number not in self._answers:
                left_s = max(self._heard_s, began_s) + SILENCE_S - time.monotonic()
                if self._failed:
                    raise ObserverError(self._complaint(self._failed))
                if left_s <= 0:
                    return None
                self._changed.wait(left_s)
            return self._answers.pop(number)

    def arrived(self) -> list[tuple[int, int, int]]:
        """The edges so far. Raises `ObserverError` if the agent is gone."""
        with self._changed:
            if self._failed:
                raise ObserverError(self._complaint(self._failed))
            return [self.edges[number] for number in sorted(self.edges)]

    def _write(self, number: int, message: dict[str, Any]) -> None:
        with self._changed:
            self._written_s = time.monotonic()
            try:
                self._talk.write(agent.frame(number, message))
            except (TargetError, OSError) as error:
                self._failed = self._failed or str(error)
                raise ObserverError(self._complaint(self._failed)) from error

    def _read(self) -> None:
        rest = b""
        while not self._closing:
            try:
                *lines, rest = (rest + self._talk.read(timeout_s=0.5)).split(b"\n")
                if time.monotonic() - self._written_s > BEAT_S:
                    self._write(0, {"do": "beat"})
            except (TargetError, ObserverError, OSError) as error:
                self._fail(str(error))
                return
            for line in lines:
                self._take(line)

    def _take(self, line: bytes) -> None:
        understood = agent.unframe(line)
        with self._changed:
            if understood is None:
                self._others = [*self._others, line.decode(errors="replace").strip()]
                self._others = [text for text in self._others if text][-_LAST_WORDS:]
                return
            self._heard_s = time.monotonic()
            self._sort(*understood)
            self._changed.notify_all()

    def _sort(self, number: int, message: dict[str, Any]) -> None:
        if number:
            self._answers[number] = message
        elif "edges" in message:
            first = message["first"]
            self.edges.update(enumerate(map(tuple, message["edges"]), first))
        elif "hello" in message:
            self.hello = message["hello"]
        else:
            self._failed = self._failed or message["error"]

    def _fail(self, why: str) -> None:
        with self._changed:
            self._failed = self._failed or why
            self._changed.notify_all()

    def _complaint(self, problem: str) -> str:
        said = "".join(f"\n    | {line}" for line in self._others)
        return f"gpiozero's agent on the second Pi: {problem}" + (
            f"; it said:{said}" if said else ""
        )


class GpiozeroObserver:
    """The observer of a second Pi, whichever way its agent is reached."""

    def __init__(
        self,
        start: Callable[[list[str]], Talk],
        wiring: Mapping[str, int],
        budget: Budget,
        pull: str = "floating",
    ) -> None:
        """`start` starts the agent with these arguments; `wiring`: line -> its GPIO there."""
        self._start_agent = start
        self._wiring = dict(wiring)
        self._budget = budget
        self._pull = pull
        self._link: AgentLink | None = None
        self._clock: Clock | None = None
        self._started: dict[str, Any] | None = None

    def connect(self) -> None:
        """Start the agent and let it claim its lines."""
        lines = ",".join(map(str, self._wiring.values()))
        try:
            self._link = AgentLink(self._start_agent(["--lines", lines, "--pull", self._pull]))
        except TargetError as error:
            raise ObserverError(f"the second Pi: {error}") from error
        hello = self._link.wait_for_hello()
        self._clock = Clock(
            ClockKind(hello["clock"]),
            hello["resolution_ns"],
            self._budget.accuracy_ppm,
            self._budget.latency_ns,
        )

    def arm(self) -> None:
        """Start a capture while the lines hold still; takes their levels."""
        link = self._connected()
        link.edges.clear()
        self._started = link.ask("arm")

    def now(self) -> Instant:
        """The agent's clock: it was read some time between the question and the answer."""
        asked_ns = time.monotonic_ns()
        told_ns = int(self._connected().ask("now")["now_ns"])
        half_ns = (time.monotonic_ns() - asked_ns + 1) // 2
        return Instant(told_ns + half_ns, half_ns)

    def peek(self, after: int = 0) -> list[Edge]:
        """What the agent has sent so far."""
        if self._started is None:
            raise ObserverError("the observer was not armed")
        levels = [int(self._started["levels"][str(line)]) for line in self._wiring.values()]
        edges = _in_order(self._connected().arrived(), list(self._wiring.values()), levels)
        return named_edges(edges[after:], tuple(self._wiring))

    def stop(self) -> Capture:
        """End the capture, when all edges that happened in it are here or known to be lost."""
        if self._started is None or self._clock is None:
            raise ObserverError("the observer was not armed")
        started, self._started = self._started, None
        stopped = self._connected().ask("stop")
        return seal(self._connected().edges, self._wiring, self._clock, started, stopped)

    def functions(self) -> dict[str, str]:
        """Nothing: a pin that only listens does not see which way the other one is set."""
        return {}

    def close(self) -> None:
        """End the agent, which gives its lines back."""
        if self._link:
            self._link.close()
            self._link = None

    def _connected(self) -> AgentLink:
        if self._link is None:
            raise ObserverError("the observer is not connected")
        return self._link


def seal(
    numbered: Mapping[int, tuple[int, int, int]],
    wiring: Mapping[str, int],
    clock: Clock,
    started: Mapping[str, Any],
    stopped: Mapping[str, Any],
) -> Capture:
    """A capture of what the agent has sent, with what is known to be missing.

    Missing are: what the kernel counted and lgpio did not deliver, what was damaged on the
    way here, and an edge between two equal levels in a row, the level at the end included.
    """
    names = tuple(wiring)
    levels = {name: int(started["levels"][str(wiring[name])]) for name in names}
    initial = [levels[name] for name in names]
    at_end = [stopped["levels"][str(wiring[name])] for name in names] if stopped["levels"] else []
    edges = _in_order([numbered[n] for n in sorted(numbered)], list(wiring.values()), initial)
    happened = stopped["happened"] or stopped["seen"]
    absent = sum(max(happened[n], stopped["seen"][n]) for n in stopped["seen"]) - len(numbered)
    lost = max(absent, proven_lost(edges, initial), _wrong_at_end(edges, initial, at_end))
    return Capture(
        lines=names,
        edges=edges[edges["time_ns"] <= stopped["end_ns"]],
        initial_levels=levels,
        start_ns=started["start_ns"],
        end_ns=stopped["end_ns"],
        clock=clock,
        lost=lost,
        overrun=bool(stopped["overrun"]),
    )


def _in_order(
    edges: list[tuple[int, int, int]], lines: list[int], initial: list[int]
) -> NDArray[np.void]:
    """Sorted by time; the number of an edge skips the one that must be missing before it."""
    levels, numbers, rows = list(initial), [0] * len(lines), []
    for time_ns, line, level in sorted(edges, key=lambda edge: edge[0]):
        index = lines.index(line)
        numbers[index] += level == levels[index]
        rows.append((time_ns, index, level, numbers[index]))
        numbers[index] += 1
        levels[index] = level
    return edge_array(rows) if rows else np.empty(0, EDGE_DTYPE)


def _wrong_at_end(edges: NDArray[np.void], initial: list[int], at_end: list[int]) -> int:
    """How many lines have another level than their last edge left; none if `at_end` is empty."""
    last = list(initial)
    for _, line, level, _ in edges.tolist():
        last[line] = level
    return sum(a != b for a, b in zip(last, at_end, strict=False))


def agent_on(board: Target) -> Callable[[list[str]], Talk]:
    """What starts an agent on a board that is logged in to: over SSH or a serial console.

    The board is opened for it, the agent is sent there, and neither stays when it is closed.
    """

    def start(arguments: list[str]) -> Talk:
        board.open({})
        try:
            digest = hashlib.sha256(AGENT.read_bytes()).hexdigest()
            path = f"/tmp/rig-agent-{digest[:12]}.py"
            board.put(AGENT, path)
            return BoardTalk(board, path, talk_to_agent(board.shell, path, arguments))
        except BaseException:
            board.close()
            raise

    return start


def talk_to_agent(shell: Shell, path: str, arguments: list[str]) -> Talk:
    """Start the agent that lies at `path` of a board; its end is told by the board's shell."""
    ended = agent.frame(0, {"error": "it has ended"}).decode().strip()
    words = shlex.join(["python3", path, *arguments])
    return shell.talk(f"{words}; echo {shlex.quote(ended)}")


class BoardTalk:
    """An agent on a board of its own; see `rig.targets.shell.Talk`."""

    def __init__(self, board: Target, path: str, talk: Talk) -> None:
        """`path` is where the agent lies there."""
        self._board = board
        self._path = path
        self._talk = talk
        self.write = talk.write
        self.read = talk.read

    def close(self) -> None:
        """End the agent, remove it and let go of the board."""
        self._talk.close()
        with contextlib.suppress(TargetError):
            self._board.run(f"rm -f {self._path}")
        self._board.close()


class ChildTalk:
    """An agent that runs beside the rig; see `rig.targets.shell.Talk`."""

    def __init__(self, arguments: list[str]) -> None:
        """Starts it; it ends with its input, so also with the rig."""
        self._process = subprocess.Popen(
            # -P: gpiozero is not the module of that name which lies beside the agent.
            [sys.executable, "-P", str(AGENT), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
        )

    def write(self, data: bytes) -> None:
        """To its standard input."""
        assert self._process.stdin  # because of PIPE
        self._process.stdin.write(data)

    def read(self, timeout_s: float) -> bytes:
        """What it has written; raises `TargetError` when it has ended."""
        assert self._process.stdout  # because of PIPE
        ready, _, _ = select.select([self._process.stdout], [], [], timeout_s)
        data = self._process.stdout.read(1 << 16) if ready else b""
        if ready and not data:
            raise TargetError(f"it ended with status {self._process.wait(timeout=10)}")
        return data or b""

    def close(self) -> None:
        """End it for sure."""
        assert self._process.stdin  # because of PIPE
        assert self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=10)
