"""To have a bench: nobody else on it, and what its lab gives filled in."""

from typing import Self

from rig.bench import Bench
from rig.errors import HoldError
from rig.lab.given import filled_in
from rig.lab.locks import Lock, boards_of
from rig.lab.place import Place


class Hold:
    """A bench that is ours until it is closed. Close it in every ending."""

    def __init__(self, bench: Bench) -> None:
        """`bench` as its file says it; nothing is taken until `renew`."""
        self.bench = bench
        """With what the lab's place gives filled in, once it is ours."""
        self.facts: dict[str, str | int] = {}
        """Which place it is, for the record."""
        self._asked = bench
        self._place: Place | None = None
        self._locks: list[Lock] = []
        self._is_ours = False

    @classmethod
    def of(cls, bench: Bench) -> Self:
        """Have the bench: wait for the lab's place, if there is a lab, and lock its boards.

        Raises `HoldError` if it is in use, or if the lab does not lend it, within bounded time.
        """
        hold = cls(bench)
        hold.renew()
        return hold

    def renew(self) -> None:
        """Have it again, if it is ours no more. Raises `HoldError`."""
        try:
            self.check()
        except HoldError:
            self.close()
            self._take()

    def check(self) -> None:
        """Raises `HoldError` if the bench is not ours, or not any more."""
        if not self._is_ours:
            raise HoldError(f"bench {self.bench.name} is not held")
        if self._place:
            self._place.check()

    def close(self) -> None:
        """Let others have it; safe to call at any time."""
        self._is_ours = False
        while self._locks:
            self._locks.pop().close()
        if self._place:
            place, self._place = self._place, None
            place.close()

    def _take(self) -> None:
        try:
            if self._asked.lab:
                self._place = Place(self._asked.lab)
                self.bench = filled_in(self._asked, self._place)
                self.facts = {"lab_place": self._place.name}
            for board in boards_of(self.bench):
                self._locks.append(Lock(board, self.bench.name))
        except BaseException:
            self.close()
            raise
        self._is_ours = True
