"""``makemigrations [APP...]``: write migrations for changes in the models. Does not need a server."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from redis_models.client.drivers import run
from redis_models.errors import (
    DriftError,
    MigrationError,
    MigrationFileError,
    ModelDeclarationError,
    ServerError,
    UnansweredError,
)
from redis_models.migrations.autodetector.answers import OPTIONS
from redis_models.migrations.autodetector.diff import LowVersion
from redis_models.migrations.autodetector.match_models import find_moves
from redis_models.migrations.files.loader import exchange_migrations, load_chain, write_migration
from redis_models.migrations.files.makemigrations import (
    Place,
    Task,
    emptied,
    make_all,
    owners_of,
    tasks_from_redis,
    tasks_of,
)
from redis_models.migrations.files.next_migration import NewMigration, with_reason
from redis_models.migrations.schema.from_models import snapshot_of
from redis_models.migrations.schema.snapshot import Snapshot
from redis_models.migrations.state.store import StateStore
from redis_models.project.apps import App
from redis_models.project.imports import shown_path
from redis_models.redaction import counted

from ..console.context import CliContext
from ..console.exit_codes import Exit
from ..console.parameters import MOST_OF_A_NAME
from ..console.targets import chosen_by_label
from ..makemigrations.answer_files import read_answers, save_answers
from ..makemigrations.bump import advice, bump
from ..makemigrations.evidence import with_evidence
from ..makemigrations.prompts import ask_reason, settle
from ..makemigrations.summary import changes_of, consents_of, title_of
from ..makemigrations.summary import tasks_of as functions_of
from ..makemigrations.tightened_constraints import Warned, keep_constraints, warnings_of

__all__ = ["command"]

_PATH = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True)
class _Request:
    """What the command line asks for."""

    name: str | None
    is_check: bool
    is_dry_run: bool
    is_bump: bool
    is_empty: bool
    is_update: bool = False


@click.command("makemigrations")
@click.argument("labels", metavar="[APP]...", nargs=-1)
@click.option("--name", "-n", metavar="NAME", help="Name of the file, without its number.")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a migration is missing.")
@click.option("--dry-run", is_flag=True, help="Ask the same questions and print the file; write nothing.")
@click.option("--rename", multiple=True, metavar="A.b=c", help="Field b of model A was renamed to c; A=B for a model.")
@click.option("--drop", multiple=True, metavar="A.b", help="Remove field b from the records; or stop tracking model A.")
@click.option("--default", multiple=True, metavar="A.b=LITERAL", help="Value of the new field b in existing records.")
@click.option("--compute", multiple=True, metavar="A.b", help="A function that you write in the file computes field b.")
@click.option("--map", "mapping", multiple=True, metavar="A.b:OLD=NEW", help="Replace the value OLD of field b by NEW.")
@click.option("--zone", multiple=True, metavar="A.b=ZONE", help="Time zone of the stored values of field b.")
@click.option("--ttl", multiple=True, metavar="A=POLICY", help="How a changed ttl applies to existing records.")
@click.option(
    "--extra",
    multiple=True,
    metavar="A.b=POLICY",
    help="What happens to extra fields with the name of the new field b.",
)
@click.option("--answers", type=_PATH, metavar="FILE", help="File with more answers, one option a line.")
@click.option(
    "--save-answers", "save_to", type=_PATH, metavar="FILE", help="Write all answers to a file for --answers."
)
@click.option(
    "--reason", metavar="TEXT", help="Why it is safe to do what safety rules refuse; written to the file as allow."
)
@click.option("--bump", "is_bump", is_flag=True, help="Raise the versions in the source files of the models.")
@click.option(
    "--update", "is_update", is_flag=True, help="Add the changes to the last migration, if it is not applied."
)
@click.option("--from-redis", is_flag=True, help="Compare with the schema stored in Redis.")
@click.option("--empty", is_flag=True, help="Write a migration without operations, to fill in by hand.")
@click.pass_obj
def command(
    context: CliContext,
    labels: Sequence[str],
    name: str | None,
    check: bool,
    dry_run: bool,
    rename: Sequence[str],
    drop: Sequence[str],
    default: Sequence[str],
    compute: Sequence[str],
    mapping: Sequence[str],
    zone: Sequence[str],
    ttl: Sequence[str],
    extra: Sequence[str],
    answers: Path | None,
    save_to: Path | None,
    reason: str | None,
    is_bump: bool,
    is_update: bool,
    from_redis: bool,
    empty: bool,
) -> int:
    """Write migrations for the changes of the models since the last migration file. Does not need a server.

    APP is the label of an app (default: all apps). Ambiguous changes are asked about, or answered by --rename, --drop,
    --default, --compute, --map, --zone, --ttl and --extra; write app.A.b to name the app. Without a terminal, an
    unanswered question ends the command with exit code 3.
    """
    request = _Request(name, check, dry_run, is_bump, empty, is_update)
    if sum((is_update, from_redis, empty)) > 1:
        raise click.UsageError("--update, --from-redis and --empty cannot be combined; use one of them")
    apps = _apps(context, labels, request)
    flags = dict(zip(OPTIONS, (rename, drop, default, compute, mapping, zone, ttl, extra), strict=True))
    tasks = _tasks(context, apps, flags, answers, from_redis, is_update)
    tasks = [emptied(task) for task in tasks] if empty else tasks
    if reason is not None and check:
        raise click.UsageError("--reason cannot be combined with --check, which writes no file; remove one of them")
    places = list({task.place.app.label: task.place for task in tasks}.values())
    if check:
        return _check(context, tasks, request, places)
    if not empty:
        tasks = _answered(context, tasks)
    if save_to is not None:
        save_answers(save_to, _flags_of(tasks))
    _refuse_low_versions(context, tasks, request)
    made = make_all(tasks, name=name, is_empty=empty, is_update=is_update)
    made = _with_reason(context, made, reason)
    warned = warnings_of(context, places, made)
    if not dry_run:
        _write(context, made, is_update)
        keep_constraints(context, places, made, is_update=is_update)
    _show(context, made, request, warned, is_ok=True)
    return Exit.DONE


def _with_reason(context: CliContext, made: Sequence[NewMigration], reason: str | None) -> list[NewMigration]:
    """Write the reason into the files that need one; ask for it on a terminal."""
    refused = [finding for new in made for finding in new.refused]
    if reason is None and refused and context.is_interactive:
        reason = ask_reason(refused)
    elif reason is not None and not refused:
        raise click.UsageError("--reason is not needed: no safety rule refuses this migration; remove it")
    elif reason is not None and not reason.strip():
        raise click.UsageError("--reason is empty; write why this is safe, or remove it")
    return [with_reason(new, reason.strip()) if reason else new for new in made]


def _write(context: CliContext, made: Sequence[NewMigration], is_update: bool) -> None:
    for number, new in enumerate(made):
        try:
            if is_update and new.path.exists():
                exchange_migrations(new.path.parent, {new.migration.name: new.text}, (), new.migration.id)
                continue
            write_migration(new.path.parent, new.migration.name, new.text, new.migration.id)
        except MigrationFileError:
            for earlier in made[:number]:
                context.err(f"{shown_path(earlier.path)} was already written")
            raise


def _apps(context: CliContext, labels: Sequence[str], request: _Request) -> list[App]:
    apps = chosen_by_label(context, labels)
    for app in apps:
        for line in app.left_out:
            context.err(f"{app.label}: {line}")
    if request.is_empty and len(apps) != 1:
        raise click.UsageError(f"--empty needs one app; give one of {', '.join(sorted(app.label for app in apps))}")
    if request.name is not None and len(request.name) > MOST_OF_A_NAME:
        raise click.UsageError(
            f"--name {request.name[:MOST_OF_A_NAME]!r}... is longer than {MOST_OF_A_NAME} characters; use a shorter one"
        )
    if request.name is not None and not request.name.isidentifier() and not request.name.replace("_", "a").isalnum():
        raise click.UsageError(f"--name {request.name!r} cannot be part of a file name; use letters, digits and _")
    return apps


def _tasks(
    context: CliContext,
    apps: Sequence[App],
    flags: Mapping[str, Sequence[str]],
    file: Path | None,
    from_redis: bool,
    is_update: bool,
) -> list[Task]:
    """Compare the chosen apps; the others are read too, because models may have moved from them."""
    chains = {app.label: load_chain(app.label, app.migrations_path) for app in context.apps}
    codes = {app.label: snapshot_of(app.models) for app in context.apps}
    moves = find_moves({label: (chains[label].snapshots[-1], codes[label]) for label in chains})
    chosen = [Place(app, chains[app.label], codes[app.label], moves[app.label]) for app in apps]
    stored = {place.app.label: _stored(context, place) if from_redis else None for place in chosen}
    models = {
        place.app.label: sorted({*(stored[place.app.label] or place.chain.snapshots[-1]).by_name, *place.code.by_name})
        for place in chosen
    }
    answers = read_answers(flags, file, models)
    if is_update:
        for place in chosen:
            _refuse_applied(context, place)
    tasks: list[Task] = []
    for place in chosen:
        base = stored[place.app.label]
        if base is None:
            tasks += tasks_of([place], answers, is_update=is_update)
        else:
            tasks += tasks_from_redis(place, base, answers[place.app.label])
    return tasks


def _stored(context: CliContext, place: Place) -> Snapshot | None:
    """Give the schema that Redis has of an app without files; None if the files lead to it."""
    state = run(context.client, StateStore(context.settings.namespace, place.app.label).read())
    if state.snapshot is None or not place.chain.migrations:
        return state.snapshot
    if state.snapshot.fingerprint != place.chain.snapshots[-1].fingerprint:
        raise DriftError(
            f"{place.app.label}: the schema in Redis differs from the last migration file; run 'migrate' first, or"
            " remove the files to start from the schema in Redis"
        )
    return None


def _refuse_applied(context: CliContext, place: Place) -> None:
    """Refuse to change a migration that this database has applied; other databases are not checked."""
    if not place.chain.migrations:
        return
    last = place.chain.migrations[-1]
    try:
        applied = run(context.client, StateStore(context.settings.namespace, place.app.label).applied_ids())
    except ServerError as exc:
        context.err(f"cannot check whether {last.name} is applied: {exc}", verbosity=1)
        return
    if not set(last.ids).isdisjoint(applied):
        raise MigrationError(
            f"{place.app.label}: {last.name} is applied already; run 'makemigrations' without --update"
        )


def _answered(context: CliContext, tasks: Sequence[Task]) -> list[Task]:
    """Ask all questions of all apps before anything is written."""
    if any(task.found.questions for task in tasks):
        tasks = [with_evidence(context, task) for task in tasks]
    open_lines = [line for task in tasks for line in _question_lines(tasks, task)]
    if open_lines and not context.is_interactive:
        raise UnansweredError(open_lines)
    settled: list[Task] = []
    for task in tasks:
        if task.found.questions:
            context.err(_headline(task), verbosity=1)
            prefix_of = partial(_prefix, tasks, task)
            task = settle(task, prefix_of, partial(with_evidence, context))
            context.err(f"To give the same answers again: {' '.join(_flags(tasks, task))}", verbosity=1)
        settled.append(task)
    return settled


def _flags_of(tasks: Sequence[Task]) -> list[str]:
    return [flag for task in tasks for flag in _flags(tasks, task)]


def _flags(tasks: Sequence[Task], task: Task) -> list[str]:
    return [answer.flag(_prefix(tasks, task, answer.model)) for answer in task.answers.given]


def _headline(task: Task) -> str:
    chain, count = task.place.chain, len(task.found.questions)
    last = f"{chain.migrations[-1].number:04d}" if chain.migrations else "none"
    return f"{task.place.app.label}: {counted(count, 'question')}   (files {last} → code)"


def _question_lines(tasks: Sequence[Task], task: Task) -> list[str]:
    return [question.line(_prefix(tasks, task, question.model)) for question in task.found.questions]


def _prefix(tasks: Sequence[Task], task: Task, model: str) -> str:
    """Give the label that flags need if two apps have a model of the same name."""
    return f"{task.place.app.label}." if len(owners_of(model, tasks)) > 1 else ""


def _refuse_low_versions(context: CliContext, tasks: Iterable[Task], request: _Request) -> None:
    found = [(task.place.app, low) for task in tasks for low in task.found.low_versions]
    if not found:
        return
    if not request.is_bump:
        first, *others = [(low.model, _advice(app, low)) for app, low in found]
        raise ModelDeclarationError(first[0], "; ".join([first[1], *(f"{model}: {text}" for model, text in others)]))
    for app, low in found:
        model = next(model for model in app.models if model.__name__ == low.model)
        if not request.is_dry_run:
            line = bump(model, low)
            context.out(f"  {shown_path(line.path)}:{line.line}   {line.spelling} = {low.needed}")


def _advice(app: App, low: LowVersion) -> str:
    return advice(next(model for model in app.models if model.__name__ == low.model), low)


def _check(context: CliContext, tasks: Sequence[Task], request: _Request, places: Sequence[Place]) -> int:
    """Print what would be written or asked."""
    questions = [line for task in tasks for line in _question_lines(tasks, task)]
    versions = [f"{low.model}: {_advice(task.place.app, low)}" for task in tasks for low in task.found.low_versions]
    made = make_all([task for task in tasks if not task.found.questions], name=request.name)
    is_ok = not (questions or versions or made)
    _show(context, made, request, warnings_of(context, places, made), is_ok=is_ok, problems=[*questions, *versions])
    return Exit.DONE if is_ok else Exit.FAILED


def _show(
    context: CliContext,
    made: Sequence[NewMigration],
    request: _Request,
    warned: Sequence[Warned],
    *,
    is_ok: bool,
    problems: Sequence[str] = (),
) -> None:
    is_written = not (request.is_check or request.is_dry_run)
    context.json({
        "command": "makemigrations",
        "ok": is_ok,
        "exit": int(Exit.DONE if is_ok else Exit.FAILED),
        "written": is_written and bool(made),
        "problems": list(problems),
        "migrations": [_document(new) for new in made],
        "tightened": [document for warning in warned for document in warning.documents],
    })  # fmt: skip
    for line in problems:
        context.out(line)
    for new in made:
        context.out(title_of(new))
        for line in changes_of(new):
            context.out(f"    {line}")
        if request.is_dry_run:
            context.out_lines(f"\n{new.text}")
        for line in [*functions_of(new), *consents_of(new)]:
            context.err(line)
    for warning in warned:
        for line in warning.lines:
            context.err(line)
    if not made and not problems:
        context.out("No changes detected.")


def _document(new: NewMigration) -> dict[str, object]:
    return {
        "path": str(new.path),
        "name": new.migration.name,
        "id": new.migration.id,
        "previous": new.migration.previous,
        "versions": dict(new.migration.versions),
        "operations": [operation.describe() for operation in new.migration.operations],
        "destructive": any(operation.is_destructive for operation in new.migration.operations),
        "text": new.text,
    }
