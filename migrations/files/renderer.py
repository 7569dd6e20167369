"""The renderer: writes operations as the text of a migration file, formatted as ruff does. Pure and deterministic."""

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Final, cast

import jinja2

from redis_models.errors import MigrationError

from ..chain.replaces import Replaced
from ..edits.converters import AttachTimezone, Converter, FillNone, MapValues
from ..operations import (
    AddField,
    AlterExtras,
    AlterField,
    AlterKeys,
    AlterTTL,
    CreateModel,
    DeleteModel,
    FlattenField,
    MergeFields,
    MoveModel,
    NestFields,
    Operation,
    RemoveField,
    RenameField,
    RenameModel,
    SplitField,
)
from ..operations.function_stubs import FunctionStub, stub_of

__all__ = ["render", "render_operations", "render_reasons", "suggest_name"]

_WIDTH: Final = 88  # the default of ruff and black; wider settings do not change the result
_INDENT: Final = "    "
_NAME_LENGTH: Final = 52  # as in Django
_MORE: Final = "_and_more"
# Arguments that are written without their names.
_POSITIONAL: Final = ("model", "name", "old", "new", "type")
_ENVIRONMENT: Final = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parents[1] / "templates"),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)


@dataclass(frozen=True)
class _Code:
    """A piece of Python code among literals."""

    text: str


@dataclass(frozen=True)
class _Call:
    """A call with its arguments, which may be broken into lines."""

    name: str
    arguments: tuple[tuple[str, object], ...]


def render(
    id: str,
    previous: str | None,
    versions: Mapping[str, int],
    operations: Sequence[Operation],
    *,
    replaces: Sequence[Replaced] = (),
    allow: Mapping[str, str] = MappingProxyType({}),
    preamble: str = "",
    known: Container[str] = (),
) -> str:
    """Return the text of a migration file.

    Args:
        id: Id of the migration.
        previous: Id of the migration before, or None.
        versions: Versions of models afterwards.
        operations: In the order in which they apply. Functions must be stubs or known.
        replaces: The migrations that it replaces.
        allow: Reasons to allow what safety rules would refuse.
        preamble: Code before the class.
        known: Names of functions in ``preamble``.

    Raises:
        MigrationError: An operation has another function, whose text is not known.
    """
    return _ENVIRONMENT.get_template("migration.py.j2").render(
        functions=list(_functions(operations).values()),
        id=_literal(id),
        previous=_literal(previous),
        versions=_laid_out(dict(sorted(versions.items())), _INDENT, "versions = "),
        operations=_list_of([_call_of(operation, known) for operation in operations]),
        replaces=_laid_out([replaced.written for replaced in replaces], _INDENT, "replaces = ") if replaces else "",
        allow=render_reasons(allow) if allow else "",
        preamble=preamble,
    )


def render_operations(operations: Sequence[Operation]) -> list[str]:
    """Return the lines of operations in the list of a file, with commas."""
    inner = _INDENT * 2
    return [f"{inner}{_laid_out(_call_of(operation, ()), inner)}," for operation in operations]


def render_reasons(allow: Mapping[str, str]) -> str:
    """Return the Python code of ``allow``."""
    return _laid_out(dict(sorted(allow.items())), _INDENT, "allow = ")


def suggest_name(operations: Sequence[Operation], versions: Mapping[str, int], *, is_first: bool) -> str:
    """Suggest the name of a file without its number: lower case, at most 52 characters."""
    if is_first and operations and all(isinstance(operation, CreateModel) for operation in operations):
        return "initial"
    parts = [_fragment(operation) for operation in operations]
    if not parts:
        parts = [f"{model}_version_{version}" for model, version in sorted(versions.items())] or ["empty"]
    clean = [re.sub(r"\W+", "_", part).strip("_").lower() for part in parts]
    return _joined([part for part in clean if part])


def _joined(parts: Sequence[str]) -> str:
    for count in range(len(parts), 0, -1):
        name = "_".join(parts[:count]) + (_MORE if count < len(parts) else "")
        if len(name) <= _NAME_LENGTH:
            return name
    return parts[0][:_NAME_LENGTH].rstrip("_")


def _fragment(operation: Operation) -> str:
    match operation:
        case CreateModel(model):
            return model
        case DeleteModel(model):
            return f"delete_{model}"
        case AddField(_, name):
            return name
        case RemoveField(_, name):
            return f"remove_{name}"
        case RenameField(_, old):
            return f"rename_{old}"
        case AlterField(_, name):
            return f"alter_{name}"
        case SplitField(_, name):
            return f"split_{name}"
        case FlattenField(_, name):
            return f"flatten_{name}"
        case MergeFields(into=into):
            return f"merge_{into}"
        case NestFields(into=into):
            return f"nest_{into}"
        case RenameModel(model):
            return f"rename_{model}"
        case MoveModel(model):
            return f"move_{model}"
        case AlterKeys(model):
            return f"alter_keys_{model}"
        case AlterExtras(model):
            return f"alter_extras_{model}"
        case AlterTTL(model):
            return f"alter_ttl_{model}"
        case _:
            return f"{type(operation).__name__}_{operation.model}"


def _functions(operations: Sequence[Operation]) -> dict[str, dict[str, str]]:
    """Return the arguments of the template for each stub, by the name of the function."""
    found: dict[str, dict[str, str]] = {}
    for operation in operations:
        for field in fields(operation):
            value: object = getattr(operation, field.name)
            if isinstance(value, FunctionStub):
                found.setdefault(value.name, _function(operation, field.name, value.name))
    return found


def _function(operation: Operation, argument: str, name: str) -> dict[str, str]:
    stub = stub_of(operation, argument)
    task = stub.task.replace("\\", "\\\\").replace('"', '\\"')
    opening, closing = f"def {name}(", f") -> {stub.returns}:"
    line = f"{opening}{', '.join(stub.parameters)}{closing}"
    heading = line if len(line) <= _WIDTH else _broken(opening, stub.parameters, closing, "")
    # Written into the file: the function raises until the user has written it.
    refusal = f'raise NotImplementedError("write {name}() first")'
    if len(_INDENT) + len(refusal) > _WIDTH:
        refusal = 'raise NotImplementedError("write this function first")'
    return {"heading": heading, "task": task, "refusal": refusal}


def _call_of(operation: Operation, known: Container[str]) -> _Call:
    arguments: list[tuple[str, object]] = []
    is_named = False  # arguments after a named one are named too
    for field in fields(operation):
        value: object = getattr(operation, field.name)
        if field.default is not MISSING and value == field.default:
            continue
        if isinstance(value, FunctionStub):
            value = _Code(value.name)
        elif isinstance(value, Converter):
            value = _converter(value)
        elif callable(value) and getattr(value, "__name__", "") in known:
            value = _Code(str(getattr(value, "__name__", "")))
        elif callable(value):
            raise MigrationError(
                f"{operation.describe()}: a function cannot be written as text; write this migration by hand"
            )
        is_named = is_named or field.name not in _POSITIONAL or not isinstance(value, str)
        arguments.append((field.name if is_named else "", value))
    return _Call(f"migrations.{type(operation).__name__}", tuple(arguments))


def _converter(converter: Converter) -> _Call:
    arguments: list[tuple[str, object]] = []
    for field in fields(cast("AttachTimezone | FillNone | MapValues", converter)):
        value: object = getattr(converter, field.name)
        if field.init and (field.default is MISSING or value != field.default):
            arguments.append((field.name if arguments else "", value))
    return _Call(f"migrations.{type(converter).__name__}", tuple(arguments))


def _list_of(calls: Sequence[_Call]) -> str:
    if not calls:
        return "[]"
    inner = _INDENT * 2
    return "[\n" + "".join(f"{inner}{_laid_out(call, inner)},\n" for call in calls) + f"{_INDENT}]"


def _laid_out(value: object, indent: str, before: str = "") -> str:
    """Format a value: in one line if it fits after ``before`` with a comma, otherwise one item per line."""
    flat = _literal(value)
    if len(indent) + len(before) + len(flat) + 1 <= _WIDTH:
        return flat
    inner = indent + _INDENT
    if isinstance(value, _Call):
        items = [_named(name, argument, inner) for name, argument in value.arguments]
        return _broken(f"{value.name}(", items, ")", indent)
    if isinstance(value, Mapping) and value:
        pairs = cast("Mapping[object, object]", value).items()
        return _broken("{", [_paired(key, item, inner) for key, item in pairs], "}", indent)
    if isinstance(value, (list, tuple)) and value:
        return _broken("[", [_laid_out(item, inner) for item in cast("list[object]", value)], "]", indent)
    return flat


def _broken(opening: str, items: Sequence[str], closing: str, indent: str) -> str:
    return f"{opening}\n" + "".join(f"{indent}{_INDENT}{item},\n" for item in items) + f"{indent}{closing}"


def _named(name: str, value: object, indent: str) -> str:
    return f"{name}={_laid_out(value, indent, f'{name}=')}" if name else _laid_out(value, indent)


def _paired(key: object, value: object, indent: str) -> str:
    before = f"{_literal(key)}: "
    return before + _laid_out(value, indent, before)


def _literal(value: object) -> str:
    """Format a value in one line."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, _Code):
        return value.text
    if isinstance(value, _Call):
        arguments = (
            f"{name}={_literal(argument)}" if name else _literal(argument) for name, argument in value.arguments
        )
        return f"{value.name}({', '.join(arguments)})"
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return "{" + ", ".join(f"{_literal(key)}: {_literal(item)}" for key, item in pairs) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_literal(item) for item in cast("list[object]", value)) + "]"
    return repr(value).replace("e+", "e") if isinstance(value, float) else repr(value)


def _text(value: str) -> str:
    """Format text in double quotes, unless single ones need fewer backslashes, as ruff and black do."""
    quote = "'" if value.count('"') > value.count("'") else '"'
    return quote + "".join(_escaped(char, quote) for char in value) + quote


def _escaped(char: str, quote: str) -> str:
    if char in (quote, "\\"):
        return f"\\{char}"
    return char if char in "'\"" or char.isprintable() else repr(char)[1:-1]
