"""A table of orders with its indexes, and one way to call the verbs of a query in the loop and blocking."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, cast

import pytest

from redis_models import Store
from redis_models.model.query import Query

from .orders import Order

Ask = Callable[..., Awaitable[Any]]


@pytest.fixture
def orders(store: Store) -> Iterator[type[Order]]:
    """The model, bound, with its indexes built and no records."""
    store.register_model(Order)
    Order.sync.build_indexes()
    yield Order
    Order._store = None


@pytest.fixture(params=["async", "sync"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Call a verb of a query, in the loop or blocking: ``await ask(query, "all")``."""

    async def call(query: Query[Any], verb: str, *arguments: object, **options: object) -> Any:
        face: Any = query if request.param == "async" else query.sync
        result: object = getattr(face, verb)(*arguments, **options)
        if inspect.isasyncgen(result):
            return [item async for item in cast("AsyncIterator[object]", result)]
        if inspect.isawaitable(result):
            return await result
        return list(cast("Iterator[object]", result)) if isinstance(result, Iterator) else result

    return call
