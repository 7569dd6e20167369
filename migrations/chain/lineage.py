"""Lineages: records followed through a chain, across renames of their model and changes of their keys. Pure.

A lineage begins where a model is created. It continues through renames of the class and of keys. It also continues when
a new model takes over the keys, and so the records, of a deleted model or of one from another app.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from redis_models.errors import MigrationFileError
from redis_models.mapping.keys import KeySpace

from ..constraints.history import STORED_AS, Demands
from ..edits.undo_fields import field_of
from ..operations import AlterField, Operation, RenameField
from ..schema.snapshot import ModelSchema, Snapshot
from .chain import Chain, previous_names
from .loaded_migration import LoadedMigration
from .replaces import Replaced
from .upgrade_path import UpgradePath, make_version_step

__all__ = ["Lineage", "constraints_at", "lineages_of", "types_in_code", "upgrade_paths_of"]


@dataclass
class Lineage:
    """The records of one model through a chain. It grows while it is built, and is only read afterwards.

    Attributes:
        path: Their upgrade path, named after the latest model.
        schemas: The model, by each position at which it exists.
        remade: Positions at which keys change because the primary key became another field or was converted.
    """

    path: UpgradePath
    schemas: dict[int, ModelSchema] = field(default_factory=dict[int, ModelSchema])
    remade: set[int] = field(default_factory=set[int])

    def conceals(self, name: str, raw: bytes | None = None) -> bool:
        """Whether the value of a stored field must not be shown; works without steps too, unlike ``UpgradePath``."""
        return self.path.conceals(name, raw) or (field_of(name) in self._secrets if name else bool(self._secrets))

    @property
    def _secrets(self) -> frozenset[str]:
        return frozenset(
            field.name for schema in self.schemas.values() for field in schema.fields if field.holds_secret
        )

    @property
    def latest(self) -> ModelSchema:
        """The model at the end of the chain."""
        return self.schemas[max(self.schemas)]

    def at(self, position: int) -> ModelSchema:
        """Return the model of the records at a position.

        After its deletion it is the last model, so that a model that takes over the records finds them unchanged;
        before its creation it is the first one.
        """
        known = [place for place in self.schemas if place <= position]
        return self.schemas[max(known) if known else min(self.schemas)]

    def within(self, positions: range) -> list[ModelSchema]:
        """Return the models at some positions."""
        return [self.schemas[place] for place in positions if place in self.schemas]


# Keys that records have or had, and their lineage.
_Owner = tuple[KeySpace, Lineage]


def lineages_of(chain: Chain) -> list[Lineage]:
    """Return the lineages of a chain, in the order in which they begin.

    Raises:
        MigrationFileError: A model is created on keys where records of another version stay, so that a stamp would be
            ambiguous; or on keys that records left; or records are moved to keys that are not free.
    """
    found: list[Lineage] = []
    by_name: dict[str, Lineage] = {}
    owners: dict[str, _Owner] = {}
    triples = zip(chain.migrations, chain.snapshots, chain.snapshots[1:], strict=False)
    for position, (migration, before, after) in enumerate(triples, start=1):
        names, present = previous_names(before, migration.operations), dict[str, Lineage]()
        for model in after.models:
            origin = names.get(model.name)
            if origin is not None:
                lineage = by_name[origin]
                _extend(lineage, migration, before, origin, model, types_in_code(chain, position - 1, origin))
                if _remakes_keys(before, migration.operations, origin):
                    lineage.remade.add(position)
            else:
                lineage = _begun(chain, owners, found, migration, model)
            _claim_keys(owners, lineage, migration, model)
            lineage.schemas[position] = model
            present[model.name] = lineage
        by_name = present
    for lineage in found:
        _add_hidden(chain, lineage)
    return found


def upgrade_paths_of(chain: Chain) -> Mapping[str, UpgradePath]:
    """Return the upgrade paths of the records under all keys that the chain ever had.

    Returns:
        Upgrade paths by the beginning of the keys (``KeySpace.start``).

    Raises:
        MigrationFileError: As ``lineages_of``.
    """
    return {model.keys.start: lineage.path for lineage in lineages_of(chain) for model in lineage.schemas.values()}


def _extend(
    lineage: Lineage,
    migration: LoadedMigration,
    before: Snapshot,
    origin: str,
    model: ModelSchema,
    noted: Mapping[str, str],
) -> None:
    known = lineage.path
    version_steps = known.version_steps
    if known.versions[-1] != model.version:
        version_steps = (*version_steps, make_version_step(origin, before, migration.operations, model.version, noted))
    lineage.path = UpgradePath(model.name, version_steps, known.first)


def types_in_code(chain: Chain, position: int, model: str) -> Mapping[str, str]:
    """Return types of a model's fields in the code at a position, where they differ from the migrations."""
    if not position or not chain.constraints.document:
        return {}
    demands = constraints_at(chain, position, model) or {}
    return {path: rules[STORED_AS] for path, rules in demands.items() if STORED_AS in rules}


def constraints_at(chain: Chain, position: int, model: str) -> Demands | None:
    """Return the constraints of a model at a position, by its name there; None if they are not known."""
    if not chain.constraints.is_known([id for migration in chain.migrations[:position] for id in migration.ids]):
        return None
    last = chain.migrations[position - 1]
    ends = Replaced(last.id, last.replaces).ends
    return chain.constraints.at(
        model, [*sorted(ends), *(id for migration in chain.migrations[position:] for id in migration.ids)]
    )


def _add_hidden(chain: Chain, lineage: Lineage) -> None:
    """Add the hidden fields of the code to the path; the model may have other keys or another app now."""
    name = lineage.latest.name if chain.head_position in lineage.schemas else None
    hidden = chain.hidden.of(name, (schema.keys.start for schema in lineage.schemas.values()))
    if hidden:
        lineage.path = replace(lineage.path, hidden=hidden | lineage.path.hidden)


def _remakes_keys(before: Snapshot, operations: Sequence[Operation], name: str) -> bool:
    """Whether the primary key becomes another field or its values are converted; a rename does not matter."""
    state = before
    for operation in operations:
        old, name = state.by_name.get(name), operation.name_after(name)
        state = operation.apply(state)
        new = state.by_name.get(name)
        if old is None or new is None or isinstance(operation, RenameField):
            continue
        is_converted = isinstance(operation, AlterField) and operation.name == old.primary_key
        if is_converted or old.primary_key != new.primary_key:
            return True
    return False


def _begun(
    chain: Chain, owners: Mapping[str, _Owner], found: list[Lineage], migration: LoadedMigration, model: ModelSchema
) -> Lineage:
    if model.keys.start not in owners:
        before = chain.inherited.get((model.keys.start, model.version))
        first, version_steps = (model.version, ()) if before is None else (before.first, before.version_steps)
        found.append(Lineage(UpgradePath(model.name, version_steps, first)))
        return found[-1]
    _, known = owners[model.keys.start]
    if known.latest.keys.start != model.keys.start:
        raise MigrationFileError(migration.path, _vacated(model, known))
    if known.path.versions[-1] != model.version:
        raise MigrationFileError(migration.path, _overlap(model, known.path))
    known.path = UpgradePath(model.name, known.path.version_steps, known.path.first)
    return known


def _claim_keys(owners: dict[str, _Owner], lineage: Lineage, migration: LoadedMigration, model: ModelSchema) -> None:
    """Refuse keys that other records, or these records, may have or have had: renames would mix them up."""
    if model.keys.start in owners:
        known, other = owners[model.keys.start]
        if other is lineage and known.has_same_keys(model.keys):
            return
    for known, other in owners.values():
        shared = known.shared_with(model.keys)
        if shared is None:
            continue
        whose = "they had such keys before" if other is lineage else f"records of {other.path.model} are or were"
        raise MigrationFileError(
            migration.path,
            f"gives the records of {model.name} the keys {shared}*, where {whose}; choose another table or separator",
        )
    owners[model.keys.start] = (model.keys, lineage)


def _vacated(model: ModelSchema, known: Lineage) -> str:
    return (
        f"creates {model.name} on the keys {model.keys.start}*, which records of {known.latest.name} had before they"
        " were renamed, and would have again if that were undone; give it another table"
    )


def _overlap(model: ModelSchema, known: UpgradePath) -> str:
    last = known.versions[-1]
    return (
        f"creates {model.name} at version {model.version} on the keys {model.keys.start}*, where the records of"
        f" {known.model} stay at version {last}; give it version {last} if it takes these over, or another table"
    )
