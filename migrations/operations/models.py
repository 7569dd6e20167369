"""Operations on whole models. They touch no record: records of a deleted model stay until they are flushed. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from redis_models.errors import SchemaError

from ..edits.steps import Step
from ..schema.snapshot import FieldSchema, ModelSchema, Snapshot
from .base import Operation, Risk

__all__ = ["AlterExtras", "CreateModel", "DeleteModel", "MoveModel", "RenameModel"]


@dataclass(frozen=True)
class CreateModel(Operation):
    """Begin to track a model; its version is the one that the migration names.

    Args:
        model: Name of the class.
        fields: Canonical type text by field.
        primary_key: Name of the field.
        table: Second part of its keys.
        prefix: First part of its keys, or "".
        separator: Between the parts.
        ttl: Life span in seconds of a new record, or None.
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
            raise SchemaError(f"there is a model {self.model!r} already")
        if self.primary_key not in self.fields:
            raise SchemaError(f"{self.model}: primary key {self.primary_key!r} is none of its fields")
        declared = [FieldSchema(name, type, place=place) for place, (name, type) in enumerate(self.fields.items())]
        fields = tuple(sorted(declared, key=lambda one: one.name))
        prefix, separator = self.prefix.lower(), self.separator.lower()
        model = ModelSchema(self.model, 1, self.primary_key, prefix, separator, self.table, fields, self.ttl)
        return snapshot.with_model(replace(model, extras=self.extras))

    def steps(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        return ()

    def describe(self) -> str:
        return f"Create model {self.model}"

    def way_back(self) -> str:
        return "the model is tracked no longer; its records stay"


@dataclass(frozen=True)
class DeleteModel(Operation):
    """Stop tracking a model. Its records stay in Redis, so that the way back needs nothing."""

    @property
    def risk(self) -> Risk:
        return Risk.HIDES

    def apply(self, snapshot: Snapshot) -> Snapshot:
        return snapshot.without_model(self.model)

    def steps(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        return ()

    def describe(self) -> str:
        return f"Delete model {self.model} (its records stay)"

    def way_back(self) -> str:
        return "the model is tracked again, with the records that stayed"


@dataclass(frozen=True)
class RenameModel(Operation):
    """Give a model another name, as its class has one. Its keys stay as the schema has them; see ``AlterKeys``.

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
            raise SchemaError(f"there is a model {self.new!r} already")
        return snapshot.without_model(self.model).with_model(replace(snapshot.model(self.model), name=self.new))

    def steps(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        return ()

    def name_after(self, name: str) -> str:
        return self.new if name == self.model else name

    def describe(self) -> str:
        return f"Rename model {self.model} to {self.new}"

    def way_back(self) -> str:
        return f"the model is called {self.model} again"


@dataclass(frozen=True)
class AlterExtras(Operation):
    """Note that a model takes fields that it does not declare (``extra="allow"``) from now on, or no longer.

    No record changes: the application does not see the extra fields that are there, until it takes some again.

    Args:
        model: Name of the model.
        allowed: Whether it takes them.
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
        return f"{'Take' if self.allowed else 'No longer take'} extra fields on {self.model}"

    def way_back(self) -> str:
        return "the fields that stayed in the records are " + ("out of sight again" if self.allowed else "seen again")


@dataclass(frozen=True)
class MoveModel(Operation):
    """Leave a model to another app of the project. Its records stay; the other app creates it at the same version.

    Args:
        model: Name of the model.
        app: Label of the app that it goes to.
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

    def way_back(self) -> str:
        return "the model belongs to this app again, with the records that stayed"
