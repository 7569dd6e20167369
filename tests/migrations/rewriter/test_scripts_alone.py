"""Scripts of migrations, called by themselves: what each answers, and what it leaves alone, guard by guard."""

from typing import Any

import pytest

from redis_models.migrations.maintenance import purge, repair, retry, verify
from redis_models.migrations.rewriter import compare_and_set
from redis_models.migrations.state import lease, quarantine, store

from .scripts import INDEX, LEASE, Scripts

_BOOKS = [LEASE, "ledger", "snapshot", "journal", "history"]


def _finish(
    scripts: Scripts,
    *,
    epoch: int = 7,
    stored: Any = 1,
    marker: str = "w",
    events: tuple[str, ...] = ("new",),
    applied: tuple[str, ...] = ("b", "2"),
    unapplied: tuple[str, ...] = ("a",),
) -> Any:
    arguments = [epoch, "after", stored, 1, "witness", marker, len(applied) // 2, *applied, len(events), *events]
    return scripts.call(store, "_FINISH", _BOOKS, [*arguments, *unapplied])


class TestFinish:
    """``record_run.lua``."""

    @pytest.fixture
    def books(self, scripts: Scripts) -> Scripts:
        scripts.client.hset("ledger", "a", "1")
        scripts.client.hset("journal", mapping={"witness": "w", "target": 2})
        scripts.client.set("snapshot", "before")
        scripts.client.rpush("history", "first")
        return scripts

    def _books(self, scripts: Scripts) -> tuple[Any, ...]:
        client = scripts.client
        return (
            client.hgetall("ledger"),
            client.get("snapshot"),
            client.exists("journal"),
            client.lrange("history", 0, -1),
        )

    def test_all_of_it_changes(self, books: Scripts) -> None:
        assert _finish(books) == b"OK"
        assert self._books(books) == ({b"b": b"2"}, b"after", 0, [b"first", b"new"])

    def test_sent_again_it_ends_the_same_though_the_journal_is_gone(self, books: Scripts) -> None:
        assert (_finish(books), _finish(books)) == (b"OK", b"OK")
        assert self._books(books) == ({b"b": b"2"}, b"after", 0, [b"first", b"new"])

    def test_without_events_and_changes_only_the_snapshot_and_the_journal_do(self, books: Scripts) -> None:
        assert _finish(books, events=(), applied=(), unapplied=(), stored="") == b"OK"
        assert self._books(books) == ({b"a": b"1"}, b"after", 0, [b"first"])

    def test_without_an_event_no_call_is_taken_for_one_that_was_sent_again(self, books: Scripts) -> None:
        books.client.delete("history")

        assert _finish(books, events=(), marker="another") == b"FORGOTTEN"

    @pytest.mark.parametrize(
        ("what", "says"),
        [({"epoch": 6}, b"FENCED"), ({"stored": 2}, b"FORGOTTEN"), ({"marker": "x"}, b"FORGOTTEN")],
    )
    def test_what_is_not_as_it_was_changes_nothing(self, books: Scripts, what: Any, says: bytes) -> None:
        before = self._books(books)

        assert _finish(books, **what) == says
        assert self._books(books) == before


def _drop(scripts: Scripts, *seen: Any, epoch: int = 7) -> Any:
    return scripts.call(retry, "_DROP", [LEASE, "quarantine", "m:a", INDEX], [epoch, *seen])


class TestDrop:
    """``drop_quarantined.lua``."""

    @pytest.fixture
    def noted(self, scripts: Scripts) -> Scripts:
        scripts.put("m:a", _v=1, id="a")
        scripts.client.hset("quarantine", mapping={"m:a": "why", "m:b": "why"})
        return scripts

    def test_record_member_and_entry_go(self, noted: Scripts) -> None:
        assert _drop(noted, "_v", 1, "id", "a") == b"OK"
        assert not noted.client.exists("m:a") and not noted.client.exists(INDEX)
        assert noted.client.hkeys("quarantine") == [b"m:b"]

    def test_sent_again_it_is_done(self, noted: Scripts) -> None:
        assert [_drop(noted, "_v", 1, "id", "a") for _ in range(2)] == [b"OK", b"OK"]

    @pytest.mark.parametrize("seen", [(), ("_v", 1), ("_v", 1, "id", "b"), ("_v", 2, "id", "a")])
    def test_an_entry_that_was_not_listed_is_not_dropped(self, noted: Scripts, seen: tuple[Any, ...]) -> None:
        before = noted.state()

        assert _drop(noted, *seen) == b"CHANGED"
        assert noted.state() == before

    def test_a_record_that_was_created_again_after_the_quarantine_stays(self, noted: Scripts) -> None:
        noted.client.hdel("quarantine", "m:a")
        before = noted.state()

        assert _drop(noted, "_v", 1, "id", "a") == b"OK"
        assert noted.state() == before

    def test_what_lost_a_field_since_is_dropped(self, noted: Scripts) -> None:
        assert _drop(noted, "_v", 1, "id", "a", "gone", "x") == b"OK"

    def test_another_type_and_another_epoch_change_nothing(self, noted: Scripts) -> None:
        noted.client.delete("m:a")
        noted.client.set("m:a", "text")
        before = noted.state()

        assert (_drop(noted), _drop(noted, epoch=6)) == (b"TYPE", b"FENCED")
        assert noted.state() == before


class TestNotes:
    """``quarantine.lua`` and ``checkpoint.lua``."""

    def test_some_are_noted_and_others_forgotten(self, scripts: Scripts) -> None:
        scripts.client.hset("quarantine", mapping={"m:a": "old", "m:b": "old"})

        reply = scripts.call(quarantine, "_SCRIPT", [LEASE, "quarantine"], [7, 2, "m:a", "new", "m:c", "new", "m:b"])

        assert reply == 2
        assert scripts.client.hgetall("quarantine") == {b"m:a": b"new", b"m:c": b"new"}

    @pytest.mark.parametrize(("arguments", "left"), [([7, 1, "m:c", "x"], 2), ([7, 0, "m:a"], 0), ([7, 0], 1)])
    def test_either_alone(self, scripts: Scripts, arguments: list[Any], left: int) -> None:
        scripts.client.hset("quarantine", "m:a", "old")

        assert scripts.call(quarantine, "_SCRIPT", [LEASE, "quarantine"], arguments) == left

    def test_nothing_under_another_epoch(self, scripts: Scripts) -> None:
        before = scripts.state()

        assert scripts.call(quarantine, "_SCRIPT", [LEASE, "q"], [6, 1, "m:a", "new"]) == b"FENCED"
        assert scripts.call(store, "_CHECKPOINT", [LEASE, "journal"], [6, "target", 2]) == b"FENCED"
        assert scripts.state() == before


def _repair(scripts: Scripts, expected: tuple[Any, ...], *values: Any, epoch: int = 7) -> Any:
    keys = [LEASE, "quarantine", "m:a"]
    return scripts.call(repair, "_REPAIR", keys, [epoch, len(expected) // 3, *expected, *values])


class TestMend:
    """``repair.lua``."""

    @pytest.fixture
    def noted(self, scripts: Scripts) -> Scripts:
        scripts.put("m:a", _v=1, id="a", age="old")
        scripts.client.hset("quarantine", "m:a", "why")
        return scripts

    def test_fields_are_set_where_all_is_as_it_was(self, noted: Scripts) -> None:
        assert _repair(noted, ("age", "1", "old", "note", "0", ""), "age", "7", "note", "x") == b"OK"
        assert noted.client.hgetall("m:a") == {b"_v": b"1", b"id": b"a", b"age": b"7", b"note": b"x"}

    @pytest.mark.parametrize(
        "expected", [("age", "1", "young"), ("age", "0", ""), ("none", "1", ""), ("none", "1", "x")]
    )
    def test_what_was_changed_is_not_set(self, noted: Scripts, expected: tuple[str, ...]) -> None:
        before = noted.state()

        assert _repair(noted, expected, "age", "7") == b"CHANGED"
        assert noted.state() == before

    def test_what_left_the_quarantine_or_is_gone_or_no_hash_is_left_alone(self, noted: Scripts) -> None:
        assert _repair(noted, (), "age", "7", epoch=6) == b"FENCED"
        noted.client.delete("m:a")
        assert _repair(noted, (), "age", "7") == b"GONE"
        noted.client.set("m:a", "text")
        assert _repair(noted, ("age", "1", "old"), "age", "7") == b"TYPE"
        noted.client.delete("quarantine")
        assert _repair(noted, (), "age", "7") == b"OUT"
        assert noted.client.get("m:a") == b"text"

    @pytest.mark.needs_command("HPEXPIREAT")
    def test_ttls_of_fields_stay_and_none_is_added(self, noted: Scripts) -> None:
        noted.client.execute_command("HPEXPIREAT", "m:a", 4_000_000_000_000, "FIELDS", 1, "age")

        assert _repair(noted, (), "age", "7", "id", "b") == b"OK"

        assert noted.client.execute_command("HPEXPIRETIME", "m:a", "FIELDS", 2, "age", "id") == [4_000_000_000_000, -1]


class TestPurge:
    """``purge.lua``."""

    def _purge(self, scripts: Scripts, epoch: Any = 7, version: int = 3) -> Any:
        return scripts.call(purge, "_SCRIPT", [LEASE, "m:a", "m:b", "m:text"], [epoch, version])

    @pytest.fixture
    def kept(self, scripts: Scripts) -> Scripts:
        scripts.put("m:a", **{"_v": 4, "id": "a", "_b2.0.name": "Ann", "_b3-1.x": "", "_b4.0.y": "stays", "_b3": "no"})
        scripts.put("m:b", **{"_v": 4, "_b": "no", "_b2x.0.a": "no", "_b02.0.z": "is 2", "x_b2.0.a": "no"})
        scripts.client.set("m:text", "text")
        return scripts

    def test_only_what_is_kept_up_to_the_version_goes(self, kept: Scripts) -> None:
        assert self._purge(kept) == [2, 3, len("_b2.0.nameAnn") + len("_b3-1.x") + len("_b02.0.zis 2")]
        assert sorted(kept.client.hkeys("m:a")) == [b"_b3", b"_b4.0.y", b"_v", b"id"]
        assert sorted(kept.client.hkeys("m:b")) == [b"_b", b"_b2x.0.a", b"_v", b"x_b2.0.a"]
        assert self._purge(kept) == [0, 0, 0]

    def test_a_preview_returns_the_same_and_another_epoch_nothing(self, kept: Scripts) -> None:
        before = kept.state()

        assert self._purge(kept, "")[:2] == [2, 3]
        assert self._purge(kept, 6) == b"FENCED"
        assert kept.state() == before

    def test_more_than_one_call_of_hdel_takes(self, scripts: Scripts) -> None:
        scripts.put("m:a", **{"_v": 4, **{f"_b2.{number}.x": "y" for number in range(2500)}})

        assert self._purge(scripts)[:2] == [1, 2500]
        assert scripts.client.hkeys("m:a") == [b"_v"]


class TestIndex:
    """``check_index.lua``."""

    @pytest.fixture
    def spoilt(self, scripts: Scripts) -> Scripts:
        for name in ("right", "lacking", "misplaced"):
            scripts.put(f"m:{name}", _v=1)
        scripts.client.zrem(INDEX, "m:lacking")
        scripts.client.set("m:text", "text")
        scripts.client.set("m:outside", "text")
        scripts.client.zadd(INDEX, {"m:misplaced": 4, "m:gone": 0, "m:text": 0, "m:gone and misplaced": 7})
        return scripts

    _NAMES = ("right", "lacking", "misplaced", "gone", "text", "outside", "nothing", "gone and misplaced")

    def _look(self, scripts: Scripts, repairs: str) -> Any:
        return scripts.call(verify, "_INDEX", [INDEX, *(f"m:{name}" for name in self._NAMES)], [repairs])

    def test_it_tells_and_changes_nothing(self, spoilt: Scripts) -> None:
        before = spoilt.state()

        assert self._look(spoilt, "0") == [0, 1, 3, 2, 4, 0, 0, 2]
        assert spoilt.state() == before

    def test_it_repairs_what_it_reported(self, spoilt: Scripts) -> None:
        assert self._look(spoilt, "1") == [0, 1, 3, 2, 4, 0, 0, 2]
        assert spoilt.client.zrange(INDEX, 0, -1, withscores=True) == [
            (b"m:lacking", 0.0), (b"m:misplaced", 0.0), (b"m:right", 0.0),
        ]  # fmt: skip
        assert self._look(spoilt, "1") == [0] * 8


class TestLease:
    """``lease.lua``."""

    def _call(self, scripts: Scripts, *arguments: Any) -> Any:
        return scripts.call(lease, "_SCRIPT", [LEASE], list(arguments))

    def test_it_is_held_until_its_end_is_renewed_and_given_back(self, scripts: Scripts) -> None:
        [word, epoch] = self._call(scripts, "take", "me", 60_000, "")
        assert word == b"TAKEN" and epoch > 10**15  # microseconds: more than any epoch before
        assert self._call(scripts, "take", "you", 60_000, "")[:3] == [b"HELD", b"%d" % epoch, b"me"]
        assert self._call(scripts, "renew", epoch, 90_000) == [b"OK"]
        assert self._call(scripts, "take", "you", 60_000, "")[3] > 80_000
        assert self._call(scripts, "release", epoch) == [b"OK"]
        assert self._call(scripts, "take", "you", 60_000, "")[0] == b"TAKEN"

    def test_only_a_repeated_call_or_the_successor_of_a_dead_holder_gets_the_lease(self, scripts: Scripts) -> None:
        [_, epoch] = self._call(scripts, "take", "me", 60_000, "")

        assert self._call(scripts, "take", "you", 60_000, epoch - 1)[0] == b"HELD"
        again = self._call(scripts, "take", "me", 60_000, "")
        assert again[0] == b"TAKEN" and again[1] > epoch
        taken = self._call(scripts, "take", "you", 60_000, again[1])
        assert taken[0] == b"TAKEN" and taken[1] > again[1]

    def test_a_former_holder_cannot_renew_or_release_it(self, scripts: Scripts) -> None:
        [_, epoch] = self._call(scripts, "take", "me", 60_000, "")
        before = scripts.state()

        assert self._call(scripts, "renew", epoch - 1, 90_000) == [b"LOST"]
        assert self._call(scripts, "release", epoch - 1) == [b"LOST"]
        assert scripts.state() == before

    @pytest.mark.parametrize(
        "stored",
        [
            {"epoch": "soon"}, {"epoch": "-1"}, {"epoch": "1e3"}, {"epoch": ""}, {"epoch": 2**53},
            {"epoch": 5, "holder": "me"}, {"epoch": 5, "holder": "me", "until": "soon"},
            {"epoch": 5, "holder": "me", "until": "1e9"}, {"epoch": 5, "holder": "me", "until": "9" * 16},
        ],
        ids=str,
    )  # fmt: skip
    def test_a_broken_lease_is_reported_and_left_alone(self, scripts: Scripts, stored: dict[str, Any]) -> None:
        scripts.client.delete(LEASE)
        scripts.client.hset(LEASE, mapping=stored)
        before = scripts.state()

        assert self._call(scripts, "take", "you", 60_000, "") == [b"STRANGE"]
        assert scripts.state() == before

    def test_the_epoch_rises_over_a_clock_that_is_behind(self, scripts: Scripts) -> None:
        ahead = 9 * 10**15
        scripts.client.hset(LEASE, mapping={"epoch": ahead, "holder": "me", "until": 1})

        assert self._call(scripts, "take", "you", 60_000, "") == [b"TAKEN", ahead + 1]


def _replace(scripts: Scripts, *records: tuple[str, tuple[Any, ...]], epoch: Any = 7, keys: str = LEASE) -> Any:
    """Have records get ``full`` for ``name``, if they have that ``name`` and no ``full`` yet."""
    given = [raw for _, (name, full) in records for raw in (name, full, 2)]
    plan = [2, "name", "1", "full", "0", 2, "full", "_v", 1, "name", 0, 0, 0]
    return scripts.call(
        compare_and_set, "_REPLACE", [keys, *(key for key, _ in records)], [epoch, 2, "", *plan, *given]
    )


class TestReplace:
    """``compare_and_set.lua``."""

    def test_each_record_gets_its_letter_and_only_what_is_as_it_was_read_is_written(self, scripts: Scripts) -> None:
        scripts.put("m:a", _v=1, name="Ann")
        scripts.put("m:unstamped", name="Ann")
        scripts.put("m:changed", _v=1, name="Bo")
        scripts.put("m:appeared", _v=1, name="Ann", full="new")
        scripts.put("m:vanished", _v=1, other="x")
        scripts.put("m:there", _v=2, name="Ann")
        scripts.client.set("m:text", "text")
        names = ("a", "unstamped", "changed", "appeared", "vanished", "there", "text", "gone")
        before = scripts.state()

        reply = _replace(scripts, *((f"m:{name}", ("Ann", "Ann A.")) for name in names))

        assert reply == b"AACCCSTG"
        for name in ("a", "unstamped"):
            assert scripts.client.hgetall(f"m:{name}") == {b"_v": b"2", b"full": b"Ann A."}
            del before[f"m:{name}".encode()]
        assert {key: raw for key, raw in scripts.state().items() if key in before} == before

    def test_it_is_fenced_but_for_a_caller_without_a_lease(self, scripts: Scripts) -> None:
        scripts.put("m:a", _v=1, name="Ann")
        before = scripts.state()

        assert _replace(scripts, ("m:a", ("Ann", "Ann A.")), epoch=6) == b"FENCED"
        assert scripts.state() == before
        assert _replace(scripts, ("m:a", ("Ann", "Ann A.")), epoch="", keys="m:a") == b"A"
