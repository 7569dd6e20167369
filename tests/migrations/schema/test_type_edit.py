"""Labels of recursive types, where a change adds one, doubles one or takes one away: the text is what the code has."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel, create_model

from redis_models.migrations import AddField, AlterField, FlattenField, NestFields, RemoveField, RenameField
from redis_models.migrations.operations import Operation
from redis_models.migrations.schema.type_edit import numbered
from redis_models.migrations.schema.type_text import describe

if TYPE_CHECKING:
    from ...support.nested_fixtures import OneModel  # pytest imports conftest by itself, under another name

Make = Callable[..., "OneModel"]


class Node(BaseModel):
    next: "Node | None" = None


class Ring(BaseModel):
    value: int
    twins: "list[Ring]" = []


NODE, RING = describe(Node), describe(Ring)
BOTH = create_model("Both", a=(Node, ...), b=(Ring, ...), n=(int, ...))
ONLY_B = create_model("OnlyB", b=(Ring, ...), n=(int, ...))
NODES = b'"a": {"next": {"next": null}}'
RINGS = b'"b": {"value": 1, "twins": [{"value": 2}]}'


@pytest.mark.parametrize(
    ("fields", "operation", "types", "record"),
    [
        (
            {"x": describe(ONLY_B)},
            AddField("Order", "x.a", NODE, fill={"next": None}),
            {"x": describe(BOTH)},
            {"x": b"{" + RINGS + b', "n": 1}'},
        ),
        (
            {"x": describe(BOTH)},
            RemoveField("Order", "x.a"),
            {"x": describe(ONLY_B)},
            {"x": b"{" + NODES + b", " + RINGS + b', "n": 1}'},
        ),
        (
            {"x": describe(BOTH)},
            RenameField("Order", "x.b", "z"),
            {"x": describe(create_model("Rest", a=(Node, ...), n=(int, ...))), "z": RING},
            {"x": b"{" + NODES + b", " + RINGS + b', "n": 1}'},
        ),
        (
            {"x": describe(ONLY_B), "z": NODE},
            RenameField("Order", "z", "x.a"),
            {"x": describe(BOTH)},
            {"x": b"{" + RINGS + b', "n": 1}', "z": b'{"next": null}'},
        ),
        (
            {"a": NODE, "b": RING, "n": "int"},
            NestFields("Order", {"a": "a", "b": "b", "n": "n"}, "x"),
            {"x": describe(BOTH)},
            {"a": b'{"next": null}', "b": b'{"value": 1, "twins": []}', "n": b"1"},
        ),
        (
            {"x": describe(BOTH)},
            FlattenField("Order", "x", {"a": "a", "b": "b", "n": "n"}),
            {"a": NODE, "b": RING, "n": "int"},
            {"x": b"{" + NODES + b", " + RINGS + b', "n": 1}'},
        ),
        (
            {"x": f"dict[str, {describe(BOTH)}]"},
            AlterField("Order", "x.n", "int", "str"),
            {"x": f"dict[str, {describe(BOTH)}]".replace("n=int", "n=str")},
            {"x": b'{"k": {' + NODES + b", " + RINGS + b', "n": 1}}'},
        ),
    ],
)
def test_labels_are_counted_as_the_code_counts_them_and_records_come_back(
    order: Make, fields: dict[str, str], operation: Operation, types: dict[str, str], record: dict[str, bytes]
) -> None:
    changed = order(fields, operation)

    assert changed.types == types
    assert changed.there(**record).keys() == types.keys()


def test_variants_are_distinguished_by_more_than_their_labels(order: Make) -> None:
    union = f"Object(k=Literal['a'], n={NODE}, v=int) | Object(k=Literal['b'], n={NODE.replace('T1', 'T2')}, v=int)"
    changed = order({"x": union}, AlterField("Order", "x.v", "int", "str"))

    assert changed.there(x=b'{"k": "b", "n": {"next": null}, "v": 1}') == {
        "x": b'{"k": "b", "n": {"next": null}, "v": "1"}'
    }


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Object(a=int)", "Object(a=int)"),
        (RING.replace("T1", "T7"), RING),
        (f"tuple[{NODE}, {NODE}]", f"tuple[{NODE}, {NODE.replace('T1', 'T2')}]"),
        (
            "tuple[Alias('T5', list[Ref('T5')]), Literal[\"Ref('T5')\"]]",
            "tuple[Alias('T1', list[Ref('T1')]), Literal[\"Ref('T5')\"]]",
        ),
        (
            "Object('A', a=Object('A', b=Ref('A')), c=Ref('A'), **{'ö': Ref('A')})",
            "Object('T2', a=Object('T1', b=Ref('T1')), c=Ref('T2'), **{'ö': Ref('T2')})",
        ),
    ],
)
def test_a_reference_goes_on_meaning_what_it_meant(text: str, same: str) -> None:
    assert numbered(text) == same
    assert numbered(same) == same


def test_numbers_of_a_type_whose_labels_stay_stay(order: Make) -> None:
    generic = f"Object(items=list[{NODE.replace('T1', 'T2')}], n=int)"

    assert order({"x": generic}, RemoveField("Order", "x.n", back=0)).types == {
        "x": f"Object(items=list[{NODE.replace('T1', 'T2')}])"
    }
