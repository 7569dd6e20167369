"""Select records: page after page of many, each verb once, as a generator of command batches (see ``commands``)."""

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
    """Which records to read.

    Attributes:
        keys: Where they lie, in the order wanted; None means all of the index, in its order.
        skip: How many to leave out first: of these keys those that exist, else members of the index.
        limit: How many to give at most, or None.
        after: Key of the index to begin after, or None.
    """

    keys: Sequence[str] | None = None
    skip: int = 0
    limit: int | None = None
    after: str | None = None

    def size_after(self, found: int) -> int:
        """How many to ask for next, when ``found`` records were met."""
        return READ_CHUNK if self.limit is None else min(self.limit - found, READ_CHUNK)


def select(
    mapper: Mapper[M], upgrader: Upgrader | None, selection: Selection, bad: list[DataError] | None
) -> RoundTrips[list[M]]:
    """Read many records as instances.

    Args:
        mapper: The model.
        upgrader: As in ``fetch``.
        selection: Which.
        bad: Takes the error of every record that cannot be read, which is then left out; else the first is raised.
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
        A dict a record, in the order of ``columns``; a field that is not stored is None.
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
    """Read page after page until enough records are met; those that are gone do not count, and leave the index.

    While the server reads one page, the records of the page before are made.
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
        # How many more will be wanted if none of these is gone; the index is asked for them with these.
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
                # Where some are gone more are; a page of one must not meet thousands of them one by one.
                yield from sweep(mapper, (yield from index_after(mapper, page[-1], SWEEP_CHUNK)))
            if next_size and next_size == size and selection.keys is None:
                next_page = yield from parse_keys(mapper, replies[-INDEX_COMMAND_COUNT:], page[-1], next_size)
            else:
                next_page = yield from _page(mapper, selection, position, page[-1], size)
        if gone and selection.keys is None:
            yield from sweep(mapper, gone)  # last: what left the index has no place there to go on behind
        page = next_page
    make_all(*previous)
    return items


def _position_after(keys: Sequence[str], skip: int) -> RoundTrips[int]:
    """Give the place in ``keys`` after the first ``skip`` of them that exist: those that do not are on no page."""
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
    """Give the keys of the next records: of those wanted, without the first ``position``, or of the index."""
    if size <= 0:
        return ()
    if selection.keys is not None:
        return selection.keys[position : position + size]
    if last is not None:
        # By name, not by position: positions move while others insert and delete.
        return (yield from index_after(mapper, last, size))
    if not position:
        return (yield from index_after(mapper, None, size))
    # By position, and only once: a range by name takes as many steps as it leaves out.
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
