"""The diff: from two snapshots and the answers given to operations, or to questions. Pure; it never prompts or prints.

- A version that rises while the shape stays makes a migration without operations: records of the older stamp must have
  a known way to the newer one, or no process could read them.
- Operations come by model: models that go, models that come, then for each other model, by name, renames, additions,
  alterations, removals. A removal goes first where a renamed field takes the name over.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from redis_models.errors import SchemaError

from .answers import Answers, ComputeAnswer, DropAnswer, FillAnswer, RenameAnswer
from .matching import Match, match_fields, order_moves
from .operations import AddField, AlterField, CreateModel, DeleteModel, Operation, RemoveField, RenameField
from .questions import DropModelQuestion, FillQuestion, Question, RenameQuestion, model_candidates
from .schema import FieldSchema, ModelSchema, Snapshot, _Required
from .towrite import ToWrite

__all__ = ["Diff", "LowVersion", "diff"]

# A primary key of these types may become text: its text in the key is the text that is stored then.
_KEYS_AS_TEXT: Final = ("int", "UUID", "date")


@dataclass(frozen=True)
class LowVersion:
    """A model whose class must say a higher version.

    Attributes:
        model: Its name.
        stored: The version that the files have.
        declared: The version that the class says.
        needed: The version that it must say.
        is_changed: Whether the shape changed; otherwise the version was lowered.
    """

    model: str
    stored: int
    declared: int
    needed: int
    is_changed: bool


@dataclass(frozen=True)
class Diff:
    """What leads from one snapshot to another.

    Attributes:
        operations: In the order in which they apply; the certain ones only, while there are questions.
        questions: What must be answered first.
        versions: The version that each changed model has afterwards, as if no version were low.
        low_versions: Models whose class must say another version before this may be written.
    """

    operations: tuple[Operation, ...] = ()
    questions: tuple[Question, ...] = ()
    versions: Mapping[str, int] = field(default_factory=dict[str, int])
    low_versions: tuple[LowVersion, ...] = ()

    @property
    def is_written(self) -> bool:
        """Whether there is anything for a migration to do."""
        return bool(self.operations or self.versions)

    @property
    def is_empty(self) -> bool:
        """Whether both snapshots are the same."""
        return not (self.operations or self.questions or self.versions or self.low_versions)


def diff(old: Snapshot, new: Snapshot, answers: Answers | None = None) -> Diff:
    """Compare two snapshots.

    Args:
        old: Where the files, or the database, are.
        new: What the code says.
        answers: To the questions of an earlier diff, or given in advance.

    Raises:
        SchemaError: Keys changed, an answer matches nothing, or two contradict each other.
    """
    given = Answers() if answers is None else answers
    _refuse_strangers(old, new, given)
    parts = [_of_models(old, new, given)]
    parts += [_of_fields(old.model(one.name), one, given) for one in new.models if one.name in old.by_name]
    return Diff(
        operations=tuple(operation for part in parts for operation in part.operations),
        questions=tuple(question for part in parts for question in part.questions),
        versions=dict(sorted(pair for part in parts for pair in part.versions.items())),
        low_versions=tuple(low for part in parts for low in part.low_versions),
    )


def _refuse_strangers(old: Snapshot, new: Snapshot, answers: Answers) -> None:
    """Refuse answers about models that have nothing to answer."""
    for answer in answers.given:
        is_old, is_new = answer.model in old.by_name, answer.model in new.by_name
        if isinstance(answer, DropAnswer) and answer.field is None:
            is_fitting, why = (
                is_old and not is_new,
                "the model is in the code still" if is_new else "there is no such model",
            )
        else:
            is_fitting, why = is_old and is_new, _why_no_fields(is_old, is_new)
        if not is_fitting:
            raise SchemaError(f"{answer.flag()} matches nothing: {why}")


def _why_no_fields(is_old: bool, is_new: bool) -> str:
    if is_old:
        return "the model is gone as a whole"
    return "the model is new, and has no records yet" if is_new else "there is no such model"


def _of_models(old: Snapshot, new: Snapshot, answers: Answers) -> Diff:
    """Compare the names of the models."""
    gone = [one for one in old.models if one.name not in new.by_name]
    come = [one for one in new.models if one.name not in old.by_name]
    operations: list[Operation] = []
    questions: list[Question] = []
    for one in gone:
        heir = next((other for other in come if other.keys.start == one.keys.start), None)
        if heir is not None:
            _refuse_changed_heir(one, heir)
        if answers.of(DropAnswer, one.name):
            operations.append(DeleteModel(one.name))
        else:
            candidates = model_candidates(one, come)
            questions.append(DropModelQuestion(one.name, one.keys.start, candidates, heir.name if heir else None))
    operations += [_creation(one) for one in come]
    return Diff(tuple(operations), tuple(questions), {one.name: one.version for one in come})


def _refuse_changed_heir(one: ModelSchema, heir: ModelSchema) -> None:
    """Creating a model rewrites no record, so one that takes over records must read them as they are."""
    if replace(heir, name=one.name) != one:
        raise SchemaError(
            f"{heir.name} takes over the records of {one.name} ({one.keys.start}*), but the two differ in"
            f" {_difference(one, heir)}; rename the class alone first, with version = {one.version} and the fields as"
            " they were, make that migration, and change the rest in the next one"
        )


def _difference(one: ModelSchema, other: ModelSchema) -> str:
    names = sorted({field.name for field in set(one.fields) ^ set(other.fields)})
    if names:
        return f"{'field' if len(names) == 1 else 'fields'} {', '.join(names)}"
    return "the version" if one.version != other.version else "the primary key"


def _creation(one: ModelSchema) -> CreateModel:
    fields = {field.name: field.type for field in one.fields}
    return CreateModel(one.name, fields, one.primary_key, one.table, one.prefix, one.separator, one.ttl)


def _of_fields(old: ModelSchema, new: ModelSchema, answers: Answers) -> Diff:
    """Compare one model that is in both."""
    _refuse_changed_keys(old, new)
    match = match_fields(old, new, answers)
    questions = list(match.questions)
    # Whether a field is new at all, and which name keeps the primary key, depends on what is still asked.
    is_matched = not any(isinstance(one, RenameQuestion) for one in questions)
    if is_matched:
        _refuse_changed_primary_key(match)
    fills = _fills(match, answers, is_matched)
    if is_matched:
        questions += [FillQuestion(new.name, one.name, one.type) for one in match.added if one.name not in fills]
    operations = _operations(match, fills) if is_matched else []
    return _with_version(old, new, operations, questions)


def _operations(match: Match, fills: Mapping[str, AddField]) -> list[Operation]:
    model, taken = match.new.name, set(match.moves.values())
    overtaken = sorted(match.dropped & taken)
    names = [name for name in match.old.by_name if name not in overtaken]
    places = {**{name: name for name in match.kept}, **match.moves}
    operations: list[Operation] = [RemoveField(model, name) for name in overtaken]
    operations += [RenameField(model, one, other) for one, other in order_moves(match.moves, names)]
    operations += [fills[one.name] for one in match.added if one.name in fills]
    for before, after in sorted(places.items(), key=lambda pair: pair[1]):
        one, other = match.old.field(before).type, match.new.field(after).type
        if one != other:
            operations.append(AlterField(model, after, one, other))
    return operations + [RemoveField(model, name) for name in sorted(match.dropped - taken)]


def _fills(match: Match, answers: Answers, is_matched: bool) -> dict[str, AddField]:
    """Give the addition of each new field whose fill is known: by an answer, or by its default."""
    model, added = match.new.name, {one.name: one for one in match.added}
    given: list[FillAnswer | ComputeAnswer] = [*answers.of(FillAnswer, model), *answers.of(ComputeAnswer, model)]
    by_name: dict[str, FillAnswer | ComputeAnswer] = {}
    for answer in given:
        other = by_name.setdefault(answer.field, answer)
        if other is not answer:
            raise SchemaError(f"{answer.flag()} contradicts {other.flag()}; give one of them")
        if answer.field not in added and is_matched:
            raise SchemaError(f"{answer.flag()} matches nothing: {answer.field!r} is no new field of {model}")
    additions = {name: _addition(model, one, by_name.get(name)) for name, one in added.items()}
    return {name: one for name, one in additions.items() if one is not None}


def _addition(model: str, one: FieldSchema, answer: FillAnswer | ComputeAnswer | None) -> AddField | None:
    if isinstance(answer, ComputeAnswer):
        return AddField(model, one.name, one.type, ToWrite(f"{model.lower()}_{one.name}"))
    if isinstance(answer, FillAnswer):
        answer.check(one.type)
        return AddField(model, one.name, one.type, answer.value)
    return None if isinstance(one.default, _Required) else AddField(model, one.name, one.type, one.default)


def _with_version(
    old: ModelSchema, new: ModelSchema, operations: Sequence[Operation], questions: Iterable[Question]
) -> Diff:
    asked = tuple(questions)
    is_changed = bool(operations or asked)
    least = old.version + 1 if is_changed else old.version
    versions = {new.name: max(new.version, least)} if is_changed or new.version > old.version else {}
    low = (LowVersion(new.name, old.version, new.version, least, is_changed),) if new.version < least else ()
    return Diff(tuple(operations), asked, versions, low)


def _refuse_changed_keys(old: ModelSchema, new: ModelSchema) -> None:
    for what in ("prefix", "separator", "table"):
        before, after = str(getattr(old, what)), str(getattr(new, what))
        # Keys are lower-cased, except for the table.
        if before != after and (what == "table" or before.lower() != after.lower()):
            raise SchemaError(
                f"{new.name}: {what} changed from {before!r} to {after!r}, which would leave all records behind at"
                f" {old.keys.start}*; put {what} = {before!r} back, or give the new keys to a new model"
            )


def _refuse_changed_primary_key(match: Match) -> None:
    model, before = match.new.name, match.old.primary_key
    expected = match.moves.get(before, before)
    if expected != match.new.primary_key:
        hint = ""
        if before not in match.new.by_name and before not in match.moves:
            rename = RenameAnswer(model, before, match.new.primary_key)
            hint = f" (if {before!r} only has another name now: {rename.flag()})"
        raise SchemaError(
            f"{model}: the primary key changed from {before!r} to {match.new.primary_key!r}, but it is part of every"
            f" key; put it back, or declare a new model with another table{hint}"
        )
    one, other = match.old.field(before).type, match.new.field(expected).type
    if one != other and not (other == "str" and one in _KEYS_AS_TEXT):
        raise SchemaError(
            f"{model}.{expected}: the type of the primary key changed from {one} to {other}, but its text is part of"
            " every key; put it back, or declare a new model with another table"
        )
