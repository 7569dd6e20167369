"""The script that gives records other keys, called by itself."""

from typing import Any

import pytest

from redis_models.migrations.rewriter import rename_keys

from .scripts import INDEX, LEASE, NEW_INDEX, Scripts


def _move(scripts: Scripts, *pairs: str, versions: tuple[Any, ...] = (2,), least: Any = "", field: str = "",
          stored: tuple[str, ...] = (), epoch: int = 7) -> Any:  # fmt: skip
    arguments = [epoch, least, len(versions), *versions, field, len("m:"), *stored]
    places = [NEW_INDEX, f"{NEW_INDEX}:_definitions", LEASE, INDEX, f"{INDEX}:_definitions", *pairs]
    return scripts.client.eval(rename_keys._MOVE.source, len(places), *places, *arguments)


class TestMove:
    """``rename_key.lua``."""

    def test_each_record_gets_its_letter_and_only_what_may_be_moved_is(self, scripts: Scripts) -> None:
        scripts.put("m:a", _v=2, id="a", code="x")
        scripts.put("m:old", _v=1, id="old", code="x")
        scripts.put("m:other", _v=2, id="other", code="changed")
        scripts.put("m:taken", _v=2, id="taken", code="x")
        scripts.client.hset("n:taken", "id", "somebody")
        scripts.client.set("m:text", "text")
        scripts.client.zadd(INDEX, {"m:gone": 0, "m:text": 0})
        names = ("a", "old", "other", "taken", "text", "gone")
        pairs = [key for name in names for key in (f"m:{name}", f"n:{name}")]
        left = {key: scripts.client.dump(key) for key in ("m:old", "m:other", "m:taken", "m:text", "n:taken")}

        assert _move(scripts, *pairs, field="code", stored=("x",) * 6) == b"AVCXTG"

        assert {key: scripts.client.dump(key) for key in left} == left
        assert scripts.client.hgetall("n:a") == {b"_v": b"2", b"id": b"a", b"code": b"x"}
        assert scripts.client.zrange(NEW_INDEX, 0, -1) == [b"n:a"]
        assert scripts.client.zrange(INDEX, 0, -1) == [b"m:old", b"m:other", b"m:taken", b"m:text"]

    @pytest.mark.parametrize("stored", ["", "y", "X", "x "])
    def test_a_field_that_was_changed_keeps_the_record_where_it_is(self, scripts: Scripts, stored: str) -> None:
        scripts.put("m:a", _v=2, code=stored)
        before = scripts.state()

        assert _move(scripts, "m:a", "n:a", field="code", stored=("x",)) == b"C"
        assert scripts.state() == before

    def test_a_field_that_is_gone_was_changed(self, scripts: Scripts) -> None:
        scripts.put("m:a", _v=2, id="a")
        before = scripts.state()

        assert _move(scripts, "m:a", "n:a", field="code", stored=("x",)) == b"C"
        assert scripts.state() == before

    def test_without_a_field_nothing_is_compared(self, scripts: Scripts) -> None:
        scripts.put("m:a", _v=2, code="y")

        assert _move(scripts, "m:a", "n:a") == b"A"

    @pytest.mark.parametrize(
        ("stamp", "versions", "least", "letter"),
        [
            (None, (1,), "", b"A"), (None, (2,), "", b"V"), ("2", (2, 3), "", b"A"), ("3", (2, 3), "", b"A"),
            ("4", (2, 3), "", b"V"), ("4", (2,), 4, b"A"), ("5", (2,), 4, b"A"), ("3", (2,), 4, b"V"),
            ("04", (2,), 4, b"V"), ("4e0", (2,), 4, b"V"), ("", (2,), 4, b"V"), ("9" * 5000, (2,), 4, b"V"),
        ],
    )  # fmt: skip
    def test_its_version_decides(
        self, scripts: Scripts, stamp: str | None, versions: tuple[int, ...], least: Any, letter: bytes
    ) -> None:
        scripts.put("m:a", id="a", **({} if stamp is None else {"_v": stamp}))
        before = scripts.state()

        assert _move(scripts, "m:a", "n:a", versions=versions, least=least) == letter
        assert (scripts.state() == before) == (letter == b"V")

    def test_nothing_is_moved_under_another_epoch(self, scripts: Scripts) -> None:
        scripts.put("m:a", _v=2)
        before = scripts.state()

        assert _move(scripts, "m:a", "n:a", epoch=6) == b"FENCED"
        assert scripts.state() == before

    @pytest.mark.parametrize(("index", "says"), [(INDEX, b"INDEX 2"), (NEW_INDEX, b"INDEX 3")])
    def test_an_invalid_index_is_named(self, scripts: Scripts, index: str, says: bytes) -> None:
        scripts.put("m:a", _v=2)
        scripts.client.delete(index)
        scripts.client.sadd(index, "m:a")
        before = scripts.state()

        assert _move(scripts, "m:a", "n:a") == says
        assert scripts.state() == before

    def test_a_record_moves_with_its_ttl(self, scripts: Scripts) -> None:
        scripts.put("m:a", _v=2)
        scripts.client.pexpireat("m:a", 4_000_000_000_000)

        _move(scripts, "m:a", "n:a")

        assert scripts.client.pttl("n:a") > 1_000_000_000
