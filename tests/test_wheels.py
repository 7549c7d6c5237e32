# SPDX-License-Identifier: ISC
"""Wheels for another machine, fetched by the real pip from a folder: no network."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from rig.debs import sha256
from rig.errors import ImageError
from rig.wheels import Wheel, fetch_wheel, read_wheel

METADATA = "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"
TAGS = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheel:
    index = tmp_path / "index"
    index.mkdir()
    with zipfile.ZipFile(index / "demo-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("demo/__init__.py", "x = 1\n")
        archive.writestr("demo-1.0.dist-info/METADATA", METADATA)
        archive.writestr("demo-1.0.dist-info/WHEEL", TAGS)
        archive.writestr("demo-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    return Wheel("demo==1.0", sha256(index / "demo-1.0-py3-none-any.whl"))


def test_a_wheel_is_fetched_once_and_read(
    wheel: Wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = fetch_wheel(wheel, tmp_path / "wheels")
    assert kept == tmp_path / "wheels" / "demo-1.0.whl"
    assert read_wheel(kept)["demo/__init__.py"] == b"x = 1\n"
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))
    assert fetch_wheel(wheel, tmp_path / "wheels") == kept


def test_a_harmed_wheel_is_fetched_again(wheel: Wheel, tmp_path: Path) -> None:
    kept = fetch_wheel(wheel, tmp_path / "wheels")
    kept.write_bytes(b"junk")
    assert sha256(fetch_wheel(wheel, tmp_path / "wheels")) == wheel.sha256


def test_another_file_than_the_one_named_is_refused_and_not_kept(
    wheel: Wheel, tmp_path: Path
) -> None:
    with pytest.raises(ImageError, match=r"demo-1\.0.*has SHA-256 .*, expected 00ff"):
        fetch_wheel(replace(wheel, sha256="00ff"), tmp_path / "wheels")
    assert list((tmp_path / "wheels").iterdir()) == []


def test_a_wheel_that_the_index_does_not_have_is_said_with_pips_words(
    wheel: Wheel, tmp_path: Path
) -> None:
    with pytest.raises(ImageError, match=r"pip download demo==2\.0 failed: ERROR: .*demo==2\.0"):
        fetch_wheel(replace(wheel, requirement="demo==2.0"), tmp_path / "wheels")


def test_an_unreadable_wheel_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_bytes(b"junk")
    with pytest.raises(ImageError, match=r"a\.whl: not a readable wheel .*; delete it"):
        read_wheel(tmp_path / "a.whl")
