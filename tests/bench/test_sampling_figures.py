# SPDX-License-Identifier: ISC
"""What the figures of samples are made of; nothing here depends on how fast this machine is."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from rig.samples import EdgeFinder, find_edges
from tests.bench import sampling
from tests.bench.__main__ import main
from tests.bench.measure import Runs

NEEDS_SIGROK = pytest.mark.skipif(
    shutil.which("sigrok-cli") is None, reason="sigrok-cli is missing (apt-get install sigrok-cli)"
)


def test_recording_has_the_edges_it_is_said_to_have() -> None:
    finder = EdgeFinder(sampling.RATE_HZ, 1, range(8))
    second = sampling.one_second()

    edges = finder.feed(second.data)

    of_line = [np.count_nonzero(edges["line"] == line) for line in range(8)]
    assert of_line == [3, 199, 399, 799, 1599, 3199, 6399, 12799]


def test_seconds_of_a_recording_join_without_a_seam(tmp_path: Path) -> None:
    second = sampling.one_second()
    twice = sampling.record(tmp_path / "twice", "it", second, times=2)

    with twice.path.open("rb", buffering=0) as stream:
        edges = find_edges(stream, EdgeFinder(sampling.RATE_HZ, 1, [0]))

    assert twice.samples == 2 * sampling.RATE_HZ
    assert edges["time_ns"].tolist() == [number * 250_000_000 for number in range(1, 8)]


def test_file_figures_are_ratios_of_what_was_taken_by_turns(tmp_path: Path) -> None:
    recording = sampling.record(tmp_path / "noise", "noise", sampling.noise(10_000))

    edges, over = sampling.over_fromfile(recording, Runs(2))

    assert (edges.number, edges.unit, over.unit, over.at_most) == (7, "ns/sample", "x", 3)
    assert over.estimate is not None
    assert over.estimate.samples == 2


@NEEDS_SIGROK
def test_sigrok_finds_as_many_intervals_in_a_recording_as_there_are(tmp_path: Path) -> None:
    """So the two that are compared do the same work."""
    recording = sampling.record(tmp_path / "noise", "noise", sampling.noise(500))
    with recording.path.open("rb", buffering=0) as stream:
        edges = find_edges(stream, EdgeFinder(sampling.RATE_HZ, 1, range(8)))

    done = subprocess.run(
        sampling.timing_command(recording),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=60,
    )

    assert len(done.stdout.splitlines()) == len(edges) - 8


def test_missing_sigrok_is_a_figure_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    recording = sampling.record(tmp_path / "noise", "noise", sampling.noise(10))

    (figure,) = sampling.timing_over(recording, recording, Runs(1), at_least=500)

    assert (figure.estimate, figure.note) == (None, "no sigrok-cli")


def test_live_figure_comes_from_samples_that_came_at_their_rate(tmp_path: Path) -> None:
    cores, late = sampling.live(tmp_path, Runs(1), length_s=0.2)

    assert (cores.number, cores.at_most) == (9, 0.5)
    assert cores.estimate is not None
    assert cores.estimate.value > 0
    assert late.estimate is not None
    assert late.estimate.value >= 0


def test_unknown_group_of_figures_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "sample"])

    assert "choose from" in capsys.readouterr().err
