"""Survey: scan the hashes of a database, and keep some of each table for ``model_drafts``."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from redis_models.client.commands import RoundTrips, check, hash_of
from redis_models.encoding.raw_text import text_of
from redis_models.mapping.keys import INDEX

from .model_drafts import Table

__all__ = ["Survey", "survey"]

_PAGE: Final = 1000
_OURS: Final = "redis_models:"


@dataclass
class Survey:
    """What was found.

    Attributes:
        separator: Between the parts of keys.
        most: Records to keep of each table.
        owned: Prefixes of the keys of tables that have a model; they are skipped.
        tables: By the prefix of their keys.
        others: Keys that do not hold a hash.
    """

    separator: str
    most: int
    owned: frozenset[str]
    tables: dict[str, Table] = field(default_factory=dict[str, Table])
    others: int = 0


def survey(found: Survey, pattern: str, cursor: str) -> RoundTrips[str]:
    """Meet one page of keys; give where the next one begins, ``0`` at the end.

    Keys in which no separator is belong to no table. Memory does not grow with the number of keys.
    """
    [reply] = check((yield [("SCAN", cursor, "MATCH", pattern, "COUNT", _PAGE)]))
    following, page = cast("tuple[bytes, list[bytes]]", reply)
    keys = [key for key in dict.fromkeys(page) if not key.startswith(_OURS.encode())]
    kinds = check((yield [("TYPE", key) for key in keys])) if keys else []
    wanted: list[tuple[Table, bytes]] = []
    for key, kind in zip(keys, kinds, strict=True):
        text = text_of(key)
        table = _table_of(found, text)
        if kind != b"hash" or table is None:
            found.others += kind != b"hash" and not text.endswith(INDEX)
            continue
        table.count += 1
        if len(table.records) + sum(other is table for other, _ in wanted) < found.most:
            wanted.append((table, key))
    yield from _keep(wanted)
    return following.decode()


def _table_of(found: Survey, key: str) -> Table | None:
    start, separator, last = key.rpartition(found.separator)
    start += separator
    if not separator or not last or start == separator or start in found.owned:
        return None
    return found.tables.setdefault(start, Table(start, separator))


def _keep(wanted: Sequence[tuple[Table, bytes]]) -> RoundTrips[None]:
    if not wanted:
        return
    records = yield [("HGETALL", key) for _, key in wanted]
    ttls = check((yield [("TTL", key) for _, key in wanted]))
    for (table, key), record, ttl in zip(wanted, records, ttls, strict=True):
        fields = {} if isinstance(record, Exception) else hash_of(record)
        if fields:
            table.records[text_of(key)] = fields
            seconds = cast(int, ttl)
            table.ttls.append(seconds if seconds >= 0 else None)
