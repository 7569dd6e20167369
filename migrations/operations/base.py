"""What an operation is: one change of a model, with a half for the schema and a half for each record. Pure."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ..edits.steps import Step
from ..schema.snapshot import ModelSchema, Snapshot

__all__ = ["Operation", "Risk"]


class Risk(StrEnum):
    """What may go wrong with an operation, at the worst."""

    NONE = "none"  # every value stays as it is, or is new
    CONVERTS = "converts values"  # a value that cannot be converted stops the run; its record is unchanged
    HIDES = "hides values"  # the application no longer sees some values; they stay in the records, aside
    MOVES = "moves keys"  # code of the older version no longer finds the records
    EXPIRES = "ends records"  # records get another life span
    RUNS = "runs code"  # a function does what it likes, outside of every promise


@dataclass(frozen=True)
class Operation(ABC):
    """One change of one model. An immutable value, so that a plan, a dry run and the real run share it.

    Args:
        model: Name of the model.
    """

    model: str

    @property
    def risk(self) -> Risk:
        """What may go wrong, at the worst."""
        return Risk.NONE

    @property
    def is_destructive(self) -> bool:
        """Whether the application can no longer see some stored values afterwards."""
        return self.risk is Risk.HIDES

    @property
    def is_state_only(self) -> bool:
        """Whether records stay as they are whatever they hold, so that the model's version need not rise."""
        return False

    def name_after(self, name: str) -> str:
        """Give the name that the model ``name`` has after the operation."""
        return name

    @abstractmethod
    def apply(self, snapshot: Snapshot) -> Snapshot:
        """Give the schemas afterwards.

        Raises:
            SchemaError: The operation does not fit ``snapshot``.
        """

    @abstractmethod
    def steps(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        """Give what happens to each record, between the model's schemas on both sides of this operation."""

    @abstractmethod
    def describe(self) -> str:
        """Say it in a line, imperative, without a full stop."""

    @abstractmethod
    def way_back(self) -> str:
        """Say in a line what taking it back does to a record, without a full stop."""
