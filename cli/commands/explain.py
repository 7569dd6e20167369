"""``explain APP MIGRATION``: what a migration does to one record, before and after."""

from dataclasses import dataclass
from typing import Any

import click
from redis.exceptions import ResponseError

from redis_models.client.commands import RoundTrips, check, hash_of
from redis_models.client.drivers import run
from redis_models.errors import RecordError, RedisModelsError
from redis_models.mapping.mapper import Mapper
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.chain.lineage import Lineage
from redis_models.migrations.chain.loaded_migration import LoadedMigration
from redis_models.migrations.keyspace.sampling import sample
from redis_models.migrations.operations import Risk
from redis_models.migrations.planner.explain import Explained, explain, explained_models, made_up
from redis_models.migrations.schema.snapshot import ModelSchema
from redis_models.project.apps import App

from ..console.context import CliContext
from ..console.exit_codes import Exit
from ..console.formatting import record_document, record_lines
from ..console.targets import apps_named

__all__ = ["command"]


@dataclass(frozen=True)
class _Shown:
    """One record to explain.

    Attributes:
        key: Its key.
        record: Its stored fields.
        is_real: Whether it was read from Redis; if not, it was made up.
    """

    key: str
    record: dict[str, bytes]
    is_real: bool


@click.command("explain")
@click.argument("app")
@click.argument("migration")
@click.option("--key", metavar="KEY", help="Explain what happens to this record.")
@click.option("--backwards", is_flag=True, help="Explain what happens when the migration is taken back.")
@click.pass_obj
def command(context: CliContext, app: str, migration: str, key: str | None, backwards: bool) -> int:
    """Show what MIGRATION of APP does to one record: before and after. Nothing is written.

    Without --key it takes one record of each model that the migration rewrites, or makes one up if there is no record
    or no server. A record of another version is first brought, in memory, to the version before the migration.
    """
    [chosen] = apps_named(context, app)
    chain = context.chains[chosen.label]
    position = chain.target(migration, 0)
    explained = chain.migrations[position - 1]
    _print_operations(context, chain, explained, position, backwards)
    results: list[dict[str, object]] = []
    is_ok = True
    for lineage, before, after in explained_models(chain, position):
        shown = _shown(context, lineage, before, key)
        if shown is None:
            continue
        try:
            found = explain(
                lineage, before, after, shown.key, shown.record, is_backwards=backwards, mappers=_mappers(chosen, shown)
            )
        except RecordError as exc:
            context.out()
            context.out(f"{shown.key}: cannot be rewritten: {exc}")
            results.append({"key": shown.key, "error": str(exc)})
            is_ok = False
            continue
        _print(context, found, shown)
        results.append(_document(found, shown))
    if key is not None and not results:
        raise click.UsageError(f"--key {key!r} is not a record of a model that {explained.name} rewrites")
    operations = [operation.describe() for operation in explained.operations]
    context.json({"command": "explain", "ok": is_ok, "id": explained.id, "operations": operations, "records": results})
    return Exit.DONE if is_ok else Exit.FAILED


def _print_operations(
    context: CliContext, chain: Chain, migration: LoadedMigration, position: int, backwards: bool
) -> None:
    verb = "take back " if backwards else ""
    context.out(f"{verb}{chain.app}.{migration.name}   id {migration.id}")
    for operation in reversed(migration.operations) if backwards else migration.operations:
        risk = "" if operation.risk is Risk.NONE else f"   ({operation.risk})"
        context.out(f"  {operation.describe()}{risk}")
        context.out(f"      back: {operation.describe_reverse()}")
    for lineage, before, after in explained_models(chain, position):
        is_static = not backwards and lineage.path.is_static(before.version, after.version)
        where = "in the server" if is_static else "in Python, with compare-and-set"
        context.out(f"  records of {after.name}: version {before.version} → {after.version}, {where}")
    if not any(operation.risk is Risk.EXPIRES for operation in migration.operations):
        context.out("  TTLs stay")


def _shown(context: CliContext, lineage: Lineage, before: ModelSchema, key: str | None) -> _Shown | None:
    """Give the record of ``--key``, or any record of the model."""
    spaces = {model.keys.start: model.keys for model in lineage.schemas.values()}
    if key is not None:
        if not any(keys.owns(key) for keys in spaces.values()):
            return None
        record = run(context.client, _read(key))
        if not record:
            raise click.UsageError(f"--key {key!r}: record not found")
        return _Shown(key, record, is_real=True)
    try:
        for keys in spaces.values():
            for place, found in run(context.client, sample(keys, 1)).records.items():
                return _Shown(place, dict(found), is_real=True)
    except RedisModelsError:
        pass  # without a server, a made-up record explains it as well
    return _Shown(*made_up(before), is_real=False)


def _mappers(app: App, shown: _Shown) -> list[Mapper[Any]]:
    """Give the mappers of the code, for real records; hooks have not written a made-up one."""
    return [model.__mapper__ for model in app.models] if shown.is_real else []


def _read(key: str) -> RoundTrips[dict[str, bytes]]:
    [reply] = yield [("HGETALL", key)]
    if isinstance(reply, ResponseError) and str(reply).startswith("WRONGTYPE"):
        return {}
    return hash_of(check([reply])[0])


def _print(context: CliContext, found: Explained, shown: _Shown) -> None:
    moved = f" → {found.new_key}" if found.new_key != found.key else ""
    context.out()
    context.out(f"{found.key}{moved}" + ("" if shown.is_real else "   (made up)"))
    for line in record_lines(found.lines):
        context.out(line)
    for note in found.notes:
        context.out(f"  {note}")


def _document(found: Explained, shown: _Shown) -> dict[str, object]:
    return {
        "model": found.model,
        "key": found.key,
        "new_key": found.new_key,
        "made_up": not shown.is_real,
        "fields": record_document(found.lines),
        "notes": list(found.notes),
    }
