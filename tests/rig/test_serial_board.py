"""Shows the serial target against real shells behind login prompts, on real terminals."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from boards import LONG_S, Board, login_of

from rig.bench import Serial
from rig.errors import TargetError
from rig.targets import console
from rig.targets.serial_board import SerialBoard

PASSWORD = """
trap '' INT
while :; do
  printf 'pi3 login: '; read user; [ "$user" ] || continue
  printf 'Password: '; stty -echo; read password; stty echo; echo
  [ "$user $password" = "pi secret" ] && break
  echo; echo 'Login incorrect'
done
trap - INT
PS1='\x1b[01;32mpi@pi3\x1b[00m:~ $\x1b[00m ' exec sh -i
"""
"""A board with a password, and with the colours of Raspberry Pi OS."""

SHELL = "PS1='pi3:~# ' exec sh -i"
SILENT_SHELL = "stty -echo; PS1= PS2= exec sh -i"
"""As a rig that died leaves it."""

Made = Callable[..., SerialBoard]


class Switch:
    """A power switch that remembers what was done with it; a board waits for the file."""

    def __init__(self, power: Path) -> None:
        self.power = power
        self.did: list[str] = []

    def on(self) -> None:
        self.did.append("on")
        self.power.touch()

    def off(self) -> None:
        self.did.append("off")


@pytest.fixture
def plugged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Made]:
    """A target whose port leads to a board with this program, which hangs up after its shell."""
    monkeypatch.setattr(console, "LOG_OUT_TIMEOUT_S", 0.1)
    boards: list[Board] = []
    targets: list[SerialBoard] = []

    def make(
        program: str, power: Switch | None = None, *, doing: str = "echo up", **facts: object
    ) -> SerialBoard:
        """Its shell is `doing` this when the rig comes, if there is one."""
        (tmp_path / "doing").write_text(doing)
        boards.append(Board(f"export ENV={tmp_path}/doing; {program}"))
        up = b"login: " if "login" in program else b"up"
        name, deadline = str(boards[-1].port.name), time.monotonic() + LONG_S
        while not power and up not in boards[-1].said:
            assert time.monotonic() < deadline, boards[-1].said
            time.sleep(0.02)
        boards[-1].port.close()
        whole = {"user": "root", "boot_timeout_s": LONG_S} | facts
        serial = Serial.model_validate({"kind": "serial", "port": name} | whole)
        targets.append(SerialBoard(serial, power))
        return targets[-1]

    make.boards = boards  # type: ignore[attr-defined]
    yield make
    for target in targets:
        target.close()
    for board in boards:
        board.end()


@pytest.mark.parametrize(
    ("program", "doing"),
    [
        (login_of("sh"), "echo up"),
        (SHELL, "echo up"),
        (SILENT_SHELL, "echo up"),
        (SILENT_SHELL, "echo up; sleep 600"),
        (SILENT_SHELL, "stty raw min 0 time 30; echo up; head -c 9999 > /dev/null; stty sane"),
    ],
    ids=[
        "at its login prompt",
        "in a shell",
        "as a dead rig left it",
        "with a command running",
        "waiting for a file, where Ctrl-C means nothing",
    ],
)
def test_a_board_that_runs_is_logged_in_to_whatever_it_is_at(
    plugged: Made, program: str, doing: str
) -> None:
    target = plugged(program, doing=doing)
    target.open({})
    assert target.run("echo hello", LONG_S).output == "hello\n"


def test_with_a_power_switch_the_board_boots_afresh_and_ends_switched_off(
    plugged: Made, tmp_path: Path
) -> None:
    switch = Switch(tmp_path / "power")
    target = plugged(f"until [ -e {switch.power} ]; do sleep 0.1; done; {login_of('sh')}", switch)
    target.open({})
    assert switch.did == ["off", "on"]
    target.close()
    assert switch.did == ["off", "on", "off"]


def test_the_password_comes_from_the_environment(
    plugged: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PI_PASSWORD", "secret")
    target = plugged(PASSWORD, user="pi", password_env="PI_PASSWORD")
    target.open({})
    assert target.run("echo hello", LONG_S).output == "hello\n"


def test_a_password_that_is_wanted_and_not_named_is_told(plugged: Made) -> None:
    with pytest.raises(TargetError, match="asks for a password of 'pi': name an environment"):
        plugged(PASSWORD, user="pi").open({})


def test_a_password_that_is_named_and_not_there_is_told_before_the_port_is_opened() -> None:
    facts = Serial(kind="serial", port="/dev/nowhere", password_env="NO_SUCH_PASSWORD")
    with pytest.raises(
        TargetError, match=r"environment variable NO_SUCH_PASSWORD, which .* not set"
    ):
        SerialBoard(facts).open({})


def test_a_password_that_is_wrong_is_told(plugged: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PI_PASSWORD", "guess")
    target = plugged(PASSWORD, user="pi", password_env="PI_PASSWORD")
    with pytest.raises(TargetError, match=r"(?s)refuses the password of 'pi'.*Login incorrect"):
        target.open({})


def test_a_shell_of_somebody_else_is_left_alone(plugged: Made) -> None:
    doing = "id() { echo somebody; }; echo up"
    with pytest.raises(TargetError, match=r"'somebody' is logged in on /dev/pts/.*, not 'root'"):
        plugged(SHELL, doing=doing).open({})


def test_sudo_goes_on_as_root(plugged: Made, tmp_path: Path) -> None:
    fake = tmp_path / "sudo"
    fake.write_text('#!/bin/sh\nshift; ROOT=yes exec "$@" -i\n')
    fake.chmod(0o755)
    target = plugged(f"PATH={tmp_path}:$PATH; export PATH; {login_of('sh')}", sudo=True)
    target.open({})
    assert target.run("echo root: $ROOT", LONG_S).output == "root: yes\n"


def test_a_port_that_does_not_exist_is_told_with_those_that_do() -> None:
    facts = Serial(kind="serial", port="/dev/ttyNOWHERE")
    with pytest.raises(TargetError, match=r"cannot open .*/dev/ttyNOWHERE: .*; USB cables that"):
        SerialBoard(facts).open({})


def test_a_port_that_somebody_else_uses_is_not_shared(plugged: Made) -> None:
    target = plugged(login_of("sh"))
    target.open({})
    other = SerialBoard(Serial(kind="serial", port=target.shell.port_name))
    with pytest.raises(TargetError, match="may be in use by another program"):
        other.open({})


def test_a_port_that_vanished_is_named(plugged: Made) -> None:
    target = plugged(login_of("sh"))
    target.open({})
    shell = target.shell
    plugged.boards[0].unplug()  # type: ignore[attr-defined]
    with pytest.raises(
        TargetError, match=r"/dev/pts/.* broke: |cannot (write to|open) .*/dev/pts/"
    ):
        target.run("echo hello", 5)
    deadline = time.monotonic() + LONG_S
    while not shell.is_broken:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    with pytest.raises(TargetError, match="cannot open the serial port /dev/pts/"):
        target.run("echo hello", 5)


def test_a_board_that_is_switched_off_is_told_in_bounded_time(plugged: Made) -> None:
    with pytest.raises(TargetError, match="neither a login prompt nor a shell within 3 s"):
        plugged("stty raw -echo; echo up; exec sleep 600", boot_timeout_s=3).open({})


def test_closing_logs_out(plugged: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "LOG_OUT_TIMEOUT_S", LONG_S)
    target = plugged(f"trap '' INT; while :; do printf 'pi3 login: '; (read user; {SHELL}); done")
    target.open({})
    shell = target.shell
    target.close()
    assert shell.text.endswith("pi3 login: ")
    with pytest.raises(TargetError, match="is not open"):
        target.run("true")
