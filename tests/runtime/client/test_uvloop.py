"""The same under uvloop, which uvicorn runs by default and which cannot be patched."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from redis_models import Store
from redis_models.client.commands import AtMostOnce, send

uvloop: Any = pytest.importorskip("uvloop")
ModelsOf = Callable[[Store], tuple[type[Any], type[Any]]]


def test_verbs_and_models_that_save_themselves(store: Store, models_of: ModelsOf, client: Any) -> None:
    item, live = models_of(store)

    async def work() -> None:
        assert type(asyncio.get_running_loop()).__module__ == "uvloop"
        live(id="a").text = "x"
        await item.insert([item(id=str(number)) for number in range(250)])
        await asyncio.gather(*(item.patch(str(number), text="y") for number in range(250)))
        async with (await live.get("a")).update() as instance:
            instance.text = "z"

    others = len(client.client_list())
    uvloop.run(work())

    assert live.sync.get("a").text == "z"
    assert {record.text for record in item.sync.select()} == {"y"}
    while len(client.client_list()) > others + 1:  # the blocking one; the server learns of the others' end later
        pass


def test_a_server_that_restarted_between_two_calls_is_found(new_server: Callable[..., Any]) -> None:
    server = new_server()
    store = Store.from_url(server.url)

    async def work() -> object:
        await store.run_async(send(AtMostOnce([("PING",)])))
        server.kill()
        server.start()
        return await store.run_async(send(AtMostOnce([("PING",)])))

    assert uvloop.run(work()) == [b"PONG"]


def test_a_task_that_is_cancelled_leaves_no_answers_behind(store: Store) -> None:
    async def ask(text: str) -> object:
        return (await store.run_async(send([("ECHO", text)])))[0]

    async def work() -> None:
        for steps in range(20):
            task = asyncio.create_task(ask("cut"))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert await asyncio.gather(*(ask(text) for text in "abc")) == [b"a", b"b", b"c"]

    uvloop.run(work())
