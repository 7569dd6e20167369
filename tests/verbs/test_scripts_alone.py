"""What lies where a record or the index should be: each verb refuses it by name, before it writes anything."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest
import redis

from redis_models import Field, Model, Store, inserting, reading, writing
from redis_models.errors import ConflictError, NotFoundError, RedisModelsError, WrongKeyTypeError


class Crate(Model):
    id: str = Field(primary_key=True)
    pieces: int = 1
    weight: float = 0.5

    class Meta:
        version = 2


@pytest.fixture
def table(store: Store, client: Any) -> Any:
    store.register_model(Crate)
    for id in ("a", "b"):
        client.hset(f"crate:{id}", mapping={"_v": 2, "id": id, "pieces": 3, "weight": 1.5})
        client.zadd("crate:__index", {f"crate:{id}": 0})
    yield Crate.sync
    Crate._store = None


def _state(client: Any) -> dict[bytes, bytes]:
    return {key: client.dump(key) for key in client.keys("*")}


def _save(table: Any, client: Any, spoil: Callable[[Any], object]) -> None:
    crate = table.get("a")
    spoil(client)
    crate.pieces = 9
    crate.sync.save()


_VERBS: dict[str, Callable[[Any], object]] = {
    "insert": lambda table: table.insert(Crate(id="a")),
    "insert several": lambda table: table.insert([Crate(id="b"), Crate(id="a")]),
    "insert only existing": lambda table: table.insert([Crate(id="b"), Crate(id="a")], only="existing"),
    "patch": lambda table: table.patch("a", pieces=2),
    "increment": lambda table: table.increment("a", "pieces"),
    "increment a float": lambda table: table.increment("a", "weight", 0.5),
    "delete": lambda table: table.delete("a"),
    "delete several": lambda table: table.delete(["b", "a"]),
    "expire": lambda table: table.expire("a", 60),
    "persist": lambda table: table.persist("a"),
}


def _spoil_index(client: Any) -> None:
    client.delete("crate:__index")
    client.sadd("crate:__index", "crate:a", "crate:b")


def _spoil_record(client: Any) -> None:
    client.delete("crate:a")
    client.rpush("crate:a", "no", "hash")


def _lose_record(client: Any) -> None:
    client.delete("crate:a")


@pytest.mark.parametrize("verb", _VERBS)
def test_an_index_that_is_none_is_refused_before_anything_is_written(table: Any, client: Any, verb: str) -> None:
    _spoil_index(client)
    before = _state(client)

    with pytest.raises(RedisModelsError, match="crate:__index"):
        _VERBS[verb](table)

    assert _state(client) == before


@pytest.mark.parametrize("verb", _VERBS)
def test_a_key_that_holds_no_hash_is_refused_before_anything_is_written(table: Any, client: Any, verb: str) -> None:
    _spoil_record(client)
    before = _state(client)

    with pytest.raises(WrongKeyTypeError, match="crate:a: holds no hash"):
        _VERBS[verb](table)

    assert _state(client) == before


@pytest.mark.parametrize(
    ("spoil", "error"),
    [(_spoil_index, ConflictError), (_spoil_record, WrongKeyTypeError), (_lose_record, NotFoundError)],
)
def test_so_it_is_when_a_loaded_record_is_saved(
    table: Any, client: Any, spoil: Callable[[Any], object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        _save(table, client, spoil)

    held = client.hgetall("crate:b")
    assert held[b"pieces"] == b"3"
    assert client.type("crate:a") != b"hash" or client.hget("crate:a", "pieces") == b"3"


def test_delete_all_passes_over_what_is_no_hash(table: Any, client: Any) -> None:
    _spoil_record(client)

    assert table.delete_all() == 1

    assert client.lrange("crate:a", 0, -1) == [b"no", b"hash"]
    assert not client.exists("crate:b")


@pytest.mark.parametrize("ids", [["x"], ["x", "y"], ["a", "x"]])
def test_nothing_of_what_must_exist_is_made_where_it_does_not(table: Any, client: Any, ids: list[str]) -> None:
    before = _state(client)

    with pytest.raises(NotFoundError, match="crate:x"):
        table.insert([Crate(id=one) for one in ids], only="existing")

    assert _state(client) == before


@contextmanager
def _without(right: str, client: Any, server: Any) -> Generator[Any]:
    """Give a client of somebody who may do everything but this."""
    client.execute_command("ACL", "SETUSER", "bob", "reset", "on", ">pw", "~*", "+@all", f"-{right}")
    with server.client(username="bob", password="pw") as bob:
        yield bob
    client.execute_command("ACL", "DELUSER", "bob")


@pytest.mark.parametrize("life", ["+60000", "60000"])
def test_the_right_to_end_records_is_needed_where_one_is_to_end(
    table: Any, client: Any, server: Any, life: str
) -> None:
    def write(bob: Any, *keys: str) -> Any:
        arguments = ["any", 2, life, 1, "pieces", *(7 for _ in keys)]
        return bob.eval(inserting._WRITE.source, 1 + len(keys), "crate:__index", *keys, *arguments)

    with _without("pexpire", client, server) as bob:
        before = _state(client)
        with pytest.raises(redis.ResponseError, match=r"pexpire|can't"):
            write(bob, "crate:a", "crate:new")
        assert _state(client) == before
        if life[0] == "+":  # which is for new ones only
            assert write(bob, "crate:a", "crate:b") == [0, 0, 0, 0]
        else:
            with pytest.raises(redis.ResponseError, match=r"pexpire|can't"):
                write(bob, "crate:a", "crate:b")


@pytest.mark.parametrize("stamp", ["1e0", "01", "0x1", " 1", "1 ", "1.0", "-1", "0", "", "1\0", "0" * 15 + "1"])
def test_a_stamp_that_is_no_version_is_not_taken_for_an_older_one(table: Any, client: Any, stamp: str) -> None:
    client.hset("crate:a", "_v", stamp)
    before = _state(client)
    refused = [b"REFUSED", b"NEWER", 1, stamp.encode()]
    keys = ["crate:__index", "crate:a"]

    assert client.eval(inserting._WRITE.source, 2, *keys, "any", 2, "", 1, "pieces", 7) == refused
    assert client.eval(writing._SAVE.source, 2, *keys, 2, "", 2, "pieces", 7) == refused
    assert client.eval(writing._INCREMENT.source, 2, *keys, 2, "pieces", 1, 0, "int", -9, 9) == refused
    assert _state(client) == before


def _overwrite(client: Any, stamp: Any, *fields: Any) -> Any:
    return client.eval(writing._OVERWRITE.source, 1, "crate:a", stamp, 2, *fields)


class TestOverwrite:
    """``overwrite.lua``."""

    def test_a_whole_record_takes_the_place_of_another_with_nothing_of_it(self, table: Any, client: Any) -> None:
        client.hset("crate:a", mapping={"_v": 1, "_b1.0.x": "kept", "old": "y"})
        client.pexpire("crate:a", 5_000_000)

        assert _overwrite(client, 1, "id", "a", "pieces", 7) == 1

        assert client.hgetall("crate:a") == {b"_v": b"2", b"id": b"a", b"pieces": b"7"}
        assert client.pttl("crate:a") > 4_000_000

    def test_what_has_no_stamp_is_of_version_1(self, table: Any, client: Any) -> None:
        client.hdel("crate:a", "_v")

        assert _overwrite(client, 1, "id", "a") == 1
        assert client.hgetall("crate:a") == {b"_v": b"2", b"id": b"a"}

    def test_more_fields_go_than_one_call_takes(self, table: Any, client: Any) -> None:
        client.hset("crate:a", mapping={f"f{number}": "x" for number in range(8_500)})

        assert _overwrite(client, 2, "id", "a") == 1
        assert client.hgetall("crate:a") == {b"_v": b"2", b"id": b"a"}

    @pytest.mark.parametrize("stamp", ["1", "3", "02", ""])
    def test_what_is_of_another_version_by_now_is_left_alone(self, table: Any, client: Any, stamp: str) -> None:
        before = _state(client)

        assert _overwrite(client, stamp, "id", "a") == 0
        assert _state(client) == before

    @pytest.mark.parametrize("spoil", [_lose_record, _spoil_record])
    def test_what_is_gone_or_no_hash_is_left_alone(self, table: Any, client: Any, spoil: Callable[[Any], None]) -> None:
        spoil(client)
        before = _state(client)

        assert _overwrite(client, 1, "id", "a") == 0
        assert _state(client) == before

    def test_what_the_server_refuses_is_said(self, table: Any, client: Any, server: Any) -> None:
        with _without("hget", client, server) as bob, pytest.raises(redis.ResponseError, match=r"hget|can't"):
            _overwrite(bob, 2, "id", "a")


def test_what_is_no_hash_stays_in_the_index_though_it_is_no_record(table: Any, client: Any) -> None:
    _spoil_record(client)
    client.zadd("crate:__index", {"crate:gone": 0})

    assert client.eval(reading._SWEEP.source, 4, "crate:__index", "crate:a", "crate:b", "crate:gone") == 1
    assert client.zrange("crate:__index", 0, -1) == [b"crate:a", b"crate:b"]


def test_who_may_not_look_whether_records_are_there_counts_none(table: Any, client: Any, server: Any) -> None:
    with _without("hlen", client, server) as bob, pytest.raises(redis.ResponseError, match=r"hlen|can't"):
        bob.eval(reading._SWEEP.source, 3, "crate:__index", "crate:a", "crate:b")


@pytest.mark.parametrize(
    ("held", "by", "sum"), [("0.1", 0.25, b"0.35"), ("0.1", 0.2, b"0.30000000000000004"), ("1.5", 0.5, b"2")]
)
def test_a_float_is_stored_as_the_shortest_text(table: Any, client: Any, held: str, by: float, sum: bytes) -> None:
    client.hset("crate:a", "weight", held)

    assert table.increment("a", "weight", by) == float(sum)
    assert client.hget("crate:a", "weight") == sum
