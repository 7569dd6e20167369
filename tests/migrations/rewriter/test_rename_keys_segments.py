"""Records get other keys before a free step, while newer code writes records of versions behind it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from redis_models.errors import IncompleteError
from redis_models.migrations import AddField, AlterKeys, CreateModel, MoveModel, RenameField, Run
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.operations import Operation

Step = tuple[Mapping[str, int], Sequence[Operation]]
_FIELDS = {"id": "str", "code": "str", "mail": "str"}
_CREATE: Step = ({"Customer": 1}, [CreateModel("Customer", _FIELDS, "id", "customer")])
_BY_CODE: Step = ({"Customer": 2}, [AlterKeys("Customer", primary_key="code")])
_OLD = {"id": "1", "code": "one", "mail": "m1"}


def _nothing(database: Any) -> None:
    del database


_STEP: Step = ({}, [Run(_nothing, may_run_twice=True)])


def _record(database: Any, key: str) -> dict[str, str]:
    """Give what a record holds that the application sees."""
    stored = database.client.hgetall(key)
    return {name.decode(): raw.decode() for name, raw in stored.items() if not name.startswith(b"_b")}


@pytest.mark.parametrize("key", ["customer:two", "customer:2"], ids=["new key", "old key"])
def test_a_record_that_newer_code_wrote_gets_its_new_key_and_keeps_what_it_holds(
    database: Any, chain: Callable[..., Chain], key: str
) -> None:
    newer = {"id": "2", "sku": "two", "mail": "m2", "x": "9", "_v": "3"}
    database.put("customer:1", **_OLD)
    database.put(key, **newer)
    last = [AddField("Customer", "x", "str", fill="0"), RenameField("Customer", "code", "sku")]

    database.migrate(chain(_CREATE, _BY_CODE, _STEP, ({"Customer": 3}, last)))

    assert database.client.zrange("customer:__index", 0, -1) == [b"customer:one", b"customer:two"]
    assert _record(database, "customer:two") == newer
    assert _record(database, "customer:one") == {"id": "1", "sku": "one", "mail": "m1", "x": "0", "_v": "3"}


def test_a_newer_record_under_keys_of_the_table_before_is_moved_as_it_is(
    database: Any, chain: Callable[..., Chain]
) -> None:
    newer = {"id": "2", "code": "two", "mail": "m2", "x": "9", "_v": "3"}
    database.put("customer:1", **_OLD)
    database.put("customer:2", **newer)
    to_client = AlterKeys("Customer", table="client")

    database.migrate(
        chain(
            _CREATE,
            ({"Customer": 2}, [to_client]),
            _STEP,
            ({"Customer": 3}, [AddField("Customer", "x", "str", fill="0")]),
        )
    )

    assert database.client.zrange("client:__index", 0, -1) == [b"client:1", b"client:2"]
    assert _record(database, "client:2") == newer
    assert not database.client.exists("customer:__index")


def test_a_newer_record_whose_key_is_made_of_a_later_field_stays_where_it_is(
    database: Any, chain: Callable[..., Chain]
) -> None:
    newer = {"id": "2", "code": "two", "mail": "m2", "_v": "3"}
    database.put("customer:1", **_OLD)
    database.put("customer:m2", **newer)
    seen: list[set[str]] = []

    def look(client: Any) -> None:
        del client
        seen.append({key for key in database.dump() if not key.endswith("__index")})

    links = chain(
        _CREATE,
        _BY_CODE,
        ({}, [Run(look, may_run_twice=True)]),
        ({"Customer": 3}, [AlterKeys("Customer", primary_key="mail")]),
    )

    database.migrate(links)

    assert seen == [{"customer:one", "customer:m2"}]
    assert database.client.zrange("customer:__index", 0, -1) == [b"customer:m1", b"customer:m2"]
    assert _record(database, "customer:m2") == newer


def test_a_record_that_old_code_writes_behind_the_pass_is_not_left_under_its_old_key(
    database: Any, chain: Callable[..., Chain], watched: Callable[..., Any]
) -> None:
    database.put("customer:1", **_OLD)
    links, written = chain(_CREATE, ({"Customer": 2}, [AlterKeys("Customer", table="client")]), _STEP), False

    def write_older() -> None:
        nonlocal written
        if not written and database.client.exists("client:__index"):
            written = True
            database.put("customer:9", id="9", code="nine", mail="m9", _v="1")

    with pytest.raises(IncompleteError, match="other clients change"):
        database.migrate(links, exchange=watched(write_older))
    database.migrate(links)

    assert database.client.zrange("client:__index", 0, -1) == [b"client:1", b"client:9"]


def test_a_record_that_another_app_has_brought_further_is_moved_as_it_is(
    database: Any, chain: Callable[..., Chain]
) -> None:
    newer = {"id": "2", "sku": "two", "_v": "9"}  # of a version that only the other app's files know
    database.put("customer:1", **_OLD)
    database.put("customer:2", **newer)
    to_client = AlterKeys("Customer", table="client")

    database.migrate(chain(_CREATE, ({"Customer": 2}, [to_client]), ({}, [MoveModel("Customer", "crm")])))

    assert database.client.zrange("client:__index", 0, -1) == [b"client:1", b"client:2"]
    assert _record(database, "client:2") == newer
