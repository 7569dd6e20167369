"""Single work: one record a call, each acknowledged before the next."""

from collections.abc import Callable
from typing import Any, Final

from ..figures import Group, Promise
from ..records import TEN
from ..rounds import Contender
from ..yardsticks.ours import Ours, OursAsyncio
from ..yardsticks.redispy import RedisPy
from ..yardsticks.redispy_asyncio import RedisPyAsyncio
from ..yardsticks.table import Table
from .bench import ALL, Bench, Work, assert_rows
from .bulk import fill

__all__ = ["assign", "get", "patch", "save"]

_PROMISED: Final[dict[type[Table], Promise]] = {RedisPy: Promise(0.8)}
_BLOCKING: Final = tuple(value for value in ALL if value not in (OursAsyncio, RedisPyAsyncio))


def save(bench: Bench) -> list[Group]:
    """Store new objects."""

    def work(table: Table, count: int) -> Contender:
        rows = table.kind.rows(count)
        objects: list[Any] = []

        def prepare() -> None:
            bench.server.flush()
            objects[:] = table.make(rows)

        def save_all() -> int:
            table.save(objects)
            return count

        return Contender(
            table.name, save_all, prepare, lambda: assert_rows(table, table.get([row["id"] for row in rows]), rows)
        )

    notes = ("redis-py: one HSET, without index. redis_models: with index and guard.",)
    return [Group("save", "save a new object", bench.compare(TEN, bench.scale.calls, work, _PROMISED), notes)]


def get(bench: Bench) -> list[Group]:
    """Read objects by their ids."""

    def work(table: Table, count: int) -> Contender:
        rows = table.kind.rows(count)
        ids = [row["id"] for row in rows]
        found: list[Any] = []

        def get_all() -> int:
            found[:] = table.get(ids)
            return count

        return Contender(table.name, get_all, lambda: fill(bench, table, rows), lambda: assert_rows(table, found, rows))

    return [Group("get", "get an object", bench.compare(TEN, bench.scale.calls, work, _PROMISED))]


def patch(bench: Bench) -> list[Group]:
    """Set a field of records of which only the id is known."""
    notes = ("redis-py: one HSET. Libraries that can only write objects read them first.",)
    series = bench.compare(
        TEN, bench.scale.calls, _changing(bench, lambda table, ids, visits: table.patch(ids, visits)), {}
    )
    return [Group("patch", "patch a field", series, notes)]


def assign(bench: Bench) -> list[Group]:
    """Assign to a field of objects that are stored."""

    def change(table: Table, ids: list[str], visits: list[int]) -> None:
        table.assign(objects[table.name], visits)

    def prepared(table: Table, count: int) -> Contender:
        table.require("assign")
        instance = _changing(bench, change)(table, count)

        def prepare() -> None:
            instance.prepare()
            rows = table.kind.rows(count)
            stored = table.automatic(rows) if isinstance(table, Ours) else table.select()
            objects[table.name] = sorted(stored, key=lambda instance: table.plain(instance)["id"])

        return Contender(instance.name, instance.work, prepare, instance.check)

    objects: dict[str, list[Any]] = {}
    notes = ("redis_models: an AutoModel, which writes before the statement ends. Others: assignment and save.",)
    series = bench.compare(TEN, bench.scale.calls, prepared, {}, _BLOCKING)
    return [Group("assign", "assign to a field of an AutoModel", series, notes)]


def _changing(bench: Bench, change: Callable[[Table, list[str], list[int]], None]) -> Work:
    def work(table: Table, count: int) -> Contender:
        rows = table.kind.rows(count)
        ids, visits = [row["id"] for row in rows], [100_000 + place for place in range(count)]

        def change_all() -> int:
            change(table, ids, visits)
            return count

        def check() -> None:
            changed = [{**row, "visits": value} for row, value in zip(rows, visits, strict=True)]
            assert_rows(table, table.get(ids), changed)

        return Contender(table.name, change_all, lambda: fill(bench, table, rows), check)

    return work
