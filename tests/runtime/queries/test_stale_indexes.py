"""What an index names and a record does not confirm is not given, and leaves the index; what it lacks is found, too."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from redis_models import Field, Model, Store, desc, on
from redis_models.client.commands import Command, RoundTrips, send
from redis_models.client.drivers import run
from redis_models.errors import DataError, DecodeError, RecordTooOldError
from redis_models.queries.decision import Request
from redis_models.queries.results import Results

from ...conftest import Server
from .conftest import Ask
from .orders import Interrupted, Order, Status, ids_of, insert_orders, run_interrupted

DAY = "order:__index:day"


def _names(client: Any, key: str = DAY) -> list[str]:
    return [member.rpartition(b"\0")[2].decode() for member in client.zrange(key, 0, -1)]


async def test_members_of_records_that_are_gone_are_left_out_and_removed(
    orders: type[Order], client: Any, ask: Ask
) -> None:
    insert_orders(10)
    client.delete("order:o03", "order:o05")

    assert await ask(Order.where(on(Order.day) > 1), "ids") == ["o02", "o04", "o06", "o07", "o08", "o09"]
    assert not {"o03", "o05"} & set(_names(client))
    assert len(_names(client)) == 8


async def test_a_value_that_a_plain_client_wrote_is_not_found_by_the_one_before(
    orders: type[Order], client: Any, ask: Ask
) -> None:
    insert_orders(10)
    client.hset("order:o03", "day", 77)
    client.hdel("order:o04", "day")

    assert await ask(Order.where(on(Order.day).one_of([3, 4, 5])), "ids") == ["o05"]
    assert not {"o03", "o04"} & set(_names(client))
    await Order.patch("o03", day=3)
    assert await ask(Order.where(on(Order.day).one_of([3, 4, 5])), "ids") == ["o03", "o05"]


async def test_a_record_that_is_written_meanwhile_keeps_its_new_entry(orders: type[Order], client: Any) -> None:
    insert_orders(10)

    def write_before_the_records_are_read(commands: Sequence[Command]) -> None:
        if commands[0][:2] == ("HMGET", "order:o01"):
            Order.sync.patch("o03", day=90)
            Order.sync.patch("o05", day=2)

    found = run_interrupted(Order.sync.where(on(Order.day) < 9)._results.ids(), write_before_the_records_are_read)

    # The one that moved to a place that was read already may be missed.
    assert found == ["o01", "o02", "o04", "o06", "o07", "o08"]
    assert _names(client) == ["o00", "o01", "o02", "o05", "o04", "o06", "o07", "o08", "o09", "o03"]


async def test_a_record_with_two_members_is_given_once_in_its_place(orders: type[Order], client: Any, ask: Ask) -> None:
    insert_orders(6)
    client.hset("order:o02", "day", 4)
    await Order.patch("o02", day=5)
    query = Order.where(on(Order.day) > 0, Order.note == "").order_by(Order.day)

    assert await ask(query, "ids") == ["o01", "o03", "o04", "o02", "o05"]
    assert _names(client) == ["o00", "o01", "o03", "o04", "o02", "o05"]


async def test_a_record_that_is_again_as_it_was_keeps_its_member(orders: type[Order], client: Any) -> None:
    insert_orders(4)

    def change_it_and_back(commands: Sequence[Command]) -> None:
        if commands and commands[0][:2] == ("HMGET", "order:o01"):
            client.hset("order:o02", "day", 90)
        if commands and commands[0][:3] == ("HMGET", "order:o02", "_v"):
            client.hset("order:o02", "day", 2)

    found = run_interrupted(Order.sync.where(on(Order.day) > 0)._results.ids(), change_it_and_back)

    assert found == ["o01", "o03"]
    assert await Order.where(on(Order.day) > 0).ids() == ["o01", "o02", "o03"]


async def test_a_record_without_an_entry_that_comes_back_stays_listed(orders: type[Order], client: Any) -> None:
    insert_orders(2)
    client.zadd("order:__index:_others", {"odd": 0})

    def bring_it_back(commands: Sequence[Command]) -> None:
        if any(command[0] == "EVALSHA" for command in commands):
            client.hset("order:odd", mapping={"_v": 1, "id": "odd", "day": "001", "number": 9})

    run_interrupted(Order.sync.where(on(Order.day) > 0)._results.ids(), bring_it_back)

    assert await Order.where(on(Order.day) > 0).ids() == ["o01", "odd"]


async def test_a_record_that_comes_back_before_the_mending_keeps_its_member(orders: type[Order], client: Any) -> None:
    insert_orders(4)
    client.delete("order:o02")

    def bring_it_back(commands: Sequence[Command]) -> None:
        if any(command[0] == "EVALSHA" for command in commands):
            client.hset("order:o02", mapping={"_v": 1, "id": "o02", "day": 2, "status": '"new"', "number": 2})

    found = run_interrupted(Order.sync.where(on(Order.day) > 0)._results.ids(), bring_it_back)

    assert found == ["o01", "o03"]
    assert await Order.where(on(Order.day) > 0).ids() == ["o01", "o02", "o03"]


async def test_ten_thousand_dead_members_do_not_hide_the_first_live_one(
    orders: type[Order], client: Any, ask: Ask
) -> None:
    insert_orders(3)
    members = {b"Q1\0gone%05d" % number: 0 for number in range(10_000)}
    client.zadd(DAY, members)
    query = Order.where(on(Order.day) > 0)

    assert (await ask(query, "first")).id == "o01"
    assert (await ask(query.order_by(desc(Order.day)).limit(5), "ids")) == ["o02", "o01"]
    assert _names(client) == ["o00", "o01", "o02"]


async def test_what_is_no_member_is_passed_over(orders: type[Order], client: Any, ask: Ask) -> None:
    insert_orders(3)
    odd = [b"", b"Q1", b"Q1\0", b"Q1\0:__index", b"Q1\0a:b", b"\xff\xff", b"Q1\0__index", b"Q1\0\xffx\0o02", b"zz\0o01"]
    client.zadd(DAY, dict.fromkeys(odd, 0))
    client.set("order:text", "x")
    client.zadd(DAY, {b"Q1\0text": 0})
    bad: list[DataError] = []

    assert ids_of(await ask(Order.where(on(Order.day) > 0), "all", bad_records=bad)) == ["o01", "o02"]
    assert [str(error).partition(":")[0] for error in bad] == ["order"]
    await ask(Order.where().order_by(Order.day), "all", bad_records=bad)


async def test_one_bad_record_is_named_or_left_out(orders: type[Order], client: Any, ask: Ask) -> None:
    insert_orders(9)
    client.hset("order:o04", "number", "four")
    bad: list[DataError] = []
    query = Order.where(on(Order.day) >= 3)

    with pytest.raises(DecodeError, match="order:o04: field 'number'"):
        await ask(query, "all")
    with pytest.raises(DecodeError, match="order:o04"):
        await ask(query, "iterate")
    assert ids_of(await ask(query, "all", bad_records=bad)) == ["o03", "o05", "o06", "o07", "o08"]
    assert ids_of(await ask(query.limit(2), "all", bad_records=bad)) == ["o03", "o05"]
    assert ids_of(await ask(query, "iterate", bad_records=bad)) == ["o03", "o05", "o06", "o07", "o08"]
    assert [error.key for error in bad if isinstance(error, DecodeError)] == ["order:o04"] * 3
    # What is not asked for need not be readable.
    assert await ask(query, "count") == 6
    assert await ask(query, "values", Order.day) == [(day,) for day in range(3, 9)]
    assert ids_of(await ask(Order.where(Order.day == 4, Order.tenant == "x"), "all")) == []


async def test_values_that_are_spelled_otherwise_are_found_in_their_place(
    orders: type[Order], client: Any, ask: Ask
) -> None:
    insert_orders(6)
    client.hset("order:odd", mapping={"id": "odd", "day": "003", "status": '"new"', "number": "9", "tenant": "t"})
    client.hset("order:o01", "day", "+4")
    client.zadd("order:__index", {"order:odd": 0})
    client.zadd("order:__index:_others", {"odd": 0, "o01": 0})
    query = Order.where(on(Order.day) >= 2).order_by(Order.day)

    assert await ask(query, "ids") == ["o02", "o03", "odd", "o01", "o04", "o05"]
    assert await ask(query.order_by(desc(Order.day)), "ids") == ["o05", "o04", "o01", "odd", "o03", "o02"]
    assert await ask(Order.where(Order.day == 3), "ids") == ["o03", "odd"]
    assert await ask(Order.where(Order.day == 1), "ids") == []
    assert await ask(Order.where((Order.day == 3) | (Order.status == Status.NEW)), "count") == 6
    page = await ask(query, "page", 3)
    assert ids_of(page.records) == ["o02", "o03", "odd"]
    assert ids_of((await ask(query, "page", 9, page.next)).records) == ["o01", "o04", "o05"]


async def test_a_record_without_a_field_is_found_by_its_default(orders: type[Order], client: Any, ask: Ask) -> None:
    insert_orders(3)
    client.hdel("order:o01", "status", "day")
    client.zadd("order:__index:_others", {"o01": 0})

    assert await ask(Order.where(Order.status == Status.NEW), "ids") == ["o01", "o02"]
    assert await ask(Order.where(on(Order.day).is_none()), "ids") == ["o00", "o01"]


async def test_a_record_without_an_entry_that_cannot_be_read_is_named_where_it_could_match(
    orders: type[Order], client: Any, ask: Ask
) -> None:
    insert_orders(3)
    client.hset("order:o01", "day", "x")
    client.zadd("order:__index:_others", {"o01": 0})
    bad: list[DataError] = []

    with pytest.raises(DecodeError, match="order:o01: field 'day'"):
        await ask(Order.where(Order.day == 2), "all")
    assert ids_of(await ask(Order.where(Order.day == 2), "all", bad_records=bad)) == ["o02"]
    assert len(bad) == 1
    assert await ask(Order.where(Order.status == Status.PAID), "ids") == ["o00"]


async def test_a_user_who_may_only_read_gets_the_same(
    orders: type[Order], client: Any, server: Server, ask: Ask
) -> None:
    insert_orders(6)
    client.delete("order:o03")
    client.execute_command("ACL", "SETUSER", "reader", "reset", "on", ">pw", "~*", "+@connection", "+@read", "+info")
    before = client.dump(DAY)
    store = Store.from_url(f"unix://reader:pw@{server.socket_path}")
    store.register_model(Order)

    assert await ask(Order.where(on(Order.day) > 1), "ids") == ["o02", "o04", "o05"]
    assert client.dump(DAY) == before

    await store.aclose()
    client.execute_command("ACL", "DELUSER", "reader")


def test_a_replica_gives_the_same_and_mends_nothing(new_server: Callable[..., Server]) -> None:
    primary = new_server("--save", "")
    port = _free_port()
    primary.stop()
    primary = new_server("--port", str(port), "--bind", "127.0.0.1")
    with Store.from_url(primary.url) as store, primary.client() as client:
        store.register_model(Order)
        Order.sync.build_indexes()
        insert_orders(6)
        replica = new_server("--replicaof", "127.0.0.1", str(port))
        with replica.client() as copy:
            until = time.monotonic() + 20
            while copy.zcard(DAY) != 6:
                assert time.monotonic() < until
                time.sleep(0.02)
            client.hset("order:o03", "day", 50)
            until = time.monotonic() + 20
            while copy.hget("order:o03", "day") != b"50":
                assert time.monotonic() < until
                time.sleep(0.02)
            with Store.from_url(replica.url) as other:
                other.register_model(Order)

                assert Order.sync.where(on(Order.day) > 1).ids() == ["o02", "o04", "o05"]

            assert copy.zcard(DAY) == 6
    Order._store = None


def _free_port() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Visit(Model):
    id: str = Field(primary_key=True)
    city: str = Field(default="", index=True)

    class Meta:
        table = "visit"
        version = 2


class Upgrading:
    """Brings visits of version 1, whose city was called ``town``, up to version 2."""

    def upgrade(self, model: type[Model], key: str, record: Mapping[str, bytes]) -> dict[str, bytes]:
        return {"id": record["id"], "city": record["town"], "_v": b"2"}

    def rewrite(self, model: type[Model], key: str) -> RoundTrips[None]:
        [town] = yield from send([("HGET", key, "town")])
        assert isinstance(town, bytes)
        yield from send([("HSET", key, "_v", 2, "city", town)])

    def former_names(self, model: Any, field: str) -> dict[int, str | None]:
        return {}

    def write_back(self, model: type[Model], keys: Sequence[str]) -> RoundTrips[None]:
        yield from ()


@pytest.fixture
def visits(store: Store, client: Any) -> Iterator[type[Visit]]:
    store.register_model(Visit)
    for pk, city in (("b", "Bonn"), ("d", "Delft")):
        client.hset(f"visit:{pk}", mapping={"id": pk, "town": city, "_v": 1})
        client.zadd("visit:__index", {f"visit:{pk}": 0})
    Visit.sync.build_indexes()
    Visit.sync.insert([Visit(id="a", city="Athens"), Visit(id="c", city="Cork"), Visit(id="d2", city="Delft")])
    yield Visit
    Visit._store = None


async def test_records_of_an_older_version_are_found_in_their_place(
    visits: type[Visit], store: Store, ask: Ask
) -> None:
    store.upgrader = Upgrading()

    assert await ask(Visit.where().order_by(Visit.city), "ids") == ["a", "b", "c", "d", "d2"]
    assert await ask(Visit.where(Visit.city == "Delft"), "ids") == ["d", "d2"]
    assert await ask(Visit.where(Visit.city == "Delft"), "update", city="Lyon") == 2
    assert await ask(Visit.where(Visit.city == "Bonn"), "delete") == 1
    assert await ask(Visit.where().order_by(Visit.city), "ids") == ["a", "c", "d", "d2"]


def test_an_older_record_that_is_changed_meanwhile_is_not_deleted(
    visits: type[Visit], store: Store, client: Any
) -> None:
    store.upgrader = Upgrading()
    moved: list[int] = []

    def move(commands: Sequence[Command]) -> None:
        if not moved and any(command[0] == "EVALSHA" and b"visit:d" in _raw(command) for command in commands):
            moved.append(client.hset("visit:d", "town", "Rome"))

    deleted = run(Interrupted(store.sync_client, move), Visit.where(Visit.city == "Delft")._changes.delete())

    assert (deleted, moved) == (1, [0])
    assert Visit.sync.get("d").city == "Rome"


def _raw(command: Command) -> list[bytes]:
    return [word if isinstance(word, bytes) else str(word).encode() for word in command]


async def test_records_of_an_older_version_without_migrations_are_named(visits: type[Visit], ask: Ask) -> None:
    with pytest.raises(RecordTooOldError, match="visit:b"):
        await ask(Visit.where(Visit.city == "Cork"), "all")


def test_no_scan_of_the_whole_index_is_made_for_one_page(orders: type[Order]) -> None:
    insert_orders(300)
    sizes: list[object] = []

    def note(commands: Sequence[Command]) -> None:
        sizes.extend(command[-1] for command in commands if command[0] == "ZREVRANGEBYLEX")

    request = Order.where().order_by(desc(Order.day)).limit(10)._request
    found = run_interrupted(Results(Order.__mapper__, None, request).ids(), note)

    assert len(found) == 10
    assert sizes == [10]
    assert isinstance(request, Request)
