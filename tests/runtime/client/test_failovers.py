"""Failovers that keep connections open: the old primary answers, as a replica, until a client connects anew."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import pytest
import redis.asyncio

from redis_models import AutoModel, Field, Model, Store
from redis_models.client.commands import RoundTrips, send
from redis_models.errors import ServerBusyError, ServerReadOnlyError

NewServer = Callable[..., Any]
NewBox = Callable[[str], Any]
NOWHERE = ("127.0.0.1", "1")


class Post(Model):
    id: str = Field(primary_key=True)
    hits: int = 0


class LivePost(AutoModel):
    id: str = Field(primary_key=True)
    hits: int = 0


class Pair:
    """Two servers, and a name that leads to the first, until it fails over to the second."""

    def __init__(self, new_server: NewServer, new_box: NewBox, **options: Any) -> None:
        self.old, self.new = new_server(), new_server()
        self.box = new_box(self.old.socket_path)
        self.store = Store("s", url=self.box.url, timeout_s=5, **options)
        self.store.register_model(Post)
        self.store.register_model(LivePost)

    async def warm(self) -> "LivePost":
        """Have connections open, blocking and in the loop, several of each."""
        live = await asyncio.to_thread(LivePost, id="l")
        for number in range(3):
            await asyncio.gather(
                *(Post.insert(Post(id=f"{number}{digit}")) for digit in range(3)),
                *(asyncio.to_thread(Post.sync.insert, Post(id=f"{number}{digit}")) for digit in range(3, 6)),
            )
        return live

    def fail_over(self) -> None:
        """Give the second the data, make the first a replica of a missing server, and point the name elsewhere."""
        with self.old.client() as old, self.new.client() as new:
            for key in old.keys("*"):
                new.restore(key, 0, old.dump(key))
            old.execute_command("REPLICAOF", *NOWHERE)
        self.box.upstream = self.new.socket_path


@pytest.fixture
async def pair(new_server: NewServer, new_box: NewBox) -> AsyncIterator[Pair]:
    pair = Pair(new_server, new_box)
    yield pair
    Post._store = LivePost._store = None
    await pair.store.aclose()


VERBS: dict[str, Callable[[], Awaitable[object]]] = {
    "insert": lambda: Post.insert(Post(id="x")),
    "insert of new ones": lambda: Post.insert([Post(id="x"), Post(id="y")], only="new"),
    "insert of many": lambda: Post.insert([Post(id=f"{number}") for number in range(2500)]),
    "patch": lambda: Post.patch("00", hits=2),
    "increment": lambda: Post.increment("00", "hits"),
    "delete": lambda: Post.delete(["00", "01"]),
    "expire": lambda: Post.expire("00", 100),
    "blocking insert": lambda: asyncio.to_thread(Post.sync.insert, Post(id="x")),
    "blocking insert of many": lambda: asyncio.to_thread(Post.sync.insert, [Post(id=f"{n}") for n in range(2500)]),
    "blocking increment": lambda: asyncio.to_thread(Post.sync.increment, "00", "hits"),
    "blocking delete": lambda: asyncio.to_thread(Post.sync.delete, ["00", "01"]),
    "new AutoModel": lambda: asyncio.to_thread(LivePost, id="n"),
}


@pytest.mark.parametrize("verb", VERBS)
async def test_a_write_behind_a_failover_is_executed_once_where_the_name_leads_now(pair: Pair, verb: str) -> None:
    await pair.warm()
    pair.fail_over()

    answer = await VERBS[verb]()

    with pair.new.client() as new:
        if "increment" in verb:
            assert (answer, new.hget("post:00", "hits")) == (1, b"1")
        if "delete" in verb:
            assert (answer, new.exists("post:00", "post:01")) == ([2, 2], 0)
        if "many" in verb:
            assert new.zcard("post:__index") >= 2500


async def test_an_assignment_and_a_save_behind_a_failover_are_written_where_the_name_leads_now(pair: Pair) -> None:
    live = await pair.warm()
    post = await Post.get("00")
    pair.fail_over()

    await asyncio.to_thread(setattr, live, "hits", 7)
    post.hits = 7
    await post.save()

    with pair.new.client() as new:
        assert new.hget("livepost:l", "hits") == new.hget("post:00", "hits") == b"7"


async def test_all_who_write_at_once_behind_a_failover_come_through(pair: Pair) -> None:
    await pair.warm()
    pair.fail_over()

    await asyncio.gather(
        *(Post.increment("00", "hits") for _ in range(10)),
        *(asyncio.to_thread(Post.sync.increment, "00", "hits") for _ in range(10)),
    )

    with pair.new.client() as new:
        assert new.hget("post:00", "hits") == b"20"


async def test_a_replica_without_data_sends_readers_on_as_well(pair: Pair) -> None:
    await pair.warm()
    with pair.old.client() as old:
        old.config_set("replica-serve-stale-data", "no")
    pair.fail_over()

    assert (await Post.get("00")).id == "00"
    assert (await asyncio.to_thread(Post.sync.get, "01")).id == "01"
    assert len(await Post.select() or []) == 18


async def test_a_replica_that_the_name_still_leads_to_is_named(pair: Pair) -> None:
    await pair.warm()
    with pair.old.client() as old:
        old.execute_command("REPLICAOF", *NOWHERE)
    where = pair.box.url.removeprefix("redis://").removesuffix("/0")

    for verb in ("insert", "blocking insert", "insert of many"):
        with pytest.raises(ServerReadOnlyError, match=f"^{where} is a read-only replica"):
            await VERBS[verb]()

    with pair.old.client() as old:
        old.config_set("replica-serve-stale-data", "no")
    with pytest.raises(ServerBusyError, match=f"^{where} can do nothing now: Link with MASTER is down"):
        await Post.get("00")
    with pair.old.client() as old:  # it becomes the primary again, and no client has to restart
        old.execute_command("REPLICAOF", "NO", "ONE")
    await Post.insert(Post(id="x"))


class Watch(redis.asyncio.Sentinel):
    """A Sentinel that a test tells where the primary is."""

    def __init__(self, where: Callable[[], tuple[str, int]], **options: Any) -> None:
        cast(Any, super()).__init__([], **options)
        self._where = where

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        return self._where()


@pytest.mark.parametrize("protocol", [2, 3])
async def test_a_client_of_sentinel_is_asked_again_where_the_primary_is(
    new_server: NewServer, new_box: NewBox, protocol: int
) -> None:
    pair = Pair(new_server, new_box)
    boxes = [pair.box, new_box(pair.new.socket_path)]

    def where() -> tuple[str, int]:
        _, _, port = boxes[0].url.removesuffix("/0").rpartition(":")
        return "127.0.0.1", int(port)

    primary: Any = cast(Any, Watch(where)).master_for("main", protocol=protocol)
    pair.store.redis_store = primary
    await Post.insert([Post(id="00"), Post(id="01")])
    await Post.increment("00", "hits")
    pair.fail_over()
    boxes.reverse()

    assert await Post.increment("00", "hits") == 2
    await Post.insert([Post(id=f"{number}") for number in range(1500)])
    assert await Post.delete("01") == [1, 1]

    with pair.new.client() as new:
        assert new.hget("post:00", "hits") == b"2"
    await pair.store.aclose()
    await primary.aclose()


async def test_of_a_batch_that_was_executed_in_part_nothing_is_sent_again(pair: Pair) -> None:
    async def in_thread(batches: RoundTrips[Any]) -> Any:
        return await asyncio.to_thread(pair.store.run, batches)

    ways: list[Callable[[RoundTrips[Any]], Awaitable[Any]]] = [pair.store.run_async, in_thread]
    for run in ways:
        with pair.old.client() as old:
            old.execute_command("REPLICAOF", "NO", "ONE")
            old.delete("n")
        with pytest.raises(ServerReadOnlyError):
            await run(send([("INCR", "n"), ("REPLICAOF", *NOWHERE), ("INCR", "n")]))

        with pair.old.client() as old:
            assert old.get("n") == b"1"
