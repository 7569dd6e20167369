"""Outcomes: what came of records that scripts rewrote, and the fence that those scripts stand behind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, cast

from redis_models.client.commands import Reply, RoundTrips, check
from redis_models.errors import LockedError, RedisModelsError

__all__ = ["KEYS_A_SCRIPT", "Failure", "Fence", "Outcome", "PendingResult", "is_another_type", "letters_of", "text_of"]


@dataclass(frozen=True)
class Fence:
    """What makes a script refuse a caller whose lease is over, and what the script must know of the server.

    Attributes:
        lease_key: Key of the lease, or "" for a caller that needs none.
        epoch: Epoch of the caller's lease, or "" likewise.
        has_field_lives: Whether hash fields have life spans on this server; None where nobody asked it, and then the
            script finds out.
    """

    lease_key: str
    epoch: int | str
    has_field_lives: bool | None

    @property
    def flag(self) -> str:
        """What the scripts take for ``has_field_lives``."""
        return "?" if self.has_field_lives is None else "1" if self.has_field_lives else ""


@dataclass(frozen=True)
class Failure:
    """A record that could not be rewritten, and is unchanged.

    Attributes:
        key: Where it lies.
        reason: Why, and what to do.
    """

    key: str
    reason: str

    @property
    def shown(self) -> str:
        """The key, as it can be printed."""
        return self.key.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


@dataclass
class Outcome:
    """What came of some records.

    Attributes:
        changed: Rewritten now.
        skipped: At the target already.
        gone: Deleted or expired meanwhile.
        contested: Still written by others after all tries; to be met again in another pass.
        failures: Those that could not be rewritten.
        refusal: What the server said of the others, where some were changed before; who counts these raises it then.
            Where none was changed, it was raised at once.
    """

    changed: int = 0
    skipped: int = 0
    gone: int = 0
    contested: int = 0
    failures: list[Failure] = field(default_factory=list)
    refusal: RedisModelsError | None = None

    def add(self, other: "Outcome") -> None:
        """Add another outcome to this one, but for a refusal."""
        self.changed += other.changed
        self.skipped += other.skipped
        self.gone += other.gone
        self.contested += other.contested
        self.failures += other.failures

    def count_all(self, keys: Sequence[bytes], letters: str, but: str) -> list[bytes]:
        """Add what a script said of records, a letter each; give those of the letter ``but``, which are not counted."""
        if letters == "A" * len(keys):
            self.changed += len(keys)
            return []
        rest: list[bytes] = []
        for key, letter in zip(keys, letters, strict=True):
            if letter == but:
                rest.append(key)
            else:
                self.count(key, letter)
        return rest

    def count(self, key: bytes, letter: str) -> None:
        """Add what a script said of a record: A applied, S at the target already, G gone, T no hash."""
        if letter == "A":
            self.changed += 1
        elif letter == "S":
            self.skipped += 1
        elif letter == "G":
            self.gone += 1
        else:
            self.failures.append(Failure(text_of(key), _NO_HASH))


class PendingResult(NamedTuple):
    """Work that somebody else was given: the server, or a member of a crew.

    Attributes:
        outcome: Gives what came of it, and waits for that if need be. Raises IncompleteError where a member ended,
            DriftError where it has other migration files, LockedError where the lease is somebody else's by now, and
            ServerError.
        is_done: Whether that would not wait any more.
    """

    outcome: RoundTrips[Outcome]
    is_done: Callable[[], bool]


def is_another_type(reply: Reply) -> bool:
    """Whether a key holds another type than a command is for; any other refusal is no fact about it, and is raised."""
    if isinstance(reply, Exception) and not str(reply).startswith("WRONGTYPE"):
        check([reply])
    return isinstance(reply, Exception)


def letters_of(reply: object) -> str:
    """Give what a script said of its records, a letter each.

    Raises:
        LockedError: The lease is somebody else's by now.
    """
    letters = cast(bytes, reply).decode()
    if letters == "FENCED":
        raise LockedError.lost()
    return letters


_NO_HASH: Final = "the key holds no hash; move it out of the model's prefix, or delete it"


def text_of(key: bytes) -> str:
    """Give a key as a text that goes back as it came."""
    return key.decode("utf-8", "surrogateescape")


KEYS_A_SCRIPT: Final = 100
