"""Indexes are built while others write, are killed and begin again; then they lack nothing, and hold nothing else."""

import json
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from redis_models import Field, Model, Store
from redis_models.client.commands import Command
from redis_models.errors import (
    ConflictError,
    DuplicateValuesError,
    ServerUnreachableError,
    UniqueError,
)
from redis_models.records import build_indexes as building
from redis_models.records.build_indexes import build_indexes

from .index_check import differences
from .ships import INDEXES, NewerShip, OlderShip, Ship, bound, fleet, lies_right, run_between, states_of, try_to_write


@pytest.fixture(autouse=True)
def _tables(store: Store, server: Any) -> Iterator[None]:
    with bound(store, OlderShip, NewerShip):
        yield


def _build(store: Store, between: Callable[[int, Sequence[Command]], object], **options: Any) -> Any:
    return run_between(store, build_indexes(Ship.__mapper__, None, **options), between)


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scan few keys and enter few records at a time, so that much comes in between."""
    monkeypatch.setattr(building, "_CHUNK", 3)
    monkeypatch.setattr(building, "_SCANNED", 5)


def _build_and_put_right(build: Callable[[], object]) -> None:
    """Build, and delete the second of each two records that have one value, until there are none."""
    while True:
        try:
            build()
            return
        except DuplicateValuesError as exc:
            OlderShip.sync.delete([key.removeprefix("ship:") for key, _ in exc.pairs])


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("seed", range(12))
def test_code_of_all_ages_writes_while_they_are_built(store: Store, client: Any, seed: int) -> None:
    draw = random.Random(seed)
    models = (Ship, OlderShip, NewerShip)
    OlderShip.sync.insert(fleet(30))
    for _ in range(20):
        try_to_write(draw, draw.choice(models))

    def write(number: int, commands: Sequence[Command]) -> None:
        for _ in range(draw.randrange(4)):
            try_to_write(draw, draw.choice(models))

    _build_and_put_right(lambda: _build(store, write))

    assert lies_right(client)
    for _ in range(30):
        try_to_write(draw, draw.choice(models))
    assert lies_right(client)
    # The server checks no value of a version that it knows nothing of.
    _build_and_put_right(NewerShip.sync.build_indexes)
    assert lies_right(client)


@pytest.mark.usefixtures("small_steps")
def test_a_build_that_was_killed_anywhere_is_continued_by_the_next(store: Store, client: Any) -> None:
    class Killed(BaseException):
        pass

    def kill_at(step: int) -> Callable[[int, Sequence[Command]], None]:
        def kill(number: int, commands: Sequence[Command]) -> None:
            if number == step:
                raise Killed

        return kill

    step = 0
    while True:
        client.flushall()
        OlderShip.sync.insert(fleet(20))
        try:
            _build(store, kill_at(step))
            break
        except Killed:
            OlderShip.sync.patch("f1", tons=-step)
            left = [] if _is_done(client) else INDEXES
            assert Ship.sync.build_indexes() == left
            assert lies_right(client)
        step += 1
    assert step > 15


def _is_done(client: Any) -> bool:
    raw = client.hget("ship:__index:_definitions", "states")
    return raw is not None and set(json.loads(raw).values()) == {"ready"}


@pytest.mark.usefixtures("small_steps")
def test_two_builders_at_once_share_the_work_and_agree(store: Store, client: Any) -> None:
    OlderShip.sync.insert(fleet(60))
    found: list[list[str]] = []

    def begin_another(number: int, commands: Sequence[Command]) -> None:
        if number == 8:
            found.append(Ship.sync.build_indexes())

    found.append(_build(store, begin_another))

    assert found == [INDEXES, []]  # the second one, which began later, was ready first
    assert lies_right(client)


def test_builders_in_threads_agree(store: Store, client: Any) -> None:
    OlderShip.sync.insert(fleet(3000))
    results: list[list[str]] = []
    stores = [Store.from_url(store.address) for _ in range(4)]

    def build(own: Store) -> None:
        results.append(own.run(build_indexes(Ship.__mapper__, None)))

    threads = [threading.Thread(target=build, args=(own,)) for own in stores]
    for thread in threads:
        thread.start()
    for number in range(100):
        OlderShip.sync.patch(f"f{number}", name="changed")
    for thread in threads:
        thread.join()
    for own in stores:
        own.close()

    assert len(results) == 4
    assert INDEXES in results
    assert lies_right(client)


@pytest.mark.usefixtures("small_steps")
def test_an_index_that_is_dropped_and_begun_anew_meanwhile_is_not_ready_before_it_is_full(
    store: Store, client: Any
) -> None:
    OlderShip.sync.insert(fleet(60))
    keys = Ship.__mapper__.keys

    class Nameless(Model):
        id: str = Field(primary_key=True)

        class Meta:
            table = "ship"

    other = Store.from_url(store.address)
    other.register_model(Nameless)

    def drop_and_begin(number: int, commands: Sequence[Command]) -> None:
        if number == 20:
            Nameless.sync.build_indexes(drop=["name"])
            batches = build_indexes(Ship.__mapper__, None)
            commands = next(batches)
            while commands[0][0] != "SCAN":
                commands = batches.send(store.sync_client.exchange(commands))
            assert client.zcard(keys.field_index("name")) == 0
            batches.close()  # killed once it has defined the index

    assert _build(store, drop_and_begin) == INDEXES
    assert lies_right(client)
    other.close()


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("step", range(0, 40, 3))
def test_what_the_server_lost_meanwhile_is_defined_and_built_again(store: Store, client: Any, step: int) -> None:
    OlderShip.sync.insert(fleet(20))

    def lose(number: int, commands: Sequence[Command]) -> None:
        if number == step:
            client.flushall()
            OlderShip.sync.insert(fleet(10))

    assert _build(store, lose) == INDEXES
    assert lies_right(client)


@pytest.mark.usefixtures("small_steps")
def test_a_server_that_starts_from_an_older_copy_meanwhile_has_them_built_again(
    new_server: Callable[..., Any],
) -> None:
    """It has the records and the definitions, but only half of what was entered, and knows of no build."""
    server = new_server()
    store = Store.from_url(server.url)
    with bound(store, OlderShip), server.client() as client:
        OlderShip.sync.insert(fleet(30))
        seen: list[str] = []

        def restart(number: int, commands: Sequence[Command]) -> None:
            seen.append(str(commands[0][0]))
            if seen.count("SCAN") == 2 and len(seen) > 3 and seen[-1] == "SCAN":
                client.save()
            if seen.count("ZSCAN") == 1 and seen[-1] == "EVALSHA":
                server.kill()
                server.start()

        assert _build(store, restart) == INDEXES
        assert seen.count("ZSCAN") > 1
        assert lies_right(client)


def test_duplicates_are_named_pair_by_pair_and_the_build_goes_on_once_they_are_put_right(
    store: Store, client: Any
) -> None:
    OlderShip.sync.insert([OlderShip(id=id, plate=plate) for id, plate in zip("abcde", "xxyxy", strict=True)])

    with pytest.raises(DuplicateValuesError) as caught:
        Ship.sync.build_indexes()

    first = caught.value.pairs
    assert sorted(len({*pair}) for pair in first) == [2, 2, 2]
    assert {frozenset(pair) for pair in first} >= {frozenset({"ship:c", "ship:e"})}
    assert caught.value.index == "plate"
    assert states_of(client) == {name: "building" if name == "plate" else "ready" for name in INDEXES}
    assert differences(client, Ship.__mapper__.keys) == []

    with pytest.raises(DuplicateValuesError) as caught:
        Ship.sync.build_indexes()
    assert len(caught.value.pairs) == 3

    OlderShip.sync.patch("a", plate="z")
    OlderShip.sync.delete("c")
    with pytest.raises(UniqueError):  # while two records have it, no third may get it
        OlderShip.sync.insert(OlderShip(id="f", plate="x"))
    with pytest.raises(DuplicateValuesError) as caught:
        Ship.sync.build_indexes()
    assert [sorted(pair) for pair in caught.value.pairs] == [["ship:b", "ship:d"]]

    OlderShip.sync.patch("b", plate="w")
    assert Ship.sync.build_indexes() == ["plate"]
    assert lies_right(client)


def test_many_with_one_value_are_named_once_each(store: Store, client: Any) -> None:
    OlderShip.sync.insert([OlderShip(id=f"{number:04}", plate="x") for number in range(1500)])

    for _ in range(2):
        with pytest.raises(DuplicateValuesError, match="and 995 more pairs") as caught:
            Ship.sync.build_indexes()

        assert len({frozenset(pair) for pair in caught.value.pairs}) == 1000


def test_a_value_that_cannot_be_unique_is_named_by_itself(client: Any) -> None:
    OlderShip.sync.insert([OlderShip(id="a", plate="x" * 257), OlderShip(id="b", plate="x" * 256)])

    with pytest.raises(DuplicateValuesError, match="'ship:a' has a value that cannot be unique") as caught:
        Ship.sync.build_indexes()

    assert caught.value.pairs == (("ship:a", ""),)
    assert differences(client, Ship.__mapper__.keys) == []


def test_a_value_that_changes_hands_during_the_build_is_no_duplicate(store: Store, client: Any) -> None:
    OlderShip.sync.insert([OlderShip(id="a", plate="x"), OlderShip(id="b")])

    def hand_over(number: int, commands: Sequence[Command]) -> None:
        if commands and commands[0][0] == "SCAN":
            OlderShip.sync.patch("a", plate=None)
            OlderShip.sync.patch("b", plate="x")

    assert _build(store, hand_over) == INDEXES
    assert lies_right(client)


@pytest.mark.parametrize("name", ["name", "tons", "plate", "_others"])
def test_a_key_of_another_type_stops_the_build_and_is_named(client: Any, name: str) -> None:
    OlderShip.sync.insert([*fleet(5), OlderShip(id="x")])
    client.hdel("ship:x", "name")
    real = OlderShip.__mapper__.keys.field_index(name)

    def spoil(number: int, commands: Sequence[Command]) -> None:
        if commands and commands[0][0] == "SCAN":
            client.set(real, "text")

    with pytest.raises(ConflictError, match=f"{real}: is not a sorted set"):
        _build(Ship._store, spoil)  # type: ignore[arg-type]

    client.delete(real)
    assert Ship.sync.build_indexes()
    assert lies_right(client)


def test_keys_that_hold_no_record_are_passed_over(client: Any) -> None:
    client.set("ship:text", "x")
    client.rpush("ship:list", "x")
    client.hset("ship:other:of another table", "name", "x")
    OlderShip.sync.insert(fleet(3))

    Ship.sync.build_indexes()

    assert client.zcard("ship:__index:name") == 3
    assert not client.exists("ship:__index:_others")


def test_leftovers_of_lost_definitions_are_emptied(client: Any) -> None:
    client.zadd("ship:__index:name", {b"=old\0gone": 0})
    client.zadd("ship:__index:_others", {"gone": 0})

    Ship.sync.build_indexes()

    assert not client.exists("ship:__index:name", "ship:__index:_others")


def test_who_may_not_ask_for_the_run_of_the_server_builds_all_the_same(server: Any, client: Any) -> None:
    OlderShip.sync.insert(fleet(5))
    client.execute_command("ACL", "SETUSER", "bob", "reset", "on", ">pw", "~*", "+@all", "-info")
    bob = Store.from_url(f"unix://bob:pw@{server.socket_path}")

    assert bob.run(build_indexes(Ship.__mapper__, None)) == INDEXES

    assert lies_right(client)
    bob.close()
    client.execute_command("ACL", "DELUSER", "bob")


def test_a_build_through_a_connection_that_breaks_can_be_called_again(
    store: Store, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    OlderShip.sync.insert(fleet(20))

    def cut(number: int, commands: Sequence[Command]) -> None:
        if number == 9:
            raise ServerUnreachableError("cut", False)

    with pytest.raises(ServerUnreachableError):
        _build(store, cut)

    assert Ship.sync.build_indexes() == INDEXES
    assert lies_right(client)
