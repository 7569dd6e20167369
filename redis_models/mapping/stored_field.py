"""One stored field of a model, the stamp of a record, and which names and primary keys may be stored. Pure."""

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


# Different values may have the same text (secrets are asterisks, sets have no order), or one value is several keys.
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
    """Whether a value can be a primary key: different values have different texts."""
    return pk is not None and not issubclass(type(pk), _NO_PRIMARY_KEYS)


@dataclass(frozen=True)
class StoredField:
    """One field of a model as it is stored, under its Python name.

    Attributes:
        name: Name in the class and in the hash.
        codec: Codec of its values.
        source: Codec of the field's input, if that differs from the value, as with ``Json`` and ``Base64Bytes``:
            to validate a value again would fail, or change it.
    """

    name: str
    codec: FieldCodec
    source: FieldCodec | None = None

    def encode(self, value: object) -> bytes:
        """Give the bytes of a value; ``ValueError`` or ``TypeError`` if it would not read back."""
        raw = self.codec.encode(value)
        if self.source is not None and not self.source.rebuilds(value):
            raise ValueError(
                "its type cannot read back what it serializes to; set the fields with exclude=True to their defaults"
            )
        return raw

    def decode(self, raw: bytes) -> object:
        """Decode the field into input of the model; ``ValueError`` if it does not read back."""
        return self.as_input(self.codec.decode(raw))

    def as_input(self, value: object) -> object:
        """Give the input that the model makes ``value`` from."""
        return value if self.source is None else self.source.as_input(value)


def stored_version(key: str, raw: bytes | None) -> int:
    """Read the version of a record from its stamp; a record without a stamp has version 1.

    Raises:
        DecodeError: The stamp is not a whole number from 1, of at most 15 digits. ``lua/stamp.lua`` accepts the same.
    """
    if raw is None:
        return 1
    if _STAMP.fullmatch(raw) is None:
        raise DecodeError(key, STAMP, raw, _NO_STAMP)
    return int(raw)


def is_text(name: str) -> bool:
    """Whether a name is valid text. A field whose name is not UTF-8 belongs to another program, and is kept."""
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
