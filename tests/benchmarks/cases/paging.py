"""Paging: a page deep in a large table, and all records in constant memory."""

from typing import Any, Final

from ..figures import Group
from ..filling import fill_as_models
from ..records import TEN
from ..rounds import Contender
from ..yardsticks.ours import Ours, OursAsyncio
from ..yardsticks.redispy import RedisPy
from ..yardsticks.redispy_asyncio import RedisPyAsyncio
from ..yardsticks.table import Table
from .bench import Bench, assert_rows
from .bulk import fill

__all__ = ["iterate", "page"]

_SIZE: Final = 100
_NUMBER: Final = 1_000
_PAGES: Final = 50  # in one round, one after the other


def page(bench: Bench) -> list[Group]:
    """Read page 1,000, or the last one of a smaller table, again and again."""
    total = bench.scale.pages
    first = min((_NUMBER - 1) * _SIZE, total - _SIZE)

    def work(table: Table, count: int) -> Contender:
        table.require("page")
        found: list[Any] = []

        def read() -> int:
            for _ in range(count):
                found[:] = table.page(first, _SIZE)
            return count

        return Contender(table.name, read, check=lambda: assert_rows(table, found, table.kind.rows(_SIZE, first)))

    bench.server.flush()
    fill_as_models(bench.server, total)
    # Only those that share our keys: the others would need a million records of their own.
    libraries = (Ours, OursAsyncio, RedisPy, RedisPyAsyncio)
    series = bench.compare(TEN, _PAGES, work, {}, libraries)
    title = f"page {first // _SIZE + 1:,}, of {_SIZE} records, of a table of {total:,}"
    return [Group("page", title, series, ("Pages a second. redis-py: ZRANGE and a pipeline of HGETALL.",))]


def iterate(bench: Bench) -> list[Group]:
    """Go through all records."""

    def work(table: Table, count: int) -> Contender:
        table.require("iterate")
        rows = table.kind.rows(count)

        def go() -> int:
            return sum(1 for _ in table.iterate())

        def check() -> None:
            assert_rows(table, list(table.iterate()), rows)

        return Contender(table.name, go, lambda: fill(bench, table, rows), check)

    series = bench.compare(TEN, bench.scale.records, work, {})
    notes = ("redis-py: ZRANGEBYLEX and a pipeline of HGETALL for every 500.",)
    return [Group("iterate", "iterate over all objects", series, notes)]
