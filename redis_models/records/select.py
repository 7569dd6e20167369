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

    def size_after(self, met: int) -> int:
        """How many to ask for next, when ``met`` records were met."""
        return READ_CHUNK if self.limit is None else min(self.limit - met, READ_CHUNK)


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
    made: list[Item] = []

    def make_all(page: Sequence[str], found: Sequence[FetchedRecord]) -> None:
        for key, record in zip(page, found, strict=True):
            if record is not None:
                try:
                    made.append(make(key, record))
                except DataError as exc:
                    if bad is None:
                        raise
                    bad.append(exc)

    met, passed = 0, selection.skip
    if selection.keys is not None:
        passed = yield from _position_after(selection.keys, selection.skip)
    size = selection.size_after(met)
    page = yield from _page(mapper, selection, passed, selection.after, size)
    former: tuple[Sequence[str], list[FetchedRecord]] = (), []
    while page:
        passed += len(page)
        # How many more will be wanted if none of these is gone; the index is asked for them with these.
        more = selection.size_after(met + len(page)) if len(page) == size else 0
        commands = read_commands(mapper, names, page)
        if more and selection.keys is None:
            commands += index_commands(mapper, page[-1], more)
        replies = yield from pipelined(commands)
        make_all(*former)
        yield from replies.wait()
        found = yield from parse_records(mapper, upgrader, names, page, replies[: len(page)])
        former = page, found
        gone = [key for key, record in zip(page, found, strict=True) if record is None]
        following: Sequence[str] = ()
        if len(page) == size:
            met += len(page) - len(gone)
            size = selection.size_after(met)
            if gone and selection.keys is None and 0 < size < READ_CHUNK:
                # Where some are gone more are; a page of one must not meet thousands of them one by one.
                yield from sweep(mapper, (yield from index_after(mapper, page[-1], SWEEP_CHUNK)))
            if more and more == size and selection.keys is None:
                following = yield from parse_keys(mapper, replies[-INDEX_COMMAND_COUNT:], page[-1], more)
            else:
                following = yield from _page(mapper, selection, passed, page[-1], size)
        if gone and selection.keys is None:
            yield from sweep(mapper, gone)  # last: what left the index has no place there to go on behind
        page = following
    make_all(*former)
    return made


def _position_after(keys: Sequence[str], skip: int) -> RoundTrips[int]:
    """Give the place in ``keys`` after the first ``skip`` of them that exist: those that do not are on no page."""
    place = 0
    while skip and place < len(keys):
        there = yield from send([("EXISTS", key) for key in keys[place : place + READ_CHUNK]])
        for exists in there:
            if skip == 0:
                break
            place, skip = place + 1, skip - cast(int, exists)
    return place


def _page(
    mapper: Mapper[M], selection: Selection, passed: int, last: str | None, size: int
) -> RoundTrips[Sequence[str]]:
    """Give the keys of the next records: of those wanted, without the first ``passed``, or of the index."""
    if size <= 0:
        return ()
    if selection.keys is not None:
        return selection.keys[passed : passed + size]
    if last is not None:
        # By name, not by position: positions move while others insert and delete.
        return (yield from index_after(mapper, last, size))
    if not passed:
        return (yield from index_after(mapper, None, size))
    # By position, and only once: a range by name takes as many steps as it leaves out.
    index, before = mapper.keys.index, mapper.keys.before
    foreign, reply = yield [("ZLEXCOUNT", index, "-", before), ("ZRANGE", index, passed, passed + size - 1)]
    found = index_members(mapper, reply)
    if not foreign and mapper.keys.are_next(found, None):
        return [text_of(raw) for raw in found]
    return (yield from keys_at(mapper, passed + cast(int, check([foreign])[0]), size))


def _values(mapper: Mapper[M], columns: Sequence[str], key: str, record: FetchedRecord) -> dict[str, object]:
    if isinstance(record, DataError):
        raise record
    stored = record or {}
    if mapper.primary_key in columns and mapper.primary_key not in stored:
        stored = {**stored, **mapper.encoded_key(key)}
    raws = {name: stored.get(name) for name in columns}
    if isinstance(mapper, HookedMapper) and (hooked := mapper.columns(key, columns, stored)) is not None:
        return hooked
    values = partial.deserialize(mapper, raws, getattr(mapper.model, "json_object_hook", None), key=key)
    if mapper.extras is not None:
        values |= mapper._decode_extras(mapper.extras, {name: raw for name, raw in stored.items() if name in raws})
    return values
