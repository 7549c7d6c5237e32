"""The folder that one run leaves: written once, sealed, readable without the rig.

    results/<UTC time>-<bench>/<suite>/<test>/
        run.json          what ran where, when, with what; hashes of all files
        capture.*         what the observer saw (see rig.capture)
        guest.parquet     what the guest recorded (see rig.guest)
        console.log       what the target printed
        gpio-before.json  GPIO state of the target before the run (see rig.cleanup)
        gpio-after.json   ... and after it
        verdict.json      what follows from all that

A folder is filled under a name that ends in `.partial` and renamed when it is
whole, so evidence that was cut short never looks complete.
"""

import contextlib
import hashlib
import json
import re
import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field

from rig.aftermath import Aftermath, judge_aftermath
from rig.capture import Capture, Instant, read_capture, write_capture
from rig.cleanup import GpioState, judge_cleanup, judge_kernel_log, judge_release
from rig.errors import EvidenceError
from rig.guest import (
    judge_against_pin,
    judge_console,
    judge_exit_status,
    judge_records,
    parse_records,
)
from rig.load import Load
from rig.verdict import (
    Expectation,
    Finding,
    Kind,
    Unseen,
    Verdict,
    believable,
    judge,
    timed,
    to_json,
)

Purpose = Literal["proof", "defect"]
"""`defect`: a defect was planted on purpose, and the verdict must catch it."""

PARTIAL = ".partial"
SPOILED = ".spoiled-"
"""In the name of a run's folder that a stalled bench spoiled and that was repeated."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)


class Image(_Record):
    """One file that was deployed."""

    path: str
    """Where it lies on the target."""
    source: str
    """File it was deployed from, relative to the bench file."""
    sha256: str
    """As the target computed it."""
    deploy_ns: int | None = None
    """How long it took to put it there and compare it, or to see that it lay there; None:
    that was not recorded."""


class RunRecord(_Record):
    """`run.json`: the identity and circumstances of one run.

    Times are on `clock`, which is the rig's and need not be the observer's.
    """

    schema_: Literal["run/3"] = Field(default="run/3", alias="schema")
    suite: str
    test: str
    purpose: Purpose = "proof"
    bench: str
    bench_file: str
    bench_sha256: str
    target: dict[str, str | int]
    """Facts the target told about itself: board, kernel, GPIO chip and its base."""
    images: dict[str, Image]
    """`tender` and `unikernel`."""
    command: str
    """The command line that ran on the target."""
    sysfs_number: int | None = None
    """Number of the LED's line in the target's sysfs."""
    expectation: Expectation | Aftermath
    """How the line should move in a run that comes to its end, or how any other should leave it."""
    load: Load = Load.IDLE
    """What kept the target busy meanwhile."""
    ending: str = ""
    """How the run was ended on purpose (see rig.endings); empty: it came to its end."""
    over: Instant | None = None
    """When that was, on the observer's clock; None if it was not, or if that is not known."""
    console_wanted: tuple[str, ...]
    exit_wanted: int | None
    """None: nobody was left to see it."""
    exit_status: int | None
    """None: nobody saw one; the tender did not end, or the target lost its power."""
    clock: str = "CLOCK_REALTIME of the rig's host, ns since 1970 UTC"
    started_ns: int
    """When the command was sent."""
    ended_ns: int
    """When its exit status had arrived."""
    git_commit: str
    """Commit of this repository, `-dirty` if the tree had changes, or `unknown`."""
    tools: dict[str, str]
    """Versions of rig, Python, Robot Framework, QEMU and the like."""
    repeats: int = 0
    """How many runs before this one were spoiled by a stalled bench."""
    files: dict[str, str] = {}
    """SHA-256 of every other file of the folder."""
    seal: str = ""
    """SHA-256 of `run.json` itself, taken while this was empty."""


@dataclass(frozen=True)
class Evidence:
    """One run, as read from its folder."""

    folder: Path
    run: RunRecord
    capture: Capture
    guest: pa.Table
    console: str
    before: GpioState
    after: GpioState

    def judge(self) -> Verdict:
        """The verdict on this run: pin, console, exit status, guest record, cleanup."""
        if isinstance(self.run.expectation, Aftermath):
            return self._judge_aftermath(self.run.expectation)
        return self._judge_pattern(self.run.expectation)

    def _judge_pattern(self, expected: Expectation) -> Verdict:
        capture = self.capture
        pin = judge(capture, expected)
        against_pin, timeless = timed(
            judge_against_pin(self.console, self.guest, capture, expected), capture
        )
        return self._with_target(
            replace(pin, unseen=(*pin.unseen, *timeless)),
            *judge_records(self.console, self.guest),
            *(believable(finding, capture) for finding in against_pin),
        )

    def _judge_aftermath(self, expected: Aftermath) -> Verdict:
        pin = judge_aftermath(self.capture, expected, self.run.over)
        log = list(judge_kernel_log(self.before, self.after))
        if log:
            return self._with_target(pin, *log)
        unseen = Unseen(Kind.KERNEL_LOG, "the kernel's log cannot be read, or began anew")
        return self._with_target(replace(pin, unseen=(*pin.unseen, unseen)))

    def _with_target(self, pin: Verdict, *more: Finding) -> Verdict:
        """What the target's side says, after what the pin said."""
        release = self._release_by_target(pin)
        return Verdict(
            (
                *pin.findings,
                *release,
                *judge_cleanup(self.before, self.after),
                *judge_exit_status(self.run.exit_status, self.run.exit_wanted),
                *judge_console(self.console, self.run.console_wanted),
                *more,
            ),
            tuple(u for u in pin.unseen if not (release and u.kind is Kind.RELEASE)),
        )

    def _release_by_target(self, pin: Verdict) -> list[Finding]:
        """What the target says about the release, if the observer could not see it."""
        number, expected = self.run.sysfs_number, self.run.expectation
        if number is None or Kind.RELEASE not in {unseen.kind for unseen in pin.unseen}:
            return []
        return list(judge_release(expected.line, number, self.before, self.after))


def folder_name(text: str) -> str:
    """A suite or test name as a folder name: letters of any script, digits, dots and dashes."""
    return re.sub(r"[^\w.]+|_", "-", text).strip("-.").lower() or "unnamed"


def new_folder(parent: Path, name: str) -> Path:
    """A folder `<UTC time>-<name>` that nobody else has; the second of one second gets a number."""
    parent.mkdir(parents=True, exist_ok=True)
    first = parent / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{name}"
    for path in (first, *(first.with_name(f"{first.name}-{n}") for n in range(2, 1000))):
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            return path
    raise EvidenceError(f"{first}: there are 999 folders of this second")


class EvidenceFolder:
    """A folder being filled. As a context manager it vanishes unless it was sealed."""

    def __init__(self, path: Path) -> None:
        """`path` is the final name.

        Raises `EvidenceError` if it exists already: evidence is never overwritten.
        """
        self.path = path
        self._refuse_existing()
        self.partial = path.with_name(path.name + PARTIAL)
        self._made = [parent for parent in path.parents if not parent.exists()]
        shutil.rmtree(self.partial, ignore_errors=True)
        self.partial.mkdir(parents=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        shutil.rmtree(self.partial, ignore_errors=True)
        with contextlib.suppress(OSError):  # not empty: it holds other evidence
            for parent in self._made:
                parent.rmdir()

    def _refuse_existing(self) -> None:
        if self.path.exists():
            raise EvidenceError(f"{self.path} exists already; evidence is never overwritten")

    def seal(
        self,
        run: RunRecord,
        capture: Capture,
        console: str,
        before: GpioState,
        after: GpioState,
    ) -> Evidence:
        """Write everything, the verdict included, and give the folder its name.

        Raises `EvidenceError` if another run has taken the name meanwhile, and
        `ValueError` if the capture does not know the expected line.
        """
        folder = self.partial
        write_capture(folder, capture)
        (folder / "console.log").write_bytes(console.encode("utf-8", "backslashreplace"))
        pq.write_table(parse_records(console), folder / "guest.parquet")
        _write_json(folder / "gpio-before.json", before.model_dump())
        _write_json(folder / "gpio-after.json", after.model_dump())
        (folder / "verdict.json").write_bytes(verdict_json(_read_folder(folder, run).judge()))
        _write_run(folder, run)
        self._refuse_existing()
        folder.rename(self.path)
        return read_evidence(self.path)


def read_evidence(folder: Path) -> Evidence:
    """Read one sealed folder.

    Raises `EvidenceError` if a file is missing, damaged or not as it was sealed.
    """
    try:
        return _read_folder(folder, _read_run(folder))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise EvidenceError(f"{folder}: cannot read the evidence: {error}") from error


def _read_folder(folder: Path, run: RunRecord) -> Evidence:
    _verify(folder, run.files)
    return Evidence(
        folder,
        run,
        read_capture(folder),
        pq.read_table(folder / "guest.parquet"),
        (folder / "console.log").read_bytes().decode(),
        GpioState.model_validate_json((folder / "gpio-before.json").read_bytes()),
        GpioState.model_validate_json((folder / "gpio-after.json").read_bytes()),
    )


def verdict_json(verdict: Verdict) -> bytes:
    """The bytes of `verdict.json`."""
    return _json(to_json(verdict))


def find_evidence(root: Path) -> list[Path]:
    """Every sealed folder below `root` that counts, by time of its run."""
    found = [path.parent for path in root.rglob("run.json")]
    folders = [f for f in found if not f.name.endswith(PARTIAL) and SPOILED not in f.name]
    return sorted(folders, key=lambda f: (read_evidence(f).run.started_ns, f))


def _write_run(folder: Path, run: RunRecord) -> None:
    """Write `run.json`, the last file, with the hashes of all."""
    hashes = {path.name: _sha256(path.read_bytes()) for path in sorted(folder.iterdir())}
    unsealed = _json(run.model_copy(update={"files": hashes, "seal": ""}).model_dump())
    sealed = unsealed.replace(_seal(""), _seal(_sha256(unsealed)))
    (folder / "run.json").write_bytes(sealed)


def _read_run(folder: Path) -> RunRecord:
    path = folder / "run.json"
    data = path.read_bytes()
    run = RunRecord.model_validate_json(data)
    _compare(path, _sha256(data.replace(_seal(run.seal), _seal(""))), run.seal)
    return run


def _seal(digest: str) -> bytes:
    """The seal as `run.json` spells it; quotes within a text would be escaped."""
    return f'"seal": "{digest}"'.encode()


def _verify(folder: Path, hashes: dict[str, str]) -> None:
    for name, wanted in hashes.items():
        _compare(folder / name, _sha256((folder / name).read_bytes()), wanted)


def _compare(path: Path, found: str, wanted: str) -> None:
    if found != wanted:
        raise EvidenceError(
            f"{path} is not as it was sealed: SHA-256 {found}, run.json says {wanted or 'nothing'}"
        )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _json(data: dict[str, Any]) -> bytes:
    return json.dumps(data, indent=2, sort_keys=True).encode() + b"\n"


def _write_json(path: Path, data: dict[str, Any]) -> None:
    path.write_bytes(_json(data))
