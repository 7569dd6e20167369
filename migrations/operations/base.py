"""What an operation is: one change of a model, with a half for the schema and a half for each record. Pure."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from ..schema import ModelSchema, Snapshot
from ..steps import Step

__all__ = ["Operation"]


@dataclass(frozen=True)
class Operation(ABC):
    """One change of one model. An immutable value, so that a plan, a dry run and the real run share it.

    Args:
        model: Name of the model.
    """

    model: str

    @property
    def is_destructive(self) -> bool:
        """Whether the application can no longer see some stored values afterwards."""
        return False

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
