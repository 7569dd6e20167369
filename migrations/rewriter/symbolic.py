"""Symbols: steps run once on symbols instead of bytes, to learn what they come to for every record of a version. Pure.

Each stored field ends up as the bytes of some field as it was, or their image in a table, as a constant, or absent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from redis_models.mapping.stored_field import STAMP

from ..chain.upgrade_path import VersionStep
from ..edits.steps import Convert, Drop, Expire, Move, Put, Step
from ..edits.undo_fields import undo_name
from .value_tables import SAME, UndoTable, ValueTable

__all__ = ["NOTHING", "Cell", "NeedsPythonError", "Run", "UndoWrite", "run_of"]


@dataclass(frozen=True)
class Cell:
    """Contents of a field between two steps: the bytes that ``source`` had, a constant, or nothing.

    Attributes:
        source: Original field whose bytes these are, or None.
        constant: Constant bytes, or None.
        ttl_source: Original field whose TTL is carried, or None.
        images: What becomes of the bytes of the source.
    """

    source: str | None = None
    constant: bytes | None = None
    ttl_source: str | None = None
    images: ValueTable | UndoTable = SAME


class NeedsPythonError(Exception):
    """No record can be rewritten by the server: a constant cannot be converted."""


NOTHING: Final = Cell()


@dataclass(frozen=True)
class UndoWrite:
    """One undo field to write.

    Attributes:
        cell: What is stored.
        stored_as: Stored field that takes it.
        absent_as: Stored field that notes its absence, or "".
    """

    cell: Cell
    stored_as: str
    absent_as: str


@dataclass
class _Symbols:
    """Symbolic contents of a record while the steps run.

    Attributes:
        cells: By field; one that is not there is what it was.
        guards: What became of each original field that was converted, even if it was removed afterwards.
        ttl_changes: Changes of the record's TTL: policy, milliseconds, stored field that keeps the one before.
        overwritten: Original fields that were written over before anything was done with them; as a rule no record has
            them.
    """

    cells: dict[str, Cell] = field(default_factory=dict)
    guards: dict[str, ValueTable] = field(default_factory=dict)
    ttl_changes: list[tuple[str, int, str]] = field(default_factory=list)
    overwritten: set[str] = field(default_factory=set)

    def take(self, name: str) -> Cell:
        return self.cells.get(name, Cell(source=name, ttl_source=name))

    def run(self, version: int, place: int, step: Step) -> list[UndoWrite]:
        """Run one step of the migration to ``version``; give what it displaces."""
        if isinstance(step, Convert):
            displaced = replace(self._convert(step), ttl_source=None)
            return (
                []
                if displaced == NOTHING
                else [UndoWrite(displaced, undo_name(version, place, step.name, was_absent=False), "")]
            )
        if isinstance(step, Expire):
            self.ttl_changes.append((step.policy, step.ms, undo_name(version, place, "", was_absent=False)))
            return []
        name = step.new if isinstance(step, Move) else step.name if isinstance(step, (Put, Drop)) else ""
        before = self.take(name)
        if isinstance(step, (Move, Put)) and name not in self.cells:
            self.overwritten.add(name)
        if isinstance(step, Move):
            self.cells[name], self.cells[step.old] = self.take(step.old), NOTHING
        elif isinstance(step, Put):
            self.cells[name] = Cell(constant=step.raw, ttl_source=before.ttl_source)
        else:
            self.cells[name] = NOTHING
        marks = isinstance(step, Drop)
        if before == NOTHING and not marks:
            return []
        absent_as = undo_name(version, place, name, was_absent=True) if marks else ""
        displaced = before if step.displaces == name else replace(before, ttl_source=None)
        return [UndoWrite(displaced, undo_name(version, place, name, was_absent=False), absent_as)]

    def _convert(self, step: Convert) -> Cell:
        """Convert a field; give its undo field."""
        before = self.take(step.name)
        if before.constant is not None:
            known = step.known(before.constant)
            if known is None:
                raise NeedsPythonError
            self.cells[step.name] = replace(before, constant=known[0])
            return NOTHING if known[1] else before
        if before.source is None or isinstance(before.images, UndoTable):
            return NOTHING
        images, displaced = before.images.then(step)
        self.cells[step.name] = replace(before, images=images)
        self.guards[before.source] = images
        return replace(before, images=displaced) if displaced.table else NOTHING


@dataclass(frozen=True)
class Run:
    """What some version steps come to, for every record of a version.

    Attributes:
        fields: Contents at the end of each field that is not simply what it was.
        undo_writes: The undo fields.
        unstamped_as: Stored field that notes that the record had no stamp: it must come back without one.
        guards, ttl_changes, overwritten: As the symbols have them.
    """

    fields: dict[str, Cell]
    undo_writes: list[UndoWrite]
    unstamped_as: str
    guards: dict[str, ValueTable]
    ttl_changes: list[tuple[str, int, str]]
    overwritten: set[str]

    @property
    def names(self) -> set[str]:
        cells = [*self.fields.values(), *(write.cell for write in self.undo_writes)]
        named = {name for cell in cells for name in (cell.source, cell.ttl_source) if name is not None}
        return self.fields.keys() | self.guards.keys() | named

    @property
    def most_arguments(self) -> int:
        """How many names and values may have to be written to one record, with its stamp and what notes its absence."""
        return 2 * (len(self.fields) + len(self.undo_writes) + len(self.ttl_changes) + 2)


def run_of(version_steps: Sequence[VersionStep]) -> Run:
    """Run the steps of some version steps.

    Raises:
        NeedsPythonError: The server cannot do it.
    """
    symbols = _Symbols()
    undo_writes = [
        write
        for version_step in version_steps
        for place, step in enumerate(version_step.steps)
        for write in symbols.run(version_step.newer, place, step)
    ]
    fields = {name: cell for name, cell in symbols.cells.items() if cell.source != name or cell.images is not SAME}
    first = version_steps[0]
    unstamped_as = undo_name(first.newer, len(first.steps), STAMP, was_absent=True)
    return Run(fields, undo_writes, unstamped_as, symbols.guards, symbols.ttl_changes, symbols.overwritten)
