"""The Robot library: the words of `robot/resources/led.resource`, typed and thin.

A keyword either does something and returns what happened, or says what should be
and fails when it is not. What fails for the target's sake is an AssertionError;
a bench that does not work is a `BenchError`, and Robot's message starts with it.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Literal
from urllib.parse import quote

from robot.api import SkipExecution, logger
from robot.api.deco import keyword, library
from robot.libraries.BuiltIn import BuiltIn

from rig.abilities import Ability, lacks, shortest_pulse_ns
from rig.aftermath import Aftermath
from rig.bench import Bench, load_bench
from rig.endings import ON, ending_named
from rig.errors import BenchError, TargetError
from rig.evidence import Evidence, Image, Purpose, folder_name, new_folder
from rig.findings import counted
from rig.hostile import ATTACKS, Attack, promise, script
from rig.led import Pattern, tender_command
from rig.load import Load
from rig.session import DEPLOY_FOLDER, Order, Session, deployed_path
from rig.verdict import Expectation, Finding, Kind, Outcome, Verdict, ms

Switch = Literal["off", "on"]
Backend = Literal["sysfs", "cdev"]
Length = Literal["short", "release"]

HOSTILE_SCRIPT = f"{DEPLOY_FOLDER}/hostile.sh"
SLOWEST_CASE_S = 3
"""A tender that starts and ends takes a tenth of this."""

RESULTS = "results"
"""Where runs leave their folders; the environment's RIG_RESULTS is another place."""

REPORT = "import pathlib, sys, reports; reports.write_report(pathlib.Path(sys.argv[1]))"
REPORT_S = 600
"""An interim report that takes longer is given up."""

MOST_RECOVERIES = 3
"""So often in a row a bench that broke is brought up again in vain."""


@dataclass(frozen=True)
class Extent:
    """How much is tried at one length of the suites."""

    blinking_ns: int
    """How long one pattern takes, as far as the next two allow."""
    fewest_cycles: int
    most_cycles: int
    share: int
    """One of so many cases is tried of those that are many."""
    seeds: int
    """Of random calls."""

    def cycles(self, period_ns: int) -> int:
        """How often a pattern of this period is repeated."""
        return max(self.fewest_cycles, min(self.most_cycles, self.blinking_ns // period_ns))


LENGTHS: dict[Length, Extent] = {
    "short": Extent(10**9, 2, 100, 4, 2),
    "release": Extent(30 * 10**9, 20, 2000, 1, 50),
}


class Run:
    """What `Run LED Unikernel` returns: the evidence and the verdict on it."""

    def __init__(self, evidence: Evidence, verdict: Verdict) -> None:
        self.evidence = evidence
        self.verdict = verdict

    def __str__(self) -> str:
        return f"{self.verdict.outcome} {self.evidence.folder}"


@library(scope="GLOBAL", version="1")
class RigLibrary:
    """Words to run the LED unikernel on a bench and to judge what its pin did."""

    def __init__(self) -> None:
        self._session: Session | None = None
        self._is_broken = False
        self._failed_recoveries = 0
        self._name = ""
        self._folders: dict[str, Path] = {}
        """The results folder of each bench that was used, by its name."""
        self._unreported = 0

    @keyword
    def open_bench(self, bench: str) -> None:
        """Bring up the target of a bench file, identify it, deploy to it, connect the observer."""
        facts = load_bench(Path(bench))
        self._name = facts.name
        logger.console(f"Bench {facts.name}: bringing the target up ...")
        self._session, self._is_broken, self._failed_recoveries = Session.open(facts), False, 0
        told = self._session.facts
        logger.console(
            f"{told['board']}, kernel {told['kernel']}, {told['gpio_chip']} at {told['gpio_base']}"
        )

    @keyword
    def close_bench(self) -> None:
        """Switch the bench off, and write the report if there were runs to report."""
        if self._session:
            self._session.close()
            self._session = None
        if self._unreported:
            self._write_report(self._folders[self._name])
            self._unreported = 0

    @keyword
    def run_led_unikernel(
        self,
        cycles: int,
        on: timedelta,
        off: timedelta,
        final: Switch = "off",
        *,
        expected_cycles: int | None = None,
        expected_on: timedelta | None = None,
        tender: str = "tender",
        unikernel: str = "test_led",
        line: str = "led",
    ) -> Run:
        """Blink the LED on the target and keep the evidence.

        The LED goes on and off `cycles` times and ends `final`. Expected is what was
        ordered, unless `expected_cycles` or `expected_on` says otherwise or another
        `tender` is named: then this run carries a planted defect.
        """
        ordered = Pattern(cycles, in_ns(on), in_ns(off), int(final == "on"))
        expected = Pattern(
            expected_cycles or cycles,
            in_ns(expected_on or on),
            in_ns(off),
            ordered.final_level,
        )
        limits = self._opened().bench.limits.limits_for(expected.shortest_ns, Load.IDLE)
        order = self.pattern_order(ordered, expected.expectation(line, **limits), unikernel, tender)
        return self._run(replace(order, purpose=_purpose(tender, ordered != expected)))

    @keyword
    def time_led_unikernel(
        self,
        period: timedelta,
        duty: int,
        load: Load = Load.IDLE,
        length: Length = "short",
        *,
        tender: str = "tender",
        unikernel: str = "test_led",
        line: str = "led",
    ) -> Run:
        """Blink the LED with a `duty` in percent while the target is under `load`.

        How often follows from `length`: `short` or `release`. The limits are those that the
        bench file has for such a pattern and load. Where they are wider than a pulse, the
        sequence is judged and that nothing is too late; the log warns of what is not judged.
        """
        period_ns = in_ns(period)
        on_ns = period_ns * duty // 100
        pattern = Pattern(LENGTHS[length].cycles(period_ns), on_ns, period_ns - on_ns)
        limits = self._opened().bench.limits.limits_for(pattern.shortest_ns, load)
        expected = pattern.expectation(line, **_coarse(limits, pattern.shortest_ns))
        order = self.pattern_order(pattern, expected, unikernel, tender)
        run = self._run(replace(order, load=load, purpose=_purpose(tender)))
        if expected.is_coarse:
            unseen = [u.text for u in run.verdict.unseen if u.kind is Kind.GLITCH]
            logger.warn(f"{order.test}: judged by sequence and lateness only: {'; '.join(unseen)}")
        return run

    @keyword
    def end_led_unikernel(
        self,
        ending: str,
        *,
        tender: str = "tender",
        unikernel: str = "test_led_endings",
        backend: Backend = "sysfs",
        line: str = "led",
    ) -> Run:
        """Switch the LED on, and end the run in the way that `ending` names.

        Meanwhile somebody else has exported another line, which must stay theirs; not where
        the power is cut, for nobody's export survives that.
        """
        how = ending_named(ending)
        bench = self._opened().bench
        suite, test = where()
        order = Order(
            suite=suite,
            test=test,
            command=tender_command(
                deployed_path(tender),
                deployed_path(unikernel),
                bench.lines[line],
                how.guest,
                options=f"--led-backend={backend}",
            ),
            tender=tender,
            unikernel=unikernel,
            expectation=Aftermath(
                line=line,
                edges=0 if how.breaks_deploy else 2,
                is_taken=not how.breaks_deploy,
                release_ns=bench.limits.release_ns,
            ),
            timeout_s=bench.limits.run_timeout_s,
            console_wanted=() if how.breaks_deploy else (ON,),
            exit_wanted=how.status,
            purpose=_purpose(tender),
            ending=ending,
        )
        with self._using() as session, _stranger(session, is_there=not how.cuts_power):
            return self._run(order)

    @keyword
    def run_hostile_unikernel(
        self,
        attack: Attack,
        length: Length = "short",
        *,
        tender: str = "tender",
        line: str = "led",
    ) -> Run:
        """Let a hostile unikernel try its tender, once for each case of an `attack`.

        `short` tries every fourth case of those that are many.
        """
        plan = ATTACKS[attack](LENGTHS[length].share, LENGTHS[length].seeds)
        bench = self._opened().bench
        suite, test = where()
        granted = f"--led:led0={bench.lines[line]} " if plan.moves is not None else ""
        text = script(DEPLOY_FOLDER, tender, granted + plan.unikernel, plan.cases)
        order = Order(
            suite=suite,
            test=test,
            command=f"sh {HOSTILE_SCRIPT} '{attack}'",  # which the script does not look at
            tender=tender,
            unikernel=plan.unikernel,
            expectation=Aftermath(
                line=line,
                edges=plan.moves or 0,
                is_taken=None if granted else False,
                release_ns=bench.limits.release_ns,
            ),
            timeout_s=bench.limits.run_timeout_s + len(plan.cases) * SLOWEST_CASE_S,
            console_wanted=(promise(plan.cases),),
            purpose=_purpose(tender),
        )
        with self._using() as session, _placed(session, text):
            return self._run(order)

    @keyword
    def bench_should_be_able_to(self, ability: Ability) -> None:
        """Skip the test, with the reason, on a bench that is not able to do this."""
        with self._using() as session:
            reason = lacks(session.bench, session.target, ability)
        if reason:
            raise SkipExecution(f"this bench is not able to: {ability}: {reason}")

    @keyword
    def bench_should_see_pulses_of(self, width: timedelta) -> None:
        """Skip the test on a bench whose observer may miss a pulse that is so short."""
        bench = self._opened().bench
        shortest_ns = shortest_pulse_ns(bench)
        if in_ns(width) < shortest_ns:
            raise SkipExecution(
                f"the observer of {bench.file} may miss a pulse below {ms(shortest_ns)}"
            )

    @keyword
    def line_should_have_been_given_back(self, run: Run) -> None:
        """It was off, did what was expected, is off and an input again, and that in time."""
        _should_pass(run, Kind.INITIAL_LEVEL, Kind.COUNT, Kind.RELEASE, Kind.RELEASE_TIME)

    @keyword
    def kernel_log_should_be_clean(self, run: Run) -> None:
        """The target's kernel warned of nothing during the run. Skips where it cannot be read."""
        _should_pass(run, Kind.KERNEL_LOG)

    @property
    def bench(self) -> Bench:
        """The bench that is open. Raises `BenchError` if none is."""
        return self._opened().bench

    @property
    def images(self) -> dict[str, Image]:
        """What was deployed to it."""
        return self._opened().images

    @property
    def results(self) -> Path:
        """The folder of all evidence of this bench. Raises `BenchError` if none is open.

        It is made when it is first asked for: whoever runs nothing leaves nothing.
        """
        self._opened()
        if self._name not in self._folders:
            parent = Path(os.environ.get("RIG_RESULTS", RESULTS))
            self._folders[self._name] = new_folder(parent, self._name)
        return self._folders[self._name]

    def continue_results(self, folder: Path) -> None:
        """Put all further evidence into a folder that another rig began."""
        self._folders[self._name] = folder

    def write_interim_report(self) -> None:
        """Write the report on all runs so far, without a word.

        A process of its own does it: a soak looks at how much memory this one holds.
        """
        command = [sys.executable, "-c", REPORT, str(self.results)]
        try:
            subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=REPORT_S, check=True
            )
        except subprocess.SubprocessError as error:
            logger.warn(f"there is no interim report: {error}")

    @keyword
    def led_should_have_blinked_as_commanded(self, run: Run) -> None:
        """It was off, and every on-time, off-time and period is there and right."""
        sequence = (Kind.INITIAL_LEVEL, Kind.GLITCH, Kind.COUNT, Kind.FREEZE)
        _should_pass(run, *sequence, Kind.ON_TIME, Kind.OFF_TIME, Kind.PERIOD, Kind.DRIFT)

    @keyword
    def led_should_have_ended(self, run: Run, level: Switch) -> None:
        """Its last commanded level was `level`, held for as long as commanded."""
        expected = run.evidence.run.expectation
        wanted = expected.final_level if isinstance(expected, Expectation) else None
        if wanted != int(level == "on"):
            raise ValueError(f"this run was told to end {'on' if wanted else 'off'}, not {level}")
        _should_pass(run, Kind.FINAL_LEVEL, Kind.HOLD_TIME)

    @keyword
    def no_other_pin_should_have_moved(self, run: Run) -> None:
        """Not one edge and no change of direction on any other line.

        Skips the test where the observer sees no other line.
        """
        _should_pass(run, Kind.FOREIGN)

    @keyword
    def line_should_have_been_exported_driven_and_released(self, run: Run) -> None:
        """It was an input, became an output, and is a dark input again.

        Skips the test where the observer cannot see directions.
        """
        _should_pass(run, Kind.RELEASE)

    @keyword
    def target_should_be_as_before(self, run: Run) -> None:
        """GPIO state after the run equals that before it, from inside and from outside."""
        _should_pass(run, Kind.CLEANUP)

    @keyword
    def unikernel_should_have_succeeded(self, run: Run) -> None:
        """Its console, its exit status and its record are good, and the pin confirms the record."""
        said = (Kind.CONSOLE, Kind.GUEST_RECORD, Kind.EXIT_STATUS)
        _should_pass(run, *said, Kind.GUEST_EDGES, Kind.GUEST_TIMING)

    @keyword
    def verdict_should_be_pass(self, run: Run) -> None:
        """Everything that was found passes, whatever it is about."""
        _should_pass(run, *Kind, needed=_needed(run))

    @keyword
    def defect_should_be_caught(self, run: Run, *kinds: str) -> None:
        """The verdict is FAIL, with failing findings of exactly these `kinds`.

        Those to which this bench's observer is blind are not asked for; if it is blind to
        all of them, the test is skipped.
        """
        blind = {unseen.kind: unseen.text for unseen in run.verdict.unseen}
        wanted = set(kinds) - set(blind)
        if kinds and not wanted:
            raise SkipExecution("; ".join(blind[Kind(kind)] for kind in kinds))
        found = {str(kind) for kind in run.verdict.failing_kinds()}
        if run.verdict.outcome is not Outcome.FAIL or found != wanted:
            raise AssertionError(
                f"the defect was not caught as it should: verdict {run.verdict.outcome}, failing "
                f"{', '.join(sorted(found)) or 'nothing'}, expected {', '.join(sorted(wanted))}"
                + _lines(run.verdict.not_passed())
            )

    @keyword
    def tender_should_refuse(
        self, arguments: str, *messages: str, tender: str = "tender", status: int = 1
    ) -> None:
        """The tender, started with `arguments`, ends at once with `status` and says `messages`.

        Image names in braces stand for where they lie on the target, as in `{test_led}`, and
        names of lines for their numbers. The pins must be as before, as the target says and as
        the observer reads them, and none may have had another level in between.
        """
        with self._using() as session:
            paths = {name: deployed_path(name) for name in session.images}
            known = {**session.bench.lines, **paths}
            before = session.gpio_state()
            session.observer.arm()
            result = session.target.run(
                f"{paths[tender]} {arguments.format(**known)} 2>&1", timeout_s=30
            )
            moved = sorted({edge.line for edge in session.observer.stop()})
            after = session.gpio_state()
        if result.status != status or not all(text in result.output for text in messages):
            raise AssertionError(
                f"exit status {result.status}, expected {status}; said: {result.output.strip()!r}, "
                f"expected: {', '.join(map(repr, messages))}"
            )
        if moved:
            raise AssertionError(f"lines that should not have moved: {', '.join(moved)}")
        if after != before:
            raise AssertionError(f"the pins are not as before: {before!r} became {after!r}")

    @keyword
    def export_line(self, line: str) -> None:
        """Export a line on the target, as somebody else there would."""
        self._write_number(line, "export")

    @keyword
    def unexport_line(self, line: str) -> None:
        """Unexport a line on the target; it must be exported."""
        self._write_number(line, "unexport")

    def pattern_order(
        self, ordered: Pattern, expected: Expectation, unikernel: str, tender: str
    ) -> Order:
        """The running test's order to blink as `ordered`, to be held against `expected`."""
        bench = self._opened().bench
        suite, test = where()
        return Order(
            suite=suite,
            test=test,
            command=tender_command(
                deployed_path(tender),
                deployed_path(unikernel),
                bench.lines[expected.line],
                ordered.arguments,
            ),
            tender=tender,
            unikernel=unikernel,
            expectation=expected,
            timeout_s=ordered.duration_ns / 1e9 + bench.limits.run_timeout_s,
            console_wanted=(f"test_led: {ordered.arguments}", "SUCCESS"),
        )

    def run_order(self, order: Order, folder: Path | None = None) -> Run:
        """Run what was ordered, keep the evidence, leave the target clean.

        Without a `folder`, the evidence goes into one that is named after the test.
        """
        with self._using() as session:
            run = Run(*session.run(order, folder or self._folder(order.suite, order.test)))
            self._unreported += 1
            _log(run)
            session.restore(run.evidence.before)
        return run

    def _run(self, order: Order) -> Run:
        """The same, and draw it into Robot's log."""
        run = self.run_order(order)
        self._show(run)
        return run

    def _write_number(self, line: str, file: str) -> None:
        with self._using() as session:
            command = f"echo {session.sysfs_number(line)} > /sys/class/gpio/{file}"
            result = session.target.run(command)
        if result.status:
            raise TargetError(f"{command!r} gave {result.status}: {result.output.strip()}")

    @contextmanager
    def _using(self) -> Iterator[Session]:
        """The open bench, brought up again if it broke before.

        Whatever is raised meanwhile, a test's timeout included, breaks it: in mid-run, nobody
        knows what goes on on the target.
        """
        if self._is_broken:
            self._recover()
        try:
            session = self._opened()
            with session.held():
                yield session
        except BaseException:
            self._is_broken = True
            raise

    def _recover(self) -> None:
        session = self._opened()
        if self._failed_recoveries >= MOST_RECOVERIES:
            raise BenchError(
                f"the bench broke, and was brought up again in vain {MOST_RECOVERIES} times; "
                f"look at it: rig doctor {session.bench.file}"
            )
        logger.console(f"Bench {session.bench.name}: it broke; bringing it up again ...")
        self._failed_recoveries += 1
        self._session = session.reopened()
        self._is_broken, self._failed_recoveries = False, 0

    def _opened(self) -> Session:
        if self._session is None:
            raise BenchError("no bench is open; its error stands at the start of the suite")
        return self._session

    def _folder(self, suite: str, test: str) -> Path:
        """A folder for the next run of this test; a second one gets a number."""
        first = self.results / folder_name(suite) / folder_name(test)
        names = [first, *(first.with_name(f"{first.name}-{n}") for n in range(2, 1000))]
        return next(path for path in names if not path.exists())

    def _show(self, run: Run) -> None:
        """Draw the run into Robot's log, and link to where the report will have it."""
        from reports import PAGE, load, page  # pandas takes a second, so only when it is needed
        from reports.log_entry import log_entry

        results, record = self.results, run.evidence.run
        name = str(run.evidence.folder.relative_to(results))
        label = f"{record.suite} / {record.test}"
        link = f"{_from_log(results / PAGE)}#{quote(page.anchor(name))}"
        shown = load.Run(name, label, run.evidence, run.verdict)
        logger.info(log_entry(shown, link), html=True)
        BuiltIn().set_test_documentation(f"[{link}|Timing and latency of this run]", append=True)

    def _write_report(self, results: Path) -> None:
        from reports import write_report  # as above
        from reports.history import default_location

        report = write_report(results, default_location())
        logger.console("\n" + report.text)
        if report.trouble:
            logger.warn(report.trouble)
        logger.info(f'<a href="{_from_log(report.html)}">Latency report</a>', html=True)


def where() -> tuple[str, str]:
    """Suite and test that run now; the suite by its own name, with whatever others it runs."""
    variables = BuiltIn().get_variables()
    return variables["${SUITE NAME}"].rpartition(".")[2], variables["${TEST NAME}"]


def _from_log(path: Path) -> str:
    """The address of a file as a link in Robot's log has it, wherever the log will lie."""
    variables = BuiltIn().get_variables()
    has_log = variables["${LOG FILE}"] != "NONE"
    folder = Path(variables["${LOG FILE}"]).parent if has_log else variables["${OUTPUT DIR}"]
    return quote(Path(os.path.relpath(path, folder)).as_posix())


def in_ns(time: timedelta) -> int:
    """A time of Robot's in nanoseconds."""
    return time // timedelta(microseconds=1) * 1000


def _should_pass(run: Run, *kinds: Kind, needed: set[Kind] | None = None) -> None:
    """Fail with the findings of these kinds that do not pass; none at all does not pass either.

    Of those that are `needed`, that is; of all, if it is not given.
    Skips the test if all else is good and the observer is blind to one of them.
    """
    findings = run.verdict.of_kind(*kinds)
    bad = [finding for finding in findings if finding.outcome is not Outcome.PASS]
    blind = {unseen.kind: unseen.text for unseen in run.verdict.unseen if unseen.kind in kinds}
    wanted = set(kinds) if needed is None else needed
    missing = wanted - {finding.kind for finding in findings} - _NOT_ALWAYS - set(blind)
    if bad or missing:
        outcome = Verdict(tuple(bad)).outcome
        nothing = [f"nothing was found out about {kind}" for kind in sorted(missing)]
        raise AssertionError(f"{outcome}" + _lines(bad) + "".join(f"\n  {n}" for n in nothing))
    if blind and set(blind) == set(kinds):
        raise SkipExecution("; ".join(blind.values()))


def _purpose(tender: str, is_planted: bool = False) -> Purpose:
    """A tender by another name has a defect."""
    return "defect" if is_planted or tender != "tender" else "proof"


def _coarse(limits: dict[str, Any], shortest_ns: int) -> dict[str, Any]:
    """The limits, with what a pulse says to them that is not longer than they are wide."""
    percent_ns = int(shortest_ns * limits.get("tolerance_percent", 0) / 100)
    is_coarse = max(limits["tolerance_ns"], percent_ns) >= shortest_ns
    return limits | {"is_coarse": is_coarse}


@contextmanager
def _stranger(session: Session, *, is_there: bool) -> Iterator[None]:
    """Somebody else, who has exported a line of their own meanwhile; it stays an input."""
    if not is_there:
        yield
        return
    number = session.free_line()
    session.target.shell.must(f"echo {number} > /sys/class/gpio/export")
    try:
        yield
    finally:
        with suppress(TargetError):  # a bench that broke has told so already
            session.target.run(f"echo {number} > /sys/class/gpio/unexport")


@contextmanager
def _placed(session: Session, text: str) -> Iterator[None]:
    """The script of a hostile unikernel, on the target meanwhile."""
    with NamedTemporaryFile("w", suffix=".sh") as file:
        file.write(text)
        file.flush()
        session.target.put(Path(file.name), HOSTILE_SCRIPT)
    try:
        yield
    finally:
        with suppress(TargetError):
            session.target.run(f"rm -f {HOSTILE_SCRIPT}")


def _needed(run: Run) -> set[Kind]:
    """What a verdict on such a run must have found something out about."""
    record, expected = run.evidence.run, run.evidence.run.expectation
    if not isinstance(expected, Aftermath):
        return set(Kind) - {Kind.RELEASE_TIME, Kind.KERNEL_LOG}
    told = {Kind.EXIT_STATUS} if record.exit_wanted is not None else set()
    return {*expected.kinds, *told, *({Kind.CONSOLE} if record.console_wanted else set())}


_ONLY_WHEN_BAD = {Kind.INCOMPLETE, Kind.STALL}
_ONLY_IF_LIMITED = {Kind.DUTY, Kind.JITTER, Kind.START_LATENCY}
_NOT_ALWAYS = {*_ONLY_WHEN_BAD, *_ONLY_IF_LIMITED, Kind.QUALIFICATION}


def _lines(findings: "tuple[Finding, ...] | list[Finding]") -> str:
    return "".join(f"\n  {finding.outcome}: {finding.text}" for finding in findings)


def _log(run: Run) -> None:
    record = run.evidence.run
    logger.info(f"command: {record.command}")
    logger.info(f"evidence: {run.evidence.folder}")
    if record.repeats:
        logger.warn(f"repeated {counted(record.repeats, 'time')}: the bench stalled")
    logger.info("\n".join(f"{f.outcome}: {f.text}" for f in run.verdict.findings))
    for unseen in run.verdict.unseen:
        logger.info(f"not seen: {unseen.kind}: {unseen.text}")
