"""Members: whether a stored value is none of those that an enum or a Literal has. Pure."""

import re
from collections.abc import Callable
from typing import Final

from pydantic import ValidationError

from redis_models.encoding.complaints import NOT_A_MEMBER, complaints
from redis_models.encoding.limits import UNREADABLE

from ..schema.snapshot import FieldSchema

__all__ = ["stranger_in"]

_QUOTED: Final = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_NUMBERED: Final = re.compile(r"\bEnum\(|\bLiteral\[")


def stranger_in(field: FieldSchema) -> Callable[[bytes], str | None] | None:
    """Give what says of bytes which value in them is no member, and of what; None where a type has no such place."""
    if not _NUMBERED.search(_QUOTED.sub("", field.type)):
        return None

    def stranger(raw: bytes) -> str | None:
        try:
            field.codec.decode(raw)
        except ValidationError as exc:
            return next((one.text for one in complaints(exc) if one.kind in NOT_A_MEMBER), None)
        except (*UNREADABLE, ValueError):
            pass  # nothing that was written as it
        return None

    return stranger
