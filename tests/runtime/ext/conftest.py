"""Fixtures for the extensions: applications, and clients that call them without a socket."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from .items import MODELS

Serve = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Give a client of an application: one with these routers, or a ready one; ``raising=False`` answers 500."""
    async with AsyncExitStack() as clients:

        async def start(*routers: APIRouter, app: FastAPI | None = None, raising: bool = True) -> httpx.AsyncClient:
            app = app or FastAPI()
            for router in routers:
                app.include_router(router)
            transport = httpx.ASGITransport(app, raise_app_exceptions=raising)
            return await clients.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://test"))

        yield start


@pytest.fixture(autouse=True)
def _unbound_after() -> Iterator[None]:
    yield
    for model in MODELS:
        model._store = None
