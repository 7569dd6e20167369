"""Programs: what the server does to records by itself, compiled from stages whose steps look at no value. Pure.

The steps of all stages on the way are run once on symbols instead of bytes: each stored field ends up as the bytes of
some field as it was, as a constant, or absent. What remains is a few lists, the same for every record of a version.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from redis_models.batches import Argument
from redis_models.shape import STAMP

from .aside import kept_name
from .route import Route, Stage
from .steps import Drop, Move, Put, Step

__all__ = ["Program", "compile_program"]


@dataclass(frozen=True)
class _Cell:
    """Contents of a field on the way: the bytes that ``source`` had, a constant, or nothing.

    Attributes:
        source: Original field whose bytes these are, or None.
        constant: Constant bytes, or None.
        life: Original field whose life span goes along, or None.
    """

    source: str | None = None
    constant: bytes | None = None
    life: str | None = None


_NOTHING: Final = _Cell()


@dataclass(frozen=True)
class _Keep:
    """One value to keep aside.

    Attributes:
        cell: What is kept.
        stored_as: Stored field that takes it.
        absent_as: Stored field that notes its absence, or "".
    """

    cell: _Cell
    stored_as: str
    absent_as: str


@dataclass
class _Symbols:
    """Symbolic contents of a record while the steps run."""

    cells: dict[str, _Cell] = field(default_factory=dict)

    def take(self, name: str) -> _Cell:
        return self.cells.get(name, _Cell(source=name, life=name))

    def run(self, version: int, place: int, step: Step) -> list[_Keep]:
        """Run one step of the migration to ``version``; give what it displaces."""
        name = step.new if isinstance(step, Move) else step.name if isinstance(step, (Put, Drop)) else ""
        before = self.take(name)
        if isinstance(step, Move):
            self.cells[name], self.cells[step.old] = self.take(step.old), _NOTHING
        elif isinstance(step, Put):
            self.cells[name] = _Cell(constant=step.raw, life=before.life)
        else:
            self.cells[name] = _NOTHING
        marks = isinstance(step, Drop) and step.back is not None
        if before == _NOTHING and not marks:
            return []
        absent_as = kept_name(version, place, name, was_absent=True) if marks else ""
        return [_Keep(before, kept_name(version, place, name, was_absent=False), absent_as)]


@dataclass(frozen=True)
class Program:
    """What a script does to records of some versions; see ``lua/rewrite.lua`` for the lists.

    Attributes:
        route: The way that it is compiled from.
        versions: Versions of the records that it is for.
        arguments: The lists, as the script reads them.
    """

    route: Route
    versions: tuple[int, ...]
    arguments: tuple[Argument, ...]


def compile_program(route: Route, target: int) -> Program:
    """Compile the way up to ``target`` from every older version from which all stages are static."""
    versions = tuple(version for version in route.versions if version < target and route.is_static(version, target))
    runs = [_run(route.stages_between(version, target)) for version in versions]
    sources = sorted({name for run in runs for name in run.names})
    place = {name: number for number, name in enumerate(sources, 1)}
    arguments: list[Argument] = [len(sources), *sources, len(runs)]
    for version, run in zip(versions, runs, strict=True):
        arguments += [version, *_fields(run.fields, place), run.unstamped_as, *_kept(run.keeps, place)]
    return Program(route, versions, tuple(arguments))


@dataclass(frozen=True)
class _Run:
    """What the steps of some stages come to.

    Attributes:
        fields: Contents at the end of each field that is not simply what it was.
        keeps: What is kept aside.
        unstamped_as: Stored field that notes that the record had no stamp: it must come back without one.
    """

    fields: dict[str, _Cell]
    keeps: list[_Keep]
    unstamped_as: str

    @property
    def names(self) -> set[str]:
        cells = [*self.fields.values(), *(keep.cell for keep in self.keeps)]
        return self.fields.keys() | {name for cell in cells for name in (cell.source, cell.life) if name is not None}


def _run(stages: Sequence[Stage]) -> _Run:
    symbols = _Symbols()
    keeps = [
        keep
        for stage in stages
        for place, step in enumerate(stage.steps)
        for keep in symbols.run(stage.newer, place, step)
    ]
    fields = {name: cell for name, cell in symbols.cells.items() if cell.source != name}
    first = stages[0]
    return _Run(fields, keeps, kept_name(first.newer, len(first.steps), STAMP, was_absent=True))


def _fields(final: dict[str, _Cell], place: dict[str, int]) -> Iterable[Argument]:
    yield len(final)
    for name, cell in final.items():
        yield from (name, place[name], *_cell(cell, place), 0 if cell.life is None else place[cell.life])


def _kept(keeps: Sequence[_Keep], place: dict[str, int]) -> Iterable[Argument]:
    yield len(keeps)
    for keep in keeps:
        yield from (*_cell(keep.cell, place), keep.stored_as, keep.absent_as)


def _cell(cell: _Cell, place: dict[str, int]) -> tuple[Argument, Argument]:
    """Give a cell as the place of its source, 0 for a constant or -1 for nothing; and the constant."""
    if cell.source is not None:
        return place[cell.source], ""
    return (-1, "") if cell.constant is None else (0, cell.constant)
