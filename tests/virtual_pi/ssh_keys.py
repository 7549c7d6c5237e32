"""Keys for a virtual Pi with a network, made afresh for each boot: no secret is ever stored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from rig.bench import Ssh


@dataclass(frozen=True)
class SshKeys:
    """A host key for the board, a login key for the rig, and the files that hold them."""

    folder: Path
    host: Ed25519PrivateKey
    user: Ed25519PrivateKey

    @classmethod
    def made_in(cls, folder: Path) -> SshKeys:
        keys = cls(folder, Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate())
        (folder / "host_key").write_bytes(_dropbear(keys.host))
        (folder / "authorized_keys").write_bytes(_public(keys.user) + b"\n")
        secret = keys.user.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        (folder / "key").write_bytes(secret)
        return keys

    def files(self) -> dict[str, Path]:
        """What the board boots with."""
        return {
            "/etc/dropbear/dropbear_ed25519_host_key": self.folder / "host_key",
            "/root/.ssh/authorized_keys": self.folder / "authorized_keys",
        }

    def facts(self, port: int) -> Ssh:
        """How to reach the board through this port of this host."""
        host = f"[127.0.0.1]:{port} ".encode() + _public(self.host) + b"\n"
        (self.folder / "known_hosts").write_bytes(host)
        return Ssh(
            kind="ssh",
            host="127.0.0.1",
            port=port,
            key=Path("key"),
            known_hosts=Path("known_hosts"),
        )


def _public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)


def _dropbear(key: Ed25519PrivateKey) -> bytes:
    """A host key as dropbear keeps it: its type, then private and public half, as SSH strings."""
    private = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return _string(b"ssh-ed25519") + _string(private + public)


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data
