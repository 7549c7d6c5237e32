"""Stands in for `sigrok-cli` with an analyzer that tests can move, break and unplug.

Run as `sigrok-cli` in a folder of its own, from which it takes what it is:

    devices     lines that `--scan` prints (missing: there are none)
    driven      lines `TIME LEVEL`: from then on, on CLOCK_BOOTTIME, channel D1 has this level
    faults      words `NAME` or `NAME=NUMBER`, see below
    started     written with its process id when samples are asked for
"""

import os
import select
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
FOREVER = float("inf")
LAG_NS = 10_000_000
"""Samples come this much after they were taken, so that what is driven is written by then."""


def faults() -> dict[str, float]:
    """`dies=S` (with `status=N`), `unplugged=S` and `silent=S`: after S seconds of samples;
    `loses=S`: S seconds of samples are missing from now on; `rate=F`: F times as many come;
    `wide=N`: bytes in a sample; `mute`: none come; `stubborn`: no end when asked; `refuses`:
    ends with a message; `hangs`: answers nothing."""
    words = read("faults").split()
    return {name: float(number or 1) for name, _, number in (w.partition("=") for w in words)}


def read(name: str) -> str:
    try:
        return (HERE / name).read_text()
    except FileNotFoundError:
        return ""


def driven() -> list[tuple[int, int]]:
    rows = (line.split() for line in read("driven").splitlines())
    return [(int(row[0]), int(row[1])) for row in rows if len(row) == 2]


def samples(start_ns: int, first: int, count: int, rate_hz: int, width: int) -> bytes:
    """D1 as it was driven, D0 low, all others high."""
    levels = bytearray(b"\xfc" * count)
    changes = driven()
    level = 0
    for number, (time_ns, after) in enumerate(changes):
        level = after
        until_ns = changes[number + 1][0] if number + 1 < len(changes) else 1 << 62
        begin = max(0, -(-(time_ns - start_ns) * rate_hz // 10**9) - first)
        end = min(count, -(-(until_ns - start_ns) * rate_hz // 10**9) - first)
        if begin < end:
            levels[begin:end] = (b"\xfe" if level else b"\xfc") * (end - begin)
    wide = bytearray(count * width)
    wide[::width] = levels
    return bytes(wide)


def stream(rate_hz: int, most: float) -> int:
    (HERE / "started").write_text(str(os.getpid()))
    start_ns, sent, skipped = now_ns(), 0, 0
    while sent < most:
        fault = faults()
        passed_ns = max(0, now_ns() - start_ns - LAG_NS)
        passed_s = passed_ns / 1e9
        if passed_s > fault.get("dies", FOREVER):
            print("sr: the analyzer gave up", file=sys.stderr)
            return int(fault.get("status", 0))
        if passed_s > fault.get("unplugged", FOREVER):
            (HERE / "devices").unlink()
            return 0
        if "loses" in fault and sent:
            skipped = int(rate_hz * fault["loses"])
        due = int(passed_ns * rate_hz * fault.get("rate", 1) // 10**9) - skipped
        due = int(most) if most < FOREVER else due
        if due > sent and passed_s <= fault.get("silent", FOREVER) and "mute" not in fault:
            first, width = sent + skipped, int(fault.get("wide", 1))
            sys.stdout.buffer.write(samples(start_ns, first, due - sent, rate_hz, width))
            sys.stdout.buffer.flush()
            sent = due
        if most == FOREVER and asked_to_end() and "stubborn" not in fault:
            return 0
        time.sleep(0.002)
    return 0


def asked_to_end() -> bool:
    return bool(select.select([0], [], [], 0)[0])


def now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def main(arguments: list[str]) -> int:
    with (HERE / "asked").open("a") as log:
        log.write(" ".join(arguments) + "\n")
    fault = faults()
    if "hangs" in fault:
        time.sleep(600)
    if "--scan" in arguments:
        driver = arguments[arguments.index("--driver") + 1]
        _, _, connection = driver.partition(":conn=")
        lines = read("devices").splitlines()
        for line in lines:
            if not connection or f":conn={connection} " in line:
                print(line)
        return 0 if lines else 1
    if "refuses" in fault:
        print("Failed to set device option 'samplerate': invalid argument.", file=sys.stderr)
        return 1
    settings = dict(word.split("=", 1) for word in arguments if word.startswith("samplerate="))
    limit = arguments.index("--samples") if "--samples" in arguments else 0
    return stream(int(settings["samplerate"]), int(arguments[limit + 1]) if limit else FOREVER)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
