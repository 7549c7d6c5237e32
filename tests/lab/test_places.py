"""Places of a lab are had, waited for, lost and given back: against a real labgrid."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rig.errors import HoldError
from rig.lab import place as module
from rig.lab.hold import Hold
from tests.lab.conftest import LOFT
from tests.lab.labs import LONG_S, DistantRun, LoopbackLab, bench_in


def test_a_place_is_ours_until_it_is_closed(lab: LoopbackLab) -> None:
    place = lab.place(place="pin")
    place.check()
    assert lab.holders() == ["pin"]
    place.close()
    place.close()
    assert lab.holders() == []
    assert lab.client("reservations") == ""


def test_tags_get_any_place_that_is_free_and_the_next_in_line_is_told_who_has_them(
    lab: LoopbackLab, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second = lab.place(tags={"board": "pi3"}), lab.place(tags={"board": "pi3"})
    try:
        assert {first.name, second.name} == {"desk-a", "desk-b"}
        with pytest.raises(HoldError, match=r"no place within 1 s: desk-a is acquired by .*\+rig"):
            lab.place(tags={"board": "pi3"}, wait_s=1)
    finally:
        first.close()
        second.close()
    assert "waiting for the lab: desk-a is acquired by" in capfd.readouterr().err
    assert lab.client("reservations") == ""


def test_who_waits_gets_the_place_as_soon_as_it_is_given_back(lab: LoopbackLab) -> None:
    other = DistantRun(lab.facts(place="pin"))
    other.process.communicate("")  # its end gives nothing back by itself
    place = lab.place(place="pin")
    assert place.name == "pin"
    place.close()


def test_a_place_that_a_person_has_is_never_stolen(lab: LoopbackLab) -> None:
    lab.client("-p", "pin", "acquire")
    try:
        with pytest.raises(HoldError, match=r"pin is acquired by desk7/bob since 20\d\d-"):
            lab.place(place="pin", wait_s=1)
        assert lab.holders() == ["pin"]
    finally:
        lab.client("-p", "pin", "release")


def test_a_run_that_is_killed_gives_its_place_back(lab: LoopbackLab) -> None:
    other = DistantRun(lab.facts(place="pin"))
    assert lab.holders() == ["pin"]
    other.kill()
    lab.wait_until(lambda: lab.holders() == [])
    other.close()


def test_what_a_dead_run_could_not_give_back_is_recovered(lab: LoopbackLab) -> None:
    other = DistantRun(lab.facts(place="pin"))
    other.kill_keeper()
    other.kill()
    assert lab.holders() == ["pin"]
    place = lab.place(place="pin", wait_s=5)
    place.close()
    assert lab.client("reservations") == ""
    other.close()


def test_a_living_run_keeps_its_place_though_nobody_guards_it(lab: LoopbackLab) -> None:
    other = DistantRun(lab.facts(place="pin"))
    other.kill_keeper()
    with pytest.raises(HoldError, match="pin is acquired by"):
        lab.place(place="pin", wait_s=2)
    other.kill()
    lab.place(place="pin").close()
    other.close()


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"place": "attic"}, r"no place with name=attic; its places are: .*; desk-a \(board=pi3"),
        ({"tags": {"board": "pi5"}}, r"no place with board=pi5; its places are"),
        ({"place": "dark"}, r"nobody exports \*/dark/\*; is its exporter running"),
        ({"place": "pin", "coordinator": "127.0.0.1:9"}, "no coordinator answers at 127.0.0.1:9"),
    ],
    ids=["unknown place", "unknown tag", "no exporter", "no coordinator"],
)
def test_a_lab_that_cannot_lend_says_why(
    lab: LoopbackLab, facts: dict[str, object], words: str
) -> None:
    began = time.monotonic()
    with pytest.raises(HoldError, match=words):
        lab.place(**facts)
    assert time.monotonic() - began < LONG_S


def test_without_labgrid_it_is_said_how_to_get_it(
    lab: LoopbackLab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "LABGRID", tmp_path / "bin")
    with pytest.raises(HoldError, match=r"labgrid is not installed .*`make lab` does it"):
        lab.place(place="pin")


def test_a_coordinator_that_goes_in_mid_run_is_noticed(frail_lab: LoopbackLab) -> None:
    place = frail_lab.place(place="bare")
    frail_lab.kill("coordinator")
    must_be_lost(place, "the coordinator at 127.0.0.1:.* is gone")


def test_an_exporter_that_goes_in_mid_run_is_noticed(lab: LoopbackLab) -> None:
    lab.export("ladder", LOFT)
    place = lab.place(place="loft")
    lab.kill("ladder")
    must_be_lost(place, "place loft: ladder/loft/NetworkService/NetworkService is gone: its expo")


def test_a_place_that_is_taken_away_is_noticed(lab: LoopbackLab) -> None:
    place = lab.place(place="pin")
    lab.client("-p", "pin", "release", "--kick")
    must_be_lost(place, "place pin was taken away: pin is acquired by nobody")


def test_a_guard_that_dies_is_noticed(lab: LoopbackLab) -> None:
    place = lab.place(place="bare")
    place._keeper.kill()
    must_be_lost(place, "the program that holds the place has ended")


def must_be_lost(place: module.Place, words: str) -> None:
    try:
        with pytest.raises(HoldError, match=words):
            wait_for_trouble(place.check)
    finally:
        place.close()


def wait_for_trouble(check: Callable[[], None]) -> None:
    deadline = time.monotonic() + LONG_S
    while time.monotonic() < deadline:
        check()
        time.sleep(0.05)


def test_what_was_lost_is_had_again(lab: LoopbackLab, tmp_path: Path) -> None:
    hold = Hold.of(bench_in(tmp_path, lab.facts(place="pin")))
    lab.client("-p", "pin", "release", "--kick")
    with pytest.raises(HoldError, match="taken away"):
        wait_for_trouble(hold.check)
    hold.renew()
    hold.check()
    assert "pin" in lab.holders()
    hold.close()
    assert "pin" not in lab.holders()
