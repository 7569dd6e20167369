"""From classes to snapshots: what counts as stored shape, and which defaults existing records may get."""

import datetime
import uuid
from collections.abc import Callable
from enum import Enum
from typing import Any

import pydantic
import pytest

from redis_models import Field, Model
from redis_models.errors import ModelDeclarationError
from redis_models.migrations.schema.from_models import snapshot_of
from redis_models.migrations.schema.snapshot import REQUIRED, FieldSchema, ModelSchema


class Color(Enum):
    RED = "r"


class Address(pydantic.BaseModel):
    city: str = "Zug"
    tags: list[str] = pydantic.Field(default_factory=list)


class Stamped(pydantic.BaseModel):
    id: uuid.UUID = pydantic.Field(default_factory=uuid.uuid4)


class Keyed(Model):
    id: str = Field(primary_key=True)

    class Meta:
        abstract = True


def make(annotation: Any, *default: object, **options: Any) -> FieldSchema:
    """Give the schema of the only other field of a model."""
    model = pydantic.create_model("Made", __base__=Keyed, x=(annotation, Field(*default, **options)))
    return snapshot_of([model]).model("Made").field("x")


def test_a_snapshot_holds_names_keys_and_type_texts_sorted_by_name() -> None:
    class Order(Model):
        total: float
        number: int = Field(primary_key=True)

        class Meta:
            prefix = "Shop"
            table = "orders"
            version = 3

    snapshot = snapshot_of([Order])

    fields = (FieldSchema("number", "int"), FieldSchema("total", "float"))
    assert snapshot.models == (ModelSchema("Order", 3, "number", "shop", ":", "orders", fields),)


def test_abstract_and_unmanaged_models_are_left_out_and_excluded_fields_are_not() -> None:
    class Foreign(Keyed):
        _managed = False

    class Kept(Keyed):
        secret: str = Field("", exclude=True)

    snapshot = snapshot_of([Keyed, Foreign, Kept])

    assert [(model.name, list(model.by_name)) for model in snapshot.models] == [("Kept", ["id", "secret"])]


def test_what_stores_nothing_differently_does_not_show() -> None:
    class Plain(Model):
        id: str = Field(primary_key=True)
        age: int | None = None

    before = snapshot_of([Plain])

    class Mixin(Model):
        age: int | None = Field(7, ge=0, description="in years", alias="years")

        _abstract = True

    class Dressed(Mixin):
        """With a docstring."""

        id: str = Field(primary_key=True, title="Id")

        @pydantic.field_validator("age")
        @classmethod
        def positive(cls, value: int | None) -> int | None:
            return value

        _table_name = "plain"

    Dressed.__name__ = "Plain"

    assert snapshot_of([Dressed]) == before
    assert snapshot_of([Dressed]).fingerprint == before.fingerprint


@pytest.mark.parametrize(
    ("annotation", "default", "literal"),
    [
        (str, "EUR", "EUR"),
        (int | None, None, None),
        (Color, Color.RED, "r"),
        (datetime.date, datetime.date(2026, 1, 2), "2026-01-02"),
        (set[str], {"a"}, ["a"]),
        (Address, Address(city="Bern"), {"city": "Bern", "tags": []}),
        (bytes, b"abc", "YWJj"),
    ],
)
def test_a_plain_default_becomes_a_literal(annotation: object, default: object, literal: object) -> None:
    assert make(annotation, default).default == literal


@pytest.mark.parametrize(
    ("annotation", "factory", "literal"),
    [
        (list[str], list, []),
        (dict[str, int], dict, {}),
        (set[int], set, []),
        (str, str, ""),
        (list[str], lambda: ["new"], ["new"]),
        (Address, Address, {"city": "Zug", "tags": []}),
    ],
)
def test_a_factory_that_always_makes_the_same_becomes_a_literal(
    annotation: object, factory: Callable[[], object], literal: object
) -> None:
    assert make(annotation, default_factory=factory).default == literal


def of_others(values: dict[str, Any]) -> str:
    return str(values["id"])


def refuse() -> int:
    raise AssertionError(f"{datetime} must not be called")


@pytest.mark.parametrize(
    ("annotation", "options"),
    [
        (str, {}),
        (uuid.UUID, {"default_factory": uuid.uuid4}),
        (datetime.date, {"default_factory": datetime.date.today}),
        (Stamped, {"default_factory": Stamped}),
        (int, {"default_factory": refuse}),
        (str, {"default_factory": of_others}),
        (float, {"default": float("inf")}),
        (list[float], {"default_factory": lambda: [1e999]}),
        (int, {"default": "no number"}),
        (int, {"default": None}),
        (pydantic.SecretStr, {"default": pydantic.SecretStr("hidden")}),
    ],
)
def test_a_default_that_is_not_certain_is_required(annotation: object, options: dict[str, Any]) -> None:
    assert make(annotation, **options).default is REQUIRED


def test_a_hint_is_stored_but_does_not_count_as_part_of_the_schema() -> None:
    hinted = make(str, renamed_from="y")

    assert hinted.renamed_from == "y"
    assert hinted == FieldSchema("x", "str")


def test_two_models_of_one_name_are_refused() -> None:
    class Twin(Model):
        id: str = Field(primary_key=True)

    with pytest.raises(ModelDeclarationError, match="Twin: is the name of two models"):
        snapshot_of([Twin, Twin])
