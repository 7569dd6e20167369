"""Models as they are declared, and stores that know them."""

import warnings
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import pydantic
import pytest

from redis_models import AutoModel, Field, Model, Store
from redis_models.errors import (
    ConflictError,
    ModelDeclarationError,
)

from .models import Book

if TYPE_CHECKING:  # a checker holds such fields to be bad overrides, and is right
    Stock: Any = None
else:

    class Stock(AutoModel):
        id: str = Field(primary_key=True)
        count: int
        get: str = "g"
        exists: Annotated[bool, "it"]
        update: list[int] = Field(default_factory=list)
        select: "str | None" = None
        sync: int = Field(default=0, ge=0)
        save: bool = False
        iterate: ClassVar[int] = 5


async def test_a_field_named_like_a_verb_is_a_field_on_instances_and_a_verb_on_the_class(store: Store) -> None:
    store.register_model(Stock)
    stock = Stock(id="a", count=3, exists=True)
    stock.count = 4
    stock.update = [1]

    back = await Stock.get("a")

    assert (back.count, back.get, back.exists, back.update, back.select, back.sync) == (4, "g", True, [1], None, 0)
    assert Stock.sync.count() == 1
    assert set(Stock.model_fields) == {"id", "count", "get", "exists", "update", "select", "sync", "save"}


def test_such_a_field_is_required_constrained_and_inherited_as_any_other() -> None:
    Child: Any = type("Child", (Stock,), {"__annotations__": {"save": bool}, "__module__": __name__})

    with pytest.raises(pydantic.ValidationError) as caught:
        Child(id="a", sync=-1)

    assert {error["loc"][0] for error in caught.value.errors()} == {"count", "exists", "sync", "save"}
    assert list(Child.model_fields)[:4] == ["id", "count", "get", "exists"]


def test_such_a_field_gives_no_warning_and_others_still_do() -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")

        class Quiet(Model):  # pyright: ignore[reportUnusedClass]
            id: str = Field(primary_key=True)
            count: int  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleMethodOverride]  # on purpose
            json: str  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleMethodOverride]
            copy: int  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleMethodOverride]

        class Loud(Model):  # pyright: ignore[reportUnusedClass]
            id: str = Field(primary_key=True)
            model_copy: int  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleMethodOverride]

    assert ['"model_copy"' in str(warning.message) for warning in warned] == [True]


@pytest.mark.parametrize("name", ["auto_save", "auto_sync"])
def test_a_field_named_like_a_word_of_the_constructor_is_refused(name: str) -> None:
    with pytest.raises(
        ModelDeclarationError, match=f"field '{name}' has the name of a constructor argument; rename it"
    ):
        type("Wrong", (Model,), {"__annotations__": {"id": str, name: bool}, "__module__": __name__})


def test_a_store_finds_models_by_name_in_any_case(store: Store) -> None:
    assert store.model("BOOK") is Book
    with pytest.raises(KeyError, match="nope"):
        store.model("nope")


def test_a_model_without_a_primary_key_is_not_registered(store: Store) -> None:
    class Bare(Model):
        id: str

    with pytest.raises(AttributeError, match="_primary_key_field"):
        store.register_model(Bare)
    Bare._primary_key_field = None  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]  # as some do
    with pytest.raises(NotImplementedError, match="Bare should have a _primary_key_field"):
        store.register_model(Bare)


def test_two_models_cannot_share_keys_and_an_abstract_model_has_none(store: Store) -> None:
    class Other(Model):
        _table_name = "book"
        id: str = Field(primary_key=True)

    class Base(Model):
        _abstract = True
        id: str = Field(primary_key=True)

    with pytest.raises(ModelDeclarationError, match=r"Other: has the same keys as .*Book \(book:\*\)"):
        store.register_model(Other)
    with pytest.raises(ModelDeclarationError, match="Base: is abstract"):
        store.register_model(Base)


async def test_an_index_of_pydantic_aioredis_is_named_and_nothing_is_written(table: Any, client: Any) -> None:
    client.sadd("book:__index", "book:A")
    client.hset("book:A", mapping={"title": "A"})
    before = client.hgetall("book:A")

    for verb in (("insert", Book(title="A", pages=5)), ("patch", "A"), ("select",), ("delete", "A"), ("count",)):
        options = {"pages": 5} if verb[0] == "patch" else {}
        with pytest.raises(ConflictError, match="book:__index: is not a sorted set, hence no index"):
            await table(*verb, **options)

    assert client.hgetall("book:A") == before
