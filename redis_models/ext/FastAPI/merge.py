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


def merge_fields(given: Mapping[str, object], shown: object, record: BaseModel, made: object) -> dict[str, object]:
    """Merge the body for a whole record with the stored record; give the values to validate.

    Args:
        given: The body.
        shown: The record as answers show it; ``MISSING`` if no answer can.
        record: The stored record.
        made: The record made from the body alone; ``MISSING`` if that is not valid.

    Raises:
        RequestValidationError: 422: it is not clear where hidden fields of the record belong in the body.
    """
    result, kept = _merge_parts(given, shown, record, made, ("body",))
    return result | kept


def _merge_value(given: Any, shown: object, stored: object, made: object, place: Place) -> object:
    """Merge one value of a body with the stored value, so that nothing is lost that answers hide.

    Args:
        given: The value in the body.
        shown: The stored value as answers show it; ``MISSING`` if there was none.
        stored: The stored value.
        made: The value made from the body alone, which tells the members of a union apart; ``MISSING`` if invalid.
        place: Its place in the body.

    Raises:
        RequestValidationError: 422: it is not clear where hidden fields of the stored value belong in the body.
    """
    if _is_shown_alike(given, shown):
        return given if isinstance(stored, (bytes, bytearray)) else stored  # the input of Base64Bytes is their text
    if _is_root(stored):
        return _merge_value(given, shown, stored.root, made.root if _is_root(made) else MISSING, place)
    if given is None:  # removed, with all its fields
        return given
    sent = _as_mapping(given, stored)
    if sent is not None and fields_of(stored) is not None:
        return _merge_object(given, sent, shown, stored, made, place)
    if sent is not None and _is_mapping(stored):
        return _merge_mapping(sent, shown, stored, made, place)
    if _is_items(stored) and _is_items(given):
        return _merge_items(list[object](given), shown, list(stored), made, place)
    if _holds_hidden(stored):
        raise unprocessable(place, _AMBIGUOUS)
    return given


def _is_root(value: object) -> TypeGuard[RootModel[Any]]:
    return isinstance(value, RootModel)


def _is_mapping(value: object) -> TypeGuard[Mapping[object, object]]:
    return isinstance(value, Mapping)


def _is_items(value: object) -> TypeGuard[Iterable[object]]:
    return isinstance(value, ITEMS)


def _is_shown_alike(given: object, shown: object) -> bool:
    """Whether a value in a body equals the one in an answer; the members of objects may be in any order."""
    return _comparable(given) == _comparable(shown)


def _is_hidden(name: str, info: FieldInfo, shown: object) -> bool:
    """Whether answers hide a field of an object."""
    return bool(info.exclude) or (isinstance(shown, Mapping) and shown_name(name, info) not in shown)


def _stored_input(value: object, info: FieldInfo | None) -> object:
    """Give the input of a field that makes it ``value``."""
    if info is None or not has_input_form(info):
        return value
    return codec_for(with_metadata(info)).as_input(value)


def _merge_object(
    given: object, sent: Mapping[str, object], shown: object, stored: object, made: object, place: Place
) -> object:
    result, kept = _merge_parts(sent, shown, stored, made, place)
    if isinstance(given, BaseModel) and not isinstance(given, type(stored)):  # its class does not have these fields
        kept |= {name: _stored_input(value, info) for name, value, info in parts_of(stored) if name not in sent}
    if kept:
        return _object_of_stored_class(given, sent, result | kept, stored, made, place)
    is_as_it_came = result.keys() == sent.keys() and all(result[key] is sent[key] for key in result)
    return given if is_as_it_came else result


def _merge_parts(
    sent: Mapping[str, object], shown: object, stored: object, made: object, place: Place
) -> tuple[dict[str, object], dict[str, object]]:
    """Give the fields of an object that the body sets, and those that are kept."""
    result, kept = dict(sent), dict[str, object]()
    answers = shown if _is_mapping(shown) else dict[object, object]()
    for name, value, info in parts_of(stored):
        word, alike = _word_of(name, info, sent), shown_name(name, info)
        answer = answers.get(alike, MISSING)
        if word is not None:
            made_value = getattr(made, name, MISSING)
            result[word] = _merge_field(sent[word], answer, value, made_value, info, (*place, word))
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
    given: object, shown: object, stored: object, made: object, info: FieldInfo | None, place: Place
) -> object:
    """Merge one field; see ``_merge_value``."""
    if _is_shown_alike(given, shown):
        return _stored_input(stored, info)
    return _merge_value(given, shown, stored, made, place)


def _word_of(name: str, info: FieldInfo | None, sent: Mapping[str, object]) -> str | None:
    """Give the name under which a body contains a field; None if it does not, or if the alias is a path."""
    return next((word for word in words_of(name, info) if word in sent), None)


def _object_of_stored_class(
    given: Any, sent: Mapping[str, object], result: dict[str, object], stored: object, made: object, place: Place
) -> object:
    """Give the object with the kept fields, if its class is still that of the stored one."""
    kind = type(stored)
    if made is MISSING:  # without the hidden fields it is not valid, or it cannot be made at all
        return result if _accepts(kind, result) or _accepts(kind, sent) else given
    if type(made) is kind or given is not sent:
        return result
    words = {word for name, _, info in parts_of(stored) for word in words_of(name, info)}
    if words.issuperset(sent) and _accepts(kind, sent):
        raise unprocessable(place, _AMBIGUOUS)
    return given  # another member of a union in its place


def _merge_mapping(
    sent: Mapping[str, object], shown: object, stored: Mapping[object, object], made: object, place: Place
) -> object:
    answers = cast("Mapping[str, object]", shown) if isinstance(shown, Mapping) else dict[str, object]()
    if len(answers) == len(stored):
        values = dict(zip(answers, stored.values(), strict=True))
    else:  # a TypedDict with fields that answers hide
        values = {key: value for key, value in stored.items() if isinstance(key, str)}
    remade = cast("Mapping[object, object]", made) if isinstance(made, Mapping) else dict[object, object]()
    result = dict(sent)
    for key in sent:
        if key in values:
            answer = answers.get(key, MISSING)
            result[key] = _merge_value(sent[key], answer, values[key], remade.get(key, MISSING), (*place, str(key)))
    if isinstance(shown, Mapping) and values.keys() > answers.keys():
        result |= {key: value for key, value in values.items() if key not in answers and key not in sent}
    return result


def _merge_items(given: list[object], shown: object, stored: list[object], made: object, place: Place) -> object:
    answers: list[object] = list(repeat(MISSING, len(stored)))
    if isinstance(shown, list) and len(cast("list[object]", shown)) == len(stored):
        answers = cast("list[object]", shown)
    remade = list(cast("Sequence[object]", made)) if isinstance(made, (list, tuple, deque)) else []
    if len(remade) != len(given):
        remade = list(repeat(MISSING, len(given)))
    pairs = _match_items(given, answers, stored, place)
    left = set(range(len(stored))).difference(pairs.values())
    is_anything_lost = len(pairs) < len(given) and any(_holds_hidden(stored[number]) for number in left)
    result = list(given)
    for number, item in enumerate(given):
        item_place = (*place, number)
        if number in pairs:
            found = pairs[number]
            result[number] = _merge_value(item, answers[found], stored[found], remade[number], item_place)
        elif is_anything_lost:
            raise unprocessable(item_place, _AMBIGUOUS)
    return result


def _match_items(given: list[object], answers: list[object], stored: list[object], place: Place) -> dict[int, int]:
    """Match each given item with a stored one: positions of stored items by positions of given ones."""
    sent, shown = list(map(_comparable, given)), list(map(_comparable, answers))
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


def _as_mapping(given: Any, stored: object) -> Mapping[str, object] | None:
    """Give the fields of an object in a body, also if the body is an instance of the application's own class."""
    if isinstance(given, Mapping):
        return cast("Mapping[str, object]", given)
    if isinstance(given, RootModel) or fields_of(given) is None:
        return None
    parts = parts_of(given)
    if isinstance(given, BaseModel):
        parts = [part for part in parts if part.name in given.model_fields_set]
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
