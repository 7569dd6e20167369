"""Hidden extras: which extra fields of records a migration puts out of the application's sight. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from ..edits.extra_fields import extras_of
from ..operations import AddField, AlterExtras, Operation, RenameField
from ..schema.snapshot import Snapshot

__all__ = ["hidden_extras"]

Records = Mapping[str, Mapping[str, bytes]]


def hidden_extras(name: str, before: Snapshot, operations: Sequence[Operation], records: Records) -> Iterator[str]:
    """Say what would be hidden without anybody having said so, a line for each kind.

    Args:
        name: Name of the model, in ``before``.
        before: State before the migration.
        operations: All of the migration.
        records: Some of the model, by their keys.
    """
    model, taken = before.model(name), set[str]()
    known = {key: extras_of(model, record) for key, record in records.items()}
    for operation in operations:
        new = _new_name(operation, name)
        if new is None:
            continue
        taken.add(new)
        holders = [key for key, extras in known.items() if new in extras]
        is_said = isinstance(operation, AddField) and (operation.extra is not None or callable(operation.fill))
        if holders and not is_said:
            yield _told(
                len(holders), len(records), name, f"extra field {new!r}, whose name {operation.describe()!r} takes"
            )
    if any(isinstance(one, AlterExtras) and not one.allowed and one.model == name for one in operations):
        holders = [key for key, extras in known.items() if set(extras) - taken]
        if holders:
            names = sorted({extra for extras in known.values() for extra in extras if extra not in taken})
            yield _told(len(holders), len(records), name, f"extra fields ({', '.join(names[:5])})")


def _new_name(operation: Operation, model: str) -> str | None:
    match operation:
        case AddField(owner, new) | RenameField(owner, _, new) if owner == model and "." not in new:
            return new
        case _:
            return None


def _told(count: int, of: int, model: str, what: str) -> str:
    hold = "holds" if count == 1 else "hold"
    return f"{count:,} of {of:,} sampled records of {model} {hold} the {what}"
