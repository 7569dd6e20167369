"""Tightened constraints: warn if models have become stricter since ``makemigrations`` last ran."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from redis_models.client.drivers import run
from redis_models.errors import MigrationFileError, RedisModelsError
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.files.constraints_file import (
    Tightened,
    read_constraints,
    read_history,
    tightened_since,
    write_constraints,
)
from redis_models.migrations.files.makemigrations import Place
from redis_models.migrations.files.model_constraints import Constraints, constraints_of, demands_of
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
        tightened: Demands of its models that are new.
        refused: A line for each model with records that it refuses; None if the database could not be reached.
    """

    app: App
    tightened: tuple[Tightened, ...]
    refused: tuple[str, ...] | None

    @property
    def documents(self) -> list[dict[str, str]]:
        """The warnings as JSON-like data."""
        return [{"app": self.app.label, "place": each.place, "what": each.what} for each in self.tightened]

    @property
    def lines(self) -> Iterator[str]:
        """The warnings in lines of text."""
        for each in self.tightened:
            yield f"! {self.app.label}.{each.place}: {each.what}; records that violate it can no longer be read."
        if self.refused is None:
            yield "  Run 'check --database' where the records are, before you deploy this code there."
        yield from (f"  {line}; correct them before you deploy this code there." for line in self.refused or ())


def warnings_of(context: CliContext, places: Sequence[Place], made: Sequence[NewMigration]) -> list[Warned]:
    """Compare what models demand with what they demanded before; read records only of models that are stricter."""
    found: list[Warned] = []
    for place in places:
        known = read_constraints(place.app.migrations_path)
        new = [migration for migration in made if migration.path.parent == place.app.migrations_path]
        tightened = tuple(each for model in place.app.models for each in _tightened(place.chain, new, known, model))
        if tightened:
            models = {each.model for each in tightened}
            chosen = [model for model in place.app.models if model.__name__ in models]
            found.append(Warned(place.app, tightened, _refused(context, place.chain, chosen)))
    return found


def keep_constraints(
    context: CliContext, places: Sequence[Place], made: Sequence[NewMigration], *, is_update: bool
) -> None:
    """Save what the models demand now; if the file cannot be written, only warn: the migrations matter more.

    Args:
        context: Of the command.
        places: The apps, with their migrations before.
        made: What was written.
        is_update: Whether it took the place of the last migration.
    """
    for place in places:
        directory, links = place.app.migrations_path, place.chain.migrations[: -1 if is_update else None]
        new = [migration.migration for migration in made if migration.path.parent == directory]
        reached = Chain(place.app.label, (*(links if new else place.chain.migrations), *new)).snapshots[-1]
        demands = {
            model.__name__: demands_of(model, reached) for model in place.app.models if model.__options__.managed
        }
        ids = [link.id for link in (links if new else place.chain.migrations)]
        history = read_history(directory).after(demands, ids, [link.id for link in new])
        try:
            write_constraints(directory, history)
        except MigrationFileError as exc:
            context.err(f"{exc}; the same warnings will be printed next time")


def _tightened(
    chain: Chain, made: Sequence[NewMigration], known: Mapping[str, Constraints], model: type[Model]
) -> list[Tightened]:
    """Compare one model with what is known of it, by the names that it and its fields had; no record has new fields."""
    name, fields = model.__name__, {name: name for name in model.model_fields}
    for operation in reversed([operation for new in made for operation in new.migration.operations]):
        if isinstance(operation, RenameModel) and operation.new == name:
            name = operation.model
        elif isinstance(operation, RenameField) and operation.model == name:
            fields = {now: operation.old if was == operation.new else was for now, was in fields.items()}
    before = chain.snapshots[-1].by_name.get(name)
    if before is None or name not in known:
        return []
    stored = {was: now for now, was in fields.items() if was in before.by_name}
    old = {_renamed(path, stored): rules for path, rules in known[name].items()}
    demands = constraints_of(model)
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
    subjects = subjects_of(chain, [model.__mapper__ for model in models])
    store: Store | None
    with asked_store(context) as store:
        if store is None:
            return None
        try:
            found = [run(store.sync_client, unreadable_in(chain, subject, _RECORDS)) for subject in subjects]
        except RedisModelsError:
            return None
    return tuple(str(unreadable) for unreadable in found if unreadable is not None)
