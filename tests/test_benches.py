"""Every bench file of benches/ is good, and the published schema says of it what the rig does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from rig.bench import load_bench
from rig.bench_schema import as_text
from rig.identity import REPOSITORY

FOLDER = REPOSITORY / "benches"
BENCHES = sorted(
    path for path in FOLDER.glob("*.yaml") if not path.name.endswith(".qualification.yaml")
)
SCHEMA = FOLDER / "bench.schema.json"


@pytest.fixture
def schema() -> Draft202012Validator:
    told = json.loads(SCHEMA.read_text())
    Draft202012Validator.check_schema(told)
    return Draft202012Validator(told)


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("path", BENCHES, ids=lambda path: path.name)
def test_a_bench_of_this_repository_is_good(path: Path, schema: Draft202012Validator) -> None:
    bench = load_bench(path)
    assert bench.name == path.stem.replace(".", "-")
    assert [error.message for error in schema.iter_errors(read(path))] == []


@pytest.mark.parametrize("path", BENCHES, ids=lambda path: path.name)
def test_an_editor_finds_the_schema(path: Path) -> None:
    assert path.read_text().startswith(f"# yaml-language-server: $schema={SCHEMA.name}\n")


def test_the_published_schema_is_what_the_rig_checks() -> None:
    assert SCHEMA.read_text() == as_text(), "make schema writes it again"


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("target", "kernal", "6.1"),
        ("target", "kernel", "5.10"),
        ("target", "kind", "virtual-pie"),
        ("lines", "led", 54),
        ("limits", "tolerance", 5),
    ],
)
def test_the_schema_refuses_what_the_rig_refuses(
    schema: Draft202012Validator, section: str, key: str, value: object
) -> None:
    facts = read(FOLDER / "virtual.yaml")
    facts[section][key] = value
    assert not schema.is_valid(facts)


def test_the_schema_explains_every_key_of_a_target(schema: Draft202012Validator) -> None:
    parts = schema.schema["$defs"]
    plain = {"kind", "user", "baud", "host", "port", "boot_timeout_s"}
    for model in ("VirtualPi", "Ssh", "Serial"):
        unexplained = {
            key for key, told in parts[model]["properties"].items() if "description" not in told
        }
        assert unexplained <= plain
