"""The comparison of two schemas of one model: the operations between them, or questions. Pure.

Each operation is applied to the schema as soon as it is found, so that the next one sees the schema that it will see in
the chain. Renames come first, then new fields, types and keys. Removed fields come last: a function may need them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from redis_models.errors import SchemaError

from ..operations import (
    AddField,
    AlterExtras,
    AlterField,
    AlterKeys,
    AlterTTL,
    Operation,
    RemoveField,
    RenameField,
    RenameModel,
)
from ..operations.function_stubs import FunctionStub, function_name
from ..schema.snapshot import FieldSchema, Literal, ModelSchema, Snapshot, _Required
from ..schema.type_compatibility import is_storage_neutral
from .answer_tracker import AnswerTracker
from .answers import Answers, ComputeAnswer, ExtraAnswer, FillAnswer, TTLAnswer
from .compare_types import compare_types
from .match_fields import FieldMatch, match_fields, order_moves
from .match_nested import find_nested_moves
from .questions import POLICIES, ExtraQuestion, FillQuestion, Question, RenameQuestion, SwapQuestion, TTLQuestion

__all__ = ["Comparison", "compare"]


@dataclass
class Comparison:
    """The difference between two schemas of a model. It grows during the comparison, and is only read afterwards.

    Attributes:
        schema: The model after the operations so far.
        new: The model as the code has it.
        tracker: The answers about it.
        operations: In the order in which they apply.
        questions: What must be answered first.
        notes: Fields whose types differ, while their stored bytes do not.
    """

    schema: ModelSchema
    new: ModelSchema
    tracker: AnswerTracker
    operations: list[Operation] = field(default_factory=list[Operation])
    questions: list[Question] = field(default_factory=list[Question])
    notes: list[str] = field(default_factory=list[str])

    def do(self, *operations: Operation) -> None:
        """Add operations, and apply them to the schema."""
        for operation in operations:
            self.schema = operation.apply(Snapshot((self.schema,))).model(self.new.name)
            self.operations.append(operation)

    @property
    def is_changed(self) -> bool:
        """Whether records change, or may change once questions are answered, so that the version must rise."""
        asked = any(not isinstance(question, TTLQuestion) for question in self.questions)
        return asked or any(
            not operation.is_state_only or isinstance(operation, AlterField) for operation in self.operations
        )


def compare(old: ModelSchema, new: ModelSchema, answers: Answers) -> Comparison:
    """Compare two schemas of one model, which may have been renamed.

    Raises:
        SchemaError: An answer matches nothing, or contradicts another.
    """
    found = Comparison(old, new, AnswerTracker(answers, new.name))
    if old.name != new.name:
        found.do(RenameModel(old.name, new.name))
    levels = find_nested_moves(found.schema, new, found.tracker)
    found.do(*levels.operations)
    found.questions += levels.questions
    match = match_fields(found.schema, new, found.tracker)
    found.questions += [
        question for question in match.questions if getattr(question, "field", None) not in levels.asked
    ]
    if not any(isinstance(question, (RenameQuestion, SwapQuestion)) for question in found.questions):
        _compare_matched(found, match)
    _compare_ttl(found)
    found.questions = _sorted_questions(found.questions)
    if not found.questions:
        found.tracker.refuse_unused()
        if found.is_changed or new.version > old.version:
            found.do(*_notes(found))
            found.notes.clear()
        _compare_extras(found, old.extras)
        _refuse_another_end(found)
    return found


def _sorted_questions(questions: Sequence[Question]) -> list[Question]:
    """Sort the questions: renames first, because whether a field is new depends on them."""
    renames = [question for question in questions if isinstance(question, RenameQuestion)]
    claimed = {candidate.name for question in renames for candidate in question.candidates}
    others = [
        question for question in questions if not isinstance(question, (RenameQuestion, FillQuestion, ExtraQuestion))
    ]
    new = [question for question in questions if isinstance(question, (FillQuestion, ExtraQuestion))]
    fills = [question for question in new if question.field not in claimed]
    return [*renames, *fills, *others]


def _compare_matched(found: Comparison, match: FieldMatch) -> None:
    """Compare the fields after all of them are matched."""
    model, taken = found.new.name, set(match.moves.values())
    overtaken = sorted(match.dropped & taken)
    _refuse_lost_key(match, overtaken)
    names = [name for name in match.old.by_name if name not in overtaken]
    found.do(*(RemoveField(model, name) for name in overtaken))
    found.do(*(RenameField(model, old, new) for old, new in order_moves(match.moves, names)))
    for added in match.added:
        _add(found, added)
    for name in sorted([*match.kept, *match.moves.values()]):
        _retype(found, found.new.field(name), match.added)
    if not found.questions:
        _compare_keys(found)
        found.do(*(RemoveField(model, name) for name in sorted(match.dropped - taken)))


def _refuse_lost_key(match: FieldMatch, overtaken: Iterable[str]) -> None:
    key = match.old.primary_key
    if key in overtaken:
        raise SchemaError(
            f"{match.new.name}: the primary key {key!r} cannot be dropped in a migration in which another field takes"
            " over its name; make two migrations"
        )


def _add(found: Comparison, field: FieldSchema) -> None:
    model, is_key = found.new.name, field.name == found.new.primary_key
    fill = found.tracker.consume(FillAnswer, field.name)
    extra = found.tracker.consume(ExtraAnswer, field.name) if _takes_extras(found) and not is_key else None
    if extra is not None:
        extra.check()
    if found.tracker.consume(ComputeAnswer, field.name):
        function = FunctionStub(function_name(model, field.name))
        found.do(AddField(model, field.name, field.type, function))
    elif fill is not None and is_key:
        raise SchemaError(f"{fill.flag()}: all records would get the same primary key; use --compute")
    elif fill is not None:
        fill.check(field.type)
        _add_filled(found, field, fill.value, extra)
    elif isinstance(field.default, _Required) or is_key:
        found.questions.append(FillQuestion(model, field.name, field.type))
    else:
        _add_filled(found, field, field.default, extra)


def _takes_extras(found: Comparison) -> bool:
    """Whether records may hold extra fields. Files may not know that of the older class, so the newer counts too."""
    return found.schema.extras or found.new.extras


def _add_filled(found: Comparison, field: FieldSchema, value: Literal, extra: ExtraAnswer | None) -> None:
    """Add a field with one value for all records, except those with an extra field of its name."""
    model, is_key = found.new.name, field.name == found.new.primary_key
    if extra is None and not is_key and _takes_extras(found):
        found.questions.append(ExtraQuestion(model, field.name, field.type))
    else:
        found.do(AddField(model, field.name, field.type, value, None if extra is None else extra.policy))


def _retype(found: Comparison, field: FieldSchema, added: Sequence[FieldSchema]) -> None:
    old = found.schema.field(field.name).type
    if old == field.type:
        return
    if is_storage_neutral(old, field.type):
        found.notes.append(field.name)
        return
    comparison = compare_types(found.schema, field.name, field, found.tracker, added)
    found.questions += comparison.questions
    if not comparison.questions:
        found.do(*comparison.operations)


def _compare_keys(found: Comparison) -> None:
    """Rename the keys of the records if the options for keys changed. Only the table keeps upper case in keys."""
    old, new = found.schema, found.new
    changed: dict[str, str] = {}
    for part in ("prefix", "separator", "table", "primary_key"):
        before, after = str(getattr(old, part)), str(getattr(new, part))
        if before != after and (part not in ("prefix", "separator") or before.lower() != after.lower()):
            changed[part] = after
    if changed:
        found.do(AlterKeys(new.name, **changed))


def _compare_ttl(found: Comparison) -> None:
    old, new = found.schema.ttl, found.new.ttl
    answers = found.tracker.answers.of(TTLAnswer, found.new.name)
    if old == new:
        if answers:
            raise SchemaError(f"{answers[0].flag()} matches nothing: the ttl of {found.new.name} did not change")
        return
    question = TTLQuestion(found.new.name, old, new)
    if not answers:
        found.questions.append(question)
        return
    if len(answers) > 1:
        raise SchemaError(f"{answers[1].flag()} contradicts {answers[0].flag()}; give one of them")
    if answers[0].policy not in question.policies:
        known = ", ".join(policy for policy in POLICIES if policy in question.policies)
        raise SchemaError(f"{answers[0].flag()}: unknown policy; write one of {known}")
    if not found.questions:
        found.do(AlterTTL(found.new.name, old, new, answers[0].policy))


def _compare_extras(found: Comparison, took: bool) -> None:
    """Add whether the model has extra fields. To allow them alone does not need a migration; it comes first in one.

    Args:
        found: The comparison, without open questions.
        took: Whether the model had extra fields, as the files say.
    """
    model, takes = found.new.name, found.new.extras
    if took and not takes:
        found.do(AlterExtras(model, False))
    elif takes and not took and (found.is_changed or found.new.version > found.schema.version):
        # Functions may read them, and the files do not know what the class was before.
        place = sum(isinstance(operation, RenameModel) for operation in found.operations)
        found.operations.insert(place, AlterExtras(model, True))
        found.schema = replace(found.schema, extras=True)


def _notes(found: Comparison) -> list[Operation]:
    """Update types that are stored with the same bytes, because there is a migration anyway."""
    model = found.new.name
    return [AlterField(model, name, found.schema.field(name).type, found.new.field(name).type) for name in found.notes]


def _refuse_another_end(found: Comparison) -> None:
    """Refuse operations that do not lead to the code: a bug of this library, found before a file is written."""
    types = {name: found.schema.field(name).type for name in found.notes}
    expected = replace(
        found.new, fields=tuple(replace(field, type=types.get(field.name, field.type)) for field in found.new.fields)
    )
    if not found.schema.has_shape_of(expected):
        raise SchemaError(
            f"{found.new.name}: the operations found do not lead to what the code says; please report this as a bug:"
            f" {'; '.join(operation.describe() for operation in found.operations)}"
        )
