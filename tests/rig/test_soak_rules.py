"""What is judged over all chunks of a soak, and how its record survives."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from soaks import PLAN

from rig.bench import SoakLimits
from rig.errors import SoakError, TargetError
from rig.packed import packed, unpacked
from rig.soak import (
    RECORD,
    Chunk,
    SoakRecord,
    Topic,
    Usage,
    continued,
    judge_soak,
    read_record,
    usage_here,
    usage_told,
    watched,
    write_record,
)
from rig.verdict import Outcome

LIMITS = SoakLimits(tender_growth_kib=64, rig_growth_kib=1000)
CHUNKS = 20


def held(process: str, kib: int, fds: int, pid: int = 1) -> Usage:
    return Usage(process=process, pid=pid, memory_kib=kib, descriptors=fds)


def chunk(number: int, **changes: object) -> Chunk:
    """A good one, whose processes hold a little more or less each time."""
    noise_kib = number * 7 % 5 * 40
    good: dict[str, object] = {
        "folder": f"soak/chunk-{number:05d}",
        "cycles": 100,
        "edges": 200,
        "outcome": Outcome.PASS,
        "took_ns": 10**9,
        "schedule_ns": 70 * 10**9,
        "drift_ns": 100_000,
        "drift_uncertainty_ns": 1_000_000,
        "tender": (held("tender", 1400, 9), held("tender", 1400, 9)),
        "rig": (held("rig", 200_000 + noise_kib, 30), held("qemu", 90_000 + noise_kib, 15, 2)),
    }
    return Chunk.model_validate({**good, **changes})


def soak(*chunks: Chunk, time_lapse: bool = False) -> SoakRecord:
    return SoakRecord(
        plan=PLAN,
        limits=LIMITS,
        time_lapse=time_lapse,
        drift_ns=150_000_000,
        rate_ppm=500,
        chunks=chunks,
    )


def good(**changes: object) -> SoakRecord:
    return soak(*(chunk(n, **changes) for n in range(CHUNKS)))


def topic(record: SoakRecord, name: str, process: str = "") -> Topic:
    found = [t for t in judge_soak(record) if (t.name, t.process) == (name, process)]
    assert len(found) == 1
    return found[0]


def test_a_good_soak_passes_in_everything() -> None:
    topics = judge_soak(good())
    assert [topic.outcome for topic in topics] == [Outcome.PASS] * 8
    assert {topic.process for topic in topics} == {"", "tender", "rig", "qemu"}


# ---- Cycles and drift -------------------------------------------------------------


def test_a_soak_that_is_not_over_has_not_passed() -> None:
    record = soak(*(chunk(n) for n in range(3)))
    assert topic(record, "cycles").outcome is Outcome.INCONCLUSIVE
    assert topic(record, "cycles").text == "300 of 2000 cycles in 3 chunks, 600 edges"


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.INCONCLUSIVE])
def test_one_chunk_that_did_not_pass_is_named(outcome: Outcome) -> None:
    chunks = [chunk(n) for n in range(CHUNKS)]
    chunks[7] = chunk(7, outcome=outcome)
    cycles = topic(soak(*chunks), "cycles")
    assert cycles.outcome is outcome
    assert "soak/chunk-00007" in cycles.text


def test_time_lapse_is_said() -> None:
    assert "time-lapse" in topic(soak(chunk(1), time_lapse=True), "cycles").text


@pytest.mark.parametrize(
    ("drift_ns", "outcome"),
    [
        (40_000_000, Outcome.PASS),
        (43_000_000, Outcome.INCONCLUSIVE),
        (44_000_000, Outcome.FAIL),
        (-44_000_000, Outcome.FAIL),
    ],
)
def test_drift_of_all_chunks_together_must_stay_in_the_budget(
    drift_ns: int, outcome: Outcome
) -> None:
    """20 chunks have 150 ms together, and 500 ppm of 1400 s; the stamps are off by 20 ms."""
    assert topic(good(drift_ns=drift_ns), "drift").outcome is outcome


def test_drift_of_time_lapse_is_not_judged() -> None:
    record = soak(chunk(1, drift_ns=None), time_lapse=True)
    assert topic(record, "drift").outcome is None


def test_drift_that_was_not_seen_in_every_chunk_does_not_pass() -> None:
    record = soak(chunk(1), chunk(2, drift_ns=None))
    assert topic(record, "drift").outcome is Outcome.INCONCLUSIVE


# ---- Growth --------------------------------------------------------------------------


def leaking(process: str, kib: float, fds: float = 0) -> SoakRecord:
    """A process that holds so much more after each chunk, beside its noise."""

    def leaky(usage: Usage, number: int) -> Usage:
        if usage.process != process:
            return usage
        more = int(number * kib), int(number * fds)
        return held(process, usage.memory_kib + more[0], usage.descriptors + more[1], usage.pid)

    chunks = [chunk(n) for n in range(CHUNKS)]
    return soak(
        *(chunk(n, rig=tuple(leaky(u, n) for u in one.rig)) for n, one in enumerate(chunks))
    )


@pytest.mark.parametrize("process", ["rig", "qemu"])
def test_a_leak_of_memory_fails(process: str) -> None:
    record = leaking(process, kib=100)
    assert topic(record, "memory", process).outcome is Outcome.FAIL
    other = {"rig": "qemu", "qemu": "rig"}[process]
    assert topic(record, "memory", other).outcome is Outcome.PASS


@pytest.mark.parametrize("process", ["rig", "qemu"])
@pytest.mark.parametrize("fds", [1, 0.3])
def test_a_leak_of_descriptors_fails(process: str, fds: float) -> None:
    assert topic(leaking(process, 0, fds), "descriptors", process).outcome is Outcome.FAIL


def test_a_cache_that_fills_up_at_first_is_no_leak() -> None:
    filling = [chunk(n, rig=(held("rig", 100_000 + 50_000 * min(n, 3), 30),)) for n in range(20)]
    assert topic(soak(*filling), "memory", "rig").outcome is Outcome.PASS


def test_one_chunk_out_of_line_is_no_leak() -> None:
    chunks = [chunk(n) for n in range(CHUNKS)]
    chunks[-1] = chunk(CHUNKS, rig=(held("rig", 900_000, 90), held("qemu", 90_000, 15, 2)))
    assert topic(soak(*chunks), "memory", "rig").outcome is Outcome.PASS
    assert topic(soak(*chunks), "descriptors", "rig").outcome is Outcome.PASS


def test_a_growth_whose_sign_is_in_doubt_is_inconclusive() -> None:
    wild = [0, 9000, 100, 8000, 2000, 9500, 3000, 9900]
    chunks = [chunk(n, rig=(held("rig", kib, 30),)) for n, kib in enumerate([0, 0, *wild])]
    assert topic(soak(*chunks), "memory", "rig").outcome is Outcome.INCONCLUSIVE


def test_few_chunks_are_too_few_to_tell() -> None:
    memory = topic(soak(*(chunk(n) for n in range(6))), "memory", "rig")
    assert memory.outcome is None
    assert "too few chunks to tell" in memory.text


def test_a_rig_that_went_on_is_another_process() -> None:
    """It begins small again, which must not hide a leak, nor look like one."""
    small = [chunk(n, rig=(held("rig", 100_000, 30, pid=1),)) for n in range(10)]
    large = [chunk(n, rig=(held("rig", 300_000, 60, pid=2),)) for n in range(10)]
    leaky = [chunk(n, rig=(held("rig", 300_000 + n * 500, 60, pid=2),)) for n in range(10)]
    assert topic(soak(*small, *large), "memory", "rig").outcome is Outcome.PASS
    assert topic(soak(*small, *leaky), "memory", "rig").outcome is Outcome.FAIL
    assert topic(soak(*leaky, *small), "memory", "rig").outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("late", "memory", "descriptors"),
    [
        (held("tender", 1464, 9), Outcome.PASS, Outcome.PASS),
        (held("tender", 1465, 9), Outcome.FAIL, Outcome.PASS),
        (held("tender", 1400, 10), Outcome.PASS, Outcome.FAIL),
    ],
)
def test_a_tender_may_not_grow_within_a_chunk(
    late: Usage, memory: Outcome, descriptors: Outcome
) -> None:
    record = good(tender=(held("tender", 1400, 9), late))
    assert topic(record, "memory", "tender").outcome is memory
    assert topic(record, "descriptors", "tender").outcome is descriptors


def test_a_tender_of_which_the_target_told_nothing_does_not_pass() -> None:
    record = soak(chunk(1), chunk(2, tender=()))
    assert topic(record, "memory", "tender").outcome is Outcome.INCONCLUSIVE


# ---- What processes hold ---------------------------------------------------------------


def test_the_rig_sees_what_it_and_its_children_hold() -> None:
    before = {usage.pid: usage for usage in usage_here()}
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with Path("/dev/null").open() as _, Path("/dev/null").open() as _:
        after = {usage.pid: usage for usage in usage_here()}
    child.communicate()
    assert after[os.getpid()].process == "rig"
    assert after[os.getpid()].descriptors == before[os.getpid()].descriptors + 3
    assert child.pid in after
    assert child.pid not in before


def test_what_a_command_holds_is_told_and_its_status_kept(tmp_path: Path) -> None:
    program = tmp_path / "soakee"
    shutil.copy(shutil.which("sleep") or "", program)
    until_told = "until [ $(wc -l < $f) = 2 ]; do sleep 0.1; done"
    command = watched(
        f"({program} 60 & {until_told}; kill $!; exit 7)", "soakee", duration_ns=800_000_000
    )
    done = subprocess.run(
        ["sh", "-c", f"({command})"], capture_output=True, text=True, check=False, timeout=60
    )
    early, late = usage_told(done.stdout, "tender")
    assert done.returncode == 7
    assert early.pid == late.pid
    assert early.memory_kib > 100
    assert early.descriptors >= 3


def test_a_short_lived_process_of_the_same_name_is_not_taken_for_it(tmp_path: Path) -> None:
    """A tender forks before its guard is a program of its own."""
    program = tmp_path / "soakee-forks"
    shutil.copy(shutil.which("sleep") or "", program)
    until_told = "until [ $(wc -l < $f) = 2 ]; do sleep 0.1; done"
    both = f"{program} 0.3 & {program} 60 & {until_told}; kill $!"
    command = watched(f"({both})", program.name, duration_ns=8_000_000_000)
    done = subprocess.run(
        ["sh", "-c", f"({command})"], capture_output=True, text=True, check=False, timeout=60
    )
    assert len(usage_told(done.stdout, "tender")) == 2


def test_a_command_that_ends_too_early_tells_nothing(tmp_path: Path) -> None:
    command = watched("true", "soakee-that-never-was", duration_ns=4_000_000_000)
    done = subprocess.run(["sh", "-c", f"({command})"], capture_output=True, text=True, check=False)
    assert (done.returncode, usage_told(done.stdout, "tender")) == (0, ())


def test_a_packed_output_arrives_as_it_was_said_with_its_status() -> None:
    command = packed("seq 1 5000; echo to stderr >&2; exit 3")
    done = subprocess.run(["sh", "-c", f"({command})"], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert len(done.stdout) < 20_000
    assert unpacked(done.stdout) == "".join(f"{n}\n" for n in range(1, 5001)) + "to stderr\n"


@pytest.mark.parametrize("damage", [slice(0, 60), slice(20, None), slice(0, 0)])
def test_a_packed_output_that_is_damaged_is_an_error_of_the_bench(damage: slice) -> None:
    done = subprocess.run(
        ["sh", "-c", packed("seq 100")], capture_output=True, text=True, check=True
    )
    with pytest.raises(TargetError, match="arrived damaged"):
        unpacked(done.stdout[damage])


# ---- The record ---------------------------------------------------------------------


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_record(tmp_path, good())
    assert read_record(tmp_path) == good()
    assert [path.name for path in tmp_path.iterdir()] == [RECORD]


def test_a_soak_goes_on_where_the_last_chunk_ended(tmp_path: Path) -> None:
    write_record(tmp_path, soak(chunk(1), chunk(2)))
    assert continued(tmp_path, PLAN).cycles == 200


def test_another_soak_cannot_go_on(tmp_path: Path) -> None:
    write_record(tmp_path, good())
    other = PLAN.model_copy(update={"tender": "d" * 64, "cycles": 5})
    with pytest.raises(SoakError) as raised:
        continued(tmp_path, other)
    assert "cycles: was 2000, is 5" in str(raised.value)
    assert "tender: was aaaa" in str(raised.value)
    assert "unikernel" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "told"), [(None, "give the results folder"), ("{", "no record of a soak")]
)
def test_no_record_is_a_clear_error(tmp_path: Path, text: str | None, told: str) -> None:
    if text:
        (tmp_path / RECORD).write_text(text)
    with pytest.raises(SoakError, match=told):
        read_record(tmp_path)
