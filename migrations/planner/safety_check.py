"""The check of migrations against the safety rules. Pure; records come from samples.

A rule that refuses needs consent, which is recorded: a reason in the file (``allow = {"RM102": "..."}``), or ``migrate
--allow-destructive``. A rule that warns is shown in the plan and by ``check``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from redis_models.errors import RecordError, SchemaError
from redis_models.mapping.stored_model import StoredModel

from ..chain.chain import Chain
from ..chain.hidden_fields import NOTHING_HIDDEN, Hidden
from ..chain.lineage import lineages_of, types_in_code
from ..chain.loaded_migration import LoadedMigration
from ..chain.upgrade_path import UpgradePath, make_version_step
from ..edits.conversion import keeps_bytes
from ..edits.converters import Converter, MapValues
from ..operations import (
    AddField,
    AlterField,
    AlterTTL,
    FlattenField,
    MergeFields,
    NestFields,
    Operation,
    RemoveField,
    RenameField,
    RenameModel,
    Risk,
    Run,
    SplitField,
    Transform,
)
from ..schema.examples import Sample
from ..schema.snapshot import Snapshot, _Required
from ..schema.type_tree import Tree, parse_key
from .safety_rules import RULES, Level, Rule
from .unreadable_values import hidden_extras, hidden_keys

__all__ = ["Finding", "findings_of", "hooks_of"]

T = TypeVar("T")

_LARGE: Final = 1_000_000  # bytes of one record; a script that rewrites it takes milliseconds
_MANY: Final = 5_000  # fields of one record


@dataclass(frozen=True)
class Finding:
    """What a rule found.

    Attributes:
        rule: The rule.
        place: App and migration.
        what: The operation or the line, and what is wrong with it.
        reason: The reason in the file to allow it, or "".
        position: Position in the chain after the migration.
        path: Its file.
        allow: All reasons in the file, by rule.
        models: Models whose records it concerns; none if it concerns more than records.
        is_idle: Whether the run would change no record of these models, so that nothing can break.
    """

    rule: Rule
    place: str
    what: str
    reason: str = ""
    position: int = 0
    path: str = ""
    allow: Mapping[str, str] = field(default_factory=dict[str, str], compare=False)
    models: tuple[str, ...] = ()
    is_idle: bool = False

    @property
    def is_refused(self) -> bool:
        """Whether it needs consent, which the file does not give."""
        return self.rule.level is Level.REFUSE and not self.reason and not self.is_idle

    @property
    def line(self) -> str:
        """The finding in one line; ``check`` adds why, and what to do."""
        return f"{self.rule.code} {self.rule.level}  {self.what}{self._excuse}"

    @property
    def _excuse(self) -> str:
        """Why it does not stop the run; "" if it does."""
        idle = " (no record is concerned)" if self.is_idle else ""
        return f" (allowed: {self.reason})" if self.reason else idle

    def __str__(self) -> str:
        return f"{self.rule.code} {self.place}: {self.what}. {self.rule.breaks} {self.rule.recipe}{self._excuse}"


def hooks_of(models: Iterable[type[StoredModel]]) -> dict[str, str]:
    """Return the method with which a model stores its values, by the name of each model that overrides one."""
    return {model.__name__: model.__mapper__.hooks[0] for model in models if model.__mapper__.hooks}


def findings_of(
    chain: Chain,
    positions: range,
    samples: Mapping[str, Sample] | None = None,
    hooks: Mapping[str, str] | None = None,
) -> list[Finding]:
    """Check some migrations of a chain.

    Args:
        chain: The files.
        positions: Positions after the migrations: ``range(2, 4)`` for the second and the third.
        samples: Records by the name of their model; each migration is tried on those of the version before it. None
            if they were not read.
        hooks: Result of ``hooks_of`` for the models of the code.

    Returns:
        The findings, without duplicates, in the order of the migrations and their operations.
    """
    found: list[Finding] = []
    hooked = _hooked(chain, hooks) if hooks else {}
    hidden = _hidden(chain) if samples else {}
    for position in positions:
        migration, before = chain.migrations[position - 1], chain.snapshots[position - 1]
        place = f"{chain.app}.{migration.name}"
        facts = [*_static(migration, before), *_sampled(chain, position, samples or {}, _at(hidden, position - 1))]
        facts += _against_hooks(migration, before, _at(hooked, position - 1))
        facts += [(code, f"line {line} {what}", _models_of(migration)) for code, line, what in migration.complaints]
        found += [
            Finding(
                RULES[code],
                place,
                what,
                migration.allow.get(code, ""),
                position,
                migration.path,
                migration.allow,
                models,
            )
            for code, what, models in dict.fromkeys(facts)
        ]
    return found


def _hidden(chain: Chain) -> dict[tuple[int, str], Hidden]:
    """Return the hidden fields of each model, by position and its name there."""
    return {
        (position, model.name): Hidden(
            frozenset(field.name for field in model.fields if lineage.conceals(field.name)),
            lineage.path.hidden.visible,
        )
        for lineage in lineages_of(chain)
        for position, model in lineage.schemas.items()
    }


def _at(values: Mapping[tuple[int, str], T], position: int) -> dict[str, T]:
    return {name: value for (place, name), value in values.items() if place == position}


def _hooked(chain: Chain, hooks: Mapping[str, str]) -> dict[tuple[int, str], str]:
    """Return the methods of ``hooks``, by position and the name of their model there."""
    return {
        (position, model.name): f"{lineage.latest.name}.{hooks[lineage.latest.name]}"
        for lineage in lineages_of(chain)
        if lineage.latest.name in hooks
        for position, model in lineage.schemas.items()
    }


def _against_hooks(
    migration: LoadedMigration, before: Snapshot, hooked: Mapping[str, str]
) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Find operations that read or write values that a method of the model stores."""
    state, names = before, dict(hooked)
    for operation in migration.operations:
        hook = names.get(operation.model)
        if hook is not None and _looks_into_values(operation):
            yield "RM118", f"{operation.describe()}: its values go through {hook}", (operation.model,)
        if hook is not None and isinstance(operation, RenameModel):
            names[operation.new] = hook
        state = operation.apply(state)


def _looks_into_values(operation: Operation) -> bool:
    if isinstance(operation, AlterField):
        return not _keeps(operation)
    if isinstance(operation, AddField):
        return callable(operation.fill) or "." in operation.name
    if isinstance(operation, RemoveField):
        return "." in operation.name  # a key in a value
    if isinstance(operation, RenameField):
        return "." in operation.old
    return isinstance(operation, (Transform, SplitField, MergeFields, FlattenField, NestFields))


def _models_of(migration: LoadedMigration) -> tuple[str, ...]:
    """Return the models whose records a file changes; none if it calls a function of a free step."""
    if any(isinstance(operation, Run) for operation in migration.operations):
        return ()
    return tuple(dict.fromkeys(operation.model for operation in migration.operations))


def _static(migration: LoadedMigration, before: Snapshot) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Check operations without records."""
    state = before
    for operation in migration.operations:
        models = () if isinstance(operation, Run) else (operation.model,)
        for judge in _JUDGES:
            yield from ((code, what, models) for code, what in judge(operation, state))
        state = operation.apply(state)


def _hides(operation: Operation, state: Snapshot) -> Iterator[tuple[str, str]]:
    if operation.risk is Risk.HIDES:
        yield "RM101", operation.describe()
    if isinstance(operation, AlterField) and operation.convert is None and (keys := hidden_keys(*_trees(operation))):
        yield "RM101", f"{operation.describe()}: {', '.join(keys)} will be hidden"
    if isinstance(operation, RemoveField) and operation.back is None and "." not in operation.name:
        field = state.model(operation.model).field(operation.name)
        if isinstance(field.default, _Required) and not field.codec.is_optional:
            yield "RM102", operation.describe()


def _converts(operation: Operation, state: Snapshot) -> Iterator[tuple[str, str]]:
    if isinstance(operation, AlterField) and operation.is_narrowed_back and operation.back is None:
        yield "RM105", operation.describe()
    if isinstance(operation, AlterField) and not _keeps(operation):
        is_own = operation.convert is not None and not isinstance(operation.convert, Converter)
        if operation.convert is None and not (_is_filled(operation) and _is_lossless(*map(str, _trees(operation)))):
            yield "RM104", operation.describe()
        if is_own and operation.back is None:
            yield "RM108", operation.describe()
        if isinstance(operation.convert, MapValues):
            values = ", ".join(map(repr, operation.convert.mapping))
            yield "RM111", f"{operation.describe()}: {values} will be replaced"
    if isinstance(operation, Transform) and operation.back is None:
        yield "RM108", operation.describe()


def _moves(operation: Operation, state: Snapshot) -> Iterator[tuple[str, str]]:
    model = state.by_name.get(operation.model)
    is_key = isinstance(operation, AlterField) and model is not None and model.primary_key == operation.name
    if operation.risk is Risk.MOVES or is_key:
        yield "RM112", operation.describe()


def _ends(operation: Operation, state: Snapshot) -> Iterator[tuple[str, str]]:
    if isinstance(operation, AlterTTL) and operation.policy == "all" and operation.new is not None:
        yield "RM119", operation.describe()


def _runs(operation: Operation, state: Snapshot) -> Iterator[tuple[str, str]]:
    if isinstance(operation, Run) and operation.back is None:
        yield "RM108", operation.describe()


_JUDGES: Final[Sequence[Callable[[Operation, Snapshot], Iterator[tuple[str, str]]]]] = (
    _hides,
    _converts,
    _moves,
    _ends,
    _runs,
)


def _trees(operation: AlterField) -> tuple[Tree, Tree]:
    """Return both types, without ``NotRequired[...]``."""
    return parse_key(operation.name, operation.old).tree, parse_key(operation.name, operation.new).tree


def _is_filled(operation: AlterField) -> bool:
    """Whether every object has it. A key that becomes required may be absent in some."""
    was_required, is_required = (parse_key(operation.name, type).is_required for type in (operation.old, operation.new))
    return was_required >= is_required


def _keeps(operation: AlterField) -> bool:
    """Whether it rewrites no record."""
    return _is_filled(operation) and keeps_bytes(*map(str, _trees(operation)))


# Types whose every value converts to the other type without a function.
_LOSSLESS: Final = frozenset([("int", "float"), ("bool", "int")])  # and every type to text


def _is_lossless(old: str, new: str) -> bool:
    before, after = old.removesuffix(" | None"), new.removesuffix(" | None")
    is_kept = new.endswith(" | None") >= old.endswith(" | None")
    return is_kept and (before == after or (before, after) in _LOSSLESS or after in ("JSON[str]", "str"))


def _sampled(
    chain: Chain, position: int, samples: Mapping[str, Sample], hidden: Mapping[str, Hidden]
) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Try a migration on records, in memory."""
    migration, before = chain.migrations[position - 1], chain.snapshots[position - 1]
    for name, sample in samples.items():
        if name not in before.by_name or not any(operation.model == name for operation in migration.operations):
            continue
        try:
            noted = types_in_code(chain, position - 1, name)
            version_step = make_version_step(name, before, migration.operations, before.model(name).version + 1, noted)
        except SchemaError:
            continue
        path = UpgradePath(name, (version_step,), version_step.older, hidden=hidden.get(name, NOTHING_HIDDEN))
        records = {
            key: record
            for key, record in sample.records.items()
            if record.get("_v", b"1") == b"%d" % version_step.older
        }
        yield from ((code, what, (name,)) for code, what in _tried(name, path, records))
        yield from (("RM103", what, ()) for what in hidden_extras(name, before, migration.operations, records))


def _tried(name: str, path: UpgradePath, records: Mapping[str, Mapping[str, bytes]]) -> Iterator[tuple[str, str]]:
    failed, large, respelled = list[str](), list[str](), list[str]()
    target = path.versions[-1]
    for key, record in records.items():
        if len(record) > _MANY or sum(map(len, record.values())) > _LARGE:
            large.append(key)
        try:
            rewritten = path.rewrite(record, target).fields
            path.check_widened(record, rewritten, target)
            if any(field.startswith(f"_b{target}.") and not _is_dropped(field, path) for field in rewritten):
                respelled.append(key)
        except RecordError as exc:
            failed.append(f"{key}: {exc}")
    count = len(records)
    if failed:
        yield "RM104", f"{len(failed):,} of {count:,} sampled records of {name} cannot be converted, e.g. {failed[0]}"
    if large:
        yield "RM122", f"{len(large):,} of {count:,} sampled records of {name} are large, e.g. {large[0]}"
    if respelled:
        yield (
            "RM109",
            f"{len(respelled):,} of {count:,} sampled records of {name} keep undo fields, e.g. {respelled[0]}",
        )


def _is_dropped(stored_as: str, path: UpgradePath) -> bool:
    """Whether an undo field belongs to a removed field, which always has one."""
    [version_step] = path.version_steps
    step = stored_as.partition(".")[2].partition(".")[0]
    return (
        not step.isdecimal()
        or int(step) >= len(version_step.steps)
        or type(version_step.steps[int(step)]).__name__ == "Drop"
    )
