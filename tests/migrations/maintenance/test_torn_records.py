"""verify names records that an earlier release left torn, because the access list refused part of a rewrite."""

from collections.abc import Callable
from typing import Any

import pytest

from redis_models import Field, Model, Store
from redis_models.migrations.maintenance.record_check import torn_fields


def _torn_there(client: Any) -> None:
    """Leave what a denied HDEL left: new fields, the new stamp, and the old fields."""
    client.hset("customer:3", mapping={"name": "n3", "legacy_ref": "r3"})


def _torn_back(client: Any) -> None:
    client.hset("customer:3", mapping={"full_name": "n3", "currency": "EUR"})


def _ended(client: Any) -> None:
    """Leave what a denied HPEXPIREAT left: the TTL is the old field's."""
    client.hset("customer:3", "name", "n3")
    client.execute_command("HPEXPIREAT", "customer:3", 4_000_000_000_000, "FIELDS", 1, "name")


@pytest.fixture
def filled(project: Any) -> Any:
    project.deploy(2)
    project.migrate("shop", "1")
    project.fill(6)
    assert project.migrate().code == 0
    assert project.run("verify").code == 0
    return project


def _damage(project: Any, damage: Callable[[Any], None]) -> None:
    with project.server.client() as client:
        damage(client)


def test_fields_of_the_version_before_are_named_with_what_to_type(filled: Any) -> None:
    _damage(filled, _torn_there)

    whole, sampled = filled.run("verify"), filled.run("verify", "--sample", "100")

    for ran in (whole, sampled):
        assert ran.code == 1
        assert "problem torn: 2" in ran.out and "undeclared" not in ran.out
        assert "customer:3: has the stamp of version 2 and field 'name' of another version" in ran.out
        assert "'HDEL customer:3 legacy_ref'" in ran.out


@pytest.mark.needs_command("HPEXPIREAT")
def test_a_ttl_that_may_be_lost_is_reported(filled: Any) -> None:
    _damage(filled, _ended)

    assert (
        "which expires at 4000000000000 ms since 1970; its new field may need the same TTL" in filled.run("verify").out
    )


def test_fields_of_a_version_that_no_file_has_are_undeclared(filled: Any) -> None:
    assert filled.migrate("shop", "1").code == 0
    filled.deploy(1, files=1)
    (filled.root / "shop/redis_migrations/0002_rename.py").unlink()
    _damage(filled, _torn_back)

    ran = filled.run("verify")

    # Without the later file, the fields of the later version are unknown.
    assert "note undeclared: 2" in ran.out


def test_an_extra_field_of_an_old_name_is_torn_only_if_it_is_what_was_kept(store: Store) -> None:
    class Loose(Model, extra="allow"):
        id: str = Field(primary_key=True)
        _version = 2

    store.register_model(Loose)
    record = {"_v": b"2", "id": b"1", "town": b"Rome", "_b2.0.town": b"Rome"}
    mapper, others = Loose.__mapper__, {"town"}

    assert list(torn_fields(mapper, record, others)) == ["town"]
    assert list(torn_fields(mapper, {**record, "town": b'"meant"'}, others)) == []
    assert list(torn_fields(mapper, {**record, "_v": b"9" * 5000}, others)) == []


def test_a_record_that_is_not_at_the_version_is_not_called_torn(filled: Any) -> None:
    _damage(filled, lambda client: client.hset("customer:3", mapping={"_v": 1, "name": "n3"}))

    ran = filled.run("verify")

    assert "problem older: 1" in ran.out and "torn" not in ran.out
