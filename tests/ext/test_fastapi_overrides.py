"""Routes of models that override what pydantic-aioredis let its applications override."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from redis_models import Field, Model, Store
from redis_models.ext.FastAPI import CRUDRouter

Serve = Callable[..., Awaitable[httpx.AsyncClient]]
calls: list[str] = []


class Locked(Model):
    id: str = Field(primary_key=True)
    word: str = ""
    size: int = 0
    hidden: str = Field(default="", exclude=True)

    @classmethod
    def serialize_partially(cls, data: Any) -> Any:
        return super().serialize_partially({**data, "word": f"<{data['word']}>", "hidden": f"<{data['hidden']}>"})

    @classmethod
    def deserialize_partially(cls, data: Any) -> Any:
        return super().deserialize_partially({**data, "word": data["word"][1:-1], "hidden": data["hidden"][1:-1]})


class Watched(Model):
    id: str = Field(primary_key=True)
    size: int = 0

    @classmethod
    def _get_tablename(cls) -> str:
        return "tenant-watched"

    @classmethod
    async def insert(cls, data: Any, life_span_seconds: Any = None, **options: Any) -> Any:
        calls.append("insert")
        return await super().insert(data, life_span_seconds, **options)


@pytest.fixture
async def http(store: Store, serve: Serve) -> Any:
    calls.clear()
    yield await serve(CRUDRouter(Locked, store, paginate=10), CRUDRouter(Watched, store, paginate=10))
    Locked._store = Watched._store = None


async def test_bodies_are_stored_and_answered_through_the_hooks(http: Any, client: Any) -> None:
    made = await http.post("/locked", json={"id": "a", "word": "w", "size": 1})
    one = await Locked.get("a")
    one.hidden = "h"
    await one.save()
    put = await http.put("/locked/a", json={"word": "x", "size": 2})

    assert (made.status_code, put.status_code) == (200, 200)
    assert client.hmget("locked:a", "word", "size", "hidden") == [b"<x>", b"2", b"<h>"]
    shown = {"id": "a", "word": "x", "size": 2}
    assert (await http.get("/locked/a")).json() == shown
    assert (await http.get("/locked")).json() == [shown]
    assert (await http.delete("/locked/a")).json() == shown
    assert not client.exists("locked:a")


async def test_a_record_that_a_hook_cannot_read_is_left_out_of_the_list(http: Any, client: Any) -> None:
    for pk in "ab":
        await http.post("/locked", json={"id": pk, "word": "w"})
    client.hdel("locked:a", "word")

    listed = await http.get("/locked")

    assert [one["id"] for one in listed.json()] == ["b"]
    assert "a" in str(listed.headers)


async def test_keys_and_verbs_are_the_model_s_own(http: Any, client: Any) -> None:
    await http.post("/watched", json={"id": "a", "size": 1})
    await http.put("/watched/a", json={"size": 2})

    assert calls == ["insert"] * 2
    assert client.hget("tenant-watched:a", "size") == b"2"
    assert (await http.get("/watched")).json() == [{"id": "a", "size": 2}]
    assert (await http.delete("/watched/a")).status_code == 200
