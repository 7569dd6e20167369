"""Safety rules: what a migration may break, why, and how it is done safely. Pure; evidence comes from samples.

A rule that refuses needs a consent that is recorded: a reason in the file (``allow = {"RM102": "..."}``), or
``migrate --allow-destructive``. A rule that warns is shown in the plan and by ``check``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeVar

from redis_models.errors import RecordError, SchemaError
from redis_models.stored_model import StoredModel

from .chain import Chain, Link
from .conversion import keeps_bytes
from .converters import Converter, MapValues
from .hidden import NOTHING_HIDDEN, Hidden
from .hidden_extras import hidden_extras
from .hiding import hidden_keys
from .lineage import lineages_of, noted_types
from .operations import (
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
from .route import Route, stage_of
from .sampling import Sample
from .schema import Snapshot, _Required
from .typetree import Tree, parse_key

__all__ = ["RULES", "Finding", "Level", "Rule", "findings_of", "hooks_of"]

T = TypeVar("T")

_LARGE: Final = 1_000_000  # bytes of one record; a script that rewrites it takes milliseconds
_MANY: Final = 5_000  # fields of one record


class Level(StrEnum):
    """What a finding means for ``migrate``."""

    WARN = "warn"
    REFUSE = "refuse"


@dataclass(frozen=True)
class Rule:
    """One safety rule.

    Attributes:
        code: What it is called.
        level: Whether it needs a consent.
        breaks: What may break.
        why: Why that is so.
        recipe: How it is done safely.
    """

    code: str
    level: Level
    breaks: str
    why: str
    recipe: str


@dataclass(frozen=True)
class Finding:
    """What a rule found.

    Attributes:
        rule: The rule.
        place: App and migration.
        what: The operation or the line, and what was seen.
        reason: Why the file says that it is right, or "".
        position: In the chain, after the migration.
        path: Its file.
        allow: The reasons that the file has, by rule.
        models: Models whose records it is about; none where it is about more than records.
        is_idle: These have no record that the run would change, so that nothing can break.
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
        """Whether it needs a consent that the file does not give."""
        return self.rule.level is Level.REFUSE and not self.reason and not self.is_idle

    @property
    def line(self) -> str:
        """What was found, in a line; ``check`` tells why, and what to do."""
        return f"{self.rule.code} {self.rule.level}  {self.what}{self._pardon}"

    @property
    def _pardon(self) -> str:
        """Why it stops nothing although it would."""
        idle = " (no record is concerned)" if self.is_idle else ""
        return f" (allowed: {self.reason})" if self.reason else idle

    def __str__(self) -> str:
        return f"{self.rule.code} {self.place}: {self.what}. {self.rule.breaks} {self.rule.recipe}{self._pardon}"


_ALL: Final = (
    Rule(
        "RM101",
        Level.REFUSE,
        "The application can no longer see these values.",
        "Code of the older version may still run, and read or write them; they stay in the records, aside.",
        "Stop using the field, deploy that, and remove it in a later migration.",
    ),
    Rule(
        "RM102",
        Level.WARN,
        "Records that are made afterwards stop the way back, because the older version needs a value.",
        "A field that is required and has no default is removed, and back= says nothing.",
        "Give the operation back=, the value for such records, now or when the way back stops.",
    ),
    Rule(
        "RM103",
        Level.REFUSE,
        "The application can no longer see these extra fields.",
        "The model takes none any more, or a new field takes the name of one; they stay in the records.",
        "Declare what is needed, with AddField(..., extra='take'), or move it with Transform; then remove the rest.",
    ),
    Rule(
        "RM104",
        Level.WARN,
        "Values that do not convert stop the run.",
        "The new type holds less than the old one.",
        "Look at them with 'explain', give convert= a function that takes all of them, or mend the records first.",
    ),
    Rule(
        "RM105",
        Level.WARN,
        "Values that only the newer type holds stop the way back.",
        "The type is widened, and back= does not say what becomes of them.",
        "Give back= a function that makes a value of the older type of them, now or when the way back stops.",
    ),
    Rule(
        "RM106",
        Level.REFUSE,
        "Each attempt at a record would give another value.",
        "The function looks at a clock or at chance, and it may run again for the same record.",
        "Derive the value from the record, or write it beforehand with a Run step.",
    ),
    Rule(
        "RM107",
        Level.REFUSE,
        "A run that resumes may give other results, or stop at something far away.",
        "The function reaches out of its record: to files, the network, the environment, or global state.",
        "Fetch what it needs beforehand, and put it into the file as a literal.",
    ),
    Rule(
        "RM108",
        Level.WARN,
        "Records that are changed afterwards cannot be taken back.",
        "A function converts them, and back= does not say the other way.",
        "Give the operation back=.",
    ),
    Rule(
        "RM109",
        Level.WARN,
        "A value that is changed afterwards comes back in another spelling.",
        "The way back does not give the stored bytes of every record; these are kept aside as long as nobody writes.",
        "Give back= a function that restores the old spelling, if it matters.",
    ),
    Rule(
        "RM111",
        Level.WARN,
        "Code of the older version does not know the new value, and code of the newer one not the old.",
        "A member of an enum or a Literal goes, and records hold it.",
        "Accept both in the code, deploy that, migrate, and remove the member in a later migration.",
    ),
    Rule(
        "RM112",
        Level.REFUSE,
        "While the records move, no code finds all of them.",
        "Their keys change, and each version of the code makes only its own: it misses records, or writes them twice.",
        "Stop what uses the model for that time, or make it bear records that are missing.",
    ),
    Rule(
        "RM116",
        Level.WARN,
        "What the function writes is not checked, fenced, resumed or taken back.",
        "It sends commands to the server itself.",
        "Use operations or Transform where they can do it.",
    ),
    Rule(
        "RM117",
        Level.REFUSE,
        "The server answers nobody for that time, or loses everything.",
        "The command looks at all keys at once, or deletes them.",
        "Walk with scan_iter, and delete by name.",
    ),
    Rule(
        "RM118",
        Level.REFUSE,
        "What it reads and writes is not what the model's own methods make and read.",
        "The model overrides serialize_partially or deserialize_partially, which a migration cannot call.",
        "Add a field of another name, fill it through the model, and remove the old one; or say why it is right.",
    ),
    Rule(
        "RM119",
        Level.WARN,
        "Many records end at the same time, and the application misses them all at once.",
        "Every record gets its life span in the moment when it is rewritten.",
        "Use the policy 'jitter', or 'new-only'.",
    ),
    Rule(
        "RM122",
        Level.WARN,
        "A script holds the server up for as long as such a record takes.",
        "A record is larger than a megabyte, or has thousands of fields.",
        "Run with --batch 1, or split the record first.",
    ),
    Rule(
        "RM131",
        Level.REFUSE,
        "The migration changes, or breaks, when the application does.",
        "The file imports code that will be another one when it runs for the next time.",
        "Copy what it needs into the file; functions get typed views of old and new records, so no model is needed.",
    ),
)
RULES: Final[Mapping[str, Rule]] = {rule.code: rule for rule in _ALL}


def hooks_of(models: Iterable[type[StoredModel]]) -> dict[str, str]:
    """Give the method that decides how its values are stored, by the name of each model that overrides one."""
    return {model.__name__: model.__shape__.hooks[0] for model in models if model.__shape__.hooks}


def findings_of(
    chain: Chain,
    positions: range,
    samples: Mapping[str, Sample] | None = None,
    hooks: Mapping[str, str] | None = None,
) -> list[Finding]:
    """Judge some migrations of a chain.

    Args:
        chain: The files.
        positions: Positions after the migrations: ``range(2, 4)`` for the second and the third.
        samples: Records by the name of their model; each migration is tried on those that are of the version before
            it. None where nobody looked.
        hooks: What ``hooks_of`` says of the models of the code.

    Returns:
        What was found, in the order of the migrations and their operations; each once.
    """
    found: list[Finding] = []
    hooked = _hooked(chain, hooks) if hooks else {}
    hidden = _hidden(chain) if samples else {}
    for position in positions:
        link, before = chain.links[position - 1], chain.snapshots[position - 1]
        place = f"{chain.app}.{link.name}"
        said = [*_static(link, before), *_sampled(chain, position, samples or {}, _at(hidden, position - 1))]
        said += _against_hooks(link, before, _at(hooked, position - 1))
        said += [(code, f"line {line} {what}", _models_of(link)) for code, line, what in link.complaints]
        found += [
            Finding(RULES[code], place, what, link.allow.get(code, ""), position, link.path, link.allow, models)
            for code, what, models in dict.fromkeys(said)
        ]
    return found


def _hidden(chain: Chain) -> dict[tuple[int, str], Hidden]:
    """Give what must not be shown by each position and the name that a model has there, by all names of its fields."""
    return {
        (position, model.name): Hidden(
            frozenset(one.name for one in model.fields if lineage.conceals(one.name)), lineage.route.hidden.told
        )
        for lineage in lineages_of(chain)
        for position, model in lineage.schemas.items()
    }


def _at(told: Mapping[tuple[int, str], T], position: int) -> dict[str, T]:
    return {name: one for (at, name), one in told.items() if at == position}


def _hooked(chain: Chain, hooks: Mapping[str, str]) -> dict[tuple[int, str], str]:
    """Give the methods of ``hooks`` by each position and the name that their model has there."""
    return {
        (position, model.name): f"{lineage.latest.name}.{hooks[lineage.latest.name]}"
        for lineage in lineages_of(chain)
        if lineage.latest.name in hooks
        for position, model in lineage.schemas.items()
    }


def _against_hooks(
    link: Link, before: Snapshot, hooked: Mapping[str, str]
) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Find operations that look into values which a method of the model makes, or make such."""
    state, names = before, dict(hooked)
    for operation in link.operations:
        told = names.get(operation.model)
        if told is not None and _looks_into_values(operation):
            yield "RM118", f"{operation.describe()}: its values go through {told}", (operation.model,)
        if told is not None and isinstance(operation, RenameModel):
            names[operation.new] = told
        state = operation.apply(state)


def _looks_into_values(operation: Operation) -> bool:
    if isinstance(operation, AlterField):
        return not _keeps(operation)
    if isinstance(operation, AddField):
        return callable(operation.fill) or "." in operation.name
    if isinstance(operation, RemoveField):
        return "." in operation.name  # of a key within a value
    if isinstance(operation, RenameField):
        return "." in operation.old
    return isinstance(operation, (Transform, SplitField, MergeFields, FlattenField, NestFields))


def _models_of(link: Link) -> tuple[str, ...]:
    """Give the models whose records what a file does is about; none where it calls a function without any record."""
    if any(isinstance(one, Run) for one in link.operations):
        return ()
    return tuple(dict.fromkeys(one.model for one in link.operations))


def _static(link: Link, before: Snapshot) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Judge operations by what they are."""
    state = before
    for operation in link.operations:
        models = () if isinstance(operation, Run) else (operation.model,)
        for judge in _JUDGES:
            yield from ((code, what, models) for code, what in judge(operation, state))
        state = operation.apply(state)


def _hides(operation: Operation, state: Snapshot) -> Iterator[tuple[str, str]]:
    if operation.risk is Risk.HIDES:
        yield "RM101", operation.describe()
    if isinstance(operation, AlterField) and operation.convert is None and (keys := hidden_keys(*_trees(operation))):
        yield "RM101", f"{operation.describe()}: {', '.join(keys)} will be out of sight"
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
            yield "RM111", f"{operation.describe()}: {values} will be another value"
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
    """Give both types; those of keys stand in NotRequired[...] where reading can do without them."""
    return parse_key(operation.name, operation.old).tree, parse_key(operation.name, operation.new).tree


def _is_filled(operation: AlterField) -> bool:
    """Whether no object lacks it: a key that becomes required may be absent in some."""
    was, is_now = (parse_key(operation.name, one).is_required for one in (operation.old, operation.new))
    return was >= is_now


def _keeps(operation: AlterField) -> bool:
    """Whether no record is rewritten."""
    return _is_filled(operation) and keeps_bytes(*map(str, _trees(operation)))


# What every value of the one becomes in the other, without a function.
_LOSSLESS: Final = frozenset([("int", "float"), ("bool", "int")])  # and whatever becomes text


def _is_lossless(old: str, new: str) -> bool:
    one, other = old.removesuffix(" | None"), new.removesuffix(" | None")
    is_kept = new.endswith(" | None") >= old.endswith(" | None")
    return is_kept and (one == other or (one, other) in _LOSSLESS or other in ("JSON[str]", "str"))


def _sampled(
    chain: Chain, position: int, samples: Mapping[str, Sample], hidden: Mapping[str, Hidden]
) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Try a migration on records, in memory."""
    link, before = chain.links[position - 1], chain.snapshots[position - 1]
    for name, one in samples.items():
        if name not in before.by_name or not any(operation.model == name for operation in link.operations):
            continue
        try:
            noted = noted_types(chain, position - 1, name)
            stage = stage_of(name, before, link.operations, before.model(name).version + 1, noted)
        except SchemaError:
            continue
        route = Route(name, (stage,), stage.older, hidden=hidden.get(name, NOTHING_HIDDEN))
        records = {key: record for key, record in one.records.items() if record.get("_v", b"1") == b"%d" % stage.older}
        yield from ((code, what, (name,)) for code, what in _tried(name, route, records))
        yield from (("RM103", what, ()) for what in hidden_extras(name, before, link.operations, records))


def _tried(name: str, route: Route, records: Mapping[str, Mapping[str, bytes]]) -> Iterator[tuple[str, str]]:
    failed, large, respelled = list[str](), list[str](), list[str]()
    target = route.versions[-1]
    for key, record in records.items():
        if len(record) > _MANY or sum(map(len, record.values())) > _LARGE:
            large.append(key)
        try:
            there = route.rewrite(record, target).fields
            route.check_widened(record, there, target)
            if any(field.startswith(f"_b{target}.") and not _is_dropped(field, route) for field in there):
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
            f"{len(respelled):,} of {count:,} sampled records of {name} keep bytes aside, e.g. {respelled[0]}",
        )


def _is_dropped(stored_as: str, route: Route) -> bool:
    """Whether a value that is kept aside is that of a field that goes, which has no other way back."""
    [stage] = route.stages
    step = stored_as.partition(".")[2].partition(".")[0]
    return not step.isdecimal() or int(step) >= len(stage.steps) or type(stage.steps[int(step)]).__name__ == "Drop"
