"""The chains of all apps of a project, with the histories of models that moved from one app to another.

Each app has its own chain. If one app leaves records behind, and another creates a model on their keys at their
version, older code may still write older records. So the receiving chain also gets the upgrade paths of these records.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from ..chain.chain import Chain
from ..chain.hidden_fields import Hidden, HiddenFields, hidden_by
from ..chain.lineage import lineages_of
from ..chain.upgrade_path import UpgradePath
from ..constraints.history import Demands
from .constraints_file import read_history
from .loader import load_chain
from .model_constraints import demands_of

if TYPE_CHECKING:
    from redis_models.project.apps import App

__all__ = ["hidden_fields_of", "load_alone", "load_chains", "with_histories"]


def with_histories(chains: Sequence[Chain]) -> list[Chain]:
    """Return the chains with the upgrade paths of records that came from other apps, through any number of apps.

    Raises:
        MigrationFileError: As ``lineages_of``.
    """
    known = list(chains)
    for _ in chains:  # each round passes them on by one app
        left = {chain.app: list(_left_by(chain)) for chain in known}
        longer: list[Chain] = []
        for chain in known:
            others = [path for app, paths in left.items() if app != chain.app for path in paths]
            longer.append(_with_inherited(chain, others))
        if longer == known:
            break
        known = longer
    return known


def _left_by(chain: Chain) -> Iterator[tuple[str, UpgradePath]]:
    for lineage in lineages_of(chain):
        if max(lineage.schemas) < chain.head_position:
            yield lineage.latest.keys.start, lineage.path


def _with_inherited(chain: Chain, left: Iterable[tuple[str, UpgradePath]]) -> Chain:
    begun = {
        (model.keys.start, model.version)
        for model in (lineage.schemas[min(lineage.schemas)] for lineage in lineages_of(chain))
    }
    known = {(start, path.versions[-1]): path for start, path in left}
    inherited = {key: path for key, path in known.items() if key in begun}
    return chain if inherited == chain.inherited else replace(chain, inherited=inherited)


def load_chains(apps: "Sequence[App]") -> list[Chain]:
    """Load the chains of apps, with records that came from other apps and with hidden fields.

    Raises:
        MigrationFileError: A file is broken, or does not fit its place.
    """
    hidden = hidden_fields_of(apps)
    chains = [_chain_of(app) for app in apps]
    return with_histories([replace(chain, hidden=hidden[chain.app]) for chain in chains])


def load_alone(app: "App", apps: "Iterable[App]") -> Chain:
    """Load the chain of one app without those of others, which may be broken.

    Args:
        app: The app.
        apps: All apps of the project.
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
    """Return the hidden fields of apps, by their labels."""
    by_app: dict[str, dict[str, Hidden]] = {}
    by_start: dict[str, Hidden] = {}
    for app in apps:
        by_app[app.label] = {model.__name__: hidden_by(model.__mapper__) for model in app.models}
        by_start |= {model.__mapper__.keys.start: by_app[app.label][model.__name__] for model in app.models}
    return {label: HiddenFields(by_name, by_start) for label, by_name in by_app.items()}
