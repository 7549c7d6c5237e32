"""Our own `capture.vcd`: its comment carries the whole capture, budget and all."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rig.capture import SCHEMA, Capture, sealed_capture
from rig.errors import EvidenceError
from rig.recordings.supplement import Supplement, chosen_lines


def is_sealed(comment: str) -> bool:
    """Whether this comment is one that the rig wrote."""
    return comment.startswith(SCHEMA)


def read_sealed(path: Path, comment: str, edges: NDArray[np.void], added: Supplement) -> Capture:
    """The capture that the rig wrote, or some lines of it under other names.

    Raises `EvidenceError` if it was changed since, or if somebody wants to change its budget.
    """
    if replace(added, wiring={}) != Supplement():
        raise EvidenceError(
            f"{path}: carries its instrument's budget and its window; leave out all options but "
            "--line"
        )
    try:
        capture = sealed_capture(comment, edges)
    except EvidenceError as error:
        raise EvidenceError(f"{path}: {error}") from error
    lines = chosen_lines(path, capture.lines, added)
    return _with_lines(capture, lines) if added.wiring else capture


def _with_lines(capture: Capture, lines: Mapping[str, str]) -> Capture:
    """Only these lines (new name -> name in the capture)."""
    old = [capture.lines.index(channel) for channel in lines.values()]
    named = {channel: line for line, channel in lines.items()}
    new_index = np.zeros(len(capture.lines), np.uint16)
    new_index[old] = np.arange(len(old))
    edges = capture.edges[np.isin(capture.edges["line"], old)]
    edges["line"] = new_index[edges["line"]]
    return replace(
        capture,
        lines=tuple(lines),
        edges=edges,
        initial_levels={line: capture.initial_levels[old] for line, old in lines.items()},
        initial_modes={n: capture.initial_modes[old] for n, old in lines.items()}
        if capture.sees_modes
        else {},
        modes=tuple(replace(m, line=named[m.line]) for m in capture.modes if m.line in named),
    )
