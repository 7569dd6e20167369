"""The names and the inner Config of pydantic 1 work on models, without warnings (which are errors in this suite)."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Optional

import pytest
from pydantic import BaseModel, ConfigDict, PydanticUserError, ValidationError

from redis_models import AutoModel, Field, Model, Store
from redis_models.errors import ModelDeclarationError


class Cover(Model):
    colour: str = Field(primary_key=True)
    price: Decimal = Decimal("1.50")


class Book(Model):
    title: str = Field(primary_key=True)
    printed: date = date(2020, 1, 2)
    pages: int = Field(default=0, alias="length")
    cover: Cover | None = None

    class Config:
        allow_population_by_field_name = True


class Author:
    name, born = "Jane", date(1775, 12, 16)


def test_dict_takes_skip_defaults() -> None:
    book = Book(title="Emma", length=3)

    assert book.dict(skip_defaults=True) == {"title": "Emma", "pages": 3}
    assert book.dict(by_alias=True, exclude_none=True) == {"title": "Emma", "printed": date(2020, 1, 2), "length": 3}
    assert book.dict(include={"title"}) == {"title": "Emma"}


def test_json_is_spaced_as_in_pydantic_1_and_takes_the_words_of_dumps() -> None:
    book = Book(title="Emma", cover=Cover(colour="red"))

    text = book.json(exclude={"pages"})

    assert text == '{"title": "Emma", "printed": "2020-01-02", "cover": {"colour": "red", "price": "1.50"}}'
    assert book.json(include={"title"}, indent=1) == '{\n "title": "Emma"\n}'


def test_json_takes_an_encoder_which_sees_nested_models_where_asked() -> None:
    seen: list[object] = []

    def encoder(value: object) -> str:
        seen.append(value)
        return "?"

    book = Book(title="Emma", cover=Cover(colour="red"))

    assert json.loads(book.json(encoder=encoder, models_as_dict=False)) == {
        "title": "Emma",
        "printed": "?",
        "pages": 0,
        "cover": "?",
    }
    assert seen == [date(2020, 1, 2), Cover(colour="red")]


def test_copy_leaves_out_takes_in_and_validates_nothing() -> None:
    book = Book(title="Emma", length=3)

    assert book.copy(update={"pages": "many"}).__dict__["pages"] == "many"
    assert set(book.copy(include={"title", "pages"}).__dict__) == {"title", "pages"}
    assert set(book.copy(exclude={"cover"}).__dict__) == {"title", "printed", "pages"}
    assert book.pages == 3


def test_a_deep_copy_shares_nothing() -> None:
    book = Book(title="Emma", cover=Cover(colour="red"))

    copied = book.copy(deep=True)

    assert copied == book and copied.cover is not book.cover


def test_construct_validates_nothing() -> None:
    assert Book.construct(title=5).__dict__["title"] == 5


def test_json_is_parsed() -> None:
    text = '{"title": "Emma", "length": 3}'

    assert Book.parse_raw(text) == Book.parse_raw(text.encode()) == Book.parse_obj(json.loads(text))
    assert Book.parse_raw(text) == Book(title="Emma", length=3)


def test_a_file_is_parsed(tmp_path: Path) -> None:
    file = tmp_path / "book.json"
    file.write_text('{"title": "Emma"}')

    assert Book.parse_file(file) == Book(title="Emma")


@pytest.mark.parametrize("text", ["{", "[]", '{"title": []}'])
def test_other_json_is_a_validation_error(text: str) -> None:
    with pytest.raises(ValidationError):
        Book.parse_raw(text)


def test_a_pickle_is_refused() -> None:
    with pytest.raises(TypeError, match="reads JSON only"):
        Book.parse_raw(b"", content_type="application/pickle", allow_pickle=True)


def test_from_orm_wants_orm_mode() -> None:
    class Person(Model):
        name: str = Field(primary_key=True)
        born: date

        class Config:
            orm_mode = True

    class Refusing(Model):
        name: str = Field(primary_key=True)

    assert Person.from_orm(Author()) == Person(name="Jane", born=date(1775, 12, 16))
    with pytest.raises(PydanticUserError, match="from_attributes"):
        Refusing.from_orm(Author())


def test_validate_copies_an_instance_and_makes_one_of_a_dict() -> None:
    book = Book(title="Emma")

    assert Book.validate(book) == book and Book.validate(book) is not book
    assert Book.validate({"title": "Emma"}) == book


def test_schema_has_definitions_as_in_pydantic_1() -> None:
    schema = Book.schema()

    assert "$defs" not in schema and set(schema["definitions"]) == {"Cover"}
    assert "#/definitions/Cover" in json.dumps(schema)
    assert json.loads(Book.schema_json(indent=1)) == schema


def test_names_that_were_missing_are_looked_up_later() -> None:
    class Shelf(Model):
        name: str = Field(primary_key=True)
        box: "Box | None" = None

    class Box(BaseModel):
        size: int = 1

    Shelf.update_forward_refs(Box=Box)

    assert Shelf(name="a", box=Box()).box == Box() and Shelf(name="a").box is None


def test_every_model_has_a_config_of_its_own() -> None:
    assert Book.Config is not Cover.Config is not Model.Config

    Cover.Config.mark = 1

    assert not hasattr(Book.Config, "mark") and not hasattr(Model.Config, "mark")


def test_config_is_inherited_and_joined_with_model_config() -> None:
    class Loud(Model):
        name: str = Field(primary_key=True)

        class Config:
            anystr_strip_whitespace = True
            allow_mutation = False

    class Louder(Loud):
        model_config = ConfigDict(title="Louder")

        class Config(Loud.Config):
            anystr_upper = True

    record = Louder(name=" a ")

    assert record.name == "A" and Louder.model_config.get("title") == "Louder"
    with pytest.raises(ValidationError):
        record.name = "b"


def test_a_config_that_means_nothing_is_refused() -> None:
    with pytest.raises(ModelDeclarationError, match=r"Config\.fields"):

        class Odd(Model):  # pyright: ignore[reportUnusedClass]
            class Config:
                fields = {"a": "b"}  # noqa: RUF012


def test_a_bare_optional_has_the_default_none_and_an_explicit_field_has_not() -> None:
    class Note(Model):
        id: str = Field(primary_key=True)
        bare: Optional[int]  # noqa: UP045
        piped: str | None
        asked: int | None = Field(...)

    class More(Note):
        later: "date | None"

    note: Any = Note  # checkers want all three

    assert note(id="a", asked=1) == Note(id="a", asked=1, bare=None, piped=None)
    assert More.parse_obj({"id": "a", "asked": None}).later is None
    with pytest.raises(ValidationError, match="asked"):
        note(id="a")


async def test_parsing_is_the_constructor_and_validating_is_not(store: Store) -> None:
    class Saved(AutoModel):
        id: str = Field(primary_key=True)

    store.register_model(Saved)

    Saved.parse_obj({"id": "a"})
    Saved.parse_raw('{"id": "b"}')
    Saved.validate({"id": "c"})
    Saved.model_validate({"id": "d"})
    Saved.construct(id="e")
    Saved(id="f").copy(update={"id": "g"})

    assert [saved.id for saved in await Saved.select() or []] == ["a", "b", "c", "f"]
