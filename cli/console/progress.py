"""Progress of a run on stderr: a bar on a terminal, nothing otherwise, JSON lines under ``--json``."""

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager

from redis_models.migrations.executor.progress import Progress

from .context import CliContext

__all__ = ["shown_progress"]


@contextmanager
def shown_progress(context: CliContext) -> Generator[Callable[[Progress], None]]:
    """Give the function to which a run reports its progress, until the end of the block."""
    if context.is_json:
        yield lambda now: context.err(
            json.dumps(
                {
                    "t": "progress",
                    "model": now.model,
                    "seen": now.seen,
                    "changed": now.changed,
                    "total": now.total,
                    "pace": now.pace,
                }
            )
        )
    elif context.console.is_terminal:
        with _bar(context) as report:
            yield report
    else:
        yield lambda now: None


@contextmanager
def _bar(context: CliContext) -> Generator[Callable[[Progress], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn  # start-up time
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("  {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[pace]}"),
    )
    with Bars(*columns, console=context.console) as bars:
        tasks = {}

        def report(now: Progress) -> None:
            if now.model not in tasks:
                tasks[now.model] = bars.add_task(now.model, total=now.total, rate="", pace="")
            task = bars.tasks[tasks[now.model]]
            rate = f"{task.speed:,.0f}/s" if task.speed else ""
            bars.update(tasks[now.model], completed=now.seen, total=now.total, rate=rate, pace=now.pace)

        yield report
