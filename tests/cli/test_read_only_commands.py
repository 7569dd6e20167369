"""Commands that look and write nothing: explain, diff, check, and what safety rules find."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from redis_models.migrations.files.lint import CODES
from redis_models.migrations.planner.safety_rules import RULES

_HEAD = "from redis_models import migrations\n"
_CLASS = """

class Migration(migrations.Migration):
    id = "bbbb0002"
    previous = {previous!r}
    versions = {versions}
    operations = [{operations}]
"""
_CUSTOMER = '{"Customer": 2}'


def _record(client: Any, number: int = 1, **fields: str) -> None:
    key = f"customer:c{number}"
    client.hset(key, mapping={"id": f"c{number}", "name": "Ann", "note": "None", **fields})
    client.zadd("customer:__index", {key: 0})


def _write(shop_project: Any, operations: str, before: str = "", versions: str = _CUSTOMER) -> None:
    folder = shop_project.root / "shop" / "redis_migrations"
    previous = (folder / "HEAD").read_text().strip()
    text = _HEAD + before + _CLASS.format(previous=previous, versions=versions, operations=operations)
    (folder / "0002_it.py").write_text(text)
    (folder / "HEAD").write_text("bbbb0002\n")


def test_explain_shows_a_stored_record_before_and_after(shop_project: Any, server: Any) -> None:
    shop_project.settings("shop", url=server.url)
    _write(
        shop_project,
        'migrations.RenameField("Customer", "name", "full_name"), migrations.RemoveField("Customer", "note")',
    )
    with server.client() as client:
        _record(client)
        before = client.hgetall("customer:c1")

        assert shop_project.command("explain", "shop", "2", "--key", "customer:c1") == 0, shop_project.err

        assert client.hgetall("customer:c1") == before
    assert "  records of Customer: version 1 → 2, in the server\n" in shop_project.out
    assert (
        "Remove field note from Customer   (hides values)\n      back: the bytes of note are restored"
        in shop_project.out
    )
    for line in ("+ full_name", "- name", "- note", "  id ", "+ _v"):
        assert f"\n  {line}" in shop_project.out


def test_explain_brings_a_record_of_a_later_version_back_first(shop_project: Any, server: Any) -> None:
    shop_project.settings("shop", url=server.url)
    _write(shop_project, 'migrations.AlterField("Customer", "name", "str", "int", back=str)')
    with server.client() as client:
        _record(client, _v="2", name="7")

        assert shop_project.command("explain", "shop", "0002", "--backwards", options=("--json",)) == 0, (
            shop_project.err
        )
    [record] = json.loads(shop_project.out)["records"]
    assert (record["key"], record["made_up"]) == ("customer:c1", False)
    assert record["fields"]["_v"] == {"before": "2", "after": "1"}


def test_explain_invents_a_record_without_a_server(shop_project: Any) -> None:
    _write(shop_project, 'migrations.AddField("Customer", "n", "int", fill=7)')

    assert shop_project.command("explain", "shop", "it") == 0, shop_project.err
    assert "customer:example   (made up)" in shop_project.out
    assert "  + n     7\n" in shop_project.out


def test_explain_tells_what_cannot_be_converted(shop_project: Any, server: Any) -> None:
    shop_project.settings("shop", url=server.url)
    _write(shop_project, 'migrations.AlterField("Customer", "name", "str", "int")')
    with server.client() as client:
        _record(client)

    assert shop_project.command("explain", "shop", "2") == 1
    assert "customer:c1: cannot be rewritten:" in shop_project.out


def test_explain_refuses_a_key_that_is_not_a_record(shop_project: Any, server: Any) -> None:
    shop_project.settings("shop", url=server.url)
    _write(shop_project, 'migrations.AddField("Customer", "n", "int", fill=7)')

    assert shop_project.command("explain", "shop", "2", "--key", "customer:nobody") == 2
    assert "record not found" in shop_project.err
    assert shop_project.command("explain", "shop", "2", "--key", "order:1") == 2
    assert "is not a record of a model that 0002_it rewrites" in shop_project.err


def test_diff_compares_what_redis_has_with_the_code(shop_project: Any, server: Any) -> None:
    shop_project.settings("shop", url=server.url)
    assert shop_project.command("diff") == 0
    assert "+ Create model Customer" in shop_project.out
    assert "1 migration is not applied yet" in shop_project.out
    assert shop_project.command("migrate") == 0
    assert shop_project.command("diff", "--check") == 0
    shop_project.models(shop_project.renamed.replace("version = 1", "version = 2"))

    assert shop_project.command("diff", "--check") == 1
    assert "? Customer.name → ?  candidates: full_name (0.62)  use --rename Customer.name=full_name" in shop_project.out


def test_check_finds_nothing_wrong_with_what_is_right(shop_project: Any) -> None:
    assert shop_project.command("check") == 0
    assert shop_project.out == "No problems found.\n"


def test_check_names_unmade_changes_and_broken_files(shop_project: Any) -> None:
    shop_project.models(shop_project.renamed)
    assert shop_project.command("check") == 1
    assert "the models have changes without a migration; run 'makemigrations'" in shop_project.out
    (shop_project.root / "shop" / "redis_migrations" / "0001_initial.py").write_text("import nothing_there\n")

    assert shop_project.command("check", options=("--json",)) == 1
    assert "nothing_there" in json.loads(shop_project.out)["problems"][0]


def test_check_of_the_database_tells_what_is_not_applied(shop_project: Any, server: Any) -> None:
    shop_project.settings("shop", url=server.url)
    assert shop_project.command("check", "--database") == 1
    assert "0001_initial" in shop_project.out
    assert shop_project.command("migrate") == 0

    assert shop_project.command("check", "--database") == 0, shop_project.out


def _function(body: str, imports: str = "") -> str:
    return f"{imports}\n\ndef made(old):\n    return {body}\n"


_COMPUTED = 'migrations.AddField("Customer", "n", "str", fill=made)'
_FREE = "migrations.Run(made, back=made, may_run_twice=True)"
# Code: a migration that it is about, and one that is right: operations, what stands before the class, versions.
FIXTURES: Mapping[str, tuple[tuple[str, str, str], tuple[str, str, str]]] = {
    "RM101": (
        ('migrations.RemoveField("Customer", "note")', "", _CUSTOMER),
        ('migrations.RenameField("Customer", "note", "remark")', "", _CUSTOMER),
    ),
    "RM102": (
        ('migrations.RemoveField("Customer", "name")', "", _CUSTOMER),
        ('migrations.RemoveField("Customer", "name", back="?")', "", _CUSTOMER),
    ),
    "RM104": (
        ('migrations.AlterField("Customer", "name", "str", "int")', "", _CUSTOMER),
        ('migrations.AlterField("Customer", "name", "str", "str | None")', "", _CUSTOMER),
    ),
    "RM105": (
        (
            'migrations.AddField("Customer", "n", "int", fill=0),'
            'migrations.AlterField("Customer", "n", "int", "int | None")',
            "",
            _CUSTOMER,
        ),
        (
            'migrations.AddField("Customer", "n", "int", fill=0),'
            'migrations.AlterField("Customer", "n", "int", "int | None", back=lambda n: 0)',
            "",
            _CUSTOMER,
        ),
    ),
    "RM106": (
        (_COMPUTED, _function("str(uuid4())", "from uuid import uuid4"), _CUSTOMER),
        (_COMPUTED, _function("str(old.id)"), _CUSTOMER),
    ),
    "RM107": (
        (_COMPUTED, _function("open('/etc/hostname').read()"), _CUSTOMER),
        (_COMPUTED, _function("str(old.name).upper()"), _CUSTOMER),
    ),
    "RM108": (
        ('migrations.AlterField("Customer", "name", "str", "int", convert=made)', _function("len(old)"), _CUSTOMER),
        (
            'migrations.AlterField("Customer", "name", "str", "int", convert=made, back=str)',
            _function("len(old)"),
            _CUSTOMER,
        ),
    ),
    "RM112": (
        ('migrations.AlterKeys("Customer", table="client")', "", _CUSTOMER),
        ('migrations.RenameModel("Customer", "Client")', "", "{}"),
    ),
    "RM116": (
        (_FREE, _function("old.redis.hset('a', 'b', 'c')"), "{}"),
        (_FREE, _function("old.redis.hgetall('a')"), "{}"),
    ),
    "RM117": (
        (_FREE, _function("old.redis.keys('*')"), "{}"),
        (_FREE, _function("list(old.redis.scan_iter('a*'))"), "{}"),
    ),
    "RM131": (
        (_COMPUTED, _function("str(old.id)", "from shop import __name__ as name"), _CUSTOMER),
        (_COMPUTED, _function("str(old.id)", "from datetime import date"), _CUSTOMER),
    ),
}


@pytest.mark.parametrize("code", FIXTURES)
def test_a_rule_finds_the_bad_one_and_leaves_the_good_one_alone(shop_project: Any, code: str) -> None:
    bad, good = FIXTURES[code]

    _write(shop_project, *bad)
    shop_project.command("check", options=("--json",))
    found = {finding["rule"]: finding["level"] for finding in json.loads(shop_project.out)["findings"]}
    folder = shop_project.root / "shop" / "redis_migrations"
    (folder / "HEAD").write_text((folder / "0001_initial.py").read_text().partition('id = "')[2][:8])
    (folder / "0002_it.py").unlink()
    _write(shop_project, *good)
    shop_project.command("check", options=("--json",))

    assert found[code] == RULES[code].level
    assert code not in {finding["rule"] for finding in json.loads(shop_project.out)["findings"]}


def test_what_needs_a_consent_is_refused_until_the_file_or_the_command_line_gives_it(
    shop_project: Any, server: Any
) -> None:
    shop_project.settings("shop", url=server.url)
    _write(shop_project, *FIXTURES["RM112"][0])
    with server.client() as client:
        client.hset("customer:c1", mapping={"id": "c1", "name": "Ada"})

    assert shop_project.command("migrate") == 5
    assert "RM112 shop.0002_it: Alter keys of Customer: table 'client'" in shop_project.err
    assert 'allow = {"RM112": "why"}' in shop_project.err
    assert shop_project.command("migrate", "--plan") == 0
    assert "! RM112" in shop_project.out
    path = shop_project.root / "shop" / "redis_migrations" / "0002_it.py"
    path.write_text(path.read_text().replace("    versions", '    allow = {"RM112": "at night"}\n    versions'))
    assert shop_project.command("migrate") == 0, shop_project.err


def test_a_consent_of_the_command_line_is_in_the_history(shop_project: Any, server: Any) -> None:
    shop_project.settings("shop", url=server.url)
    _write(shop_project, *FIXTURES["RM112"][0])
    with server.client() as client:
        client.hset("customer:c1", mapping={"id": "c1", "name": "Ada"})

    assert shop_project.command("migrate", "--allow-destructive") == 0, shop_project.err
    assert shop_project.command("history") == 0
    assert "consents to RM112" in shop_project.out


@pytest.mark.parametrize("allow", ['{"RM999": "x"}', '{"RM112": " "}', "['RM112']"])
def test_a_consent_to_nothing_is_refused(shop_project: Any, allow: str) -> None:
    _write(shop_project, *FIXTURES["RM112"][0])
    path = shop_project.root / "shop" / "redis_migrations" / "0002_it.py"
    path.write_text(path.read_text().replace("    versions", f"    allow = {allow}\n    versions"))

    assert shop_project.command("check") == 1
    assert "write a reason by the code of a rule" in shop_project.out


def test_rules_look_at_records(shop_project: Any, server: Any) -> None:
    shop_project.settings("shop", url=server.url)
    _write(shop_project, *FIXTURES["RM104"][0])
    with server.client() as client:
        for number in range(5):
            _record(client, number, name=str(number) if number else "nobody")

    assert shop_project.command("migrate", "--plan") == 0
    assert "1 of 5 sampled records of Customer cannot be converted, e.g. customer:c0:" in shop_project.out


def test_every_rule_has_one_code() -> None:
    assert set(RULES) == set(CODES)
