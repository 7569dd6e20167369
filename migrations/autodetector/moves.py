"""Moves: models that went from one app of a project to another, found over all apps at once. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..schema.snapshot import ModelSchema, Snapshot

__all__ = ["Moves", "find_moves"]


@dataclass(frozen=True)
class Moves:
    """What moves from and to one app.

    Attributes:
        leaving: Label of the app that a model goes to, by its name here.
        arriving: What a model is in the app that it comes from, by its name here.
    """

    leaving: dict[str, str] = field(default_factory=dict[str, str])
    arriving: dict[str, ModelSchema] = field(default_factory=dict[str, ModelSchema])


def find_moves(apps: Mapping[str, tuple[Snapshot, Snapshot]]) -> Mapping[str, Moves]:
    """Find models that are gone in one app and new in another, under the same keys: the records can be no other's.

    Args:
        apps: Where the files are, and what the code says, by the label of the app.
    """
    moves = {label: Moves() for label in apps}
    for label, (old, new) in apps.items():
        for one in old.models:
            if one.name in new.by_name or any(other.keys.start == one.keys.start for other in new.models):
                continue
            for other_label, (known, wanted) in apps.items():
                heir = _heir(one, known, wanted) if other_label != label else None
                if heir is not None and heir not in moves[other_label].arriving:
                    moves[label].leaving[one.name] = other_label
                    moves[other_label].arriving[heir] = _renamed(one, heir)
                    break
    return moves


def _heir(one: ModelSchema, known: Snapshot, wanted: Snapshot) -> str | None:
    found = [other.name for other in wanted.models if other.keys.start == one.keys.start]
    return found[0] if len(found) == 1 and found[0] not in known.by_name else None


def _renamed(one: ModelSchema, name: str) -> ModelSchema:
    return ModelSchema(name, one.version, one.primary_key, one.prefix, one.separator, one.table, one.fields, one.ttl)
