"""The contract's table of ``Store``."""

from typing import Any

import pydantic
import pytest
import redis.asyncio

import redis_models.store
from redis_models import Model, RedisConfig, Store
from redis_models.errors import ModelDeclarationError


class Book(Model):
    _primary_key_field = "title"
    title: str
    pages: int = 0


async def test_its_fields_can_be_read_and_set() -> None:
    store = Store(name="sample", redis_config=RedisConfig(port=1), life_span_in_seconds=60)

    assert (store.name, store.redis_config.port, store.life_span_in_seconds, store.models) == ("sample", 1, 60, {})
    store.name, store.redis_config, store.life_span_in_seconds = "other", RedisConfig(port=2), None
    assert (store.name, store.redis_config.port, store.life_span_in_seconds) == ("other", 2, None)


async def test_the_client_can_be_swapped_at_any_time(server: Any, client: Any) -> None:
    store = Store(name="sample", redis_config=RedisConfig(port=1))
    store.register_model(Book)
    for database in (3, 4):
        store.redis_store = redis.asyncio.Redis(unix_socket_path=server.socket_path, db=database, decode_responses=True)
        await Book.insert(Book(title=f"of {database}"))
        assert await store.redis_store.hget("book:of 4", "pages") == (None if database == 3 else "0")
        await store.redis_store.aclose()

    with server.client(db=3) as third:
        assert third.exists("book:of 3", "book:of 4") == 1


async def test_a_fake_client_serves_too() -> None:
    fakeredis: Any = pytest.importorskip("fakeredis.aioredis")
    store = Store(name="sample", redis_config=RedisConfig(port=1))
    store.redis_store = fakeredis.FakeRedis(decode_responses=True)
    store.register_model(Book)

    await Book.insert(Book(title="A"))

    assert await store.redis_store.hget("book:A", "pages") == "0"
    assert await Book.select() == [Book(title="A")]
    await store.redis_store.aclose()


async def test_a_client_given_to_the_constructor_is_used() -> None:
    # Fault 43.
    mine = redis.asyncio.Redis(port=1)

    assert Store(name="sample", redis_config=RedisConfig(), redis_store=mine).redis_store is mine
    await mine.aclose()


async def test_without_one_there_is_a_client_of_its_own_that_answers_text(server: Any, store: Store) -> None:
    store.register_model(Book)
    await Book.insert(Book(title="A"))

    assert isinstance(store.redis_store, redis.asyncio.Redis)
    assert await store.redis_store.hget("book:A", "title") == "A"


def test_making_one_asks_no_server() -> None:
    store = Store(name="sample", redis_config=RedisConfig(host="no.such.host.invalid", port=1))
    store.register_model(Book)

    assert store.model("book") is Book


def test_models_are_kept_under_their_names_in_lower_case(store: Store) -> None:
    assert store.register_model(Book) is None  # type: ignore[func-returns-value]  # which is what is tested

    assert store.models == {"book": Book}
    assert Store(name="other", redis_config=RedisConfig()).models == {}


def test_a_second_class_of_the_same_name_replaces_the_first(store: Store) -> None:
    def made() -> type[Model]:
        class Twice(Model):
            _primary_key_field = "k"
            k: str

        return Twice

    first, second = made(), made()  # as a module that is loaded again makes it

    store.register_model(first)
    store.register_model(second)

    assert store.models["twice"] is store.model("Twice") is second


def test_two_classes_of_one_name_in_two_modules_are_both_kept(store: Store) -> None:
    # Fault 45.
    made: list[Any] = []
    for module, table in (("shop.models", "here"), ("stock.models", "there")):
        record: Any = pydantic.create_model("Item", __base__=Model, __module__=module, k=(str, ...))
        record._primary_key_field, record._table_name = "k", table
        store.register_model(record)
        made.append(record)

    assert [store.model("shop.models.Item"), store.model("stock.models.Item")] == made


def test_a_model_without_a_primary_key_is_an_attribute_error(store: Store) -> None:
    class Nameless(Model):
        title: str

    with pytest.raises(AttributeError, match="type object 'Nameless' has no attribute '_primary_key_field'"):
        store.register_model(Nameless)


def test_a_primary_key_that_is_not_a_name_is_not_implemented(store: Store) -> None:
    class Nameless(Model):
        title: str

    options: Any = Nameless
    options._primary_key_field = None

    with pytest.raises(NotImplementedError, match=r"^Nameless should have a _primary_key_field$"):
        store.register_model(Nameless)


def test_a_primary_key_that_is_not_a_field_is_refused_at_once(store: Store) -> None:
    # pydantic-aioredis noticed it at the first insert.
    class Wrong(Model):
        _primary_key_field = "nope"
        title: str

    with pytest.raises(ModelDeclarationError, match="'nope'"):
        store.register_model(Wrong)


def test_the_last_store_wins(store: Store) -> None:
    other = Store(name="other", redis_config=RedisConfig())
    store.register_model(Book)
    other.register_model(Book)

    assert Book._store is other
    assert "book" not in store.models  # fault 45


def test_a_model_is_found_by_its_name_in_any_case(store: Store) -> None:
    store.register_model(Book)

    assert store.model("Book") is store.model("book") is store.model("BOOK") is Book


def test_an_unknown_name_is_a_key_error(store: Store) -> None:
    with pytest.raises(KeyError) as caught:
        store.model("nope")

    assert caught.value.args == ("nope",)


def test_a_store_without_a_server_is_a_type_error() -> None:
    make: Any = Store

    with pytest.raises(TypeError):
        make("sample")
    with pytest.raises(TypeError):
        make(redis_config=RedisConfig())


def test_it_is_in_the_module_of_pydantic_aioredis() -> None:
    assert redis_models.store.Store is Store
