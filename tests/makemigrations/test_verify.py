"""``verify``: every kind of damage is found and named, and nothing else; indexes are put right; receipts tell."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from redis_models.apps import load_apps
from redis_models.cli.commands import verify as command_of_verify
from redis_models.client import SyncClient, run
from redis_models.errors import IncompleteError
from redis_models.migrations import verifying
from redis_models.migrations.bookkeeping import Shelf
from redis_models.migrations.files import load_chain
from redis_models.migrations.receipts import Checkpoint, Desk, Receipt, Scope
from redis_models.migrations.verdicts import Tally, judge
from redis_models.migrations.verifying import Verification, scope_of, subjects_of, verify
from redis_models.settings import load_settings

_MODEL = """
class Customer(Model):
    id: str = Field(primary_key=True)
    age: int
    note: str | None = None

    class Meta:
        version = {version}
        table = "{table}"
        ttl = 1000
"""
_SCOPE = Scope(2, "f", "n", "r")
_RECEIPT = Receipt(
    _SCOPE, "2026-01-01T00:00:00+00:00", "2026-01-01T00:01:00+00:00", {"Customer": 3}, {}, {"endless": 1}
)


@pytest.fixture
def shop(project: Any, server: Any) -> Iterator[Any]:
    """A hundred records that moved from client: to customer:, where their model is at version 2."""
    for path in (project.root / "shop/redis_migrations").glob("*"):
        path.unlink()
    project.settings("shop", url=server.url)
    for version, table in ((1, "client"), (2, "customer")):
        project.models(_MODEL.format(version=version, table=table))
        assert project.run(options=("--no-input",)) == 0, project.err
    assert project.command("migrate", "--allow-destructive") == 0, project.err
    with server.client() as client:
        for number in range(100):
            _put(client, f"customer:c{number}")
    yield project


def _put(client: Any, key: str, **others: str | bytes) -> None:
    fields = {"id": key.rpartition(":")[2], "age": "7", "note": "None", "_v": "2", **others}
    client.hset(key, mapping=fields)
    client.expire(key, 1000)
    client.zadd("customer:__index", {key: 0})


def _found(project: Any, *options: str, code: int = 1) -> dict[str, Any]:
    assert project.command("verify", *options, options=("--json",)) == code, project.err
    return dict(json.loads(project.out)["apps"]["shop"]["models"]["Customer"])


def test_records_in_order_are_told_so(shop: Any) -> None:
    assert shop.command("verify") == 0
    assert shop.out == "shop.Customer: 100 records read, no problem\n"


DAMAGE: dict[str, tuple[Callable[[Any], object], str, str]] = {
    "type": (lambda c: c.set("customer:x", 1), "customer:x", "holds no hash"),
    "older": (lambda c: c.hset("customer:c7", "_v", 1), "customer:c7", "is of version 1, its model of version 2"),
    "newer": (lambda c: c.hset("customer:c7", "_v", 3), "customer:c7", "is of version 3, its model of version 2"),
    "stamp": (lambda c: c.hset("customer:c7", "_v", "x"), "customer:c7", "field '_v' holds b'x'"),
    "unreadable": (lambda c: c.hset("customer:c7", "age", "old"), "customer:c7", "field 'age' holds b'old'"),
    "key": (lambda c: c.hset("customer:c7", "id", "c8"), "customer:c7", "its id belongs under customer:c8"),
    "aside": (lambda c: c.hset("customer:c7", "_b3.0.age", "x"), "customer:c7", "keeps '_b3.0.age' aside"),
    "unindexed": (lambda c: c.zrem("customer:__index", "customer:c7"), "customer:c7", "is not in customer:__index"),
    "misplaced": (
        lambda c: c.zadd("customer:__index", {"customer:c7": 1}),
        "customer:c7",
        "is in customer:__index with another score than 0",
    ),
    "foreign": (
        lambda c: c.zadd("customer:__index", {"client:c7": 0}),
        "client:c7",
        "is in customer:__index, but is no key of its",
    ),
    "ended": (lambda c: c.delete("customer:c7"), "customer:c7", "there is no such record"),
    "left": (lambda c: c.hset("client:late", "id", "late"), "client:late", "lies at client:*, which its model left"),
    "quarantine": (
        lambda c: c.hset(
            "redis_models:{default}:quarantine:shop",
            "customer:c7",
            '{"key": "customer:c7", "label": "l", "model": "Customer", "target": 2, "reason": "bad", "at": "now"}',
        ),
        "customer:c7",
        "bad",
    ),
    "undeclared": (lambda c: c.hset("customer:c7", "shoe", "42"), "customer:c7", "field 'shoe' is none of its model's"),
    "undeclared-": (lambda c: c.hset("customer:c7", "_bx", "1"), "customer:c7", "field '_bx' is none of its model's"),
    "absent": (lambda c: c.hdel("customer:c7", "note"), "customer:c7", "field 'note' is absent"),
    "endless": (lambda c: c.persist("customer:c7"), "customer:c7", "lives for ever; new ones live 1000 seconds"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_found_where_it_is_and_nowhere_else(shop: Any, server: Any, kind: str) -> None:
    damage, key, reason = DAMAGE[kind]
    kind = kind.removesuffix("-")
    is_note = kind in ("undeclared", "absent", "endless", "ended")
    with server.client() as client:
        damage(client)

    found = _found(shop, code=0 if is_note else 1)

    assert found["notes" if is_note else "problems"] == {kind: 1}
    assert found["problems" if is_note else "notes"] == {}
    [verdict] = found["shown"]
    assert (verdict["kind"], verdict["key"]) == (kind, key)
    assert reason in verdict["reason"]
    if is_note:
        _found(shop, "--strict")


@pytest.mark.parametrize(("life_ms", "kind"), [(0, "problems"), (1_000_000, "notes")])
def test_a_key_without_a_record_is_a_problem_only_where_no_record_ends_by_itself(
    shop: Any, server: Any, life_ms: int, kind: str
) -> None:
    shop.models(_MODEL.format(version=3, table="customer").replace("ttl = 1000", ""))
    assert shop.run("--ttl", "Customer=new-only", options=("--no-input",)) == 0, shop.err
    assert shop.command("migrate", "--allow-destructive") == 0, shop.err
    with server.client() as client:
        for number in range(100):
            client.persist(f"customer:c{number}")
        client.delete("customer:c7")
        if life_ms:
            client.pexpire("customer:c8", life_ms)

    found = _found(shop, code=0 if life_ms else 1)

    assert found[kind] == ({"ended": 1} if life_ms else {"dangling": 1})
    assert found["ending"] == (1 if life_ms else 0)


def test_a_record_that_ends_while_it_is_read_is_not_endless(shop: Any, server: Any) -> None:
    [shape] = [model.__shape__ for model in load_apps(load_settings("conf"))[0].models]

    assert list(judge(shape, "customer:c7", {"id": b"c7", "age": b"7", "note": b"None", "_v": b"2"}, -2)) == []


def test_the_index_is_put_right_on_request_and_only_then(shop: Any, server: Any) -> None:
    with server.client() as client:
        before = client.zrange("customer:__index", 0, -1)
        client.zrem("customer:__index", "customer:c7", "customer:c8")
        client.zadd("customer:__index", {"customer:gone": 0, "stranger:1": 0, "customer:c9": -1})
        client.hset("stranger:1", "id", "1")

        found = _found(shop)
        assert (found["problems"], found["notes"]) == ({"unindexed": 2, "foreign": 1, "misplaced": 1}, {"ended": 1})
        found = _found(shop, "--repair-index", code=0)

        assert (found["repaired"], found["problems"]) == (5, {})
        assert client.zrange("customer:__index", 0, -1) == before
        assert client.exists("stranger:1")
    assert _found(shop, code=0)["repaired"] == 0


def test_what_is_no_index_is_named_and_hides_nothing_else(shop: Any, server: Any) -> None:
    with server.client() as client:
        client.delete("customer:__index")
        client.sadd("customer:__index", "customer:c1")
        client.hset("customer:c7", "age", "old")

    found = _found(shop, "--repair-index")

    assert (found["records"], found["problems"]) == (100, {"index": 1, "unreadable": 1})
    assert found["shown"][0]["key"] == "customer:__index"
    assert "is no sorted set, hence no index; if pydantic-aioredis wrote this table" in found["shown"][0]["reason"]
    with server.client() as client:
        assert client.smembers("customer:__index") == {b"customer:c1"}


def test_large_records_are_read_few_at_a_time(shop: Any, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with server.client() as client:
        for number in range(100):
            client.hset(f"customer:c{number}", "note", "x" * 1_000_000)
    largest, exchange = 0, SyncClient.exchange

    def noting(self: SyncClient, *arguments: Any, **options: Any) -> Any:
        nonlocal largest
        replies: Any = exchange(self, *arguments, **options)
        largest = max(largest, len(repr(replies)))
        return replies

    monkeypatch.setattr(SyncClient, "exchange", noting)
    assert shop.command("verify") == 0, shop.out
    shop.models(_MODEL.format(version=3, table="customer").replace("age: int", "age: str"))
    assert shop.run(options=("--no-input",)) == 0, shop.err
    assert shop.command("migrate", "--dry-run") == 0, shop.err

    assert 5_000_000 < largest < 21_000_000


def test_a_sample_reads_some_and_leaves_no_receipt(shop: Any, server: Any) -> None:
    with server.client() as client:
        for number in range(100):
            client.hset(f"customer:c{number}", "age", "old")

    found = _found(shop, "--sample", "10")

    assert (found["records"], found["problems"]) == (10, {"unreadable": 10})
    assert len(found["shown"]) == 5
    assert shop.command("migrate", "--check", "--verified") == 1
    assert "its records were never verified; run 'verify'" in shop.out
    assert shop.command("verify", "--sample", "10", "--resume") == 2


def test_a_receipt_is_what_a_check_asks_for(shop: Any, server: Any) -> None:
    assert shop.command("migrate", "--check") == 0
    assert shop.command("migrate", "--check", "--verified") == 1
    assert shop.command("verify", "shop") == 0
    assert shop.command("migrate", "--check", "--verified") == 0
    assert shop.command("migrate", "--verified") == 2

    with server.client() as client:
        client.hset("customer:c7", "age", "old")
    assert shop.command("verify") == 1
    assert shop.command("migrate", "--check", "--verified") == 1
    assert "found problems (1 unreadable)" in shop.out


def test_what_is_not_migrated_is_not_verified(shop: Any) -> None:
    shop.models(_MODEL.format(version=3, table="customer").replace("age: int", "years: int"))
    assert shop.command("verify") == 1
    assert "the models have changes that no migration file has" in shop.err

    assert shop.run("--rename", "Customer.age=years", options=("--no-input",)) == 0, shop.err
    assert shop.command("verify") == 1
    assert "not applied yet; run 'migrate' first" in shop.err
    assert shop.command("verify", "shop.Custome") == 2
    assert "Did you mean 'shop.Customer'?" in shop.err


@pytest.mark.parametrize(
    ("receipt", "scope", "days", "reason"),
    [
        (_RECEIPT, _SCOPE, 0.5, None),
        (_RECEIPT, _SCOPE, 1.5, "more than a day old"),
        (_RECEIPT, Scope(3, "f", "n", "r"), 0.5, "before the migrations that are applied now"),
        (_RECEIPT, Scope(2, "g", "n", "r"), 0.5, "before the migrations that are applied now"),
        (_RECEIPT, Scope(2, "f", "m", "r"), 0.5, "before the migrations that are applied now"),
        (_RECEIPT, Scope(2, "f", "n", ""), 0.5, None),
        (_RECEIPT, Scope(2, "f", "n", "s"), 0.5, None),
        (replace(_RECEIPT, scope=Scope(2, "f", "n", "")), Scope(2, "f", "n", ""), 0.5, "access list denies INFO"),
        (Receipt(_SCOPE, "", "2026-01-01T00:01:00+00:00", {}, {"older": 2}, {}), _SCOPE, 0.5, "problems (2 older)"),
    ],
)
def test_a_receipt_goes_stale(receipt: Receipt, scope: Scope, days: float, reason: str | None) -> None:
    objection = receipt.objection(scope, datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=days))

    assert objection is None if reason is None else reason in str(objection)


def test_a_verification_that_stopped_at_any_page_goes_on_to_the_same_result(shop: Any, server: Any) -> None:
    with server.client() as client:
        pipeline = client.pipeline(transaction=False)
        for number in range(100, 2500):
            _put(pipeline, f"customer:c{number}", **({"age": "old"} if number % 100 == 0 else {}))
        pipeline.execute()
        client.zadd("customer:__index", {f"customer:gone{number}": 0 for number in range(30)})
        exchange = SyncClient(client, "test")
        [app] = load_apps(load_settings("conf"))
        chain, desk = load_chain("shop", app.migrations_path), Desk("default", "shop")
        scope = run(exchange, scope_of(Shelf("default", "shop"), chain))
        subjects = subjects_of(chain, [model.__shape__ for model in app.models])
        stops = 0
        for page in range(1, 9):
            left, now = page, 0.0

            def die(_: object) -> None:
                nonlocal left
                left -= 1
                if not left:
                    raise KeyboardInterrupt

            def tick() -> float:
                nonlocal now
                now += 10
                return now

            try:
                run(exchange, verify(Verification(desk, scope, subjects, die, clock=tick)))
            except KeyboardInterrupt:
                stops += 1
            job = Verification(desk, scope, subjects, lambda _: None)
            receipt = run(exchange, verify(job, run(exchange, desk.checkpoint())))

            assert (receipt.records, receipt.problems) == ({"Customer": 2500}, {"unreadable": 24})
            assert receipt.notes == {"ended": 30}
            run(exchange, desk.settle(receipt))
            assert run(exchange, desk.checkpoint()) is None
            assert run(exchange, desk.receipt()) == receipt
    assert stops > 4


def test_a_verification_is_not_resumed_on_other_data(shop: Any, server: Any) -> None:
    with server.client() as client:
        run(SyncClient(client, "test"), Desk("default", "shop").save(Checkpoint(_SCOPE, "", "Customer")))

    assert shop.command("verify", "--resume") == 1
    assert "migrations ran since that verification stopped; start anew, without --resume" in shop.err
    assert shop.command("verify") == 0


def test_a_verification_beside_which_the_ledger_changed_leaves_no_receipt(
    shop: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = "redis_models:{default}:ledger:shop"
    with server.client() as client:

        def overtaken(*arguments: Any) -> Any:
            receipt = yield from verify(*arguments)
            client.hdel(ledger, client.hkeys(ledger)[-1])
            return receipt

        with monkeypatch.context() as patch:
            patch.setattr(command_of_verify, "verify", overtaken)
            assert shop.command("verify") == 8

        assert not client.exists("redis_models:{default}:receipt:shop")


def test_a_receipt_is_void_once_records_went_back_and_came_again(shop: Any) -> None:
    assert shop.command("verify") == 0, shop.out
    assert shop.command("migrate", "1") == 0, shop.err
    assert shop.command("migrate", "--allow-destructive") == 0, shop.err

    assert shop.command("migrate", "--check", "--verified") == 1
    assert "was before the migrations that are applied now; run 'verify'" in shop.out
    assert shop.command("purge", "--yes") == 5
    assert "run 'verify' first" in shop.err


def test_a_receipt_outlives_a_purge_so_that_another_may_follow(shop: Any) -> None:
    assert shop.command("verify") == 0, shop.out
    for target in ("1", "2", "2"):
        assert shop.command("purge", "shop", target, "--yes") == 0, shop.err

    assert shop.command("migrate", "--check", "--verified") == 0, shop.out


def test_a_receipt_is_void_once_a_run_that_stopped_is_forgotten(shop: Any, server: Any) -> None:
    assert shop.command("verify") == 0, shop.out
    head = shop.root / "shop/redis_migrations/HEAD"
    before = head.read_text()
    shop.models(_MODEL.format(version=3, table="customer").replace("age: int", "age: str"))
    assert shop.run(options=("--no-input",)) == 0, shop.err
    with server.client() as client:
        client.hset("customer:c7", "_v", "9")
        assert shop.command("migrate", "--allow-destructive") == 6, shop.err
        client.hset("customer:c7", "_v", "2")
    assert shop.command("migrate", "2", "--fake") == 0, shop.err
    (head.parent / "0003_alter_age.py").unlink()
    head.write_text(before)
    shop.models(_MODEL.format(version=2, table="customer"))

    assert shop.command("migrate", "--check", "--verified") == 1
    assert "was before the migrations that are applied now" in shop.out


def test_an_app_without_files_is_verified_against_what_its_last_run_left(project: Any, server: Any) -> None:
    for path in (project.root / "shop/redis_migrations").glob("*"):
        path.unlink()
    project.settings("shop", url=server.url)
    project.models(_MODEL.format(version=1, table="customer"))
    assert project.command("migrate", "--auto") == 0, project.err
    with server.client() as client:
        _put(client, "customer:c1", _v="1")

    assert project.command("verify") == 0, project.err
    assert project.command("migrate", "--auto", "--check", "--verified") == 0, project.out
    project.models(_MODEL.format(version=2, table="customer") + "\n\nclass Other(Customer):\n    x: int = 0\n")
    assert project.command("verify") == 1
    assert "the models have changes that no run has; run 'migrate --auto' first" in project.err
    assert project.command("purge", "--dry-run") == 8
    assert "there are no migration files, and 'migrate --auto' brought the database where it is" in project.err


@pytest.mark.parametrize("trouble", ["replica", "full", "denied"])
def test_who_may_not_write_is_told_what_is_wrong_all_the_same(
    shop: Any, server: Any, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shop.command("verify") == 0, shop.out
    monkeypatch.setattr(verifying, "_CHECKPOINT_S", 0.0)
    with server.client() as client:
        client.hset("customer:c7", "age", "old")
        client.execute_command("ACL", "SETUSER", "bob", "reset", "on", ">pw", "~*", "+@all", "-set")
        if trouble == "replica":
            client.replicaof("127.0.0.1", 1)
        elif trouble == "full":
            client.config_set("maxmemory", 1)
        else:
            shop.settings("shop", url=server.url.replace("unix://", "unix://bob:pw@"))
        try:
            found = _found(shop)
        finally:
            client.replicaof("no", "one")
            client.config_set("maxmemory", 0)
            client.execute_command("ACL", "DELUSER", "bob")
            shop.settings("shop", url=server.url)

    assert found["problems"] == {"unreadable": 1}
    assert "shop: no receipt is kept: " in shop.err
    if trouble != "replica":
        assert shop.command("migrate", "--check", "--verified") == 1
        assert "its records were never verified" in shop.out


def test_an_app_without_models_gets_its_receipt(shop: Any, server: Any) -> None:
    shop.models("", app="crm")
    shop.settings("shop", "crm", url=server.url)

    assert shop.command("verify") == 0, shop.err
    assert "crm: it has no models, hence no records" in shop.out
    assert shop.command("migrate", "--check", "--verified") == 0, shop.out
    assert shop.command("verify", "crm") == 0, shop.err
    assert "Customer" not in shop.out
    assert shop.command("verify", "crn") == 2


def test_a_verification_goes_on_after_a_restart_with_the_models_that_were_not_done(shop: Any, server: Any) -> None:
    shop.models(
        _MODEL.format(version=2, table="customer")
        + _MODEL.format(version=1, table="other").replace("Customer", "Other")
    )
    assert shop.run(options=("--no-input",)) == 0, shop.err
    assert shop.command("migrate") == 0, shop.err
    with server.client() as client:
        exchange = SyncClient(client, "test")
        [app] = load_apps(load_settings("conf"))
        scope = run(exchange, scope_of(Shelf("default", "shop"), load_chain("shop", app.migrations_path)))
        half = Tally(records=7).document
        known = {"Customer": Tally(records=100).document, "Other": half}
        last = replace(scope, run_id="of another run")
        run(exchange, Desk("default", "shop").save(Checkpoint(last, "", "Other", 0, "77", known)))
        _put(client, "other:c1", _v="1")
        client.zadd("other:__index", {"other:c1": 0})
        client.hset("customer:c7", "age", "old")  # which was read before

    assert shop.command("verify", "--resume") == 0, shop.err
    assert "shop.Other: 1 record read" in shop.out
    assert shop.command("migrate", "--check", "--verified") == 0, shop.out


def test_a_receipt_is_not_kept_by_another_server_than_was_read(shop: Any, server: Any) -> None:
    with server.client() as client:
        exchange, desk = SyncClient(client, "test"), Desk("default", "shop")

        with pytest.raises(IncompleteError, match="the server was restarted meanwhile"):
            run(exchange, desk.settle(_RECEIPT))

        assert run(exchange, desk.receipt()) is None


def test_a_receipt_outlives_the_server_that_each_command_starts(shop: Any, tmp_path: Path) -> None:
    shop.settings("shop", url=f"embedded:{tmp_path / 'data'}")
    assert shop.command("migrate", "--allow-destructive") == 0, shop.err

    assert shop.command("verify") == 0, shop.err
    assert shop.command("migrate", "--check", "--verified") == 0, shop.out
    assert shop.command("purge", "--yes") == 0, shop.err
