"""A bench file: passive facts about one target, its observer and its wiring.

The whole file is validated before anything is touched. Whatever is unknown,
missing or inconsistent is refused with file, line, key and what is allowed.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from rig.errors import BenchFileError

LINES_OF_PI = 54
"""GPIO lines of the BCM2835 to BCM2837, numbered from 0 (BCM2835 ARM Peripherals, 6.1)."""

Line = Annotated[int, Field(strict=True, ge=0, lt=LINES_OF_PI)]
Milliseconds = Annotated[int, Field(strict=True, gt=0)]
Seconds = Annotated[int, Field(strict=True, gt=0)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VirtualPi(_Facts):
    """A Raspberry Pi 3 in QEMU with Debian's own kernel."""

    kind: Literal["virtual-pi"]
    kernel: Literal["6.1"] = "6.1"
    """Series of Debian's kernel to boot."""
    kernel_arguments: tuple[str, ...] = ()
    """Words to append to the kernel's command line."""
    user: str = "root"
    boot_timeout_s: Seconds = 120


class QemuObserver(_Facts):
    """QEMU's own view of the virtual Pi's pins."""

    kind: Literal["qemu"]


class Limits(_Facts):
    """What this bench can hold; a faster bench has tighter ones."""

    tolerance_ms: Milliseconds
    """Largest deviation of one on-time, off-time or period."""
    stall_ms: Milliseconds
    """A bench that did not run for longer than this cannot judge timing."""
    run_timeout_s: Seconds = 60
    """How much longer than its blinking one run may take."""

    @model_validator(mode="after")
    def _stall_below_tolerance(self) -> "Limits":
        if self.stall_ms >= self.tolerance_ms:
            raise ValueError(
                f"stall_ms ({self.stall_ms}) must be smaller than "
                f"tolerance_ms ({self.tolerance_ms})"
            )
        return self


class Bench(_Facts):
    """One target with its observer and wiring."""

    name: Name
    target: VirtualPi
    observer: QemuObserver
    lines: Annotated[dict[Name, Line], Field(min_length=1)]
    """Name in suites and captures -> GPIO line of the target."""
    images: Annotated[dict[Name, Path], Field(min_length=1)]
    """Name in suites -> file to deploy, relative to the bench file."""
    limits: Limits
    file: Path = Field(default=Path(), exclude=True)
    """The file this came from."""
    sha256: str = Field(default="", exclude=True)
    """Of that file."""

    @field_validator("lines")
    @classmethod
    def _one_name_each(cls, lines: dict[str, int]) -> dict[str, int]:
        numbers = list(lines.values())
        twice = sorted({n for n in numbers if numbers.count(n) > 1})
        if twice:
            raise ValueError(f"GPIO line {', '.join(map(str, twice))} has two names")
        for name, number in lines.items():
            if (other := re.fullmatch(r"gpio(\d+)", name)) and int(other[1]) != number:
                raise ValueError(f"{name!r} is the name of another line than {number}")
        return lines

    def line_names(self) -> tuple[str, ...]:
        """Every line of the target in order: its name here, or `gpioN`."""
        names = {number: name for name, number in self.lines.items()}
        return tuple(names.get(n, f"gpio{n}") for n in range(LINES_OF_PI))

    def image(self, name: str) -> Path:
        """The file of an image.

        Raises `BenchFileError` if the bench has no such image.
        """
        if name not in self.images:
            known = ", ".join(sorted(self.images))
            raise BenchFileError(f"{self.file}: images: there is no {name!r}; there are: {known}")
        return self.file.parent / self.images[name]


def load_bench(path: Path) -> Bench:
    """Read and validate a bench file.

    Raises `BenchFileError`, one line per fault: file, line, key, what is allowed.
    """
    data = _read(path)
    document, node = _parse(path, data)
    _refuse_reserved(path, node, document)
    _refuse_doubles(path, node)
    origin = {"file": path, "sha256": hashlib.sha256(data).hexdigest()}
    try:
        return Bench.model_validate({**document, **origin})
    except ValidationError as error:
        faults = [_explain(path, node, fault) for fault in error.errors()]
        raise BenchFileError("\n".join(faults)) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BenchFileError(f"{path}: {error.strerror}; {_benches_nearby(path)}") from error


def _benches_nearby(path: Path) -> str:
    there = sorted(str(p) for p in path.parent.glob("*.yaml"))
    return f"there are: {', '.join(there)}" if there else f"{path.parent} has no bench files"


def _parse(path: Path, data: bytes) -> tuple[dict[str, Any], yaml.Node | None]:
    """The document, and the same as nodes that know their lines."""
    try:
        document, node = yaml.safe_load(data), yaml.compose(data)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that is none
        raise BenchFileError(f"{path}{_yaml_fault(error)}") from error
    if not isinstance(document, dict):
        raise BenchFileError(f"{path}:1: must be a mapping with the keys {_keys(Bench)}")
    return document, node


def _yaml_fault(error: Exception) -> str:
    """PyYAML's errors take several lines and call the file a byte string."""
    mark = getattr(error, "problem_mark", None)
    line = f":{mark.line + 1}" if mark else ""
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{line}: not YAML: {problem}"


def _refuse_reserved(path: Path, node: yaml.Node | None, document: dict[str, Any]) -> None:
    """`file` and `sha256` are the rig's own, not the writer's to set."""
    for key in ("file", "sha256"):
        if key in document:
            line = _line_of(node, [key])
            raise BenchFileError(f"{path}:{line}: {key}: unknown key; allowed: {_keys(Bench)}")


def _refuse_doubles(path: Path, node: yaml.Node | None, above: Sequence[yaml.Node] = ()) -> None:
    """YAML itself lets a second key of the same name win silently, and a node hold itself."""
    if not isinstance(node, yaml.MappingNode) or node in above:
        return
    seen: set[str] = set()
    for key, value in node.value:
        if key.value in seen:
            line = key.start_mark.line + 1
            raise BenchFileError(f"{path}:{line}: {key.value}: this key stands here twice")
        seen.add(key.value)
        _refuse_doubles(path, value, (*above, node))


def _explain(path: Path, node: yaml.Node | None, fault: ErrorDetails) -> str:
    where = [str(part) for part in fault["loc"] if part != "[key]"]
    line = _line_of(node, where)
    return f"{path}:{line}: {'.'.join(where)}: {_what(fault, where)}"


def _what(fault: ErrorDetails, where: Sequence[str]) -> str:
    if fault["type"] == "extra_forbidden":
        return f"unknown key; allowed: {_keys(_model_at(where[:-1]))}"
    if fault["type"] == "missing":
        return "this key is missing"
    if fault["type"] == "model_type":
        return f"must be a mapping with the keys {_keys(_model_at(where))}"
    if fault["type"] == "value_error":
        return str(fault["ctx"]["error"])
    return f"{fault['msg']}, not {fault['input']!r}"


def _model_at(where: Sequence[str]) -> type[BaseModel]:
    model: type[BaseModel] = Bench
    for part in where:
        inner = model.model_fields[part].annotation if part in model.model_fields else None
        candidates = [inner, *get_args(inner)]
        model = next(
            (c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), model
        )
    return model


def _keys(model: type[BaseModel]) -> str:
    return ", ".join(name for name, info in model.model_fields.items() if not info.exclude)


def _line_of(node: yaml.Node | None, where: Sequence[str]) -> int:
    """Line of the deepest part of `where` that the file has."""
    line = 1
    for part in where:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        found = next(((k, v) for k, v in pairs if k.value == part), None)
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line
