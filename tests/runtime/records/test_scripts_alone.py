"""What lies where a record or the index should be: each verb refuses it by name, before it writes anything."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final

import pytest
import redis

from redis_models import Field, Model, Store
from redis_models.errors import ConflictError, NotFoundError, RedisModelsError, WrongKeyTypeError
from redis_models.records import insert, read
from redis_models.records import write as writing

_TABLE: Final = ("crate:__index", "crate:__index:_definitions")  # the first keys of a script that writes


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
def test_a_key_that_does_not_hold_a_hash_is_refused_before_anything_is_written(
    table: Any, client: Any, verb: str
) -> None:
    _spoil_record(client)
    before = _state(client)

    with pytest.raises(WrongKeyTypeError, match="crate:a: does not hold a hash"):
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

    stored = client.hgetall("crate:b")
    assert stored[b"pieces"] == b"3"
    assert client.type("crate:a") != b"hash" or client.hget("crate:a", "pieces") == b"3"


def test_delete_all_skips_keys_that_are_not_hashes(table: Any, client: Any) -> None:
    _spoil_record(client)

    assert table.delete_all() == 1

    assert client.lrange("crate:a", 0, -1) == [b"no", b"hash"]
    assert not client.exists("crate:b")


@pytest.mark.parametrize("ids", [["x"], ["x", "y"], ["a", "x"]])
def test_nothing_of_what_must_exist_is_made_where_it_does_not(table: Any, client: Any, ids: list[str]) -> None:
    before = _state(client)

    with pytest.raises(NotFoundError, match="crate:x"):
        table.insert([Crate(id=id_) for id_ in ids], only="existing")

    assert _state(client) == before


@contextmanager
def _without(right: str, client: Any, server: Any) -> Generator[Any]:
    """Give a client of a user who may do everything but this."""
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
        return bob.eval(insert._WRITE.source, 2 + len(keys), *_TABLE, *keys, *arguments)

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
def test_a_stamp_that_is_not_a_version_does_not_count_as_an_older_one(table: Any, client: Any, stamp: str) -> None:
    client.hset("crate:a", "_v", stamp)
    before = _state(client)
    refused = [b"REFUSED", b"NEWER", 1, stamp.encode()]
    keys = [*_TABLE, "crate:a"]

    assert client.eval(insert._WRITE.source, 3, *keys, "any", 2, "", 1, "pieces", 7) == refused
    assert client.eval(writing._SAVE.source, 3, *keys, 2, "", 2, "pieces", 7) == refused
    assert client.eval(writing._INCREMENT.source, 3, *keys, 2, "pieces", 1, 0, "int", -9, 9) == refused
    assert _state(client) == before


_WAYS: Final[dict[str, Callable[[Any], tuple[Any, Any]]]] = {
    "one": lambda fields: (insert._PUT, fields),
    "many": lambda fields: (insert._WRITE, [len(fields) // 2, *fields[::2], *fields[1::2]]),
    "many that differ": lambda fields: (insert._WRITE, ["", len(fields), *fields]),
}


class TestReplacing:
    """``whole.lua``, in ``put.lua`` and ``write.lua``: a whole record in the place of one that cannot be brought up."""

    @pytest.fixture(params=_WAYS)
    def put(self, request: pytest.FixtureRequest, table: Any, client: Any) -> Callable[..., Any]:
        def put(mode: str, *fields: Any, by: Any = client, life: str = "") -> Any:
            script, arguments = _WAYS[request.param](fields)
            return by.eval(script.source, 3, *_TABLE, "crate:a", mode, 2, life, *arguments)

        return put

    def test_nothing_of_the_old_one_is_left_but_when_it_ends(self, put: Callable[..., Any], client: Any) -> None:
        client.hset("crate:a", mapping={"_v": 1, "_b1.0.x": "kept", "old": "y"})
        client.pexpire("crate:a", 5_000_000)
        client.zrem("crate:__index", "crate:a")

        assert put("any 1:1", "id", "a", "pieces", 7) == [0, 1]

        assert client.hgetall("crate:a") == {b"_v": b"2", b"id": b"a", b"pieces": b"7"}
        assert client.pttl("crate:a") > 4_000_000
        assert client.zscore("crate:__index", "crate:a") == 0

    def test_what_has_no_stamp_is_of_version_1(self, put: Callable[..., Any], client: Any) -> None:
        client.hdel("crate:a", "_v")

        assert put("existing 1:1", "id", "a") == [0, 0]
        assert client.hgetall("crate:a") == {b"_v": b"2", b"id": b"a"}

    def test_more_fields_go_than_one_call_takes(self, put: Callable[..., Any], client: Any) -> None:
        client.hset("crate:a", mapping={"_v": 1, **{f"f{number}": "x" for number in range(8_500)}})

        assert put("any 1:1", "id", "a") == [0, 0]
        assert client.hgetall("crate:a") == {b"_v": b"2", b"id": b"a"}

    @pytest.mark.parametrize("mode", ["any", "any 1:10", "any 11:1", "any 2:1", "any 1:2", "existing 1:0"])
    def test_another_version_or_another_record_is_refused(
        self, put: Callable[..., Any], client: Any, mode: str
    ) -> None:
        client.hset("crate:a", "_v", 1)
        before = _state(client)

        assert put(mode, "id", "a") == [b"REFUSED", b"OLDER", 1, b"1"]
        assert _state(client) == before

    @pytest.mark.parametrize("stamp", ["3", "02", "x"])
    def test_what_is_not_older_is_never_replaced(self, put: Callable[..., Any], client: Any, stamp: str) -> None:
        client.hset("crate:a", "_v", stamp)
        before = _state(client)

        assert put(f"any 1:{stamp}", "id", "a") == [b"REFUSED", b"NEWER", 1, stamp.encode()]
        assert _state(client) == before

    def test_what_was_brought_up_meanwhile_keeps_its_other_fields(self, put: Callable[..., Any], client: Any) -> None:
        assert put("any 1:1", "id", "a") == [0, 0]
        assert client.hgetall("crate:a") == {b"_v": b"2", b"id": b"a", b"pieces": b"3", b"weight": b"1.5"}

    def test_a_missing_key_or_one_that_is_not_a_hash_is_not_an_old_record(
        self, put: Callable[..., Any], client: Any
    ) -> None:
        _lose_record(client)
        assert put("existing 1:1", "id", "a") == [b"REFUSED", b"GONE", 1, b""]
        assert put("any 1:1", "id", "a") == [1, 0]
        _spoil_record(client)
        before = _state(client)

        assert put("any 1:1", "id", "a") == [b"REFUSED", b"TYPE", 1, b""]
        assert _state(client) == before

    @pytest.mark.parametrize("right", ["hdel", "hkeys", "hset"])
    def test_without_a_right_nothing_is_written(
        self, put: Callable[..., Any], client: Any, server: Any, right: str
    ) -> None:
        client.hset("crate:a", mapping={"_v": 1, "old": "y"})
        client.zrem("crate:__index", "crate:a")
        before = _state(client)

        with _without(right, client, server) as bob, pytest.raises(redis.ResponseError, match=rf"{right}|can't"):
            put("any 1:1", "id", "a", by=bob)

        assert _state(client) == before


def test_of_several_records_those_that_are_named_are_replaced(table: Any, client: Any) -> None:
    client.hset("crate:b", mapping={"_v": 1, "old": "y"})

    reply = client.eval(insert._WRITE.source, 4, *_TABLE, "crate:a", "crate:b", "any 2:1", 2, "", 1, "pieces", 7, 8)

    assert reply == [0, 0, 0, 0]
    assert client.hgetall("crate:a") == {b"_v": b"2", b"id": b"a", b"pieces": b"7", b"weight": b"1.5"}
    assert client.hgetall("crate:b") == {b"_v": b"2", b"pieces": b"8"}


def test_a_key_that_is_not_a_hash_stays_in_the_index(table: Any, client: Any) -> None:
    _spoil_record(client)
    client.zadd("crate:__index", {"crate:gone": 0})

    assert client.eval(read._SWEEP.source, 4, "crate:__index", "crate:a", "crate:b", "crate:gone") == 1
    assert client.zrange("crate:__index", 0, -1) == [b"crate:a", b"crate:b"]


def test_who_may_not_look_whether_records_are_there_counts_none(table: Any, client: Any, server: Any) -> None:
    with _without("hlen", client, server) as bob, pytest.raises(redis.ResponseError, match=r"hlen|can't"):
        bob.eval(read._SWEEP.source, 3, "crate:__index", "crate:a", "crate:b")


@pytest.mark.parametrize(
    ("stored", "by", "sum"), [("0.1", 0.25, b"0.35"), ("0.1", 0.2, b"0.30000000000000004"), ("1.5", 0.5, b"2")]
)
def test_a_float_is_stored_as_the_shortest_text(table: Any, client: Any, stored: str, by: float, sum: bytes) -> None:
    client.hset("crate:a", "weight", stored)

    assert table.increment("a", "weight", by) == float(sum)
    assert client.hget("crate:a", "weight") == sum
