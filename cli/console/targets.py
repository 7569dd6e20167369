"""Apps, models and targets that the arguments of a command name."""

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
        options = [param for param in self.params if isinstance(param, click.Option) and not param.is_flag]
        before_values = {name for option in options for name in option.opts}
        pairs = zip(["", *args], args, strict=False)
        return super().parse_args(
            ctx, [word if last in before_values else re.sub(r"^-(?=\d+$)", _MINUS, word) for last, word in pairs]
        )


def chosen_apps(context: CliContext, app: str | None, target: str | None = None) -> tuple[list[App], str | None]:
    """Give the chosen apps and the target.

    A project with one app need not name it: ``migrate zero`` is the zero of that app.

    Raises:
        click.UsageError: There is no such app, or several apps and a target without an app.
    """
    app, target = _minus(app), _minus(target)
    known = {each.label: each for each in context.apps}
    if app is None:
        return list(known.values()), None
    if app in known:
        return [known[app]], target
    if target is None and len(known) == 1 and _looks_like_a_target(app):
        return list(known.values()), app
    near = difflib.get_close_matches(app, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"the apps are {', '.join(known) or 'none'}"
    raise click.UsageError(f"no app named {app!r}; {hint}")


def apps_named(context: CliContext, app: str | None) -> list[App]:
    """Give the chosen apps, for a command without a target; all apps without a name.

    Raises:
        click.UsageError: There is no such app.
    """
    known = {each.label for each in context.apps}
    if app is not None and app not in known and len(known) == 1 and _looks_like_a_target(app):
        raise click.UsageError(f"no app named {app!r}; the app is {', '.join(known)}")
    return chosen_apps(context, app)[0]


def chosen_models(context: CliContext, names: Sequence[str]) -> list[tuple[App, type[Model]]]:
    """Give the models that ``APP`` or ``APP.MODEL`` names, each once, with their apps; all models without names.

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
            hint = f"did you mean {near[0]!r}?" if near else f"the models are {', '.join(known) or 'none'}"
            raise click.UsageError(f"no model or app named {name!r}; {hint}")
        chosen |= meant
    return list(chosen.values())


def chosen_by_label(context: CliContext, labels: Sequence[str]) -> list[App]:
    """Give the apps of these labels, each once; all apps without labels.

    Raises:
        click.UsageError: There is no such app.
    """
    known = {app.label: app for app in context.apps}
    for label in labels:
        if label not in known:
            near = difflib.get_close_matches(label, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"the apps are {', '.join(sorted(known))}"
            raise click.UsageError(f"no app named {label!r}; {hint}")
    return [known[label] for label in dict.fromkeys(labels or known)]


def _minus(text: str | None) -> str | None:
    return None if text is None else text.replace(_MINUS, "-", 1)


def _looks_like_a_target(text: str) -> bool:
    return text == "zero" or text[:1] in "+-0123456789"
