"""One store in many event loops, threads and tasks."""

import asyncio
import gc
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from redis_models import Store
from redis_models.client.commands import RoundTrips

ModelsOf = Callable[[Store], tuple[type[Any], type[Any]]]
Echo = Callable[[str], RoundTrips[object]]


def _in_threads(count: int, work: Callable[[int], object]) -> list[object]:
    results: list[object] = [None] * count

    def one(number: int) -> None:
        results[number] = work(number)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_one_store_serves_event_loops_in_threads_and_blocking_callers(store: Store, models_of: ModelsOf) -> None:
    item, _ = models_of(store)

    async def work(name: int) -> int:
        await asyncio.gather(*(item.insert(item(id=f"{name}-{number}")) for number in range(20)))
        found = [record.id async for record in item.iterate() if record.id.startswith(f"{name}-")]
        await store.aclose()
        return len(found)

    assert _in_threads(3, lambda name: asyncio.run(work(name))) == [20, 20, 20]
    assert asyncio.run(work(0)) == 20
    assert item.sync.count() == 60


def test_four_threads_with_loops_of_their_own_make_models_that_save_themselves(
    store: Store, models_of: ModelsOf
) -> None:
    _, live = models_of(store)

    async def work(name: int) -> None:
        for number in range(25):
            instance = live(id=f"{name}-{number}")
            instance.text = "x"
            await asyncio.sleep(0)

    _in_threads(4, lambda name: asyncio.run(work(name)))

    assert [record.text for record in live.sync.select()] == ["x"] * 100


def test_a_plain_script_makes_models_that_save_themselves_between_two_loops(store: Store, models_of: ModelsOf) -> None:
    _, live = models_of(store)
    for number in range(3):
        record = live(id=str(number))
        record.text = "a"
        assert asyncio.run(live.get(str(number))).text == "a"
        record.text = "b"

        assert live.sync.get(str(number)).text == "b"


async def test_a_thousand_tasks_at_once_wait_for_each_other(store: Store, models_of: ModelsOf, client: Any) -> None:
    item, live = models_of(store)

    async def work(number: int) -> None:
        await item.insert(item(id=str(number)))
        live(id=str(number)).text = "x"

    await asyncio.gather(*(work(number) for number in range(1000)))

    assert (await item.count(), await live.count()) == (1000, 1000)
    assert client.info("stats")["rejected_connections"] == 0
    assert len(client.client_list()) < 110


async def test_other_tasks_do_not_run_in_the_middle_of_an_assignment(store: Store, models_of: ModelsOf) -> None:
    _, live = models_of(store)
    record = live(id="a")
    seen: list[str] = []

    async def look() -> None:
        while True:
            seen.append(record.text)
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    await asyncio.sleep(0)
    record.text = "x"
    assert seen == [""]
    looking.cancel()


def test_connections_end_with_their_loop(store: Store, echo: Echo, client: Any) -> None:
    others = len(client.client_list())
    for _ in range(5):
        assert asyncio.run(store.run_async(echo("x"))) == b"x"

    while len(client.client_list()) > others:  # the server learns of it a moment later
        pass


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_loops_that_were_closed_without_their_generators_are_let_go(store: Store, echo: Echo, client: Any) -> None:
    others = len(client.client_list())
    for _ in range(5):
        loop = asyncio.new_event_loop()
        assert loop.run_until_complete(store.run_async(echo("x"))) == b"x"
        loop.close()
        del loop
    assert asyncio.run(store.run_async(echo("x"))) == b"x"
    gc.collect()

    while len(client.client_list()) > others:
        pass


FORKS = """
import asyncio, os, sys
from redis_models import Store
from redis_models.client.commands import send

def ask(text):
    [reply, number] = store.run(send([("ECHO", text), ("CLIENT", "ID")]))
    assert reply == text.encode(), reply
    return number

store = Store.from_url(sys.argv[1])
mine = ask("before")
children = []
for number in range(4):
    child = os.fork()
    if not child:
        for count in range(200):
            assert ask(f"child {number} {count}") != mine
        asyncio.run(store.run_async(send([("PING",)])))
        os._exit(0)
    children.append(child)
for count in range(200):
    assert ask(f"parent {count}") == mine
print([os.waitpid(child, 0)[1] for child in children])
"""


def test_processes_that_were_forked_have_connections_of_their_own(server: Any) -> None:
    ran = subprocess.run([sys.executable, "-c", FORKS, server.url], capture_output=True, text=True, check=True)

    assert (ran.stdout, ran.stderr) == ("[0, 0, 0, 0]\n", "")
