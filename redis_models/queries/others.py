"""Others: records with a value that no index holds. Each query reads them, puts those that match in their places."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final, TypeVar, cast

from ..client.commands import RoundTrips, check
from ..encoding.raw_text import bytes_of, text_of
from ..errors import DataError, TooManyOthersError
from ..indexes.plan import Plan, Scan
from ..mapping.mapper import Mapper
from ..mapping.stored_model import StoredModel
from ..records.read import fetch
from ..store import Upgrader
from .checks import Checker
from .mend import mend_others
from .streams import Position, Streams

__all__ = ["MOST_OTHERS", "add_others"]

M = TypeVar("M", bound=StoredModel)
MOST_OTHERS: Final = 1000  # records that a query reads so
_BEHIND_ALL: Final = b"\xfe"  # where records are that cannot be read


def add_others(
    mapper: Mapper[M],
    upgrader: Upgrader | None,
    plan: Plan,
    checker: Checker[M],
    streams: Streams,
    members: Sequence[bytes],
) -> RoundTrips[frozenset[str]]:
    """Read the records that have a value without an entry, and add those that match to the streams of a plan.

    Args:
        mapper: The model.
        upgrader: Upgrades older records in memory.
        plan: The plan.
        checker: Checks its records.
        streams: Take the records.
        members: The list of these records: what follows the start of their keys.

    Returns:
        The keys of all of them, which no index need name.

    Raises:
        TooManyOthersError: There are more than 1,000.
    """
    if len(members) > MOST_OTHERS:
        [count] = check((yield [("ZCARD", mapper.keys.others)]))
        raise TooManyOthersError(mapper.model.__name__, cast(int, count), MOST_OTHERS)
    start = mapper.start.encode()
    keys = [text_of(key) for key in mapper.keys.owned(start + member for member in members)]
    names = None if checker.needs_whole or mapper.reads_whole else checker.names
    records = yield from fetch(mapper, upgrader, keys, names)
    placed: dict[int, list[tuple[Position, str]]] = {}
    for key, record in zip(keys, records, strict=True):
        if record is not None:
            branch, place = _placed(mapper, plan, checker, key, record)
            if branch is not None:
                placed.setdefault(branch, []).append((Position(streams.rank_of(branch, place), place), key))
    for branch, found in placed.items():
        streams.add_records(found, branch)
    yield from mend_others(mapper, [key for key, record in zip(keys, records, strict=True) if record is None])
    return frozenset(keys)


def _placed(
    mapper: Mapper[M], plan: Plan, checker: Checker[M], key: str, record: dict[str, bytes] | DataError
) -> tuple[int | None, bytes]:
    """Give the branch that a record belongs to, if any, and what it is sorted by there."""
    scans = plan.scans or ()
    branch: int | None = next((place for place, scan in enumerate(scans) if isinstance(scan, Scan)), None)
    if isinstance(record, dict):
        with suppress(DataError):  # it is met in its place, where the error belongs
            branch = checker.branch_of(key, record)
    scan = None if branch is None else scans[branch]
    if not isinstance(scan, Scan):
        return None, b""  # it does not match, or its primary key finds it
    if isinstance(record, DataError):
        return branch, _BEHIND_ALL + bytes_of(key[len(mapper.start) :])
    return branch, checker.place_of(scan, key, record)
