"""Shortcuts: functions that encode and decode most values without running Python code. Pure.

A shortcut gives what the codec gives, or raises ``KeyError``, ``TypeError`` or ``ValueError``; then the caller asks the
codec itself. A record of ten fields needs ten such calls, so their cost counts tenfold.
"""

from collections.abc import Callable
from functools import partial
from typing import Final, cast

from .codec import FieldCodec

__all__ = ["reader_of", "writer_of"]

_BOOLS: Final = {b"true": True, b"false": False}
_OPTIONAL_BOOLS: Final = {**_BOOLS, b"null": None, b"None": None}
_NUMBERS: Final[dict[str, Callable[[bytes], object]]] = {"int": int, "float": float}
# The writers of these types write every value; those of other types give None for a value that needs tagged JSON.
_WHOLE: Final[frozenset[type | None]] = frozenset({int, float, bool})


def writer_of(codec: FieldCodec) -> Callable[[object], bytes]:
    """Give the function that encodes values: a shortcut, or the codec's own ``encode``."""
    if codec.is_optional:
        return codec.encode
    if codec.kind == "str":
        return _as_writer(str.encode)  # ValueError for an unpaired surrogate, TypeError for anything but text
    if codec._write is not None and codec._plain in _WHOLE:
        return _as_writer(codec._write)
    return codec.encode


def reader_of(codec: FieldCodec) -> Callable[[bytes], object]:
    """Give the function that decodes stored bytes: a shortcut, or the codec's own ``decode``."""
    if codec.kind == "str":
        return codec._decode_text if codec.is_optional else bytes.decode
    if codec.kind in _NUMBERS:
        return codec.decode if codec.is_optional else _NUMBERS[codec.kind]
    if codec._hooks.object_hook is not None:
        return codec.decode
    if codec._plain is bool:
        return (_OPTIONAL_BOOLS if codec.is_optional else _BOOLS).__getitem__
    if codec.is_optional or not codec._limits.is_plain_safe:
        return codec.decode
    # Tagged JSON begins with a tilde, which is not JSON, so this raises ValueError.
    return partial(codec._adapter.validator.validate_json, strict=False, by_alias=False, by_name=True)


def _as_writer(write: Callable[..., bytes | None]) -> Callable[[object], bytes]:
    return cast("Callable[[object], bytes]", write)  # the writers of these types never give None
