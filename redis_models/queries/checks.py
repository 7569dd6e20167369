"""Checks of what an index names: whether a record still has that entry, and whether it meets the conditions.

No index has the last word: others change a record between the reading of an index and that of the record, records
expire, and a plain client may write what no index learns of.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar, cast

from pydantic import BaseModel

from ..errors import DataError, DecodeError
from ..indexes.conditions import comparisons_of
from ..indexes.definitions import Part
from ..indexes.entries import beginning, entry, entry_of
from ..indexes.matching import judge, sort_key
from ..indexes.planner import Plan, Scan
from ..mapping.mapper import Mapper
from ..mapping.stored_model import StoredModel
from .streams import Hit

__all__ = ["Checker"]

M = TypeVar("M", bound=StoredModel)
_MOST_ENTRIES: Final = 4096  # of one part that are remembered: values repeat
_BEHIND_ALL: Final = b"\xfe"  # no entry begins so


class _Values:
    """Some values of a record, where an instance would have them."""

    def __init__(self, values: dict[str, object]) -> None:
        self.__dict__ = values


class Checker(Generic[M]):
    """Checks the records of one plan.

    Args:
        mapper: The model.
        plan: The plan.

    Attributes:
        names: The stored fields that the checks look at.
        judged: Those that conditions ask about.
        needs_whole: Whether they look at whole records, because validators of the model decide what values are.
    """

    def __init__(self, mapper: Mapper[M], plan: Plan) -> None:
        self._mapper, self._plan = mapper, plan
        scans = plan.scans if plan.scans is not None else ()
        conditions = [plan.condition, *(scan.condition for scan in scans)]
        asked = [one.field for condition in conditions for one in comparisons_of(condition)]
        self.judged = tuple(dict.fromkeys(asked))
        asked += [order.field for order in plan.orders]
        self._asked = tuple(dict.fromkeys(asked))
        parts = [part.field for scan in scans if isinstance(scan, Scan) for part in scan.index.parts]
        self.names: tuple[str, ...] = tuple(dict.fromkeys((*asked, *parts)))
        self.needs_whole = mapper._has_validators
        self._whole = judge(plan.condition)
        self._judges = [judge(scan.condition) for scan in scans]
        # Where ranges say all, a record with that entry meets the condition.
        self._is_exact = [isinstance(scan, Scan) and not scan.left and not self.needs_whole for scan in scans]
        self._beginnings = [_beginning_of(scan) if isinstance(scan, Scan) else None for scan in scans]
        self._sort_key = sort_key(plan.orders, mapper)

    def is_current(self, hit: Hit, record: Mapping[str, bytes]) -> bool:
        """Whether a record has the entry by which an index found it."""
        beginning_of = self._beginnings[hit.stream.branch]
        if beginning_of is None or hit.stream.keys is not None:
            return True
        start = beginning_of(record)
        # Behind the whole entry: a NUL within a text is followed by 0xff.
        return start is not None and hit.member.startswith(start) and hit.member[len(start) :][:1] != b"\xff"

    def meets(self, branch: int | None, key: str, record: Mapping[str, bytes]) -> bool:
        """Whether a record meets the conditions of a branch, and not those of one before it, which gives it.

        Args:
            branch: Number of the scan; None where the whole table is read.
            key: Key of the record.
            record: Its stored fields.

        Raises:
            DataError: A value that the conditions ask about cannot be read.
        """
        if branch == 0 and self._is_exact[0]:
            return True
        values = self.values_of(key, record)
        if branch is None:
            return self._whole(values)
        if not self._is_exact[branch] and not self._judges[branch](values):
            return False
        return not any(meets(values) for meets in self._judges[:branch])

    def branch_of(self, key: str, record: Mapping[str, bytes]) -> int | None:
        """Give the first branch whose conditions a record meets.

        Raises:
            DataError: As ``meets``.
        """
        values = self.values_of(key, record)
        return next((branch for branch, meets in enumerate(self._judges) if meets(values)), None)

    def place_of(self, scan: Scan, key: str, record: Mapping[str, bytes]) -> bytes:
        """Give what a record is sorted by that has no entry in the index of a scan, or may have none."""
        pk = key[len(self._mapper.start) :].encode("utf-8", "surrogateescape")
        texts: list[bytes] = []
        for part in scan.order_parts:
            text = self._entry(part, key, record)
            if text is None:
                return beginning(texts) + _BEHIND_ALL + pk
            texts.append(text)
        return beginning(texts) + pk

    def sort_key_of(self, key: str, record: Mapping[str, bytes]) -> tuple[Any, ...]:
        """Give what sorts records in the order of the plan.

        Raises:
            DataError: A value that the order asks about cannot be read.
        """
        return self._sort_key(self.values_of(key, record, (*self._asked, self._mapper.primary_key)))

    def values_of(self, key: str, record: Mapping[str, bytes], names: Sequence[str] | None = None) -> BaseModel:
        """Give values of a record as an instance has them: those of ``names``, or those that conditions ask about.

        Raises:
            DataError: One of them cannot be read.
        """
        mapper = self._mapper
        if self.needs_whole:
            return mapper.decode(key, record)
        asked = self._asked if names is None else names
        values = {name: self._value(key, name, record.get(name)) for name in asked}
        return cast(BaseModel, _Values(values))

    def _value(self, key: str, name: str, raw: bytes | None) -> object:
        if raw is not None:
            return self._mapper.decode_field(key, self._mapper.field(name), raw)
        if name == self._mapper.primary_key:
            return self._mapper.primary_key_in(key)
        info = self._mapper.model.__pydantic_fields__[name]
        if info.is_required():
            raise DecodeError(key, name, None, "it is not stored, and has no default")
        return info.get_default(call_default_factory=True, validated_data={})

    def _entry(self, part: Part, key: str, record: Mapping[str, bytes]) -> bytes | None:
        raw = record.get(part.field)
        found = None if raw is None else entry(part, raw)
        if found is None:
            field = self._mapper.field(part.field)
            try:
                found = entry_of(part, field.codec, self._value(key, part.field, raw))
            except (ValueError, TypeError, DataError):
                return None
        return None if found is None else found.text


def _beginning_of(scan: Scan) -> Callable[[Mapping[str, bytes]], bytes | None]:
    """Give the function that gives what members of a record in the index of a scan begin with; None if it has none."""
    known: list[tuple[Part, dict[bytes, bytes | None]]] = [(part, {}) for part in scan.index.parts]

    def of_part(part: Part, seen: dict[bytes, bytes | None], record: Mapping[str, bytes]) -> bytes | None:
        raw = record.get(part.field)
        if raw is None:
            return None
        if raw in seen:
            return seen[raw]
        if len(seen) >= _MOST_ENTRIES:
            seen.clear()
        found = entry(part, raw)
        text = seen[raw] = None if found is None else found.text + b"\0"
        return text

    if len(known) == 1:
        part, seen = known[0]
        return lambda record: of_part(part, seen, record)

    def of_all(record: Mapping[str, bytes]) -> bytes | None:
        texts = [of_part(part, seen, record) for part, seen in known]
        return None if None in texts else b"".join(cast("list[bytes]", texts))

    return of_all
