"""Views: the typed old and new record that a function in a migration gets. Pure.

A view decodes a field when it is read and encodes it when it is assigned, by the schema at that point of the chain, so
that no application class is needed. The fields that were read are compared when the result is written.
"""

from collections.abc import Callable, Mapping
from functools import partial

from pydantic import ValidationError

from redis_models.encoding.limits import UNREADABLE
from redis_models.encoding.secrets import first_complaint
from redis_models.errors import RecordError

from ..schema.snapshot import FieldSchema, ModelSchema
from .conversion import accepted
from .extra_fields import extra_value, is_extra, stored_extra
from .record_edit import RecordEdit

__all__ = ["NewRecord", "OldObject", "OldRecord", "complaint", "old_record_of"]


class OldRecord:
    """A record as it was before a step: ``old.total`` is the typed value of the stored field ``total``.

    An absent field raises ``AttributeError``; ``old.get("total")`` returns None instead; ``"total" in old`` tests it.
    Extra fields can be read too, if the model has them; their values are JSON.
    """

    __slots__ = ("_parts",)

    def __init__(self, edit: RecordEdit, schema: ModelSchema, *, is_alone: bool = False) -> None:
        fields, moved = edit.fields, edit.moved
        if not is_alone:  # copies: what the new view writes must not show here
            fields, moved = dict(fields), dict(moved)
        # One attribute, because access to attributes is slow in a class with ``__getattr__``.
        self._parts = schema, edit.touched, fields, moved

    def __getattr__(self, name: str) -> object:
        field, raw = self._field(name)
        if raw is None:
            raise AttributeError(
                f"the record has no field {name!r}; use .get({name!r}), or test '{name}' in the record"
            )
        return _decoded(field, raw)

    def __contains__(self, name: str) -> bool:
        return self._field(name)[1] is not None

    def get(self, name: str, default: object = None) -> object:
        """Return the typed value of a field, or ``default`` if it is absent."""
        field, raw = self._field(name)
        return default if raw is None else _decoded(field, raw)

    def _field(self, name: str) -> tuple[FieldSchema | None, bytes | None]:
        schema, touched, fields, moved = self._parts
        field = _declared(schema, name)
        touched.add(moved.get(name, name))
        return field, fields.get(name)


def old_record_of(schema: ModelSchema) -> Callable[..., OldRecord]:
    """Return a subclass of ``OldRecord`` with properties for fields; ``__getattr__`` takes twice as long."""
    found = {name: property(_looking(field)) for name, field in schema.by_name.items() if not hasattr(OldRecord, name)}
    kind = type("OldRecord", (OldRecord,), {"__slots__": (), "__module__": OldRecord.__module__, **found})
    return partial(kind, schema=schema)


def _looking(field: FieldSchema) -> Callable[[OldRecord], object]:
    name = field.name

    def look(record: OldRecord) -> object:
        _, touched, fields, moved = record._parts
        touched.add(moved.get(name, name))
        raw = fields.get(name)
        if raw is None:
            raise AttributeError(name)  # Python then calls __getattr__, whose message says more
        try:
            return field.read(raw)
        except (*UNREADABLE, ValueError):
            return _decoded(field, raw)

    return look


class NewRecord:
    """The new record: assign typed values, or ``del`` a field; all other fields stay unchanged.

    Reading a field returns its present value, as in ``OldRecord``.
    """

    __slots__ = ("_edit", "_schema")
    _edit: RecordEdit
    _schema: ModelSchema

    def __init__(self, edit: RecordEdit, schema: ModelSchema) -> None:
        object.__setattr__(self, "_edit", edit)
        object.__setattr__(self, "_schema", schema)

    def __getattr__(self, name: str) -> object:
        field, raw = _declared(self._schema, name), self._edit.get(name)
        if raw is None:
            raise AttributeError(f"the record has no field {name!r}")
        return _decoded(field, raw)

    def __setattr__(self, name: str, value: object) -> None:
        field = _declared(self._schema, name)
        if name == self._schema.primary_key:
            raise RecordError(name, None, "is the primary key; a function in a migration cannot change it")
        try:
            raw = stored_extra(value) if field is None else field.codec.encode(accepted(field.codec, value))
        except (*UNREADABLE, ValueError) as exc:
            shown, detail = f"{value!r:.60}", complaint(exc)
            problem = "cannot be stored" if field is None else f"is not a valid {field.type}"
            reason = f"{shown} {problem}: {detail}"
            raise RecordError(name, None, reason, (detail, shown), is_told=True) from exc
        self._edit.set(name, raw)

    def __delattr__(self, name: str) -> None:
        _declared(self._schema, name)
        self._edit.remove(name)


class OldObject:
    """A nested object before a key is added to it: ``old.city`` is the value of its key ``city``.

    An absent key raises ``AttributeError``; ``old.get("city")`` returns None instead, and ``"city" in old`` tests it.
    """

    __slots__ = ("_document",)

    def __init__(self, document: Mapping[str, object]) -> None:
        self._document = document

    def __getattr__(self, name: str) -> object:
        if name not in self._document:
            raise AttributeError(f"the object has no key {name!r}; use .get({name!r}), or test '{name}' in the object")
        return self._document[name]

    def __contains__(self, name: str) -> bool:
        return name in self._document

    def get(self, name: str, default: object = None) -> object:
        """Return the value of a key, or ``default`` if it is absent."""
        return self._document.get(name, default)


def complaint(exc: Exception) -> str:
    """Return the most useful line of an error."""
    if isinstance(exc, ValidationError):
        return first_complaint(exc).text
    return str(exc) or type(exc).__name__


def _declared(schema: ModelSchema, name: str) -> FieldSchema | None:
    """Return a field, or None for an extra field; ``SchemaError`` if the model does not have extra fields."""
    return None if schema.extras and is_extra(schema, name) else schema.field(name)


def _decoded(field: FieldSchema | None, raw: bytes) -> object:
    if field is None:
        return extra_value(raw)
    try:
        return field.read(raw)
    except (*UNREADABLE, ValueError):
        pass  # the codec accepts more than this shortcut
    try:
        return field.decode(raw)
    except ValueError as exc:
        problem = complaint(exc)
        raise RecordError(field.name, raw, f"does not read back as {field.type}: {problem}", (problem,)) from exc
