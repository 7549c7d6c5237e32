"""What holds for every test."""

from pathlib import Path

import pytest
from hypothesis import settings

# The same examples everywhere, and no deadline: how fast a machine is decides nothing.
settings.register_profile("rig", deadline=None, derandomize=True, database=None)
settings.load_profile("rig")


@pytest.fixture(autouse=True)
def history(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this test's runs are stored: no test adds to the history of real ones."""
    path = tmp_path_factory.mktemp("history") / "history.sqlite"
    monkeypatch.setenv("RIG_HISTORY", str(path))
    return path
