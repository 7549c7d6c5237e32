# SPDX-License-Identifier: ISC
"""The boot image, made by the real apt and dpkg-deb from an archive in a folder: no network."""

from __future__ import annotations

import fcntl
import gzip
import json
import lzma
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from rig import image, second_disk
from rig.debs import Archive, Package, check, read_files, sha256
from rig.errors import ImageError
from rig.image import ensure_image, ensure_network, ensure_second_board, overlay
from rig.wheels import Wheel

KERNEL = "linux-image-6.1.0-1-arm64"
DTB_PATH = f"usr/lib/{KERNEL}/broadcom/bcm2837-rpi-3-b.dtb"
KERNEL_FILES = {"boot/vmlinuz-6.1.0-1-arm64": b"kernel", DTB_PATH: b"device tree"}


class Mirror:
    """A Debian archive in a folder, and an apt that sees nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir()
        self._index = ""
        self.configuration = folder.with_suffix(".conf")
        self.hook_ran = folder.with_suffix(".hook")
        sources = folder.with_suffix(".list")
        sources.write_text(f"deb [trusted=yes] copy:{folder} ./\n")
        self.configuration.write_text(
            f'Dir::Etc::SourceList "{sources}"; Dir::Etc::SourceParts "/dev/null";\n'
            f'APT::Update::Post-Invoke {{ "touch {self.hook_ran}"; }};\n'
        )

    def add(self, name: str, files: dict[str, bytes], depends: str = "") -> Path:
        control = f"Package: {name}\nVersion: 1:2-3\nArchitecture: arm64\nMaintainer: nobody\n"
        control += f"Description: a test\nDepends: {depends}\n" if depends else "Description: -\n"
        deb = self._packed(name, {"DEBIAN/control": control.encode()} | files)
        facts = f"Filename: ./{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {sha256(deb)}\n"
        self._index += control + facts + "\n"
        (self.folder / "Packages").write_text(self._index)
        return deb

    def _packed(self, name: str, files: dict[str, bytes]) -> Path:
        tree = self.folder / f"{name}.tree"
        for path, data in files.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_bytes(data)
        deb = self.folder / f"{name}_arm64.deb"
        subprocess.run(["dpkg-deb", "-Znone", "--build", tree, deb], check=True, timeout=60)
        return deb


@pytest.fixture
def empty_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    mirror = Mirror(tmp_path / "mirror")
    monkeypatch.setenv("APT_CONFIG", str(mirror.configuration))
    return mirror


@pytest.fixture
def mirror(empty_mirror: Mirror) -> Mirror:
    empty_mirror.add("linux-image-arm64", {}, depends=f"{KERNEL} (= 1:2-3)")
    empty_mirror.add(KERNEL, KERNEL_FILES)
    empty_mirror.add("busybox-static", {"bin/busybox": b"busybox"})
    return empty_mirror


@pytest.fixture
def build(tmp_path: Path) -> Path:
    return tmp_path / "build"


def without_apt(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    dpkg_deb = shutil.which("dpkg-deb")
    assert dpkg_deb
    folder.mkdir()
    (folder / "dpkg-deb").symlink_to(dpkg_deb)
    monkeypatch.setenv("PATH", str(folder))


def listed(archive: bytes) -> str:
    """What the real cpio finds in `archive`."""
    plain = gzip.decompress(archive)
    done = subprocess.run(["cpio", "-tv", "--quiet"], input=plain, capture_output=True, check=True)
    return done.stdout.decode()


# The image.


def test_image_holds_the_packages_files(mirror: Mirror, build: Path) -> None:
    made = ensure_image(build_dir=build)
    assert made.kernel.read_bytes() == b"kernel"
    assert made.dtb.read_bytes() == b"device tree"
    assert made.versions == {KERNEL: "1:2-3", "busybox-static": "1:2-3"}


def test_ram_disk_starts_init_and_a_login(mirror: Mirror, build: Path) -> None:
    names = listed(ensure_image(build_dir=build).initrd.read_bytes())
    for line in ("-rwxr-xr-x.* init\n", "-rwxr-xr-x.* bin/busybox\n", " bin/sh -> busybox\n"):
        assert re.search(line, names)
    for name in ("dev", "proc", "sys", "etc/inittab", "etc/passwd", "usr/sbin"):
        assert f" {name}\n" in names


def test_same_packages_give_the_same_ram_disk(mirror: Mirror, build: Path, tmp_path: Path) -> None:
    first = ensure_image(build_dir=build).initrd.read_bytes()
    assert ensure_image(build_dir=tmp_path / "other").initrd.read_bytes() == first


def test_record_names_every_file_and_package(mirror: Mirror, build: Path) -> None:
    made = ensure_image(build_dir=build)
    record = json.loads((made.kernel.parent / "image.json").read_text())
    assert record["files"]["vmlinuz"] == sha256(made.kernel)
    assert record["files"]["initrd.gz"] == sha256(made.initrd)
    assert record["packages"]["kernel"]["sha256"] == sha256(mirror.folder / f"{KERNEL}_arm64.deb")


def test_finished_image_needs_no_apt(
    mirror: Mirror, build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ensure_image(build_dir=build)
    monkeypatch.setenv("PATH", "")
    assert ensure_image(build_dir=build) == made


@pytest.mark.parametrize("name", ["vmlinuz", "bcm2837-rpi-3-b.dtb", "initrd.gz"])
@pytest.mark.parametrize("harm", ["changed", "deleted"])
def test_harmed_file_is_made_again_from_the_kept_packages(
    mirror: Mirror,
    build: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    harm: str,
) -> None:
    file = ensure_image(build_dir=build).kernel.parent / name
    good = file.read_bytes()
    file.write_bytes(good + b"!") if harm == "changed" else file.unlink()
    without_apt(monkeypatch, tmp_path / "bin")
    ensure_image(build_dir=build)
    assert file.read_bytes() == good
    assert f"{name} is not as recorded" in capsys.readouterr().err


def test_harmed_package_is_fetched_again(mirror: Mirror, build: Path) -> None:
    made = ensure_image(build_dir=build)
    (build / f"pi/debs/{KERNEL}.deb").write_bytes(b"junk")
    made.kernel.unlink()
    assert ensure_image(build_dir=build).kernel.read_bytes() == b"kernel"


def test_unreadable_record_means_a_new_image(mirror: Mirror, build: Path) -> None:
    made = ensure_image(build_dir=build)
    (made.kernel.parent / "image.json").write_text('{"series": ')
    made.kernel.write_bytes(b"unknown")
    assert ensure_image(build_dir=build).kernel.read_bytes() == b"kernel"


def test_changed_guest_file_means_a_new_ram_disk(
    mirror: Mirror, build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ensure_image(build_dir=build).initrd.read_bytes()
    shutil.copytree(image._GUEST_FILES, tmp_path / "pi")
    (tmp_path / "pi/etc/hostname").write_text("other\n")
    monkeypatch.setattr(image, "_GUEST_FILES", tmp_path / "pi")
    assert ensure_image(build_dir=build).initrd.read_bytes() != before


def test_cut_short_run_leaves_no_valid_image(
    mirror: Mirror, build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def full(source: Path, destination: Path) -> None:
        if destination.name == "initrd.gz":
            raise OSError(28, "No space left on device", str(destination))
        replace(source, destination)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(ImageError, match=r"initrd.gz: No space left on device; make space"):
            ensure_image(build_dir=build)
    assert not (build / "pi/6.1/image.json").exists()
    assert sorted(path.name for path in (build / "pi/6.1").iterdir()) == [
        "bcm2837-rpi-3-b.dtb",
        "vmlinuz",
    ]
    assert ensure_image(build_dir=build).initrd.exists()


def test_too_little_space_is_said_before_anything_is_fetched(
    mirror: Mirror, build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image, "_SPACE_NEEDED_BYTES", 10**18)
    with pytest.raises(ImageError, match=r"MB free, \d+ MB needed"):
        ensure_image(build_dir=build)
    assert not (build / "apt").exists()


def test_second_run_waits_for_the_first_but_not_for_ever(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (build / "pi").mkdir(parents=True)
    monkeypatch.setattr(image, "_LOCK_TIMEOUT_S", 0.2)
    with (build / "pi/.lock").open("w") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        with pytest.raises(ImageError, match="in use by another run"):
            ensure_image(build_dir=build)


def test_unknown_series_is_refused_with_the_known_ones(build: Path) -> None:
    with pytest.raises(ImageError, match=r"'5\.10' is not known; there are: 6\.1, 6\.12"):
        ensure_image("5.10", build_dir=build)
    assert not build.exists()


def test_sources_of_another_release_are_refused(empty_mirror: Mirror, build: Path) -> None:
    empty_mirror.add("linux-image-arm64", {}, depends="linux-image-6.12.9-arm64")
    with pytest.raises(ImageError, match=r"linux-image-6\.12\.9-arm64', not on a kernel 6\.1"):
        ensure_image(build_dir=build)


def test_kernel_package_without_the_boards_tree_is_refused(
    empty_mirror: Mirror, build: Path
) -> None:
    empty_mirror.add("linux-image-arm64", {}, depends=KERNEL)
    empty_mirror.add(KERNEL, {"boot/vmlinuz-6.1.0-1-arm64": b"kernel"})
    empty_mirror.add("busybox-static", {"bin/busybox": b"busybox"})
    with pytest.raises(ImageError, match=rf"has no \./{DTB_PATH}"):
        ensure_image(build_dir=build)


def test_command_prints_the_files(
    mirror: Mirror,
    build: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["image", "--build-dir", str(build)])
    assert image.main() == 0
    assert capsys.readouterr().out.splitlines()[0] == f"{build}/pi/6.1/vmlinuz"


def test_command_says_in_one_line_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["image", "--series", "1"])
    assert image.main() == 1
    assert capsys.readouterr().err == (
        "image: kernel series '1' is not known; there are: 6.1, 6.12\n"
    )


# The second board's RAM disk.

LIBRARIES = "lib/aarch64-linux-gnu"
PYTHON = "usr/lib/python3.11"


@pytest.fixture
def second_mirror(mirror: Mirror, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Mirror:
    mirror.add("python3.11-minimal", {"usr/bin/python3.11": b"python"})
    mirror.add("libpython3.11-minimal", {f"{PYTHON}/abc.py": b"x = '\\x07'\n"})
    more = {f"{PYTHON}/csv.py": b"x = 2\n", f"{PYTHON}/test/slow.py": b"x = 3\n"}
    mirror.add("libpython3.11-stdlib", more)
    mirror.add(
        "libc6", {f"{LIBRARIES}/libc.so.6": b"c", f"{LIBRARIES}/ld-linux-aarch64.so.1": b"ld"}
    )
    mirror.add("libexpat1", {f"{LIBRARIES}/libexpat.so.1.8.10": b"expat"})
    mirror.add("zlib1g", {f"{LIBRARIES}/libz.so.1.2.13": b"z"})

    def packed(wheel: Wheel, into: Path) -> Path:
        path = tmp_path / f"{wheel.requirement}.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"{wheel.requirement.split('=')[0]}.py", "x = 4\n")
        return path

    monkeypatch.setattr(second_disk, "fetch_wheel", packed)
    return mirror


def test_second_board_boots_the_same_kernel_with_python_and_gpiozero(
    second_mirror: Mirror, build: Path
) -> None:
    made = ensure_second_board(build)
    assert made.kernel.read_bytes() == b"kernel"
    names = [line.split()[-1] for line in listed(made.initrd.read_bytes()).splitlines()]
    assert {"usr/bin/python3", f"{PYTHON}/abc.py", f"{PYTHON}/csv.py"} <= set(names)
    assert {f"usr/lib/python3/dist-packages/{n}.py" for n in ("gpiozero", "lgpio")} <= set(names)
    assert f"{PYTHON}/test/slow.py" not in names
    assert names.count("etc/inittab") == 1
    assert made.versions["libc6"] == "1:2-3"
    assert made.versions["lgpio"] == "0.2.2.0"


def test_second_board_has_its_libraries_under_the_names_that_programs_ask_for(
    second_mirror: Mirror, build: Path
) -> None:
    names = listed(ensure_second_board(build).initrd.read_bytes())
    for name in ("libc.so.6", "libexpat.so.1", "libz.so.1"):
        assert f" {LIBRARIES}/{name}\n" in names
    assert " lib/ld-linux-aarch64.so.1\n" in names


def test_second_board_logs_in_on_its_own_port(second_mirror: Mirror, build: Path) -> None:
    plain = gzip.decompress(ensure_second_board(build).initrd.read_bytes())
    assert b"ttyAMA0::respawn" in plain
    assert b"ttyS1::respawn" not in plain


def test_compiled_code_is_added_only_by_the_same_python(
    second_mirror: Mirror, build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_disk, "_CACHE_TAG", sys.implementation.cache_tag)
    code = f"{PYTHON}/__pycache__/abc.{sys.implementation.cache_tag}.pyc"
    assert code in listed(ensure_second_board(build).initrd.read_bytes())
    monkeypatch.setattr(second_disk, "_CACHE_TAG", "cpython-1")
    other = ensure_second_board(tmp_path / "other").initrd.read_bytes()
    assert ".pyc" not in listed(other)


def test_same_packages_give_the_same_second_disk(
    second_mirror: Mirror, build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when this process has come to intern a string of theirs in between."""
    monkeypatch.setattr(second_disk, "_CACHE_TAG", sys.implementation.cache_tag)
    first = ensure_second_board(build).initrd.read_bytes()
    assert sys.intern("\x07") == "\x07"
    assert ensure_second_board(tmp_path / "other").initrd.read_bytes() == first


def test_command_makes_the_second_board_when_asked(
    second_mirror: Mirror,
    build: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["image", "--second-board", "--build-dir", str(build)])
    assert image.main() == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{build}/pi/second-board/initrd.gz"


# Packages.


def test_missing_apt_is_named(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_apt(monkeypatch, tmp_path / "bin")
    with pytest.raises(ImageError, match=r"apt-get not found.*Debian 12"):
        ensure_image(build_dir=build)


def test_unreachable_archive_is_said_with_apts_words(mirror: Mirror, build: Path) -> None:
    shutil.rmtree(mirror.folder)
    with pytest.raises(ImageError, match=r"linux-image-arm64: .* none \(apt-get update.*failed"):
        ensure_image(build_dir=build)


def test_altered_package_is_refused_and_not_kept(mirror: Mirror, build: Path) -> None:
    deb = mirror.folder / "busybox-static_arm64.deb"
    deb.write_bytes(deb.read_bytes()[:-1] + b"!")
    with pytest.raises(ImageError, match=r"busybox-static.*Hash Sum mismatch"):
        ensure_image(build_dir=build)
    assert [path.name for path in (build / "pi/debs").iterdir()] == [f"{KERNEL}.deb"]
    assert not (build / "pi/6.1/image.json").exists()


def test_package_is_compared_even_when_apt_let_it_pass(tmp_path: Path) -> None:
    deb = tmp_path / "a.deb"
    deb.write_bytes(b"not what was promised")
    with pytest.raises(ImageError, match=f"SHA-256 {sha256(deb)}, the archive promises 00ff"):
        check(deb, Package("a", "1", "00ff", 21))


def test_unreadable_package_is_named(tmp_path: Path) -> None:
    deb = tmp_path / "a.deb"
    deb.write_bytes(b"junk")
    with pytest.raises(ImageError, match=r"a\.deb: not a readable package"):
        read_files(deb, ["./bin/busybox"])


def test_apt_keeps_to_its_own_folder_and_runs_no_hook(mirror: Mirror, tmp_path: Path) -> None:
    state = tmp_path / "apt"
    Archive(state).update()
    assert list((state / "lists").glob("*Packages*"))
    assert not mirror.hook_ran.exists()
    command = ["apt-config", "-c", str(state / "apt.conf"), "dump"]
    dump = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    for key in ("Dir::State", "Dir::State::lists", "Dir::State::status", "Dir::Cache"):
        assert f'{key} "{state}' in dump


# The overlay.


def test_overlay_puts_files_with_their_folders(tmp_path: Path) -> None:
    (tmp_path / "hvt").write_bytes(b"tender")
    names = listed(overlay({"/opt/led/solo5-hvt": tmp_path / "hvt"})).splitlines()
    assert [(line.split()[0], line.split()[-1]) for line in names] == [
        ("drwxr-xr-x", "opt"),
        ("drwxr-xr-x", "opt/led"),
        ("-rwxr-xr-x", "opt/led/solo5-hvt"),
    ]


def test_overlay_depends_on_paths_and_contents_alone(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text("same" if name == "c" else name)
    first = overlay({"/opt/a": tmp_path / "a", "/opt/b": tmp_path / "b"})
    os.utime(tmp_path / "a", (1, 1))
    (tmp_path / "b").chmod(0o600)
    assert overlay({"/opt/b": tmp_path / "b", "/opt/a": tmp_path / "a"}) == first
    assert first[3:8] == bytes(5)  # gzip's flags and time: no name, no date
    assert overlay({"/opt/a": tmp_path / "a", "/opt/b": tmp_path / "c"}) != first


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("opt/a", "must be absolute"),
        ("/opt/../etc/a", "must be absolute"),
        ("/opt//a", "must be absolute"),
        ("/", "must be absolute"),
        ("/tmp/a", "mounts over /tmp"),
        ("/sys/a", "mounts over /sys"),
    ],
)
def test_overlay_refuses_paths_that_would_not_arrive(tmp_path: Path, target: str, why: str) -> None:
    (tmp_path / "a").write_text("a")
    with pytest.raises(ImageError, match=f"{target}.*{why}"):
        overlay({target: tmp_path / "a"})


def test_overlay_refuses_a_file_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    with pytest.raises(ImageError, match="'/opt/a': is a file and a folder"):
        overlay({"/opt/a": tmp_path / "a", "/opt/a/b": tmp_path / "a"})


def test_overlay_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"nothing, to be put at /opt/a: No such file"):
        overlay({"/opt/a": tmp_path / "nothing"})


# The network.


def network_packages() -> dict[str, dict[str, bytes]]:
    """Package -> files, as Debian has them."""
    library = "lib/aarch64-linux-gnu"
    names = [
        "usb-common",
        "usbcore",
        "roles",
        "udc-core",
        "phy-generic",
        "dwc2",
        "mii",
        "usbnet",
        "cdc_ether",
    ]
    modules = {f"lib/modules/6.1/kernel/drivers/{name}.ko": b"module" for name in names}
    return {
        KERNEL: KERNEL_FILES | modules,
        "dropbear-bin": {"usr/sbin/dropbear": b"dropbear", "usr/bin/dbclient": b"not wanted"},
        "openssh-sftp-server": {"usr/lib/openssh/sftp-server": b"sftp"},
        "libc6": {f"{library}/libc.so.6": b"libc", f"{library}/ld-linux-aarch64.so.1": b"loader"},
        "libcrypt1": {f"{library}/libcrypt.so.1.1.0": b"crypt"},
        "libtomcrypt1": {f"usr/{library}/libtomcrypt.so.1.0.1": b"tomcrypt"},
        "libtommath1": {f"usr/{library}/libtommath.so.1.2.0": b"tommath"},
        "libgmp10": {f"usr/{library}/libgmp.so.10.4.1": b"gmp"},
        "zlib1g": {f"{library}/libz.so.1.2.13": b"z"},
    }


def with_network(mirror: Mirror, packages: dict[str, dict[str, bytes]]) -> None:
    mirror.add("linux-image-arm64", {}, depends=f"{KERNEL} (= 1:2-3)")
    mirror.add("busybox-static", {"bin/busybox": b"busybox"})
    for name, files in packages.items():
        mirror.add(name, files)


def test_the_network_brings_drivers_an_ssh_server_and_what_it_needs(
    empty_mirror: Mirror, build: Path
) -> None:
    with_network(empty_mirror, network_packages())
    archive = ensure_network("6.1", build).read_bytes()
    files = set(re.findall(r"^-rwxr-xr-x.* (\S+)$", listed(archive), re.MULTILINE))
    libraries = ("libc.so.6", "libcrypt.so.1", "libtomcrypt.so.1", "libgmp.so.10", "libz.so.1")
    assert files >= {f"lib/aarch64-linux-gnu/{name}" for name in libraries}
    assert files >= {"lib/modules/dwc2.ko", "usr/lib/sftp-server", "etc/network-up"}
    assert "usr/bin/dbclient" not in files
    assert b"module" in gzip.decompress(archive)


def test_packed_modules_are_unpacked(empty_mirror: Mirror, build: Path) -> None:
    packages = network_packages()
    files = packages[KERNEL]
    for name in [name for name in files if name.endswith(".ko")]:
        files[f"{name}.xz"] = lzma.compress(files.pop(name))
    with_network(empty_mirror, packages)
    assert b"module" in gzip.decompress(ensure_network("6.1", build).read_bytes())


@pytest.mark.parametrize("name", ["libgmp10", "dropbear-bin"])
def test_a_package_that_lacks_what_the_network_needs_is_refused(
    empty_mirror: Mirror, build: Path, name: str
) -> None:
    with_network(empty_mirror, network_packages() | {name: {"other": b""}})
    with pytest.raises(ImageError, match="packages lack files of the network: "):
        ensure_network("6.1", build)
