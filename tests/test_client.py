"""Connections: servers that are not there, refuse, run full, restart; work that is cut short; loops and passwords."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
import redis
import redis.asyncio
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from redis_models import AutoModel, Field, Model, RedisConfig, RedisModelsError, Store
from redis_models.batches import Batches, send
from redis_models.client import AsyncClient, SyncClient, run, run_async
from redis_models.connections import masked, sync_class
from redis_models.errors import (
    ServerOutOfMemoryError,
    ServerRefusedError,
    ServerUnreachableError,
    SettingsError,
)

NewServer = Callable[..., Any]


def _models(store: Store) -> tuple[type[Any], type[Any]]:
    class Item(Model):
        id: str = Field(primary_key=True)
        text: str = ""

    class Live(AutoModel):
        id: str = Field(primary_key=True)
        text: str = ""

    store.register_model(Item)
    store.register_model(Live)
    return Item, Live


def _echo(text: str) -> Batches[object]:
    [reply] = yield from send([("ECHO", text)])
    return reply


async def _refusals(store: Store) -> list[RedisModelsError]:
    """The errors of one write in the loop, one blocking, and one by a constructor."""
    item, live = _models(store)
    errors: list[RedisModelsError] = []
    for write in (
        lambda: item.insert(item(id="a")),
        lambda: asyncio.to_thread(item.sync.insert, item(id="a")),
        lambda: asyncio.to_thread(live, id="b"),
    ):
        with pytest.raises(RedisModelsError) as caught:
            await write()
        errors.append(caught.value)
    await store.aclose()
    return errors


async def test_a_server_that_is_not_there_is_named_with_the_cure(tmp_path: Any) -> None:
    url = f"unix://{tmp_path}/nobody"

    for error in await _refusals(Store.from_url(url)):
        assert isinstance(error, ServerUnreachableError)
        assert str(error).startswith(f"{url} cannot be reached")
        assert str(error).endswith("start the server, or correct REDIS_URL")


async def test_a_wrong_password_is_refused_at_once_and_not_shown(new_server: NewServer) -> None:
    server = new_server("--requirepass", "right-secret")
    with server.client(password="right-secret") as admin:
        for url in (f"unix://:wrong-secret@{server.socket_path}", server.url):
            before = admin.info("stats")["total_connections_received"]
            for error in await _refusals(Store.from_url(url)):
                assert isinstance(error, ServerRefusedError)
                assert "refuses the user name or password" in str(error)
                assert "secret" not in str(error)
            assert admin.info("stats")["total_connections_received"] == before + 3

    store = Store.from_url(f"unix://:right-secret@{server.socket_path}")
    assert await store.run_async(_echo("x")) == store.run(_echo("x")) == b"x"
    await store.aclose()


async def test_a_user_without_rights_is_told_which_are_missing(new_server: NewServer) -> None:
    server = new_server()
    with server.client() as admin:
        admin.execute_command("ACL", "SETUSER", "bob", "on", ">pw", "~*", "+@all", "-evalsha")

    for error in await _refusals(Store.from_url(f"unix://bob:pw@{server.socket_path}")):
        assert isinstance(error, ServerRefusedError)
        assert "evalsha" in str(error)


async def test_a_replica_reads_and_refuses_writes(new_server: NewServer) -> None:
    replica = new_server()
    item, _ = _models(store := Store.from_url(replica.url))
    await item.insert([item(id="a"), item(id="b")])
    with replica.client() as admin:
        admin.pexpireat("item:b", 1)
        # Of nobody: what it holds stays, and is read only from now on.
        admin.execute_command("REPLICAOF", "127.0.0.1", "1")
        before = admin.dump("item:a")

        for error in await _refusals(Store.from_url(replica.url)):
            assert isinstance(error, ServerRefusedError)
            assert "read-only replica" in str(error)
        assert [one.id for one in await item.select()] == ["a"]
        assert await item.count() == 1
        assert admin.dump("item:a") == before
    await store.aclose()


async def test_full_memory_refuses_a_write_whole(new_server: NewServer) -> None:
    server = new_server("--maxmemory-policy", "noeviction")
    store = Store.from_url(server.url)
    _, live = _models(store)
    note = live(id="n", text="x")
    with server.client() as admin:
        admin.config_set("maxmemory", "1")
        before = admin.dump("live:n")

        for error in await _refusals(Store.from_url(server.url)):
            assert isinstance(error, ServerOutOfMemoryError)
            assert "nothing of the refused write was applied" in str(error)
        live._store = store
        with pytest.raises(ServerOutOfMemoryError):
            note.text = "y" * 1000

        assert note.text == "x"
        assert admin.dump("live:n") == before
        assert not admin.exists("item:a")
        admin.config_set("maxmemory", "0")
    note.text = "z"
    assert (await live.get("n")).text == "z"
    await store.aclose()


async def test_forgotten_scripts_are_loaded_again(store: Store, client: Any) -> None:
    item, _ = _models(store)
    for _number in range(2):
        client.script_flush()
        await item.insert([item(id=f"{number:04}") for number in range(250)])
        client.script_flush()
        assert item.sync.count() == 250
        client.script_flush()
        await item.patch("0000", text="x")
        client.script_flush()
        assert item.sync.delete(["0000"]) == [1, 1]


async def test_a_server_that_was_killed_and_started_again_is_found(new_server: NewServer) -> None:
    server = new_server("--appendonly", "yes", "--appendfsync", "always")
    store = Store.from_url(server.url)
    item, live = _models(store)
    note = live(id="n")
    await item.insert(item(id="a"))

    server.kill()
    with pytest.raises(ServerUnreachableError):
        await item.insert(item(id="b"))
    with pytest.raises(ServerUnreachableError):
        note.text = "lost"
    server.start()
    note.text = "found"

    assert [one.id for one in await item.select()] == ["a"]
    assert (await live.get("n")).text == note.text == "found"
    await store.aclose()


async def test_a_server_that_comes_back_within_the_retries_is_not_noticed(new_server: NewServer) -> None:
    server = new_server("--appendonly", "yes", "--appendfsync", "always")
    store = Store.from_url(server.url)
    item, _ = _models(store)
    await item.insert(item(id="a"))

    server.kill()
    starting = threading.Thread(target=server.start)
    starting.start()
    blocking = asyncio.create_task(asyncio.to_thread(item.sync.get, "a"))
    found = await item.get("a"), await blocking
    starting.join()

    assert found == (item(id="a"), item(id="a"))
    await store.aclose()


async def test_a_server_that_stalls_is_reported_in_time_and_nothing_is_repeated(new_server: NewServer) -> None:
    server = new_server()
    store = Store("s", url=server.url, timeout_s=0.2)
    assert await store.run_async(_echo("x")) == store.run(_echo("x")) == b"x"
    assert server.process is not None

    server.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(
            ServerUnreachableError, match="did not answer in time; what was sent may have been executed"
        ):
            await store.run_async(send([("INCR", "n")]))
        with pytest.raises(ServerUnreachableError, match="did not answer in time"):
            store.run(send([("INCR", "n")]))
    finally:
        server.process.send_signal(signal.SIGCONT)

    # Answers that come late are nobody's, and each INCR was sent once.
    assert (await store.run_async(_echo("y")), store.run(_echo("z"))) == (b"y", b"z")
    assert store.run(send([("GET", "n")])) == [b"2"]
    await store.aclose()


def _blocked(client: Any) -> bool:
    return bool(client.info("clients")["blocked_clients"])


def _wait() -> Batches[object]:
    """Ask for what comes late: half a second after the next question was sent."""
    [reply] = yield from send([("BLPOP", "nothing", 0.5)])
    return reply


async def test_a_cancelled_task_leaves_no_answers_behind(store: Store, client: Any) -> None:
    task = asyncio.create_task(store.run_async(_wait()))
    while not _blocked(client):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert [await store.run_async(_echo(text)) for text in ("a", "b")] == [b"a", b"b"]


async def test_tasks_cancelled_at_any_moment_leave_no_answers_behind(store: Store) -> None:
    async def ask(text: str) -> object:
        return await store.run_async(_echo(text))

    for steps in range(30):
        tasks = [asyncio.create_task(ask(f"cut {steps} {number}")) for number in range(3)]
        for _ in range(steps):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

        texts = [f"whole {steps} {number}" for number in range(5)]
        assert await asyncio.gather(*map(ask, texts)) == [text.encode() for text in texts]


async def test_a_greeting_that_was_cut_short_is_not_taken_for_an_answer(new_server: NewServer) -> None:
    server = new_server("--requirepass", "pw")
    store = Store.from_url(f"unix://:pw@{server.socket_path}")
    assert server.process is not None
    for steps in range(1, 60, 4):
        server.process.send_signal(signal.SIGSTOP)
        task = asyncio.create_task(store.run_async(_echo("cut")))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        waiting = asyncio.create_task(store.run_async(_echo("whole")))
        for _ in range(60):  # until its question is on the way too
            await asyncio.sleep(0)
        server.process.send_signal(signal.SIGCONT)

        assert await waiting == b"whole"
        await store.aclose()


def test_an_interrupt_at_the_keyboard_leaves_no_answers_behind(store: Store, client: Any) -> None:
    def interrupt() -> None:
        while not _blocked(client):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    with pytest.raises(KeyboardInterrupt):
        store.run(_wait())
    interrupting.join()

    assert [store.run(_echo(text)) for text in ("a", "b")] == [b"a", b"b"]


def test_a_connection_whose_greeting_was_interrupted_is_closed(server: Any) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    connection = cast(Any, sync_class)(redis.UnixDomainSocketConnection)(
        path=server.socket_path, redis_connect_func=interrupt
    )

    with pytest.raises(KeyboardInterrupt):
        connection.connect()

    assert connection._sock is None


async def test_what_interrupts_between_two_answers_leaves_the_second_to_nobody(server: Any) -> None:
    interrupts: list[BaseException] = [KeyboardInterrupt(), asyncio.CancelledError()]

    class Blocking(redis.UnixDomainSocketConnection):
        def read_response(self, *arguments: Any, **options: Any) -> Any:
            reply: object = cast(Any, super()).read_response(*arguments, **options)
            if reply == b"a":
                raise interrupts.pop(0)
            return reply

    class Asynchronous(redis.asyncio.UnixDomainSocketConnection):
        async def read_response(self, *arguments: Any, **options: Any) -> Any:
            reply: object = await cast(Any, super()).read_response(*arguments, **options)
            if reply == b"a":
                raise interrupts.pop(0)
            return reply

    def pool(module: Any, kind: type) -> Any:
        return module.Redis.from_pool(module.ConnectionPool(connection_class=kind, path=server.socket_path))

    blocking, asynchronous = pool(redis, Blocking), pool(redis.asyncio, Asynchronous)
    with pytest.raises(KeyboardInterrupt):
        run(SyncClient(blocking, ""), send([("ECHO", "a"), ("BLPOP", "nothing", 0.3)]))
    with pytest.raises(asyncio.CancelledError):
        await run_async(AsyncClient(asynchronous, ""), send([("ECHO", "a"), ("BLPOP", "nothing", 0.3)]))

    assert run(SyncClient(blocking, ""), _echo("c")) == b"c"
    assert await run_async(AsyncClient(asynchronous, ""), _echo("c")) == b"c"
    blocking.close()
    await asynchronous.aclose()


def test_one_store_serves_two_event_loops_and_threads(store: Store) -> None:
    item, _ = _models(store)

    async def work(name: str) -> int:
        await asyncio.gather(*(item.insert(item(id=f"{name}{number}")) for number in range(20)))
        found = [one.id async for one in item.iterate() if one.id.startswith(name)]
        await store.aclose()
        return len(found)

    counts: list[int] = []

    def thread(name: str) -> None:
        counts.append(asyncio.run(work(name)))

    threads = [threading.Thread(target=thread, args=(name,)) for name in "abc"]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert counts == [20, 20, 20]
    assert asyncio.run(work("a")) == 20
    assert item.sync.count() == 60


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_connections_of_a_loop_that_has_ended_are_let_go(store: Store, client: Any) -> None:
    for _ in range(5):
        assert asyncio.run(store.run_async(_echo("x"))) == b"x"
    gc.collect()

    assert len(store._async) <= 1
    assert len(client.client_list()) <= 3
    store._async.clear()
    gc.collect()


async def test_closing_a_store_closes_its_connections_and_it_opens_again(store: Store, client: Any) -> None:
    others = len(client.client_list())
    for _ in range(2):
        assert await store.run_async(_echo("x")) == store.run(_echo("x")) == b"x"
        assert len(client.client_list()) == others + 2
        await store.aclose()
        while len(client.client_list()) > others:  # the server learns of it a moment later
            await asyncio.sleep(0)


def test_a_script_that_closes_nothing_ends_without_a_word(store: Store, tmp_path: Any) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import asyncio, sys\n"
        "from redis_models import Field, AutoModel, Store\n"
        "class Note(AutoModel):\n"
        "    id: str = Field(primary_key=True)\n"
        "Store.from_url(sys.argv[1]).register_model(Note)\n"
        "async def main():\n"
        "    Note(id='a')\n"
        "    print((await Note.get('a')).id)\n"
        "asyncio.run(main())\n"
    )

    ran = subprocess.run(
        [sys.executable, str(script), store.address], capture_output=True, text=True, check=False, env={**os.environ}
    )

    assert (ran.stdout, ran.stderr, ran.returncode) == ("a\n", "", 0)


@pytest.mark.parametrize("decode", [False, True])
async def test_a_client_of_ones_own_is_used_by_both_worlds_and_can_be_changed(
    server: Any, client: Any, decode: bool
) -> None:
    own = redis.asyncio.Redis(unix_socket_path=server.socket_path, decode_responses=decode)
    store = Store("s", RedisConfig(host="nowhere.invalid"), redis_store=own)
    item, live = _models(store)

    await item.insert(item(id="a", text="\u00e9"))
    live(id="b", text="x").text = "y"
    assert (await item.get("a")).text == item.sync.get("a").text == "\u00e9"
    assert (await live.get("b")).text == "y"
    other = redis.asyncio.Redis(unix_socket_path=server.socket_path, db=1)
    store.redis_store = other
    assert (await item.count(), item.sync.count()) == (0, 0)
    store.close()
    await own.aclose()
    await other.aclose()


async def test_an_error_of_a_client_of_ones_own_names_its_server(tmp_path: Any) -> None:
    path = str(tmp_path / "nobody")
    own: Any = redis.asyncio.Redis(unix_socket_path=path, password="secret", retry=Retry(NoBackoff(), 0))
    store = Store("s", redis_store=own)

    runs: list[Callable[[], Awaitable[object]]] = [
        lambda: store.run_async(_echo("x")),
        lambda: asyncio.to_thread(store.run, _echo("x")),
    ]
    for one in runs:
        with pytest.raises(ServerUnreachableError, match=f"unix://{tmp_path}/nobody cannot be reached") as caught:
            await one()
        assert "secret" not in str(caught.value)
    await own.aclose()


async def test_a_client_that_only_asyncio_can_use_is_refused_where_one_blocks(server: Any) -> None:
    Odd = cast(Any, type)("Odd", (AbstractConnection,), {})
    pool: Any = redis.asyncio.ConnectionPool(connection_class=Odd)
    own = redis.asyncio.Redis(connection_pool=pool)
    store = Store("s", redis_store=own)

    with pytest.raises(SettingsError, match="connections of class Odd, which only asyncio can use"):
        store.run(_echo("x"))


SECRETS = [
    "redis://:s3cret@h:1/0",
    "redis://bob:s3cret@h",
    "redis://:s3@cr/et#1@h:1/0",
    "rediss://bob:s3:cret@h/0?db=1",
    "redis://h/0?password=s3cret&db=1",
    "redis://h:s3cret/0",
    "unix://:s3cret@/tmp/x",
    "valkey://bob:s3cret@h",
]


@pytest.mark.parametrize("url", SECRETS)
def test_a_password_in_a_url_is_never_shown(url: str) -> None:
    store = Store.from_url(url)
    shown = [masked(url), store.address, repr(store), str(store)]
    try:
        assert store.sync_client
    except SettingsError as exc:
        shown.append(str(exc))
    store.close()

    assert not [text for text in shown if "s3" in text or "cret" in text or "cr/et" in text]


def test_a_url_without_a_password_is_shown_as_it_is() -> None:
    for url in ("redis://h:1/0", "unix:///tmp/x@y", "embedded:./data", "redis://[::1]:6379/0"):
        assert masked(url) == url


def test_a_configuration_hides_its_password_and_quotes_it_in_the_url() -> None:
    config = RedisConfig(host="h", password="p@ss/w#1")

    assert "p@ss" not in repr(config) + str(config) + repr(Store("s", config))
    assert config.redis_url == "redis://:p%40ss%2Fw%231@h:6379/0"
    assert RedisConfig(ssl=True).redis_url == "rediss://localhost:6379/0"


@pytest.mark.parametrize("url", ["http://h", "h:6379", "redis://h:x/0", "redis://h?socket_timeout=soon"])
def test_a_url_that_is_none_is_refused_with_the_forms_there_are(url: str) -> None:
    with pytest.raises(SettingsError, match=r"is no URL of a server; write redis://USER:PASSWORD@HOST:PORT/DB"):
        Store.from_url(url).run(_echo("x"))
