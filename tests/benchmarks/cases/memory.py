"""Memory of the process that migrates: it must not grow with the number of records."""

from typing import Final

from ..figures import Group, Promise, Series
from ..filling import fill_customers
from ..project import IN_SERVER, Project
from .bench import Bench

__all__ = ["memory"]

_MOST_MB: Final = 100.0


def memory(bench: Bench) -> list[Group]:
    """Migrate few records and many."""
    project = Project(bench.folder / "memory", bench.server, IN_SERVER[:3])
    series: list[Series] = []
    for count in bench.scale.growth:
        fill_customers(bench.server, count)
        done = project.migrate_flat_out()
        most = Promise(_MOST_MB, is_at_most=True)
        series.append(Series(f"{count:,} records", [done.peak_bytes / 1024**2], "MB", promise=most, records=count))
    bench.server.flush()
    return [Group("memory", "memory of the process that migrates", series, ("The most it ever had; one run each.",))]
