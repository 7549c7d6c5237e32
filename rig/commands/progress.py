"""Signs of life from what takes long, on standard error and apart from the result."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

FIRST_S = 1.5
"""Whoever has waited so long wants to know for what."""
EVERY_S = 10.0


@contextmanager
def progress(what: str) -> Iterator[None]:
    """Say `what` after `FIRST_S`, and from then on how long it has taken; quick work is silent."""
    done = threading.Event()
    telling = threading.Thread(target=_tell, args=(what, done), name="progress", daemon=True)
    telling.start()
    try:
        yield
    finally:
        done.set()
        telling.join()


def _tell(what: str, done: threading.Event) -> None:
    began, pause_s = time.monotonic(), FIRST_S
    while not done.wait(pause_s):
        waited_s = time.monotonic() - began
        print(f"{what} ... {waited_s:.0f} s", file=sys.stderr, flush=True)
        pause_s = EVERY_S
