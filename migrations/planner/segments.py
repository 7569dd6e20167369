"""Segments: a plan, cut at the free steps on its way. Pure.

A free step runs on records as they are at its place in the chain. So what is before it is finished and recorded, then
its function is called, then the run goes on; each segment is a plan of its own.
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
    """What a run has to do, segment by segment.

    Attributes:
        chain: The files; without any where the code itself is the target.
        segments: Plans, one after the other; at least one.
        begun: The migration whose function was called by a run that did not end, or None.
        journal: Of the run that stopped, or None.
    """

    chain: Chain
    segments: tuple[Plan, ...]
    begun: LoadedMigration | None = None
    journal: Journal | None = None

    @property
    def identity(self) -> tuple[object, ...]:
        """What makes two plans the same."""
        return tuple(segment.identity for segment in self.segments)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do, not even to go on with."""
        return all(segment.is_empty and not segment.is_resumed and not segment.works for segment in self.segments)

    @property
    def is_resumed(self) -> bool:
        """Whether it goes on with a run that stopped."""
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
    def works(self) -> tuple[RewritePass, ...]:
        """All its passes."""
        return tuple(work for segment in self.segments for work in segment.works)

    @cached_property
    def moves(self) -> tuple[RenameKeysPass, ...]:
        """All that give records other keys."""
        return tuple(move for segment in self.segments for move in segment.moves)

    @cached_property
    def destructive(self) -> tuple[str, ...]:
        """What the application can no longer see afterwards, a line each."""
        return tuple(line for segment in self.segments for line in segment.destructive)

    @property
    def has_steps(self) -> bool:
        """Whether a function of the user's is called."""
        return any(step_of(segment) is not None for segment in self.segments)

    def objections(self, *, run_again: bool = False) -> Iterator[MigrationError]:
        """Give why it cannot be begun, the first reason first.

        Args:
            run_again: The user is sure that the function which was begun may be called again.
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
    """Give the free step that a segment consists of; None if it rewrites records."""
    migrations = (*segment.applied, *segment.unapplied)
    return _step_in(migrations[0]) if len(migrations) == 1 else None


def make_run_plan(chain: Chain, state: State, target: int, *, meets_all: bool = False) -> RunPlan:
    """Compare the files with the database, and cut what is to be done at the free steps.

    Args:
        chain: The files.
        state: The database.
        target: Position in the chain to reach.
        meets_all: Meet records of any age, also those that older code wrote behind a run that ended.

    Raises:
        DriftError: The database holds what the files do not say; it names the cure.
    """
    chain = chain_to_give_up(chain, state, target)
    whole = make_plan(chain, state, target, meets_all=meets_all)
    journal = state.journal
    begun = next(
        (migration for migration in chain.migrations if journal is not None and migration.id == journal.step), None
    )
    stops = _stops(chain, whole, journal)
    if len(stops) < 3:
        return RunPlan(chain, (whole,), begun, journal)
    segments = [
        plan_between(chain, start, end, journal if place == 0 else None, meets_all=meets_all)
        for place, (start, end) in enumerate(pairwise(stops))
    ]
    return RunPlan(chain, (*map(_on_the_way, segments[:-1]), segments[-1]), begun, journal)


def whole_plan(plan: RunPlan) -> Plan:
    """Give one plan for all segments, as if no free step were between them."""
    if len(plan.segments) == 1:
        return plan.segments[0]
    meets_all = all(segment.depth == 0 for segment in plan.segments)
    return plan_between(plan.chain, plan.start, plan.target, plan.journal, meets_all=meets_all)


def _stops(chain: Chain, whole: Plan, journal: Journal | None) -> list[int]:
    """Give the positions at which segments begin and end; one that begins where it ends finishes a stopped run."""
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
    """Leave records alone that are newer than a segment's target: new code wrote them, and a later segment leads there.

    Taken back for a while, they would lose what the older schema cannot hold. Under older keys they are renamed as
    they are, because later segments do not look there. No code runs at the stops of a way back that goes on.
    """
    leaves_newer = segment.target > segment.start

    def on_the_way(route: UpgradePath) -> UpgradePath:
        return replace(route, leaves_newer=leaves_newer or route.leaves_newer, earlier=None)

    return _with_routes(segment, on_the_way)


def accepting_unreadable(plan: RunPlan) -> RunPlan:
    """Give the plan that takes records back without a check that the older code can read them."""
    return replace(
        plan,
        segments=tuple(_with_routes(segment, lambda route: replace(route, earlier=None)) for segment in plan.segments),
    )


def _with_routes(segment: Plan, change: Callable[[UpgradePath], UpgradePath]) -> Plan:
    works = tuple(replace(work, route=change(work.route)) for work in segment.works)
    moves = tuple(replace(move, route=change(move.route)) for move in segment.moves)
    return replace(segment, works=works, moves=moves)


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
