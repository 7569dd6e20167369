"""Fields that are declared as what can be read only once keep what they were given, and store it."""

import dataclasses
from collections.abc import Generator, Iterable, Iterator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, SkipValidation, ValidationError
from pydantic import Field as PydanticField
from typing_extensions import TypedDict

from redis_models import Field, Model, Store
from redis_models.errors import EncodeError, ModelDeclarationError


class Bag(Model):
    id: str = Field(primary_key=True)
    items: Iterable[int] = ()
    maybe: Iterable[str] | None = None
    made: Generator[int, None, None] | None = None
    rows: list[Iterable[int]] = Field(default_factory=list[Iterable[int]])
    named: dict[str, Iterable[int]] = Field(default_factory=dict[str, Iterable[int]])
    either: Iterable[int] | int = 0
    few: Annotated[Iterable[int], PydanticField(max_length=3)] = ()
    bare: Iterable = ()  # type: ignore[type-arg]
    bound: SkipValidation[Iterable[int]] = Field(default_factory=list[int])


class Strict(Model):
    model_config = ConfigDict(strict=True)

    id: str = Field(primary_key=True)
    items: Iterable[int] = ()


@pytest.fixture(autouse=True)
def _bound(store: Store) -> None:
    store.register_model(Bag)
    store.register_model(Strict)


def numbers() -> Iterator[int]:
    yield from (1, 2, 3)


GIVEN: list[tuple[str, Any, bytes]] = [
    ("items", lambda: [1, 2, 3], b"[1, 2, 3]"),
    ("items", numbers, b"[1, 2, 3]"),
    ("items", lambda: range(1, 4), b"[1, 2, 3]"),
    ("items", lambda: map(int, "123"), b"[1, 2, 3]"),
    ("maybe", lambda: iter("ab"), b'["a", "b"]'),
    ("maybe", lambda: None, b"null"),
    ("made", numbers, b"[1, 2, 3]"),
    ("rows", lambda: [numbers(), (4,)], b"[[1, 2, 3], [4]]"),
    ("named", lambda: {"a": numbers()}, b'{"a": [1, 2, 3]}'),
    ("either", numbers, b"[1, 2, 3]"),
    ("few", numbers, b"[1, 2, 3]"),
    ("bare", numbers, b"[1, 2, 3]"),
    ("bound", lambda: [1, 2, 3], b"[1, 2, 3]"),
]


@pytest.mark.parametrize(("field", "make", "stored"), GIVEN)
@pytest.mark.parametrize("verb", ["insert", "save", "patch", "assignment", "update"])
async def test_what_was_given_is_stored_and_stays(verb: str, field: str, make: Any, stored: bytes, client: Any) -> None:
    bag = Bag(id="b", **({field: make()} if verb in ("insert", "save") else {}))
    await (Bag.insert(bag) if verb == "insert" else bag.save())
    if verb == "patch":
        await Bag.patch("b", **{field: make()})
    elif verb == "assignment":
        setattr(bag, field, make())
        await bag.save()
    elif verb == "update":
        async with bag.update():
            setattr(bag, field, make())

    assert client.hget("bag:b", field) == stored
    found = await Bag.get("b")
    if verb != "patch":
        assert getattr(found, field) == getattr(bag, field) or list(getattr(bag, field)) == getattr(found, field)
    await found.save()
    assert client.hget("bag:b", field) == stored


def test_a_strict_model_takes_any_iterable_still() -> None:
    Strict.sync.insert(Strict(id="a", items=numbers()))

    assert list(Strict.sync.get("a").items) == [1, 2, 3]


def test_items_and_their_number_are_validated_when_they_are_given() -> None:
    with pytest.raises(ValidationError):
        Bag(id="b", items=["x"])  # type: ignore[list-item]
    with pytest.raises(ValidationError):
        Bag(id="b", few=[1, 2, 3, 4])


@pytest.mark.parametrize("make", [numbers, lambda: iter([1]), lambda: map(int, "1")])
@pytest.mark.parametrize("field", ["bound", "items", "rows"])
async def test_what_was_never_validated_is_refused_and_not_stored_as_empty(field: str, make: Any, client: Any) -> None:
    given: dict[str, Any] = {"id": "b", field: [make()] if field == "rows" else make()}
    bag = Bag.model_construct(None, **given)

    with pytest.raises(EncodeError):
        await Bag.insert(bag)

    assert not client.exists("bag:b")


class InnerModel(BaseModel):
    items: Iterable[int] = ()


@dataclasses.dataclass
class InnerClass:
    items: Iterable[int]


class InnerDict(TypedDict):
    items: Generator[int, None, None]


class Recursive(BaseModel):
    inner: "Recursive | None" = None
    items: Iterable[int] = ()


@pytest.mark.parametrize("inner", [InnerModel, InnerClass, InnerDict, Recursive, list[InnerModel], InnerModel | int])
def test_within_another_class_they_are_refused_when_the_model_is_declared(inner: Any, store: Store) -> None:
    declared = type("Outer", (Model,), {"__annotations__": {"id": str, "it": inner}, "_primary_key_field": "id"})

    with pytest.raises(ModelDeclarationError, match=r"field 'it' cannot be stored: .*declare a list there"):
        store.register_model(declared)
