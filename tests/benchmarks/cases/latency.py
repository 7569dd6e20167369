"""Latency: how long a live client waits, at rest and while a migration runs beside it."""

import time
from typing import Final

from ..figures import Group, Promise, Series
from ..filling import fill_customers
from ..live import Latencies, LiveClient
from ..project import IN_SERVER, Project
from .bench import Bench

__all__ = ["latency"]

_DEFAULT: Final = "while migrating, with the default throttle"
_FLAT_OUT: Final = "while migrating, flat out"
_REST: Final = "at rest"
_PACES: Final = {_DEFAULT: (), _FLAT_OUT: ("--max-latency-ms", "0")}
_PROMISED_MS: Final = 5.0
_WINDOW_S: Final = 0.1


def latency(bench: Bench) -> list[Group]:
    """Watch one client before a migration and beside it."""
    project = Project(bench.folder / "latency", bench.server, IN_SERVER[:3])
    found: dict[str, list[Latencies]] = {_REST: [], _DEFAULT: [], _FLAT_OUT: []}
    lines: dict[str, list[tuple[float, float]]] = {}
    for _ in range(bench.scale.rounds):
        for name, options in _PACES.items():
            rest, during = _watch(bench, project, options)
            found[_REST].append(rest)
            found[name].append(during)
            lines[f"{name}, p99"] = _line(during, 0.99)
            lines[f"{name}, p50"] = _line(during, 0.5)
    series: list[Series] = []
    for name, measured in found.items():
        for title, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
            is_promised = name == _DEFAULT and title == "p99"
            values = [latency.quantile_ms(share) for latency in measured]
            promise = Promise(_PROMISED_MS, is_at_most=True) if is_promised else None
            series.append(Series(f"{name}, {title}", values, "ms", promise=promise))
    notes = (
        "HINCRBY by redis-py in a process of its own, a thousand a second at most, beside the migration of"
        f" {bench.scale.migrated:,} records by 3 operations in the server.",
    )
    bench.server.flush()
    return [Group("latency", "a live client's latency", series, notes, lines)]


def _watch(bench: Bench, project: Project, options: tuple[str, ...]) -> tuple[Latencies, Latencies]:
    """Give what a client met at rest, and beside a migration."""
    fill_customers(bench.server, bench.scale.migrated)
    client = LiveClient(bench.server.port, bench.scale.migrated)
    began = time.monotonic()
    time.sleep(bench.scale.quiet_s)  # what is measured: nothing is waited for
    started = time.monotonic()
    project.migrate(*options)
    ended = time.monotonic()
    latencies = client.end()
    return latencies.between(began, started), latencies.between(started, ended)


def _line(latencies: Latencies, share: float) -> list[tuple[float, float]]:
    """Give a quantile of each tenth of a second, by seconds since the first."""
    if not latencies.began:
        return []
    first, last = latencies.began[0], latencies.began[-1]
    points: list[tuple[float, float]] = []
    for window in range(int((last - first) / _WINDOW_S) + 1):
        start = first + window * _WINDOW_S
        points.append((window * _WINDOW_S, latencies.between(start, start + _WINDOW_S).quantile_ms(share)))
    return points
