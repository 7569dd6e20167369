"""Records that no migration can bring up, as those in quarantine: readers go on, and whole records take their place."""

from collections.abc import Callable
from typing import Any

import pytest

from redis_models import Model, Store
from redis_models.client.commands import RoundTrips, send
from redis_models.errors import (
    ConflictError,
    DataError,
    DecodeError,
    NotFoundError,
    RecordTooNewError,
    RecordTooOldError,
    WrongKeyTypeError,
)

from .items import Brand, Item, Live, Upgrade


class Strict(Upgrade):
    """Finds no way up for some records."""

    def rewrite(self, model: type[Model], key: str) -> RoundTrips[None]:
        [title] = yield from send([("HGET", key, "title")])
        if title == b"unfit":
            raise ConflictError(key, "cannot be upgraded to version 3: no way up")
        yield from super().rewrite(model, key)


@pytest.fixture(autouse=True)
def _upgrader(store: Store) -> None:
    store.upgrader = Strict()
    Brand.sync.insert([Brand(id=pk, title="unfit" if pk in "bde" else f"t{pk}") for pk in "abcdef"])


def ids(found: Any) -> list[str | None]:
    return [record and record.id for record in found]


async def test_every_reader_goes_on_and_says_which_records_it_left_out() -> None:
    bad: dict[str, list[DataError]] = {name: [] for name in ("select", "get_many", "iterate", "page", "columns")}

    assert ids(await Item.select(bad_records=bad["select"])) == ["a", "c", "f"]
    assert ids(await Item.get_many(["b", "f", "x"], bad_records=bad["get_many"])) == [None, "f", None]
    assert ids([item async for item in Item.iterate(2, bad_records=bad["iterate"])]) == ["a", "c", "f"]
    assert ids(await Item.page(2, bad_records=bad["page"])) == ["a", "c"]
    columns = await Item.select(columns=["name"], bad_records=bad["columns"])

    assert columns == [{"name": "ta"}, {"name": "tc"}, {"name": "tf"}]
    keys = {name: [getattr(error, "key", "") for error in found] for name, found in bad.items()}
    assert keys == {
        "select": ["item:b", "item:d", "item:e"], "iterate": ["item:b", "item:d", "item:e"], "get_many": ["item:b"],
        "page": ["item:b"], "columns": ["item:b", "item:d", "item:e"],
    }  # fmt: skip


def test_blocking_readers_take_the_list_too() -> None:
    bad: list[DataError] = []

    assert ids(Item.sync.select(bad_records=bad)) == ["a", "c", "f"]
    assert ids(Item.sync.get_many(["e", "a"], bad_records=bad)) == [None, "a"]
    assert ids(Item.sync.iterate(2, bad_records=bad)) == ["a", "c", "f"]
    assert ids(Item.sync.page(9, bad_records=bad)) == ["a", "c", "f"]
    assert Item.sync.select(columns=["id"], bad_records=bad) == [{"id": "a"}, {"id": "c"}, {"id": "f"}]
    assert len(bad) == 3 + 1 + 3 + 3 + 3


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_are_full_until_the_end_and_meet_every_good_record_once(limit: int) -> None:
    read: list[str] = []
    last: str | None = None
    while page := Item.sync.page(limit, after=last, bad_records=[]):
        read += [item.id for item in page]
        last = page[-1].id

    assert read == ["a", "c", "f"]


def test_without_the_list_the_first_is_raised() -> None:
    for read in (lambda: Item.sync.page(9), lambda: Item.sync.get_many(["b"]), lambda: list(Item.sync.iterate())):
        with pytest.raises(DecodeError, match="no way up"):
            read()


WHOLE: list[Callable[[], object]] = [
    lambda: Item.sync.insert(Item(id="b", name="whole")),
    lambda: Item.sync.insert([Item(id="a", name="whole"), Item(id="b", name="whole"), Item(id="d", name="whole")]),
    lambda: Item.sync.insert(Item(id="b", name="whole"), only="existing"),
    lambda: Item.sync.insert([Item(id="b", name="whole"), Item(id="e", name="whole")], 60),
    lambda: Item(id="b", name="whole").sync.save(),
    lambda: Live(id="b", name="whole"),
]


@pytest.mark.parametrize("write", WHOLE)
def test_a_whole_record_takes_its_place_with_nothing_of_the_old_one(write: Callable[[], object], client: Any) -> None:
    client.hset("item:b", mapping={"other": "x", "_b3-title": "kept"})
    client.expire("item:b", 1000)

    write()

    found = client.hgetall("item:b")
    assert found.keys() - {b"price"} == {b"_v", b"id", b"name"}
    assert (found[b"_v"], found[b"name"]) == (b"3", b"whole")
    assert 0 < client.ttl("item:b") <= 1000
    assert Item.sync.get("b").name == "whole"
    assert client.zscore("item:__index", "item:b") == 0


def test_its_ttl_is_that_of_any_insert(client: Any) -> None:
    client.expire("item:b", 1000)
    client.expire("item:d", 1000)

    Item.sync.insert(Item(id="b"), 50)
    Item.sync.insert(Item(id="e"))

    assert 0 < client.ttl("item:b") <= 50
    assert client.ttl("item:e") == -1


@pytest.mark.parametrize(
    "write",
    [
        lambda: Item.sync.patch("b", name="n"),
        lambda: Item.sync.increment("b", "price"),
        lambda: Item.sync.insert(Item(id="b"), only="new"),
    ],
)
def test_what_is_not_whole_or_wants_a_new_record_is_still_refused(write: Callable[[], object], client: Any) -> None:
    before = client.hgetall("item:b")

    with pytest.raises(ConflictError):
        write()
    assert client.hgetall("item:b") == before


def test_a_newer_record_and_one_of_an_unknown_version_are_not_replaced(store: Store, client: Any) -> None:
    class Ignorant(Upgrade):
        def rewrite(self, model: type[Model], key: str) -> RoundTrips[None]:
            yield from ()
            raise RecordTooOldError(key, 2, 3)

    client.hset("item:a", "_v", "4")
    with pytest.raises(RecordTooNewError):
        Item.sync.insert([Item(id="a"), Item(id="b")])
    store.upgrader = Ignorant()
    with pytest.raises(RecordTooOldError):
        Item.sync.insert(Item(id="b"))
    store.upgrader = None
    with pytest.raises(RecordTooOldError):
        Item.sync.insert(Item(id="b"))

    assert client.hmget("item:b", "_v", "title") == [b"2", b"unfit"]
    assert client.hget("item:a", "_v") == b"4"


def test_a_record_that_is_repaired_in_between_is_written_like_any_other(store: Store, client: Any) -> None:
    class Repaired(Upgrade):
        def rewrite(self, model: type[Model], key: str) -> RoundTrips[None]:
            yield from send([("HSET", key, "_v", "3", "name", "mended", "other", "kept")])
            raise ConflictError(key, "it was bad a moment ago")

    store.upgrader = Repaired()
    Item.sync.insert(Item(id="b", name="whole"))

    assert client.hmget("item:b", "_v", "name", "other") == [b"3", b"whole", b"kept"]


@pytest.mark.parametrize("kind", ["gone", "string"])
def test_one_that_is_gone_or_no_hash_by_then_is_not_brought_back(kind: str, store: Store, client: Any) -> None:
    class Gone(Upgrade):
        def rewrite(self, model: type[Model], key: str) -> RoundTrips[None]:
            yield from send([("DEL", key), *([("SET", key, "x")] if kind == "string" else [])])
            raise ConflictError(key, "it was bad a moment ago")

    client.hdel("item:b", "_v")  # of version 1
    store.upgrader = Gone()

    with pytest.raises(NotFoundError if kind == "gone" else WrongKeyTypeError):
        Item.sync.insert(Item(id="b", name="whole"), only="existing")

    assert client.type("item:b") == (b"none" if kind == "gone" else b"string")


@pytest.mark.parametrize("right", ["-hdel", "-hset"])
def test_without_the_right_to_do_it_all_nothing_is_done(right: str, store: Store, client: Any, server: Any) -> None:
    client.execute_command("ACL", "SETUSER", "bob", "reset", "on", "nopass", "~*", "+@all", right)
    own = Store.from_url(f"unix://bob:x@{server.socket_path}")
    own.upgrader = Strict()
    own.register_model(Item)
    before = client.hgetall("item:b")
    try:
        with pytest.raises(Exception, match=r"access list|may not"):
            Item.sync.insert(Item(id="b", name="whole"))
        assert client.hgetall("item:b") == before
    finally:
        own.close()
        client.execute_command("ACL", "DELUSER", "bob")
