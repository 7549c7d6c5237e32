"""The way to a release, from `make acceptance` to its last line, with runs too few to accept."""

import subprocess
from pathlib import Path

from rig.identity import REPOSITORY
from tests.run_all import from_junit

ACCEPTABLE = """
suites: [Acceptance]
measured: [Acceptance / LED Blinks As Commanded In Every Run]
least_runs: 8
least_edges: 10
least_defects: 0
first_release: true
uncommitted: true
benches: {virtual: {limits: [{figure: edge lateness, unit: ms, at_most: 150}]}}
"""


def test_a_short_dry_run_goes_all_the_way_and_is_not_accepted(tmp_path: Path) -> None:
    results = tmp_path / "results"
    words = ["-o", "image", "-o", "tender", "LENGTH=short", "SUITES=acceptance"]
    done = _run("make", "acceptance", *words, f"RIG_RESULTS={results}")
    told = " ".join(done.stdout.split())

    assert "ACCEPTED evidence: 2 runs, all of it whole" in told, done.stderr
    assert "of 1 test passed" in told
    assert "2 runs of 10 edges or more; 20 of 100 must be" in told
    assert done.stdout.splitlines()[-1].startswith("UNDECIDED: ")
    assert done.returncode == 2  # all that make knows
    output = results / "acceptance-short" / "output.xml"
    (checks,) = results.glob("2*/acceptance.xml")
    assert from_junit(checks).failed > 1

    limits = tmp_path / "limits.yaml"
    limits.write_text(ACCEPTABLE)
    gate = _run(
        ".venv/bin/rig", "report", "gate", checks.parent, "--robot", output, "--limits", limits
    )
    assert gate.returncode == 3
    assert gate.stdout.splitlines()[-1].startswith("UNDECIDED: ")
    assert "UNDECIDED  samples of Acceptance / " in gate.stdout


def _run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words], cwd=REPOSITORY, capture_output=True, text=True, timeout=600
    )
