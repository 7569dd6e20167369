"""Results of scripts that rewrite records, and the fence that those scripts check."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeVar, cast

from redis_models.client.commands import Reply, RoundTrips, check
from redis_models.encoding.raw_text import bytes_of, text_of
from redis_models.errors import NOT_A_HASH, LockedError, RedisModelsError, ServerError
from redis_models.mapping.keys import KeySpace

__all__ = [
    "HASH_EXPECTED",
    "KEYS_A_SCRIPT",
    "Failure",
    "Fence",
    "Outcome",
    "PendingResult",
    "RewriteResult",
    "is_another_type",
    "letters_of",
    "unfenced",
    "unknown_result",
]

Result = TypeVar("Result")


_NO_TABLE: Final = KeySpace("", ":", "")


class RewriteResult(StrEnum):
    """What a script did with a record; the script gives the letter."""

    APPLIED = "A"
    SKIPPED = "S"  # it has the target version already
    GONE = "G"  # deleted or expired meanwhile
    WRONG_TYPE = "T"  # not a hash
    CONFLICT = "C"  # another client changed it after it was read
    NEEDS_PYTHON = "V"  # the script has no program for its version, or no entry for its bytes


@dataclass(frozen=True)
class Fence:
    """What a script compares to refuse a caller without the lease, and what it must know of the server.

    Attributes:
        lease_key: Key of the lease, or "" for a caller that does not need one.
        epoch: Epoch of the caller's lease, or "" likewise.
        has_field_lives: Whether hash fields may have a TTL on this server; None where that is unknown, and then the
            script finds out.
        space: Where the records are, and beside them the definitions of their indexes, which the scripts compare; of a
            table without a name, which has none, if the caller knows that there are none.
    """

    lease_key: str
    epoch: int | str
    has_field_lives: bool | None
    space: KeySpace = _NO_TABLE

    @property
    def flag(self) -> str:
        """What the scripts take for ``has_field_lives``."""
        return "?" if self.has_field_lives is None else "1" if self.has_field_lives else ""


@dataclass(frozen=True)
class Failure:
    """A record that could not be rewritten, and is unchanged.

    Attributes:
        key: Its key.
        reason: Why, and what to do.
    """

    key: str
    reason: str

    @property
    def shown(self) -> str:
        """The key, as it can be printed."""
        return bytes_of(self.key).decode("utf-8", "backslashreplace")


@dataclass
class Outcome:
    """What happened to some records.

    Attributes:
        changed: Rewritten now.
        skipped: At the target version already.
        gone: Deleted or expired meanwhile.
        contested: Changed by other clients in each try; the next scan visits them again.
        failures: Those that could not be rewritten.
        refusal: Why the server refused the rest, where some records were changed before; raised once these are
            counted. Where none was changed, it was raised at once.
    """

    changed: int = 0
    skipped: int = 0
    gone: int = 0
    contested: int = 0
    failures: list[Failure] = field(default_factory=list)
    refusal: RedisModelsError | None = None

    def add(self, other: "Outcome") -> None:
        """Add another outcome to this one, except its refusal."""
        self.changed += other.changed
        self.skipped += other.skipped
        self.gone += other.gone
        self.contested += other.contested
        self.failures += other.failures

    def count_all(self, keys: Sequence[bytes], letters: str, *, retried: "RewriteResult") -> list[bytes]:
        """Add the results that a script gave, a letter for each record.

        Args:
            keys: The records.
            letters: Their results, in the same order.
            retried: Result of records that are not counted.

        Returns:
            The keys of the records that have the result ``retried``.

        Raises:
            ServerError: A letter is not a result that this version of the library knows.
        """
        if letters == RewriteResult.APPLIED * len(keys):
            self.changed += len(keys)
            return []
        rest: list[bytes] = []
        for key, letter in zip(keys, letters, strict=True):
            if letter == retried:
                rest.append(key)
            else:
                self.count(key, letter)
        return rest

    def count(self, key: bytes, letter: str) -> None:
        """Add the result of one record; raises as ``count_all``."""
        match letter:
            case RewriteResult.APPLIED:
                self.changed += 1
            case RewriteResult.SKIPPED:
                self.skipped += 1
            case RewriteResult.GONE:
                self.gone += 1
            case RewriteResult.WRONG_TYPE:
                self.failures.append(Failure(text_of(key), HASH_EXPECTED))
            case _:
                raise unknown_result(key, letter)


@dataclass
class PendingResult:
    """The result of a batch that was started in the server, in this process, or in a worker process.

    Args:
        is_done: Whether ``wait`` would return at once.
        waiting: Waits for the outcome; None where ``outcome`` is given.
        outcome: The outcome, where it is known.
    """

    is_done: Callable[[], bool]
    waiting: RoundTrips[Outcome] | None
    outcome: Outcome | None = None

    @classmethod
    def completed(cls, outcome: Outcome) -> "PendingResult":
        """Make the result of a batch that is done."""
        return cls(lambda: True, None, outcome)

    def wait(self) -> RoundTrips[Outcome]:
        """Give the outcome; wait for it if need be.

        Raises:
            IncompleteError: A worker process ended.
            DriftError: It has other migration files, or another version of the library.
            LockedError: Another runner holds the lease now.
            ServerError: The server cannot do it now.
        """
        if self.waiting is not None:
            self.outcome, self.waiting = (yield from self.waiting), None
        assert self.outcome is not None, "a batch without a result"
        return self.outcome


def is_another_type(reply: Reply) -> bool:
    """Whether a key holds another type than a command is for; any other refusal is raised."""
    if isinstance(reply, Exception) and not str(reply).startswith("WRONGTYPE"):
        check([reply])
    return isinstance(reply, Exception)


def letters_of(reply: object) -> str:
    """Give the results that a script gave for its records, a letter each; see ``RewriteResult``.

    Raises:
        LockedError: Another runner holds the lease now.
    """
    return cast(bytes, unfenced(reply)).decode()


def unfenced(reply: Result) -> Result:
    """Give the reply of a script that checks the epoch of the lease.

    Raises:
        LockedError: Another runner holds the lease now; the script wrote nothing.
    """
    if reply == b"FENCED":
        raise LockedError.lost()
    return reply


def unknown_result(key: bytes, letter: str) -> ServerError:
    """Make the error of a script whose result for a record is unknown."""
    return ServerError(
        f"{text_of(key)}: a script gave the unknown result {letter!r}. Its text does not fit this version of the"
        " library: install the same version everywhere, look at what stands between it and the server, and run again"
    )


HASH_EXPECTED: Final = f"{NOT_A_HASH}; rename the key to another prefix, or delete it"
KEYS_A_SCRIPT: Final = 100
