"""Operations on the life spans of records. Pure."""

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
    """Change the life span that records of a model get, and, as far as the policy says, that of those that exist.

    Args:
        model: Name of the model.
        old: Seconds before, or None for ever, so that the file can be read alone.
        new: Likewise afterwards.
        policy: What happens to records that exist. ``new-only``: nothing. ``all``: each has ``new`` seconds left from
            the moment at which it is rewritten. ``shorten``: likewise, but only those that would live longer.
            ``jitter``: likewise all, but each between half of that and the whole, so that they do not end at once.
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
                f"{self.describe()}: the life span is {_told(model.ttl)} here, not {_told(self.old)}; correct the file"
            )
        return snapshot.with_model(replace(model, ttl=self.new))

    def steps(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        return [] if self.is_state_only else [Expire(self.policy, (self.new or 0) * _PER_SECOND_MS)]

    def describe(self) -> str:
        change = f"life span of {self.model} from {_told(self.old)} to {_told(self.new)}"
        records = {
            "new-only": "new records only",
            "all": "all records, from now",
            "shorten": "records that would live longer, from now",
            "jitter": "all records, spread",
        }
        return f"Alter {change} ({records.get(self.policy, self.policy)})"

    def way_back(self) -> str:
        if self.is_state_only:
            return "new records live as long as before; no record changes"
        return "records end again when they did before, unless that is over, or another life span was set since"

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
                f"{self.describe()}: policy {self.policy!r} needs a life span; for records that are to live for ever"
                " write 'all'"
            )


def _is_span(seconds: object) -> bool:
    return isinstance(seconds, int) and not isinstance(seconds, bool) and 1 <= seconds <= _LONGEST_S


def _told(seconds: int | None) -> str:
    return "for ever" if seconds is None else f"{seconds} s"
