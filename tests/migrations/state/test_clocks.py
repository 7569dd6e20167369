"""Clocks that are set: the lease goes by the server's time and by how long it has been, never by a client's date."""

import datetime
import time
from collections.abc import Callable
from typing import Any

import pytest

from redis_models.errors import LockedError, RedisModelsError
from redis_models.migrations import AddField, CreateModel
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.executor import pass_runner, recorder
from redis_models.migrations.state import receipts
from redis_models.migrations.state.lease import hold_lease

_HOUR_MS = 3_600_000
_LEASE = "redis_models:{default}:lease"


def _next(old: Any) -> str:
    return f"{old.x}+"


@pytest.fixture
def links(database: Any, chain: Callable[..., Chain]) -> Chain:
    """A chain, thirty records of its first version, and an exchange after every ten of them."""
    created = CreateModel("A", {"id": "str", "x": "str"}, "id", "a")
    made = chain(({"A": 1}, [created]), ({"A": 2}, [AddField("A", "y", "str", fill=_next)]))
    database.migrate(made, 1)
    for number in range(30):
        database.put(f"a:{number}", _v="1", id=str(number), x="1")
    return made


def test_a_clients_date_may_jump_to_and_fro(database: Any, links: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    jumps = list[int]()

    class Jumping(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> "Jumping":
            jumps.append(1)
            return cls(2001 if len(jumps) % 2 else 2061, 1, 1, tzinfo=tz)

    def asked() -> float:
        raise AssertionError("a test asks for this machine's date")

    for module in (pass_runner, receipts, recorder):
        monkeypatch.setattr(module, "datetime", Jumping)
    monkeypatch.setattr(pass_runner, "_CHECKPOINT_S", 0.0)
    monkeypatch.setattr(time, "time", asked)
    database.migrate(links)
    monkeypatch.undo()

    assert len(jumps) > 3
    assert {database.client.hget(f"a:{number}", "y") for number in range(30)} == {b"1+"}


@pytest.mark.parametrize("ahead_ms", [_HOUR_MS, -_HOUR_MS], ids=["ahead", "back"])
def test_the_servers_clock_may_be_set_at_any_moment(
    database: Any, links: Chain, watched: Callable[..., Any], ahead_ms: int
) -> None:
    # That the clock is set and that the end of the lease is moved the other way is the same for everybody.
    began = int(database.client.hget(_LEASE, "epoch"))

    def set_clock() -> None:
        if database.client.hexists(_LEASE, "until"):
            database.client.hincrby(_LEASE, "until", -ahead_ms)

    database.migrate(links, exchange=watched(set_clock))

    assert {database.client.hget(f"a:{number}", "y") for number in range(30)} == {b"1+"}
    assert int(database.client.hget(_LEASE, "epoch")) > began
    assert not database.client.hexists(_LEASE, "until")


def test_whom_a_clock_that_was_set_ahead_lets_in_shuts_the_first_one_out(
    database: Any, links: Chain, watched: Callable[..., Any]
) -> None:
    exchanges = 0

    def overtake() -> None:
        nonlocal exchanges
        exchanges += 1
        if exchanges == 12:
            database.client.hincrby(_LEASE, "until", -_HOUR_MS)
            database.migrate(links)
            wanted.append(database.dump())

    wanted = list[Any]()
    with pytest.raises(RedisModelsError) as fenced:
        database.migrate(links, exchange=watched(overtake))

    assert isinstance(fenced.value, LockedError)
    assert wanted == [database.dump()]


def test_after_a_clock_was_set_back_a_dead_holder_of_another_machine_is_waited_for_or_ended(
    database: Any, project: Any
) -> None:
    with hold_lease(database.exchange, "default", life_s=10):
        database.client.hset(_LEASE, "holder", '{"host": "other", "pid": 1, "machine": "m", "started": "1"}')
        database.client.hincrby(_LEASE, "until", _HOUR_MS)
        project.deploy(3)
        refused = project.run("migrate", "--yes", "--allow-destructive")
        ended = project.run("migrate", "--abort")
        done = project.run("migrate", "--yes", "--allow-destructive")

    assert (refused.code, ended.code, done.code) == (4, 0, 0)
    assert "being run by other (process 1)" in refused.err
