"""Select many records, page after page, as generators of round trips (see ``commands``)."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

from ..client.commands import RoundTrips, check, pipelined, send
from ..encoding.raw_text import text_of
from ..errors import DataError
from ..mapping import partial
from ..mapping.mapper import Mapper
from ..mapping.overrides import HookedMapper
from ..mapping.stored_field import RESERVED
from ..mapping.stored_model import StoredModel
from ..store import Upgrader
from .read import (
    INDEX_COMMAND_COUNT,
    READ_CHUNK,
    SWEEP_CHUNK,
    FetchedRecord,
    index_after,
    index_commands,
    index_members,
    keys_at,
    make_instance,
    parse_keys,
    parse_records,
    read_commands,
    sweep,
)

__all__ = ["Selection", "select", "select_columns"]

M = TypeVar("M", bound=StoredModel)
Item = TypeVar("Item")


@dataclass(frozen=True)
class Selection:
    """The records to read.

    Attributes:
        keys: Their keys, in the wanted order; None means all of the index, in its order.
        skip: How many to leave out at the beginning: existing records of ``keys``, or members of the index.
        limit: The maximum number of records, or None.
        after: Key of the index after which to begin, or None.
    """

    keys: Sequence[str] | None = None
    skip: int = 0
    limit: int | None = None
    after: str | None = None

    def size_after(self, found: int) -> int:
        """How many records to ask for next, after ``found`` were found."""
        return READ_CHUNK if self.limit is None else min(self.limit - found, READ_CHUNK)


def select(
    mapper: Mapper[M], upgrader: Upgrader | None, selection: Selection, bad: list[DataError] | None
) -> RoundTrips[list[M]]:
    """Read many records as instances.

    Args:
        mapper: The model.
        upgrader: As in ``fetch``.
        selection: Which records.
        bad: Takes the error of every record that cannot be read, which is then left out. If None, the first error is
            raised.
    """
    return (yield from _select_pages(mapper, upgrader, selection, None, functools.partial(make_instance, mapper), bad))


def select_columns(
    mapper: Mapper[M],
    upgrader: Upgrader | None,
    selection: Selection,
    columns: Sequence[str],
    bad: list[DataError] | None = None,
) -> RoundTrips[list[dict[str, object]]]:
    """Read some fields of many records, as pydantic-aioredis gives them.

    Returns:
        A dict for each record, in the order of ``columns``; a field that is not stored is None.
    """
    for name in columns:
        if not mapper.takes_extras or name.startswith(RESERVED):
            mapper.field(name)
    return (
        yield from _select_pages(mapper, upgrader, selection, columns, functools.partial(_values, mapper, columns), bad)
    )


def _select_pages(
    mapper: Mapper[M],
    upgrader: Upgrader | None,
    selection: Selection,
    names: Sequence[str] | None,
    make: Callable[[str, FetchedRecord], Item],
    bad: list[DataError] | None,
) -> RoundTrips[list[Item]]:
    """Read page after page until enough records are found. Missing ones do not count, and leave the index.

    While the server reads a page, the instances of the previous page are made.
    """
    items: list[Item] = []

    def make_all(page: Sequence[str], found: Sequence[FetchedRecord]) -> None:
        for key, record in zip(page, found, strict=True):
            if record is not None:
                try:
                    items.append(make(key, record))
                except DataError as exc:
                    if bad is None:
                        raise
                    bad.append(exc)

    found_count, position = 0, selection.skip
    if selection.keys is not None:
        position = yield from _position_after(selection.keys, selection.skip)
    size = selection.size_after(found_count)
    page = yield from _page(mapper, selection, position, selection.after, size)
    previous: tuple[Sequence[str], list[FetchedRecord]] = (), []
    while page:
        position += len(page)
        # The size of the next page if all records of this one exist; its keys are read in the same round trip.
        next_size = selection.size_after(found_count + len(page)) if len(page) == size else 0
        commands = read_commands(mapper, names, page)
        if next_size and selection.keys is None:
            commands += index_commands(mapper, page[-1], next_size)
        replies = yield from pipelined(commands)
        make_all(*previous)
        yield from replies.wait()
        found = yield from parse_records(mapper, upgrader, names, page, replies[: len(page)])
        previous = page, found
        gone = [key for key, record in zip(page, found, strict=True) if record is None]
        next_page: Sequence[str] = ()
        if len(page) == size:
            found_count += len(page) - len(gone)
            size = selection.size_after(found_count)
            if gone and selection.keys is None and 0 < size < READ_CHUNK:
                # Where some are missing, more are: a page of one record must not find thousands of them one by one.
                yield from sweep(mapper, (yield from index_after(mapper, page[-1], SWEEP_CHUNK)))
            if next_size and next_size == size and selection.keys is None:
                next_page = yield from parse_keys(mapper, replies[-INDEX_COMMAND_COUNT:], page[-1], next_size)
            else:
                next_page = yield from _page(mapper, selection, position, page[-1], size)
        if gone and selection.keys is None:
            yield from sweep(mapper, gone)  # last: the next page begins after a member that is still in the index
        page = next_page
    make_all(*previous)
    return items


def _position_after(keys: Sequence[str], skip: int) -> RoundTrips[int]:
    """Give the position in ``keys`` after the first ``skip`` existing records; missing ones do not count."""
    position = 0
    while skip and position < len(keys):
        existing = yield from send([("EXISTS", key) for key in keys[position : position + READ_CHUNK]])
        for exists in existing:
            if skip == 0:
                break
            position, skip = position + 1, skip - cast(int, exists)
    return position


def _page(
    mapper: Mapper[M], selection: Selection, position: int, last: str | None, size: int
) -> RoundTrips[Sequence[str]]:
    """Give the keys of the next page: from ``position`` on, or after ``last``."""
    if size <= 0:
        return ()
    if selection.keys is not None:
        return selection.keys[position : position + size]
    if last is not None:
        # By name, not by position: positions change while other clients insert and delete.
        return (yield from index_after(mapper, last, size))
    if not position:
        return (yield from index_after(mapper, None, size))
    # By position, once: a range by name takes a step for each member that it skips.
    index, before = mapper.keys.index, mapper.keys.before
    foreign, reply = yield [("ZLEXCOUNT", index, "-", before), ("ZRANGE", index, position, position + size - 1)]
    found = index_members(mapper, reply)
    if not foreign and mapper.keys.are_next(found, None):
        return [text_of(raw) for raw in found]
    return (yield from keys_at(mapper, position + cast(int, check([foreign])[0]), size))


def _values(mapper: Mapper[M], columns: Sequence[str], key: str, record: FetchedRecord) -> dict[str, object]:
    if isinstance(record, DataError):
        raise record
    stored = record or {}
    if mapper.primary_key in columns and mapper.primary_key not in stored:
        stored = {**stored, **mapper.encoded_key(key)}
    stored_columns = {name: stored.get(name) for name in columns}
    if isinstance(mapper, HookedMapper) and (hooked := mapper.columns(key, columns, stored)) is not None:
        return hooked
    values = partial.deserialize(mapper, stored_columns, getattr(mapper.model, "json_object_hook", None), key=key)
    if mapper.extras is not None:
        values |= mapper._decode_extras(
            mapper.extras, {name: raw for name, raw in stored.items() if name in stored_columns}
        )
    return values
