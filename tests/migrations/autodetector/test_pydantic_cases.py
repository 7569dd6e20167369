"""Changes that tables do not know and hashes of pydantic models do: each is found, or no change at all."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from redis_models.errors import SchemaError

from .declarations import ADDRESS, BOTH, META, PAY, STATUS

# Case: declarations before and after, flags, operations.
FOUND: dict[str, tuple[str, str, Sequence[str], Sequence[str]]] = {
    "key prefix": ("pass", META.format("prefix = 'shop'"), [], ["Alter keys of A: prefix 'shop'"]),
    "separator": ("pass", META.format("separator = '|'"), [], ["Alter keys of A: separator '|'"]),
    "hash tag added": ("pass", META.format("prefix = '{shop}'"), [], ["Alter keys of A: prefix '{shop}'"]),
    "primary key field": (
        "code: str",
        "class A(Model):\n    id: str\n    code: str = Field(primary_key=True)",
        [],
        ["Alter keys of A: primary key 'code'"],
    ),
    "primary key type": (
        "class A(Model):\n    id: int = Field(primary_key=True)",
        "class A(Model):\n    id: UUID = Field(primary_key=True)",
        ["--compute A.id"],
        ["Alter field id on A from int to UUID"],
    ),
    "lossless codec": ("x: date", "x: str", [], ["Alter field x on A from date to str"]),
    "text to an optional number": ("x: str", "x: int | None", [], ["Alter field x on A from str to int | None"]),
    "enum member made None": (
        STATUS.format("A = 'a'; B = 'b'"),
        STATUS.format("A = 'a'").replace("status: Status", "status: Status | None"),
        ["--map A.status:b=None"],
        ["Alter field status on A from Enum(A='a', B='b') to Enum(A='a') | None"],
    ),
    "nested field added, and the whole made optional": (
        ADDRESS.format("zip: str", ""),
        ADDRESS.format("zip: str\n    city: str", "").replace("address: Address", "address: Address | None"),
        ["--default A.address.city='?'"],
        ["Add field address.city to A", "Alter field address on A from Object(city=str, zip=str) to Object("],
    ),
    "narrowed type": ("x: str", "x: int", [], ["Alter field x on A from str to int"]),
    "float to int": ("x: float", "x: int", [], ["Alter field x on A from float to int"]),
    "datetime to date": ("x: datetime", "x: date", [], ["Alter field x on A from datetime to date"]),
    "set to list": ("x: set[str]", "x: list[str]", [], ["Alter field x on A from set[str] to list[str]"]),
    "list to tuple": (
        "x: list[int]",
        "x: tuple[int, ...]",
        [],
        ["Alter field x on A from list[int] to tuple[int, ...]"],
    ),
    "encoding of bytes in a nested model": (
        ADDRESS.format("x: bytes", ""),
        ADDRESS.format("model_config = ConfigDict(ser_json_bytes='base64', val_json_bytes='base64')\n    x: bytes", ""),
        [],
        ["Alter field address.x on A from bytes[utf8] to bytes"],
    ),
    "another unit of durations in a nested model": (
        ADDRESS.format("x: timedelta", ""),
        ADDRESS.format("model_config = ConfigDict(ser_json_timedelta='float')\n    x: timedelta", ""),
        [],
        ["Alter field address.x on A from timedelta to timedelta[seconds]"],
    ),
    "naive to aware datetime": (
        "x: NaiveDatetime",
        "x: AwareDatetime",
        ["--zone A.x=Europe/Berlin"],
        ["Alter field x on A from datetime[naive] to datetime[aware]"],
    ),
    "naive to aware datetime in a nested model, and optional": (
        ADDRESS.format("seen: datetime | None", ""),
        ADDRESS.format("seen: AwareDatetime | None", ""),
        ["--zone A.address.seen=UTC"],
        ["Alter field address.seen on A from datetime | None to datetime[aware] | None"],
    ),
    "optional to required": (
        "x: str | None = None",
        "x: str",
        ["--default A.x=''"],
        ["Alter field x on A from str | None to str"],
    ),
    "required to optional": ("x: int", "x: int | None = None", [], ["Alter field x on A from int to int | None"]),
    "optional to required, of another type": (
        "x: str | None = None",
        "x: int = 0",
        [],
        ["Alter field x on A from str | None to int | None", "Alter field x on A from int | None to int"],
    ),
    "enum member removed": (
        STATUS.format("A = 'a'; B = 'b'"),
        STATUS.format("A = 'a'"),
        ["--map A.status:b=a"],
        ["Alter field status on A from Enum(A='a', B='b') to Enum(A='a')"],
    ),
    "enum value changed": (
        STATUS.format("A = 'a'; B = 'b'"),
        STATUS.format("A = 'a'; B = 'bb'"),
        ["--map A.status:b=bb"],
        ["Alter field status on A from Enum(A='a', B='b') to Enum(A='a', B='bb')"],
    ),
    "enum of numbers": (
        STATUS.format("A = 1; B = 2"),
        STATUS.format("A = 1; C = 3"),
        ["--map A.status:2=3"],
        ["Alter field status on A from Enum(A=1, B=2) to Enum(A=1, C=3)"],
    ),
    "enum in a list": (
        STATUS.format("A = 'a'; B = 'b'").replace("status: Status", "status: list[Status]"),
        STATUS.format("A = 'a'").replace("status: Status", "status: list[Status]"),
        ["--map A.status:b=a"],
        ["Alter field status on A from list[Enum(A='a', B='b')] to list[Enum(A='a')]"],
    ),
    "Literal value removed": (
        "x: Literal['a', 'b']",
        "x: Literal['a']",
        ["--map A.x:b=a"],
        ["Alter field x on A from Literal['a', 'b'] to Literal['a']"],
    ),
    "union widened": (
        "x: int | bool",
        "x: int | bool | float",
        [],
        ["Alter field x on A from int | bool to int | bool | float"],
    ),
    "union narrowed": (
        "x: int | bool | list[int]",
        "x: int | bool",
        [],
        ["Alter field x on A from int | bool | list[int] to int | bool"],
    ),
    "discriminator renamed": (
        PAY.format("cash", BOTH),
        PAY.format("cash", BOTH).replace("kind", "type"),
        ["--rename A.pay.kind=pay.type"],
        ["Rename field pay.kind to pay.type on A"],
    ),
    "tag value changed": (
        PAY.format("cash", BOTH),
        PAY.format("coins", BOTH),
        ["--map A.pay.kind:cash=coins"],
        ["Alter field pay.kind on A from Literal['cash'] to Literal['coins']"],
    ),
    "variant removed": (
        PAY.format("cash", BOTH),
        PAY.format("cash", "Card").replace(" = Field(discriminator='kind')", ""),
        ["--compute A.pay"],
        ["Alter field pay on A from"],
    ),
    "variant added": (
        PAY.format("cash", "Card").replace(" = Field(discriminator='kind')", ""),
        PAY.format("cash", BOTH),
        [],
        ["Alter field pay on A from"],
    ),
    "field of one variant added": (
        PAY.format("cash", BOTH),
        PAY.format("cash", BOTH).replace("currency: str", "currency: str\n    coins: bool = False"),
        [],
        ["Alter field pay on A from"],
    ),
    "nested field added": (
        ADDRESS.format("zip: str", ""),
        ADDRESS.format("zip: str\n    city: str", ""),
        ["--default A.address.city='?'"],
        ["Add field address.city to A"],
    ),
    "nested field removed": (
        ADDRESS.format("zip: str\n    city: str", ""),
        ADDRESS.format("zip: str", ""),
        [],
        ["Remove field address.city from A"],
    ),
    "nested field renamed": (
        ADDRESS.format("zip: str", ""),
        ADDRESS.format("plz: str", ""),
        ["--rename A.address.zip=address.plz"],
        ["Rename field address.zip to address.plz on A"],
    ),
    "nested field retyped in a list": (
        ADDRESS.format("zip: str", "").replace("address: Address", "address: list[Address]"),
        ADDRESS.format("zip: int", "").replace("address: Address", "address: list[Address]"),
        [],
        ["Alter field address.zip on A from str to int"],
    ),
    "nested field moved out": (
        ADDRESS.format("zip: str\n    city: str", ""),
        ADDRESS.format("city: str", "zip: str"),
        ["--rename A.address.zip=zip"],
        ["Move field address.zip to zip on A"],
    ),
    "field moved into a nested model": (
        ADDRESS.format("city: str", "zip: str"),
        ADDRESS.format("zip: str\n    city: str", ""),
        ["--rename A.zip=address.zip"],
        ["Move field zip to address.zip on A"],
    ),
    "object to flattened fields": (
        ADDRESS.format("zip: str\n    city: str", ""),
        "address_zip: str\naddress_city: str",
        ["--rename A.address.zip=address_zip", "--rename A.address.city=address_city"],
        ["Flatten field address of A into address_city, address_zip"],
    ),
    "flattened fields to an object": (
        "address_zip: str\naddress_city: str",
        ADDRESS.format("zip: str\n    city: str", ""),
        ["--rename A.address_zip=address.zip", "--rename A.address_city=address.city"],
        ["Nest fields address_city, address_zip of A into address"],
    ),
    "list to text, inline": ("x: list[str]", "x: str", ["--compute A.x"], ["Alter field x on A from list[str] to str"]),
    "private attribute made a field": ("_x: int = PrivateAttr(1)", "x: int = 1", [], ["Add field x to A"]),
    "ClassVar made a field": ("x: ClassVar[int] = 1", "x: int = 1", [], ["Add field x to A"]),
    "field made a ClassVar": ("x: int = 1", "x: ClassVar[int] = 1", [], ["Remove field x from A"]),
    "ttl added, new records only": (
        "pass",
        META.format("ttl = 60"),
        ["--ttl A=new-only"],
        ["Alter TTL of A from none to 60 s (new records"],
    ),
    "rename and retype": (
        "x: int",
        "y: str",
        ["--rename A.x=y"],
        ["Rename field x to y on A", "Alter field y on A from int to str"],
    ),
    "model rename and new field": (
        "class A(Model):\n    id: str = Field(primary_key=True)",
        "class B(Model):\n    id: str = Field(primary_key=True)\n    x: int = 1",
        ["--rename A=B"],
        ["Rename model A to B", "Add field x to B", "Alter keys of B: table 'b'"],
    ),
    "swap of two names": (
        "x: int\ny: int",
        "x: int\ny: int",
        ["--rename A.x=y", "--rename A.y=x"],
        ["Rename field x to x_swap on A", "Rename field y to x on A", "Rename field x_swap to y on A"],
    ),
    "two changes at once in a nested model": (
        ADDRESS.format("zip: str\n    old: int", ""),
        ADDRESS.format("zip: int\n    new: str", ""),
        ["--rename A.address.old=address.new"],
        [
            "Rename field address.old to address.new on A",
            "Alter field address.new on A from int to str",
            "Alter field address.zip on A from str to int",
        ],
    ),
    "alias generator": (
        ADDRESS.format("zip_code: str", ""),
        ADDRESS.format("zip_code: str\n    x: int = 1", ""),
        [],
        ["Alter field address on A from Object(zip_code=str) to Object(x=NotRequired[int], zip_code=str)"],
    ),
}


@pytest.mark.parametrize("case", FOUND)
def test_what_changed_is_found(compare: Callable[..., Any], case: str) -> None:
    old, new, flags, operations = FOUND[case]

    found = compare(old, new, *flags)

    assert not found.questions
    assert len(found.operations) == len(operations)
    assert all(operation.startswith(start) for operation, start in zip(found.operations, operations, strict=True))


# Case: declarations before and after that store the same bytes.
SAME: dict[str, tuple[str, str]] = {
    "default changed": ("x: int = 1", "x: int = 2"),
    "default to default_factory": ("x: list[int] = [1]", "x: list[int] = Field(default_factory=lambda: [1])"),
    "factory target changed": (
        "x: UUID = Field(default_factory=uuid4)",
        "x: UUID = Field(default_factory=lambda: UUID(int=1))",
    ),
    "enum member added": (STATUS.format("A = 'a'"), STATUS.format("A = 'a'; B = 'b'")),
    "enum member renamed, same value": (STATUS.format("A = 'a'"), STATUS.format("Z = 'a'")),
    "Literal value added": ("x: Literal['a']", "x: Literal['a', 'b']"),
    "Enum to Literal": (
        STATUS.format("A = 'a'; B = 'b'"),
        STATUS.format("A = 'a'").replace(": Status", ": Literal['b', 'a']"),
    ),
    "Literal to Enum": (
        STATUS.format("A = 'a'").replace("    status: Status", "    status: Literal['a']"),
        STATUS.format("A = 'a'"),
    ),
    "union reordered": ("x: int | bool", "x: bool | int"),
    "nested field gets a default": (ADDRESS.format("zip: str", ""), ADDRESS.format("zip: str = ''", "")),
    "nested model renamed": (
        ADDRESS.format("zip: str", ""),
        ADDRESS.format("zip: str", "").replace("Address", "Place"),
    ),
    "alias": ("x: int", "x: int = Field(alias='y', serialization_alias='z')"),
    "alias generator": (
        "x: int",
        "model_config = ConfigDict(alias_generator=str.upper, populate_by_name=True)\nx: int",
    ),
    "exclude": ("x: int", "x: int = Field(exclude=True)"),
    "computed field": ("x: int", "x: int\n@computed_field\n@property\ndef y(self) -> int: return self.x"),
    "use_enum_values": (
        STATUS.format("A = 'a'"),
        STATUS.format("A = 'a'").replace(
            "    status:", "    model_config = ConfigDict(use_enum_values=True)\n    status:"
        ),
    ),
    "a generic model of the same parameters": (
        "x: list[int]",
        "from typing import Generic, TypeVar\nT = TypeVar('T')\nclass Page(BaseModel, Generic[T]):\n    pass\n"
        "class A(Model):\n    id: str = Field(primary_key=True)\n    x: list[int]",
    ),
    "strictness": ("x: int", "model_config = ConfigDict(strict=True)\nx: int"),
    "order, docstring, title, description": (
        "x: int\ny: str",
        "'''Text.'''\ny: str = Field(title='Y')\nx: int = Field(description='an x')",
    ),
    "validators": ("x: int", "x: int\n@field_validator('x')\ndef check(cls, value): return value"),
    "constraints": ("x: str", "x: Annotated[str, Field(max_length=3)]"),
    "extra ignore to forbid": (
        "model_config = ConfigDict(extra='ignore')\nx: int",
        "model_config = ConfigDict(extra='forbid')\nx: int",
    ),
    "extra forbid to allow": (
        "model_config = ConfigDict(extra='forbid')\nx: int",
        "model_config = ConfigDict(extra='allow')\nx: int",
    ),
    "field moved to a mixin": (
        "x: int",
        "class M(BaseModel):\n    x: int\nclass A(M, Model):\n    id: str = Field(primary_key=True)",
    ),
    "Model to AutoModel": ("x: int", "class A(AutoModel):\n    id: str = Field(primary_key=True)\n    x: int"),
    "auto_save": ("pass", META.format("auto_save = True")),
}


@pytest.mark.parametrize("case", SAME)
def test_a_change_that_stores_the_same_bytes_is_not_a_migration(same: Callable[..., bool], case: str) -> None:
    old, new = SAME[case]

    assert same(old, new)


def test_a_flattened_object_waits_until_every_key_has_a_place(compare: Callable[..., Any]) -> None:
    old, new = ADDRESS.format("zip: str\n    city: str", ""), "address_zip: str"

    half = compare(old, new, "--rename A.address.zip=address_zip")
    whole = compare(old, new, "--rename A.address.zip=address_zip", "--drop A.address.city")

    assert [question.partition("  use")[0] for question in half.questions] == [
        "A.address.city → ?  candidates: none: its object is split up"
    ]
    assert whole.operations == ["Flatten field address of A into address_zip"]


def test_what_no_path_can_say_wants_a_function_and_takes_it(compare: Callable[..., Any]) -> None:
    old = PAY.format("cash", BOTH).replace("currency: str", "number: str")
    new = old.replace("number: str\nclass A", "number: str\n    coins: bool\nclass A")

    asked = compare(old, new, "--default A.pay.coins=True")
    computed = compare(old, new, "--default A.pay.coins=True", "--compute A.pay")

    assert [question.partition("  use ")[2] for question in asked.questions] == ["--compute A.pay"]
    assert [operation.partition(" from")[0] for operation in computed.operations] == ["Alter field pay on A"]
    assert not computed.questions


@pytest.mark.parametrize("flag", ["--drop A.address.nothing", "--rename A.address.zip=address.plz"])
def test_an_answer_about_a_part_that_did_not_change_is_refused(compare: Callable[..., Any], flag: str) -> None:
    old, new = ADDRESS.format("zip: str", ""), ADDRESS.format("zip: str\n    n: int = 0", "")

    with pytest.raises(SchemaError, match=f"{flag} matches nothing"):
        compare(old, new, flag)
