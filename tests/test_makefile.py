# SPDX-License-Identifier: ISC
"""The chores, with stand-ins for the programs that would change the machine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
INSTALL = "apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends"


class Machine:
    """A PATH on which only these programs are: real ones, and scripts that write down their use."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder
        self.bin.mkdir()
        self.log = folder.with_suffix(".log")
        self.log.touch()
        self.has("env", "grep")
        self.script("id", "echo 0")

    def has(self, *programs: str) -> None:
        for program in programs:
            (self.bin / program).symlink_to(shutil.which(program) or "")

    def script(self, name: str, body: str = ":") -> None:
        path = self.bin / name
        path.write_text(f'#!/bin/bash\necho "{name} $*" >> {self.log}\n{body}\n')
        path.chmod(0o755)

    def make(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        make = shutil.which("make")
        assert make
        return subprocess.run(
            [make, *arguments], cwd=ROOT, env={"PATH": str(self.bin)} | environment,
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    def calls(self, *programs: str) -> list[str]:
        lines = self.log.read_text().splitlines()
        return [line for line in lines if line.split()[0] in programs]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "bin")


@pytest.fixture
def debian(machine: Machine) -> Machine:
    """Everything is installed but a package called `absent`; the user is root."""
    machine.script("dpkg-query", '[ "$4" = absent ] || echo installed')
    machine.script("apt-get")
    return machine


def test_make_alone_lists_every_documented_target(machine: Machine) -> None:
    machine.has("sed", "expand")
    listed = [line.split()[1] for line in machine.make().stdout.splitlines()]
    assert {"led", "test", "lint", "image", "tender", "report", "setup", "clean"} <= set(listed)
    phony = {
        line.split()[1]
        for line in (ROOT / "Makefile").read_text().splitlines()
        if line.startswith(".PHONY")
    }
    assert phony - set(listed) == {"packages", "test-setup", "fuzz-setup"}


def test_nothing_is_installed_when_nothing_is_missing(debian: Machine) -> None:
    done = debian.make("packages", "PACKAGES=gcc patch")
    assert (done.returncode, done.stdout, debian.calls("apt-get")) == (0, "", [])


def test_only_the_missing_package_is_installed(debian: Machine) -> None:
    done = debian.make("packages", "PACKAGES=gcc absent patch")
    assert done.stdout == "setup: system packages: absent\n"
    assert debian.calls("apt-get") == ["apt-get -q update", f"{INSTALL} absent"]


def test_removed_package_with_left_configuration_counts_as_missing(debian: Machine) -> None:
    debian.script("dpkg-query", "echo config-files")
    debian.make("packages", "PACKAGES=gcc")
    assert debian.calls("apt-get")[-1] == f"{INSTALL} gcc"


def test_others_than_root_install_with_sudo(debian: Machine) -> None:
    debian.script("id", "echo 1000")
    debian.script("sudo", '"$@"')
    debian.make("packages", "PACKAGES=absent")
    assert debian.calls("sudo") == [
        "sudo apt-get -q update",
        f"sudo env DEBIAN_FRONTEND=noninteractive {INSTALL} absent",
    ]


def test_neither_root_nor_sudo_is_said(debian: Machine) -> None:
    debian.script("id", "echo 1000")
    done = debian.make("packages", "PACKAGES=absent")
    assert done.returncode != 0
    assert "only root may install: absent" in done.stderr


@pytest.mark.parametrize(("failing", "calls"), [("update", 1), ("install", 2)])
def test_failure_of_apt_stops_make(debian: Machine, failing: str, calls: int) -> None:
    debian.script("apt-get", f'[[ "$*" != *{failing}* ]]')
    assert debian.make("packages", "PACKAGES=absent").returncode != 0
    assert len(debian.calls("apt-get")) == calls


def test_machine_without_apt_is_told_what_to_install(machine: Machine) -> None:
    done = machine.make("packages", "PACKAGES=gcc patch")
    assert done.returncode != 0
    assert "make PACKAGES= : gcc patch" in done.stderr


def test_empty_package_list_skips_the_check(machine: Machine) -> None:
    assert machine.make("packages", "PACKAGES=").returncode == 0


@pytest.fixture
def clusters(debian: Machine, tmp_path: Path) -> Path:
    """What the name of PostgreSQL's settings begins with, where no PostgreSQL was yet."""
    debian.has("mkdir", "tee")
    return tmp_path / "createcluster"


def test_postgresql_is_told_to_make_no_server_before_it_is_installed(
    debian: Machine, clusters: Path
) -> None:
    told = clusters.with_name("createcluster.d") / "no-main-cluster.conf"
    debian.script("apt-get", f"[ -e {told} ] && echo told >> {debian.log}")
    words = (f"CREATECLUSTER={clusters}", "TEST_PACKAGES=absent")
    assert (
        debian.make("-o", "setup", "-o", ".venv-labgrid/installed", "test-setup", *words).returncode
        == 0
    )
    assert told.read_text() == "create_main_cluster = false\n"
    assert "told" in debian.log.read_text().splitlines()


def test_a_postgresql_that_is_there_already_keeps_its_settings(
    debian: Machine, clusters: Path
) -> None:
    clusters.with_suffix(".conf").touch()
    words = (f"CREATECLUSTER={clusters}", "TEST_PACKAGES=gcc")
    assert (
        debian.make("-o", "setup", "-o", ".venv-labgrid/installed", "test-setup", *words).returncode
        == 0
    )
    assert not clusters.with_name("createcluster.d").exists()


def test_bench_comes_from_make_or_from_the_environment(machine: Machine) -> None:
    machine.has("uname")
    wanted = "--variable BENCH:benches/a.yaml"
    for run in (
        machine.make("-n", "led", "BENCH=benches/a.yaml"),
        machine.make("-n", "led", BENCH="benches/a.yaml"),
    ):
        assert wanted in run.stdout
    assert "BENCH" not in machine.make("-n", "led").stdout


def test_report_without_a_run_says_how_to_make_one(machine: Machine) -> None:
    done = machine.make("-o", "setup", "report", "RUN=")
    assert done.returncode != 0
    assert "results/ holds no run yet; make one with: make led" in done.stderr


def test_acceptance_is_of_release_length_and_stops_where_robot_could_not_run(
    machine: Machine,
) -> None:
    machine.has("uname")
    run = machine.make("-n", "acceptance", BASELINE="results/old").stdout
    assert "--variable LENGTH:release" in run
    assert "|| [ $? -le 250 ]" in run
    assert "--robot results/acceptance-release/output.xml" in run
    assert "--baseline results/old" in run
    assert "--baseline" not in machine.make("-n", "acceptance").stdout
