"""Loosened constraints: those of older code that newer code no longer has, from their history. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from redis_models.mapping.keys import KeySpace

from ..chain.chain import Chain
from ..chain.lineage import Lineage, constraints_at, lineages_of
from ..chain.loaded_migration import LoadedMigration
from ..chain.upgrade_path import UpgradePath
from ..constraints.earlier_code import Constraint, EarlierCode, loosened
from ..constraints.history import STORED_AS, Demands
from ..operations import RemoveField, RenameField, RenameModel
from ..schema.snapshot import ModelSchema
from .passes import RewritePass

__all__ = ["checked_path", "checked_path_by_keys", "earlier_of", "unchecked_constraints", "unrewritten_records"]


def checked_path_by_keys(chain: Chain, start: str, position: int | None) -> UpgradePath:
    """Return the upgrade path of the records under some keys.

    Args:
        chain: The files.
        start: Beginning of the keys.
        position: The path checks that the code at this position can read records that go back to it; None for a path
            that does not check.
    """
    found = [
        lineage
        for lineage in lineages_of(chain)
        if any(schema.keys.start == start for schema in lineage.schemas.values())
    ]
    return found[-1].path if position is None else checked_path(chain, found[-1], position)


def checked_path(chain: Chain, lineage: Lineage, position: int) -> UpgradePath:
    """Return the upgrade path of a lineage, which checks that the code at a position can read records that go back."""
    return replace(lineage.path, earlier=earlier_of(chain, lineage, position))


def earlier_of(chain: Chain, lineage: Lineage, position: int) -> EarlierCode:
    """Return what the code at a position can read of a lineage.

    If the model did not exist at that position, it is the code at the nearest position at which it did.
    """
    earlier = [place for place in lineage.schemas if place <= position]
    position = max(earlier) if earlier else min(lineage.schemas)
    schema = lineage.schemas[position]
    migration = chain.migrations[position - 1]
    following = [place for place in sorted(lineage.schemas) if place > position]
    rewriting = [place for place in following if lineage.schemas[place].version != schema.version]
    first = chain.migrations[rewriting[0] - 1].name if rewriting else ""
    removals = {
        operation.name: chain.migrations[number - 1].name
        for number in reversed(rewriting)
        for operation in chain.migrations[number - 1].operations
        if isinstance(operation, RemoveField)
    }
    before = EarlierCode(schema, position, migration.name, first, removals, _later_types(chain, schema, position))
    demands = constraints_at(chain, position, schema.name)
    if demands is None:
        return before
    rules = tuple(dict.fromkeys(_loosened_since(chain, schema.name, demands, position)))
    return replace(before, rules=rules, demands=demands, is_known=True)


def _loosened_since(chain: Chain, model: str, demands: Demands, position: int) -> Iterator[Constraint]:
    """Compare constraints with all later ones, by the later names of the model and its fields."""
    for _, fields, schema, later in _later(chain, model, position):
        for rule in () if later is None else loosened(_by_names(demands, fields), later):
            if schema is None or rule.field in schema.by_name or not rule.field:
                yield _as_it_was(rule, fields)


def _later(
    chain: Chain, model: str, position: int
) -> Iterator[tuple[str, Mapping[str, str], ModelSchema | None, Demands | None]]:
    """Yield a model at each later position, and last in the code.

    Yields:
        Its name, the names of its fields by their names at ``position``, its schema, and its constraints if they are
        known.
    """
    fields: dict[str, str] = {}
    for place in range(position, len(chain.migrations)):
        model, fields = _renamed(chain.migrations[place], model, fields)
        schema = chain.snapshots[place + 1].by_name.get(model)
        if schema is None:
            return
        yield model, fields, schema, constraints_at(chain, place + 1, model)
    schema = chain.snapshots[-1].by_name.get(model)
    for demands_by_model in (chain.constraints.now, chain.constraints.code()):
        if schema is not None and model in demands_by_model:
            yield model, fields, schema, demands_by_model[model]


def _later_types(chain: Chain, schema: ModelSchema, position: int) -> dict[str, tuple[str, ...]]:
    """Return all types that fields had after a position, also in the code."""
    found: dict[str, dict[str, None]] = {}
    for _, fields, later, demands in _later(chain, schema.name, position):
        for field in schema.fields:
            known = None if later is None else later.by_name.get(fields.get(field.name, field.name))
            if known is not None:
                type = (demands or {}).get(known.name, {}).get(STORED_AS, known.type)
                found.setdefault(field.name, {})[type] = None
    return {name: tuple(types) for name, types in found.items()}


def _renamed(migration: LoadedMigration, model: str, fields: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return the names of a model and its fields after a migration."""
    names = dict(fields)
    for operation in migration.operations:
        match operation:
            case RenameModel() if operation.model == model:
                model = operation.new
            case RenameField(owner, old, new) if owner == model and "." not in old + new:
                names[next((first for first, current in names.items() if current == old), old)] = new
            case _:
                pass
    return model, names


def _by_names(demands: Demands, fields: Mapping[str, str]) -> Demands:
    return {_with_field(path, fields): rules for path, rules in demands.items()}


def _as_it_was(rule: Constraint, fields: Mapping[str, str]) -> Constraint:
    return replace(rule, path=_with_field(rule.path, {later: name for name, later in fields.items()}))


def _with_field(path: str, names: Mapping[str, str]) -> str:
    field = Constraint(path, "", "").field
    return names.get(field, field) + path[len(field) :]


def unrewritten_records(
    chain: Chain, passes: Sequence[RewritePass], start: int, target: int
) -> list[tuple[KeySpace, EarlierCode]]:
    """Return records that a run back does not rewrite, although the code at its target may not read them.

    Args:
        chain: The files.
        passes: The passes of the run.
        start, target: Positions.

    Returns:
        Keys of the records of models that had more constraints then, or whose enums had fewer members, and what the
        code of that time can read.
    """
    found: list[tuple[KeySpace, EarlierCode]] = []
    for lineage in _taken_back(chain, start, target):
        if not any(_is_of(rewrite_pass, lineage, target) for rewrite_pass in passes):
            earlier = earlier_of(chain, lineage, target)
            if earlier.rules or _has_later_types(earlier):
                found.append((lineage.at(target).keys, earlier))
    return found


def unchecked_constraints(chain: Chain, passes: Sequence[RewritePass], start: int, target: int) -> list[str]:
    """Return lines about constraints that a run back does not check, or that are not known.

    Args:
        chain: The files.
        passes: The passes of the run; those that do not check are skipped.
        start, target: Positions.
    """
    lines: list[str] = []
    unknown: list[str] = []
    for lineage in _taken_back(chain, start, target):
        own = [rewrite_pass for rewrite_pass in passes if _is_of(rewrite_pass, lineage, target)]
        if own and all(rewrite_pass.path.earlier is None for rewrite_pass in own):
            continue  # the user accepts unreadable records
        earlier = earlier_of(chain, lineage, target)
        if own and not earlier.is_known:
            unknown.append(earlier.schema.name)
        rules = ", ".join(f"{rule.path or 'the whole model'}: {rule.shown}" for rule in earlier.unchecked)
        if rules:
            lines.append(
                f"{chain.app}.{earlier.schema.name}: the code of {earlier.name} has constraints that newer code does"
                f" not have ({rules}); run 'check --database' with that code to find records that violate them"
            )
    if unknown:
        lines.append(
            f"{chain.app}: only the types of {', '.join(unknown)} at {chain.migrations[target - 1].name} are known, not"
            " the constraints; run 'check --database' with the code of that time to find records that it cannot read"
        )
    return lines


def _taken_back(chain: Chain, start: int, target: int) -> list[Lineage]:
    """Return the lineages that exist at both ends of a run back."""
    if target >= start:
        return []
    return [lineage for lineage in lineages_of(chain) if start in lineage.schemas and target in lineage.schemas]


def _is_of(rewrite_pass: RewritePass, lineage: Lineage, target: int) -> bool:
    return (rewrite_pass.path.model, rewrite_pass.target) == (lineage.path.model, lineage.at(target).version)


def _has_later_types(earlier: EarlierCode) -> bool:
    """Whether a field has another type now although no migration rewrites the records, such as a larger enum."""
    return any(types[-1] != earlier.type_of(name) for name, types in earlier.later.items())
