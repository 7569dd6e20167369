"""``makemigrations [APP...]``: write the migration that leads from the files to the code. Needs no Redis."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial

import click

from redis_models.apps import App
from redis_models.errors import MigrationFileError, ModelDeclarationError, SchemaError, UnansweredError
from redis_models.importing import shown_path
from redis_models.migrations.answers import Answers, parse_answer
from redis_models.migrations.authoring import NewMigration, next_migration
from redis_models.migrations.chain import Chain
from redis_models.migrations.diff import Diff, LowVersion, diff
from redis_models.migrations.files import load_chain, write_migration
from redis_models.migrations.inspection import snapshot_of
from redis_models.migrations.schema import Snapshot

from ..bump import advice, bump
from ..context import CliContext
from ..exits import Exit
from ..listing import changes_of, tasks_of, title_of
from ..questions import settle

__all__ = ["command"]


@dataclass(frozen=True)
class _Task:
    """What is to be done for one app."""

    app: App
    chain: Chain
    code: Snapshot
    answers: Answers
    found: Diff

    @property
    def old(self) -> Snapshot:
        return self.chain.snapshots[-1]


@dataclass(frozen=True)
class _Wish:
    """What the command line asks for."""

    name: str | None
    is_check: bool
    is_dry_run: bool
    is_bump: bool
    is_empty: bool


@click.command("makemigrations")
@click.argument("labels", metavar="[APP]...", nargs=-1)
@click.option("--name", "-n", metavar="NAME", help="Name of the file, without its number.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if something would be written or asked.")
@click.option("--dry-run", is_flag=True, help="Ask the same questions, print the file, write nothing.")
@click.option("--rename", multiple=True, metavar="A.b=c", help="Field b of model A is called c now.")
@click.option(
    "--drop", multiple=True, metavar="A.b", help="The values of field b go; or all of model A is tracked no longer."
)
@click.option(
    "--default", multiple=True, metavar="A.b=LITERAL", help="Existing records get this value in the new field b."
)
@click.option(
    "--compute", multiple=True, metavar="A.b", help="A function, to be written in the file, gives that value."
)
@click.option(
    "--bump", "is_bump", is_flag=True, help="Raise the versions that must rise, in the source files of the models."
)
@click.option("--empty", is_flag=True, help="Write a migration without operations, to be filled in by hand.")
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
    is_bump: bool,
    empty: bool,
) -> int:
    """Write the migration that leads from the migration files to the models as they are in the code.

    APP is the label of an app; all apps without it. What cannot be known is asked, or answered by --rename, --drop,
    --default and --compute; app.A.b names the app too. Without a terminal an open question ends with exit code 3.
    """
    wish = _Wish(name, check, dry_run, is_bump, empty)
    apps = _apps(context, labels, wish)
    flags = {"--rename": rename, "--drop": drop, "--default": default, "--compute": compute}
    tasks = [_empty(task) if empty else task for task in _tasks(apps, flags)]
    if check:
        return _check(context, tasks, wish)
    if not empty:
        tasks = _settled(context, tasks)
    _refuse_low_versions(context, tasks, wish)
    made = [_make(task, wish) for task in tasks if empty or task.found.is_written]
    if not dry_run:
        _write(context, made)
    _show(context, made, wish, is_ok=True)
    return Exit.DONE


def _write(context: CliContext, made: Sequence[NewMigration]) -> None:
    for number, new in enumerate(made):
        try:
            write_migration(new.path.parent, new.link.name, new.text, new.link.id)
        except MigrationFileError:
            for earlier in made[:number]:
                context.err(f"{shown_path(earlier.path)} was written before")
            raise


def _apps(context: CliContext, labels: Sequence[str], wish: _Wish) -> list[App]:
    known = {app.label: app for app in context.apps}
    for label in labels:
        if label not in known:
            near = get_close_matches(label, known, n=1)
            cure = f"did you mean {near[0]!r}?" if near else f"the apps are {', '.join(sorted(known))}"
            raise click.UsageError(f"there is no app {label!r}; {cure}")
    apps = [known[label] for label in dict.fromkeys(labels or known)]
    if wish.is_empty and len(apps) != 1:
        raise click.UsageError(f"--empty needs one app; name one of {', '.join(sorted(known))}")
    if wish.name is not None and not wish.name.isidentifier() and not wish.name.replace("_", "a").isalnum():
        raise click.UsageError(f"--name {wish.name!r} cannot be part of a file name; use letters, digits and _")
    return apps


def _tasks(apps: Sequence[App], flags: Mapping[str, Sequence[str]]) -> list[_Task]:
    chains = [load_chain(app.label, app.migrations_path) for app in apps]
    pairs = [(chain, snapshot_of(app.models)) for chain, app in zip(chains, apps, strict=True)]
    models = {chain.app: sorted({*chain.snapshots[-1].by_name, *code.by_name}) for chain, code in pairs}
    given = _answers(flags, models)
    tasks: list[_Task] = []
    for app, (chain, code) in zip(apps, pairs, strict=True):
        answers = given[app.label]
        tasks.append(_Task(app, chain, code, answers, diff(chain.snapshots[-1], code, answers)))
    return tasks


def _answers(flags: Mapping[str, Sequence[str]], models: Mapping[str, Sequence[str]]) -> dict[str, Answers]:
    answers = {label: Answers() for label in models}
    for option, texts in flags.items():
        for text in texts:
            try:
                label, answer = parse_answer(option, text, models)
            except SchemaError as exc:
                raise click.UsageError(str(exc)) from exc
            answers[label] = answers[label].having(answer)
    return answers


def _empty(task: _Task) -> _Task:
    """Leave nothing but the versions of models whose shape stays: what changed is for the next migration."""
    same = {
        one.name
        for one in task.code.models
        if one.name in task.old.by_name and one.has_shape_of(task.old.model(one.name))
    }
    versions = {name: version for name, version in task.found.versions.items() if name in same}
    return replace(task, found=Diff(versions=versions))


def _settled(context: CliContext, tasks: Sequence[_Task]) -> list[_Task]:
    """Ask every question of every app before anything is written."""
    open_lines = [line for task in tasks for line in _question_lines(tasks, task)]
    if open_lines and not context.is_interactive:
        raise UnansweredError(open_lines)
    settled: list[_Task] = []
    for task in tasks:
        if task.found.questions:
            context.err(_headline(task), verbosity=1)
            prefix_of = partial(_prefix, tasks, task)
            found, answers = settle(task.old, task.code, task.answers, prefix_of)
            flags = [one.flag(prefix_of(one.model)) for one in answers.given]
            context.err(f"Answers can be replayed: {' '.join(flags)}", verbosity=1)
            task = replace(task, found=found, answers=answers)
        settled.append(task)
    return settled


def _headline(task: _Task) -> str:
    last = f"{task.chain.links[-1].number:04d}" if task.chain.links else "none"
    count = len(task.found.questions)
    return f"{task.app.label}: {count} question{'s' if count > 1 else ''}   (files {last} → code)"


def _question_lines(tasks: Iterable[_Task], task: _Task) -> list[str]:
    return [one.line(_prefix(tasks, task, one.model)) for one in task.found.questions]


def _prefix(tasks: Iterable[_Task], task: _Task, model: str) -> str:
    """Give the label that flags need where two apps have a model of one name."""
    owners = [one for one in tasks if model in one.old.by_name or model in one.code.by_name]
    return f"{task.app.label}." if len(owners) > 1 else ""


def _refuse_low_versions(context: CliContext, tasks: Iterable[_Task], wish: _Wish) -> None:
    low = [(task.app, one) for task in tasks for one in task.found.low_versions]
    if not low:
        return
    if not wish.is_bump:
        first, *others = [(one.model, _advice(app, one)) for app, one in low]
        raise ModelDeclarationError(first[0], "; ".join([first[1], *(f"{model}: {text}" for model, text in others)]))
    for app, one in low:
        model = next(model for model in app.models if model.__name__ == one.model)
        if not wish.is_dry_run:
            line = bump(model, one)
            context.out(f"  {shown_path(line.path)}:{line.line}   {line.spelling} = {one.needed}")


def _advice(app: App, low: LowVersion) -> str:
    return advice(next(model for model in app.models if model.__name__ == low.model), low)


def _make(task: _Task, wish: _Wish) -> NewMigration:
    code = None if wish.is_empty else task.code
    return next_migration(task.chain, task.app.migrations_path, task.found, code=code, name=wish.name)


def _check(context: CliContext, tasks: Sequence[_Task], wish: _Wish) -> int:
    """Tell what would be written or asked."""
    questions = [line for task in tasks for line in _question_lines(tasks, task)]
    low = [f"{one.model}: {_advice(task.app, one)}" for task in tasks for one in task.found.low_versions]
    made = [_make(task, wish) for task in tasks if task.found.is_written and not task.found.questions]
    is_ok = not (questions or low or made)
    _show(context, made, wish, is_ok=is_ok, problems=[*questions, *low])
    return Exit.DONE if is_ok else Exit.FAILED


def _show(
    context: CliContext, made: Sequence[NewMigration], wish: _Wish, *, is_ok: bool, problems: Sequence[str] = ()
) -> None:
    is_written = not (wish.is_check or wish.is_dry_run)
    context.json({
        "command": "makemigrations",
        "ok": is_ok,
        "exit": int(Exit.DONE if is_ok else Exit.FAILED),
        "written": is_written and bool(made),
        "problems": list(problems),
        "migrations": [_document(new) for new in made],
    })  # fmt: skip
    for line in problems:
        context.out(line)
    for new in made:
        context.out(title_of(new))
        for line in changes_of(new):
            context.out(f"    {line}")
        if wish.is_dry_run:
            context.out(f"\n{new.text}")
        for line in tasks_of(new):
            context.err(line)
    if not made and not problems:
        context.out("No changes detected")


def _document(new: NewMigration) -> dict[str, object]:
    return {
        "path": str(new.path),
        "name": new.link.name,
        "id": new.link.id,
        "previous": new.link.previous,
        "versions": dict(new.link.versions),
        "operations": [one.describe() for one in new.link.operations],
        "destructive": any(one.is_destructive for one in new.link.operations),
        "text": new.text,
    }
