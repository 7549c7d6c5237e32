"""Wires between the rig and a virtual Pi that can be cut and can spoil what goes to the board."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import socket
import threading
import tty
from collections.abc import Callable
from typing import Protocol

Spoil = Callable[[bytes], bytes]


class Wire(Protocol):
    """What a test does to the way to a board."""

    to_board: Spoil
    """What becomes of the bytes on their way to the board."""

    def cut(self) -> None:
        """Whatever is under way is lost."""

    def close(self) -> None: ...


class SerialWire:
    """A cable: `name` is its end at the rig, the other end is QEMU's terminal."""

    def __init__(self, board: str) -> None:
        self.to_board: Spoil = bytes
        self._near, self._held = pty.openpty()
        self._far = os.open(board, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._far)
        self.name = os.ttyname(self._held)
        self._stop, self._running = os.pipe()
        self._thread = threading.Thread(target=self._carry)
        self._thread.start()

    def cut(self) -> None:
        """A loose contact: what is sent until the next pause is lost."""
        self.to_board = lambda data: b""
        threading.Timer(1, setattr, (self, "to_board", bytes)).start()

    def close(self) -> None:
        os.close(self._running)
        self._thread.join(60)
        for end in (self._near, self._held, self._far, self._stop):
            os.close(end)

    def _carry(self) -> None:
        while True:
            ready, _, _ = select.select([self._near, self._far, self._stop], [], [])
            if self._stop in ready:
                return
            if self._near in ready:
                os.write(self._far, self.to_board(os.read(self._near, 4096)))
            if self._far in ready:
                os.write(self._near, os.read(self._far, 4096))


class SshWire:
    """A TCP port of this host, `port`, that leads to another one."""

    def __init__(self, port: int) -> None:
        self.to_board: Spoil = bytes
        self._board = port
        self._ends: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def cut(self) -> None:
        """A cable that is pulled and plugged in again: all connections are gone."""
        self.to_board = bytes
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.cut()
        self._listener.close()
        for end in self._ends:
            end.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._board))
                self._ends += [near, far]
                for ends in ((near, far, True), (far, near, False)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, to_board: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                sink.sendall(self.to_board(data) if to_board else data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
