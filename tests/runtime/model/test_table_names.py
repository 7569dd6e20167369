"""Methods that name a table or an index, overridden: where records are read and written, and what is refused."""

from contextvars import ContextVar
from typing import Any

import pytest

from redis_models import Field, Model, Store
from redis_models.errors import (
    InvalidPrimaryKeyError,
    ModelDeclarationError,
)
from redis_models.migrations.schema.from_models import snapshot_of

tenant: ContextVar[str] = ContextVar("tenant")


class Room(Model):
    id: str = Field(primary_key=True)
    beds: int = 0

    @classmethod
    def _get_tablename(cls) -> str:
        return f"{tenant.get()}-{super()._get_tablename()}"


async def test_a_table_that_depends_on_the_moment_is_asked_for_at_each_call(store: Store, client: Any) -> None:
    tenant.set("a")
    store.register_model(Room)
    await Room.insert(Room(id="1", beds=2))
    tenant.set("b")
    empty = await Room.select()
    await Room.insert(Room(id="1", beds=5))

    assert empty is None
    assert (Room.get_table_index_key(), (await Room.get("1")).beds) == ("b-room:__index", 5)
    tenant.set("a")
    assert [room.beds for room in await Room.select() or []] == [2]
    assert sorted(client.keys("*")) == [b"a-room:1", b"a-room:__index", b"b-room:1", b"b-room:__index"]


async def test_an_instance_is_neither_saved_nor_deleted_in_another_table_than_it_was_loaded_from(
    store: Store, client: Any
) -> None:
    tenant.set("a")
    store.register_model(Room)
    for name in "ab":
        tenant.set(name)
        await Room.insert(Room(id="1"))
    record = await Room.get("1")
    tenant.set("a")
    record.beds = 9

    with pytest.raises(InvalidPrimaryKeyError, match=r"is stored at 'b-room:1', but .* give 'a-room:1' now"):
        await record.save()
    with pytest.raises(InvalidPrimaryKeyError):
        await record.delete()
    assert client.hget("a-room:1", "beds") == b"0"
    assert client.exists("a-room:1", "b-room:1") == 2


async def test_an_index_of_another_name_is_never_a_record_s_key(store: Store, client: Any) -> None:
    class Shelf(Model):
        id: str = Field(primary_key=True)

        @classmethod
        def get_table_index_key(cls) -> str:
            return "shelf:all"

    store.register_model(Shelf)
    await Shelf.insert([Shelf(id="all"), Shelf(id="__index")])

    assert client.type("shelf:all") == b"zset"
    assert {shelf.id for shelf in await Shelf.select() or []} == {"all", "__index"}
    assert await Shelf.count() == 2
    assert [(await Shelf.get(pk)).id for pk in ("all", "__index")] == ["all", "__index"]


def test_two_models_cannot_have_one_index_and_migrations_refuse_an_index_of_another_name(store: Store) -> None:
    class One(Model):
        id: str = Field(primary_key=True)

        @classmethod
        def get_table_index_key(cls) -> str:
            return "all"

    class Two(One):
        pass

    store.register_model(One)
    with pytest.raises(ModelDeclarationError, match="has the same keys as"):
        store.register_model(Two)
    with pytest.raises(ModelDeclarationError, match="overrides get_table_index_key"):
        snapshot_of([One])


def test_migrations_see_the_table_that_the_methods_give() -> None:
    class Box(Model):
        id: str = Field(primary_key=True)

        @classmethod
        def _get_tablename(cls) -> str:
            return "boxes"

        @classmethod
        def _get_prefix(cls) -> str:
            return "shop:"

    [schema] = snapshot_of([Box]).by_name.values()

    assert (schema.prefix, schema.table, schema.keys.start) == ("shop", "boxes", "shop:boxes:")


@pytest.mark.parametrize("value", [None, "", 5])
def test_a_method_that_gives_no_name_is_named(value: Any, store: Store) -> None:
    class Odd(Model):
        id: str = Field(primary_key=True)

        @classmethod
        def _get_tablename(cls) -> str:
            return value  # type: ignore[no-any-return]

    with pytest.raises(ModelDeclarationError, match=r"Odd: _get_tablename\(\) returned .*; it must return text"):
        store.register_model(Odd)
