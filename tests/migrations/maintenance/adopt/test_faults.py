"""Bad luck in the middle of ``adopt``: killed at any point, raced by the old library and by new readers."""

import random
import signal
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import redis

from redis_models import Model, Store
from redis_models.client.commands import Command, Reply
from redis_models.errors import ConflictError
from redis_models.migrations.maintenance import legacy_table
from redis_models.migrations.maintenance.adopt import Takeover

Contents = Callable[[], dict[bytes, object]]
_MANY = 20_000
_COUNT = 5_000  # five steps
_MODEL = """
from redis_models import Model

class Customer(Model):
    id: str
    name: str
    _primary_key_field = "id"
"""


class Customer(Model):
    id: str
    name: str

    _primary_key_field = "id"


class Killed(BaseException):
    """Stands for kill -9 between two exchanges with the server."""


def _fill(old: Any) -> None:
    """A table with everything in it: keys to rename, dead members, records of no index, a bad record, TTLs."""
    old.fill("customer:", 120)
    for pk in ("a:b", "c:d", "50%", "dead", "a%3Ab"):
        old.insert("customer:", pk, {"id": pk, "name": f"n{pk}"})
    old.insert("customer:", "bad", {"name": "Ann"})
    old.insert("customer:", "bad:2", {"name": "Ann"})
    old.client.delete("customer:dead")
    for pk in ("alone", "all:alone"):
        old.client.hset(f"customer:{pk}", mapping={"id": pk, "name": "Cy"})
    old.client.expire("customer:__index", 1000)


class _Counted:
    """Exchanges batches until the one before or after which it is killed."""

    def __init__(self, client: Any, moment: str, nth: int) -> None:
        self.exchange_for_real, self.moment, self.left = client.exchange, moment, nth

    def __call__(self, commands: Sequence[Command]) -> list[Reply]:
        self.left -= 1
        if self.left == 0 and self.moment == "before":
            raise Killed
        replies: list[Reply] = self.exchange_for_real(commands)
        if self.left == 0:
            raise Killed
        return replies


def test_killed_at_any_point_and_run_again_it_ends_as_if_it_had_not_been(
    old: Any,
    client: Any,
    bound: Store,
    take_over: Callable[..., Takeover],
    contents: Contents,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(legacy_table, "COUNT", 100)  # of a step: there are two
    _fill(old)
    take_over(Customer)
    wanted, nth, was_killed = contents(), 0, True

    while was_killed:
        nth += 1
        client.flushall()
        _fill(old)
        moment = "after" if nth % 2 else "before"
        with monkeypatch.context() as patch:
            patch.setattr(bound.sync_client, "exchange", _Counted(bound.sync_client, moment, nth))
            try:
                take_over(Customer)
                was_killed = False
            except Killed:
                client.delete("redis_models:{default}:lease")  # as if its life had passed: this process is not dead
                take_over(Customer)
        assert contents() == wanted, f"killed {moment} exchange {nth}"

    assert nth > 20


def test_a_copy_that_a_killed_run_left_is_not_trusted(
    old: Any, client: Any, take_over: Callable[..., Takeover]
) -> None:
    old.fill("customer:", 3)
    client.zadd("{customer:__index}:filling", {"customer:since deleted": 0})

    take_over(Customer)

    assert client.zrange("customer:__index", 0, -1) == [b"customer:0", b"customer:1", b"customer:2"]


def test_a_record_that_became_another_tables_after_it_was_read_is_not_renamed(
    old: Any, client: Any, bound: Store, take_over: Callable[..., Takeover], monkeypatch: pytest.MonkeyPatch
) -> None:
    old.insert("customer:", "a:b", {"id": "a:b", "name": "Ann"})
    exchange = bound.sync_client.exchange

    def replace_first(commands: Sequence[Command]) -> list[Reply]:
        if any("take" in command and b"customer:a:b" in command for command in commands):
            client.hset("customer:a:b", mapping={"id": "b", "name": "of customer:a"})
        return exchange(commands)

    monkeypatch.setattr(bound.sync_client, "exchange", replace_first)

    done = take_over(Customer)

    assert [problem.key for problem in done.problems] == ["customer:a:b"]
    assert client.hgetall("customer:a:b") == {b"id": b"b", b"name": b"of customer:a"}


def test_killed_three_times_at_random_instants_it_ends_as_if_it_had_not_been(
    project: Any, old: Any, client: Any, take_over: Callable[..., Takeover], contents: Contents
) -> None:
    project.write("shop/models.py", _MODEL)
    _fill(old)
    old.fill("customer:", _MANY)
    take_over(Customer)
    wanted = contents()
    client.flushall()
    _fill(old)
    old.fill("customer:", _MANY)
    for _ in range(3):
        process = project.start("--json", "adopt")
        for _ in range(random.randrange(1, 15)):
            process.stderr.readline()
        process.kill()
        process.wait()

    done = project.run("adopt")

    assert done.code == 6  # the two bad records
    assert contents() == wanted


def test_interrupted_it_stops_between_two_steps(project: Any, old: Any, client: Any) -> None:
    project.write("shop/models.py", _MODEL)
    old.fill("customer:", _MANY)
    process = project.start("--json", "adopt")
    process.stderr.readline()
    process.send_signal(signal.SIGINT)

    stopped = project.end(process)

    assert stopped.code in (6, 0)  # it may have been through already
    assert project.run("adopt").code == 0
    assert client.zcard("customer:__index") == _MANY


def test_no_acknowledged_record_of_a_live_old_writer_is_lost(project: Any, old: Any, server: Any, bound: Store) -> None:
    project.write("shop/models.py", _MODEL)
    old.fill("customer:", _COUNT)
    written: set[str] = set()
    is_refused, is_warm, is_over = threading.Event(), threading.Event(), threading.Event()

    def write(name: str) -> None:
        with server.client() as client:
            mine = type(old)(client)
            for number in range(10_000_000):
                pk = f"{name}{':' if number % 3 else '-'}{number}"
                try:
                    mine.insert("customer:", pk, {"id": pk, "name": "Ann"}, life_s=1000 if number % 2 else None)
                    written.add(pk)
                except redis.ResponseError:
                    is_refused.set()
                if number == 200:
                    is_warm.set()
                if is_over.is_set():
                    return

    writers = [threading.Thread(target=write, args=(name,)) for name in "ab"]
    for writer in writers:
        writer.start()
    is_warm.wait()
    first = project.run_apart("adopt")
    is_refused.wait()
    is_over.set()
    for writer in writers:
        writer.join()

    # What was acknowledged is there at once; the second run is for the index's TTL, which the writers gave it.
    bound.register_model(Customer)
    found = {customer.id for customer in Customer.sync.select() or []}
    assert first.code == 0, first.err
    assert written <= found
    assert {str(number) for number in range(_COUNT)} <= found
    assert project.run("adopt").code == 0
    assert old.client.pttl("customer:__index") == -1


def test_a_live_reader_sees_the_whole_table_or_an_error(project: Any, old: Any, server: Any) -> None:
    project.write("shop/models.py", _MODEL)
    old.fill("customer:", _COUNT)
    counts: set[int] = set()
    is_over = threading.Event()

    def read() -> None:
        store = Store.from_url(server.url)
        store.register_model(Customer)
        while not is_over.is_set() or _COUNT not in counts:
            try:
                counts.add(Customer.sync.count())
            except ConflictError:
                continue
        store.close()

    reader = threading.Thread(target=read)
    reader.start()
    done = project.run_apart("adopt")
    is_over.set()
    reader.join()

    assert done.code == 0
    assert counts == {_COUNT}
