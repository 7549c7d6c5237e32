"""Shows that evidence is whole or not there, never overwritten, and judged alike anywhere."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from blinks import TEN_BLINKS, blind, good, records, stuck_low
from pydantic import ValidationError

import rig
from rig.cleanup import Chip, Export, GpioState
from rig.errors import EvidenceError
from rig.evidence import (
    PARTIAL,
    Evidence,
    EvidenceFolder,
    Image,
    RunRecord,
    find_evidence,
    folder_name,
    new_folder,
    read_evidence,
)
from rig.verdict import Kind, Outcome, to_json

FILES = {
    "run.json",
    "capture.parquet",
    "capture.json",
    "capture.vcd",
    "guest.parquet",
    "console.log",
    "gpio-before.json",
    "gpio-after.json",
    "verdict.json",
}
RECORDS = "".join(records())
CONSOLE = f"led-begin,1\n{RECORDS}led-end,20\nSUCCESS\n"
STATE = GpioState(
    chips=(Chip(label="pinctrl-bcm2835", base=458, ngpio=54),),
    exports={462: Export(direction="in", value=1)},
    holders=("gpio-505 (ACT)",),
    functions={"led": "in"},
)
RUN = RunRecord(
    suite="Led",
    test="LED Blinks",
    bench="virtual",
    bench_file="virtual.yaml",
    bench_sha256="b" * 64,
    target={"kernel": "6.1.0", "gpio_base": 458},
    images={"tender": Image(path="/opt/rig/tender", source="../t", sha256="7" * 64)},
    command="/opt/rig/tender --led:led0=25 -- /opt/rig/test_led",
    expectation=TEN_BLINKS,
    console_wanted=("SUCCESS",),
    exit_wanted=0,
    exit_status=0,
    started_ns=1_700_000_000_000_000_000,
    ended_ns=1_700_000_006_000_000_000,
    git_commit="0" * 40,
    tools={"python": "3.11"},
)


def sealed(path: Path, console: str = CONSOLE, after: GpioState = STATE, **fields: Any) -> Evidence:
    with EvidenceFolder(path) as folder:
        run = RUN.model_copy(update=fields)
        return folder.seal(run, good().capture(), console, STATE, after)


def verdict_file(evidence: Evidence) -> str:
    return (evidence.folder / "verdict.json").read_text()


def judged_again(evidence: Evidence) -> str:
    return json.dumps(to_json(evidence.judge()), indent=2, sort_keys=True) + "\n"


def test_a_sealed_folder_holds_every_file_under_its_final_name(tmp_path: Path) -> None:
    evidence = sealed(tmp_path / "led" / "blinks")
    assert evidence.folder == tmp_path / "led" / "blinks"
    assert {path.name for path in evidence.folder.iterdir()} == FILES
    assert [path.name for path in evidence.folder.parent.iterdir()] == ["blinks"]


def test_evidence_comes_back_as_it_was_sealed(tmp_path: Path) -> None:
    evidence = read_evidence(sealed(tmp_path / "run").folder)
    assert evidence.run.model_copy(update={"files": {}, "seal": ""}) == RUN
    assert list(evidence.capture) == list(good().capture())
    assert evidence.guest.num_rows == 20
    assert evidence.console == CONSOLE
    assert (evidence.before, evidence.after) == (STATE, STATE)
    assert evidence.judge().outcome is Outcome.PASS


def blinded(path: Path, sysfs_number: int | None, after: GpioState = STATE) -> Evidence:
    """The same run, seen by an observer without directions."""
    scene = good()
    blind(scene)
    with EvidenceFolder(path) as folder:
        run = RUN.model_copy(update={"sysfs_number": sysfs_number})
        return folder.seal(run, scene.capture(), CONSOLE, STATE, after)


def test_the_target_tells_of_the_release_that_the_observer_cannot_see(tmp_path: Path) -> None:
    verdict = blinded(tmp_path / "run", 483).judge()
    assert [finding.outcome for finding in verdict.of_kind(Kind.RELEASE)] == [Outcome.PASS]
    assert Kind.RELEASE not in {unseen.kind for unseen in verdict.unseen}


def test_a_line_that_the_target_has_not_given_back_fails_its_release(tmp_path: Path) -> None:
    left = STATE.model_copy(update={"exports": {483: Export(direction="out", value=0)}})
    verdict = blinded(tmp_path / "run", 483, left).judge()
    assert verdict.failing_kinds() == {Kind.RELEASE, Kind.CLEANUP}


def test_without_the_lines_number_the_release_stays_unseen(tmp_path: Path) -> None:
    verdict = blinded(tmp_path / "run", None).judge()
    assert verdict.of_kind(Kind.RELEASE) == ()
    assert Kind.RELEASE in {unseen.kind for unseen in verdict.unseen}


def test_an_observer_that_sees_directions_needs_no_word_of_the_target(tmp_path: Path) -> None:
    (release,) = sealed(tmp_path / "run", sysfs_number=483).judge().of_kind(Kind.RELEASE)
    assert "expected in, then out, then in" in release.text


def test_a_run_is_the_first_proof_unless_it_says_otherwise(tmp_path: Path) -> None:
    run = sealed(tmp_path / "run").run
    assert (run.purpose, run.repeats) == ("proof", 0)
    assert run.clock == "CLOCK_REALTIME of the rig's host, ns since 1970 UTC"


def test_evidence_cannot_be_changed_once_it_is_read(tmp_path: Path) -> None:
    evidence = sealed(tmp_path / "run")
    with pytest.raises(AttributeError, match="cannot assign"):
        evidence.console = "SUCCESS"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        evidence.run.exit_status = 0


def test_run_json_holds_the_hash_of_every_other_file(tmp_path: Path) -> None:
    evidence = sealed(tmp_path / "run")
    hashes = {
        name: hashlib.sha256((evidence.folder / name).read_bytes()).hexdigest()
        for name in FILES - {"run.json"}
    }
    assert evidence.run.files == hashes


def test_every_json_file_with_a_schema_names_it_alike(tmp_path: Path) -> None:
    folder = sealed(tmp_path / "run").folder
    data = {path.name: json.loads(path.read_text()) for path in folder.glob("*.json")}
    assert {name: content.get("schema") for name, content in data.items()} == {
        "run.json": "run/3",
        "capture.json": "capture/1",
        "verdict.json": "verdict/2",
        "gpio-before.json": None,
        "gpio-after.json": None,
    }


def test_a_record_of_another_schema_is_refused(tmp_path: Path) -> None:
    data = {**RUN.model_dump(mode="json"), "schema": "run/1"}
    (tmp_path / "run.json").write_text(json.dumps(data))
    with pytest.raises(EvidenceError, match=r"(?s)schema.*run/3"):
        read_evidence(tmp_path)


def test_every_part_of_the_evidence_is_judged(tmp_path: Path) -> None:
    with EvidenceFolder(tmp_path / "run") as folder:
        scene = good()
        stuck_low(scene)
        run = RUN.model_copy(update={"exit_status": 1})
        after = STATE.model_copy(update={"exports": {}})
        evidence = folder.seal(run, scene.capture(), "nothing", STATE, after)
    assert evidence.judge().failing_kinds() == {
        Kind.COUNT,
        Kind.CLEANUP,
        Kind.EXIT_STATUS,
        Kind.CONSOLE,
        Kind.GUEST_RECORD,
    }


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_run_that_is_interrupted_leaves_nothing(
    error: type[BaseException], tmp_path: Path
) -> None:
    def interrupted() -> None:
        with EvidenceFolder(tmp_path / "run") as folder:
            (folder.partial / "console.log").write_text("half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_run_takes_the_folders_it_made_but_no_others(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    with EvidenceFolder(tmp_path / "results" / "now-virtual" / "led" / "run"):
        pass
    assert list(tmp_path.rglob("*")) == [tmp_path / "results"]


def test_an_interrupted_run_leaves_the_evidence_beside_it(tmp_path: Path) -> None:
    with EvidenceFolder(tmp_path / "led" / "interrupted"):
        beside = sealed(tmp_path / "led" / "whole")
    assert read_evidence(beside.folder).judge().outcome is Outcome.PASS
    assert find_evidence(tmp_path) == [beside.folder]


def test_an_existing_folder_is_refused_before_anything_runs(tmp_path: Path) -> None:
    evidence = sealed(tmp_path / "run")
    with pytest.raises(EvidenceError, match=r"run exists already; evidence is never overwritten"):
        EvidenceFolder(evidence.folder)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_name_taken_during_the_run_is_not_overwritten(tmp_path: Path) -> None:
    with EvidenceFolder(tmp_path / "run") as folder:
        (tmp_path / "run").mkdir()
        with pytest.raises(EvidenceError, match=r"run exists already"):
            folder.seal(RUN, good().capture(), CONSOLE, STATE, STATE)
    assert list((tmp_path / "run").iterdir()) == []


def test_a_capture_of_other_lines_is_not_sealed(tmp_path: Path) -> None:
    expected = TEN_BLINKS.model_copy(update={"line": "lamp"})
    with pytest.raises(ValueError, match="the capture has no line 'lamp'"):
        sealed(tmp_path / "run", expectation=expected)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_while_sealing_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", interrupt)
    with pytest.raises(KeyboardInterrupt):
        sealed(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_never_sealed_leaves_nothing(tmp_path: Path) -> None:
    with EvidenceFolder(tmp_path / "run"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_rig_left_is_replaced(tmp_path: Path) -> None:
    left = tmp_path / f"run{PARTIAL}"
    left.mkdir()
    (left / "stale.txt").write_text("from a killed run")
    assert not (sealed(tmp_path / "run").folder / "stale.txt").exists()
    assert not left.exists()


def test_existing_evidence_is_never_overwritten(tmp_path: Path) -> None:
    evidence = sealed(tmp_path / "run")
    before = verdict_file(evidence)
    with pytest.raises(EvidenceError, match=r"run exists already; evidence is never overwritten"):
        sealed(tmp_path / "run", exit_status=1)
    assert verdict_file(evidence) == before
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("name", sorted(FILES))
def test_one_changed_byte_in_any_file_is_noticed(name: str, tmp_path: Path) -> None:
    path = sealed(tmp_path / "run").folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(EvidenceError, match=name if name != "run.json" else str(tmp_path)):
        read_evidence(tmp_path / "run")


@pytest.mark.parametrize("name", sorted(FILES))
def test_any_file_missing_is_noticed_by_name(name: str, tmp_path: Path) -> None:
    (sealed(tmp_path / "run").folder / name).unlink()
    with pytest.raises(EvidenceError, match=name):
        read_evidence(tmp_path / "run")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"exit_status": 0', '"exit_status": 1'),
        ('"tolerance_ns": 5000000', '"tolerance_ns": 9000000'),
        ('"git_commit": "0', '"git_commit": "1'),
        ('"purpose": "proof"', '"purpose": "defect"'),
        ('"seal": "', '"seal": "0'),
        ("{\n", "{ \n"),
    ],
)
def test_a_changed_record_of_the_run_is_noticed(old: str, new: str, tmp_path: Path) -> None:
    path = sealed(tmp_path / "run").folder / "run.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(EvidenceError, match=r"run\.json is not as it was sealed"):
        read_evidence(tmp_path / "run")


def test_a_record_that_was_never_sealed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(RUN.model_dump_json())
    with pytest.raises(EvidenceError, match=r"run\.json is not as it was sealed.*says nothing"):
        read_evidence(tmp_path)


def test_a_verdict_swapped_for_another_one_is_noticed(tmp_path: Path) -> None:
    good_one, bad_one = sealed(tmp_path / "good"), sealed(tmp_path / "bad", exit_status=1)
    shutil.copy(good_one.folder / "verdict.json", bad_one.folder / "verdict.json")
    with pytest.raises(EvidenceError, match=r"verdict\.json is not as it was sealed"):
        read_evidence(bad_one.folder)


def test_an_unknown_key_in_run_json_is_refused_by_name(tmp_path: Path) -> None:
    data = {**RUN.model_dump(mode="json"), "operator": "me"}
    (tmp_path / "run.json").write_text(json.dumps(data))
    with pytest.raises(EvidenceError, match=r"(?s)operator.*Extra inputs are not permitted"):
        read_evidence(tmp_path)


@pytest.mark.parametrize("fields", [{}, {"exit_status": 3}], ids=["PASS", "FAIL"])
def test_the_same_folder_gives_the_same_verdict_byte_for_byte_anywhere(
    fields: dict[str, int], tmp_path: Path
) -> None:
    evidence = sealed(tmp_path / "here" / "run", **fields)
    copied = read_evidence(shutil.copytree(evidence.folder, tmp_path / "there" / "copy"))
    assert judged_again(evidence) == verdict_file(evidence)
    assert judged_again(evidence) == verdict_file(evidence)
    assert judged_again(copied) == verdict_file(evidence)
    assert json.loads(verdict_file(evidence))["outcome"] == evidence.judge().outcome


def test_evidence_is_found_by_the_time_of_its_run(tmp_path: Path) -> None:
    later = sealed(tmp_path / "1" / "a", started_ns=20)
    earlier = sealed(tmp_path / "2" / "b", started_ns=10)
    assert find_evidence(tmp_path) == [earlier.folder, later.folder]


def test_evidence_that_was_cut_short_is_not_found(tmp_path: Path) -> None:
    whole = sealed(tmp_path / "whole")
    shutil.copytree(whole.folder, tmp_path / f"half{PARTIAL}")
    assert find_evidence(tmp_path) == [whole.folder]


def test_evidence_below_a_folder_of_any_name_is_found(tmp_path: Path) -> None:
    evidence = sealed(tmp_path / "my.partial-results" / "run")
    assert find_evidence(tmp_path / "my.partial-results") == [evidence.folder]


def test_a_folder_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match=r"nowhere: cannot read the evidence"):
        read_evidence(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("LED Blinks As Commanded", "led-blinks-as-commanded"),
        ("Line Is Exported, Driven And Released", "line-is-exported-driven-and-released"),
        ("  ../../etc/passwd ", "etc-passwd"),
        ("6.12 kernel", "6.12-kernel"),
        ("led_blinks", "led-blinks"),
        ("LED が点滅する", "led-が点滅する"),
        ("!!!", "unnamed"),
        ("..", "unnamed"),
    ],
)
def test_a_test_name_becomes_a_folder_name(text: str, name: str) -> None:
    assert folder_name(text) == name


@pytest.mark.parametrize(
    "console",
    [
        pytest.param(CONSOLE.replace("\n", "\r\n"), id="carriage-returns"),
        pytest.param(CONSOLE + "\r  10 %\r  20 %\r\n", id="progress"),
        pytest.param("\x00\x1b[2J\ufffd Grüße 光\n" + CONSOLE, id="more-than-ascii"),
    ],
)
def test_a_console_is_kept_as_it_was(console: str, tmp_path: Path) -> None:
    evidence = sealed(tmp_path / "run", console)
    assert evidence.console == console
    assert (evidence.folder / "console.log").read_bytes() == console.encode()
    assert evidence.judge().outcome is Outcome.PASS


def test_bytes_that_are_no_text_do_not_cost_the_evidence(tmp_path: Path) -> None:
    garbage = b"\xff\xfe\n".decode(errors="surrogateescape")
    evidence = sealed(tmp_path / "run", garbage + CONSOLE)
    assert evidence.console == r"\udcff\udcfe" + "\n" + CONSOLE
    assert evidence.judge().outcome is Outcome.PASS


def test_a_machine_with_another_encoding_reads_the_same(tmp_path: Path) -> None:
    sealed(tmp_path / "run", "光\n" + CONSOLE)
    script = f"""
from pathlib import Path
from rig.evidence import read_evidence
evidence = read_evidence(Path({str(tmp_path / "run")!r}))
print(evidence.judge().outcome, ascii(evidence.console[0]))
"""
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    told = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        cwd=Path(rig.__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert told.stdout == "PASS '\\u5149'\n"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"[]", b"null", b"{}"])
def test_a_record_that_is_none_is_refused(content: bytes, tmp_path: Path) -> None:
    (sealed(tmp_path / "run").folder / "run.json").write_bytes(content)
    with pytest.raises(EvidenceError, match=r"run: cannot read the evidence"):
        read_evidence(tmp_path / "run")


def test_a_new_folder_is_nobody_elses_also_within_one_second(tmp_path: Path) -> None:
    folders = [new_folder(tmp_path / "results", "desk") for _ in range(5)]
    assert len(set(folders)) == 5
    assert all(re.fullmatch(r"\d{8}T\d{6}Z-desk(-\d)?", folder.name) for folder in folders)
