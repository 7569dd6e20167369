"""What lies at the engine's own keys, honest and spoiled: JSON documents, hashes of texts, keys of another type."""

import copy
import json
import random
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from .texts import mutated, type_text

__all__ = ["HONEST", "KEY", "ODD", "Spoil", "odd_value", "spoiled", "spoils"]

KEY: Final = "redis_models:{default}:"
ODD: Final[list[Any]] = [
    None, True, False, 0, -1, 10**15, 10**40, -(2**63), 1.5, 1e308, "", "x", "0", "-7", "9" * 400, "nan", "1e400",
    "\x1b[2J", "\x9b31m", "\u202egnp", "\x00", "a" * 5000, [], {}, [[]], [None], {"": None}, {"a": {"b": []}},
    "2024-01-01", "aaaa0001", "Customer", "customer:1", KEY + "ledger:shop",
]  # fmt: skip
_WHEN: Final = "2024-01-01T00:00:00+00:00"
_SCOPE: Final = {"position": 2, "fingerprint": "f", "newest": "n", "run_id": "r"}
_MODEL: Final = {
    "version": 1, "primary_key": "id", "prefix": "", "separator": ":", "table": "customer", "ttl": 5,
    "fields": {"id": {"type": "str"}, "age": {"type": "int | None", "default": 0}},
}  # fmt: skip
# What honest code writes: at which key, in which field of a hash ("" for a string, None for a list), and the document.
HONEST: Final[list[tuple[str, str | None, Any]]] = [
    ("ledger:shop", "aaaa0001", {
        "id": "aaaa0001", "number": 1, "name": "initial", "checksum": "c", "applied_at": _WHEN, "seconds": 1.5,
        "records": 5, "by": "host pid 1", "is_faked": False, "is_purged": False,
    }),
    ("snapshot:shop", "", {"format": 1, "models": {"Customer": _MODEL}}),
    ("history:shop", None, {
        "what": "applied", "id": "aaaa0001", "number": 1, "name": "initial", "at": _WHEN, "seconds": 1.5, "records": 5,
        "by": "host", "run": 1, "consents": ["S1"],
    }),
    ("quarantine:shop", "customer:1", {
        "key": "customer:1", "label": "shop.Customer", "model": "Customer", "target": 2, "reason": "bad", "at": _WHEN,
    }),
    ("receipt:shop", "", {
        "scope": _SCOPE, "began_at": _WHEN, "ended_at": _WHEN, "records": {"Customer": 5}, "problems": {},
        "notes": {"x": 1},
    }),
    ("verification:shop", "", {
        "scope": _SCOPE, "began_at": _WHEN, "model": "Customer", "walk": 0, "cursor": "0",
        "tallies": {"Customer": {"records": 5}},
    }),
]  # fmt: skip
_HASHES: Final[Mapping[str, Mapping[str, str]]] = {
    "journal:shop": {
        "target": "2", "reach": "2", "depth": "1", "fingerprint": "f", "model": "Customer", "cursor": "0", "run_id": "",
        "seen": "0", "changed": "0", "updated_at": _WHEN, "step": "", "began_at": "", "pace": "",
    },
    "control": {"paused": "host, at noon", "max_latency_ms": "5", "batch": "10"},
    "lease": {"epoch": "5", "holder": '{"host": "h", "pid": 1}', "until": "99999999999999"},
}  # fmt: skip
_WHOLE: Final = (
    "",
    "[",
    "{}",
    "[]",
    "null",
    "5",
    '"x"',
    "[" * 50_000,
    '{"a":' * 50_000,
    "9" * 100_000,
    "NaN",
    "\x1b[2J",
    "\udcff",
)
_TYPES: Final = ("SET", "HSET", "RPUSH", "ZADD", "SADD")

# Puts something at keys of the engine: what it does, for errors, and the doing.
Spoil = tuple[str, Callable[[Any], object]]


def odd_value(rng: random.Random) -> Any:
    """Draw a JSON value that is rarely what is expected."""
    if rng.random() < 0.2:
        return mutated(rng, type_text(rng, 2))
    value = rng.choice(ODD)
    return copy.deepcopy(value)


def spoiled(rng: random.Random, document: Any) -> bytes:
    """Spoil a document in one or two places, or as a whole."""
    if rng.random() < 0.15:
        return _raw(rng.choice(_WHOLE))
    document = copy.deepcopy(document)
    for _ in range(rng.choice((1, 1, 2))):
        _change(rng, document)
    raw = _raw(json.dumps(document))
    if rng.random() < 0.1:
        place = rng.randrange(len(raw))
        raw = raw[:place] + bytes([rng.randrange(256)]) + raw[place + rng.randrange(2) :]
    return raw


def _is_object(document: Any) -> bool:
    return isinstance(document, dict)


def _change(rng: random.Random, document: Any) -> None:
    """Go down to some place of a document, and put something else there."""
    while True:
        places: list[Any] = [*document] if _is_object(document) else [*range(len(document))]
        if not places:
            return
        place = rng.choice(places)
        inside: Any = document[place]
        if isinstance(inside, (dict, list)) and inside and rng.random() < 0.7:
            document = cast(Any, inside)
            continue
        break
    kind = rng.random()
    if kind < 0.15:
        del document[place]
    elif kind < 0.25 and _is_object(document):
        document[rng.choice(("more", "", "\x1b[31m", "__class__", "_v"))] = odd_value(rng)
    elif kind < 0.4 and _is_object(document) and place == "type":
        document[place] = mutated(rng, type_text(rng))
    else:
        document[place] = odd_value(rng)


def spoils(rng: random.Random) -> Spoil:
    """Draw something to do to a key of the engine."""
    kind = rng.random()
    if kind < 0.1:
        return _another_type(rng)
    if kind < 0.4:
        return _spoiled_hash(rng)
    name, field, document = rng.choice(HONEST)
    raw, key = spoiled(rng, document), KEY + name
    if field is None:
        return f"RPUSH {key} {raw[:300]!r}", lambda client: client.rpush(key, raw)
    if field == "":
        return f"SET {key} {raw[:300]!r}", lambda client: client.set(key, raw)
    field = rng.choice((field, field, field, "\x1b[31m\x9b", "", "zz", KEY + "lease"))
    return f"HSET {key} {field!r} {raw[:300]!r}", lambda client: client.hset(key, field, raw)


def _another_type(rng: random.Random) -> Spoil:
    key = KEY + rng.choice((*_HASHES, *(name for name, _, _ in HONEST), "rights"))
    command = rng.choice(_TYPES)
    arguments = {"HSET": ("a", "b"), "ZADD": (0, "x")}.get(command, ("x",))

    def put(client: Any) -> None:
        client.delete(key)
        client.execute_command(command, key, *arguments)

    return f"{command} {key}", put


def _spoiled_hash(rng: random.Random) -> Spoil:
    name, honest = rng.choice(list(_HASHES.items()))
    fields = {field: _raw(text) for field, text in honest.items()}
    for field in rng.sample(list(fields), rng.choice((1, 1, 2))):
        odd = rng.choice((*ODD, *_WHOLE))
        fields[field] = rng.choice((b"\xff", _raw(odd if isinstance(odd, str) else json.dumps(odd))))
    if rng.random() < 0.3:
        del fields[rng.choice(list(fields))]

    def put(client: Any) -> None:
        client.delete(KEY + name)
        client.hset(KEY + name, mapping=fields)

    return f"HSET {KEY + name} { ({field: raw[:60] for field, raw in fields.items()})!r}", put


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape") if "\ud800" not in text else text.encode("utf-8", "surrogatepass")
