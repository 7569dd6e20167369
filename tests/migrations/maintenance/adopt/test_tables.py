"""What becomes of a table that pydantic-aioredis wrote: its index, its records, their TTLs."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
import redis

from redis_models import Model, Store
from redis_models.errors import ConflictError, DataError, LockedError
from redis_models.migrations.maintenance.adopt import Takeover

TakeOver = Callable[..., Takeover]
Contents = Callable[[], dict[bytes, object]]


class Customer(Model):
    id: str
    name: str
    born: date | None = None
    tags: list[bool] | None = None

    _primary_key_field = "id"
    _redis_prefix = "Shop"


START = "shop:customer:"
INDEX = f"{START}__index"


def test_a_table_is_read_by_its_model_afterwards(old: Any, take_over: TakeOver) -> None:
    old.insert(START, "1", {"id": "1", "name": "Ann", "born": '"1990-01-02"', "tags": '"[true]"'})
    old.insert(START, "2", {"id": "2", "name": "Bob", "born": "null", "tags": '"null"'})

    done = take_over(Customer)

    assert (done.records, done.stamped, done.is_converted, done.problem_count) == (2, 2, True, 0)
    assert Customer.sync.select() == [
        Customer(id="1", name="Ann", born=date(1990, 1, 2), tags=[True]),
        Customer(id="2", name="Bob"),
    ]


def test_the_index_is_a_sorted_set_and_records_have_a_stamp_and_their_values(
    old: Any, client: Any, take_over: TakeOver, contents: Contents
) -> None:
    old.insert(START, "1", {"id": "1", "name": "Ann", "tags": '"[true]"'})

    take_over(Customer)

    assert client.zrange(INDEX, 0, -1, withscores=True) == [(b"shop:customer:1", 0.0)]
    assert client.hgetall(f"{START}1") == {b"id": b"1", b"name": b"Ann", b"tags": b'"[true]"', b"_v": b"1"}
    assert contents().keys() == {INDEX.encode(), f"{START}1".encode()}


def test_a_stamp_that_is_there_stays(old: Any, client: Any, take_over: TakeOver) -> None:
    old.insert(START, "1", {"id": "1", "name": "Ann", "_v": "7"})

    done = take_over(Customer)

    assert (done.stamped, client.hget(f"{START}1", "_v")) == (0, b"7")


@pytest.mark.needs_command("PEXPIRETIME")
@pytest.mark.parametrize("pk", ["1", "a:b"])
def test_the_ttl_of_a_record_stays_to_the_millisecond(old: Any, client: Any, take_over: TakeOver, pk: str) -> None:
    old.insert(START, pk, {"id": pk, "name": "Ann"})
    client.pexpireat(f"{START}{pk}", 4_000_000_000_123)

    take_over(Customer)

    assert client.pexpiretime(Customer.__mapper__.key_of(pk)) == 4_000_000_000_123


@pytest.mark.needs_command("HPEXPIRETIME")
@pytest.mark.parametrize("pk", ["1", "a:b"])
def test_the_ttl_of_a_field_stays_to_the_millisecond(old: Any, client: Any, take_over: TakeOver, pk: str) -> None:
    old.insert(START, pk, {"id": pk, "name": "Ann"})
    client.hpexpireat(f"{START}{pk}", 4_000_000_000_123, "name")

    take_over(Customer)

    assert client.hpexpiretime(Customer.__mapper__.key_of(pk), "name") == [4_000_000_000_123]


def test_the_index_does_not_expire_any_more(old: Any, client: Any, take_over: TakeOver) -> None:
    old.insert(START, "1", {"id": "1", "name": "Ann"}, life_s=1000)

    done = take_over(Customer)

    assert done.is_freed
    assert client.pttl(INDEX) == -1
    assert client.pttl(f"{START}1") > 0


def test_the_old_index_does_not_expire_before_it_is_settled(old: Any, client: Any, take_over: TakeOver) -> None:
    old.fill(START, 3000)
    client.expire(INDEX, 1000)
    lives: set[int] = set()

    def look(_now: object) -> None:
        lives.add(client.pttl(f"{{{INDEX}}}:left"))

    take_over(Customer, look)

    assert lives == {-1, -2}  # none, and that there is none


def test_records_whose_index_has_expired_are_found(old: Any, client: Any, take_over: TakeOver) -> None:
    old.insert(START, "1", {"id": "1", "name": "Ann"})
    client.delete(INDEX)

    done = take_over(Customer)

    assert (done.records, done.found, done.is_converted) == (1, 1, False)
    assert Customer.sync.select() == [Customer(id="1", name="Ann")]


def test_records_that_only_an_earlier_index_had_are_found(old: Any, client: Any, take_over: TakeOver) -> None:
    for pk in ("1", "a:b"):
        old.insert(START, pk, {"id": pk, "name": "Ann"})
    client.delete(INDEX)
    old.insert(START, "2", {"id": "2", "name": "Bob"})

    done = take_over(Customer)

    assert (done.records, done.found) == (3, 2)
    assert [customer.id for customer in Customer.sync.select() or []] == ["1", "2", "a:b"]


def test_members_whose_record_is_gone_are_dropped(old: Any, client: Any, take_over: TakeOver) -> None:
    for pk in ("1", "2", "3"):
        old.insert(START, pk, {"id": pk, "name": "Ann"})
    client.delete(f"{START}1", f"{START}2")

    done = take_over(Customer)

    assert (done.records, done.dropped) == (1, 2)
    assert client.zrange(INDEX, 0, -1) == [b"shop:customer:3"]


def test_a_table_of_dead_members_only_leaves_nothing(
    old: Any, client: Any, take_over: TakeOver, contents: Contents
) -> None:
    old.insert(START, "1", {"id": "1", "name": "Ann"})
    client.delete(f"{START}1")

    done = take_over(Customer)

    assert (done.records, done.dropped) == (0, 1)
    assert Customer.sync.select() is None
    assert contents() == {}


def test_run_again_it_changes_nothing_and_says_so(
    old: Any, client: Any, take_over: TakeOver, contents: Contents
) -> None:
    old.fill(START, 250)
    old.insert(START, "a:b", {"id": "a:b", "name": "Ann"})
    take_over(Customer)
    before = contents()

    again = take_over(Customer)

    assert again.is_nothing
    assert again.records == 251
    assert contents() == before


def test_a_dry_run_writes_nothing_and_predicts_every_number(
    old: Any, client: Any, take_over: TakeOver, look_over: TakeOver, contents: Contents
) -> None:
    old.fill(START, 2500)
    for pk in ("a:b", "dead", "50%"):
        old.insert(START, pk, {"id": pk, "name": "Ann"})
    old.insert(START, "2", {"id": "2", "name": "Bob", "_v": "1"}, life_s=1000)
    client.delete(f"{START}dead")
    client.hset(f"{START}alone", mapping={"id": "alone", "name": "Cy"})
    before = contents()

    foretold = look_over(Customer)

    assert contents() == before
    assert foretold == take_over(Customer)
    assert foretold.renamed == 2
    assert look_over(Customer).is_nothing


def test_a_large_table_is_copied_in_steps_and_whole(old: Any, client: Any, take_over: TakeOver) -> None:
    old.fill(START, 5000)
    messages: list[object] = []

    done = take_over(Customer, messages.append, batch_size=7)

    assert (done.records, done.stamped, client.zcard(INDEX)) == (5000, 5000, 5000)
    assert len(messages) >= 15


def test_a_table_is_there_for_readers_as_soon_as_its_index_is(old: Any, client: Any, take_over: TakeOver) -> None:
    old.fill(START, 3000)
    counts: set[int] = set()

    def read(_now: object) -> None:
        if client.type(INDEX) == b"zset":
            counts.add(client.zcard(INDEX))

    take_over(Customer, read)

    assert counts == {3000}


def test_until_then_reading_and_writing_name_what_is_in_the_way(old: Any, bound: Store) -> None:
    old.insert(START, "1", {"id": "1", "name": "Ann"})
    bound.register_model(Customer)

    with pytest.raises(ConflictError, match="not a sorted set"):
        Customer.sync.select()
    with pytest.raises(ConflictError, match="not a sorted set"):
        Customer(id="2", name="Bob").sync.save()


def test_a_member_that_is_added_while_the_set_is_copied_is_not_lost(old: Any, client: Any, take_over: TakeOver) -> None:
    old.fill(START, 3000)
    added: list[str] = []

    def write(_now: object) -> None:
        if client.type(INDEX) == b"set":
            added.append(f"x{len(added)}")
            old.insert(START, added[-1], {"id": added[-1], "name": "Ann"})

    take_over(Customer, write)

    assert len(added) >= 3
    assert client.zcard(INDEX) == 3000 + len(added)


def test_a_set_that_expires_while_it_is_copied_loses_nothing(old: Any, client: Any, take_over: TakeOver) -> None:
    old.fill(START, 3000)

    def expire(_now: object) -> None:
        if client.type(INDEX) == b"set":
            client.delete(INDEX)

    take_over(Customer, expire)

    assert client.zcard(INDEX) == 3000


def test_pydantic_aioredis_cannot_write_afterwards_and_what_it_damages_is_repaired(
    old: Any, client: Any, take_over: TakeOver
) -> None:
    old.insert(START, "1", {"id": "1", "name": "Ann"}, life_s=1000)
    take_over(Customer)
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        old.insert(START, "2", {"id": "2", "name": "Bob"}, life_s=500)
    assert client.pttl(INDEX) > 0

    again = take_over(Customer)

    assert (again.is_freed, again.found) == (True, 1)
    assert client.pttl(INDEX) == -1
    assert [customer.id for customer in Customer.sync.select() or []] == ["1", "2"]


def test_a_record_that_cannot_be_read_is_reported_and_stays_in_sight(
    old: Any, client: Any, take_over: TakeOver
) -> None:
    old.insert(START, "1", {"id": "1", "name": "Ann"})
    old.insert(START, "2", {"id": "3", "name": "Bob"})
    before = client.dump(f"{START}2")

    done, bad = take_over(Customer), list[DataError]()

    assert [problem.key for problem in done.problems] == [f"{START}2"]
    assert "which belongs to the key 'shop:customer:3'" in done.problems[0].reason
    assert client.dump(f"{START}2") == before
    assert Customer.sync.select(bad_records=bad) == [Customer(id="1", name="Ann")]
    assert len(bad) == 1
    assert take_over(Customer).problems == done.problems


def test_a_hash_that_does_not_hold_its_primary_key_is_taken_in_where_its_key_says_it(
    old: Any, client: Any, take_over: TakeOver
) -> None:
    old.insert(START, "1", {"name": "Ann"})
    old.insert(START, "a:b", {"name": "Bob"})  # perhaps a record of another table
    client.hset(f"{START}alone", mapping={"name": "Cy"})

    done = take_over(Customer)

    assert [problem.key for problem in done.problems] == [f"{START}a:b"]
    assert "no field 'id'" in done.problems[0].reason
    assert [(customer.id, customer.name) for customer in Customer.sync.select(ids=["1", "alone"]) or []] == [
        ("1", "Ann"),
        ("alone", "Cy"),
    ]
    assert client.hget(f"{START}1", "_v") == b"1"
    assert take_over(Customer).problems == done.problems


def test_many_bad_records_are_counted_and_some_are_named(old: Any, take_over: TakeOver) -> None:
    for number in range(150):
        old.insert(START, f"{number}", {"id": "other", "name": "Bob"})

    done = take_over(Customer)

    assert (done.problem_count, len(done.problems)) == (150, 100)


def test_a_key_that_does_not_hold_a_hash_is_reported(old: Any, client: Any, take_over: TakeOver) -> None:
    old.insert(START, "1", {"id": "1", "name": "Ann"})
    client.set(f"{START}hits", "9")

    done = take_over(Customer)

    assert [problem.key for problem in done.problems] == [f"{START}hits"]
    assert done.records == 1


def test_a_key_that_is_not_a_set_or_sorted_set_is_not_an_index(client: Any, take_over: TakeOver) -> None:
    client.rpush(INDEX, "x")

    with pytest.raises(ConflictError, match="not a sorted set"):
        take_over(Customer)


def test_a_record_with_the_key_of_the_index_is_reported_with_its_cure(
    old: Any, client: Any, take_over: TakeOver
) -> None:
    client.hset(INDEX, mapping={"id": "__index", "name": "Ann"})

    with pytest.raises(ConflictError) as raised:
        take_over(Customer)

    _, source, target = str(raised.value).split("'")[1].split()
    client.rename(source, target)
    assert take_over(Customer).records == 1
    assert Customer.sync.get("__index").name == "Ann"


def test_a_second_index_beside_an_earlier_adoption_is_reported_with_its_cure(
    old: Any, client: Any, take_over: TakeOver
) -> None:
    old.insert(START, "1", {"id": "1", "name": "Ann"})
    left = f"{{{INDEX}}}:left"
    client.sadd(left, f"{START}2")
    client.hset(f"{START}2", mapping={"name": "Bob"})

    with pytest.raises(ConflictError) as raised:
        take_over(Customer)

    for command in str(raised.value).split("'")[1:4:2]:
        client.execute_command(*command.split())
    assert take_over(Customer).records == 2
    assert not client.exists(left)


def test_a_runner_whose_lease_is_taken_over_changes_nothing_more(
    old: Any, client: Any, take_over: TakeOver, contents: Contents
) -> None:
    old.fill(START, 5000)
    seen: list[dict[bytes, object]] = []

    def take_lease(_now: object) -> None:
        if client.type(INDEX) == b"zset" and not seen:
            client.hincrby("redis_models:{default}:lease", "epoch", 1)
            seen.append(contents())

    with pytest.raises(LockedError):
        take_over(Customer, take_lease)

    assert contents() == seen[0]


def test_foreign_members_of_the_old_index_are_not_even_looked_at(
    old: Any, client: Any, take_over: TakeOver, contents: Contents
) -> None:
    old.insert(START, "1", {"id": "1", "name": "Ann"})
    ledger = "redis_models:{default}:ledger:shop"
    foreign = {ledger, "other:1", "Shop:customer:2", "other:set", INDEX, "shop:customers:1", "gone"}
    for key in (ledger, "other:1", "Shop:customer:2", "shop:customers:1"):
        client.hset(key, mapping={"id": "1", "name": "Eve"})
    client.sadd("other:set", "a")
    client.sadd(INDEX, *foreign)
    before = {key: client.dump(key) for key in foreign - {INDEX}}

    done = take_over(Customer)

    assert (done.records, done.renamed) == (1, 0)
    assert client.zrange(INDEX, 0, -1) == [b"shop:customer:1"]
    assert {key: client.dump(key) for key in before} == before
    assert Customer.sync.delete_all() == 1
    assert {key: client.dump(key) for key in before} == before
