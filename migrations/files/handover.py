"""Handing records over: a model that moves to another app takes the history of its records along. Pure.

Each app has a chain of its own. Where one leaves records behind, and another creates a model on their keys at the
version that they have, older records are still met: code that was deployed before writes them. So the receiving chain
is told the way that they came.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ..chain.chain import Chain
from ..chain.lineage import lineages_of
from ..chain.upgrade_path import Route

__all__ = ["with_histories"]


def with_histories(chains: Sequence[Chain]) -> list[Chain]:
    """Tell each chain the ways of the records that others left to it, over however many apps they came.

    Raises:
        MigrationFileError: As ``lineages_of``.
    """
    known = list(chains)
    for _ in chains:  # each round brings them one app further
        left = {chain.app: list(_left_by(chain)) for chain in known}
        given = [
            _told(chain, (one for app, some in left.items() if app != chain.app for one in some)) for chain in known
        ]
        if given == known:
            break
        known = given
    return known


def _left_by(chain: Chain) -> Iterator[tuple[str, Route]]:
    for lineage in lineages_of(chain):
        if max(lineage.schemas) < chain.head_position:
            yield lineage.latest.keys.start, lineage.route


def _told(chain: Chain, left: Iterable[tuple[str, Route]]) -> Chain:
    begun = {
        (model.keys.start, model.version) for model in (one.schemas[min(one.schemas)] for one in lineages_of(chain))
    }
    known = {(start, route.versions[-1]): route for start, route in left}
    inherited = {key: route for key, route in known.items() if key in begun}
    return chain if inherited == chain.inherited else replace(chain, inherited=inherited)
