"""Changes of hashes of pydantic models that a diff cannot know the meaning of: what is asked, with its candidates."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from .declarations import ADDRESS, BOTH, META, PAY, STATUS

# Case: declarations before and after, and the questions with their flags.
ASKED: dict[str, tuple[str, str, Sequence[str]]] = {
    "primary key field, new": (
        "pass",
        "class A(Model):\n    id: str\n    code: str = Field(primary_key=True)",
        ["A.code: str is required and has no default; existing records do not have it"],
    ),
    "enum member removed": (
        STATUS.format("A = 'a'; B = 'b'; C = 'c'"),
        STATUS.format("A = 'a'"),
        [
            "A.status: the value 'b' is gone; values now: 'a'  use --map A.status:b=a or --compute A.status",
            "A.status: the value 'c' is gone; values now: 'a'  use --map A.status:c=a or --compute A.status",
        ],
    ),
    "variant removed": (
        PAY.format("cash", BOTH),
        PAY.format("cash", "Card").replace(" = Field(discriminator='kind')", ""),
        ["A.pay.kind: the value 'cash' is gone; values now: none is new  use --compute A.pay"],
    ),
    "discriminator renamed": (
        PAY.format("cash", BOTH),
        PAY.format("cash", BOTH).replace("kind", "type"),
        ["A.pay.kind → ?  candidates: pay.type (0.00)  use --rename A.pay.kind=pay.type"],
    ),
    "naive to aware datetime": (
        "x: datetime",
        "x: AwareDatetime",
        ["A.x: stored values have no time zone; the new type has one  use --zone A.x=UTC (any zone) or --compute A.x"],
    ),
    "ttl added": (
        "pass",
        META.format("ttl = 60"),
        ["A: ttl was none, is 60 s; what happens to existing records?  use --ttl A=new-only or --ttl A=all"],
    ),
    "ttl changed": (
        "class A(Model):\n    id: str = Field(primary_key=True)\n    class Meta:\n        ttl = 9",
        META.format("ttl = 60"),
        ["A: ttl was 9 s, is 60 s"],
    ),
    "ttl removed": (META.format("ttl = 60"), "pass", ["A: ttl was 60 s, is none"]),
    "nested field renamed": (
        ADDRESS.format("zip: str", ""),
        ADDRESS.format("plz: str", ""),
        ["A.address.zip → ?  candidates: address.plz"],
    ),
    "nested field added": (
        ADDRESS.format("zip: str", ""),
        ADDRESS.format("zip: str\n    city: str", ""),
        ["A.address.city: str is required and has no default; existing records do not have it"],
    ),
    "nested field moved out": (
        ADDRESS.format("zip: str\n    city: str", ""),
        ADDRESS.format("city: str", "zip: str"),
        ["A.address.zip → ?  candidates: zip (1.00)  use --rename A.address.zip=zip or --drop A.address.zip"],
    ),
    "field moved into a nested model": (
        ADDRESS.format("city: str", "zip: str"),
        ADDRESS.format("zip: str\n    city: str", ""),
        ["A.zip → ?  candidates: address.zip (1.00)  use --rename A.zip=address.zip or --drop A.zip"],
    ),
    "rename and retype": ("x: int", "y: str", ["A.x → ?  candidates: y"]),
    "a key of a flattened object without an answer": (
        ADDRESS.format("zip: str\n    city: str", ""),
        "address_zip: str",
        ["A.address.city → ?  candidates: address_zip", "A.address.zip → ?  candidates: address_zip"],
    ),
    "new primary key with a default": (
        "pass",
        "class A(Model):\n    id: str\n    code: str = Field('x', primary_key=True)",
        ["A.code: str is required and has no default; existing records do not have it"],
    ),
    "a required field in one variant of a union": (
        PAY.format("cash", BOTH).replace("currency: str", "number: str"),
        PAY.format("cash", BOTH).replace("currency: str", "number: str\n    coins: bool"),
        ["A.pay.coins: bool is required"],
    ),
    "one question for each name that is gone": (
        "a: int\nb: str",
        "c: int\nd: str",
        ["A.a → ?  candidates: c", "A.b → ?  candidates: d"],
    ),
}


@pytest.mark.parametrize("case", ASKED)
def test_what_cannot_be_known_is_asked(compare: Callable[..., Any], case: str) -> None:
    old, new, questions = ASKED[case]

    asked = compare(old, new).questions

    assert len(asked) == len(questions)
    assert all(question.startswith(start) for question, start in zip(asked, questions, strict=True))
