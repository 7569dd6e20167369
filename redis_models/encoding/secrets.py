"""Secrets: which types hold one, and what an error may show of a value. Pure.

A type holds a secret if pydantic's ``SecretStr``, ``SecretBytes`` or ``Secret`` is part of it, at any depth, or a
model, dataclass or TypedDict with ``hide_input_in_errors``. This is computed only after an error.
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


# Pydantic's error types for a value that an enum or a Literal does not have; the messages quote the value.
NOT_A_MEMBER: Final = frozenset(["enum", "literal_error"])

_MOST: Final = 200  # characters


class Complaint(NamedTuple):
    """One error that pydantic found.

    Attributes:
        place: Where it is: names of fields, and positions.
        text: The message.
        kind: Pydantic's type of the error.
    """

    place: tuple[int | str, ...]
    text: str
    kind: str


def first_complaint(exc: ValidationError) -> Complaint:
    """Give the first error that pydantic found."""
    return next(complaints(exc))


def complaints(exc: ValidationError) -> Iterator[Complaint]:
    """Give all errors that pydantic found. It cannot list them if the value contains an unpaired surrogate."""
    try:
        errors = exc.errors(include_url=False)
    except UnicodeError:
        yield Complaint((), "Input contains an unpaired surrogate", "string_unicode")
        return
    for error in errors:
        expected = error.get("ctx", {}).get("expected") if error["type"] in NOT_A_MEMBER else None
        text = error["msg"] if expected is None else f"{error['input']!r:.60} is not one of {_shortened(expected)}"
        yield Complaint(error["loc"], text, error["type"])


def _shortened(members: str) -> str:
    """Shorten a list of members: the fifty members of an enum do not fit into a line."""
    return members if len(members) <= _MOST else f"{members[: _MOST - 3]}..."


MASK: Final = "**********"  # what pydantic writes for a secret
SECRETS: Final = (Secret, SecretBytes, SecretStr)
# Messages of these types quote the input, or come from the application and may quote it.
_QUOTING: Final = NOT_A_MEMBER | frozenset(
    {"assertion_error", "get_attribute_error", "iteration_error", "mapping_type", "union_tag_invalid", "value_error"}
)
_TAGGED: Final = b'"Secret'  # in tagged JSON, whatever the type of the field


def holds_secret(schema: object) -> bool:
    """Whether values of a type may be secrets, or contain one.

    Args:
        schema: Pydantic's core schema of the type.
    """
    return any(_is_secret(node) for node in schema_nodes(schema))


def is_tagged_secret(raw: bytes) -> bool:
    """Whether stored bytes have the tag of a secret, which a field of any type, such as ``Any``, may contain."""
    return raw.startswith(b"~") and _TAGGED in raw


def mask_if_secret(value: object, is_secret: bool) -> object:
    """Give the value to show in an error: the value itself, or asterisks."""
    if not is_secret or value is None:
        return value
    return MASK.encode() if isinstance(value, bytes) else MASK


def reason_of(exc: Exception, *, is_secret: bool) -> str:
    """Give the one line of an error that matters, without the value if that is secret."""
    if isinstance(exc, ValidationError):
        first = first_complaint(exc)
        hides_text = is_secret and (first.kind in _QUOTING or _is_own(first.kind))
        return f"its type refuses it ({first.kind})" if hides_text else first.text
    if is_secret:
        return f"its type refuses it ({type(exc).__name__})"
    return str(exc) or type(exc).__name__


def _is_own(kind: str) -> bool:
    """Whether an error type is the application's own, made with ``PydanticCustomError``."""
    return kind not in get_args(core_schema.ErrorType)


def _is_secret(node: Mapping[str, Any]) -> bool:
    cls, function = node.get("cls"), node.get("function")
    if isinstance(function, Mapping):
        function = cast("Mapping[str, object]", function).get("function")
    if any(isinstance(part, type) and issubclass(part, SECRETS) for part in (cls, function)):
        return True
    # The schema of a Secret[T] does not name its class, but pydantic's functions that serialize and validate it.
    is_pydantics = getattr(function, "__module__", "") == Secret.__module__
    if is_pydantics and "secret" in getattr(function, "__qualname__", "").lower():
        return True
    config = node.get("config")
    return isinstance(config, Mapping) and bool(cast("Mapping[str, object]", config).get("hide_input_in_errors"))


def schema_nodes(schema: object) -> Iterator[Mapping[str, Any]]:
    """Give every dict of a core schema once. A recursive type is a reference by name there."""
    remaining, seen = [schema], set[int]()
    while remaining:
        node = remaining.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, dict):
            yield cast("dict[str, Any]", node)
            remaining += cast("dict[str, object]", node).values()
        elif isinstance(node, (list, tuple)):
            remaining += cast("list[object]", node)
