"""``not_at_version.lua`` and ``check_permissions.lua``, called by themselves: what each answers, and that neither
changes anything."""

from typing import Any

import pytest

from redis_models.migrations.executor import preflight
from redis_models.migrations.keyspace import scan

_LEASE, _NOTHING = "the-lease", "nothing"


def _state(client: Any) -> dict[bytes, bytes]:
    return {key: client.dump(key) for key in client.keys("*")}


def _rest(client: Any, version: Any) -> Any:
    cursor, looked, found = client.eval(scan._REST.source, 0, 0, "m:*", 1000, version)
    return cursor, looked, sorted(found)


def test_what_does_not_hold_a_hash_of_the_version_is_found(client: Any) -> None:
    for key, stamp in (("m:a", "2"), ("m:old", "1"), ("m:long", "02"), ("n:old", "1")):
        client.hset(key, "_v", stamp)
    client.hset("m:unstamped", "id", "x")
    client.set("m:text", "2")
    before = _state(client)

    assert _rest(client, 2) == (b"0", 5, [b"m:long", b"m:old", b"m:text", b"m:unstamped"])
    assert _state(client) == before


@pytest.fixture
def bob(server: Any, client: Any) -> Any:
    """A user who may not call some commands."""
    client.execute_command("ACL", "SETUSER", "bob", "reset", "on", ">pw", "~*", "+@all", "-hdel", "-rename", "-rpush")
    with server.client(username="bob", password="pw") as found:
        yield found
    client.execute_command("ACL", "DELUSER", "bob")


_TRIED = (
    "DEL", "EXISTS", "HDEL", "HGET", "HKEYS", "HLEN", "HMGET", "HSTRLEN", "HSET", "LINDEX", "PERSIST", "PEXPIREAT",
    "RENAME", "RPUSH", "SET", "TIME", "TYPE", "ZADD", "ZCARD", "ZREM",
)  # fmt: skip


def test_a_missing_permission_is_reported_and_nothing_is_changed(client: Any, bob: Any) -> None:
    client.hset(_LEASE, mapping={"epoch": 7, "holder": "bob"})
    before = _state(client)

    replies = bob.eval(preflight._SCRIPT.source, 2, _LEASE, _NOTHING, 7, *_TRIED)

    said = dict(zip(replies[::2], map(str, replies[1::2]), strict=True))
    denied = {name for name, words in said.items() if "WRONGTYPE" not in words and "no such key" not in words}
    assert denied == {b"HDEL", b"RENAME", b"RPUSH"}
    assert _state(client) == before


@pytest.mark.parametrize("lease", [{"epoch": 8}, {}], ids=["another's", "free"])
def test_under_another_epoch_nothing_is_tried(client: Any, lease: dict[str, Any]) -> None:
    if lease:
        client.hset(_LEASE, mapping=lease)
    before = _state(client)

    assert client.eval(preflight._SCRIPT.source, 2, _LEASE, _NOTHING, 7, *_TRIED) == b"FENCED"
    assert _state(client) == before
