"""The operation that renames the keys of a model's records. Pure; ``rewriter/rename_keys`` executes it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from redis_models.errors import SchemaError
from redis_models.mapping.keys import key_complaint

from ..edits.steps import Step
from ..schema.snapshot import ModelSchema, Snapshot
from .base import Operation, Risk

__all__ = ["AlterKeys"]


@dataclass(frozen=True)
class AlterKeys(Operation):
    """Rename the keys of a model's records; parts that are None stay unchanged.

    Records are first rewritten under their old keys, and then renamed together with their TTLs. Until the end, code of
    either version finds only the records under its own keys.

    Args:
        model: Name of the model.
        prefix: First part of the keys; "" for none.
        separator: Between the parts.
        table: Second part of the keys.
        primary_key: Field whose text is the last part.
    """

    prefix: str | None = None
    separator: str | None = None
    table: str | None = None
    primary_key: str | None = None

    @property
    def risk(self) -> Risk:
        return Risk.MOVES

    def apply(self, snapshot: Snapshot) -> Snapshot:
        before = snapshot.model(self.model)
        after = replace(
            before,
            prefix=before.prefix if self.prefix is None else self.prefix.lower(),
            separator=before.separator if self.separator is None else self.separator.lower(),
            table=before.table if self.table is None else self.table,
            primary_key=before.primary_key if self.primary_key is None else self.primary_key,
        )
        after.field(after.primary_key)
        complaint = key_complaint(after.separator, after.table)
        if complaint is not None:
            raise SchemaError(f"{self.describe()}: {complaint}")
        if after == before:
            raise SchemaError(f"{self.describe()}: the model has these keys already")
        _refuse_one_in_the_other(before, after)
        return snapshot.with_model(after)

    def steps(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        return ()

    @property
    def changes(self) -> str:
        """The changed parts, in a few words."""
        parts = {
            "prefix": self.prefix,
            "separator": self.separator,
            "table": self.table,
            "primary key": self.primary_key,
        }
        return ", ".join(f"{name} {value!r}" for name, value in parts.items() if value is not None) or "nothing"

    def describe(self) -> str:
        return f"Alter keys of {self.model}: {self.changes}"

    def describe_reverse(self) -> str:
        return "the records return to their old keys"


def _refuse_one_in_the_other(before: ModelSchema, after: ModelSchema) -> None:
    """Refuse keys that could be both old and new ones: records would be renamed twice."""
    old, new = before.keys, after.keys
    shared = old.shared_with(new)
    if shared is not None and not old.has_same_keys(new):
        raise SchemaError(
            f"{after.name}: keys like {shared}1 could be both old and new ones; choose another table or separator"
        )
