"""Copy the records of a project to another database, and its bookkeeping last, when all records are there.

Nothing is overwritten or deleted: conflicting keys are reported before anything is written, and the source is not
changed. Keys that were copied before are skipped, so the same call resumes after a kill. Records that are written,
deleted or get another TTL in the source in the meantime are found by a comparison at the end, in both directions.
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
from redis_models.redaction import counted

from ..keyspace.key_contents import Clock, clock_of, contents_of

__all__ = ["Relocation", "relocate"]

_PAGE: Final = 200  # keys that SCAN looks at in one step; each may be large
_SHOWN: Final = 10
_GONE: Final = -2  # what PEXPIRETIME and PTTL say of a key that is not there
_BOOKKEEPING: Final = ("ledger", "snapshot", "history", "quarantine")


@dataclass
class Relocation:
    """What to copy, and the result. Used by one thread.

    Attributes:
        source, target: The databases.
        spaces: Key spaces of the models of the code, and of the snapshots in the source.
        namespace, apps: Of the bookkeeping to copy.
        seen: Records that the source has.
        copied: Records that were copied now.
        conflicts: Keys that differ in the target.
    """

    source: SyncClient
    target: SyncClient
    spaces: Sequence[KeySpace]
    namespace: str
    apps: Sequence[str]
    seen: int = 0
    copied: int = 0
    conflicts: dict[str, None] = field(default_factory=dict[str, None])

    @property
    def bookkeeping_keys(self) -> list[bytes]:
        """Keys of the bookkeeping."""
        return [bookkeeping_key(self.namespace, f"{what}:{app}").encode() for app in self.apps for what in _BOOKKEEPING]


def relocate(job: Relocation, renew_leases: Callable[[], None], *, is_dry: bool = False) -> None:
    """Copy everything, then compare both databases.

    Args:
        job: What to copy; its counters are filled in.
        renew_leases: Called after each page, to renew the leases of both databases.
        is_dry: Only look for conflicts.

    Raises:
        UnsafeError: Keys of the target hold other values; nothing was written.
        IncompleteError: Records changed in the source during the copy.
        ServerRefusedError: The target is older and cannot read the format of the source.
    """
    lease = bookkeeping_key(job.namespace, "lease")
    clock = run(job.source, clock_of(lease)) & run(job.target, clock_of(lease))
    compare = partial(_compare, clock=clock)
    _scan(job, job.source, renew_leases, _count)
    _scan(job, job.target, renew_leases, compare)
    _refuse_collisions(job, [key for key in job.bookkeeping_keys if run(job.target, _is_there(key))], clock)
    if is_dry:
        return
    _scan(job, job.source, renew_leases, _copy)
    _scan(job, job.source, renew_leases, compare)
    _scan(job, job.target, renew_leases, compare)
    if job.conflicts:
        raise IncompleteError(
            f"{counted(len(job.conflicts), 'record')} changed in the source during the copy: {_shown(job)}. Stop what"
            " writes there, delete these keys in the target, and run 'relocate' again; the bookkeeping was not copied"
        )
    for key in job.bookkeeping_keys:
        _copy(job, [key])


def _refuse_collisions(job: Relocation, keys: Sequence[bytes], clock: Clock) -> None:
    if keys:
        _compare(job, keys, clock=clock)
    if job.conflicts:
        differing = counted(len(job.conflicts), "key of the target differs", "keys of the target differ")
        raise UnsafeError(
            f"nothing was written, because {differing}:"
            f" {_shown(job)}. Rename or delete them, or choose another database"
        )


def _shown(job: Relocation) -> str:
    return ", ".join(list(job.conflicts)[:_SHOWN])


def _scan(
    job: Relocation,
    client: SyncClient,
    renew_leases: Callable[[], None],
    act: Callable[[Relocation, Sequence[bytes]], None],
) -> None:
    for space in job.spaces:
        cursor = ""
        while cursor != "0":
            cursor, keys = run(client, _page(cursor or "0", space))
            if keys:
                act(job, keys)
            renew_leases()


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
    """Note keys that differ."""
    sources, targets = run(job.source, contents_of(keys, clock)), run(job.target, contents_of(keys, clock))
    for key, source, target in zip(keys, sources, targets, strict=True):
        if source is None or target is None:
            is_same = all(side is None or side.is_about_to_end(clock) for side in (source, target))
        else:
            is_same = source.is_as(target, clock)
        if not is_same:
            job.conflicts[text_of(key)] = None


def _copy(job: Relocation, keys: Sequence[bytes]) -> None:
    """Copy records that the target lacks: the index first, because a member without a record is harmless."""
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

    A record may expire between the two commands; without its TTL it would be restored as permanent.
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
    """Restore keys that do not exist; give how many were restored."""
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
                "the target server is older than the source and cannot read its records; use a target that is at least"
                " as new"
            )
        check([reply])
        count += 1
    return count
