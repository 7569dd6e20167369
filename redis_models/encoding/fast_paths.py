"""Shortcuts: what encodes and decodes most values of most codecs without a call into Python. Pure.

A shortcut gives what the codec gives, or raises ``KeyError``, ``TypeError`` or ``ValueError``, also where the codec
would not: then the codec itself is asked. Ten fields a record are read and written, so that each call counts tenfold.
"""

from collections.abc import Callable
from functools import partial
from typing import Final, cast

from .codec import FieldCodec

__all__ = ["reader_of", "writer_of"]

_BOOLS: Final = {b"true": True, b"false": False}
_OPTIONAL_BOOLS: Final = {**_BOOLS, b"null": None, b"None": None}
_NUMBERS: Final[dict[str, Callable[[bytes], object]]] = {"int": int, "float": float}
# Whose writers write every value; those of other types leave some to tagged JSON, and say so by None.
_WHOLE: Final[frozenset[type | None]] = frozenset({int, float, bool})


def writer_of(codec: FieldCodec) -> Callable[[object], bytes]:
    """Give what encodes values; without a shortcut it is the codec's own ``encode``."""
    if codec.is_optional:
        return codec.encode
    if codec.kind == "str":
        return _as_writer(str.encode)  # half a surrogate pair is a ValueError to it, anything but text a TypeError
    if codec._write is not None and codec._plain in _WHOLE:
        return _as_writer(codec._write)
    return codec.encode


def reader_of(codec: FieldCodec) -> Callable[[bytes], object]:
    """Give what decodes stored bytes; without a shortcut it is the codec's own ``decode``."""
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
    # No JSON begins as tagged JSON does.
    return partial(codec._adapter.validator.validate_json, strict=False, by_alias=False, by_name=True)


def _as_writer(write: Callable[..., bytes | None]) -> Callable[[object], bytes]:
    return cast("Callable[[object], bytes]", write)  # None stands for what only other types have
