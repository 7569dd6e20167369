"""Lineages: which records are the same through a chain, whatever their model was called and wherever they lay. Pure.

A lineage begins where a model is created. It goes on through renames of the class, through other keys, and where a
model that is created takes over the keys, hence the records, of one that was deleted or came from another app.
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
from .link import LoadedMigration
from .replaces import Replaced
from .upgrade_path import UpgradePath, make_version_step

__all__ = ["Lineage", "demanded", "lineages_of", "noted_types", "routes_of"]


@dataclass
class Lineage:
    """The records of one model through a chain. Grows while it is made, then is only read.

    Attributes:
        route: Their way through the versions, named after the latest model.
        schemas: The model at each position where there is one.
        remade: Positions at which keys are made of a field anew: the primary key became another, or was converted.
    """

    route: UpgradePath
    schemas: dict[int, ModelSchema] = field(default_factory=dict[int, ModelSchema])
    remade: set[int] = field(default_factory=set[int])

    def conceals(self, name: str, raw: bytes | None = None) -> bool:
        """Whether the value of a stored field must not be shown; as ``UpgradePath.conceals``; also without steps."""
        return self.route.conceals(name, raw) or (field_of(name) in self._secrets if name else bool(self._secrets))

    @property
    def _secrets(self) -> frozenset[str]:
        return frozenset(one.name for schema in self.schemas.values() for one in schema.fields if one.holds_secret)

    @property
    def latest(self) -> ModelSchema:
        """The model as the chain leaves it."""
        return self.schemas[max(self.schemas)]

    def at(self, position: int) -> ModelSchema:
        """Give the model whose records they are to be at a position.

        Where it is deleted there, the last one, so that whoever takes the records over finds them alike; where it is
        not created yet, the first.
        """
        known = [place for place in self.schemas if place <= position]
        return self.schemas[max(known) if known else min(self.schemas)]

    def within(self, positions: range) -> list[ModelSchema]:
        """Give the models at some positions."""
        return [self.schemas[place] for place in positions if place in self.schemas]


# Keys that records have or had, and whose.
_Owner = tuple[KeySpace, Lineage]


def lineages_of(chain: Chain) -> list[Lineage]:
    """Give the lineages of a chain, in the order in which they began.

    Raises:
        MigrationFileError: A model begins where records of another version stay, so that a stamp would mean two shapes;
            or on keys that records were moved away from, or are moved to keys that are not free.
    """
    found: list[Lineage] = []
    by_name: dict[str, Lineage] = {}
    owners: dict[str, _Owner] = {}
    triples = zip(chain.migrations, chain.snapshots, chain.snapshots[1:], strict=False)
    for position, (link, before, after) in enumerate(triples, start=1):
        names, present = previous_names(before, link.operations), dict[str, Lineage]()
        for model in after.models:
            origin = names.get(model.name)
            if origin is not None:
                lineage = by_name[origin]
                _go_on(lineage, link, before, origin, model, noted_types(chain, position - 1, origin))
                if _remakes_keys(before, link.operations, origin):
                    lineage.remade.add(position)
            else:
                lineage = _begun(chain, owners, found, link, model)
            _settle(owners, lineage, link, model)
            lineage.schemas[position] = model
            present[model.name] = lineage
        by_name = present
    for lineage in found:
        _hide(chain, lineage)
    return found


def routes_of(chain: Chain) -> Mapping[str, UpgradePath]:
    """Give the way through the versions of the records under every key space that the chain has ever had.

    Returns:
        Routes by the beginning of the keys (``KeySpace.start``).

    Raises:
        MigrationFileError: As ``lineages_of``.
    """
    return {model.keys.start: one.route for one in lineages_of(chain) for model in one.schemas.values()}


def _go_on(
    lineage: Lineage, link: LoadedMigration, before: Snapshot, origin: str, model: ModelSchema, noted: Mapping[str, str]
) -> None:
    known = lineage.route
    stages = known.version_steps
    if known.versions[-1] != model.version:
        stages = (*stages, make_version_step(origin, before, link.operations, model.version, noted))
    lineage.route = UpgradePath(model.name, stages, known.first)


def noted_types(chain: Chain, position: int, model: str) -> Mapping[str, str]:
    """Give the types that the code had of a model's fields at a position, where the migrations tell less."""
    if not position or not chain.constraints.told:
        return {}
    demands = demanded(chain, position, model) or {}
    return {path: rules[STORED_AS] for path, rules in demands.items() if STORED_AS in rules}


def demanded(chain: Chain, position: int, model: str) -> Demands | None:
    """Give what a model demanded at a position, by its name there; None where that is not known."""
    if not chain.constraints.is_known([id for one in chain.migrations[:position] for id in one.ids]):
        return None
    last = chain.migrations[position - 1]
    ends = Replaced(last.id, last.replaces).ends
    return chain.constraints.at(model, [*sorted(ends), *(id for one in chain.migrations[position:] for id in one.ids)])


def _hide(chain: Chain, lineage: Lineage) -> None:
    """Tell the route what the model of the code hides, which may lie elsewhere, or be another app's, by now."""
    name = lineage.latest.name if chain.head_position in lineage.schemas else None
    hidden = chain.hidden.of(name, (schema.keys.start for schema in lineage.schemas.values()))
    if hidden:
        lineage.route = replace(lineage.route, hidden=hidden | lineage.route.hidden)


def _remakes_keys(before: Snapshot, operations: Sequence[Operation], name: str) -> bool:
    """Whether the primary key becomes another field, or its values are converted; another name of it is no matter."""
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
    chain: Chain, owners: Mapping[str, _Owner], found: list[Lineage], link: LoadedMigration, model: ModelSchema
) -> Lineage:
    if model.keys.start not in owners:
        before = chain.inherited.get((model.keys.start, model.version))
        first, stages = (model.version, ()) if before is None else (before.first, before.version_steps)
        found.append(Lineage(UpgradePath(model.name, stages, first)))
        return found[-1]
    _, known = owners[model.keys.start]
    if known.latest.keys.start != model.keys.start:
        raise MigrationFileError(link.path, _vacated(model, known))
    if known.route.versions[-1] != model.version:
        raise MigrationFileError(link.path, _overlap(model, known.route))
    known.route = UpgradePath(model.name, known.route.version_steps, known.route.first)
    return known


def _settle(owners: dict[str, _Owner], lineage: Lineage, link: LoadedMigration, model: ModelSchema) -> None:
    """Refuse keys that could be those of other records, or that these could have had: a move would mix them up."""
    if model.keys.start in owners:
        known, other = owners[model.keys.start]
        if other is lineage and known.is_as(model.keys):
            return
    for known, other in owners.values():
        shared = known.shared_with(model.keys)
        if shared is None:
            continue
        whose = "these had such before" if other is lineage else f"records of {other.route.model} are or were"
        raise MigrationFileError(
            link.path,
            f"gives the records of {model.name} the keys {shared}*, where {whose}; choose another table or separator",
        )
    owners[model.keys.start] = (model.keys, lineage)


def _vacated(model: ModelSchema, known: Lineage) -> str:
    return (
        f"creates {model.name} on the keys {model.keys.start}*, which records of {known.latest.name} had before they"
        " were moved away, and would have again if that were taken back; give it another table"
    )


def _overlap(model: ModelSchema, known: UpgradePath) -> str:
    last = known.versions[-1]
    return (
        f"creates {model.name} at version {model.version} on the keys {model.keys.start}*, where the records of"
        f" {known.model} stay at version {last}; give it version {last} if it takes these over, or another table"
    )
