"""Streams: the members of the ranges of a plan, merged into one order, page by page and in constant memory.

Nothing here reads from the server: ``commands`` says what to ask for, and ``feed`` takes the replies.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, Final, NamedTuple, cast

from ..client.commands import Command, Reply, check
from ..encoding.raw_text import text_of
from ..indexes.plan import KeyScan, Plan, Scan
from ..mapping.mapper import Mapper

__all__ = ["MOST_MEMBERS", "Hit", "Position", "Stream", "Streams", "position_of"]

MOST_MEMBERS: Final = 500  # of one range that are asked for at once
_FEWEST_MEMBERS: Final = 8


class Position(NamedTuple):
    """A place in the order of a plan.

    Attributes:
        rank: The rank of the range.
        key: What members are sorted by: the member without what the order leaves out.
    """

    rank: int
    key: bytes


@dataclass(slots=True)
class Stream:
    """What is left of one range, or of records whose keys are known.

    Attributes:
        index_key: Key of the index; "" where the keys of the records are known.
        branch: Number of the scan.
        parts: How many entries a member has.
        rank, first, end, skip: As in ``Range``.
        is_descending: Whether it is read from its end.
        is_done: Whether all its members were read.
        size: How many to ask for next.
        members: Those that were read and not given.
        keys: Keys of records, where they are known: by what stands for their members.
    """

    index_key: str
    branch: int
    parts: int
    rank: int
    first: bytes
    end: bytes
    skip: int
    is_descending: bool
    is_done: bool = False
    size: int = _FEWEST_MEMBERS
    members: "deque[bytes]" = field(default_factory=lambda: deque[bytes]())
    keys: dict[bytes, str] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether all its members were given."""
        return self.is_done and not self.members

    def command(self) -> Command:
        """Give the command that reads its next members."""
        low, high = b"[" + self.first, b"(" + self.end
        if self.is_descending:
            return ("ZREVRANGEBYLEX", self.index_key, high, low, "LIMIT", 0, self.size)
        return ("ZRANGEBYLEX", self.index_key, low, high, "LIMIT", 0, self.size)

    def feed(self, members: Sequence[bytes]) -> None:
        """Take what the command gave."""
        self.members.extend(members)
        self.is_done = len(members) < self.size
        if members:
            self.begin_after(members[-1])
        self.size = min(2 * self.size, MOST_MEMBERS)

    def begin_after(self, member: bytes) -> None:
        """Leave out what comes up to a member, of what was not read."""
        # Members with scores of their own are in no order of names: the range then ends, so that nothing repeats.
        if self.is_descending:
            self.is_done = self.is_done or member >= self.end
            self.end = min(self.end, member)
        else:
            self.is_done = self.is_done or member < self.first
            self.first = max(self.first, member + b"\0")
        self.is_done = self.is_done or self.first >= self.end

    def resume(self, after: Position) -> None:
        """Leave out what comes up to a place."""
        if self.rank < after.rank:
            self.is_done = True
            self.members.clear()
        elif self.rank == after.rank and self.keys is not None:
            while self.members and (
                self.members[0] >= after.key if self.is_descending else self.members[0] <= after.key
            ):
                self.members.popleft()
        elif self.rank == after.rank:
            member = self.first[: self.skip] + after.key
            if self.is_descending:
                self.end = min(self.end, member)
            else:
                self.first = max(self.first, member + b"\0")
            self.is_done = self.first >= self.end

    def key_of(self, member: bytes) -> bytes:
        """Give what one of its members is sorted by."""
        return member[self.skip :]

    def take(self, count: int) -> list[bytes]:
        """Give its next members."""
        return [self.members.popleft() for _ in range(min(count, len(self.members)))]

    def take_until(self, bound: bytes | None) -> list[bytes]:
        """Give those of its next members that are sorted up to ``bound``, included; None for all."""
        members, taken = self.members, list[bytes]()
        while members and (
            bound is None
            or (members[0][self.skip :] >= bound if self.is_descending else members[0][self.skip :] <= bound)
        ):
            taken.append(members.popleft())
        return taken


# A record that a stream names: its key, the member of the index or what stands for it, and the stream. A plain tuple:
# there is one for each record.
Hit = tuple[str, bytes, Stream]


def position_of(hit: Hit) -> Position:
    """Give the place of a hit in the order."""
    _, member, stream = hit
    return Position(stream.rank, member[stream.skip :])


class Streams:
    """The members of all ranges of a plan, in its order.

    Args:
        mapper: The model.
        plan: The plan; it has scans.
        size: How many members are wanted first.
        after: The place to begin behind, or None.
    """

    def __init__(self, mapper: Mapper[Any], plan: Plan, size: int, after: Position | None = None) -> None:
        self._mapper, self._after, self._is_descending = mapper, after, plan.is_descending
        # Scans that are sorted alike are merged; otherwise one is read after another.
        self._is_merged = plan.is_sorted and (bool(plan.orders) or _is_of_one_index(plan))
        self._streams: list[Stream] = []
        self._asked: list[Stream] = []
        self._ready: deque[Hit] = deque()  # what is merged
        self._spans: list[tuple[int, int, bytes, bytes]] = []  # of each range: branch, rank, first and end by its order
        for branch, scan in enumerate(plan.scans or ()):
            self._add(branch, scan)
        count = len(self._streams)
        for stream in self._streams:
            stream.size = min(size if count == 1 else max(_FEWEST_MEMBERS, size // count), MOST_MEMBERS)
            if after is not None:
                stream.resume(after)

    @property
    def is_done(self) -> bool:
        """Whether all members were given."""
        return not self._ready and not any(stream.members or not stream.is_done for stream in self._streams)

    @property
    def index_keys(self) -> list[str]:
        """The keys of the indexes that are read."""
        return list(dict.fromkeys(stream.index_key for stream in self._streams if stream.index_key))

    def add_records(self, found: Iterable[tuple[Position, str]], branch: int) -> None:
        """Add records that no index is asked for, at their places in the order."""
        by_rank: dict[int, list[tuple[bytes, str]]] = {}
        for position, key in found:
            by_rank.setdefault(position.rank, []).append((position.key, key))
        for rank, records in by_rank.items():
            self._streams.append(self._listed(records, branch, rank, self._is_descending))
            if self._after is not None:
                self._streams[-1].resume(self._after)

    def rank_of(self, branch: int, key: bytes) -> int:
        """Give the rank of what is in one scan but not in its index, by what it is sorted by."""
        spans = [(rank, first, end) for of, rank, first, end in self._spans if of == branch]
        for rank, first, end in spans:
            if first <= key < end:
                return rank
        return max((rank for rank, _, _ in spans), default=0)

    def commands(self) -> list[Command]:
        """Give the commands that read the members without which the next one is not known; none if it is known."""
        self._asked = [stream for stream in self._streams if not stream.is_done and not stream.members]
        if self._asked and len(self._streams) > 1:
            rank = self._rank()
            if not any(stream.rank == rank for stream in self._asked):
                self._asked = []
        return [stream.command() for stream in self._asked]

    def feed(self, replies: Sequence[Reply]) -> None:
        """Take the replies to ``commands``."""
        for stream, reply in zip(self._asked, check(list(replies)), strict=True):
            stream.feed(cast("list[bytes]", reply))

    def take(self, count: int) -> list[Hit]:
        """Give the next hits, as many as are known."""
        if len(self._streams) == 1:  # nearly always
            [stream] = self._streams
            return self._hits(stream, stream.take(count)) if stream.members else []
        hits: list[Hit] = []
        while len(hits) < count and (self._ready or self._merge()):
            hits += [self._ready.popleft() for _ in range(min(count - len(hits), len(self._ready)))]
        return hits

    def _merge(self) -> bool:
        """Sort what is known of all streams of the next rank; give whether there is anything."""
        rank = self._rank()
        streams = [stream for stream in self._streams if stream.rank == rank and not stream.is_empty]
        if any(not stream.members for stream in streams):
            return False
        # What comes up to the first place that is not known.
        ends = [stream.key_of(stream.members[-1]) for stream in streams if not stream.is_done]
        bound = None if not ends else max(ends) if self._is_descending else min(ends)
        found = [hit for stream in streams for hit in self._hits(stream, stream.take_until(bound))]
        # Of equal ones the first branch comes first: it gives a record that several find.
        found.sort(key=_key_of, reverse=self._is_descending)
        self._ready.extend(found)
        return bool(streams)

    def _rank(self) -> int:
        return min((stream.rank for stream in self._streams if not stream.is_empty), default=0)

    def _hits(self, stream: Stream, members: list[bytes]) -> list[Hit]:
        if stream.keys is not None:
            return [(stream.keys[member], member, stream) for member in members]
        start, parts = self._mapper.start.encode(), stream.parts
        if set(map(bytes.count, members, repeat(b"\0"))) == {parts}:  # nearly always: none in a text, nor in a key
            keys = [start + member[member.rindex(b"\0") + 1 :] for member in members]
        else:
            keys = [start + _pk_in(member, parts) for member in members]
        # Any client can put any member into an index: what is not the key of a record is left out; verify names it.
        owned = self._mapper.keys.owned(keys)
        if len(owned) != len(keys):
            known = set(owned)
            pairs = [(key, member) for key, member in zip(keys, members, strict=True) if key in known]
            return [(text_of(key), member, stream) for key, member in pairs]
        return list(zip(map(text_of, keys), members, repeat(stream), strict=False))

    def _add(self, branch: int, scan: Scan | KeyScan) -> None:
        rank = 0 if self._is_merged else 1 + max((stream.rank for stream in self._streams), default=-1)
        if isinstance(scan, KeyScan):
            keys = dict.fromkeys(self._mapper.key_of(value) for value in scan.values)
            self._streams.append(self._listed([(key.encode(), key) for key in keys], branch, rank, False))
            return
        index_key, parts = self._mapper.keys.field_index(scan.target.name), len(scan.target.parts)
        for span in scan.ranges:
            first, end, skip = span.first, span.end, span.skip
            self._streams.append(
                Stream(index_key, branch, parts, rank + span.rank, first, end, skip, scan.is_descending)
            )
            self._spans.append((branch, rank + span.rank, first[skip:], end[skip:]))

    def _listed(self, records: Iterable[tuple[bytes, str]], branch: int, rank: int, is_descending: bool) -> Stream:
        records = sorted(records, reverse=is_descending)
        stream = Stream("", branch, 0, rank, b"", b"\xff", 0, is_descending, is_done=True, keys=dict(records))
        stream.members.extend(member for member, _ in records)
        return stream


def _key_of(hit: Hit) -> bytes:
    _, member, stream = hit
    return member[stream.skip :]


def _is_of_one_index(plan: Plan) -> bool:
    names = [scan.target.name if isinstance(scan, Scan) else None for scan in plan.scans or ()]
    return None not in names and len(set(names)) == 1


def _pk_in(member: bytes, parts: int) -> bytes:
    """Give the text of the primary key in a member, behind its entries; nothing if there is none."""
    place = 0
    for _ in range(parts):
        while True:
            place = member.find(b"\0", place) + 1
            if not place:
                return b""
            if member[place : place + 1] != b"\xff":
                break
    return member[place:]
