"""The base class of operations: one change of a model, in its schema and in each record. Pure."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ..edits.steps import Step
from ..schema.snapshot import ModelSchema, Snapshot

__all__ = ["Operation", "Risk"]


class Risk(StrEnum):
    """The worst effect that an operation may have."""

    NONE = "none"  # values stay unchanged, or are new
    CONVERTS = "converts values"  # a value that cannot be converted stops the run; its record is unchanged
    HIDES = "hides values"  # the application no longer sees some values; they become undo fields
    MOVES = "moves keys"  # older code no longer finds the records
    EXPIRES = "ends records"  # the TTL of records changes
    RUNS = "runs code"  # a function may do anything


@dataclass(frozen=True)
class Operation(ABC):
    """One change of one model. An immutable value, so that a plan, a dry run and the real run share it.

    Args:
        model: Name of the model.
    """

    model: str

    @property
    def risk(self) -> Risk:
        """The worst effect that it may have."""
        return Risk.NONE

    @property
    def is_destructive(self) -> bool:
        """Whether the application can no longer see some stored values afterwards."""
        return self.risk is Risk.HIDES

    @property
    def is_state_only(self) -> bool:
        """Whether no record can change, so that the version of the model need not rise."""
        return False

    def name_after(self, name: str) -> str:
        """Return the name of the model ``name`` after the operation."""
        return name

    @abstractmethod
    def apply(self, snapshot: Snapshot) -> Snapshot:
        """Return the schemas afterwards.

        Raises:
            SchemaError: The operation does not fit ``snapshot``.
        """

    @abstractmethod
    def steps(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        """Return the steps for each record, between the schemas before and after this operation."""

    @abstractmethod
    def describe(self) -> str:
        """Describe the operation in one line, imperative, without a full stop."""

    @abstractmethod
    def describe_reverse(self) -> str:
        """Describe in one line what undoing it does to a record, without a full stop."""
