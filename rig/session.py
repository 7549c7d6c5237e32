"""A bench in use: bring the target up, deploy, run and observe, leave evidence."""

import contextlib
import hashlib
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Self

from rig.bench import Bench
from rig.cleanup import GpioState
from rig.errors import ImageError, RigError, TargetError
from rig.evidence import SPOILED, Evidence, EvidenceFolder, Image, RunRecord
from rig.identity import git_commit, tool_versions
from rig.observers.base import Observer
from rig.observers.opening import make_observer
from rig.observers.qualified import QualifiedObserver
from rig.qualification import path_of, read_record
from rig.targets.base import MACHINE, Target
from rig.targets.linux import find_chip, read_facts, read_gpio_state
from rig.targets.opening import make_target
from rig.targets.shell import Result
from rig.verdict import Expectation, Kind, Outcome, Verdict

DEPLOY_FOLDER = "/opt/rig"
MOST_REPEATS = 2
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
    expectation: Expectation
    timeout_s: float
    console_wanted: tuple[str, ...] = ("SUCCESS",)
    exit_wanted: int = 0
    purpose: Literal["proof", "defect"] = "proof"


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

    @classmethod
    def open(cls, bench: Bench, *, use_qualification: bool = True) -> Self:
        """Bring the target up, identify it and deploy every image of the bench.

        `use_qualification`: the observer has the budget that `rig qualify` stored, if it did.
        Raises `BenchError` of some kind, with everything shut down again.
        """
        record = read_record(path_of(bench), bench) if use_qualification else None
        files = {deployed_path(name): checked_image(bench, name) for name in bench.images}
        target = make_target(bench)
        observer = make_observer(bench, target)
        if record:
            days = bench.observer.qualification_max_age_days
            observer = QualifiedObserver(observer, record, days)
        session = cls(bench, target, observer, use_qualification=use_qualification)
        try:
            target.open(files)
            session.facts = read_facts(target)
            session.clean = read_gpio_state(target, {})
            session.images = {name: session._deploy(name) for name in bench.images}
            session.observer.connect()
        except BaseException:
            session.close()
            raise
        return session

    def close(self) -> None:
        """Let go of target and observer; safe to call at any time."""
        try:
            self.target.close()
        finally:
            self.observer.close()

    def reopened(self) -> Self:
        """The same bench, brought up again after it broke in mid-run, with its lines free.

        Raises `BenchError` if it does not come up; this session is closed in any case.
        """
        self.close()
        again = type(self).open(self.bench, use_qualification=self.use_qualification)
        try:
            again.restore(self.clean or again.gpio_state())
        except BaseException:
            again.close()
            raise
        again.clean = self.clean
        return again

    def run(self, order: Order, folder: Path) -> tuple[Evidence, Verdict]:
        """Run once, or again if the bench itself stalled, at most twice.

        A run that is merely wrong is never repeated. Spoiled runs stay beside `folder`.
        """
        for repeats in range(MOST_REPEATS + 1):
            evidence = self._run_once(order, folder, repeats)
            verdict = evidence.judge()
            if repeats == MOST_REPEATS or not spoiled(verdict):
                break
            folder.rename(folder.with_name(f"{folder.name}{SPOILED}{repeats + 1}"))
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

    def _run_once(self, order: Order, folder: Path, repeats: int) -> Evidence:
        with EvidenceFolder(folder) as evidence:
            before = self.gpio_state()
            self.observer.arm()
            commanded = self.observer.now()
            try:
                result = self.target.run(order.command, order.timeout_s)
            except BaseException:  # what broke first is what a person has to know
                with contextlib.suppress(RigError):
                    self.observer.stop()
                raise
            sealed = self.observer.stop()
            capture = replace(sealed, commanded=commanded, outlasts_run=True)
            after = self.gpio_state()
            record = self._record(order, result, repeats, before)
            return evidence.seal(record, capture, result.output, before, after)

    def _record(self, order: Order, result: Result, repeats: int, before: GpioState) -> RunRecord:
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
            console_wanted=order.console_wanted,
            exit_wanted=order.exit_wanted,
            exit_status=result.status,
            started_ns=result.started_ns,
            ended_ns=result.ended_ns,
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


def deployed_path(image: str) -> str:
    """Where an image lies on the target."""
    return f"{DEPLOY_FOLDER}/{image}"


def spoiled(verdict: Verdict) -> bool:
    """Whether a stalled bench is all that keeps a run from a verdict."""
    return verdict.outcome is Outcome.INCONCLUSIVE and bool(verdict.of_kind(Kind.STALL))


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
