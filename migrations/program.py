"""Programs: what the server does to records by itself, compiled from stages whose steps are static. Pure.

The steps of all stages on the way are run once on symbols instead of bytes: each stored field ends up as the bytes of
some field as it was, or their image in a table, as a constant, or absent. What remains is a few lists, the same for
every record of a version. A record that holds bytes of which no table knows the image is left to Python.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from redis_models.batches import Argument
from redis_models.shape import STAMP

from .aside import kept_name
from .images import SAME, Images, Kept
from .route import Route, Stage
from .steps import Convert, Drop, Expire, Move, Put, Step

__all__ = ["Program", "compile_program"]


@dataclass(frozen=True)
class _Cell:
    """Contents of a field on the way: the bytes that ``source`` had, a constant, or nothing.

    Attributes:
        source: Original field whose bytes these are, or None.
        constant: Constant bytes, or None.
        life: Original field whose life span goes along, or None.
        images: What becomes of the bytes of the source.
    """

    source: str | None = None
    constant: bytes | None = None
    life: str | None = None
    images: Images | Kept = SAME


class _NeedsPythonError(Exception):
    """No record can be rewritten by the server: a constant cannot be converted."""


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
    """Symbolic contents of a record while the steps run.

    Attributes:
        cells: By field; one that is not there is what it was.
        guards: What became of each original field that was converted, even if it was removed afterwards.
        lives: Changes of the record's life span: policy, milliseconds, stored field that keeps the one before.
    """

    cells: dict[str, _Cell] = field(default_factory=dict)
    guards: dict[str, Images] = field(default_factory=dict)
    lives: list[tuple[str, int, str]] = field(default_factory=list)

    def take(self, name: str) -> _Cell:
        return self.cells.get(name, _Cell(source=name, life=name))

    def run(self, version: int, place: int, step: Step) -> list[_Keep]:
        """Run one step of the migration to ``version``; give what it displaces."""
        if isinstance(step, Convert):
            kept = replace(self._convert(step), life=None)
            return [] if kept == _NOTHING else [_Keep(kept, kept_name(version, place, step.name, was_absent=False), "")]
        if isinstance(step, Expire):
            self.lives.append((step.policy, step.ms, kept_name(version, place, "", was_absent=False)))
            return []
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
        kept = before if step.displaces == name else replace(before, life=None)
        return [_Keep(kept, kept_name(version, place, name, was_absent=False), absent_as)]

    def _convert(self, step: Convert) -> _Cell:
        """Convert a field; give what is kept aside of it."""
        before = self.take(step.name)
        if before.constant is not None:
            known = step.known(before.constant)
            if known is None:
                raise _NeedsPythonError
            self.cells[step.name] = replace(before, constant=known[0])
            return _NOTHING if known[1] else before
        if before.source is None or isinstance(before.images, Kept):
            return _NOTHING
        images, kept = before.images.then(step)
        self.cells[step.name] = replace(before, images=images)
        self.guards[before.source] = images
        return replace(before, images=kept) if kept.table else _NOTHING


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
    runs: dict[int, _Run] = {}
    for version in route.versions:
        if version < target and route.is_static(version, target):
            with suppress(_NeedsPythonError):
                runs[version] = _run(route.stages_between(version, target))
    names = _Names(sorted({name for run in runs.values() for name in run.names}))
    programs: list[Argument] = [len(runs)]
    for version, run in runs.items():
        programs += [version, *names.fields(run.fields), run.unstamped_as, *names.kept(run.keeps)]
        programs += [*names.guards(run.guards), *_lives(run.lives)]
    sources: list[Argument] = [len(names.sources), *names.sources]
    return Program(route, tuple(runs), (*sources, *names.tables(), *programs))


@dataclass(frozen=True)
class _Run:
    """What the steps of some stages come to.

    Attributes:
        fields: Contents at the end of each field that is not simply what it was.
        keeps: What is kept aside.
        unstamped_as: Stored field that notes that the record had no stamp: it must come back without one.
        guards, lives: As the symbols have them.
    """

    fields: dict[str, _Cell]
    keeps: list[_Keep]
    unstamped_as: str
    guards: dict[str, Images]
    lives: list[tuple[str, int, str]]

    @property
    def names(self) -> set[str]:
        cells = [*self.fields.values(), *(keep.cell for keep in self.keeps)]
        named = {name for cell in cells for name in (cell.source, cell.life) if name is not None}
        return self.fields.keys() | self.guards.keys() | named


def _run(stages: Sequence[Stage]) -> _Run:
    symbols = _Symbols()
    keeps = [
        keep
        for stage in stages
        for place, step in enumerate(stage.steps)
        for keep in symbols.run(stage.newer, place, step)
    ]
    fields = {name: cell for name, cell in symbols.cells.items() if cell.source != name or cell.images is not SAME}
    first = stages[0]
    unstamped_as = kept_name(first.newer, len(first.steps), STAMP, was_absent=True)
    return _Run(fields, keeps, unstamped_as, symbols.guards, symbols.lives)


class _Names:
    """Numbers for names of fields and for tables, so that the script is sent each of them once. Grows by use.

    Attributes:
        sources: Names of fields, the first of which has number 1.
    """

    def __init__(self, sources: Sequence[str]) -> None:
        self.sources = sources
        self._places = {name: number for number, name in enumerate(sources, 1)}
        self._tables: dict[tuple[Argument, ...], int] = {}

    def fields(self, final: Mapping[str, _Cell]) -> Iterable[Argument]:
        yield len(final)
        for name, cell in final.items():
            yield from (name, self._places[name], *self._cell(cell))

    def kept(self, keeps: Sequence[_Keep]) -> Iterable[Argument]:
        yield len(keeps)
        for keep in keeps:
            yield from (*self._cell(keep.cell), keep.stored_as, keep.absent_as)

    def guards(self, guards: Mapping[str, Images]) -> Iterable[Argument]:
        yield len(guards)
        for name, images in guards.items():
            yield from (self._places[name], self._table(images))

    def tables(self) -> Iterable[Argument]:
        yield len(self._tables)
        for table in self._tables:
            yield from table

    def _cell(self, cell: _Cell) -> tuple[Argument, Argument, Argument, Argument]:
        """Give the place of the source, 0 for a constant or -1 for nothing; the constant; the table; the life span."""
        life = 0 if cell.life is None else self._places[cell.life]
        if cell.source is not None:
            return self._places[cell.source], "", self._table(cell.images), life
        return (-1, "", 0, life) if cell.constant is None else (0, cell.constant, 0, life)

    def _table(self, images: Images | Kept) -> int:
        if images is SAME:
            return 0
        leaves_others = isinstance(images, Images) and images.leaves_others
        flat = [one for pair in images.table.items() for one in pair]
        table: tuple[Argument, ...] = (int(leaves_others), len(images.table), *flat)
        return self._tables.setdefault(table, len(self._tables) + 1)


def _lives(lives: Sequence[tuple[str, int, str]]) -> Iterable[Argument]:
    yield len(lives)
    for life in lives:
        yield from life
