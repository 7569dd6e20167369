"""WRITE_BACK: reading an older record also upgrades it in Redis; if that fails, the read still succeeds."""

from collections.abc import Iterator
from typing import Any

import pytest

from redis_models import Field, Model, Store
from redis_models.migrations.upgrade_on_read import ChainUpgrader
from redis_models.project.apps import App


class Customer(Model):
    id: str = Field(primary_key=True)
    visits: int = 0
    full_name: str
    currency: str = "EUR"
    age: int | None
    initial: str

    class Meta:
        version = 3


@pytest.fixture
def customer(project: Any) -> Iterator[type[Customer]]:
    """The model at version 3, which writes back, beside 250 records of version 1."""
    project.deploy(3)
    project.fill(250)
    with Store.from_url(project.server.url) as store:
        store.register_model(Customer)
        app = App("shop", "shop", (), project.root / "shop/redis_migrations", (Customer,))
        store.upgrader = ChainUpgrader([app], writes_back=True)
        yield Customer


def _versions(project: Any) -> dict[str, bytes]:
    return {key.rpartition(":")[2]: record["_v"] for key, record in project.records().items()}


def test_what_is_read_is_brought_up_and_no_other(project: Any, customer: type[Customer]) -> None:
    before = project.records()

    assert customer.sync.get("11") == customer(id="11", full_name="n11", age=11, initial="N")
    assert [record and record.age for record in customer.sync.get_many(["10", "none", "2"])] == [None, None, 2]

    found = _versions(project)
    assert {pk for pk, version in found.items() if version == b"3"} == {"10", "11", "2"}
    assert customer.sync.get("11") == customer(id="11", full_name="n11", age=11, initial="N")
    assert len(customer.sync.select() or []) == 250
    assert set(_versions(project).values()) == {b"3"}
    assert project.migrate().code == 0
    assert project.migrate("shop", "1").code == 0
    assert project.records() == before


async def test_it_is_the_same_in_a_loop(project: Any, customer: type[Customer]) -> None:
    assert (await customer.get("7")).full_name == "n7"

    assert _versions(project)["7"] == b"3"


@pytest.mark.parametrize("trouble", ["replica", "full"])
def test_a_server_that_takes_no_writes_is_read_all_the_same(
    project: Any, customer: type[Customer], trouble: str
) -> None:
    with project.server.client() as client:
        if trouble == "replica":
            client.config_set("replica-read-only", "yes")
            client.replicaof("127.0.0.1", 1)
        else:
            client.config_set("maxmemory", 1)

        found = customer.sync.get_many([str(number) for number in range(50)])

        client.replicaof("no", "one")
        client.config_set("maxmemory", 0)
    assert [record and record.full_name for record in found] == [f"n{number}" for number in range(50)]
    assert set(_versions(project).values()) == {b"1"}


def test_a_record_that_cannot_be_brought_up_is_refused_alone(project: Any, customer: type[Customer]) -> None:
    with project.server.client() as client:
        client.hset("customer:3", "age", "old")
    bad: list[Any] = []

    found = customer.sync.select(bad_records=bad)

    assert len(found or []) == 249
    assert [error.key for error in bad] == ["customer:3"]
    assert {pk for pk, version in _versions(project).items() if version != b"3"} == {"3"}


def test_a_user_who_may_touch_the_records_only_can_bring_them_up(project: Any, customer: Any) -> None:
    with project.server.client() as client:
        client.acl_setuser("app", enabled=True, passwords=["+secret"], keys=["customer:*"], commands=["+@all"])
    with Store.from_url(f"unix://app:secret@{project.server.socket_path}") as store:
        upgrader, former = customer._store.upgrader, customer._store
        store.register_model(customer)
        store.upgrader = upgrader
        try:
            customer.sync.get("7")
            record = customer(id="8", full_name="new", age=1, initial="N")
            record.sync.save()
        finally:
            former.register_model(customer)
    with project.server.client() as client:
        client.acl_deluser("app")

    found = _versions(project)
    assert (found["7"], found["8"]) == (b"3", b"3")


@pytest.mark.parametrize("way", ["write_back", "rewrite"])
def test_a_record_that_newer_code_brought_further_meanwhile_is_not_taken_back(
    project: Any, customer: Any, way: str
) -> None:
    # The files of a newer deployment lie there already, while this process knows version 2.
    project.deploy(3)
    assert project.migrate().code == 0
    before = project.records()

    class Older(Model):
        id: str = Field(primary_key=True)

        class Meta:
            version = 2
            table = "customer"

    app = App("shop", "shop", (), project.root / "shop/redis_migrations", (Older,))
    upgrader = ChainUpgrader([app], writes_back=True)
    keys = ["customer:7", "customer:8"]
    customer._store.run(upgrader.write_back(Older, keys) if way == "write_back" else upgrader.rewrite(Older, keys[0]))

    assert project.records() == before
