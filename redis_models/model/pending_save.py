"""Saves that call an overridden ``insert``, as every save did in pydantic-aioredis."""

from contextvars import ContextVar
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any, cast

from ..coroutines import being_saved
from ..mapping.stored_model import StoredModel
from ..mapping.ttl import LifeSpan
from ..records.repository import repository_of, store_of
from ..records.write import Only
from .assignments import save_lock

__all__ = ["PendingSave", "insert_pending", "is_pending", "pending", "save_by_insert"]


@dataclass(frozen=True)
class PendingSave:
    """A save that calls an overridden ``insert``, as in pydantic-aioredis.

    Attributes:
        instance: The instance to save.
        life_span, only, if_unchanged: As in ``Model.save``.
    """

    instance: StoredModel
    life_span: LifeSpan | None
    only: Only
    if_unchanged: bool

    def covers(self, data: object) -> bool:
        """Whether ``data``, the argument of ``insert``, is the instance to save."""
        instances = cast("list[object]", data) if isinstance(data, (list, tuple)) else [data]
        return len(instances) == 1 and instances[0] is self.instance


pending: ContextVar[PendingSave | None] = ContextVar("redis_models_pending", default=None)


def is_pending(instance: object) -> bool:
    """Whether the overridden ``insert`` is running for a save of ``instance``."""
    save = pending.get()
    return save is not None and save.instance is instance


async def save_by_insert(save: PendingSave) -> None:
    """Save an instance by the model's own ``insert``; when that calls the library's ``insert``, it writes as a save."""
    token = pending.set(save)
    try:
        with being_saved(save.instance):
            result: object = cast(Any, type(save.instance)).insert(save.instance)
            if isawaitable(result):
                await result
    finally:
        pending.reset(token)


async def insert_pending(save: PendingSave, life_span: LifeSpan | None, only: Only) -> list[int]:
    """Write the changes of the instance, with the arguments that the override passes."""
    model = type(save.instance)
    ttl = save.life_span if life_span is None else life_span
    saving = repository_of(model).save(save.instance, ttl, only=only or save.only, if_unchanged=save.if_unchanged)
    async with save_lock(save.instance):
        return await store_of(model).run_async(saving)
