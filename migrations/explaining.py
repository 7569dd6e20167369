"""Explaining: what a migration does to one record, computed in memory. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from redis_models.errors import RecordError
from redis_models.shape import STAMP

from .chain import Chain
from .examples import example_records
from .lineage import Lineage, lineages_of
from .schema import ModelSchema

__all__ = ["Explained", "Line", "explain", "explained_models", "lines_of", "made_up"]

# Whether the bytes of a stored field must not be shown.
Conceals = Callable[[str, bytes | None], bool]


@dataclass(frozen=True)
class Line:
    """One stored field, before and after; None where it is absent.

    Attributes:
        name: The field.
        before, after: Its bytes.
        is_secret: Whether they must not be shown.
    """

    name: str
    before: bytes | None = field(repr=False)
    after: bytes | None = field(repr=False)
    is_secret: bool = False

    @property
    def sign(self) -> str:
        """What happens: + comes, - goes, ~ changes, nothing."""
        if self.before == self.after:
            return " "
        return "+" if self.before is None else "-" if self.after is None else "~"


@dataclass(frozen=True)
class Explained:
    """What happens to one record.

    Attributes:
        model: The model before.
        key, new_key: Where it lies before and afterwards.
        lines: Its fields; first those of the application, then what is kept aside.
    """

    model: str
    key: str
    new_key: str
    lines: tuple[Line, ...]


def explained_models(chain: Chain, position: int) -> list[tuple[Lineage, ModelSchema, ModelSchema]]:
    """Give the models whose records the migration before ``position`` rewrites, before and after it."""
    found: list[tuple[Lineage, ModelSchema, ModelSchema]] = []
    for lineage in lineages_of(chain):
        before, after = lineage.schemas.get(position - 1), lineage.schemas.get(position)
        if before is not None and after is not None and before.version != after.version:
            found.append((lineage, before, after))
    return found


def made_up(schema: ModelSchema) -> tuple[str, dict[str, bytes]]:
    """Give a record that somebody could have stored, and its key."""
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
) -> Explained:
    """Bring a record to one side of a migration, and then to the other.

    Args:
        lineage: Whose record it is.
        before, after: The model on both sides.
        key: Where it lies.
        record: Its stored fields, of any version that the chain knows.
        is_backwards: Show what taking the migration back does.

    Raises:
        RecordError: It cannot be brought there; its field and value are named.
    """
    if is_backwards:
        before, after = after, before
    one = lineage.route.rewrite(record, before.version).fields
    other = lineage.route.rewrite(one, after.version).fields
    try:
        moved = _moved(before, after, key, other)
    except RecordError as exc:
        error = lineage.route.without_secrets(exc)
    else:
        return Explained(before.name, key, moved, lines_of(one, other, lineage.conceals))
    raise error  # behind the clause, so that what it was made of is not its context


def lines_of(before: Mapping[str, bytes], after: Mapping[str, bytes], conceals: Conceals) -> tuple[Line, ...]:
    """Compare a record with itself, field by field; last what is kept aside."""
    names = sorted({*before, *after}, key=lambda name: (name.startswith("_"), name))
    return tuple(_line(name, before.get(name), after.get(name), conceals) for name in names)


def _line(name: str, before: bytes | None, after: bytes | None, conceals: Conceals) -> Line:
    return Line(name, before, after, conceals(name, before) or conceals(name, after))


def _moved(before: ModelSchema, after: ModelSchema, key: str, record: Mapping[str, bytes]) -> str:
    if before.primary_key == after.primary_key or after.primary_key not in record:
        text = before.keys.primary_key(key) if before.keys.owns(key) else None
    else:
        try:
            text = str(after.field(after.primary_key).codec.decode(record[after.primary_key]))
        except ValueError as exc:
            raise RecordError(after.primary_key, record[after.primary_key], str(exc), (str(exc),)) from exc
    return key if text is None else after.keys.record(text)
