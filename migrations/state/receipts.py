"""Receipts: the result of a verification of all records of an app, kept in Redis for commands that rely on it.

``redis_models:{namespace}:receipt:{app}``        string   JSON: the latest verification of all records
``redis_models:{namespace}:verification:{app}``   string   JSON: one that is under way or stopped, and how far it is
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
from .integrity import Kept, cursor_of, read_as, refuse_unsound
from .tally import Tally

__all__ = ["Checkpoint", "ReceiptStore", "Scope", "VerificationReceipt"]

_FRESH: Final = timedelta(days=1)  # then it is about records of yesterday
_MOST: Final = 16 * 1024 * 1024  # bytes that are read
_MOST_WALKS: Final = 10_000  # two, and one for each place where records of a model were before
T = TypeVar("T")


@dataclass(frozen=True)
class Scope:
    """What a verification is of; another one proves nothing about this.

    Attributes:
        position: How many migrations are applied.
        fingerprint: Of the schemas.
        newest: Of all runs; one that came later may have brought records there and back again.
        run_id: Of the server's run, which may have gone back to older data if it is another one; "" if unknown.
            It must stay the same until the receipt is kept, and no longer: a server that forgets what it acknowledged,
            as after a crash or a failover, forgets the latest first. So where a receipt is, what was read for it is.
        accepts: Digest of what the models demand of what they read; "" in a receipt of before that counted.
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
        scope: What it is of.
        began_at, ended_at: ISO instants, UTC.
        records: How many were read, by model.
        problems: How many were found, by kind.
        notes: Likewise of what may be meant.
    """

    scope: Scope
    began_at: str
    ended_at: str
    records: Mapping[str, int]
    problems: Mapping[str, int]
    notes: Mapping[str, int]

    def __post_init__(self) -> None:
        if datetime.fromisoformat(self.ended_at).tzinfo is None:
            raise ValueError(f"{self.ended_at!r:.60} is in no time zone")

    def objection(self, scope: Scope, now: datetime) -> str | None:
        """Say why this does not prove that all records are as their models say; None where it does."""
        if self.problems:
            found = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.problems.items()))
            return f"the verification of {self.ended_at} found problems ({found})"
        if replace(self.scope, run_id=scope.run_id, accepts=scope.accepts) != scope:
            return f"the verification of {self.ended_at} was before the migrations that are applied now"
        if self.scope.accepts != scope.accepts:
            return (
                f"the models have other constraints or validators than at the verification of {self.ended_at}, and may"
                " refuse what they read then"
            )
        if not self.scope.run_id:
            return (
                f"it is unknown whether the server was restarted during the verification of {self.ended_at},"
                " because its access list denies INFO; grant it to the user who verifies"
            )
        if now - datetime.fromisoformat(self.ended_at) > _FRESH:
            return f"the verification of {self.ended_at} is more than a day old"
        return None


@dataclass(frozen=True)
class Checkpoint:
    """How far a verification is.

    Attributes:
        scope: What it is of.
        began_at: ISO instant, UTC.
        model: Model under way; those before it are done.
        walk: Which of its walks.
        cursor: Where that goes on.
        tallies: What was found so far, by model, as ``Tally`` is stored.
    """

    scope: Scope
    began_at: str
    model: str = ""
    walk: int = 0
    cursor: str = "0"
    tallies: Mapping[str, Mapping[str, object]] = field(default_factory=dict[str, Mapping[str, object]])

    def __post_init__(self) -> None:
        cursor_of(self.cursor)
        if not 0 <= self.walk < _MOST_WALKS:
            raise ValueError(f"{self.walk} is not a number of records")
        for document in self.tallies.values():
            Tally.of(document)


@dataclass(frozen=True)
class ReceiptStore:
    """Where the receipt of one app lies, and the checkpoint of a verification of it.

    Args:
        namespace: ``NAMESPACE`` of the settings.
        app: Label of the app.
    """

    namespace: str
    app: str

    def receipt(self) -> RoundTrips[VerificationReceipt | None]:
        """Give the latest receipt; None where there is none, or none that can be read."""
        return (yield from self._read("receipt", VerificationReceipt))

    def checkpoint(self) -> RoundTrips[Checkpoint | None]:
        """Give how far a verification is that did not end, likewise."""
        return (yield from self._read("verification", Checkpoint))

    def save(self, checkpoint: Checkpoint) -> RoundTrips[None]:
        """Note how far a verification is."""
        check((yield Repeatable([("SET", self._key("verification"), json.dumps(asdict(checkpoint)))])))

    def forget(self) -> RoundTrips[None]:
        """Forget how far a verification is."""
        check((yield Repeatable([("DEL", self._key("verification"))])))

    def settle(self, receipt: VerificationReceipt) -> RoundTrips[None]:
        """Put a receipt in the place of the one before, and of the checkpoint.

        Raises:
            IncompleteError: The server is another one than that whose records were read; none is kept.
            ServerError: It cannot be kept; if it tells of problems, the one before is gone all the same, where that
                can be.
        """
        text = json.dumps(asdict(receipt))
        replies = yield Repeatable([("SET", self._key("receipt"), text), ("DEL", self._key("verification"))])
        is_other = not isinstance(replies[0], Exception) and (yield from server_run_id()) != receipt.scope.run_id
        if is_other or (isinstance(replies[0], Exception) and receipt.problems):
            yield Repeatable([("DEL", self._key("receipt"))])
        check(replies)
        if is_other:
            raise IncompleteError(f"{self.app}: the server was restarted meanwhile; verify again")

    def _key(self, name: str) -> str:
        return bookkeeping_key(self.namespace, f"{name}:{self.app}")

    def _read(self, name: str, kind: type[T]) -> RoundTrips[T | None]:
        kept = Kept(name, self._key(name), "string", _MOST, "verify again")
        try:
            yield from refuse_unsound([kept])
            [raw] = check((yield [("GET", kept.key)]))
            return None if raw is None else read_as(kind, cast(bytes, raw))
        except (DriftError, ValueError):
            return None  # of a newer version of this library, or damaged: it proves nothing here
