"""``verify``: every kind of damage is found and named, and nothing else; indexes are put right; receipts tell."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.migrations.files.loader import load_chain
from redis_models.migrations.maintenance import verify as verify_module
from redis_models.migrations.maintenance.record_check import judge
from redis_models.migrations.maintenance.verify import Verification, scope_of, subjects_of, verify
from redis_models.migrations.state.receipts import ReceiptStore, Scope, UnfinishedVerification
from redis_models.migrations.state.store import StateStore
from redis_models.migrations.state.tally import Tally
from redis_models.project.apps import load_apps
from redis_models.project.settings import load_settings

from .verifiable import MODEL, found_of, put


def test_intact_records_are_reported_as_intact(verified: Any) -> None:
    assert verified.command("verify") == 0
    assert verified.out == "shop.Customer: 100 records read, no problems\n"


DAMAGE: dict[str, tuple[Callable[[Any], object], str, str]] = {
    "type": (lambda c: c.set("customer:x", 1), "customer:x", "does not hold a hash"),
    "older": (lambda c: c.hset("customer:c7", "_v", 1), "customer:c7", "has version 1, its model has version 2"),
    "newer": (lambda c: c.hset("customer:c7", "_v", 3), "customer:c7", "has version 3, its model has version 2"),
    "stamp": (lambda c: c.hset("customer:c7", "_v", "x"), "customer:c7", "field '_v' holds b'x'"),
    "unreadable": (lambda c: c.hset("customer:c7", "age", "old"), "customer:c7", "field 'age' holds b'old'"),
    "key": (lambda c: c.hset("customer:c7", "id", "c8"), "customer:c7", "its id belongs to the key customer:c8"),
    "aside": (lambda c: c.hset("customer:c7", "_b3.0.age", "x"), "customer:c7", "has the undo field '_b3.0.age'"),
    "unindexed": (lambda c: c.zrem("customer:__index", "customer:c7"), "customer:c7", "is not in customer:__index"),
    "misplaced": (
        lambda c: c.zadd("customer:__index", {"customer:c7": 1}),
        "customer:c7",
        "is in customer:__index with a score other than 0",
    ),
    "foreign": (
        lambda c: c.zadd("customer:__index", {"client:c7": 0}),
        "client:c7",
        "is in customer:__index, but is not a key of its",
    ),
    "ended": (lambda c: c.delete("customer:c7"), "customer:c7", "the record does not exist"),
    "left": (lambda c: c.hset("client:late", "id", "late"), "client:late", "has the old prefix client: of its model"),
    "quarantine": (
        lambda c: c.hset(
            "redis_models:{default}:quarantine:shop",
            "customer:c7",
            '{"key": "customer:c7", "label": "l", "model": "Customer", "target": 2, "reason": "bad", "at": "now"}',
        ),
        "customer:c7",
        "bad",
    ),
    "undeclared": (
        lambda c: c.hset("customer:c7", "shoe", "42"),
        "customer:c7",
        "field 'shoe' is not declared by its model",
    ),
    "undeclared-": (
        lambda c: c.hset("customer:c7", "_bx", "1"),
        "customer:c7",
        "field '_bx' is not declared by its model",
    ),
    "absent": (lambda c: c.hdel("customer:c7", "note"), "customer:c7", "field 'note' is not stored"),
    "endless": (lambda c: c.persist("customer:c7"), "customer:c7", "has no TTL; new records get 1,000 seconds"),
}


_IN_QUARANTINE = '{"key": "customer:c7", "label": "l", "model": "Customer", "target": 2, "reason": "bad", "at": "now"}'


@pytest.mark.parametrize("options", [(), ("--sample", "2000")])
@pytest.mark.parametrize("field", [("_v", "1"), ("age", "old")])
def test_a_record_in_quarantine_counts_once(
    verified: Any, server: Any, field: tuple[str, str], options: tuple[str, ...]
) -> None:
    with server.client() as client:
        client.hset("customer:c7", *field)
        client.hset("redis_models:{default}:quarantine:shop", "customer:c7", _IN_QUARANTINE.replace("2", "3"))

    assert found_of(verified, *options)["problems"] == {"quarantine": 1}


def test_failures_outside_the_quarantine_are_counted_apart(verified: Any, server: Any) -> None:
    with server.client() as client:
        client.hset("customer:c7", "_v", "1")
        client.zrem("customer:__index", "customer:c7")
        client.hset("redis_models:{default}:quarantine:shop", "customer:c7", _IN_QUARANTINE)

    assert found_of(verified)["problems"] == {"quarantine": 1, "unindexed": 1}


TALLY: dict[str, Any] = {"records": 1, "ending": 1, "repaired": 0, "problems": {}, "notes": {}, "shown": []}


@pytest.mark.parametrize(
    "tally",
    [
        {}, {**TALLY, "records": -1}, {**TALLY, "records": "7"}, {**TALLY, "problems": {"colour": 1}},
        {**TALLY, "notes": []}, {**TALLY, "problems": {"older": None}}, {**TALLY, "shown": [5]}, {**TALLY, "shown": 5},
        {**TALLY, "shown": [{"kind": "red", "key": "k", "reason": "r"}]},
    ],
)  # fmt: skip
def test_an_unfinished_verification_with_a_wrong_tally_is_refused(tally: Any) -> None:
    with pytest.raises(ValueError, match=r"tally|count|Kind"):
        UnfinishedVerification(Scope(1, "f", "n", "r"), "now", "Customer", 0, "0", {"Customer": tally})


@pytest.mark.parametrize(
    "changes", [{"cursor": "99999999999999999999"}, {"cursor": "-1"}, {"walk": -5}, {"walk": 10**9}]
)
def test_an_unfinished_verification_at_a_scan_that_does_not_exist_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"is not (a cursor|the number of a scan)"):
        UnfinishedVerification(Scope(1, "f", "n", "r"), "now", "Customer", **changes)


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_found_where_it_is_and_nowhere_else(verified: Any, server: Any, kind: str) -> None:
    damage, key, reason = DAMAGE[kind]
    kind = kind.removesuffix("-")
    is_note = kind in ("undeclared", "absent", "endless", "ended")
    with server.client() as client:
        damage(client)

    found = found_of(verified, code=0 if is_note else 1)

    assert found["notes" if is_note else "problems"] == {kind: 1}
    assert found["problems" if is_note else "notes"] == {}
    [verdict] = found["shown"]
    assert (verdict["kind"], verdict["key"]) == (kind, key)
    assert reason in verdict["reason"]
    if is_note:
        found_of(verified, "--strict")


@pytest.mark.parametrize(("life_ms", "kind"), [(0, "problems"), (1_000_000, "notes")])
def test_a_key_without_a_record_is_a_problem_only_where_no_record_ends_by_itself(
    verified: Any, server: Any, life_ms: int, kind: str
) -> None:
    verified.models(MODEL.format(version=3, table="customer").replace("ttl = 1000", ""))
    assert verified.run("--ttl", "Customer=new-only", options=("--no-input",)) == 0, verified.err
    assert verified.command("migrate", "--allow-destructive") == 0, verified.err
    with server.client() as client:
        for number in range(100):
            client.persist(f"customer:c{number}")
        client.delete("customer:c7")
        if life_ms:
            client.pexpire("customer:c8", life_ms)

    found = found_of(verified, code=0 if life_ms else 1)

    assert found[kind] == ({"ended": 1} if life_ms else {"dangling": 1})
    assert found["ending"] == (1 if life_ms else 0)


def test_a_record_that_ends_while_it_is_read_is_not_endless(verified: Any, server: Any) -> None:
    [shape] = [model.__mapper__ for model in load_apps(load_settings("conf"))[0].models]

    assert list(judge(shape, "customer:c7", {"id": b"c7", "age": b"7", "note": b"None", "_v": b"2"}, -2)) == []


def test_the_index_is_put_right_on_request_and_only_then(verified: Any, server: Any) -> None:
    with server.client() as client:
        before = client.zrange("customer:__index", 0, -1)
        client.zrem("customer:__index", "customer:c7", "customer:c8")
        client.zadd("customer:__index", {"customer:gone": 0, "stranger:1": 0, "customer:c9": -1})
        client.hset("stranger:1", "id", "1")

        found = found_of(verified)
        assert (found["problems"], found["notes"]) == ({"unindexed": 2, "foreign": 1, "misplaced": 1}, {"ended": 1})
        found = found_of(verified, "--repair-index", code=0)

        assert (found["repaired"], found["problems"]) == (5, {})
        assert client.zrange("customer:__index", 0, -1) == before
        assert client.exists("stranger:1")
    assert found_of(verified, code=0)["repaired"] == 0


def test_an_invalid_index_is_named_and_hides_nothing_else(verified: Any, server: Any) -> None:
    with server.client() as client:
        client.delete("customer:__index")
        client.sadd("customer:__index", "customer:c1")
        client.hset("customer:c7", "age", "old")

    found = found_of(verified, "--repair-index")

    assert (found["records"], found["problems"]) == (100, {"index": 1, "unreadable": 1})
    assert found["shown"][0]["key"] == "customer:__index"
    assert "is not a sorted set, hence no index; if pydantic-aioredis wrote this table" in found["shown"][0]["reason"]
    with server.client() as client:
        assert client.smembers("customer:__index") == {b"customer:c1"}


def test_large_records_are_read_few_at_a_time(verified: Any, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert verified.command("verify") == 0, verified.out
    verified.models(MODEL.format(version=3, table="customer").replace("age: int", "age: str"))
    assert verified.run(options=("--no-input",)) == 0, verified.err
    assert verified.command("migrate", "--dry-run") == 0, verified.err

    assert 5_000_000 < largest < 21_000_000


def test_a_sample_reads_some_and_leaves_no_receipt(verified: Any, server: Any) -> None:
    with server.client() as client:
        for number in range(100):
            client.hset(f"customer:c{number}", "age", "old")

    found = found_of(verified, "--sample", "10")

    assert (found["records"], found["problems"]) == (10, {"unreadable": 10})
    assert len(found["shown"]) == 5
    assert verified.command("migrate", "--check", "--verified") == 1
    assert "its records were never verified; run 'verify'" in verified.out
    assert verified.command("verify", "--sample", "10", "--resume") == 2


def test_what_is_not_migrated_is_not_verified(verified: Any) -> None:
    verified.models(MODEL.format(version=3, table="customer").replace("age: int", "years: int"))
    assert verified.command("verify") == 1
    assert "the models have changes that are not migrated" in verified.err

    assert verified.run("--rename", "Customer.age=years", options=("--no-input",)) == 0, verified.err
    assert verified.command("verify") == 1
    assert "not applied yet; run 'migrate' first" in verified.err
    assert verified.command("verify", "shop.Custome") == 2
    assert "did you mean 'shop.Customer'?" in verified.err


def test_a_verification_that_stopped_at_any_page_goes_on_to_the_same_result(verified: Any, server: Any) -> None:
    with server.client() as client:
        pipeline = client.pipeline(transaction=False)
        for number in range(100, 2500):
            put(pipeline, f"customer:c{number}", **({"age": "old"} if number % 100 == 0 else {}))
        pipeline.execute()
        client.zadd("customer:__index", {f"customer:gone{number}": 0 for number in range(30)})
        exchange = SyncClient(client, "test")
        [app] = load_apps(load_settings("conf"))
        chain, receipts = load_chain("shop", app.migrations_path), ReceiptStore("default", "shop")
        scope = run(exchange, scope_of(StateStore("default", "shop"), chain, app.models))
        subjects = subjects_of(chain, [model.__mapper__ for model in app.models])
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
                run(exchange, verify(Verification(receipts, scope, subjects, die, clock=tick)))
            except KeyboardInterrupt:
                stops += 1
            job = Verification(receipts, scope, subjects, lambda _: None)
            receipt = run(exchange, verify(job, run(exchange, receipts.unfinished())))

            assert (receipt.records, receipt.problems) == ({"Customer": 2500}, {"unreadable": 24})
            assert receipt.notes == {"ended": 30}
            run(exchange, receipts.settle(receipt))
            assert run(exchange, receipts.unfinished()) is None
            assert run(exchange, receipts.receipt()) == receipt
    assert stops > 4


def test_a_verification_is_not_resumed_on_other_data(verified: Any, server: Any) -> None:
    with server.client() as client:
        run(
            SyncClient(client, "test"),
            ReceiptStore("default", "shop").save(UnfinishedVerification(Scope(2, "f", "n", "r"), "", "Customer")),
        )

    assert verified.command("verify", "--resume") == 1
    assert "since that verification; run 'verify' again without --resume" in verified.err
    assert verified.command("verify") == 0


def test_an_app_without_files_is_verified_against_what_its_last_run_left(shop_project: Any, server: Any) -> None:
    for path in (shop_project.root / "shop/redis_migrations").glob("*"):
        path.unlink()
    shop_project.settings("shop", url=server.url)
    shop_project.models(MODEL.format(version=1, table="customer"))
    assert shop_project.command("migrate", "--auto") == 0, shop_project.err
    with server.client() as client:
        put(client, "customer:c1", _v="1")

    assert shop_project.command("verify") == 0, shop_project.err
    assert shop_project.command("migrate", "--auto", "--check", "--verified") == 0, shop_project.out
    shop_project.models(MODEL.format(version=2, table="customer") + "\n\nclass Other(Customer):\n    x: int = 0\n")
    assert shop_project.command("verify") == 1
    assert "the models have changes that are not migrated; run 'migrate --auto' first" in shop_project.err
    assert shop_project.command("purge", "--dry-run") == 8
    assert "there are no migration files, because 'migrate --auto' made the last changes" in shop_project.err


@pytest.mark.parametrize("trouble", ["replica", "full", "denied"])
def test_a_read_only_user_still_learns_what_is_wrong(
    verified: Any, server: Any, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert verified.command("verify") == 0, verified.out
    monkeypatch.setattr(verify_module, "_CHECKPOINT_S", 0.0)
    with server.client() as client:
        client.hset("customer:c7", "age", "old")
        client.execute_command("ACL", "SETUSER", "bob", "reset", "on", ">pw", "~*", "+@all", "-set")
        if trouble == "replica":
            client.replicaof("127.0.0.1", 1)
        elif trouble == "full":
            client.config_set("maxmemory", 1)
        else:
            verified.settings("shop", url=server.url.replace("unix://", "unix://bob:pw@"))
        try:
            found = found_of(verified)
        finally:
            client.replicaof("no", "one")
            client.config_set("maxmemory", 0)
            client.execute_command("ACL", "DELUSER", "bob")
            verified.settings("shop", url=server.url)

    assert found["problems"] == {"unreadable": 1}
    assert "shop: no receipt was stored: " in verified.err
    if trouble != "replica":
        assert verified.command("migrate", "--check", "--verified") == 1
        assert "its records were never verified" in verified.out


def test_a_verification_goes_on_after_a_restart_with_the_models_that_were_not_done(verified: Any, server: Any) -> None:
    verified.models(
        MODEL.format(version=2, table="customer") + MODEL.format(version=1, table="other").replace("Customer", "Other")
    )
    assert verified.run(options=("--no-input",)) == 0, verified.err
    assert verified.command("migrate") == 0, verified.err
    with server.client() as client:
        exchange = SyncClient(client, "test")
        [app] = load_apps(load_settings("conf"))
        scope = run(
            exchange, scope_of(StateStore("default", "shop"), load_chain("shop", app.migrations_path), app.models)
        )
        half = Tally(records=7).document
        known = {"Customer": Tally(records=100).document, "Other": half}
        last = replace(scope, run_id="of another run")
        run(exchange, ReceiptStore("default", "shop").save(UnfinishedVerification(last, "", "Other", 0, "77", known)))
        put(client, "other:c1", _v="1")
        client.zadd("other:__index", {"other:c1": 0})
        client.hset("customer:c7", "age", "old")  # which was read before

    assert verified.command("verify", "--resume") == 0, verified.err
    assert "shop.Other: 1 record read" in verified.out
    assert verified.command("migrate", "--check", "--verified") == 0, verified.out


def test_what_others_put_into_an_index_is_named_and_taken_out_on_repair_and_lies_where_it_lay(
    verified: Any, server: Any
) -> None:
    ledger = "redis_models:{default}:ledger:shop"
    foreign = {"customer:__index", "customer:", "customer:a:b", "customers:1", "customer:text", ledger, "nothing"}
    with server.client() as client:
        client.hset("customer:a:b", "id", "a:b")
        client.set("customer:text", "x")
        client.zadd("customer:__index", dict.fromkeys(foreign, 0))
        kept = {key: client.dump(key) for key in ("customer:a:b", "customer:text", ledger)}

        found = found_of(verified)
        assert found["problems"] == {"foreign": len(foreign), "type": 1}
        named = {finding["key"]: finding["reason"] for finding in found["shown"] if finding["kind"] == "foreign"}
        assert all("'verify --repair-index' removes it" in reason for reason in named.values())
        found_of(verified, "--repair-index")  # the text is still under a record's key

        assert found_of(verified)["problems"] == {"type": 1}
        assert client.zcard("customer:__index") == 100
        assert {key: client.dump(key) for key in kept} == kept
