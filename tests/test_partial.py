"""Some fields of a record as they are stored, and back, without a record."""

import datetime as dt

import pytest

from redis_models import Field, Model
from redis_models.errors import DecodeError, EncodeError


class Book(Model):
    title: str = Field(primary_key=True)
    pages: int = 0
    note: str | None = None
    printed: dt.date | None = None


DATA = {"pages": 3, "note": None, "printed": dt.date(2020, 1, 2), "shelf": ["a"]}
STORED = {"pages": "3", "note": "None", "printed": '"2020-01-02"', "shelf": ["a"]}


def test_fields_become_the_text_that_is_stored_and_unknown_names_pass_through() -> None:
    data = dict(DATA)

    assert Book.serialize_partially(data) == STORED
    assert data == DATA


def test_stored_text_or_bytes_become_values_again() -> None:
    text = {name: raw for name, raw in STORED.items() if isinstance(raw, str)}
    values = {name: value for name, value in DATA.items() if name != "shelf"}

    assert Book.deserialize_partially(text) == values
    assert Book.deserialize_partially({name: raw.encode() for name, raw in text.items()}) == values


def test_what_cannot_be_stored_or_read_is_named() -> None:
    with pytest.raises(EncodeError, match="pages"):
        Book.serialize_partially({"pages": "many"})
    with pytest.raises(DecodeError, match="pages"):
        Book.deserialize_partially({"pages": "many"})
