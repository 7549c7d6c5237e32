# SPDX-License-Identifier: ISC
"""Evidence folders in, a report out: what the runs proved, and how late everything was."""

from dataclasses import dataclass
from pathlib import Path

from reports.load import load_results
from reports.page import to_html
from reports.statistics import summarize
from reports.tables import to_csv, to_text
from reports.tidy import tidy

__all__ = ["Report", "write_report"]


@dataclass(frozen=True)
class Report:
    """What was written, and the same for a terminal."""

    html: Path
    csv: Path
    text: str
    """Verdicts, latency table, footnotes and where the page lies; plain, 100 columns wide."""


def write_report(results: Path) -> Report:
    """Write `report.html` and `summary.csv` into a results folder.

    `results` is `results/<UTC time>-<bench>`, or the folder that holds such folders; of
    these the newest is reported. The same evidence gives the same files, byte for byte.
    Raises `EvidenceError` if there is no evidence that can be used, `OSError` if a file
    cannot be written.
    """
    loaded = load_results(results)
    tables = tidy(loaded)
    summary = summarize(tables)
    page, csv = loaded.folder / "report.html", loaded.folder / "summary.csv"
    _replace(page, to_html(loaded, tables, summary))
    _replace(csv, to_csv(summary))
    return Report(page, csv, to_text(loaded, summary, page))


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    draft = path.with_name(f".{path.name}.tmp")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
