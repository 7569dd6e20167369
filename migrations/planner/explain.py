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
        is_secret: Whether the bytes must not be shown.
        read_before, read_after: The values that hooks of the model read from these bytes, encoded as without hooks;
            None if nothing was read through hooks.
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
        """What happens to the field: + it is added, - it is removed, ~ it changes, a space: it stays."""
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
    """Return the models whose records the migration before ``position`` rewrites, before and after it."""
    found: list[tuple[Lineage, ModelSchema, ModelSchema]] = []
    for lineage in lineages_of(chain):
        before, after = lineage.schemas.get(position - 1), lineage.schemas.get(position)
        if before is not None and after is not None and before.version != after.version:
            found.append((lineage, before, after))
    return found


def made_up(schema: ModelSchema) -> tuple[str, dict[str, bytes]]:
    """Return a record that an application could have stored, and its key."""
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
    mappers: Iterable[Mapper[Any]] = (),
) -> Explained:
    """Rewrite a record to the version before a migration, and then to the version after it.

    Args:
        lineage: The lineage of the model.
        before, after: The model on both sides.
        key: The key of the record.
        record: Its stored fields, of any version that the chain knows.
        is_backwards: Whether to show what taking the migration back does.
        mappers: Mappers of the code's models; a record of a model with hooks is read through its mapper.

    Raises:
        RecordError: It cannot be migrated; the error names its field and value.
    """
    if is_backwards:
        before, after = after, before
    old = lineage.path.rewrite(record, before.version).fields
    new = lineage.path.rewrite(old, after.version).fields
    try:
        moved = _moved(before, after, key, new)
    except RecordError as exc:
        error = lineage.path.without_secrets(exc)
    else:
        sides = ((before, key, old), (after, moved, new))
        reads, notes = _read(_hooked(lineage, mappers), sides)
        return Explained(before.name, key, moved, lines_of(old, new, lineage.conceals, reads), notes)
    raise error  # outside the except clause, so that the original error, which may show secrets, is not its context


def lines_of(
    before: Mapping[str, bytes], after: Mapping[str, bytes], conceals: Conceals, reads: Reads = (_NOTHING, _NOTHING)
) -> tuple[Line, ...]:
    """Compare two versions of a record field by field, undo fields last.

    Args:
        before, after: The stored fields.
        conceals: Returns whether a value must not be shown.
        reads: The values that hooks read from both.
    """
    names = sorted({*before, *after, *reads[0], *reads[1]}, key=lambda name: (name.startswith("_"), name))
    lines: list[Line] = []
    for name in names:
        sides = (before.get(name), after.get(name), reads[0].get(name), reads[1].get(name))
        is_secret = any(conceals(name, raw) for raw in sides)
        lines.append(Line(name, sides[0], sides[1], is_secret, sides[2], sides[3]))
    return tuple(lines)


def _hooked(lineage: Lineage, mappers: Iterable[Mapper[Any]]) -> "HookedMapper[Any] | None":
    """Return the mapper of a lineage's model if it reads records through a hook; else None."""
    starts = {schema.keys.start for schema in lineage.schemas.values()}
    for mapper in mappers:
        is_own = mapper.model.__name__ == lineage.latest.name or mapper.keys.start in starts
        if is_own and isinstance(mapper, HookedMapper) and mapper.deserialize is not None:
            return mapper
    return None


def _read(
    mapper: "HookedMapper[Any] | None", sides: Iterable[tuple[ModelSchema, str, Mapping[str, bytes]]]
) -> tuple[Reads, tuple[str, ...]]:
    """Read both sides through a hook. Return also notes that say why a side cannot be read."""
    reads: list[Mapping[str, bytes]] = []
    notes: list[str] = []
    for schema, key, stored in sides:
        found, reason = _opened(mapper, schema, key, stored)
        reads.append(found)
        if reason:
            notes.append(f"version {schema.version} is shown as it is stored: {reason}")
    return (reads[0], reads[1]), tuple(notes)


def _opened(
    mapper: "HookedMapper[Any] | None", schema: ModelSchema, key: str, stored: Mapping[str, bytes]
) -> tuple[Mapping[str, bytes], str]:
    if mapper is None:
        return _NOTHING, ""
    hook = f"{mapper.model.__name__}.deserialize_partially"
    if mapper.version != schema.version:
        return _NOTHING, f"only the {hook} of that version can read it, and the code is at {mapper.version}"
    try:
        return mapper.without_hooks(key, stored), ""
    except DataError as exc:
        reason = str(exc).removeprefix(f"{printable(key)}: ")
        return _NOTHING, f"it cannot be read through {hook}: {reason}"


def _moved(before: ModelSchema, after: ModelSchema, key: str, record: Mapping[str, bytes]) -> str:
    if before.primary_key == after.primary_key or after.primary_key not in record:
        text = before.keys.primary_key(key) if before.keys.owns(key) else None
    else:
        try:
            text = str(after.field(after.primary_key).codec.decode(record[after.primary_key]))
        except ValueError as exc:
            raise RecordError(after.primary_key, record[after.primary_key], str(exc), (str(exc),)) from exc
    return key if text is None else after.keys.record(text)
