"""The operation that runs a function on every record and leaves the schema unchanged. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from redis_models.errors import RecordError

from ..edits.record_edit import RecordEdit
from ..edits.steps import Compute, Step
from ..edits.views import NewRecord, OldRecord, complaint, old_record_of
from ..schema.snapshot import ModelSchema, Snapshot
from .base import Operation, Risk

__all__ = ["Transform"]

Function = Callable[[OldRecord, NewRecord], None]


@dataclass(frozen=True)
class Transform(Operation):
    """Run a function on every record.

    Args:
        model: Name of the model.
        function: Called with the old and the new record; assigns to the new one. It may run twice for a record, so it
            must be pure and deterministic: no clock, no random numbers, no I/O.
        back: The reverse, with the present record as the old one; needed only for records that were changed after the
            migration.
    """

    function: Function
    back: Function | None = None

    def apply(self, snapshot: Snapshot) -> Snapshot:
        snapshot.model(self.model)
        return snapshot

    def steps(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        def is_same(name: str, left: bytes, right: bytes) -> bool:
            field = after.by_name.get(name)
            return field is not None and field.codec.decode(left) == field.codec.decode(right)

        back = None if self.back is None else self._bound(self.back, after)
        return [Compute(self.describe(), self._bound(self.function, after), back, is_same, may_do_nothing=True)]

    def describe(self) -> str:
        return f"Transform {self.model} with {getattr(self.function, '__name__', repr(self.function))}"

    def describe_reverse(self) -> str:
        since = "are refused" if self.back is None else "go through back="
        return f"unchanged records return byte for byte; those changed since {since}"

    @property
    def risk(self) -> Risk:
        return Risk.CONVERTS

    def _bound(self, function: Function, schema: ModelSchema) -> Callable[[RecordEdit], None]:
        old_of = old_record_of(schema)

        def run(edit: RecordEdit) -> None:
            try:
                function(old_of(edit), NewRecord(edit, schema))
            except RecordError:
                raise
            except Exception as exc:  # the function is the user's: any exception is a fact about this record
                problem = complaint(exc)
                reason = f"{self.describe()} raised {type(exc).__name__}: {problem}; correct it, or repair the record"
                raise RecordError("", None, reason, (problem,), is_told=True) from exc

        return run
