"""Every test has the models of ``items`` bound to the empty server."""

from collections.abc import Callable, Iterator

import pytest

from redis_models import Store

from .items import WRITES, Brand, Item, Live


@pytest.fixture(autouse=True)
def _bound(store: Store) -> Iterator[None]:
    store.register_model(Item)
    # Other versions and faces of the same table live in other processes, hence in other stores.
    Live._store = Brand._store = store
    yield
    for model in (Item, Live, Brand):
        model._store = None


@pytest.fixture(params=WRITES, ids=lambda write: write.__name__.strip("_"))
def write(request: pytest.FixtureRequest) -> Callable[[Item], None]:
    """Each of the ways to write fields of a record."""
    value: Callable[[Item], None] = request.param
    return value
