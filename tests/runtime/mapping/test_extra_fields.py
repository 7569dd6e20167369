"""Extra fields and fields with exclude are stored as all others are."""

import datetime as dt
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, Json, SecretStr

import redis_models
from redis_models import Model
from redis_models.encoding.codec import codec_for
from redis_models.errors import DecodeError, EncodeError


class Loose(Model):
    model_config = ConfigDict(extra="allow")
    id: str = redis_models.Field(primary_key=True)
    known: int = Field(default=0, alias="n")


class Typed(Loose):
    __pydantic_extra__: dict[str, dt.date]  # pyright: ignore[reportIncompatibleVariableOverride]  # pydantic's way


VALUES: dict[str, Any] = {
    "text": "5",
    "number": 5,
    "nothing": None,
    "word": "None",
    "tilde": "~[1]",
    "json": "[1]",
    "day": dt.date(2020, 1, 1),
    "pair": (1, 2),
    "names": {"a": [None]},
}


def test_each_extra_value_is_a_stored_field_of_its_own_and_comes_back_as_it_was() -> None:
    made = Loose(id="a", n=2, **VALUES)

    stored = Loose.__mapper__.encode(made)
    back = Loose.__mapper__.decode("loose:a", stored)

    assert stored["known"] == b"2"
    assert (stored["text"], stored["number"], stored["nothing"]) == (b'"5"', b"5", b"null")
    assert stored["day"] == b'~{"date": "2020-01-01"}'
    assert back.model_extra == VALUES
    assert back == made


def test_extra_fields_of_pydantic_aioredis_that_are_not_json_are_text() -> None:
    stored = {
        "id": b"a",
        "word": b"hello",
        "number": b"5",
        "tilde": b"~x",
        "broken": b"\xff",
        "_v": b"1",
        "_b2": b"old",
    }

    back = Loose.__mapper__.decode("loose:a", stored)

    assert back.model_extra == {"word": "hello", "number": 5, "tilde": "~x", "broken": "\udcff"}


def test_extra_values_have_the_type_that_the_model_gives_them() -> None:
    made = Typed.model_validate({"id": "a", "day": "2020-01-01"})

    stored = Typed.__mapper__.encode(made)

    assert stored["day"] == b'"2020-01-01"'
    assert Typed.__mapper__.decode("typed:a", stored) == made
    with pytest.raises(DecodeError, match="day"):
        Typed.__mapper__.decode("typed:a", {"id": b"a", "day": b"soon"})


@pytest.mark.parametrize("name", ["_v", "_v2", "_b1", "known", "half\ud800"])
def test_an_extra_field_of_a_name_that_is_taken_or_no_text_is_refused(name: str) -> None:
    made = Loose(id="a")
    made.__pydantic_extra__ = {name: 1}

    with pytest.raises(EncodeError, match="name of"):
        Loose.__mapper__.encode(made)


def test_the_name_of_a_field_with_an_alias_given_as_an_extra_one_does_not_replace_the_field() -> None:
    made = Loose.model_validate({"id": "a", "n": 1, "known": 2})

    assert made.model_extra == {"known": 2}
    with pytest.raises(EncodeError, match="declared"):
        Loose.__mapper__.encode(made)


def test_an_extra_value_that_cannot_be_stored_is_named() -> None:
    with pytest.raises(EncodeError, match=r"Loose\.odd"):
        Loose.__mapper__.encode(Loose.model_validate({"id": "a", "odd": range(3)}))


def test_only_a_model_with_extra_fields_needs_whole_records() -> None:
    class Plain(Model):
        id: str = redis_models.Field(primary_key=True)

    assert Loose.__mapper__.takes_extras
    assert not Plain.__mapper__.takes_extras
    assert Plain.__mapper__.decode("plain:a", {"id": b"a", "more": b"1"}) == Plain(id="a")


def test_exclude_speaks_to_other_readers_than_redis() -> None:
    class Account(Model):
        id: str = redis_models.Field(primary_key=True)
        password: SecretStr = Field(exclude=True)

    made = Account(id="a", password=SecretStr("s3cret"))

    stored = Account.__mapper__.encode(made)

    assert stored["password"] == b'"s3cret"'
    assert Account.__mapper__.decode("account:a", stored) == made
    assert made.model_dump() == {"id": "a"}


def test_fields_with_exclude_inside_of_nested_models_are_stored_too() -> None:
    class Key(BaseModel):
        name: str
        word: SecretStr = Field(exclude=True)
        uses: list[dt.datetime] = Field(default=[], exclude=True)

    keys = {"a": [Key(name="x", word=SecretStr("s3cret"), uses=[dt.datetime(2020, 1, 1, tzinfo=dt.UTC)])]}
    codec = codec_for(dict[str, list[Key]])

    raw = codec.encode(keys)

    assert raw == b'{"a": [{"name": "x", "word": "s3cret", "uses": ["2020-01-01T00:00:00+00:00"]}]}'
    assert codec.decode(raw) == keys


def test_what_exclude_hides_from_a_type_that_must_be_made_again_is_not_lost_in_silence() -> None:
    class WithHidden(BaseModel):
        shown: int
        hidden: int = Field(default=0, exclude=True)

    class Holder(Model):
        id: str = redis_models.Field(primary_key=True)
        value: Json[WithHidden]

    mapper = Holder.__mapper__

    bare, full = ({"id": "a", "value": text} for text in ('{"shown": 1}', '{"shown": 1, "hidden": 2}'))

    assert mapper.decode("a", mapper.encode(Holder.model_validate(bare))).value == WithHidden(shown=1)
    with pytest.raises(EncodeError, match="exclude"):
        mapper.encode(Holder.model_validate(full))
