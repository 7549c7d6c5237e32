"""A case that does not end as its table says is found, and so is one that is not there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rig.hostile import (
    ALL_REFUSED,
    ATTACKS,
    BAD_LED_CALLS,
    EINVAL,
    REFUSED,
    Attack,
    listed,
    numbers,
    promise,
    script,
)

TENDER = """\
#!/bin/sh
{answer}
"""
GOOD_CALLS = "\\n".join(f"call 24: 0x1 {EINVAL << 32 | 1:#x}" for _ in BAD_LED_CALLS)
ANSWERS = {
    "0 call 1 arg 0": ("echo SUCCESS", "echo SUCCESS; exit 1", "exit 0", "kill -SEGV $$"),
    "1 call 1 end": (f"echo '{REFUSED}'; exit 1", "exit 1", "echo SUCCESS", "kill -ABRT $$"),
    "9 call 8 arg 0 9": ("exit 9", "exit 0", "exit 159", "exit 1"),
    ALL_REFUSED: (f"printf '{GOOD_CALLS}\\n'", "echo SUCCESS", "echo 'call 24: 0x1 0x1'", "exit 1"),
}
"""A case, the answer that it must have, and some that it must not have."""
WRONG = [(case, bad) for case, (_, *others) in ANSWERS.items() for bad in others]


def tried(folder: Path, case: str, answer: str) -> tuple[int, str]:
    tender = folder / "tender"
    tender.write_text(TENDER.format(answer=answer))
    tender.chmod(0o755)
    text = script(str(folder), "tender", "--led:led0=25 guest", [case]).replace(
        "/tmp/rig-said", f"{folder}/said"
    )
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, timeout=60)
    assert not (folder / "said").exists()
    return done.returncode, done.stdout


@pytest.mark.parametrize("case", ANSWERS)
def test_a_case_that_ends_as_it_must_is_right(tmp_path: Path, case: str) -> None:
    assert tried(tmp_path, case, ANSWERS[case][0]) == (0, f"{promise([case])}\n")


@pytest.mark.parametrize(("case", "answer"), WRONG)
def test_a_case_that_ends_otherwise_is_told(tmp_path: Path, case: str, answer: str) -> None:
    status, said = tried(tmp_path, case, answer)
    wrong, last = said.splitlines()
    assert status == 1
    assert wrong.startswith(case.split(maxsplit=1)[1])
    assert last == "0 of 1 as it should be"


@pytest.mark.parametrize("attack", Attack)
def test_the_full_length_tries_all_and_the_short_one_some(attack: Attack) -> None:
    every, some = ATTACKS[attack](1, 50).cases, ATTACKS[attack](4, 2).cases
    assert set(some) <= set(every)
    assert some


def test_every_number_is_tried_with_its_end() -> None:
    assert [case.split()[2] for case in numbers(led=True)] == [str(nr) for nr in range(64)]
    assert [case for case in numbers(led=True) if case not in numbers(led=False)] == [
        "0 call 24 arg 0 0 0 0 0"
    ]


def test_the_cases_of_other_processors_are_left_out() -> None:
    assert any("write64" in case for case in listed("aarch64"))
    assert not any("write64" in case for case in listed("x86_64"))
