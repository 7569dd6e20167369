"""One stored field of a model, the stamp beside it, and which names and values may be stored. Pure."""

import re
from collections import deque
from collections.abc import ItemsView, Iterator, KeysView, Sequence, ValuesView
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from ..encoding.codec import FieldCodec
from ..encoding.raw_text import text_of
from ..errors import DecodeError

__all__ = [
    "RESERVED",
    "STAMP",
    "StoredField",
    "decode_extra",
    "extra_name_complaint",
    "holds_secret",
    "is_plain",
    "is_text",
    "stored_version",
]


STAMP: Final = "_v"


_STAMP: Final = re.compile(rb"[1-9][0-9]{0,14}")  # no 0 in front: two stamps of one version are the same bytes


_NO_STAMP: Final = (
    "the stamp must be a whole number from 1, of at most 15 digits; correct it, and the code that wrote it"
)


# Stored fields that belong to the library: the stamp, and the undo fields of migration n (_b1, _b2, ...).
RESERVED: Final = ("_v", "_b")


# Not told apart by their text (all secrets are asterisks, sets have no order), or several keys in disguise.
_NO_PRIMARY_KEYS: Final[tuple[type, ...]] = (
    list,
    dict,
    set,
    frozenset,
    bytes,
    bytearray,
    deque,
    range,
    KeysView,
    ValuesView,
    ItemsView,
    Iterator,
    BaseModel,
    Secret,
    SecretStr,
    SecretBytes,
)


def is_plain(pk: object) -> bool:
    """Whether a value can name a record: its text is its own."""
    return pk is not None and not issubclass(type(pk), _NO_PRIMARY_KEYS)


@dataclass(frozen=True)
class StoredField:
    """One field of a model as it is stored, under its Python name.

    Attributes:
        name: Name in the class and in the hash.
        codec: How its values become bytes.
        source: Codec of what the model makes its values from, where that is something else, as with ``Json`` and
            ``Base64Bytes``; validating a value once more would fail there, or spoil it.
    """

    name: str
    codec: FieldCodec
    source: FieldCodec | None = None

    def encode(self, value: object) -> bytes:
        """Give the bytes of a value, if they would be read back; ``ValueError`` or ``TypeError`` otherwise."""
        raw = self.codec.encode(value)
        if self.source is not None and not self.source.makes_again(value):
            raise ValueError(
                "its type cannot read back what it serializes to; set the fields with exclude=True to their defaults"
            )
        return raw

    def decode(self, raw: bytes) -> object:
        """Give what the model makes the field's value from; ``ValueError`` where nothing reads back."""
        return self.as_input(self.codec.decode(raw))

    def as_input(self, value: object) -> object:
        """Give what the model makes ``value`` from."""
        return value if self.source is None else self.source.as_input(value)


def stored_version(key: str, raw: bytes | None) -> int:
    """Give the version of a record's stamp; records without a stamp are of version 1.

    Raises:
        DecodeError: It is not a stamp: ``str`` of a whole number from 1, of at most 15 digits. The scripts check the
            same, in ``lua/stamp.lua``.
    """
    if raw is None:
        return 1
    if _STAMP.fullmatch(raw) is None:
        raise DecodeError(key, STAMP, raw, _NO_STAMP)
    return int(raw)


def is_text(name: str) -> bool:
    """Whether a name can be an attribute's: one that is not UTF-8 is another program's, and stays."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def extra_name_complaint(name: str, declared: Sequence[str]) -> str | None:
    """Say why an extra field cannot have this name; None if it can."""
    if name.startswith(RESERVED):
        return f"the name of an extra field begins with one of {RESERVED}: these are reserved"
    if name in declared:
        return "an extra field has the name of a declared one"
    if not is_text(name):
        return "the name of an extra field contains an unpaired surrogate; use valid Unicode text"
    return None


def decode_extra(codec: FieldCodec, raw: bytes) -> object:
    try:
        return codec.decode(raw)
    except ValueError:
        return text_of(raw)  # as pydantic-aioredis stored it


def holds_secret(field: StoredField) -> bool:
    return field.codec.holds_secret or (field.source is not None and field.source.holds_secret)
