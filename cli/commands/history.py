"""``history [APP]``: who did what to the database, and when."""

from collections.abc import Sequence
from dataclasses import asdict

import click

from redis_models.client.drivers import run
from redis_models.migrations.state.history import Event
from redis_models.migrations.state.store import StateStore

from ..console.context import CliContext
from ..console.parameters import MOST
from ..console.targets import apps_named

__all__ = ["command"]


@click.command("history")
@click.argument("app", required=False)
@click.option("-n", "--number", "most", type=click.IntRange(1, MOST), default=20, help="Show so many; 20 otherwise.")
@click.pass_obj
def command(context: CliContext, app: str | None, most: int) -> None:
    """Show what was done to the database of APP, or of all apps, newest first."""
    apps = apps_named(context, app)
    client, namespace = context.client, context.settings.namespace
    events = [
        (one.label, event) for one in apps for event in run(client, StateStore(namespace, one.label).history(most))
    ]
    # Sorting is stable, so that what was done in one second stays in its order.
    newest = sorted(events, key=lambda pair: pair[1].at, reverse=True)[:most]
    for line in _table(newest):
        context.out(line)
    if not newest:
        context.out("Nothing was done here yet.")
    context.json({"command": "history", "ok": True, "events": [{"app": label, **asdict(one)} for label, one in newest]})


def _table(events: Sequence[tuple[str, Event]]) -> list[str]:
    rows = [
        (
            event.at,
            event.what,
            f"{label}.{event.name}",
            f"{event.records:,} records",
            f"{event.seconds:.1f} s",
            event.by + (f"  consents to {', '.join(event.consents)}" if event.consents else ""),
        )
        for label, event in events
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
