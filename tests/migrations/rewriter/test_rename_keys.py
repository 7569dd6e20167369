"""Records move to other keys once, whole, with their TTLs, and back again; collisions are reported first."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

import pytest

from redis_models.errors import IncompleteError, LockedError, MigrationFileError, RedisModelsError, UnsafeError
from redis_models.migrations import (
    AddField,
    AlterField,
    AlterKeys,
    CreateModel,
    DeleteModel,
    MoveModel,
    RemoveField,
    RenameField,
    RenameModel,
)
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.operations import Operation

Step = tuple[Mapping[str, int], Sequence[Operation]]
_FIELDS = {"id": "str", "name": "str", "n": "int"}
_CREATE = ({"Customer": 1}, [CreateModel("Customer", _FIELDS, "id", "customer")])
_SPACE = UUID("00000000-0000-0000-0000-000000000000")


def _fill(database: Any, count: int = 30) -> None:
    for number in range(count):
        database.put(
            f"customer:c{number}", 100_000_000 * (number % 2), id=f"c{number}", name=f"n{number}", n=str(number)
        )


def _keys(database: Any) -> set[str]:
    return {key for key in database.dump() if not key.endswith("__index")}


@pytest.mark.parametrize(
    ("alteration", "start"),
    [
        (AlterKeys("Customer", table="client"), "client:"),
        (AlterKeys("Customer", prefix="shop"), "shop:customer:"),
        (AlterKeys("Customer", separator="|"), "customer|"),
        (AlterKeys("Customer", prefix="Shop", separator="/", table="client"), "shop/client/"),
        (AlterKeys("Customer", prefix="customer", table="v2"), "customer:v2:"),
    ],
)
def test_every_record_moves_once_with_its_ttl_and_comes_back_byte_for_byte(
    database: Any, chain: Callable[..., Chain], alteration: AlterKeys, start: str
) -> None:
    _fill(database)
    before = database.dump()
    links = chain(_CREATE, ({"Customer": 2}, [alteration, RenameField("Customer", "name", "full_name")]))

    moved = database.migrate(links)
    after = database.dump()
    again = database.migrate(links)
    database.migrate(links, 0)

    assert (moved, again) == (30, 0)
    records = {key: record for key, record in after.items() if not key.endswith("__index")}
    assert set(records) == {f"{start}c{number}" for number in range(30)}
    assert all(record[b"full_name"] == b"n" + record[b"n"] for record, _ in records.values())
    assert {record[1] for record in records.values()} == {
        before[key][1] for key in before if not key.endswith("__index")
    }
    assert [member.decode() for member in after[f"{start}__index"]] == sorted(records)
    assert database.dump() == before


def test_a_primary_key_that_becomes_another_field_moves_its_records(database: Any, chain: Callable[..., Chain]) -> None:
    _fill(database)
    before = database.dump()

    def code(old: Any) -> str:
        return f"code-{old.n}"

    links = chain(
        _CREATE,
        (
            {"Customer": 2},
            [
                AddField("Customer", "code", "str", fill=code),
                AlterKeys("Customer", primary_key="code"),
                RemoveField("Customer", "id"),
            ],
        ),
    )

    database.migrate(links)
    after = _keys(database)
    database.migrate(links, 0)

    assert after == {f"customer:code-{number}" for number in range(30)}
    assert database.dump() == before


def test_a_primary_key_of_another_type_moves_its_records(database: Any, chain: Callable[..., Chain]) -> None:
    _fill(database)
    before = database.dump()

    def to_uuid(text: str) -> UUID:
        return uuid5(_SPACE, text)

    alteration = AlterField("Customer", "id", "str", "UUID", convert=to_uuid)
    links = chain(_CREATE, ({"Customer": 2}, [alteration]))

    database.migrate(links)
    after = _keys(database)
    database.migrate(links, 0)

    assert after == {f"customer:{uuid5(_SPACE, f'c{number}')}" for number in range(30)}
    assert database.dump() == before


def test_a_primary_key_that_is_converted_within_its_type_moves_its_records(
    database: Any, chain: Callable[..., Chain]
) -> None:
    _fill(database)
    before = database.dump()
    links = chain(
        _CREATE, ({"Customer": 2}, [AlterField("Customer", "id", "str", "str", convert=str.upper, back=str.lower)])
    )

    database.migrate(links)
    after = _keys(database)
    database.migrate(links, 0)

    assert after == {f"customer:C{number}" for number in range(30)}
    assert database.dump() == before

    database.put("customer:C7", id="C7", name="twin", n="0")
    with pytest.raises(UnsafeError, match="customer:C7"):
        database.migrate(links)


def test_a_class_that_is_renamed_changed_and_moved_over_several_versions_is_rewritten_once(
    database: Any, chain: Callable[..., Chain]
) -> None:
    _fill(database)
    before = database.dump()
    links = chain(
        _CREATE,
        ({"Customer": 2}, [AddField("Customer", "currency", "str", fill="EUR")]),
        (
            {"Client": 3},
            [
                RenameModel("Customer", "Client"),
                RenameField("Client", "name", "full_name"),
                AlterKeys("Client", table="client"),
            ],
        ),
        ({"Client": 4}, [AlterField("Client", "n", "int", "str"), RenameField("Client", "id", "key")]),
        ({"Client": 5}, [AlterKeys("Client", prefix="crm")]),
    )

    database.migrate(links, 2)
    database.migrate(links)
    after = database.dump()
    database.migrate(links, 3)
    middle = _keys(database)
    database.migrate(links, 0)

    record, _ = after["crm:client:c7"]
    stored = {name: raw for name, raw in record.items() if not name.startswith(b"_b")}
    assert stored == {b"_v": b"5", b"key": b"c7", b"full_name": b"n7", b"n": b"7", b"currency": b"EUR"}
    assert middle == {f"client:c{number}" for number in range(30)}
    assert database.dump() == before


def test_a_run_that_dies_between_any_two_exchanges_is_finished_by_the_next(
    database: Any, chain: Callable[..., Chain], dying: Callable[..., Any]
) -> None:
    links = chain(
        _CREATE,
        ({"Client": 2}, [RenameModel("Customer", "Client"), AlterKeys("Client", table="client")]),
    )
    _fill(database, 60)
    database.migrate(links)
    expected = database.dump()
    died = 0
    while True:
        database.client.flushall()
        _fill(database, 60)
        try:
            database.migrate(links, exchange=dying(died))
            break
        except KeyboardInterrupt:
            pass
        died += 1
        database.migrate(links)
        now = database.dump()
        assert set(now) == set(expected), died
        assert {key: stored[0] for key, stored in now.items()} == {
            key: stored[0] for key, stored in expected.items()
        }, died

    assert died > 8


def test_keys_that_collide_are_reported_before_anything_is_written(database: Any, chain: Callable[..., Chain]) -> None:
    _fill(database)
    database.client.hset("client:c7", mapping={"mine": "1"})
    before = database.dump()
    links = chain(_CREATE, ({"Customer": 2}, [AlterKeys("Customer", table="client")]))

    with pytest.raises(UnsafeError, match=r"customer:c7 → client:c7, which exists already"):
        database.migrate(links)

    assert database.dump() == before
    assert not database.client.exists("redis_models:{default}:journal:shop")


def test_two_records_that_would_get_one_key_are_reported_before_anything_is_written(
    database: Any, chain: Callable[..., Chain]
) -> None:
    _fill(database)
    database.client.hset("customer:c8", "name", "n7")
    before = database.dump()
    links = chain(_CREATE, ({"Customer": 2}, [AlterKeys("Customer", primary_key="name")]))

    with pytest.raises(UnsafeError, match="customer:c7 and customer:c8 would become one"):
        database.migrate(links)

    assert database.dump() == before


def test_what_a_plain_client_writes_to_an_old_key_after_the_move_is_reported_and_stays(
    database: Any, chain: Callable[..., Chain], watched: Callable[..., Any]
) -> None:
    _fill(database)
    links = chain(_CREATE, ({"Customer": 2}, [AlterKeys("Customer", table="client")]))

    def write_late() -> None:
        if database.client.exists("client:c7"):
            database.client.hset("customer:c7", mapping={"name": "late", "_v": "2"})

    with pytest.raises(IncompleteError, match="customer:c7: its new key client:c7 is taken"):
        database.migrate(links, exchange=watched(write_late))

    assert database.client.hget("customer:c7", "name") == b"late"
    assert database.client.hget("client:c7", "name") == b"n7"


def test_a_record_that_old_code_writes_behind_the_pass_is_not_moved_as_it_is(
    database: Any, chain: Callable[..., Chain], watched: Callable[..., Any]
) -> None:
    _fill(database, 120)
    alterations = [AlterKeys("Customer", table="client"), RenameField("Customer", "name", "full_name")]
    links, written = chain(_CREATE, ({"Customer": 2}, alterations)), False

    def write_older() -> None:
        nonlocal written
        if not written and database.client.exists("client:__index"):
            written = True
            database.client.hset("customer:late", mapping={"id": "late", "name": "Ann", "n": "9", "_v": "1"})

    with pytest.raises(IncompleteError, match="other clients change"):
        database.migrate(links, exchange=watched(write_older))
    assert not database.client.exists("client:late")

    database.migrate(links)
    assert database.client.hget("client:late", "full_name") == b"Ann"


def test_a_runner_whose_lease_is_over_moves_nothing_more(
    database: Any, chain: Callable[..., Chain], watched: Callable[..., Any]
) -> None:
    _fill(database, 120)
    links, moved = chain(_CREATE, ({"Customer": 2}, [AlterKeys("Customer", table="client")])), 0

    def take_over() -> None:
        nonlocal moved
        if not moved and database.client.exists("client:__index"):
            moved = database.client.zcard("client:__index")
            database.client.hincrby("redis_models:{default}:lease", "epoch", 1)

    with pytest.raises(LockedError):
        database.migrate(links, exchange=watched(take_over))

    assert 0 < moved == database.client.zcard("client:__index") < 120


def test_records_that_another_app_left_are_found_by_the_app_that_creates_their_model(
    database: Any, chain: Callable[..., Chain]
) -> None:
    _fill(database)
    shop = chain(
        _CREATE,
        ({"Customer": 2}, [RenameField("Customer", "name", "full_name")]),
        ({}, [MoveModel("Customer", "crm")]),
    )
    fields = {"id": "str", "full_name": "str", "n": "int"}
    crm = chain(
        ({"Customer": 2}, [CreateModel("Customer", fields, "id", "customer")]),
        ({"Customer": 3}, [AddField("Customer", "vip", "bool", fill=False)]),
        app="crm",
    )

    database.migrate(shop)
    database.migrate(crm)

    record = database.client.hgetall("customer:c7")
    assert (record[b"_v"], record[b"full_name"], record[b"vip"]) == (b"3", b"n7", b"false")


REFUSED: dict[str, tuple[Step, Step, str]] = {
    "keys that were moved away from": (
        ({"Customer": 2}, [AlterKeys("Customer", table="client")]),
        ({"Lead": 2}, [CreateModel("Lead", _FIELDS, "id", "customer")]),
        "which records of Customer had before they were renamed",
    ),
    "keys of a deleted model": (
        ({"Lead": 1}, [CreateModel("Lead", _FIELDS, "id", "lead"), DeleteModel("Customer")]),
        ({"Lead": 2}, [AlterKeys("Lead", table="customer")]),
        "where records of Customer are or were",
    ),
    "keys that could be those of long ago": (
        ({"Customer": 2}, [AlterKeys("Customer", table="third")]),
        ({"Customer": 3}, [AlterKeys("Customer", table="customer:b", separator="-")]),
        r"gives the records of Customer the keys customer:b-\*, where they had such keys before",
    ),
    "keys that could be those of another model": (
        ({"Lead": 1}, [CreateModel("Lead", _FIELDS, "id", "lead")]),
        ({"Lead": 2}, [AlterKeys("Lead", table="customer:b", separator="-")]),
        r"Customer has the same keys \(customer:b-\*\)",
    ),
    "keys of another model": (
        ({"Lead": 1}, [CreateModel("Lead", _FIELDS, "id", "lead")]),
        ({"Lead": 2}, [AlterKeys("Lead", table="customer")]),
        "has the same keys",
    ),
    "the keys that there are": (
        ({"Customer": 2}, [AlterKeys("Customer", table="customer")]),
        ({}, []),
        "the model has these keys already",
    ),
    "a primary key that is not a field": (
        ({"Customer": 2}, [AlterKeys("Customer", primary_key="code")]),
        ({}, []),
        "has no field 'code'",
    ),
    "a version that stays": (({}, [AlterKeys("Customer", table="client")]), ({}, []), "versions does not name it"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_keys_that_cannot_be_are_refused_when_the_files_are_read(
    database: Any, chain: Callable[..., Chain], case: str
) -> None:
    second, third, message = REFUSED[case]

    with pytest.raises(MigrationFileError, match=message):
        database.migrate(chain(_CREATE, second, third))


def test_renaming_a_class_alone_needs_no_higher_version_and_touches_no_record(
    database: Any, chain: Callable[..., Chain]
) -> None:
    _fill(database)
    before = database.dump()

    database.migrate(chain(_CREATE, ({}, [RenameModel("Customer", "Client")])))

    assert database.dump() == before


def test_full_memory_leaves_every_record_whole_under_one_of_its_keys(
    database: Any, chain: Callable[..., Chain], watched: Callable[..., Any]
) -> None:
    _fill(database, 120)
    links = chain(_CREATE, ({"Customer": 2}, [AlterKeys("Customer", table="client")]))
    database.migrate(links, 1)

    def fill_up() -> None:
        if database.client.exists("client:__index"):
            database.client.config_set("maxmemory", 1)

    try:
        with pytest.raises(RedisModelsError):
            database.migrate(links, exchange=watched(fill_up))
        found = [key.rpartition(":")[2] for key in _keys(database)]
        assert sorted(found) == sorted(f"c{number}" for number in range(120))
        assert 0 < database.client.zcard("client:__index") < 120
    finally:
        database.client.config_set("maxmemory", 0)
        database.client.delete("redis_models:{default}:lease")

    database.migrate(links)
    assert database.client.zcard("client:__index") == 120
    assert not database.client.exists("customer:__index")
