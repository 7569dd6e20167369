"""Tightening: what ``makemigrations`` says of constraints that are stricter than when it ran before; it makes none."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from redis_models.client.drivers import run
from redis_models.errors import MigrationFileError, RedisModelsError
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.files.acceptance import Acceptance, acceptance_of, demands_of
from redis_models.migrations.files.constraints_file import (
    Tightened,
    read_constraints,
    read_history,
    tightened_since,
    write_constraints,
)
from redis_models.migrations.files.makemigrations import Place
from redis_models.migrations.files.next_migration import NewMigration
from redis_models.migrations.maintenance.sample_check import unreadable_in
from redis_models.migrations.maintenance.verify import subjects_of
from redis_models.migrations.operations import RenameField, RenameModel
from redis_models.model import Model
from redis_models.project.apps import App
from redis_models.store import Store

from ..console.context import CliContext
from .evidence import asked_store

__all__ = ["Warned", "keep_constraints", "warnings_of"]

_RECORDS = 5_000


@dataclass(frozen=True)
class Warned:
    """What is stricter in one app.

    Attributes:
        app: The app.
        tightened: What its models demand, and did not.
        refused: What the records say of that, a line for each model of which some are refused; None where the
            database could not be asked.
    """

    app: App
    tightened: tuple[Tightened, ...]
    refused: tuple[str, ...] | None

    @property
    def documents(self) -> list[dict[str, str]]:
        """What to tell programs."""
        return [{"app": self.app.label, "place": one.place, "what": one.what} for one in self.tightened]

    @property
    def lines(self) -> Iterator[str]:
        """What to tell people."""
        for one in self.tightened:
            yield f"! {self.app.label}.{one.place}: {one.what}; records that do not meet it can no longer be read."
        if self.refused is None:
            yield "  Run 'check --database' where the records are, before this code goes there."
        yield from (f"  {line}; mend them before this code goes there." for line in self.refused or ())


def warnings_of(context: CliContext, places: Sequence[Place], made: Sequence[NewMigration]) -> list[Warned]:
    """Compare what models demand with what they did; ask the database only where something is stricter."""
    found: list[Warned] = []
    for place in places:
        known = read_constraints(place.app.migrations_path)
        new = [one for one in made if one.path.parent == place.app.migrations_path]
        tightened = tuple(one for model in place.app.models for one in _tightened(place.chain, new, known, model))
        if tightened:
            models = {one.model for one in tightened}
            chosen = [model for model in place.app.models if model.__name__ in models]
            found.append(Warned(place.app, tightened, _refused(context, place.chain, chosen)))
    return found


def keep_constraints(
    context: CliContext, places: Sequence[Place], made: Sequence[NewMigration], *, is_update: bool
) -> None:
    """Write down what the models demand now; where the disk refuses, say so: the migrations are what matters.

    Args:
        context: Of the command.
        places: The apps, with their migrations before.
        made: What was written.
        is_update: Whether it took the place of the last migration.
    """
    for place in places:
        directory, links = place.app.migrations_path, place.chain.migrations[: -1 if is_update else None]
        new = [one.link for one in made if one.path.parent == directory]
        reached = Chain(place.app.label, (*(links if new else place.chain.migrations), *new)).snapshots[-1]
        told = {model.__name__: demands_of(model, reached) for model in place.app.models if model.__options__.managed}
        ids = [one.id for one in (links if new else place.chain.migrations)]
        history = read_history(directory).after(told, ids, [one.id for one in new])
        try:
            write_constraints(directory, history)
        except MigrationFileError as exc:
            context.err(f"{exc}; what is stricter next time will be told of again")


def _tightened(
    chain: Chain, made: Sequence[NewMigration], known: Mapping[str, Acceptance], model: type[Model]
) -> list[Tightened]:
    """Compare one model with what is known of it, by the names that it and its fields had; no record has new fields."""
    name, fields = model.__name__, {one: one for one in model.model_fields}
    for operation in reversed([one for new in made for one in new.link.operations]):
        if isinstance(operation, RenameModel) and operation.new == name:
            name = operation.model
        elif isinstance(operation, RenameField) and operation.model == name:
            fields = {now: operation.old if was == operation.new else was for now, was in fields.items()}
    before = chain.snapshots[-1].by_name.get(name)
    if before is None or name not in known:
        return []
    stored = {was: now for now, was in fields.items() if was in before.by_name}
    old = {_renamed(path, stored): rules for path, rules in known[name].items()}
    demands = acceptance_of(model)
    new = {path: rules for path, rules in demands.items() if not path or _first(path) in stored.values()}
    return list(tightened_since(model.__name__, old, new))


def _first(path: str) -> str:
    for mark in ".[{|":
        path = path.partition(mark)[0]
    return path


def _renamed(path: str, names: Mapping[str, str]) -> str:
    first = _first(path)
    return names.get(first, first) + path[len(first) :]


def _refused(context: CliContext, chain: Chain, models: Sequence[type[Model]]) -> tuple[str, ...] | None:
    subjects = subjects_of(chain, [model.__shape__ for model in models])
    store: Store | None
    with asked_store(context) as store:
        if store is None:
            return None
        try:
            found = [run(store.sync_client, unreadable_in(chain, one, _RECORDS)) for one in subjects]
        except RedisModelsError:
            return None
    return tuple(str(one) for one in found if one is not None)
