"""Arithmetic and formatting of the guest's bindings, compiled for this machine."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

BINDINGS = Path(__file__).parent.parent / "tender" / "bindings"
NS_PER_S = 10**9
MOST_TICKS = 2**64 - 1

# Raspberry Pi 3, Pi 4, a QEMU machine, round, and x86 counters as found.
KNOWN_HZ = (1_000_000, 19_200_000, 54_000_000, 62_500_000, 1_000_000_000, 2_596_132_000)

WIDE_PRODUCT = "unsigned __int128 product = (unsigned __int128)ticks * tick.fraction;"
NARROW_PRODUCT = "unsigned __int128 product = (unsigned __int128)(ticks * tick.fraction);"


class Tick(ctypes.Structure):
    _fields_ = (("whole_ns", ctypes.c_uint64), ("fraction", ctypes.c_uint64))


def compile_library(source: Path, folder: Path) -> ctypes.CDLL:
    library = folder / f"{source.stem}.so"
    flags = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    files = ["-I", str(BINDINGS), str(source), "-o", str(library)]
    subprocess.run(["gcc", *flags, *files], check=True, timeout=60)
    return ctypes.CDLL(str(library))


Conversion = Callable[[int, int], int]


def conversion(source: Path, folder: Path) -> Conversion:
    """Return ticks_to_ns(hz, ticks) of the C file `source`."""
    library = compile_library(source, folder)
    library.tick_from_hz.restype = Tick
    library.tick_from_hz.argtypes = (ctypes.c_uint64,)
    library.ticks_to_ns.restype = ctypes.c_uint64
    library.ticks_to_ns.argtypes = (Tick, ctypes.c_uint64)

    def ticks_to_ns(hz: int, ticks: int) -> int:
        return int(library.ticks_to_ns(library.tick_from_hz(hz), ticks))

    return ticks_to_ns


@pytest.fixture(scope="module")
def ticks_to_ns(tmp_path_factory: pytest.TempPathFactory) -> Conversion:
    return conversion(BINDINGS / "ticks.c", tmp_path_factory.mktemp("ticks"))


def assert_exact(ticks_to_ns: Conversion, hz: int, ticks: int) -> None:
    exact = ticks * NS_PER_S // hz
    got = ticks_to_ns(hz, ticks)
    assert exact - 1 <= got <= exact, f"{ticks} ticks at {hz} Hz: {got} ns, exactly {exact}"


@pytest.mark.parametrize("hz", KNOWN_HZ)
@pytest.mark.parametrize("seconds", [1, 276, 3600, 86_400, 30 * 86_400, 10 * 365 * 86_400])
def test_clock_is_exact_at_known_counters(ticks_to_ns: Conversion, hz: int, seconds: int) -> None:
    for ticks in (hz * seconds - 1, hz * seconds, hz * seconds + 1):
        assert_exact(ticks_to_ns, hz, ticks)


@given(hz=st.integers(1_000_000, 4_000_000_000), milliseconds=st.integers(0, 100 * 86_400_000))
def test_clock_is_exact_for_days(ticks_to_ns: Conversion, hz: int, milliseconds: int) -> None:
    assert_exact(ticks_to_ns, hz, hz * milliseconds // 1000)


@given(hz=st.integers(NS_PER_S, 2**63), ticks=st.integers(0, MOST_TICKS))
def test_clock_is_exact_for_every_count_of_a_fast_counter(
    ticks_to_ns: Conversion, hz: int, ticks: int
) -> None:
    assert_exact(ticks_to_ns, hz, ticks)


@given(hz=st.integers(NS_PER_S, 2**63), ticks=st.integers(0, MOST_TICKS - 1))
def test_clock_never_goes_back(ticks_to_ns: Conversion, hz: int, ticks: int) -> None:
    assert ticks_to_ns(hz, ticks) <= ticks_to_ns(hz, ticks + 1)


def test_product_of_64_bits_is_caught(tmp_path: Path) -> None:
    source = (BINDINGS / "ticks.c").read_text(encoding="utf-8")
    assert WIDE_PRODUCT in source
    narrow = tmp_path / "narrow.c"
    narrow.write_text(source.replace(WIDE_PRODUCT, NARROW_PRODUCT), encoding="utf-8")

    with pytest.raises(AssertionError, match="19200000 Hz"):
        assert_exact(conversion(narrow, tmp_path), 19_200_000, 19_200_000 * 276)


Formatter = Callable[..., bytes]


@pytest.fixture(scope="module")
def formatted(tmp_path_factory: pytest.TempPathFactory) -> Formatter:
    library = compile_library(BINDINGS / "format.c", tmp_path_factory.mktemp("format"))
    library.format.restype = ctypes.c_size_t
    library.format.argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p)

    def run(fmt: bytes, *args: object, size: int = 100) -> bytes:
        buf = ctypes.create_string_buffer(b"\xff" * 128, 128)
        used = library.format(buf, size, fmt, *args)
        assert used <= size
        assert buf.raw[used:] == b"\xff" * (128 - used), "wrote beyond what it says"
        return buf.raw[:used]

    return run


@given(st.integers(0, 2**64 - 1))
def test_format_of_64_bits_is_pythons(formatted: Formatter, value: int) -> None:
    number = ctypes.c_uint64(value)
    assert formatted(b"%lu", number) == b"%d" % value
    assert formatted(b"%lx", number) == b"%x" % value
    assert formatted(b"%016lx|%022lu", number, number) == b"%016x|%022d" % (value, value)


@given(st.integers(-(2**63), 2**63 - 1))
def test_format_of_signed_numbers_is_pythons(formatted: Formatter, value: int) -> None:
    assert formatted(b"%ld", ctypes.c_int64(value)) == b"%d" % value
    short = value >> 32
    assert formatted(b"%d %u", ctypes.c_int32(short), ctypes.c_uint32(short)) == b"%d %d" % (
        short,
        short % 2**32,
    )


def test_format_of_text(formatted: Formatter) -> None:
    assert formatted(b"100%% of '%s'%c", b"led0", ctypes.c_int(ord("!"))) == b"100% of 'led0'!"


@pytest.mark.parametrize("size", [0, 1, 5, 9])
def test_format_cuts_what_does_not_fit(formatted: Formatter, size: int) -> None:
    assert formatted(b"%s-%u", b"led", ctypes.c_uint(12345), size=size) == b"led-12345"[:size]
