"""The engine's state in Redis: ledger, snapshot, journal and history of each app.

Scripts that change it check the caller's epoch first (see ``lease``), so that a runner that lost its lease writes
nothing.

``redis_models:{namespace}:ledger:{app}``     hash   applied migrations: id -> JSON
``redis_models:{namespace}:snapshot:{app}``   string the schemas after the last applied migration, as JSON
``redis_models:{namespace}:journal:{app}``    hash   the run that is in progress or was stopped
``redis_models:{namespace}:history:{app}``    list   every event, oldest first; see ``history``
"""

import hashlib
import json
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Final, Literal, cast

from redis_models.client.commands import Argument, Command, RoundTrips, call, check, hash_of, load_script, send
from redis_models.encoding.raw_text import text_of
from redis_models.errors import IncompleteError, SchemaError
from redis_models.mapping.keys import bookkeeping_key

from ..keyspace.results import unfenced
from ..schema.snapshot import Snapshot
from .entries import AppliedMigration, Journal, State
from .history import Event, EventKind
from .integrity import BookkeepingKey, cursor_of, read_as, refuse_unsound

__all__ = ["StateStore"]

_CHECKPOINT: Final = load_script("redis_models.migrations", "checkpoint", is_repeatable=True)
_FINISH: Final = load_script("redis_models.migrations", "permissions", "record_run", is_repeatable=True)
_NEWEST: Final = 16  # events that are read at first
# Type and most entries or bytes that are read: a hundred times the largest expected size.
_MOST: Final[Mapping[str, tuple[Literal["hash", "list", "string"], int]]] = {
    "ledger": ("hash", 100_000),
    "snapshot": ("string", 64 * 1024 * 1024),
    "journal": ("hash", 10_000),
    "history": ("list", 1_000_000),
}
_CURE_OF_HISTORY: Final = "delete that key; only the receipt of 'verify' depends on it"
_COUNT: Final = re.compile(r"-?[0-9]{1,15}")


@dataclass(frozen=True)
class StateStore:
    """Reads the state of one app, and changes it under a lease.

    Args:
        namespace: ``NAMESPACE`` of the settings.
        app: Label of the app.
    """

    namespace: str
    app: str

    def read(self) -> RoundTrips[State]:
        """Read the state at one time, usually in two round trips.

        Raises:
            DriftError: A key holds something that this library did not write; the error names the key.
        """
        yield from refuse_unsound([self._bookkeeping_key(name) for name in _MOST])
        commands: list[Command] = [
            ("HGETALL", self._key("ledger")), ("GET", self._key("snapshot")), ("HGETALL", self._key("journal")),
        ]  # fmt: skip
        first, second = list[object](), list[object]()
        # A run that ended between two of the reads would look like drift. If all three are read twice and are equal,
        # they were so when the second read began. A script would do it too, but a read-only user may not call one.
        while first != second or not first:
            replies = yield from send([*commands, *commands])
            first, second = replies[: len(commands)], replies[len(commands) :]
        ledger, snapshot, journal = first
        with self._reading("ledger"):
            entries = {id: _entry_of(id, raw) for id, raw in hash_of(ledger).items()}
        with self._reading("snapshot"):
            schemas = None if snapshot is None else Snapshot.from_json(cast(bytes, snapshot))
        with self._reading("journal"):
            fields = {name: raw.decode() for name, raw in hash_of(journal).items()}
            run = _journal_of(fields) if fields else None
        return State(entries, schemas, run)

    @contextmanager
    def _reading(self, name: str) -> Generator[None]:
        try:
            yield
        except KeyError as exc:
            raise self._bookkeeping_key(name).unreadable(f"{exc} is missing") from exc
        except (ValueError, TypeError, SchemaError) as exc:
            raise self._bookkeeping_key(name).unreadable(exc) from exc

    def _bookkeeping_key(self, name: str) -> BookkeepingKey:
        kind, most = _MOST[name]
        cure = f"restore it from a backup, or record where the records are, with 'stamp {self.app} TARGET'"
        cure = _CURE_OF_HISTORY if name == "history" else cure
        return BookkeepingKey(f"the {name} of {self.app}", self._key(name), kind, most, cure)

    def save_journal(
        self, lease_key: str, epoch: int, journal: Journal, markers: Mapping[str, str] | None = None
    ) -> RoundTrips[None]:
        """Store the journal, and with it the checkpoint of its pass.

        Args:
            lease_key, epoch: Of the caller's lease.
            journal: The journal to store.
            markers: Stored beside it; ``finish`` checks them.

        Raises:
            LockedError: Another runner has taken the lease.
        """
        pairs: list[Argument] = []
        for name, value in {**asdict(journal), **(markers or {})}.items():
            pairs += [name, value]
        yield from _fenced(call(_CHECKPOINT, [_CHECKPOINT.command([lease_key, self._key("journal")], [epoch, *pairs])]))

    def finish(
        self,
        lease_key: str,
        epoch: int,
        applied: Sequence[AppliedMigration],
        unapplied: Sequence[str],
        snapshot: Snapshot,
        events: Sequence[Event],
        markers: Mapping[str, str] | None = None,
        ledger_size: int | None = None,
    ) -> RoundTrips[None]:
        """Record the result of a run and delete its journal, in one step.

        A server that loses acknowledged writes, as after a failover, loses the latest first. So if a marker exists,
        earlier writes exist too. If a marker is missing, nothing is recorded.

        Args:
            lease_key, epoch: Of the caller's lease.
            applied: Entries to add to the ledger.
            unapplied: Ids to remove from it.
            snapshot: Schemas afterwards.
            events: Events to add to the history.
            markers: Markers that the journal must have.
            ledger_size: How many migrations the ledger must have; None for any number.

        Raises:
            LockedError: Another runner has taken the lease.
            IncompleteError: A marker or a part of the ledger is missing; nothing was recorded.
        """
        known = "" if ledger_size is None else ledger_size
        arguments: list[Argument] = [epoch, snapshot.to_json(), known, len(markers or {})]
        for name, value in (markers or {}).items():
            arguments += [name, value]
        arguments.append(len(applied))
        for entry in applied:
            arguments += [entry.id, json.dumps(asdict(entry))]
        arguments += [len(events), *(event.to_json() for event in events), *unapplied]
        keys = [lease_key, *map(self._key, ("ledger", "snapshot", "journal", "history"))]
        if (yield from _fenced(call(_FINISH, [_FINISH.command(keys, arguments)]))) == b"FORGOTTEN":
            raise self.forgotten()

    def forgotten(self) -> IncompleteError:
        """Make the error of a run whose bookkeeping was lost in part."""
        return IncompleteError(
            f"{self.app}: some of this run's bookkeeping was lost; nothing is recorded. Run 'migrate' again."
            " It happens after a failover, after a restart without an append-only file, or when another client"
            " deletes the keys"
        )

    def applied_ids(self) -> RoundTrips[list[str]]:
        """Give the ids in the ledger, even if their entries cannot be read."""
        yield from refuse_unsound([self._bookkeeping_key("ledger")])
        [reply] = check((yield [("HKEYS", self._key("ledger"))]))
        return [text_of(id) for id in cast("list[bytes]", reply)]

    def history(self, most: int) -> RoundTrips[list[Event]]:
        """Read the newest events, newest first.

        Raises:
            DriftError: The key holds something that this library did not write; the error names the key.
        """
        entry = self._bookkeeping_key("history")
        yield from refuse_unsound([entry])
        [events] = check((yield [("LRANGE", entry.key, -most, -1)]))
        try:
            return [Event.from_json(text) for text in reversed(cast("list[bytes]", events))]
        except ValueError as exc:
            raise entry.unreadable(exc) from exc

    def newest_run(self) -> RoundTrips[str]:
        """Identify the newest event that may have changed records or their state, so not a purge; "" if there is none.

        Raises:
            DriftError: As ``history``.
        """
        most = _NEWEST
        while True:
            events = yield from self.history(most)
            found = next((event for event in events if event.what != EventKind.PURGED), None)
            if found is not None:
                return hashlib.sha256(found.to_json().encode()).hexdigest()[:16]
            if len(events) < most:
                return ""
            most *= 4

    def _key(self, name: str) -> str:
        return bookkeeping_key(self.namespace, f"{name}:{self.app}")


def _fenced(replies: RoundTrips[list[object]]) -> RoundTrips[object]:
    [reply] = check((yield from replies))
    return unfenced(reply)


def _entry_of(id: str, raw: bytes) -> AppliedMigration:
    entry = read_as(AppliedMigration, raw)
    if entry.id != id:
        raise ValueError(f"the entry of {id!r:.60} is about {entry.id!r:.60}")
    return entry


def _count_of(text: str) -> int:
    if not _COUNT.fullmatch(text):
        raise ValueError(f"{text!r:.60} is not a number")
    return int(text)


def _journal_of(fields: Mapping[str, str]) -> Journal:
    return Journal(
        target=_count_of(fields["target"]),
        reach=_count_of(fields["reach"]),
        depth=_count_of(fields.get("depth", fields["target"])),  # earlier releases stored the target only
        fingerprint=fields["fingerprint"],
        model=fields["model"],
        cursor=cursor_of(fields["cursor"]),
        run_id=fields["run_id"],
        seen=_count_of(fields["seen"]),
        changed=_count_of(fields["changed"]),
        updated_at=fields["updated_at"],
        step=fields.get("step", ""),  # journals of releases before Run steps have none
        began_at=fields.get("began_at", ""),
        pace=fields.get("pace", ""),
        said=fields.get("said", ""),
    )
