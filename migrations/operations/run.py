"""Free steps: a function of the user's that is called once in a run, whatever it does. Pure.

It is outside of every promise: it touches what it likes. So a run is cut there (see ``segments``), and what was before
it is recorded before it is called.
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
    """What the function of a free step is given.

    Attributes:
        redis: A plain client of the server that is migrated, which answers bytes; nothing is sent twice behind your
            back. It is closed after the call.
        snapshot: Schemas of the app's models at this point of its chain.
        report: Called with how much is done and how much there is, it moves the progress bar.
    """

    redis: "Redis"
    snapshot: Snapshot
    report: Callable[[int, int], None]


# What it gives is ignored, unless it is something to await.
Function = Callable[[RunContext], object]


@dataclass(frozen=True)
class Run(Operation):
    """Call a function once in a run, not once a record; it stands alone in its migration.

    Args:
        function: Called with a ``RunContext``.
        back: Likewise for the way back; without it there is none.
        may_run_twice: Whether the function, and ``back``, give the same when they are called again after they ran
            partly or wholly. If not, one that began and did not end is called again by ``migrate --run-again`` only.
        model: Empty: no model is meant.
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

    def way_back(self) -> str:
        return "cannot be taken back" if self.back is None else f"{function_name(self.back)} is called"


def function_name(function: Callable[..., object]) -> str:
    """Give what a function is called in a plan."""
    return str(getattr(function, "__name__", repr(function)))


def check_stands_alone(operations: Sequence[Operation], versions: Mapping[str, int]) -> None:
    """Refuse a migration that has a free step and something else: its record would say more than what is done.

    Raises:
        SchemaError: It has one.
    """
    found = next((one for one in operations if isinstance(one, Run)), None)
    if found is None:
        return
    if len(operations) > 1:
        raise SchemaError(
            f"{found.describe()} must be the only operation of its migration, because a run is cut there; put the"
            " others into migrations before and after it ('makemigrations --empty' writes one)"
        )
    if versions:
        raise SchemaError(
            f"{found.describe()} touches no model, but versions names {', '.join(versions)}; write versions = {{}}, and"
            " raise versions in another migration"
        )


def _refuse_what_returns_at_once(function: Callable[..., object]) -> None:
    if not callable(function):
        raise SchemaError(f"{function!r:.60} is no function; give one that takes a RunContext")
    if inspect.iscoroutinefunction(function):
        raise SchemaError(f"{function_name(function)} is async, and nothing awaits it; write a plain function")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise SchemaError(f"{function_name(function)} has a yield, so that calling it does nothing; take that out")
