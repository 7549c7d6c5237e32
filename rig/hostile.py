"""A hostile unikernel: what it tries, case by case, and how its tender must end each time.

The cases stand in tender/tests/test_hostile/cases; what is made up by counting stands here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rig.identity import REPOSITORY
from rig.targets.base import MACHINE

CASES = REPOSITORY / "tender" / "tests" / "test_hostile" / "cases"
REFUSED = "solo5-hvt: invalid guest"
EINVAL = 2

_SAID = "/tmp/rig-said"
# What `wanted` can be: an exit status, or e for a guest that goes on although all was refused.
_SCRIPT = """\
cd {folder}
right=0
while read -r wanted words; do
    ./{tender} --mem=4 {options} --solo5:quiet $words > {said} 2>&1 < /dev/null
    status=$?
    case $wanted in
        0) grep -q SUCCESS {said} ;;
        1) grep -q '{refused}' {said} ;;
        e) [ $status = 0 ] && status=e
            calls=$(echo $words | grep -o call | wc -l)
            [ "$(grep -c '^call 24: .*0x{einval}[0-9a-f]\\{{8\\}}$' {said})" = $calls ] ;;
    esac && [ $status = $wanted ] && right=$((right + 1)) \\
        || echo "$words: $status, not $wanted: $(tail -n 1 {said})"
done << 'END'
{cases}
END
rm -f {said}
echo "$right of {count} as it should be"
[ $right = {count} ]
"""


def script(folder: str, tender: str, options: str, cases: list[str]) -> str:
    """Shell: run the tender once for each case, and tell what was not as it should be.

    `options` end with the name of the guest. Succeeds if every case ended as it says.
    """
    return _SCRIPT.format(
        folder=folder,
        tender=tender,
        options=options,
        cases="\n".join(cases),
        count=len(cases),
        said=_SAID,
        refused=REFUSED,
        einval=EINVAL,
    )


def promise(cases: list[str]) -> str:
    """What the script says last if all went well."""
    return f"{len(cases)} of {len(cases)} as it should be"


def numbers(*, led: bool) -> list[str]:
    """Every hypercall number, with its status: carried out, an end, or refused."""
    ends = {1: 0, 2: 0, 3: 0, 8: 9} | ({24: 0} if led else {})
    words = {2: "0 0", 8: "0 9"}
    return [f"{ends.get(nr, 1)} call {nr} arg {words.get(nr, '0 0 0 0 0')}" for nr in range(64)]


def listed(machine: str, path: Path = CASES) -> list[str]:
    """The cases of the table that are for this kind of processor."""
    lines = path.read_text().splitlines()
    rows = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    return [words for arch, words in rows if arch in ("any", machine)]


def led_set(handle: int, value: int) -> str:
    """The third and fourth field of the hypercall: `on`, and `ret` as the guest preset it."""
    return f"call 24 arg {handle:#x} {value | 0x5A << 32:#x}"


BLINK = f"0 {led_set(1, 1)} {led_set(1, 0)}"
"""What the guest is allowed: its own LED on and off."""
BAD_LED_POINTERS = [
    f"1 call 24 {place}" for place in ("end-8", "end", "0", "0x10000", "text", "rodata")
]
BAD_LED_HANDLES = (0, 2, 3, 63, 64, 0x80000001, 0x100000001, 2**63 + 1, 2**64 - 1)
BAD_LED_VALUES = (2, 0x100, 0x80000001, 0xFFFFFFFF)
BAD_LED_CALLS = [
    *(led_set(handle, 1) for handle in BAD_LED_HANDLES),
    *(led_set(1, value) for value in BAD_LED_VALUES),
]
ALL_REFUSED = f"e {' '.join(BAD_LED_CALLS)}"
"""The same as a case: the guest goes on, and each of its calls was answered with EINVAL."""


def random_calls(seeds: int) -> list[str]:
    """Calls that nobody thought of: harmless ones with random arguments, carried out to the end."""
    return [f"0 seed={seed} calls=200 wild=1000000" for seed in range(1, seeds + 1)]


class Attack(StrEnum):
    """What a hostile unikernel tries, by name, as suites write it."""

    EVERY_HYPERCALL_NUMBER = "every hypercall number"
    BAD_POINTERS_AND_LENGTHS = "bad pointers and lengths"
    ITS_OWN_LED = "its own LED"
    LINES_OF_OTHERS = "lines of others"
    RANDOM_CALLS = "random calls"


@dataclass(frozen=True)
class Plan:
    """What is tried for one attack."""

    unikernel: str
    cases: list[str]
    moves: int | None = None
    """Edges that its own line may show; None: it has no line."""


ATTACKS: dict[Attack, Callable[[int, int], Plan]] = {
    Attack.EVERY_HYPERCALL_NUMBER: lambda share, _: Plan(
        "test_hostile", numbers(led=False)[::share]
    ),
    Attack.BAD_POINTERS_AND_LENGTHS: lambda share, _: Plan(
        "test_hostile", listed(MACHINE)[::share]
    ),
    Attack.ITS_OWN_LED: lambda share, _: Plan(
        "test_hostile_led", [BLINK, *numbers(led=True)[::share], *BAD_LED_POINTERS], moves=2
    ),
    Attack.LINES_OF_OTHERS: lambda *_: Plan("test_hostile_led", [ALL_REFUSED], moves=0),
    Attack.RANDOM_CALLS: lambda _, seeds: Plan("test_random", random_calls(seeds)),
}
"""Plans for one case of so many, and for so many seeds."""
