"""A database as JSON: every key with its type, content and times of expiry, readable on any server version.

Bytes stand as Latin-1 text. Keys that were about to expire (a lease) are left out.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

__all__ = ["dump", "load", "read", "records", "write"]

_LATIN: Final = "latin-1"
_SOON_MS: Final = 10 * 365 * 86_400_000  # what expires within ten years was not meant to last


def dump(client: Any) -> dict[str, dict[str, Any]]:
    """Read every key of a database, sorted by name."""
    keys = sorted(client.scan_iter(count=5000))
    return {_text(key): value for key in keys if (value := _held(client, key)) is not None}


def records(client: Any) -> dict[str, dict[str, Any]]:
    """Read every key of a database but the engine's own."""
    return {key: value for key, value in dump(client).items() if not key.startswith("redis_models:")}


def load(client: Any, database: Mapping[str, Mapping[str, Any]]) -> None:
    """Store what ``dump`` read into an empty database."""
    pipeline = client.pipeline(transaction=False)
    for name, value in database.items():
        key = _raw(name)
        _STORERS[value["type"]](pipeline, key, value["value"])
        if value["expires_at_ms"] is not None:
            pipeline.pexpireat(key, value["expires_at_ms"])
        for field, at_ms in value.get("field_expires_at_ms", {}).items():
            pipeline.execute_command("HPEXPIREAT", key, at_ms, "FIELDS", 1, _raw(field))
    pipeline.execute()


def read(path: Path) -> dict[str, Any]:
    """Read a file that ``write`` wrote."""
    value: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return value


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON, a key a line, so that a difference can be read."""
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value, sort_keys=True)}" for key, value in content.items())
    path.write_text(f"{{\n{lines}\n}}\n", "utf-8")


def _held(client: Any, key: bytes) -> dict[str, Any] | None:
    kind, left_ms = _text(client.type(key)), client.pttl(key)
    if 0 <= left_ms < _SOON_MS:
        return None
    value = {
        "type": kind,
        "value": _READERS[kind](client, key),
        "expires_at_ms": client.pexpiretime(key) if left_ms >= 0 else None,
    }
    if kind == "hash" and (expires := _field_expires(client, key)):
        value["field_expires_at_ms"] = expires
    return value


def _field_expires(client: Any, key: bytes) -> dict[str, int]:
    fields = sorted(client.hkeys(key))
    times = client.execute_command("HPEXPIRETIME", key, "FIELDS", len(fields), *fields)
    return {_text(field): at_ms for field, at_ms in zip(fields, times, strict=True) if at_ms > 0}


def _hash(client: Any, key: bytes) -> dict[str, str]:
    return {_text(field): _text(raw) for field, raw in sorted(client.hgetall(key).items())}


_READERS: Final[Mapping[str, Callable[[Any, bytes], Any]]] = {
    "hash": _hash,
    "string": lambda client, key: _text(client.get(key)),
    "list": lambda client, key: [_text(item) for item in client.lrange(key, 0, -1)],
    "set": lambda client, key: sorted(_text(member) for member in client.smembers(key)),
    "zset": lambda client, key: {_text(member): score for member, score in client.zrange(key, 0, -1, withscores=True)},
}
_STORERS: Final[Mapping[str, Callable[[Any, bytes, Any], Any]]] = {
    "hash": lambda client, key, value: client.hset(
        key, mapping={_raw(field): _raw(raw) for field, raw in value.items()}
    ),
    "string": lambda client, key, value: client.set(key, _raw(value)),
    "list": lambda client, key, value: client.rpush(key, *map(_raw, value)),
    "set": lambda client, key, value: client.sadd(key, *map(_raw, value)),
    "zset": lambda client, key, value: client.zadd(key, {_raw(member): score for member, score in value.items()}),
}


def _text(raw: bytes) -> str:
    return raw.decode(_LATIN)


def _raw(text: str) -> bytes:
    return text.encode(_LATIN)
