"""A shell over SSH: host keys checked, key or agent login, commands that end with their connection.

Over paramiko. A command runs beside a watcher on the target that waits for the end of their
standard input: when the rig lets go, dies or is cut off, the SSH server closes it, and the
watcher ends the command, so that nothing goes on driving a line.
"""

import contextlib
import logging
import re
import secrets
import shlex
import socket
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import paramiko

from rig.bench import SshLogin
from rig.errors import TargetError
from rig.targets.shell import BrokenLineError, Result, Shell

ANSWER_TIMEOUT_S = 20
"""For one step of a login, and for the peer to acknowledge what was sent."""

ENDING_TIMEOUT_S = 5
"""A command that was told to end has so long; then it is killed."""

RECONNECT_TIMEOUT_S = 30
RETRY_S = 0.2
CLOSING_TIMEOUT_S = 1
"""What a command left running may hold its output open."""
_LONGEST_PATTERN_BYTES = 64

_WATCHED = """
exec 3<&0 < /dev/null 2>&1
setsid sh -c '(eval "$1"); exit $?' {name}-{token} {command} 3<&- &
child=$!
{{ cat; trap '' TERM; kill -TERM -$child; sleep {ending_s}; kill -KILL -$child; }} \\
  <&3 > /dev/null 2>&1 &
watcher=$!
exec 3<&-
wait $child 2> /dev/null
status=$?
kill $watcher
echo {token}-end:$status
"""
"""`setsid` makes the command the leader of a group, which ends as a whole."""

_SWEEP = """
left() {{
  for process in /proc/[0-9]*; do
    read -r words < $process/cmdline
    case $words in *{name}-????????*) ;; *) continue;; esac
    read -r numbers < $process/stat && set -- ${{numbers##*) }} && echo $3
  done 2> /dev/null
}}
for signal in TERM KILL; do
  for group in $(left); do kill -$signal -$group; done 2> /dev/null
  tries=20
  while [ "$(left)" ] && [ $tries -gt 0 ]; do sleep 0.1; tries=$((tries - 1)); done
done
for group in $(left); do echo "process group $group of an earlier run cannot be ended"; done
echo swept
"""
"""Ends what a connection in which the server still believes has left, by process group (the third
field after the name, proc(5)). `read` skips zero bytes, and sees the first line only: of this
script, an empty one."""

logging.getLogger("paramiko").addHandler(logging.NullHandler())  # its threads print tracebacks


class NotListeningError(TargetError):
    """Nobody speaks SSH there, or not yet."""


class SshShell(Shell):
    """A shell over SSH. A connection that broke is made again for the next command."""

    def __init__(self, login: SshLogin, folder: Path, *, sudo: bool = False) -> None:
        """Paths of `login` are relative to `folder`. Nothing is connected yet."""
        self._login = login
        self._folder = folder
        self._sudo = sudo
        self._client: paramiko.SSHClient | None = None
        self.mark = f"led-rig-{zlib.crc32(_name(login).encode()):08x}"
        """Names the commands on the board, so that a later connection finds them."""

    def connect(self, timeout_s: float) -> None:
        """Log in, and end what an earlier connection left running.

        A board that still boots has `timeout_s` to begin to listen. Raises `TargetError`.
        """
        self.close()
        deadline = time.monotonic() + timeout_s
        while self._client is None:
            try:
                self._client = log_in(self._login, self._folder)
            except NotListeningError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(RETRY_S)
        self._end_leftovers()

    def close(self) -> None:
        """End the connection; safe to call at any time."""
        if self._client:
            self._client.close()
            self._client = None

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection that works, as far as is known here."""
        transport = self._client.get_transport() if self._client else None
        return transport is not None and transport.is_active()

    @property
    def server(self) -> str:
        """What the SSH server calls itself."""
        return self._transport().remote_version

    def run(self, command: str, timeout_s: float = 10) -> Result:
        """Run a shell command to its end, in a subshell and with nothing to read.

        Raises `TargetError` if it does not end in time, or if the connection breaks; it is
        ended then.
        """
        token = secrets.token_hex(4)
        end = rf"{token}-end:(\d+)\n".encode()
        quoted = shlex.quote(command)
        script = _WATCHED.format(
            name=self.mark, token=token, command=quoted, ending_s=ENDING_TIMEOUT_S
        )
        started_ns = time.time_ns()
        with self._started(script) as running:
            try:
                found = running.wait_for(end, timeout_s)
            finally:  # after a Ctrl-C here, too
                running.let_go(end)
        if found is None:
            kind = BrokenLineError if running.is_over else TargetError
            raise kind(self._complaint(command, running, timeout_s, end))
        output = _text(running.said[: found.start()])
        return Result(int(found[1]), output, started_ns, time.time_ns())

    def talk(self, command: str) -> "SshTalk":
        """Start a program to speak with. It must end with its input, as the agent does."""
        return SshTalk(self._channel(command))

    def send(self, data: bytes, path: str) -> None:
        """By SFTP."""
        where = f"{_name(self._login)}: {path}"
        try:
            with _sftp(self._transport()) as sftp, sftp.open(path, "wb") as file:
                file.set_pipelined(True)
                file.write(data)
        except (paramiko.SSHException, EOFError, ConnectionError, TimeoutError) as error:
            self.close()
            raise BrokenLineError(f"{where}: the transfer broke: {_reason(error)}") from error
        except OSError as error:
            raise TargetError(f"{where}: its SFTP server refuses: {_reason(error)}") from error

    def make_folder(self, path: str) -> None:
        """With sudo, the folder is made for the user whose files SFTP writes there."""
        super().make_folder(path)
        if self._sudo:
            self.must(f"chown {shlex.quote(self._login.user)} {shlex.quote(path)}")

    def _transport(self) -> paramiko.Transport:
        """Of a connection that works, made again if need be."""
        if not self.is_connected:
            self.connect(RECONNECT_TIMEOUT_S)
        transport = self._client.get_transport() if self._client else None
        if transport is None:
            raise TargetError(_broke(self._login))
        return transport

    def _started(self, script: str) -> "_Running":
        return _Running(self._channel(script))

    def _channel(self, script: str) -> paramiko.Channel:
        """Where a script runs: its input, and its output with its errors."""
        program = "sudo -n sh -c" if self._sudo else "sh -c"
        try:
            channel = self._transport().open_session(timeout=ANSWER_TIMEOUT_S)
            channel.settimeout(ANSWER_TIMEOUT_S)
            channel.set_combine_stderr(True)
            channel.exec_command(f"{program} {shlex.quote(script)}")
        except (paramiko.SSHException, EOFError, OSError) as error:
            self.close()
            raise BrokenLineError(f"{_broke(self._login)}: {_reason(error)}") from error
        return channel

    def _end_leftovers(self) -> None:
        with self._started(_SWEEP.format(name=self.mark)) as running:
            running.wait_for(rb"swept\n", ANSWER_TIMEOUT_S)
        said = _text(running.said)
        if said != "swept\n":
            raise TargetError(f"{_name(self._login)} is not ready for commands: {said.strip()}")

    def _complaint(self, command: str, running: "_Running", timeout_s: float, end: bytes) -> str:
        lines = _text(re.sub(end, b"", running.said)).splitlines()[-12:]
        last = "\n".join(f"    | {line}" for line in lines) or "    | (nothing at all)"
        problem = f"no end of {command!r} within {timeout_s:g} s"
        if running.is_over:
            problem = _broke(self._login, f" while {command!r} ran")
        return f"{problem}; it said:\n{last}"


class SshTalk:
    """A program in a channel of its own; see `rig.targets.shell.Talk`."""

    def __init__(self, channel: paramiko.Channel) -> None:
        """The program runs."""
        self._channel = channel

    def write(self, data: bytes) -> None:
        """To its standard input."""
        try:
            self._channel.sendall(data)
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise TargetError(f"the connection broke: {_reason(error)}") from error

    def read(self, timeout_s: float) -> bytes:
        """What it has written; raises `TargetError` when nothing more can come."""
        self._channel.settimeout(timeout_s)
        try:
            data = self._channel.recv(1 << 16)
        except TimeoutError:
            return b""
        if not data:
            raise TargetError("the connection has ended, and with it the program")
        return data

    def close(self) -> None:
        """Close its input, at which it ends."""
        _close(self._channel)


class _Running:
    """One script on the target, and what it has said so far."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel
        self.said = b""
        self.is_over = False
        """Nothing more can come."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        _close(self._channel)

    def wait_for(self, pattern: bytes, timeout_s: float) -> re.Match[bytes] | None:
        """Where `pattern` is in what was said; None if it does not come in time or at all."""
        deadline, found, seen = time.monotonic() + timeout_s, None, 0
        while not found and not self.is_over and (left_s := deadline - time.monotonic()) > 0:
            self._read(left_s)
            found = re.compile(pattern).search(self.said, seen)
            seen = max(0, len(self.said) - _LONGEST_PATTERN_BYTES)
        return found

    def let_go(self, end: bytes) -> None:
        """Close the script's input, which ends the command, and wait until it has ended."""
        if not self.is_over and not re.search(end, self.said[-_LONGEST_PATTERN_BYTES:]):
            with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
                self._channel.shutdown_write()
            self.wait_for(end, 2 * ENDING_TIMEOUT_S)

    def _read(self, timeout_s: float) -> None:
        self._channel.settimeout(timeout_s)
        with contextlib.suppress(TimeoutError):
            data = self._channel.recv(1 << 16)
            self.is_over = not data
            self.said += data


@contextlib.contextmanager
def _sftp(transport: paramiko.Transport) -> Iterator[paramiko.SFTPClient]:
    channel = transport.open_session(timeout=ANSWER_TIMEOUT_S)
    channel.settimeout(ANSWER_TIMEOUT_S)
    try:
        channel.invoke_subsystem("sftp")
        yield paramiko.SFTPClient(channel)
    except OSError as error:
        if channel.closed:  # otherwise it is what the SFTP server answered
            raise EOFError(_reason(error)) from error
        raise
    finally:
        _close(channel)


def _close(channel: paramiko.Channel) -> None:
    """Let the server end first: dropbear takes a late end for that of the next channel."""
    with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
        channel.shutdown_write()
        channel.settimeout(CLOSING_TIMEOUT_S)
        while channel.recv(1 << 16):
            pass
    with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
        channel.close()


def log_in(login: SshLogin, folder: Path) -> paramiko.SSHClient:
    """A connection whose both ends have proved who they are.

    Raises `NotListeningError` if nobody speaks SSH there, any other `TargetError` if one end
    does not trust the other.
    """
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(_RefuseUnknown(login))
    known = _known_hosts(login, folder)
    try:
        client.load_host_keys(str(known))
        client.connect(
            login.host,
            login.port,
            login.user,
            sock=_connected(login),
            key_filename=str(folder / login.key.expanduser()) if login.key else None,
            allow_agent=login.key is None,
            look_for_keys=login.key is None,
            timeout=ANSWER_TIMEOUT_S,
            banner_timeout=ANSWER_TIMEOUT_S,
            auth_timeout=ANSWER_TIMEOUT_S,
            channel_timeout=ANSWER_TIMEOUT_S,
        )
    except BaseException as error:
        client.close()
        if isinstance(error, (paramiko.SSHException, EOFError, OSError)):
            raise _explained(error, login, known) from error
        raise
    return client


class _RefuseUnknown(paramiko.MissingHostKeyPolicy):
    """A host key that is not known yet: a person has to look at it once."""

    def __init__(self, login: SshLogin) -> None:
        self._login = login

    def missing_host_key(
        self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey
    ) -> None:
        raise TargetError(
            f"{_name(self._login)}: the host key of {hostname} is not known. The board shows "
            f"{key.get_name()} {key.fingerprint}; if that is it, as `ssh-keygen -lf` says on the "
            f"board, keep it: ssh-keyscan -p {self._login.port} {self._login.host} >> known_hosts"
        )


def _connected(login: SshLogin) -> socket.socket:
    """A peer that is gone without a word is noticed: by what it does not acknowledge."""
    connection = socket.create_connection((login.host, login.port), timeout=ANSWER_TIMEOUT_S)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, ANSWER_TIMEOUT_S * 1000)
    return connection


def _known_hosts(login: SshLogin, folder: Path) -> Path:
    named = login.known_hosts or Path("~/.ssh/known_hosts")
    path = folder / named.expanduser()
    if login.known_hosts and not path.exists():
        raise TargetError(
            f"{path}, which the bench file names as known_hosts, is not there; "
            f"make it: ssh-keyscan -p {login.port} {login.host} > {path}"
        )
    return path if path.exists() else Path("/dev/null")


def _explained(error: Exception, login: SshLogin, known: Path) -> TargetError:
    """What to look at."""
    where, reason = _name(login), _reason(error)
    match error:
        case paramiko.BadHostKeyException():
            return TargetError(
                f"{where}: the host key is not the one in {known}: the board shows "
                f"{error.key.fingerprint}, known is {error.expected_key.fingerprint}. "
                "It is another board, a new SD card, or somebody in between"
            )
        case paramiko.PasswordRequiredException():
            return TargetError(
                f"{where}: the key needs a passphrase, and nobody is asked here: ssh-add it"
            )
        case paramiko.AuthenticationException():
            tried = login.key or "of the agent and of ~/.ssh"
            return TargetError(
                f"{where}: the board refuses the keys {tried} ({reason}); "
                f"the public key must stand in the authorized_keys of {login.user!r} there"
            )
        case FileNotFoundError() | PermissionError() if login.key:
            return TargetError(f"{where}: cannot read the key {login.key}: {reason}")
        case socket.gaierror():
            return TargetError(f"{where}: there is no such host: {reason}")
    return NotListeningError(
        f"{where}: nobody speaks SSH there ({reason}); look at the board's power and network, "
        "and at its SSH server"
    )


def _broke(login: SshLogin, when: str = "") -> str:
    return f"{_name(login)}: the connection broke{when}; look at the board's power and network"


def _name(login: SshLogin) -> str:
    return f"{login.user}@{login.host}:{login.port}"


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
