"""What is a stamp, and what is none: the same for scripts and for Python, for every verb, and told with its key."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import redis_models
from redis_models import Field, Model, Store
from redis_models.errors import DataError, DecodeError, ModelDeclarationError, RecordTooNewError
from redis_models.mapping.stored_field import stored_version

NONE = {
    "5,000 digits": b"7" * 5000,
    "16 digits": b"1000000000000000",
    "a 0 in front": b"04",
    "nothing": b"",
    "0": b"0",
    "below": b"-1",
    "a sign": b"+4",
    "a fraction": b"4.0",
    "an exponent": b"4e0",
    "hexadecimal": b"0x4",
    "a space before": b" 4",
    "a line end": b"4\n",
    "NUL": b"4\0",
    "no number": b"nan",
    "without end": b"inf",
    "no text": b"\xff4",
    "other digits": "٤".encode(),
    "words": b"four",
}
bad_stamps = pytest.mark.parametrize("stamp", NONE.values(), ids=NONE)


class Barrel(Model):
    id: str = Field(primary_key=True)
    litres: int = 10
    price: float = 2.5

    class Meta:
        version = 4


@pytest.fixture
def table(store: Store, client: Any) -> Any:
    store.register_model(Barrel)
    for id in ("bad", "good"):
        client.hset(f"barrel:{id}", mapping={"_v": 4, "id": id, "litres": 3, "price": 1.5})
        client.zadd("barrel:__index", {f"barrel:{id}": 0})
    yield Barrel.sync
    Barrel._store = None


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stamp=st.binary(max_size=20) | st.from_regex(rb"[+-]?[0-9]{0,17}[.e]?[0-9]?", fullmatch=True))
@example(stamp=b"999999999999999")
@example(stamp=b"1")
@example(stamp=b"7" * 5000)
def test_scripts_and_python_agree_on_what_a_stamp_is(client: Any, stamp: bytes) -> None:
    lua = (Path(redis_models.__file__).parent / "lua/stamp.lua").read_text()
    reply = client.eval(
        lua + "local found = version_of(ARGV[1]) return found and string.format('%.0f', found)", 0, stamp
    )
    try:
        version = stored_version("k", stamp)
    except DecodeError:
        assert reply is None
    else:
        assert reply == b"%d" % version == stamp


def _load_and_save(table: Any, client: redis.Redis, stamp: bytes) -> None:
    client.hset("barrel:bad", "_v", "4")
    barrel = table.get("bad")
    client.hset("barrel:bad", "_v", stamp)
    barrel.litres = 8
    barrel.sync.save()


_VERBS: dict[str, Callable[[Any, Any, bytes], object]] = {
    "get": lambda table, client, stamp: table.get("bad"),
    "get several": lambda table, client, stamp: table.get_many(["good", "bad"]),
    "select": lambda table, client, stamp: table.select(),
    "select columns": lambda table, client, stamp: table.select(columns=["litres"]),
    "iterate": lambda table, client, stamp: list(table.iterate()),
    "insert one": lambda table, client, stamp: table.insert(Barrel(id="bad")),
    "insert several": lambda table, client, stamp: table.insert([Barrel(id="good"), Barrel(id="bad")]),
    "save": _load_and_save,
    "patch": lambda table, client, stamp: table.patch("bad", litres=1),
    "increment": lambda table, client, stamp: table.increment("bad", "litres"),
    "increment a float": lambda table, client, stamp: table.increment("bad", "price", 0.5),
}


@pytest.mark.parametrize("verb", _VERBS)
@bad_stamps
def test_every_verb_names_the_key_and_the_stamp_and_writes_nothing(
    table: Any, client: Any, stamp: bytes, verb: str
) -> None:
    client.hset("barrel:bad", "_v", stamp)
    before = client.dump("barrel:bad"), client.dump("barrel:good")

    with pytest.raises(DecodeError) as caught:
        _VERBS[verb](table, client, stamp)

    assert (caught.value.key, caught.value.field, caught.value.raw) == ("barrel:bad", "_v", stamp)
    assert re.match(r"barrel:bad: field '_v' holds b.{0,200}: the stamp must be a whole number", str(caught.value))
    assert len(str(caught.value)) < 400
    assert (client.dump("barrel:bad"), client.dump("barrel:good")) == before


@bad_stamps
def test_a_bad_stamp_keeps_no_other_record_from_being_read(table: Any, client: Any, stamp: bytes) -> None:
    client.hset("barrel:bad", "_v", stamp)
    bad: list[DataError] = []

    found = table.select(bad_records=bad)

    assert [record.id for record in found] == ["good"]
    assert [type(error) for error in bad] == [DecodeError]


@bad_stamps
def test_operations_without_a_version_check_work_with_any_stamp(table: Any, client: Any, stamp: bytes) -> None:
    client.hset("barrel:bad", "_v", stamp)

    table.expire("bad", 60)
    table.persist("bad")

    assert table.exists("bad") and table.ttl("bad") is None and table.count() == 2
    assert table.delete("bad") == [1, 1]


def test_the_greatest_stamp_is_a_newer_version(table: Any, client: Any) -> None:
    client.hset("barrel:bad", "_v", 10**15 - 1)

    for verb in ("get", "insert one", "patch"):
        with pytest.raises(RecordTooNewError, match="version 999999999999999"):
            _VERBS[verb](table, client, b"")


def test_a_model_has_no_version_that_could_not_be_a_stamp(store: Store) -> None:
    class Huge(Model):
        id: str = Field(primary_key=True)

        class Meta:
            version = 10**15

    with pytest.raises(ModelDeclarationError, match=r"version .* a whole number from 1, of at most 15 digits"):
        store.register_model(Huge)
