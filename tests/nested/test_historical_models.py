"""Models of the past read the records of their version."""

from collections.abc import Mapping
from typing import Any, cast

import pydantic
import pytest

from redis_models.migrations import AddField, AlterField, CreateModel, RenameField
from redis_models.migrations.historicalmodels import historical_model
from redis_models.migrations.operations import Operation
from redis_models.migrations.schema import ModelSchema, Snapshot

FIRST = {"id": "str", "total": "str", "status": "Enum(OPEN='open')", "lines": "list[Object(name=str)]"}
CHAIN: tuple[Operation, ...] = (
    CreateModel("Order", FIRST, "id", "order"),
    AlterField("Order", "total", "str", "Decimal"),
    AddField("Order", "tags", "list[str]", fill=["new"]),
    AddField("Order", "lines.price", "int", fill=0),
    RenameField("Order", "status", "state"),
    AddField("Order", "_json", "int", fill=1),
    AddField("Order", "json", "str | None", fill=None),
)


def _schema_after(count: int) -> ModelSchema:
    state = Snapshot()
    for operation in CHAIN[:count]:
        state = operation.apply(state)
    return state.model("Order")


def _read(schema: ModelSchema, record: Mapping[str, bytes]) -> Any:
    values = {name: schema.field(name).codec.decode(raw) for name, raw in record.items()}
    return cast(Any, historical_model(schema).model_validate(values))


def test_records_of_each_version_read_with_its_model() -> None:
    old = _read(_schema_after(1), {"id": b"1", "total": b"1.50", "status": b'"open"', "lines": b'[{"name": "a"}]'})
    new = _read(
        _schema_after(5), {"id": b"1", "total": b'"1.50"', "state": b'"open"', "lines": b'[{"name":"a","price":2}]'}
    )

    assert (old.total, old.status, old.lines[0].name) == ("1.50", "open", "a")
    assert (str(new.total), new.state.name, new.lines[0].price, new.tags) == ("1.50", "OPEN", 2, ["new"])
    assert type(new).__name__ == "Order"


def test_a_field_that_is_missing_or_of_another_type_is_refused() -> None:
    model = historical_model(_schema_after(2))

    with pytest.raises(pydantic.ValidationError, match=r"(?s)lines.*Field required.*total.*decimal"):
        model.model_validate({"id": "1", "status": "open", "total": "many"})


def test_fields_that_no_model_can_have_are_there_under_another_name() -> None:
    made = _read(_schema_after(7), {"id": b"1", "total": b'"1"', "state": b'"open"', "lines": b"[]", "_json": b"7"})

    assert (made.json_, made.json__) == (7, None)
    assert made.model_dump(by_alias=True).keys() >= {"_json", "json"}
