"""Servers that are not there, refuse, only read, or run full."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any

import pytest
import redis

from redis_models import RedisModelsError, Store
from redis_models.client.commands import RoundTrips
from redis_models.errors import (
    ServerBusyError,
    ServerOutOfMemoryError,
    ServerRefusedError,
    ServerUnreachableError,
)

NewServer = Callable[..., Any]
ModelsOf = Callable[[Store], tuple[type[Any], type[Any]]]
Echo = Callable[[str], RoundTrips[object]]


async def _refusals(models_of: ModelsOf, store: Store) -> list[RedisModelsError]:
    """The errors of one write in the loop, one blocking, and one by a constructor."""
    item, live = models_of(store)
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


@pytest.mark.usefixtures("impatient")
async def test_a_server_that_is_not_there_is_named_with_the_cure(tmp_path: Any, models_of: ModelsOf) -> None:
    url = f"unix://{tmp_path}/nothing"

    for error in await _refusals(models_of, Store.from_url(url)):
        assert isinstance(error, ServerUnreachableError)
        assert str(error).startswith(f"{url} cannot be reached")
        assert str(error).endswith("start the server, or correct REDIS_URL")


async def test_a_wrong_password_is_refused_at_once_and_not_shown(
    new_server: NewServer, echo: Echo, models_of: ModelsOf
) -> None:
    server = new_server("--requirepass", "right-secret")
    with server.client(password="right-secret") as admin:
        for url in (f"unix://:wrong-secret@{server.socket_path}", server.url):
            before = admin.info("stats")["total_connections_received"]
            for error in await _refusals(models_of, Store.from_url(url)):
                assert isinstance(error, ServerRefusedError)
                assert "refuses the user name or password" in str(error)
                assert "secret" not in str(error)
            assert admin.info("stats")["total_connections_received"] == before + 3

    store = Store.from_url(f"unix://:right-secret@{server.socket_path}")
    assert await store.run_async(echo("x")) == store.run(echo("x")) == b"x"
    await store.aclose()


async def test_a_user_without_permissions_learns_which_are_missing(new_server: NewServer, models_of: ModelsOf) -> None:
    server = new_server()
    with server.client() as admin:
        admin.execute_command("ACL", "SETUSER", "bob", "on", ">pw", "~*", "+@all", "-evalsha")

    for error in await _refusals(models_of, Store.from_url(f"unix://bob:pw@{server.socket_path}")):
        assert isinstance(error, ServerRefusedError)
        assert "evalsha" in str(error)


async def test_a_replica_reads_and_refuses_writes(new_server: NewServer, models_of: ModelsOf) -> None:
    replica = new_server()
    item, _ = models_of(store := Store.from_url(replica.url))
    await item.insert([item(id="a"), item(id="b")])
    with replica.client() as admin:
        admin.pexpireat("item:b", 1)
        # Of no server: what it holds stays, and is read only from now on.
        admin.execute_command("REPLICAOF", "127.0.0.1", "1")
        before = admin.dump("item:a")

        for error in await _refusals(models_of, Store.from_url(replica.url)):
            assert isinstance(error, ServerRefusedError)
            assert "read-only replica" in str(error)
        assert [record.id for record in await item.select()] == ["a"]
        assert await item.count() == 1
        assert admin.dump("item:a") == before
    await store.aclose()


def _keep_busy(server: Any, admin: Any) -> threading.Thread:
    """Let a script run without end, and wait until the server says so; give the thread that waits for it."""

    def spin() -> None:
        with server.client() as client, contextlib.suppress(redis.RedisError):
            client.eval("while true do end", 0)

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    with pytest.raises(redis.ResponseError, match="BUSY"):
        while True:
            admin.ping()
    return thread


@pytest.mark.parametrize("code", ["BUSY", "Link with MASTER is down", "NOREPLICAS"])
async def test_a_server_that_can_do_nothing_now_is_reported_and_nothing_is_applied(
    new_server: NewServer, models_of: ModelsOf, code: str
) -> None:
    server = new_server("--lua-time-limit", "20")
    item, _ = models_of(store := Store.from_url(server.url))
    await item.insert(item(id="kept"))
    spinning: threading.Thread | None = None
    with server.client() as admin:
        if code == "BUSY":
            spinning = _keep_busy(server, admin)
        elif "MASTER" in code:
            admin.config_set("replica-serve-stale-data", "no")
            admin.execute_command("REPLICAOF", "127.0.0.1", "1")
        else:
            admin.config_set("min-replicas-to-write", 1)

        try:
            for error in await _refusals(models_of, Store.from_url(server.url)):
                assert isinstance(error, ServerBusyError)
                assert code in str(error)
                assert "nothing of it was executed, try again later" in str(error)
        finally:
            if spinning is not None:
                admin.execute_command("SCRIPT", "KILL")
                spinning.join()
            elif "MASTER" in code:
                admin.execute_command("REPLICAOF", "NO", "ONE")
            else:
                admin.config_set("min-replicas-to-write", 0)
    item, _ = models_of(store)

    assert [record.id for record in await item.select()] == ["kept"]
    await store.aclose()


async def test_full_memory_refuses_a_write_whole(new_server: NewServer, models_of: ModelsOf) -> None:
    server = new_server("--maxmemory-policy", "noeviction")
    store = Store.from_url(server.url)
    _, live = models_of(store)
    note = live(id="n", text="x")
    with server.client() as admin:
        admin.config_set("maxmemory", "1")
        before = admin.dump("live:n")

        for error in await _refusals(models_of, Store.from_url(server.url)):
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
