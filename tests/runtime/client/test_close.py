"""The end of connections: by hand, with a block, with their loop, with the process."""

import asyncio
import gc
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from redis_models import Store
from redis_models.client.commands import RoundTrips, send

Echo = Callable[[str], RoundTrips[object]]


async def _wait_for(client: Any, count: int) -> None:
    while len(client.client_list()) != count:  # the server learns of an end a moment later
        await asyncio.sleep(0)


async def test_closing_a_store_closes_its_connections_and_it_opens_again(store: Store, client: Any, echo: Echo) -> None:
    others = len(client.client_list())
    for _ in range(2):
        assert await store.run_async(echo("x")) == store.run(echo("x")) == b"x"
        assert await cast(Any, store.redis_store).echo("x") == "x"
        assert len(client.client_list()) == others + 3
        await store.aclose()
        await store.aclose()
        store.close()
        await _wait_for(client, others)


async def test_a_store_closes_with_its_block(server: Any, client: Any, echo: Echo) -> None:
    others = len(client.client_list())
    async with Store.from_url(server.url) as store:
        assert await store.run_async(echo("x")) == store.run(echo("x")) == b"x"
    await _wait_for(client, others)
    with Store.from_url(server.url) as store:
        assert store.run(echo("x")) == b"x"
    await _wait_for(client, others)
    with pytest.raises(ZeroDivisionError):
        async with Store.from_url(server.url) as store:
            assert store.run(echo("x")) == b"x"
            raise ZeroDivisionError
    await _wait_for(client, others)


async def test_closing_lets_those_who_wait_for_an_answer_have_it(store: Store, client: Any) -> None:
    others = len(client.client_list())
    held = store.sync_client, await store._connector.async_client()  # else they would end as rubbish
    wait = [("BLPOP", "queue", 30)]
    tasks = [
        asyncio.create_task(store.run_async(send(wait))),
        asyncio.create_task(asyncio.to_thread(store.run, send(wait))),
    ]
    while client.info("clients")["blocked_clients"] < 2:
        await asyncio.sleep(0)

    await store.aclose()
    client.rpush("queue", "a", "b")

    assert {cast(Any, reply)[1] for [reply] in await asyncio.gather(*tasks)} == {b"a", b"b"}
    await _wait_for(client, others)
    del held


MODELS = """
import asyncio, logging, sys, threading
logging.getLogger("asyncio").setLevel(logging.ERROR)  # -X dev warns of every step that a busy machine makes slow
from redis_models import AutoModel, Field, Store
class Note(AutoModel):
    id: str = Field(primary_key=True)
    text: str = ""
store = Store.from_url(sys.argv[1])
store.register_model(Note)
"""
SCRIPTS = {
    "a loop": """
async def main():
    Note(id="a")
    print((await Note.get("a")).id)
asyncio.run(main())
""",
    "two loops and what comes after": """
async def main():
    Note(id="a").text = "x"
    await Note.select()
asyncio.run(main())
asyncio.run(main())
print(Note.sync.get("a").id)
""",
    "no loop": """
print(Note(id="a").id)
Note.sync.select()
""",
    "the client of the store": """
outside = store.redis_store
async def main():
    assert store.redis_store is outside
    await Note.insert(Note(id="a"))
    print((await store.redis_store.hgetall("note:a"))["id"])
asyncio.run(main())
async def again():
    assert store.redis_store is not outside
    await store.redis_store.ping()
asyncio.run(again())
""",
    "threads": """
threads = [threading.Thread(target=lambda: asyncio.run(Note.insert(Note(id="a")))) for _ in range(4)]
for one in threads: one.start()
for one in threads: one.join()
print("a")
""",
    "an error": """
async def main():
    Note(id="a")
    await asyncio.gather(*(Note.get("a") for _ in range(10)))
    print("a")
    raise SystemExit(0)
asyncio.run(main())
""",
}


@pytest.mark.parametrize("case", SCRIPTS)
@pytest.mark.parametrize("where", ["server", "embedded"])
def test_a_script_that_closes_nothing_ends_without_a_word(
    case: str, where: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(MODELS + SCRIPTS[case])
    url = request.getfixturevalue("embedded_url") if where == "embedded" else request.getfixturevalue("server").url

    ran = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", str(script), url],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ},
    )

    assert (ran.stdout, ran.stderr, ran.returncode) == ("a\n", "", 0)


@pytest.mark.parametrize("count", [1, 20])
def test_a_store_that_is_forgotten_closes_its_blocking_connections(server: Any, client: Any, count: int) -> None:
    others = len(client.client_list())
    for _ in range(count):
        store: Any = Store.from_url(server.url)
        store.itself = store  # found by the garbage collector only
        assert store.run(send([("PING",)])) == [b"PONG"]
        del store
    gc.collect()

    while len(client.client_list()) > others:
        pass
