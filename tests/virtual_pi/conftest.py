"""One virtual Pi for the tests of this folder, and the helpers that watch for leftovers."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from rig.bench import Bench, load_bench
from rig.identity import REPOSITORY
from rig.led import Pattern, tender_command
from rig.session import Order, Session, deployed_path
from tests.virtual_pi.leds import LedBoard


@pytest.fixture(scope="session")
def bench() -> Bench:
    return load_bench(REPOSITORY / "benches" / "virtual.yaml")


@pytest.fixture(scope="session")
def pi(bench: Bench) -> Iterator[Session]:
    """Shared by every test that leaves the bench usable."""
    session = Session.open(bench)
    yield session
    session.close()


@pytest.fixture(scope="session")
def leds(bench: Bench) -> Iterator[LedBoard]:
    """A board for tenders that come to all sorts of ends."""
    built = REPOSITORY / "build" / "tender" / "aarch64"
    names = ("test_led_endings", "test_led_several", "test_led_handle")
    images = {name: built / f"{name}.hvt" for name in names}
    images |= {"tender": built / "solo5-hvt"}
    images |= {"defective": built / "defects" / "never-unexports" / "solo5-hvt"}
    session = Session.open(bench.model_copy(update={"images": images}))
    board = LedBoard(session)
    board.prepare()
    yield board
    session.close()


@pytest.fixture
def fresh_pi(bench: Bench) -> Iterator[Session]:
    """For a test that breaks its bench."""
    session = Session.open(bench)
    yield session
    session.close()


@pytest.fixture
def blink(bench: Bench) -> Order:
    """Four short blinks that should pass."""
    pattern = Pattern(cycles=4, on_ns=200_000_000, off_ns=300_000_000)
    command = tender_command(
        deployed_path("tender"), deployed_path("test_led"), bench.lines["led"], pattern.arguments
    )
    return Order(
        suite="virtual-pi",
        test="blink",
        command=command,
        tender="tender",
        unikernel="test_led",
        expectation=pattern.expectation("led", **bench.limits.limits_ns()),
        timeout_s=60,
    )


def preceded_by(shell: str, order: Order) -> Order:
    """The same order, while something else goes on in the background of the target."""
    return replace(order, command=f"({shell}) > /dev/null 2>&1 & {order.command}")
