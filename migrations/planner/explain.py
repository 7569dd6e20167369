"""Explain what a migration does to one record, computed in memory. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from redis_models.errors import DataError, RecordError
from redis_models.mapping.mapper import Mapper
from redis_models.mapping.overrides import HookedMapper
from redis_models.mapping.stored_field import STAMP
from redis_models.redaction import printable

from ..chain.chain import Chain
from ..chain.lineage import Lineage, lineages_of
from ..schema.examples import example_records
from ..schema.snapshot import ModelSchema

__all__ = ["Explained", "Line", "explain", "explained_models", "lines_of", "made_up"]

# Whether the bytes of a stored field must not be shown.
Conceals = Callable[[str, bytes | None], bool]
# The fields that hooks read from a record, before and after.
Reads = tuple[Mapping[str, bytes], Mapping[str, bytes]]
_NOTHING: Final[Mapping[str, bytes]] = {}


@dataclass(frozen=True)
class Line:
    """One stored field, before and after; None if it is absent.

    Attributes:
        name: The field.
        before, after: Its bytes.
        is_secret: Whether they must not be shown.
        read_before, read_after: What hooks of the model read from these bytes, as stored without hooks; None if
            nothing was read through hooks.
    """

    name: str
    before: bytes | None = field(repr=False)
    after: bytes | None = field(repr=False)
    is_secret: bool = False
    read_before: bytes | None = field(default=None, repr=False)
    read_after: bytes | None = field(default=None, repr=False)

    @property
    def shown(self) -> tuple[bytes | None, bytes | None]:
        """The values to show, before and after, unless they are secret."""
        before, after = self.read_before, self.read_after
        if self.before == self.after:  # the same bytes are the same value
            before, after = (after if before is None else before), (before if after is None else after)
        return self.before if before is None else before, self.after if after is None else after

    @property
    def sign(self) -> str:
        """What happens: + is added, - is removed, ~ changes, a space if it stays."""
        if self.before == self.after:
            return " "
        return "+" if self.before is None else "-" if self.after is None else "~"


@dataclass(frozen=True)
class Explained:
    """What happens to one record.

    Attributes:
        model: The model before.
        key, new_key: Its key before and afterwards.
        lines: Its fields; first those of the application, then undo fields.
        notes: Why stored bytes are shown instead of what hooks of the model read from them.
    """

    model: str
    key: str
    new_key: str
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()


def explained_models(chain: Chain, position: int) -> list[tuple[Lineage, ModelSchema, ModelSchema]]:
    """Give the models whose records the migration before ``position`` rewrites, before and after it."""
    found: list[tuple[Lineage, ModelSchema, ModelSchema]] = []
    for lineage in lineages_of(chain):
        before, after = lineage.schemas.get(position - 1), lineage.schemas.get(position)
        if before is not None and after is not None and before.version != after.version:
            found.append((lineage, before, after))
    return found


def made_up(schema: ModelSchema) -> tuple[str, dict[str, bytes]]:
    """Give a record that an application could have stored, and its key."""
    record = {**example_records(schema)[0], STAMP: b"%d" % schema.version}
    return schema.keys.record("example"), record


def explain(
    lineage: Lineage,
    before: ModelSchema,
    after: ModelSchema,
    key: str,
    record: Mapping[str, bytes],
    *,
    is_backwards: bool = False,
    shapes: Iterable[Mapper[Any]] = (),
) -> Explained:
    """Bring a record to one side of a migration, and then to the other.

    Args:
        lineage: Of the model.
        before, after: The model on both sides.
        key: Of the record.
        record: Its stored fields, of any version that the chain knows.
        is_backwards: Show what taking the migration back does.
        shapes: Mappers of the code's models; a record of a model with hooks is read through its mapper.

    Raises:
        RecordError: It cannot be migrated; the error names its field and value.
    """
    if is_backwards:
        before, after = after, before
    old = lineage.route.rewrite(record, before.version).fields
    new = lineage.route.rewrite(old, after.version).fields
    try:
        moved = _moved(before, after, key, new)
    except RecordError as exc:
        error = lineage.route.without_secrets(exc)
    else:
        sides = ((before, key, old), (after, moved, new))
        reads, notes = _read(_hooked(lineage, shapes), sides)
        return Explained(before.name, key, moved, lines_of(old, new, lineage.conceals, reads), notes)
    raise error  # outside the except clause, so that the original error, which may show secrets, is not its context


def lines_of(
    before: Mapping[str, bytes], after: Mapping[str, bytes], conceals: Conceals, reads: Reads = (_NOTHING, _NOTHING)
) -> tuple[Line, ...]:
    """Compare a record with itself, field by field; last the undo fields.

    Args:
        before, after: What is stored.
        conceals: Says what must not be shown.
        reads: What hooks read of both.
    """
    names = sorted({*before, *after, *reads[0], *reads[1]}, key=lambda name: (name.startswith("_"), name))
    lines: list[Line] = []
    for name in names:
        sides = (before.get(name), after.get(name), reads[0].get(name), reads[1].get(name))
        is_secret = any(conceals(name, raw) for raw in sides)
        lines.append(Line(name, sides[0], sides[1], is_secret, sides[2], sides[3]))
    return tuple(lines)


def _hooked(lineage: Lineage, shapes: Iterable[Mapper[Any]]) -> "HookedMapper[Any] | None":
    """Give the mapper of a lineage's model if its records are read through a hook."""
    starts = {schema.keys.start for schema in lineage.schemas.values()}
    for shape in shapes:
        is_its = shape.model.__name__ == lineage.latest.name or shape.keys.start in starts
        if is_its and isinstance(shape, HookedMapper) and shape.deserialize is not None:
            return shape
    return None


def _read(
    shape: "HookedMapper[Any] | None", sides: Iterable[tuple[ModelSchema, str, Mapping[str, bytes]]]
) -> tuple[Reads, tuple[str, ...]]:
    """Read both sides through a hook, and say why if a side cannot be read."""
    reads: list[Mapping[str, bytes]] = []
    notes: list[str] = []
    for schema, key, stored in sides:
        found, reason = _opened(shape, schema, key, stored)
        reads.append(found)
        if reason:
            notes.append(f"version {schema.version} is shown as it is stored: {reason}")
    return (reads[0], reads[1]), tuple(notes)


def _opened(
    shape: "HookedMapper[Any] | None", schema: ModelSchema, key: str, stored: Mapping[str, bytes]
) -> tuple[Mapping[str, bytes], str]:
    if shape is None:
        return _NOTHING, ""
    hook = f"{shape.model.__name__}.deserialize_partially"
    if shape.version != schema.version:
        return _NOTHING, f"only the {hook} of that version can read it, and the code is at {shape.version}"
    try:
        return shape.opened(key, stored), ""
    except DataError as exc:
        said = str(exc).removeprefix(f"{printable(key)}: ")
        return _NOTHING, f"it cannot be read through {hook}: {said}"


def _moved(before: ModelSchema, after: ModelSchema, key: str, record: Mapping[str, bytes]) -> str:
    if before.primary_key == after.primary_key or after.primary_key not in record:
        text = before.keys.primary_key(key) if before.keys.owns(key) else None
    else:
        try:
            text = str(after.field(after.primary_key).codec.decode(record[after.primary_key]))
        except ValueError as exc:
            raise RecordError(after.primary_key, record[after.primary_key], str(exc), (str(exc),)) from exc
    return key if text is None else after.keys.record(text)
