"""Shows that a doubtful bench file is refused, with file, line, key and what is allowed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from rig.bench import Bench, GpiozeroObserver, Limits, load_bench
from rig.errors import BenchFileError
from rig.load import Load

GOOD = """\
name: desk
target:
  kind: virtual-pi
  boot_timeout_s: 30
observer:
  kind: qemu
lines:
  led: 25
  lamp: 0
images:
  tender: ../build/solo5-hvt
limits:
  tolerance_ms: 60
  stall_ms: 30
"""
TOP_KEYS = "name, lab, target, observer, lines, images, limits, soak"
REFUSALS = {
    "unknown key": ("name: desk", "nmae: desk", f"1: nmae: unknown key; allowed: {TOP_KEYS}"),
    "unknown key of the target": (
        "boot_timeout_s",
        "boot_timeout",
        "4: target.boot_timeout: unknown key; "
        "allowed: kind, kernel, kernel_arguments, network, time_lapse, user, boot_timeout_s",
    ),
    "unknown key of the observer": (
        "  kind: qemu",
        "  kind: qemu\n  port: 1",
        "7: observer.port: unknown key; allowed: kind, qualification_max_age_days",
    ),
    "unknown key of the limits": (
        "  stall_ms: 30",
        "  stall_ms: 30\n  jiter_ms: 1",
        "15: limits.jiter_ms: unknown key; allowed: tolerance_ms, tolerance_percent, "
        "percentiles_ms, jitter_ms, drift_ms, rate_ppm, duty_percent, smallest_pulse_ms, "
        "least_edges, start_latency_ms, stall_ms, run_timeout_s",
    ),
    "the rig's own key file": ("name: desk", "name: desk\nfile: x", "2: file: unknown key;"),
    "the rig's own key sha256": ("name: desk", "name: desk\nsha256: x", "2: sha256: unknown key;"),
    "key missing": ("name: desk\n", "", "1: name: this key is missing"),
    "key of the limits missing": ("  stall_ms: 30", "", "12: limits.stall_ms: this key is missing"),
    "kind missing": ("  kind: virtual-pi\n", "", "2: target: the key kind is missing"),
    "no lines": ("lines:\n  led: 25\n  lamp: 0", "lines: {}", "7: lines: Dictionary should have"),
    "number for a mapping": (
        "observer:\n  kind: qemu",
        "observer: 5",
        "5: observer: must be a mapping with the key kind",
    ),
    "unknown kind": (
        "kind: virtual-pi",
        "kind: virtual-pie",
        "2: target: kind 'virtual-pie' is unknown; allowed: virtual-pi, ssh, serial, lab-ssh, "
        "lab-serial",
    ),
    "unknown kernel": (
        "boot_timeout_s: 30",
        "kernel: 6.1",
        "4: target.kernel: Input should be '6.1' or '6.12', not 6.1",
    ),
    "observer of another kind of target": (
        "kind: virtual-pi",
        "kind: ssh\n  host: pi3.local",
        "6: observer: kind qemu sees a target of kind virtual-pi only, not ssh",
    ),
    "password in the file": (
        "kind: virtual-pi",
        "kind: serial\n  port: /dev/ttyUSB0\n  password: raspberry",
        "5: target.password: unknown key; "
        "allowed: kind, port, baud, user, password_env, sudo, boot_timeout_s, power",
    ),
    "key of another kind of target": (
        "kind: virtual-pi",
        "kind: ssh\n  host: pi3.local\n  kernel: '6.1'",
        "5: target.kernel: unknown key; "
        "allowed: host, port, user, key, known_hosts, kind, sudo, boot_timeout_s",
    ),
    "port that is no device": (
        "kind: virtual-pi",
        "kind: serial\n  port: COM3",
        "4: target.port: String should match pattern '^(/dev/|rfc2217://|socket://)', not 'COM3'",
    ),
    "line 54": ("led: 25", "led: 54", "8: lines.led: Input should be less than 54, not 54"),
    "line -1": ("led: 25", "led: -1", "8: lines.led: Input should be greater than or equal to 0"),
    "line true": ("led: 25", "led: true", "8: lines.led: Input should be a valid integer, not T"),
    "line as text": ("led: 25", 'led: "25"', "8: lines.led: Input should be a valid integer"),
    "line as fraction": ("led: 25", "led: 25.0", "8: lines.led: Input should be a valid integer"),
    "line of nothing": ("led: 25", "led:", "8: lines.led: Input should be a valid integer"),
    "line with two names": ("lamp: 0", "lamp: 25", "7: lines: GPIO line 25 has two names"),
    "name of another line": (
        "lamp: 0",
        "gpio4: 0",
        "7: lines: 'gpio4' is the name of another line than 0",
    ),
    "name in capitals": (
        "led: 25",
        "LED: 25",
        "8: lines.LED: String should match pattern '^[a-z][a-z0-9_-]*$', not 'LED'",
    ),
    "line for a name": ("led: 25", "25: led", "8: lines.25: Input should be a valid string"),
    "tolerance of nothing": (
        "tolerance_ms: 60",
        "tolerance_ms: 0",
        "13: limits.tolerance_ms: Input should be greater than 0, not 0",
    ),
    "stall as long as the tolerance": (
        "stall_ms: 30",
        "stall_ms: 60",
        "12: limits: stall_ms (60) must be smaller than tolerance_ms (60)",
    ),
    "key twice": ("  stall_ms: 30", "  stall_ms: 30\n  stall_ms: 3", "15: stall_ms: this key"),
    "block twice": (
        "limits:",
        "lines:\n  led: 3\nlimits:",
        "12: lines: this key stands here twice",
    ),
    "address beside the lab's": (
        "kind: virtual-pi",
        "kind: lab-ssh\n  host: pi3.local",
        "2: target: host must not stand here: the lab's place gives it",
    ),
    "lab's target without a lab": (
        "kind: virtual-pi",
        "kind: lab-serial",
        "2: target: kind lab-serial needs the section lab, which names the place",
    ),
    "two ways to name a place": (
        "name: desk",
        "name: desk\nlab: {place: desk-a, tags: {board: pi3}}",
        "2: lab: must have one of the keys place and tags, and not both",
    ),
    "power commands as YAML's true and false": (
        "kind: virtual-pi",
        "kind: ssh\n  host: pi3.local\n  power: {on: [plug, '1'], off: [plug, '0']}",
        "5: target.power.1: a key must be a word; YAML reads on, off, yes and no as true",
    ),
    "power command that is empty": (
        "kind: virtual-pi",
        "kind: ssh\n  host: pi3.local\n  power: {switch_on: [], switch_off: [plug]}",
        "5: target.power.switch_on: Tuple should have at least 1 item",
    ),
    "not YAML": ("kind: qemu", "\tkind: qemu", "6: not YAML: found character"),
    "two documents": ("images:", "---\nimages:", "10: not YAML: but found another document"),
    "date that is none": ("name: desk", "name: 2026-13-01", " not YAML: month must be in 1..12"),
    "block inside itself": (
        "lines:\n  led: 25",
        "lines: &self\n  led: *self",
        "8: lines.led: Input should be a valid integer",
    ),
}

WIRED = GOOD.replace(
    "  kind: qemu\n",
    "  kind: gpiozero\n  via:\n    kind: second-board\n  wiring:\n    led: 5\n"
    "  latency_us: 100\n  accuracy_ppm: 50\n",
)
WIRED_REFUSALS = {
    "wire to no line": (
        "    led: 5",
        "    lef: 5",
        "13: lines: observer.wiring: lines has no lef; there are: led, lamp",
    ),
    "two wires to one input": (
        "    led: 5",
        "    led: 5\n    lamp: 5",
        "9: observer.wiring: 5 is wired to two lines",
    ),
    "no wires": ("wiring:\n    led: 5", "wiring: {}", "9: observer.wiring: Dictionary should"),
    "input beyond the header": (
        "    led: 5",
        "    led: 28",
        "10: observer.wiring.led: Input should be less than or equal to 27, not 28",
    ),
    "the second board's power button": (
        "    led: 5",
        "    led: 3",
        "5: observer: nothing can be wired to line 3 of the second board; it has: 0, 1, 2, 4, 5",
    ),
    "unknown way": (
        "kind: second-board",
        "kind: telepathy",
        "7: observer.via: kind 'telepathy' is unknown; allowed: local, pigpio, ssh, serial, second",
    ),
    "another way's key": (
        "kind: second-board",
        "kind: local\n    host: desk",
        "9: observer.via.host: unknown key; allowed: kind, chip",
    ),
    "sample rate that pigpiod does not have": (
        "kind: second-board",
        "kind: pigpio\n    host: desk\n    sample_us: 3",
        "10: observer.via.sample_us: Input should be 1, 2, 4, 5, 8 or 10, not 3",
    ),
    "no budget": ("  latency_us: 100\n", "", "5: observer.latency_us: this key is missing"),
    "a pull that is none": (
        "  latency_us: 100",
        "  pull: sideways\n  latency_us: 100",
        "11: observer.pull: Input should be 'floating', 'up' or 'down', not 'sideways'",
    ),
}


def bench_file(folder: Path, content: str | bytes) -> Path:
    path = folder / "desk.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(path: Path) -> str:
    with pytest.raises(BenchFileError) as caught:
        load_bench(path)
    return str(caught.value)


@pytest.mark.parametrize(("good", "bad", "words"), REFUSALS.values(), ids=list(REFUSALS))
def test_a_doubtful_bench_is_refused(tmp_path: Path, good: str, bad: str, words: str) -> None:
    assert good in GOOD
    path = bench_file(tmp_path, GOOD.replace(good, bad, 1))
    assert f"{path}:{words}" in refusal(path)


@pytest.mark.parametrize(
    ("good", "bad", "words"), WIRED_REFUSALS.values(), ids=list(WIRED_REFUSALS)
)
def test_doubtful_wires_are_refused(tmp_path: Path, good: str, bad: str, words: str) -> None:
    assert good in WIRED
    path = bench_file(tmp_path, WIRED.replace(good, bad, 1))
    assert f"{path}:{words}" in refusal(path)


def test_the_file_whose_wires_the_refusals_spoil_is_good(tmp_path: Path) -> None:
    observer = load_bench(bench_file(tmp_path, WIRED)).observer
    assert isinstance(observer, GpiozeroObserver)
    assert (observer.wiring, observer.pull) == ({"led": 5}, "floating")


def test_the_file_that_the_refusals_spoil_is_good(tmp_path: Path) -> None:
    bench = load_bench(bench_file(tmp_path, GOOD))
    assert (bench.name, bench.lines) == ("desk", {"led": 25, "lamp": 0})


def test_every_fault_has_its_line(tmp_path: Path) -> None:
    spoilt = GOOD.replace("led: 25", "led: 99").replace("stall_ms: 30", "stall: 30")
    faults = refusal(bench_file(tmp_path, spoilt)).splitlines()
    assert [fault.split(":")[1:3] for fault in faults] == [
        ["8", " lines.led"],
        ["12", " limits.stall_ms"],
        ["14", " limits.stall"],
    ]


@pytest.mark.parametrize(
    "content",
    ["", "# nothing yet\n", "- name: desk\n", "desk\n"],
    ids=["empty", "#", "list", "word"],
)
def test_a_file_that_is_no_mapping_is_told_what_it_needs(tmp_path: Path, content: str) -> None:
    path = bench_file(tmp_path, content)
    assert refusal(path) == f"{path}:1: must be a mapping with the keys {TOP_KEYS}"


@pytest.mark.parametrize("content", [b"\x7fELF\x02\x01\x01\x00", b"name: \xff\xfe"])
def test_a_binary_file_is_not_a_bench(tmp_path: Path, content: bytes) -> None:
    path = bench_file(tmp_path, content)
    complaint = refusal(path)
    assert complaint.startswith(f"{path}: not YAML: ")
    assert len(complaint.splitlines()) == 1


def test_a_file_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    there = bench_file(tmp_path, GOOD)
    path = tmp_path / "dsek.yaml"
    assert refusal(path) == f"{path}: No such file or directory; there are: {there}"


def test_a_folder_without_yaml_files_says_so(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "desk.yaml"
    assert refusal(path).endswith(f"{path.parent} has no .yaml files")


def test_a_folder_is_not_a_bench(tmp_path: Path) -> None:
    assert refusal(tmp_path).startswith(f"{tmp_path}: Is a directory; ")


def test_the_hash_is_that_of_the_file_on_disk(tmp_path: Path) -> None:
    path = bench_file(tmp_path, GOOD.replace("\n", "\r\n"))
    assert load_bench(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_lines_that_have_no_name_here_are_called_by_their_number(tmp_path: Path) -> None:
    names = load_bench(bench_file(tmp_path, GOOD)).line_names()
    assert (names[0], names[1], names[25], names[53]) == ("lamp", "gpio1", "led", "gpio53")
    assert len(set(names)) == 54


def test_images_lie_relative_to_the_bench_file(tmp_path: Path) -> None:
    bench = load_bench(bench_file(tmp_path, GOOD))
    assert bench.image("tender") == tmp_path / "../build/solo5-hvt"


def test_an_image_that_the_bench_does_not_have_is_answered_with_those_it_has(
    tmp_path: Path,
) -> None:
    bench = load_bench(bench_file(tmp_path, GOOD))
    with pytest.raises(BenchFileError, match=r"no 'guest'; there are: tender$"):
        bench.image("guest")


BENCHES = sorted((Path(__file__).parents[2] / "benches").glob("*.yaml"))


@pytest.mark.parametrize("path", BENCHES, ids=lambda path: path.name)
def test_every_bench_of_the_project_loads(path: Path) -> None:
    assert isinstance(load_bench(path), Bench)


def test_the_bench_of_the_suites_is_among_them() -> None:
    assert "virtual.yaml" in {path.name for path in BENCHES}


# Limits for some patterns and loads.

RULES = Limits.model_validate(
    {
        "tolerance_ms": 60,
        "stall_ms": 30,
        "jitter_ms": 50,
        "percentiles_ms": {"p95": 40},
        "timing": [
            {"up_to_ms": 5, "tolerance_ms": 9},
            {"loads": ["cpu", "io"], "drift_ms": 70},
            {"loads": ["cpu"], "up_to_ms": 5, "tolerance_ms": 10},
        ],
    }
)
PLAIN = {
    "tolerance_ns": 60_000_000,
    "jitter_ns": 50_000_000,
    "percentiles_ns": {"p95": 40_000_000},
}


@pytest.mark.parametrize(
    ("shortest_ns", "load", "limits"),
    [
        (5_000_001, Load.IDLE, {}),
        (5_000_000, Load.IDLE, {"tolerance_ns": 9_000_000}),
        (5_000_001, Load.IO, {"drift_ns": 70_000_000}),
        (5_000_000, Load.CPU, {"tolerance_ns": 10_000_000, "drift_ns": 70_000_000}),
        (1, Load.INTERRUPTS, {"tolerance_ns": 9_000_000}),
    ],
)
def test_the_last_rule_that_fits_holds(
    shortest_ns: int, load: Load, limits: dict[str, int]
) -> None:
    assert RULES.limits_for(shortest_ns, load) == PLAIN | limits
