"""``migrate --dry-run``: it foretells what the run does, record by record, and writes nothing."""

import json
from typing import Any

import pytest

_PAST = """
class Customer(Model):
    id: str = Field(primary_key=True)
    name: str
    age: str

    class Meta:
        version = 1
        table = "customer"
"""
_NEXT = _PAST.replace("name", "full_name").replace("age: str", "age: int").replace("version = 1", "version = 2")


@pytest.fixture
def shop(shop_project: Any, server: Any) -> Any:
    """A hundred records, of which the pending migration cannot rewrite two."""
    for path in (shop_project.root / "shop/redis_migrations").glob("*"):
        path.unlink()
    shop_project.settings("shop", url=server.url)
    shop_project.models(_PAST)
    assert shop_project.run(options=("--no-input",)) == 0, shop_project.err
    assert shop_project.command("migrate") == 0, shop_project.err
    with server.client() as client:
        for number in range(100):
            age = "old" if number in (3, 4) else str(number)
            client.hset(f"customer:{number}", mapping={"id": number, "name": f"n{number}", "age": age, "_v": 1})
            client.zadd("customer:__index", {f"customer:{number}": 0})
    shop_project.models(_NEXT)
    assert shop_project.run("--rename", "Customer.name=full_name", options=("--no-input",)) == 0, shop_project.err
    return shop_project


def _all(server: Any) -> dict[bytes, Any]:
    with server.client() as client:
        keys = sorted(client.scan_iter(count=1000))
        return {key: client.dump(key) for key in keys}


def _dry_run(shop_project: Any, *options: str, code: int) -> dict[str, Any]:
    assert shop_project.command("migrate", "--dry-run", *options, options=("--json",)) == code, shop_project.err
    return dict(json.loads(shop_project.out.splitlines()[-1])["apps"]["shop"])


def test_failures_are_reported_by_a_dry_run_and_nothing_is_written(shop: Any, server: Any) -> None:
    before = _all(server)

    [passed] = _dry_run(shop, code=1)["passes"]

    assert _all(server) == before
    assert (passed["records"], passed["changed"], passed["failed"]) == (100, 98, 2)
    assert {failure["key"] for failure in passed["failures"]} == {"customer:3", "customer:4"}
    assert all("field 'age' holds b'old'" in failure["reason"] for failure in passed["failures"])
    assert len(passed["examples"]) == 3

    _mend(server)
    [passed] = _dry_run(shop, code=0)["passes"]
    assert shop.command("migrate") == 0, shop.err

    with server.client() as client:
        for example in passed["examples"]:
            stored = {name.decode(): raw.decode() for name, raw in client.hgetall(example["key"]).items()}
            assert stored == {
                name: line["after"] for name, line in example["fields"].items() if line["after"] is not None
            }


def test_people_see_records_before_and_after(shop: Any, server: Any) -> None:
    assert shop.command("migrate", "--dry-run") == 1

    assert "100 records, 98 would be rewritten, 0 would stay as they are, 2 cannot be rewritten" in shop.out
    assert "  ! customer:3: field 'age' holds b'old'" in shop.out or "  ! customer:4: field 'age'" in shop.out
    assert "+ full_name" in shop.out
    assert "- name" in shop.out
    assert shop.out.endswith("Nothing was written.\n")


def test_a_sample_looks_at_some_records(shop: Any, server: Any) -> None:
    _mend(server)

    [passed] = _dry_run(shop, "--sample", "10", code=0)["passes"]

    assert passed["records"] == 10


def _mend(server: Any) -> None:
    with server.client() as client:
        client.hset("customer:3", "age", "3")
        client.hset("customer:4", "age", "4")


def test_records_whose_keys_collide_are_reported_before_the_run(shop: Any, server: Any) -> None:
    _mend(server)
    with server.client() as client:
        client.hset("customer:5", "name", "n6")
    assert shop.command("migrate") == 0, shop.err
    moved = _NEXT.replace("primary_key=True", "default=''").replace(
        "full_name: str", "full_name: str = Field(primary_key=True)"
    )
    shop.models(moved.replace("version = 2", "version = 3"))
    assert shop.run(options=("--no-input",)) == 0, shop.err
    before = _all(server)

    found = _dry_run(shop, code=1)

    assert "customer:5 and customer:6 would become one" in found["collision"]
    assert _all(server) == before


def test_a_dry_run_also_tries_the_way_back(shop: Any, server: Any) -> None:
    _mend(server)
    assert shop.command("migrate") == 0, shop.err

    [passed] = _dry_run(shop, "shop", "1", code=0)["passes"]

    assert (passed["to"], passed["changed"]) == (1, 100)


def test_sample_alone_is_refused(shop: Any) -> None:
    assert shop.command("migrate", "--sample", "3") == 2
    assert "--sample needs --dry-run; add it" in shop.err
