"""The comparison of two types of one field: the operations between them, or questions. Pure.

A change inside a nested object becomes operations with paths, so that the plan can name it. What no such operation
expresses becomes one conversion of the whole field. The operations are tried on the schema: unless they lead exactly to
the new type, the whole field is converted instead.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from redis_models.errors import SchemaError

from ..edits.converters import MapValues
from ..operations import AddField, AlterField, Operation, RemoveField, RenameField
from ..operations.function_stubs import FunctionStub, function_name
from ..schema.snapshot import REQUIRED, FieldSchema, Literal, ModelSchema, Snapshot, _Required
from ..schema.type_compatibility import (
    gets_zone,
    is_storage_neutral,
    is_widening,
    members_of,
    plain_value,
    tag_of,
    variants_of,
    without_none,
)
from ..schema.type_edit import with_renamed_key
from ..schema.type_tree import NONE, Container, Key, LiteralTree, Object, Tree, choice_of, parse, stored_values
from .answer_tracker import AnswerTracker
from .answers import ComputeAnswer, DropAnswer, FillAnswer, MapAnswer, RenameAnswer
from .candidates import Candidate, chosen_value, field_candidates, likeliest
from .questions import ComputeQuestion, FillQuestion, MapQuestion, RenameQuestion
from .value_conversions import (
    TypeComparison,
    attach_zone,
    compute,
    forbid_none,
    map_nested_values,
    map_values,
    require_key,
)

__all__ = ["compare_types"]


def compare_types(
    schema: ModelSchema, name: str, new: FieldSchema, tracker: AnswerTracker, outside: Sequence[FieldSchema] = ()
) -> TypeComparison:
    """Compare a field with what it is to be.

    Args:
        schema: The model as it stands before, with the field under its new name already.
        name: The field.
        new: What it is to be.
        tracker: Answers about the model; those that are used are noted.
        outside: New fields of the model, to which a key of an object may have moved.

    Raises:
        SchemaError: An answer fits no value or type.
    """
    old = schema.field(name).type
    comparison = TypeComparison(schema.name, tracker, outside=outside)
    if old == new.type:
        return comparison
    _change(comparison, name, parse(old), parse(new.type), new.default)
    if comparison.questions:
        return comparison
    reached = _reached(schema, name, comparison.operations)
    if reached == new.type:
        return comparison
    if reached is not None and is_widening(reached, new.type):
        comparison.operations.append(AlterField(schema.name, name, reached, new.type))
        return comparison
    if all(isinstance(one, AlterField) and one.convert is None for one in comparison.operations):
        return TypeComparison(schema.name, tracker, [AlterField(schema.name, name, old, new.type)])
    # As a whole it would stop at the first record: what the answers say about its parts would be lost.
    return TypeComparison(schema.name, tracker, questions=[ComputeQuestion(schema.name, name)])


def _reached(schema: ModelSchema, name: str, operations: Sequence[Operation]) -> str | None:
    """Give the type that some operations lead to, or None where they do not fit."""
    snapshot = Snapshot((schema,))
    try:
        for one in operations:
            snapshot = one.apply(snapshot)
    except SchemaError:
        return None
    return snapshot.model(schema.name).field(name).type


def _change(
    comparison: TypeComparison, path: str, old: Tree, new: Tree, default: "Literal | _Required" = REQUIRED
) -> None:
    """Note what leads from one type to another at a path."""
    if old == new or is_storage_neutral(str(old), str(new)):
        return
    if comparison.tracker.consume(ComputeAnswer, path):
        compute(comparison, path, str(old), str(new))
        return
    was_optional, is_optional = NONE in members_of(old), NONE in members_of(new)
    before, after = without_none(old), without_none(new)
    if before and after and before != after:
        # What may be None afterwards may become None: "NA" of a text, for one, by a function.
        target = _with_none(after, was_optional or is_optional)
        _change_members(comparison, path, _with_none(before, was_optional), target)
        is_reached = bool(comparison.operations) and getattr(comparison.operations[-1], "name", None) == path
        old = target if is_reached else _with_none(after, was_optional)
    if was_optional and not is_optional and not comparison.questions:
        forbid_none(comparison, path, old, new, default)
    elif old != new and is_optional and not was_optional and before:
        comparison.alter(path, str(old), str(new))


def _with_none(members: Sequence[Tree], is_optional: bool) -> Tree:
    return choice_of([*members, NONE] if is_optional else members)


def _change_members(comparison: TypeComparison, path: str, old: Tree, new: Tree) -> None:
    """Note what leads from one type to another, both of which may be None, or neither."""
    if is_storage_neutral(str(old), str(new)):
        return
    if stored_values(old) is not None and stored_values(new) is not None:
        map_values(comparison, path, old, new)
        return
    (before, *rest), (after, *others) = without_none(old), without_none(new)
    match before, after:
        case Object(), Object() if not rest and not others:
            _change_keys(comparison, path, before, after)
        case _ if gets_zone(old, new):
            attach_zone(comparison, path, old, new)
        case Container(), Container() if not rest and not others and _is_alike(before, after):
            _change_items(comparison, path, old, new, before, after)
        case Container(), Container() if not rest and not others and _is_regrouped(before, after):
            middle = replace(before, items=after.items)
            between = _with_none([middle], NONE in members_of(old))
            _change_items(comparison, path, old, between, before, middle)
            if not comparison.questions:
                comparison.alter(path, str(between), str(new))
        case _ if (tag := tag_of(without_none(old))) and (new_tag := tag_of(without_none(new))):
            variants = without_none(old) if tag == new_tag else _with_tag(comparison, path, old, tag, new_tag)
            _change_variants(comparison, path, new_tag, variants, without_none(new))
        case _:
            map_nested_values(comparison, path, old, new)


def _is_alike(old: Container, new: Container) -> bool:
    return (old.kind, old.is_variadic, len(old.items)) == (new.kind, new.is_variadic, len(new.items))


def _is_regrouped(old: Container, new: Container) -> bool:
    """Whether objects that change are in a container of another kind, too: a list that becomes a tuple."""
    is_array = "dict" not in (old.kind, new.kind) and len(old.items) == len(new.items) == 1
    return is_array and old.items != new.items and all(map(_holds_objects, (*old.items, *new.items)))


def _change_items(
    comparison: TypeComparison, path: str, old: Tree, new: Tree, before: Container, after: Container
) -> None:
    """Look into a container for objects, or values of enums; paths pass through it."""
    differing = [(one, other) for one, other in zip(before.items, after.items, strict=True) if one != other]
    one, other = differing[0]
    is_first = before.items[0] == one and before.kind == "dict"
    if len(differing) == 1 and not is_first and _holds_objects(one) and _holds_objects(other):
        outside, comparison.outside = comparison.outside, ()
        _change(comparison, path, one, other)
        comparison.outside = outside
    elif len(differing) == 1 and not is_first and stored_values(one) is not None and stored_values(other) is not None:
        map_values(comparison, path, one, other, str(old), str(new))
    else:
        map_nested_values(comparison, path, old, new)


def _holds_objects(tree: Tree) -> bool:
    members = without_none(tree)
    return any(
        isinstance(one, Object) or (isinstance(one, Container) and _holds_objects(one.items[-1])) for one in members
    )


def _change_keys(comparison: TypeComparison, path: str, old: Object, new: Object) -> None:
    """Match the keys of two objects as the fields of a model are matched."""
    gone = [one for one in old.keys if one.name not in _names(new)]
    come = {one.name: one for one in new.keys if one.name not in _names(old)}
    removed: list[str] = []
    renamed: list[tuple[Key, Key]] = []
    for one in gone:
        place = f"{path}.{one.name}"
        answer = comparison.tracker.consume(RenameAnswer, place)
        target = None if answer is None else come.pop(answer.new.removeprefix(f"{path}."), None)
        if answer is not None and target is None:
            raise SchemaError(
                f"{answer.flag()}: {path} has no new key {answer.new!r}; new are {', '.join(come) or 'none'}"
            )
        if target is not None:
            renamed.append((one, target))
        elif comparison.tracker.consume(DropAnswer, place):
            removed.append(place)
        else:
            question = _rename_question(comparison, path, one, come.values())
            if question.candidates:
                comparison.questions.append(question)
            else:
                removed.append(place)
    if any(isinstance(one, RenameQuestion) for one in comparison.questions):
        return
    for one, other in renamed:
        comparison.operations.append(RenameField(comparison.model, f"{path}.{one.name}", f"{path}.{other.name}"))
    _add_keys(comparison, path, list(come.values()))
    for one, other in [*renamed, *_kept(old, new)]:
        if not one.is_required:
            comparison.not_required.add(f"{path}.{other.name}")
        _change(comparison, f"{path}.{other.name}", one.tree, other.tree)
        if other.is_required and not one.is_required and not comparison.questions:
            require_key(comparison, f"{path}.{other.name}", other.tree)
    comparison.operations += [RemoveField(comparison.model, place) for place in removed]


def _names(tree: Object) -> set[str]:
    return {one.name for one in tree.keys}


def _kept(old: Object, new: Object) -> list[tuple[Key, Key]]:
    known = {one.name: one for one in old.keys}
    return [(known[one.name], one) for one in new.keys if one.name in known]


def _rename_question(comparison: TypeComparison, path: str, gone: Key, come: Iterable[Key]) -> RenameQuestion:
    """Ask what became of a key: another one of its object, or a field of the model that is of its type."""
    new = [FieldSchema(f"{path}.{one.name}", str(one.tree)) for one in come]
    kind = without_none(gone.tree)
    new += [one for one in comparison.outside if without_none(parse(one.type)) == kind]
    field = FieldSchema(f"{path}.{gone.name}", str(gone.tree))
    return RenameQuestion(comparison.model, field.name, field.type, field_candidates(field, new))


def _add_keys(comparison: TypeComparison, path: str, come: Sequence[Key]) -> None:
    for one in come:
        place, type = f"{path}.{one.name}", one.text
        fill = comparison.tracker.consume(FillAnswer, place)
        if fill is not None:
            fill.check(str(one.tree))
            comparison.operations.append(AddField(comparison.model, place, type, fill.value))
        elif comparison.tracker.consume(ComputeAnswer, place):
            function = FunctionStub(function_name(comparison.model, place))
            comparison.operations.append(AddField(comparison.model, place, type, function))
        elif one.is_required:
            comparison.questions.append(FillQuestion(comparison.model, place, type))


def _change_variants(comparison: TypeComparison, path: str, tag: str, old: Sequence[Tree], new: Sequence[Tree]) -> None:
    """Compare the objects of a union, each with the one that has its tag, or the tag that an answer gives it."""
    before, after = variants_of(tag, old), variants_of(tag, new)
    come = [one for one in after if one not in before]
    for value, variant in before.items():
        target = value if value in after else _new_tag(comparison, f"{path}.{tag}", value, come)
        if target is None:
            continue
        if target != value:
            types = str(LiteralTree((value,))), str(LiteralTree((target,)))
            comparison.alter(f"{path}.{tag}", *types, MapValues({plain_value(value): target}))
        keys = tuple(replace(one, tree=LiteralTree((target,))) if one.name == tag else one for one in variant.keys)
        _change_keys(comparison, path, replace(variant, keys=keys), after[target])


def _with_tag(comparison: TypeComparison, path: str, old: Tree, tag: str, new_tag: str) -> tuple[Tree, ...]:
    """Give the variants with the other name that the key has by which they are told apart, once somebody said so."""
    place, name = f"{path}.{tag}", f"{path}.{new_tag}"
    answer = comparison.tracker.consume(RenameAnswer, place)
    if answer is None:
        candidate = Candidate(name, "", 0.0)
        comparison.questions.append(
            RenameQuestion(comparison.model, place, "its tag", (candidate,), is_primary_key=True)
        )
        return ()
    if answer.new not in (name, new_tag):
        raise SchemaError(f"{answer.flag()}: objects in {path} are told apart by {new_tag!r} now; write {name}")
    comparison.operations.append(RenameField(comparison.model, place, name))
    return without_none(parse(with_renamed_key(str(old), (tag,), new_tag)))


def _new_tag(
    comparison: TypeComparison, place: str, value: str | float | None, come: Sequence[Literal]
) -> str | int | float | None:
    answer = next((one for one in comparison.tracker.all(MapAnswer, place) if one.old == str(value)), None)
    if answer is None:
        comparison.questions.append(
            MapQuestion(comparison.model, place, str(value), likeliest(come, value), place.rpartition(".")[0])
        )
        return None
    comparison.tracker.mark_used(answer)
    if answer.new not in map(str, come):
        # What was there already has other keys, which nobody could fill.
        new, whole = ", ".join(map(str, come)) or "none", ComputeAnswer(comparison.model, place.rpartition(".")[0])
        raise SchemaError(f"{answer.flag()}: {answer.new!r} is no new value; new are: {new}; use {whole.flag()}")
    return plain_value(chosen_value(answer, answer.new, come))
