"""An SSH server on loopback whose commands run in a real shell of this machine, and a wire to it.

    rig == wire == server -- shell

The wire can be cut, be cut after so many bytes, or spoil one.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from rig.bench import SshLogin

Spoil = Callable[[bytes], bytes]


class Files(paramiko.SFTPServerInterface):
    """Real files; `refusal` is what a write gives instead of success."""

    refusal = paramiko.SFTP_OK

    def open(self, path: str, flags: int, attr: object) -> paramiko.SFTPHandle | int:
        if self.refusal != paramiko.SFTP_OK:
            return self.refusal
        try:
            descriptor = os.open(path, flags, 0o644)
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        handle = paramiko.SFTPHandle(flags)
        handle.writefile = os.fdopen(descriptor, "wb")  # type: ignore[attr-defined]
        return handle


class Guard(paramiko.ServerInterface):
    """Lets one key in, and runs what it asks for."""

    def __init__(self, key: paramiko.PKey, path: str) -> None:
        self._key = key
        self._path = path

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return paramiko.AUTH_SUCCESSFUL if key == self._key else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=self._run, args=(channel, command), daemon=True).start()
        return True

    def _run(self, channel: paramiko.Channel, command: bytes) -> None:
        """As sshd does: whoever goes away takes the command's input along."""
        shell = subprocess.Popen(
            ["sh", "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PATH": self._path},
            start_new_session=True,
        )
        assert shell.stdin
        assert shell.stdout
        speaker = threading.Thread(target=_copy, args=(channel, shell.stdout), daemon=True)
        speaker.start()
        with contextlib.suppress(OSError, EOFError), shell.stdin:
            while data := channel.recv(1024):
                shell.stdin.write(data)
                shell.stdin.flush()
        status = shell.wait()
        speaker.join(timeout=1)
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            channel.send_exit_status(status)
            channel.close()


def _copy(channel: paramiko.Channel, output: IO[bytes]) -> None:
    with output, contextlib.suppress(OSError, EOFError):
        while data := os.read(output.fileno(), 4096):
            channel.sendall(data)
        channel.shutdown_write()


class SshServer:
    """Listens as soon as it is made, and knows one host key and one login key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = os.environ["PATH"]
        """Where its commands look for programs."""
        self.host_key = _made(folder / "host_key")
        self.user_key = _made(folder / "key")
        self.has_sftp = True
        self.wire_to_server: Spoil = bytes
        self.logins = 0
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()
        self.know(self.host_key)

    @property
    def login(self) -> SshLogin:
        return SshLogin(
            host="127.0.0.1", port=self.port, key=Path("key"), known_hosts=Path("known_hosts")
        )

    def know(self, key: paramiko.PKey) -> None:
        """Make this the known host key."""
        known = f"[127.0.0.1]:{self.port} {key.get_name()} {key.get_base64()}\n"
        (self.folder / "known_hosts").write_text(known)

    def cut(self) -> None:
        """Cut every connection, as a cable is cut: nothing more arrives at either end."""
        for end in self._sockets:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.cut()
        self._listener.close()
        for end in self._sockets:
            end.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far, server_end = socket.socketpair()
                self._sockets += [near, far]
                self._serve(server_end)
                for source, sink, way in ((near, far, True), (far, near, False)):
                    args = (source, sink, way)
                    threading.Thread(target=self._carry, args=args, daemon=True).start()

    def _serve(self, end: socket.socket) -> None:
        transport = paramiko.Transport(end)
        transport.add_server_key(self.host_key)
        if self.has_sftp:
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, Files)
        self.logins += 1
        transport.start_server(event=threading.Event(), server=Guard(self.user_key, self.path))

    def _carry(self, source: socket.socket, sink: socket.socket, to_server: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                sink.sendall(self.wire_to_server(data) if to_server else data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def _made(path: Path) -> paramiko.PKey:
    secret = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()
    )
    path.write_bytes(secret)
    return paramiko.Ed25519Key.from_private_key_file(str(path))
