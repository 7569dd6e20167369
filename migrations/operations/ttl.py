"""The operation that changes the TTL of records. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from redis_models.errors import SchemaError

from ..edits.steps import Expire, Step
from ..schema.snapshot import ModelSchema, Snapshot
from .base import Operation, Risk

__all__ = ["AlterTTL"]

_LONGEST_S: Final = 10**12  # 31,000 years; Redis refuses what overflows only after the record is written
_PER_SECOND_MS: Final = 1000
_POLICIES: Final = ("new-only", "all", "shorten", "jitter")


@dataclass(frozen=True)
class AlterTTL(Operation):
    """Change the TTL of new records of a model, and that of existing records if the policy says so.

    Args:
        model: Name of the model.
        old: Seconds before; None if records did not expire. It makes the file readable on its own.
        new: Seconds afterwards; None if records do not expire.
        policy: What happens to existing records. ``new-only``: nothing. ``all``: each gets ``new`` seconds from its
            rewrite. ``shorten``: only those that would live longer. ``jitter``: each gets between half of ``new``
            and all of it, so that they do not expire together.
    """

    old: int | None
    new: int | None
    policy: str = "new-only"

    @property
    def risk(self) -> Risk:
        return Risk.NONE if self.is_state_only else Risk.EXPIRES

    @property
    def is_state_only(self) -> bool:
        return self.policy == "new-only"

    def apply(self, snapshot: Snapshot) -> Snapshot:
        model = snapshot.model(self.model)
        self._check()
        if model.ttl != self.old:
            raise SchemaError(
                f"{self.describe()}: the TTL is {_seconds(model.ttl)} here, not {_seconds(self.old)}; correct the file"
            )
        return snapshot.with_model(replace(model, ttl=self.new))

    def steps(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        return [] if self.is_state_only else [Expire(self.policy, (self.new or 0) * _PER_SECOND_MS)]

    def describe(self) -> str:
        change = f"TTL of {self.model} from {_seconds(self.old)} to {_seconds(self.new)}"
        records = {
            "new-only": "new records only",
            "all": "all records, from now",
            "shorten": "records that would live longer, from now",
            "jitter": "all records, spread",
        }
        return f"Alter {change} ({records.get(self.policy, self.policy)})"

    def describe_reverse(self) -> str:
        if self.is_state_only:
            return "new records get the TTL of before; existing records do not change"
        return "records expire when they did before, unless that time is past or their TTL was changed since"

    def _check(self) -> None:
        if self.policy not in _POLICIES:
            raise SchemaError(f"{self.describe()}: policy is {self.policy!r}; it is one of {', '.join(_POLICIES)}")
        if self.new is not None and not _is_span(self.new):
            raise SchemaError(
                f"{self.describe()}: new is {self.new!r}; it is a whole number of seconds from 1 to {_LONGEST_S},"
                " or None"
            )
        if self.new is None and self.policy in ("shorten", "jitter"):
            raise SchemaError(
                f"{self.describe()}: policy {self.policy!r} needs a TTL; if records should not expire, write 'all'"
            )


def _is_span(seconds: object) -> bool:
    return isinstance(seconds, int) and not isinstance(seconds, bool) and 1 <= seconds <= _LONGEST_S


def _seconds(seconds: int | None) -> str:
    return "none" if seconds is None else f"{seconds} s"
