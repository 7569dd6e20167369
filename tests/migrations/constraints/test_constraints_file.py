"""Stricter constraints: no gate says yes while the application could not read its records."""

import json
from typing import Any

import pytest

_MODEL = """
from typing import Annotated
from pydantic import BaseModel, field_validator

class Room(BaseModel):
    beds: int = 1

class Guest(Model):
    id: str = Field(primary_key=True)
    name: str = ""
    room: Room = Room()
    tags: list[str] = []

    class Meta:
        version = 1
"""
_STRICTER = {
    "a length": ('name: str = ""', 'name: str = Field("", max_length=4)'),
    "a nested bound": ("beds: int = 1", "beds: int = Field(1, le=3)"),
    "an item of a list": ("list[str]", 'Annotated[list[Annotated[str, Field(pattern="^[a-c]*$")]], Field()]'),
    "a validator": (
        "    class Meta",
        '    @field_validator("name")\n    @classmethod\n    def short(cls, value):\n'
        "        if len(value) > 4:\n            raise ValueError('too long')\n        return value\n\n    class Meta",
    ),
}

# Which fields reading can do without is noted beside what they demand.
_NOTED = {name: {"default": "yes"} for name in ("name", "room", "tags")}


@pytest.fixture
def hotel(shop_project: Any, server: Any) -> Any:
    """A model whose records are verified, some of which are larger than others."""
    shop_project.settings("crm", url=server.url)
    shop_project.models(_MODEL, "crm")
    assert shop_project.run() == 0, shop_project.err
    assert shop_project.command("migrate") == 0, shop_project.err
    with server.client() as client:
        for number in range(12):
            client.hset(
                f"guest:g{number}",
                mapping={
                    "id": f"g{number}",
                    "name": "n" * number,
                    "room": json.dumps({"beds": number}),
                    "tags": json.dumps(["abcdefghijkl"[number]]),
                    "_v": "1",
                },
            )
            client.zadd("guest:__index", {f"guest:g{number}": 0})
    assert shop_project.command("verify") == 0, shop_project.out
    assert shop_project.command("migrate", "--check", "--verified") == 0, shop_project.out
    return shop_project


@pytest.mark.parametrize("change", _STRICTER.values(), ids=list(_STRICTER))
def test_a_stricter_model_is_reported_by_every_gate(hotel: Any, change: tuple[str, str]) -> None:
    hotel.models(_MODEL.replace(*change), "crm")

    assert hotel.run("--check") == 0
    assert "! crm.Guest." in hotel.err
    assert "of 12 records of Guest, e.g. guest:g" in hotel.err
    assert hotel.run() == 0
    assert "No changes detected." in hotel.out
    assert "can no longer be read" in hotel.err
    assert hotel.command("migrate", "--check") == 0
    assert hotel.command("migrate", "--check", "--verified") == 1
    assert "other constraints or validators" in hotel.out
    assert hotel.command("check", "--database") == 1
    assert "of 12 records of Guest, e.g. guest:g" in hotel.out
    assert hotel.command("purge", "--yes") == 5
    assert hotel.command("verify") == 1
    assert hotel.command("migrate", "--check", "--verified") == 1
    assert hotel.run() == 0
    assert "!" not in hotel.err


def test_a_change_that_does_not_affect_reading_raises_no_alarm(hotel: Any) -> None:
    hotel.models(_MODEL.replace("class Guest(Model):", 'class Guest(Model):\n    """A guest."""\n'), "crm")

    assert hotel.run() == 0
    assert hotel.err == ""
    assert hotel.command("migrate", "--check", "--verified") == 0
    assert hotel.command("check", "--database") == 0, hotel.out


def test_without_a_server_the_plan_has_no_counts(hotel: Any) -> None:
    hotel.settings("crm")
    hotel.models(_MODEL.replace(*_STRICTER["a length"]), "crm")

    assert hotel.run(options=("--json",)) == 0
    assert json.loads(hotel.out)["tightened"] == [{"app": "crm", "place": "Guest.name", "what": "max_length=4 is new"}]
    assert "Run 'check --database' where the records are" in hotel.err


def test_a_constraint_that_comes_with_a_migration_is_tried_on_what_the_migration_makes(hotel: Any) -> None:
    text = _MODEL.replace('name: str = ""', 'full_name: str = Field("", renamed_from="name", max_length=4)')
    hotel.models(text.replace("version = 1", "version = 2"), "crm")

    assert hotel.run() == 0, hotel.err
    assert "! crm.Guest.full_name: max_length=4 is new" in hotel.err
    assert hotel.command("check", "--database") == 1
    assert "the code cannot read 7 of 12 records of Guest" in hotel.out
    assert hotel.command("migrate", "--dry-run") == 1
    assert "7 records would be unreadable for the code" in hotel.out
    assert "field 'full_name'" in hotel.out


def test_fields_and_models_that_are_new_have_no_records_to_refuse(hotel: Any) -> None:
    text = _MODEL.replace('name: str = ""', 'name: str = ""\n    code: str = Field("", max_length=4)')
    other = "\n\nclass Bill(Model):\n    id: str = Field(primary_key=True, max_length=9)\n"
    hotel.models(text.replace("version = 1", "version = 2") + other, "crm")

    assert hotel.run() == 0, hotel.err
    assert "!" not in hotel.err


@pytest.mark.parametrize("text", ["<<<<<<< ours", "[]", '{"Guest": {"name": 1}}', "[" * 100_000])
def test_a_broken_constraints_file_stops_nothing_and_is_written_again(hotel: Any, text: str) -> None:
    path = hotel.root / "crm/redis_migrations/constraints.json"
    path.write_text(text)

    assert hotel.run() == 0, hotel.err
    assert json.loads(path.read_text())["Guest"] == _NOTED


def test_a_dry_run_and_a_check_write_no_list(hotel: Any) -> None:
    hotel.models(_MODEL.replace(*_STRICTER["a length"]), "crm")
    before = hotel.tree()

    assert hotel.run("--dry-run") == 0
    assert hotel.run("--check") == 0
    assert hotel.tree() == before


def test_a_disk_that_refuses_the_list_is_reported_and_stops_nothing(hotel: Any) -> None:
    path = hotel.root / "crm/redis_migrations/constraints.json"
    path.unlink()
    path.mkdir()
    (path / "full").touch()

    assert hotel.run() == 0
    assert "constraints.json" in hotel.err
    assert "cannot be written" in hotel.err
