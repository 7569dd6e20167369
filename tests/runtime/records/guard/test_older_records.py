"""Older records with a known upgrade: they are upgraded before they are written, whichever client writes meanwhile."""

from collections.abc import Callable
from typing import Any

import pytest

from redis_models import Store
from redis_models.errors import ConflictError, DecodeError, NotFoundError, RecordTooNewError, RecordTooOldError

from .items import UPDATES, Brand, Item, Upgrade


def test_an_older_record_is_read_and_written_as_new_where_the_way_up_is_known(store: Store, client: Any) -> None:
    store.upgrader = upgrade = Upgrade()
    Brand.sync.insert([Brand(id=f"{number:03}", title=f"t{number}") for number in range(120)])
    client.hdel("item:005", "_v")

    item = Item.sync.get("005")
    assert (item.name, client.hget("item:005", "title")) == ("t5", b"t5")
    item.price = 9
    item.sync.save()
    assert client.hgetall("item:005") == {b"id": b"005", b"name": b"t5", b"_v": b"3", b"price": b"9"}
    assert upgrade.rewritten == ["item:005"]

    assert [item.name for item in Item.sync.select() or []] == [f"t{number}" for number in range(120)]
    assert (Item.sync.select(columns=["name"], ids="006")) == [{"name": "t6"}]
    assert upgrade.rewritten == ["item:005"]

    # More of them in one script than any number of tries.
    Item.sync.insert([Item(id=f"{number:03}", name="new") for number in range(120)])
    assert len(upgrade.rewritten) == 120
    assert client.hgetall("item:119") == {b"id": b"119", b"name": b"new", b"_v": b"3", b"price": b"0"}


@pytest.mark.parametrize("write", UPDATES, ids=lambda write: write.__name__.strip("_"))
def test_each_way_to_write_brings_an_older_record_up_first(
    write: Callable[[Item], None], store: Store, client: Any
) -> None:
    store.upgrader = upgrade = Upgrade()
    Brand.sync.insert(Brand(id="a", title="t"))
    item = Item.sync.get("a")

    write(item)

    assert upgrade.rewritten == ["item:a"]
    record = client.hgetall("item:a")
    assert (record[b"_v"], b"title" in record) == (b"3", False)
    assert record[b"name"] in (b"t", b"new")
    assert Item.sync.get("a").id == "a"


def test_a_change_of_another_client_to_an_older_record_is_noticed_after_its_upgrade(store: Store, client: Any) -> None:
    store.upgrader = Upgrade()
    Brand.sync.insert(Brand(id="a", title="t"))
    item = Item.sync.get("a")
    client.hset("item:a", "title", "theirs")

    item.price = 5
    with pytest.raises(ConflictError) as caught:
        item.sync.save(if_unchanged=True)

    assert caught.value.fields == ("name",)
    assert client.hmget("item:a", "name", "price") == [b"theirs", None]


def test_a_number_of_an_older_record_is_added_to_once_it_is_brought_up(store: Store, client: Any) -> None:
    store.upgrader = Upgrade()
    client.hset("item:a", mapping={"id": "a", "title": "t", "price": 4})

    assert Item.sync.increment("a", "price", 3) == 7
    assert client.hgetall("item:a") == {b"id": b"a", b"name": b"t", b"price": b"7", b"_v": b"3"}


def test_what_cannot_be_added_to_is_found_after_an_older_record_is_brought_up(store: Store, client: Any) -> None:
    store.upgrader = Upgrade()
    client.hset("item:a", mapping={"id": "a", "title": "t", "price": "many"})

    with pytest.raises(DecodeError, match="item:a: field 'price' holds b'many'"):
        Item.sync.increment("a", "price")


def test_an_old_record_whose_every_field_was_renamed_is_not_taken_for_absent(store: Store, client: Any) -> None:
    client.hset("item:a", mapping={"title": "t"})

    with pytest.raises(RecordTooOldError):
        Item.sync.get("a")
    store.upgrader = Upgrade()
    item = Item.sync.get("a")

    assert (item.id, item.name) == ("a", "t")


def test_a_record_that_cannot_be_brought_up_does_not_block_a_table(store: Store) -> None:
    store.upgrader = Upgrade()
    Brand.sync.insert([Brand(id="a", title="unfit"), Brand(id="b", title="t")])
    bad: list[Any] = []

    found = Item.sync.select(bad_records=bad)

    assert [item.id for item in found or []] == ["b"]
    assert [str(error) for error in bad] == ["item:a: field 'title' holds b'unfit': no way up"]


def test_a_record_that_becomes_newer_while_it_is_brought_up_is_refused(store: Store, client: Any) -> None:
    store.upgrader = Upgrade(lambda key: client.hset(key, "_v", 4))
    Brand.sync.insert(Brand(id="a", title="t"))

    with pytest.raises(RecordTooNewError):
        Item.sync.patch("a", price=9)

    assert client.hget("item:a", "price") is None


def test_a_record_that_is_put_back_again_and_again_ends_in_an_error(store: Store, client: Any) -> None:
    store.upgrader = Upgrade(lambda key: client.hset(key, "_v", 2))
    Brand.sync.insert(Brand(id="a", title="t"))

    with pytest.raises(ConflictError, match="item:a: not written: older code keeps writing this record"):
        Item.sync.patch("a", price=9)

    assert client.hget("item:a", "price") is None


def test_a_record_that_is_deleted_while_it_is_brought_up_is_not_brought_back(store: Store, client: Any) -> None:
    store.upgrader = Upgrade(client.delete)
    Brand.sync.insert(Brand(id="a", title="t"))

    with pytest.raises(NotFoundError):
        Item.sync.patch("a", price=9)

    assert not client.exists("item:a")
