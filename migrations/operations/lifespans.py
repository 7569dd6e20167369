"""The operation on the life span of a model's records. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from redis_models.errors import SchemaError

from ..schema import ModelSchema, Snapshot
from ..steps import Step
from .base import Operation

__all__ = ["AlterTTL"]


@dataclass(frozen=True)
class AlterTTL(Operation):
    """Change the life span that new records of a model get.

    Args:
        model: Name of the model.
        old, new: Seconds, or None for ever.
        policy: What records that are there get: ``new-only``, nothing.
    """

    old: int | None
    new: int | None
    policy: str = "new-only"

    @property
    def is_state_only(self) -> bool:
        return self.policy == "new-only"

    def apply(self, snapshot: Snapshot) -> Snapshot:
        model = snapshot.model(self.model)
        if model.ttl != self.old:
            raise SchemaError(f"{self.describe()}: the life span is {model.ttl} here; correct the file")
        if self.policy != "new-only":
            raise SchemaError(f"{self.describe()}: there is no policy {self.policy!r}; write 'new-only'")
        return snapshot.with_model(replace(model, ttl=self.new))

    def steps(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        return ()

    def describe(self) -> str:
        return f"Alter ttl of {self.model} from {self.old} to {self.new} ({self.policy})"

    def way_back(self) -> str:
        return "new records get the life span that they got before"
