"""Mappers of models that override ``serialize_partially`` or ``deserialize_partially``. Pure.

These hooks read and write every record, with pydantic-aioredis' contract: one gets plain values and returns what Redis
gets, the other does the reverse. A value that a hook returns unchanged is written and read exactly as without the hook;
a value that it changed is used as it is.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Generic, NamedTuple, TypeVar, cast

from pydantic import BaseModel

from ..encoding.equality import is_same
from ..errors import DecodeError, EncodeError
from . import partial
from .keys import KeySpace
from .mapper import Mapper
from .stored_field import RESERVED, StoredField

__all__ = ["HookedMapper", "ModelHooks", "RecordHook", "with_hooks"]

M = TypeVar("M", bound=BaseModel)
RecordHook = Callable[[dict[str, Any]], object]
_NOTHING: Final = object()


class ModelHooks(NamedTuple):
    """The methods that a model overrides and that decide how and where its records are stored.

    Attributes:
        serialize: Its ``serialize_partially``; None for the library's.
        deserialize: Its ``deserialize_partially``; None for the library's.
        keys: Gives its key space, which may change from call to call; None if its options give it.
    """

    serialize: RecordHook | None
    deserialize: RecordHook | None
    keys: Callable[[], KeySpace] | None


def with_hooks(mapper: Mapper[M], hooks: ModelHooks) -> Mapper[M]:
    """Give a mapper that uses the hooks of a model; the same mapper if it overrides nothing."""
    if hooks == (None, None, None):
        return mapper
    attributes = {field.name: getattr(mapper, field.name) for field in fields(mapper)}
    if hooks.keys is not None:
        attributes |= {"keys": hooks.keys(), "is_movable": True}
    if hooks.serialize is None and hooks.deserialize is None:
        return Mapper(**attributes)
    both = (("serialize_partially", hooks.serialize), ("deserialize_partially", hooks.deserialize))
    attributes["hooks"] = tuple(name for name, hook in both if hook is not None)
    return HookedMapper(**attributes, serialize=hooks.serialize, deserialize=hooks.deserialize)


@dataclass(frozen=True)
class HookedMapper(Mapper[M], Generic[M]):
    """A mapper that calls hooks of the model for every record.

    Attributes:
        serialize: Gives the stored form of some fields, or None.
        deserialize: Gives the input of the model, or None.
    """

    serialize: RecordHook | None = None
    deserialize: RecordHook | None = None

    @property
    def reads_whole(self) -> bool:
        """True: a hook may read fields that are not declared, and may have written them."""
        return True

    def encode(self, instance: M) -> dict[str, bytes]:
        if self.serialize is None:
            return super().encode(instance)
        for name in [field_name for field_name in self.names if field_name not in instance.__dict__]:
            raise EncodeError(self.model.__name__, name, None, "this instance has no such value")
        values = {name: instance.__dict__[name] for name in self.names}
        return self.encode_some({**values, **(instance.model_extra or {})} if self.extras is not None else values)

    def encode_some(self, values: Mapping[str, object]) -> dict[str, bytes]:
        hook = self.serialize
        if hook is None:
            return super().encode_some(values)
        shown = {name: _as_dict(value) for name, value in values.items()}
        is_whole = len(values) >= len(self.names)

        def complaint(reason: str) -> EncodeError:
            hint = "" if is_whole else ". It was given only these fields; get the record, assign and save it instead"
            return _HookError(self.model.__name__, "serialize_partially", None, f"{reason}{hint}")

        written = self._call_hook("serialize_partially", hook, shown, complaint)
        usual = self._library_values({name: values[name] for name in values if name in written and name in self.codecs})
        return {name: self._bytes_of(name, value, values, usual) for name, value in written.items()}

    def decode(self, key: str, stored: Mapping[str, bytes]) -> M:
        if self.deserialize is None:
            return super().decode(key, stored)
        stored = {name: raw for name, raw in stored.items() if not name.startswith(RESERVED)}
        shown = self._shown(stored)
        read = self._read(key, shown, self.deserialize)
        usual = self._library_values_back({name: shown[name] for name in shown if name in read and name in self.codecs})
        written: dict[str, object] = {}
        values: dict[str, object] = {}
        for name, value in read.items():
            if name in self.codecs:
                field = self.field(name)
                written[name] = self._value(key, field, value, usual.get(name, _NOTHING), stored.get(name))
                values[name] = field.as_input(written[name]) if field.source is not None else written[name]
            elif self.extras is not None:
                is_left = name in shown and value is shown[name]
                values |= self._decode_extras(self.extras, {name: stored[name]}) if is_left else {name: value}
        return self.make(key, values, stored, written)

    def without_hooks(self, key: str, stored: Mapping[str, bytes]) -> dict[str, bytes]:
        """Give a record as it would be stored without the hooks, so that people can read it.

        Raises:
            DecodeError: The hook cannot read the record, or the model refuses what the hook returns.
            EncodeError: A value cannot be written as its field's type.
        """
        instance = self.decode(key, stored)
        plain = {name: instance.__dict__[name] for name in self.names} | (instance.model_extra or {})
        set_names = {*stored, *instance.model_fields_set}
        return super().encode_some({name: value for name, value in plain.items() if name in set_names})

    def columns(self, key: str, names: Sequence[str], stored: Mapping[str, bytes]) -> dict[str, object] | None:
        """Give some fields as the hook returns them; None if the model does not override it."""
        if self.deserialize is None:
            return None
        shown = self._shown(stored)
        read = self._read(key, {name: shown.get(name) for name in names}, self.deserialize)
        return {name: read.get(name) for name in names}

    def decode_one(self, key: str, name: str, raw: bytes) -> object:
        if self.deserialize is None:
            return super().decode_one(key, name, raw)
        shown = self._shown({name: raw})
        read = self._read(key, shown, self.deserialize)
        return self._value(key, self.field(name), read.get(name), self._library_values_back(shown)[name], raw)

    def _call_hook(
        self, name: str, hook: RecordHook, values: dict[str, Any], complaint: Callable[[str], Exception]
    ) -> Mapping[str, object]:
        """Call a hook; its errors become errors of the record."""
        error: Exception | None = None
        result: object = None
        try:
            result = hook(values)
        except Exception as exc:  # the application may raise anything; it becomes our cause, unless it may show secrets
            is_secret = self.conceals("")
            text = "" if is_secret else f": {exc!s:.200}"
            error = complaint(f"{self.model.__name__}.{name} raised {type(exc).__name__}{text}")
            error.__cause__ = None if is_secret else exc
        if error is not None:  # outside of the except clause, so that __context__ is not set either
            raise error
        if not isinstance(result, Mapping):
            raise complaint(f"{self.model.__name__}.{name} returned {type(result).__name__}; it must return the dict")
        return cast("Mapping[str, object]", result)

    def _read(self, key: str, shown: dict[str, Any], hook: RecordHook) -> Mapping[str, object]:
        def complaint(reason: str) -> DecodeError:
            return DecodeError(key, "", None, reason)

        return self._call_hook("deserialize_partially", hook, dict(shown), complaint)

    def _bytes_of(self, name: str, written: object, values: Mapping[str, object], usual: Mapping[str, object]) -> bytes:
        """Give the bytes of the value that the hook returned for one name."""
        if name.startswith(RESERVED):
            raise EncodeError(self.model.__name__, name, None, f"names that begin with one of {RESERVED} are reserved")
        if name in values:
            if name not in self.names:
                if self.extras is not None and _is_unchanged(written, _as_dict(values[name])):
                    return self._encode_extras(self.extras, {name: values[name]})[name]
            elif _is_unchanged(written, usual[name]):
                return self.encode_field(self.field(name), values[name])
        if isinstance(written, bytes):
            return written
        if isinstance(written, str):
            return written.encode("utf-8", "surrogatepass")
        if isinstance(written, (int, float)) and not isinstance(written, bool):
            return (repr(written) if isinstance(written, float) else str(written)).encode()
        reason = f"serialize_partially returned a {type(written).__name__} for it; Redis takes text, bytes and numbers"
        raise EncodeError(self.model.__name__, name, None, reason)

    def _library_values(self, values: Mapping[str, object]) -> dict[str, object]:
        """Give what the library's own hook returns for values; for a value that it refuses, an object unlike any."""
        shown = {name: _as_dict(value) for name, value in values.items()}
        return _make_each(shown, lambda group: partial.serialize(self, group, _default_of(self.model)))

    def _library_values_back(self, shown: Mapping[str, object]) -> dict[str, object]:
        """Give what the library's own hook returns for stored text, likewise."""
        return _make_each(shown, lambda group: partial.deserialize(self, group, _object_hook_of(self.model)))

    def _shown(self, stored: Mapping[str, bytes]) -> dict[str, Any]:
        return {name: _text(raw) for name, raw in stored.items()}

    def _value(self, key: str, field: StoredField, read_value: object, usual: object, raw: bytes | None) -> object:
        """Give the value of a field, from what the hook returned."""
        if raw is not None and _is_unchanged(read_value, usual):
            return self.decode_field(key, field, raw)
        codec = field.codec
        for read in (codec.validate_jsonable, codec.validate) if codec.kind == "json" else (codec.validate,):
            try:
                return read(read_value)
            except (ValueError, TypeError):
                continue
        return read_value  # the model's own validators decide


class _HookError(EncodeError):
    """A hook of the model raised an error."""

    def __str__(self) -> str:
        return f"{self.model}: the record cannot be stored: {self.reason}"


def _make_each(
    values: Mapping[str, object], convert: Callable[[Mapping[str, object]], dict[str, object]]
) -> dict[str, object]:
    """Convert all values at once; if one is refused, convert each of the others alone."""
    try:
        return convert(values)
    except (TypeError, ValueError):
        if len(values) == 1:
            return dict.fromkeys(values, _NOTHING)
        return {name: _make_each({name: value}, convert)[name] for name, value in values.items()}


def _is_unchanged(value: object, usual: object) -> bool:
    if value is usual:
        return True
    kind = cast(object, type(value))
    return kind is type(usual) and (value == usual if kind in (str, int, bytes) else is_same(value, usual))


def _text(raw: bytes) -> str | bytes:
    """Give stored bytes as text, as a client with ``decode_responses`` does; bytes that are not UTF-8 stay bytes."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _as_dict(value: object) -> object:
    """Replace models in a value by dicts, as ``dict()`` of pydantic 1 did; containers are copied."""
    if isinstance(value, BaseModel):
        return {
            name: _as_dict(member) for name, member in (*value.__dict__.items(), *(value.model_extra or {}).items())
        }
    if isinstance(value, dict):
        return {name: _as_dict(member) for name, member in cast("dict[object, object]", value).items()}
    if type(value) in (list, tuple, deque):
        return type(cast(Any, value))(map(_as_dict, cast("list[object]", value)))
    return set(cast("set[object]", value)) if type(value) is set else value


def _default_of(model: type[BaseModel]) -> Callable[[Any], object] | None:
    return cast("Callable[[Any], object] | None", getattr(model, "json_default", None))


def _object_hook_of(model: type[BaseModel]) -> Callable[[dict[str, Any]], object] | None:
    return cast("Callable[[dict[str, Any]], object] | None", getattr(model, "json_object_hook", None))
