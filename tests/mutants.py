# SPDX-License-Identifier: ISC
"""Run the Robot suites against known-bad systems: each must be caught, by the test meant to.

Each patch in `tender/tests/defects/` makes a tender or a unikernel with one defect, and says
in its first lines what that is and who must find it:

    Defect: an LED that is on at the end is left on.
    Caught-by: Led / LED Ends On When Commanded
    By: release                 kinds of finding that must fail there, where there is a verdict;
                                of `glitch/count` one does
    With: CYCLES:600 CHUNK:600  Robot variables without which it would not show

Catching means that the test fails with a judgement on the target. A bench that does not work,
a timeout and an INCONCLUSIVE catch nothing. Before that, the same tests must be green for the
good system. A suite tries all its systems on one bench. Only the meant tests are run, or whole
suites with `--whole`, which shows who else would notice. Prints a TAP line for each system.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from robot.api import ExecutionResult, TestSuite

from tests.mutants_robot import GOOD, IMAGES, test_of

REPOSITORY = Path(__file__).parents[1]
PATCHES = REPOSITORY / "tender" / "tests" / "defects"
BUILT = REPOSITORY / "build" / "tender" / "aarch64" / "defects"
WORK = REPOSITORY / "build" / "mutants"
GOOD_SYSTEM = "good"
BOOT_S, TEST_S = 600, 300
"""Longest boot, and longest test, of a busy bench."""
MOST_TRIES = 3
"""What ends without a judgement on the target is run again: the bench was busy."""

BENCHES = {"soak": "virtual-time-lapse.yaml"}
"""Of a suite that does not run on the ordinary virtual bench."""

WHOLE = ("soak",)
"""Suites whose tests build on each other, so that none is run alone."""

SAMPLE = ("stays-exported", "lies-about-an-edge", "wraps-the-line", "takes-any-handle")
"""What `make test` runs: one of each sort."""

_NO_JUDGEMENT = re.compile(r"[A-Za-z]+Error: |INCONCLUSIVE|Test timeout|Parent suite")


@dataclass(frozen=True)
class Case:
    """A Robot test by its suite's and its own name."""

    suite: str
    name: str

    def __str__(self) -> str:
        return f"{self.suite} / {self.name}"

    @property
    def file(self) -> Path:
        return REPOSITORY / "robot" / f"{self.suite.lower()}.robot"


@dataclass(frozen=True)
class Mutant:
    """One known-bad system."""

    name: str
    image: str
    """The one that is bad, as bench files call it: `tender` or `test_led`."""
    defect: str
    caught_by: Case
    kinds: frozenset[str]
    variables: tuple[str, ...]

    @property
    def file(self) -> Path:
        """What `make tender` builds from its patch."""
        return BUILT / self.name / {"tender": "solo5-hvt", "test_led": "test_led.hvt"}[self.image]


@dataclass(frozen=True)
class Outcome:
    """What one suite said about one system."""

    failed: dict[str, str]
    """Test -> message, of those that failed."""
    caught: frozenset[str]
    """Tests that failed by a judgement on the target."""
    kinds: dict[str, frozenset[str]]
    """Test -> the kinds of its verdict's failing findings."""


# ---- The patches -------------------------------------------------------------------


def read_mutants(folder: Path = PATCHES) -> list[Mutant]:
    """Every patch, by name. Raises `ValueError` if one does not say what it must."""
    patches = [(path, "tender") for path in folder.glob("*.patch")]
    patches += [(path, "test_led") for path in folder.glob("unikernel/*.patch")]
    return [_read(path, image) for path, image in sorted(patches, key=lambda p: p[0].name)]


def _read(path: Path, image: str) -> Mutant:
    head = path.read_text(encoding="utf-8").split("\n\n", 1)[0]
    said = dict(re.findall(r"^([A-Z][a-z-]+): (.*(?:\n(?![A-Z][a-z-]+: ).*)*)", head, re.MULTILINE))
    unknown = said.keys() - {"Defect", "Caught-by", "By", "With"}
    suite, slash, test = said.get("Caught-by", "").partition(" / ")
    if unknown or "Defect" not in said or not slash:
        raise ValueError(
            f"{path}: must begin with `Defect: ...` and `Caught-by: Suite / Test`, and may have "
            f"`By: kinds` and `With: variables`, then an empty line; it has {', '.join(said)}"
        )
    return Mutant(
        name=path.stem,
        image=image,
        defect=" ".join(said["Defect"].split()),
        caught_by=Case(suite, test),
        kinds=frozenset(said.get("By", "").replace(",", " ").split()),
        variables=tuple(said.get("With", "").split()),
    )


def table(mutants: Iterable[Mutant]) -> str:
    """All of them, as the page in `docs/` has them."""
    rows = [f"| `{m.name}` | {m.image} | {m.defect} | {_meant(m)} |" for m in mutants]
    head = ["| name | image | defect | caught by |", "|---|---|---|---|"]
    return "\n".join([*head, *rows]) + "\n"


def _meant(mutant: Mutant) -> str:
    kinds = ", ".join(f"`{kind}`" for kind in sorted(mutant.kinds))
    return f"{mutant.caught_by}{': ' if kinds else ''}{kinds}"


# ---- Running -----------------------------------------------------------------------


@dataclass(frozen=True)
class Group:
    """Systems that one suite tries on one bench, with the same variables."""

    suite: Path
    variables: tuple[str, ...]
    mutants: tuple[Mutant, ...]

    @property
    def name(self) -> str:
        """Of its folder."""
        return "-".join((self.suite.stem, *self.variables)).replace(":", "-").lower()

    def plan(self, *, whole: bool) -> list[tuple[str, str]]:
        """System and test: the good system first, then each mutant."""
        meant = [mutant.caught_by.name for mutant in self.mutants]
        if whole or self.suite.stem in WHOLE:
            tests = {mutant.name: self._all_tests() for mutant in self.mutants}
        else:
            tests = {mutant.name: [mutant.caught_by.name] for mutant in self.mutants}
        good = (
            self._all_tests() if whole or self.suite.stem in WHOLE else list(dict.fromkeys(meant))
        )
        return [(name, test) for name, of in {GOOD_SYSTEM: good, **tests}.items() for test in of]

    def _all_tests(self) -> list[str]:
        """All but those that plant a defect of their own."""
        tests = TestSuite.from_file_system(self.suite).tests
        return [test.name for test in tests if "defect" not in test.tags]


def groups(mutants: Iterable[Mutant]) -> list[Group]:
    """The mutants by their suites."""
    found: dict[tuple[Path, tuple[str, ...]], list[Mutant]] = {}
    for mutant in mutants:
        found.setdefault((mutant.caught_by.file, mutant.variables), []).append(mutant)
    return [Group(suite, variables, tuple(some)) for (suite, variables), some in found.items()]


def run_group(group: Group, plan: list[tuple[str, str]], folder: Path) -> dict[str, Outcome]:
    """Run the tests of a plan on one virtual bench: what was said about each system."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    options = ["--outputdir", str(folder), "--listener", "tests.mutants_robot"]
    options += ["--prerunmodifier", f"tests.mutants_robot.OncePerSystem:{folder / 'plan.json'}"]
    for variable in (f"BENCH:{_bench(group, folder)}", *group.variables):
        options += ["--variable", variable]
    with (folder / "console.log").open("wb") as log:
        subprocess.run(
            [sys.executable, "-m", "robot", "--pythonpath", str(REPOSITORY), *options, group.suite],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            timeout=BOOT_S + TEST_S * len(plan),
            check=False,
        )
    return read_outcomes(folder, dict(plan))


def _bench(group: Group, folder: Path) -> Path:
    """The bench file of a suite, with the images of all its systems; paths from the root."""
    source = REPOSITORY / "benches" / BENCHES.get(group.suite.stem, "virtual.yaml")
    facts = yaml.safe_load(source.read_text(encoding="utf-8"))
    images = {name: str((source.parent / path).resolve()) for name, path in facts["images"].items()}
    good = {f"{GOOD}{name}": images[name] for name in IMAGES}
    bad = {f"{mutant.name}-{mutant.image}": str(mutant.file) for mutant in group.mutants}
    path = folder / source.name
    path.write_text(yaml.safe_dump(facts | {"images": images | good | bad}), encoding="utf-8")
    return path


def read_outcomes(folder: Path, systems: Iterable[str]) -> dict[str, Outcome]:
    """What Robot and the evidence say about each system, in the folder where the suite ran."""
    whole = read_outcome(folder)
    return {system: _of_system(whole, test_of(system, "")) for system in systems}


def _of_system(whole: Outcome, prefix: str) -> Outcome:
    return Outcome(
        {_own(t, prefix): text for t, text in whole.failed.items() if t.startswith(prefix)},
        frozenset(_own(t, prefix) for t in whole.caught if t.startswith(prefix)),
        {_own(t, prefix): kinds for t, kinds in whole.kinds.items() if t.startswith(prefix)},
    )


def _own(test: str, prefix: str) -> str:
    return test.removeprefix(prefix)


def read_outcome(folder: Path) -> Outcome:
    """What Robot and the evidence say, in the folder where the suite ran."""
    result = ExecutionResult(str(folder / "output.xml"))
    failed = {test.name: test.message for test in result.suite.all_tests if test.failed}
    caught = frozenset(name for name, text in failed.items() if not _NO_JUDGEMENT.match(text))
    return Outcome(failed, caught, _failing_kinds(folder))


def _failing_kinds(folder: Path) -> dict[str, frozenset[str]]:
    kinds: dict[str, frozenset[str]] = {}
    for path in folder.glob("results/*/*/*/verdict.json"):
        test = json.loads(path.with_name("run.json").read_bytes())["test"]
        findings = json.loads(path.read_bytes())["findings"]
        bad = frozenset(f["kind"] for f in findings if f["outcome"] == "FAIL")
        kinds[test] = kinds.get(test, frozenset()) | bad
    return kinds


def complaint(mutant: Mutant, outcome: Outcome) -> str:
    """Why a mutant was not caught as it should; empty if it was."""
    meant = mutant.caught_by.name
    if not outcome.caught:
        others = f"; without judgement: {outcome.failed}" if outcome.failed else ""
        return f"not caught{others}"
    if meant not in outcome.caught:
        return f"caught only by {', '.join(sorted(outcome.caught))}, meant: {meant}"
    kinds = outcome.kinds.get(meant, frozenset())
    missing = {kind for kind in mutant.kinds if kinds.isdisjoint(kind.split("/"))}
    found = ", ".join(sorted(kinds)) or "nothing"
    return f"{meant} did not find {', '.join(sorted(missing))} but {found}" if missing else ""


def caught_words(mutant: Mutant, outcome: Outcome) -> str:
    """Which tests caught it, the meant one first."""
    others = sorted(outcome.caught - {mutant.caught_by.name})
    more = f"; also by {', '.join(others)}" if others else ""
    kinds = ", ".join(sorted(outcome.kinds.get(mutant.caught_by.name, ())))
    return f"caught by {mutant.caught_by}{f' ({kinds})' if kinds else ''}{more}"


def run_all(todo: list[Group], *, whole: bool) -> int:
    """Run them, with a line for each system. Returns how many were not as they should be."""
    count = sum(len(group.mutants) for group in todo)
    print(f"1..{len(todo) + count}", flush=True)
    began_s, lines = time.monotonic(), []
    for group in todo:
        for name, wrong, right in _judged(group, whole=whole):
            lines.append(wrong)
            state = "not ok" if wrong else "ok"
            print(f"{state} {len(lines)} {name}: {wrong or right}", flush=True)
    bad, took_s = sum(map(bool, lines)), time.monotonic() - began_s
    print(f"# {count} known-bad systems in {took_s:.0f} s; {bad} of {len(lines)} lines are not ok")
    return bad


def _judged(group: Group, *, whole: bool) -> Iterator[tuple[str, str, str]]:
    """Each system by name, what is wrong with it, and what is right if nothing is."""
    outcomes = _settled(group, group.plan(whole=whole))
    failed = outcomes[GOOD_SYSTEM].failed
    wrong = f"it fails: {failed}" if failed else ""
    yield f"good system, {group.name}", wrong, "it passes"
    for mutant in group.mutants:
        outcome = outcomes[mutant.name]
        yield mutant.name, complaint(mutant, outcome), caught_words(mutant, outcome)


def _settled(group: Group, plan: list[tuple[str, str]]) -> dict[str, Outcome]:
    """Of the first run that the bench did not spoil, or of the last, for each system."""
    outcomes: dict[str, Outcome] = {}
    for attempt in range(1, MOST_TRIES + 1):
        folder = WORK / (group.name if attempt == 1 else f"{group.name}-again-{attempt}")
        outcomes |= run_group(group, plan, folder)
        spoiled = {name for name, o in outcomes.items() if o.failed and not o.caught}
        plan = [(system, test) for system, test in plan if system in spoiled]
        if not plan:
            break
    return outcomes


def chosen(names: list[str], mutants: list[Mutant]) -> list[Mutant]:
    """Those of these names, or all. Raises `SystemExit` for a name that there is not."""
    known = {mutant.name: mutant for mutant in mutants}
    strangers = [name for name in names if name not in known]
    if strangers:
        sys.exit(f"mutants: there is no {', '.join(strangers)}; there are: {', '.join(known)}")
    return [known[name] for name in names] if names else mutants


def main(arguments: list[str]) -> int:
    """Run what was asked for. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="mutants", description="run known-bad systems")
    parser.add_argument("names", nargs="*", help="of mutants; without one, all")
    parser.add_argument("--sample", action="store_true", help="a few, one of each sort")
    parser.add_argument("--whole", action="store_true", help="whole suites, not the meant tests")
    parser.add_argument("--table", action="store_true", help="print the table of docs/known-bad.md")
    options = parser.parse_args(arguments)
    mutants = read_mutants()
    if options.table:
        print(table(mutants), end="")
        return 0
    names = list(SAMPLE) if options.sample else options.names
    return 1 if run_all(groups(chosen(names, mutants)), whole=options.whole) else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
