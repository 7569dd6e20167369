"""Methods that applications of pydantic-aioredis override. Bytes and answers were recorded with its release 1.4.0."""

import asyncio
import datetime as dt
from typing import Any, cast

import pytest
from pydantic import BaseModel

from redis_models import AutoModel, Field, Model, Store


def enc(text: str) -> str:
    return "enc:" + text[::-1]


def dec(text: str) -> str:
    return text[4:][::-1]


class Sub(BaseModel):
    street: str = ""
    n: int = 0


class Before(Model):
    """Encrypts values, as its documentation shows it."""

    _primary_key_field = "id"
    id: str
    secret: str = ""
    maybe: str | None = None
    n: int = 0
    day: dt.date = dt.date(2020, 1, 2)
    tags: list[str] = Field(default_factory=list)

    @classmethod
    def serialize_partially(cls, data: Any) -> Any:
        data["secret"] = enc(data["secret"])
        if data.get("maybe") is not None:
            data["maybe"] = enc(data["maybe"])
        return super().serialize_partially(data)

    @classmethod
    def deserialize_partially(cls, data: Any) -> Any:
        data = super().deserialize_partially(data)
        data["secret"] = dec(data["secret"])
        if data.get("maybe") is not None:
            data["maybe"] = dec(data["maybe"])
        return data


class After(Model):
    """Encrypts what is stored, of fields of all kinds."""

    _primary_key_field = "id"
    id: str
    n: int = 0
    day: dt.date = dt.date(2020, 1, 2)
    tags: list[str] = Field(default_factory=list)
    sub: Sub = Sub()
    anything: Any = None

    @classmethod
    def serialize_partially(cls, data: Any) -> Any:
        data = super().serialize_partially(data)
        return {name: enc(str(value)) if name in ("n", "day", "tags", "sub") else value for name, value in data.items()}

    @classmethod
    def deserialize_partially(cls, data: Any) -> Any:
        values = {name: dec(value) if name in ("n", "day", "tags", "sub") else value for name, value in data.items()}
        return super().deserialize_partially(values)


class Names(Model):
    """Stores under other names, leaves out, adds, and changes what is within a nested object."""

    _primary_key_field = "id"
    id: str
    name: str = ""
    secret: str = ""
    cached: str = ""
    sub: Sub = Sub()

    @classmethod
    def serialize_partially(cls, data: Any) -> Any:
        data["search"], data["length"] = data["name"].lower(), len(data["name"])
        data["hidden"] = enc(data.pop("secret"))
        data.pop("cached")
        data["sub"]["street"] = data["sub"]["street"].upper()
        return super().serialize_partially(data)

    @classmethod
    def deserialize_partially(cls, data: Any) -> Any:
        data = super().deserialize_partially(data)
        data["secret"], data["cached"] = dec(data.pop("hidden")), "c"
        data["sub"]["street"] = data["sub"]["street"].lower()
        return data


class Padded(AutoModel):
    _primary_key_field = "id"
    id: str
    secret: str = ""
    n: int = 0

    @classmethod
    def serialize_partially(cls, data: Any) -> Any:
        data["secret"], data["n"] = enc(data["secret"]), f"{data['n']:05d}"
        return super().serialize_partially(data)

    @classmethod
    def deserialize_partially(cls, data: Any) -> Any:
        data["secret"] = dec(data["secret"])
        return super().deserialize_partially(data)


class Tenant(Model):
    _primary_key_field = "id"
    id: str
    v: int = 0

    @classmethod
    def _get_tablename(cls) -> str:
        return "tenant1"

    @classmethod
    def _get_prefix(cls) -> str:
        return "pp:"


class Index(Model):
    _primary_key_field = "id"
    id: str
    v: int = 0

    @classmethod
    def get_table_index_key(cls) -> str:
        return "my:index"


class Picky(Model):
    """Takes ids in any case."""

    _primary_key_field = "id"
    id: str

    @classmethod
    async def _ids_to_primary_keys(cls, ids: Any = None) -> Any:
        records = cast("list[str]", ids if type(cast(object, ids)) is list else [ids])
        return await super()._ids_to_primary_keys(None if ids is None else [pk.lower() for pk in records])


class Saves(AutoModel):
    _primary_key_field = "id"
    id: str
    v: int = 0
    stamp: str = ""

    async def save(self, *arguments: Any, **options: Any) -> None:
        self.stamp = f"saved {self.v}"
        await super().save(*arguments, **options)


class Inserts(AutoModel):
    _primary_key_field = "id"
    id: str
    v: int = 0
    stamp: str = ""

    @classmethod
    async def insert(cls, data: Any, life_span_seconds: Any = None) -> Any:  # type: ignore[override]  # as there
        for instance in cast("list[Inserts]", data if type(cast(object, data)) is list else [data]):
            instance.stamp = f"inserted {instance.v}"
        return await super().insert(data, life_span_seconds)


@pytest.fixture(autouse=True)
def _bound(store: Store) -> None:
    models: list[type[Model]] = [Before, After, Names, Padded, Tenant, Index, Picky, Saves, Inserts]
    for model in models:
        store.register_model(model)


def stored(client: Any) -> dict[str, Any]:
    """All that lies in the server, without stamps; of indexes their members."""
    found: dict[str, Any] = {}
    for key in sorted(client.keys("*")):
        if client.type(key) == b"hash":
            fields = {name.decode(): raw.decode() for name, raw in client.hgetall(key).items() if name != b"_v"}
            found[key.decode()] = dict(sorted(fields.items()))
        else:
            found[key.decode()] = [member.decode() for member in client.zrange(key, 0, -1)]
    return found


ROWS: list[tuple[Any, dict[str, Any], dict[str, str], dict[str, Any], dict[str, str]]] = [
    # Model, values; what 1.4.0 stores of them; what update() changes, and what it changes in the hash.
    (
        Before,
        {"secret": "abc", "maybe": "None", "n": 3, "tags": ["a"]},
        {"day": '"2020-01-02"', "id": "1", "maybe": "enc:enoN", "n": "3", "secret": "enc:cba", "tags": '["a"]'},
        {"secret": "zz"},
        {"secret": "enc:zz"},
    ),
    (
        After,
        {"n": 7, "tags": ["x"], "sub": Sub(street="Via", n=2), "anything": {"a": 1}},
        {
            "anything": '{"a": 1}', "day": 'enc:"20-10-0202"', "id": "1", "n": "enc:7",
            "sub": 'enc:}2 :"n" ,"aiV" :"teerts"{', "tags": 'enc:]"x"[',
        },
        {"n": 8, "sub": Sub(street="new")},
        {"n": "enc:8", "sub": 'enc:}0 :"n" ,"wen" :"teerts"{'},
    ),
    (
        Names,
        {"name": "Ann", "secret": "pq", "cached": "zz", "sub": Sub(street="via")},
        {
            "hidden": "enc:qp", "id": "1", "length": "3", "name": "Ann", "search": "ann",
            "sub": '{"street": "VIA", "n": 0}',
        },
        {"name": "Bob", "secret": "other"},
        {"name": "Bob", "search": "bob", "hidden": "enc:rehto"},
    ),
]  # fmt: skip
_IDS = [row[0].__name__ for row in ROWS]


@pytest.mark.parametrize(("model", "values", "raw", "changes", "changed"), ROWS, ids=_IDS)
async def test_what_an_overridden_serialize_partially_gives_is_stored_by_every_write(
    model: Any, values: Any, raw: Any, changes: Any, changed: Any, client: Any
) -> None:
    table = model.__name__.lower()
    index = {f"{table}:__index": [f"{table}:1"]}
    record = model(id="1", **values)
    await model.insert(record)
    inserted = stored(client)
    client.flushall()
    await model.insert([model(id=str(number), **values) for number in (1, 2, 3)])
    many = stored(client)
    client.flushall()
    record = model(id="1", **values)
    await record.save()
    saved = stored(client)

    async with record.update():
        for name, value in changes.items():
            setattr(record, name, value)

    assert inserted == saved == {f"{table}:1": raw, **index}
    assert many[f"{table}:3"] == {**raw, "id": "3"}
    assert stored(client) == {f"{table}:1": {**raw, **changed}, **index}
    assert (await model.get("1")).model_dump(exclude={"cached"}) == record.model_dump(exclude={"cached"})


@pytest.mark.parametrize(("model", "values", "raw", "changes", "changed"), ROWS, ids=_IDS)
async def test_every_reader_uses_an_overridden_deserialize_partially(
    model: Any, values: Any, raw: Any, changes: Any, changed: Any, client: Any
) -> None:
    client.hset(f"{model.__name__.lower()}:1", mapping=raw)
    client.zadd(f"{model.__name__.lower()}:__index", {f"{model.__name__.lower()}:1": 0})
    meant = model(id="1", **values)
    if hasattr(meant, "cached"):
        meant.cached = "c"

    found = [
        await model.get("1"), *(await model.select()), *(await model.select(ids=["1"])), *(await model.get_many(["1"])),
        *(await model.page(1)), *[record async for record in model.iterate()],
        model.sync.get("1"), *model.sync.select(),
    ]  # fmt: skip

    assert found == [meant] * 8


async def test_columns_are_what_the_hook_gives(client: Any) -> None:
    await Before.insert(Before(id="1", secret="abc", n=3, tags=["a"]))
    await After.insert(After(id="1", n=7, tags=["x"]))

    columns = await Before.select(columns=["id", "secret", "n", "day", "tags"])
    assert columns == [{"day": "2020-01-02", "id": "1", "n": "3", "secret": "abc", "tags": ["a"]}]
    columns = await After.select(columns=["id", "n", "day", "tags"])
    assert columns == [{"day": "2020-01-02", "id": "1", "n": "7", "tags": ["x"]}]


def test_an_auto_model_goes_through_it_when_it_is_made_and_at_each_assignment(client: Any) -> None:
    record = Padded(id="1", secret="s", n=4)
    made = stored(client)["padded:1"]
    record.secret = "t"
    record.n = 12

    assert made == {"id": "1", "n": "00004", "secret": "enc:s"}
    assert stored(client)["padded:1"] == {"id": "1", "n": "00012", "secret": "enc:t"}
    assert Padded.sync.select() == [Padded(id="1", secret="t", n=12, auto_save=False)]


async def test_keys_are_those_of_the_overridden_methods(client: Any) -> None:
    await Tenant.insert([Tenant(id="a"), Tenant(id="b", v=2)])
    await Index.insert([Index(id="a"), Index(id="b", v=2)])

    assert stored(client) == {
        "pp:tenant1:a": {"id": "a", "v": "0"},
        "pp:tenant1:b": {"id": "b", "v": "2"},
        "pp:tenant1:__index": ["pp:tenant1:a", "pp:tenant1:b"],
        "index:a": {"id": "a", "v": "0"},
        "index:b": {"id": "b", "v": "2"},
        "my:index": ["index:a", "index:b"],
    }
    for model in (Tenant, Index):
        assert [record.id for record in await model.select() or []] == ["a", "b"]
        assert await model.select(ids=["b"]) == [model(id="b", v=2)]
        assert await model.delete(["a", "b"]) == [2, 2]
    assert stored(client) == {}


async def test_select_and_delete_take_the_keys_that_an_overridden_method_gives(client: Any) -> None:
    await Picky.insert([Picky(id="a"), Picky(id="b")])

    assert await Picky.select(ids=["A"]) == Picky.sync.select(ids=["A"]) == [Picky(id="a")]
    assert await Picky.select(columns=["id"], ids=["B"]) == [{"id": "b"}]
    assert await Picky.select() == Picky.sync.select() == [Picky(id="a"), Picky(id="b")]
    assert (await Picky.delete(["A"]), Picky.sync.delete("B")) == ([1, 1], [1, 1])


@pytest.mark.parametrize("in_a_loop", [False, True])
def test_an_overridden_save_is_called_by_the_constructor_and_by_assignments(in_a_loop: bool, client: Any) -> None:
    async def make() -> None:
        act()

    def act() -> None:
        record = Saves(id="1")
        assert stored(client)["saves:1"] == {"id": "1", "stamp": "saved 0", "v": "0"}
        record.v = 2
        assert stored(client)["saves:1"] == {"id": "1", "stamp": "saved 2", "v": "2"}

    if in_a_loop:
        asyncio.run(make())
    else:
        act()


async def test_an_overridden_save_is_called_by_update_and_by_sync_save(client: Any) -> None:
    record = Saves(id="1")
    async with record.update():
        record.v = 3
    updated = stored(client)["saves:1"]
    with record.sync.update():
        record.v = 4
    blocking = stored(client)["saves:1"]
    client.hset("saves:1", "stamp", "")
    found = Saves.sync.get("1")
    found.sync.save()

    assert (updated["stamp"], blocking["stamp"]) == ("saved 3", "saved 4")
    assert stored(client)["saves:1"]["stamp"] == "saved 4"


async def test_an_overridden_insert_is_called_by_every_save(client: Any) -> None:
    instance = Inserts(id="1")
    made = stored(client)["inserts:1"]
    instance.v = 2
    assigned = stored(client)["inserts:1"]
    async with instance.update():
        instance.v = 3
    updated = stored(client)["inserts:1"]
    client.hset("inserts:1", "stamp", "")
    found = await Inserts.get("1")
    await found.save()
    Inserts.sync.insert(Inserts(id="2", v=7, auto_save=False, auto_sync=False))

    assert [record["stamp"] for record in (made, assigned, updated)] == ["inserted 0", "inserted 2", "inserted 3"]
    assert stored(client)["inserts:1"] == {"id": "1", "stamp": "inserted 3", "v": "3"}
    assert stored(client)["inserts:2"]["stamp"] == "inserted 7"
