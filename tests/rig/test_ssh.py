"""Shows the SSH shell against an SSH server whose commands run in a real shell of this machine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import paramiko
import pytest
from boards import COMMANDS, LONG_S
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from ssh_server import Files, SshServer

from rig.errors import TargetError
from rig.targets import ssh as module
from rig.targets.ssh import NotListeningError, SshShell

ENDLESS = "echo begun; sleep 600"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SshServer]:
    folder = tmp_path / "ssh"
    folder.mkdir()
    server = SshServer(folder)
    yield server
    server.close()


@pytest.fixture
def shell(server: SshServer) -> Iterator[SshShell]:
    shell = SshShell(server.login, server.folder)
    shell.connect(LONG_S)
    yield shell
    shell.close()


@pytest.fixture
def sent(tmp_path: Path) -> Path:
    """A file to send."""
    path = tmp_path / "sent"
    path.write_bytes(Random(0).randbytes(100_000))
    return path


@pytest.fixture
def arrived(tmp_path: Path) -> Path:
    return tmp_path / "a new folder" / "it's here"


def lives(pid_file: Path) -> bool:
    """Whether the process that wrote its number there still runs."""
    try:
        state = Path(f"/proc/{pid_file.read_text().strip()}/stat").read_text()
    except FileNotFoundError:
        return False
    return state.rsplit(") ")[-1][0] != "Z"


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.02)


# Commands.


@pytest.mark.parametrize(("command", "status", "output"), COMMANDS.values(), ids=list(COMMANDS))
def test_a_command_gives_its_status_and_what_it_said(
    shell: SshShell, command: str, status: int, output: str | None
) -> None:
    result = shell.run(command, LONG_S)
    assert result.status == status
    assert output in (None, result.output)


def test_both_streams_come_in_the_order_in_which_they_were_written(shell: SshShell) -> None:
    result = shell.run("echo one; echo two >&2; echo three; no-such-program", LONG_S)
    assert result.status == 127
    assert result.output.startswith("one\ntwo\nthree\n")
    assert "no-such-program" in result.output


def test_a_megabyte_of_output_arrives_whole(shell: SshShell) -> None:
    result = shell.run("seq 100000 250000", LONG_S)
    assert result.output == "".join(f"{n}\n" for n in range(100000, 250001))


def test_a_command_may_be_longer_than_a_terminal_keeps(shell: SshShell) -> None:
    assert shell.run(f"echo {'x' * 20_000}", LONG_S).output == "x" * 20_000 + "\n"


def test_a_command_is_dated_before_it_is_sent_and_after_it_has_ended(shell: SshShell) -> None:
    result = shell.run("date +%s%N", LONG_S)
    assert result.started_ns < int(result.output) < result.ended_ns


def test_all_of_a_command_that_does_not_end_is_ended(shell: SshShell, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    with pytest.raises(TargetError, match=r"(?s)no end of .echo begun.* within 1 s; .*\| begun$"):
        shell.run(f"echo begun; sh -c 'echo $$ > {pid}; exec sleep 600'; true", timeout_s=1)
    wait_for(lambda: not lives(pid))
    assert shell.run("echo free again", LONG_S).output == "free again\n"


def test_a_command_that_will_not_end_is_killed(
    shell: SshShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ENDING_TIMEOUT_S", 1)
    pid = tmp_path / "pid"
    with pytest.raises(TargetError, match="no end of"):
        shell.run(f"trap '' TERM; echo $$ > {pid}; while :; do sleep 1; done", timeout_s=1)
    wait_for(lambda: not lives(pid))


def test_a_ctrl_c_at_the_rig_ends_what_runs_on_the_board(shell: SshShell, tmp_path: Path) -> None:
    pid = tmp_path / "pid"

    def press() -> None:
        wait_for(pid.exists)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press).start()
    with pytest.raises(KeyboardInterrupt):
        shell.run(f"sh -c 'echo $$ > {pid}; exec sleep 600'", LONG_S)
    wait_for(lambda: not lives(pid))
    assert shell.run("echo free again", LONG_S).output == "free again\n"


def test_sudo_is_put_before_everything(server: SshServer, tmp_path: Path) -> None:
    fake = tmp_path / "bin" / "sudo"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\nprintf %s "$1 " >> {tmp_path}/asked\nshift\nROOT=yes exec "$@"\n')
    fake.chmod(0o755)
    server.path = f"{fake.parent}:{server.path}"
    shell = SshShell(server.login, server.folder, sudo=True)
    assert shell.run("echo root: $ROOT", LONG_S).output == "root: yes\n"
    shell.close()
    assert set((tmp_path / "asked").read_text().split()) == {"-n"}


def test_a_sudo_that_refuses_is_told(server: SshServer, tmp_path: Path) -> None:
    fake = tmp_path / "bin" / "sudo"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho sudo: a password is required >&2\nexit 1\n")
    fake.chmod(0o755)
    server.path = f"{fake.parent}:{server.path}"
    shell = SshShell(server.login, server.folder, sudo=True)
    with pytest.raises(TargetError, match="not ready for commands: sudo: a password is required"):
        shell.connect(LONG_S)
    shell.close()


# Connections that break.


def test_a_connection_that_breaks_is_an_error_of_the_bench_and_ends_the_command(
    shell: SshShell, server: SshServer, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"

    def cut() -> None:
        wait_for(pid.exists)
        server.cut()

    threading.Thread(target=cut).start()
    words = (
        r"(?s)root@127.0.0.1:\d+: the connection broke while .echo begun.*ran; look at .*\| begun"
    )
    with pytest.raises(TargetError, match=words):
        shell.run(f"echo begun; sh -c 'echo $$ > {pid}; exec sleep 600'", LONG_S)
    wait_for(lambda: not lives(pid))


def test_after_a_broken_connection_the_next_command_runs(
    shell: SshShell, server: SshServer
) -> None:
    server.cut()
    wait_for(lambda: not shell.is_connected)
    assert shell.run("echo again", LONG_S).output == "again\n"
    assert server.logins == 2


def test_what_an_earlier_connection_left_running_is_ended(
    shell: SshShell, server: SshServer
) -> None:
    """The server believes in that connection for as long as its own timeouts are."""
    left = ["sh", "-c", "(sleep 600); exit $?", f"{shell.mark}-01234567"]
    process = subprocess.Popen(left, start_new_session=True)
    other = subprocess.Popen([*left[:3], "led-rig-ffffffff-01234567"], start_new_session=True)
    SshShell(server.login, server.folder).connect(LONG_S)
    assert process.wait(LONG_S) == -signal.SIGTERM
    assert other.poll() is None
    os.killpg(other.pid, signal.SIGKILL)
    other.wait(LONG_S)


# Logging in.


def refused(server: SshServer, **changes: object) -> str:
    login = server.login.model_copy(update=changes)
    with pytest.raises(TargetError) as caught:
        SshShell(login, server.folder).connect(0)
    return str(caught.value)


def test_a_board_that_does_not_listen_yet_is_waited_for(server: SshServer, tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listener.close()
    shell = SshShell(server.login.model_copy(update={"port": port}), server.folder)
    with pytest.raises(NotListeningError, match=r"nobody speaks SSH there .*refused.*; look at"):
        shell.connect(0.5)


def test_what_is_no_ssh_server_is_told(server: SshServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            peer, _ = listener.accept()
            peer.sendall(b"220 mail ready\r\n" * 200)
            peer.close()

        threading.Thread(target=answer).start()
        assert "nobody speaks SSH there" in refused(server, port=listener.getsockname()[1])


def test_a_host_that_does_not_exist_is_told(server: SshServer) -> None:
    assert "there is no such host" in refused(server, host="no-such-board.invalid")


def test_an_unknown_host_key_is_refused_with_its_fingerprint(server: SshServer) -> None:
    (server.folder / "known_hosts").write_text("")
    words = refused(server)
    assert "is not known" in words
    assert server.host_key.fingerprint in words
    assert f"ssh-keyscan -p {server.port} 127.0.0.1 >> " in words


def test_another_host_key_is_refused_with_both_fingerprints(server: SshServer) -> None:
    server.know(server.user_key)
    words = refused(server)
    assert "another board, a new SD card, or somebody in between" in words
    assert server.host_key.fingerprint in words
    assert server.user_key.fingerprint in words


def test_a_known_hosts_file_that_is_named_must_be_there(server: SshServer) -> None:
    words = refused(server, known_hosts=Path("other"))
    assert words.startswith(f"{server.folder}/other, which the bench file names as known_hosts")


def test_a_key_that_the_board_does_not_know_is_refused(server: SshServer) -> None:
    words = refused(server, key=Path("host_key"))
    assert "the board refuses the keys host_key" in words
    assert "authorized_keys of 'root'" in words


def test_a_key_that_is_not_there_is_named(server: SshServer) -> None:
    assert "cannot read the key nowhere: " in refused(server, key=Path("nowhere"))


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked(server: SshServer) -> None:
    secret = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.OpenSSH, BestAvailableEncryption(b"secret")
    )
    (server.folder / "locked").write_bytes(secret)
    assert "the key needs a passphrase, and nobody is asked here" in refused(
        server, key=Path("locked")
    )


# Files.


def test_a_file_arrives_bit_by_bit_and_can_be_started(
    shell: SshShell, sent: Path, arrived: Path
) -> None:
    shell.put(sent, str(arrived))
    assert arrived.read_bytes() == sent.read_bytes()
    assert arrived.stat().st_mode & 0o777 == 0o755
    assert os.listdir(arrived.parent) == [arrived.name]


def test_a_file_that_is_there_is_not_sent_again(
    shell: SshShell, sent: Path, arrived: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.put(sent, str(arrived))
    monkeypatch.setattr(shell, "send", None)
    shell.put(sent, str(arrived))


def test_what_a_rig_that_died_has_left_half_sent_goes(
    shell: SshShell, sent: Path, arrived: Path
) -> None:
    shell.put(sent, str(arrived))
    left = arrived.with_name(".other.rig-part")
    left.write_bytes(b"half")
    shell.put(sent, str(arrived))
    assert os.listdir(arrived.parent) == [arrived.name]


def test_a_transfer_that_is_cut_is_tried_again(
    shell: SshShell, server: SshServer, sent: Path, arrived: Path
) -> None:
    seen = 0

    def cut_once(data: bytes) -> bytes:
        nonlocal seen
        seen += len(data)
        if seen > 50_000:
            server.wire_to_server = bytes
            server.cut()
        return data

    server.wire_to_server = cut_once
    shell.put(sent, str(arrived))
    assert arrived.read_bytes() == sent.read_bytes()
    assert os.listdir(arrived.parent) == [arrived.name]
    assert server.logins == 2


def test_a_connection_that_breaks_after_the_file_has_arrived_is_no_end_either(
    shell: SshShell, server: SshServer, sent: Path, arrived: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = shell.send

    def send_and_cut(data: bytes, path: str) -> None:
        send(data, path)
        monkeypatch.setattr(shell, "send", send)
        threading.Timer(0.3, server.cut).start()
        shell.run("sleep 60", LONG_S)

    monkeypatch.setattr(shell, "send", send_and_cut)
    shell.put(sent, str(arrived))
    assert arrived.read_bytes() == sent.read_bytes()
    assert os.listdir(arrived.parent) == [arrived.name]


def test_a_byte_that_is_spoilt_on_the_wire_does_not_get_through(
    shell: SshShell, server: SshServer, sent: Path, arrived: Path
) -> None:
    seen = 0

    def spoil_once(data: bytes) -> bytes:
        nonlocal seen
        seen += len(data)
        if seen < 50_000:
            return data
        server.wire_to_server = bytes
        return data[:-1] + bytes([data[-1] ^ 1])

    server.wire_to_server = spoil_once
    shell.put(sent, str(arrived))
    assert arrived.read_bytes() == sent.read_bytes()


def test_a_transfer_that_is_always_damaged_is_given_up_and_leaves_what_was_there(
    shell: SshShell, sent: Path, arrived: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived.parent.mkdir()
    arrived.write_bytes(b"from before")
    send, attempts = shell.send, []

    def damage(data: bytes, path: str) -> None:
        attempts.append(path)
        send(data[:-1], path)

    monkeypatch.setattr(shell, "send", damage)
    with pytest.raises(TargetError, match="in 3 attempts; at last: it arrived damaged: SHA-256"):
        shell.put(sent, str(arrived))
    assert len(attempts) == 3
    assert arrived.read_bytes() == b"from before"
    assert os.listdir(arrived.parent) == [arrived.name]


def test_a_server_that_refuses_a_file_is_not_asked_again(
    shell: SshShell, sent: Path, arrived: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Files, "refusal", paramiko.SFTP_FAILURE)
    with pytest.raises(TargetError, match=r"rig-part: its SFTP server refuses: Failure"):
        shell.put(sent, str(arrived))
    assert os.listdir(arrived.parent) == []


def test_a_server_without_sftp_is_told(server: SshServer, sent: Path, arrived: Path) -> None:
    server.has_sftp = False
    shell = SshShell(server.login, server.folder)
    with pytest.raises(TargetError, match=r"in 3 attempts; at last: .* the transfer broke: "):
        shell.put(sent, str(arrived))
    shell.close()


def test_a_full_disk_is_told_before_anything_is_sent(
    server: SshServer, sent: Path, arrived: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = SshShell(server.login, server.folder)
    run = shell.run
    monkeypatch.setattr(
        shell, "run", lambda command, timeout_s=10: run(f"ulimit -f 8; {command}", timeout_s)
    )
    with pytest.raises(TargetError, match=r"no room for 100000 bytes in .*: "):
        shell.put(sent, str(arrived))
    assert os.listdir(arrived.parent) == []
    shell.close()
