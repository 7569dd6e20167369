"""Control a run from another terminal: ``migrate --status``, ``--pause``, ``--resume``, ``--abort``, ``--set``."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.mapping.keys import bookkeeping_key
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.executor.recorder import now
from redis_models.migrations.files.loader import load_chain
from redis_models.migrations.state.control import abort, change_control, read_control
from redis_models.migrations.state.entries import Journal
from redis_models.migrations.state.lease import Holder, holder_of, this_person
from redis_models.migrations.state.quarantine import Quarantine
from redis_models.migrations.state.store import StateStore
from redis_models.project.apps import App
from redis_models.redaction import counted

from ..console.context import CliContext
from ..console.parameters import Amount, refuse_contradictions

__all__ = ["Steering", "in_quarantine", "quarantine_problem", "steer", "steering_options"]

# By name: the field of the control, what reads a value, and what that may be.
_SETTABLE: Final[dict[str, tuple[str, Callable[[str], float | int], str]]] = {
    "max-latency-ms": ("max_latency_ms", lambda text: Amount()(text), "milliseconds; 0 disables throttling"),
    "batch": ("batch", lambda text: click.IntRange(1, 100)(text), "a whole number from 1 to 100"),
}


@dataclass(frozen=True)
class Steering:
    """What to do with the current run.

    Attributes:
        word: "status", "pause", "resume", "abort" or "".
        values: Of ``--set``, checked, by the names that users write.
    """

    word: str = ""
    values: tuple[tuple[str, float | int], ...] = ()

    @property
    def is_asked(self) -> bool:
        """Whether any of the options was given."""
        return bool(self.word or self.values)

    @property
    def option(self) -> str:
        """The option that was given, or one of them; "" if none was."""
        return f"--{self.word}" if self.word else "--set" if self.values else ""


def steering_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options, as one argument ``steering``."""

    @click.option("--status", is_flag=True, help="Show the current or unfinished run, and its speed.")
    @click.option("--pause", is_flag=True, help="Pause the current run.")
    @click.option("--resume", is_flag=True, help="Resume a paused run.")
    @click.option("--abort", is_flag=True, help="End the current run, even if it hangs.")
    @click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        help="Change max-latency-ms or batch of the current run.",
    )
    @functools.wraps(function)
    def with_steering(
        *arguments: Any,
        status: bool,
        pause: bool,
        resume: bool,
        abort: bool,
        settings: Sequence[str],
        **options: Any,
    ) -> Any:
        words = {"status": status, "pause": pause, "resume": resume, "abort": abort}
        refuse_contradictions({f"--{word}": is_said for word, is_said in words.items()})
        word = next((word for word, is_given in words.items() if is_given), "")
        steering = Steering(word, tuple(map(_setting, settings)))
        return function(*arguments, steering=steering, **options)

    return with_steering


def steer(context: CliContext, client: SyncClient, apps: Sequence[App], steering: Steering) -> None:
    """Control the current run, and show its progress.

    Raises:
        MigrationError: No run is active.
    """
    namespace, by = context.settings.namespace, f"{this_person()} at {now()}"
    for name, value in steering.values:
        run(client, change_control(namespace, {_SETTABLE[name][0]: value}))
    if steering.word == "pause":
        run(client, change_control(namespace, {"paused": f"paused by {by}"}))
        context.out("The run is paused; 'migrate --resume' resumes it.")
    elif steering.word == "resume":
        run(client, change_control(namespace, {"paused": None}))
        context.out("The run is resumed.")
    elif steering.word == "abort":
        stores = {app.label: StateStore(namespace, app.label) for app in context.apps}
        holder = run(client, abort(client, stores, namespace, by))
        context.out(
            f"Ended the run of {holder.who}. Every record is complete. Run 'migrate' to resume it, or"
            " 'migrate APP TARGET' to take back what it did."
        )
        context.json({"command": "migrate", "ok": True, "ended": holder.who})
        return
    elif steering.values:
        context.out("Set for the current run: " + ", ".join(f"{name} = {value:g}" for name, value in steering.values))
    _show(context, client, apps, is_whole=steering.word == "status")


def _show(context: CliContext, client: SyncClient, apps: Sequence[App], *, is_whole: bool) -> None:
    namespace = context.settings.namespace
    holder = run(client, holder_of(bookkeeping_key(namespace, "lease")))
    control = run(client, read_control(namespace)) if holder else None
    documents: dict[str, object] = {}
    for app in apps:
        chain = load_chain(app.label, app.migrations_path)
        journal = run(client, StateStore(namespace, app.label).read()).journal
        quarantined = len(run(client, Quarantine(namespace, app.label).waiting()))
        documents[app.label] = {**_document(chain, journal), "quarantined": quarantined}
        if is_whole:
            for line in _lines(chain, journal, quarantined, holder):
                context.out(line)
    if is_whole:
        context.out(_runner_line(holder))
        if control is not None and control.paused:
            context.out(f"  {control.paused}; 'migrate --resume' resumes it")
    context.json(
        {
            "command": "migrate",
            "ok": True,
            "runner": None if holder is None else {"who": holder.who, "epoch": holder.epoch, "left_ms": holder.left_ms},
            "paused": control.paused if control else "",
            "apps": documents,
        }
    )


def _document(chain: Chain, journal: Journal | None) -> dict[str, object]:
    if journal is None:
        return {"run": None}
    return {
        "run": {
            "target": journal.target,
            "name": _name(chain, journal.target),
            "model": journal.model,
            "seen": journal.seen,
            "changed": journal.changed,
            "pace": journal.pace,
            "updated_at": journal.updated_at,
        }
    }


def _lines(chain: Chain, journal: Journal | None, quarantined: int, holder: Holder | None) -> list[str]:
    if journal is None:
        lines = [f"{chain.app}: no unfinished run"]
    else:
        state = "running" if holder else "stopped before it was complete"
        lines = [f"{chain.app}: {state}, target {_name(chain, journal.target)}"]
        if journal.model:
            lines.append(f"  {journal.model}: {counted(journal.seen, 'record')} scanned, {journal.changed:,} rewritten")
        if journal.pace:
            lines.append(f"  {journal.pace}")
        lines.append(f"  progress last saved {journal.updated_at or 'never'}")
    if quarantined:
        lines.append(f"  {in_quarantine(quarantined)}; see 'quarantine list'")
    return lines


def quarantine_problem(label: str, count: int) -> str:
    """Say how many records of an app are in quarantine, and what to type."""
    return f"{label}: {in_quarantine(count)}; the application may not be able to read them. See 'quarantine list'"


def in_quarantine(count: int) -> str:
    """Say how many records are in quarantine."""
    return counted(count, "record is in quarantine", "records are in quarantine")


def _name(chain: Chain, position: int) -> str:
    if not chain.migrations:
        return "what the code declares"  # --auto
    return (
        chain.migrations[position - 1].name
        if 0 < position <= len(chain.migrations)
        else "zero"
        if position == 0
        else "?"
    )


def _runner_line(holder: Holder | None) -> str:
    if holder is None:
        return "No run is active."
    return f"Runner: {holder.who}; its lease expires in {max(1, round(holder.left_ms / 1000))} s unless it renews it."


def _setting(text: str) -> tuple[str, float | int]:
    name, equals, value = text.partition("=")
    if name not in _SETTABLE or not equals:
        raise click.UsageError(f"--set {text}: write NAME=VALUE, where NAME is {' or '.join(_SETTABLE)}")
    _, read, allowed = _SETTABLE[name]
    try:
        return name, read(value)
    except click.BadParameter as exc:
        raise click.UsageError(f"--set {text}: {name} takes {allowed}") from exc
