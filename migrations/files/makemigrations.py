"""What ``makemigrations`` has to do, app by app: compare, ask, and put the next migrations together. Prints nothing."""

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
    """Where the files of an app are, and what its code says.

    Attributes:
        app: The app.
        chain: Its migrations.
        code: Schemas of its models.
        moves: What comes from other apps, and goes there.
    """

    app: App
    chain: Chain
    code: Snapshot
    moves: Moves


@dataclass(frozen=True)
class Task:
    """One comparison, of which at most one migration comes.

    Attributes:
        place: The app.
        old: The schemas that it begins with.
        answers: Those that were given so far.
        found: What lies between ``old`` and the code.
        is_follow_up: It comes after another one of the same app, for models that came from other apps and changed.
        name: What its file is called, whatever else is said; "" for a suggestion.
    """

    place: Place
    old: Snapshot
    answers: Answers
    found: Diff
    is_follow_up: bool = False
    name: str = ""

    @property
    def compare(self) -> Callable[[Answers], Diff]:
        """Give what compares once more, with more answers."""
        moves = Moves() if self.is_follow_up else self.place.moves
        return lambda answers: diff(self.old, self.place.code, answers, leaving=moves.leaving, arriving=moves.arriving)

    def answered(self, answers: Answers) -> "Task":
        """Give the task with more answers."""
        return replace(self, answers=answers, found=self.compare(answers))


def tasks_of(places: Iterable[Place], given: Mapping[str, Answers], *, is_update: bool = False) -> list[Task]:
    """Compare the files of apps with their code.

    Args:
        places: The apps.
        given: Answers by the label of the app.
        is_update: The last migration of each is to be written again, so that the versions that it raised suffice.

    Raises:
        SchemaError: An answer matches nothing.
    """
    tasks: list[Task] = []
    for place in places:
        answers, old = given[place.app.label], _unraised(place.chain) if is_update else place.chain.snapshots[-1]
        late = [one for one in answers.given if one.model in place.moves.arriving]
        soon = Answers(tuple(one for one in answers.given if one not in late))
        task = Task(place, old, soon, Diff()).answered(soon)
        tasks.append(task)
        if task.found.is_partial:
            tasks.append(_follow_up(task, place.moves.arriving, Answers(tuple(late))))
        elif late:
            Task(place, old, answers, Diff()).answered(answers)  # which refuses them in its own words
    return tasks


def _unraised(chain: Chain) -> Snapshot:
    """Give the schemas at the end, with the versions from before the last migration."""
    if not chain.migrations:
        return chain.snapshots[-1]
    last, before, after = chain.migrations[-1], chain.snapshots[-2], chain.snapshots[-1]
    names = previous_names(before, last.operations)
    for name, version in last.versions.items():
        known = before.model(names[name]).version if name in names else version - 1
        after = after.with_model(replace(after.model(name), version=known))
    return after


def tasks_from_redis(place: Place, stored: Snapshot, answers: Answers) -> list[Task]:
    """Begin with what Redis has, for an app without files: a migration that tells it, and what leads on to the code.

    Raises:
        SchemaError: An answer matches nothing.
    """
    versions = {one.name: one.version for one in stored.models}
    told = Diff(tuple(creation_of(one) for one in stored.models), versions=versions, target=stored)
    first = Task(place, Snapshot(), Answers(), told, name="from_redis")
    return [first, Task(place, stored, answers, Diff(), is_follow_up=True).answered(answers)]


def _follow_up(task: Task, arriving: Mapping[str, ModelSchema], answers: Answers) -> Task:
    old = task.found.target
    for one in task.place.code.models:
        if one.name not in arriving:
            old = old.with_model(one)  # as the first task leaves it, or will, once it is answered
    return Task(task.place, old, answers, Diff(), is_follow_up=True).answered(answers)


def emptied(task: Task) -> Task:
    """Leave nothing but the versions of models whose shape stays: what changed is for the next migration."""
    same = {
        one.name
        for one in task.place.code.models
        if one.name in task.old.by_name and one.has_shape_of(task.old.model(one.name))
    }
    versions = {name: version for name, version in task.found.versions.items() if name in same}
    return replace(task, found=Diff(versions=versions))


def make_all(
    tasks: Iterable[Task], *, name: str | None = None, is_empty: bool = False, is_update: bool = False
) -> list[NewMigration]:
    """Put the next migration of each task together.

    Args:
        tasks: Without questions.
        name: What the files are called, without their numbers; None for a suggestion.
        is_empty: Make those without operations, too, to be filled in by hand.
        is_update: Write the last migration again, with what is new, where there is one.

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
            chains[app.label] = Chain(app.label, (*chain.migrations[:-1], new.link))
        else:
            new = next_migration(chain, app.migrations_path, task.found, code=code, name=task.name or name)
            chains[app.label] = Chain(app.label, (*chain.migrations, new.link))
        made.append(replace(new, refused=_refused(chains[app.label], app)))
    return made


def _refused(chain: Chain, app: App) -> tuple[Finding, ...]:
    last = chain.head_position
    found = findings_of(chain, range(last, last + 1), hooks=hooks_of(app.models))
    return tuple(one for one in found if one.is_refused)


def owners_of(model: str, tasks: Sequence[Task]) -> list[str]:
    """Give the labels of the apps that have a model of this name, or had one."""
    found = [task.place.app.label for task in tasks if model in task.old.by_name or model in task.place.code.by_name]
    return list(dict.fromkeys(found))
