"""Hand-tuned client pipelines that rewrite all customers, 500 at a time, and check nothing."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

import redis

from ..project import Change
from ..server import Server
from .table import BATCH

__all__ = ["as_in_server", "by_python", "read_and_validate", "rewrite_all"]

Row = dict[str, Any]
_RENAMED: Final = {"full_name": "name", "mail": "email", "town": "city"}
_FILLED: Final = {"currency": "EUR", "level": "1", "country": "DE"}


def rewrite_all(
    server: Server, names: Sequence[str], removed: Sequence[str], change: Callable[[Sequence[Any]], Row]
) -> int:
    """Read fields of each customer, and write what comes of them.

    Args:
        server: Where they are.
        names: Fields to read.
        removed: Fields to remove.
        change: Gives the fields to write, of the values of ``names``.

    Returns:
        How many there were.
    """
    total = 0
    with _client(server) as client:
        for keys in _pages(client):
            reading = client.pipeline(transaction=False)
            for key in keys:
                reading.hmget(key, names)
            writing = client.pipeline(transaction=False)
            for key, values in zip(keys, reading.execute(), strict=True):
                writing.hset(key, mapping=change(values))
                if removed:
                    writing.hdel(key, *removed)
            writing.execute()
            total += len(keys)
    return total


def as_in_server(server: Server, changes: Sequence[Change]) -> int:
    """Do what the server could do by itself."""
    added = [name for change in changes for name in change.added]
    renamed = [name for name in added if name in _RENAMED]
    filled = {name: _FILLED[name] for name in added if name in _FILLED}
    removed = [name for change in changes for name in change.removed]

    def change(values: Sequence[Any]) -> Row:
        return {"_v": 2, **filled, **dict(zip(renamed, values, strict=False))}

    return rewrite_all(server, [_RENAMED[name] for name in renamed] or ["id"], removed, change)


def by_python(server: Server, changes: Sequence[Change]) -> int:
    """Do what takes a function: the age as a number or ``None``, and initials of the name."""
    added = [name for change in changes for name in change.added]
    initials = [name for name in added if name.startswith("initial")]

    def change(values: Sequence[Any]) -> Row:
        age, name = values
        row = {"_v": 2, "age": "None" if age == "NA" else int(age)}
        for initial in initials:
            row[initial] = name[:1].upper()
        return row

    return rewrite_all(server, ["age", "name"], (), change)


def read_and_validate(server: Server, validate: Callable[[Row], object]) -> int:
    """Read every customer, and validate it; give how many there were."""
    total = 0
    with _client(server) as client:
        for keys in _pages(client):
            reading = client.pipeline(transaction=False)
            for key in keys:
                reading.hgetall(key)
            for row in reading.execute():
                validate(row)
                total += 1
    return total


def _client(server: Server) -> Any:
    return redis.Redis(port=server.port, decode_responses=True)


def _pages(client: Any) -> Iterator[list[str]]:
    found = (key for key in client.scan_iter("customer:*", count=1000) if key != "customer:__index")
    while keys := list(islice(found, BATCH)):
        yield keys
