"""What can go wrong, and whom to call.

    RigError
    ├── BenchError              the bench does not work; says nothing about the LED
    │   ├── BenchFileError      the bench file is wrong
    │   ├── HoldError           somebody else has the bench, or its lab does not lend it
    │   ├── ImageError          a kernel, tender or unikernel is missing or damaged
    │   ├── TargetError         the target does not boot, answer or obey
    │   └── ObserverError       the observer does not see, or its witnesses disagree
    ├── ExpectationError        an expectation file is wrong
    ├── LimitsError             the release gate's file of limits is wrong
    ├── SoakError               a soak cannot go on from where another one stopped
    ├── EvidenceError           an evidence folder or a capture cannot be trusted
    └── HistoryError            the store of past runs cannot be read or written

A target that works but does the wrong thing is none of these: it is a verdict.
"""


class RigError(Exception):
    """Root of every error that the rig raises on purpose."""


class BenchError(RigError):
    """The bench does not work, so nothing can be said about the target."""


class BenchFileError(BenchError):
    """A bench file has an unknown, missing or inconsistent entry."""


class HoldError(BenchError):
    """The bench cannot be had, or is ours no more: in use, or its lab does not work."""


class ImageError(BenchError):
    """A file that the bench needs is missing, damaged or for another machine."""


class TargetError(BenchError):
    """The target does not boot, does not answer or does not obey."""


class ObserverError(BenchError):
    """The observer failed, or its witnesses contradict each other."""


class ExpectationError(RigError):
    """An expectation file has an unknown, missing or inconsistent entry."""


class LimitsError(RigError):
    """A file of limits for a release has an unknown, missing or inconsistent entry."""


class SoakError(RigError):
    """A soak's record is missing or damaged, or it is the record of another soak."""


class EvidenceError(RigError):
    """Recorded evidence is missing, damaged or contradicts itself."""


class HistoryError(RigError):
    """The store of past runs cannot be read or written; the evidence is as it was."""
