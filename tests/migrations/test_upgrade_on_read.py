"""New code reads and writes older records before, while and after they are migrated; old code is refused."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from redis_models import Field, Model, Store
from redis_models.errors import ConflictError, RecordTooNewError, RecordTooOldError
from redis_models.migrations.upgrade_on_read import ChainUpgrader
from redis_models.project.apps import App


def _old_code() -> Any:
    class Customer(Model):
        id: str = Field(primary_key=True)
        visits: int = 0
        name: str
        legacy_ref: str
        age: str

        class Meta:
            version = 1

    return Customer


def _new_code() -> Any:
    class Customer(Model):
        id: str = Field(primary_key=True)
        visits: int = 0
        full_name: str
        currency: str = "EUR"
        age: int | None
        initial: str

        class Meta:
            version = 3

    return Customer


def _bind(url: str, model: Any, migrations: Path) -> Store:
    store = Store.from_url(url)
    store.register_model(model)
    store.upgrader = ChainUpgrader([App("shop", "shop", (), migrations, (model,))])
    return store


@pytest.fixture
def bind(project: Any) -> Any:
    """Give models of old or new code, bound as ``setup`` binds them."""
    project.deploy(3)
    stores: list[Store] = []

    def make(code: Callable[[], Any], server: Any = None) -> Any:
        model = code()
        stores.append(_bind((server or project.server).url, model, project.root / "shop/redis_migrations"))
        return model

    yield make
    for store in stores:
        store.close()


def test_records_of_older_versions_are_read_as_if_they_were_new_and_stay_as_they_are(project: Any, bind: Any) -> None:
    project.fill(12)
    before = project.records()
    customer = bind(_new_code)

    customer_read = customer.sync.get("11")
    many = customer.sync.get_many(["10", "none", "2"])
    everyone = customer.sync.select()
    columns = customer.sync.select(columns=["full_name", "age"], ids=["11"])

    assert customer_read == customer(id="11", full_name="n11", age=11, initial="N")
    assert [found and found.age for found in many] == [None, None, 2]
    assert sorted(found.full_name for found in everyone) == sorted(f"n{at}" for at in range(12))
    assert columns == [{"full_name": "n11", "age": "11"}]
    assert project.records() == before


def test_a_write_brings_the_record_up_whole_and_the_way_back_still_restores_it(project: Any, bind: Any) -> None:
    project.fill(4)
    before = project.records()
    customer = bind(_new_code)

    customer.sync.patch("0", visits=5)
    loaded = customer.sync.get("1")
    loaded.full_name = "Ada"
    loaded.sync.save()
    customer.sync.insert(customer(id="2", full_name="Eve", age=30, initial="E"))
    written = project.records()
    applied, taken_back = project.migrate(), project.migrate("shop", "1")

    assert [written[f"customer:{at}"]["_v"] for at in range(4)] == [b"3", b"3", b"3", b"1"]
    assert written["customer:1"].items() >= {"full_name": b"Ada", "age": b"1", "currency": b"EUR"}.items()
    assert "name" not in written["customer:1"]
    assert (applied.code, taken_back.code) == (0, 0)
    assert project.records() == {
        "customer:0": {**before["customer:0"], "visits": b"5"},
        "customer:1": {**before["customer:1"], "name": b"Ada"},
        "customer:2": {**before["customer:2"], "name": b"Eve", "age": b"30"},
        "customer:3": before["customer:3"],
    }


def test_hundreds_of_old_records_may_be_overwritten_at_once(project: Any, bind: Any) -> None:
    project.fill(250)
    customer = bind(_new_code)

    customer.sync.insert([customer(id=str(at), full_name=f"m{at}", age=at, initial="M") for at in range(250)])

    found = project.records()
    assert {record["_v"] for record in found.values()} == {b"3"}
    assert found["customer:7"].items() >= {"full_name": b"m7", "_b2.2.legacy_ref": b"r7"}.items()


def test_old_code_does_not_read_or_write_new_records(project: Any, bind: Any) -> None:
    project.fill(5)
    old = bind(_old_code)
    loaded = old.sync.get("1")
    assert project.migrate().code == 0
    before = project.records()

    loaded.name = "late"
    refusals: list[Callable[[], object]] = [
        lambda: loaded.sync.save(),
        lambda: old.sync.patch("2", visits=3),
        lambda: old.sync.insert(old(id="3", name="n", legacy_ref="r", age="4")),
        lambda: old.sync.get("3"),
        lambda: old.sync.select(),
    ]

    for refused in refusals:
        with pytest.raises(RecordTooNewError, match="Deploy the newer code"):
            refused()
    assert project.records() == before


def test_old_code_may_delete_new_records_and_new_code_reads_what_old_code_makes(project: Any, bind: Any) -> None:
    project.fill(3)
    assert project.migrate().code == 0
    old, new = bind(_old_code), bind(_new_code)

    assert old.sync.delete("1") == [1, 1]
    old.sync.insert(old(id="late", name="zoe", legacy_ref="r", age="007"))

    assert new.sync.get("late") == new(id="late", full_name="zoe", age=7, initial="Z")
    assert not new.sync.exists("1")


def test_without_the_migrations_an_old_record_is_refused(project: Any, bind: Any) -> None:
    project.fill(3)
    customer = bind(_new_code)
    customer._store.upgrader = None

    with pytest.raises(RecordTooOldError, match="migrate"):
        customer.sync.get("1")
    with pytest.raises(RecordTooOldError):
        customer.sync.patch("1", visits=1)


def test_a_record_that_cannot_be_brought_up_is_named_and_hides_no_other(project: Any, bind: Any) -> None:
    project.fill(3)
    with project.server.client() as client:
        client.hset("customer:1", "age", "old")
    customer = bind(_new_code)
    bad: list[Exception] = []

    found = customer.sync.select(bad_records=bad)

    assert [record.id for record in found] == ["0", "2"]
    assert "customer:1: cannot be upgraded to version 3" in str(bad[0])
    assert "'age' holds b'old'" in str(bad[0])
    with pytest.raises(ConflictError, match="customer:1"):
        customer.sync.patch("1", visits=1)
    assert project.records()["customer:1"]["_v"] == b"1"


@pytest.mark.needs_command("HPEXPIREAT")
def test_upgrading_a_record_keeps_its_ttls(project: Any, bind: Any) -> None:
    project.fill(1)
    customer = bind(_new_code)
    with project.server.client() as client:
        if not client.execute_command("COMMAND", "INFO", "HPEXPIREAT"):
            pytest.skip("this server has no TTLs of hash fields")
        client.execute_command("PEXPIREAT", "customer:0", 4_000_000_000_000)
        client.execute_command("HPEXPIREAT", "customer:0", 3_000_000_000_000, "FIELDS", 1, "name")

        customer.sync.patch("0", visits=1)

        assert client.pexpiretime("customer:0") == 4_000_000_000_000
        assert client.execute_command("HPEXPIRETIME", "customer:0", "FIELDS", 1, "full_name") == [3_000_000_000_000]


@pytest.mark.needs_command("HPEXPIREAT")  # one that lacks it shows the same in every other test
def test_a_server_without_field_ttls_will_do(new_server: Any, project: Any, bind: Any) -> None:
    server = new_server("--rename-command", "HPEXPIRETIME", "", "--rename-command", "HPEXPIREAT", "")
    project.server = server
    project.fill(3)
    customer = bind(_new_code, server)

    customer.sync.patch("1", visits=2)

    assert project.records()["customer:1"]["_v"] == b"3"
    project.settings(REDIS_URL=server.url, APPS=["shop"])
    assert project.migrate().code == 0


def test_records_whose_keys_are_not_text_are_upgraded_under_their_own_key(project: Any, bind: Any) -> None:
    customer = bind(_new_code)
    with project.server.client() as client:
        client.hset(b"customer:\xff", mapping={"id": "1", "name": "n", "legacy_ref": "r", "age": "5"})

        customer._store.run(customer._store.upgrader.rewrite(customer, "customer:\udcff"))

        assert client.hget(b"customer:\xff", "_v") == b"3"
        assert client.keys("customer:*") == [b"customer:\xff"]


def test_new_code_may_write_while_the_migration_runs_and_nothing_is_lost(project: Any, bind: Any) -> None:
    count = 3_000
    project.fill(count)
    customer = bind(_new_code)
    last: dict[int, int] = {}
    stop, busy = threading.Event(), threading.Event()

    def write() -> None:
        at = count
        while not stop.is_set():
            at = at - 1 if at else count - 1
            value = last.get(at, 0) + 1
            if at % 2:
                customer.sync.patch(str(at), visits=value)
            else:
                customer_read = customer.sync.get(str(at))
                customer_read.visits = value
                customer_read.sync.save()
            last[at] = value
            busy.set()

    writer = threading.Thread(target=write)
    writer.start()
    busy.wait(30)
    ends = [project.migrate_apart().code for _ in range(2)]
    stop.set()
    writer.join(30)

    found = project.records()
    assert ends == [0, 0]
    assert {record["_v"] for record in found.values()} == {b"3"}
    assert len(found) == count
    assert {at: int(found[f"customer:{at}"]["visits"]) for at in last} == last
