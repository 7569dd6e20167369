"""Receipts of ``verify``: what they are asked for, when they go stale, and who may leave one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from redis_models.cli.commands import verify as command_of_verify
from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.errors import IncompleteError
from redis_models.migrations.maintenance.verify import Verification, verify
from redis_models.migrations.state.receipts import ReceiptStore, Scope, VerificationReceipt
from redis_models.migrations.state.tally import Tally

from ..maintenance.verifiable import MODEL

_SCOPE = Scope(2, "f", "n", "r")
_RECEIPT = VerificationReceipt(
    _SCOPE, "2026-01-01T00:00:00+00:00", "2026-01-01T00:01:00+00:00", {"Customer": 3}, {}, {"endless": 1}
)


def test_a_receipt_is_what_a_check_asks_for(verified: Any, server: Any) -> None:
    assert verified.command("migrate", "--check") == 0
    assert verified.command("migrate", "--check", "--verified") == 1
    assert verified.command("verify", "shop") == 0
    assert verified.command("migrate", "--check", "--verified") == 0
    assert verified.command("migrate", "--verified") == 2

    with server.client() as client:
        client.hset("customer:c7", "age", "old")
    assert verified.command("verify") == 1
    assert verified.command("migrate", "--check", "--verified") == 1
    assert "found problems (1 unreadable)" in verified.out


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
        (
            VerificationReceipt(_SCOPE, "", "2026-01-01T00:01:00+00:00", {}, {"older": 2}, {}),
            _SCOPE,
            0.5,
            "problems (2 older)",
        ),
    ],
)
def test_a_receipt_goes_stale(receipt: VerificationReceipt, scope: Scope, days: float, reason: str | None) -> None:
    objection = receipt.objection(scope, datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=days))

    assert objection is None if reason is None else reason in str(objection)


def test_a_verification_beside_which_the_ledger_changed_leaves_no_receipt(
    verified: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = "redis_models:{default}:ledger:shop"
    with server.client() as client:

        def overtaken(*arguments: Any) -> Any:
            receipt = yield from verify(*arguments)
            client.hdel(ledger, client.hkeys(ledger)[-1])
            return receipt

        with monkeypatch.context() as patch:
            patch.setattr(command_of_verify, "verify", overtaken)
            assert verified.command("verify") == 8

        assert not client.exists("redis_models:{default}:receipt:shop")


def test_a_receipt_is_void_once_records_went_back_and_came_again(verified: Any) -> None:
    assert verified.command("verify") == 0, verified.out
    assert verified.command("migrate", "1") == 0, verified.err
    assert verified.command("migrate", "--allow-destructive") == 0, verified.err

    assert verified.command("migrate", "--check", "--verified") == 1
    assert "was before the migrations that are applied now; run 'verify'" in verified.out
    assert verified.command("purge", "--yes") == 5
    assert "run 'verify' first" in verified.err


def test_a_receipt_outlives_a_purge_so_that_another_may_follow(verified: Any) -> None:
    assert verified.command("verify") == 0, verified.out
    for target in ("1", "2", "2"):
        assert verified.command("purge", "shop", target, "--yes") == 0, verified.err

    assert verified.command("migrate", "--check", "--verified") == 0, verified.out


def test_a_receipt_is_void_once_a_run_that_stopped_is_forgotten(verified: Any, server: Any) -> None:
    assert verified.command("verify") == 0, verified.out
    head = verified.root / "shop/redis_migrations/HEAD"
    before = head.read_text()
    verified.models(MODEL.format(version=3, table="customer").replace("age: int", "age: str"))
    assert verified.run(options=("--no-input",)) == 0, verified.err
    with server.client() as client:
        client.hset("customer:c7", "_v", "9")
        assert verified.command("migrate", "--allow-destructive", "--ignore-sample") == 6, verified.err
        client.hset("customer:c7", "_v", "2")
    assert verified.command("migrate", "2", "--fake") == 0, verified.err
    (head.parent / "0003_alter_age.py").unlink()
    head.write_text(before)
    verified.models(MODEL.format(version=2, table="customer"))

    assert verified.command("migrate", "--check", "--verified") == 1
    assert "was before the migrations that are applied now" in verified.out


def test_an_app_without_models_gets_its_receipt(verified: Any, server: Any) -> None:
    verified.models("", app="crm")
    verified.settings("shop", "crm", url=server.url)

    assert verified.command("verify") == 0, verified.err
    assert "crm: no models" in verified.out
    assert verified.command("migrate", "--check", "--verified") == 0, verified.out
    assert verified.command("verify", "crm") == 0, verified.err
    assert "Customer" not in verified.out
    assert verified.command("verify", "crn") == 2


@pytest.mark.parametrize("is_another", [True, False])
def test_how_far_a_verification_is_is_not_left_on_another_server(server: Any, is_another: bool) -> None:
    with server.client() as client:
        client.delete("redis_models:{default}:verification:shop")
        run_id = "another" if is_another else client.info("server")["run_id"]
        job = Verification(ReceiptStore("default", "shop"), Scope(2, "f", "n", run_id), (), lambda _: None)
        job.tallies["Customer"] = Tally()

        run(SyncClient(client, "test"), job.saved("Customer", 0, "7"))

        assert client.exists("redis_models:{default}:verification:shop") == (not is_another)


def test_a_receipt_is_not_kept_by_another_server_than_was_read(verified: Any, server: Any) -> None:
    with server.client() as client:
        exchange, receipts = SyncClient(client, "test"), ReceiptStore("default", "shop")

        with pytest.raises(IncompleteError, match="the server was restarted meanwhile"):
            run(exchange, receipts.settle(_RECEIPT))

        assert run(exchange, receipts.receipt()) is None


def test_a_receipt_outlives_the_server_that_each_command_starts(verified: Any, tmp_path: Path) -> None:
    verified.settings("shop", url=f"embedded:{tmp_path / 'data'}")
    assert verified.command("migrate", "--allow-destructive") == 0, verified.err

    assert verified.command("verify") == 0, verified.err
    assert verified.command("migrate", "--check", "--verified") == 0, verified.out
    assert verified.command("purge", "--yes") == 0, verified.err
