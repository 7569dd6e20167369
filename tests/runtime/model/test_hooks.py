"""``serialize_partially`` and ``deserialize_partially`` overridden: what a save writes, two writers, errors, keys."""

import base64
import os
from datetime import date
from decimal import Decimal
from typing import Any

import pydantic
import pytest
from pydantic import BaseModel, ConfigDict, field_validator

from redis_models import AutoModel, Field, Model, Store
from redis_models.errors import (
    ConflictError,
    DataError,
    DecodeError,
    EncodeError,
    NotFoundError,
)
from redis_models.migrations.maintenance.record_check import judge


def lock(text: str) -> str:
    """Another text each time, as a cipher with a random start gives it."""
    return base64.b64encode(os.urandom(6) + text.encode()).decode()


def unlock(text: str) -> str:
    return base64.b64decode(text, validate=True)[6:].decode()


class Inner(BaseModel):
    price: Decimal = Decimal("1.10")
    days: set[date] = Field(default_factory=set[date])


class Patient(Model):
    id: str = Field(primary_key=True)
    name: str = ""
    illness: str = ""
    note: str | None = None
    visits: int = 0
    inner: Inner = Inner()
    lots: list[Inner] = Field(default_factory=list[Inner])
    tags: set[int] = Field(default_factory=set[int])
    blob: bytes = b""
    code: pydantic.SecretStr = pydantic.SecretStr("")

    @classmethod
    def serialize_partially(cls, data: Any) -> Any:
        for name in ("illness", "note"):
            if data.get(name) is not None:
                data[name] = lock(data[name])
        return super().serialize_partially(data)

    @classmethod
    def deserialize_partially(cls, data: Any) -> Any:
        value = super().deserialize_partially(data)
        return {
            name: unlock(message) if name in ("illness", "note") and message is not None else message
            for name, message in value.items()
        }


class AutoPatient(Patient, AutoModel):
    pass


class Sluggish(Model):
    """Its hook makes one field of another, needs all, and adds one that is not declared."""

    id: str = Field(primary_key=True)
    title: str = ""
    slug: str = ""
    words: list[str] = Field(default_factory=list[str])
    size: int = 0

    @classmethod
    def serialize_partially(cls, data: Any) -> Any:
        data["slug"] = "-".join([data["title"].lower(), *data["words"]])
        data["total"] = len(data["title"]) + data["size"]
        return super().serialize_partially(data)


class Open(Model):
    model_config = ConfigDict(extra="allow")

    id: str = Field(primary_key=True)

    @classmethod
    def serialize_partially(cls, data: Any) -> Any:
        return super().serialize_partially({n: lock(v) if n == "secret" else v for n, v in data.items()})

    @classmethod
    def deserialize_partially(cls, data: Any) -> Any:
        return super().deserialize_partially({n: unlock(v) if n == "secret" else v for n, v in data.items()})


@pytest.fixture(autouse=True)
def _bound(store: Store) -> None:
    models: list[type[Model]] = [Patient, AutoPatient, Sluggish, Open]
    for model in models:
        store.register_model(model)


ROW: dict[str, Any] = {
    "name": "Ann", "illness": "flu", "note": "None", "visits": 3, "tags": {1, 2}, "blob": b"\xff\x00",
    "inner": Inner(days={date(2020, 1, 2)}), "lots": [Inner(price=Decimal("2.50"))], "code": pydantic.SecretStr("k"),
}  # fmt: skip


def held(client: Any, key: str) -> dict[str, bytes]:
    return {name.decode(): raw for name, raw in client.hgetall(key).items()}


async def test_values_of_every_type_come_back_and_only_what_the_hook_changed_is_stored_otherwise(client: Any) -> None:
    record = Patient(id="a", **ROW)
    await Patient.insert(record)
    raw = held(client, "patient:a")

    assert await Patient.get("a") == record
    assert unlock(raw["illness"].decode()) == "flu"
    assert unlock(raw["note"].decode()) == "None"
    assert (raw["tags"], raw["visits"]) == (b"[1, 2]", b"3")
    assert raw["inner"] == b'{"price": "1.10", "days": ["2020-01-02"]}'
    assert raw["code"] == b'"k"'


async def test_a_save_writes_what_changed_and_not_what_only_looks_otherwise(client: Any) -> None:
    await Patient.insert(Patient(id="a", **ROW))
    before = held(client, "patient:a")
    record, other = await Patient.get("a"), await Patient.get("a")

    other.illness = "cold"
    await other.save()
    record.visits = 4
    record.tags.add(3)
    await record.save()
    await record.save()

    after = held(client, "patient:a")
    assert {name for name in before if after[name] != before[name]} == {"illness", "visits", "tags"}
    assert unlock(after["illness"].decode()) == "cold"
    assert (after["visits"], after["tags"]) == (b"4", b"[1, 2, 3]")


@pytest.mark.parametrize("way", ["assign", "update", "sync", "patch", "auto"])
async def test_every_way_of_changing_a_field_goes_through_the_hook(way: str, client: Any) -> None:
    model = AutoPatient if way == "auto" else Patient
    key = f"{model.__name__.lower()}:a"
    record = model(id="a", illness="flu")
    await record.save()
    if way == "patch":
        await Patient.patch("a", illness="cold")
    elif way == "update":
        async with record.update():
            record.illness = "cold"
    else:
        record.illness = "cold"
        if way != "auto":
            await (record.save() if way == "assign" else _blocking(record))

    assert unlock(client.hget(key, "illness").decode()) == "cold"
    assert (await model.get("a")).illness == "cold"


async def _blocking(record: Model) -> None:
    record.sync.save()


async def test_a_save_if_unchanged_compares_what_is_stored() -> None:
    await Patient.insert(Patient(id="a", illness="flu"))
    record, other = await Patient.get("a"), await Patient.get("a")
    other.illness = "cold"
    await other.save(if_unchanged=True)
    record.visits = 1

    with pytest.raises(ConflictError, match="illness"):
        await record.save(if_unchanged=True)
    again = await Patient.get("a")
    again.visits = 1
    await again.save(if_unchanged=True)
    assert (await Patient.get("a")).visits == 1


async def test_a_record_that_was_deleted_is_not_brought_back(client: Any) -> None:
    record = Patient(id="a", illness="flu")
    await record.save()
    client.delete("patient:a")
    record.illness = "cold"

    with pytest.raises(NotFoundError):
        await record.save()


async def test_what_is_made_of_a_changed_value_follows_it_and_nothing_else_does(client: Any) -> None:
    record = Sluggish(id="a", title="Big News", words=["x"])
    await record.save()
    other = await Sluggish.get("a")
    client.hset("sluggish:a", "size", "5")  # another writer

    other.title = "Old News"
    await other.save()
    renamed = held(client, "sluggish:a")
    other.words.append("y")
    await other.save()

    assert (renamed["slug"], renamed["total"], renamed["size"]) == (b"old news-x", b"8", b"5")
    assert client.hget("sluggish:a", "slug") == b"old news-x-y"


async def test_a_patch_whose_hook_needs_other_fields_says_what_to_do(client: Any) -> None:
    await Sluggish(id="a", title="T").save()

    with pytest.raises(EncodeError, match=r"Sluggish.serialize_partially raised KeyError: .title.") as raised:
        await Sluggish.patch("a", size=3)
    assert "assign and save" in str(raised.value)
    assert client.hget("sluggish:a", "size") == b"0"


async def test_increment_is_refused_by_name_with_what_to_use_instead() -> None:
    await Patient.insert(Patient(id="a"))

    with pytest.raises(EncodeError, match=r"Patient.serialize_partially is not called.*save\(if_unchanged=True\)"):
        await Patient.increment("a", "visits")
    with pytest.raises(EncodeError, match="is not called"):
        Patient.sync.increment("a", "visits", 2)


async def test_extra_fields_go_through_the_hooks_too(client: Any) -> None:
    record = Open(id="a", secret="s", size=3, list=[1])  # type: ignore[call-arg]
    await record.save()
    found: Any = await Open.get("a")
    found.size = 4
    del found.list
    await found.save()

    assert unlock(client.hget("open:a", "secret").decode()) == "s"
    assert held(client, "open:a").keys() == {"_v", "id", "secret", "size"}
    assert (await Open.get("a")).model_extra == {"secret": "s", "size": 4}


async def test_a_record_that_a_hook_cannot_read_is_one_bad_record(client: Any) -> None:
    await Patient.insert([Patient(id="a"), Patient(id="b"), Patient(id="c")])
    client.hset("patient:b", "illness", "no base64!")
    bad: list[DataError] = []

    with pytest.raises(DecodeError, match=r"patient:b: Patient.deserialize_partially raised \w+$") as raised:
        await Patient.get("b")
    found = await Patient.select(bad_records=bad)

    # A model that holds a secret somewhere tells no text, which may quote it.
    assert (raised.value.__cause__, raised.value.__context__) == (None, None)
    assert [record.id for record in found or []] == ["a", "c"]
    assert [getattr(error, "key", "") for error in bad] == ["patient:b"]


async def test_what_a_hook_raises_is_the_cause_of_the_error(client: Any) -> None:
    client.hset("open:a", mapping={"id": "a", "secret": "no base64!"})

    with pytest.raises(DecodeError, match=r"open:a: Open.deserialize_partially raised \w+: .+") as raised:
        await Open.get("a")

    assert isinstance(raised.value.__cause__, ValueError)


def test_what_a_hook_raises_may_be_hidden(store: Store) -> None:
    class Shy(Model):
        model_config = ConfigDict(hide_input_in_errors=True)
        id: str = Field(primary_key=True)

        @classmethod
        def serialize_partially(cls, data: Any) -> Any:
            raise ValueError("the secret is 42")

    store.register_model(Shy)
    with pytest.raises(EncodeError) as raised:
        Shy.sync.insert(Shy(id="a"))
    assert "42" not in str(raised.value)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "returned NoneType; it must return the dict"),
        ({"id": None}, "returned a NoneType for it; Redis takes text, bytes and numbers"),
        ({"id": True}, "returned a bool for it"),
        ({"id": [1]}, "returned a list for it"),
        ({"_v": "9"}, "are reserved"),
    ],
)
def test_what_a_hook_gives_that_redis_does_not_take_is_refused(
    value: Any, reason: str, store: Store, client: Any
) -> None:
    class Strange(Model):
        id: str = Field(primary_key=True)

        @classmethod
        def serialize_partially(cls, data: Any) -> Any:
            return value

    store.register_model(Strange)
    with pytest.raises(EncodeError, match=reason):
        Strange.sync.insert([Strange(id="a"), Strange(id="b")])
    assert client.keys("*") == []


async def test_a_hook_may_read_and_write_bytes(store: Store, client: Any) -> None:
    class Raw(Model):
        id: str = Field(primary_key=True)
        word: str = ""

        @classmethod
        def serialize_partially(cls, data: Any) -> Any:
            return {**super().serialize_partially(data), "word": b"\xff" + data["word"].encode()}

        @classmethod
        def deserialize_partially(cls, data: Any) -> Any:
            assert isinstance(data["word"], bytes)
            return {**data, "word": data["word"][1:].decode()}

    store.register_model(Raw)
    await Raw.insert(Raw(id="a", word="w"))

    assert client.hget("raw:a", "word") == b"\xffw"
    assert (await Raw.get("a")).word == "w"


async def test_a_hook_set_on_the_class_later_counts_from_then_on(store: Store, client: Any) -> None:
    class Late(Model):
        id: str = Field(primary_key=True)
        word: str = ""

    store.register_model(Late)
    await Late.insert(Late(id="a", word="w"))
    own = Late.serialize_partially
    Late.serialize_partially = lambda data: {**own(data), "word": "other"}  # type: ignore[method-assign]
    await Late.insert(Late(id="b", word="w"))

    assert client.hmget("late:a", "word") + client.hmget("late:b", "word") == [b"w", b"other"]


async def test_validators_see_what_the_hook_gives_and_spoil_nothing(store: Store) -> None:
    class Hashed(Model):
        id: str = Field(primary_key=True)
        password: str = ""

        @field_validator("password")
        @classmethod
        def _hash(cls, value: str) -> str:
            return f"h({value})"

        @classmethod
        def serialize_partially(cls, data: Any) -> Any:
            return super().serialize_partially({**data, "password": lock(data["password"])})

        @classmethod
        def deserialize_partially(cls, data: Any) -> Any:
            return super().deserialize_partially({**data, "password": unlock(data["password"])})

    store.register_model(Hashed)
    await Hashed.insert(Hashed(id="a", password="p"))

    assert (await Hashed.get("a")).password == "h(p)"


def test_verify_reads_through_the_hooks(client: Any) -> None:
    Patient.sync.insert(Patient(id="a", **ROW))
    Sluggish.sync.insert(Sluggish(id="a", title="T"))
    record = held(client, "patient:a")
    spoilt = {**record, "illness": b"no base64!"}

    assert list(judge(Patient.__mapper__, "patient:a", record, -1)) == []
    assert list(judge(Sluggish.__mapper__, "sluggish:a", held(client, "sluggish:a"), -1)) == []
    [found] = judge(Patient.__mapper__, "patient:a", spoilt, -1)
    assert (found.kind.value, "deserialize_partially" in found.reason) == ("unreadable", True)


def test_models_without_overrides_have_the_plain_shape() -> None:
    class Plain(Model):
        id: str = Field(primary_key=True)

    class Worded(Plain):
        @classmethod
        def json_default(cls, obj: Any) -> Any:
            return str(obj)

    assert [model.__mapper__.hooks for model in (Plain, Worded)] == [(), ()]
    assert [model.__overrides__ for model in (Plain, Worded)] == [frozenset(), frozenset()]
    assert Patient.__mapper__.hooks == ("serialize_partially", "deserialize_partially")
