"""Faults 1 to 11 of pydantic-aioredis, absent here: shared settings, and writes that need a patched event loop."""

import asyncio
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import redis_models
from redis_models import AutoModel, Model, Store

_END_S = 60.0  # of a script on a busy machine
_ROOT = str(Path(redis_models.__file__).parents[1])

# How every script begins: models of its own, on the server of the test.
_BEGINNING = """
import asyncio, sys
from redis_models import AutoModel, Model, Store

class Item(AutoModel):
    _primary_key_field = "k"
    k: str
    v: int = 0

store = Store.from_url(sys.argv[1])
store.register_model(Item)
"""


class Item(Model):
    _primary_key_field = "k"
    k: str
    v: int = 0
    w: int = 0


class Auto(AutoModel):
    _primary_key_field = "k"
    k: str
    v: int = 0
    w: int = 0


@pytest.fixture(autouse=True)
def _bound(store: Store) -> None:
    models: list[type[Model]] = [Item, Auto]
    for model in models:
        store.register_model(model)


@pytest.fixture
def run_script(server: Any) -> Callable[[str], str]:
    """Run a script in a process of its own, which must end in peace and say nothing but its result."""

    def run(text: str) -> str:
        paths = [_ROOT, os.environ.get("PYTHONPATH", "")]
        done = subprocess.run(
            [sys.executable, "-c", _BEGINNING + textwrap.dedent(text), server.url],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)},
            capture_output=True,
            text=True,
            timeout=_END_S,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.strip()

    return run


def hsets(client: Any) -> int:
    """How often the server has executed HSET, in scripts too."""
    calls: int = client.info("commandstats").get("cmdstat_hset", {}).get("calls", 0)
    return calls


async def test_fault_01_settings_given_to_one_instance_change_no_other() -> None:
    record = Auto(k="1")
    other = Auto(k="2", auto_save=False, auto_sync=False)

    assert (record.auto_save, record.auto_sync) == (True, True)
    assert (other.auto_save, other.auto_sync) == (False, False)
    assert (Auto(k="3").auto_save, Item(k="4").auto_sync) == (True, False)


async def test_fault_02_the_instance_says_whether_an_assignment_is_written(client: Any) -> None:
    item = Item(k="1", auto_sync=True)
    await item.save()
    item.v = 1
    auto = Auto(k="1")
    auto.set_auto_sync(False)
    auto.v = 9

    assert client.hget("item:1", "v") == b"1"
    assert client.hget("auto:1", "v") == b"0"


async def test_fault_03_update_of_an_auto_model_is_one_write_at_the_end(client: Any) -> None:
    record = Auto(k="1")
    before = hsets(client)

    async with record.update() as same:
        same.v = 1
        same.w = 2
        inside = client.hmget("auto:1", "v", "w"), hsets(client)

    assert inside == ([b"0", b"0"], before)
    assert (client.hmget("auto:1", "v", "w"), hsets(client)) == ([b"1", b"2"], before + 1)


async def test_fault_04_an_exception_in_update_writes_nothing_and_leaves_the_settings(client: Any) -> None:
    record = Auto(k="1")

    with pytest.raises(ZeroDivisionError):
        async with record.update() as same:
            same.v = 99
            _ = 1 // same.w

    assert client.hget("auto:1", "v") == b"0"
    assert (record.auto_sync, record.auto_save, record.v) == (True, True, 0)
    record.v = 5
    assert client.hget("auto:1", "v") == b"5"


async def test_fault_05_reading_an_auto_model_writes_nothing(client: Any) -> None:
    await Auto.insert([Auto(k=str(number), auto_save=False) for number in range(8)], life_span_seconds=1000)
    for number in range(8):
        client.expire(f"auto:{number}", 500)
    before = hsets(client)

    found = await Auto.select()
    assert await Auto.select(ids=["1"]) is not None

    assert found is not None and len(found) == 8
    assert hsets(client) == before
    assert all(client.ttl(f"auto:{number}") <= 500 for number in range(8))


def test_fault_06_many_tasks_of_one_loop_make_auto_models(run_script: Callable[[str], str], client: Any) -> None:
    run_script("""
        async def make(start):
            for number in range(start, start + 5):
                item = Item(k=str(number))
                await asyncio.sleep(0)
                item.v = number

        async def main():
            await asyncio.gather(*(make(5 * task) for task in range(20)))
            await store.aclose()

        asyncio.run(main())
    """)

    assert [client.hget(f"item:{number}", "v") for number in range(100)] == [b"%d" % n for n in range(100)]


def test_fault_07_threads_with_loops_of_their_own_make_auto_models(
    run_script: Callable[[str], str], client: Any
) -> None:
    run_script("""
        import threading

        async def make(start):
            for number in range(start, start + 25):
                item = Item(k=str(number))
                await asyncio.sleep(0)
                item.v = number

        def work(start):
            asyncio.run(make(start))

        threads = [threading.Thread(target=work, args=(25 * place,), daemon=True) for place in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        store.close()
    """)

    assert [client.hget(f"item:{number}", "v") for number in range(100)] == [b"%d" % n for n in range(100)]


def test_fault_08_auto_models_work_inside_uvloop(run_script: Callable[[str], str], client: Any) -> None:
    pytest.importorskip("uvloop")

    run_script("""
        import uvloop

        async def main():
            item = Item(k="1")
            item.v = 2
            assert (await Item.select(ids=["1"]))[0].v == 2
            await store.aclose()

        loop = uvloop.new_event_loop()
        loop.run_until_complete(main())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
    """)

    assert client.hget("item:1", "v") == b"2"


def test_fault_09_nothing_of_asyncio_is_patched(run_script: Callable[[str], str]) -> None:
    changed = run_script("""
        from asyncio import events, runners, tasks

        places = (asyncio, events, runners, tasks, asyncio.BaseEventLoop, asyncio.SelectorEventLoop)
        asyncio.run(asyncio.sleep(0))  # asyncio itself remembers its policy at first use
        before = [dict(vars(place)) for place in places]

        async def main():
            kind = dict(vars(type(asyncio.get_running_loop())))
            Item(k="1").v = 2
            assert dict(vars(type(asyncio.get_running_loop()))) == kind
            await store.aclose()

        asyncio.run(main())
        after = [dict(vars(place)) for place in places]
        print([name for old, new in zip(before, after) for name in new if new[name] is not old.get(name)])
    """)

    assert changed == "[]"


async def test_fault_10_no_other_task_runs_in_the_middle_of_an_assignment() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await asyncio.sleep(0)

    before = turns
    record = Auto(k="1")
    record.v = 3
    after = turns

    counting.cancel()
    assert (before, after) == (1, 1)


def test_fault_11_auto_models_work_in_a_plain_script_without_a_loop(run_script: Callable[[str], str]) -> None:
    said = run_script("""
        import redis

        item = Item(k="1")
        with redis.Redis.from_url(sys.argv[1]) as client:
            for number in range(6):
                item.v = number
                print(client.hget("item:1", "v").decode())
    """)

    assert said.split() == ["0", "1", "2", "3", "4", "5"]
