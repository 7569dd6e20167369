"""``Store.redis_store``: the client that a store gives, and clients of one's own that it takes."""

import asyncio
import shutil
import socket
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
import redis
import redis.asyncio
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelManagedConnection
from redis.backoff import NoBackoff

from redis_models import RedisConfig, Store
from redis_models.client.commands import RoundTrips
from redis_models.errors import ServerUnreachableError, SettingsError

NewServer = Callable[..., Any]
ModelsOf = Callable[[Store], tuple[type[Any], type[Any]]]
Echo = Callable[[str], RoundTrips[object]]
Own: Any = redis.asyncio.Redis  # redis-py leaves much of it untyped


def _free_port() -> int:
    with socket.socket() as record:
        record.bind(("127.0.0.1", 0))
        port: int = record.getsockname()[1]
    return port


async def _assert_both_worlds_meet(store: Store, models_of: ModelsOf) -> None:
    item, live = models_of(store)
    await item.insert(item(id="a", text="\u00e9"))
    live(id="b", text="x").text = "y"

    assert (await item.get("a")).text == item.sync.get("a").text == "\u00e9"
    assert (await live.get("b")).text == "y"
    assert sorted(await cast(Any, store.redis_store).keys("*")) in (
        ["item:__index", "item:a", "live:__index", "live:b"],
        [b"item:__index", b"item:a", b"live:__index", b"live:b"],
    )


async def test_the_client_that_a_store_gives_answers_text(store: Store, models_of: ModelsOf) -> None:
    await _assert_both_worlds_meet(store, models_of)

    client: Any = store.redis_store
    assert client is store.redis_store
    assert await client.hgetall("item:a") == {"_v": "1", "id": "a", "text": "\u00e9"}
    assert await client.zrange("item:__index", 0, -1) == ["item:a"]


async def test_the_client_that_a_store_gives_starts_its_embedded_server(embedded_url: str, models_of: ModelsOf) -> None:
    async with Store.from_url(embedded_url) as store:
        assert await cast(Any, store.redis_store).set("x", "y")
        await cast(Any, store.redis_store).delete("x")
        await _assert_both_worlds_meet(store, models_of)


async def test_the_client_that_a_store_gives_has_the_encoding_of_the_configuration(server: Any, client: Any) -> None:
    client.set("x", "\u00e9".encode("latin-1"))
    store = Store("s", RedisConfig(encoding="latin-1"), url=server.url)

    assert await cast(Any, store.redis_store).get("x") == "\u00e9"
    await store.aclose()


def test_every_loop_gets_a_client_and_the_first_takes_over_that_of_none() -> None:
    store = Store("s", RedisConfig(host="nowhere.invalid"))  # nothing is connected to
    outside = store.redis_store

    async def inside() -> object:
        assert store.redis_store is store.redis_store
        return store.redis_store

    assert store.redis_store is outside
    assert asyncio.run(inside()) is outside
    assert asyncio.run(inside()) is not outside
    store.close()


@pytest.mark.parametrize("protocol", [2, 3, None])
@pytest.mark.parametrize("decode", [False, True])
async def test_a_client_of_ones_own_is_used_by_both_worlds_and_can_be_changed(
    server: Any, client: Any, models_of: ModelsOf, decode: bool, protocol: int | None
) -> None:
    options: Any = {} if protocol is None else {"protocol": protocol}
    own = Own(unix_socket_path=server.socket_path, decode_responses=decode, **options)
    store = Store("s", RedisConfig(host="nowhere.invalid"), own)

    assert store.redis_store is own
    assert store.address == server.url
    await _assert_both_worlds_meet(store, models_of)
    item, _ = models_of(store)
    other = Own(unix_socket_path=server.socket_path, db=1)
    store.redis_store = other
    assert (await item.count(), item.sync.count()) == (0, 0)
    store.redis_store = own
    assert (await item.count(), item.sync.count()) == (1, 1)
    assert await own.hget("item:a", "id") == ("a" if decode else b"a")
    await store.aclose()
    await own.aclose()
    await other.aclose()


async def test_without_a_client_of_ones_own_the_store_goes_back_to_its_server(
    server: Any, new_server: NewServer, models_of: ModelsOf
) -> None:
    async with Store.from_url(server.url) as store:
        item, _ = models_of(store)
        await item.insert(item(id="a"))
        own = Own(unix_socket_path=new_server().socket_path)
        store.redis_store = own
        assert (await item.count(), item.sync.count()) == (0, 0)
        store.redis_store = None

        assert (await item.count(), item.sync.count()) == (1, 1)
        await own.aclose()


def test_a_client_of_another_event_loop_is_used_all_the_same(server: Any, models_of: ModelsOf) -> None:
    own = Own(unix_socket_path=server.socket_path, decode_responses=True)
    store = Store("s", redis_store=own)
    item, live = models_of(store)

    async def first() -> None:
        assert await own.ping()
        await item.insert(item(id="a"))

    async def second() -> None:
        live(id="b").text = "x"
        assert [record.id for record in await item.select()] == ["a"]

    with asyncio.Runner() as runner:
        runner.run(first())
        with asyncio.Runner() as another:
            another.run(second())
        runner.run(second())
        runner.run(own.aclose())
    asyncio.run(second())
    store.close()


async def test_no_more_connections_are_made_than_a_client_of_ones_own_allows(
    server: Any, client: Any, models_of: ModelsOf
) -> None:
    others = len(client.client_list())
    own = Own(unix_socket_path=server.socket_path, max_connections=2)
    async with Store("s", redis_store=own) as store:
        item, _ = models_of(store)
        await asyncio.gather(*(item.insert(item(id=str(number))) for number in range(50)))

        assert len(client.client_list()) == others + 2
    await own.aclose()


async def test_a_client_with_passwords_and_a_port_has_a_blocking_twin(
    new_server: NewServer, models_of: ModelsOf
) -> None:
    port = _free_port()
    server = new_server("--port", str(port), "--requirepass", "p@ss/w#1")
    provider = redis.UsernamePasswordCredentialProvider("default", "p@ss/w#1")
    for options in ({"password": "p@ss/w#1"}, {"credential_provider": provider}):
        own = Own(port=port, **options)
        async with Store("s", redis_store=own) as store:
            assert store.address == f"redis://localhost:{port}/0"
            await _assert_both_worlds_meet(store, models_of)
        await own.flushall()
        await own.aclose()
    config = RedisConfig(port=port, username="default", password="p@ss/w#1")
    async with Store("s", config) as store:
        await _assert_both_worlds_meet(store, models_of)
    assert server.process is not None


async def test_a_client_that_speaks_tls_has_a_blocking_twin(
    new_server: NewServer, models_of: ModelsOf, tmp_path: Path
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    key, certificate, port = tmp_path / "key.pem", tmp_path / "cert.pem", _free_port()
    make = f"openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout {key} -out {certificate}"
    named = ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*make.split(), *named], check=True, capture_output=True)
    options = {"--tls-port": port, "--tls-cert-file": certificate, "--tls-key-file": key, "--tls-auth-clients": "no"}
    try:
        new_server(*(str(part) for pair in options.items() for part in pair))
    except redis.RedisError:
        pytest.skip("this server was built without TLS")

    own = Own(port=port, ssl=True, ssl_ca_certs=str(certificate))
    async with Store("s", redis_store=own) as store:
        await _assert_both_worlds_meet(store, models_of)
    await own.flushall()
    await own.aclose()
    async with Store.from_url(f"rediss://localhost:{port}?ssl_ca_certs={certificate}") as store:
        await _assert_both_worlds_meet(store, models_of)
    async with Store("s", RedisConfig(port=port, ssl=True)) as store:
        with pytest.raises(ServerUnreachableError, match="certificate verify failed"):
            await store.run_async(_nothing())
        with pytest.raises(ServerUnreachableError, match="certificate verify failed"):
            store.run(_nothing())


def _nothing() -> RoundTrips[object]:
    return (yield [("PING",)])


async def test_an_error_of_a_client_of_ones_own_names_its_server(tmp_path: Path, echo: Echo) -> None:
    path = str(tmp_path / "nothing")
    own = Own(unix_socket_path=path, password="secret", retry=Retry(NoBackoff(), 0))
    store = Store("s", redis_store=own)

    runs: list[Callable[[], Awaitable[object]]] = [
        lambda: store.run_async(echo("x")),
        lambda: asyncio.to_thread(store.run, echo("x")),
    ]
    for run in runs:
        with pytest.raises(ServerUnreachableError, match=f"unix://{tmp_path}/nothing cannot be reached") as caught:
            await run()
        assert "secret" not in str(caught.value)
    await own.aclose()


async def test_a_client_that_only_asyncio_can_use_is_refused_where_one_blocks(echo: Echo) -> None:
    Odd = cast(Any, type)("Odd", (AbstractConnection,), {})
    Led = cast(Any, type)("Led", (redis.asyncio.Connection,), {"connect": None})
    for kind in (Odd, Led, SentinelManagedConnection):
        pool: Any = redis.asyncio.ConnectionPool(connection_class=kind)
        store = Store("s", redis_store=Own(connection_pool=pool))

        with pytest.raises(SettingsError, match=f"connections of class {kind.__name__}, which only asyncio can use"):
            store.run(echo("x"))


@pytest.mark.parametrize("wrong", [redis.Redis(), "redis://h", 3])
def test_a_client_that_is_not_asyncio_is_refused_when_it_is_set(wrong: Any) -> None:
    store = Store("s", RedisConfig())
    with pytest.raises(TypeError, match=r"redis_store must be a client of redis\.asyncio, not a "):
        store.redis_store = wrong
    with pytest.raises(TypeError, match=r"redis_store must be a client of redis\.asyncio, not a "):
        Store("s", redis_store=wrong)
