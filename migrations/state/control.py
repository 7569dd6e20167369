"""Control: settings that a user gives to the current run from another terminal.

``redis_models:{namespace}:control``   hash   ``paused`` (by whom and when), ``max_latency_ms``, ``batch``

Settings apply to the current run only.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, cast

from redis_models.client.client import SyncClient
from redis_models.client.commands import Argument, RoundTrips, check
from redis_models.errors import MigrationError
from redis_models.mapping.keys import bookkeeping_key

from ..keyspace.results import KEYS_A_SCRIPT
from .integrity import BookkeepingKey, refuse_unsound
from .lease import Holder, break_lease, holder_of
from .store import StateStore

__all__ = ["Control", "abort", "change_control", "clear_control", "read_control", "refuse_without_run"]

_FIELDS: Final = 100  # the most that are read; the hash has three


@dataclass(frozen=True)
class Control:
    """Settings of the current run.

    Attributes:
        paused: Who paused the run, and when; "" if it is not paused.
        max_latency_ms: As in ``ThrottleLimits``; None if it was not set.
        batch_size: Likewise.
    """

    paused: str = ""
    max_latency_ms: float | None = None
    batch_size: int | None = None


def read_control(namespace: str) -> RoundTrips[Control]:
    """Read the settings of the current run.

    Raises:
        DriftError: The key holds something that this library did not write; the error names the key.
    """
    entry = _bookkeeping_key(namespace)
    yield from refuse_unsound([entry])
    [reply] = yield [("HMGET", entry.key, "paused", "max_latency_ms", "batch")]
    [values] = check([reply])
    paused, latency, batch = cast("list[bytes | None]", values)
    try:
        control = Control(
            (paused or b"").decode(),
            None if latency is None else float(latency),
            None if batch is None else int(batch),
        )
        if control.batch_size is not None and not 1 <= control.batch_size <= KEYS_A_SCRIPT:
            raise ValueError(f"batch {control.batch_size} is not from 1 to {KEYS_A_SCRIPT}")
        if control.max_latency_ms is not None and not 0 <= control.max_latency_ms < math.inf:  # NaN is neither
            raise ValueError(f"max_latency_ms {control.max_latency_ms} is not 0 or more")
        return control
    except ValueError as exc:
        raise entry.unreadable(exc) from exc


def change_control(namespace: str, changes: Mapping[str, str | int | float | None]) -> RoundTrips[None]:
    """Change settings of the current run.

    Args:
        namespace: ``NAMESPACE`` of the settings.
        changes: Field and value; None removes the setting.

    Raises:
        MigrationError: No run is in progress.
        DriftError: The key holds something that this library did not write; the error names the key.
    """
    yield from refuse_without_run(namespace)
    yield from refuse_unsound([_bookkeeping_key(namespace)])
    pairs: list[Argument] = []
    for name, value in changes.items():
        if value is not None:
            pairs += [name, value]
    removed = [name for name, value in changes.items() if value is None]
    if pairs:
        check((yield [("HSET", _key(namespace), *pairs)]))
    if removed:
        check((yield [("HDEL", _key(namespace), *removed)]))


def clear_control(namespace: str) -> RoundTrips[None]:
    """Delete all settings; each run begins with this."""
    check((yield [("DEL", _key(namespace))]))


def refuse_without_run(namespace: str) -> RoundTrips[Holder]:
    """Give the runner that holds the lease.

    Raises:
        MigrationError: No run is in progress.
    """
    holder = yield from holder_of(bookkeeping_key(namespace, "lease"))
    if holder is None:
        raise MigrationError("no run is in progress; 'migrate --status' shows runs that stopped")
    return holder


def abort(client: SyncClient, stores: Mapping[str, StateStore], namespace: str, by: str) -> RoundTrips[Holder]:
    """End the current run: take its lease, so that the server refuses its writes.

    Args:
        client: Where the database is.
        stores: Bookkeeping of each app.
        namespace: ``NAMESPACE`` of the settings.
        by: Who ends it, and when.

    Returns:
        The runner whose lease was taken.

    Raises:
        MigrationError: No run is in progress.
    """
    holder = yield from refuse_without_run(namespace)
    lease = yield from break_lease(client, bookkeeping_key(namespace, "lease"), holder)
    try:
        for store in stores.values():
            journal = (yield from store.read()).journal
            if journal is not None:
                yield from store.save_journal(lease.key, lease.epoch, replace(journal, pace=f"ended by {by}"))
        yield from clear_control(namespace)
    finally:
        yield from lease.released()
    return holder


def _bookkeeping_key(namespace: str) -> BookkeepingKey:
    return BookkeepingKey("the control hash of the run", _key(namespace), "hash", _FIELDS, "delete that key")


def _key(namespace: str) -> str:
    return bookkeeping_key(namespace, "control")
