"""The work of ``makemigrations``: compares each app, and builds its next migrations. It does not print."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from redis_models.project.apps import App

from ..autodetector.answers import Answers
from ..autodetector.diff import Diff, diff
from ..autodetector.match_models import Moves
from ..chain.chain import Chain, previous_names
from ..chain.optimizer import creation_of
from ..planner.safety_check import Finding, findings_of, hooks_of
from ..schema.snapshot import ModelSchema, Snapshot
from .next_migration import NewMigration, amend, next_migration

__all__ = ["Place", "Task", "emptied", "make_all", "owners_of", "tasks_from_redis", "tasks_of"]


@dataclass(frozen=True)
class Place:
    """An app with its migrations and the models of its code.

    Attributes:
        app: The app.
        chain: Its migrations.
        code: Snapshot of its models.
        moves: Models that come from other apps or go there.
    """

    app: App
    chain: Chain
    code: Snapshot
    moves: Moves


@dataclass(frozen=True)
class Task:
    """A comparison, which leads to at most one migration.

    Attributes:
        place: The app.
        old: The snapshot before.
        answers: Answers so far.
        found: The differences between ``old`` and the code.
        is_follow_up: Whether it follows another task of the app, for models that came from other apps and changed.
        name: Name of its file; "" for a suggestion.
    """

    place: Place
    old: Snapshot
    answers: Answers
    found: Diff
    is_follow_up: bool = False
    name: str = ""

    @property
    def compare(self) -> Callable[[Answers], Diff]:
        """Compare again with more answers."""
        moves = Moves() if self.is_follow_up else self.place.moves
        return lambda answers: diff(self.old, self.place.code, answers, leaving=moves.leaving, arriving=moves.arriving)

    def answered(self, answers: Answers) -> "Task":
        """Return the task with more answers."""
        return replace(self, answers=answers, found=self.compare(answers))


def tasks_of(places: Iterable[Place], answers_by_app: Mapping[str, Answers], *, is_update: bool = False) -> list[Task]:
    """Compare the files of apps with their code.

    Args:
        places: The apps.
        given: Answers by the label of the app.
        is_update: Whether the last migration of each app is rewritten, so that its raised versions are enough.

    Raises:
        SchemaError: An answer matches nothing.
    """
    tasks: list[Task] = []
    for place in places:
        answers, old = (
            answers_by_app[place.app.label],
            _unraised(place.chain) if is_update else place.chain.snapshots[-1],
        )
        late = [answer for answer in answers.given if answer.model in place.moves.arriving]
        soon = Answers(tuple(answer for answer in answers.given if answer not in late))
        task = Task(place, old, soon, Diff()).answered(soon)
        tasks.append(task)
        if task.found.is_partial:
            tasks.append(_follow_up(task, place.moves.arriving, Answers(tuple(late))))
        elif late:
            Task(place, old, answers, Diff()).answered(answers)  # for its error
    return tasks


def _unraised(chain: Chain) -> Snapshot:
    """Return the last snapshot, with the versions before the last migration."""
    if not chain.migrations:
        return chain.snapshots[-1]
    last, before, after = chain.migrations[-1], chain.snapshots[-2], chain.snapshots[-1]
    names = previous_names(before, last.operations)
    for name, version in last.versions.items():
        known = before.model(names[name]).version if name in names else version - 1
        after = after.with_model(replace(after.model(name), version=known))
    return after


def tasks_from_redis(place: Place, stored: Snapshot, answers: Answers) -> list[Task]:
    """Return the tasks for an app without files: a migration for the snapshot in Redis, and one that leads to the code.

    Raises:
        SchemaError: An answer matches nothing.
    """
    versions = {model.name: model.version for model in stored.models}
    found = Diff(tuple(creation_of(model) for model in stored.models), versions=versions, target=stored)
    first = Task(place, Snapshot(), Answers(), found, name="from_redis")
    return [first, Task(place, stored, answers, Diff(), is_follow_up=True).answered(answers)]


def _follow_up(task: Task, arriving: Mapping[str, ModelSchema], answers: Answers) -> Task:
    old = task.found.target
    for model in task.place.code.models:
        if model.name not in arriving:
            old = old.with_model(model)  # as after the first task, once it is answered
    return Task(task.place, old, answers, Diff(), is_follow_up=True).answered(answers)


def emptied(task: Task) -> Task:
    """Keep only versions of unchanged models; changes go into the next migration."""
    same = {
        model.name
        for model in task.place.code.models
        if model.name in task.old.by_name and model.has_shape_of(task.old.model(model.name))
    }
    versions = {name: version for name, version in task.found.versions.items() if name in same}
    return replace(task, found=Diff(versions=versions))


def make_all(
    tasks: Iterable[Task], *, name: str | None = None, is_empty: bool = False, is_update: bool = False
) -> list[NewMigration]:
    """Build the next migration of each task.

    Args:
        tasks: Tasks without open questions.
        name: Name of the files without numbers; None for a suggestion.
        is_empty: Also build migrations without operations, to be completed by hand.
        is_update: Rewrite the last migration, if there is one, with the new changes.

    Raises:
        MigrationFileError: The operations do not fit.
    """
    chains: dict[str, Chain] = {}
    made: list[NewMigration] = []
    for task in tasks:
        if not is_empty and not task.found.is_written:
            continue
        app = task.place.app
        chain = chains.get(app.label, task.place.chain)
        code = None if is_empty else task.found.target
        if is_update and chain.migrations:
            new = amend(chain, app.migrations_path, task.found, task.found.target)
            chains[app.label] = Chain(app.label, (*chain.migrations[:-1], new.migration))
        else:
            new = next_migration(chain, app.migrations_path, task.found, code=code, name=task.name or name)
            chains[app.label] = Chain(app.label, (*chain.migrations, new.migration))
        made.append(replace(new, refused=_refused(chains[app.label], app)))
    return made


def _refused(chain: Chain, app: App) -> tuple[Finding, ...]:
    last = chain.head_position
    found = findings_of(chain, range(last, last + 1), hooks=hooks_of(app.models))
    return tuple(finding for finding in found if finding.is_refused)


def owners_of(model: str, tasks: Sequence[Task]) -> list[str]:
    """Return the labels of the apps that have or had a model of this name."""
    found = [task.place.app.label for task in tasks if model in task.old.by_name or model in task.place.code.by_name]
    return list(dict.fromkeys(found))
