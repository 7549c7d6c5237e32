# SPDX-License-Identifier: ISC
"""Holds one place of a labgrid lab for as long as its standard input is open.

A program of its own, because labgrid lives in a virtual environment of its own: `rig.lab.place`
starts it. It reserves a place, acquires it, and tells on its standard output, one JSON object a
line, how that goes:

    {"is": "waiting", "why": "..."}                                   as often as the reason changes
    {"is": "held", "place": "...", "resources": [{...}, ...]}
    {"is": "lost", "why": "..."}                                      in the middle; then it ends
    {"is": "refused", "why": "..."}                                   instead of `held`

When its input ends, which it does however the rig ends, it gives the place back and ends.

Everybody in a lab is known by host and user. A run of the rig appends to the user who it is
(see `Holder`), so that two runs of one person do not take each other for the same, and so that
another run can tell that this one is dead. What a dead run has left is given back here; whoever
lives, or might live, is left alone.
"""

import asyncio
import contextlib
import json
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from labgrid.remote.client import ClientSession, Error
from labgrid.remote.common import Place, Reservation, ReservationState
from labgrid.remote.generated import labgrid_coordinator_pb2 as messages
from labgrid.util.proxy import proxymanager

CONNECT_TIMEOUT_S = 15
READY_TIMEOUT_S = 10
"""An exporter starts what it exports when it is acquired."""
GIVE_BACK_TIMEOUT_S = 12
"""The coordinator itself waits 10 s for an exporter."""
POLL_S = 1.0
"""A reservation that is not asked about for a minute expires."""


class RefusedError(Exception):
    """No place can be had; says why."""


class LostError(Exception):
    """The place is ours no more, or something in it is gone; says why."""


@dataclass(frozen=True)
class Holder:
    """A run of the rig, as its name in the lab tells: `USER+rig.PID.START.WHERE`."""

    pid: int
    start_ticks: int
    """When that process started; a process number is used again, this is not."""
    where: str
    """Kernel and process namespace in which `pid` means anything."""

    @classmethod
    def parse(cls, name: str) -> "Holder | None":
        """From `HOST/USER...`; None if no run of the rig is called so."""
        found = re.search(r"\+rig\.(\d+)\.(\d+)\.([0-9a-f]+)$", name)
        return cls(int(found[1]), int(found[2]), found[3]) if found else None

    def is_dead(self, where: str) -> bool:
        """Whether that is proved; only of runs that could be seen from `where` it can be."""
        return self.where == where and _start_ticks(self.pid) != self.start_ticks


def _start_ticks(pid: int) -> int | None:
    """Of a process that runs: field 22 of its stat file, proc(5)."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else int(fields[19])
    return None


class Keeper(ClientSession):  # type: ignore[misc] # labgrid has no types
    """One place, from its reservation to its release."""

    def __init__(self, order: dict[str, Any]) -> None:
        """`order`: coordinator, wait_s, and place or tags."""
        address = proxymanager.get_grpc_address(order["coordinator"], default_port=20408)
        super().__init__(address, asyncio.get_running_loop())
        self.filters: dict[str, str] = order["tags"] or {"name": order["place"]}
        self.coordinator: str = order["coordinator"]
        self.wait_s: float = order["wait_s"]
        self.me = f"{self.gethostname()}/{self.getuser()}"
        self.token: str | None = None
        self.place: Place | None = None
        self.news = asyncio.Event()
        self._told = ""

    async def on_place_changed(self, place_pb2: Any) -> None:
        """Whatever changes may be what somebody here waits for."""
        await super().on_place_changed(place_pb2)
        self.news.set()

    async def on_place_deleted(self, name: str) -> None:
        """Likewise."""
        await super().on_place_deleted(name)
        self.news.set()

    async def on_resource_changed(self, *change: Any) -> None:
        """Likewise."""
        await super().on_resource_changed(*change)
        self.news.set()

    async def hold(self) -> None:
        """From nothing to the end: raises `RefusedError` or `LostError`, or is cancelled."""
        try:
            await self._connect()
            place = await self._reserved()
            await self._acquire(place)
            say("held", place=place.name, resources=await self._ready(place))
            await self._watch(place)
        finally:
            await self._give_back()

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self.start()
        except (Error, TimeoutError) as error:
            raise RefusedError(f"no coordinator answers at {self.coordinator}") from error

    async def _reserved(self) -> Place:
        """The place that the coordinator has allocated to us."""
        deadline = time.monotonic() + self.wait_s
        self._fitting()
        await self._bury_the_dead()
        wanted = messages.Reservation.Filter(filter=self.filters)
        request = messages.CreateReservationRequest(filters={"main": wanted}, prio=0.0)
        self.token = (await self.stub.CreateReservation(request)).reservation.token
        while (got := await self._poll()).state is ReservationState.waiting:
            why = self._why_not()
            if time.monotonic() > deadline:
                raise RefusedError(f"no place within {self.wait_s:g} s: {why}")
            self._tell_waiting(why)
            await asyncio.sleep(POLL_S)
            await self._bury_the_dead()
        if got.state is not ReservationState.allocated:
            raise RefusedError(f"the coordinator calls the reservation {got.state.name}")
        return self.places[got.allocations["main"][0]]

    async def _poll(self) -> Reservation:
        request = messages.PollReservationRequest(token=self.token)
        return Reservation.from_pb2((await self.stub.PollReservation(request)).reservation)

    def _fitting(self) -> list[Place]:
        """The places that the reservation may get. Raises `RefusedError` if there is none."""
        wanted = self.filters.items()
        places = [p for p in self.places.values() if wanted <= {**p.tags, "name": p.name}.items()]
        if not places:
            asked = ", ".join(f"{key}={value}" for key, value in wanted)
            there = "; ".join(map(_described, self.places.values())) or "none"
            raise RefusedError(f"the lab has no place with {asked}; its places are: {there}")
        return places

    def _why_not(self) -> str:
        return "; ".join(map(_taken, self._fitting()))

    def _tell_waiting(self, why: str) -> None:
        if why != self._told:
            say("waiting", why=why)
            self._told = why

    async def _bury_the_dead(self) -> None:
        """Give back what runs that are provably dead have left, and what they had reserved.

        The coordinator releases only from whom we name, so nobody can have come in between.
        """
        where = Holder.parse(self.me)
        for place in self._fitting():
            if place.acquired and where and _is_dead(place.acquired, where.where):
                await self._release(place.name, place.acquired)
        reserved = (await self.stub.GetReservations(messages.GetReservationsRequest())).reservations
        for left in reserved:
            if where and _is_dead(left.owner, where.where):
                with contextlib.suppress(grpc.aio.AioRpcError):  # another run was faster
                    request = messages.CancelReservationRequest(token=left.token)
                    await self.stub.CancelReservation(request)

    async def _acquire(self, place: Place) -> None:
        if missing := place.unmatched(self._paths()):
            raise RefusedError(
                f"place {place.name}: nobody exports {missing}; is its exporter running? "
                "(labgrid-client resources)"
            )
        self.place = place  # before it is ours: given back in any case
        try:
            await self.stub.AcquirePlace(messages.AcquirePlaceRequest(placename=place.name))
        except grpc.aio.AioRpcError as error:
            raise RefusedError(f"place {place.name}: {error.details()}; {_taken(place)}") from error
        await self.sync_with_coordinator()

    def _paths(self) -> list[tuple[str, str, str, str]]:
        return [
            (exporter, group, resource.cls, name)
            for exporter, groups in self.resources.items()
            for group, entries in groups.items()
            for name, resource in entries.items()
            if resource.data.get("cls")
        ]

    async def _ready(self, place: Place) -> list[dict[str, Any]]:
        """What the place gives, as soon as all of it is there."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while late := [path for path in place.acquired_resources if not self._is_there(path)]:
            if time.monotonic() > deadline:
                names = ", ".join("/".join(path) for path in late)
                raise RefusedError(
                    f"place {place.name}: {names} is exported, but not available within "
                    f"{READY_TIMEOUT_S} s: plugged in?"
                )
            await self._next_news(POLL_S)
        return [self._told_of(place, path) for path in place.acquired_resources]

    def _entry(self, path: list[str]) -> Any:
        exporter, group, _, name = path
        return self.resources.get(exporter, {}).get(group, {}).get(name)

    def _is_there(self, path: list[str]) -> bool:
        entry = self._entry(path)
        return bool(entry and entry.data.get("cls") and entry.avail)

    def _told_of(self, place: Place, path: list[str]) -> dict[str, Any]:
        entry, match = self._entry(path), place.getmatch(path)
        name = match.rename if match and match.rename else path[3]
        told = {"name": name, "exporter": path[0], "kind": entry.cls, "facts": entry.args}
        return {**told, "needs_proxy": bool(entry.extra.get("proxy_required"))}

    async def _watch(self, place: Place) -> None:
        """Until something is lost, which is raised."""
        while True:
            if self.stopping.is_set():
                raise LostError(f"the coordinator at {self.coordinator} is gone")
            if place.name not in self.places or place.acquired != self.me:
                raise LostError(f"place {place.name} was taken away: {_taken(place)}")
            if gone := [path for path in place.acquired_resources if not self._is_there(path)]:
                raise LostError(
                    f"place {place.name}: {'/'.join(gone[0])} is gone: its exporter has ended, "
                    "lost its network, or the device was unplugged (labgrid-client resources)"
                )
            await self._next_news(POLL_S)

    async def _next_news(self, timeout_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.news.wait(), timeout_s)
        self.news.clear()

    async def _give_back(self) -> None:
        """As far as that is possible."""
        with contextlib.suppress(grpc.aio.AioRpcError, TimeoutError):
            async with asyncio.timeout(GIVE_BACK_TIMEOUT_S):
                if self.place:
                    await self._release(self.place.name, self.me)
                if self.token:
                    request = messages.CancelReservationRequest(token=self.token)
                    await self.stub.CancelReservation(request)
        if self.pump_task:
            await self.stop()
        await self.close()

    async def _release(self, place: str, holder: str) -> None:
        request = messages.ReleasePlaceRequest(placename=place, fromuser=holder)
        await self.stub.ReleasePlace(request)


def _is_dead(name: str, where: str) -> bool:
    holder = Holder.parse(name)
    return holder is not None and holder.is_dead(where)


def _described(place: Place) -> str:
    tags = " ".join(f"{key}={value}" for key, value in sorted(place.tags.items()))
    return f"{place.name} ({tags})" if tags else str(place.name)


def _taken(place: Place) -> str:
    """By whom."""
    if place.acquired:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(place.changed))
        return f"{place.name} is acquired by {place.acquired} since {since}"
    return f"{place.name} is acquired by nobody" + (", but reserved" if place.reservation else "")


def say(what: str, **details: Any) -> None:
    """Tell the rig, if it is still there."""
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps({"is": what, **details}), flush=True)


async def end_of_input() -> None:
    """Until whoever started this has closed our standard input, or is gone."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(4096):
        pass


async def main(order: dict[str, Any]) -> None:
    """Hold the place that was ordered until the input ends."""
    holding = asyncio.create_task(Keeper(order).hold())
    over = asyncio.create_task(end_of_input())
    await asyncio.wait({holding, over}, return_when=asyncio.FIRST_COMPLETED)
    holding.cancel()
    try:
        await holding
    except asyncio.CancelledError:
        pass
    except LostError as error:
        say("lost", why=str(error))
    except RefusedError as error:
        say("refused", why=str(error))
    except grpc.aio.AioRpcError as error:
        say("refused", why=f"the coordinator at {order['coordinator']}: {error.details()}")


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
