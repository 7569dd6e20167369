"""Merge a body with the stored record: values that answers hide, or show in another form, are kept.

A client can only send back what answers show. If it does, the stored value is kept: the text of a ``SecretStr`` behind
its asterisks, a date that was shown as text, an object with excluded fields. If other fields of an object changed, its
hidden fields are kept. Items of a list are matched by what answers show of them, then by their position in a list of
the same length. If neither is clear, nothing is guessed, and the request is refused.
"""

import functools
from collections import Counter, deque
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, Final, TypeGuard, cast

from pydantic import BaseModel, RootModel, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from ...encoding.annotations import has_input_form, with_metadata
from ...encoding.codec import codec_for
from ...encoding.equality import is_same
from ...encoding.limits import UNREADABLE
from ...encoding.secrets import SECRETS
from .body_parts import ITEMS, fields_of, inner_parts, is_mask, is_named, parts_of, shown_name, words_of
from .http_errors import Place, unprocessable

__all__ = ["MISSING", "merge_fields"]

MISSING: Final = object()  # in place of a value that no answer shows, or that could not be made
_AMBIGUOUS: Final = (
    "the stored value has hidden fields, and it is not clear which new value they belong to; remove the old value in a"
    " separate request, or change one item at a time"
)


def merge_fields(received: Mapping[str, object], shown: object, record: BaseModel, parsed: object) -> dict[str, object]:
    """Merge the body for a whole record with the stored record; give the values to validate.

    Args:
        received: The body.
        shown: The record as answers show it; ``MISSING`` if no answer can.
        record: The stored record.
        parsed: The record made from the body alone; ``MISSING`` if that is not valid.

    Raises:
        RequestValidationError: 422: it is not clear where hidden fields of the record belong in the body.
    """
    result, kept = _merge_parts(received, shown, record, parsed, ("body",))
    return result | kept


def _merge_value(received: Any, shown: object, stored: object, parsed: object, place: Place) -> object:
    """Merge one value of a body with the stored value, so that nothing is lost that answers hide.

    Args:
        received: The value in the body.
        shown: The stored value as answers show it; ``MISSING`` if there was none.
        stored: The stored value.
        parsed: The value made from the body alone, which tells the members of a union apart; ``MISSING`` if invalid.
        place: Its place in the body.

    Raises:
        RequestValidationError: 422: it is not clear where hidden fields of the stored value belong in the body.
    """
    if _is_shown_alike(received, shown):
        return received if isinstance(stored, (bytes, bytearray)) else stored  # the input of Base64Bytes is their text
    if _is_root(stored):
        return _merge_value(received, shown, stored.root, parsed.root if _is_root(parsed) else MISSING, place)
    if received is None:  # removed, with all its fields
        return received
    sent = _as_mapping(received, stored)
    if sent is not None and fields_of(stored) is not None:
        return _merge_object(received, sent, shown, stored, parsed, place)
    if sent is not None and _is_mapping(stored):
        return _merge_mapping(sent, shown, stored, parsed, place)
    if _is_items(stored) and _is_items(received):
        return _merge_items(list[object](received), shown, list(stored), parsed, place)
    if _holds_hidden(stored):
        raise unprocessable(place, _AMBIGUOUS)
    return received


def _is_root(value: object) -> TypeGuard[RootModel[Any]]:
    return isinstance(value, RootModel)


def _is_mapping(value: object) -> TypeGuard[Mapping[object, object]]:
    return isinstance(value, Mapping)


def _is_items(value: object) -> TypeGuard[Iterable[object]]:
    return isinstance(value, ITEMS)


def _is_shown_alike(received: object, shown: object) -> bool:
    """Whether a value in a body equals the one in an answer; the members of objects may be in any order."""
    return _comparable(received) == _comparable(shown)


def _is_hidden(name: str, info: FieldInfo, shown: object) -> bool:
    """Whether answers hide a field of an object."""
    return bool(info.exclude) or (isinstance(shown, Mapping) and shown_name(name, info) not in shown)


def _stored_input(value: object, info: FieldInfo | None) -> object:
    """Give the input of a field that makes it ``value``."""
    if info is None or not has_input_form(info):
        return value
    return codec_for(with_metadata(info)).as_input(value)


def _merge_object(
    received: object, sent: Mapping[str, object], shown: object, stored: object, parsed: object, place: Place
) -> object:
    result, kept = _merge_parts(sent, shown, stored, parsed, place)
    if isinstance(received, BaseModel) and not isinstance(
        received, type(stored)
    ):  # its class does not have these fields
        kept |= {name: _stored_input(value, info) for name, value, info in parts_of(stored) if name not in sent}
    if kept:
        return _object_of_stored_class(received, sent, result | kept, stored, parsed, place)
    is_as_it_came = result.keys() == sent.keys() and all(result[key] is sent[key] for key in result)
    return received if is_as_it_came else result


def _merge_parts(
    sent: Mapping[str, object], shown: object, stored: object, parsed: object, place: Place
) -> tuple[dict[str, object], dict[str, object]]:
    """Give the fields of an object that the body sets, and those that are kept."""
    result, kept = dict(sent), dict[str, object]()
    answers = shown if _is_mapping(shown) else dict[object, object]()
    for name, value, info in parts_of(stored):
        word, alike = _word_of(name, info, sent), shown_name(name, info)
        answer = answers.get(alike, MISSING)
        if word is not None:
            parsed_value = getattr(parsed, name, MISSING)
            result[word] = _merge_field(sent[word], answer, value, parsed_value, info, (*place, word))
        elif info is None or is_named(name, info, sent):
            continue
        elif alike in sent and _is_shown_alike(sent[alike], answer):  # an alias that only answers use
            kept[name] = _stored_input(value, info)
            del result[alike]
        elif _is_hidden(name, info, shown) and not _is_default(value, info):
            kept[name] = _stored_input(value, info)
    _leave_out_computed(result, answers, stored)
    return result, kept


def _merge_field(
    received: object, shown: object, stored: object, parsed: object, info: FieldInfo | None, place: Place
) -> object:
    """Merge one field; see ``_merge_value``."""
    if _is_shown_alike(received, shown):
        return _stored_input(stored, info)
    return _merge_value(received, shown, stored, parsed, place)


def _word_of(name: str, info: FieldInfo | None, sent: Mapping[str, object]) -> str | None:
    """Give the name under which a body contains a field; None if it does not, or if the alias is a path."""
    return next((word for word in words_of(name, info) if word in sent), None)


def _object_of_stored_class(
    received: Any, sent: Mapping[str, object], result: dict[str, object], stored: object, parsed: object, place: Place
) -> object:
    """Give the object with the kept fields, if its class is still that of the stored one."""
    kind = type(stored)
    if parsed is MISSING:  # without the hidden fields it is not valid, or it cannot be made at all
        return result if _accepts(kind, result) or _accepts(kind, sent) else received
    if type(parsed) is kind or received is not sent:
        return result
    words = {word for name, _, info in parts_of(stored) for word in words_of(name, info)}
    if words.issuperset(sent) and _accepts(kind, sent):
        raise unprocessable(place, _AMBIGUOUS)
    return received  # another member of a union in its place


def _merge_mapping(
    sent: Mapping[str, object], shown: object, stored: Mapping[object, object], parsed: object, place: Place
) -> object:
    answers = cast("Mapping[str, object]", shown) if isinstance(shown, Mapping) else dict[str, object]()
    if len(answers) == len(stored):
        values = dict(zip(answers, stored.values(), strict=True))
    else:  # a TypedDict with fields that answers hide
        values = {key: value for key, value in stored.items() if isinstance(key, str)}
    parsed_items = cast("Mapping[object, object]", parsed) if isinstance(parsed, Mapping) else dict[object, object]()
    result = dict(sent)
    for key in sent:
        if key in values:
            answer = answers.get(key, MISSING)
            result[key] = _merge_value(
                sent[key], answer, values[key], parsed_items.get(key, MISSING), (*place, str(key))
            )
    if isinstance(shown, Mapping) and values.keys() > answers.keys():
        result |= {key: value for key, value in values.items() if key not in answers and key not in sent}
    return result


def _merge_items(received: list[object], shown: object, stored: list[object], parsed: object, place: Place) -> object:
    answers: list[object] = list(repeat(MISSING, len(stored)))
    if isinstance(shown, list) and len(cast("list[object]", shown)) == len(stored):
        answers = cast("list[object]", shown)
    parsed_items = list(cast("Sequence[object]", parsed)) if isinstance(parsed, (list, tuple, deque)) else []
    if len(parsed_items) != len(received):
        parsed_items = list(repeat(MISSING, len(received)))
    pairs = _match_items(received, answers, stored, place)
    left = set(range(len(stored))).difference(pairs.values())
    is_anything_lost = len(pairs) < len(received) and any(_holds_hidden(stored[number]) for number in left)
    result = list(received)
    for number, item in enumerate(received):
        item_place = (*place, number)
        if number in pairs:
            found = pairs[number]
            result[number] = _merge_value(item, answers[found], stored[found], parsed_items[number], item_place)
        elif is_anything_lost:
            raise unprocessable(item_place, _AMBIGUOUS)
    return result


def _match_items(received: list[object], answers: list[object], stored: list[object], place: Place) -> dict[int, int]:
    """Match each given item with a stored one: positions of stored items by positions of given ones."""
    sent, shown = list(map(_comparable, received)), list(map(_comparable, answers))
    is_as_long, pairs = len(sent) == len(shown), dict[int, int]()
    if is_as_long:
        pairs = {number: number for number, look in enumerate(sent) if look == shown[number]}
    free = dict.fromkeys(number for number in range(len(shown)) if number not in pairs)
    alike = dict[object, list[int]]()
    for number in reversed(free):
        alike.setdefault(shown[number], []).append(number)
    if not is_as_long:
        _refuse_ambiguous(sent, alike, stored, place)
    for number, look in enumerate(sent):
        if number not in pairs and alike.get(look):
            pairs[number] = alike[look].pop()
            del free[pairs[number]]
    return pairs | {number: number for number in free if is_as_long and number not in pairs}


def _refuse_ambiguous(
    sent: list[object], alike: Mapping[object, list[int]], stored: list[object], place: Place
) -> None:
    """Refuse a list in which the number of some items changed that look the same in answers but are not."""
    for look, count in Counter(sent).items():
        first, *others = [stored[number] for number in alike.get(look, [])] or [None]
        if others and count != len(others) + 1 and not all(is_same(first, other) for other in others):
            raise unprocessable((*place, sent.index(look)), _AMBIGUOUS)


def _comparable(value: object) -> object:
    """Give a hashable form of a value in a body or an answer; it is equal for values that look the same."""
    if value is MISSING:
        return object()
    if isinstance(value, Mapping):
        members = cast("Mapping[object, object]", value)
        return dict, frozenset((key, _comparable(member)) for key, member in members.items())
    if isinstance(value, list):
        return list, tuple(map(_comparable, cast("list[object]", value)))
    if value is None or isinstance(value, (bool, str, int, float)):
        return isinstance(value, bool), value
    # An instance of the application's own class; answers may not show all of it.
    if _holds_hidden(value) or _holds_secret(value):
        return object()
    try:
        return _comparable(to_jsonable_python(value, by_alias=True))
    except (ValueError, TypeError):
        return object()


def _holds_hidden(value: object) -> bool:
    """Whether a value contains, at any depth, an excluded field that does not have its default."""
    return any(
        _holds_hidden(part) or (info is not None and bool(info.exclude) and not _is_default(part, info))
        for _, part, info in inner_parts(value)
    )


def _holds_secret(value: object) -> bool:
    """Whether a value contains, at any depth, a secret that is more than its mask."""
    if isinstance(value, SECRETS):
        return not is_mask(value)
    return any(_holds_secret(part) for _, part, _ in inner_parts(value))


def _is_default(value: object, info: FieldInfo) -> bool:
    if info.default_factory is not None and info.default_factory_takes_validated_data:
        return False
    return not info.is_required() and is_same(info.get_default(call_default_factory=True), value)


def _as_mapping(received: Any, stored: object) -> Mapping[str, object] | None:
    """Give the fields of an object in a body, also if the body is an instance of the application's own class."""
    if isinstance(received, Mapping):
        return cast("Mapping[str, object]", received)
    if isinstance(received, RootModel) or fields_of(received) is None:
        return None
    parts = parts_of(received)
    if isinstance(received, BaseModel):
        parts = [part for part in parts if part.name in received.model_fields_set]
    else:  # a dataclass does not know which fields were given, and which have their defaults
        parts = [part for part in parts if part.info is None or not _is_default(part.value, part.info)]
    return {name: _stored_input(value, info) for name, value, info in parts}


def _leave_out_computed(result: dict[str, object], answers: Mapping[object, object], stored: object) -> None:
    """Remove computed fields that the client sent back unchanged."""
    computed = type(stored).model_computed_fields if isinstance(stored, BaseModel) else {}
    for name, info in computed.items():
        word = info.alias or name
        if word in result and _is_shown_alike(result[word], answers.get(word, MISSING)):
            del result[word]


def _accepts(kind: type[object], values: Mapping[str, object]) -> bool:
    try:
        _adapter_of(cast(Hashable, kind)).validate_python(values, by_alias=True, by_name=True)
    except (ValueError, *UNREADABLE):
        return False
    return True


@functools.lru_cache(maxsize=256)
def _adapter_of(kind: Hashable) -> TypeAdapter[object]:
    return TypeAdapter(cast("type[object]", kind))
