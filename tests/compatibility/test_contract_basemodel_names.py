"""The contract's table of the names that models have from pydantic 1; all of it without a warning."""

import json
from datetime import date
from pathlib import Path
from typing import Any, Optional

import pydantic
import pytest

from redis_models import AutoModel, Model, Store


class Book(Model):
    _primary_key_field = "k"
    k: str
    d: date = date(2020, 1, 1)
    pages: int = 0


class Auto(AutoModel):
    _primary_key_field = "k"
    k: str
    v: int = 0


@pytest.fixture(autouse=True)
def _bound(store: Store) -> None:
    store.register_model(Auto)


def test_construct_does_not_validate_or_save(client: Any) -> None:
    assert Auto.construct(k="1", v="text").__dict__ == {"k": "1", "v": "text"}
    assert client.keys("*") == []


def test_copy_does_not_validate_what_it_updates(client: Any) -> None:
    record = Auto.construct(k="1", v=2)

    assert record.copy(update={"v": "text"}).__dict__["v"] == "text"
    assert record.copy(include={"k"}).__dict__ == {"k": "1"}
    assert record.copy(exclude={"k"}, deep=True).__dict__ == {"v": 2}
    assert client.keys("*") == []


def test_dict_takes_all_words_of_pydantic_1() -> None:
    book = Book(k="1")

    assert book.dict(skip_defaults=True) == book.dict(exclude_unset=True) == {"k": "1"}
    assert book.dict(include={"k", "d"}, exclude={"d"}, by_alias=True, exclude_none=True) == {"k": "1"}
    assert book.dict(exclude_defaults=True) == {"k": "1"}


def test_json_has_the_spaces_of_pydantic_1_and_takes_its_words() -> None:
    book = Book(k="1", pages=2)

    assert book.json(include={"k", "d"}) == '{"k": "1", "d": "2020-01-01"}'
    assert book.json(skip_defaults=True, indent=1) == '{\n "k": "1",\n "pages": 2\n}'
    assert json.loads(book.json(encoder=lambda _: "?", models_as_dict=False, sort_keys=True))["d"] == "?"


def test_json_does_not_use_json_default() -> None:
    class WithHook(Book):
        @classmethod
        def json_default(cls, obj: Any) -> Any:
            return "hooked"

    assert '"2020-01-01"' in WithHook(k="1").json()


@pytest.mark.parametrize("way", ["parse_obj", "parse_raw", "parse_file", "validate"])
def test_parsing_is_the_constructor_hence_saves_an_auto_model(way: str, tmp_path: Path, client: Any) -> None:
    file = tmp_path / "one.json"
    file.write_text('{"k": "1", "v": 2}')
    given: Any = {"parse_obj": {"k": "1", "v": 2}, "parse_raw": file.read_text(), "parse_file": file}.get(
        way, {"k": "1", "v": 2}
    )

    record = getattr(Auto, way)(given)

    assert record == Auto.construct(k="1", v=2)
    assert client.hget("auto:1", "v") == b"2"


def test_validating_an_instance_copies_it_and_saves_nothing(client: Any) -> None:
    record = Auto.construct(k="1", v=2)

    assert Auto.validate(record) == record and Auto.validate(record) is not record
    assert client.keys("*") == []


def test_from_orm_is_refused_unless_the_configuration_allows_it() -> None:
    class Open(Model):
        _primary_key_field = "k"
        k: str

        class Config:
            orm_mode = True

    class Source:
        k = "1"

    with pytest.raises(pydantic.PydanticUserError):
        Book.from_orm(Source())
    assert Open.from_orm(Source()) == Open(k="1")


def test_the_schema_has_definitions() -> None:
    class Shelf(Model):
        _primary_key_field = "k"
        k: str
        book: Book

    schema = Shelf.schema()

    assert "definitions" in schema and "$defs" not in schema
    assert json.loads(Shelf.schema_json(indent=1)) == schema
    assert Shelf.schema(True, "#/x/{model}")["properties"]["book"]["$ref"] == "#/x/Book"


def test_forward_references_are_updated() -> None:
    class Node(Model):
        _primary_key_field = "k"
        k: str
        leaf: "Leaf | None" = None  # pyright: ignore

    class Leaf(pydantic.BaseModel):
        n: int

    Node.update_forward_refs(Leaf=Leaf)
    made: Any = Node

    assert made(k="1", leaf={"n": 1}).leaf == Leaf(n=1)


def test_a_model_has_a_config() -> None:
    class Titled(Model):
        _primary_key_field = "k"
        k: str

        class Config:
            anystr_strip_whitespace = True

    assert isinstance(Model.Config, type) and isinstance(Book.Config, type)
    assert Titled.Config.anystr_strip_whitespace is True
    assert Titled(k=" a ").k == "a"


def test_a_bare_optional_is_none_by_default() -> None:
    class Maybe(Model):
        _primary_key_field = "k"
        k: str
        old: Optional[str]  # noqa: UP045  # the spelling of old code
        new: int | None

    made: Any = Maybe

    assert made(k="1").__dict__ == {"k": "1", "old": None, "new": None}


@pytest.mark.parametrize("name", ["bogus", "_bogus", "_auto_sync", "_store"])
def test_assigning_to_an_undeclared_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f'^"Book" object has no field "{name}"$'):
        setattr(Book(k="1"), name, 1)


def test_an_instance_cannot_be_hashed() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Book(k="1"))


def test_a_field_may_be_called_like_a_verb() -> None:
    # pydantic-aioredis: NameError when the class is made.
    class Counted(Model):
        _primary_key_field = "k"
        k: str
        count: int = 0  # type: ignore[assignment]  # pyright: ignore
        update: str = ""  # type: ignore[assignment]  # pyright: ignore

    made: Any = Counted(k="1", count=3, update="now")

    assert (made.count, made.update) == (3, "now")
