"""The manifest compiler: what it accepts, what it refuses and how, and what it emits."""

from __future__ import annotations

import json
import stat
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rig.manifest import (
    DEVICE_TYPES,
    MAX_DEVICES,
    MAX_NAME,
    Device,
    ManifestError,
    generate_source,
    main,
    parse_manifest,
)

ROOT = Path(__file__).parent.parent
INCLUDE = ROOT / "tender" / "include" / "solo5"
LED = {"name": "led0", "type": "LED_BASIC"}


def manifest(**changes: object) -> str:
    return json.dumps({"type": "solo5.manifest", "version": 1, "devices": [LED]} | changes)


def numbered(count: int) -> list[dict[str, str]]:
    return [{"name": f"storage{n}", "type": "BLOCK_BASIC"} for n in range(count)]


def test_device_types_are_those_of_the_header() -> None:
    assert {"BLOCK_BASIC", "NET_BASIC", "LED_BASIC"} <= set(DEVICE_TYPES)
    assert (INCLUDE / "mft_abi.h").read_text().count("MFT_DEV_") == len(DEVICE_TYPES)


def test_devices_keep_their_order() -> None:
    devices = [{"name": "b", "type": "NET_BASIC"}, {"name": "a", "type": "BLOCK_BASIC"}, LED]

    assert parse_manifest(manifest(devices=devices)) == (
        Device("b", "NET_BASIC"),
        Device("a", "BLOCK_BASIC"),
        Device("led0", "LED_BASIC"),
    )


def test_no_devices_is_a_manifest() -> None:
    assert parse_manifest(manifest(devices=[])) == ()


def test_longest_name_and_largest_number_of_devices_are_accepted() -> None:
    assert len(parse_manifest(manifest(devices=numbered(MAX_DEVICES)))) == MAX_DEVICES
    name = "a" * MAX_NAME
    assert parse_manifest(manifest(devices=[{"name": name, "type": "NET_BASIC"}]))[0].name == name


def test_two_devices_of_different_type_may_share_a_name() -> None:
    devices = [{"name": "x", "type": "NET_BASIC"}, {"name": "x", "type": "BLOCK_BASIC"}]

    assert len(parse_manifest(manifest(devices=devices))) == 2


REFUSED = {
    "not JSON": ('{"type": ', r"line 1, column \d+: Expecting value"),
    "nothing": ("", "line 1, column 1"),
    "two values": (manifest() + "{}", "Extra data"),
    "too deep": ("[" * 100_000, "nested too deeply"),
    "endless number": ('{"version": ' + "1" * 5000 + "}", "limit"),
    "not an object": ("[]", "manifest: an array; it must be an object with exactly the keys"),
    "unknown key": (
        manifest(devcies=[]),
        "manifest: unknown key 'devcies'.*type, version, devices",
    ),
    "no type": ('{"version": 1, "devices": []}', "manifest: key 'type' is missing"),
    "no version": ('{"type": "solo5.manifest", "devices": []}', "key 'version' is missing"),
    "no devices": ('{"type": "solo5.manifest", "version": 1}', "key 'devices' is missing"),
    "key twice": (
        '{"type": "solo5.manifest", "version": 1, "devices": [], "devices": []}',
        "key 'devices' appears twice",
    ),
    "key twice in a device": (
        manifest().replace('"name": "led0"', '"name": "led0", "name": "led1"'),
        "key 'name' appears twice",
    ),
    "other type": (manifest(type="solo5.abi"), 'type: "solo5.abi"; it must be "solo5.manifest"'),
    "other version": (manifest(version=2), "version: 2; it must be 1"),
    "version as float": (manifest(version=1.0), "version: 1.0; it must be 1"),
    "version as boolean": (manifest(version=True), "version: true; it must be 1"),
    "version as text": (manifest(version="1"), 'version: "1"; it must be 1'),
    "devices as object": (manifest(devices={}), "devices: an object; it must be an array"),
    "too many devices": (
        manifest(devices=numbered(MAX_DEVICES + 1)),
        "devices: too many entries, maximum 63",
    ),
    "device as text": (manifest(devices=["led0"]), r"devices\[0\]: a string; it must be an object"),
    "device without name": (
        manifest(devices=[LED, {"type": "NET_BASIC"}]),
        r"devices\[1\]: key 'name' is missing; .* keys name, type",
    ),
    "device without type": (manifest(devices=[{"name": "a"}]), r"devices\[0\]: key 'type'"),
    "unknown key in a device": (
        manifest(devices=[LED | {"line": 25}]),
        r"devices\[0\]: unknown key 'line'",
    ),
    "empty name": (
        manifest(devices=[LED | {"name": ""}]),
        r'devices\[0\].name: ""; it must be a string of 1 to 67 ASCII letters and digits',
    ),
    "name with a dash": (manifest(devices=[LED | {"name": "led-0"}]), r"devices\[0\].name"),
    "name that ends a C string": (manifest(devices=[LED | {"name": 'a"'}]), r"devices\[0\].name"),
    "name with a newline": (manifest(devices=[LED | {"name": "led0\n"}]), r"devices\[0\].name"),
    "name not ASCII": (manifest(devices=[LED | {"name": "läd"}]), r"devices\[0\].name"),
    "digit not ASCII": (manifest(devices=[LED | {"name": "٣"}]), r"devices\[0\].name"),
    "name too long": (manifest(devices=[LED | {"name": "a" * 68}]), r"devices\[0\].name"),
    "name as number": (manifest(devices=[LED | {"name": 1}]), r"devices\[0\].name: 1;"),
    "unknown device type": (
        manifest(devices=[LED, LED | {"type": "LED"}]),
        r'devices\[1\].type: "LED"; it must be one of BLOCK_BASIC, NET_BASIC, LED_BASIC',
    ),
    "device type as list": (manifest(devices=[LED | {"type": []}]), r"devices\[0\].type: \[\]"),
    "same device twice": (
        manifest(devices=[{"name": "a", "type": "NET_BASIC"}, LED, LED]),
        r"devices\[2\]: there is a LED_BASIC named 'led0' already, devices\[1\]",
    ),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_exactly_a_manifest_is_refused(text: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        parse_manifest(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values, st.sampled_from(["type", "version", "devices"]))
def test_any_other_value_is_refused_and_nothing_worse(value: object, key: str) -> None:
    assume(json.dumps(value) not in ("1", "[]"))
    with pytest.raises(ManifestError):
        parse_manifest(manifest(**{key: value}))


def compile_note(devices: tuple[Device, ...], folder: Path) -> bytes:
    """Return the bytes of the note as a C compiler lays it out."""
    source, compiled, note = folder / "m.c", folder / "m.o", folder / "note"
    source.write_text(generate_source(devices), encoding="utf-8")
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-I", str(INCLUDE), "-c"]
    subprocess.run(["gcc", *flags, source, "-o", compiled], check=True, timeout=60)
    section = ["-O", "binary", "-j", ".note.solo5.manifest"]
    subprocess.run(["objcopy", *section, compiled, note], check=True, timeout=60)
    return note.read_bytes()


def test_note_has_the_layout_that_tenders_read(tmp_path: Path) -> None:
    devices = tuple(Device(f"dev{n}", kind) for n, kind in enumerate(DEVICE_TYPES))

    note = compile_note(devices, tmp_path)

    assert struct.unpack_from("<III8s4s", note) == (
        6,
        4 + 8 + 4 * 104,
        0x3154464D,
        b"Solo5\0\0\0",
        bytes(4),
    )
    assert struct.unpack_from("<II", note, 24) == (1, 4)
    assert len(note) == 32 + 4 * 104
    entries = [note[32 + 104 * n :][:104] for n in range(4)]
    assert [struct.unpack_from("<68sI", entry) for entry in entries] == [
        (bytes(68), 0x40000000),
        (b"dev0".ljust(68, b"\0"), 1),
        (b"dev1".ljust(68, b"\0"), 2),
        (b"dev2".ljust(68, b"\0"), 24),
    ]
    assert all(entry[72:] == bytes(32) for entry in entries)


def test_longest_name_still_ends_in_a_nul(tmp_path: Path) -> None:
    note = compile_note((Device("a" * MAX_NAME, "LED_BASIC"),), tmp_path)

    assert note[32 + 104 :][:68] == b"a" * 67 + b"\0"


def test_command_writes_what_the_functions_give(tmp_path: Path) -> None:
    source, target = tmp_path / "manifest.json", tmp_path / "manifest.c"
    source.write_text(manifest(), encoding="utf-8")

    assert main([str(source), str(target)]) == 0
    assert target.read_text(encoding="utf-8") == generate_source((Device("led0", "LED_BASIC"),))
    assert sorted(tmp_path.iterdir()) == [target, source]


def test_dashes_are_standard_input_and_output() -> None:
    command = [sys.executable, "-m", "rig.manifest", "-", "-"]
    done = subprocess.run(
        command, input=manifest(), capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )

    assert done.returncode == 0
    assert done.stdout == generate_source((Device("led0", "LED_BASIC"),))


def test_refusal_names_file_and_place_and_leaves_the_target_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "manifest.json", tmp_path / "manifest.c"
    source.write_text(manifest(version=3), encoding="utf-8")
    target.write_text("as it was", encoding="utf-8")

    assert main([str(source), str(target)]) == 1
    assert capsys.readouterr().err == f"rig.manifest: {source}: version: 3; it must be 1\n"
    assert target.read_text(encoding="utf-8") == "as it was"
    assert sorted(tmp_path.iterdir()) == [target, source]


def test_file_that_cannot_be_read_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "none.json"

    assert main([str(source), "-"]) == 1
    assert capsys.readouterr().err == f"rig.manifest: {source}: No such file or directory\n"


def test_text_that_is_not_utf8_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "manifest.json"
    source.write_bytes(b"{}\xff")

    assert main([str(source), "-"]) == 1
    assert "byte 2: not UTF-8" in capsys.readouterr().err


def test_folder_that_does_not_exist_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "manifest.json", tmp_path / "none" / "manifest.c"
    source.write_text(manifest(), encoding="utf-8")

    assert main([str(source), str(target)]) == 1
    assert capsys.readouterr().err == f"rig.manifest: {target}: No such file or directory\n"


def test_failed_write_leaves_no_part_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "manifest.json", tmp_path / "manifest.c"
    source.write_text(manifest(), encoding="utf-8")

    def no_space(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", no_space)

    assert main([str(source), str(target)]) == 1
    assert capsys.readouterr().err == f"rig.manifest: {target}: No space left on device\n"
    assert list(tmp_path.iterdir()) == [source]


def test_device_file_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    source = tmp_path / "manifest.json"
    source.write_text(manifest(), encoding="utf-8")

    assert main([str(source), "/dev/null"]) == 0
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@pytest.mark.parametrize("source", sorted((ROOT / "tender" / "tests").glob("test_*/manifest.json")))
def test_manifests_of_the_unikernels_compile(source: Path) -> None:
    assert parse_manifest(source.read_text(encoding="utf-8")) is not None
