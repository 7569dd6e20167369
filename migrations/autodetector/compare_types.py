"""Retyping: from two types of one field to the operations between them, or to questions. Pure.

What changed inside of a nested object becomes operations with paths, so that the plan can name it; what cannot be told
apart that way is one conversion of the whole field. The operations are tried on the schema: unless they lead exactly to
the new type, the whole field is converted instead.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from redis_models.errors import SchemaError

from ..edits.converters import AttachTimezone, FillNone, MapValues
from ..edits.enum_mapping import enum_places
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
from .answers import ComputeAnswer, DropAnswer, FillAnswer, MapAnswer, RenameAnswer, ZoneAnswer
from .candidates import Candidate, chosen_value, field_candidates, has_value, likeliest
from .questions import (
    ComputeQuestion,
    FillQuestion,
    MapQuestion,
    NoneQuestion,
    Question,
    RenameQuestion,
    ZoneQuestion,
)

__all__ = ["Retyping", "compare_types"]

_Mapping = dict[str | int | float | bool | None, Literal]


@dataclass
class Retyping:
    """What lies between two types of one field. Grows while it is made, then is only read.

    Attributes:
        model: Name of the model.
        tracker: The answers about it.
        operations: In the order in which they apply.
        questions: What must be answered first.
        not_required: Paths of keys that reading can do without.
        outside: New fields of the model, to which a key may have moved; none where there may be several objects.
    """

    model: str
    tracker: AnswerTracker
    operations: list[Operation] = field(default_factory=list[Operation])
    questions: list[Question] = field(default_factory=list[Question])
    not_required: set[str] = field(default_factory=set[str])
    outside: Sequence[FieldSchema] = ()

    def alter(self, path: str, old: str, new: str, convert: Callable[..., object] | None = None) -> None:
        """Note a conversion; the type of a key says, too, whether reading can do without it."""
        if path in self.not_required:
            old, new = f"NotRequired[{old}]", f"NotRequired[{new}]"
        self.operations.append(AlterField(self.model, path, old, new, convert=convert))


def compare_types(
    schema: ModelSchema, name: str, new: FieldSchema, tracker: AnswerTracker, outside: Sequence[FieldSchema] = ()
) -> Retyping:
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
    found = Retyping(schema.name, tracker, outside=outside)
    if old == new.type:
        return found
    _change(found, name, parse(old), parse(new.type), new.default)
    if found.questions:
        return found
    reached = _reached(schema, name, found.operations)
    if reached == new.type:
        return found
    if reached is not None and is_widening(reached, new.type):
        found.operations.append(AlterField(schema.name, name, reached, new.type))
        return found
    if all(isinstance(one, AlterField) and one.convert is None for one in found.operations):
        return Retyping(schema.name, tracker, [AlterField(schema.name, name, old, new.type)])
    # As a whole it would stop at the first record: what the answers say about its parts would be lost.
    return Retyping(schema.name, tracker, questions=[ComputeQuestion(schema.name, name)])


def _computed(found: Retyping, path: str, old: str, new: str) -> None:
    found.alter(path, old, new, FunctionStub(function_name(found.model, path)))
    found.tracker.mark_used_inside(path)


def _reached(schema: ModelSchema, name: str, operations: Sequence[Operation]) -> str | None:
    """Give the type that some operations lead to, or None where they do not fit."""
    snapshot = Snapshot((schema,))
    try:
        for one in operations:
            snapshot = one.apply(snapshot)
    except SchemaError:
        return None
    return snapshot.model(schema.name).field(name).type


def _change(found: Retyping, path: str, old: Tree, new: Tree, default: "Literal | _Required" = REQUIRED) -> None:
    """Note what leads from one type to another at a path."""
    if old == new or is_storage_neutral(str(old), str(new)):
        return
    if found.tracker.consume(ComputeAnswer, path):
        _computed(found, path, str(old), str(new))
        return
    was_optional, is_optional = NONE in members_of(old), NONE in members_of(new)
    before, after = without_none(old), without_none(new)
    if before and after and before != after:
        # What may be None afterwards may become None: "NA" of a text, for one, by a function.
        target = _with_none(after, was_optional or is_optional)
        _retype(found, path, _with_none(before, was_optional), target)
        is_reached = bool(found.operations) and getattr(found.operations[-1], "name", None) == path
        old = target if is_reached else _with_none(after, was_optional)
    if was_optional and not is_optional and not found.questions:
        _forbid_none(found, path, old, new, default)
    elif old != new and is_optional and not was_optional and before:
        found.alter(path, str(old), str(new))


def _with_none(members: Sequence[Tree], is_optional: bool) -> Tree:
    return choice_of([*members, NONE] if is_optional else members)


def _retype(found: Retyping, path: str, old: Tree, new: Tree) -> None:
    """Note what leads from one type to another, both of which may be None, or neither."""
    if is_storage_neutral(str(old), str(new)):
        return
    if stored_values(old) is not None and stored_values(new) is not None:
        _map_values(found, path, old, new)
        return
    (before, *rest), (after, *others) = without_none(old), without_none(new)
    match before, after:
        case Object(), Object() if not rest and not others:
            _change_keys(found, path, before, after)
        case _ if gets_zone(old, new):
            _attach_zone(found, path, old, new)
        case Container(), Container() if not rest and not others and _is_alike(before, after):
            _change_items(found, path, old, new, before, after)
        case Container(), Container() if not rest and not others and _is_regrouped(before, after):
            middle = replace(before, items=after.items)
            between = _with_none([middle], NONE in members_of(old))
            _change_items(found, path, old, between, before, middle)
            if not found.questions:
                found.alter(path, str(between), str(new))
        case _ if (tag := tag_of(without_none(old))) and (new_tag := tag_of(without_none(new))):
            variants = without_none(old) if tag == new_tag else _with_tag(found, path, old, tag, new_tag)
            _change_variants(found, path, new_tag, variants, without_none(new))
        case _:
            _map_inside(found, path, old, new)


def _is_alike(old: Container, new: Container) -> bool:
    return (old.kind, old.is_variadic, len(old.items)) == (new.kind, new.is_variadic, len(new.items))


def _is_regrouped(old: Container, new: Container) -> bool:
    """Whether objects that change are in a container of another kind, too: a list that becomes a tuple."""
    is_array = "dict" not in (old.kind, new.kind) and len(old.items) == len(new.items) == 1
    return is_array and old.items != new.items and all(map(_holds_objects, (*old.items, *new.items)))


def _change_items(found: Retyping, path: str, old: Tree, new: Tree, before: Container, after: Container) -> None:
    """Look into a container for objects, or values of enums; paths pass through it."""
    differing = [(one, other) for one, other in zip(before.items, after.items, strict=True) if one != other]
    one, other = differing[0]
    is_first = before.items[0] == one and before.kind == "dict"
    if len(differing) == 1 and not is_first and _holds_objects(one) and _holds_objects(other):
        outside, found.outside = found.outside, ()
        _change(found, path, one, other)
        found.outside = outside
    elif len(differing) == 1 and not is_first and stored_values(one) is not None and stored_values(other) is not None:
        _map_values(found, path, one, other, str(old), str(new))
    else:
        _map_inside(found, path, old, new)


def _holds_objects(tree: Tree) -> bool:
    members = without_none(tree)
    return any(
        isinstance(one, Object) or (isinstance(one, Container) and _holds_objects(one.items[-1])) for one in members
    )


def _forbid_none(found: Retyping, path: str, old: Tree, new: Tree, default: "Literal | _Required") -> None:
    """Fill what holds None with an answer, or with the default."""
    fill = found.tracker.consume(FillAnswer, path)
    if fill is not None:
        fill.check(str(new))
        value = fill.value
    elif isinstance(default, _Required) or default is None:
        found.questions.append(NoneQuestion(found.model, path, str(new)))
        return
    else:
        value = default
    found.alter(path, str(old), str(new), FillNone(value))


def _map_values(
    found: Retyping, path: str, old: Tree, new: Tree, old_type: str | None = None, new_type: str | None = None
) -> None:
    """Ask for each value that is gone what takes its place.

    Args:
        found: Where to note it.
        path: The field.
        old, new: What its values are, or those in a container.
        old_type, new_type: Its own types, where these are containers.
    """
    held, known = stored_values(old) or (), stored_values(new) or ()
    gone = [one for one in held if not has_value(known, one)]
    mapping: _Mapping = {}
    for value in gone:
        _ask_or_map(found, path, value, known, mapping)
    if not found.questions:
        found.alter(path, old_type or str(old), new_type or str(new), MapValues(mapping) if mapping else None)


def _ask_or_map(found: Retyping, path: str, value: Literal, known: Sequence[Literal], mapping: _Mapping) -> None:
    """Note what a value that is gone becomes, or ask for it."""
    answer = next((one for one in found.tracker.all(MapAnswer, path) if one.old == str(value)), None)
    if answer is None:
        found.questions.append(MapQuestion(found.model, path, str(value), likeliest(known, value), path))
    else:
        found.tracker.mark_used(answer)
        mapping[plain_value(value)] = chosen_value(answer, answer.new, known)


def _map_inside(found: Retyping, path: str, old: Tree, new: Tree) -> None:
    """Ask likewise for values that enums lost somewhere in a type, and convert the rest as pydantic does."""
    places = [place for place in enum_places(old, new) if place.lost]
    mapping: _Mapping = {}
    for value in {repr(value): value for place in places for value in place.lost}.values():
        choices = [[*place.known] for place in places if place.loses(value)]
        known = [one for one in choices[0] if all(has_value(some, one) for some in choices)]
        _ask_or_map(found, path, value, known, mapping)
    if not found.questions:
        found.alter(path, str(old), str(new), MapValues(mapping) if mapping else None)


def _attach_zone(found: Retyping, path: str, old: Tree, new: Tree) -> None:
    answer = found.tracker.consume(ZoneAnswer, path)
    if answer is not None:
        answer.check()
        found.alter(path, str(old), str(new), AttachTimezone(answer.zone))
    else:
        found.questions.append(ZoneQuestion(found.model, path))


def _change_keys(found: Retyping, path: str, old: Object, new: Object) -> None:
    """Match the keys of two objects as the fields of a model are matched."""
    gone = [one for one in old.keys if one.name not in _names(new)]
    come = {one.name: one for one in new.keys if one.name not in _names(old)}
    removed: list[str] = []
    renamed: list[tuple[Key, Key]] = []
    for one in gone:
        place = f"{path}.{one.name}"
        answer = found.tracker.consume(RenameAnswer, place)
        target = None if answer is None else come.pop(answer.new.removeprefix(f"{path}."), None)
        if answer is not None and target is None:
            raise SchemaError(
                f"{answer.flag()}: {path} has no new key {answer.new!r}; new are {', '.join(come) or 'none'}"
            )
        if target is not None:
            renamed.append((one, target))
        elif found.tracker.consume(DropAnswer, place):
            removed.append(place)
        else:
            question = _rename_question(found, path, one, come.values())
            if question.candidates:
                found.questions.append(question)
            else:
                removed.append(place)
    if any(isinstance(one, RenameQuestion) for one in found.questions):
        return
    for one, other in renamed:
        found.operations.append(RenameField(found.model, f"{path}.{one.name}", f"{path}.{other.name}"))
    _add_keys(found, path, list(come.values()))
    for one, other in [*renamed, *_kept(old, new)]:
        if not one.is_required:
            found.not_required.add(f"{path}.{other.name}")
        _change(found, f"{path}.{other.name}", one.tree, other.tree)
        if other.is_required and not one.is_required and not found.questions:
            _require(found, f"{path}.{other.name}", other.tree)
    found.operations += [RemoveField(found.model, place) for place in removed]


def _require(found: Retyping, place: str, tree: Tree) -> None:
    """Fill a key that reading could do without, where it is absent, with an answer."""
    last = found.operations[-1] if found.operations else None
    if isinstance(last, AlterField) and last.name == place and isinstance(last.convert, (FillNone, FunctionStub)):
        found.operations[-1] = replace(last, new=str(tree))
    elif fill := found.tracker.consume(FillAnswer, place):
        fill.check(str(tree))
        found.operations.append(AlterField(found.model, place, f"NotRequired[{tree}]", str(tree), FillNone(fill.value)))
    elif found.tracker.consume(ComputeAnswer, place):
        function = FunctionStub(function_name(found.model, place))
        found.operations.append(AlterField(found.model, place, f"NotRequired[{tree}]", str(tree), function))
    else:
        found.questions.append(FillQuestion(found.model, place, str(tree)))


def _names(tree: Object) -> set[str]:
    return {one.name for one in tree.keys}


def _kept(old: Object, new: Object) -> list[tuple[Key, Key]]:
    known = {one.name: one for one in old.keys}
    return [(known[one.name], one) for one in new.keys if one.name in known]


def _rename_question(found: Retyping, path: str, gone: Key, come: Iterable[Key]) -> RenameQuestion:
    """Ask what became of a key: another one of its object, or a field of the model that is of its type."""
    new = [FieldSchema(f"{path}.{one.name}", str(one.tree)) for one in come]
    kind = without_none(gone.tree)
    new += [one for one in found.outside if without_none(parse(one.type)) == kind]
    field = FieldSchema(f"{path}.{gone.name}", str(gone.tree))
    return RenameQuestion(found.model, field.name, field.type, field_candidates(field, new))


def _add_keys(found: Retyping, path: str, come: Sequence[Key]) -> None:
    for one in come:
        place, type = f"{path}.{one.name}", one.text
        fill = found.tracker.consume(FillAnswer, place)
        if fill is not None:
            fill.check(str(one.tree))
            found.operations.append(AddField(found.model, place, type, fill.value))
        elif found.tracker.consume(ComputeAnswer, place):
            function = FunctionStub(function_name(found.model, place))
            found.operations.append(AddField(found.model, place, type, function))
        elif one.is_required:
            found.questions.append(FillQuestion(found.model, place, type))


def _change_variants(found: Retyping, path: str, tag: str, old: Sequence[Tree], new: Sequence[Tree]) -> None:
    """Compare the objects of a union, each with the one that has its tag, or the tag that an answer gives it."""
    before, after = variants_of(tag, old), variants_of(tag, new)
    come = [one for one in after if one not in before]
    for value, variant in before.items():
        target = value if value in after else _new_tag(found, f"{path}.{tag}", value, come)
        if target is None:
            continue
        if target != value:
            types = str(LiteralTree((value,))), str(LiteralTree((target,)))
            found.alter(f"{path}.{tag}", *types, MapValues({plain_value(value): target}))
        keys = tuple(replace(one, tree=LiteralTree((target,))) if one.name == tag else one for one in variant.keys)
        _change_keys(found, path, replace(variant, keys=keys), after[target])


def _with_tag(found: Retyping, path: str, old: Tree, tag: str, new_tag: str) -> tuple[Tree, ...]:
    """Give the variants with the other name that the key has by which they are told apart, once somebody said so."""
    place, name = f"{path}.{tag}", f"{path}.{new_tag}"
    answer = found.tracker.consume(RenameAnswer, place)
    if answer is None:
        candidate = Candidate(name, "", 0.0)
        found.questions.append(RenameQuestion(found.model, place, "its tag", (candidate,), is_primary_key=True))
        return ()
    if answer.new not in (name, new_tag):
        raise SchemaError(f"{answer.flag()}: objects in {path} are told apart by {new_tag!r} now; write {name}")
    found.operations.append(RenameField(found.model, place, name))
    return without_none(parse(with_renamed_key(str(old), (tag,), new_tag)))


def _new_tag(
    found: Retyping, place: str, value: str | float | None, come: Sequence[Literal]
) -> str | int | float | None:
    answer = next((one for one in found.tracker.all(MapAnswer, place) if one.old == str(value)), None)
    if answer is None:
        found.questions.append(
            MapQuestion(found.model, place, str(value), likeliest(come, value), place.rpartition(".")[0])
        )
        return None
    found.tracker.mark_used(answer)
    if answer.new not in map(str, come):
        # What was there already has other keys, which nobody could fill.
        new, whole = ", ".join(map(str, come)) or "none", ComputeAnswer(found.model, place.rpartition(".")[0])
        raise SchemaError(f"{answer.flag()}: {answer.new!r} is no new value; new are: {new}; use {whole.flag()}")
    return plain_value(chosen_value(answer, answer.new, come))
