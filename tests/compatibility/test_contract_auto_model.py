"""The contract of ``auto_save`` and ``auto_sync``: they do what pydantic-aioredis documented, not what it did."""

from collections.abc import Callable
from typing import Any

import pytest

from redis_models import AutoModel, Field, Model, RedisModelsError, Store


class Item(Model):
    _primary_key_field = "k"
    k: str
    v: int = 0
    w: int = 0
    tags: list[str] = Field(default_factory=list[str])


class Auto(AutoModel):
    _primary_key_field = "k"
    k: str
    v: int = 0
    w: int = 0
    tags: list[str] = Field(default_factory=list[str])


@pytest.fixture(autouse=True)
def _bound(store: Store) -> None:
    models: list[type[Model]] = [Item, Auto]
    for model in models:
        store.register_model(model)


def hsets(client: Any) -> int:
    """How often the server has executed HSET, in scripts too."""
    calls: int = client.info("commandstats").get("cmdstat_hset", {}).get("calls", 0)
    return calls


async def test_an_auto_model_is_in_redis_when_its_constructor_returns(client: Any) -> None:
    Auto(k="1", v=2)

    assert client.hmget("auto:1", "k", "v", "w", "tags") == [b"1", b"2", b"0", b"[]"]


async def test_an_assignment_is_in_redis_when_it_returns(client: Any) -> None:
    record = Auto(k="1")
    client.hset("auto:1", "w", 7)

    record.v = 5

    assert client.hmget("auto:1", "v", "w") == [b"5", b"7"]  # what changed, not the whole: fault 34


async def test_the_constructors_word_saves_one_instance_of_a_plain_model(client: Any) -> None:
    record = Item(k="1", auto_save=True)
    record.v = 5

    assert client.hget("item:1", "v") == b"0"
    assert (record.auto_save, record.auto_sync) == (True, False)


async def test_the_constructors_word_keeps_one_instance_of_an_auto_model_unsaved(client: Any) -> None:
    # Fault 1: in pydantic-aioredis it changed all others.
    other = Auto(k="2")
    record = Auto(k="1", auto_save=False)

    assert client.exists("auto:1") == 0
    assert (record.auto_save, other.auto_save) == (False, True)


@pytest.mark.parametrize("set_by", ["constructor", "setter"])
async def test_a_plain_model_can_save_its_assignments(client: Any, set_by: str) -> None:
    # Fault 2.
    record = Item(k="1", auto_sync=set_by == "constructor")
    if set_by == "setter":
        record.set_auto_sync()
    await record.save()

    record.v = 5

    assert record.auto_sync
    assert client.hget("item:1", "v") == b"5"


@pytest.mark.parametrize("set_by", ["constructor", "setter"])
async def test_an_auto_model_can_stop_saving_its_assignments(client: Any, set_by: str) -> None:
    # Fault 2.
    record = Auto(k="1", auto_sync=set_by != "constructor")
    if set_by == "setter":
        record.set_auto_sync(False)

    record.v = 5

    assert not record.auto_sync
    assert client.hget("auto:1", "v") == b"0"
    await record.save()
    assert client.hget("auto:1", "v") == b"5"


def test_the_setters_set_what_the_properties_say() -> None:
    record = Item(k="1")

    record.set_auto_save()
    record.set_auto_sync(True)
    assert (record.auto_save, record.auto_sync) == (True, True)
    record.set_auto_save(False)
    record.set_auto_sync(auto_sync=False)
    assert (record.auto_save, record.auto_sync) == (False, False)


async def test_update_of_an_auto_model_is_one_write(client: Any) -> None:
    # Fault 3.
    record = Auto(k="1")
    before = hsets(client)

    async with record.update() as same:
        same.v = 1
        same.w = 2
        assert hsets(client) == before

    assert same is record and record.auto_sync
    assert (client.hmget("auto:1", "v", "w"), hsets(client)) == ([b"1", b"2"], before + 1)


async def test_update_of_a_plain_model_is_one_write(client: Any) -> None:
    record = Item(k="1")
    await record.save()
    before = hsets(client)

    async with record.update() as same:
        same.v = 1
        same.w = 2

    assert (client.hmget("item:1", "v", "w"), hsets(client)) == ([b"1", b"2"], before + 1)


async def test_an_exception_inside_update_saves_nothing_of_a_plain_model_and_leaves_it_as_it_was(client: Any) -> None:
    record = Item(k="1")
    await record.save()

    with pytest.raises(ZeroDivisionError):
        async with record.update():
            record.v = 1 // (record.w + 1)
            record.v = 1 // record.w

    assert (client.hget("item:1", "v"), record.v) == (b"0", 0)


async def test_an_exception_inside_update_saves_nothing_of_an_auto_model(client: Any) -> None:
    # Fault 4.
    record = Auto(k="1")

    with pytest.raises(ZeroDivisionError):
        async with record.update():
            record.v = 99
            record.v = 1 // record.w

    assert (client.hget("auto:1", "v"), record.v, record.auto_sync) == (b"0", 0, True)


async def test_a_change_inside_a_value_is_not_synced_but_saved(client: Any) -> None:
    record = Auto(k="1")

    record.tags.append("x")
    assert client.hget("auto:1", "tags") == b"[]"
    await record.save()

    assert client.hget("auto:1", "tags") == b'["x"]'


async def test_a_changed_primary_key_is_refused(client: Any) -> None:
    # Fault 36: pydantic-aioredis wrote a second record.
    record = Auto(k="1")

    with pytest.raises(RedisModelsError):
        record.k = "2"

    assert (client.exists("auto:1"), client.exists("auto:2"), record.k) == (1, 0, "1")


async def test_selecting_auto_models_writes_nothing(client: Any) -> None:
    # Fault 5.
    for number in range(3):
        Auto(k=str(number))
    before = hsets(client)

    assert len(await Auto.select() or []) == 3

    assert hsets(client) == before


async def test_the_local_value_is_put_back_if_redis_fails(new_server: Callable[[], Any]) -> None:
    # Fault 48.
    server = new_server()
    store = Store.from_url(server.url)
    store.register_model(Auto)
    record = Auto(k="1")
    server.kill()

    with pytest.raises(RedisModelsError):
        record.v = 2

    assert record.v == 0
    await store.aclose()


async def test_an_unregistered_model_works_without_saving() -> None:
    class Alone(AutoModel):
        _primary_key_field = "k"
        k: str
        v: int = 0

    record = Alone(k="1")
    record.v = 2
    async with record.update() as same:
        same.v = 3

    assert record.v == 3
