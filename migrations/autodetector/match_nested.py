"""Fields that move into a nested object or out of one, as answers say. Pure.

A field ``zip`` that becomes ``address.zip`` keeps its values, like any renamed field. A new object is made by
``NestFields``; a removed one is split up by ``FlattenField``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from redis_models.errors import SchemaError

from ..operations import FlattenField, NestFields, Operation, RenameField
from ..schema.snapshot import FieldSchema, ModelSchema
from ..schema.type_compatibility import without_none
from ..schema.type_tree import Object, parse
from .answer_tracker import AnswerTracker
from .answers import DropAnswer, RenameAnswer
from .candidates import field_candidates
from .questions import Question, RenameQuestion

__all__ = ["NestedMoves", "find_nested_moves", "is_between_objects", "keys_of"]


@dataclass
class NestedMoves:
    """The moves between levels.

    Attributes:
        operations: In the order in which they apply.
        questions: About keys of removed objects without an answer.
        asked: Fields about whose keys there are questions, so that there is none about the fields.
    """

    operations: list[Operation] = field(default_factory=list[Operation])
    questions: list[Question] = field(default_factory=list[Question])
    asked: set[str] = field(default_factory=set[str])


def is_between_objects(answer: RenameAnswer) -> bool:
    """Whether a rename moves a value into an object or out of one."""
    return answer.old.rpartition(".")[0] != answer.new.rpartition(".")[0]


def keys_of(field: FieldSchema) -> list[FieldSchema]:
    """Return the keys of a field that holds an object, as fields with paths."""
    return [FieldSchema(f"{field.name}.{key.name}", str(key.tree)) for key in _object_of(field).keys]


def find_nested_moves(old: ModelSchema, new: ModelSchema, tracker: AnswerTracker) -> NestedMoves:
    """Return the moves between levels that answers name, and questions about objects that may have been split up.

    Raises:
        SchemaError: An answer names an unknown field.
    """
    found, nested, flat = NestedMoves(), dict[str, dict[str, str]](), dict[str, dict[str, str]]()
    for answer in tracker.answers.of(RenameAnswer, new.name):
        if not is_between_objects(answer):
            continue
        _refuse_unknown_path(old, new, answer)
        tracker.mark_used(answer)
        source, target = answer.old.split("."), answer.new.split(".")
        if len(source) == 1 and len(target) == 2 and target[0] not in old.by_name:
            nested.setdefault(target[0], {})[source[0]] = target[1]
        elif len(source) == 2 and len(target) == 1 and source[0] not in new.by_name:
            flat.setdefault(source[0], {})[source[1]] = target[0]
        else:
            found.operations.append(RenameField(new.name, answer.old, answer.new))
    for name, fields in sorted(nested.items()):
        found.operations.append(NestFields(new.name, dict(sorted(fields.items())), name))
    for old_field in old.fields:
        if old_field.name not in new.by_name and _object_of(old_field).keys:
            _flatten(found, old_field, new, flat.get(old_field.name, {}), old, tracker)
    return found


def _flatten(
    found: NestedMoves,
    field: FieldSchema,
    new: ModelSchema,
    into: Mapping[str, str],
    old: ModelSchema,
    tracker: AnswerTracker,
) -> None:
    """Split an object up if answers say what happens to each of its keys; otherwise ask."""
    added = [
        candidate
        for candidate in new.fields
        if candidate.name not in old.by_name and candidate.name not in into.values()
    ]
    keys = [key for key in keys_of(field) if key.name.rpartition(".")[2] not in into]
    if not into and not any(_is_likely(field, key, candidate) for key in keys for candidate in added):
        return
    is_whole_answered = any(answer.old == field.name for answer in tracker.answers.of(RenameAnswer, new.name))
    if not into and (is_whole_answered or tracker.all(DropAnswer, field.name)):
        return
    left = [key for key in keys if tracker.consume(DropAnswer, key.name) is None]
    if not left and into:
        dropped: dict[str, str | None] = {key.name.rpartition(".")[2]: None for key in keys}
        found.operations.append(FlattenField(new.name, field.name, dict(sorted({**dropped, **into}.items()))))
    for key in left:
        found.asked.add(field.name)
        candidates = field_candidates(key, added)
        found.questions.append(RenameQuestion(new.name, key.name, key.type, candidates))


def _is_likely(parent: FieldSchema, key: FieldSchema, other: FieldSchema) -> bool:
    """Whether a new field is a likely key of a removed object: it has its type, and is ``zip`` or ``address_zip``."""
    name = key.name.rpartition(".")[2]
    is_named = other.name in (name, f"{parent.name}_{name}") or other.renamed_from == key.name
    return is_named and without_none(parse(key.type)) == without_none(parse(other.type))


def _refuse_unknown_path(old: ModelSchema, new: ModelSchema, answer: RenameAnswer) -> None:
    for schema, path, where in ((old, answer.old, "the files have"), (new, answer.new, "the code has")):
        top, *rest = path.split(".")
        known = schema.by_name.get(top)
        is_there = known is not None and (not rest or _reaches(known, rest))
        if not is_there:
            raise SchemaError(f"{answer.flag()}: {where} no field {path!r}; {_paths(schema.fields)}")


def _reaches(field: FieldSchema, rest: list[str]) -> bool:
    for name in rest:
        inside = {key.name.rpartition(".")[2]: key for key in keys_of(field)}
        if name not in inside:
            return False
        field = inside[name]
    return True


def _paths(fields: Iterable[FieldSchema]) -> str:
    return "known: " + ", ".join(
        path for field in fields for path in [field.name, *(key.name for key in keys_of(field))]
    )


def _object_of(field: FieldSchema) -> Object:
    """Return the object type of a field; one without keys if the field holds anything else."""
    members = without_none(parse(field.type))
    match members:
        case (Object() as found,):
            return found
        case _:
            return Object((), None)
