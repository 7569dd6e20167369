"""Every operation lives through the same: apply, back, apply, apply again, die at any point and resume, back again."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from redis_models import migrations
from redis_models.migrations import (
    AddField,
    AlterExtras,
    AlterField,
    AlterKeys,
    AlterTTL,
    AttachTimezone,
    CreateModel,
    DeleteModel,
    FillNone,
    FlattenField,
    MapValues,
    MergeFields,
    MoveModel,
    NestFields,
    RemoveField,
    RenameField,
    RenameModel,
    Run,
    SplitField,
    Transform,
)
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.operations import Operation

Record = Mapping[str, str]


@dataclass(frozen=True)
class Case:
    """One operation, or several that belong together.

    Attributes:
        types: The fields of the model before, beside its primary key.
        operations: Of the migration that is looked at.
        before, after: Stored fields of some records; without undo fields.
        name: What the model is called afterwards.
        start: What its keys begin with afterwards.
        is_counted: Whether its version rises.
        ends: Whether records end afterwards; None where that stays as it is.
    """

    types: Mapping[str, str]
    operations: Sequence[Operation]
    before: Sequence[Record] = ({},)
    after: Sequence[Record] = ({},)
    name: str = "Order"
    start: str = "order:"
    is_counted: bool = True
    ends: bool | None = None
    extra: Mapping[str, int] = field(default_factory=dict[str, int])


def _shout(old: Any) -> str:
    return str(old.name).upper()


def _halves(value: Any) -> dict[str, object]:
    first, _, last = str(value).partition(" ")
    return {"first": first, "last": last}


def _whole(values: dict[str, Any]) -> str:
    return f"{values['first']} {values['last']}"


def _double(old: Any, new: Any) -> None:
    new.n = old.n * 2


def _halve(old: Any, new: Any) -> None:
    new.n = old.n // 2


def _touch(context: Any) -> None:
    context.redis.set("touched", "1")


def _untouch(context: Any) -> None:
    context.redis.delete("touched")


_ADDRESS = "Object(city=str, zip=str)"
_STORED = '{"zip":"1","city":"X"}'
_ENUM = ("Enum(A='a', B='b', C='c')", "Enum(A='a', C='c')")

CASES: dict[str, Case] = {
    "CreateModel": Case({}, [CreateModel("Other", {"id": "str"}, "id", "other")], extra={"Other": 1}, is_counted=False),
    "DeleteModel": Case({"n": "int"}, [DeleteModel("Order")], [{"n": "1"}], [{"n": "1"}], is_counted=False),
    "MoveModel": Case({"n": "int"}, [MoveModel("Order", "crm")], [{"n": "1"}], [{"n": "1"}], is_counted=False),
    "RenameModel": Case(
        {"n": "int"}, [RenameModel("Order", "Sale")], [{"n": "1"}], [{"n": "1"}], name="Sale", is_counted=False
    ),
    "AlterKeys, table": Case(
        {"n": "int"}, [AlterKeys("Order", table="sale")], [{"n": "1"}], [{"n": "1"}], start="sale:"
    ),
    "AlterKeys, prefix and separator": Case(
        {"n": "int"},
        [AlterKeys("Order", prefix="shop", separator="|")],
        [{"n": "1"}, {"n": "2"}],
        [{"n": "1"}, {"n": "2"}],
        start="shop|order|",
    ),
    "RenameModel with AlterKeys and fields": Case(
        {"n": "int"},
        [
            RenameModel("Order", "Sale"),
            RenameField("Sale", "n", "m"),
            AddField("Sale", "x", "str", fill=""),
            AlterKeys("Sale", table="sale"),
        ],
        [{"n": "1"}],
        [{"m": "1", "x": ""}],
        name="Sale",
        start="sale:",
    ),
    "AlterTTL, new records": Case(
        {"n": "int"}, [AlterTTL("Order", None, 60)], [{"n": "1"}], [{"n": "1"}], is_counted=False
    ),
    "AlterTTL, all records": Case(
        {"n": "int"},
        [AlterTTL("Order", None, 60, "all")],
        [{"n": "1"}, {"n": "2"}],
        [{"n": "1"}, {"n": "2"}],
        ends=True,
    ),
    "AlterTTL, for ever": Case(
        {"n": "int"},
        [AlterTTL("Order", None, None, "all")],
        [{"n": "1"}, {"n": "2"}],
        [{"n": "1"}, {"n": "2"}],
        ends=False,
    ),
    "AlterExtras": Case(
        {"n": "int"},
        [AlterExtras("Order", True), AlterExtras("Order", False)],
        [{"n": "1", "x": '"e"'}],
        [{"n": "1", "x": '"e"'}],
    ),
    "AddField, taking extras": Case(
        {"n": "int"},
        [AddField("Order", "x", "str", fill="", extra="take")],
        [{"n": "1", "x": '"e"'}, {"n": "2"}, {"n": "3", "x": "7"}],
        [{"n": "1", "x": "e"}, {"n": "2", "x": ""}, {"n": "3", "x": "7"}],
    ),
    "AddField, replacing extras": Case(
        {"n": "int"},
        [AddField("Order", "x", "str", fill="y", extra="replace")],
        [{"n": "1", "x": '"e"'}],
        [{"n": "1", "x": "y"}],
    ),
    "AlterField, wider": Case(
        {"n": "int", "p": "Object(k=int)"},
        [
            AlterField("Order", "n", "int", "int | None"),
            AddField("Order", "x", "int", fill=7),
            AlterField("Order", "p.k", "int", "int | None"),
        ],
        [{"n": "1", "p": '{"k": 1}'}, {"n": "2", "p": '{"k":2}'}],
        [{"n": "1", "p": '{"k": 1}', "x": "7"}, {"n": "2", "p": '{"k":2}', "x": "7"}],
    ),
    "AddField": Case({}, [AddField("Order", "x", "int", fill=7)], [{}], [{"x": "7"}]),
    "AddField, computed": Case(
        {"name": "str"}, [AddField("Order", "x", "str", fill=_shout)], [{"name": "a"}], [{"name": "a", "x": "A"}]
    ),
    "AddField, path": Case(
        {"address": "Object(zip=str)"},
        [AddField("Order", "address.city", "str", fill="X")],
        [{"address": '{"zip":"1"}'}],
        [{"address": '{"zip":"1","city":"X"}'}],
    ),
    "RemoveField": Case({"x": "int"}, [RemoveField("Order", "x")], [{"x": "07"}], [{}]),
    "RemoveField, path": Case(
        {"address": _ADDRESS},
        [RemoveField("Order", "address.city")],
        [{"address": _STORED}],
        [{"address": '{"zip":"1"}'}],
    ),
    "RenameField": Case({"x": "int"}, [RenameField("Order", "x", "y")], [{"x": "7"}], [{"y": "7"}]),
    "RenameField, path": Case(
        {"address": _ADDRESS},
        [RenameField("Order", "address.zip", "address.plz")],
        [{"address": _STORED}],
        [{"address": '{"plz":"1","city":"X"}'}],
    ),
    "RenameField, into an object": Case(
        {"address": "Object(city=str)", "zip": "str"},
        [RenameField("Order", "zip", "address.zip")],
        [{"address": '{"city":"X"}', "zip": "1"}],
        [{"address": '{"city":"X","zip":"1"}'}],
    ),
    "RenameField, out of an object": Case(
        {"address": _ADDRESS},
        [RenameField("Order", "address.zip", "zip")],
        [{"address": _STORED}],
        [{"address": '{"city":"X"}', "zip": "1"}],
    ),
    "AlterField": Case(
        {"x": "str"}, [AlterField("Order", "x", "str", "int")], [{"x": "007"}, {"x": "8"}], [{"x": "7"}, {"x": "8"}]
    ),
    "AlterField, path in a list": Case(
        {"lines": "list[Object(n=str)]"},
        [AlterField("Order", "lines.n", "str", "int")],
        [{"lines": '[{"n":"07"},{"n":"8"}]'}],
        [{"lines": '[{"n":7},{"n":8}]'}],
    ),
    "AlterField, enum members mapped": Case(
        {"x": _ENUM[0]},
        [AlterField("Order", "x", *_ENUM, convert=MapValues({"b": "c"}))],
        [{"x": '"a"'}, {"x": '"b"'}, {"x": '"c"'}],
        [{"x": '"a"'}, {"x": '"c"'}, {"x": '"c"'}],
    ),
    "AlterField, enum member made optional": Case(
        {"x": _ENUM[0]},
        [AlterField("Order", "x", _ENUM[0], f"{_ENUM[1]} | None", convert=MapValues({"b": None}))],
        [{"x": '"a"'}, {"x": '"b"'}],
        [{"x": '"a"'}, {"x": "null"}],
    ),
    "AlterField, optional to required": Case(
        {"x": "int | None"},
        [AlterField("Order", "x", "int | None", "int", convert=FillNone(0))],
        [{"x": "None"}, {"x": "5"}],
        [{"x": "0"}, {"x": "5"}],
    ),
    "AlterField, required to optional": Case(
        {"x": "int"}, [AlterField("Order", "x", "int", "int | None")], [{"x": "5"}], [{"x": "5"}]
    ),
    "AlterField, naive to aware": Case(
        {"x": "datetime[naive]"},
        [AlterField("Order", "x", "datetime[naive]", "datetime[aware]", convert=AttachTimezone("UTC"))],
        [{"x": '"2020-01-02T03:04:05"'}],
        [{"x": '"2020-01-02T03:04:05+00:00"'}],
    ),
    "AlterField, tag of a variant": Case(
        {"x": "Object(k=Literal['a'], n=int) | Object(k=Literal['b'])"},
        [AlterField("Order", "x.k", "Literal['b']", "Literal['c']", convert=MapValues({"b": "c"}))],
        [{"x": '{"k":"b"}'}, {"x": '{"k":"a","n":1}'}],
        [{"x": '{"k":"c"}'}, {"x": '{"k":"a","n":1}'}],
    ),
    "SplitField": Case(
        {"name": "str"},
        [SplitField("Order", "name", {"first": "str", "last": "str"}, _halves, _whole)],
        [{"name": "Ann Lee"}],
        [{"first": "Ann", "last": "Lee"}],
    ),
    "MergeFields": Case(
        {"first": "str", "last": "str"},
        [MergeFields("Order", ("first", "last"), "name", "str", _whole, _halves)],
        [{"first": "Ann", "last": "Lee"}],
        [{"name": "Ann Lee"}],
    ),
    "FlattenField": Case(
        {"address": _ADDRESS},
        [FlattenField("Order", "address", {"city": "city", "zip": "plz"})],
        [{"address": _STORED}],
        [{"city": "X", "plz": "1"}],
    ),
    "NestFields": Case(
        {"city": "str", "plz": "str"},
        [NestFields("Order", {"city": "city", "plz": "zip"}, "address")],
        [{"city": "X", "plz": "1"}],
        [{"address": '{"city":"X","zip":"1"}'}],
    ),
    "Transform": Case({"n": "int"}, [Transform("Order", _double, _halve)], [{"n": "2"}], [{"n": "4"}]),
    "Run": Case({}, [Run(_touch, _untouch, may_run_twice=True)], is_counted=False),
}


class _Lifecycle:
    """What one case goes through, on the real server."""

    def __init__(self, database: Any, chain: Callable[..., Chain], case: Case) -> None:
        self.database, self.case = database, case
        first = ({"Order": 1}, [CreateModel("Order", {"id": "str", **case.types}, "id", "order")])
        versions = {**({case.name: 2} if case.is_counted else {}), **case.extra}
        self.chain = chain(first, (versions, case.operations))
        self.fill()
        self.before = database.dump()

    def fill(self) -> None:
        self.database.client.flushall()
        for number, record in enumerate(self.case.before):
            self.database.put(f"order:{number}", 90_000_000 * (number % 2), id=str(number), **record)

    def check_after(self) -> None:
        """The records are what they should be, under their keys, ending when they did, and in their index."""
        found = self.database.dump()
        keys = [f"{self.case.start}{number}" for number in range(len(self.case.after))]
        for number, (key, expected) in enumerate(zip(keys, self.case.after, strict=True)):
            stored = {name.decode(): raw.decode() for name, raw in found[key][0].items() if not name.startswith(b"_")}
            assert _read(stored) == _read({"id": str(number), **expected})
            ends = bool(number % 2) if self.case.ends is None else self.case.ends
            assert (found[key][1] > 0) == ends
            assert found[key][0].get(b"_v", b"1") == (b"2" if self.case.is_counted else b"1")
        assert [member.decode() for member in found[f"{self.case.start}__index"]] == keys
        assert len([key for key in found if key != "touched"]) == len(keys) + 1

    def check_before(self) -> None:
        """Everything is byte for byte what it was; only the instants of records written anew may differ."""
        now = self.database.dump()
        assert {key: _content(stored) for key, stored in now.items()} == {
            key: _content(stored) for key, stored in self.before.items()
        }


def _content(stored: Any) -> Any:
    """Leave out when a record ends, which may have been set anew."""
    return (stored[0], stored[1] > 0) if isinstance(stored, tuple) else stored


def _read(record: Record) -> dict[str, object]:
    """Keys of objects may come in any order."""
    return {name: json.loads(raw) if raw[:1] in "{[" and raw else raw for name, raw in record.items()}


@pytest.mark.parametrize("name", CASES)
def test_an_operation_is_applied_taken_back_and_applied_again(
    database: Any, chain: Callable[..., Chain], name: str
) -> None:
    lifecycle = _Lifecycle(database, chain, CASES[name])

    database.migrate(lifecycle.chain)
    lifecycle.check_after()
    database.migrate(lifecycle.chain, 1)
    lifecycle.check_before()
    database.migrate(lifecycle.chain)
    lifecycle.check_after()
    there = database.dump()
    database.migrate(lifecycle.chain)

    assert database.dump() == there


@pytest.mark.parametrize("name", CASES)
def test_a_run_that_dies_at_any_exchange_is_finished_by_the_next(
    database: Any, chain: Callable[..., Chain], dying: Callable[..., Any], name: str
) -> None:
    lifecycle = _Lifecycle(database, chain, CASES[name])
    for passes in (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 1000):
        lifecycle.fill()
        try:
            database.migrate(lifecycle.chain, exchange=dying(passes))
        except KeyboardInterrupt:
            database.migrate(lifecycle.chain)
            lifecycle.check_after()
            with pytest.raises(KeyboardInterrupt):
                database.migrate(lifecycle.chain, 1, exchange=dying(min(passes, 4)))
            database.migrate(lifecycle.chain, 1)
            lifecycle.check_before()
        else:
            break

    assert passes > 4  # it died at some


def test_every_operation_has_a_case() -> None:
    kinds = {var for var in vars(migrations).values() if isinstance(var, type) and issubclass(var, Operation)}

    assert kinds == {type(operation) for case in CASES.values() for operation in case.operations}
