"""`rig doctor` on virtual Pis: one that is all right, and some that are not."""

import pytest

from rig.bench import Bench, load_bench
from rig.doctor import Row, State, examine, examine_open
from rig.errors import TargetError
from rig.identity import REPOSITORY
from rig.observers import two_boards
from rig.observers.two_boards import Wires
from rig.session import Session, deployed_path
from rig.targets.qemu import Emulator
from rig.targets.second_board import SecondBoard
from rig.wiring import drive


def rows_of(pi: Session) -> dict[str, Row]:
    images = {deployed_path(name): pi.bench.image(name) for name in pi.bench.images}
    rows = examine_open(pi.bench, pi.target, pi.observer, images, ["led"])
    return {row.what: row for row in rows}


def test_a_virtual_pi_is_all_right_and_left_as_it_was(pi: Session) -> None:
    before = pi.gpio_state()
    rows = rows_of(pi)
    assert {row.state for row in rows.values()} == {State.OK}, rows
    assert "none of 53 others" in rows["wiring of led"].found
    assert pi.gpio_state() == before


def test_a_line_that_somebody_else_exported_is_wrong_and_stays_theirs(pi: Session) -> None:
    number = pi.sysfs_number("led")
    pi.target.shell.must(f"echo {number} > /sys/class/gpio/export")
    try:
        before = pi.gpio_state()
        rows = rows_of(pi)
        assert pi.gpio_state() == before
    finally:
        pi.target.shell.must(f"echo {number} > /sys/class/gpio/unexport")
    assert rows["line led"].state is State.WRONG
    assert "exported" in rows["line led"].found
    assert rows["wiring of led"].state is State.UNKNOWN


def test_a_line_is_given_back_when_driving_it_fails_midway(
    pi: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = pi.gpio_state()
    monkeypatch.setattr("rig.wiring.DRIVE_TIMEOUT_S", 1)
    with pytest.raises(TargetError, match="no end of"):
        drive(pi.target, pi.observer, pi.sysfs_number("led"))
    assert pi.gpio_state() == before


def test_a_kernel_without_kvm_is_explained_and_the_rest_is_looked_at(bench: Bench) -> None:
    target = bench.target.model_copy(update={"kernel_arguments": ("kvm-arm.mode=none",)})
    rows = {row.what: row for row in examine(bench.model_copy(update={"target": target}), ["led"])}
    assert {row.what for row in rows.values() if row.state is not State.OK} == {"KVM"}
    assert "take kvm-arm.mode=none off" in rows["KVM"].remedy


def test_wires_that_are_swapped_are_seen_by_a_second_board(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those of GPIO 25 and 17 end at each other's input; the bench file says otherwise."""
    bench = load_bench(REPOSITORY / "benches" / "virtual-two-boards.yaml")

    def swapped(target: Emulator, board: SecondBoard, pins: dict[int, int]) -> Wires:
        return Wires(target, board, pins | {25: pins[17], 17: pins[25]})

    monkeypatch.setattr(two_boards, "Wires", swapped)
    rows = {row.what: row for row in examine(bench, ["led", "gpio18"])}
    assert {row.what for row in rows.values() if row.state is not State.OK} == {"wiring of led"}
    assert "what moved is gpio17 (channel 0)" in rows["wiring of led"].found
    assert "move the wire from GPIO 25 (header pin 22)" in rows["wiring of led"].remedy
