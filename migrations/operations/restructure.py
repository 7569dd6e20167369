"""Operations that store the same values in other fields: split, merge, flatten, nest. Pure.

Each is one step on a few fields, all of which become undo fields. An unchanged record returns byte for byte; a record
that was changed or created since is converted back by its values.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from redis_models.errors import RecordError, SchemaError

from ..edits.nested_paths import ABSENT, Document, plain
from ..edits.record_edit import RecordEdit
from ..edits.steps import Step
from ..edits.typed_steps import Regroup
from ..edits.values import called, decoded, read, stored
from ..schema.snapshot import FieldSchema, ModelSchema, Snapshot, _Required
from ..schema.type_edit import numbered
from ..schema.type_tree import NONE, Key, Object, choice_of, parse
from .base import Operation, Risk
from .nested_moves import nested_tree, single_object

__all__ = ["FlattenField", "MergeFields", "NestFields", "SplitField"]

Split = Callable[..., Mapping[str, object]]
Merge = Callable[[dict[str, object]], object]
_Rebuild = Callable[[RecordEdit, Mapping[str, bytes | None]], None]
_REBUILT: Final = "unchanged records return byte for byte; those changed or created since"


@dataclass(frozen=True)
class SplitField(Operation):
    """Split the value of one field into several fields.

    Args:
        model: Name of the model.
        name: The field; it is removed, unless ``into`` has it too.
        into: Canonical text of the type, by new field.
        split: Pure function from the value to a mapping with a value for each new field.
        merge: Pure function from a dict of these values to the one value, for records that were changed or created
            since.
    """

    name: str
    into: Mapping[str, str]
    split: Split
    merge: Merge | None = None

    @property
    def risk(self) -> Risk:
        return Risk.CONVERTS

    def apply(self, snapshot: Snapshot) -> Snapshot:
        model = snapshot.model(self.model).without_field(self.name)
        for name, type in self.into.items():
            parse(type)
            model = model.with_field(FieldSchema(name, type))
        return snapshot.with_model(model)

    def steps(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        whole, parts = before.field(self.name), [after.field(name) for name in self.into]

        def forward(edit: RecordEdit) -> None:
            _spread(edit, whole, parts, self.split, self.describe())

        def rebuild(edit: RecordEdit, undo: Mapping[str, bytes | None]) -> None:
            _gather(edit, parts, whole, self.merge, f"{self.describe()}: merge")

        return [_regroup(self.describe(), before, {self.name}, set(self.into), forward, rebuild)]

    def describe(self) -> str:
        return f"Split field {self.name} of {self.model} into {', '.join(self.into)}"

    def describe_reverse(self) -> str:
        return f"{_REBUILT} {'are refused' if self.merge is None else 'go through merge='}"


@dataclass(frozen=True)
class MergeFields(Operation):
    """Merge several fields into one.

    Args:
        model: Name of the model.
        names: The fields; they are removed, except for one that is ``into``.
        into: The resulting field.
        type: Canonical text of its type.
        merge: Pure function from a dict of their values to the one value; absent fields are not in the dict.
        split: Pure function from that value to a mapping of the values, for records that were changed or created since.
    """

    names: Sequence[str]
    into: str
    type: str
    merge: Merge
    split: Split | None = None

    @property
    def risk(self) -> Risk:
        return Risk.CONVERTS

    def apply(self, snapshot: Snapshot) -> Snapshot:
        model = snapshot.model(self.model)
        for name in self.names:
            model = model.without_field(name)
        parse(self.type)
        return snapshot.with_model(model.with_field(FieldSchema(self.into, self.type)))

    def steps(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        parts, whole = [before.field(name) for name in self.names], after.field(self.into)

        def forward(edit: RecordEdit) -> None:
            _gather(edit, parts, whole, self.merge, self.describe())

        def rebuild(edit: RecordEdit, undo: Mapping[str, bytes | None]) -> None:
            _spread(edit, whole, parts, self.split, f"{self.describe()}: split")

        return [_regroup(self.describe(), before, set(self.names), {self.into}, forward, rebuild)]

    def describe(self) -> str:
        return f"Merge fields {', '.join(self.names)} of {self.model} into {self.into}"

    def describe_reverse(self) -> str:
        return f"{_REBUILT} {'are refused' if self.split is None else 'go through split='}"


@dataclass(frozen=True)
class FlattenField(Operation):
    """Turn the keys of a nested object into fields; if the object is None, all of them are None.

    Args:
        model: Name of the model.
        name: The field of the object; it is removed.
        into: New field for every key; None omits a key, so that the application no longer sees it.
    """

    name: str
    into: Mapping[str, str | None]

    @property
    def risk(self) -> Risk:
        return Risk.HIDES if None in self.into.values() else Risk.CONVERTS

    def apply(self, snapshot: Snapshot) -> Snapshot:
        model = snapshot.model(self.model)
        object, may_be_none = single_object(parse(model.field(self.name).type), f"{self.model}.{self.name}")
        self._refuse_other_keys(object)
        model = model.without_field(self.name)
        for key in object.keys:
            if (name := self.into[key.name]) is not None:
                tree = choice_of([key.tree, NONE]) if may_be_none else key.tree
                model = model.with_field(FieldSchema(name, numbered(str(tree))))
        return snapshot.with_model(model)

    def steps(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        whole = before.field(self.name)
        places = {key: after.field(name) for key, name in self.into.items() if name is not None}

        def forward(edit: RecordEdit) -> None:
            _flatten(edit, whole, places)

        def rebuild(edit: RecordEdit, undo: Mapping[str, bytes | None]) -> None:
            _nest(edit, places, whole, undo.get(self.name))

        names = {field.name for field in places.values()}
        return [_regroup(self.describe(), before, {self.name}, names, forward, rebuild)]

    def describe(self) -> str:
        names = ", ".join(name for name in self.into.values() if name is not None)
        return f"Flatten field {self.name} of {self.model} into {names}"

    def describe_reverse(self) -> str:
        return f"{_REBUILT} become {self.name} again, with the omitted keys"

    def _refuse_other_keys(self, object: Object) -> None:
        missing = [key.name for key in object.keys if key.name not in self.into]
        strange = [name for name in self.into if object.key(name) is None]
        if missing:
            raise SchemaError(f"{self.describe()}: into= lacks {', '.join(missing)}; give a field, or None to omit it")
        if strange:
            raise SchemaError(f"{self.describe()}: {object} has no key {', '.join(strange)}")


@dataclass(frozen=True)
class NestFields(Operation):
    """Turn fields into a nested object.

    Args:
        model: Name of the model.
        fields: Key by field; the fields are removed, except for one that is ``into``.
        into: The field of the object.
    """

    fields: Mapping[str, str]
    into: str

    @property
    def risk(self) -> Risk:
        return Risk.CONVERTS

    def apply(self, snapshot: Snapshot) -> Snapshot:
        model = snapshot.model(self.model)
        keys = [Key(key, nested_tree(parse(model.field(name).type))) for name, key in self.fields.items()]
        if len({key.name for key in keys}) < len(keys):
            raise SchemaError(f"{self.describe()}: two fields become the same key; give each its own")
        for name in self.fields:
            model = model.without_field(name)
        return snapshot.with_model(model.with_field(FieldSchema(self.into, numbered(str(Object(tuple(keys)))))))

    def steps(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        places = {key: before.field(name) for name, key in self.fields.items()}
        whole = after.field(self.into)

        def forward(edit: RecordEdit) -> None:
            _nest(edit, places, whole, None)

        def rebuild(edit: RecordEdit, undo: Mapping[str, bytes | None]) -> None:
            _flatten(edit, whole, places)

        return [_regroup(self.describe(), before, set(self.fields), {self.into}, forward, rebuild)]

    def describe(self) -> str:
        return f"Nest fields {', '.join(self.fields)} of {self.model} into {self.into}"

    def describe_reverse(self) -> str:
        return f"{_REBUILT} become fields again"


def _regroup(
    what: str,
    before: ModelSchema,
    old: set[str],
    new: set[str],
    forward: Callable[[RecordEdit], None],
    rebuild: _Rebuild,
) -> Regroup:
    def is_same(name: str, left: bytes, right: bytes) -> bool:
        field = before.by_name.get(name)
        return field is not None and field.codec.decode(left) == field.codec.decode(right)

    return Regroup(what, forward, None, is_same, old=frozenset(old), new=frozenset(new), rebuild=rebuild)


def _spread(edit: RecordEdit, whole: FieldSchema, parts: Sequence[FieldSchema], split: Split | None, what: str) -> None:
    """Split the value of one field into several."""
    value = read(edit, whole, ABSENT)
    if value is ABSENT:
        return
    if split is None:
        raise RecordError(whole.name, None, f"was changed or created since; {what}= is needed; give it a function")
    found = called(split, whole.name, what, value)
    names = {part.name for part in parts}
    if not isinstance(found, Mapping) or set(cast("Mapping[object, object]", found)) != names:
        shown, keys = f"{found!r:.60}", ", ".join(sorted(names))
        reason = f"{what}: its function returned {shown}, not a mapping with {keys}"
        raise RecordError(whole.name, None, reason, (shown,), is_told=True)
    values = cast("Mapping[str, object]", found)
    _replace(edit, [whole], {part: values[part.name] for part in parts})


def _gather(edit: RecordEdit, parts: Sequence[FieldSchema], whole: FieldSchema, merge: Merge | None, what: str) -> None:
    """Merge several fields into one; if all are absent, do nothing."""
    read_values = {part.name: read(edit, part, ABSENT) for part in parts}
    values = {name: value for name, value in read_values.items() if value is not ABSENT}
    if not values:
        return
    if merge is None:
        names = ", ".join(values)
        raise RecordError(
            whole.name, None, f"{names} were changed or created since; {what}= is needed; give it a function"
        )
    _replace(edit, parts, {whole: called(merge, whole.name, what, values)})


def _flatten(edit: RecordEdit, whole: FieldSchema, places: Mapping[str, FieldSchema]) -> None:
    """Turn the keys of an object into fields."""
    document = plain(read(edit, whole, ABSENT))
    if document is ABSENT:
        return
    values = cast(Document, document) if isinstance(document, dict) else dict.fromkeys(places)
    _replace(edit, [whole], {field: values[key] for key, field in places.items() if key in values})


def _nest(edit: RecordEdit, places: Mapping[str, FieldSchema], whole: FieldSchema, kept: bytes | None) -> None:
    """Turn fields into an object; ``kept`` is the older object, which may have keys without a field."""
    read_values = {key: _plain_or_default(edit, field) for key, field in places.items()}
    values = {key: value for key, value in read_values.items() if value is not ABSENT}
    before = None if kept is None else plain(decoded(whole, kept))
    rest = cast(Document, before) if isinstance(before, dict) else {}
    if not values and not rest:
        return
    is_none = whole.codec.is_optional and not rest and all(value is None for value in values.values())
    # In the older order; the key of a removed field is removed too.
    document = {
        key: values.get(key, value) for key, value in rest.items() if key not in places or key in values
    } | values
    _replace(edit, list(places.values()), {whole: None if is_none else document})


def _plain_or_default(edit: RecordEdit, field: FieldSchema) -> object:
    value = plain(read(edit, field, ABSENT))
    return field.default if value is ABSENT and not isinstance(field.default, _Required) else value


def _replace(edit: RecordEdit, gone: Sequence[FieldSchema], made: Mapping[FieldSchema, object]) -> None:
    raws = {field.name: stored(field.codec, field.name, field.type, value) for field, value in made.items()}
    for field in gone:
        if field.name not in raws:
            edit.remove(field.name)
    for name, raw in raws.items():
        edit.set(name, raw)
