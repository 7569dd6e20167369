"""What ``makemigrations`` has to do, app by app: compare, ask, and put the next migrations together. Prints nothing."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from redis_models.apps import App
from redis_models.migrations.answers import Answers
from redis_models.migrations.authoring import NewMigration, next_migration
from redis_models.migrations.chain import Chain
from redis_models.migrations.diff import Diff, diff
from redis_models.migrations.moves import Moves
from redis_models.migrations.schema import ModelSchema, Snapshot

__all__ = ["Place", "Task", "emptied", "make_all", "owners_of", "tasks_of"]


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
    """

    place: Place
    old: Snapshot
    answers: Answers
    found: Diff
    is_follow_up: bool = False

    @property
    def compare(self) -> Callable[[Answers], Diff]:
        """Give what compares once more, with more answers."""
        moves = Moves() if self.is_follow_up else self.place.moves
        return lambda answers: diff(self.old, self.place.code, answers, leaving=moves.leaving, arriving=moves.arriving)

    def answered(self, answers: Answers) -> "Task":
        """Give the task with more answers."""
        return replace(self, answers=answers, found=self.compare(answers))


def tasks_of(places: Iterable[Place], given: Mapping[str, Answers]) -> list[Task]:
    """Compare the files of apps with their code.

    Raises:
        SchemaError: An answer matches nothing.
    """
    tasks: list[Task] = []
    for place in places:
        answers, old = given[place.app.label], place.chain.snapshots[-1]
        late = [one for one in answers.given if one.model in place.moves.arriving]
        soon = Answers(tuple(one for one in answers.given if one not in late))
        task = Task(place, old, soon, Diff()).answered(soon)
        tasks.append(task)
        if task.found.is_partial:
            tasks.append(_follow_up(task, place.moves.arriving, Answers(tuple(late))))
        elif late:
            Task(place, old, answers, Diff()).answered(answers)  # which refuses them in its own words
    return tasks


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


def make_all(tasks: Iterable[Task], *, name: str | None = None, is_empty: bool = False) -> list[NewMigration]:
    """Put the next migration of each task together.

    Args:
        tasks: Without questions.
        name: What the files are called, without their numbers; None for a suggestion.
        is_empty: Make those without operations, too, to be filled in by hand.

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
        new = next_migration(chain, app.migrations_path, task.found, code=code, name=name)
        chains[app.label] = Chain(app.label, (*chain.links, new.link))
        made.append(new)
    return made


def owners_of(model: str, tasks: Sequence[Task]) -> list[str]:
    """Give the labels of the apps that have a model of this name, or had one."""
    found = [task.place.app.label for task in tasks if model in task.old.by_name or model in task.place.code.by_name]
    return list(dict.fromkeys(found))
