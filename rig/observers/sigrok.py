"""A USB logic analyzer, by way of sigrok: fx2lafw and everything else that sigrok drives.

The analyzer's own crystal times the samples, so no load of this host changes a stamp. What
a busy host can do is to lose samples; therefore their number is held against the time that
has passed. The analyzer's clock counts from its first sample, and nobody is told when that
was taken: only that it was after `sigrok-cli` started, and before the first samples came.
"""

from dataclasses import dataclass

from rig import bench
from rig.capture import Capture, Clock, ClockKind, Edge, Instant, named_edges
from rig.errors import ObserverError
from rig.observers.sigrok_cli import (
    MOST_EDGES,
    PROGRAM,
    Device,
    Stream,
    host_ns,
    run,
    scan,
    words_of,
)
from rig.samples import MOST_UNIT_BYTES, EdgeFinder, resolution_ns

START_TIMEOUT_S = 20
CATCH_UP_TIMEOUT_S = 5
"""How long samples of what has already happened may take to come."""
MOST_LATE_NS = 20_000_000
"""Samples that stay later than this for `CATCH_UP_TIMEOUT_S` have others missing before them."""
PROBE_SAMPLES = 1024
LOOK_AT = (
    "look at its cable, at `lsusb`, at the rights to its file in /dev/bus/usb (udev rules of "
    "Debian's libsigrok4, group plugdev) and at its firmware (Debian: sigrok-firmware-fx2lafw)"
)


@dataclass(frozen=True)
class Setup:
    """How to start an acquisition, and how to read its samples."""

    arguments: tuple[str, ...]
    unit_bytes: int
    bits: tuple[int, ...]
    """Of each wired line, in order."""


class SigrokObserver:
    """The observer of the lines that are wired to an analyzer."""

    def __init__(self, facts: bench.SigrokObserver) -> None:
        """Nothing is touched until `connect`."""
        self._facts = facts
        self._setup: Setup | None = None
        self._stream: Stream | None = None

    def connect(self) -> None:
        """Find the analyzer and take some samples, so that whatever is wrong shows now."""
        device = self._find()
        channels = self._channels_up_to_the_last_wired(device)
        arguments = self._arguments(device, channels)
        bits = tuple(channels.index(channel) for channel in self._facts.wiring.values())
        self._setup = Setup(arguments, _probe(arguments, len(channels)), bits)

    def arm(self) -> None:
        """Start sampling; returns when samples come. The first has the initial levels."""
        if self._setup is None:
            raise ObserverError("the analyzer is not connected")
        self._let_go()
        setup = self._setup
        finder = EdgeFinder(self._facts.samplerate_hz, setup.unit_bytes, setup.bits)
        self._stream = Stream([*setup.arguments, "--continuous"], finder)
        if not self._stream.wait_for(lambda: finder.samples > 0, START_TIMEOUT_S):
            ended, words = self._stream.ended, self._stream.words()
            self._let_go()
            what = "ended" if ended else f"sent no samples within {START_TIMEOUT_S} s"
            raise ObserverError(f"{PROGRAM} {what}: {words or 'it does not say why'}; {LOOK_AT}")

    def now(self) -> Instant | None:
        """As far as the moment of the first sample is known, which is to some 100 ms."""
        if self._stream is None:
            return None
        now_ns, stream = host_ns(), self._stream
        earliest_ns, latest_ns = now_ns - stream.latest_start_ns, now_ns - stream.launched_ns
        half_ns = -(-(latest_ns - earliest_ns) // 2) + self._drift_ns(latest_ns)
        return Instant((earliest_ns + latest_ns) // 2, half_ns)

    def peek(self, after: int = 0) -> list[Edge]:
        """The edges in the samples so far."""
        if self._stream is None:
            raise ObserverError("the analyzer is not sampling: it was not armed")
        if self._stream.ended:
            raise ObserverError(f"no samples come any more: {self._stream.words()}; {LOOK_AT}")
        edges, _ = self._stream.edges()
        return named_edges(edges[after:], tuple(self._facts.wiring))

    def stop(self) -> Capture:
        """Wait for the samples of all that has happened so far, and seal the capture.

        An analyzer that gave up because nobody took its samples in time, and one whose samples
        are fewer than the time that has passed, make an overrun. Raises `ObserverError` if the
        analyzer is gone or silent, or sends what cannot be.
        """
        if self._stream is None:
            raise ObserverError("the analyzer is not sampling: it was not armed")
        stream, asked_ns = self._stream, host_ns()
        try:
            complete = self._catch_up(stream, asked_ns)
            capture = self._sealed(stream, overrun=not complete)
            self._refuse_nonsense(stream, capture)
            if stream.ended:
                self._refuse_lost_analyzer(stream)
            elif not complete and stream.arrived_ns < asked_ns:
                raise ObserverError(self._silence(stream))
            return capture
        finally:
            self._let_go()

    def functions(self) -> dict[str, str]:
        """An analyzer sees levels only."""
        return {}

    def close(self) -> None:
        """End the acquisition; safe to call at any time."""
        self._let_go()
        self._setup = None

    def _find(self) -> Device:
        """The one device that the facts mean."""
        facts = self._facts
        devices, words = scan(_with(facts.driver, facts.connection))
        fitting = [d for d in devices if facts.serial in (None, d.serial)]
        if len(fitting) == 1:
            return fitting[0]
        if len(fitting) > 1:
            raise ObserverError(
                f"{len(fitting)} analyzers fit; set observer.connection or observer.serial: "
                + "; ".join(device.line for device in fitting)
            )
        raise ObserverError(self._nothing_found(words))

    def _nothing_found(self, words: str) -> str:
        facts = self._facts
        there, _ = scan(facts.driver)
        said = f" ({words})" if words else ""
        if not there:
            return f"`{PROGRAM} --driver {facts.driver} --scan` finds no analyzer{said}; {LOOK_AT}"
        wanted = {"connection": facts.connection, "serial": facts.serial}
        which = " and ".join(f"{key} {value}" for key, value in wanted.items() if value)
        lines = "; ".join(device.line for device in there)
        return f"no analyzer with {which or 'its channels'}{said}; there are: {lines}"

    def _channels_up_to_the_last_wired(self, device: Device) -> list[str]:
        """Some drivers pack the enabled channels, some leave gaps: without gaps it is the same."""
        wired = self._facts.wiring
        for line, channel in wired.items():
            if channel not in device.channels:
                raise ObserverError(
                    f"observer.wiring.{line}: the analyzer has no channel {channel}; it has "
                    + ", ".join(device.channels)
                )
        last = max(device.channels.index(channel) for channel in wired.values())
        return list(device.channels[: last + 1])

    def _arguments(self, device: Device, channels: list[str]) -> tuple[str, ...]:
        facts = self._facts
        # Only where it must: loading its firmware gives an analyzer a new number on the bus.
        connection = facts.connection or (device.connection if facts.serial else None)
        settings = (f"samplerate={facts.samplerate_hz}", *facts.config)
        return (
            *("--driver", _with(facts.driver, connection)),
            *("--channels", ",".join(channels)),
            *(word for setting in settings for word in ("--config", setting)),
            *("--output-format", "binary"),
        )

    def _catch_up(self, stream: Stream, until_ns: int) -> bool:
        """Wait until all samples up to `until_ns` are there; whether none is missing."""

        def caught_up() -> bool:
            # Counted from the earliest moment at which sampling can have begun.
            covered_ns = stream.launched_ns + stream.newest_ns()
            room_ns = self._drift_ns(stream.newest_ns())
            return covered_ns >= until_ns + room_ns and stream.late_ns() <= MOST_LATE_NS + room_ns

        start_up_s = (stream.latest_start_ns - stream.launched_ns) / 1e9
        return stream.wait_for(caught_up, start_up_s + CATCH_UP_TIMEOUT_S)

    def _sealed(self, stream: Stream, overrun: bool) -> Capture:
        edges, end_ns = stream.edges()
        facts, lines = self._facts, tuple(self._facts.wiring)
        resolution = resolution_ns(facts.samplerate_hz)
        return Capture(
            lines=lines,
            edges=edges,
            initial_levels=dict(zip(lines, stream.finder.initial_levels, strict=True)),
            start_ns=0,
            end_ns=end_ns,
            clock=Clock(ClockKind.HARDWARE, resolution, facts.accuracy_ppm, latency_ns=0),
            overrun=overrun,
        )

    def _refuse_nonsense(self, stream: Stream, capture: Capture) -> None:
        passed_ns = stream.arrived_ns - stream.launched_ns
        if capture.end_ns - self._drift_ns(capture.end_ns) > passed_ns:
            raise ObserverError(
                f"the analyzer sent {stream.finder.samples} samples in {passed_ns / 1e9:.3f} s; at "
                f"{self._facts.samplerate_hz} Hz that is too many: it samples at another rate, "
                "or what came are no samples"
            )
        if stream.flooded:
            raise ObserverError(
                f"more than {MOST_EDGES} edges: a line floats (see the pull-down in the wiring) "
                "or carries something else than an LED"
            )

    def _refuse_lost_analyzer(self, stream: Stream) -> None:
        """An analyzer that is still there has given up, because it could not get rid of samples."""
        words, end_s = stream.words(), stream.newest_ns() / 1e9
        status = stream.close()
        what = f"{PROGRAM} ended by itself after {end_s:.3f} s of samples, with status {status}"
        said = f" ({words})" if words else ""
        try:
            self._find()
        except ObserverError as error:
            raise ObserverError(f"the analyzer was lost: {what}{said}; {error}") from error
        if status != 0:
            raise ObserverError(f"{what}{said}, while the analyzer is still there")

    def _silence(self, stream: Stream) -> str:
        silent_s = (host_ns() - stream.arrived_ns) / 1e9
        words = stream.words()
        said = f" ({words})" if words else ""
        return f"the analyzer has been silent for {silent_s:.1f} s{said}; {LOOK_AT}"

    def _drift_ns(self, time_ns: int) -> int:
        """How far the two clocks can have gone apart."""
        return int(time_ns * self._facts.accuracy_ppm / 1e6) + 1

    def _let_go(self) -> None:
        if self._stream:
            self._stream.close()
            self._stream = None


def _with(driver: str, connection: str | None) -> str:
    return f"{driver}:conn={connection}" if connection else driver


def _probe(arguments: tuple[str, ...], channels: int) -> int:
    """The width of a sample in bytes, which no option of sigrok tells.

    Raises `ObserverError` if the analyzer does not sample as it is asked to.
    """
    done = run(*arguments, "--samples", str(PROBE_SAMPLES))
    words, size = words_of(done.stderr), len(done.stdout)
    if done.returncode or not size:
        asked = " ".join((PROGRAM, *arguments))
        raise ObserverError(f"`{asked}` gives no samples: {words or 'it does not say why'}")
    unit_bytes, rest = divmod(size, PROBE_SAMPLES)
    if rest or not channels <= 8 * unit_bytes <= 8 * MOST_UNIT_BYTES:
        raise ObserverError(
            f"{size} bytes are not {PROBE_SAMPLES} samples of {channels} channels: "
            "observer.wiring names an analog channel, or the analyzer cannot stream"
        )
    return unit_bytes
