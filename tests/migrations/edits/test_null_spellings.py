"""Null representation: ``None``, ``null`` and an absent field are one nothing, and come back as each was."""

from collections.abc import Callable
from typing import Any

import pytest

from redis_models.migrations import AlterField, FillNone


@pytest.mark.parametrize("raw", [b"None", b"null"])
def test_null_representation_either_spelling_of_none_is_filled_and_comes_back(
    order: Callable[..., Any], raw: bytes
) -> None:
    schema = order({"n": "int | None"}, AlterField("Order", "n", "int | None", "int", convert=FillNone(3)))

    assert schema.there(n=raw) == {"n": b"3"}


def test_null_representation_an_absent_field_stays_absent(order: Callable[..., Any]) -> None:
    schema = order({"n": "int | None"}, AlterField("Order", "n", "int | None", "int", convert=FillNone(3)))

    assert schema.there() == {}


def test_null_representation_the_text_none_is_not_none(order: Callable[..., Any]) -> None:
    schema = order({"n": "str | None"}, AlterField("Order", "n", "str | None", "str", convert=FillNone("")))

    assert schema.there(n=b"\\None") == {"n": b"None"}
    assert schema.there(n=b"None") == {"n": b""}
