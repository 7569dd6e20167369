"""Update and delete change each record only as long as it meets the conditions, and say how many they changed."""

from collections.abc import Sequence
from typing import Any

import pytest

from redis_models import Condition, desc, on
from redis_models.client.commands import Command
from redis_models.errors import ConflictError, DecodeError, EncodeError, UniqueError

from ..indexes.index_check import differences
from .conftest import Ask
from .orders import Order, Status, insert_orders, run_interrupted

NEW: Condition = on(Order.status) == Status.NEW


@pytest.fixture(autouse=True)
def _indexes_hold_what_records_say(orders: type[Order], client: Any) -> Any:
    yield
    assert differences(client, Order.__mapper__.keys) == []


async def test_update_writes_what_is_not_there_and_counts_it(orders: type[Order], ask: Ask) -> None:
    insert_orders(10)
    await Order.patch("o01", note="seen")

    assert await ask(Order.where(NEW), "update", note="seen", tenant="u") == 6
    assert await ask(Order.where(NEW, Order.note == "seen"), "count") == 6
    assert await ask(Order.where(NEW), "update", note="seen", tenant="u") == 0
    assert (await Order.get("o01")).tenant == "u"


async def test_update_of_the_field_that_a_query_reads_by_meets_no_record_twice(orders: type[Order], ask: Ask) -> None:
    insert_orders(300)

    assert await ask(Order.where(on(Order.day) >= 1).order_by(Order.day), "update", day=9) == 240
    assert await ask(Order.where(Order.day == 9), "count") == 270
    assert await ask(Order.where(Order.day == 9), "update", day=None) == 270
    assert await ask(Order.where(on(Order.day).is_none()), "count") == 300


async def test_changes_heed_order_and_limit(orders: type[Order], ask: Ask) -> None:
    insert_orders(10)
    newest = Order.where().order_by(desc(Order.day)).limit(3)

    assert await ask(newest, "update", note="new") == 3
    assert sorted(await ask(Order.where(Order.note == "new", allow_scan=True), "ids")) == ["o07", "o08", "o09"]
    assert await ask(Order.where(NEW).order_by(Order.day).limit(2), "delete") == 2
    assert await Order.exists("o01") is False
    assert await Order.exists("o02") is False
    assert await Order.count() == 8


async def test_delete_takes_what_matches_out_of_the_table_and_its_indexes(orders: type[Order], ask: Ask) -> None:
    insert_orders(250)

    assert await ask(Order.where(NEW), "delete") == 166
    assert await Order.count() == 84
    assert await ask(Order.where(NEW), "delete") == 0
    assert await ask(Order.where((Order.day == 3) | (Order.day == 6)), "delete") == 18
    with pytest.raises(TypeError, match=r"Order\.delete_all\(\)"):
        await ask(Order.where(), "delete")


def _between(steps: dict[int, Any]) -> Any:
    """Do things before the n-th script that writes."""
    seen = 0

    def before(commands: Sequence[Command]) -> None:
        nonlocal seen
        if any(command[0] == "EVALSHA" for command in commands):
            seen += 1
            if seen in steps:
                steps[seen]()

    return before


@pytest.mark.parametrize("verb", ["update", "delete"])
def test_a_record_that_leaves_the_condition_meanwhile_is_left_alone(orders: type[Order], verb: str) -> None:
    insert_orders(6)
    changes = Order.where(NEW)._changes
    work = changes.update({"note": "x"}) if verb == "update" else changes.delete()

    changed = run_interrupted(work, _between({1: lambda: Order.sync.patch("o02", status=Status.PAID)}))

    assert changed == 3
    assert Order.sync.get("o02").note == ""


@pytest.mark.parametrize("verb", ["update", "delete"])
def test_a_record_that_is_changed_and_still_matches_is_changed_all_the_same(orders: type[Order], verb: str) -> None:
    insert_orders(6)
    changes = Order.where(on(Order.day) >= 2)._changes
    work = changes.update({"note": "x"}) if verb == "update" else changes.delete()

    def others() -> None:
        Order.sync.patch("o02", day=4)
        Order.sync.patch("o03", number=77)  # no condition asks about it

    changed = run_interrupted(work, _between({1: others, 2: lambda: Order.sync.patch("o02", day=3)}))

    assert changed == 4
    if verb == "update":
        found = Order.sync.get("o02")
        assert (found.day, found.note) == (3, "x")
        assert Order.sync.get("o03").number == 77
    else:
        assert Order.sync.count() == 2


@pytest.mark.parametrize("verb", ["update", "delete"])
def test_nothing_that_was_deleted_meanwhile_comes_back(orders: type[Order], verb: str) -> None:
    insert_orders(6)
    changes = Order.where(NEW)._changes
    work = changes.update({"note": "x"}) if verb == "update" else changes.delete()

    changed = run_interrupted(work, _between({1: lambda: Order.sync.delete(["o01", "o02"])}))

    assert changed == 2
    assert not Order.sync.exists("o01")


@pytest.mark.parametrize("verb", ["update", "delete"])
def test_a_value_that_was_not_stored_and_is_written_meanwhile_counts(
    orders: type[Order], client: Any, verb: str
) -> None:
    insert_orders(3)
    client.hdel("order:o01", "status")
    client.zadd("order:__index:_others", {"o01": 0})
    client.zrem("order:__index:status", b"=new\0o01")
    client.zrem("order:__index:status_day", b"=new\0Q1\0o01")
    changes = Order.where(NEW)._changes
    work = changes.update({"note": "x"}) if verb == "update" else changes.delete()

    changed = run_interrupted(work, _between({1: lambda: Order.sync.patch("o01", status=Status.PAID)}))

    assert changed == 1
    assert Order.sync.get("o01").note == ""


def test_a_record_that_others_change_all_the_time_ends_in_a_conflict(orders: type[Order]) -> None:
    insert_orders(2)
    days = iter(range(10, 1000))

    def before(commands: Sequence[Command]) -> None:
        if any(command[0] == "EVALSHA" for command in commands):
            Order.sync.patch("o01", day=next(days))

    with pytest.raises(ConflictError, match="order:o01: other clients changed it 100 times"):
        run_interrupted(Order.where(on(Order.day) >= 1)._changes.update({"note": "x"}), before)


async def test_values_are_validated_before_anything_is_written(orders: type[Order], ask: Ask) -> None:
    insert_orders(3)

    with pytest.raises(EncodeError):
        await ask(Order.where(NEW), "update", number="many")
    with pytest.raises(TypeError, match="takes fields with their new values"):
        await ask(Order.where(NEW), "update")
    with pytest.raises(UniqueError):
        await ask(Order.where(NEW), "update", email="one@x")
    assert await ask(Order.where(Order.email == "one@x"), "count") == 1


async def test_a_record_that_cannot_be_judged_stops_a_change(orders: type[Order], client: Any, ask: Ask) -> None:
    insert_orders(3)
    client.hset("order:o02", "number", "x")

    with pytest.raises(DecodeError, match="order:o02"):
        await ask(Order.where(NEW, on(Order.number) >= 0), "update", note="x")
    client.hset("order:o02", "number", "2")


async def test_code_of_other_indexes_changes_records_too(orders: type[Order], client: Any, ask: Ask) -> None:
    insert_orders(6)
    vars(Order.__mapper__.keys).pop("_known_indexes")

    assert await ask(Order.where(NEW), "update", status=Status.PAID) == 4
    vars(Order.__mapper__.keys).pop("_known_indexes")
    assert await ask(Order.where(Order.status == Status.PAID), "delete") == 6
