"""Lookup: records by one value of one index, as ``where(Customer.email == "a@b")`` asks for, in two round trips.

It does what ``search`` does, for what is asked for most, in half the time. Where anything is not as usual, it gives
nothing, and ``search`` begins anew.
"""

from typing import Final, TypeVar, cast

from redis.exceptions import ResponseError

from ..client.commands import RoundTrips
from ..encoding.raw_text import text_of
from ..indexes.conditions import Comparison
from ..indexes.entries import LONGEST_TEXT, entry, entry_of
from ..mapping.mapper import Mapper
from ..mapping.stored_model import StoredModel
from ..records.read import make_instance, parse_records, read_commands
from ..store import Upgrader
from .decision import Request
from .knowledge import is_still, known

__all__ = ["lookup"]

M = TypeVar("M", bound=StoredModel)
_MOST: Final = 100  # records that it gives; where there are more, ``search`` does not take longer


def lookup(mapper: Mapper[M], upgrader: Upgrader | None, request: Request) -> RoundTrips[list[M] | None]:
    """Give the records that have a value; None where a search must be made, because something is not as usual.

    Cost:
        Two round trips; one where there is no record.
    """
    wanted, knowledge = request.condition, known(mapper)
    if type(wanted) is not Comparison or wanted.operator != "==" or request.orders or knowledge is None:
        return None
    index = knowledge.by_field.get(wanted.field)
    if index is None or index.parts[0].folds_case is not wanted.folds_case or wanted.value != wanted.value:
        return None
    [part] = index.parts
    try:
        sought = entry_of(part, mapper.codecs[part.field], wanted.value)
    except (ValueError, TypeError):
        return None
    limit = _MOST if request.limit is None else min(request.limit, _MOST)
    if sought is None or len(sought.text) > LONGEST_TEXT or limit == 0:
        return None
    start, key = sought.text + b"\0", mapper.keys.field_index(index.name)
    state, others, size, members = yield [
        knowledge.question,
        ("ZCARD", mapper.keys.others),
        ("ZCARD", key),
        ("ZRANGEBYLEX", key, b"[" + start, b"(" + start + b"\xff", "LIMIT", 0, limit),
    ]
    if others != 0 or not size or isinstance(size, ResponseError) or not is_still(knowledge, state):
        return None
    found = cast("list[bytes]", members)
    if len(found) == _MOST:
        return None
    raws = [mapper.start.encode() + member[len(start) :] for member in found]
    keys = [text_of(raw) for raw in mapper.keys.owned(raws)]
    if len(keys) != len(found):
        return None
    if not keys:
        return []
    records = yield from parse_records(mapper, upgrader, None, keys, (yield read_commands(mapper, None, keys)))
    made: list[M] = []
    for key, record in zip(keys, records, strict=True):
        raw = record.get(part.field) if isinstance(record, dict) else None
        held = None if raw is None else entry(part, raw)
        if held is None or held.text != sought.text:
            return None
        made.append(make_instance(mapper, key, record))
    return made
