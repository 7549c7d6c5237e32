"""Targets that do not come up, and rigs that are interrupted: clear words, nothing left."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from rig.bench import Bench, load_bench
from rig.errors import ImageError, TargetError
from rig.identity import REPOSITORY
from rig.session import Session
from rig.targets.qemu import Emulator

ROBOT = Path(sys.executable).with_name("robot")


@pytest.fixture
def changed(tmp_path: Path) -> Callable[..., Bench]:
    """The virtual bench with other facts about its target or images."""

    def change(*, images: dict[str, str] | None = None, **target: object) -> Bench:
        virtual = REPOSITORY / "benches" / "virtual.yaml"
        facts = yaml.safe_load(virtual.read_text())
        facts["target"].update(target)
        whole = {name: str(virtual.parent / path) for name, path in facts["images"].items()}
        facts["images"] = whole | (images or {})
        path = tmp_path / "changed.yaml"
        path.write_text(yaml.safe_dump(facts))
        return load_bench(path)

    return change


def test_a_target_that_does_not_boot_is_told_with_its_last_lines(
    changed: Callable[..., Bench],
) -> None:
    with pytest.raises(TargetError, match=r"(?s)no login prompt within 20 s.*\| .*panic"):
        Session.open(changed(kernel_arguments=["rdinit=/nowhere"], boot_timeout_s=20))
    assert_nothing_left()


def test_a_target_without_kvm_is_explained(changed: Callable[..., Bench]) -> None:
    with pytest.raises(TargetError, match=r"kernel 6\.1\..* has no /dev/kvm: KVM needs"):
        Session.open(changed(kernel_arguments=["kvm-arm.mode=none"]))
    assert_nothing_left()


def test_a_unikernel_for_another_machine_is_refused_before_anything_starts(
    changed: Callable[..., Bench],
) -> None:
    other = str(REPOSITORY / "build" / "tender" / "x86_64" / "test_led.hvt")
    with pytest.raises(ImageError, match=r"images\.test_led: .* built for x86_64, .* is aarch64"):
        Session.open(changed(images={"test_led": other}))
    assert_nothing_left()


def test_a_missing_qemu_is_told_with_the_way_to_get_it(
    changed: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TargetError, match="not installed; `make setup`"):
        Session.open(changed())
    assert_nothing_left()


@pytest.mark.parametrize("moment", ["boot", "run"])
def test_ctrl_c_leaves_no_emulator_no_folder_and_no_half_written_evidence(
    moment: str, tmp_path: Path
) -> None:
    robot = start_robot(tmp_path)
    wait_for(lambda: emulators_of(robot.pid))
    if moment == "run":
        wait_for(lambda: list(tmp_path.rglob("*.partial")))
    robot.send_signal(signal.SIGINT)
    output, _ = robot.communicate(timeout=60)
    assert robot.returncode != 0, output
    assert not emulators_of(robot.pid)
    assert not folders_of(robot.pid)
    assert not list(tmp_path.rglob("*.partial"))
    assert not list(tmp_path.rglob("run.json"))


def test_a_killed_rig_takes_its_emulator_along_and_the_next_one_sweeps(tmp_path: Path) -> None:
    robot = start_robot(tmp_path)
    wait_for(lambda: list(tmp_path.rglob("*.partial")))
    robot.kill()
    robot.communicate(timeout=30)
    wait_for(lambda: not emulators_of(robot.pid))
    assert not list(tmp_path.rglob("run.json"))
    assert folders_of(robot.pid)
    Emulator().stop()
    assert not folders_of(robot.pid)


def start_robot(folder: Path) -> subprocess.Popen[str]:
    """The LED suite as a person starts it, with its results in `folder`."""
    bench = f"BENCH:{REPOSITORY}/benches/virtual.yaml"
    return subprocess.Popen(
        [str(ROBOT), "--variable", bench, str(REPOSITORY / "robot" / "led.robot")],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def emulators_of(pid: int) -> list[str]:
    """Processes whose command line names a run folder of this rig."""
    return [
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if f"rig-qemu-{pid}-" in _read(path)
    ]


def folders_of(pid: int) -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob(f"rig-qemu-{pid}-*"))


def assert_nothing_left() -> None:
    assert not emulators_of(os.getpid())
    assert not folders_of(os.getpid())


def wait_for(condition: Callable[[], object], timeout_s: float = 90) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.05)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has just ended
        return ""
