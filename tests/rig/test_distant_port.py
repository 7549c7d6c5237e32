"""A serial console that a server offers, by RFC 2217 and as bare bytes, is as good as a cable."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from boards import LONG_S, Board, login_of

from rig.bench import Serial
from rig.errors import TargetError
from rig.targets.serial_board import SerialBoard
from tests.lab.servers import SerialServer


@pytest.fixture
def server() -> Iterator[SerialServer]:
    board = Board(login_of("sh"))
    server = SerialServer(str(board.port.name))
    board.port.close()
    yield server
    server.close()
    board.end()


def board_at(url: str) -> SerialBoard:
    return SerialBoard(Serial(kind="serial", port=url, boot_timeout_s=LONG_S))


@pytest.mark.parametrize("scheme", ["rfc2217", "socket"])
def test_a_long_output_arrives_whole(server: SerialServer, scheme: str) -> None:
    port = server.rfc2217 if scheme == "rfc2217" else server.raw
    target = board_at(f"{scheme}://127.0.0.1:{port}")
    try:
        target.open({})
        lines = target.run("seq 20000", LONG_S).output.splitlines()
        assert lines == [str(n) for n in range(1, 20001)]
    finally:
        target.close()


# pyserial 3.5 does not close a socket whose other end has gone before.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("scheme", ["rfc2217", "socket"])
def test_a_server_that_ends_is_told_at_once(server: SerialServer, scheme: str) -> None:
    port = server.rfc2217 if scheme == "rfc2217" else server.raw
    target = board_at(f"{scheme}://127.0.0.1:{port}")
    try:
        target.open({})
        server.close()
        with pytest.raises(TargetError, match=f"{scheme}://127.0.0.1:{port}"):
            target.shell.run("sleep 1000", LONG_S)
    finally:
        target.close()


@pytest.mark.parametrize("scheme", ["rfc2217", "socket"])
def test_nobody_at_the_port_is_told_with_what_to_look_at(scheme: str) -> None:
    with pytest.raises(TargetError, match=r"cannot open the serial port .*; look at what serves"):
        board_at(f"{scheme}://127.0.0.1:9").open({})
