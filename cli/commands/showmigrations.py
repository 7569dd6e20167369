"""``showmigrations [APP]``: which migrations are applied, and which are not."""

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import click

from redis_models.client.drivers import run
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.chain.loaded_migration import LoadedMigration
from redis_models.migrations.files.loader import load_chain
from redis_models.migrations.planner.plan import SQUASHED, as_squashed
from redis_models.migrations.state.entries import AppliedMigration, State
from redis_models.migrations.state.quarantine import Quarantine
from redis_models.migrations.state.store import StateStore
from redis_models.project.apps import App
from redis_models.redaction import counted

from ..console.context import CliContext
from ..console.targets import apps_named
from ..migrate.remote_control import in_quarantine

__all__ = ["command"]


@click.command("showmigrations")
@click.argument("app", required=False)
@click.pass_obj
def command(context: CliContext, app: str | None) -> None:
    """List the migrations of APP, or of all apps, and whether they are applied.

    [X] applied, [F] recorded by --fake or stamp, [>] a run of it is not finished, [ ] not applied,
    [?] applied, but its file is missing.
    """
    apps = apps_named(context, app)
    shown: dict[str, object] = {}
    quarantined: dict[str, int] = {}
    for project_app in apps:
        chain = load_chain(project_app.label, project_app.migrations_path)
        state = run(context.client, StateStore(context.settings.namespace, project_app.label).read())
        state = replace(state, ledger=as_squashed(chain, state.ledger))
        rows = [
            _row(chain, position, migration, state) for position, migration in enumerate(chain.migrations, 1)
        ] + _unknown_rows(chain, state)
        shown[project_app.label] = rows
        quarantined[project_app.label] = len(
            run(context.client, Quarantine(context.settings.namespace, project_app.label).waiting())
        )
        _print(context, project_app, rows)
        if quarantined[project_app.label]:
            context.out(f" {in_quarantine(quarantined[project_app.label])}; see 'quarantine list'")
    context.json({"command": "showmigrations", "ok": True, "apps": shown, "quarantined": quarantined})


def _print(context: CliContext, app: App, rows: list[dict[str, object]]) -> None:
    context.out(app.label)
    for row in rows:
        when = f"  {row['applied_at']}  {counted(cast(int, row['records']), 'record')}" if row["applied_at"] else ""
        edited = "  edited after it was applied!" if row["is_edited"] else ""
        context.out(f" [{row['mark']}] {row['name']}  {row['id']}{when}{edited}")
        if context.verbosity > 1:
            context.out(f"     {_detail(row)}")
    if not rows:
        context.out(" (no migrations)")


def _row(chain: Chain, position: int, migration: LoadedMigration, state: State) -> dict[str, object]:
    entry = state.ledger.get(migration.id)
    mark = " " if entry is None else "F" if entry.is_faked else "X"
    journal = state.journal
    if journal is not None and min(journal.depth, len(state.ledger)) < position <= journal.reach:
        mark = ">"
    return {
        "mark": mark,
        "name": migration.name,
        "id": migration.id,
        "applied_at": None if entry is None else entry.applied_at,
        "records": 0 if entry is None else entry.records,
        "is_edited": entry is not None
        and entry.checksum != SQUASHED
        and not migration.is_unchanged_since(entry.checksum),
        "versions": dict(migration.versions),
        **_run_document(entry),
    }


def _run_document(entry: AppliedMigration | None) -> dict[str, object]:
    return {"seconds": None if entry is None else entry.seconds, "by": None if entry is None else entry.by}


def _detail(row: Mapping[str, object]) -> str:
    """Say how long it took, who ran it, and to which versions it leads."""
    versions = cast("Mapping[str, int]", row["versions"])
    parts = [f"{row['seconds']:.1f} s by {row['by']}"] if row["by"] else []
    parts += [f"{model} {version}" for model, version in sorted(versions.items())]
    return ", ".join(parts) or "no versions"


def _unknown_rows(chain: Chain, state: State) -> list[dict[str, object]]:
    ids = {migration.id for migration in chain.migrations}
    return [
        {
            "mark": "?",
            "name": entry.name,
            "id": id,
            "applied_at": entry.applied_at,
            "records": entry.records,
            "is_edited": False,
            "versions": {},
            **_run_document(entry),
        }
        for id, entry in state.ledger.items()
        if id not in ids
    ]
