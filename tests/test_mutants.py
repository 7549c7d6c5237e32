# SPDX-License-Identifier: ISC
"""The driver of known-bad systems believes judgements only; its patches and its page are whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from robot.api import TestSuite as Suite
from robot.run import run as run_robot

from tests.mutants import (
    PATCHES,
    REPOSITORY,
    SAMPLE,
    Case,
    Mutant,
    Outcome,
    caught_words,
    complaint,
    groups,
    main,
    read_mutants,
    read_outcome,
    run_all,
    table,
)
from tests.mutants_robot import OncePerSystem

MUTANTS = read_mutants()
RARE = "drops-every-1000th-edge"
BY_NAME = {mutant.name: mutant for mutant in MUTANTS}
KNOWN = Mutant(
    name="never",
    image="tender",
    defect="it never does.",
    caught_by=Case("Led", "Meant"),
    kinds=frozenset({"release"}),
    variables=(),
)


def outcome(*caught: str, kinds: tuple[str, ...] = ("release",)) -> Outcome:
    return Outcome(dict.fromkeys(caught, "FAIL"), frozenset(caught), {"Meant": frozenset(kinds)})


# ---- Patches and page -----------------------------------------------------------------


def test_there_are_many_of_either_sort() -> None:
    images = [mutant.image for mutant in MUTANTS]
    assert images.count("tender") >= 20
    assert images.count("test_led") >= 10
    assert len(BY_NAME) == len(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_is_built_and_differs_from_the_good_one(mutant: Mutant) -> None:
    good = mutant.file.parents[2] / mutant.file.name
    assert mutant.file.read_bytes() != good.read_bytes()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_names_a_test_that_there_is(mutant: Mutant) -> None:
    suite = Suite.from_file_system(mutant.caught_by.file)
    assert mutant.caught_by.name in {test.name for test in suite.tests}


def test_the_page_lists_them_all() -> None:
    assert table(MUTANTS) in (REPOSITORY / "docs" / "known-bad.md").read_text()


@pytest.mark.parametrize(
    "head", ["Caught-by: Led / Meant", "Defect: none.", "Defect: x\nCaught-by: Led", "Who: me"]
)
def test_a_patch_that_does_not_say_what_it_must_is_refused(tmp_path: Path, head: str) -> None:
    (tmp_path / "bad.patch").write_text(f"{head}\n\n--- a/x\n")
    with pytest.raises(ValueError, match="must begin with"):
        read_mutants(tmp_path)


def test_a_head_may_go_over_several_lines(tmp_path: Path) -> None:
    (tmp_path / "unikernel").mkdir()
    path = tmp_path / "unikernel" / "slow.patch"
    path.write_text(
        "Defect: it is\nslow.\nCaught-by: Led / Meant\nBy: on-time, drift\nWith: A:1 B:2\n\n"
    )
    (mutant,) = read_mutants(tmp_path)
    assert (mutant.image, mutant.defect) == ("test_led", "it is slow.")
    assert mutant.kinds == {"on-time", "drift"}
    assert mutant.variables == ("A:1", "B:2")


# ---- What counts as caught ------------------------------------------------------------


def test_caught_by_the_test_that_is_meant_to() -> None:
    seen = outcome("Meant", "Other", kinds=("cleanup", "release"))
    assert complaint(KNOWN, seen) == ""
    assert caught_words(KNOWN, seen) == ("caught by Led / Meant (cleanup, release); also by Other")


@pytest.mark.parametrize(("kind", "is_right"), [("release", True), ("count", False)])
def test_one_of_several_kinds_may_do(kind: str, is_right: bool) -> None:
    either = replace(KNOWN, kinds=frozenset({"cleanup/release"}))
    assert (complaint(either, outcome("Meant", kinds=(kind,))) == "") is is_right


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (outcome(), "not caught"),
        (outcome("Other"), "caught only by Other, meant: Meant"),
        (outcome("Meant", kinds=("count",)), "Meant did not find release but count"),
        (Outcome({"Meant": "TargetError: no shell"}, frozenset(), {}), "without judgement"),
    ],
)
def test_anything_else_is_a_complaint(seen: Outcome, told: str) -> None:
    assert told in complaint(KNOWN, seen)


SUITE = """\
*** Settings ***
Library    Probe.py
*** Test Cases ***
Good
    Do Pass
Fails By A Verdict
    Judge    FAIL\\n count is wrong
Refuses Nothing
    Judge    exit status 0, expected 1
Is Inconclusive
    Judge    INCONCLUSIVE\\n the bench stalled
Has A Broken Bench
    Do Break
Takes Too Long
    [Timeout]    0.01 s
    Sleep    5 s
"""
PROBE = """\
from rig.errors import TargetError
def do_pass(): pass
def judge(text): raise AssertionError(text)
def do_break(): raise TargetError("no shell within 120 s")
"""


def test_only_a_judgement_on_the_target_catches(tmp_path: Path) -> None:
    (tmp_path / "Probe.py").write_text(PROBE)
    suite = tmp_path / "probe.robot"
    suite.write_text(SUITE)
    with (tmp_path / "log").open("w") as log:
        run_robot(str(suite), outputdir=str(tmp_path), stdout=log, stderr=log)
    seen = read_outcome(tmp_path)
    assert seen.caught == {"Fails By A Verdict", "Refuses Nothing"}
    assert seen.failed.keys() == seen.caught | {
        "Is Inconclusive",
        "Has A Broken Bench",
        "Takes Too Long",
    }


# ---- The driver --------------------------------------------------------------------------


def test_every_suite_has_one_group_and_the_good_system_goes_first() -> None:
    chosen = [BY_NAME[name] for name in ("never-unexports", "glitches", "wraps-the-line")]
    led, refusals = groups(chosen)
    assert (led.name, refusals.name) == ("led", "refusals")
    assert led.plan(whole=False) == [
        ("good", "Line Is Exported, Driven And Released"),
        ("good", "LED Blinks As Commanded"),
        ("never-unexports", "Line Is Exported, Driven And Released"),
        ("glitches", "LED Blinks As Commanded"),
    ]
    assert len(led.plan(whole=True)) == 3 * 5


def test_tests_that_build_on_each_other_are_run_together() -> None:
    (soak,) = groups([BY_NAME["leaks-memory"]])
    assert [test for system, test in soak.plan(whole=False) if system == "good"] == [
        "No Edge Is Lost",
        "Nothing Drifts",
        "Tender Does Not Grow",
        "Rig And Observer Do Not Grow",
    ]


def test_other_variables_are_another_group() -> None:
    assert [g.variables for g in groups([BY_NAME["leaks-memory"], BY_NAME[RARE]])] == [
        (),
        ("CYCLES:600", "CHUNK:600"),
    ]


def test_a_plan_becomes_tests_that_begin_with_their_images(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text('[["good", "LED Blinks As Commanded"], ["slow", "LED Blinks As Commanded"]]')
    suite = Suite.from_file_system(KNOWN.caught_by.file)
    suite.visit(OncePerSystem(str(plan)))
    assert [test.name for test in suite.tests] == [
        "good: LED Blinks As Commanded",
        "slow: LED Blinks As Commanded",
    ]
    first, second = (test.body[0] for test in suite.tests)
    assert (first.name, first.args) == ("Put In Place", ("good",))
    assert (second.name, second.args) == ("Put In Place", ("slow",))
    assert len(suite.tests[0].body) == len(suite.tests[1].body)


def test_the_sample_is_of_several_suites() -> None:
    assert len({BY_NAME[name].caught_by.suite for name in SAMPLE}) >= 3


Says = Callable[..., dict[str, Outcome]]


def says(*rounds: dict[str, Outcome]) -> Says:
    """Stands for running a group: what is said, run after run."""
    told = iter(rounds)
    return lambda *_: next(told)


def test_every_line_that_is_not_ok_counts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    round_ = {"good": outcome(), "never": outcome("Meant"), "again": outcome("Other")}
    monkeypatch.setattr("tests.mutants.run_group", says(round_))
    assert run_all(groups([KNOWN, replace(KNOWN, name="again")]), whole=False) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[:4] == [
        "1..3",
        "ok 1 good system, led: it passes",
        "ok 2 never: caught by Led / Meant (release)",
        "not ok 3 again: caught only by Other, meant: Meant",
    ]
    assert told[-1].endswith("1 of 3 lines are not ok")


def test_a_system_that_the_bench_spoiled_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    spoiled = Outcome({"Meant": "INCONCLUSIVE"}, frozenset(), {})
    first = {"good": outcome(), "never": spoiled}
    rounds = says(first, {"never": spoiled}, {"never": outcome("Meant")})
    monkeypatch.setattr("tests.mutants.run_group", rounds)
    assert run_all(groups([KNOWN]), whole=False) == 0


def test_a_system_that_is_always_spoiled_is_not_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    spoiled = Outcome({"Meant": "INCONCLUSIVE"}, frozenset(), {})
    rounds = says({"good": outcome(), "never": spoiled}, *[{"never": spoiled}] * 2)
    monkeypatch.setattr("tests.mutants.run_group", rounds)
    assert run_all(groups([KNOWN]), whole=False) == 1


def test_a_good_system_that_fails_is_not_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    round_ = {"good": outcome("Meant"), "never": outcome("Meant")}
    monkeypatch.setattr("tests.mutants.run_group", says(round_))
    assert run_all(groups([KNOWN]), whole=False) == 1


def test_an_unknown_name_is_told_with_those_that_there_are() -> None:
    with pytest.raises(SystemExit, match=r"no nothing; there are: .*glitches"):
        main(["nothing"])


def test_the_folder_of_patches_holds_nothing_else() -> None:
    assert {path.suffix for path in PATCHES.rglob("*") if path.is_file()} == {".patch"}
