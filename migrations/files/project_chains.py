"""Loading: the migrations of a project's apps, as the commands and ``setup()`` go by them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from ..chain.chain import Chain
from ..chain.hidden_fields import Hidden, HiddenFields, hidden_by
from ..constraints.history import Demands
from .constraints_file import read_history
from .demands import demands_of
from .handover import with_histories
from .loader import load_chain

if TYPE_CHECKING:
    from redis_models.project.apps import App

__all__ = ["hidden_fields_of", "load_alone", "load_chains"]


def load_chains(apps: "Sequence[App]") -> list[Chain]:
    """Load the chains of some apps, each with what others left to it, and what the models of the code hide.

    Raises:
        MigrationFileError: A file is broken, or does not fit where it stands.
    """
    hidden = hidden_fields_of(apps)
    chains = [_chain_of(app) for app in apps]
    return with_histories([replace(chain, hidden=hidden[chain.app]) for chain in chains])


def load_alone(app: "App", apps: "Iterable[App]") -> Chain:
    """Load the chain of one app, whatever may be wrong with those of others; likewise, without what these left to it.

    Args:
        app: Which.
        apps: All of the project.
    """
    return replace(_chain_of(app), hidden=hidden_fields_of(apps)[app.label])


def _chain_of(app: "App") -> Chain:
    chain, history = load_chain(app.label, app.migrations_path), read_history(app.migrations_path)

    @cache
    def demanded() -> dict[str, Demands]:
        reached = chain.snapshots[-1]
        return {model.__name__: demands_of(model, reached) for model in app.models if model.__options__.managed}

    return replace(chain, constraints=replace(history, code=demanded))


def hidden_fields_of(apps: "Iterable[App]") -> dict[str, HiddenFields]:
    """Give what the models of some apps hide, by the labels of these."""
    by_app: dict[str, dict[str, Hidden]] = {}
    by_start: dict[str, Hidden] = {}
    for app in apps:
        by_app[app.label] = {model.__name__: hidden_by(model.__shape__) for model in app.models}
        by_start |= {model.__shape__.keys.start: by_app[app.label][model.__name__] for model in app.models}
    return {label: HiddenFields(by_name, by_start) for label, by_name in by_app.items()}
