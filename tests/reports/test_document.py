import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest
from conftest import Made, ResultsFolder

from reports.document import json_schema, to_json
from reports.load import load_results
from reports.statistics import COLUMNS, summarize
from rig.identity import REPOSITORY

SCHEMA = REPOSITORY / "docs" / "report.schema.json"


@pytest.fixture(scope="module")
def document(suite: ResultsFolder) -> dict[str, Any]:
    results = load_results(suite.path)
    return dict(json.loads(to_json(results, summarize(results))))


def test_the_published_schema_is_that_of_the_code(golden: Callable[[Path, str], None]) -> None:
    golden(SCHEMA, json_schema())


def test_a_report_keeps_to_the_published_schema(document: dict[str, Any]) -> None:
    schema = json.loads(SCHEMA.read_text())

    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("outcome",), "GOOD"),
        (("figures", 0, "figure"), "colour"),
        (("figures", 0, "count"), -1),
        (("figures", 0, "median"), "fast"),
        (("runs", 0, "surprise"), 1),
        (("schema",), "report/1"),
    ],
)
def test_the_published_schema_refuses_what_is_no_report(
    document: dict[str, Any], path: tuple[Any, ...], value: Any
) -> None:
    broken = json.loads(json.dumps(document))
    place = broken
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(broken)


def test_it_holds_the_numbers_of_the_summary(
    suite: ResultsFolder, document: dict[str, Any]
) -> None:
    summary = summarize(load_results(suite.path))
    figures = pd.DataFrame(document["figures"])

    assert figures["run"].fillna("").tolist() == summary["run"].tolist()
    for column in COLUMNS:
        wanted = summary[column].astype(float)
        pd.testing.assert_series_equal(figures[column].astype(float), wanted)
    assert figures["notes"].str.join("; ").tolist() == summary["note"].tolist()


def test_it_holds_every_run_with_its_verdict(
    suite: ResultsFolder, document: dict[str, Any]
) -> None:
    runs = load_results(suite.path).runs

    assert [run["name"] for run in document["runs"]] == [run.name for run in runs]
    for entry, run in zip(document["runs"], runs, strict=True):
        assert entry["outcome"] == run.verdict.outcome
        texts = [finding["text"] for finding in entry["findings"]]
        assert texts == [finding.text for finding in run.verdict.findings]
    assert document["outcome"] == "FAIL"


def test_evidence_that_cannot_be_used_is_in_it(results: ResultsFolder) -> None:
    results.add("Blinks", Made())
    (results.add("Blinks Again") / "run.json").write_text("{}")
    loaded = load_results(results.path)
    document = json.loads(to_json(loaded, summarize(loaded)))

    assert document["problems"] == list(loaded.problems)
    assert document["outcome"] == "INCONCLUSIVE"


def test_the_same_evidence_gives_the_same_bytes_wherever_it_lies(
    suite: ResultsFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_results(suite.path)
    text = to_json(loaded, summarize(loaded))
    monkeypatch.chdir(suite.path)
    again = load_results(Path("."))

    assert to_json(again, summarize(again)) == text
