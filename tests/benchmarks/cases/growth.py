"""Growth: the same work on ever more records."""

import time
from collections.abc import Callable
from typing import Final

from ..figures import Group, Series
from ..filling import fill_customers
from ..project import IN_SERVER, Project
from ..records import TEN
from ..yardsticks import clientside, giant
from ..yardsticks.ours import Ours
from ..yardsticks.redispy import RedisPy
from ..yardsticks.table import Table
from .bench import Bench

__all__ = ["growth"]

_AT_ONCE: Final = 20_000  # objects that are there at a time


def growth(bench: Bench) -> list[Group]:
    """Insert, iterate and migrate; one round each."""
    project = Project(bench.folder / "growth", bench.server, IN_SERVER[:3])
    # In this order: what is iterated over was inserted just before.
    works: dict[str, Callable[[int], float]] = {
        "insert, redis_models": lambda count: _inserted(bench, Ours, count),
        "iterate, redis_models": lambda count: _iterated(bench, Ours, count),
        "insert, redis-py": lambda count: _inserted(bench, RedisPy, count),
        "iterate, redis-py": lambda count: _iterated(bench, RedisPy, count),
        "migrate in the server, redis_models": lambda count: _migrated(
            bench, count, lambda: project.migrate_flat_out()
        ),
        "migrate in the server, one giant script": lambda count: _migrated(
            bench, count, lambda: giant.rewrite_all(bench.server, IN_SERVER[:3], keeps=False)
        ),
        "migrate in the server, client pipeline": lambda count: _migrated(
            bench, count, lambda: clientside.as_in_server(bench.server, IN_SERVER[:3])
        ),
    }
    lines: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for count in bench.scale.growth:
        for name, work in works.items():
            lines[name].append((count, count / work(count)))
    bench.server.flush()
    series = [
        Series(f"{name}, {int(count):,} records", [rate], records=int(count))
        for name, points in lines.items()
        for count, rate in points
    ]
    notes = ("One round each; redis_models migrates by the whole command, flat out.",)
    return [Group("growth", "growth", series, notes, lines)]


def _inserted(bench: Bench, library: type[Table], count: int) -> float:
    bench.server.flush()
    table, took = library(bench.server, TEN), 0.0
    for start in range(0, count, _AT_ONCE):
        objects = table.make(TEN.rows(min(_AT_ONCE, count - start), start))
        began = time.perf_counter()
        table.insert(objects)
        took += time.perf_counter() - began
    table.close()
    return took


def _iterated(bench: Bench, library: type[Table], count: int) -> float:
    table = library(bench.server, TEN)
    began = time.perf_counter()
    read = sum(1 for _ in table.iterate())
    took = time.perf_counter() - began
    table.close()
    assert read == count, f"{table.name} met {read} of {count}"
    return took


def _migrated(bench: Bench, count: int, migrate: Callable[[], object]) -> float:
    fill_customers(bench.server, count)
    began = time.perf_counter()
    migrate()
    took = time.perf_counter() - began
    assert bench.server.client.hget(f"customer:{count - 1}", "_v") == b"2"
    return took
