"""A virtual Pi as a lab has it: its console served over TCP, and a smart plug before its supply."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import serial
from serial.rfc2217 import PortManager

from rig.targets.virtual_pi import VirtualPi


class Terminal(serial.Serial):
    """A pseudo-terminal has no modem lines, which RFC 2217 asks about and sets."""

    cts = dsr = ri = cd = rts = dtr = True


class SerialServer:
    """What ser2net is to a USB cable: the same console by RFC 2217, and as bare bytes."""

    def __init__(self, terminal: str) -> None:
        self._port = Terminal(terminal, 115200, timeout=0.05)
        self._listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self.rfc2217, self.raw = (end.getsockname()[1] for end in self._listeners)
        self._clients: list[socket.socket] = []
        ways: tuple[Callable[[Any], Any], ...] = (self._telnet, _Bare)
        for listener, way in zip(self._listeners, ways, strict=True):
            threading.Thread(target=self._listen, args=(listener, way), daemon=True).start()

    def close(self) -> None:
        for end in (*self._clients, *self._listeners):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._port.close()

    def _telnet(self, client: _Client) -> PortManager:
        return PortManager(self._port, client)

    def _listen(self, listener: socket.socket, way: Callable[[Any], Any]) -> None:
        with contextlib.suppress(OSError):
            while True:
                end, _ = listener.accept()
                self._clients.append(end)
                self._serve(end, way(_Client(end)))

    def _serve(self, end: socket.socket, way: Any) -> None:
        over = threading.Event()
        sending = threading.Thread(target=self._send, args=(end, way, over), daemon=True)
        sending.start()
        with contextlib.suppress(OSError):
            while data := end.recv(4096):
                self._port.write(b"".join(way.filter(data)))
        over.set()
        sending.join()

    def _send(self, end: socket.socket, way: Any, over: threading.Event) -> None:
        with contextlib.suppress(OSError, TypeError):  # pyserial's, when it is closed meanwhile
            while not over.is_set():
                if data := self._port.read(max(1, self._port.in_waiting)):
                    end.sendall(b"".join(way.escape(data)))


class _Client:
    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def write(self, data: bytes) -> None:
        self._end.sendall(data)


class _Bare:
    def __init__(self, _: object) -> None: ...

    def filter(self, data: bytes) -> list[bytes]:
        return [data]

    escape = filter


class SmartPlug:
    """Its relay is put to 0 or 1 by HTTP, as labgrid's power model `rest` does it."""

    def __init__(self, pi: VirtualPi) -> None:
        self.did: list[str] = []
        self.is_stuck = False
        """It answers as if all were well, and switches nothing on."""
        plug = self

        class Relay(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                plug.switch(pi, self.rfile.read(int(self.headers["Content-Length"])) == b"1")
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Relay)
        self.url = f"http://127.0.0.1:{self._server.server_port}/relay"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def switch(self, pi: VirtualPi, on: bool) -> None:
        self.did.append("on" if on else "off")
        if not on:
            pi.emulator.command("stop")
            pi.emulator.command("system_reset")
        elif not self.is_stuck:
            pi.emulator.command("cont")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
