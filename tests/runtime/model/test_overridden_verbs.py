"""Verbs that a model overrides: run by blocking callers, once each, in scripts, loops and threads."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any, cast

import pytest

from redis_models import AutoModel, Field, Model, Store
from redis_models.errors import NotFoundError

calls: list[str] = []
who: ContextVar[str] = ContextVar("who", default="nobody")


class Post(AutoModel):
    id: str = Field(primary_key=True)
    text: str = ""
    edits: int = 0
    by: str = ""

    async def save(self, *arguments: Any, **options: Any) -> None:
        calls.append(f"save {self.id}")
        await asyncio.sleep(0)
        self.edits += 1
        self.by = who.get()
        await super().save(*arguments, **options)
        await Trace.insert(Trace(id=f"{self.id}-{self.edits}"))


class Trace(Model):
    id: str = Field(primary_key=True)


class Audited(Model):
    id: str = Field(primary_key=True)
    text: str = ""
    size: int = 0

    @classmethod
    async def get(cls, id: object) -> Any:
        calls.append("get")
        return await super().get(id)

    @classmethod
    async def select(cls, *arguments: Any, **options: Any) -> Any:
        calls.append("select")
        select: Any = super().select
        return await select(*arguments, **options)

    @classmethod
    async def insert(cls, data: Any, life_span_seconds: Any = None, **options: Any) -> Any:
        calls.append("insert")
        return await super().insert(data, life_span_seconds, **options)

    @classmethod
    async def patch(cls, id: object, /, **changes: object) -> None:
        calls.append("patch")
        await super().patch(id, **changes)

    @classmethod
    async def delete(cls, ids: Any) -> Any:  # type: ignore[override]
        calls.append(f"delete {ids}")
        return await super().delete(ids)

    @classmethod
    async def iterate(cls, batch_size: int = 500, **options: Any) -> AsyncIterator[Any]:
        calls.append("iterate")
        async for record in super().iterate(batch_size, **options):
            yield record


class Failing(AutoModel):
    id: str = Field(primary_key=True)
    text: str = ""

    async def save(self, *arguments: Any, **options: Any) -> None:
        if self.text == "bad":
            self.text = "worse"
            raise ValueError("not this one")
        await super().save(*arguments, **options)


class SaveMixin:
    async def save(self, *arguments: Any, **options: Any) -> None:
        calls.append("mixin")
        self.text = "mixed"
        await Model.save(cast(Model, self), *arguments, **options)


class Mixed(SaveMixin, AutoModel):
    id: str = Field(primary_key=True)
    text: str = ""


class Plain(AutoModel):
    """Its save is not a coroutine function, but gives one's result."""

    id: str = Field(primary_key=True)
    text: str = ""

    def save(self, *arguments: Any, **options: Any) -> Any:
        calls.append("plain")
        return super().save(*arguments, **options)


@pytest.fixture(autouse=True)
def _bound(store: Store) -> None:
    models: list[type[Model]] = [Post, Trace, Audited, Failing, Mixed, Plain]
    for model in models:
        store.register_model(model)
    calls.clear()


def edit() -> None:
    post = Post(id="a", text="x")
    post.text = "y"
    post.sync.save()
    with post.sync.update():
        post.text = "z"


def check(client: Any, by: bytes) -> None:
    assert calls == ["save a"] * 4
    assert client.hmget("post:a", "text", "edits", "by") == [b"z", b"4", by]
    assert client.zrange("trace:__index", 0, -1) == [f"trace:a-{number}".encode() for number in (1, 2, 3, 4)]


def test_in_a_script_without_a_loop(client: Any) -> None:
    edit()

    check(client, b"nobody")


def test_a_loop_that_the_application_set_is_still_there_afterwards(client: Any) -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        edit()

        assert asyncio.get_event_loop() is loop
        loop.run_until_complete(asyncio.sleep(0))
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    check(client, b"nobody")


async def test_in_a_running_loop_it_is_in_redis_when_the_statement_returns(client: Any) -> None:
    who.set("Ann")

    edit()

    check(client, b"Ann")


async def test_awaited_it_is_called_once_for_each_save(client: Any) -> None:
    post = Post(id="a", text="x")
    calls.clear()

    await post.save()
    async with post.update():
        post.text = "z"

    assert calls == ["save a"] * 2
    assert client.hmget("post:a", "text", "edits") == [b"z", b"3"]


async def test_many_tasks_at_once_each_save_their_own(client: Any) -> None:
    async def make(name: str) -> None:
        post = Post(id=name)
        await asyncio.sleep(0)
        post.text = name
        await post.save()

    await asyncio.gather(*(make(f"p{number}") for number in range(20)))

    assert [client.hget(f"post:p{number}", "text") for number in range(20)] == [f"p{n}".encode() for n in range(20)]


def test_threads_that_assign_to_one_instance_lose_nothing(client: Any) -> None:
    post = Post(id="a")

    def add(name: str) -> None:
        for number in range(10):
            setattr(post, name, f"{name}{number}")

    threads = [threading.Thread(target=add, args=(name,)) for name in ("text", "by")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert client.hget("post:a", "text") == b"text9"
    assert post.text == "text9"


@pytest.mark.parametrize("in_a_loop", [False, True])
def test_what_it_raises_comes_out_and_the_instance_is_as_it_was(in_a_loop: bool, client: Any) -> None:
    async def fail() -> None:
        act()

    def act() -> None:
        record = Failing(id="a", text="good")
        with pytest.raises(ValueError, match="not this one"):
            record.text = "bad"
        assert (record.text, record.auto_sync) == ("good", True)
        with pytest.raises(ValueError, match="not this one"):
            Failing(id="b", text="bad")
        client.delete("failing:a")
        with pytest.raises(NotFoundError):
            record.text = "fine"
        assert record.text == "good"

    if in_a_loop:
        asyncio.run(fail())
    else:
        act()
    assert not client.exists("failing:a", "failing:b")


def test_a_save_of_a_mixin_or_one_that_is_not_a_coroutine_function_counts(client: Any) -> None:
    Mixed(id="a")
    Plain(id="a").text = "t"

    assert calls == ["mixin", "plain", "plain"]
    assert (client.hget("mixed:a", "text"), client.hget("plain:a", "text")) == (b"mixed", b"t")


def test_a_save_set_on_the_class_later_counts_from_then_on(client: Any) -> None:
    class Late(AutoModel):
        id: str = Field(primary_key=True)
        text: str = ""

    Late._store = Post._store
    record = Late(id="a")

    async def save(self: Any, *arguments: Any, **options: Any) -> None:
        self.id = "a"
        calls.append("late")
        await Model.save(self, *arguments, **options)

    Late.save = save  # type: ignore[method-assign]
    record.text = "t"

    assert calls == ["late"]
    assert client.hget("late:a", "text") == b"t"


async def test_blocking_table_verbs_are_the_overridden_ones(client: Any) -> None:
    Audited.sync.insert(Audited(id="a"))
    Audited.sync.patch("a", text="t")
    found = [Audited.sync.get("a"), *(Audited.sync.select() or []), *Audited.sync.iterate()]
    deleted = Audited.sync.delete(["a"])

    assert calls == ["insert", "patch", "get", "select", "iterate", "delete ['a']"]
    assert [record.text for record in found] == ["t"] * 3
    assert deleted == [1, 1]
    instance = Audited(id="b")
    instance.sync.save()
    instance.sync.delete()
    assert calls[-2:] == ["insert", "delete b"]
    assert client.keys("*") == []


async def test_a_save_by_way_of_an_overridden_insert_is_a_save(client: Any) -> None:
    record = Audited(id="a", text="x")
    await record.save(60)
    client.hset("audited:a", "size", "5")  # another writer
    record.text = "y"
    await record.save()
    changed = client.hmget("audited:a", "text", "size")
    life = client.ttl("audited:a")
    client.delete("audited:a")
    record.text = "z"

    with pytest.raises(NotFoundError):
        await record.save()

    assert (changed, 0 < life <= 60) == ([b"y", b"5"], True)
    assert calls == ["insert"] * 3
    assert not client.exists("audited:a")


class Linked(Model):
    """Its insert saves another record first."""

    id: str = Field(primary_key=True)
    text: str = ""
    other: str = ""

    @classmethod
    async def insert(cls, data: Any, life_span_seconds: Any = None, **options: Any) -> Any:
        calls.append(data.id)
        data.text = "seen"
        if data.other:
            await Linked(id=data.other).save()
            Linked(id=f"{data.other}-too").sync.save()
        return await super().insert(data, life_span_seconds, **options)


async def test_an_insert_that_saves_another_record_has_that_inserted_too(store: Store, client: Any) -> None:
    store.register_model(Linked)

    await Linked(id="a", other="b").save()

    assert calls == ["a", "b", "b-too"]
    assert [client.hget(f"linked:{pk}", "text") for pk in ("a", "b", "b-too")] == [b"seen"] * 3
