"""Models that change while their records are there: what is made of them, through the commands, and the way back."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import redis_models

_MODEL = """
import enum
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, RootModel, SecretStr

{before}

class Customer(Model):
    id: str = Field(primary_key=True)
    {field}

    class Meta:
        version = {version}
"""
_ALL = ("--yes", "--allow-destructive")


class FieldChange:
    """A project whose model has one field, and a server with one record of it."""

    def __init__(self, shop_project: Any, server: Any) -> None:
        self.project, self.client = shop_project, server.client()
        shop_project.settings("shop", url=server.url)

    def declare(self, field: str, before: str = "", version: int = 1) -> None:
        self.project.models(_MODEL.format(field=field, before=before, version=version))

    def begin(self, field: str, raw: str, before: str = "") -> None:
        """Declare the field, migrate, and store a record."""
        shutil.rmtree(self.project.root / "shop" / "redis_migrations")
        self.declare(field, before)
        assert self.project.run() == 0, self.project.err
        assert self.project.command("migrate") == 0, self.project.err
        self.client.hset("customer:c1", mapping={"id": "c1", "_v": "1", field.partition(":")[0]: raw})
        self.client.zadd("customer:__index", {"customer:c1": 0})

    def change(self, field: str, before: str = "", *flags: str) -> int:
        """Declare it otherwise, and make the migration."""
        self.declare(field, before, version=2)
        code: int = self.project.run(*flags)
        return code

    def migrate(self) -> dict[str, str]:
        """Migrate, and return the record without its undo fields."""
        assert self.project.command("migrate", *_ALL) == 0, self.project.err
        assert self.project.run("--check") == 0, self.project.out
        record = {name.decode(): raw.decode() for name, raw in self.client.hgetall("customer:c1").items()}
        return {name: raw for name, raw in record.items() if not name.startswith("_") and name != "id"}

    def go_back(self) -> dict[bytes, bytes]:
        assert self.project.command("migrate", "shop", "0001", *_ALL) == 0, self.project.err
        record: dict[bytes, bytes] = self.client.hgetall("customer:c1")
        return record


@pytest.fixture
def field_change(shop_project: Any, server: Any) -> FieldChange:
    return FieldChange(shop_project, server)


_ADDRESS = "class Address(BaseModel):\n    zip: str\n    floor: int = 0"


def test_a_key_with_a_default_gets_another_type(field_change: FieldChange) -> None:
    field_change.begin("address: Address", '{"zip": "1", "floor": 7}', _ADDRESS)
    before = field_change.client.hgetall("customer:c1")

    assert field_change.change("address: Address", _ADDRESS.replace("int = 0", "str = ''")) == 0, (
        field_change.project.err
    )
    assert field_change.migrate() == {"address": '{"zip": "1", "floor": "7"}'}
    assert field_change.go_back() == before


def test_rules_judge_a_key_with_a_default_by_its_type(field_change: FieldChange) -> None:
    field_change.begin("address: Address", '{"zip": "1", "floor": "x"}', _ADDRESS.replace("int = 0", "str = ''"))

    assert field_change.change("address: Address", _ADDRESS) == 0, field_change.project.err
    assert field_change.project.command("migrate", "--plan") == 0, field_change.project.err
    assert "RM104 warn  Alter field address.floor" in field_change.project.out + field_change.project.err
    assert field_change.project.command("check") == 0, field_change.project.err


_COLOUR = 'class Colour(enum.Enum):\n    RED = "red"'
_AS_DATE = '~{"date": "2020-01-02"}'


@pytest.mark.parametrize(
    ("old", "raw", "new", "expected"),
    [
        ("date | str", '"2020-01-02"', "str | date", _AS_DATE),
        ("date", '"2020-01-02"', "str | date", _AS_DATE),
        ("list[date]", '["2020-01-02"]', "list[str | date]", '~[{"date": "2020-01-02"}]'),
        ("list[set[int]]", "[[1]]", "list[list[int] | set[int]]", '~[{"set": [1]}]'),
        ("date | int", '"2020-01-02"', "int | date | float | None", '"2020-01-02"'),
        ("date | str", '"2020-01-02"', "date | str | int", '"2020-01-02"'),
    ],
)
def test_members_of_a_union_are_not_taken_for_others(
    field_change: FieldChange, old: str, raw: str, new: str, expected: str
) -> None:
    field_change.begin(f"value: {old}", raw)
    before = field_change.client.hgetall("customer:c1")

    assert field_change.change(f"value: {new}") == 0, field_change.project.err
    assert field_change.migrate() == {"value": expected}
    assert field_change.go_back() == before


@pytest.mark.parametrize(("old", "new"), [("date | str", "str | date"), ("list[str | date]", "list[date | str]")])
def test_another_order_of_members_that_look_alike_is_a_change(field_change: FieldChange, old: str, new: str) -> None:
    field_change.begin(f"value: {old}", '"x"')
    field_change.declare(f"value: {new}")

    assert field_change.project.run("--check") == 1
    assert field_change.project.run() == 2
    assert "its stored shape changed, but its version is still 1" in field_change.project.err


def test_another_order_of_members_that_look_different_is_not_a_change(field_change: FieldChange) -> None:
    field_change.begin("value: int | list[int] | dict[str, int] | bool | date", "5")
    field_change.declare("value: date | bool | dict[str, int] | list[int] | int")

    assert field_change.project.run("--check") == 0, field_change.project.out


_LOGIN = "class Login(BaseModel):\n    secret: SecretStr"


def test_a_secret_that_becomes_text_is_not_masked(field_change: FieldChange) -> None:
    field_change.begin("secret: SecretStr", '"hunter2"')
    before = field_change.client.hgetall("customer:c1")

    assert field_change.change("secret: str") == 0, field_change.project.err
    assert field_change.migrate() == {"secret": "hunter2"}
    assert field_change.go_back() == before


def test_secrets_inside_of_what_becomes_another_type_are_not_masked(field_change: FieldChange) -> None:
    field_change.begin("logins: list[Login]", '[{"secret": "hunter2"}]', _LOGIN)

    assert field_change.change("logins: dict[str, str] | list[dict[str, str]]") == 0, field_change.project.err
    assert field_change.migrate() == {"logins": '[{"secret": "hunter2"}]'}


def test_a_secret_in_a_nested_model_becomes_text(field_change: FieldChange) -> None:
    field_change.begin("login: Login", '{"secret": "hunter2"}', _LOGIN)

    assert field_change.change("login: Login", _LOGIN.replace("SecretStr", "str")) == 0, field_change.project.err
    assert field_change.migrate() == {"login": '{"secret": "hunter2"}'}


_NAME = "class Name(RootModel[str]):\n    pass"


def test_a_number_becomes_text_that_is_stored_as_json(field_change: FieldChange) -> None:
    field_change.begin("name: int", "7")
    before = field_change.client.hgetall("customer:c1")

    assert field_change.change("name: Name", _NAME) == 0, field_change.project.err
    assert field_change.migrate() == {"name": '"7"'}
    assert field_change.go_back() == before


def test_text_that_is_not_a_number_does_not_become_a_json_number(field_change: FieldChange) -> None:
    field_change.begin("name: Name", '"x"', _NAME)

    assert field_change.change("name: Number", "class Number(RootModel[int]):\n    pass") == 0, field_change.project.err
    assert field_change.project.command("migrate", *_ALL) == 6
    assert "cannot become int" in field_change.project.err or "cannot become JSON[int]" in field_change.project.err


_SHAPES = "class Round(BaseModel):\n    r: int\nclass Flat(BaseModel):\n    w: int\n    h: int = 1"


@pytest.mark.parametrize(
    ("old", "raw", "new", "hidden"),
    [
        ("Round | Flat", '{"w": 3, "h": 4}', "Round | int", "h, w"),
        ("list[Round | Flat]", '[{"w": 3, "h": 4}]', "list[Round | int]", "h, w"),
        ("dict[str, int]", '{"r": 3, "x": 4}', "Round", "keys that the new type does not name"),
    ],
)
def test_keys_that_the_new_type_does_not_have_want_a_consent(
    field_change: FieldChange, old: str, raw: str, new: str, hidden: str
) -> None:
    field_change.begin(f"shape: {old}", raw, _SHAPES)

    assert field_change.change(f"shape: {new}", _SHAPES) == 0, field_change.project.err
    assert field_change.project.command("migrate", "--yes") == 5
    assert f": {hidden} will be hidden" in field_change.project.err + field_change.project.out


@pytest.mark.parametrize(
    ("old", "raw", "new"),
    [
        ("Round | Flat", '{"w": 3, "h": 4}', "Flat | Round | None"),
        ("Round", '{"r": 3}', "dict[str, int]"),
        ("list[Round | int]", '[{"r": 3}]', "set[str] | list[Round]"),
    ],
)
def test_keys_that_the_new_type_has_want_no_consent(field_change: FieldChange, old: str, raw: str, new: str) -> None:
    field_change.begin(f"shape: {old}", raw, _SHAPES)

    assert field_change.change(f"shape: {new}", _SHAPES) == 0, field_change.project.err
    assert field_change.project.command("migrate", "--yes") == 0, field_change.project.err


def test_evidence_is_looked_for_under_the_name_that_the_records_have(field_change: FieldChange) -> None:
    field_change.begin('state: Literal["a", "b"]', '"a"')

    assert field_change.change('status: Literal["b", "c"]', "", "--rename", "Customer.state=status") == 3
    assert "'a' is gone; values now: 'b', 'c'  (1 record holds 'a')" in field_change.project.err


def test_evidence_is_looked_for_under_the_key_that_the_objects_have(field_change: FieldChange) -> None:
    order = 'class Order(BaseModel):\n    state: Literal["a", "b"]\n    n: int'
    field_change.begin("order: Order", '{"state": "a", "n": 1}', order)
    changed = order.replace("state", "status").replace('"a", "b"', '"b", "c"')

    assert field_change.change("bill: Order", changed, "--rename", "Customer.order=bill") == 3
    flags = ("--rename", "Customer.order=bill", "--rename", "Customer.bill.state=bill.status")
    assert field_change.change("bill: Order", changed, *flags) == 3, field_change.project.err
    assert "(1 record holds 'a')" in field_change.project.err


_PLACE = "class Place(BaseModel):\n    zip: str\n    city: str = 'X'"


def test_a_key_that_loses_its_default_is_asked_about_and_filled_where_it_is_absent(field_change: FieldChange) -> None:
    field_change.begin("places: list[Place]", '[{"zip": "1"}, {"zip": "2", "city": "Y"}]', _PLACE)
    before = field_change.client.hgetall("customer:c1")
    required = _PLACE.replace(" = 'X'", "")

    assert field_change.change("places: list[Place]", required) == 3
    assert (
        "Customer.places.city: str is required and has no default; existing records do not have it"
        in field_change.project.err
    )
    assert field_change.change("places: list[Place]", required, "--default", "Customer.places.city='?'") == 0, (
        field_change.project.err
    )
    assert field_change.migrate() == {"places": '[{"zip": "1", "city": "?"}, {"zip": "2", "city": "Y"}]'}
    assert field_change.go_back() == before


def test_a_key_that_loses_its_default_and_gets_another_type_is_filled(field_change: FieldChange) -> None:
    field_change.begin("place: Place", '{"zip": "1"}', _PLACE.replace("str = 'X'", "int | None = None"))
    before = field_change.client.hgetall("customer:c1")
    flag = "Customer.place.city='?'"

    assert field_change.change("place: Place", _PLACE.replace(" = 'X'", ""), "--default", flag) == 0, (
        field_change.project.err
    )
    assert field_change.migrate() == {"place": '{"zip": "1", "city": "?"}'}
    assert field_change.go_back() == before


def test_a_key_that_loses_its_default_is_computed_where_it_is_absent(field_change: FieldChange) -> None:
    field_change.begin("place: Place", '{"zip": "1"}', _PLACE)
    before = field_change.client.hgetall("customer:c1")
    flags = ("--compute", "Customer.place.city")

    assert field_change.change("place: Place", _PLACE.replace(" = 'X'", ""), *flags) == 0, field_change.project.err
    file = next((field_change.project.root / "shop" / "redis_migrations").glob("0002*.py"))
    text = file.read_text()
    start = text.index("def ")
    end = text.index("class Migration")
    name = text[start:end].split("(")[0].removeprefix("def ")
    file.write_text(f"{text[:start]}def {name}(city):\n    return city or 'Q'\n\n\n{text[end:]}")
    assert field_change.migrate() == {"place": '{"zip": "1", "city": "Q"}'}
    assert field_change.go_back() == before


@pytest.mark.parametrize(
    ("old", "raw", "expected"),
    [
        ("list[{}]", '["2020-01-02T00:00:00"]', '["2020-01-02T00:00:00+01:00"]'),
        ("dict[str, list[{} | None]] | None", '{"a": ["2020-01-02T00:00:00", null]}', None),
        ("tuple[{}, int]", '["2020-01-02T00:00:00", 1]', None),
    ],
)
def test_instants_in_containers_get_the_time_zone_that_they_were_meant_in(
    field_change: FieldChange, old: str, raw: str, expected: str | None
) -> None:
    field_change.begin(f"at: {old.format('datetime')}", raw)
    before = field_change.client.hgetall("customer:c1")

    assert field_change.change(f"at: {old.format('AwareDatetime')}") == 3
    assert "use --zone Customer.at=UTC (any zone)" in field_change.project.err
    flags = ("--zone", "Customer.at=Europe/Berlin")
    assert field_change.change(f"at: {old.format('AwareDatetime')}", "", *flags) == 0, field_change.project.err
    assert field_change.migrate() == {"at": expected or raw.replace("00:00:00", "00:00:00+01:00")}
    field_change.client.hset(
        "customer:c1", "at", (expected or raw.replace("00:00:00", "00:00:00+01:00")).replace("-02", "-03")
    )
    assert field_change.go_back()[b"at"] == before[b"at"].replace(b"-02", b"-03")


def test_a_tag_that_is_mapped_to_an_existing_one_gets_instructions(field_change: FieldChange) -> None:
    cash = 'class Cash(BaseModel):\n    kind: Literal["cash"]\n    n: int'
    kinds = f'{cash}\nclass Card(BaseModel):\n    kind: Literal["card"]\n    number: str'
    field_change.begin(
        'by: Annotated[Cash | Card, Field(discriminator="kind")]', '{"kind": "card", "number": "1"}', kinds
    )

    assert field_change.change("by: Cash", kinds, "--map", "Customer.by.kind:card=cash") == 1
    assert "'cash' is not a new value (new: none); use --compute Customer.by" in field_change.project.err


def test_records_that_earlier_migrations_missed_do_not_count_as_none(field_change: FieldChange) -> None:
    field_change.begin('state: Literal["a", "b"]', '"a"')
    assert field_change.change('state: Literal["a", "b"] | None = None') == 0, field_change.project.err
    field_change.declare('state: Literal["b", "c"] | None = None', version=3)

    assert field_change.project.run() == 3
    assert "(0 records hold 'a'; 1 is at another version and was not examined)" in field_change.project.err


_SEEDED = """
    tags: set[str] = {"x", "y", "z", "q"}
    kinds: dict[str, frozenset[str]] = {"a": frozenset(("1", "2", "3", "4"))}
"""


def test_defaults_that_are_sets_give_the_same_file_under_every_hash_seed(field_change: FieldChange) -> None:
    field_change.begin("name: str", "x")
    field_change.declare(f"name: str{_SEEDED}", version=2)
    command = [sys.executable, "-m", "redis_models", "--settings", "conf", "makemigrations", "--dry-run"]

    said = {
        subprocess.run(
            command,
            cwd=field_change.project.root,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(redis_models.__file__).parents[1])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }

    assert len(said) == 1
    assert 'fill=["q", "x", "y", "z"]' in said.pop()


def test_keys_are_asked_about_where_their_container_changes_too(field_change: FieldChange) -> None:
    field_change.begin("places: list[Place]", '[{"zip": "1", "city": "Y"}]', _PLACE)
    before = field_change.client.hgetall("customer:c1")
    renamed, flag = _PLACE.replace("city", "town"), "Customer.places.city=places.town"

    assert field_change.change("places: tuple[Place, ...]", renamed) == 3
    assert "Customer.places.city → ?  candidates: places.town" in field_change.project.err
    assert field_change.change("places: tuple[Place, ...]", renamed, "--rename", flag) == 0, field_change.project.err
    assert field_change.migrate() == {"places": '[{"zip": "1", "town": "Y"}]'}
    assert field_change.go_back() == before
