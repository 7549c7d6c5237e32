# SPDX-License-Identifier: ISC
"""An analyzer that sends samples at their rate, until nobody takes them any more or any key."""

import os
import select
import time

from tests.bench.sampling import RATE_HZ, one_second

PERIOD_S = 0.01
"""Of one USB transfer of sigrok's driver for the FX2."""


def main() -> None:
    """Sends whole seconds of the same samples, over and over."""
    second = memoryview(one_second()).cast("B")
    begin_s, sent = time.monotonic(), 0
    while not select.select([0], [], [], PERIOD_S)[0]:
        due = int((time.monotonic() - begin_s) * RATE_HZ)
        while sent < due:
            start = sent % RATE_HZ
            sent += os.write(1, second[start : start + min(due - sent, RATE_HZ - start)])


if __name__ == "__main__":
    main()
