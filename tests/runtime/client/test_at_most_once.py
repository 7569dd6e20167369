"""Writes whose reply is lost, and what others write in between: nothing is executed twice, nothing is made up."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest

from redis_models import AutoModel, Field, Model, Store
from redis_models.errors import ServerUnreachableError

NewBox = Callable[[str], Any]
Verb = Callable[["JarStore"], Awaitable[object]]


class Jar(Model):
    id: str = Field(primary_key=True)
    label: str = ""
    grams: int = 0


class LiveJar(AutoModel):
    id: str = Field(primary_key=True)
    label: str = ""
    grams: int = 0


class JarStore:
    """A jar of each model on a store behind the middlebox, and who calls its verbs.

    Attributes:
        jar, live: Stored as ``a``, 5 grams.
        raw: Another client.
    """

    def __init__(self, store: Store, box: Any, raw: Any, *, is_async: bool) -> None:
        self.store, self.box, self.raw, self._is_async = store, box, raw, is_async
        store.register_model(Jar)
        store.register_model(LiveJar)
        self.jar = Jar(id="a", label="salt", grams=5)

    async def begin(self) -> None:
        self.live = await asyncio.to_thread(LiveJar, id="a", label="salt", grams=5)
        await self.call(self.jar, "save")
        # The server must know the scripts: what it does not know is not executed by the copy that comes late.
        self.jar.label = "rock salt"
        await self.call(self.jar, "save")
        await self.call(Jar, "increment", "a", "grams", 0)
        await self.call(Jar, "insert", [Jar(id="b"), Jar(id="c")])
        await self.call(Jar, "expire", "b", 1000)
        await self.call(Jar, "delete", "c")

    async def call(self, owner: Any, verb: str, *arguments: Any, **options: Any) -> Any:
        """Call a verb in the loop, or blocking in a thread."""
        if self._is_async:
            return await getattr(owner, verb)(*arguments, **options)
        return await asyncio.to_thread(getattr(owner.sync, verb), *arguments, **options)

    async def assign(self, grams: int) -> None:
        await asyncio.to_thread(setattr, self.live, "grams", grams)

    async def update(self, grams: int) -> None:
        if self._is_async:
            async with self.jar.update() as jar:
                jar.grams = grams
            return

        def update() -> None:
            with self.jar.sync.update() as jar:
                jar.grams = grams

        await asyncio.to_thread(update)

    async def save(self, **fields: object) -> None:
        for name, value in fields.items():
            setattr(self.jar, name, value)
        await self.call(self.jar, "save")

    def state(self) -> Mapping[bytes, object]:
        """Give all that is stored, and how long it lives, to the second."""
        found: dict[bytes, object] = {}
        for key in sorted(self.raw.keys("*jar:*")):
            is_hash = self.raw.type(key) == b"hash"
            stored = self.raw.hgetall(key) if is_hash else self.raw.zrange(key, 0, -1)
            found[key] = stored, self.raw.ttl(key) > 0
        return found


@pytest.fixture(params=["async", "sync"])
async def jars(server: Any, client: Any, new_box: NewBox, request: pytest.FixtureRequest) -> AsyncIterator[JarStore]:
    box = new_box(server.socket_path)
    store = Store("s", url=box.url, timeout_s=30)
    jars = JarStore(store, box, client, is_async=request.param == "async")
    await jars.begin()
    yield jars
    Jar._store = LiveJar._store = None
    await store.aclose()


# What is called, and the key that the request names.
VERBS: Mapping[str, tuple[Verb, bytes]] = {
    "save": (lambda jars: jars.save(grams=10), b"jar:a"),
    "save of a new one": (lambda jars: jars.call(Jar(id="n", grams=1), "save"), b"jar:n"),
    "save if unchanged": (lambda jars: _save_if_unchanged(jars), b"jar:a"),
    "update": (lambda jars: jars.update(10), b"jar:a"),
    "assignment": (lambda jars: jars.assign(10), b"livejar:a"),
    "insert": (lambda jars: jars.call(Jar, "insert", Jar(id="a", grams=10)), b"jar:a"),
    "insert of new ones": (lambda jars: jars.call(Jar, "insert", Jar(id="n"), only="new"), b"jar:n"),
    "insert of several": (lambda jars: jars.call(Jar, "insert", [Jar(id="a", grams=10), Jar(id="b")]), b"jar:a"),
    "insert of many": (lambda jars: jars.call(Jar, "insert", [Jar(id=f"a{n:04}") for n in range(2100)]), b"jar:a2050"),
    "patch": (lambda jars: jars.call(Jar, "patch", "a", grams=10), b"jar:a"),
    "increment": (lambda jars: jars.call(Jar, "increment", "a", "grams", 2), b"jar:a"),
    "delete": (lambda jars: jars.call(Jar, "delete", ["a", "b"]), b"jar:a"),
    "delete of an instance": (lambda jars: jars.call(jars.jar, "delete"), b"jar:a"),
    "delete all": (lambda jars: jars.call(Jar, "delete_all"), b"jar:b\r\n"),
    "expire": (lambda jars: jars.call(Jar, "expire", "a", 500), b"jar:a"),
    "persist": (lambda jars: jars.call(Jar, "persist", "b"), b"jar:b"),
}  # fmt: skip


async def _save_if_unchanged(jars: JarStore) -> None:
    jars.jar.grams = 10
    await jars.call(jars.jar, "save", if_unchanged=True)


def _counts(raw: Any) -> None:
    for key in ("jar:a", "jar:b", "jar:n", "livejar:a", "jar:a2050"):
        raw.hincrby(key, "grams", 7)


def _deletes(raw: Any) -> None:
    for key in ("a", "b", "n", "a2050"):
        raw.delete(f"jar:{key}", f"livejar:{key}")
        raw.zrem("jar:__index", f"jar:{key}")


def _inserts(raw: Any) -> None:
    _deletes(raw)
    for key in ("jar:a", "jar:b", "jar:n", "livejar:a", "jar:a2050"):
        raw.hset(key, mapping={"id": key[-1], "label": "new", "grams": 1, "_v": 1})
        raw.zadd(f"{key.partition(':')[0]}:__index", {key: 0})


@pytest.mark.parametrize("others", [_counts, _deletes, _inserts])
@pytest.mark.parametrize("verb", VERBS)
async def test_a_write_whose_reply_is_lost_leaves_what_others_wrote_meanwhile(
    jars: JarStore, verb: str, others: Callable[[Any], None]
) -> None:
    call, mark = VERBS[verb]
    then: list[Mapping[bytes, object]] = []

    def between() -> None:
        others(jars.raw)
        then.append(jars.state())

    jars.box.lose_reply(mark, between)

    with pytest.raises(ServerUnreachableError, match="may have been executed") as caught:
        await call(jars)

    assert caught.value.is_left_open
    assert jars.box.lost == 1
    await jars.call(Jar, "exists", "a")  # behind whatever the store still has to say
    assert jars.state() == then[0]


@pytest.mark.parametrize("verb", VERBS)
async def test_a_request_that_is_delivered_late_is_not_executed_after_a_later_write(jars: JarStore, verb: str) -> None:
    call, mark = VERBS[verb]
    jars.box.hold(mark)
    with pytest.raises(ServerUnreachableError, match="may have been executed"):
        await call(jars)

    await jars.call(Jar, "patch", "b", label="acknowledged")
    then = jars.state()

    assert jars.box.deliver() == b""
    assert jars.state() == then


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "assignment"])
async def test_a_request_that_is_cancelled_and_delivered_late_is_not_executed_after_a_later_write(
    server: Any, client: Any, new_box: NewBox, verb: str
) -> None:
    call, mark = VERBS[verb]
    box = new_box(server.socket_path)
    store = Store("s", url=box.url, timeout_s=30)
    jars = JarStore(store, box, client, is_async=True)
    await jars.begin()
    box.hold(mark, hangs_up=False)
    task: asyncio.Task[object] = asyncio.create_task(_called(call, jars))
    assert await asyncio.to_thread(box.is_held.wait, 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await jars.call(Jar, "patch", "b", label="acknowledged")
    then = jars.state()

    assert box.deliver() == b""
    assert jars.state() == then
    Jar._store = LiveJar._store = None
    await store.aclose()


async def _called(call: Verb, jars: JarStore) -> object:
    return await call(jars)
