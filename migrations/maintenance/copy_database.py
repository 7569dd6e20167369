"""Relocating: copy the records of a project to another database, and its bookkeeping last, when all of it is there.

Nothing is overwritten and nothing is deleted: what lies in the way is told before anything is written, and the source
stays as it is. A copy that was made already is left alone, so the same call goes on after a kill. What is written to
the source, deleted there, or given another end meanwhile is found by the comparison at the end, of both with either.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, cast

from redis.exceptions import ResponseError

from redis_models.client.client import SyncClient
from redis_models.client.commands import Argument, RoundTrips, check
from redis_models.client.drivers import run
from redis_models.encoding.raw_text import text_of
from redis_models.errors import IncompleteError, ServerRefusedError, UnsafeError
from redis_models.mapping.keys import KeySpace, bookkeeping_key

from ..keyspace.key_contents import Clock, clock_of, contents_of

__all__ = ["Relocation", "relocate"]

_PAGE: Final = 200  # keys that SCAN looks at in one step; each may be large
_SHOWN: Final = 10
_GONE: Final = -2  # what PEXPIRETIME and PTTL say of a key that is not there
_KEPT: Final = ("ledger", "snapshot", "history", "quarantine")


@dataclass
class Relocation:
    """What is copied, and what came of it. Used by one thread.

    Attributes:
        source, target: The databases.
        spaces: Where the records are: as the code has them, and as the source's snapshots do.
        namespace, apps: Whose bookkeeping goes along.
        seen: Records that the source has.
        copied: Records that were copied now.
        in_the_way: Keys of the target that hold something else.
    """

    source: SyncClient
    target: SyncClient
    spaces: Sequence[KeySpace]
    namespace: str
    apps: Sequence[str]
    seen: int = 0
    copied: int = 0
    in_the_way: dict[str, None] = field(default_factory=dict[str, None])

    @property
    def kept(self) -> list[bytes]:
        """Keys of the bookkeeping."""
        return [bookkeeping_key(self.namespace, f"{what}:{app}").encode() for app in self.apps for what in _KEPT]


def relocate(job: Relocation, keep: Callable[[], None], *, is_dry: bool = False) -> None:
    """Copy everything, and compare it.

    Args:
        job: What is to be copied; its figures are filled in.
        keep: Called after each page, to keep the leases of both databases.
        is_dry: Only look.

    Raises:
        UnsafeError: Something else lies in the way in the target; nothing was written.
        IncompleteError: Records were written in the source meanwhile.
        ServerRefusedError: The target cannot read what the source gives: it is older.
    """
    lease = bookkeeping_key(job.namespace, "lease")
    clock = run(job.source, clock_of(lease)) & run(job.target, clock_of(lease))
    compare = partial(_compare, clock=clock)
    _walk(job, job.source, keep, _count)
    _walk(job, job.target, keep, compare)
    _refuse_collisions(job, [key for key in job.kept if run(job.target, _is_there(key))], clock)
    if is_dry:
        return
    _walk(job, job.source, keep, _copy)
    _walk(job, job.source, keep, compare)
    _walk(job, job.target, keep, compare)
    if job.in_the_way:
        raise IncompleteError(
            f"{len(job.in_the_way):,} records changed in the source while they were copied: {_shown(job)}. Stop what"
            " writes there, delete these in the target, and run again; the bookkeeping was not copied yet"
        )
    for key in job.kept:
        _copy(job, [key])


def _refuse_collisions(job: Relocation, kept: Sequence[bytes], clock: Clock) -> None:
    if kept:
        _compare(job, kept, clock=clock)
    if job.in_the_way:
        raise UnsafeError(
            f"nothing was written, because {len(job.in_the_way):,} keys of the target hold something else:"
            f" {_shown(job)}. Move or delete them, or choose another database"
        )


def _shown(job: Relocation) -> str:
    return ", ".join(list(job.in_the_way)[:_SHOWN])


def _walk(
    job: Relocation, client: SyncClient, keep: Callable[[], None], act: Callable[[Relocation, Sequence[bytes]], None]
) -> None:
    for space in job.spaces:
        cursor = ""
        while cursor != "0":
            cursor, keys = run(client, _page(cursor or "0", space))
            if keys:
                act(job, keys)
            keep()


def _page(cursor: str, space: KeySpace) -> RoundTrips[tuple[str, list[bytes]]]:
    [reply] = check((yield [("SCAN", cursor, "MATCH", space.pattern, "COUNT", _PAGE)]))
    following, page = cast("tuple[bytes, list[bytes]]", reply)
    owned = [key for key in dict.fromkeys(page) if space.owns(text_of(key))]
    return following.decode(), owned


def _is_there(key: bytes) -> RoundTrips[bool]:
    [reply] = check((yield [("EXISTS", key)]))
    return bool(reply)


def _count(job: Relocation, keys: Sequence[bytes]) -> None:
    job.seen += len(keys)


def _compare(job: Relocation, keys: Sequence[bytes], *, clock: Clock) -> None:
    """Note what is not the same on both sides."""
    wanted, held = run(job.source, contents_of(keys, clock)), run(job.target, contents_of(keys, clock))
    for key, one, other in zip(keys, wanted, held, strict=True):
        if one is None or other is None:
            is_same = all(it is None or it.is_about_to_end(clock) for it in (one, other))
        else:
            is_same = one.is_as(other, clock)
        if not is_same:
            job.in_the_way[text_of(key)] = None


def _copy(job: Relocation, keys: Sequence[bytes]) -> None:
    """Copy what is not there yet: the index first, because a member without a record is harmless."""
    dumps = run(job.source, _dumps(keys))
    for space in job.spaces:
        owned = [key for key, dump in zip(keys, dumps, strict=True) if dump and space.owns(text_of(key))]
        if owned:
            run(job.target, _index(space, owned))
    job.copied += run(job.target, _restored([(key, dump) for key, dump in zip(keys, dumps, strict=True) if dump]))


def _index(space: KeySpace, keys: Sequence[bytes]) -> RoundTrips[None]:
    pairs: list[Argument] = []
    for key in keys:
        pairs += [0, key]
    check((yield [("ZADD", space.index, *pairs)]))


def _dumps(keys: Sequence[bytes]) -> RoundTrips[list[tuple[bytes, int, bool] | None]]:
    """Give payload, end and whether the end is an instant, of each key that is there.

    A record may end between the two questions; without its end it would be restored for ever.
    """
    payloads = check((yield [("DUMP", key) for key in keys]))
    ends = yield [("PEXPIRETIME", key) for key in keys]
    is_instant = not isinstance(ends[0], Exception)
    if not is_instant:  # before Redis 7
        ends = yield [("PTTL", key) for key in keys]
    pairs = zip(payloads, check(ends), strict=True)
    return [
        None if payload is None or end == _GONE else (cast(bytes, payload), max(0, cast(int, end)), is_instant)
        for payload, end in pairs
    ]


def _restored(pairs: Sequence[tuple[bytes, tuple[bytes, int, bool]]]) -> RoundTrips[int]:
    """Restore what is not there; give how many were not."""
    if not pairs:
        return 0
    commands: list[tuple[Argument, ...]] = [
        ("RESTORE", key, end, payload, *(["ABSTTL"] if is_instant and end else []))
        for key, (payload, end, is_instant) in pairs
    ]
    count = 0
    for reply in (yield commands):
        if isinstance(reply, ResponseError) and str(reply).startswith("BUSYKEY"):
            continue
        if isinstance(reply, ResponseError) and "payload version" in str(reply):
            raise ServerRefusedError(
                "the target cannot read what the source gives, because it is an older server; choose one that is at"
                " least as new"
            )
        check([reply])
        count += 1
    return count
