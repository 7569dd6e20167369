"""Conversions of stored values: the operation that an answer or a default gives for them, or the question. Pure.

``compare_types`` finds where two types differ. This module decides what becomes of the values there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ..edits.converters import AttachTimezone, FillNone, MapValues
from ..edits.enum_mapping import enum_places
from ..operations import AlterField, Operation
from ..operations.function_stubs import FunctionStub, function_name
from ..schema.snapshot import FieldSchema, Literal, _Required
from ..schema.type_compatibility import plain_value
from ..schema.type_tree import Tree, stored_values
from .answer_tracker import AnswerTracker
from .answers import ComputeAnswer, FillAnswer, MapAnswer, ZoneAnswer
from .candidates import chosen_value, has_value, likeliest
from .questions import FillQuestion, MapQuestion, NoneQuestion, Question, ZoneQuestion

__all__ = [
    "TypeComparison",
    "attach_zone",
    "compute",
    "forbid_none",
    "map_nested_values",
    "map_values",
    "require_key",
]

_Mapping = dict[str | int | float | bool | None, Literal]


@dataclass
class TypeComparison:
    """The difference between two types of one field. It grows during the comparison, and is only read afterwards.

    Attributes:
        model: Name of the model.
        tracker: The answers about it.
        operations: In the order in which they apply.
        questions: What must be answered first.
        not_required: Paths of keys that may be absent.
        outside: New fields of the model, to which a key may have moved; empty inside of containers, which may hold
            several objects.
    """

    model: str
    tracker: AnswerTracker
    operations: list[Operation] = field(default_factory=list[Operation])
    questions: list[Question] = field(default_factory=list[Question])
    not_required: set[str] = field(default_factory=set[str])
    outside: Sequence[FieldSchema] = ()

    def alter(self, path: str, old: str, new: str, convert: Callable[..., object] | None = None) -> None:
        """Add a conversion. The type of a key that may be absent says so."""
        if path in self.not_required:
            old, new = f"NotRequired[{old}]", f"NotRequired[{new}]"
        self.operations.append(AlterField(self.model, path, old, new, convert=convert))


def compute(comparison: TypeComparison, path: str, old: str, new: str) -> None:
    """Convert by a function that the user writes into the file."""
    comparison.alter(path, old, new, FunctionStub(function_name(comparison.model, path)))
    comparison.tracker.mark_used_inside(path)


def forbid_none(comparison: TypeComparison, path: str, old: Tree, new: Tree, default: "Literal | _Required") -> None:
    """Replace None by an answer, or by the default of the field; ask if there is neither."""
    fill = comparison.tracker.consume(FillAnswer, path)
    if fill is not None:
        fill.check(str(new))
        value = fill.value
    elif isinstance(default, _Required) or default is None:
        comparison.questions.append(NoneQuestion(comparison.model, path, str(new)))
        return
    else:
        value = default
    comparison.alter(path, str(old), str(new), FillNone(value))


def map_values(
    comparison: TypeComparison,
    path: str,
    old: Tree,
    new: Tree,
    old_type: str | None = None,
    new_type: str | None = None,
) -> None:
    """Replace each value that the new type does not have by the one that an answer names.

    Args:
        comparison: Where operations and questions go.
        path: The field.
        old, new: Types of the values, which may be items of a container.
        old_type, new_type: Types of the field, if it is a container.
    """
    known = stored_values(new) or ()
    mapping: _Mapping = {}
    for value in stored_values(old) or ():
        if not has_value(known, value):
            _map_or_ask(comparison, path, value, known, mapping)
    if not comparison.questions:
        comparison.alter(path, old_type or str(old), new_type or str(new), MapValues(mapping) if mapping else None)


def map_nested_values(comparison: TypeComparison, path: str, old: Tree, new: Tree) -> None:
    """Replace the values that enums at any depth of a type lost; pydantic converts all other values."""
    places = [place for place in enum_places(old, new) if place.lost]
    mapping: _Mapping = {}
    for value in {repr(value): value for place in places for value in place.lost}.values():
        choices = [[*place.new_values] for place in places if place.loses(value)]
        known = [choice for choice in choices[0] if all(has_value(others, choice) for others in choices)]
        _map_or_ask(comparison, path, value, known, mapping)
    if not comparison.questions:
        comparison.alter(path, str(old), str(new), MapValues(mapping) if mapping else None)


def _map_or_ask(
    comparison: TypeComparison, path: str, value: Literal, known: Sequence[Literal], mapping: _Mapping
) -> None:
    """Add to ``mapping`` what replaces a value, or ask for it."""
    answers = comparison.tracker.all(MapAnswer, path)
    answer = next((answer for answer in answers if answer.old == str(value)), None)
    if answer is None:
        question = MapQuestion(comparison.model, path, str(value), likeliest(known, value), path)
        comparison.questions.append(question)
    else:
        comparison.tracker.mark_used(answer)
        mapping[plain_value(value)] = chosen_value(answer, answer.new, known)


def attach_zone(comparison: TypeComparison, path: str, old: Tree, new: Tree) -> None:
    """Attach the time zone that an answer names, or ask for it."""
    answer = comparison.tracker.consume(ZoneAnswer, path)
    if answer is not None:
        answer.check()
        comparison.alter(path, str(old), str(new), AttachTimezone(answer.zone))
    else:
        comparison.questions.append(ZoneQuestion(comparison.model, path))


def require_key(comparison: TypeComparison, path: str, tree: Tree) -> None:
    """Fill a key that could be absent, and no longer can, with an answer."""
    model, operations = comparison.model, comparison.operations
    last = operations[-1] if operations else None
    if isinstance(last, AlterField) and last.name == path and isinstance(last.convert, (FillNone, FunctionStub)):
        operations[-1] = replace(last, new=str(tree))
    elif fill := comparison.tracker.consume(FillAnswer, path):
        fill.check(str(tree))
        operations.append(AlterField(model, path, f"NotRequired[{tree}]", str(tree), FillNone(fill.value)))
    elif comparison.tracker.consume(ComputeAnswer, path):
        function = FunctionStub(function_name(model, path))
        operations.append(AlterField(model, path, f"NotRequired[{tree}]", str(tree), function))
    else:
        comparison.questions.append(FillQuestion(model, path, str(tree)))
