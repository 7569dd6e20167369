"""The lease: only one runner at a time. It expires unless renewed, and has an epoch that every script of a run checks.

A paused runner that resumes sees a newer epoch and writes nothing. If the holder ran on this machine and its process is
gone, the lease is taken at once. Otherwise a new runner waits until it expires.
"""

import getpass
import json
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, cast

from redis_models.client.client import SyncClient
from redis_models.client.commands import RoundTrips, call, check, load_script
from redis_models.client.drivers import run
from redis_models.errors import IncompleteError, LockedError, ServerError
from redis_models.mapping.keys import bookkeeping_key

from .integrity import BookkeepingKey, refuse_unsound, refuse_wrong_kind

__all__ = [
    "Holder",
    "Lease",
    "break_lease",
    "hold_lease",
    "holder_of",
    "renew_in_thread",
    "take_lease",
    "this_person",
    "this_process",
]

_SCRIPT: Final = load_script("redis_models.migrations", "lease", is_repeatable=True)
_POLL_S: Final = 0.2
_FIELDS: Final = 100  # the most that are read; the hash has three
_NUMBER: Final = re.compile(rb"[0-9]{1,16}")


@dataclass
class Lease:
    """A lease that this process holds. Used by the thread that took it; in ``renew_in_thread``, by its thread instead.

    Attributes:
        key: Redis key of the lease.
        epoch: Number that scripts compare.
        life_s: How long it lasts without being renewed, in seconds.
        clock: Gives seconds since any time.
    """

    client: SyncClient
    key: str
    epoch: int
    life_s: float
    clock: Callable[[], float] = time.monotonic
    _renewed_at: float | None = None

    def __post_init__(self) -> None:
        if self._renewed_at is None:
            self._renewed_at = self.clock()

    def renew_if_due(self) -> None:
        """Do what ``renewed_if_due`` does, blocking."""
        run(self.client, self.renewed_if_due())

    def renewed_if_due(self) -> RoundTrips[None]:
        """Renew the lease if a third of its duration has passed. Called between batches.

        Raises:
            LockedError: Another runner has taken it.
        """
        if self.clock() - cast(float, self._renewed_at) >= self.life_s / 3:
            yield from self.renewed()

    def renew(self) -> None:
        """Do what ``renewed`` does, blocking."""
        run(self.client, self.renewed())

    def renewed(self) -> RoundTrips[None]:
        """Renew the lease now.

        Raises:
            LockedError: Another runner has taken it.
        """
        now = self.clock()
        [word, *_] = yield from _lease_call(self.key, "renew", self.epoch, round(self.life_s * 1000))
        if word != b"OK":
            raise LockedError.lost()
        self._renewed_at = now

    def release(self) -> None:
        """Release the lease, unless another runner has taken it."""
        run(self.client, self.released())

    def released(self) -> RoundTrips[None]:
        """Release the lease, unless another runner has taken it."""
        yield from _lease_call(self.key, "release", self.epoch)


@dataclass(frozen=True)
class Holder:
    """Who holds a lease.

    Attributes:
        who: Host and process, for people.
        epoch: Epoch of the lease.
        left_ms: How long it lasts unless it is renewed.
    """

    who: str
    epoch: int
    left_ms: int


@contextmanager
def hold_lease(client: SyncClient, namespace: str, *, life_s: float, wait_s: float = 0.0) -> Generator[Lease]:
    """Hold the lease of a namespace during a ``with`` block.

    Args:
        client: Where the database is.
        namespace: ``NAMESPACE`` of the settings.
        life_s: How long it lasts without being renewed, in seconds.
        wait_s: How long to wait for another holder, in seconds.

    Raises:
        LockedError: Another runner holds it; the error says which, where and for how long. Or another runner took it
            during the block.
        IncompleteError: The key of the lease was lost during the block.
    """
    key = bookkeeping_key(namespace, "lease")
    until = time.monotonic() + wait_s
    while True:
        try:
            lease = run(client, take_lease(client, key, life_s))
            break
        except LockedError:
            if time.monotonic() >= until:
                raise
            time.sleep(_POLL_S)  # no event tells when a lease ends; the user set how long to wait
    try:
        yield lease
    except LockedError as exc:
        with suppress(ServerError):
            if run(client, _is_forgotten(key)):
                raise IncompleteError(_forgotten(key)) from exc
        raise
    finally:
        # The lease expires by itself, and the error of the block matters more.
        with suppress(ServerError):
            lease.release()


@contextmanager
def renew_in_thread(lease: Lease) -> Generator[None]:
    """Renew a lease from a thread during a ``with`` block that cannot call ``renew_if_due``.

    Raises:
        LockedError: The lease was lost; raised at the end of the block.
    """
    ended, lost = threading.Event(), list[LockedError]()

    def renew() -> None:
        while not ended.wait(lease.life_s / 3):
            try:
                lease.renew()
            except LockedError as exc:
                lost.append(exc)
                return
            except ServerError:
                continue  # the lease is still valid if the server is back in time

    thread = threading.Thread(target=renew, name="redis_models lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if lost:
        raise lost[0]


def this_process() -> str:
    """Name this host and process, for the ledger."""
    return f"{socket.gethostname()} pid {os.getpid()}"


def this_person() -> str:
    """Name this host, process and user, for the history."""
    try:
        return f"{this_process()} user {getpass.getuser()}"
    except (KeyError, OSError):  # a container whose user has no name
        return f"{this_process()} user {os.getuid()}"


def take_lease(
    client: SyncClient, key: str, life_s: float, clock: Callable[[], float] = time.monotonic
) -> RoundTrips[Lease]:
    """Take the lease, if it is free or its holder is dead.

    Args:
        client: For the blocking methods of the lease.
        key: Of the lease.
        life_s: How long it lasts without being renewed, in seconds.
        clock: As in ``Lease``.

    Raises:
        LockedError: Another runner holds it; the error says which, where and for how long.
    """
    me = json.dumps({**_identity(os.getpid()), "call": secrets.token_hex(4)})
    life_ms = round(life_s * 1000)
    answer = yield from _lease_call(key, "take", me, life_ms, "")
    if answer[0] == b"HELD" and _is_dead(cast(bytes, answer[2])):
        # Only for the epoch of this dead holder: another runner may have taken the lease meanwhile.
        answer = yield from _lease_call(key, "take", me, life_ms, cast(bytes, answer[1]))
    if answer[0] == b"HELD":
        raise LockedError(_held_by(cast(bytes, answer[2]), cast(int, answer[3])))
    return Lease(client, key, cast(int, answer[1]), life_s, clock)


def holder_of(key: str) -> RoundTrips[Holder | None]:
    """Give the holder of a lease; None if it is free."""
    yield from refuse_unsound([_bookkeeping_key(key)])
    reply, clock = yield [("HMGET", key, "epoch", "holder", "until"), ("TIME",)]
    refuse_wrong_kind(_bookkeeping_key(key), reply)
    epoch, holder, until = cast("list[bytes | None]", check([reply])[0])
    if epoch is None or holder is None or until is None:
        return None
    if not (_NUMBER.fullmatch(epoch) and _NUMBER.fullmatch(until)):
        raise _bookkeeping_key(key).unreadable(f"it ends at {until!r:.40}, and its epoch is {epoch!r:.40}")
    seconds, microseconds = cast("list[bytes]", check([clock])[0])
    left_ms = int(until) - int(seconds) * 1000 - int(microseconds) // 1000
    return Holder(_who(holder), int(epoch), left_ms) if left_ms > 0 and not _is_dead(holder) else None


def break_lease(client: SyncClient, key: str, holder: Holder) -> RoundTrips[Lease]:
    """Take a lease from its holder, whose scripts write nothing from then on.

    Raises:
        LockedError: Another runner has taken it.
    """
    me = json.dumps({**_identity(os.getpid()), "call": secrets.token_hex(4)})
    answer = yield from _lease_call(key, "take", me, 5000, holder.epoch)
    if answer[0] == b"HELD":
        raise LockedError(_held_by(cast(bytes, answer[2]), cast(int, answer[3])))
    return Lease(client, key, cast(int, answer[1]), 5.0)


def _lease_call(key: str, *arguments: str | int | bytes) -> RoundTrips[list[object]]:
    [reply] = yield from call(_SCRIPT, [_SCRIPT.command([key], arguments)])
    refuse_wrong_kind(_bookkeeping_key(key), reply)
    [answer] = check([reply])
    if cast("list[object]", answer)[0] == b"STRANGE":
        raise _bookkeeping_key(key).unreadable("its epoch or its end is not a number")
    return cast("list[object]", answer)


def _bookkeeping_key(key: str) -> BookkeepingKey:
    return BookkeepingKey(
        "the lease", key, "hash", _FIELDS, "make sure that no migration is running, and delete that key"
    )


def _is_forgotten(key: str) -> RoundTrips[bool]:
    """Whether the epoch is gone; neither a release nor another runner deletes it."""
    [reply] = yield [("HGET", key, "epoch")]
    return reply is None


def _forgotten(key: str) -> str:
    return (
        f"the lease at {key} is gone: the server lost its data, or another client deleted the key. Nothing was changed"
        " since. It happens after FLUSHALL, or after a failover to an empty replica. Check which records are left,"
        " restore a backup if some are missing, and run the command again"
    )


def _held_by(holder: bytes, left_ms: int) -> str:
    return (
        f"migrations are being run by {_who(holder)}; nothing was changed. Wait for it with --wait SECONDS,"
        f" or try again later: if it is dead, its lease expires in {max(1, round(left_ms / 1000))} s"
    )


def _who(holder: bytes) -> str:
    try:
        known = json.loads(holder)
        return f"{str(known['host'])[:100]} (process {str(known['pid'])[:20]})"
    except (ValueError, KeyError, TypeError, RecursionError):
        return "another runner"


def _is_dead(holder: bytes) -> bool:
    """Whether the holder ran on this machine and its process is gone; False if that is not known."""
    try:
        known = json.loads(holder)
        mine = _identity(int(known["pid"]))
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return False
    here = _machine()
    return bool(here) and known.get("machine") == here and known.get("started") != mine["started"]


def _identity(pid: int) -> dict[str, object]:
    return {"host": socket.gethostname(), "machine": _machine(), "pid": pid, "started": _started(pid)}


@cache
def _machine() -> str:
    """Identify this boot of this machine and its process namespace; "" if the system does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Give when a process began, in ticks since boot, to tell it from a later one with its id; "" if it is gone."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    # A zombie has ended; its parent has not read its exit code yet.
    return "" if after_name[0] == "Z" else after_name[19]
