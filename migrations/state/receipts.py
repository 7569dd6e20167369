"""Receipts: the result of a verification of all records of an app, stored in Redis for later commands.

``redis_models:{namespace}:receipt:{app}``        string   JSON: the latest complete verification
``redis_models:{namespace}:verification:{app}``   string   JSON: how far an unfinished verification is
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar, cast

from redis_models.client.commands import Repeatable, RoundTrips, check
from redis_models.errors import DriftError, IncompleteError
from redis_models.mapping.keys import bookkeeping_key

from ..keyspace.server_facts import server_run_id
from .checkpoint import Checkpoint
from .integrity import BookkeepingKey, cursor_of, read_as, refuse_unsound
from .tally import Tally

__all__ = ["ReceiptStore", "Scope", "UnfinishedVerification", "VerificationReceipt"]

_FRESH: Final = timedelta(days=1)  # an older receipt proves nothing
_MOST: Final = 16 * 1024 * 1024  # bytes that are read
_MOST_SCANS: Final = 10_000  # two scans, and one for each earlier key prefix of a model
T = TypeVar("T")


@dataclass(frozen=True)
class Scope:
    """What a verification covers. A receipt is valid for its own scope only.

    Attributes:
        position: How many migrations are applied.
        fingerprint: Of the schemas.
        newest: The newest run; a later run may have changed records and changed them back.
        run_id: ``run_id`` of the server; after a restart it may have older data. "" if the user may not ask. It
            must not change until the receipt is stored. Later it may: a server that loses writes, as after a crash or a
            failover, loses the latest first. So if the receipt exists, so do the records that were read for it.
        accepts: Digest of the models' constraints; "" in a receipt of an earlier release that did not store it.
    """

    position: int
    fingerprint: str
    newest: str
    run_id: str
    accepts: str = ""


@dataclass(frozen=True)
class VerificationReceipt:
    """A verification of all records of an app.

    Attributes:
        scope: What it covers.
        began_at, ended_at: ISO instants, UTC.
        records: How many were read, by model.
        problems: How many were found, by kind.
        notes: How many notes, by kind.
    """

    scope: Scope
    began_at: str
    ended_at: str
    records: Mapping[str, int]
    problems: Mapping[str, int]
    notes: Mapping[str, int]

    def __post_init__(self) -> None:
        if datetime.fromisoformat(self.ended_at).tzinfo is None:
            raise ValueError(f"{self.ended_at!r:.60} has no time zone")

    def objection(self, scope: Scope, now: datetime) -> str | None:
        """Say why this does not prove that all records match their models; None if it does."""
        if self.problems:
            found = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.problems.items()))
            return f"the verification of {self.ended_at} found problems ({found})"
        if replace(self.scope, run_id=scope.run_id, accepts=scope.accepts) != scope:
            return f"the verification of {self.ended_at} was before the migrations that are applied now"
        if self.scope.accepts != scope.accepts:
            return (
                f"the models have other constraints or validators than at the verification of {self.ended_at}, and may"
                " refuse records that they accepted then"
            )
        if not self.scope.run_id:
            return (
                f"the server may have been restarted during the verification of {self.ended_at}: its access list denies"
                " INFO; grant it to the user who runs 'verify'"
            )
        if now - datetime.fromisoformat(self.ended_at) > _FRESH:
            return f"the verification of {self.ended_at} is more than a day old"
        return None


@dataclass(frozen=True)
class UnfinishedVerification:
    """What a verification found until now, and where it is.

    Attributes:
        scope: What it covers.
        began_at: ISO instant, UTC.
        model: The current model; those before it are done.
        walk: Number of its current scan; the name is stored.
        cursor: Where the scan goes on.
        tallies: What was found until now, by model, as ``Tally.document`` gives it.
    """

    scope: Scope
    began_at: str
    model: str = ""
    walk: int = 0
    cursor: str = "0"
    tallies: Mapping[str, Mapping[str, object]] = field(default_factory=dict[str, Mapping[str, object]])

    def __post_init__(self) -> None:
        cursor_of(self.cursor)
        if not 0 <= self.walk < _MOST_SCANS:
            raise ValueError(f"{self.walk} is not the number of a scan")
        for document in self.tallies.values():
            Tally.of(document)

    @property
    def checkpoint(self) -> Checkpoint:
        """The place of the current scan."""
        return Checkpoint(self.model, self.cursor, self.scope.run_id)

    def resumed_on(self, run_id: str) -> "UnfinishedVerification":
        """Give where to resume on a run of a server.

        What was read before the checkpoint was stored is still there, since the checkpoint is. But if the server was
        restarted, its cursor cannot be used, so the current model is read again.
        """
        if self.checkpoint.is_valid_on(run_id):
            return self
        done = {name: tally for name, tally in self.tallies.items() if name != self.model}
        return replace(self, model="", walk=0, cursor="0", tallies=done)


@dataclass(frozen=True)
class ReceiptStore:
    """Reads and stores the receipt of one app, and its unfinished verification.

    Args:
        namespace: ``NAMESPACE`` of the settings.
        app: Label of the app.
    """

    namespace: str
    app: str

    def receipt(self) -> RoundTrips[VerificationReceipt | None]:
        """Give the latest receipt; None if it does not exist or cannot be read."""
        return (yield from self._read("receipt", VerificationReceipt))

    def unfinished(self) -> RoundTrips[UnfinishedVerification | None]:
        """Give the unfinished verification; None as for ``receipt``."""
        return (yield from self._read("verification", UnfinishedVerification))

    def save(self, verification: UnfinishedVerification) -> RoundTrips[None]:
        """Store how far a verification is."""
        check((yield Repeatable([("SET", self._key("verification"), json.dumps(asdict(verification)))])))

    def forget(self) -> RoundTrips[None]:
        """Forget how far a verification is."""
        check((yield Repeatable([("DEL", self._key("verification"))])))

    def settle(self, receipt: VerificationReceipt) -> RoundTrips[None]:
        """Store a receipt in place of the earlier one, and delete the unfinished verification.

        Raises:
            IncompleteError: The server was restarted since the records were read; no receipt is stored.
            ServerError: The receipt cannot be stored. If it has problems, the earlier one is deleted anyway, if that is
                possible.
        """
        text = json.dumps(asdict(receipt))
        replies = yield Repeatable([("SET", self._key("receipt"), text), ("DEL", self._key("verification"))])
        is_other = not isinstance(replies[0], Exception) and (yield from server_run_id()) != receipt.scope.run_id
        if is_other or (isinstance(replies[0], Exception) and receipt.problems):
            yield Repeatable([("DEL", self._key("receipt"))])
        check(replies)
        if is_other:
            raise IncompleteError(f"{self.app}: the server was restarted meanwhile; run 'verify' again")

    def _key(self, name: str) -> str:
        return bookkeeping_key(self.namespace, f"{name}:{self.app}")

    def _read(self, name: str, kind: type[T]) -> RoundTrips[T | None]:
        entry = BookkeepingKey(name, self._key(name), "string", _MOST, "run 'verify' again")
        try:
            yield from refuse_unsound([entry])
            [raw] = check((yield [("GET", entry.key)]))
            return None if raw is None else read_as(kind, cast(bytes, raw))
        except (DriftError, ValueError):
            return None  # written by a newer release or another client: it proves nothing here
