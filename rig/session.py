"""A bench in use: bring the target up, deploy, run and observe, leave evidence."""

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from rig.aftermath import Aftermath
from rig.bench import Bench
from rig.capture import Capture, Instant
from rig.cleanup import GpioState, is_as_before
from rig.endings import EndedRun, Ending, ending_named
from rig.errors import ImageError, RigError, TargetError
from rig.evidence import SPOILED, Evidence, EvidenceFolder, Image, Purpose, RunRecord
from rig.identity import git_commit, tool_versions
from rig.lab.hold import Hold
from rig.load import Load, loaded
from rig.observers.base import Observer
from rig.observers.opening import make_observer
from rig.observers.qualified import QualifiedObserver
from rig.packed import unpacked
from rig.qualification import path_of, read_record
from rig.targets.base import MACHINE, Target
from rig.targets.linux import find_chip, read_facts, read_gpio_state, read_leftovers
from rig.targets.opening import make_target
from rig.targets.shell import part_of
from rig.verdict import Expectation, Kind, Outcome, Verdict

DEPLOY_FOLDER = "/opt/rig"
MOST_REPEATS = 2
SETTLING_S = 5
"""What is left of a run that was ended has so long to go; it is then left behind."""
POLL_S = 0.02
SPARE_LINES = (27, 26, 24, 23, 22, 17, 16, 6, 5)
"""Of the header, those that serve no bus: to unexport a line of one would end that."""
LOAD_OUTLASTS_S = 60
PART_BYTES = 16_384
ELF_MACHINES = {"aarch64": 183, "x86_64": 62}
"""e_machine of an image that can run there (System V ABI)."""


@dataclass(frozen=True)
class Order:
    """One run: what to start on the target, and what should come of it."""

    suite: str
    test: str
    command: str
    tender: str
    """Name of the image in the bench file; so is `unikernel`."""
    unikernel: str
    expectation: Expectation | Aftermath
    timeout_s: float
    console_wanted: tuple[str, ...] = ("SUCCESS",)
    exit_wanted: int | None = 0
    purpose: Purpose = "proof"
    load: Load = Load.IDLE
    ending: str = ""
    """One of `rig.endings.ENDINGS`; empty: the command is run to its end."""
    is_packed: bool = False
    """Whether its output is sent packed, as `rig.packed` does."""

    @property
    def may_leave_more(self) -> bool:
        """Whether processes, files and the kernel's log are looked at, which takes a second."""
        return isinstance(self.expectation, Aftermath) or self.load is not Load.IDLE


@dataclass(frozen=True)
class _Observed:
    """One run as it was seen."""

    capture: Capture
    status: int | None
    console: str
    started_ns: int
    ended_ns: int
    after: GpioState
    over: Instant | None = None


@dataclass
class Session:
    """One bench, from target up to target down. Close it in every ending."""

    bench: Bench
    target: Target
    observer: Observer
    facts: dict[str, str | int] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)
    clean: GpioState | None = None
    """The target's pins before anything was run; None if the session was not opened."""
    use_qualification: bool = True
    hold: Hold | None = None
    """That the bench is nobody else's; None in a session that was not opened."""

    @classmethod
    def open(cls, bench: Bench, *, use_qualification: bool = True) -> Self:
        """Have the bench for us alone, bring the target up, identify it and deploy every image.

        `use_qualification`: the observer has the budget that `rig qualify` stored, if it did.
        Raises `BenchError` of some kind, with everything shut down and given back again.
        """
        for name in bench.images if bench.lab else ():  # known before the waiting for a place
            checked_image(bench, name)
        hold = Hold.of(bench)
        try:
            return cls._open_held(hold, use_qualification)
        except BaseException:
            hold.close()
            raise

    @classmethod
    def _open_held(cls, hold: Hold, use_qualification: bool) -> Self:
        """With a bench that is ours already, and stays ours if this fails."""
        bench = hold.bench
        record = read_record(path_of(bench), bench) if use_qualification else None
        files = {deployed_path(name): checked_image(bench, name) for name in bench.images}
        target = make_target(bench)
        observer = make_observer(bench, target)
        if record:
            days = bench.observer.qualification_max_age_days
            observer = QualifiedObserver(observer, record, days)
        session = cls(bench, target, observer, use_qualification=use_qualification, hold=hold)
        try:
            with session.held():
                target.open(files)
                session.facts = {**read_facts(target), **hold.facts}
                session.clean = read_gpio_state(target, {})
                session.images = {name: session._deploy(name) for name in bench.images}
                session.observer.connect()
        except BaseException:
            session._let_go()
            raise
        return session

    def close(self) -> None:
        """Let go of target and observer, and let others have the bench; safe at any time."""
        try:
            self._let_go()
        finally:
            if self.hold:
                self.hold.close()

    def reopened(self) -> Self:
        """The same bench, brought up again after it broke in mid-run, with its lines free.

        In between it stays ours; what a lab has taken away, it has to lend anew. Raises
        `BenchError` if it does not come up; this session is closed in any case.
        """
        try:
            with contextlib.suppress(RigError):  # a switch of a lost place does not obey
                self._let_go()
            self.hold = self.hold or Hold.of(self.bench)
            self.hold.renew()
            again = type(self)._open_held(self.hold, self.use_qualification)
        except BaseException:
            self.close()
            raise
        try:
            again.restore(self.clean or again.gpio_state())
        except BaseException:
            again.close()
            raise
        again.clean = self.clean
        return again

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """What is done meanwhile counts only if the bench was ours all the time.

        Raises `HoldError` if it was not, also in place of the `RigError` that came of it.
        """
        try:
            yield
        except RigError:
            self._must_be_held()
            raise
        self._must_be_held()

    def _must_be_held(self) -> None:
        if self.hold:
            self.hold.check()

    def _let_go(self) -> None:
        """Of target and observer; the bench stays ours."""
        try:
            self.target.close()
        finally:
            self.observer.close()

    def run(self, order: Order, folder: Path) -> tuple[Evidence, Verdict]:
        """Run once, or again if the bench itself stalled, at most twice.

        A run that is merely wrong is never repeated. Spoiled runs stay beside `folder`.
        """
        for repeats in range(MOST_REPEATS + 1):
            evidence = self._run_once(order, folder, repeats)
            verdict = evidence.judge()
            if repeats == MOST_REPEATS or not spoiled(verdict, order.purpose):
                break
            folder.rename(folder.with_name(f"{folder.name}{SPOILED}{repeats + 1}"))
            self.restore(evidence.before)  # what a planted defect has left
        return evidence, verdict

    def gpio_state(self) -> GpioState:
        """The pins now, as the target says and as the observer reads them."""
        return read_gpio_state(self.target, self.observer.functions())

    def restore(self, wanted: GpioState) -> None:
        """Unexport what is exported beyond `wanted`, so that the next run starts clean."""
        for number in self.gpio_state().exports.keys() - wanted.exports.keys():
            self.target.run(f"echo {number} > /sys/class/gpio/unexport")

    def sysfs_number(self, line: str) -> int:
        """Number of a line of this bench in the target's sysfs."""
        return find_chip(self.gpio_state()).base + self.bench.lines[line]

    def free_line(self) -> int:
        """Number in the target's sysfs of a line that nobody uses, for somebody else to export.

        Raises `TargetError` if there is none.
        """
        state, functions = self.clean or self.gpio_state(), self.observer.functions()
        base, named = find_chip(state).base, set(self.bench.lines.values())
        used = state.exports.keys() | {
            int(h.split()[0].removeprefix("gpio-")) for h in state.holders
        }
        for line in SPARE_LINES:
            is_input = functions.get(f"gpio{line}", "in") == "in"
            if line not in named and base + line not in used and is_input:
                return base + line
        raise TargetError(f"none of the lines {SPARE_LINES} is free on the target")

    def state(self) -> GpioState:
        """The pins now, and all else that a run can leave."""
        leftovers, kernel_log = read_leftovers(self.target)
        state = self.gpio_state()
        return state.model_copy(update={"leftovers": leftovers, "kernel_log": kernel_log})

    def _run_once(self, order: Order, folder: Path, repeats: int) -> Evidence:
        read = self.state if order.may_leave_more else self.gpio_state
        with EvidenceFolder(folder) as evidence:
            before = read()
            if order.ending:
                seen = self._end_early(order, ending_named(order.ending), before)
            else:
                seen = self._run_to_its_end(order, read)
            record = self._record(order, seen, repeats, before)
            return evidence.seal(record, seen.capture, seen.console, before, seen.after)

    def _run_to_its_end(self, order: Order, read: Callable[[], GpioState]) -> _Observed:
        longest_s = order.timeout_s + LOAD_OUTLASTS_S
        with loaded(self.target, order.load, longest_s), self._armed():
            commanded = self.observer.now()
            with self.held():
                result = self.target.run(order.command, order.timeout_s)
            over = self.observer.now()
            sealed = self.observer.stop()
        capture = replace(sealed, commanded=commanded, outlasts_run=True)
        times = result.started_ns, result.ended_ns
        console = unpacked(result.output) if order.is_packed else result.output
        return _Observed(capture, result.status, console, *times, read(), over)

    def _end_early(self, order: Order, ending: Ending, before: GpioState) -> _Observed:
        """Bring an ending about, and watch the line until it is at rest again."""
        carry_out = self._break_deploy if ending.breaks_deploy else self._break_run
        started_ns = time.time_ns()
        with self._armed():
            commanded = self.observer.now()
            with self.held():
                status, console, over = carry_out(order, ending)
            ended_ns = time.time_ns()
            if ending.cuts_power:
                self._wait_until_dark(order.expectation)
            else:
                after = self._settled(before)
            sealed = self.observer.stop()
        if ending.cuts_power:  # what a board does while it boots is no matter of the run's
            self.target.boot_again()
            after = self.state().model_copy(update={"kernel_log": None})  # it began anew
        capture = replace(sealed, commanded=commanded, outlasts_run=True)
        return _Observed(capture, status, console, started_ns, ended_ns, after, over)

    @contextlib.contextmanager
    def _armed(self) -> Iterator[None]:
        """A capture that whoever is inside stops; it does not outlive what breaks."""
        self.observer.arm()
        try:
            yield
        except BaseException:  # what broke first is what a person has to know
            with contextlib.suppress(RigError):
                self.observer.stop()
            raise

    def _break_run(self, order: Order, ending: Ending) -> tuple[int | None, str, Instant | None]:
        """Start a tender and end it; its exit status and console, and when it was over."""
        run = EndedRun(self.target)
        try:
            console = run.start(order.command, ending)
            run.wait(ending.patience_s)
            before = self.observer.now()
            if ending.cuts_power:
                self._cut_power()
                return None, console, _between(before, self.observer.now())
            if ending.command:
                run.end(ending.command)
                over = _between(before, self.observer.now())
                return *run.collect(), over
            return *run.collect(), self.observer.now()
        except BaseException:
            run.abandon()
            raise

    def _cut_power(self) -> None:
        power = self.target.power
        if power is None:
            raise TargetError(f"{self.bench.file}: nobody can switch the power of this target")
        power.off()

    def _break_deploy(self, order: Order, ending: Ending) -> tuple[int | None, str, Instant | None]:
        """Leave half of the tender on its way, as a rig that dies does; then deploy again."""
        source, path = self.bench.image(order.tender), deployed_path(order.tender)
        part, shell = part_of(path), self.target.shell
        shell.send(source.read_bytes()[:PART_BYTES], part)
        shell.must(f"[ -s {part} ]")
        self._deploy(order.tender)
        return ending.status, "", self.observer.now()

    def _settled(self, before: GpioState) -> GpioState:
        """The state as soon as it is as before, or after `SETTLING_S`."""
        deadline = time.monotonic() + SETTLING_S
        while True:
            after = self.state()
            if is_as_before(before, after) or time.monotonic() > deadline:
                return after

    def _wait_until_dark(self, expected: Expectation | Aftermath) -> None:
        """Until the observer has seen the line fall, or for `SETTLING_S`."""
        deadline = time.monotonic() + SETTLING_S
        while time.monotonic() < deadline:
            edges = [edge for edge in self.observer.peek() if edge.line == expected.line]
            if edges and edges[-1].level == expected.initial_level:
                return
            time.sleep(POLL_S)

    def _record(self, order: Order, seen: _Observed, repeats: int, before: GpioState) -> RunRecord:
        return RunRecord(
            suite=order.suite,
            test=order.test,
            purpose=order.purpose,
            bench=self.bench.name,
            bench_file=self.bench.file.name,
            bench_sha256=self.bench.sha256,
            target=self.facts,
            images={"tender": self.images[order.tender], "unikernel": self.images[order.unikernel]},
            command=order.command,
            sysfs_number=find_chip(before).base + self.bench.lines[order.expectation.line],
            expectation=order.expectation,
            load=order.load,
            ending=order.ending,
            over=seen.over,
            console_wanted=order.console_wanted,
            exit_wanted=order.exit_wanted,
            exit_status=seen.status,
            started_ns=seen.started_ns,
            ended_ns=seen.ended_ns,
            git_commit=git_commit(),
            tools={**tool_versions(), **self.target.versions()},
            repeats=repeats,
        )

    def _deploy(self, name: str) -> Image:
        """Make sure that the target has this image, bit by bit."""
        source, path = self.bench.image(name), deployed_path(name)
        wanted = sha256_of(source)
        started_ns = time.monotonic_ns()
        self.target.put(source, path)
        found = self.target.sha256(path)
        if found != wanted:
            raise TargetError(f"{path} on the target has SHA-256 {found}, {source} has {wanted}")
        deploy_ns = time.monotonic_ns() - started_ns
        relative = str(self.bench.images[name])
        return Image(path=path, source=relative, sha256=wanted, deploy_ns=deploy_ns)


def _between(first: Instant | None, last: Instant | None) -> Instant | None:
    """A moment between two that are known."""
    if first is None or last is None:
        return None
    low_ns = first.time_ns - first.uncertainty_ns
    high_ns = last.time_ns + last.uncertainty_ns
    middle_ns = (low_ns + high_ns) // 2
    return Instant(middle_ns, high_ns - middle_ns)


def deployed_path(image: str) -> str:
    """Where an image lies on the target."""
    return f"{DEPLOY_FOLDER}/{image}"


def spoiled(verdict: Verdict, purpose: Purpose = "proof") -> bool:
    """Whether a stalled bench is all that keeps a run from a verdict.

    A planted defect must be seen in everything that it breaks, so there it is enough that the
    stall left one of these open.
    """
    if not verdict.of_kind(Kind.STALL):
        return False
    if purpose == "proof":
        return verdict.outcome is Outcome.INCONCLUSIVE
    open_kinds = {f.kind for f in verdict.findings if f.outcome is Outcome.INCONCLUSIVE}
    return open_kinds != {Kind.STALL}


def checked_image(bench: Bench, name: str) -> Path:
    """An image that exists and is for the target's machine. Raises `ImageError`."""
    path = bench.image(name)
    where = f"{bench.file}: images.{name}: {path}"
    try:
        header = path.read_bytes()[:20]
    except OSError as error:
        raise ImageError(f"{where}: {error.strerror}; `make tender` builds the images") from error
    if header[:4] != b"\x7fELF" or len(header) < 20:
        raise ImageError(f"{where}: not an ELF file")
    found = int.from_bytes(header[18:20], "little")
    if found != ELF_MACHINES[MACHINE]:
        names = {number: name for name, number in ELF_MACHINES.items()}
        built_for = names.get(found, f"machine {found}")
        raise ImageError(f"{where}: built for {built_for}, the target is {MACHINE}")
    return path


def sha256_of(path: Path) -> str:
    """Of a file here, as `Target.sha256` gives it of one there."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
