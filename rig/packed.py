"""A command's long output, sent packed: a serial line is slow, and text shrinks to a fifth."""

import base64
import binascii
import gzip
import zlib

from rig.errors import TargetError


def packed(command: str) -> str:
    """A command line that prints what `command` does, packed, and ends with its status."""
    return f"o=$(mktemp); ({command}) > $o 2>&1; s=$?; gzip -c $o | base64; rm -f $o; exit $s"


def unpacked(output: str) -> str:
    """What the command itself has printed. Raises `TargetError` if it arrived damaged."""
    try:
        data = base64.b64decode(output)
        if not data:
            raise EOFError("there is nothing")
        return gzip.decompress(data).decode(errors="replace")
    except (binascii.Error, OSError, EOFError, zlib.error) as error:
        raise TargetError(
            f"the packed output of a command arrived damaged ({error}): {output[-200:]!r}"
        ) from error
