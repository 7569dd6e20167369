"""Comparing: what lies between two schemas of one model. Pure.

Operations are tried on the schema as they are found, so that each meets what it will meet in the chain: names first,
then new fields, types, keys, and what goes last, because a function may still want to look at it.
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
from .match_fields import Match, match_fields, order_moves
from .match_nested import move_levels
from .questions import POLICIES, ExtraQuestion, FillQuestion, Question, RenameQuestion, SwapQuestion, TTLQuestion

__all__ = ["Comparison", "compare"]


@dataclass
class Comparison:
    """What lies between two schemas of a model. Grows while it is made, then is only read.

    Attributes:
        schema: The model as the operations so far leave it.
        new: What it is to be.
        tracker: The answers about it.
        operations: In the order in which they apply.
        questions: What must be answered first.
        notes: Fields whose type differs in nothing that is stored.
    """

    schema: ModelSchema
    new: ModelSchema
    tracker: AnswerTracker
    operations: list[Operation] = field(default_factory=list[Operation])
    questions: list[Question] = field(default_factory=list[Question])
    notes: list[str] = field(default_factory=list[str])

    def do(self, *operations: Operation) -> None:
        """Add operations, and bring the schema on."""
        for one in operations:
            self.schema = one.apply(Snapshot((self.schema,))).model(self.new.name)
            self.operations.append(one)

    @property
    def is_changed(self) -> bool:
        """Whether records change, or may have to, so that the version must rise."""
        asked = any(not isinstance(one, TTLQuestion) for one in self.questions)
        return asked or any(not one.is_state_only or isinstance(one, AlterField) for one in self.operations)


def compare(old: ModelSchema, new: ModelSchema, answers: Answers) -> Comparison:
    """Compare two schemas of one model, which may have been renamed.

    Raises:
        SchemaError: An answer matches nothing, or contradicts another.
    """
    found = Comparison(old, new, AnswerTracker(answers, new.name))
    if old.name != new.name:
        found.do(RenameModel(old.name, new.name))
    levels = move_levels(found.schema, new, found.tracker)
    found.do(*levels.operations)
    found.questions += levels.questions
    match = match_fields(found.schema, new, found.tracker)
    found.questions += [one for one in match.questions if getattr(one, "field", None) not in levels.asked]
    if not any(isinstance(one, (RenameQuestion, SwapQuestion)) for one in found.questions):
        _compare_matched(found, match)
    _compare_ttl(found)
    found.questions = _in_turn(found.questions)
    if not found.questions:
        found.tracker.refuse_unused()
        if found.is_changed or new.version > old.version:
            found.do(*_notes(found))
            found.notes.clear()
        _compare_extras(found, old.extras)
        _refuse_another_end(found)
    return found


def _in_turn(questions: Sequence[Question]) -> list[Question]:
    """Put what became of fields first; whether a field is new at all depends on that."""
    renames = [one for one in questions if isinstance(one, RenameQuestion)]
    claimed = {candidate.name for one in renames for candidate in one.candidates}
    others = [one for one in questions if not isinstance(one, (RenameQuestion, FillQuestion, ExtraQuestion))]
    new = [one for one in questions if isinstance(one, (FillQuestion, ExtraQuestion))]
    fills = [one for one in new if one.field not in claimed]
    return [*renames, *fills, *others]


def _compare_matched(found: Comparison, match: Match) -> None:
    """Compare fields of which it is known what became of each."""
    model, taken = found.new.name, set(match.moves.values())
    overtaken = sorted(match.dropped & taken)
    _refuse_lost_key(match, overtaken)
    names = [name for name in match.old.by_name if name not in overtaken]
    found.do(*(RemoveField(model, name) for name in overtaken))
    found.do(*(RenameField(model, one, other) for one, other in order_moves(match.moves, names)))
    for one in match.added:
        _add(found, one)
    for name in sorted([*match.kept, *match.moves.values()]):
        _retype(found, found.new.field(name), match.added)
    if not found.questions:
        _compare_keys(found)
        found.do(*(RemoveField(model, name) for name in sorted(match.dropped - taken)))


def _refuse_lost_key(match: Match, overtaken: Iterable[str]) -> None:
    key = match.old.primary_key
    if key in overtaken:
        raise SchemaError(
            f"{match.new.name}: the primary key {key!r} cannot be dropped in the migration in which another field takes"
            " its name over; make two migrations"
        )


def _add(found: Comparison, one: FieldSchema) -> None:
    model, is_key = found.new.name, one.name == found.new.primary_key
    fill = found.tracker.consume(FillAnswer, one.name)
    extra = found.tracker.consume(ExtraAnswer, one.name) if _takes_extras(found) and not is_key else None
    if extra is not None:
        extra.check()
    if found.tracker.consume(ComputeAnswer, one.name):
        function = FunctionStub(function_name(model, one.name))
        found.do(AddField(model, one.name, one.type, function))
    elif fill is not None and is_key:
        raise SchemaError(f"{fill.flag()}: it is the primary key, and all records would get the same; compute it")
    elif fill is not None:
        fill.check(one.type)
        _add_filled(found, one, fill.value, extra)
    elif isinstance(one.default, _Required) or is_key:
        found.questions.append(FillQuestion(model, one.name, one.type))
    else:
        _add_filled(found, one, one.default, extra)


def _takes_extras(found: Comparison) -> bool:
    """Whether records may hold extra fields: what the files do not know of the older class, the newer one tells."""
    return found.schema.extras or found.new.extras


def _add_filled(found: Comparison, one: FieldSchema, value: Literal, extra: ExtraAnswer | None) -> None:
    """Add a field with one value for all records, but for those that hold an extra field of its name."""
    model, is_key = found.new.name, one.name == found.new.primary_key
    if extra is None and not is_key and _takes_extras(found):
        found.questions.append(ExtraQuestion(model, one.name, one.type))
    else:
        found.do(AddField(model, one.name, one.type, value, None if extra is None else extra.policy))


def _retype(found: Comparison, one: FieldSchema, added: Sequence[FieldSchema]) -> None:
    old = found.schema.field(one.name).type
    if old == one.type:
        return
    if is_storage_neutral(old, one.type):
        found.notes.append(one.name)
        return
    comparison = compare_types(found.schema, one.name, one, found.tracker, added)
    found.questions += comparison.questions
    if not comparison.questions:
        found.do(*comparison.operations)


def _compare_keys(found: Comparison) -> None:
    """Move the records where their keys are others now; keys are lower-cased, except for the table."""
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
            raise SchemaError(f"{answers[0].flag()} matches nothing: the ttl of {found.new.name} is what it was")
        return
    question = TTLQuestion(found.new.name, old, new)
    if not answers:
        found.questions.append(question)
        return
    if len(answers) > 1:
        raise SchemaError(f"{answers[1].flag()} contradicts {answers[0].flag()}; give one of them")
    if answers[0].policy not in question.policies:
        known = ", ".join(one for one in POLICIES if one in question.policies)
        raise SchemaError(f"{answers[0].flag()}: there is no such policy here; write one of {known}")
    if not found.questions:
        found.do(AlterTTL(found.new.name, old, new, answers[0].policy))


def _compare_extras(found: Comparison, took: bool) -> None:
    """Note whether extra fields are taken; that they are is worth no migration of its own, and comes first in one.

    Args:
        found: What was found, without open questions.
        took: Whether the files say that they were.
    """
    model, takes = found.new.name, found.new.extras
    if took and not takes:
        found.do(AlterExtras(model, False))
    elif takes and not took and (found.is_changed or found.new.version > found.schema.version):
        # Functions may look at them, and what the class was before nobody knows.
        place = sum(isinstance(one, RenameModel) for one in found.operations)
        found.operations.insert(place, AlterExtras(model, True))
        found.schema = replace(found.schema, extras=True)


def _notes(found: Comparison) -> list[Operation]:
    """Bring the types along that differ in nothing that is stored, since there is a migration anyway."""
    model = found.new.name
    return [AlterField(model, one, found.schema.field(one).type, found.new.field(one).type) for one in found.notes]


def _refuse_another_end(found: Comparison) -> None:
    """Refuse operations that lead elsewhere than to the code: our own fault, better found before they are written."""
    types = {name: found.schema.field(name).type for name in found.notes}
    expected = replace(
        found.new, fields=tuple(replace(one, type=types.get(one.name, one.type)) for one in found.new.fields)
    )
    if not found.schema.has_shape_of(expected):
        raise SchemaError(
            f"{found.new.name}: the operations found do not lead to what the code says; please report this as a bug:"
            f" {'; '.join(one.describe() for one in found.operations)}"
        )
