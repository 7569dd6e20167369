"""Consents: asked for where a record is concerned, on a terminal, kept in a file; never where there is no record."""

import io
import json
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest

from redis_models.cli.console import context as cli_context
from redis_models.migrations.executor import pass_runner
from redis_models.migrations.files.loader import load_chain

_HEAD = """
class Migration(migrations.Migration):
    id = "{id}"
    previous = {previous}
    versions = {versions}
    operations = {operations}
"""
_CREATE = """[
        migrations.CreateModel("Parcel", fields={"code": "str", "weight": "int", "to": "Object(city=str, zip=str)"},
            primary_key="code", table="parcel"),
        migrations.CreateModel("Depot", fields={"id": "str"}, primary_key="id", table="depot"),
    ]"""
_HIDES = '[migrations.AlterField("Parcel", "to", "Object(city=str, zip=str)", "Object(city=str)")]'
_STEPS = {
    "a field": '[migrations.RemoveField("Parcel", "weight", back=0)]',
    "a key of an object": _HIDES,
    "keys": '[migrations.AlterKeys("Parcel", table="box")]',
    "a primary key": '[migrations.AlterField("Parcel", "code", "str", "int")]',
    "a renamed model": '[migrations.RenameModel("Parcel", "Box"), migrations.RemoveField("Box", "weight", back=0)]',
    "a clock": '[migrations.AddField("Parcel", "at", "float", fill=lambda old: time.time())]',
}


class Shop:
    """An app of two models, its first migration, and one more that something is refused of."""

    def __init__(self, project: Any, operations: str) -> None:
        self.project = project
        project.write(
            "shop/models.py",
            "from redis_models import Field, Model\nclass Other(Model):\n    id: str = Field(primary_key=True)\n"
            "    class Meta: managed = False\n",
        )
        self.file("0001_initial", "aaaa0001", None, '{"Parcel": 1, "Depot": 1}', _CREATE)
        name = "Box" if "RenameModel" in operations else "Parcel"
        self.path = self.file("0002_it", "bbbb0002", "aaaa0001", f'{{"{name}": 2}}', operations)

    def file(self, name: str, id: str, previous: str | None, versions: str, operations: str) -> Any:
        text = _HEAD.format(id=id, previous=repr(previous), versions=versions, operations=operations)
        return self.project.write(
            f"shop/redis_migrations/{name}.py", f"import time\n\nfrom redis_models import migrations\n\n{text}"
        )

    def run(self, *arguments: str) -> Any:
        return self.project.run(*arguments)


@pytest.fixture(params=_STEPS.values(), ids=list(_STEPS))
def shop(project: Any, request: pytest.FixtureRequest) -> Shop:
    return Shop(project, request.param)


@pytest.fixture
def type_in(monkeypatch: pytest.MonkeyPatch, project: Any) -> Callable[..., None]:
    def type_in(*lines: str) -> None:
        monkeypatch.setattr(cli_context, "has_terminal", lambda: True)
        project.keyboard = io.StringIO("".join(f"{line}\n" for line in lines))
        monkeypatch.setattr(sys, "stdin", project.keyboard)

    return type_in


def _put(client: Any, key: str = "parcel:7", version: str = "1") -> None:
    stored = {"code": key.rpartition(":")[2], "weight": "7", "to": '{"city":"Graz","zip":"8010"}', "_v": version}
    client.hset(key, mapping=stored)
    client.zadd(f"{key.partition(':')[0]}:__index", {key: 0})


def test_an_empty_database_needs_no_consent(shop: Shop) -> None:
    plan = shop.run("migrate", "--plan")
    check = shop.run("--json", "check", "--database")
    done = shop.run("migrate", "--yes")

    assert "refuse" in plan.out
    assert "(no record is concerned)" in plan.out
    assert [
        finding["concerns_records"] for finding in json.loads(check.out)["findings"] if finding["level"] == "refuse"
    ] == [False]
    assert done.code == 0, done.err
    assert "consents" not in shop.run("history").out


def test_other_models_records_and_those_of_newer_code_are_none(shop: Shop, client: Any) -> None:
    client.hset("depot:d1", mapping={"id": "d1"})
    if "AlterKeys" not in shop.path.read_text():
        _put(client, version="2")

    assert shop.run("migrate", "--yes").code == 0


@pytest.mark.parametrize(
    "lies", ["indexed", "without an index", "in the set of pydantic-aioredis", "later in the index"]
)
def test_one_record_is_enough_at_any_place(shop: Shop, client: Any, lies: str) -> None:
    _put(client)
    if lies != "indexed":
        client.delete("parcel:__index")
    if lies == "in the set of pydantic-aioredis":
        client.sadd("parcel:__index", "parcel:7")
    if lies == "later in the index":  # behind members whose records are gone
        client.zadd("parcel:__index", {f"parcel:a{number:03}": 0 for number in range(150)} | {"parcel:7": 0})
    before = client.hgetall("parcel:7")

    refused = shop.run("migrate", "--yes")

    assert refused.code == 5, refused.out
    assert "in shop/redis_migrations/0002_it.py" in refused.err
    assert client.hgetall("parcel:7") == before
    if lies != "in the set of pydantic-aioredis":  # where keys change, 'adopt' has to go first
        assert shop.run("migrate", "--yes", "--allow-destructive").code == 0
        assert "consents to RM1" in shop.run("history").out


def test_members_of_the_index_without_records_are_none(shop: Shop, client: Any) -> None:
    client.zadd("parcel:__index", {f"parcel:p{number}": 0 for number in range(150)})
    client.set("parcel:text", "not a record")
    client.delete("parcel:text")

    assert shop.run("migrate", "--yes").code == 0


def test_a_record_that_comes_between_the_plan_and_the_run_is_not_changed_unasked(
    shop: Shop, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = pass_runner.PassRunner.__post_init__

    def overtaken(self: Any) -> None:
        _put(client)
        begin(self)

    with monkeypatch.context() as patch:
        patch.setattr(pass_runner.PassRunner, "__post_init__", overtaken)
        refused = shop.run("migrate", "--yes")
    asked = shop.run("migrate", "--yes")

    assert refused.code == 5, refused.out + refused.err
    assert "parcel:7: written since the plan was made" in refused.err
    assert client.hgetall("parcel:7")[b"_v"] == b"1"
    assert not client.exists("box:7")
    assert asked.code == 5
    assert "run with --allow-destructive" in asked.err
    client.delete("parcel:7", "parcel:__index")
    assert shop.run("migrate", "--yes").code == 0


def test_a_deleted_model_with_records_wants_a_consent_and_without_none(project: Any, client: Any) -> None:
    shop = Shop(project, '[migrations.DeleteModel("Depot")]')
    shop.path.write_text(shop.path.read_text().replace('{"Parcel": 2}', "{}"))
    client.hset("depot:d1", mapping={"id": "d1"})

    assert shop.run("migrate", "--yes").code == 5
    client.delete("depot:d1")
    assert shop.run("migrate", "--yes").code == 0


def test_what_stops_the_server_wants_a_consent_with_or_without_records(project: Any) -> None:
    shop = Shop(project, '[migrations.Run("Parcel", wipe)]')
    shop.path.write_text(
        shop.path.read_text()
        .replace('{"Parcel": 2}', "{}")
        .replace("class Migration", "def wipe(step):\n    step.redis.flushall()\n\n\nclass Migration")
        .replace('Run("Parcel", wipe', "Run(wipe, may_run_twice=True")
    )

    refused = shop.run("migrate", "--yes")

    assert refused.code == 5, refused.err
    assert "RM117" in refused.err


def test_a_person_is_asked(shop: Shop, client: Any, type_in: Callable[..., None]) -> None:
    _put(client)
    type_in("n")
    refused = shop.run("migrate")
    before = client.hget("parcel:7", "_v")
    type_in("y", "y")
    done = shop.run("migrate")

    assert (refused.code, before) == (1, b"1")
    assert "Cancelled" in refused.err
    assert "RM1" in done.err
    assert done.code == 0, done.err
    assert "consents to RM1" in shop.run("history").out


def test_yes_is_not_a_consent(project: Any, client: Any, type_in: Callable[..., None]) -> None:
    shop = Shop(project, _STEPS["a field"])
    _put(client)
    type_in("y", "y")

    assert shop.run("migrate", "--yes").code == 5


def test_a_reason_may_be_added_to_a_file_that_is_applied(shop: Shop, client: Any) -> None:
    _put(client)
    assert shop.run("migrate", "--yes", "--allow-destructive").code == 0
    red = shop.run("check")
    line = next(line for line in red.out.splitlines() if "allow = {" in line)
    _, _, output = line.partition("write ")

    shop.path.write_text(
        shop.path.read_text().replace("    versions", f"    {output.partition(' in ')[0]}\n    versions")
    )

    assert "RM1" not in "".join(line for line in shop.run("check").out.splitlines() if " refuse " in line)
    assert shop.run("migrate", "--plan").code == 0
    assert "edited" not in shop.run("showmigrations").out
    shop.path.write_text(shop.path.read_text().replace("why", "it is unused"))
    assert shop.run("migrate", "--plan").code == 0
    shop.path.write_text(shop.path.read_text().replace("    operations", "    allowed = 1\n    operations"))
    assert shop.run("migrate", "--plan").code == 8


def test_a_ledger_whose_checksum_has_the_reasons_is_as_good(project: Any, client: Any) -> None:
    shop = Shop(project, _STEPS["a field"])
    shop.path.write_text(shop.path.read_text().replace("    versions", '    allow = {"RM101": "so"}\n    versions'))
    assert shop.run("migrate", "--yes").code == 0
    ledger = "redis_models:{default}:ledger:shop"
    entry = json.loads(client.hget(ledger, "bbbb0002"))
    link = load_chain("shop", project.root / "shop/redis_migrations").migrations[1]
    client.hset(ledger, "bbbb0002", json.dumps({**entry, "checksum": link.whole_checksum}))

    assert link.whole_checksum != link.checksum
    assert shop.run("migrate", "--plan").code == 0


def test_a_run_without_files_asks_where_records_are(project: Any, client: Any) -> None:
    text = "from redis_models import Field, Model\nclass Parcel(Model):\n    code: str = Field(primary_key=True)\n"
    project.write("shop/models.py", f"{text}    weight: int = 0\n")
    assert project.run("migrate", "--auto", "--yes").code == 0
    project.write("shop/models.py", f"{text}    class Meta: version = 2\n")
    _put(client)

    refused = project.run("migrate", "--auto", "--yes")
    plan = project.run("migrate", "--auto", "--plan")
    client.delete("parcel:7", "parcel:__index")
    done = project.run("migrate", "--auto", "--yes")

    assert refused.code == 5
    assert "cannot be undone" in refused.err
    assert "RM101 refuse" in plan.out
    assert done.code == 0, done.err


def test_a_chain_that_was_squashed_needs_no_consent_either(project: Any, client: Any) -> None:
    shop = Shop(project, _STEPS["a field"])
    shop.file("0003_more", "cccc0003", "bbbb0002", '{"Parcel": 3}', '[migrations.AlterKeys("Parcel", table="box")]')
    assert shop.run("squashmigrations", "shop", "2", "3", "--yes").code == 0

    assert shop.run("migrate", "--yes").code == 0
    assert shop.run("migrate", "shop", "zero", "--yes").code == 0
    _put(client)
    assert shop.run("migrate", "--yes").code == 5


def test_the_line_of_a_file_consents_to_all_that_is_refused_of_it_and_keeps_what_it_allows(
    project: Any, client: Any
) -> None:
    shop = Shop(project, f"[*{_STEPS['a field']}, *{_STEPS['keys']}, *{_STEPS['a clock']}]")
    text = shop.path.read_text()
    shop.path.write_text(text.replace("    versions", '    allow = {"RM112": "at \'night\'"}\n    versions'))
    _put(client)

    output = shop.run("check").out
    [line] = set(re.findall(r"write (allow = \{.*?\}) in ", output))
    [same] = set(re.findall(r"write in the class Migration (allow = \{.*?\}) in ", shop.run("migrate", "--yes").err))
    shop.path.write_text(text.replace("    versions", f"    {line}\n    versions"))

    assert same == line
    assert " refuse " not in shop.run("check").out
    assert shop.run("migrate", "--yes").code == 0
