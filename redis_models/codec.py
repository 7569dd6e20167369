"""Encode and decode one stored field: the only module that knows what bytes a value becomes. Pure.

A field annotated ``str``, ``int`` or ``float`` is stored as plain text, so that HINCRBY, redis-cli and scripts can use
it; everything else is one JSON document. ``None`` is the text ``None``, or ``null`` in JSON; the string ``"None"`` gets
a backslash before it, so that the two are never confused. These are the encodings of the seed, without its ambiguities;
its JSON within JSON is read too. What would not come back the same is not written.
"""

import base64
import functools
import json
import re
import types
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final, Literal, Union, cast, get_args, get_origin

from pydantic import ConfigDict, PydanticUserError, SecretBytes, SecretStr, TypeAdapter

from .exactness import is_exact

__all__ = ["FieldCodec", "codec_for"]

_NONE: Final = b"None"
_NULLS: Final = frozenset({b"None", b"null"})
_MASK: Final = b"**********"  # what pydantic writes for a secret
_ESCAPED_NONE: Final = re.compile(rb"\\*None")
_CONFIG: Final = ConfigDict(
    arbitrary_types_allowed=True, ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants"
)

_Kind = Literal["str", "int", "float", "json"]


class FieldCodec:
    """How the values of one annotation are stored. Immutable; get it from ``codec_for``.

    Attributes:
        kind: ``str``, ``int``, ``float`` (plain text) or ``json``.
        is_optional: Whether ``None`` is one of the values.
    """

    __slots__ = ("_adapter", "_is_exact", "_write", "is_optional", "kind")

    def __init__(self, annotation: object) -> None:
        plain, self.is_optional = _without_none(annotation)
        self.kind: _Kind = _KINDS.get(plain, "json") if isinstance(plain, type) else "json"
        self._adapter = _adapter(annotation)
        self._write = _WRITERS.get(plain) if isinstance(plain, type) else None
        self._is_exact = is_exact(annotation)

    def encode(self, value: object) -> bytes:
        """Give the bytes to store.

        Args:
            value: A value that the annotation accepts; it is not validated again.

        Raises:
            ValueError: The value is not of the annotation (``TypeError`` likewise), contains itself, or would not read
                back the same.
        """
        if value is None and self.is_optional:
            return _NONE if self.kind != "json" else b"null"
        if self.kind == "str":
            return self._encode_text(value)
        if self._write is not None:
            return self._write(value)
        document = self._adapter.dump_python(value, mode="json", by_alias=False, warnings="error")
        raw = json.dumps(document).encode()
        # Secrets hide anywhere. json writes half a surrogate pair, which no reader takes; emoji pay for a second look.
        if not self._is_exact or _MASK in raw or b"\\ud" in raw:
            self._check_the_way_back(value, raw)
        return raw

    def decode(self, raw: bytes) -> object:
        """Give the value that ``raw`` stands for, of the annotation's own type.

        Raises:
            ValueError: ``raw`` does not read back (pydantic's ``ValidationError`` is one).
        """
        if self.kind == "str":
            return self._decode_text(raw)
        if self.is_optional and raw in _NULLS:
            return None
        if self.kind == "int":
            return int(raw)
        if self.kind == "float":
            return float(raw)
        try:
            return self._adapter.validate_json(raw, by_alias=False, by_name=True)
        except ValueError:
            if not raw.startswith(b'"'):
                raise
            # The seed wrote list[bool] and the like as JSON within a JSON string.
            return self._decode_twice(raw)

    def as_input(self, value: object) -> object:
        """Give what the annotation would be made ``value`` from: the text of a Json, the base64 of a Base64Bytes."""
        return self._adapter.dump_python(value, round_trip=True, by_alias=False, warnings="error")

    def validate(self, value: object) -> object:
        """Turn a Python value into the annotation's type, as pydantic's lax mode does.

        Raises:
            ValueError: It cannot be one.
        """
        return self._adapter.validate_python(value, by_alias=False, by_name=True)

    def validate_jsonable(self, value: object) -> object:
        """Turn a value made of dicts, lists, strings, numbers, booleans and None into the annotation's type."""
        return self._adapter.validate_json(json.dumps(value), by_alias=False, by_name=True)

    def jsonable(self, value: object) -> object:
        """Give ``value`` as dicts, lists, strings, numbers, booleans and None."""
        return self._adapter.dump_python(value, mode="json", by_alias=False, warnings="error")

    def _check_the_way_back(self, value: object, raw: bytes) -> None:
        try:
            back = self.decode(raw)
        except ValueError as exc:
            raise ValueError(f"it would be written as {raw!r}, which does not read back") from exc
        if back == value or (repr(back) == repr(value) and _MASK not in raw):
            return
        if type(value).__eq__ is object.__eq__ and self._adapter.dump_json(back) == self._adapter.dump_json(value):
            return  # it cannot be compared but by what is stored of it
        raise ValueError(f"it would be written as {raw!r} and read back as {back!r}; use a type that tells them apart")

    def _decode_twice(self, raw: bytes) -> object:
        inner = json.loads(raw).encode()
        if self.is_optional and inner in _NULLS:
            return None
        return self._adapter.validate_json(inner, by_alias=False, by_name=True)

    def _encode_text(self, value: object) -> bytes:
        if not isinstance(value, str):
            raise TypeError(f"expected str, got {type(value).__name__}")
        raw = value.encode("utf-8", "surrogatepass")
        # A backslash before every text that could be taken for None, or for an escaped one.
        return b"\\" + raw if self.is_optional and raw.endswith(_NONE) and _ESCAPED_NONE.fullmatch(raw) else raw

    def _decode_text(self, raw: bytes) -> str | None:
        if self.is_optional and raw.endswith(_NONE):
            if raw == _NONE:
                return None
            if _ESCAPED_NONE.fullmatch(raw):
                raw = raw[1:]
        return raw.decode("utf-8", "surrogatepass")


def codec_for(annotation: object) -> FieldCodec:
    """Give the codec of ``annotation``; the same object for the same annotation where that can be hashed."""
    try:
        return _cached_codec(annotation)
    except TypeError:  # unhashable: Annotated[int, Some([1])]
        return FieldCodec(annotation)


@functools.lru_cache(maxsize=4096)
def _cached_codec(annotation: object) -> FieldCodec:
    return FieldCodec(annotation)


def _adapter(annotation: object) -> TypeAdapter[object]:
    try:
        return TypeAdapter(cast(type[object], annotation), config=_CONFIG)
    except PydanticUserError as exc:
        if exc.code != "type-adapter-config-unused":
            raise
        return TypeAdapter(
            cast(type[object], annotation)
        )  # a model, dataclass or TypedDict: its own configuration counts


def _without_none(annotation: object) -> tuple[object, bool]:
    """Strip Annotated and ``| None``: constraints are validation, not storage."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not types.NoneType]
        is_optional = len(members) < len(get_args(annotation))
        if len(members) == 1:
            return _without_none(members[0])[0], is_optional
        return annotation, is_optional
    return annotation, annotation is None or annotation is types.NoneType


def _write_int(value: object) -> bytes:
    if not isinstance(value, int):
        raise TypeError(f"expected int, got {type(value).__name__}")
    return b"%d" % value


def _write_float(value: object) -> bytes:
    if not isinstance(value, (float, int)):
        raise TypeError(f"expected float, got {type(value).__name__}")
    return repr(float(value)).encode()


def _write_bool(value: object) -> bytes:
    if not isinstance(value, bool):
        raise TypeError(f"expected bool, got {type(value).__name__}")
    return b"true" if value else b"false"


def _write_date(value: object) -> bytes:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise TypeError(f"expected a date, got {type(value).__name__}")
    return b'"%s"' % value.isoformat().encode()


def _write_datetime(value: object) -> bytes:
    if not isinstance(value, datetime):
        raise TypeError(f"expected a datetime, got {type(value).__name__}")
    offset = value.utcoffset()
    if offset is not None and offset % timedelta(minutes=1):
        raise ValueError(f"its offset from UTC is {offset}, but only whole minutes can be stored; convert it to UTC")
    return b'"%s"' % value.isoformat().encode()


def _write_decimal(value: object) -> bytes:
    if not isinstance(value, Decimal):
        raise TypeError(f"expected Decimal, got {type(value).__name__}")
    if not value.is_finite():
        raise ValueError("a Decimal that is not finite does not read back")
    return b'"%s"' % str(value).encode()


def _write_secret(value: object) -> bytes:
    if not isinstance(value, SecretStr):
        raise TypeError(f"expected SecretStr, got {type(value).__name__}")
    return json.dumps(value.get_secret_value()).encode()


def _write_secret_bytes(value: object) -> bytes:
    if not isinstance(value, SecretBytes):
        raise TypeError(f"expected SecretBytes, got {type(value).__name__}")
    return b'"%s"' % base64.urlsafe_b64encode(value.get_secret_value())


_KINDS: Final[dict[type, _Kind]] = {str: "str", int: "int", float: "float"}
# Scalars whose JSON form needs no serializer: the seed's own spelling, and a tenth of the cost. Secrets: pydantic's
# serializer would write asterisks.
_WRITERS: Final[dict[type, Callable[[object], bytes]]] = {
    int: _write_int,
    float: _write_float,
    bool: _write_bool,
    date: _write_date,
    datetime: _write_datetime,
    Decimal: _write_decimal,
    SecretBytes: _write_secret_bytes,
    SecretStr: _write_secret,
}
