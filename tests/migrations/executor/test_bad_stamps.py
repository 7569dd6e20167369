"""Records whose stamp is none: each command names them, and takes none of them for one of some version."""

from collections.abc import Callable
from typing import Any

import pytest

from redis_models.migrations import AlterKeys, CreateModel, RenameField
from redis_models.migrations.chain.chain import Chain

_BAD = {"5,000 digits": b"3" * 5000, "a 0 in front": b"01", "nothing": b"", "an exponent": b"1e0", "no text": b"\xfe"}
bad_stamps = pytest.mark.parametrize("stamp", _BAD.values(), ids=_BAD)


def _spoil(project: Any, stamp: bytes) -> None:
    project.deploy(2)
    project.migrate("shop", "1")
    project.fill(4)
    with project.server.client() as client:
        client.hset("customer:2", "_v", stamp)


@bad_stamps
def test_migrate_stops_at_it_and_names_it(project: Any, stamp: bytes) -> None:
    _spoil(project, stamp)

    ran = project.migrate("--ignore-sample")

    assert ran.code == 6
    assert "customer:2: field '_v' holds b" in ran.err and "the stamp must be a whole number" in ran.err
    assert len(ran.err) < 1500 and "Traceback" not in ran.err
    assert project.records()["customer:2"]["_v"] == stamp


@bad_stamps
def test_quarantine_holds_it_and_verify_names_it(project: Any, stamp: bytes) -> None:
    _spoil(project, stamp)

    assert project.migrate("--ignore-sample", "--on-error", "quarantine").code == 1
    listed, verified = project.run("quarantine", "list"), project.run("verify")
    with project.server.client() as client:
        client.hset("customer:2", "_v", 1)
    again = project.run("quarantine", "retry", "customer:2")

    assert "customer:2" in listed.out and "the stamp must be a whole number" in listed.out
    assert verified.code == 1 and "problem stamp: 1" in verified.out and len(verified.out) < 1500
    assert again.code == 0
    assert project.records()["customer:2"]["_v"] == b"2"


@bad_stamps
@pytest.mark.parametrize(
    "command",
    [
        ("migrate", "--plan"), ("migrate", "--check"), ("showmigrations",), ("diff",), ("inspectdb", "--sample", "9"),
        ("check", "--database"), ("history",),
    ],
    ids="-".join,
)  # fmt: skip
def test_commands_that_only_look_are_not_stopped_by_it(project: Any, stamp: bytes, command: tuple[str, ...]) -> None:
    _spoil(project, stamp)
    with project.server.client() as client:
        client.hset("barrel:1", mapping={"_v": stamp, "id": "1"})  # of no model

    ran = project.run(*command)

    assert ran.code in (0, 1), ran.err
    assert "Traceback" not in ran.err and len(ran.out + ran.err) < 4000


@bad_stamps
@pytest.mark.parametrize("command", [("migrate", "--dry-run"), ("explain", "shop", "2", "--key", "customer:2")])
def test_reading_it_reports_the_reason(project: Any, stamp: bytes, command: tuple[str, ...]) -> None:
    _spoil(project, stamp)

    ran = project.run(*command)

    assert ran.code != 0
    assert "customer:2" in ran.out + ran.err and "the stamp must be a whole number" in ran.out + ran.err
    assert "Traceback" not in ran.err and len(ran.out + ran.err) < 4000


@pytest.mark.parametrize("stamp", [b"1e9", b"0x7", b" 7", b"07", b"7" * 5000])
def test_a_record_is_not_moved_as_if_its_stamp_were_a_later_version(
    database: Any, chain: Callable[..., Chain], stamp: bytes
) -> None:
    create = CreateModel("Customer", {"id": "str", "name": "str"}, "id", "customer")
    links = chain(
        ({"Customer": 1}, [create]),
        ({"Customer": 2}, [RenameField("Customer", "name", "full_name")]),
        ({"Customer": 3}, [AlterKeys("Customer", table="client")]),
    )
    database.migrate(links, 2)
    database.put("customer:1", _v="2", id="1", full_name="Ann")
    database.put("customer:2", _v=stamp, id="2", full_name="Bo")

    with pytest.raises(Exception, match=r"customer:2: field '_v' holds .*: the stamp must be a whole number"):
        database.migrate(links)

    assert database.client.hgetall("customer:2") == {b"_v": stamp, b"id": b"2", b"full_name": b"Bo"}
    assert not database.client.exists("client:2")
