"""The apps, models and targets that the arguments of a command name."""

import difflib
import re
from collections.abc import Sequence
from typing import Final

import click

from redis_models.model import Model
from redis_models.project.apps import App

from .context import CliContext

__all__ = ["WithSteps", "apps_named", "chosen_apps", "chosen_by_label", "chosen_models"]

# In place of the "-" of a target like -1, which click would take for an option.
_MINUS: Final = "minus:"


class WithSteps(click.Command):
    """A command that accepts ``-1`` as a target; click would take it for an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        options = [param for param in self.params if isinstance(param, click.Option) and not param.is_flag]
        before_values = {name for option in options for name in option.opts}
        pairs = zip(["", *args], args, strict=False)
        return super().parse_args(
            ctx, [word if last in before_values else re.sub(r"^-(?=\d+$)", _MINUS, word) for last, word in pairs]
        )


def chosen_apps(context: CliContext, app: str | None, target: str | None = None) -> tuple[list[App], str | None]:
    """Give the chosen apps and the target.

    In a project with one app its name may be left out: ``migrate zero`` takes back that app.

    Raises:
        click.UsageError: There is no such app, or a target is given without an app, and there are several.
    """
    app, target = _minus(app), _minus(target)
    apps = {project_app.label: project_app for project_app in context.apps}
    if app is None:
        return list(apps.values()), None
    if app in apps:
        return [apps[app]], target
    if target is None and len(apps) == 1 and _looks_like_a_target(app):
        return list(apps.values()), app
    matches = difflib.get_close_matches(app, apps, n=1)
    hint = f"did you mean {matches[0]!r}?" if matches else f"the apps are {', '.join(apps) or 'none'}"
    raise click.UsageError(f"no app named {app!r}; {hint}")


def apps_named(context: CliContext, app: str | None) -> list[App]:
    """Give the chosen apps, for a command without a target; all apps if no name is given.

    Raises:
        click.UsageError: There is no such app.
    """
    labels = {project_app.label for project_app in context.apps}
    if app is not None and app not in labels and len(labels) == 1 and _looks_like_a_target(app):
        raise click.UsageError(f"no app named {app!r}; the app is {', '.join(labels)}")
    return chosen_apps(context, app)[0]


def chosen_models(context: CliContext, names: Sequence[str]) -> list[tuple[App, type[Model]]]:
    """Give the models that ``APP`` or ``APP.MODEL`` names, each once, with their apps; all models without names.

    Raises:
        click.UsageError: There is no such model or app.
    """
    models = {f"{app.label}.{model.__name__}": (app, model) for app in context.apps for model in app.models}
    chosen: dict[str, tuple[App, type[Model]]] = {} if names else dict(models)
    for name in names:
        named = {full: table for full, table in models.items() if name in (full, table[0].label)}
        if not named:
            others = [*models, *(app.label for app in context.apps)]
            matches = difflib.get_close_matches(name, others, n=1)
            hint = f"did you mean {matches[0]!r}?" if matches else f"the models are {', '.join(models) or 'none'}"
            raise click.UsageError(f"no model or app named {name!r}; {hint}")
        chosen |= named
    return list(chosen.values())


def chosen_by_label(context: CliContext, labels: Sequence[str]) -> list[App]:
    """Give the apps with these labels, each once; all apps without labels.

    Raises:
        click.UsageError: There is no such app.
    """
    apps = {app.label: app for app in context.apps}
    for label in labels:
        if label not in apps:
            matches = difflib.get_close_matches(label, apps, n=1)
            hint = f"did you mean {matches[0]!r}?" if matches else f"the apps are {', '.join(sorted(apps))}"
            raise click.UsageError(f"no app named {label!r}; {hint}")
    return [apps[label] for label in dict.fromkeys(labels or apps)]


def _minus(text: str | None) -> str | None:
    return None if text is None else text.replace(_MINUS, "-", 1)


def _looks_like_a_target(text: str) -> bool:
    return text == "zero" or text[:1] in "+-0123456789"
