"""Constraints of models: a change that makes a model refuse more is reported, at any place; no other change is."""

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from redis_models.migrations.files.constraints_file import tightened_since
from redis_models.migrations.files.model_constraints import constraints_of, digest_of_constraints

_HEAD = """
import dataclasses
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, NamedTuple, NewType, Optional
from typing_extensions import TypedDict, TypeAliasType

import annotated_types as at
import pydantic
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints
from pydantic import Field as F
from pydantic import field_validator, model_validator

from redis_models import Field, Model

"""
_BASE = """
def check(value):
    return value

class Line(BaseModel):
    sku: str = ""
    count: int = 0

@dataclasses.dataclass
class Place:
    city: str = ""

class Opening(TypedDict):
    hour: int

class Colour(Enum):
    RED = "red"

Short = Annotated[str, StringConstraints(max_length=20)]
Cents = NewType("Cents", int)

class Order(Model):
    id: str = Field(primary_key=True)
    name: str = ""
    price: Decimal = Decimal(0)
    lines: list[Line] = []
    by_day: dict[str, int] = {}
    place: Optional[Place] = None
    opening: Optional[Opening] = None
    colour: Colour = Colour.RED
    either: int | str = 0
    cents: Cents = Cents(0)
    short: Short = ""
    on: pydantic.PastDate | None = None

    def total(self):
        return 1
"""
_STRICTER = {
    "a length": ('name: str = ""', 'name: str = Field("", max_length=9)', "name: max_length=9 is new"),
    "a pattern": ('name: str = ""', 'name: str = Field("", pattern="^a")', "name: pattern=^a is new"),
    "a bound": ("price: Decimal = Decimal(0)", "price: Decimal = Field(Decimal(0), ge=0)", "price: ge=0 is new"),
    "digits": (
        "price: Decimal = Decimal(0)",
        "price: Decimal = Field(Decimal(0), max_digits=4)",
        "price: max_digits=4",
    ),
    "a strict field": ("either: int | str", "either: pydantic.StrictInt | str", "either|int: strict=True is new"),
    "an item": ("lines: list[Line]", "lines: Annotated[list[Line], at.Len(1)]", "lines: min_length=1 is new"),
    "a nested field": ("count: int = 0", "count: int = F(0, gt=-1)", "lines[].count: gt=-1 is new"),
    "a nested setting": (
        "class Line(BaseModel):",
        'class Line(BaseModel):\n    model_config = ConfigDict(extra="forbid")',
        "lines[]: extra=forbid is new",
    ),
    "a value of a mapping": (
        "dict[str, int]",
        "dict[str, Annotated[int, at.Interval(ge=0, lt=9)]]",
        "by_day[]: ge=0 is new",
    ),
    "a key of a mapping": ("dict[str, int]", "dict[Annotated[str, at.MinLen(2)], int]", "by_day{}: min_length=2"),
    "a dataclass": ('city: str = ""', 'city: Annotated[str, F(max_length=3)] = ""', "place.city: max_length=3"),
    "a TypedDict": ("hour: int", "hour: Annotated[int, F(lt=24)]", "opening.hour: lt=24"),
    "an alias": ("max_length=20", "max_length=10", "short: max_length=10, was 20"),
    "a new type": ("either: int | str", "either: Cents | Short", "either|str: max_length=20 is new"),
    "a validator in an annotation": (
        "price: Decimal = ",
        "price: Annotated[Decimal, AfterValidator(check)] = ",
        "price: the after validator check is new",
    ),
    "a field's validator": (
        "    def total",
        '    @field_validator("name")\n    def seen(cls, value): return value\n\n    def total',
        "name: the after validator seen is new",
    ),
    "a model's validator": (
        "    def total",
        '    @model_validator(mode="after")\n    def whole(self): return self\n\n    def total',
        "Order: the after validator whole is new",
    ),
    "a model's setting": (
        "    def total",
        "    model_config = ConfigDict(strict=True)\n\n    def total",
        "Order: strict=True is new",
    ),
    "an enum's hook": (
        '    RED = "red"',
        '    RED = "red"\n    @classmethod\n    def _missing_(cls, value): raise ValueError',
        "colour: the method _missing_ is new",
    ),
    "finite numbers": (
        "price: Decimal = Decimal(0)",
        "price: pydantic.FiniteFloat = 0.0",
        "price: allow_inf_nan=False",
    ),
    "a type of pydantic": ("on: pydantic.PastDate", "on: pydantic.FutureDate", "on: type=FutureDate, was PastDate"),
}
_NOT_STRICTER = {
    "a docstring": ("    def total", '    """An order."""\n\n    def total'),
    "a method": ("return 1", "return 2"),
    "a looser alias": ("max_length=20", "max_length=40"),
    "a description": ('name: str = ""', 'name: str = Field("", description="of whom", examples=["x"])'),
    "a default": ('name: str = ""', 'name: str = "x"'),
    "a title": ("    def total", '    model_config = ConfigDict(title="T", frozen=True)\n\n    def total'),
    "a private attribute": ("    def total", "    _seen: int = pydantic.PrivateAttr(0)\n\n    def total"),
    "a serializer": (
        "    def total",
        '    @pydantic.field_serializer("name")\n    def out(self, value): return value\n\n    def total',
    ),
    "another order": (
        '    name: str = ""\n    price: Decimal = Decimal(0)',
        '    price: Decimal = Decimal(0)\n    name: str = ""',
    ),
}


@pytest.fixture
def declare(tmp_path: Path) -> Callable[[str], Any]:
    """Give the model of a source, which is a file: what functions do is told by that."""
    count = 0

    def declare(text: str) -> Any:
        nonlocal count
        count += 1
        path = tmp_path / f"m{count}.py"
        path.write_text(_HEAD + text)
        space: dict[str, Any] = {"__name__": f"m{count}", "__file__": str(path)}
        exec(compile(path.read_text(), str(path), "exec"), space)
        return space["Order"]

    return declare


def _reported(old: Any, new: Any) -> list[str]:
    return [
        f"{change.path or 'Order'}: {change.what}"
        for change in tightened_since("Order", constraints_of(old), constraints_of(new))
    ]


@pytest.mark.parametrize(("before", "after", "expected"), _STRICTER.values(), ids=list(_STRICTER))
def test_only_stricter_constraints_are_reported(
    declare: Callable[[str], Any], before: str, after: str, expected: str
) -> None:
    old, new = declare(_BASE), declare(_BASE.replace(before, after, 1))

    assert any(expected in line for line in _reported(old, new)), _reported(old, new)
    assert digest_of_constraints([old]) != digest_of_constraints([new])
    if "was" not in expected or "20" in expected:
        assert _reported(new, old) == []


@pytest.mark.parametrize(("before", "after"), _NOT_STRICTER.values(), ids=list(_NOT_STRICTER))
def test_values_that_read_the_same_are_not_reported(declare: Callable[[str], Any], before: str, after: str) -> None:
    old, new = declare(_BASE), declare(_BASE.replace(before, after, 1))

    assert before in _BASE
    assert _reported(old, new) == []
    if "looser" not in after and before != "max_length=20":
        assert digest_of_constraints([old]) == digest_of_constraints([new])


_VALIDATED = _BASE.replace(
    "    def total",
    '    @field_validator("name", mode="before")\n    @classmethod\n    def mend(cls, value):\n'
    '        """Mend."""\n        return value or "x"  # why\n\n    def total',
)


def test_a_validator_that_does_something_else_is_another_one_its_words_are_not(declare: Callable[[str], Any]) -> None:
    old = declare(_VALIDATED)

    assert _reported(old, declare(_VALIDATED.replace("Mend.", "Mend it.").replace("# why", "# because"))) == []
    assert _reported(old, declare(_VALIDATED.replace('or "x"', 'or "y"'))) == [
        "name: the before validator mend changed"
    ]
    assert _reported(old, declare(_BASE)) == ["name: the before validator mend was removed"]


_MADE = {
    "a captured value": (
        "LIMIT = 5\ndef at_most(most):\n    def check(v): return min(v, most)\n    return check\n",
        "at_most(5)",
        "at_most(4)",
    ),
    "an argument of a partial": (
        "import functools\ndef least(v, at=1): return max(v, at)\n",
        "functools.partial(least, at=2)",
        "functools.partial(least, at=3)",
    ),
    "an object that can be called": (
        "class Most:\n    def __init__(self, most): self.most = most\n    def __call__(self, v): return v\n",
        "Most(5)",
        "Most(4)",
    ),
    "a lambda": ("", "lambda v: v + 1", "lambda v: v + 2"),
}


@pytest.mark.parametrize(("head", "first", "other"), _MADE.values(), ids=list(_MADE))
def test_what_a_validator_was_made_with_counts(
    declare: Callable[[str], Any], head: str, first: str, other: str
) -> None:
    text = head + _BASE.replace("price: Decimal = ", "price: Annotated[Decimal, AfterValidator(MADE)] = ")
    [old, same, new] = [declare(text.replace("MADE", made)) for made in (first, first, other)]

    assert digest_of_constraints([old]) == digest_of_constraints([same])
    assert digest_of_constraints([old]) != digest_of_constraints([new])


@pytest.mark.parametrize(("before", "after"), [("MOST = 5", "MOST = 4"), ("v < MOST", "v <= MOST"), ('"a+"', '"b+"')])
def test_what_a_validator_names_of_its_module_counts(declare: Callable[[str], Any], before: str, after: str) -> None:
    head = (
        'import re\nMOST = 5\nFORM = re.compile("a+")\nUNUSED = 1\ndef is_fine(v): return v < MOST and FORM\n'
        "def within(v):\n    assert is_fine(v)\n    return v\n"
    )
    text = head + _BASE.replace("price: Decimal = ", "price: Annotated[Decimal, AfterValidator(within)] = ")
    old, other, new = (
        declare(text),
        declare(text.replace("UNUSED = 1", "UNUSED = 2")),
        declare(text.replace(before, after)),
    )

    assert digest_of_constraints([old]) == digest_of_constraints([other])
    assert digest_of_constraints([old]) != digest_of_constraints([new])


def test_a_class_that_holds_itself_comes_to_an_end(declare: Callable[[str], Any]) -> None:
    model = declare(
        "class Node(BaseModel):\n    n: Annotated[int, F(ge=0)] = 0\n    kids: 'list[Node]' = []\n\n"
        "class Order(Model):\n    id: str = Field(primary_key=True)\n    top: Node | None = None\n"
    )

    assert constraints_of(model) == {"top.n": {"ge": "0"}}


def test_a_digest_is_the_same_in_every_process(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(_HEAD + _VALIDATED)
    code = textwrap.dedent("""
        import m
        from redis_models.migrations.files.model_constraints import digest_of_constraints
        print(digest_of_constraints([m.Order]))
    """)
    root = str(Path(__file__).parents[3])
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={"PYTHONPATH": f"{tmp_path}:{root}", "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "77")
    }

    assert len(digests) == 1
