# SPDX-License-Identifier: ISC
"""Runs a tender whose guest has a disk of 64 KiB and a network that nobody listens to.

    python3 with_devices.py TENDER OPTIONS... KERNEL ARGUMENTS...

Adds `--block:storage=FILE` and `--net:service0=@FD`, one end of a pair of sockets; ends with
the tender's exit status.
"""

import socket
import subprocess
import sys
import tempfile

DISK_SIZE = 64 * 1024


def main(tender: str, *words: str) -> int:
    """Run it; returns its exit status."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs, tempfile.NamedTemporaryFile() as disk:
        disk.truncate(DISK_SIZE)
        devices = [f"--block:storage={disk.name}", f"--net:service0=@{theirs.fileno()}"]
        command = [tender, *devices, *words]
        return subprocess.run(command, pass_fds=[theirs.fileno()], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
