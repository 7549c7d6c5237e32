from pathlib import Path

import pytest
from conftest import Made, ResultsFolder

from reports.load import load_results
from rig.errors import EvidenceError
from rig.evidence import SPOILED, Evidence
from rig.verdict import Finding, Kind, Outcome, Verdict

CAUGHT = Made(missing=2, record={"purpose": "defect"})
NOT_CAUGHT = Made(record={"purpose": "defect"})
DOUBTFUL = Made(lost=1, record={"purpose": "defect"})


def damage(folder: Path) -> None:
    (folder / "console.log").write_text("something else\n")


def test_runs_come_in_the_order_of_time(results: ResultsFolder) -> None:
    results.add("Second", Made(record={"started_ns": 20}))
    results.add("First", Made(record={"started_ns": 10}))

    assert [run.label for run in load_results(results.path).runs] == ["Led / First", "Led / Second"]


def test_of_several_results_folders_the_newest_is_read(tmp_path: Path) -> None:
    for name in ("20260102T000000Z-virtual", "20260103T000000Z-desk", "20251231T000000Z-virtual"):
        ResultsFolder(tmp_path / name).add("Blinks")

    assert load_results(tmp_path).folder == tmp_path / "20260103T000000Z-desk"


def test_a_test_that_ran_twice_is_told_apart_by_its_folder(results: ResultsFolder) -> None:
    results.add("Blinks")
    results.add("Blinks")

    labels = [run.label for run in load_results(results.path).runs]

    assert labels == ["Led / Blinks (led/01-blinks)", "Led / Blinks (led/02-blinks)"]


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match=f"^{tmp_path}/nowhere: no such folder"):
        load_results(tmp_path / "nowhere")


def test_a_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(EvidenceError, match="no such folder"):
        load_results(tmp_path / "file")


def test_a_folder_without_evidence_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match=f"^{tmp_path}: holds no evidence; run a suite first"):
        load_results(tmp_path)


def test_runs_that_were_only_cut_short_are_refused(results: ResultsFolder) -> None:
    folder = results.add("Blinks")
    folder.rename(folder.with_name("blinks.partial"))

    with pytest.raises(EvidenceError, match=r"no run can be used: led/blinks\.partial: was cut"):
        load_results(results.path)


def test_one_line_says_that_every_run_is_damaged(results: ResultsFolder) -> None:
    damage(results.add("Blinks"))
    damage(results.add("Blinks Again"))

    with pytest.raises(EvidenceError, match=r"led/01-blinks: .*SHA-256.*\(and 1 more\)") as caught:
        load_results(results.path)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("console.log", b"something else\n"),
        ("guest.parquet", b""),
        ("capture.json", b"{}"),
        ("run.json", b"{}"),
        ("run.json", b"\xff\xfe"),
        ("run.json", None),
        ("capture.parquet", None),
        ("verdict.json", b"{}"),
        ("verdict.json", None),
    ],
)
def test_a_damaged_run_among_good_ones_is_reported_and_takes_the_pass(
    results: ResultsFolder, file: str, content: bytes | None
) -> None:
    results.add("Blinks")
    damaged = results.add("Blinks Again") / file
    damaged.unlink()
    if content is not None:
        damaged.write_bytes(content)

    loaded = load_results(results.path)

    assert len(loaded.problems) == 1
    assert loaded.problems[0].startswith("led/02-blinks-again: ")
    assert file in loaded.problems[0] or "cannot read the evidence" in loaded.problems[0]
    assert "\n" not in loaded.problems[0]
    assert loaded.outcome is Outcome.INCONCLUSIVE


def test_a_run_cut_short_among_good_ones_is_reported(results: ResultsFolder) -> None:
    results.add("Blinks")
    folder = results.add("Blinks Again")
    folder.rename(folder.with_name("again.partial"))

    (problem,) = load_results(results.path).problems

    assert problem == "led/again.partial: was cut short, never sealed"


def test_a_verdict_that_the_evidence_does_not_give_is_not_believed(
    results: ResultsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older_rig:
        passed = Verdict((Finding(Kind.COUNT, Outcome.PASS, "looks good"),))
        older_rig.setattr(Evidence, "judge", lambda _: passed)
        results.add("Blinks", Made(missing=2))

    loaded = load_results(results.path)

    (problem,) = loaded.problems
    assert problem == "led/01-blinks: verdict.json says PASS, but the evidence gives FAIL"
    assert loaded.outcome is Outcome.FAIL


def test_a_spoiled_run_that_was_repeated_does_not_count(results: ResultsFolder) -> None:
    spoiled = results.add("Blinks", Made(missing=2))
    spoiled.rename(spoiled.with_name(f"{spoiled.name}{SPOILED}1"))
    results.add("Blinks", Made(record={"repeats": 1}))

    loaded = load_results(results.path)

    assert [run.name for run in loaded.runs] == ["led/02-blinks"]
    assert (loaded.outcome, loaded.problems) == (Outcome.PASS, ())


@pytest.mark.parametrize(
    ("runs", "outcome"),
    [
        ([Made()], Outcome.PASS),
        ([Made(), Made(lost=1)], Outcome.INCONCLUSIVE),
        ([Made(lost=1), Made(missing=2), Made()], Outcome.FAIL),
        ([Made(), CAUGHT], Outcome.PASS),
        ([Made(), CAUGHT, NOT_CAUGHT], Outcome.INCONCLUSIVE),
        ([Made(missing=2), NOT_CAUGHT], Outcome.FAIL),
        ([Made(), DOUBTFUL], Outcome.INCONCLUSIVE),
        ([CAUGHT], Outcome.INCONCLUSIVE),
    ],
)
def test_the_overall_verdict_is_the_worst_of_the_proofs(
    results: ResultsFolder, runs: list[Made], outcome: Outcome
) -> None:
    for number, made in enumerate(runs):
        results.add(f"Test {number}", made)

    assert load_results(results.path).outcome is outcome
