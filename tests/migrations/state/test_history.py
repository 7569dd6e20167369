"""What was done is told afterwards, newest first; a position can be recorded when nothing else helps."""

import json
from typing import Any

import pytest


def _events(shop_project: Any) -> list[tuple[str, str]]:
    assert shop_project.command("history", options=("--json",)) == 0
    return [(event["what"], event["name"]) for event in json.loads(shop_project.out)["events"]]


@pytest.fixture
def shop(shop_project: Any, server: Any) -> Any:
    """The project on a real server, with two migrations."""
    shop_project.settings("shop", url=server.url)
    shop_project.models(
        shop_project.required.replace("currency: str", "currency: str = 'EUR'").replace("version = 1", "version = 2")
    )
    assert shop_project.run() == 0
    return shop_project


def test_history_tells_what_was_applied_taken_back_faked_and_stamped(shop: Any) -> None:
    assert shop.command("history") == 0
    assert shop.out == "No migration was run here yet.\n"
    assert shop.command("migrate") == 0
    assert shop.command("migrate", "1") == 0
    assert shop.command("migrate", "--fake") == 0
    assert shop.command("stamp", "shop", "1") == 0

    assert _events(shop) == [
        ("stamped", "0001_initial"),
        ("faked", "0002_currency"),
        ("unapplied", "0002_currency"),
        ("applied", "0002_currency"),
        ("applied", "0001_initial"),
    ]
    assert shop.command("history", "-n", "1") == 0
    assert shop.out.count("\n") == 1


def test_stamp_records_a_position_over_any_ledger(shop: Any, server: Any) -> None:
    with server.client() as client:
        client.hset("redis_models:{default}:ledger:shop", "unknown1", "no JSON")
        client.set("redis_models:{default}:snapshot:shop", "neither")
        assert shop.command("migrate") == 8

        assert shop.command("stamp", "shop", "0001") == 0, shop.err
        assert "recorded 1 of 2 migrations as applied; no record was changed" in shop.out
        assert "unknown1 is no longer recorded as applied" in shop.err
        assert shop.command("migrate") == 0, shop.err
        assert client.hlen("redis_models:{default}:ledger:shop") == 2


def test_stamp_needs_a_target_that_there_is(shop: Any) -> None:
    assert shop.command("stamp", "shop") == 2
    assert shop.command("stamp", "shop", "0009") == 1
    assert "has no migration '0009'" in shop.err
