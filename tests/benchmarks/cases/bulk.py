"""Bulk work: many records in, and all of them out again."""

from typing import Any, Final

from ..figures import Group, Promise
from ..records import FIFTY, NESTED, TEN, Row
from ..rounds import Contender
from ..yardsticks.redispy import RedisPy
from ..yardsticks.table import Table
from .bench import Bench, assert_rows

__all__ = ["fill", "insert", "select"]

_KINDS: Final = ((TEN, 1.0), (FIFTY, 0.25), (NESTED, 0.5))  # and which part of the records
_NOTES: Final = (
    "redis-py: pipelines of 500 HSET, and one ZADD each for the index, of dicts whose values it takes as they are;"
    " HGETALL of all members of the index, as dicts of texts. A document is written and read by json.",
    "redis_models: its objects were validated when they were made; the index and the guard of versions are included."
    " Reading validates again, and remembers what was stored.",
)


def insert(bench: Bench) -> list[Group]:
    """Store objects that are there."""
    return [
        Group(
            "insert",
            f"insert, {kind.name}",
            bench.compare(
                kind,
                int(bench.scale.records * share),
                lambda table, count: _inserting(bench, table, count),
                {RedisPy: Promise(1.2)} if kind is TEN else {},
            ),
            _NOTES,
        )
        for kind, share in _KINDS
    ]


def select(bench: Bench) -> list[Group]:
    """Read all that there is."""
    return [
        Group(
            "select",
            f"select, {kind.name}",
            bench.compare(
                kind,
                int(bench.scale.records * share),
                lambda table, count: _selecting(bench, table, count),
                {RedisPy: Promise(1.0)} if kind is TEN else {},
            ),
        )
        for kind, share in _KINDS
    ]


def _inserting(bench: Bench, table: Table, count: int) -> Contender:
    rows = table.kind.rows(count)
    objects: list[Any] = []

    def prepare() -> None:
        bench.server.flush()
        objects[:] = table.make(rows)

    def work() -> int:
        table.insert(objects)
        return count

    def check() -> None:
        objects.clear()
        assert_rows(table, table.select(), rows)

    return Contender(table.name, work, prepare, check)


def _selecting(bench: Bench, table: Table, count: int) -> Contender:
    rows = table.kind.rows(count)
    found: list[Any] = []

    def work() -> int:
        nonlocal found
        found = table.select()
        return count

    def check() -> None:
        assert_rows(table, found, rows)

    def prepare() -> None:
        found.clear()
        fill(bench, table, rows)

    return Contender(table.name, work, prepare, check)


def fill(bench: Bench, table: Table, rows: list[Row]) -> None:
    """Have a table hold these rows and no others."""
    bench.server.flush()
    table.insert(table.make(rows))
