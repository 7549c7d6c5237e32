"""YAML files of facts that people write: read whole, checked against a Pydantic model.

Whatever is unknown, missing, twice or inconsistent is refused with file, line, key and
what is allowed, one line per fault.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from rig.errors import RigError


class Facts(BaseModel):
    """Base of everything that such a file may hold: nothing unknown, nothing changed later."""

    # The docstrings of the keys go into the schema that editors read.
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class FactsFile(Facts):
    """Base of what one whole file says."""

    file: Path = Field(default=Path(), exclude=True)
    """The file this came from."""
    sha256: str = Field(default="", exclude=True)
    """Of that file."""


Model = TypeVar("Model", bound=FactsFile)


def read_facts_file(path: Path, model: type[Model], refusal: type[RigError]) -> Model:
    """Read `path` as a `model`.

    Raises `refusal` if the file cannot be read or breaks a rule of the model.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise refusal(f"{path}: {error.strerror}; {_files_nearby(path)}") from error
    document, node = _parse(path, data, model, refusal)
    _refuse_reserved(path, document, node, model, refusal)
    _refuse_doubles(path, node, refusal)
    origin = {"file": path, "sha256": hashlib.sha256(data).hexdigest()}
    try:
        return model.model_validate({**document, **origin})
    except ValidationError as error:
        faults = [_explain(path, node, model, fault) for fault in error.errors()]
        raise refusal("\n".join(faults)) from error


def _files_nearby(path: Path) -> str:
    there = sorted(str(p) for p in path.parent.glob("*.yaml"))
    return f"there are: {', '.join(there)}" if there else f"{path.parent} has no .yaml files"


def _parse(
    path: Path, data: bytes, model: type[BaseModel], refusal: type[RigError]
) -> tuple[dict[str, Any], yaml.Node | None]:
    """The document, and the same as nodes that know their lines."""
    try:
        document, node = yaml.safe_load(data), yaml.compose(data)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: no such date
        raise refusal(f"{path}{_yaml_fault(error)}") from error
    if not isinstance(document, dict):
        raise refusal(f"{path}:1: must be a mapping with the keys {_keys(model)}")
    return document, node


def _yaml_fault(error: Exception) -> str:
    """PyYAML's errors take several lines and call the file a byte string."""
    mark = getattr(error, "problem_mark", None)
    line = f":{mark.line + 1}" if mark else ""
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{line}: not YAML: {problem}"


def _refuse_reserved(
    path: Path,
    document: dict[str, Any],
    node: yaml.Node | None,
    model: type[BaseModel],
    refusal: type[RigError],
) -> None:
    """`file` and `sha256` are the reader's own, not the writer's to set."""
    for key in document.keys() & FactsFile.model_fields.keys():
        line = _line_of(node, [key])
        raise refusal(f"{path}:{line}: {key}: unknown key; allowed: {_keys(model)}")


def _refuse_doubles(
    path: Path, node: yaml.Node | None, refusal: type[RigError], above: Sequence[yaml.Node] = ()
) -> None:
    """YAML itself lets a second key of the same name win silently, and a node hold itself."""
    if node is None or node in above or isinstance(node, yaml.ScalarNode):
        return
    seen: set[str] = set()
    for item in node.value:
        key, value = item if isinstance(node, yaml.MappingNode) else (None, item)
        if key is not None and key.value in seen:
            line = key.start_mark.line + 1
            raise refusal(f"{path}:{line}: {key.value}: this key stands here twice")
        if key is not None and isinstance(key.value, str):
            seen.add(key.value)
        _refuse_doubles(path, value, refusal, (*above, node))


def _explain(path: Path, node: yaml.Node | None, root: type[BaseModel], fault: ErrorDetails) -> str:
    where, model = _resolve(root, fault["loc"])
    line = _line_of(node, where)
    place = [f"{path}:{line}", *([".".join(where)] if where else []), _what(fault, model)]
    return ": ".join(place)


def _resolve(model: type[BaseModel], loc: Sequence[int | str]) -> tuple[list[str], type[BaseModel]]:
    """The keys that lead to a fault, and the innermost model on the way.

    Pydantic's own path names the member of a union, too, and `[key]` for a key itself.
    """
    where: list[str] = []
    members: list[type[BaseModel]] = []
    for part in map(str, loc):
        if part == "[key]":
            continue
        if chosen := next((m for m in members if _tag(m) == part), None):
            model, members = chosen, []
            continue
        where.append(part)
        info = model.model_fields.get(part)
        members = models_in(info.annotation) if info else []
        if len(members) == 1:
            model, members = members[0], []
    return where, model


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """Every model that an annotation mentions: itself, or members of a union or container."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]


def _tag(model: type[BaseModel]) -> str | None:
    """What the key `kind` must be for this member of a union."""
    info = model.model_fields.get("kind")
    return next(iter(get_args(info.annotation)), None) if info else None


def _what(fault: ErrorDetails, model: type[BaseModel]) -> str:
    match fault["type"]:
        case "extra_forbidden":
            return f"unknown key; allowed: {_keys(model)}"
        case "missing":
            return "this key is missing"
        case "model_type":
            return f"must be a mapping with the keys {_keys(model)}"
        case "invalid_key":
            return "a key must be a word; YAML reads on, off, yes and no as true and false"
        case "value_error":
            return str(fault["ctx"]["error"])
        case "union_tag_invalid":
            return f"kind {fault['ctx']['tag']!r} is unknown; allowed: " + _plain(fault)
        case "model_attributes_type":
            return "must be a mapping with the key kind"
        case "union_tag_not_found":
            return "the key kind is missing"
    return f"{fault['msg']}, not {fault['input']!r}"


def _plain(fault: ErrorDetails) -> str:
    return str(fault["ctx"]["expected_tags"]).replace("'", "")


def _keys(model: type[BaseModel]) -> str:
    return ", ".join(name for name, info in model.model_fields.items() if not info.exclude)


def _line_of(node: yaml.Node | None, where: Sequence[str]) -> int:
    """Line of the deepest part of `where` that the file has."""
    line = 1
    for part in where:
        key, node = _child(node, part)
        if node is None:
            break
        line = (key or node).start_mark.line + 1
    return line


def _child(node: yaml.Node | None, part: str) -> tuple[yaml.Node | None, yaml.Node | None]:
    """Key and value under this key, or the item with this number; None if there is none."""
    if isinstance(node, yaml.MappingNode):
        return next(((k, v) for k, v in node.value if k.value == part), (None, None))
    if isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
        return None, node.value[int(part)]
    return None, None
