"""``explain`` of models that override ``deserialize_partially``: their records are shown as the hook reads them."""

import json
from typing import Any

import pytest

_MODEL = """
from pydantic import ConfigDict, SecretStr
from redis_models import Field, Model

class Guest(Model):
    {config}
    id: str = Field(primary_key=True)
    town: str = ""
    {field}

    class Meta:
        version = {version}

    @classmethod
    def serialize_partially(cls, data):
        stored = super().serialize_partially(data)
        return {{name: str(one)[::-1] if name != "id" else one for name, one in stored.items()}}

    @classmethod
    def deserialize_partially(cls, data):
        if data.get("town") == "broken":
            raise ValueError("no such town: " + data["town"])
        plain = {{name: one if name == "id" else one[::-1] for name, one in data.items()}}
        return super().deserialize_partially(plain)
"""
_FIRST = """
class Migration(migrations.Migration):
    id = "aaaa0001"
    previous = None
    versions = {"Guest": 1}
    operations = [
        migrations.CreateModel(
            "Guest", fields={"id": "str", "town": "str", "nick": "str"}, primary_key="id", table="guest"
        ),
    ]
"""
_SECOND = """
class Migration(migrations.Migration):
    id = "bbbb0002"
    previous = "aaaa0001"
    versions = {"Guest": 2}
    operations = [migrations.RenameField("Guest", "nick", "name")]
"""
_FORMER, _LATER = 'nick: str = ""', 'name: str = ""'


@pytest.fixture
def hotel(project: Any) -> Any:
    """A project whose model stores its values backwards, and one record that it wrote."""
    project.migration("0001_first", _FIRST)
    project.migration("0002_second", _SECOND)
    with project.server.client() as client:
        client.hset("guest:a", mapping={"id": "a", "town": "emoR", "nick": "ydderF", "_v": "1"})
        client.zadd("guest:__index", {"guest:a": 0})
    return project


def _explain(hotel: Any, field: str, version: int, *options: str, config: str = "pass") -> str:
    hotel.write("shop/models.py", _MODEL.format(field=field, version=version, config=config))
    ran = hotel.run(*options[:1], "explain", "shop", "2", "--key", "guest:a", *options[1:])
    assert ran.code == 0, ran.err
    return str(ran.out)


def test_what_the_code_can_read_is_shown_as_its_hook_reads_it(hotel: Any) -> None:
    output = _explain(hotel, _LATER, 2)

    assert "town" in output
    assert "Rome" in output
    assert "emoR" not in output
    assert "+ name" in output
    assert "Freddy" in output
    assert "- nick" in output
    assert "ydderF" in output
    assert (
        "version 1 is shown as it is stored: only the Guest.deserialize_partially of that version can read it" in output
    )
    assert "version 2 is shown" not in output


def test_a_migration_that_the_code_is_not_up_to_is_shown_from_the_other_side(hotel: Any) -> None:
    output = json.loads(_explain(hotel, _FORMER, 1, "--json"))["records"][0]

    assert output["fields"]["town"] == {"before": "Rome", "after": "Rome"}
    assert output["fields"]["nick"] == {"before": "Freddy", "after": None}
    assert output["fields"]["name"] == {"before": None, "after": "ydderF"}
    assert [note[:9] for note in output["notes"]] == ["version 2"]


def test_going_back_is_shown_in_the_same_way(hotel: Any) -> None:
    output = json.loads(_explain(hotel, _LATER, 2, "--json", "--backwards"))["records"][0]

    assert output["fields"]["town"] == {"before": "Rome", "after": "Rome"}
    assert output["fields"]["name"] == {"before": "Freddy", "after": None}


def test_stored_bytes_are_shown_where_the_code_is_of_another_version(hotel: Any) -> None:
    output = _explain(hotel, _LATER, 3)

    assert "emoR" in output
    assert output.count("is shown as it is stored") == 2
    assert "and the code is at 3" in output


@pytest.mark.parametrize(("field", "config", "leak"), [
    ("name: SecretStr = SecretStr('')", "pass", "Freddy"),
    (_LATER, "model_config = ConfigDict(hide_input_in_errors=True)", "Rome"),
])  # fmt: skip
def test_a_secret_that_a_hook_reads_is_stars(hotel: Any, field: str, config: str, leak: str) -> None:
    output = _explain(hotel, field, 2, config=config)

    assert "**********" in output
    assert leak not in output
    assert leak[::-1] not in output


@pytest.mark.parametrize(("config", "is_shown"), [
    ("pass", True), ("model_config = ConfigDict(hide_input_in_errors=True)", False)
])  # fmt: skip
def test_a_record_that_the_hook_refuses_is_shown_as_it_is_stored(hotel: Any, config: str, is_shown: bool) -> None:
    with hotel.server.client() as client:
        client.hset("guest:a", "town", "broken")

    output = _explain(hotel, _LATER, 2, config=config)

    assert "version 2 is shown as it is stored: it cannot be read through Guest.deserialize_partially" in output
    assert ("broken" in output) is is_shown


def test_a_made_up_record_is_plain_as_no_hook_has_made_it(hotel: Any) -> None:
    with hotel.server.client() as client:
        client.delete("guest:a", "guest:__index")
    hotel.write("shop/models.py", _MODEL.format(field=_LATER, version=2, config="pass"))

    ran = hotel.run("explain", "shop", "2")

    assert "(made up)" in ran.out
    assert "is shown as it is stored" not in ran.out
