"""From what a place of a lab gives to the facts of a bench."""

from collections.abc import Sequence
from socket import getfqdn, gethostname
from typing import Any

from rig import bench
from rig.errors import HoldError
from rig.facts_file import Facts
from rig.lab.place import LABGRID, Place, Resource

SERIAL_PORTS = ("NetworkSerialPort",)
"""What exporters make of every serial port."""
SSH_SERVERS = ("NetworkService",)
ANALYZERS = ("NetworkSigrokUSBDevice", "SigrokDevice")
POWER_SWITCHES = (
    "NetworkPowerPort",
    "PDUDaemonPort",
    "NetworkUSBPowerPort",
    "NetworkSiSPMPowerPort",
    "TasmotaPowerPort",
    "NetworkYKUSHPowerPort",
    "NetworkSysfsGPIO",
)
"""What `labgrid-client power` can switch."""
_SCHEMES = {"rfc2217": "rfc2217", "raw": "socket"}


def filled_in(facts: bench.Bench, place: Place) -> bench.Bench:
    """The same bench, with everything that the place gives.

    Raises `HoldError` if the place does not have it.
    """
    target, observer = facts.target, facts.observer
    via = getattr(observer, "via", None)
    given: dict[str, Facts] = {"target": _board(target, place, "target")}
    if isinstance(observer, bench.LabSigrok):
        given["observer"] = _analyzer(observer, place)
    elif isinstance(via, bench.BoardFromPlace):
        board = _board(via, place, "observer.via")
        given["observer"] = observer.model_copy(update={"via": board})
    return facts.lent(place.name, given)


def _board(facts: Facts, place: Place, key: str) -> Facts:
    """A board as if its facts stood in the bench file; what comes from no place as it is."""
    match facts:
        case bench.LabSsh():
            return _ssh(facts, place, key)
        case bench.LabSerial():
            return _serial(facts, place, key)
    return facts


def _ssh(facts: bench.LabSsh, place: Place, key: str) -> bench.Ssh:
    service = _only(place, SSH_SERVERS, facts.resource, key)
    return bench.Ssh(
        kind="ssh",
        host=service.facts["address"],
        port=service.facts.get("port", 22),
        user=service.facts["username"],
        power=_power(facts, place),
        **_kept(facts, bench.Ssh),
    )


def _serial(facts: bench.LabSerial, place: Place, key: str) -> bench.Serial:
    port = _only(place, SERIAL_PORTS, facts.resource, key)
    protocol = port.facts.get("protocol", "rfc2217")
    if protocol not in _SCHEMES:
        raise HoldError(f"place {place.name}: {port.name}: unknown protocol {protocol}")
    return bench.Serial(
        kind="serial",
        port=f"{_SCHEMES[protocol]}://{port.facts['host']}:{port.facts['port']}",
        baud=port.facts["speed"],
        power=_power(facts, place),
        **_kept(facts, bench.Serial),
    )


def _analyzer(facts: bench.LabSigrok, place: Place) -> bench.SigrokObserver:
    device = _only(place, ANALYZERS, facts.resource, "observer")
    on_bus = "busnum" in device.facts
    host = device.facts.get("host", "localhost")
    if host not in ("localhost", "127.0.0.1", gethostname(), getfqdn()):
        raise HoldError(
            f"place {place.name}: the analyzer {device.name} hangs on {host}, and the rig reads "
            "only those of the machine on which it runs: run it there"
        )
    return bench.SigrokObserver(
        kind="sigrok",
        driver=device.facts["driver"],
        connection="{busnum}.{devnum}".format(**device.facts) if on_bus else None,
        **_kept(facts, bench.SigrokObserver),
    )


def _power(facts: bench.BoardFromPlace, place: Place) -> bench.Power | None:
    """labgrid drives the switch, whatever it is, for whom the place belongs to."""
    if not facts.power:
        return None
    _some(place, POWER_SWITCHES, None, "power")
    who = [f"{name}={value}" for name, value in place.identity.items()]
    client = ["env", *who, str(LABGRID / "labgrid-client"), "-x", place.coordinator]
    switch = [*client, "-p", place.name, "power"]
    return bench.Power(switch_on=(*switch, "on"), switch_off=(*switch, "off"))


def _kept(facts: bench.FromPlace, model: type[Facts]) -> dict[str, Any]:
    """What the bench file says itself."""
    ours = (type(facts).model_fields.keys() & model.model_fields.keys()) - {"kind", "power"}
    return {key: getattr(facts, key) for key in ours}


def _only(place: Place, kinds: Sequence[str], name: str | None, key: str) -> Resource:
    """The one resource that is meant. Raises `HoldError` if there are several."""
    fitting = _some(place, kinds, name, key)
    if len(fitting) > 1:
        names = ", ".join(resource.name for resource in fitting)
        raise HoldError(
            f"place {place.name} has {len(fitting)} resources of the kind {kinds[0]}: name one of "
            f"{names} as {key}.resource in the bench file"
        )
    if fitting[0].needs_proxy:
        raise HoldError(
            f"place {place.name}: {fitting[0].name} can only be reached through its exporter "
            f"{fitting[0].exporter}, which the rig does not do: start it without --isolated"
        )
    return fitting[0]


def _some(place: Place, kinds: Sequence[str], name: str | None, key: str) -> list[Resource]:
    fitting = [r for r in place.resources if r.kind in kinds and name in (None, r.name)]
    if not fitting:
        what = " or ".join(kinds) + (f" called {name}" if name else "")
        there = ", ".join(f"{r.kind} {r.name}" for r in place.resources) or "nothing"
        raise HoldError(
            f"place {place.name} gives no {what}, which {key} needs; it gives: {there}. Look at "
            f"its exporter and its matches: labgrid-client -p {place.name} show"
        )
    return fitting
