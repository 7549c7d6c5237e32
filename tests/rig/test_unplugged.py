"""A session whose logic analyzer is unplugged in mid-run: a bench error, and then it goes on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast

import pytest
from test_session import ORDER, FakePi, bench  # noqa: F401 (a fixture)
from test_sigrok_observer import ANALYZER, FakeAnalyzer, _lives, analyzer, facts  # noqa: F401 (a fixture)

from rig import session as module
from rig.bench import Bench
from rig.errors import ObserverError
from rig.observers.sigrok import SigrokObserver
from rig.session import Session
from rig.targets.shell import Result


class SlowPi(FakePi):
    """Its run goes on until the analyzer is gone."""

    def __init__(self, analyzer: FakeAnalyzer) -> None:  # noqa: F811
        super().__init__()
        self._analyzer = analyzer

    def run(self, command: str, timeout_s: float = 10) -> Result:
        deadline = time.monotonic() + 20
        while command == ORDER.command and _lives(self._analyzer) and time.monotonic() < deadline:
            time.sleep(0.05)
        return super().run(command, timeout_s)


def test_an_analyzer_that_is_unplugged_gives_no_verdict_and_may_be_plugged_in_again(
    bench: Bench,  # noqa: F811
    analyzer: FakeAnalyzer,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "make_target", lambda _: cast(Any, FakePi()))
    monkeypatch.setattr(module, "make_observer", lambda *_: SigrokObserver(facts()))
    session = Session.open(bench)
    session.target = cast(Any, SlowPi(analyzer))
    analyzer.breaks("unplugged=0.3")
    with pytest.raises(ObserverError, match="the analyzer was lost"):
        session.run(ORDER, tmp_path / "results" / "run")
    assert not (tmp_path / "results").exists()
    with pytest.raises(ObserverError, match="no analyzer"):
        session.reopened()
    analyzer.breaks("")
    analyzer.plug(ANALYZER)
    again = session.reopened()
    try:
        evidence, _ = again.run(ORDER, tmp_path / "results" / "run")
    finally:
        again.close()
    assert evidence.capture.is_complete
