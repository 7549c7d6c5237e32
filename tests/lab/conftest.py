"""One lab for the tests of this folder that leave it usable, and one for those that do not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.labs import LoopbackLab

PLACES: dict[str, dict[str, str]] = {
    "desk-a": {"board": "pi3"},
    "desk-b": {"board": "pi3"},
    "pin": {"board": "pi2"},
    "mute": {},
    "loft": {},
    "bare": {},
    "desk-pi": {"kind": "virtual"},
    "sim-1": {"sim": "yes"},
    "sim-2": {"sim": "yes"},
    "dark": {},
}
SERVICE = {"address": "127.0.0.1", "port": 2222, "username": "pi"}
EXPORTED = {
    "desk-a": {
        "NetworkService": SERVICE,
        "console": {"cls": "NetworkSerialPort", "host": "127.0.0.1", "port": 4001, "speed": 9600},
        "second": {
            "cls": "NetworkSerialPort", "host": "127.0.0.1", "port": 4002, "protocol": "raw",
            "speed": 115200,
        },
        "SigrokDevice": {"driver": "demo"},
    },
    "desk-b": {"NetworkService": SERVICE},
    "pin": {"NetworkService": SERVICE},
    "mute": {"SigrokDevice": {"driver": "demo"}},
}  # fmt: skip
LOFT = {"loft": {"NetworkService": SERVICE}}
"""Nobody exports what the place `dark` would have, and `LOFT` only its own test."""


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackLab]:
    lab = LoopbackLab(tmp_path_factory.mktemp("lab"))
    try:
        lab.start(PLACES)
        lab.export("rack", EXPORTED)
        yield lab
    finally:
        lab.close()


@pytest.fixture
def frail_lab(tmp_path: Path) -> Iterator[LoopbackLab]:
    """For a test that breaks it; its only place gives nothing."""
    lab = LoopbackLab(tmp_path)
    try:
        lab.start({"bare": {}})
        yield lab
    finally:
        lab.close()
