"""Scripts of ``adopt``, called by themselves: what each answers, and what it leaves alone, guard by guard."""

from typing import Any

import pytest

from redis_models.client.commands import Script
from redis_models.migrations.maintenance import adopt as adopt_module

_LEASE, _INDEX, _LEFT = "the-lease", "m:__index", "m:__left"


class Table:
    """Calls scripts, and compares the database before and after."""

    def __init__(self, client: Any) -> None:
        self.client = client
        client.hset(_LEASE, "epoch", 7)

    def put(self, key: str, **fields: Any) -> None:
        self.client.hset(key, mapping=fields)
        self.client.sadd(_LEFT, key)

    def call(self, name: str, keys: list[str], arguments: list[Any]) -> Any:
        script: Script = getattr(adopt_module, name)
        return self.client.eval(script.source, len(keys), *keys, *arguments)

    def adopt(self, *actions: tuple[str, str, str, str], epoch: int = 7) -> Any:
        """Give the answer to actions: key, key that it is to have, what to do, and its primary key."""
        keys = [key for source, target, *_ in actions for key in (source, target)]
        reply = [argument for _, _, *what in actions for argument in what]
        return self.call("_ADOPT", [_INDEX, f"{_INDEX}:_definitions", _LEASE, _LEFT, *keys], [epoch, "id", *reply])

    def fill(self, *members: str, anew: str = "", epoch: int = 7) -> Any:
        return self.call("_FILL", [_LEASE, "filling"], [epoch, anew, *members])

    def swap(self, epoch: int = 7) -> Any:
        return self.call("_SWAP", [_LEASE, _INDEX, "filling", "aside"], [epoch])

    def members(self, key: str = _INDEX) -> list[bytes]:
        found: list[bytes] = self.client.zrange(key, 0, -1)
        return found

    def left(self) -> set[bytes]:
        found: set[bytes] = self.client.smembers(_LEFT)
        return found

    def state(self) -> dict[bytes, bytes]:
        return {key: self.client.dump(key) for key in self.client.keys("*")}


@pytest.fixture
def table(client: Any) -> Table:
    return Table(client)


class TestAdopt:
    """``adopt.lua``."""

    def test_a_record_is_stamped_renamed_and_put_into_the_index(self, table: Table) -> None:
        table.put("m:a", id="a")
        table.put("m:b c", id="b c")
        table.put("m:stamped", id="stamped", _v="3")
        table.put("m:stays", id="other")
        table.client.zadd(_INDEX, {"m:b c": 0, "m:stamped": 0})

        reply = table.adopt(
            ("m:a", "m:a", "take", "a"),
            ("m:b c", "m:b%20c", "take", "b c"),
            ("m:stamped", "m:stamped", "take", "stamped"),
        )

        assert reply == [1 + 4, 1 + 2 + 4, 0]
        assert table.client.hgetall("m:a") == {b"_v": b"1", b"id": b"a"}
        assert table.client.hgetall("m:b%20c") == {b"_v": b"1", b"id": b"b c"}
        assert table.client.hget("m:stamped", "_v") == b"3"
        assert table.members() == [b"m:a", b"m:b%20c", b"m:stamped"]
        assert table.left() == {b"m:stays"}

    def test_what_was_taken_over_already_is_not_taken_twice(self, table: Table) -> None:
        table.put("m:a", id="a")

        assert [table.adopt(("m:a", "m:a", "take", "a")) for _ in range(2)] == [[5], [0]]

    def test_a_record_that_is_only_to_be_in_the_index_is_not_stamped(self, table: Table) -> None:
        table.put("m:a", id="a")

        assert table.adopt(("m:a", "m:a", "index", "something else")) == [4]
        assert table.adopt(("m:a", "m:a", "index", "something else")) == [0]
        assert table.client.hgetall("m:a") == {b"id": b"a"}
        assert (table.members(), table.left()) == ([b"m:a"], set())

    @pytest.mark.parametrize("action", ["drop", "take", "index"])
    def test_the_indexes_forget_what_is_gone(self, table: Table, action: str) -> None:
        table.client.zadd(_INDEX, {"m:gone": 0, "m:stays": 0})
        table.client.sadd(_LEFT, "m:gone", "m:stays")

        assert table.adopt(("m:gone", "m:gone", action, "")) == [-1]
        assert (table.members(), table.left()) == ([b"m:stays"], {b"m:stays"})

    @pytest.mark.parametrize(
        ("action", "stored", "code"),
        [("drop", "a", -2), ("take", "b", -2), ("take", "", -2), ("take", "a", -3)],
        ids=["it came back", "it has another primary key", "it got one", "its place is taken"],
    )
    def test_what_was_changed_meanwhile_or_has_no_place_is_left_alone(
        self, table: Table, action: str, stored: str, code: int
    ) -> None:
        table.put("m:a", id="a")
        table.client.zadd(_INDEX, {"m:a": 0})
        table.client.hset("m:A", "id", "somebody")
        before = table.state()

        assert table.adopt(("m:a", "m:A", action, stored)) == [code]
        assert table.state() == before

    def test_one_without_a_primary_key_is_known_by_that(self, table: Table) -> None:
        table.put("m:a", name="x")

        assert table.adopt(("m:a", "m:a", "take", "")) == [5]

    @pytest.mark.parametrize("action", ["take", "index", "drop"])
    def test_keys_that_are_not_hashes_are_left_alone(self, table: Table, action: str) -> None:
        table.client.set("m:a", "text")
        table.client.sadd(_LEFT, "m:a")
        before = table.state()

        assert table.adopt(("m:a", "m:A", action, "")) == [-2]
        assert table.state() == before

    def test_another_epoch_and_an_index_that_is_none_change_nothing(self, table: Table) -> None:
        table.put("m:a", id="a")
        before = table.state()

        assert table.adopt(("m:a", "m:a", "take", "a"), epoch=6) == b"FENCED"
        assert table.state() == before

        table.client.sadd(_INDEX, "m:a")
        before = table.state()
        for action in ("take", "index", "drop"):
            assert table.adopt(("m:a", "m:a", action, "a"), ("m:gone", "m:gone", action, "")) == b"INDEX"
        assert table.state() == before

    def test_a_record_keeps_its_ttl(self, table: Table) -> None:
        table.put("m:a", id="a")
        table.client.pexpireat("m:a", 4_000_000_000_000)

        table.adopt(("m:a", "m:A", "take", "a"))

        assert table.client.pttl("m:A") > 1_000_000_000


class TestFilling:
    """``adopt_fill.lua`` and ``adopt_swap.lua``."""

    def test_members_are_added_and_a_new_scan_starts_without_earlier_ones(self, table: Table) -> None:
        table.client.zadd("filling", {"m:old": 0})

        assert table.fill("m:a", "m:b") == b"OK"
        assert table.members("filling") == [b"m:a", b"m:b", b"m:old"]
        assert table.fill("m:c", anew="1") == b"OK"
        assert table.members("filling") == [b"m:c"]
        assert table.fill(anew="1") == b"OK"
        assert not table.client.exists("filling")

    def test_who_adds_nothing_needs_no_right_to_add(self, table: Table, server: Any) -> None:
        table.client.zadd("filling", {"m:old": 0})
        table.client.execute_command("ACL", "SETUSER", "bob", "reset", "on", ">pw", "~*", "+@all", "-zadd")

        with server.client(username="bob", password="pw") as bob:
            assert bob.eval(adopt_module._FILL.source, 2, _LEASE, "filling", 7, "1") == b"OK"

        table.client.execute_command("ACL", "DELUSER", "bob")
        assert not table.client.exists("filling")

    def test_nothing_under_another_epoch(self, table: Table) -> None:
        table.client.zadd("filling", {"m:old": 0})
        table.client.sadd(_INDEX, "m:old")
        before = table.state()

        assert table.fill("m:a", anew="1", epoch=6) == b"FENCED"
        assert table.swap(6) == b"FENCED"
        assert table.state() == before

    def test_the_filled_one_takes_the_place_of_the_set(self, table: Table) -> None:
        table.client.sadd(_INDEX, "m:a")
        table.client.pexpire(_INDEX, 5_000_000)
        table.client.zadd("filling", {"m:a": 0})

        assert table.swap() == b"SWAPPED"
        assert table.members() == [b"m:a"]
        assert (table.client.smembers("aside"), table.client.pttl("aside")) == ({b"m:a"}, -1)
        assert not table.client.exists("filling")

    def test_an_old_index_without_records_is_moved_alone(self, table: Table) -> None:
        table.client.sadd(_INDEX, "m:a")

        assert table.swap() == b"SWAPPED"
        assert not table.client.exists(_INDEX) and table.client.exists("aside")

    def test_nothing_moves_if_an_old_index_was_moved_before(self, table: Table) -> None:
        table.client.sadd(_INDEX, "m:a")
        table.client.sadd("aside", "m:b")
        table.client.zadd("filling", {"m:a": 0})
        before = table.state()

        assert table.swap() == b"TAKEN"
        assert table.state() == before

    def test_an_index_that_is_one_already_stays_and_the_filled_one_goes(self, table: Table) -> None:
        table.client.zadd(_INDEX, {"m:a": 0})
        table.client.zadd("filling", {"m:b": 0})
        table.client.sadd("aside", "m:c")

        assert table.swap() == b"OK"
        assert table.members() == [b"m:a"]
        assert table.client.exists("filling", "aside") == 1

    @pytest.mark.parametrize("is_filled", [True, False])
    def test_without_an_index_the_filled_one_becomes_it(self, table: Table, is_filled: bool) -> None:
        if is_filled:
            table.client.zadd("filling", {"m:b": 0})

        assert table.swap() == b"OK"
        assert table.members() == ([b"m:b"] if is_filled else [])
        assert not table.client.exists("filling", "aside")
