"""Encode and decode one stored field, as plain text, as JSON or as tagged JSON. Pure.

A field annotated ``str``, ``int`` or ``float`` is stored as plain text, so that HINCRBY, redis-cli and scripts can use
it; everything else is one JSON document. ``None`` is the text ``None``, or ``null`` in JSON; the string ``"None"`` gets
a backslash before it, so that the two are never confused. These are pydantic-aioredis' encodings without its
ambiguities; its JSON within JSON is read too. A value that would not read back equal from plain JSON is written as
tagged JSON (see ``tagged_json``). If it would not read back from that either, it is refused.
"""

import functools
import json
import re
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from typing import Any, Final, Literal, NamedTuple, cast

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import to_jsonable_python

from . import tagged_json
from .annotations import AnnotationKey, iterables_as_lists, without_none
from .equality import is_same, to_plain
from .json_documents import adapter_of, aioredis_text, correct, unwrap, write
from .limits import DIGITS, UNREADABLE, Limits
from .round_trip import RoundTripCheck, check_for, is_decided_by_equality, is_plain, needs_correction
from .scalars import HALF, WRITERS
from .secrets import MASK, first_complaint, holds_secret

__all__ = ["FieldCodec", "Hooks", "codec_for"]

_NONE: Final = b"None"
_NULLS: Final = frozenset({b"None", b"null"})
_ESCAPED_NONE: Final = re.compile(rb"\\*None")
# An exponent, or escaped letters that may spell one.
_MAY_BE_COSTLY: Final = re.compile(rb"[eE][-+]?[0-9_]{4}|[\\\x80-\xff]")
_CONFIG: Final = ConfigDict(
    arbitrary_types_allowed=True, ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants"
)


_ITERABLES: Final = (tuple, set, frozenset, range, deque)
_Kind = Literal["str", "int", "float", "json"]


class Hooks(NamedTuple):
    """The JSON hooks that a model overrides.

    Attributes:
        default: Gives a JSON value for a value that JSON does not know, or raises ``TypeError``.
        object_hook: Gives the value of a JSON object.
    """

    default: Callable[[Any], object] | None = None
    object_hook: Callable[[dict[str, Any]], object] | None = None


_NO_HOOKS: Final = Hooks()


class FieldCodec:
    """How the values of one annotation are stored. Immutable; get it from ``codec_for``.

    Attributes:
        annotation: The annotation.
        kind: ``str``, ``int``, ``float`` (plain text) or ``json``.
        is_optional: Whether ``None`` is one of the values.
    """

    __slots__ = (
        "_adapter",
        "_check",
        "_compares_equal",
        "_hooks",
        "_limits",
        "_needs_correction",
        "_plain",
        "_takes_iterables",
        "_write",
        "annotation",
        "is_optional",
        "kind",
    )

    def __init__(
        self, annotation: object, hooks: Hooks = _NO_HOOKS, *, is_json: bool = False, keeps_enum_values: bool = False
    ) -> None:
        """Compile it.

        Args:
            annotation: A type that pydantic knows, or a class of the application.
            hooks: The JSON hooks that the model overrides.
            is_json: Whether ``str``, ``int`` and ``float`` are stored as JSON too.
            keeps_enum_values: Whether the model keeps values in place of enum members (``use_enum_values``).
        """
        declared, annotation = annotation, iterables_as_lists(annotation)
        self._takes_iterables = annotation is not declared
        bare_type, self.is_optional = without_none(annotation)
        self.annotation = annotation
        self._plain = bare_type if isinstance(bare_type, type) else None
        self.kind: _Kind = "json" if is_json or self._plain is None else _KINDS.get(self._plain, "json")
        self._adapter = adapter_of(annotation, {**_CONFIG, "use_enum_values": True} if keeps_enum_values else _CONFIG)
        self._hooks = hooks
        self._write = None if hooks.default or self._plain is None else WRITERS.get(self._plain)
        if self.kind != "json":
            self._write = WRITERS.get(_CLASSES[self.kind])
        elif self._plain in _KINDS:
            self._write = None
        self._check: RoundTripCheck = "check" if hooks.object_hook else check_for(annotation)
        self._limits = Limits(annotation)
        self._needs_correction, self._compares_equal = needs_correction(annotation), is_decided_by_equality(annotation)

    @property
    def holds_secret(self) -> bool:
        """Whether a value may hold a secret, so that no error and no plan may show it. Computed at each call."""
        return holds_secret(self._adapter.core_schema)

    def encode(self, value: object) -> bytes:
        """Give the bytes to store.

        Args:
            value: A value that the annotation accepts; it is not validated again.

        Raises:
            ValueError: The value contains itself, or would not read back the same.
            ValueError, TypeError: The value does not match the annotation.
        """
        if value is None and self.is_optional:
            return _NONE if self.kind != "json" else b"null"
        if self.kind == "str":
            return self._encode_text(value)
        if self._write is not None:
            raw = self._write(value)
            return self._encode_otherwise(value) if raw is None else raw
        if self._hooks.default is not None:
            return self._encode_hooked(value, self._hooks.default)
        return self._encode_json(value)

    def decode(self, raw: bytes) -> object:
        """Decode stored bytes into a value of the annotation's type.

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
            if raw.startswith(tagged_json.MARK):
                return self._decode_tagged(raw)
            if not self._limits.is_plain_safe and (len(raw) >= DIGITS or _MAY_BE_COSTLY.search(raw)):
                self._refuse_costly(raw)
            if self._hooks.object_hook is not None:
                return self._decode_hooked(raw, self._hooks.object_hook)
            return self._decode_json(raw)
        except UNREADABLE as exc:  # of a class, or of a validator of the application: IPv4Network(()) raises IndexError
            raise ValueError(f"{type(exc).__name__}: {exc}") from exc

    def _refuse_costly(self, raw: bytes | str) -> None:
        try:
            document: object = json.loads(raw)
        except ValueError:
            return  # pydantic says why
        self._limits.check(document, frozenset())
        if isinstance(document, str):
            self._refuse_costly(document)  # JSON within JSON, as pydantic-aioredis wrote it

    def as_input(self, value: object) -> object:
        """Give the input that validates to ``value``: the text of a Json, the base64 of a Base64Bytes."""
        return self._input(value, "python")

    def rebuilds(self, value: object) -> bool:
        """Whether ``as_input(value)`` validates to ``value`` again; fields with exclude are missing from that input."""
        try:
            rebuilt = self.validate(self.as_input(value))
            return is_same(rebuilt, value) or self._is_stored_alike(rebuilt, value)
        except (ValueError, TypeError, RecursionError):
            return False

    def validate(self, value: object) -> object:
        """Convert a Python value to the annotation's type, as pydantic's lax mode does.

        Raises:
            ValueError: The value cannot be converted.
        """
        kind = cast(object, type(value))
        if kind is self.annotation and kind in _PLAIN_KINDS:
            return value  # as pydantic would
        return self._adapter.validate_python(value, strict=False, by_alias=False, by_name=True)

    def candidates(self, text: str) -> list[object]:
        """Give the different values that ``text``, the last part of a key, may stand for."""
        found: list[object] = []
        readings: tuple[Callable[[], object], ...] = (lambda: text, lambda: int(text), lambda: float(text))
        for read in readings:
            with suppress(ValueError, TypeError, ArithmeticError):
                value = self.validate(read())
                if not any(is_same(value, accepted) for accepted in found):
                    found.append(value)
        return found

    def validate_jsonable(self, value: object) -> object:
        """Convert a value made of dicts, lists, strings, numbers, booleans and None to the annotation's type."""
        return self._adapter.validate_json(json.dumps(value), by_alias=False, by_name=True)

    def jsonable(self, value: object) -> object:
        """Give ``value`` as dicts, lists, strings, numbers, booleans and None."""
        return self._adapter.dump_python(value, mode="json", by_alias=False, warnings="error")

    def _encode_json(self, value: object) -> bytes:
        is_as_json = self._check == "look" and is_plain(value)
        try:
            document: object = self._adapter.serializer.to_python(value, mode="json", by_alias=False, warnings="error")
            raw = write(correct(value, document) if self._needs_correction and not is_as_json else document)
        except (ValueError, TypeError) as exc:
            return self._encode_otherwise(value, exc)
        if ((is_as_json or self._check == "none") and not HALF.search(raw)) or self._reads_back(value, raw):
            return raw
        return self._encode_otherwise(value)

    def _encode_otherwise(self, value: object, error: Exception | None = None) -> bytes:
        """Encode a value that pydantic's usual JSON would lose; ``error`` says why, if that is known."""
        if isinstance(value, Iterator):
            raise TypeError("its values can be read only once; make a list of them")
        if self._takes_iterables and isinstance(value, _ITERABLES):  # a default, which pydantic does not validate
            return self._encode_json(list(cast("Collection[object]", value)))
        tried: list[bytes] = []
        # JSON of its input, which differs for a Json; tagged JSON of the value; tagged JSON of its input.
        writers: tuple[Callable[[], bytes], ...] = (
            lambda: write(correct(value, self._input(value, "json"))),
            lambda: tagged_json.dump(value, unwrap),
            lambda: tagged_json.dump(self._input(value, "python"), unwrap),
        )
        for write_text in writers:
            try:
                tried.append(write_text())
            except (ValueError, TypeError) as exc:
                error = error or exc
                continue
            if self._reads_back(value, tried[-1]):
                return tried[-1]
        for raw in tried:
            if self._reads_back(to_plain(value), raw):
                return raw  # equal, but of a plainer type: a StrEnum in a field of type Any
        raise error or ValueError(self._loss_message(value, tried[-1]))

    def _input(self, value: object, mode: Literal["json", "python"]) -> object:
        return self._adapter.dump_python(value, mode=mode, by_alias=False, round_trip=True, warnings="error")

    def _encode_hooked(self, value: object, default: Callable[[Any], object]) -> bytes:
        is_hook_used = False

        def tracking_default(member: object) -> object:
            nonlocal is_hook_used
            if isinstance(member, BaseModel):
                return unwrap(member)
            try:
                replacement = default(member)
            except TypeError:
                return to_jsonable_python(member, by_alias=False)
            is_hook_used = is_hook_used or not _is_default_text(member, replacement)
            return replacement

        try:
            raw = json.dumps(value, default=tracking_default).encode()
            # The application's own hook reads what its own hook wrote.
            if is_hook_used or self._reads_back(value, raw):
                return raw
        except (ValueError, TypeError, RecursionError):
            pass  # the model's hook cannot write it; the codec may
        return self._encode_json(value)

    def _reads_back(self, value: object, raw: bytes) -> bool:
        try:
            back = self.decode(raw)
            if self._compares_equal:
                with suppress(ArithmeticError):  # a signalling NaN compares with nothing
                    if back == value:
                        return True
            return is_same(back, value) or self._is_stored_alike(back, value)
        except (ValueError, TypeError, RecursionError):
            return False

    def _is_stored_alike(self, back: object, value: object) -> bool:
        """Compare objects without ``__eq__`` by what is stored of them."""
        if type(value).__eq__ is not object.__eq__ or type(back) is not type(value):
            return False
        return self._adapter.dump_json(back) == self._adapter.dump_json(value)

    def _loss_message(self, value: object, raw: bytes) -> str:
        cure = "use a type that tells them apart: give a union a discriminator"
        try:
            back = self.decode(raw)
        except ValueError as exc:
            reason = first_complaint(exc).text if isinstance(exc, ValidationError) else str(exc)
            return f"its JSON would not read back: {reason}"
        if MASK in repr(value):
            return f"it holds a secret that would read back as {type(back).__name__}; {cure}"
        return f"it would read back as {back!r:.200}; {cure}"

    def _decode_json(self, raw: bytes) -> object:
        try:
            return self._adapter.validator.validate_json(raw, strict=False, by_alias=False, by_name=True)
        except ValidationError as exc:
            return self._decode_otherwise(raw, exc)

    def _decode_otherwise(self, raw: bytes, error: ValidationError) -> object:
        try:
            document: object = json.loads(raw)
        except (ValueError, RecursionError):
            raise error from None
        if first_complaint(error).kind == "json_invalid":
            return self.validate(document)  # unpaired surrogates, or nested too deeply for pydantic's parser
        if not isinstance(document, str):
            raise error
        # pydantic-aioredis wrote list[bool] and the like as JSON within a JSON string.
        inner = document.encode("utf-8", "surrogatepass")
        if self.is_optional and inner in _NULLS:
            return None
        try:
            return self._adapter.validate_json(inner, strict=False, by_alias=False, by_name=True)
        except ValidationError as exc:
            if first_complaint(exc).kind == "json_invalid":
                raise error from None  # there is no JSON within the text, so the first error is the one to report
            raise

    def _decode_hooked(self, raw: bytes, object_hook: Callable[[dict[str, Any]], object]) -> object:
        is_changed = False

        def tracking_hook(document: dict[str, Any]) -> object:
            nonlocal is_changed
            before = dict(document)
            result = object_hook(document)
            is_changed = is_changed or result is not document or document != before
            return result

        document: object = json.loads(raw, object_hook=tracking_hook)
        if is_changed:
            return self.validate(document)
        # The hook changed nothing, so this is read as JSON and not as Python: bytes, for example, are base64 in JSON.
        try:
            return self._adapter.validate_json(raw, by_alias=False, by_name=True)
        except ValidationError as exc:
            if isinstance(document, str):
                with suppress(ValueError):
                    return self._decode_hooked(document.encode("utf-8", "surrogatepass"), object_hook)
            return self._decode_otherwise(raw, exc)

    def _decode_tagged(self, raw: bytes) -> object:
        value = tagged_json.load(raw, self._limits)
        if type(value) is self._plain:
            return value  # not validated: without its metadata this annotation may refuse an infinite Decimal
        return self.validate(value)

    def _encode_text(self, value: object) -> bytes:
        if not isinstance(value, str):
            raise TypeError(f"expected str, got {type(value).__name__}")
        raw = value.encode("utf-8", "surrogatepass")
        # A backslash before every text that could be read as None, or as an escaped None.
        return b"\\" + raw if self.is_optional and raw.endswith(_NONE) and _ESCAPED_NONE.fullmatch(raw) else raw

    def _decode_text(self, raw: bytes) -> str | None:
        if self.is_optional and raw.endswith(_NONE):
            if raw == _NONE:
                return None
            if _ESCAPED_NONE.fullmatch(raw):
                raw = raw[1:]
        return raw.decode("utf-8", "surrogatepass")


def _is_default_text(value: object, replacement: object) -> bool:
    """Whether the hook gave the same text as the library would."""
    try:
        return aioredis_text(value) == replacement
    except TypeError:
        return False


def codec_for(annotation: object) -> FieldCodec:
    """Give the codec of ``annotation``; cached, if the annotation can be hashed."""
    try:
        return _cached_codec(AnnotationKey(annotation))
    except TypeError:  # unhashable: Annotated[int, Some([1])]
        return FieldCodec(annotation)


@functools.lru_cache(maxsize=4096)
def _cached_codec(key: AnnotationKey) -> FieldCodec:
    return FieldCodec(key.annotation)


_KINDS: Final[dict[type, _Kind]] = {str: "str", int: "int", float: "float"}
_PLAIN_KINDS: Final[frozenset[object]] = frozenset(_KINDS)
_CLASSES: Final = {kind: cls for cls, kind in _KINDS.items()}
