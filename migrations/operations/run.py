"""The operation that calls a function of the user once in a run. Pure.

The function may do anything, so this library promises nothing about it. A run is divided there (see
``planner/segments``): all migrations before it are recorded before it is called.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from redis_models.errors import SchemaError

from ..edits.steps import Step
from ..schema.snapshot import ModelSchema, Snapshot
from .base import Operation, Risk

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["Run", "RunContext", "check_stands_alone", "function_name"]


@dataclass(frozen=True)
class RunContext:
    """The argument of the function of ``Run``.

    Attributes:
        redis: A plain client of the server, which returns bytes and does not retry. It is closed after the call.
        snapshot: Schemas of the app's models at this point of its chain.
        report: Call it with the amount that is done and the total, to move the progress bar.
    """

    redis: "Redis"
    snapshot: Snapshot
    report: Callable[[int, int], None]


# The result is ignored; an awaitable is refused.
Function = Callable[[RunContext], object]


@dataclass(frozen=True)
class Run(Operation):
    """Call a function once in a run, not once per record. It must be the only operation of its migration.

    Args:
        function: Called with a ``RunContext``.
        back: The reverse; without it, the migration cannot be undone.
        may_run_twice: Whether ``function`` and ``back`` have the same result if they run again after a complete or
            partial run. If not, only ``migrate --run-again`` calls one again that did not end.
        model: Empty: it does not belong to a model.
    """

    model: str = field(default="", init=False)
    function: Function
    back: Function | None = None
    may_run_twice: bool = field(kw_only=True)

    @property
    def risk(self) -> Risk:
        return Risk.RUNS

    @property
    def is_state_only(self) -> bool:
        return True

    def apply(self, snapshot: Snapshot) -> Snapshot:
        for function in (self.function, self.back):
            if function is not None:
                _refuse_what_returns_at_once(function)
        return snapshot

    def steps(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        return ()

    def describe(self) -> str:
        return f"Run {function_name(self.function)}"

    def describe_reverse(self) -> str:
        return "cannot be taken back" if self.back is None else f"{function_name(self.back)} is called"


def function_name(function: Callable[..., object]) -> str:
    """Return the name of a function for a plan."""
    return str(getattr(function, "__name__", repr(function)))


def check_stands_alone(operations: Sequence[Operation], versions: Mapping[str, int]) -> None:
    """Refuse a migration with ``Run`` and other operations or versions.

    Raises:
        SchemaError: It has both.
    """
    found = next((operation for operation in operations if isinstance(operation, Run)), None)
    if found is None:
        return
    if len(operations) > 1:
        raise SchemaError(
            f"{found.describe()} must be the only operation of its migration, because a run is divided there; put the"
            " others into migrations before and after it ('makemigrations --empty' writes one)"
        )
    if versions:
        raise SchemaError(
            f"{found.describe()} does not change models, but versions names {', '.join(versions)}; write"
            " versions = {}, and raise versions in another migration"
        )


def _refuse_what_returns_at_once(function: Callable[..., object]) -> None:
    if not callable(function):
        raise SchemaError(f"{function!r:.60} is not a function; give one that takes a RunContext")
    if inspect.iscoroutinefunction(function):
        raise SchemaError(f"{function_name(function)} is async and would not be awaited; write a plain function")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise SchemaError(f"{function_name(function)} has a yield, so that calling it does nothing; remove the yield")
