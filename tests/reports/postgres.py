"""A PostgreSQL server of one's own: on loopback, in a folder that goes with it."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

PASSWORD = "rosebud"
TIMEOUT_S = 60


def programs() -> Path:
    """Where Debian has the newest server's programs. Skips the test if it has none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        pytest.skip("no PostgreSQL server here; Debian's package is called postgresql")
    return found[-1].parent


def unprivileged() -> list[str]:
    """Begins a command line: the server dies with the test, and refuses to run as root."""
    words = ["setpriv", "--pdeathsig", "QUIT"]
    if os.getuid() == 0:
        words += ["--reuid=postgres", "--regid=postgres", "--clear-groups"]
    return words


@contextmanager
def server() -> Iterator[str]:
    """Its URL without a database, with the password of the user that owns it."""
    bin_folder, folder = programs(), Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        secret = folder / "secret"
        secret.write_text(PASSWORD)
        if os.getuid() == 0:
            for path in (folder, secret):
                shutil.chown(path, "postgres", "postgres")
        _initialize(bin_folder, folder, secret)
        with _running(bin_folder, folder) as port:
            yield f"postgresql://rig:{PASSWORD}@127.0.0.1:{port}"
    finally:
        shutil.rmtree(folder)


def _initialize(bin_folder: Path, folder: Path, secret: Path) -> None:
    subprocess.run(
        [
            *unprivileged(), bin_folder / "initdb", "--pgdata", folder / "data", "--no-sync",
            "--username=rig", "--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8",
            "--no-locale",
        ],
        cwd=folder, check=True, capture_output=True, timeout=TIMEOUT_S,
    )  # fmt: skip


@contextmanager
def _running(bin_folder: Path, folder: Path) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
    options = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder}
    words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    log = folder / "server.log"
    command = [*unprivileged(), bin_folder / "postgres", "-D", folder / "data", *words]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=folder, stdout=stream, stderr=stream)
    try:
        _wait_until_it_answers(process, port, log)
        yield port
    finally:
        process.send_signal(signal.SIGINT)  # fast shutdown: it does not wait for clients
        try:
            process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(TIMEOUT_S)


def _wait_until_it_answers(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    end = time.monotonic() + TIMEOUT_S
    while process.poll() is None and time.monotonic() < end:
        try:
            connect(port).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"PostgreSQL does not answer: {log.read_text()}")


def connect(port: int) -> "psycopg.Connection[tuple[object, ...]]":
    """As its owner, outside of any transaction."""
    url = f"postgresql://rig:{PASSWORD}@127.0.0.1:{port}/postgres"
    return psycopg.connect(url, autocommit=True, connect_timeout=5)
