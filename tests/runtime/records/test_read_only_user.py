"""A user of the server who may only read counts and reads, dead members of the index or not; and writes nothing."""

from collections.abc import Iterator
from typing import Any

import pytest

from redis_models import Field, Model, Store
from redis_models.errors import ServerRefusedError

from .conftest import Call


class Item(Model):
    id: str = Field(primary_key=True)
    size: int = 0


@pytest.fixture(params=["+@read", "+@read +@scripting"])
async def reader(request: pytest.FixtureRequest, server: Any, client: Any) -> Any:
    """Three records, two dead members of the index before them, and a store of a user who may only read."""
    permissions = ["~*", "+@connection", *request.param.split()]
    client.execute_command("ACL", "SETUSER", "reader", "reset", "on", ">pw", *permissions)
    for letter in "abc":
        client.hset(f"item:{letter}", mapping={"_v": 1, "id": letter})
    client.zadd("item:__index", {f"item:{pk}": 0 for pk in ("0", "00", "a", "b", "c")})
    store = Store.from_url(f"unix://reader:pw@{server.socket_path}")
    store.register_model(Item)
    yield store
    Item._store = None
    await store.aclose()
    client.execute_command("ACL", "DELUSER", "reader")


@pytest.fixture(autouse=True)
def _nothing_is_written(reader: Store, client: Any) -> Iterator[None]:
    before = client.dump("item:__index")
    yield
    assert client.dump("item:__index") == before


async def test_who_may_only_read_counts_and_reads_past_dead_members(call: Call) -> None:
    assert await call(Item, "count") == 3
    assert [item.id for item in await call(Item, "select")] == ["a", "b", "c"]
    assert [item.id for item in await call(Item, "select", limit=1)] == ["a"]
    assert await call(Item, "select", columns=["id"], limit=2) == [{"id": "a"}, {"id": "b"}]
    assert [item.id for item in await call(Item, "page", 2)] == ["a", "b"]
    assert [item.id for item in await call(Item, "iterate", 2)] == ["a", "b", "c"]


async def test_every_write_refuses_a_read_only_user_by_name(call: Call) -> None:
    for verb, arguments in (("insert", [Item(id="d")]), ("delete", ["a"]), ("delete_all", [])):
        with pytest.raises(ServerRefusedError):
            await call(Item, verb, *arguments)
    with pytest.raises(ServerRefusedError):
        await call(Item, "patch", "a", size=2)
