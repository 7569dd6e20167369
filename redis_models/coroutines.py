"""Coroutines of the application run to their end by blocking callers, as where a model overrides ``save``.

While one runs this way, verbs of the library exchange with the server blocking, on the connections that blocking verbs
have: no connection is made for a loop that ends at once. Where a loop is running already, which cannot run another
coroutine to its end, a thread with a loop of its own does it, and the caller waits for that.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Any

__all__ = ["being_saved", "is_being_saved", "is_blocking", "is_within", "run_to_end", "within"]

_blocking: ContextVar[bool] = ContextVar("redis_models_blocking", default=False)
_saved: ContextVar[frozenset[int]] = ContextVar("redis_models_saved", default=frozenset())
_within: ContextVar[frozenset[object]] = ContextVar("redis_models_within", default=frozenset())


def is_blocking() -> bool:
    """Whether verbs that are awaited here shall block."""
    return _blocking.get()


def run_to_end(call: Callable[..., Any], *arguments: object, **options: object) -> Any:
    """Call what may be a coroutine function, and give what it gives in the end."""

    def run() -> Any:
        _blocking.set(True)
        result: object = call(*arguments, **options)
        if not inspect.isawaitable(result):
            return result
        # Not asyncio.run: it takes away the event loop that the application may have set for this thread.
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            return runner.run(_awaited(result))

    context = copy_context()
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return context.run(run)
    with ThreadPoolExecutor(1, thread_name_prefix="redis_models") as thread:
        return thread.submit(context.run, run).result()


async def _awaited(awaitable: Awaitable[object]) -> object:
    return await awaitable


@contextmanager
def being_saved(instance: object) -> Generator[None]:
    """Let assignments to ``instance`` wait for the save that is under way, instead of beginning another each."""
    token = _saved.set(_saved.get() | {id(instance)})
    try:
        yield
    finally:
        _saved.reset(token)


def is_being_saved(instance: object) -> bool:
    """Whether that is so here."""
    return id(instance) in _saved.get()


@contextmanager
def within(what: object) -> Generator[None]:
    """Say that an override is at work, so that the library's own verb does not call it once more."""
    token = _within.set(_within.get() | {what})
    try:
        yield
    finally:
        _within.reset(token)


def is_within(what: object) -> bool:
    """Whether that is so here."""
    return what in _within.get()
