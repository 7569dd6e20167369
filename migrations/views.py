"""Views: the typed old and new record that a function in a migration works on. Pure.

A view decodes a field when it is asked for, and encodes one when it is assigned, by the schema of that point of the
chain: no application class is needed. What was asked for is what the result depends on, and nothing else is compared
when the result is written.
"""

from collections.abc import Mapping

from pydantic import ValidationError

from redis_models.errors import RecordError

from .draft import Draft
from .schema import FieldSchema, ModelSchema

__all__ = ["NewRecord", "OldObject", "OldRecord", "complaint"]


class OldRecord:
    """A record as it was before a step: ``old.total`` is the typed value of the stored field ``total``.

    An absent field raises ``AttributeError``; ``old.get("total")`` gives None instead, ``"total" in old`` tells.
    """

    __slots__ = ("_draft", "_fields", "_moved", "_schema")

    def __init__(self, draft: Draft, schema: ModelSchema, *, is_alone: bool = False) -> None:
        self._draft, self._schema = draft, schema
        if is_alone:
            self._fields, self._moved = draft.fields, draft.moved
        else:  # copies: what the new view writes must not show here
            self._fields, self._moved = dict(draft.fields), dict(draft.moved)

    def __getattr__(self, name: str) -> object:
        # As ``_field``, without a call: functions do little else.
        field = self._schema.by_name.get(name) or self._schema.field(name)
        self._draft.touched.add(self._moved.get(name, name))
        raw = self._fields.get(name)
        if raw is None:
            raise AttributeError(
                f"the record has no field {name!r}; ask with .get({name!r}), or '{name}' in the record"
            )
        try:
            return field.read(raw)
        except (KeyError, TypeError, ValueError):
            return _decoded(field, raw)

    def __contains__(self, name: str) -> bool:
        return self._field(name)[1] is not None

    def get(self, name: str, default: object = None) -> object:
        """Give the typed value of a field, or ``default`` where it is absent."""
        field, raw = self._field(name)
        return default if raw is None else _decoded(field, raw)

    def _field(self, name: str) -> tuple[FieldSchema, bytes | None]:
        field = self._schema.field(name)
        self._draft.touched.add(self._moved.get(name, name))
        return field, self._fields.get(name)


class NewRecord:
    """A record as it is to be: assign typed values; what is not assigned stays as it is; ``del`` takes a field away.

    Reading gives what the field is at this moment, like ``OldRecord``.
    """

    __slots__ = ("_draft", "_schema")
    _draft: Draft
    _schema: ModelSchema

    def __init__(self, draft: Draft, schema: ModelSchema) -> None:
        object.__setattr__(self, "_draft", draft)
        object.__setattr__(self, "_schema", schema)

    def __getattr__(self, name: str) -> object:
        field, raw = self._schema.field(name), self._draft.get(name)
        if raw is None:
            raise AttributeError(f"the record has no field {name!r}")
        return _decoded(field, raw)

    def __setattr__(self, name: str, value: object) -> None:
        field = self._schema.field(name)
        if name == self._schema.primary_key:
            raise RecordError(name, None, "is the primary key; a function in a migration cannot change it")
        try:
            raw = field.codec.encode(field.codec.validate(value))
        except (ValueError, TypeError) as exc:
            raise RecordError(name, None, f"{value!r:.60} is no {field.type}: {complaint(exc)}") from exc
        self._draft.set(name, raw)

    def __delattr__(self, name: str) -> None:
        self._schema.field(name)
        self._draft.remove(name)


class OldObject:
    """A nested object as it is before a key is added to it: ``old.city`` is the value of its key ``city``.

    An absent key raises ``AttributeError``; ``old.get("city")`` gives None instead, ``"city" in old`` tells.
    """

    __slots__ = ("_document",)

    def __init__(self, document: Mapping[str, object]) -> None:
        self._document = document

    def __getattr__(self, name: str) -> object:
        if name not in self._document:
            raise AttributeError(f"the object has no key {name!r}; ask with .get({name!r}), or '{name}' in the object")
        return self._document[name]

    def __contains__(self, name: str) -> bool:
        return name in self._document

    def get(self, name: str, default: object = None) -> object:
        """Give the value of a key, or ``default`` where it is absent."""
        return self._document.get(name, default)


def complaint(exc: Exception) -> str:
    """Give the one line of an error that matters."""
    if isinstance(exc, ValidationError):
        return exc.errors(include_url=False, include_context=False, include_input=False)[0]["msg"]
    return str(exc) or type(exc).__name__


def _decoded(field: FieldSchema, raw: bytes) -> object:
    try:
        return field.read(raw)
    except (KeyError, TypeError, ValueError):
        pass  # the codec knows more than the shortcut
    try:
        return field.codec.decode(raw)
    except ValueError as exc:
        raise RecordError(field.name, raw, f"does not read back as {field.type}: {complaint(exc)}") from exc
