"""Quarantine: records that could not be rewritten, each with the reason. They stay where they are, as they are.

``redis_models:{namespace}:quarantine:{app}``   hash   key of the record -> JSON: model, version, target, reason, when

Under ``migrate --on-error quarantine`` such a record does not stop a run; each later run visits it again, and leaves
the quarantine once one of them can rewrite it, or once it is gone.
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
from .integrity import Kept, read_as, refuse_unsound, refuse_wrong_kind
from .lease import Lease

__all__ = ["Quarantine", "QuarantinePolicy", "QuarantinedRecord"]

_SCRIPT: Final = load_script("redis_models.migrations", "permissions", "quarantine", is_repeatable=True)
_AT_ONCE: Final = 500
_MOST: Final = 1_000_000  # that are read


@dataclass(frozen=True)
class QuarantinedRecord:
    """A record that a run could not rewrite.

    Attributes:
        key: Its key.
        label: Of the pass that visited it.
        model: Name of the model.
        target: Version that it was to reach.
        reason: Why it could not, and what to do.
        at: ISO instant, UTC, of the latest try.
    """

    key: str
    label: str
    model: str
    target: int
    reason: str
    at: str

    @property
    def is_of_move(self) -> bool:
        """Whether it has its version, and only could not get its new key."""
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
        """Its key."""
        return bookkeeping_key(self.namespace, f"quarantine:{self.app}")

    def read(self) -> RoundTrips[dict[str, QuarantinedRecord]]:
        """Give all that are in it, by key of the record.

        Raises:
            DriftError: What is stored is none of ours; it names the key.
        """
        yield from refuse_unsound([self._kept])
        [reply] = check((yield [("HGETALL", self.key)]))
        try:
            return {key: _entry(key, raw) for key, raw in sorted(hash_of(reply).items())}
        except ValueError as exc:
            raise self._kept.unreadable(exc) from exc

    def waiting(self) -> RoundTrips[dict[str, QuarantinedRecord]]:
        """Give those that still need work: not records that an application deleted, or replaced by a valid one.

        Raises:
            As ``read``.
        """
        if not (yield from self.size()):
            return {}
        entries = yield from self.read()
        left, keys = dict[str, QuarantinedRecord](), list(entries)
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            replies = yield [one for key in some for one in (("EXISTS", bytes_of(key)), ("HGET", bytes_of(key), STAMP))]
            for key, is_there, stamp in zip(some, replies[::2], replies[1::2], strict=True):
                if is_there != 0 and not _is_through(entries[key], stamp):
                    left[key] = entries[key]
        return left

    @property
    def _kept(self) -> Kept:
        cure = "delete that key, and run 'migrate --stragglers --on-error quarantine', which finds the records again"
        return Kept(f"the quarantine of {self.app}", self.key, "hash", _MOST, cure)

    def size(self) -> RoundTrips[int]:
        """Count them."""
        [reply] = yield [("HLEN", self.key)]
        refuse_wrong_kind(self._kept, reply)
        return cast(int, check([reply])[0])

    def change(
        self, lease_key: str, epoch: int, noted: Sequence[QuarantinedRecord], forgotten: Iterable[str]
    ) -> RoundTrips[int]:
        """Add some records and remove others; give how many there are then.

        Raises:
            LockedError: Another runner holds the lease now.
        """
        size, left = 0, list(forgotten)
        for start in range(0, max(len(noted), len(left), 1), _AT_ONCE):
            some = noted[start : start + _AT_ONCE]
            arguments: list[Argument] = [epoch, len(some)]
            for one in some:
                arguments += [bytes_of(one.key), json.dumps(asdict(one))]
            arguments += map(bytes_of, left[start : start + _AT_ONCE])
            [reply] = check((yield from call(_SCRIPT, [_SCRIPT.command([lease_key, self.key], arguments)])))
            size = cast(int, unfenced(reply))
        return size


def _is_through(entry: QuarantinedRecord, stamp: object) -> bool:
    return stamp == b"%d" % entry.target and not entry.is_of_move


class PassInfo(Protocol):
    """A pass that could not rewrite a record."""

    @property
    def label(self) -> str: ...
    @property
    def route(self) -> UpgradePath: ...
    @property
    def target(self) -> int: ...


@dataclass
class QuarantinePolicy:
    """Decides what happens to records that a run cannot rewrite. Grows with the quarantine.

    Args:
        quarantine: Of the app.
        most_errors: How many records this run may put there; 0 to stop at the first.
    """

    quarantine: Quarantine
    most_errors: int = 0
    _known: dict[str, QuarantinedRecord] = field(default_factory=dict[str, QuarantinedRecord])
    _earlier: frozenset[str] = frozenset()
    _new: int = 0

    def begin(self) -> RoundTrips[None]:
        """Read what is in quarantine: such records are tried again, and stop nothing."""
        self._known = yield from self.quarantine.read()
        self._earlier = frozenset(self._known)

    @property
    def size(self) -> int:
        """How many records are in quarantine."""
        return len(self._known)

    @property
    def added(self) -> int:
        """How many records this run put there that were not there when it began."""
        return self._new

    def take(self, lease: Lease, by: PassInfo, failures: Sequence[Failure], changed: int) -> RoundTrips[None]:
        """Put records into quarantine, as many as may go there; stop the run at the next.

        Raises:
            IncompleteError: One must not go there.
            LockedError: Another runner holds the lease now.
        """
        fresh = [one for one in failures if one.key not in self._known and one.key not in self._earlier]
        refused = fresh[max(0, self.most_errors - self._new) :]
        self._new += len(fresh) - len(refused)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        noted = [
            QuarantinedRecord(one.key, by.label, by.route.model, by.target, one.reason, now)
            for one in failures
            if one not in refused
        ]
        if noted:
            yield from self.quarantine.change(lease.key, lease.epoch, noted, ())
            self._known.update((one.key, one) for one in noted)
        if refused:
            raise IncompleteError(_stopped(refused, changed, self.most_errors))

    def among(self, keys: Iterable[bytes]) -> list[Failure]:
        """Give which of some records are in quarantine, and why."""
        texts = [text_of(key) for key in keys]
        return [Failure(text, self._known[text].reason) for text in texts if text in self._known]

    def release(self, lease: Lease, keys: KeySpace, failing: Container[str]) -> RoundTrips[None]:
        """Remove records from quarantine that a whole scan could rewrite, or did not find any more.

        Args:
            lease: Of the run.
            keys: What was scanned.
            failing: Records that it could not rewrite.

        Raises:
            LockedError: Another runner holds the lease now.
        """
        free = [key for key in self._known if key not in failing and keys.owns(key)]
        if free:
            yield from self.quarantine.change(lease.key, lease.epoch, (), free)
            for key in free:
                del self._known[key]


def _stopped(failures: Sequence[Failure], changed: int, most: int) -> str:
    first = failures[0]
    more = f" (and {len(failures) - 1} more in the same batch)" if len(failures) > 1 else ""
    limit = f", because no more than {most} may go to quarantine (--max-errors)" if most else ""
    cure = (
        ", when you have looked at 'quarantine list'" if most else ", with --on-error quarantine to skip such records"
    )
    return (
        f"{first.shown}: {first.reason}{more}. Stopped{limit}; {_records(changed)} rewritten, every record is"
        f" consistent. Run 'migrate' again to go on{cure}"
    )


def _records(count: int) -> str:
    return "1 record is" if count == 1 else f"{count} records are"


def _entry(key: str, raw: bytes) -> QuarantinedRecord:
    return replace(read_as(QuarantinedRecord, raw), key=key)
