"""The section on a soak, from records with known growth."""

import json
import re

import pytest
from conftest import Made, ResultsFolder
from soaks import PLAN

from reports import write_report
from rig.bench import SoakLimits
from rig.findings import Outcome
from rig.soak import RECORD, Chunk, SoakRecord, Usage, write_record


def usage(process: str, kib: int, pid: int = 1) -> Usage:
    return Usage(process=process, pid=pid, memory_kib=kib, descriptors=9)


def soak(*chunks: Chunk, time_lapse: bool = True) -> SoakRecord:
    return SoakRecord(
        plan=PLAN,
        limits=SoakLimits(tender_growth_kib=64, rig_growth_kib=1024),
        time_lapse=time_lapse,
        drift_ns=150_000_000,
        rate_ppm=500,
        chunks=chunks,
    )


def chunk(number: int, *, rig_kib: int = 200_000, tender_kib: int = 0, pid: int = 1) -> Chunk:
    return Chunk(
        folder=f"soak/chunk-{number:05d}",
        cycles=100,
        edges=200,
        outcome=Outcome.PASS,
        took_ns=10**9,
        schedule_ns=70 * 10**9,
        drift_ns=None,
        drift_uncertainty_ns=0,
        tender=(usage("tender", 1400), usage("tender", 1400 + tender_kib)),
        rig=(usage("rig", rig_kib, pid), usage("qemu-system-aarch64", 90_000, 7)),
    )


def page(results: ResultsFolder, record: SoakRecord | None) -> str:
    """The page of one run, in the folder of this soak."""
    results.add("Chunk 1", Made(), suite="Soak")
    if record:
        write_record(results.path, record)
    return write_report(results.path).html.read_text()


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def test_an_interim_report_says_how_far_the_soak_has_come(results: ResultsFolder) -> None:
    html = page(results, soak(*(chunk(n) for n in range(1, 5))))
    text = text_of(html)

    assert '<a href="#soak">Soak</a>' in html
    assert "400 of 2,000 cycles are done (20 %), in 4 chunks" in text
    assert "time-lapse, so the sequence is judged and time is not" in text
    assert "INCONCLUSIVE 400 of 2000 cycles in 4 chunks, 800 edges" in text
    assert "not judged drift" in text
    assert html.count("over chunks</title>") == 1
    assert "rig, 195 MiB at first" in html


def test_a_soak_in_real_time_does_not_claim_time_lapse(results: ResultsFolder) -> None:
    text = text_of(page(results, soak(chunk(1), chunk(2), time_lapse=False)))
    assert "each a run below." in text
    assert "time-lapse, so" not in text


def test_growth_beyond_the_limit_is_a_fail_on_the_page(results: ResultsFolder) -> None:
    chunks = [chunk(n, rig_kib=200_000 + 1000 * n, tender_kib=65) for n in range(1, 21)]
    text = text_of(page(results, soak(*chunks)))
    assert "FAIL rig memory: grows by 15000 KiB over 16 chunks" in text
    assert "FAIL tender memory: within a chunk it grows by 65 KiB" in text
    assert "PASS 2000 of 2000 cycles" in text


def test_a_rig_that_went_on_is_a_line_of_its_own(results: ResultsFolder) -> None:
    chunks = [chunk(n, pid=1 if n < 4 else 2) for n in range(1, 8)]
    html = page(results, soak(*chunks))
    assert html.count("rig, 195 MiB at first") == 2


def test_one_chunk_has_no_picture_yet(results: ResultsFolder) -> None:
    html = page(results, soak(chunk(1)))
    assert "100 of 2,000 cycles are done" in html
    assert "over chunks</title>" not in html


def test_other_results_have_no_such_section(results: ResultsFolder) -> None:
    html = page(results, None)
    assert 'id="soak"' not in html
    assert "#soak" not in html


@pytest.mark.parametrize(
    ("record", "outcome"),
    [
        (soak(*(chunk(n) for n in range(20))), Outcome.PASS),
        (soak(*(chunk(n) for n in range(5))), Outcome.INCONCLUSIVE),
        (soak(*(chunk(n, tender_kib=65) for n in range(20))), Outcome.FAIL),
    ],
    ids=["good", "not over", "grows"],
)
def test_the_report_is_no_better_than_the_whole_soak(
    results: ResultsFolder, record: SoakRecord, outcome: Outcome
) -> None:
    """Though every chunk passed."""
    html = page(results, record)
    report = write_report(results.path)
    assert f"<title>{outcome}: " in html
    assert f"Overall: {outcome} (1 run: 1 PASS; the whole soak: {outcome})" in report.text
    told = json.loads(report.json.read_text())
    assert told["outcome"] == outcome
    assert [topic["name"] for topic in told["soak"]][:2] == ["cycles", "drift"]


@pytest.mark.parametrize("damage", ["{", json.dumps({"schema": "soak/1"})])
def test_a_damaged_record_is_told_and_stops_no_report(results: ResultsFolder, damage: str) -> None:
    html = page(results, None)
    assert "<title>PASS" in html
    (results.path / RECORD).write_text(damage)
    html = write_report(results.path).html.read_text()
    assert "<title>INCONCLUSIVE" in html
    assert "soak.json" in html
    assert "is no record of a soak" in html
    assert 'id="soak"' not in html
