"""Which apps, and which target, the words after a command mean."""

import difflib
import re
from collections.abc import Sequence
from typing import Final

import click

from redis_models.model import Model
from redis_models.project.apps import App

from .context import CliContext

__all__ = ["WithSteps", "apps_named", "chosen_apps", "chosen_by_label", "chosen_models"]

# Stands for the "-" of a target like -1 on its way through click, which would take it for an option.
_MINUS: Final = "minus:"


class WithSteps(click.Command):
    """Takes ``-1`` for a target, where click would look for an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        options = [one for one in self.params if isinstance(one, click.Option) and not one.is_flag]
        before_values = {name for one in options for name in one.opts}
        pairs = zip(["", *args], args, strict=False)
        return super().parse_args(
            ctx, [one if last in before_values else re.sub(r"^-(?=\d+$)", _MINUS, one) for last, one in pairs]
        )


def chosen_apps(context: CliContext, app: str | None, target: str | None = None) -> tuple[list[App], str | None]:
    """Give the apps that are meant, and the target.

    A project of one app need not name it: ``migrate zero`` means the app's zero.

    Raises:
        click.UsageError: There is no such app, or a target stands without one among several apps.
    """
    app, target = _minus(app), _minus(target)
    known = {one.label: one for one in context.apps}
    if app is None:
        return list(known.values()), None
    if app in known:
        return [known[app]], target
    if target is None and len(known) == 1 and _looks_like_a_target(app):
        return list(known.values()), app
    near = difflib.get_close_matches(app, known, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"There is {', '.join(known) or 'none'}."
    raise click.UsageError(f"No app named {app!r}. {hint}")


def apps_named(context: CliContext, app: str | None) -> list[App]:
    """Give the apps that are meant, for a command that takes no target; all without a name.

    Raises:
        click.UsageError: There is no such app; a target in its place is none.
    """
    known = {one.label for one in context.apps}
    if app is not None and app not in known and len(known) == 1 and _looks_like_a_target(app):
        raise click.UsageError(f"No app named {app!r}. There is {', '.join(known)}.")
    return chosen_apps(context, app)[0]


def chosen_models(context: CliContext, names: Sequence[str]) -> list[tuple[App, type[Model]]]:
    """Give the models that are meant by ``APP`` or ``APP.MODEL``, each once, with their apps; all without any.

    Raises:
        click.UsageError: There is no such model or app.
    """
    known = {f"{app.label}.{model.__name__}": (app, model) for app in context.apps for model in app.models}
    chosen: dict[str, tuple[App, type[Model]]] = {} if names else dict(known)
    for name in names:
        meant = {full: table for full, table in known.items() if name in (full, table[0].label)}
        if not meant:
            others = [*known, *(app.label for app in context.apps)]
            near = difflib.get_close_matches(name, others, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"There is {', '.join(known) or 'none'}."
            raise click.UsageError(f"No model or app named {name!r}. {hint}")
        chosen |= meant
    return list(chosen.values())


def chosen_by_label(context: CliContext, labels: Sequence[str]) -> list[App]:
    """Give the apps of these labels, each once; all without any.

    Raises:
        click.UsageError: There is no such app.
    """
    known = {app.label: app for app in context.apps}
    for label in labels:
        if label not in known:
            near = difflib.get_close_matches(label, known, n=1)
            cure = f"did you mean {near[0]!r}?" if near else f"the apps are {', '.join(sorted(known))}"
            raise click.UsageError(f"there is no app {label!r}; {cure}")
    return [known[label] for label in dict.fromkeys(labels or known)]


def _minus(text: str | None) -> str | None:
    return None if text is None else text.replace(_MINUS, "-", 1)


def _looks_like_a_target(text: str) -> bool:
    return text == "zero" or text[:1] in "+-0123456789"
