"""Flights: batches whose replies the operation does not wait for, whatever becomes of them on the way."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

import pytest
import redis
from pydantic import field_validator

from redis_models import Field, Model, Store
from redis_models.batches import Ahead, Batches, Command, Once, Pause, Reply
from redis_models.client import SyncClient, run, run_async
from redis_models.errors import EncodeError, RecordTooNewError, ServerUnreachableError
from redis_models.verbs import verbs_of

Echo = Callable[[str], Batches[object]]
Result = TypeVar("Result")
Act = Callable[[int], object]  # given how many batches there were before
Ways = tuple[Callable[[Batches[Any]], Any], ...]
NewServer = Callable[..., Any]
MANY: Final = 3000  # three flights of an insertion


class Item(Model):
    id: str = Field(primary_key=True)
    text: str = ""
    size: int = 0


@pytest.fixture(autouse=True)
def _unbound() -> Iterator[None]:
    yield
    Item._store = None


def _ways_of(store: Store) -> Ways:
    """Run an operation blocking, in a thread, and in the loop."""

    def run_in_thread(batches: Batches[Any]) -> Any:
        return asyncio.to_thread(store.run, batches)

    return run_in_thread, store.run_async


@pytest.fixture(params=["", "?max_connections=1", "?max_connections=2", "?protocol=3"])
async def narrow(server: Any, request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """A store with as many connections as it likes, with one, with two; and one that redis-py reads the replies of."""
    store = Store("s", url=f"{server.url}{request.param}", timeout_s=5)
    yield store
    await store.aclose()


@pytest.fixture
async def cut_off(proxy: Any) -> AsyncIterator[Store]:
    """A store behind the proxy."""
    store = Store.from_url(f"unix://{proxy.path}")
    yield store
    await store.aclose()


def _numbered(count: int) -> Batches[list[list[Reply]]]:
    """Send flights that note their order, and give their replies."""
    lists: list[list[Reply]] = []
    for number in range(count):
        lists.append((yield Ahead([("ECHO", f"mark {number}."), ("RPUSH", "log", number), ("SET", "last", number)])))
    yield ()
    return lists


def _disturbed(batches: Batches[Result], act: Act) -> Batches[Result]:
    """Do something before each batch of an operation is sent, as code of the operation itself would."""
    number = 0
    commands = next(batches)
    try:
        while True:
            try:
                act(number)
                replies = yield commands
            except BaseException as exc:
                commands = batches.throw(exc)
            else:
                commands = batches.send(replies)
            number += 1
    except StopIteration as end:
        result: Result = end.value
        return result


def _items(count: int = MANY, **fields: Any) -> list[Item]:
    return [Item(id=f"{number:05}", text=f"t{number}.", **fields) for number in range(count)]


def _assert_stored(client: Any, items: Sequence[Item], size: int = 0) -> None:
    found: Any = client.keys("item:[0-9]*")
    assert len(found) == len(items)
    with client.pipeline(transaction=False) as pipeline:
        for one in items:
            pipeline.hgetall(f"item:{one.id}")
        records: Any = pipeline.execute()
    wanted = [{b"id": one.id.encode(), b"text": one.text.encode(), b"size": b"%d" % size, b"_v": b"1"} for one in items]
    assert records == wanted
    assert client.zcard("item:__index") == len(items)


def _assert_all_whole(client: Any) -> set[str]:
    """Look that each record that there is has all its fields, and is in the index; give their primary keys."""
    keys: Any = client.keys("item:[0-9]*")
    with client.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.hkeys(key)
            pipeline.zscore("item:__index", key)
        told: Any = pipeline.execute()
    assert all(set(names) == {b"id", b"text", b"size", b"_v"} for names in told[::2])
    assert None not in told[1::2]
    return {key.decode().partition(":")[2] for key in keys}


async def test_replies_are_there_after_the_next_batch_of_whatever_kind(narrow: Store) -> None:
    nexts: list[Sequence[Command]] = [
        (),
        [("ECHO", "b")],
        Once([("ECHO", "b")]),
        Pause(0.001),
        Ahead([("ECHO", "b")]),
    ]

    def ask(following: Sequence[Command]) -> Batches[tuple[list[Reply], list[Reply]]]:
        replies = yield Ahead([("ECHO", "a"), ("NO-SUCH-COMMAND",), ("ECHO", "c")])
        others = yield following
        first: list[object] = [one if isinstance(one, bytes) else type(one) for one in replies]
        yield ()
        return first, others

    for run_it in _ways_of(narrow):
        for following in nexts:
            first, others = await run_it(ask(following))

            assert first == [b"a", redis.ResponseError, b"c"]
            assert others == ([b"b"] if following else [])


async def test_flights_are_executed_in_their_order(narrow: Store, client: Any) -> None:
    for run_it in _ways_of(narrow):
        client.delete("log")

        lists = await run_it(_numbered(50))

        assert [one[0] for one in lists] == [f"mark {number}.".encode() for number in range(50)]
        assert [one[1] for one in lists] == list(range(1, 51))
        assert client.lrange("log", 0, -1) == [b"%d" % number for number in range(50)]


async def test_a_flight_whose_replies_are_large_does_not_stand_in_the_way_of_the_next(narrow: Store) -> None:
    def ask() -> Batches[list[list[Reply]]]:
        yield [("SET", "large", b"x" * 4_000_000)]
        lists: list[list[Reply]] = []
        for _ in range(3):
            lists.append((yield Ahead([("GET", "large"), ("SET", "other", b"y" * 4_000_000)])))
        yield ()
        return lists

    for run_it in _ways_of(narrow):
        assert [len(one) for one, _ in await run_it(ask())] == [4_000_000] * 3


@pytest.mark.parametrize("passed", [None, 0, 13, 60, 75, 10_000])
@pytest.mark.parametrize("broken", [0, 1, 4, 5])
async def test_a_connection_that_breaks_has_its_flights_executed_again_in_order(
    cut_off: Store, proxy: Any, client: Any, broken: int, passed: int | None
) -> None:
    for run_it in _ways_of(cut_off):
        client.delete("log")
        proxy.cut(b"mark %d." % broken, passed=passed)

        lists = await run_it(_numbered(6))

        assert [one[0] for one in lists] == [f"mark {number}.".encode() for number in range(6)]
        log = [int(one) for one in client.lrange("log", 0, -1)]
        assert list(dict.fromkeys(log)) == list(range(6)), "a later one was executed before an earlier one"
        assert list(dict.fromkeys(reversed(log))) == list(range(5, -1, -1)), "the last word is an earlier one's"
        assert client.get("last") == b"5"


async def test_a_batch_that_must_not_run_twice_does_not_with_a_flight_before_it(
    cut_off: Store, proxy: Any, client: Any
) -> None:
    def add() -> Batches[None]:
        yield Ahead([("RPUSH", "log", "flight")])
        yield Once([("INCR", "once")])

    for number, run_it in enumerate(_ways_of(cut_off), 1):
        proxy.cut(b"INCR")
        with pytest.raises(ServerUnreachableError, match="may have been executed"):
            await run_it(add())

        assert client.get("once") == b"%d" % number


class _OurError(Exception):
    pass


async def test_an_error_of_the_operation_waits_for_what_is_under_way(server: Any, client: Any, echo: Echo) -> None:
    store = Store("s", url=f"{server.url}?max_connections=2", timeout_s=5)

    def fail() -> Batches[None]:
        yield Ahead([("BLPOP", "nothing", 0.1), ("INCR", "done")])
        yield Ahead([("BLPOP", "nothing", 0.1), ("INCR", "done")])
        raise _OurError

    for number, run_it in enumerate(_ways_of(store), 1):
        with pytest.raises(_OurError):
            await run_it(fail())

        assert client.get("done") == b"%d" % (2 * number)
        assert [await run_it(echo(text)) for text in "ab"] == [b"a", b"b"]
    await store.aclose()


async def test_an_operation_that_ends_before_its_flights_waits_for_them(narrow: Store, client: Any) -> None:
    def leave() -> Batches[str]:
        yield Ahead([("BLPOP", "nothing", 0.1), ("INCR", "done")])
        return "left"

    for number, run_it in enumerate(_ways_of(narrow), 1):
        assert await run_it(leave()) == "left"
        assert client.get("done") == b"%d" % number


async def test_an_operation_may_outlive_an_error_of_its_flights(cut_off: Store, proxy: Any, echo: Echo) -> None:
    """One that catches what was thrown into it may go on, and gets its own replies."""

    def go_on() -> Batches[list[Reply]]:
        try:
            yield Ahead([("ECHO", "lost")])
            yield Once([("ECHO", "once")])
        except ServerUnreachableError:
            found = yield Ahead([("ECHO", "a")])
            found = [*found, *(yield [("ECHO", "b")])] if found else (yield [("ECHO", "b")])
            return found
        return []

    for run_it in _ways_of(cut_off):
        proxy.cut(b"once")

        assert (await run_it(go_on()))[-1] == b"b"
        assert [await run_it(echo(text)) for text in "ab"] == [b"a", b"b"]


async def test_tasks_cancelled_at_any_moment_leave_no_answers_and_no_connection_behind(
    narrow: Store, echo: Echo
) -> None:
    for steps in range(40):
        tasks = [asyncio.create_task(narrow.run_async(_numbered(8))) for _ in range(2)]
        for _ in range(steps):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

        texts = [f"whole {steps} {number}" for number in range(3)]
        answers = asyncio.gather(*(narrow.run_async(echo(text)) for text in texts))
        assert await asyncio.wait_for(answers, 5) == [text.encode() for text in texts]


def test_an_interrupt_at_the_keyboard_leaves_no_answers_behind(
    server: Any, client: Any, echo: Echo, request: pytest.FixtureRequest
) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    store = Store("s", url=f"{server.url}?max_connections=2", timeout_s=5)

    def wait() -> Batches[None]:
        yield Ahead([("ECHO", "of nobody")])
        yield Ahead([("BLPOP", "nothing", 0.5)])
        yield ()

    def interrupt() -> None:
        while not client.info("clients")["blocked_clients"]:
            pass
        os.kill(os.getpid(), signal.SIGINT)

    for _ in range(3):  # more often than there are connections
        interrupting = threading.Thread(target=interrupt)
        interrupting.start()
        with pytest.raises(KeyboardInterrupt):
            store.run(wait())
        interrupting.join()

        assert [store.run(echo(text)) for text in "ab"] == [b"a", b"b"]
    store.close()


async def test_a_flight_that_takes_too_long_is_an_error_and_its_answer_nobodys(server: Any, echo: Echo) -> None:
    def wait() -> Batches[None]:
        yield Ahead([("ECHO", "in time"), ("BLPOP", "nothing", 0.5)])
        yield Ahead([("ECHO", "behind it")])

    for most in (1, 2):
        store = Store("s", url=f"{server.url}?max_connections={most}", timeout_s=0.2)
        for run_it in _ways_of(store):
            for _ in range(most):
                with pytest.raises(ServerUnreachableError, match="did not answer in time; what was sent may have been"):
                    await run_it(wait())

                assert [await run_it(echo(text)) for text in "ab"] == [b"a", b"b"]
        await store.aclose()


async def test_flights_give_their_connection_back(narrow: Store, client: Any) -> None:
    def clients() -> int:
        return len([one for one in client.client_list() if one["cmd"] != "client|list"])

    for run_it in _ways_of(narrow):
        await run_it(_numbered(3))
        before = clients()
        for _ in range(5):
            await run_it(_numbered(3))

        assert clients() == before


@pytest.mark.parametrize("most", [1, 2])
def test_code_that_runs_between_flights_may_ask_the_server_itself(server: Any, most: int) -> None:
    store = Store("s", url=f"{server.url}?max_connections={most}", timeout_s=5)

    class Asking(Model):
        id: str = Field(primary_key=True)
        item: str = ""

        @field_validator("item")
        @classmethod
        def _exists(cls, value: str) -> str:
            if value and is_asked:
                assert Item.sync.exists(value)
            return value

    is_asked = False
    for model in (Item, Asking):
        store.register_model(model)
    Item.sync.insert(Item(id="x"))
    Asking.sync.insert([Asking(id=f"{number:05}", item="x" if number % 100 == 0 else "") for number in range(1200)])
    is_asked = True

    # As many at a time as there are connections: each keeps one, and wants another.
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(len(Asking.sync.select() or []))) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert found == [1200] * 3
    store.close()


class _Naive:
    """Knows nothing of flights."""

    def __init__(self, inner: SyncClient) -> None:
        self._inner = inner

    def exchange(self, commands: Sequence[Command]) -> list[Reply]:
        return self._inner.exchange(commands)


class _NaiveAsync(_Naive):
    async def exchange(self, commands: Sequence[Command]) -> list[Reply]:  # type: ignore[override]
        return self._inner.exchange(commands)


async def test_a_driver_that_only_exchanges_comes_to_the_same(store: Store, client: Any) -> None:
    store.register_model(Item)
    items = _items(2300)
    ways: Ways = (
        lambda batches: run(store.sync_client, batches),
        lambda batches: run(_Naive(store.sync_client), batches),
    )
    results: list[Any] = []
    for run_it in ways:
        client.flushall()
        client.script_flush()
        made = run_it(verbs_of(Item).insert(items))
        again = run_it(verbs_of(Item).insert(_items(2300)))
        client.delete("item:00007", "item:01200")
        found = run_it(verbs_of(Item).select(None, 5, 1800, None))
        results.append((made, again, found, run_it(_numbered(5)), client.zcard("item:__index")))
    client.delete("log")
    lists = await run_async(_NaiveAsync(store.sync_client), _numbered(5))

    assert results[0][:2] == ([3, 1] * 2300, [0, 0] * 2300)
    assert results[0] == results[1]
    assert lists == results[0][3]


# What happens before the batch of a number is sent. An insertion of 3,000 has at least four.
def _flush(store: Store, client: Any, number: int) -> None:
    client.script_flush()


def _hang_up(store: Store, client: Any, number: int) -> None:
    client.client_kill_filter(_type="normal", skipme=True)


@pytest.mark.parametrize("disturb", [_flush, _hang_up])
async def test_a_bulk_insert_that_is_disturbed_before_each_flight_is_all_there(
    narrow: Store, client: Any, disturb: Callable[[Store, Any, int], None]
) -> None:
    narrow.register_model(Item)
    for run_it in _ways_of(narrow):
        client.flushall()
        items = _items()

        made = await run_it(_disturbed(verbs_of(Item).insert(items), lambda number: disturb(narrow, client, number)))

        _assert_stored(client, items)
        assert len(made) == 2 * MANY
        for one in items:
            one.size = 1
        await run_it(verbs_of(Item).insert(items))
        _assert_stored(client, items, size=1)


@pytest.mark.parametrize("mark", [b"t0.", b"t999.", b"t1000.", b"t2999."])
async def test_a_bulk_insert_that_is_cut_anywhere_is_all_there(
    cut_off: Store, proxy: Any, client: Any, mark: bytes
) -> None:
    cut_off.register_model(Item)
    for run_it in _ways_of(cut_off):
        for passed in (None, 700, 5000):
            client.flushall()
            items = _items()
            proxy.cut(mark, passed=passed)

            await run_it(verbs_of(Item).insert(items))

            _assert_stored(client, items)
            items[1500].text = "changed"
            await run_it(verbs_of(Item).save(items[1500]))
            assert client.hget("item:01500", "text") == b"changed"


@pytest.mark.parametrize("error", [_OurError, KeyboardInterrupt])
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
        items = _items()
        operation = _disturbed(verbs_of(Item).insert(items), fail)
        with pytest.raises(error):
            # Not in a thread, where an interrupt is nobody's.
            _ = await narrow.run_async(operation) if is_async else narrow.run(operation)

        there = _assert_all_whole(client)
        time.sleep(0.01)
        assert _assert_all_whole(client) == there, "something was executed after the call had returned"
        assert await narrow.run_async(echo("a")) == b"a"
        assert narrow.run(echo("b")) == b"b"
        for one in items[::250]:  # whatever became of it, a save writes what the instance has
            one.size = 7
            one.sync.save()
            assert client.hget(f"item:{one.id}", "size") == b"7"


async def test_known_instances_whose_insert_failed_are_written_again(cut_off: Store, client: Any, proxy: Any) -> None:
    cut_off.register_model(Item)
    for run_it in _ways_of(cut_off):
        client.flushall()
        items = _items(2500)
        await run_it(verbs_of(Item).insert(items))
        for one in items:
            one.size = 5

        def fail(number: int) -> None:
            if number == 2:
                raise _OurError

        with pytest.raises(_OurError):
            await run_it(_disturbed(verbs_of(Item).insert(items), fail))
        # What is as it was before it may have been written as it was meanwhile.
        for one in items:
            one.size = 0
        for one in items[::50]:
            await run_it(verbs_of(Item).save(one))

        assert {client.hget(f"item:{one.id}", "size") for one in items[::50]} == {b"0"}


async def test_a_value_that_cannot_be_stored_leaves_the_thousands_before_it(narrow: Store, client: Any) -> None:
    narrow.register_model(Item)
    for run_it in _ways_of(narrow):
        # Where the server does not know the script yet, the second thousand is not written either.
        await run_it(verbs_of(Item).insert(_items(2)))
        client.flushall()
        items = _items()
        items[2500] = Item.model_construct(id="02500", size=object())
        with pytest.raises(EncodeError):
            await run_it(verbs_of(Item).insert(items))

        assert _assert_all_whole(client) == {one.id for one in items[:2000]}


async def test_a_refused_record_leaves_its_hundred_alone_and_all_others_whole(narrow: Store, client: Any) -> None:
    narrow.register_model(Item)
    for run_it in _ways_of(narrow):
        client.flushall()
        client.hset("item:00950", mapping={"id": "00950", "text": "", "size": 3, "_v": 9})
        client.zadd("item:__index", {"item:00950": 0})
        with pytest.raises(RecordTooNewError):
            await run_it(verbs_of(Item).insert(_items()))

        there = _assert_all_whole(client)
        assert not there & {f"{number:05}" for number in (*range(900, 950), *range(951, 1000))}
        assert {f"{number:05}" for number in range(900)} <= there
        assert client.hget("item:00950", "_v") == b"9"


async def test_what_is_given_twice_is_written_in_its_order(cut_off: Store, proxy: Any, client: Any) -> None:
    cut_off.register_model(Item)
    for run_it in _ways_of(cut_off):
        for mark in (b"t10.", b"t1500.", b"again"):
            client.flushall()
            proxy.cut(mark, passed=3000)

            await run_it(verbs_of(Item).insert([*_items(2200), Item(id="00010", text="again")]))

            assert client.hget("item:00010", "text") == b"again"
            assert len(_assert_all_whole(client)) == 2200


def test_threads_that_insert_and_select_beside_each_other_get_their_own(narrow: Store, client: Any) -> None:
    narrow.register_model(Item)
    failures: list[BaseException] = []

    def work(thread: int) -> None:
        try:
            items = [Item(id=f"{thread}{number:05}", text=f"{thread}") for number in range(1300)]
            Item.sync.insert(items)
            found = Item.sync.select(ids=[one.id for one in items])
            assert found == items
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert failures == []
    assert len(_assert_all_whole(client)) == 5200
