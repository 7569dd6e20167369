"""Records that a run did not meet: older ones that came behind it are met on request, newer ones are left alone."""

from typing import Any

import pytest

_NEW = {"id": "new", "visits": "5", "full_name": "n", "currency": "USD", "age": "7", "initial": "N", "_v": "3"}
_MOVED = """
    class Migration(migrations.Migration):
        id = "dddd0004"
        previous = "cccc0003"
        versions = {"Customer": 4}
        operations = [migrations.AlterKeys("Customer", table="client")]
"""


@pytest.fixture
def shop(project: Any) -> Any:
    """Records that were brought from version 1 to 4, which gave them other keys."""
    project.fill(20)
    project.deploy(3)
    models = project.root / "shop/models.py"
    models.write_text(models.read_text().replace("version = 3", "version = 4\n        table = 'client'"))
    project.migration("0004_move", _MOVED)
    return project


def test_what_older_code_wrote_behind_the_last_run_is_brought_up_on_request(shop: Any, client: Any) -> None:
    assert shop.run("migrate", "--yes", "--allow-destructive").code == 0
    before = shop.records()
    shop.fill(30, 20)  # as at version 1, under the keys of then
    client.hset("client:late", mapping={**_NEW, "id": "late"})
    client.zadd("client:__index", {"client:late": 0})
    assert shop.run("migrate").code == 0
    found = shop.run("verify")
    assert found.code == 1
    assert "older: 1\n" in found.out
    assert found.out.count("run 'migrate --stragglers'") == 6

    dry = shop.run("migrate", "--stragglers", "--dry-run")
    done = shop.run("migrate", "--stragglers", "--yes")

    assert (dry.code, done.code) == (0, 0)
    assert "30 would be rewritten" in dry.out
    assert "31 records changed" in done.out
    assert shop.run("verify").code == 0
    assert "settled" in shop.run("history").out
    after = shop.records()
    assert len(after) == 51
    assert {key: after[key] for key in before} == before
    assert shop.run("migrate", "--check", "--verified").code == 0
    assert shop.run("migrate", "shop", "1", "--yes").code == 0
    assert shop.records()["customer:49"] == {
        "_v": b"1", "id": b"49", "name": b"n49", "legacy_ref": b"r49", "age": b"49", "visits": b"0"
    }  # fmt: skip


@pytest.mark.parametrize("options", [(), ("--stragglers",)])
@pytest.mark.parametrize("start", ["1", "2"])
def test_a_run_up_takes_nothing_back_that_newer_code_wrote(
    shop: Any, client: Any, start: str, options: tuple[str, ...]
) -> None:
    assert shop.run("migrate", "shop", start, "--yes", "--allow-destructive").code == 0
    client.hset("customer:new", mapping=_NEW)

    assert shop.run("migrate", "shop", "2", *options, "--yes", "--allow-destructive").code == 0

    assert client.hgetall("customer:new") == {name.encode(): raw.encode() for name, raw in _NEW.items()}
    assert client.hget("customer:7", "_v") == b"2"


def test_a_run_that_stopped_is_given_up_all_the_same(shop: Any, client: Any) -> None:
    client.hset("customer:3", "age", "old")
    before = shop.records()
    assert shop.run("migrate", "--yes", "--allow-destructive", "--ignore-sample").code == 6
    assert shop.records() != before

    assert shop.run("migrate", "shop", "zero", "--yes").code == 0

    assert shop.records() == before


@pytest.mark.parametrize("other", ["--auto", "--fake", "--check"])
def test_stragglers_are_those_of_files(shop: Any, other: str) -> None:
    assert shop.run("migrate", "--stragglers", other).code == 2
