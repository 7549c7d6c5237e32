# SPDX-License-Identifier: ISC
"""A soak as a section of the report's page: how far it has come, and what its processes hold.

It follows from `soak.json` alone, by the rules of `rig.soak`; an interim report has it, too.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import cycle, groupby

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.lanes import Picture
from reports.load import Results
from reports.svg import COLOURS, SERIES, drawing, inline
from rig.findings import counted
from rig.soak import Chunk, SoakRecord, Topic

LEAST_CHUNKS = 2
"""Fewer make no line."""
_KIB_PER_MIB = 1024


@dataclass(frozen=True)
class SoakSection:
    """What the page shows of a soak."""

    summary: str
    topics: tuple[Topic, ...]
    pictures: tuple[Picture, ...]


def soak_section(results: Results) -> SoakSection | None:
    """None if the results are not those of a soak."""
    record = results.soak
    if record is None:
        return None
    return SoakSection(_summary(record), results.topics, tuple(_pictures(record)))


def _summary(record: SoakRecord) -> str:
    share = record.cycles * 100 // record.plan.cycles
    lapse = (
        "; in time-lapse, so the sequence is judged and time is not" if record.time_lapse else ""
    )
    return (
        f"{record.cycles:,} of {record.plan.cycles:,} cycles are done ({share} %), in "
        f"{counted(len(record.chunks), 'chunk')}, each a run below{lapse}."
    )


def _pictures(record: SoakRecord) -> Iterable[Picture]:
    if len(record.chunks) >= LEAST_CHUNKS:
        yield _of_rig(record)
        yield _of_tender(record)


def _of_rig(record: SoakRecord) -> Picture:
    """Each process from zero, so that one of 20 MiB stands beside one of 200."""
    with drawing("soak rig"):
        figure, axes = _panel("MiB more")
        for colour, (name, chunks, memory_kib) in zip(
            cycle(SERIES), _processes(record), strict=False
        ):
            grown = [(kib - memory_kib[0]) / _KIB_PER_MIB for kib in memory_kib]
            label = f"{name}, {memory_kib[0] // _KIB_PER_MIB} MiB at first"
            axes.plot(chunks, grown, color=COLOURS[colour], linewidth=1.2, label=label)
        figure.legend(frameon=False, fontsize=8, loc="outside upper left")
        limit = record.limits.rig_growth_kib / _KIB_PER_MIB
        caption = (
            "Memory of the rig and of each process that it started, after each chunk, above what "
            "it held after its first. What counts is the trend without the first fifth: it may "
            f"grow by {limit:g} MiB."
        )
        return Picture(inline(figure, "Memory of rig and observer over chunks"), caption)


def _processes(record: SoakRecord) -> Iterable[tuple[str, list[int], list[int]]]:
    """Name, chunk numbers and memory in KiB; a rig that went on later is another one."""
    usages = sorted(
        (
            (usage.process, usage.pid, number, usage.memory_kib)
            for number, chunk in enumerate(record.chunks, 1)
            for usage in chunk.rig
        )
    )
    for (name, _), group in groupby(usages, key=lambda usage: usage[:2]):
        rows = list(group)
        if len(rows) >= LEAST_CHUNKS:
            yield name, [row[2] for row in rows], [row[3] for row in rows]


def _of_tender(record: SoakRecord) -> Picture:
    limit_kib = record.limits.tender_growth_kib
    with drawing("soak tender"):
        figure, axes = _panel("KiB more")
        told = [(n, _grown_kib(c)) for n, c in enumerate(record.chunks, 1) if len(c.tender) == 2]
        axes.plot(
            [number for number, _ in told],
            [kib for _, kib in told],
            color=COLOURS["observed"],
            linewidth=0,
            marker="o",
            markersize=3,
        )
        axes.axhline(limit_kib, color=COLOURS["fail"], linewidth=1)
        caption = (
            "Memory that each chunk's tender took on from an eighth of its blinking to seven. The "
            f"median may be {limit_kib} KiB, the red line."
        )
        return Picture(inline(figure, "Growth of the tender in each chunk"), caption)


def _grown_kib(chunk: Chunk) -> int:
    early, late = chunk.tender
    return late.memory_kib - early.memory_kib


def _panel(unit: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(4.8, 2.4), layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel("chunk")
    axes.set_ylabel(unit)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.grid(axis="y", color=COLOURS["hair"], linewidth=0.6)
    return figure, axes
