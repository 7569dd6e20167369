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
    """Compare the types of a field before and after.

    Args:
        schema: The model before, in which the field already has its new name.
        name: The field.
        new: The field afterwards.
        tracker: Answers about the model; it learns which ones are used.
        outside: New fields of the model, to which a key of an object may have moved.

    Raises:
        SchemaError: An answer does not fit the values or the type.
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
    if all(isinstance(change, AlterField) and change.convert is None for change in comparison.operations):
        return TypeComparison(schema.name, tracker, [AlterField(schema.name, name, old, new.type)])
    # Pydantic could not convert it as a whole: what the answers say about its parts would be lost.
    return TypeComparison(schema.name, tracker, questions=[ComputeQuestion(schema.name, name)])


def _reached(schema: ModelSchema, name: str, operations: Sequence[Operation]) -> str | None:
    """Return the type that operations lead to; None if they do not fit."""
    snapshot = Snapshot((schema,))
    try:
        for operation in operations:
            snapshot = operation.apply(snapshot)
    except SchemaError:
        return None
    return snapshot.model(schema.name).field(name).type


def _change(
    comparison: TypeComparison, path: str, old: Tree, new: Tree, default: "Literal | _Required" = REQUIRED
) -> None:
    """Add the operations or questions between two types at a path."""
    if old == new or is_storage_neutral(str(old), str(new)):
        return
    if comparison.tracker.consume(ComputeAnswer, path):
        compute(comparison, path, str(old), str(new))
        return
    was_optional, is_optional = NONE in members_of(old), NONE in members_of(new)
    before, after = without_none(old), without_none(new)
    if before and after and before != after:
        # If the new type may be None, a function may make None of other values, such as "NA".
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
    """Add the operations or questions between two types that may both be None, or neither."""
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
    """Whether the container changes too: a list of objects that becomes a tuple of others."""
    is_array = "dict" not in (old.kind, new.kind) and len(old.items) == len(new.items) == 1
    return is_array and old.items != new.items and all(map(_holds_objects, (*old.items, *new.items)))


def _change_items(
    comparison: TypeComparison, path: str, old: Tree, new: Tree, before: Container, after: Container
) -> None:
    """Compare objects, or values of enums, inside a container. Paths ignore the container."""
    differing = [
        (old_item, new_item)
        for old_item, new_item in zip(before.items, after.items, strict=True)
        if old_item != new_item
    ]
    old_item, new_item = differing[0]
    is_first = before.items[0] == old_item and before.kind == "dict"
    if len(differing) == 1 and not is_first and _holds_objects(old_item) and _holds_objects(new_item):
        outside, comparison.outside = comparison.outside, ()
        _change(comparison, path, old_item, new_item)
        comparison.outside = outside
    elif (
        len(differing) == 1
        and not is_first
        and stored_values(old_item) is not None
        and stored_values(new_item) is not None
    ):
        map_values(comparison, path, old_item, new_item, str(old), str(new))
    else:
        map_nested_values(comparison, path, old, new)


def _holds_objects(tree: Tree) -> bool:
    members = without_none(tree)
    return any(
        isinstance(member, Object) or (isinstance(member, Container) and _holds_objects(member.items[-1]))
        for member in members
    )


def _change_keys(comparison: TypeComparison, path: str, old: Object, new: Object) -> None:
    """Match the keys of two objects, as fields of models are matched."""
    gone = [key for key in old.keys if key.name not in _names(new)]
    added = {key.name: key for key in new.keys if key.name not in _names(old)}
    removed: list[str] = []
    renamed: list[tuple[Key, Key]] = []
    for key in gone:
        place = f"{path}.{key.name}"
        answer = comparison.tracker.consume(RenameAnswer, place)
        target = None if answer is None else added.pop(answer.new.removeprefix(f"{path}."), None)
        if answer is not None and target is None:
            raise SchemaError(
                f"{answer.flag()}: {path} has no new key {answer.new!r}; new keys: {', '.join(added) or 'none'}"
            )
        if target is not None:
            renamed.append((key, target))
        elif comparison.tracker.consume(DropAnswer, place):
            removed.append(place)
        else:
            question = _rename_question(comparison, path, key, added.values())
            if question.candidates:
                comparison.questions.append(question)
            else:
                removed.append(place)
    if any(isinstance(question, RenameQuestion) for question in comparison.questions):
        return
    for before, after in renamed:
        operation = RenameField(comparison.model, f"{path}.{before.name}", f"{path}.{after.name}")
        comparison.operations.append(operation)
    _add_keys(comparison, path, list(added.values()))
    for before, after in [*renamed, *_kept(old, new)]:
        if not before.is_required:
            comparison.not_required.add(f"{path}.{after.name}")
        _change(comparison, f"{path}.{after.name}", before.tree, after.tree)
        if after.is_required and not before.is_required and not comparison.questions:
            require_key(comparison, f"{path}.{after.name}", after.tree)
    comparison.operations += [RemoveField(comparison.model, place) for place in removed]


def _names(tree: Object) -> set[str]:
    return {key.name for key in tree.keys}


def _kept(old: Object, new: Object) -> list[tuple[Key, Key]]:
    known = {key.name: key for key in old.keys}
    return [(known[key.name], key) for key in new.keys if key.name in known]


def _rename_question(comparison: TypeComparison, path: str, gone: Key, added: Iterable[Key]) -> RenameQuestion:
    """Ask whether a key was renamed: to a key of its object, or to a field of the model with its type."""
    new = [FieldSchema(f"{path}.{key.name}", str(key.tree)) for key in added]
    kind = without_none(gone.tree)
    new += [outer for outer in comparison.outside if without_none(parse(outer.type)) == kind]
    field = FieldSchema(f"{path}.{gone.name}", str(gone.tree))
    return RenameQuestion(comparison.model, field.name, field.type, field_candidates(field, new))


def _add_keys(comparison: TypeComparison, path: str, added: Sequence[Key]) -> None:
    for key in added:
        place, type = f"{path}.{key.name}", key.text
        fill = comparison.tracker.consume(FillAnswer, place)
        if fill is not None:
            fill.check(str(key.tree))
            comparison.operations.append(AddField(comparison.model, place, type, fill.value))
        elif comparison.tracker.consume(ComputeAnswer, place):
            function = FunctionStub(function_name(comparison.model, place))
            comparison.operations.append(AddField(comparison.model, place, type, function))
        elif key.is_required:
            comparison.questions.append(FillQuestion(comparison.model, place, type))


def _change_variants(comparison: TypeComparison, path: str, tag: str, old: Sequence[Tree], new: Sequence[Tree]) -> None:
    """Compare the objects of a tagged union, each with the one that has its tag, or the tag that an answer names."""
    before, after = variants_of(tag, old), variants_of(tag, new)
    added = [tag_value for tag_value in after if tag_value not in before]
    for value, variant in before.items():
        target = value if value in after else _new_tag(comparison, f"{path}.{tag}", value, added)
        if target is None:
            continue
        if target != value:
            types = str(LiteralTree((value,))), str(LiteralTree((target,)))
            comparison.alter(f"{path}.{tag}", *types, MapValues({plain_value(value): target}))
        keys = tuple(replace(key, tree=LiteralTree((target,))) if key.name == tag else key for key in variant.keys)
        _change_keys(comparison, path, replace(variant, keys=keys), after[target])


def _with_tag(comparison: TypeComparison, path: str, old: Tree, tag: str, new_tag: str) -> tuple[Tree, ...]:
    """Rename the key that holds the tag, if an answer says so, and return the variants with the new name."""
    place, name = f"{path}.{tag}", f"{path}.{new_tag}"
    answer = comparison.tracker.consume(RenameAnswer, place)
    if answer is None:
        candidate = Candidate(name, "", 0.0)
        comparison.questions.append(
            RenameQuestion(comparison.model, place, "its tag", (candidate,), is_primary_key=True)
        )
        return ()
    if answer.new not in (name, new_tag):
        raise SchemaError(f"{answer.flag()}: the tag of the objects in {path} is {new_tag!r} now; write {name}")
    comparison.operations.append(RenameField(comparison.model, place, name))
    return without_none(parse(with_renamed_key(str(old), (tag,), new_tag)))


def _new_tag(
    comparison: TypeComparison, place: str, value: str | float | None, added: Sequence[Literal]
) -> str | int | float | None:
    answer = next((found for found in comparison.tracker.all(MapAnswer, place) if found.old == str(value)), None)
    if answer is None:
        comparison.questions.append(
            MapQuestion(comparison.model, place, str(value), likeliest(added, value), place.rpartition(".")[0])
        )
        return None
    comparison.tracker.mark_used(answer)
    if answer.new not in map(str, added):
        # An existing variant has other keys, which could not be filled.
        new, whole = ", ".join(map(str, added)) or "none", ComputeAnswer(comparison.model, place.rpartition(".")[0])
        raise SchemaError(f"{answer.flag()}: {answer.new!r} is not a new value (new: {new}); use {whole.flag()}")
    return plain_value(chosen_value(answer, answer.new, added))
