"""Running a coroutine of the application, such as an overridden ``save``, to its end for a blocking caller.

Meanwhile the library's own verbs use the blocking connections, so that no connection is made for a short-lived loop. If
a loop is running already, another thread runs the coroutine in its own loop, and the caller waits for it.
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
    """Whether verbs that are awaited in this context block."""
    return _blocking.get()


def run_to_end(call: Callable[..., Any], *arguments: object, **options: object) -> Any:
    """Call a function, await its result if that is awaitable, and give the result."""

    def run() -> Any:
        _blocking.set(True)
        result: object = call(*arguments, **options)
        if not inspect.isawaitable(result):
            return result
        # Not asyncio.run: it removes the event loop that the application may have set for this thread.
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            return runner.run(_wait_for(result))

    context = copy_context()
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return context.run(run)
    with ThreadPoolExecutor(1, thread_name_prefix="redis_models") as thread:
        return thread.submit(context.run, run).result()


async def _wait_for(awaitable: Awaitable[object]) -> object:
    return await awaitable


@contextmanager
def being_saved(instance: object) -> Generator[None]:
    """Assignments to ``instance`` in this block are written by the running save, and not one by one."""
    token = _saved.set(_saved.get() | {id(instance)})
    try:
        yield
    finally:
        _saved.reset(token)


def is_being_saved(instance: object) -> bool:
    """Whether ``being_saved`` is active for ``instance`` in this context."""
    return id(instance) in _saved.get()


@contextmanager
def within(what: object) -> Generator[None]:
    """Mark that an override runs in this block, so that the library's own verb does not call it again."""
    token = _within.set(_within.get() | {what})
    try:
        yield
    finally:
        _within.reset(token)


def is_within(what: object) -> bool:
    """Whether ``within`` is active in this context."""
    return what in _within.get()
