"""``adopt`` as people call it, and the way of a project from pydantic-aioredis to its second version."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from redis_models import Store
from redis_models.migrations.state.lease import hold_lease

_MODELS = """
from redis_models import Model

class Customer(Model):
    id: str
    name: str
    _primary_key_field = "id"

class Order(Model):
    number: int
    lines: list[bool]
    _primary_key_field = "number"
    _redis_prefix = "Shop"
"""


@pytest.fixture
def shop(project: Any, old: Any) -> Any:
    """A project whose two tables the old library wrote."""
    project.write("shop/models.py", _MODELS)
    for pk in ("1", "a:b", "gone"):
        old.insert("customer:", pk, {"id": pk, "name": f"n{pk}"}, life_s=1000)
    old.client.delete("customer:gone")
    old.insert("shop:order:", "7", {"number": "7", "lines": '"[true, false]"'})
    return project


def _read(project: Any, expression: str) -> str:
    project.write(
        "read.py", f"import redis_models\nredis_models.setup()\nfrom shop.models import *\nprint({expression})"
    )
    done = project.end(project.start("read.py"))
    assert done.code == 0, done.err
    return str(done.out).strip()


def test_it_takes_over_every_table_and_says_what_it_did(shop: Any) -> None:
    done = shop.run("adopt")

    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "Customer: 2 records; changed: set index converted to a sorted set, TTL removed from the index,"
        " 2 records stamped, 1 key renamed, 1 dead member removed from the index",
        "Order: 1 record; changed: set index converted to a sorted set, 1 record stamped",
    ]
    assert _read(shop, "Customer.sync.get('a:b').name") == "na:b"
    assert _read(shop, "Order.sync.select()") == "[Order(number=7, lines=[True, False])]"


def test_run_again_it_says_that_there_is_nothing_to_do(shop: Any) -> None:
    shop.run("adopt")

    again = shop.run("adopt")

    assert (again.code, again.out.splitlines()) == (
        0,
        ["Customer: 2 records, nothing to adopt", "Order: 1 record, nothing to adopt"],
    )


def test_a_dry_run_shows_the_same_and_writes_nothing(shop: Any, contents: Callable[[], object]) -> None:
    before = contents()

    foretold = shop.run("adopt", "--dry-run")

    assert foretold.code == 0
    assert contents() == before
    assert foretold.out.replace("would be changed", "changed") == shop.run("adopt").out


@pytest.mark.parametrize("name", ["shop.Order", "shop"])
def test_it_inherits_the_declared_options(shop: Any, client: Any, name: str) -> None:
    assert shop.run("adopt", name).code == 0

    assert client.type("shop:order:__index") == b"zset"
    assert client.type("customer:__index") == (b"zset" if name == "shop" else b"set")


def test_a_name_that_is_none_is_answered_with_the_one_that_was_meant(shop: Any, client: Any) -> None:
    done = shop.run("adopt", "shop.Ordr")

    assert done.code == 2
    assert "did you mean 'shop.Order'?" in done.err
    assert client.type("shop:order:__index") == b"set"


def test_records_that_stay_behind_are_named_and_make_it_incomplete(shop: Any, client: Any) -> None:
    client.hset("shop:order:eight", "lines", "x")

    done = shop.run("adopt")

    assert done.code == 6
    assert (
        "  ! shop:order:eight: has no field 'number', the primary key, and its key does not tell it; add the field, or"
        in done.out
    )
    assert "1 record was not taken over" in done.err
    client.delete("shop:order:eight")
    assert shop.run("adopt").code == 0


def test_for_programs_there_is_one_object(shop: Any, client: Any) -> None:
    client.hset("shop:order:eight", "lines", "x")

    done = shop.run("--json", "adopt")

    result = json.loads(done.out)
    assert (done.code, result["ok"], result["dry_run"]) == (6, False, False)
    assert result["models"]["shop.Customer"]["renamed"] == 1
    assert [problem["key"] for problem in result["models"]["shop.Order"]["problems"]] == ["shop:order:eight"]


def test_while_another_runner_is_at_work_it_is_refused_or_waits(shop: Any, bound: Store) -> None:
    with hold_lease(bound.sync_client, "default", life_s=60):
        refused = shop.run("adopt")
        waiting = shop.start("adopt", "--wait", "60")

    assert (refused.code, refused.out) == (4, "")
    assert shop.end(waiting).code == 0


def test_a_model_whose_migrations_do_not_begin_at_version_1_is_warned_of(shop: Any) -> None:
    shop.write("shop/models.py", _MODELS.replace('"id"', '"id"\n    _version = 3'))

    done = shop.run("adopt")

    assert done.code == 0
    assert "shop.Customer: its records have version 1, but no migration leads from version 1 to 3" in done.err
    assert "shop.Order" not in done.err


def test_full_memory_refuses_whole_records_and_it_goes_on_afterwards(
    new_server: Callable[..., Any], new_project: Callable[..., Any]
) -> None:
    server = new_server("--maxmemory-policy", "noeviction")
    project = new_project(server)
    project.write("shop/models.py", _MODELS)
    with server.client() as client:
        for pk in ("1", "a:b"):
            client.hset(f"customer:{pk}", mapping={"id": pk, "name": "Ann"})
            client.sadd("customer:__index", f"customer:{pk}")
        client.config_set("maxmemory", "1")
        full = project.run("adopt")
        before = client.hgetall("customer:a:b")
        client.config_set("maxmemory", "0")

    assert (full.code, before) == (7, {b"id": b"a:b", b"name": b"Ann"})
    assert project.run("adopt").code == 0
    assert _read(project, "len(Customer.sync.select())") == "2"


def test_from_the_old_library_to_the_second_version_of_a_model(shop: Any, client: Any) -> None:
    for command in (["makemigrations"], ["adopt"], ["migrate", "--yes"]):
        done = shop.run(*command)
        assert done.code == 0, done.err
    assert shop.run("migrate", "--check").code == 0
    assert _read(shop, "[one.name for one in Customer.sync.select()]") == "['n1', 'na:b']"

    shop.write(
        "shop/models.py",
        _MODELS.replace("    name: str", "    full_name: str").replace('"id"', '"id"\n    _version = 2', 1),
    )
    for command in (["makemigrations", "--rename", "Customer.name=full_name"], ["migrate", "--yes"]):
        done = shop.run(*command)
        assert done.code == 0, done.err

    assert client.hget("customer:a%3Ab", "_v") == b"2"
    assert client.hget("customer:a%3Ab", "full_name") == b"na:b"
    assert 0 < client.ttl("customer:a%3Ab") <= 1000
    assert _read(shop, "[one.full_name for one in Customer.sync.select()]") == "['n1', 'na:b']"
    assert shop.run("adopt").out.startswith("Customer: 2 records, nothing to adopt")


def test_records_that_were_adopted_late_are_of_version_1_and_are_read(shop: Any) -> None:
    shop.run("makemigrations")
    shop.write(
        "shop/models.py",
        _MODELS.replace("    name: str", "    full_name: str").replace('"id"', '"id"\n    _version = 2', 1),
    )
    shop.run("makemigrations", "--rename", "Customer.name=full_name")

    assert shop.run("adopt").err == ""

    assert _read(shop, "[one.full_name for one in Customer.sync.select()]") == "['n1', 'na:b']"
