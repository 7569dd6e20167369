"""Quarantine: records that could not be rewritten, each with the reason. The records stay unchanged under their keys.

``redis_models:{namespace}:quarantine:{app}``   hash   key of the record -> JSON: model, version, target, reason, when

With ``migrate --on-error quarantine`` such a record does not stop a run. Each later run tries it again. It leaves the
quarantine when a run can rewrite it, or when it is deleted.
"""

import json
from collections.abc import Container, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Protocol, cast

from redis_models.client.commands import Argument, RoundTrips, call, check, hash_of, load_script
from redis_models.encoding.raw_text import bytes_of, text_of
from redis_models.errors import IncompleteError
from redis_models.mapping.keys import KeySpace, bookkeeping_key
from redis_models.mapping.stored_field import STAMP

from ..chain.upgrade_path import UpgradePath
from ..keyspace.results import Failure, unfenced
from .integrity import BookkeepingKey, read_as, refuse_unsound, refuse_wrong_kind
from .lease import Lease

__all__ = ["Quarantine", "QuarantinePolicy", "QuarantinedRecord"]

_SCRIPT: Final = load_script("redis_models.migrations", "permissions", "quarantine", is_repeatable=True)
_AT_ONCE: Final = 500
_MOST: Final = 1_000_000  # entries that are read


@dataclass(frozen=True)
class QuarantinedRecord:
    """A record that a run could not rewrite.

    Attributes:
        key: Of the record.
        label: Of the pass that scanned it.
        model: Name of the model.
        target: Version that it did not reach.
        reason: Why, and what to do.
        at: When it was tried last, ISO instant, UTC.
    """

    key: str
    label: str
    model: str
    target: int
    reason: str
    at: str

    @property
    def is_of_move(self) -> bool:
        """Whether it reached its version, and only its key could not be renamed."""
        return not self.label.startswith(f"{self.model} at ")


@dataclass(frozen=True)
class Quarantine:
    """The quarantine of one app.

    Args:
        namespace: ``NAMESPACE`` of the settings.
        app: Label of the app.
    """

    namespace: str
    app: str

    @property
    def key(self) -> str:
        """Its Redis key."""
        return bookkeeping_key(self.namespace, f"quarantine:{self.app}")

    def read(self) -> RoundTrips[dict[str, QuarantinedRecord]]:
        """Give all quarantined records, by key.

        Raises:
            DriftError: The key holds something that this library did not write; the error names the key.
        """
        yield from refuse_unsound([self._bookkeeping_key])
        [reply] = check((yield [("HGETALL", self.key)]))
        try:
            return {key: _entry(key, raw) for key, raw in sorted(hash_of(reply).items())}
        except ValueError as exc:
            raise self._bookkeeping_key.unreadable(exc) from exc

    def waiting(self) -> RoundTrips[dict[str, QuarantinedRecord]]:
        """Give the records that still cannot be migrated: not those that the application deleted or replaced.

        Raises:
            As ``read``.
        """
        if not (yield from self.size()):
            return {}
        entries = yield from self.read()
        left, keys = dict[str, QuarantinedRecord](), list(entries)
        for start in range(0, len(keys), _AT_ONCE):
            batch = keys[start : start + _AT_ONCE]
            replies = yield [
                command for key in batch for command in (("EXISTS", bytes_of(key)), ("HGET", bytes_of(key), STAMP))
            ]
            for key, is_there, stamp in zip(batch, replies[::2], replies[1::2], strict=True):
                if is_there != 0 and not _is_through(entries[key], stamp):
                    left[key] = entries[key]
        return left

    @property
    def _bookkeeping_key(self) -> BookkeepingKey:
        cure = "delete that key, and run 'migrate --stragglers --on-error quarantine', which finds the records again"
        return BookkeepingKey(f"the quarantine of {self.app}", self.key, "hash", _MOST, cure)

    def size(self) -> RoundTrips[int]:
        """Count the quarantined records."""
        [reply] = yield [("HLEN", self.key)]
        refuse_wrong_kind(self._bookkeeping_key, reply)
        return cast(int, check([reply])[0])

    def change(
        self, lease_key: str, epoch: int, noted: Sequence[QuarantinedRecord], forgotten: Iterable[str]
    ) -> RoundTrips[int]:
        """Add some records and remove others; give how many there are then.

        Raises:
            LockedError: Another runner has taken the lease.
        """
        size, left = 0, list(forgotten)
        for start in range(0, max(len(noted), len(left), 1), _AT_ONCE):
            batch = noted[start : start + _AT_ONCE]
            arguments: list[Argument] = [epoch, len(batch)]
            for record in batch:
                arguments += [bytes_of(record.key), json.dumps(asdict(record))]
            arguments += map(bytes_of, left[start : start + _AT_ONCE])
            [reply] = check((yield from call(_SCRIPT, [_SCRIPT.command([lease_key, self.key], arguments)])))
            size = cast(int, unfenced(reply))
        return size


def _is_through(entry: QuarantinedRecord, stamp: object) -> bool:
    return stamp == b"%d" % entry.target and not entry.is_of_move


class PassInfo(Protocol):
    """The pass that could not rewrite a record."""

    @property
    def label(self) -> str: ...
    @property
    def path(self) -> UpgradePath: ...
    @property
    def target(self) -> int: ...


@dataclass
class QuarantinePolicy:
    """Decides whether a record that cannot be rewritten is quarantined or stops the run. Grows with the quarantine.

    Args:
        quarantine: Of the app.
        most_errors: How many records this run may quarantine; 0 to stop at the first.
    """

    quarantine: Quarantine
    most_errors: int = 0
    _known: dict[str, QuarantinedRecord] = field(default_factory=dict[str, QuarantinedRecord])
    _earlier: frozenset[str] = frozenset()
    _new: int = 0

    def begin(self) -> RoundTrips[None]:
        """Read the quarantine. Its records are tried again, and do not stop the run."""
        self._known = yield from self.quarantine.read()
        self._earlier = frozenset(self._known)

    @property
    def size(self) -> int:
        """How many records are in quarantine."""
        return len(self._known)

    @property
    def added(self) -> int:
        """How many records this run quarantined that were not there when it began."""
        return self._new

    def take(self, lease: Lease, by: PassInfo, failures: Sequence[Failure], changed: int) -> RoundTrips[None]:
        """Quarantine records up to the limit; stop the run at the next.

        Raises:
            IncompleteError: The limit is reached.
            LockedError: Another runner has taken the lease.
        """
        fresh = [failure for failure in failures if failure.key not in self._known and failure.key not in self._earlier]
        refused = fresh[max(0, self.most_errors - self._new) :]
        self._new += len(fresh) - len(refused)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        noted = [
            QuarantinedRecord(failure.key, by.label, by.path.model, by.target, failure.reason, now)
            for failure in failures
            if failure not in refused
        ]
        if noted:
            yield from self.quarantine.change(lease.key, lease.epoch, noted, ())
            self._known.update((record.key, record) for record in noted)
        if refused:
            raise IncompleteError(_stopped(refused, changed, self.most_errors))

    def among(self, keys: Iterable[bytes]) -> list[Failure]:
        """Give those of ``keys`` that are in quarantine, and why."""
        texts = [text_of(key) for key in keys]
        return [Failure(text, self._known[text].reason) for text in texts if text in self._known]

    def release(self, lease: Lease, keys: KeySpace, failing: Container[str]) -> RoundTrips[None]:
        """Remove records from quarantine that a complete scan rewrote, or did not find.

        Args:
            lease: Of the run.
            keys: That were scanned.
            failing: Records that could not be rewritten.

        Raises:
            LockedError: Another runner has taken the lease.
        """
        free = [key for key in self._known if key not in failing and keys.owns(key)]
        if free:
            yield from self.quarantine.change(lease.key, lease.epoch, (), free)
            for key in free:
                del self._known[key]


def _stopped(failures: Sequence[Failure], changed: int, most: int) -> str:
    first = failures[0]
    noun = "record was" if changed == 1 else "records were"
    more = f" (and {len(failures) - 1} more in the same batch)" if len(failures) > 1 else ""
    limit = f", because at most {most} may be quarantined (--max-errors)" if most else ""
    cure = " after you have checked 'quarantine list'" if most else ", with --on-error quarantine to skip such records"
    return (
        f"{first.shown}: {first.reason}{more}. Stopped{limit}; {changed:,} {noun} rewritten, every record is"
        f" consistent. Run 'migrate' again to go on{cure}"
    )


def _entry(key: str, raw: bytes) -> QuarantinedRecord:
    return replace(read_as(QuarantinedRecord, raw), key=key)
