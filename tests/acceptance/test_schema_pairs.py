"""Whatever a model becomes: its records read back as what the answers imply, and come back byte for byte."""

import itertools
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redis_models import Model, Store
from redis_models.migrations.autodetector.answers import Answer, Answers, parse_answer
from redis_models.migrations.autodetector.diff import diff
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.files.next_migration import next_migration
from redis_models.migrations.schema.from_models import snapshot_of

_HEAD = """
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, NaiveDatetime

from redis_models import Field, Model
"""
_MODULES = itertools.count()
# Source of a type, and of some of its values.
_TYPES: Final[dict[str, Sequence[str]]] = {
    "str": ["''", "'a b'", "'None'", "'7'", "'ü'"],
    "int": ["0", "-7", "10**20"],
    "float": ["0.0", "1.5", "-2e30"],
    "bool": ["True", "False"],
    "date": ["date(2020, 1, 2)"],
    "NaiveDatetime": ["datetime(2020, 1, 2, 3, 4, 5)"],
    "UUID": ["UUID(int=7)"],
    "Decimal": ["Decimal('1.50')", "Decimal('7')"],
    "list[int]": ["[]", "[1, 2]"],
    "dict[str, int]": ["{}", "{'a': 1}"],
    "Literal['a', 'b']": ["'a'", "'b'"],
    "Color": ["Color.RED", "Color.BLUE"],
    "Inner": ["Inner(zip='1', n=2)", "Inner(zip='', n=-1)"],
    "list[Inner]": ["[]", "[Inner(zip='1', n=2), Inner(zip='x', n=0)]"],
}
# Types that turn into others, and how a value does.
_RETYPED: Final[dict[tuple[str, str], Callable[[Any], Any]]] = {
    ("int", "str"): str,
    ("int", "float"): float,
    ("bool", "int"): int,
    ("date", "str"): str,
    ("UUID", "str"): str,
    ("Decimal", "str"): str,
    ("list[int]", "tuple[int, ...]"): tuple,
    ("list[int]", "list[float]"): lambda value: [float(number) for number in value],
    ("dict[str, int]", "dict[str, float]"): lambda value: {name: float(number) for name, number in value.items()},
}


@dataclass
class Drawn:
    """A field, before and after. What is None is absent there.

    Attributes:
        name, new_name: What it is called.
        type, new_type: Source of its type.
        values: Sources of its values before.
        convert: From a value before to the one afterwards.
        default: Source of the default that the new field has, or "".
        flags: Answers that say what was meant; ``A`` is the model.
    """

    name: str | None
    new_name: str | None
    type: str = "str"
    new_type: str = "str"
    values: Sequence[str] = ()
    convert: Callable[[Any], Any] = lambda value: value
    default: str = ""
    flags: list[str] = field(default_factory=list[str])


def _plain(name: str, draw: Any) -> Drawn:
    kind = draw(st.sampled_from(sorted(_TYPES)))
    return Drawn(name, name, kind, kind, _TYPES[kind])


def _renamed(drawn: Drawn, draw: Any) -> Drawn:
    drawn.new_name = f"{drawn.name}_new"
    drawn.flags = [f"--rename A.{drawn.name}={drawn.new_name}"]
    return drawn


def _dropped(drawn: Drawn, draw: Any) -> Drawn:
    drawn.new_name, drawn.flags = None, [f"--drop A.{drawn.name}"]
    return drawn


def _added(drawn: Drawn, draw: Any) -> Drawn:
    kind, value = draw(st.sampled_from([("int", "7"), ("str", "'x'"), ("list[int]", "[1]"), ("int | None", "None")]))
    drawn.name, drawn.new_name, drawn.new_type = None, f"{drawn.name}_added", kind
    if draw(st.booleans()):
        drawn.default = value
    else:
        drawn.flags = [f"--default A.{drawn.new_name}={value}"]
    made: object = eval(value)  # a literal of this file
    drawn.convert = lambda _: made
    return drawn


def _retyped(drawn: Drawn, draw: Any) -> Drawn:
    (drawn.type, drawn.new_type), drawn.convert = draw(
        st.sampled_from(sorted(_RETYPED.items(), key=lambda pair: pair[0]))
    )
    drawn.values = _TYPES[drawn.type]
    return _renamed(drawn, draw) if draw(st.booleans()) else drawn


def _made_optional(drawn: Drawn, draw: Any) -> Drawn:
    drawn.new_type = f"{drawn.type} | None"
    drawn.default = "None"
    return drawn


def _made_required(drawn: Drawn, draw: Any) -> Drawn:
    drawn.type, drawn.new_type, drawn.values = "int | None", "int", ["None", "5"]
    drawn.flags = [f"--default A.{drawn.name}=3"]
    drawn.convert = lambda value: 3 if value is None else value
    return drawn


def _member_gone(drawn: Drawn, draw: Any) -> Drawn:
    drawn.type, drawn.new_type = "Literal['a', 'b', 'c']", "Literal['a', 'd']"
    drawn.values = ["'a'", "'b'", "'c'"]
    target = draw(st.sampled_from("ad"))
    drawn.flags = [f"--map A.{drawn.name}:b={target}", f"--map A.{drawn.name}:c=d"]
    drawn.convert = lambda value: {"b": target, "c": "d"}.get(value, value)
    return drawn


def _zoned(drawn: Drawn, draw: Any) -> Drawn:
    drawn.type, drawn.new_type, drawn.values = "NaiveDatetime", "AwareDatetime", _TYPES["NaiveDatetime"]
    drawn.flags = [f"--zone A.{drawn.name}=UTC"]
    drawn.convert = lambda value: value.isoformat() + "+00:00"
    return drawn


def _nested(drawn: Drawn, draw: Any) -> Drawn:
    """An object that loses a key, gets one, renames one and converts one, alone or in a list."""
    is_list = draw(st.booleans())
    drawn.type, drawn.new_type = ("list[Inner]", "list[NewInner]") if is_list else ("Inner", "NewInner")
    drawn.values = _TYPES[drawn.type]
    drawn.flags = [f"--rename A.{drawn.name}.zip={drawn.name}.plz", f"--default A.{drawn.name}.city='X'"]

    def convert(value: Any) -> Any:
        if isinstance(value, list):
            return list(map(convert, value))  # pyright: ignore[reportUnknownArgumentType]
        return {"plz": value.zip, "n": str(value.n), "city": "X"}

    drawn.convert = convert
    return drawn


def _kept(drawn: Drawn, draw: Any) -> Drawn:
    return drawn


_CHANGES: Final[Sequence[Callable[[Drawn, Any], Drawn]]] = [
    _kept, _renamed, _dropped, _added, _retyped, _made_optional, _made_required, _member_gone, _zoned,
    _nested,
]  # fmt: skip


@dataclass
class Pair:
    """Two versions of a model.

    Attributes:
        fields: Its fields.
        keys: Options of the new Meta that change the keys; "" for none.
        is_renamed: Whether the class is called B afterwards.
    """

    fields: list[Drawn]
    keys: str
    is_renamed: bool

    @property
    def old(self) -> str:
        """Source of the old version."""
        return _declare("A", [(field.name, field.type, "") for field in self.fields], "version = 1")

    @property
    def new(self) -> str:
        """Source of the new version."""
        name, fields = (
            "B" if self.is_renamed else "A",
            [(field.new_name, field.new_type, field.default) for field in self.fields],
        )
        return _declare(name, fields, "version = 2" + (f"\n        {self.keys}" if self.keys else ""))

    @property
    def flags(self) -> list[str]:
        """All answers."""
        name = "B" if self.is_renamed else "A"
        flags = [flag.replace(" A.", f" {name}.") for field in self.fields for flag in field.flags]
        return (["--rename A=B"] if self.is_renamed and self.keys != "table = 'a'" else []) + flags


def _declare(name: str, fields: Sequence[tuple[str | None, str, str]], meta: str) -> str:
    lines = [f"    {field}: {kind}" + (f" = {default}" if default else "") for field, kind, default in fields if field]
    return (
        "class Color(Enum):\n    RED = 'r'\n    BLUE = 'b'\n"
        "class Inner(BaseModel):\n    zip: str\n    n: int\n"
        "class NewInner(BaseModel):\n    plz: str\n    n: str\n    city: str\n"
        f"class {name}(Model):\n    id: str = Field(primary_key=True)\n"
        + "\n".join(lines)
        + f"\n    class Meta:\n        {meta}\n"
    )


@st.composite
def pairs(draw: Any) -> Pair:
    """Draw a model and what it becomes."""
    fields: list[Drawn] = []
    for number in range(draw(st.integers(1, 5))):
        fields.append(draw(st.sampled_from(_CHANGES))(_plain(f"f{number}", draw), draw))
    is_renamed = draw(st.booleans())
    keys = draw(st.sampled_from(["", "prefix = 'shop'", "separator = '|'", "table = 'other'", "table = 'a'"]))
    return Pair(fields, keys, is_renamed)


def _loaded(source: str) -> tuple[Any, dict[str, Any]]:
    module = types.ModuleType(f"pairs_{next(_MODULES)}")
    sys.modules[module.__name__] = module
    try:
        exec(compile(_HEAD + source, module.__name__, "exec"), module.__dict__)
    finally:
        del sys.modules[module.__name__]
    found = [
        var for var in vars(module).values() if isinstance(var, type) and issubclass(var, Model) and var is not Model
    ]
    return found[0], vars(module)


def _chain(old: type[Model], new: type[Model], flags: Sequence[str], folder: Any) -> Chain:
    """Make both migrations as makemigrations does, through the text of their files."""
    first = next_migration(Chain("shop"), folder, diff(Chain("shop").snapshots[0], snapshot_of([old])))
    chain = Chain("shop", (first.migration,))
    before, after = chain.snapshots[-1], snapshot_of([new])
    models = {"shop": sorted({*before.by_name, *after.by_name})}
    given_answers: list[Answer] = [_answer(flag, models) for flag in flags]
    found = diff(before, after, Answers(tuple(given_answers)))
    assert not found.questions, [question.line() for question in found.questions]
    second = next_migration(chain, folder, found, code=found.target)
    return Chain("shop", (first.migration, second.migration))


def _answer(flag: str, models: dict[str, list[str]]) -> Answer:
    option, text = flag.split(" ", 1)
    return parse_answer(option, text, models)[1]


@given(pair=pairs(), seed=st.integers(0, 3))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_records_read_back_as_the_answers_imply_and_come_back_byte_for_byte(
    database: Any, server: Any, tmp_path: Any, pair: Pair, seed: int
) -> None:
    database.client.flushall()
    old, names = _loaded(pair.old)
    new, _ = _loaded(pair.new)
    chain = _chain(old, new, pair.flags, tmp_path)
    records = [
        {
            field.name: eval(field.values[(number + seed) % len(field.values)], names)
            for field in pair.fields
            if field.name
        }
        for number in range(4)
    ]
    with Store.from_url(server.url) as store:
        store.register_model(old)
        old.sync.insert([old(id=str(number), **record) for number, record in enumerate(records)])
        before = database.dump()

        database.migrate(chain)
    with Store.from_url(server.url) as store:
        store.register_model(new)
        selected: list[Any] = new.sync.select() or []
        found = {str(record.id): record for record in selected}

    assert sorted(found) == [str(number) for number in range(len(records))]
    for number, record in enumerate(records):
        for change in pair.fields:
            if change.new_name:
                value = change.convert(record.get(change.name or ""))
                assert _same(getattr(found[str(number)], change.new_name), value), (change, record)
    database.migrate(chain, 1)
    assert {key: _fields(stored) for key, stored in database.dump().items()} == {
        key: _fields(stored) for key, stored in before.items()
    }


def _fields(record: Any) -> Any:
    return record[0] if isinstance(record, tuple) else record  # pyright: ignore[reportUnknownVariableType]


def _same(found: Any, expected: Any) -> bool:
    """Compare by what is stored: the classes of the two modules are others."""
    return bool(_stored(found) == _stored(expected))


def _stored(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(_stored, cast("list[Any]", value))]  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, dict):
        return {name: _stored(part) for name, part in cast("dict[str, Any]", value).items()}
    if hasattr(value, "model_dump"):
        return {name: _stored(part) for name, part in value}
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value.value if type(value).__name__ == "Color" else value
