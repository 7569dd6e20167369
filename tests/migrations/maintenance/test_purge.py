"""``purge`` removes undo fields and nothing else; what it removed is never taken back."""

import json
from typing import Any

import pytest

from redis_models.client.client import SyncClient
from redis_models.migrations.maintenance import purge
from redis_models.migrations.state.lease import hold_lease

_MODEL = """
class Customer(Model):
    id: str = Field(primary_key=True)
{fields}

    class Meta:
        version = {version}
        table = "customer"
"""
_SHAPES = ["    name: str\n    age: str\n", "    name: str\n    age: int\n", "    age: int\n"]


@pytest.fixture
def shop(shop_project: Any, server: Any) -> Any:
    """Fifty records at version 3: age was converted, name removed; both left undo fields."""
    for path in (shop_project.root / "shop/redis_migrations").glob("*"):
        path.unlink()
    shop_project.settings("shop", url=server.url)
    for version, fields in enumerate(_SHAPES, start=1):
        shop_project.models(_MODEL.format(fields=fields, version=version))
        assert shop_project.run(options=("--no-input",)) == 0, shop_project.err
    with server.client() as client:
        for number in range(50):
            stored = {"id": f"c{number}", "name": f"n{number}", "age": f"0{number}", "_v": "1"}
            client.hset(f"customer:c{number}", mapping=stored)
            client.pexpire(f"customer:c{number}", 100_000_000)
            client.zadd("customer:__index", {f"customer:c{number}": 0})
    assert shop_project.command("migrate", "--allow-destructive") == 0, shop_project.err
    return shop_project


def _records(server: Any) -> dict[bytes, Any]:
    with server.client() as client:
        keys = sorted(client.scan_iter("customer:c*"))
        return {key: (client.hgetall(key), client.pexpiretime(key)) for key in keys}


def _purged(shop_project: Any, *options: str) -> dict[str, Any]:
    assert shop_project.command("purge", *options, "--unverified", "--yes", options=("--json",)) == 0, shop_project.err
    return dict(json.loads(shop_project.out.splitlines()[-1])["apps"]["shop"])


def test_what_is_kept_goes_and_the_records_stay(shop: Any, server: Any) -> None:
    before = _records(server)
    kept = [(name, raw) for record, _ in before.values() for name, raw in record.items() if name.startswith(b"_b")]

    looked = _purged(shop, "--dry-run")
    assert _records(server) == before
    done = _purged(shop)

    assert looked == done
    assert (done["records"], done["fields"]) == (50, len(kept))
    assert done["bytes"] == sum(len(name) + len(raw) for name, raw in kept)
    assert _records(server) == {
        key: ({name: raw for name, raw in record.items() if not name.startswith(b"_b")}, end)
        for key, (record, end) in before.items()
    }
    assert _purged(shop)["fields"] == 0
    assert shop.command("verify") == 0, shop.out


def test_what_is_purged_is_never_taken_back(shop: Any, server: Any) -> None:
    _purged(shop, "shop", "2")
    after = _records(server)

    assert all(b"_b3.0.name" in record and b"_b2.0.age" not in record for record, _ in after.values())
    assert shop.command("migrate", "2") == 0, shop.err
    assert all(record[b"name"] for record, _ in _records(server).values())
    assert shop.command("migrate", "1") == 5
    assert "0002_alter_age cannot be taken back, because its undo fields were purged" in shop.err
    assert shop.command("migrate", "--allow-destructive") == 0, shop.err
    assert _records(server) == after
    assert shop.command("history") == 0
    assert "purged" in shop.out


def test_the_refusal_is_there_before_the_first_record_is_touched(
    shop: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _records(server)

    def die(*_: object) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(purge, "_purge_batch", die)
        assert shop.command("purge", "--unverified", "--yes") == 6
    assert "run 'purge' again" in shop.err

    assert _records(server) == before
    assert shop.command("migrate", "2") == 5
    assert _purged(shop)["records"] == 50


def test_a_purge_wants_a_receipt_and_a_confirmation(shop: Any, server: Any) -> None:
    before = _records(server)

    assert shop.command("purge", "--yes") == 5
    assert "nothing was purged, because its records were never verified; run 'verify' first" in shop.err
    assert shop.command("purge", "--unverified") == 1
    assert "could never be taken back; use --yes" in shop.err
    assert _records(server) == before
    assert shop.command("verify") == 0, shop.out
    assert shop.command("purge", "--yes") == 0, shop.err
    assert "undo fields of 50 records" in shop.out


def test_what_is_not_applied_is_not_purged(shop: Any) -> None:
    assert shop.command("migrate", "2") == 0, shop.err

    assert shop.command("purge", "shop", "3", "--unverified", "--yes") == 1
    assert "is not applied, so it has no undo fields" in shop.err


@pytest.mark.parametrize("command", [("migrate", "shop", "3", "--fake"), ("stamp", "shop", "3")])
def test_what_is_purged_stays_so_when_an_edited_file_is_accepted(
    shop: Any, server: Any, command: tuple[str, ...]
) -> None:
    _purged(shop)
    after = _records(server)
    path = shop.root / "shop/redis_migrations/0003_remove_name.py"
    path.write_text(path.read_text() + "\n\nUNUSED = 1\n")
    assert shop.command("migrate", "2") == 8

    assert shop.command(*command) == 0, shop.err
    assert shop.command("migrate", "2") == 5
    assert "its undo fields were purged" in shop.err
    assert _records(server) == after


def test_a_purge_is_not_forgotten_by_fake_and_not_without_a_word_by_stamp(shop: Any) -> None:
    _purged(shop, "shop", "2")

    assert shop.command("migrate", "1", "--fake") == 5
    assert "0002_alter_age stays recorded as applied, because its undo fields were purged" in shop.err
    assert "'stamp shop 1'" in shop.err
    assert shop.command("migrate", "2", "--fake") == 0, shop.err
    assert shop.command("migrate", "1") == 5
    assert shop.command("stamp", "shop", "1") == 0
    assert "0002_alter_age was purged; the ledger no longer says so" in shop.err


def test_the_way_back_through_what_was_purged_and_squashed_is_refused_for_the_purge(shop: Any) -> None:
    _purged(shop)
    assert shop.command("squashmigrations", "shop", "2", "3", "--yes") == 0, shop.err

    assert shop.command("migrate", "1") == 5
    assert "its undo fields were purged" in shop.err


def test_reading_the_status_writes_nothing_and_waits_for_no_client(shop: Any, server: Any) -> None:
    with server.client() as client:
        client.hset("redis_models:{default}:control", "paused", "by a user")
        with hold_lease(SyncClient(client, "test"), "default", life_s=60):
            before = client.execute_command("DEBUG", "DIGEST")
            assert shop.command("purge", "--dry-run") == 0, shop.err
            assert "undo fields of 50 records" in shop.out
            assert client.execute_command("DEBUG", "DIGEST") == before
            assert shop.command("purge", "--unverified", "--yes") == 4


def test_what_was_said_to_a_run_that_died_does_not_hold_a_purge(shop: Any, server: Any) -> None:
    with server.client() as client:
        client.hset("redis_models:{default}:control", "paused", "by a user")

    assert _purged(shop)["records"] == 50


@pytest.mark.parametrize("denied", ["hkeys", "hstrlen", "hdel", "rpush"])
def test_a_user_who_may_not_purge_loses_no_way_back(shop: Any, server: Any, denied: str) -> None:
    before = _records(server)
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "bob", "reset", "on", ">pw", "~*", "+@all", f"-{denied}")
        shop.settings("shop", url=server.url.replace("unix://", "unix://bob:pw@"))
        try:
            assert shop.command("purge", "--unverified", "--yes") == 7
        finally:
            client.execute_command("ACL", "DELUSER", "bob")
        client.delete("redis_models:{default}:lease")  # which bob may not give back without HDEL

    assert f"+{denied}" in shop.err
    assert _records(server) == before
    shop.settings("shop", url=server.url)
    assert shop.command("migrate", "1") == 0, shop.err


@pytest.mark.parametrize("option", ["--wait", "--max-latency-ms"])
def test_a_wrong_number_is_named_as_it_was_written(shop: Any, option: str) -> None:
    assert shop.command("purge", option, "-3") == 2
    assert "-3.0 is not in the range x>=0" in shop.err
    assert shop.command("purge", option, "x") == 2
    assert "'x' is not a valid number" in shop.err
