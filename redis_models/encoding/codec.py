"""Encode and decode one stored field: which way of writing it takes (scalars, documents, tagged). Pure.

A field annotated ``str``, ``int`` or ``float`` is stored as plain text, so that HINCRBY, redis-cli and scripts can use
it; everything else is one JSON document. ``None`` is the text ``None``, or ``null`` in JSON; the string ``"None"`` gets
a backslash before it, so that the two are never confused. These are pydantic-aioredis' encodings without its
ambiguities; its JSON within JSON is read too. A value that plain JSON would not bring back equal is written as tagged
JSON (see ``tagged_json``); one that this would not bring back either is refused.
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
# An exponent, or letters that may be spelled otherwise than they look.
_MAY_BE_COSTLY: Final = re.compile(rb"[eE][-+]?[0-9_]{4}|[\\\x80-\xff]")
_CONFIG: Final = ConfigDict(
    arbitrary_types_allowed=True, ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants"
)


_ITERABLES: Final = (tuple, set, frozenset, range, deque)
_Kind = Literal["str", "int", "float", "json"]


class Hooks(NamedTuple):
    """How a model of the application writes and reads the JSON of its fields, where it says so itself.

    Attributes:
        default: Gives what to write in place of a value that JSON does not know, or raises ``TypeError``.
        object_hook: Gives what to put in the place of a JSON object.
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
        "_care",
        "_hooks",
        "_is_regular",
        "_limits",
        "_needs_mending",
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
            annotation: What pydantic knows, or a class of the application.
            hooks: How the model writes and reads JSON, where not as everybody.
            is_json: Whether ``str``, ``int`` and ``float`` are JSON too.
            keeps_enum_values: Whether the model holds the values of enums instead (``use_enum_values``).
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
        self._care: RoundTripCheck = "check" if hooks.object_hook else check_for(annotation)
        self._limits = Limits(annotation)
        self._needs_mending, self._is_regular = needs_correction(annotation), is_decided_by_equality(annotation)

    @property
    def holds_secret(self) -> bool:
        """Whether a value may hold a secret, so that no error and no plan may show it; looked for each time."""
        return holds_secret(self._adapter.core_schema)

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
            raw = self._write(value)
            return self._encode_otherwise(value) if raw is None else raw
        if self._hooks.default is not None:
            return self._encode_hooked(value, self._hooks.default)
        return self._encode_json(value)

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
        """Give what the annotation would be made ``value`` from: the text of a Json, the base64 of a Base64Bytes."""
        return self._input(value, "python")

    def makes_again(self, value: object) -> bool:
        """Whether the annotation makes ``value`` of what ``as_input`` gives; it does not see fields with exclude."""
        try:
            back = self.validate(self.as_input(value))
            return is_same(back, value) or self._is_stored_alike(back, value)
        except (ValueError, TypeError, RecursionError):
            return False

    def validate(self, value: object) -> object:
        """Turn a Python value into the annotation's type, as pydantic's lax mode does.

        Raises:
            ValueError: It cannot be one.
        """
        kind = cast(object, type(value))
        if kind is self.annotation and kind in _PLAIN_KINDS:
            return value  # as pydantic would
        return self._adapter.validate_python(value, strict=False, by_alias=False, by_name=True)

    def named(self, text: str) -> list[object]:
        """Give the values of the annotation that ``text``, a part of a key, may stand for; each is another one."""
        found: list[object] = []
        tried: tuple[Callable[[], object], ...] = (lambda: text, lambda: int(text), lambda: float(text))
        for attempt in tried:
            with suppress(ValueError, TypeError, ArithmeticError):
                value = self.validate(attempt())
                if not any(is_same(value, accepted) for accepted in found):
                    found.append(value)
        return found

    def validate_jsonable(self, value: object) -> object:
        """Turn a value made of dicts, lists, strings, numbers, booleans and None into the annotation's type."""
        return self._adapter.validate_json(json.dumps(value), by_alias=False, by_name=True)

    def jsonable(self, value: object) -> object:
        """Give ``value`` as dicts, lists, strings, numbers, booleans and None."""
        return self._adapter.dump_python(value, mode="json", by_alias=False, warnings="error")

    def _encode_json(self, value: object) -> bytes:
        is_as_json = self._care == "look" and is_plain(value)
        try:
            document: object = self._adapter.serializer.to_python(value, mode="json", by_alias=False, warnings="error")
            raw = write(correct(value, document) if self._needs_mending and not is_as_json else document)
        except (ValueError, TypeError) as exc:
            return self._encode_otherwise(value, exc)
        if ((is_as_json or self._care == "none") and not HALF.search(raw)) or self._comes_back(value, raw):
            return raw
        return self._encode_otherwise(value)

    def _encode_otherwise(self, value: object, error: Exception | None = None) -> bytes:
        """Write what pydantic's usual document does not carry; ``error`` says why it does not, where that is known."""
        if isinstance(value, Iterator):
            raise TypeError("its values can be read only once; make a list of them")
        if self._takes_iterables and isinstance(value, _ITERABLES):  # a default, which pydantic does not validate
            return self._encode_json(list(cast("Collection[object]", value)))
        tried: list[bytes] = []
        # The document that it takes as input, which differs where there is a Json; what it is made of; and both.
        texts: tuple[Callable[[], bytes], ...] = (
            lambda: write(correct(value, self._input(value, "json"))),
            lambda: tagged_json.dump(value, unwrap),
            lambda: tagged_json.dump(self._input(value, "python"), unwrap),
        )
        for text in texts:
            try:
                tried.append(text())
            except (ValueError, TypeError) as exc:
                error = error or exc
                continue
            if self._comes_back(value, tried[-1]):
                return tried[-1]
        for raw in tried:
            if self._comes_back(to_plain(value), raw):
                return raw  # equal, if less than it was: a StrEnum in an Any
        raise error or ValueError(self._lost(value, tried[-1]))

    def _input(self, value: object, mode: Literal["json", "python"]) -> object:
        return self._adapter.dump_python(value, mode=mode, by_alias=False, round_trip=True, warnings="error")

    def _encode_hooked(self, value: object, default: Callable[[Any], object]) -> bytes:
        is_heeded = False

        def replaced(member: object) -> object:
            nonlocal is_heeded
            if isinstance(member, BaseModel):
                return unwrap(member)
            try:
                replacement = default(member)
            except TypeError:
                return to_jsonable_python(member, by_alias=False)
            is_heeded = is_heeded or not _is_default_text(member, replacement)
            return replacement

        try:
            raw = json.dumps(value, default=replaced).encode()
            # What the application spells in its own way, it reads itself.
            if is_heeded or self._comes_back(value, raw):
                return raw
        except (ValueError, TypeError, RecursionError):
            pass  # the model's own way does not carry it; ours may
        return self._encode_json(value)

    def _comes_back(self, value: object, raw: bytes) -> bool:
        try:
            back = self.decode(raw)
            if self._is_regular:
                with suppress(ArithmeticError):  # a signalling NaN compares with nothing
                    if back == value:
                        return True
            return is_same(back, value) or self._is_stored_alike(back, value)
        except (ValueError, TypeError, RecursionError):
            return False

    def _is_stored_alike(self, back: object, value: object) -> bool:
        """Compare objects that only what is stored of them can tell apart."""
        if type(value).__eq__ is not object.__eq__ or type(back) is not type(value):
            return False
        return self._adapter.dump_json(back) == self._adapter.dump_json(value)

    def _lost(self, value: object, raw: bytes) -> str:
        cure = "use a type that tells them apart: give a union a discriminator"
        try:
            back = self.decode(raw)
        except ValueError as exc:
            reason = first_complaint(exc).text if isinstance(exc, ValidationError) else str(exc)
            return f"what would be written of it does not read back: {reason}"
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
            return self.validate(document)  # halves of surrogate pairs, and what nests too deeply for pydantic's reader
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
                raise error from None  # a text, and no JSON within it: what is wrong was said of the text
            raise

    def _decode_hooked(self, raw: bytes, object_hook: Callable[[dict[str, Any]], object]) -> object:
        is_changed = False

        def watched(document: dict[str, Any]) -> object:
            nonlocal is_changed
            before = dict(document)
            made = object_hook(document)
            is_changed = is_changed or made is not document or document != before
            return made

        document: object = json.loads(raw, object_hook=watched)
        if is_changed:
            return self.validate(document)
        # What the hook left alone reads as anybody's JSON does: bytes, for one, are base64 there, and text in Python.
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
            return value  # as it is: that a Decimal may be infinite is said by metadata, which this annotation may lack
        return self.validate(value)

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


def _is_default_text(value: object, replacement: object) -> bool:
    """Whether an override says of a value what would be said without it."""
    try:
        return aioredis_text(value) == replacement
    except TypeError:
        return False


def codec_for(annotation: object) -> FieldCodec:
    """Give the codec of ``annotation``; the same object for the same annotation where that can be hashed."""
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
