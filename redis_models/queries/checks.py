"""Checks of what an index names: whether a record still has that entry, and whether it meets the conditions.

No index has the last word: others change a record between the reading of an index and that of the record, records
expire, and a plain client may write what no index learns of.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, Generic, TypeVar, cast

from pydantic import BaseModel

from ..errors import DataError, DecodeError
from ..indexes.conditions import comparisons_of
from ..indexes.definitions import Part
from ..indexes.entries import beginning, entry, entry_of
from ..indexes.matcher import judge, sort_key
from ..indexes.plan import Plan, Scan
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
        asked = [one.field for one in comparisons_of(plan.condition)]
        self.judged = tuple(dict.fromkeys(asked))
        asked += [order.field for order in plan.orders]
        self._asked = tuple(dict.fromkeys(asked))
        parts = [part.field for scan in scans if isinstance(scan, Scan) for part in scan.target.parts]
        self.names: tuple[str, ...] = tuple(dict.fromkeys((*asked, *parts)))
        self.needs_whole = mapper._has_validators
        self._scans = scans
        # Where ranges say all, a record with that entry meets the condition.
        self._is_exact = [isinstance(scan, Scan) and not scan.left and not self.needs_whole for scan in scans]
        self._tests = [_entry_test(scan) if isinstance(scan, Scan) else None for scan in scans]

    @cached_property
    def _whole(self) -> Callable[[BaseModel], bool]:
        return judge(self._plan.condition)

    @cached_property
    def _judges(self) -> list[Callable[[BaseModel], bool]]:
        return [judge(scan.condition) for scan in self._scans]

    @cached_property
    def _sort_key(self) -> Callable[[BaseModel], tuple[Any, ...]]:
        return sort_key(self._plan.orders, self._mapper)

    def is_current(self, hit: Hit, record: Mapping[str, bytes]) -> bool:
        """Whether a record has the entry by which an index found it."""
        _, member, stream = hit
        test = self._tests[stream.branch]
        return test is None or stream.keys is not None or test(member, record)

    @property
    def has_entry(self) -> Callable[[bytes, Mapping[str, bytes]], bool]:
        """The test of the only scan, whether a member is that of a record."""
        [test] = self._tests
        assert test is not None
        return test

    @cached_property
    def is_exact(self) -> bool:
        """Whether every record that has an entry in the ranges meets the conditions, and no range gives it twice."""
        return self._is_exact == [True]

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


def _entry_test(scan: Scan) -> Callable[[bytes, Mapping[str, bytes]], bool]:
    """Give the test whether a member of the index of a scan is that of a record."""
    parts = scan.target.parts
    known: dict[tuple[bytes, ...], bytes | None] = {}
    fields = [part.field for part in parts]
    usual = [(part.field, _USUAL.get(part.kind, _unusual)) for part in parts]
    [(field, spell), *more] = usual

    def test(member: bytes, record: Mapping[str, bytes]) -> bool:
        try:
            # As values are nearly always stored. No library puts a member that begins so for any other ones.
            start = spell(record[field]) + b"\0"
            for name, spell_it in more:
                start += spell_it(record[name]) + b"\0"
            # Behind the whole entry: a NUL within a text is followed by 0xff.
            if member.startswith(start) and member[len(start)] != 255:
                return True
            raws = tuple([record[name] for name in fields])
        except (KeyError, IndexError):
            return False
        if raws not in known:
            if len(known) >= _MOST_ENTRIES:
                known.clear()
            known[raws] = _beginning_of(parts, raws)
        start_of = known[raws]
        return start_of is not None and member.startswith(start_of) and member[len(start_of) :][:1] != b"\xff"

    return test


def _beginning_of(parts: Sequence[Part], raws: Sequence[bytes]) -> bytes | None:
    found = [entry(part, raw) for part, raw in zip(parts, raws, strict=True)]
    return None if None in found else beginning(one.text for one in found if one is not None)


def _unusual(raw: bytes) -> bytes:
    return b"\xff"  # no member begins so


def _spell_int(raw: bytes) -> bytes:
    return b"%c%b" % (80 + len(raw), raw) if raw.isdigit() and len(raw) <= 40 else _unusual(raw)


def _spell_text(raw: bytes) -> bytes:
    return b"=" + raw if len(raw) <= 256 and b"\0" not in raw and raw[:1] not in (b"N", b"\\") else _unusual(raw)


def _spell_moment(raw: bytes) -> bytes:
    if raw.endswith(b'+00:00"'):
        return b"t" + raw[1:-7]
    return b"t" + raw[1:-2] if raw.endswith(b'Z"') else _unusual(raw)


def _spell_json_text(raw: bytes) -> bytes:
    return _spell_text(raw[1:-1]) if raw[:1] == b'"' and b"\\" not in raw else _unusual(raw)


_BOOLS: Final = {b"true": b"1", b"false": b"0"}
# Entries of what is usual, without the checks of ``entry``: quicker, and for comparing only.
_USUAL: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "bool": lambda raw: _BOOLS.get(raw, b"\xff"),
    "date": lambda raw: raw[1:-1],
    "datetime": _spell_moment,
    "int": _spell_int,
    "jint": _spell_int,
    "jstr": _spell_json_text,
    "str": _spell_text,
    "uuid": lambda raw: raw[1:-1],
}
