"""Operations on whole models. They do not change records: those of a deleted model stay in Redis. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from redis_models.errors import SchemaError

from ..edits.steps import Step
from ..schema.snapshot import FieldSchema, ModelSchema, Snapshot
from .base import Operation, Risk

__all__ = ["AlterExtras", "CreateModel", "DeleteModel", "MoveModel", "RenameModel"]


@dataclass(frozen=True)
class CreateModel(Operation):
    """Start to track a model; the migration names its version.

    Args:
        model: Name of the class.
        fields: Canonical type text by field.
        primary_key: Name of the field.
        table: Second part of its keys.
        prefix: First part of its keys, or "".
        separator: Between the parts.
        ttl: TTL of a new record in seconds, or None.
        extras: Whether records may have fields that are not declared (``extra="allow"``).
    """

    fields: Mapping[str, str]
    primary_key: str
    table: str
    prefix: str = ""
    separator: str = ":"
    ttl: int | None = None
    extras: bool = False

    def apply(self, snapshot: Snapshot) -> Snapshot:
        if self.model in snapshot.by_name:
            raise SchemaError(f"a model {self.model!r} exists already")
        if self.primary_key not in self.fields:
            raise SchemaError(f"{self.model}: primary key {self.primary_key!r} is not one of its fields")
        declared = [FieldSchema(name, type, place=place) for place, (name, type) in enumerate(self.fields.items())]
        fields = tuple(sorted(declared, key=lambda field: field.name))
        prefix, separator = self.prefix.lower(), self.separator.lower()
        model = ModelSchema(self.model, 1, self.primary_key, prefix, separator, self.table, fields, self.ttl)
        return snapshot.with_model(replace(model, extras=self.extras))

    def steps(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        return ()

    def describe(self) -> str:
        return f"Create model {self.model}"

    def describe_reverse(self) -> str:
        return "the model is no longer tracked; its records stay"


@dataclass(frozen=True)
class DeleteModel(Operation):
    """Stop tracking a model. Its records stay in Redis, so that this can be undone."""

    @property
    def risk(self) -> Risk:
        return Risk.HIDES

    def apply(self, snapshot: Snapshot) -> Snapshot:
        return snapshot.without_model(self.model)

    def steps(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        return ()

    def describe(self) -> str:
        return f"Delete model {self.model} (its records stay)"

    def describe_reverse(self) -> str:
        return "the model is tracked again, with the records that stayed"


@dataclass(frozen=True)
class RenameModel(Operation):
    """Rename a model, as its class was renamed. Its keys do not change; see ``AlterKeys``.

    Args:
        model: Name of the class before.
        new: Its name afterwards.
    """

    new: str

    @property
    def is_state_only(self) -> bool:
        return True

    def apply(self, snapshot: Snapshot) -> Snapshot:
        if self.new in snapshot.by_name:
            raise SchemaError(f"a model {self.new!r} exists already")
        return snapshot.without_model(self.model).with_model(replace(snapshot.model(self.model), name=self.new))

    def steps(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        return ()

    def name_after(self, name: str) -> str:
        return self.new if name == self.model else name

    def describe(self) -> str:
        return f"Rename model {self.model} to {self.new}"

    def describe_reverse(self) -> str:
        return f"the model is named {self.model} again"


@dataclass(frozen=True)
class AlterExtras(Operation):
    """Allow or forbid extra fields (``extra="allow"``).

    Records do not change. While extra fields are forbidden, the application does not see those that exist.

    Args:
        model: Name of the model.
        allowed: Whether the model may have extra fields.
    """

    allowed: bool

    @property
    def is_state_only(self) -> bool:
        return True

    def apply(self, snapshot: Snapshot) -> Snapshot:
        return snapshot.with_model(replace(snapshot.model(self.model), extras=self.allowed))

    def steps(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        return ()

    def describe(self) -> str:
        return f"{'Allow' if self.allowed else 'Forbid'} extra fields on {self.model}"

    def describe_reverse(self) -> str:
        return "extra fields in the records are " + ("hidden again" if self.allowed else "visible again")


@dataclass(frozen=True)
class MoveModel(Operation):
    """Move a model to another app of the project, which creates it at the same version. Its records stay.

    Args:
        model: Name of the model.
        app: Label of the other app.
    """

    app: str

    @property
    def is_state_only(self) -> bool:
        return True

    def apply(self, snapshot: Snapshot) -> Snapshot:
        return snapshot.without_model(self.model)

    def steps(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        return ()

    def describe(self) -> str:
        return f"Move model {self.model} to app {self.app} (its records stay)"

    def describe_reverse(self) -> str:
        return "the model belongs to this app again, with the records that stayed"
