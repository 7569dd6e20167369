"""The models of these tests bound to a store, and their verbs in the loop and blocking."""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, cast

import pytest

from redis_models import Model, Store

from .models import Book, Note, Odd, Stamped


@pytest.fixture(autouse=True)
def _bound(store: Store) -> Iterator[None]:
    models: list[type[Model]] = [Book, Note, Stamped, Odd]
    for model in models:
        store.register_model(model)
    yield
    for model in models:
        model._store = None


async def _result(value: object) -> Any:
    if inspect.isasyncgen(value):
        return [record async for record in cast("AsyncIterator[object]", value)]
    if inspect.isawaitable(value):
        return await value
    return list(cast("Iterator[object]", value)) if isinstance(value, Iterator) else value


@pytest.fixture(params=["async", "sync"])
def table(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Call a class verb of ``Book``, in the loop or blocking; always awaited."""

    async def call(verb: str, *arguments: object, **options: object) -> Any:
        owner = Book if request.param == "async" else Book.sync
        return await _result(getattr(owner, verb)(*arguments, **options))

    return call


@pytest.fixture(params=["async", "sync"])
def save(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Save an instance, in the loop or blocking; always awaited."""

    async def call(instance: Model) -> None:
        if request.param == "async":
            await instance.save()
        else:
            instance.sync.save()

    return call
