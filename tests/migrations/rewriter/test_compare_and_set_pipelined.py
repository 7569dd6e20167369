"""Records that Python rewrites while the server writes others: whatever happens between, each has its last value."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redis_models import Store
from redis_models.client.commands import RoundTrips
from redis_models.client.drivers import run
from redis_models.errors import LockedError
from redis_models.migrations.chain.upgrade_path import UpgradePath, VersionStep
from redis_models.migrations.edits.record_edit import RecordEdit
from redis_models.migrations.edits.steps import Compute, Move, Put
from redis_models.migrations.keyspace.results import Fence, Outcome
from redis_models.migrations.rewriter.compare_and_set import rewrite_here
from redis_models.migrations.rewriter.program import compile_program
from redis_models.migrations.rewriter.server_side import start_in_server

Result = TypeVar("Result")
_LEASE: Final = "the-lease"
_FENCE: Final = Fence(_LEASE, 7, False)
_COUNT: Final = 60
_KEYS: Final = [b"m:%d" % number for number in range(_COUNT)]
# What code of before a migration does: it writes a record of its version, and no other.
_OLD_WRITE: Final = """
if redis.call('HGET', KEYS[1], '_v') ~= '1' then return 0 end
redis.call('HSET', KEYS[1], 'a', ARGV[1])
return 1
"""


def _double(draft: RecordEdit) -> None:
    draft.set("b", (draft.get("a") or b"") * 2)


_BY_PYTHON: Final = UpgradePath(
    "M", (VersionStep(1, 2, (Compute("b", _double, None, lambda name, raw, other: False),)),), 1
)
_BY_SERVER: Final = UpgradePath("M", (VersionStep(1, 2, (Move("a", "b"), Put("c", b"new"))),), 1)


@pytest.fixture(params=["", "?max_connections=1"])
def driver(server: Any, client: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    store = Store("s", url=f"{server.url}{request.param}", timeout_s=5)
    yield store.sync_client
    store.close()


def _disturbed(batches: RoundTrips[Result], act: Callable[[], object]) -> RoundTrips[Result]:
    try:
        commands = next(batches)
        while True:
            act()
            try:
                replies = yield commands
            except BaseException as exc:
                commands = batches.throw(exc)
            else:
                commands = batches.send(replies)
    except StopIteration as end:
        result: Result = end.value
        return result


def _fill(client: Any) -> None:
    client.flushall()
    client.hset(_LEASE, "epoch", 7)
    with client.pipeline(transaction=False) as pipeline:
        for key in _KEYS:
            pipeline.hset(key, mapping={"a": b"before", "_v": 1})
        pipeline.execute()


def _records(client: Any) -> list[dict[bytes, bytes]]:
    with client.pipeline(transaction=False) as pipeline:
        for key in _KEYS:
            pipeline.hgetall(key)
        found: list[dict[bytes, bytes]] = pipeline.execute()
    return found


_places = st.integers(0, _COUNT - 1)
_acts = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.just(list(range(_COUNT))) | st.lists(_places, min_size=1, max_size=5)),
        st.tuples(st.just("delete"), st.lists(_places, min_size=1, max_size=2)),
        st.tuples(st.sampled_from(["flush", "hang up", "nothing", "nothing"]), st.just(list[int]())),
    ),
    max_size=20,
)


def _actor(client: Any, acts: list[tuple[str, list[int]]], written: dict[int, bytes], deleted: set[int]) -> Any:
    left, numbers = iter(acts), itertools.count()

    def act() -> None:
        what, places = next(left, ("nothing", list[int]()))
        for place in places:
            if what == "delete":
                client.delete(_KEYS[place])
                deleted.add(place)
            elif client.eval(_OLD_WRITE, 1, _KEYS[place], raw := b"later %d" % next(numbers)):
                written[place] = raw
        if what == "flush":
            client.script_flush()
        elif what == "hang up":
            client.client_kill_filter(_type="normal", skipme=True)

    return act


@given(acts=_acts, at_once=st.sampled_from([7, 20, 100]), again=st.lists(_places, max_size=5))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_write_of_others_is_lost_to_what_was_computed_before_it(
    driver: Any, client: Any, acts: list[tuple[str, list[int]]], at_once: int, again: list[int]
) -> None:
    _fill(client)
    written: dict[int, bytes] = {}
    deleted: set[int] = set()
    # SCAN may give a key twice.
    keys = [*_KEYS, *(_KEYS[place] for place in again)]

    operation = rewrite_here(_FENCE, _BY_PYTHON, 2, keys, at_once, is_unthrottled=True)
    outcome = run(driver, _disturbed(operation, _actor(client, acts, written, deleted)))

    for place, record in enumerate(_records(client)):
        value = written.get(place, b"before")
        if place in deleted:
            assert record == {}
        else:
            assert {name: record[name] for name in (b"a", b"b", b"_v")} == {b"a": value, b"b": value * 2, b"_v": b"2"}
    assert outcome.failures == []
    assert outcome.contested == 0
    assert outcome.changed + outcome.skipped + outcome.gone >= _COUNT


@given(acts=_acts, cut=st.integers(1, 30), at_once=st.integers(1, 30))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_two_batches_in_flight_give_the_result_of_one_script(
    driver: Any, client: Any, acts: list[tuple[str, list[int]]], cut: int, at_once: int
) -> None:
    _fill(client)
    program = compile_program(_BY_SERVER, 2)
    written: dict[int, bytes] = {}
    deleted: set[int] = set()

    def deal() -> RoundTrips[Outcome]:
        total = Outcome()
        shares = [_KEYS[start : start + cut] for start in range(0, _COUNT, cut)]
        begun = yield from start_in_server(_FENCE, program, 2, shares[0], at_once)
        for share in shares[1:]:
            following = yield from start_in_server(_FENCE, program, 2, share, at_once)
            total.add((yield from begun.wait()))
            begun = following
        total.add((yield from begun.wait()))
        return total

    outcome = run(driver, _disturbed(deal(), _actor(client, acts, written, deleted)))

    for place, record in enumerate(_records(client)):
        if place in deleted:
            assert record == {}
        else:
            assert record == {b"b": written.get(place, b"before"), b"c": b"new", b"_v": b"2"}
    assert outcome.failures == []
    assert outcome.changed + outcome.skipped + outcome.gone == _COUNT


@pytest.mark.parametrize("at", range(6))
def test_a_lease_that_is_lost_between_flights_stops_all_that_follows(driver: Any, client: Any, at: int) -> None:
    _fill(client)
    number = 0

    def lose() -> None:
        nonlocal number
        if number == at:
            client.hset(_LEASE, "epoch", 8)
            frozen.extend(_records(client))
        number += 1

    frozen: list[dict[bytes, bytes]] = []
    with pytest.raises(LockedError):
        run(driver, _disturbed(rewrite_here(_FENCE, _BY_PYTHON, 2, _KEYS, 10, is_unthrottled=True), lose))

    # What was sent before may have been executed after the look; what is sent later is not.
    changed = [record for record, other in zip(_records(client), frozen, strict=True) if record != other]
    assert len(changed) <= 10
    assert all(
        record.keys() in ({b"a", b"_v"}, {b"a", b"b", b"_v"}) or record[b"_v"] == b"2" for record in _records(client)
    )


@pytest.mark.parametrize("at", range(8))
def test_a_write_between_any_two_batches_is_in_what_is_computed(driver: Any, client: Any, at: int) -> None:
    _fill(client)
    written: dict[int, bytes] = {}
    acts = [("nothing", list[int]())] * at + [("write", list(range(_COUNT)))]

    operation = rewrite_here(_FENCE, _BY_PYTHON, 2, _KEYS, 20, is_unthrottled=True)
    outcome = run(driver, _disturbed(operation, _actor(client, acts, written, set())))

    assert outcome == Outcome(changed=_COUNT)
    values = [written.get(place, b"before") for place in range(_COUNT)]
    assert [(record[b"a"], record[b"b"]) for record in _records(client)] == [(raw, raw * 2) for raw in values]
