# SPDX-License-Identifier: ISC
"""The other end of a unikernel's network: asks by ARP, pings, and checks every answer.

    python3 peer.py PINGS DEVICE=ADDRESS[,TAP]... -- TENDER OPTIONS... KERNEL ARGUMENTS...

Runs the tender with `--net:DEVICE=TAP` or, without TAP, with `--net:DEVICE=@FD` and one end
of a pair of sockets, for which nobody needs any rights. Ends with the tender's exit status;
with 1 if an answer was wrong or fewer than PINGS came from one of the devices.
"""

from __future__ import annotations

import random
import selectors
import socket
import struct
import subprocess
import sys
import time
from dataclasses import dataclass, field

MAC = bytes.fromhex("020000000001")
BROADCAST = b"\xff" * 6
WINDOW = 8  # pings that are under way at a time
RETRY_S = 0.2  # a tap drops what comes before the tender has opened it
MOST_DATA = 1400

ETH_P_ALL = 3
ARP, IPV4 = b"\x08\x06", b"\x08\x00"
ARP_REQUEST, ARP_REPLY = b"\0\1\x08\0\6\4\0\1", b"\0\1\x08\0\6\4\0\2"
ECHO_REQUEST, ECHO_REPLY = 8, 0


class WrongAnswerError(Exception):
    """The unikernel sent what it should not have."""


def checksum(data: bytes) -> int:
    """The sum of IPv4 and ICMP; 0 over data that contains its own sum."""
    words = struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2))
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def summed(data: bytes, at: int) -> bytes:
    """`data` with its checksum filled in."""
    return data[:at] + struct.pack("!H", checksum(data)) + data[at + 2 :]


def echo(kind: int, source: bytes, target: bytes, seq: int, data: bytes) -> bytes:
    """An IPv4 packet with a ping or the answer to one."""
    icmp = summed(struct.pack("!BBHHH", kind, 0, 0, 7, seq) + data, 2)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(icmp), seq, 0, 64, 1, 0, source, target)
    return summed(ip, 10) + icmp


@dataclass
class Wire:
    """What runs to one device, and how far the conversation on it is."""

    device: str
    address: bytes
    near: socket.socket
    option: str
    far: socket.socket | None = None
    mac: bytes | None = None
    seq: int = 0
    answered: int = 0
    expected: dict[bytes, int] = field(default_factory=dict)
    heard_s: float = 0.0

    @property
    def own_address(self) -> bytes:
        """The first one in the unikernel's network."""
        return self.address[:3] + b"\1"

    def send(self, frame: bytes) -> None:
        """Put a frame on the wire; it may be lost."""
        try:
            self.near.send(frame)
        except OSError:  # the other end is gone, or has not come up yet
            return

    def ask(self) -> None:
        """Who has the address; and one that nobody has, for which no answer may come."""
        for address in (self.address, self.address[:3] + b"\3"):
            asked = ARP_REQUEST + MAC + self.own_address + b"\0" * 6 + address
            self.send(BROADCAST + MAC + ARP + asked)

    def ping(self) -> None:
        """Send the next ping and note the one right answer."""
        assert self.mac is not None
        self.seq = (self.seq + 1) % 0x10000
        data = random.randbytes(random.randrange(MOST_DATA + 1))
        request = echo(ECHO_REQUEST, self.own_address, self.address, self.seq, data)
        reply = echo(ECHO_REPLY, self.address, self.own_address, self.seq, data)
        self.expected[MAC + self.mac + IPV4 + reply] = self.seq
        self.send(self.mac + MAC + IPV4 + request)

    def go_on(self) -> None:
        """Send what is to be sent now."""
        if time.monotonic() - self.heard_s > RETRY_S:
            self.heard_s = time.monotonic()
            (self.ping if self.mac is not None else self.ask)()
        while self.mac is not None and len(self.expected) < WINDOW:
            self.ping()

    def receive(self) -> bool:
        """Take one frame, if there is one."""
        try:
            frame, origin = self.near.recvfrom(0x10000)
        except (BlockingIOError, ConnectionError):
            return False
        if frame and not (origin and origin[2] == socket.PACKET_OUTGOING):
            self.heard_s = time.monotonic()
            self.judge(frame)
        return frame != b""

    def judge(self, frame: bytes) -> None:
        """Raise WrongAnswerError unless the frame is an answer that is due."""
        if frame[12:14] == ARP:
            self.learn(frame)
        elif frame in self.expected:
            del self.expected[frame]
            self.answered += 1
        else:
            raise WrongAnswerError(f"{self.device}: nobody asked for {frame.hex()}")

    def learn(self, frame: bytes) -> None:
        """Take the unikernel's address from its answer to ARP."""
        mac = frame[6:12]
        reply = ARP_REPLY + mac + self.address + MAC + self.own_address
        if frame != MAC + mac + ARP + reply or mac[0] & 1 or self.mac not in (None, mac):
            raise WrongAnswerError(f"{self.device}: wrong answer to ARP: {frame.hex()}")
        self.mac = mac


def make_wire(words: str) -> Wire:
    """Open the near end for one DEVICE=ADDRESS[,TAP]."""
    device, place = words.split("=")
    address, _, tap = place.partition(",")
    if tap:
        near = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        near.bind((tap, ETH_P_ALL))
        return Wire(device, socket.inet_aton(address), near, f"--net:{device}={tap}")
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    option = f"--net:{device}=@{far.fileno()}"
    return Wire(device, socket.inet_aton(address), near, option, far)


def converse(wires: list[Wire], tender: subprocess.Popen[bytes]) -> int:
    """Until the tender ends; the caller bounds the time."""
    selector = selectors.DefaultSelector()
    for wire in wires:
        wire.near.setblocking(False)
        selector.register(wire.near, selectors.EVENT_READ, wire)
    while tender.poll() is None:
        for wire in wires:
            wire.go_on()
        for key, _ in selector.select(RETRY_S):
            key.data.receive()
    for wire in wires:
        while wire.receive():
            pass
    return int(tender.returncode)


def main(arguments: list[str]) -> int:
    """Converse as the command line says; return the exit status."""
    at = arguments.index("--")
    pings, wires = int(arguments[0]), [make_wire(words) for words in arguments[1:at]]
    tender, *rest = arguments[at + 1 :]
    far = [wire.far.fileno() for wire in wires if wire.far is not None]
    command = [tender, *(wire.option for wire in wires), *rest]
    with subprocess.Popen(command, pass_fds=far) as process:
        try:
            for wire in wires:
                if wire.far is not None:
                    wire.far.close()
            status = converse(wires, process)
        except WrongAnswerError as error:
            print(f"peer: {error}")
            return 1
        finally:
            process.kill()
    for wire in wires:
        mac = wire.mac.hex(":") if wire.mac is not None else "nobody"
        print(f"peer: {wire.device} is {mac}, {wire.answered} pings answered")
        status = status or int(wire.answered < pings)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
