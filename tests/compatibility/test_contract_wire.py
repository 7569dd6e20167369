"""The contract's list of commands, as what lies in Redis afterwards; where ours are others, with the same effect."""

from typing import Any

import pytest

from redis_models import Model, Store


class Book(Model):
    _primary_key_field = "title"
    title: str
    pages: int = 3


@pytest.fixture(autouse=True)
def _bound(store: Store) -> None:
    store.register_model(Book)


def calls(client: Any) -> dict[str, int]:
    """How often the server has executed each command, in scripts too."""
    return {name.removeprefix("cmdstat_"): stats["calls"] for name, stats in client.info("commandstats").items()}


async def test_insert_leaves_a_hash_and_its_member_of_the_index(client: Any) -> None:
    await Book.insert(Book(title="A"))

    assert client.hgetall("book:A") == {b"title": b"A", b"pages": b"3", b"_v": b"1"}  # the stamp is ours
    assert client.zrange("book:__index", 0, -1, withscores=True) == [(b"book:A", 0.0)]  # a set there: see the keys
    assert set(client.keys("*")) == {b"book:A", b"book:__index"}


async def test_insert_with_a_ttl_gives_it_to_the_record_only(client: Any) -> None:
    # Fault 15: pydantic-aioredis gave it to the index too.
    await Book.insert(Book(title="B"), life_span_seconds=60)

    assert 0 < client.ttl("book:B") <= 60
    assert client.ttl("book:__index") == -1


async def test_select_of_columns_reads_these_alone(client: Any) -> None:
    await Book.insert([Book(title="A"), Book(title="B")])
    client.hset("book:A", "huge", "x" * 1_000_000)
    before = client.info("stats")["total_net_output_bytes"]

    await Book.select(columns=["pages"])

    assert client.info("stats")["total_net_output_bytes"] - before < 100_000


async def test_select_scans_no_set_and_reads_each_record_once(client: Any) -> None:
    await Book.insert([Book(title=f"{number:03}") for number in range(100)])
    before = calls(client)

    await Book.select()

    made = {name: count - before.get(name, 0) for name, count in calls(client).items()}
    assert (made.get("sscan", 0), made.get("scan", 0), made.get("keys", 0)) == (0, 0, 0)
    assert made.get("hmget", 0) + made.get("hgetall", 0) == 100


async def test_delete_takes_the_hash_and_its_member(client: Any) -> None:
    await Book.insert([Book(title="A"), Book(title="B")])

    await Book.delete("A")

    assert client.zrange("book:__index", 0, -1) == [b"book:B"]
    assert client.exists("book:A") == 0


async def test_delete_of_all_takes_everything(client: Any) -> None:
    await Book.insert([Book(title="A"), Book(title="B")])

    assert await Book.delete_all() == 2

    assert client.keys("*") == []
