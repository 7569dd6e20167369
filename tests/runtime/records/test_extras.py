"""Extra fields (``extra="allow"``) are stored fields like any other, for every verb."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ConfigDict

from redis_models import AutoModel, Field, Model, Store
from redis_models.errors import ConflictError, EncodeError, ModelDeclarationError

from .conftest import Call


class Open(Model):
    model_config = ConfigDict(extra="allow")
    id: str = Field(primary_key=True)
    size: int = 0


class OpenLive(AutoModel):
    model_config = ConfigDict(extra="allow")
    id: str = Field(primary_key=True)


@pytest.fixture(autouse=True)
def _bound(store: Store) -> Iterator[None]:
    for model in (Open, OpenLive):
        store.register_model(model)
    yield
    for model in (Open, OpenLive):
        model._store = None


def _open(**values: object) -> Any:
    return Open.model_validate({"id": "a", **values})


async def test_extra_fields_come_back_and_what_the_library_keeps_does_not(call: Call, client: Any) -> None:
    await call(Open, "insert", _open(color="red", sizes=[1, 2], none=None, text="5"))
    client.hset("open:a", "_b7", "kept")

    back = await call(Open, "get", "a")

    assert back.model_extra == {"color": "red", "sizes": [1, 2], "none": None, "text": "5"}
    assert (await call(Open, "select"))[0] == back
    assert (await call(Open, "get_many", ["a"])) == [back]
    assert (await call(Open, "page", 1)) == [back]


async def test_a_save_writes_extra_fields_that_changed_and_removes_those_that_went(call: Call, client: Any) -> None:
    await Open.insert(_open(color="red", sizes=[1], old="x"))
    back: Any = await Open.get("a")
    client.hset("open:a", mapping={"color": '"theirs"', "_b7": "kept"})

    back.sizes.append(2)
    back.new = {"k": 1}
    del back.old
    await call(back, "save")
    await call(back, "save")

    record = client.hgetall("open:a")
    assert {name: record[name] for name in (b"color", b"sizes", b"new")} == {
        b"color": b'"theirs"',
        b"sizes": b"[1, 2]",
        b"new": b'{"k": 1}',
    }
    assert (b"old" in record, record[b"_b7"]) == (False, b"kept")


async def test_text_of_pydantic_aioredis_is_not_written_again(call: Call, client: Any) -> None:
    client.hset("open:a", mapping={"id": "a", "color": "red"})
    back: Any = await Open.get("a")

    assert back.color == "red"
    back.size = 1
    await call(back, "save")
    assert client.hmget("open:a", "color", "size") == [b"red", b"1"]


async def test_a_conflict_names_extra_fields_too(call: Call, client: Any) -> None:
    await Open.insert(_open(color="red"))
    back: Any = await Open.get("a")
    client.hset("open:a", "color", '"blue"')

    back.size = 1
    with pytest.raises(ConflictError) as caught:
        await call(back, "save", if_unchanged=True)

    assert caught.value.fields == ("color",)


async def test_patch_and_columns_take_extra_fields(call: Call, client: Any) -> None:
    await Open.insert(_open(color="red"))

    await call(Open, "patch", "a", size=2, color=["r", "g"])

    assert client.hmget("open:a", "size", "color") == [b"2", b'["r", "g"]']
    assert await call(Open, "select", ["color", "size", "none"]) == [{"color": ["r", "g"], "size": "2", "none": None}]
    for verb in (("select", ["_v"]), ("select", ["_b7"])):
        with pytest.raises(ModelDeclarationError):
            await call(Open, *verb)
    with pytest.raises(EncodeError, match="reserved"):
        await call(Open, "patch", "a", _b7="x")


def test_an_auto_model_writes_an_extra_field_that_is_assigned(client: Any) -> None:
    live: Any = OpenLive(id="a")

    live.color = "red"

    assert client.hget("openlive:a", "color") == b'"red"'
