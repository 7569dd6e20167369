"""Quarantine beside moves, other writers, other runners and the server's own conversions: nothing is lost there."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from redis_models.client.commands import RoundTrips
from redis_models.client.drivers import run
from redis_models.errors import ConflictError, DriftError, IncompleteError, LockedError, MigrationError
from redis_models.migrations import AlterField, AlterKeys, CreateModel, MapValues, RenameField
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.maintenance.retry import drop_record, retry_records
from redis_models.migrations.state.lease import hold_lease
from redis_models.migrations.state.quarantine import Quarantine, QuarantinedRecord

_QUARANTINE = Quarantine("default", "shop")
_STATUS = "Enum(NEW='new', OLD='old')"
_CREATED = ({"A": 1}, [CreateModel("A", {"id": "str", "x": "str", "status": _STATUS}, "id", "a")])
_CONVERTED = AlterField("A", "x", old="str", new="int", convert=int, back=str)


@pytest.fixture
def filled(database: Any) -> Any:
    """Twenty records, of which a:7 cannot become what the migrations want."""
    for number in range(20):
        database.put(f"a:{number}", _v="1", id=str(number), x=str(number), status='"new"')
    database.client.hset("a:7", mapping={"x": "seven", "status": '"odd"'})
    return database


def _held(database: Any) -> dict[str, QuarantinedRecord]:
    found: dict[str, QuarantinedRecord] = run(database.exchange, _QUARANTINE.read())
    return found


def _retry(database: Any, links: Chain, *keys: str) -> dict[str, str | None]:
    with hold_lease(database.exchange, "default", life_s=10) as lease:
        entries = [_held(database)[key] for key in keys]
        done: dict[str, str | None] = run(database.exchange, retry_records(lease, "default", links, entries))
        return done


def test_what_the_server_cannot_convert_goes_to_quarantine_beside_what_it_can(
    filled: Any, chain: Callable[..., Chain]
) -> None:
    mapped = AlterField("A", "status", _STATUS, "Enum(NEW='new')", MapValues({"old": "new"}))
    links = chain(_CREATED, ({"A": 2}, [mapped, RenameField("A", "x", "y")]))
    filled.client.hset("a:8", "_v", "12")
    filled.client.set("a:text", "1")
    before = filled.dump()

    filled.migrate(links, most_errors=3)

    quarantined = _held(filled)
    assert quarantined.keys() == {"a:7", "a:8", "a:text"}
    assert "field 'status' holds b'\"odd\"'" in quarantined["a:7"].reason
    assert "pull the newer files" in quarantined["a:8"].reason
    assert "does not hold a hash" in quarantined["a:text"].reason
    after = filled.dump()
    assert {key: after[key] for key in quarantined if key != "a:text"} == {
        key: before[key] for key in quarantined if key != "a:text"
    }
    assert after["a:9"][0].items() >= {b"_v": b"2", b"y": b"9"}.items()


def test_quarantined_records_do_not_block_other_keys_and_follow_when_repaired(
    filled: Any, chain: Callable[..., Chain]
) -> None:
    links = chain(_CREATED, ({"A": 2}, [_CONVERTED, AlterKeys("A", table="b")]))
    before = filled.dump()

    moved = filled.migrate(links, most_errors=1)
    after = filled.dump()
    again = _retry(filled, links, "a:7")
    filled.client.hset("a:7", "x", "7")
    through = _retry(filled, links, "a:7")

    assert moved == 19
    assert {key for key in after if key.startswith("a:")} == {"a:7", "a:__index"}
    assert (after["a:7"], after["a:__index"]) == (before["a:7"], [b"a:7"])
    assert "'seven'" in str(again["a:7"])
    assert through == {"a:7": ""}
    after = filled.dump()
    assert {key for key in after if key.startswith("a:")} == set()
    assert b"b:7" in after["b:__index"]
    assert _held(filled) == {}
    filled.migrate(links, 1)
    back = filled.dump()
    assert back["a:7"][0][b"x"] == b"7"
    assert {key: back[key] for key in before if key != "a:7"} == {key: before[key] for key in before if key != "a:7"}


def test_the_way_back_meets_a_record_that_stayed_at_its_old_key(filled: Any, chain: Callable[..., Chain]) -> None:
    links = chain(_CREATED, ({"A": 2}, [_CONVERTED, AlterKeys("A", table="b")]))
    before = filled.dump()
    filled.migrate(links, most_errors=1)

    filled.migrate(links, 1)

    assert filled.dump() == before
    assert _held(filled) == {}


def test_a_record_whose_new_key_is_taken_is_quarantined_and_stops_no_later_run(
    filled: Any, chain: Callable[..., Chain], watched: Callable[..., Any]
) -> None:
    links = chain(_CREATED, ({"A": 2}, [AlterKeys("A", table="b")]), ({"A": 3}, [RenameField("A", "x", "y")]))

    def take() -> None:  # behind the look for collisions
        if filled.client.hget("a:3", "_v") == b"2":
            filled.client.hsetnx("b:3", "other", "1")

    moved = filled.migrate(links, 2, watched(take), most_errors=1)
    quarantined = _held(filled)
    filled.migrate(links)  # allows none
    filled.client.rename("b:3", "elsewhere")
    through = _retry(filled, links, "a:3")

    assert moved == 19
    assert quarantined.keys() == {"a:3"}
    assert "its new key b:3 is taken" in quarantined["a:3"].reason
    assert through == {"a:3": ""}
    assert filled.client.hmget("b:3", "_v", "y") == [b"3", b"3"]


def test_a_record_that_cannot_be_moved_is_tried_by_the_next_run_and_stops_it_not(
    filled: Any, chain: Callable[..., Chain]
) -> None:
    links = chain(_CREATED, ({"A": 2}, [AlterKeys("A", table="b")]))
    for key in ("a:%41", "a:%42"):  # spelled as the library does not
        filled.put(key, _v="1", id="1", x="1", status='"new"')
    with pytest.raises(IncompleteError, match="run 'adopt' first"):
        filled.migrate(links, most_errors=1)
    [quarantined] = _held(filled)
    [other] = {"a:%41", "a:%42"} - {quarantined}
    filled.client.delete(other)

    filled.migrate(links)  # allows none, but this one is there already

    assert _held(filled).keys() == {quarantined}
    assert {key for key in filled.dump() if key.startswith("a:")} == {quarantined, "a:__index"}


@pytest.mark.parametrize("allowed", [0, 1, 2])
def test_a_run_stops_at_the_first_error_over_the_limit_and_quarantines_those_before(
    filled: Any, chain: Callable[..., Chain], allowed: int
) -> None:
    links = chain(_CREATED, ({"A": 2}, [_CONVERTED]))
    for number in (1, 2):
        filled.client.hset(f"a:{number}", "x", "many")
    before = filled.dump()

    with pytest.raises(IncompleteError, match=r"^a:\d: field 'x' holds"):
        filled.migrate(links, most_errors=allowed)

    assert len(_held(filled)) == allowed
    bad = ("a:1", "a:2", "a:7")
    assert {key: filled.dump()[key] for key in bad} == {key: before[key] for key in bad}
    filled.migrate(links, most_errors=3 - allowed)  # those that are there count no more
    assert _held(filled).keys() == set(bad)


@pytest.fixture
def quarantined(filled: Any, chain: Callable[..., Chain]) -> tuple[Any, Chain]:
    """Twenty records, of which a:7 is in quarantine."""
    links = chain(_CREATED, ({"A": 2}, [_CONVERTED]))
    filled.migrate(links, most_errors=1)
    return filled, links


def _drop(database: Any, links: Chain, tell: Callable[[Mapping[str, bytes]], None], entry: QuarantinedRecord) -> None:
    with hold_lease(database.exchange, "default", life_s=10) as lease:
        run(database.exchange, drop_record(lease, "default", links, entry, tell))


def test_a_record_that_left_the_quarantine_is_not_dropped_any_more(quarantined: tuple[Any, Chain]) -> None:
    database, links = quarantined
    entry = _held(database)["a:7"]  # as 'quarantine drop' sees it, before it waits for the lease
    database.client.hset("a:7", "x", "7")
    _retry(database, links, "a:7")
    before, printed = database.dump(), list[Mapping[str, bytes]]()

    with pytest.raises(MigrationError, match="left the quarantine in the meantime"):
        _drop(database, links, printed.append, entry)

    assert database.dump() == before
    assert printed == []


def test_what_is_written_between_the_print_and_the_end_is_printed_too(quarantined: tuple[Any, Chain]) -> None:
    database, links = quarantined
    printed = list[Mapping[str, bytes]]()

    def tell(fields: Mapping[str, bytes]) -> None:
        printed.append(fields)
        if len(printed) <= 2:
            database.client.hset("a:7", mapping={"x": f"{len(printed)}"} if len(printed) == 1 else {"new": "1"})

    _drop(database, links, tell, _held(database)["a:7"])

    assert [(line["x"], line.get("new")) for line in printed] == [(b"seven", None), (b"1", None), (b"1", b"1")]
    assert "a:7" not in database.dump()
    assert b"a:7" not in database.dump()["a:__index"]
    assert _held(database) == {}


def test_a_record_that_is_written_all_the_time_is_not_dropped(quarantined: tuple[Any, Chain]) -> None:
    database, links = quarantined

    with pytest.raises(ConflictError, match="a:7: is changed by other clients all the time"):
        _drop(database, links, lambda _: database.client.hincrby("a:7", "n", 1), _held(database)["a:7"])

    assert database.client.hget("a:7", "x") == b"seven"
    assert _held(database).keys() == {"a:7"}


def test_a_record_that_is_gone_is_forgotten_by_either_way(quarantined: tuple[Any, Chain]) -> None:
    database, links = quarantined
    entry = _held(database)["a:7"]
    database.client.delete("a:7")

    gone = _retry(database, links, "a:7")

    assert gone == {"a:7": None}
    assert _held(database) == {}
    with hold_lease(database.exchange, "default", life_s=10) as lease:
        run(database.exchange, _QUARANTINE.change(lease.key, lease.epoch, [entry], ()))
    _drop(database, links, lambda fields: None, entry)
    assert _held(database) == {}
    assert "a:7" not in database.dump()


@pytest.mark.parametrize("verb", ["retry", "drop", "note"])
def test_who_lost_the_lease_changes_nothing_in_quarantine(quarantined: tuple[Any, Chain], verb: str) -> None:
    database, links = quarantined
    entry = _held(database)["a:7"]
    database.client.hset("a:7", "x", "7")
    before = database.dump()
    with hold_lease(database.exchange, "default", life_s=10) as lease:
        database.client.hset(lease.key, "epoch", lease.epoch + 1)
        calls: dict[str, Callable[[], RoundTrips[object]]] = {
            "retry": lambda: retry_records(lease, "default", links, [entry]),
            "drop": lambda: drop_record(lease, "default", links, entry, lambda _: None),
            "note": lambda: _QUARANTINE.change(lease.key, lease.epoch, [entry], ["a:7"]),
        }

        with pytest.raises(LockedError):
            run(database.exchange, calls[verb]())

    assert database.dump() == before
    assert _held(database) == {"a:7": entry}


def test_a_long_retry_keeps_its_lease(quarantined: tuple[Any, Chain]) -> None:
    database, links = quarantined
    entries = [_held(database)["a:7"]] * 30
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 1.0
        return now

    with hold_lease(database.exchange, "default", life_s=10) as lease:
        lease.clock, lease._renewed_at = clock, clock()
        database.client.hset(lease.key, "until", 1)
        run(database.exchange, retry_records(lease, "default", links, entries))

        assert int(database.client.hget(lease.key, "until")) > 1


@pytest.mark.parametrize("raw", ["{", "[]", '{"model": "A"}'])
def test_what_others_wrote_into_the_quarantine_is_named_with_its_key(
    quarantined: tuple[Any, Chain], chain: Callable[..., Chain], raw: str
) -> None:
    database, _ = quarantined
    links = chain(_CREATED, ({"A": 2}, [_CONVERTED]), ({"A": 3}, [RenameField("A", "x", "y")]))
    database.client.hset(_QUARANTINE.key, "a:1", raw)
    before = database.dump()

    with pytest.raises(DriftError, match=r"redis_models:\{default\}:quarantine:shop cannot be read"):
        database.migrate(links)

    assert database.dump() == before
