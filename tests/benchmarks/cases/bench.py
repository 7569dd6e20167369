"""A bench: the server and the scale of a run, and how the tables of all libraries are opened on it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from ..figures import Promise, Series
from ..records import Kind, Row
from ..rounds import Contender, in_turn
from ..scale import Scale
from ..server import Server
from ..yardsticks.ours import Ours, OursAsyncio
from ..yardsticks.popoto import Popoto
from ..yardsticks.pydanticredis import PydanticRedis
from ..yardsticks.redisom import RedisOm
from ..yardsticks.redispy import RedisPy
from ..yardsticks.redispy_asyncio import RedisPyAsyncio
from ..yardsticks.redispy_pydantic import RedisPyPydantic
from ..yardsticks.table import NotComparableError, Table
from ..yardsticks.walrus import Walrus

__all__ = ["ALL", "Bench", "Work", "assert_rows"]

ALL: Final[tuple[type[Table], ...]] = (
    Ours, OursAsyncio, RedisPy, RedisPyAsyncio, RedisPyPydantic, RedisOm, Walrus, Popoto, PydanticRedis
)  # fmt: skip
# Each yardstick is compared with ours in its own world.
_OURS: Final[dict[type[Table], str]] = {OursAsyncio: "", Ours: "", RedisPyAsyncio: OursAsyncio.name}

# Makes the contender of a table for so many records, or calls.
Work = Callable[[Table, int], Contender]


@dataclass(frozen=True)
class Bench:
    """What a case runs on.

    Attributes:
        server: Of the run's own, emptied by every case.
        scale: How much is done.
        folder: For projects; empty.
    """

    server: Server
    scale: Scale
    folder: Path

    def compare(
        self,
        kind: Kind,
        count: int,
        work: Work,
        promises: dict[type[Table], Promise],
        libraries: Sequence[type[Table]] = ALL,
    ) -> list[Series]:
        """Run one work in turn on the tables of all libraries.

        Args:
            kind: Of records.
            count: How many records, or calls; slow libraries get a part of them.
            work: Makes the contenders.
            promises: What ours promises in comparison with a library.
            libraries: Whose tables.
        """
        opened: list[Table] = []
        contenders: list[Contender] = []
        reasons: dict[str, str] = {}
        counts: dict[str, int] = {}
        for library in libraries:
            try:
                table = library(self.server, kind)
                opened.append(table)
                counts[library.name] = max(1, int(count * library.share))
                contenders.append(work(table, counts[library.name]))
            except ModuleNotFoundError as exc:
                reasons[library.name] = f"not installed ({exc.name})"
            except NotComparableError as exc:
                reasons[library.name] = str(exc)
        try:
            rates = in_turn(contenders, self.scale.rounds, warms_up=self.scale.warms_up)
        finally:
            for table in opened:
                table.close()
            self.server.flush()
        return [
            Series(
                library.name,
                rates.get(library.name, ()),
                ours=_OURS.get(library, Ours.name),
                promise=promises.get(library),
                records=counts.get(library.name, 0) if library.name in rates else 0,
                why_not=reasons.get(library.name, ""),
            )
            for library in libraries
        ]


def assert_rows(table: Table, objects: Sequence[Any], rows: Sequence[Row]) -> None:
    """Raise AssertionError unless these objects are those rows, in whatever order."""
    found = sorted((_opened(table.plain(instance)) for instance in objects), key=lambda row: row.get("id", ""))
    wrong = [(record, row) for record, row in zip(found, rows, strict=False) if record != row][:1]
    assert len(found) == len(rows) and not wrong, f"{table.name}: {len(found)} of {len(rows)}: {wrong}"


def _opened(row: Row) -> Row:
    return {name: value.model_dump() if isinstance(value, BaseModel) else value for name, value in row.items()}
