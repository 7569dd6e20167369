"""``history [APP]``: who did what to the database, and when."""

from collections.abc import Sequence
from dataclasses import asdict

import click

from redis_models.client.drivers import run
from redis_models.migrations.state.history import Event
from redis_models.migrations.state.store import StateStore
from redis_models.redaction import counted

from ..console.context import CliContext
from ..console.parameters import MOST
from ..console.targets import apps_named

__all__ = ["command"]


@click.command("history")
@click.argument("app", required=False)
@click.option(
    "-n", "--number", "most", type=click.IntRange(1, MOST), default=20, help="Number of events to show (default: 20)."
)
@click.pass_obj
def command(context: CliContext, app: str | None, most: int) -> None:
    """Show which migrations ran on the database of APP, or of all apps, when, and by whom; newest first."""
    apps = apps_named(context, app)
    client, namespace = context.client, context.settings.namespace
    events = [
        (project_app.label, event)
        for project_app in apps
        for event in run(client, StateStore(namespace, project_app.label).history(most))
    ]
    # Sorting is stable, so that events of the same second keep their order.
    newest = sorted(events, key=lambda pair: pair[1].at, reverse=True)[:most]
    for line in _table(newest):
        context.out(line)
    if not newest:
        context.out("No migration was run here yet.")
    context.json(
        {"command": "history", "ok": True, "events": [{"app": label, **asdict(event)} for label, event in newest]}
    )


def _table(events: Sequence[tuple[str, Event]]) -> list[str]:
    rows = [
        (
            event.at,
            event.what,
            f"{label}.{event.name}",
            counted(event.records, "record"),
            f"{event.seconds:.1f} s",
            event.by + (f"  consents to {', '.join(event.consents)}" if event.consents else ""),
        )
        for label, event in events
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
