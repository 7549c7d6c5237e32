"""Shows what a VCD file of any tool becomes, and which files are refused."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from shutil import which

import numpy as np
import pytest
from blinks import START_NS, good
from hypothesis import given
from hypothesis import strategies as st

from rig.capture import Capture, Heartbeat, edge_array, write_capture
from rig.errors import EvidenceError
from rig.recordings import edges, vcd
from rig.recordings.opening import read_recording
from rig.recordings.supplement import Supplement
from rig.recordings.vcd import read_vcd

GHZ = Supplement(accuracy_ppm=50.0, latency_ns=0, sample_rate_hz=10**9)
HEADER = """\
$date today $end
$timescale 1 ns $end
$scope module top $end
$var wire 1 ! led $end
$var wire 1 " other $end
$upscope $end
$enddefinitions $end
"""
START = '#0\n$dumpvars\n0!\n1"\n$end\n'
BLINK = HEADER + START + '#100\n1!\n#250\n0!\n0"\n#400\n'


def read(folder: Path, text: str | bytes, added: Supplement = GHZ) -> Capture:
    path = folder / "a.vcd"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_vcd(path, added)


def rows(capture: Capture) -> list[tuple[int, str, int]]:
    return [(edge.time_ns, edge.line, edge.level) for edge in capture]


def refused(folder: Path, text: str | bytes, added: Supplement = GHZ) -> str:
    with pytest.raises(EvidenceError) as info:
        read(folder, text, added)
    assert str(info.value).startswith(str(folder / "a.vcd"))
    return str(info.value).removeprefix(str(folder / "a.vcd"))


def test_levels_become_edges_and_the_first_and_last_times_the_window(tmp_path: Path) -> None:
    capture = read(tmp_path, BLINK)
    assert rows(capture) == [(100, "led", 1), (250, "led", 0), (250, "other", 0)]
    assert capture.edges["seqno"].tolist() == [0, 1, 0]
    assert capture.initial_levels == {"led": 0, "other": 1}
    assert (capture.start_ns, capture.end_ns) == (0, 400)
    assert capture.clock.resolution_ns == 1
    assert capture.is_complete


def test_a_file_may_stand_on_few_lines_or_on_many(tmp_path: Path) -> None:
    head, tail = HEADER.replace("\n", " \r\n\t"), '#0 0! 1" #100 1! #250 0! 0" #400\n'
    assert rows(read(tmp_path, head + tail)) == rows(read(tmp_path, BLINK))


def test_levels_before_the_first_time_are_those_at_the_first_time(tmp_path: Path) -> None:
    text = HEADER + '$dumpvars 0! 1" $end\n#70\n1!\n#90\n'
    capture = read(tmp_path, text)
    assert (capture.initial_levels["led"], capture.start_ns) == (0, 70)
    assert rows(capture) == [(70, "led", 1)]


@pytest.mark.parametrize("number", [1, 10, 100])
@pytest.mark.parametrize(
    ("unit", "unit_ns"),
    [
        ("s", Fraction(10**9)),
        ("ms", Fraction(10**6)),
        ("us", Fraction(1000)),
        ("ns", Fraction(1)),
        ("ps", Fraction(1, 1000)),
        ("fs", Fraction(1, 10**6)),
    ],
)
def test_every_timescale_is_read_to_the_nearest_nanosecond(
    tmp_path: Path, number: int, unit: str, unit_ns: Fraction
) -> None:
    times = [0, 1, 2, 499, 500, 501, 1499, 1500, 12_345_678]
    body = "".join(f"#{time}\n{n % 2}!\n" for n, time in enumerate(times))
    text = HEADER.replace("1 ns", f"{number}{unit}") + '1"\n' + body
    capture = read(tmp_path, text)
    wanted = [int(time * number * unit_ns + Fraction(1, 2)) for time in times]
    assert capture.of_line("led")["time_ns"].tolist() == wanted[1:]


def test_the_resolution_is_that_of_the_samples_and_not_of_the_timescale(tmp_path: Path) -> None:
    comment = "$comment\n  Acquisition with 2/8 channels at 24 MHz\n$end\n"
    text = comment + BLINK.replace("1 ns", "100 ps")
    capture = read(tmp_path, text, Supplement(accuracy_ppm=50.0, latency_ns=0))
    assert capture.clock.resolution_ns == 43  # 41.7 of a sample, 0.1 and 1 of two roundings
    other = read(tmp_path, text.replace("24 MHz", "1 kHz"), replace(GHZ, sample_rate_hz=None))
    assert other.clock.resolution_ns == 1_000_000 + 1


def test_a_timescale_coarser_than_the_samples_is_the_resolution(tmp_path: Path) -> None:
    assert read(tmp_path, BLINK.replace("1 ns", "1 ms")).clock.resolution_ns >= 1_000_000


def test_a_level_said_again_is_no_edge(tmp_path: Path) -> None:
    text = HEADER + START + '#5\n0!\n1"\n#7\n$dumpall\n0!\n1"\n$end\n#9\n1!\n1!\n#10\n'
    assert rows(read(tmp_path, text)) == [(9, "led", 1)]


def test_both_edges_of_a_pulse_within_one_time_are_seen(tmp_path: Path) -> None:
    text = HEADER + START + "#5\n1!\n0!\n#9\n"
    assert rows(read(tmp_path, text)) == [(5, "led", 1), (5, "led", 0)]


def test_weak_levels_are_levels(tmp_path: Path) -> None:
    assert rows(read(tmp_path, HEADER + START + '#5\nH!\nl"\n#9\n')) == [
        (5, "led", 1),
        (5, "other", 0),
    ]


def test_the_capture_begins_when_every_line_is_known(tmp_path: Path) -> None:
    text = HEADER + '#0\nx!\nz"\n#10\n0!\n#20\n1!\n#30\n1"\n#40\n0!\n#50\n'
    capture = read(tmp_path, text)
    assert (capture.start_ns, capture.end_ns) == (30, 50)
    assert capture.initial_levels == {"led": 1, "other": 1}
    assert next(iter(capture))[:4] == (40, "led", 0, 0)


def test_comments_between_the_changes_are_not_read(tmp_path: Path) -> None:
    text = HEADER + START + "#5\n$comment 1! b1 #3 $dumpoff\n$end\n1!\n#6\n"
    assert rows(read(tmp_path, text)) == [(5, "led", 1)]


def test_times_without_a_change_move_the_end_alone(tmp_path: Path) -> None:
    assert read(tmp_path, BLINK + "#500\n#600\n#600\n").end_ns == 600


WIDE = HEADER.replace(
    "$upscope", "$var reg 4 b data [3:0] $end\n$var wire 1 bb data2 [7] $end\n$upscope"
)


def test_a_bit_of_a_vector_can_be_a_line(tmp_path: Path) -> None:
    wiring = {"top_bit": "data[3]", "low": "top.data[0]", "seventh": "data2[7]"}
    text = WIDE + '#0\nb0 b\n0bb\nb1 !\nb0 "\n#5\nb1001 b\n#6\nB11 b\nbx !\n#7\n1bb\n#8\n'
    capture = read(tmp_path, text, replace(GHZ, wiring=wiring))
    assert capture.lines == ("top_bit", "low", "seventh")
    assert rows(capture) == [(5, "top_bit", 1), (5, "low", 1), (6, "top_bit", 0), (7, "seventh", 1)]


def test_bits_count_from_the_right_whichever_way_their_range_runs(tmp_path: Path) -> None:
    text = WIDE.replace("[3:0]", "[0:3]") + "#0\nb1000 b\n#5\nb0001 b\n#6\n"
    capture = read(tmp_path, text, replace(GHZ, wiring={"left": "data[0]", "right": "data[3]"}))
    assert rows(capture) == [(5, "left", 0), (5, "right", 1)]


@pytest.mark.parametrize("code", ["b", "r", "#", "$", "#1", "1!", "s", "bb", "$end1"])
def test_a_code_that_looks_like_something_else_is_a_code(tmp_path: Path, code: str) -> None:
    text = WIDE.replace(" b data", f" {code} data").replace(" bb data2", " ~~ data2")
    body = f'#0\n0!\n0"\n0~~\nb0 {code}\n#5\nb1 {code}\nb0 {code}\n1!\nb1 {code}\nb1 {code}\n#9\n'
    capture = read(tmp_path, text + body, replace(GHZ, wiring={"led": "led", "bit": "data[0]"}))
    assert rows(capture) == [(5, "bit", 1), (5, "bit", 0), (5, "led", 1), (5, "bit", 1)]


def test_one_name_in_two_scopes_goes_by_its_scopes(tmp_path: Path) -> None:
    text = BLINK.replace("$upscope", "$scope module in $end\n$var wire 1 # led $end\n$upscope", 1)
    text = text.replace('1"', '1"\n0#').replace("$upscope", "$upscope $end\n$upscope", 1)
    capture = read(tmp_path, text)
    assert capture.lines == ("top.led", "other", "top.in.led")
    assert read(tmp_path, text, replace(GHZ, wiring={"x": "top.in.led"})).lines == ("x",)


def test_a_variable_of_two_names_is_one_line_by_default(tmp_path: Path) -> None:
    text = BLINK.replace("$upscope", "$var wire 1 ! alias $end\n$upscope")
    assert read(tmp_path, text).lines == ("led", "other")
    both = read(tmp_path, text, replace(GHZ, wiring={"a": "led", "b": "alias"}))
    assert rows(both)[:2] == [(100, "a", 1), (100, "b", 1)]


BAD = {
    "nothing": ("", "before its end"),
    "header cut off": (HEADER[:60], "not a whole VCD file"),
    "no body": (HEADER, "no times"),
    "no times": (HEADER + '1!\n0"\n', "no times"),
    "no timescale": (BLINK.replace("$timescale 1 ns $end\n", ""), "no $timescale"),
    "two timescales": ("$timescale 1 ns $end\n" + BLINK, ":3: a second $timescale"),
    "timescale 7 ns": (BLINK.replace("1 ns", "7 ns"), ":2: $timescale '7 ns': must be 1, 10"),
    "timescale 1 m": (BLINK.replace("1 ns", "1 m"), ":2: $timescale '1 m'"),
    "no variables": (BLINK.replace("$var wire 1 ! led $end\n", "").replace(
        '$var wire 1 " other $end\n', ""), "has 0 channels"),
    "declaration without end": (BLINK.replace("led $end", "led"), ":4: not VCD: $var has no $end"),
    "half a variable": (BLINK.replace("1 ! led", "1 !"), ":4: $var 'wire 1 !'"),
    "size of no number": (BLINK.replace("wire 1 !", "wire one !"), ":4: $var 'wire one ! led'"),
    "upscope alone": ("$upscope $end\n" + BLINK, ":1: $upscope without"),
    "scopes without an end": ("$scope module a $end\n" * 101 + BLINK, ":101: more than 100 scopes"),
    "text among declarations": ("hello\n" + BLINK, ":1: not VCD: 'hello'"),
    "long code": (BLINK.replace("1 ! led", "1 !!!!!!!!! led"), "a code of 9 bytes"),
    "cut in a line": (BLINK[:-2], "is cut off: its last line, b'#40', has no end"),
    "time goes back": (BLINK + "#399\n", ":19: #399: time goes back"),
    "time of letters": (BLINK + "#4x0\n", ":19: #4x0: not a time"),
    "time with a fraction": (BLINK + "#500.5\n", ":19: #500.5: not a time"),
    "negative time": (BLINK + "#-5\n", ":19: #-5: not a time"),
    "empty time": (BLINK + "#\n", ":19: #: not a time"),
    "time of 20 digits": (BLINK + "#" + "9" * 20 + "\n", "not a time of 1 to 19 digits"),
    "time after 292 years": (BLINK + "#" + "9" * 19 + "\n", "beyond 292 years"),
    "unknown code": (BLINK + "1?\n", ":19: 1?: a value for a code that no $var declares"),
    "unknown long code": (BLINK + "1????????????\n", "no $var declares"),
    "vector of an unknown code": (BLINK + "b1 ?\n", ":19: b1: a value for a code that no"),
    "vector without a code": (BLINK + "b1\n", ":19: b1: a value without a code"),
    "vector of letters": (BLINK + "bq !\n", ":19: bq: not a value of a line"),
    "real of a line": (BLINK + "r1.5 !\n", ":19: r1.5: not a value of a line"),
    "level 2": (BLINK + "2!\n", ":19: 2!: neither a time nor a value nor a keyword"),
    "level without a code": (BLINK + "1\n", ":19: 1: neither a time nor a value"),
    "unknown keyword": (BLINK + "$dumpsome\n", ":19: $dumpsome: neither"),
    "line becomes x": (BLINK + "#500\nx!\n", ":20: x!: led is neither high nor low from here on"),
    "line becomes z": (BLINK + "z\"\n", ":19: z\\\": other is neither high nor low"),
    "dump switched off": (BLINK + "$dumpoff\n$end\n", ":19: $dumpoff: from here on changes are"),
    "never known": (BLINK.replace("0!", "x!").replace("1!", "x!"), "led is never high or low"),
    "never said": (BLINK.replace("0!\n", "").replace("1!\n", ""), "led is never high or low"),
    "not said at first": (BLINK.replace("0!\n1\"", '1"'), "nothing says what led was before 100"),
    "a zero byte": (BLINK + "\0", "cut off"),
    "zero bytes": (BLINK + "\0" * 50 + "\n", ":19: not VCD: a byte of value 0"),
    "junk": (BLINK.encode() + bytes(range(128, 256)) + b"\n", ":19: "),
    "a vector": (WIDE + START, "top.data is a reg of 4 bits and not a line; name the channels"),
    "a real": (BLINK.replace("wire 1 !", "real 64 !"), "led is a real of 64 bits and not a line"),
    "one name twice": (BLINK.replace("other", "led"), "two variables are called top.led"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "words"), BAD.values(), ids=list(BAD))
def test_a_damaged_file_is_refused_with_its_place(
    tmp_path: Path, text: str | bytes, words: str
) -> None:
    assert words.replace('\\"', '"') in refused(tmp_path, text)


@pytest.mark.parametrize("block", [1, 7, 16, 64])
def test_where_the_blocks_end_changes_nothing(
    tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read(tmp_path, BLINK)
    monkeypatch.setattr(vcd, "BLOCK_BYTES", max(block, 12))
    small = read(tmp_path, BLINK)
    assert (rows(small), small.end_ns) == (rows(whole), whole.end_ns)
    assert refused(tmp_path, BLINK + "#399\n").startswith(":19: #399")


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vcd, "BLOCK_BYTES", 64)
    assert "a line of more than 64 bytes" in refused(tmp_path, BLINK + "#" * 200_000)


def test_more_edges_than_fit_into_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edges, "MOST_EDGES", 2)
    assert "more than 2 edges; cut it" in refused(tmp_path, BLINK)


def test_an_unknown_channel_is_refused_with_those_that_are_there(tmp_path: Path) -> None:
    words = refused(tmp_path, BLINK, replace(GHZ, wiring={"led": "D0"}))
    assert "has no channel 'D0' (led); there are:" in words
    assert "top.other" in words


def test_two_lines_on_one_channel_are_refused(tmp_path: Path) -> None:
    wiring = {"a": "led", "b": "led"}
    assert "two lines are on one channel" in refused(tmp_path, BLINK, replace(GHZ, wiring=wiring))


def test_a_budget_that_nobody_gave_is_asked_for_and_never_assumed(tmp_path: Path) -> None:
    words = refused(tmp_path, BLINK, Supplement())
    assert all(option in words for option in ("--sample-rate-hz", "--accuracy-ppm", "--latency-ns"))
    partly = refused(tmp_path, BLINK, replace(GHZ, accuracy_ppm=None))
    assert "--accuracy-ppm" in partly
    assert "--latency-ns" not in partly


def test_a_sample_rate_of_0_or_of_another_number_than_the_file_says_is_refused(
    tmp_path: Path,
) -> None:
    text = "$comment Acquisition with 1/1 channels at 1 MHz $end\n" + BLINK
    assert "was sampled at 1000000 Hz, as it says itself, not at" in refused(tmp_path, text)
    assert "0 Hz; it must be above 0" in refused(tmp_path, text.replace("1 MHz", "0 Hz"))
    assert "0 Hz; it must be" in refused(tmp_path, BLINK, replace(GHZ, sample_rate_hz=0))


def test_a_hundred_thousand_wide_variables_cost_no_more_than_their_declarations(
    tmp_path: Path,
) -> None:
    many = "".join(f"$var reg 999 {n:x} v{n} $end\n" for n in range(100_000))
    text = BLINK.replace("$upscope", many + "$upscope")
    with pytest.raises(EvidenceError, match="is a reg of 999 bits"):
        read(tmp_path, text)
    capture = read(tmp_path, text, replace(GHZ, wiring={"led": "led"}))
    assert len(capture.edges) == 2


# Our own capture.vcd


def own(folder: Path, capture: Capture) -> Path:
    write_capture(folder, capture)
    return folder / "capture.vcd"


def assert_same(one: Capture, other: Capture) -> None:
    assert np.array_equal(one.edges, other.edges)
    fields = ("lines", "initial_levels", "start_ns", "end_ns", "clock", "lost", "overrun")
    for name in (*fields, "initial_modes", "modes", "heartbeat", "commanded"):
        assert getattr(one, name) == getattr(other, name), name


def test_our_own_file_is_the_whole_capture(tmp_path: Path) -> None:
    capture = good().capture()
    assert_same(read_recording(own(tmp_path, capture), Supplement()), capture)


def test_our_own_file_keeps_what_was_lost(tmp_path: Path) -> None:
    rows = [(START_NS + 5, 0, 1, 3), (START_NS + 5, 0, 1, 4), (START_NS + 9, 1, 0, 7)]
    rows += [(START_NS + 9, 0, 0, 5), (START_NS + 11, 1, 1, 8)]
    capture = replace(
        good().capture(), edges=edge_array(rows), lost=30, overrun=True, heartbeat=Heartbeat(3, 4)
    )
    assert_same(read_recording(own(tmp_path, capture), Supplement()), capture)


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 1), st.integers(1, 3)),
        max_size=30,
    )
)
def test_any_capture_survives_our_own_file(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, int, int]]
) -> None:
    time_ns, numbers, rows = START_NS, [-1, -1, -1], []
    for wait, line, level, skip in steps:
        time_ns, numbers[line] = time_ns + wait, numbers[line] + skip
        rows.append((time_ns, line, level, numbers[line]))
    capture = replace(good().capture(), edges=edge_array(rows), lost=100)
    folder = tmp_path_factory.mktemp("own")
    assert_same(read_recording(own(folder, capture), Supplement()), capture)


def test_our_own_file_can_be_judged_by_other_names(tmp_path: Path) -> None:
    capture = good().capture()
    added = Supplement(wiring={"lamp": "led", "side": "gpio4"})
    named = read_recording(own(tmp_path, capture), added)
    assert named.lines == ("lamp", "side")
    assert named.of_line("lamp")["time_ns"].tolist() == capture.of_line("led")["time_ns"].tolist()
    assert [m.line for m in named.modes] == ["lamp", "lamp"]
    assert named.initial_modes == {"lamp": "in", "side": "in"}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('\n0"\n#', '\n1"\n#', "edges are not the 20 that the rig wrote"),
        ('"overrun":false', '"overrun":0', "the comment that the rig wrote is damaged"),
        ('"jumps":[]', '"jumps":[[99,1]]', "a jump lies outside"),
        ('"jumps":[]', '"jumps":[[3,9]]', "are not the 20"),
        ('"resolution_ns":1000', '"resolution_ns":0', "out of range"),
    ],
)
def test_our_own_file_after_a_change_is_refused(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    path = own(tmp_path, good().capture())
    text = path.read_text()
    changed = text.replace(old, new)
    assert changed != text
    path.write_text(changed)
    with pytest.raises(EvidenceError, match=words):
        read_recording(path, Supplement())


def test_our_own_file_keeps_its_budget(tmp_path: Path) -> None:
    path = own(tmp_path, good().capture())
    with pytest.raises(EvidenceError, match="carries its instrument's budget"):
        read_recording(path, GHZ)


@pytest.mark.skipif(which("sigrok-cli") is None, reason="sigrok-cli is missing")
def test_sigrok_reads_our_own_file(tmp_path: Path) -> None:
    path = own(tmp_path, good().capture())
    command = ["sigrok-cli", "-I", "vcd:downsample=1000000", "-i", str(path), "-O", "bits"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "led:" in done.stdout
