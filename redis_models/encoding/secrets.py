"""Secrets: which types hold one, and what an error may say of a value. Pure.

A type holds a secret where pydantic's ``SecretStr``, ``SecretBytes`` or ``Secret`` is part of it, at any depth, or a
model, dataclass or TypedDict that says ``hide_input_in_errors``. Asked only where something went wrong.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, cast, get_args

from pydantic import Secret, SecretBytes, SecretStr, ValidationError
from pydantic_core import core_schema

__all__ = [
    "MASK",
    "NOT_A_MEMBER",
    "SECRETS",
    "Complaint",
    "complaints",
    "first_complaint",
    "holds_secret",
    "is_tagged_secret",
    "mask_if_secret",
    "reason_of",
    "schema_nodes",
]


# Pydantic's names for a value that an enum or a Literal does not have; what is said of it quotes it.
NOT_A_MEMBER: Final = frozenset(["enum", "literal_error"])

_MOST: Final = 200  # characters


class Complaint(NamedTuple):
    """The first thing that pydantic found wrong.

    Attributes:
        place: Where: names and numbers.
        text: What.
        kind: Pydantic's name for it.
    """

    place: tuple[int | str, ...]
    text: str
    kind: str


def first_complaint(exc: ValidationError) -> Complaint:
    """Give what is wrong in the first place."""
    return next(complaints(exc))


def complaints(exc: ValidationError) -> Iterator[Complaint]:
    """Give all that is wrong; pydantic fails to say it where half a surrogate pair is in the value."""
    try:
        found = exc.errors(include_url=False)
    except UnicodeError:
        yield Complaint((), "Input contains half a surrogate pair", "string_unicode")
        return
    for error in found:
        expected = error.get("ctx", {}).get("expected") if error["type"] in NOT_A_MEMBER else None
        text = error["msg"] if expected is None else f"{error['input']!r:.60} is none of {_shortened(expected)}"
        yield Complaint(error["loc"], text, error["type"])


def _shortened(members: str) -> str:
    """Give members as they fit into a line: an enum of fifty does not."""
    return members if len(members) <= _MOST else f"{members[: _MOST - 3]}..."


MASK: Final = "**********"  # what pydantic writes for a secret
SECRETS: Final = (Secret, SecretBytes, SecretStr)
# Messages of these quote what was given, or are the application's own, which may.
_QUOTING: Final = NOT_A_MEMBER | frozenset(
    {"assertion_error", "get_attribute_error", "iteration_error", "mapping_type", "union_tag_invalid", "value_error"}
)
_TAGGED: Final = b'"Secret'  # in tagged JSON, whatever the type of the field


def holds_secret(schema: object) -> bool:
    """Whether values of a type may be secret, or hold something that is.

    Args:
        schema: Pydantic's core schema of the type.
    """
    return any(_is_secret(node) for node in schema_nodes(schema))


def is_tagged_secret(raw: bytes) -> bool:
    """Whether stored bytes say themselves that a secret is in them, as those of a field of type ``Any`` may."""
    return raw.startswith(b"~") and _TAGGED in raw


def mask_if_secret(value: object, is_secret: bool) -> object:
    """Give a value for an error: itself, or asterisks."""
    if not is_secret or value is None:
        return value
    return MASK.encode() if isinstance(value, bytes) else MASK


def reason_of(exc: Exception, *, is_secret: bool) -> str:
    """Give the one line of an error that matters, without the value where that is secret."""
    if isinstance(exc, ValidationError):
        first = first_complaint(exc)
        is_said = is_secret and (first.kind in _QUOTING or _is_own(first.kind))
        return f"its type refuses it ({first.kind})" if is_said else first.text
    if is_secret:
        return f"its type refuses it ({type(exc).__name__})"
    return str(exc) or type(exc).__name__


def _is_own(kind: str) -> bool:
    """Whether a type of error is the application's, made by ``PydanticCustomError``."""
    return kind not in get_args(core_schema.ErrorType)


def _is_secret(node: Mapping[str, Any]) -> bool:
    cls, function = node.get("cls"), node.get("function")
    if isinstance(function, Mapping):
        function = cast("Mapping[str, object]", function).get("function")
    if any(isinstance(part, type) and issubclass(part, SECRETS) for part in (cls, function)):
        return True
    # Of a Secret[T] its class is not there, but functions of pydantic's that serialize and make it are.
    is_pydantics = getattr(function, "__module__", "") == Secret.__module__
    if is_pydantics and "secret" in getattr(function, "__qualname__", "").lower():
        return True
    config = node.get("config")
    return isinstance(config, Mapping) and bool(cast("Mapping[str, object]", config).get("hide_input_in_errors"))


def schema_nodes(schema: object) -> Iterator[Mapping[str, Any]]:
    """Give every dict in a core schema once; a type that holds itself is a name in it."""
    left, seen = [schema], set[int]()
    while left:
        node = left.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, dict):
            yield cast("dict[str, Any]", node)
            left += cast("dict[str, object]", node).values()
        elif isinstance(node, (list, tuple)):
            left += cast("list[object]", node)
