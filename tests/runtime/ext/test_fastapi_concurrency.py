"""Many requests at once for one record."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from redis_models import Field, Model, Store
from redis_models.ext.FastAPI import CRUDRouter

Serve = Callable[..., Awaitable[httpx.AsyncClient]]
_AT_ONCE = 30


class Article(Model):
    id: str = Field(primary_key=True)
    amount: int = 0
    twice: int = 0


async def test_all_of_many_puts_at_once_succeed_and_one_of_them_stays_whole(
    store: Store, client: Any, serve: Serve
) -> None:
    http = await serve(CRUDRouter(Article, store))
    await Article(id="a").save()
    bodies = [{"id": "a", "amount": number, "twice": 2 * number} for number in range(1, _AT_ONCE + 1)]

    answers = await asyncio.gather(*[http.put("/article/a", json=body) for body in bodies])

    assert [answer.status_code for answer in answers] == [200] * _AT_ONCE
    assert [answer.json() for answer in answers] == bodies
    assert (await Article.get("a")).model_dump() in bodies
    assert client.zcard("article:__index") == 1
