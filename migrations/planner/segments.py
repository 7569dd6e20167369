"""Segments: the parts of a run between its free steps. Pure.

A free step needs records as they are at its place in the chain. So a run finishes and records all migrations before it,
calls its function, and continues. Each segment is a plan of its own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

from redis_models.errors import IncompleteError, MigrationError, UnsafeError

from ..chain.chain import Chain
from ..chain.loaded_migration import LoadedMigration
from ..chain.upgrade_path import UpgradePath
from ..operations.run import Run, function_name
from ..state.entries import Journal, State
from .passes import RenameKeysPass, RewritePass
from .plan import Plan, chain_to_give_up, make_plan, plan_between

__all__ = ["RunPlan", "accepting_unreadable", "make_run_plan", "step_of", "whole_plan"]


@dataclass(frozen=True)
class RunPlan:
    """What a run must do, segment by segment.

    Attributes:
        chain: The migrations; made from the code if there are no files.
        segments: Plans, in order; at least one.
        begun: The migration whose function an unfinished run called, or None.
        journal: The journal of the unfinished run, or None.
    """

    chain: Chain
    segments: tuple[Plan, ...]
    begun: LoadedMigration | None = None
    journal: Journal | None = None

    @property
    def identity(self) -> tuple[object, ...]:
        """A value that is equal for equal plans."""
        return tuple(segment.identity for segment in self.segments)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do and nothing to resume."""
        return all(segment.is_empty and not segment.is_resumed and not segment.passes for segment in self.segments)

    @property
    def is_resumed(self) -> bool:
        """Whether it resumes a run that stopped."""
        return self.segments[0].is_resumed

    @property
    def app(self) -> str:
        """Label of the app."""
        return self.chain.app

    @property
    def start(self) -> int:
        """Position of the ledger."""
        return self.segments[0].start

    @property
    def target(self) -> int:
        """Position to reach."""
        return self.segments[-1].target

    @cached_property
    def applied(self) -> tuple[LoadedMigration, ...]:
        """Migrations that it applies, in order."""
        return tuple(migration for segment in self.segments for migration in segment.applied)

    @cached_property
    def unapplied(self) -> tuple[LoadedMigration, ...]:
        """Migrations that it takes back, last first."""
        return tuple(migration for segment in self.segments for migration in segment.unapplied)

    @cached_property
    def passes(self) -> tuple[RewritePass, ...]:
        """All its passes."""
        return tuple(rewrite_pass for segment in self.segments for rewrite_pass in segment.passes)

    @cached_property
    def moves(self) -> tuple[RenameKeysPass, ...]:
        """All its passes that rename keys."""
        return tuple(move for segment in self.segments for move in segment.moves)

    @cached_property
    def destructive(self) -> tuple[str, ...]:
        """The operations after which the application can no longer see some values, one line each."""
        return tuple(line for segment in self.segments for line in segment.destructive)

    @property
    def has_steps(self) -> bool:
        """Whether it calls a function of a free step."""
        return any(step_of(segment) is not None for segment in self.segments)

    def objections(self, *, run_again: bool = False) -> Iterator[MigrationError]:
        """Yield the reasons why it cannot begin.

        Args:
            run_again: Whether the user allows to call the function of the unfinished run again.
        """
        if self.begun is not None and self.journal is not None:
            first = self.segments[0]
            step = step_of(first)
            if step is None or first.target != self.journal.target:
                yield IncompleteError(_unfinished(self.chain, self.begun, self.journal))
            elif not step.may_run_twice and not run_again:
                yield IncompleteError(_open_outcome(self.chain, self.begun, self.journal, first.start))
        for segment in self.segments:
            step = step_of(segment)
            if step is not None and segment.unapplied and step.back is None:
                yield UnsafeError(_one_way(self.chain, segment, step))


def step_of(segment: Plan) -> Run | None:
    """Return the free step of a segment; None if the segment rewrites records."""
    migrations = (*segment.applied, *segment.unapplied)
    return _step_in(migrations[0]) if len(migrations) == 1 else None


def make_run_plan(chain: Chain, state: State, target: int, *, includes_stragglers: bool = False) -> RunPlan:
    """Compare the files with the database, and divide the plan at the free steps.

    Args:
        chain: The files.
        state: The database.
        target: Position in the chain to reach.
        includes_stragglers: As for ``plan_between``.

    Raises:
        DriftError: The database does not match the files; the error says what to do.
    """
    chain = chain_to_give_up(chain, state, target)
    whole = make_plan(chain, state, target, includes_stragglers=includes_stragglers)
    journal = state.journal
    begun = next(
        (migration for migration in chain.migrations if journal is not None and migration.id == journal.step), None
    )
    stops = _stops(chain, whole, journal)
    if len(stops) < 3:
        return RunPlan(chain, (whole,), begun, journal)
    segments = [
        plan_between(chain, start, end, journal if place == 0 else None, includes_stragglers=includes_stragglers)
        for place, (start, end) in enumerate(pairwise(stops))
    ]
    return RunPlan(chain, (*map(_on_the_way, segments[:-1]), segments[-1]), begun, journal)


def whole_plan(plan: RunPlan) -> Plan:
    """Return one plan for all segments, as if there were no free steps between them."""
    if len(plan.segments) == 1:
        return plan.segments[0]
    includes_stragglers = all(segment.depth == 0 for segment in plan.segments)
    return plan_between(plan.chain, plan.start, plan.target, plan.journal, includes_stragglers=includes_stragglers)


def _stops(chain: Chain, whole: Plan, journal: Journal | None) -> list[int]:
    """Return the positions at which segments begin and end; an empty segment finishes a stopped run."""
    stops = [whole.start]
    is_to_settle = journal is not None and not journal.step
    passed = range(whole.start, whole.target) if whole.target > whole.start else range(whole.start, whole.target, -1)
    for position in passed:
        after = position + passed.step
        if _step_in(chain.migrations[min(position, after)]) is None:
            continue
        if position != stops[-1] or (len(stops) == 1 and is_to_settle):
            stops.append(position)
        stops.append(after)
    if whole.target != stops[-1]:
        stops.append(whole.target)
    return stops


def _on_the_way(segment: Plan) -> Plan:
    """Return a segment that is not the last one, without changes to records that are newer than its target.

    New code wrote them, and a later segment leads there. If this segment took them back, they would lose values that
    the older schema cannot hold. Only their keys are renamed, because later segments do not scan the older keys. A
    segment that goes back does not check records for older code, because no code runs at its end.
    """
    leaves_newer = segment.target > segment.start

    def on_the_way(path: UpgradePath) -> UpgradePath:
        return replace(path, leaves_newer=leaves_newer or path.leaves_newer, earlier=None)

    return _with_paths(segment, on_the_way)


def accepting_unreadable(plan: RunPlan) -> RunPlan:
    """Return a plan that does not check whether older code can read the records that it takes back."""
    segments = tuple(_with_paths(segment, lambda path: replace(path, earlier=None)) for segment in plan.segments)
    return replace(plan, segments=segments)


def _with_paths(segment: Plan, change: Callable[[UpgradePath], UpgradePath]) -> Plan:
    passes = tuple(replace(rewrite_pass, path=change(rewrite_pass.path)) for rewrite_pass in segment.passes)
    moves = tuple(replace(move, path=change(move.path)) for move in segment.moves)
    return replace(segment, passes=passes, moves=moves)


def _step_in(migration: LoadedMigration) -> Run | None:
    first = migration.operations[0] if len(migration.operations) == 1 else None
    return first if isinstance(first, Run) else None


def _unfinished(chain: Chain, migration: LoadedMigration, journal: Journal) -> str:
    return (
        f"{chain.app}: the function of {migration.name} was called at {journal.began_at} and did not end; finish that"
        f" first with 'migrate {_at(chain, journal.target)}', or find out what it did and record the position of the"
        f" database with 'migrate --fake {chain.app} TARGET'"
    )


def _open_outcome(chain: Chain, migration: LoadedMigration, journal: Journal, start: int) -> str:
    return (
        f"{chain.app}: the function of {migration.name} was called at {journal.began_at} and did not end: it may have"
        " run partly, and it may not run twice. Find out what it did. If it did everything, record that with"
        f" 'migrate --fake {_at(chain, journal.target)}'. If it did nothing, record that with 'migrate --fake"
        f" {_at(chain, start)}', or call it again with 'migrate --run-again'"
    )


def _one_way(chain: Chain, segment: Plan, step: Run) -> str:
    [migration] = segment.unapplied
    return (
        f"{chain.app}: {migration.name} cannot be taken back, because {function_name(step.function)} has no back=;"
        f" nothing was changed. Go back only to it with 'migrate {_at(chain, segment.start)}', or undo by hand what the"
        f" function did and record that with 'stamp {_at(chain, segment.target)}'"
    )


def _at(chain: Chain, position: int) -> str:
    """Name a position as a command takes it."""
    return f"{chain.app} {chain.migrations[position - 1].number if position else 'zero'}"
