"""Evidence for a question of the diff, from a sample of stored records. Pure; ``keyspace/sampling`` reads them."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import cast

from redis_models.encoding.limits import UNREADABLE
from redis_models.mapping.stored_field import STAMP, stored_version

from ..edits.nested_paths import plain
from ..operations import Operation, RenameField, RenameModel
from ..schema.examples import Sample
from ..schema.historical_values import HistoricalObject, document_of
from ..schema.snapshot import ModelSchema
from .answers import Answers, RenameAnswer
from .questions import ExtraQuestion, MapQuestion, NoneQuestion, Question, RenameQuestion

__all__ = ["as_stored", "evidence_for"]


def as_stored(question: Question, operations: Iterable[Operation], answers: Answers) -> Question:
    """Return a question with the names that model and field have in the records, which are not rewritten yet.

    Args:
        question: In the names of the code.
        operations: Those that are certain, such as renames.
        answers: To earlier questions. Those about keys become operations only after the last question.
    """
    model, place = question.model, getattr(question, "field", "")
    for answer in answers.of(RenameAnswer, model):
        if "." in answer.new:
            place = _moved(place, answer.new, answer.old)
    for operation in reversed([*operations]):
        if isinstance(operation, RenameModel) and operation.new == model:
            model = operation.model
        elif isinstance(operation, RenameField) and operation.model == model:
            place = _moved(place, operation.new, operation.old)
    found = replace(question, model=model)
    return replace(found, field=place) if place else found  # type: ignore[call-arg]  # some kinds have one


def _moved(place: str, new: str, old: str) -> str:
    return old + place[len(new) :] if f"{place}.".startswith(f"{new}.") else place


def evidence_for(question: Question, schema: ModelSchema, sample: Sample) -> str:
    """Tell how many records a question concerns.

    Args:
        question: In the names of the records.
        schema: The model as the records have it. Records of other versions are only counted.
        sample: Records of the model.

    Returns:
        A text such as ``412 records hold 'PENDING'`` or ``412 of 5,000 sampled records ...``.
    """
    records = [record for record in sample.records.values() if _version(record) == schema.version]
    match question:
        case MapQuestion(_, path, value):
            count = sum(any(str(leaf) == value for leaf in _leaves(schema, path, record)) for record in records)
            return _counted(count, len(records), sample, f"{_hold(count)} {value!r}")
        case NoneQuestion(_, path):
            count = sum(None in _values(schema, path, record) for record in records)
            return _counted(count, len(records), sample, f"{_hold(count)} None")
        case ExtraQuestion(_, path):
            count = sum(path in record for record in records)
            return _counted(count, len(records), sample, f"{_hold(count)} one")
        case RenameQuestion(_, path) if "." not in path:
            count = sum(path in record for record in records)
            return _counted(count, len(records), sample, f"{_hold(count)} it")
        case _:
            return _counted(sample.total, len(records), sample, "") if sample.total else "there are no records"


def _hold(count: int) -> str:
    return "holds" if count == 1 else "hold"


def _counted(count: int, of: int, sample: Sample, what: str) -> str:
    noun = "record" if count == 1 else "records"
    if not what:
        return f"{count:,} {noun}"
    counted = f"{count:,} {noun} {what}" if sample.is_whole else f"{count:,} of {of:,} sampled records {what}"
    others = len(sample.records) - of
    if not others:
        return counted
    are = "is at another version and was" if others == 1 else "are at other versions and were"
    return f"{counted}; {others:,} {are} not examined"


def _version(record: Mapping[str, bytes]) -> int:
    try:
        return stored_version("", record.get(STAMP))
    except ValueError:
        return -1


def _leaves(schema: ModelSchema, path: str, record: Mapping[str, bytes]) -> list[object]:
    """Return all values at a path, with those inside of containers and of keys."""
    name, *rest = path.split(".")
    raw = record.get(name)
    if raw is None or name not in schema.by_name:
        return []
    try:
        return list(_leaves_of(schema.field(name).codec.decode(raw), rest))
    except (*UNREADABLE, ValueError):
        return []


def _leaves_of(value: object, path: Sequence[str]) -> Iterator[object]:
    if isinstance(value, HistoricalObject):
        document = document_of(value)
        for name, item in document.items():
            if not path or name == path[0]:
                yield from _leaves_of(item, path[1:])
    elif isinstance(value, dict):
        for key, item in cast("Mapping[object, object]", value).items():
            yield from _leaves_of(key, path)
            yield from _leaves_of(item, path)
    elif isinstance(value, (list, tuple, deque, set, frozenset)):
        for item in cast("Iterable[object]", value):
            yield from _leaves_of(item, path)
    elif not path:
        yield plain(value)


def _values(schema: ModelSchema, path: str, record: Mapping[str, bytes]) -> list[object]:
    """Return the values at a path, as JSON has them; none if the field cannot be read."""
    name, *rest = path.split(".")
    raw = record.get(name)
    if raw is None or name not in schema.by_name:
        return []
    codec = schema.field(name).codec
    try:
        return list(_found(codec.jsonable(codec.decode(raw)), rest))
    except (ValueError, TypeError):
        return []


def _found(value: object, path: Sequence[str]) -> Iterator[object]:
    if isinstance(value, list):
        for item in cast("list[object]", value):
            yield from _found(item, path)
    elif isinstance(value, dict):
        document = cast("dict[str, object]", value)
        if path and path[0] in document:
            yield from _found(document[path[0]], path[1:])
        elif not path or not any(path[0] in document for _ in document):
            for item in document.values():
                if type(item) in (dict, list) or not path:
                    yield from _found(item, path)
    elif not path:
        yield value
