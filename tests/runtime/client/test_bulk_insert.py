"""Bulk insertions, thousand by thousand while the server writes: disturbed, cut off, refused, twice at a time."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from redis_models import Store
from redis_models.errors import EncodeError, RecordTooNewError, ServerUnreachableError
from redis_models.records.repository import repository_of

from .pipelines import MANY, Echo, Item, OurError, assert_all_whole, assert_stored, disturbed, items_of, ways_of


@pytest.fixture(autouse=True)
def _unbound() -> Iterator[None]:
    yield
    Item._store = None


# What happens before the batch of a number is sent. An insertion of 3,000 has at least four.
def _flush(store: Store, client: Any, number: int) -> None:
    client.script_flush()


def _hang_up(store: Store, client: Any, number: int) -> None:
    client.client_kill_filter(_type="normal", skipme=True)


@pytest.mark.parametrize("disturb", [_flush, _hang_up])
@pytest.mark.parametrize("options", ["", "?max_connections=1", "?max_connections=2", "?protocol=3"])
async def test_a_bulk_insert_that_is_disturbed_before_each_flight_is_all_there(
    server: Any, client: Any, options: str, disturb: Callable[[Store, Any, int], None]
) -> None:
    store = Store("s", url=f"{server.url}{options}", timeout_s=5, resend_writes=True)
    store.register_model(Item)
    for run_it in ways_of(store):
        client.flushall()
        items = items_of()

        made = await run_it(disturbed(repository_of(Item).insert(items), lambda number: disturb(store, client, number)))

        assert_stored(client, items)
        assert len(made) == 2 * MANY
        for item in items:
            item.size = 1
        await run_it(repository_of(Item).insert(items))
        assert_stored(client, items, size=1)
    await store.aclose()


@pytest.mark.parametrize("mark", [b"t0.", b"t999.", b"t1000.", b"t2999."])
async def test_a_bulk_insert_that_is_cut_anywhere_is_all_there(
    resending: Store, proxy: Any, client: Any, mark: bytes
) -> None:
    resending.register_model(Item)
    for run_it in ways_of(resending):
        for passed in (None, 700, 5000):
            client.flushall()
            items = items_of()
            proxy.cut(mark, passed=passed)

            await run_it(repository_of(Item).insert(items))

            assert_stored(client, items)
            items[1500].text = "changed"
            await run_it(repository_of(Item).save(items[1500]))
            assert client.hget("item:01500", "text") == b"changed"


@pytest.mark.parametrize("mark", [b"t0.", b"t999.", b"t1000.", b"t2999."])
async def test_a_bulk_insert_that_is_cut_anywhere_is_not_sent_again_unasked(
    cut_off: Store, proxy: Any, client: Any, mark: bytes
) -> None:
    cut_off.register_model(Item)
    for run_it in ways_of(cut_off):
        for passed in (None, 700, 5000):
            client.flushall()
            await run_it(repository_of(Item).insert(items_of(2)))  # the script is known
            items = items_of()
            proxy.cut(mark, passed=passed)

            with pytest.raises(ServerUnreachableError, match="may have been executed") as caught:
                await run_it(repository_of(Item).insert(items))

            assert caught.value.is_left_open
            there = assert_all_whole(client)
            assert {item.id for item in items[: len(there)]} == there
            await run_it(repository_of(Item).insert(items))
            assert_stored(client, items)


@pytest.mark.parametrize("error", [OurError, KeyboardInterrupt])
@pytest.mark.parametrize("at", [0, 2, 3])
async def test_a_bulk_insert_that_fails_leaves_whole_records_and_nothing_to_come(
    narrow: Store, client: Any, echo: Echo, error: type[BaseException], at: int
) -> None:
    narrow.register_model(Item)

    def fail(number: int) -> None:
        if number == at:
            raise error

    client.script_flush()
    for is_async in (False, True):
        client.flushall()
        items = items_of()
        operation = disturbed(repository_of(Item).insert(items), fail)
        with pytest.raises(error):
            # Not in a thread, which an interrupt does not reach.
            _ = await narrow.run_async(operation) if is_async else narrow.run(operation)

        there = assert_all_whole(client)
        time.sleep(0.01)
        assert assert_all_whole(client) == there, "something was executed after the call had returned"
        assert await narrow.run_async(echo("a")) == b"a"
        assert narrow.run(echo("b")) == b"b"
        for item in items[::250]:  # whatever became of it, a save writes what the instance has
            item.size = 7
            item.sync.save()
            assert client.hget(f"item:{item.id}", "size") == b"7"


async def test_known_instances_whose_insert_failed_are_written_again(cut_off: Store, client: Any, proxy: Any) -> None:
    cut_off.register_model(Item)
    for run_it in ways_of(cut_off):
        client.flushall()
        items = items_of(2500)
        await run_it(repository_of(Item).insert(items))
        for item in items:
            item.size = 5

        def fail(number: int) -> None:
            if number == 2:
                raise OurError

        with pytest.raises(OurError):
            await run_it(disturbed(repository_of(Item).insert(items), fail))
        # What is as it was before it may have been written as it was meanwhile.
        for item in items:
            item.size = 0
        for item in items[::50]:
            await run_it(repository_of(Item).save(item))

        assert {client.hget(f"item:{item.id}", "size") for item in items[::50]} == {b"0"}


async def test_a_value_that_cannot_be_stored_leaves_the_thousands_before_it(narrow: Store, client: Any) -> None:
    narrow.register_model(Item)
    for run_it in ways_of(narrow):
        # Where the server does not know the script yet, the second thousand is not written either.
        await run_it(repository_of(Item).insert(items_of(2)))
        client.flushall()
        items = items_of()
        items[2500] = Item.model_construct(id="02500", size=object())
        with pytest.raises(EncodeError):
            await run_it(repository_of(Item).insert(items))

        assert assert_all_whole(client) == {item.id for item in items[:2000]}


async def test_a_refused_record_leaves_its_hundred_alone_and_all_others_whole(narrow: Store, client: Any) -> None:
    narrow.register_model(Item)
    for run_it in ways_of(narrow):
        client.flushall()
        client.hset("item:00950", mapping={"id": "00950", "text": "", "size": 3, "_v": 9})
        client.zadd("item:__index", {"item:00950": 0})
        with pytest.raises(RecordTooNewError):
            await run_it(repository_of(Item).insert(items_of()))

        there = assert_all_whole(client)
        assert not there & {f"{number:05}" for number in (*range(900, 950), *range(951, 1000))}
        assert {f"{number:05}" for number in range(900)} <= there
        assert client.hget("item:00950", "_v") == b"9"


async def test_what_is_given_twice_is_written_in_its_order(resending: Store, proxy: Any, client: Any) -> None:
    resending.register_model(Item)
    for run_it in ways_of(resending):
        for mark in (b"t10.", b"t1500.", b"again"):
            client.flushall()
            proxy.cut(mark, passed=3000)

            await run_it(repository_of(Item).insert([*items_of(2200), Item(id="00010", text="again")]))

            assert client.hget("item:00010", "text") == b"again"
            assert len(assert_all_whole(client)) == 2200


def test_threads_that_insert_and_select_beside_each_other_get_their_own(narrow: Store, client: Any) -> None:
    narrow.register_model(Item)
    failures: list[BaseException] = []

    def work(thread: int) -> None:
        try:
            items = [Item(id=f"{thread}{number:05}", text=f"{thread}") for number in range(1300)]
            Item.sync.insert(items)
            found = Item.sync.select(ids=[item.id for item in items])
            assert found == items
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for writer in threads:
        writer.start()
    for writer in threads:
        writer.join()

    assert failures == []
    assert len(assert_all_whole(client)) == 5200
