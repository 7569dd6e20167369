"""The way back restores the bytes, and what live clients changed since survives it."""

from typing import Any

import pytest

_TIDY = """
    def tidy(old, new):
        if "full_name" in old:
            new.full_name = old.full_name.strip()

    def untidy(old, new):
        if "full_name" in old:
            new.full_name = old.full_name.upper()

    class Migration(migrations.Migration):
        id = "cccc0003"
        previous = "bbbb0002"
        versions = {"Customer": 3}
        operations = [
            migrations.AlterField(
                "Customer", "age", old="str", new="str | None",
                convert=lambda text: text.strip(), back=lambda text: f"({text})",
            ),
            migrations.Transform("Customer", tidy, back=untidy),
        ]
"""


def _v1(number: int) -> dict[str, bytes]:
    texts = {"_v": "1", "id": f"{number}", "name": f"n{number}", "legacy_ref": f"r{number}", "visits": "0"}
    age = "NA" if number % 10 == 0 else f"0{number}" if number % 10 == 1 else f"{number}"
    return {name: text.encode() for name, text in {**texts, "age": age}.items()}


def test_the_way_back_restores_every_byte_and_leaves_nothing_behind(project: Any) -> None:
    project.deploy(1)
    project.fill(40)
    with project.server.client() as client:
        client.hdel("customer:3", "_v")
        client.hdel("customer:4", "legacy_ref", "age")
        client.hset("customer:5", mapping={"full_name": "stray", "initial": "s", "own": b"\xff\x00"})
        client.hset("customer:6", mapping={f"extra{i}": i for i in range(9000)})
        client.hset("customer:7", "name", b"x" * 1_000_000)
        client.hset("customer:caf\u00e9 \\*?[a]", mapping={"_v": 1, "age": "7", "name": "g", "legacy_ref": "r"})
    before = project.records()
    project.deploy(3)

    there = project.migrate()
    after = project.records()
    back = project.migrate("shop", "zero")

    assert (there.code, back.code) == (0, 0)
    assert {record["_v"] for record in after.values()} == {b"3"}
    assert after["customer:7"]["full_name"] == b"x" * 1_000_000
    assert after["customer:11"].items() >= {"age": b"11", "currency": b"EUR", "initial": b"N"}.items()
    assert project.records() == before
    assert project.bookkeeping() <= {"lease", "ledger:shop", "snapshot:shop", "history:shop"}


@pytest.mark.parametrize("version", [2, 3])
def test_a_record_of_one_field_keeps_its_ttl_there_and_back(project: Any, version: int) -> None:
    project.deploy(version)
    if version == 3:
        path = project.root / "shop/redis_migrations/0003_retype.py"
        path.write_text(path.read_text().replace("old.full_name[:1]", "old.get('full_name', '')[:1]"))
    ends: list[int] = []
    with project.server.client() as client:
        client.hset("customer:1", "legacy_ref", "r")
        client.pexpireat("customer:1", 4_000_000_000_000)

        for target in (str(version), "zero"):
            assert project.migrate("shop", target).code == 0
            ends.append(client.pexpiretime("customer:1"))

        assert client.hgetall("customer:1") == {b"legacy_ref": b"r"}
    assert ends == [4_000_000_000_000] * 2


def test_records_whose_keys_are_not_text_are_migrated_and_come_back(project: Any) -> None:
    project.deploy(1)
    with project.server.client() as client:
        client.hset(b"customer:\xff\xfe", mapping={"name": "n", "legacy_ref": "r", "age": "07", b"\xff": b"\xfe"})
        before = client.hgetall(b"customer:\xff\xfe")
        project.deploy(3)

        there = project.migrate()
        after = client.hgetall(b"customer:\xff\xfe")
        back = project.migrate("zero")

        assert (there.code, back.code) == (0, 0)
        assert after[b"age"] == b"7"
        assert client.hgetall(b"customer:\xff\xfe") == before


def test_what_clients_changed_since_survives_the_way_back(project: Any) -> None:
    project.deploy(1)
    project.fill(20)
    project.deploy(3)
    assert project.migrate().code == 0
    with project.server.client() as client:
        client.hset("customer:2", mapping={"full_name": "Ada", "age": 36})
        client.hincrby("customer:3", "visits", 5)
        client.hset("customer:11", "age", "None")
        client.hdel("customer:4", "age")
        client.hset("customer:new", mapping={"_v": 3, "id": "new", "full_name": "Eve", "age": "8", "initial": "E"})

    back = project.migrate("shop", "1")

    assert back.code == 0
    found = project.records()
    assert found["customer:2"] == {**_v1(2), "name": b"Ada", "age": b"36"}
    assert found["customer:3"] == {**_v1(3), "visits": b"5"}
    assert found["customer:11"] == {**_v1(11), "age": b"NA"}
    assert "age" not in found["customer:4"]
    assert found["customer:new"] == {"_v": b"1", "id": b"new", "name": b"Eve", "age": b"8", "legacy_ref": b"none"}


def test_ways_back_that_are_not_exact_inverses_still_restore_every_byte(project: Any) -> None:
    project.deploy(1)
    project.fill(20)
    with project.server.client() as client:
        for at, name in enumerate(("Ada", "ada", " Ada ", "ADA ", "")):
            client.hset(f"customer:{at}", mapping={"name": name, "legacy_ref": name})
    before = project.records()
    project.deploy(3)
    project.migration("0003_retype", _TIDY)

    there = project.migrate()
    with project.server.client() as client:
        client.hset("customer:9", "full_name", " Bob")
        client.hdel("customer:8", "full_name")
    back = project.migrate("zero")

    assert (there.code, back.code) == (0, 0)
    changed = {"customer:9": {**before["customer:9"], "name": b" BOB"}, "customer:8": dict(before["customer:8"])}
    del changed["customer:8"]["name"]
    assert project.records() == before | changed
