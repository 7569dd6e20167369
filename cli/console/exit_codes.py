"""What the exit code of a command means to a script that runs it."""

from enum import IntEnum
from typing import Final

from redis_models.errors import (
    ConfigurationError,
    DriftError,
    IncompleteError,
    LockedError,
    RedisModelsError,
    ServerError,
    UnansweredError,
    UnsafeError,
)

__all__ = ["Exit", "exit_for"]


class Exit(IntEnum):
    """Exit codes of every command; 0 to 3 as Django has them."""

    DONE = 0
    FAILED = 1  # a check says no, or an error of no other kind
    USAGE = 2  # of the command, the settings, or a model's declaration
    UNANSWERED = 3
    LOCKED = 4
    UNSAFE = 5
    INCOMPLETE = 6  # run the same command again to resume
    SERVER = 7
    DRIFT = 8


_EXITS: Final[tuple[tuple[type[RedisModelsError], Exit], ...]] = (
    (ConfigurationError, Exit.USAGE),
    (UnansweredError, Exit.UNANSWERED),
    (LockedError, Exit.LOCKED),
    (UnsafeError, Exit.UNSAFE),
    (IncompleteError, Exit.INCOMPLETE),
    (ServerError, Exit.SERVER),
    (DriftError, Exit.DRIFT),
)


def exit_for(error: RedisModelsError) -> Exit:
    """Give the exit code of a command that ``error`` ended."""
    return next((code for kind, code in _EXITS if isinstance(error, kind)), Exit.FAILED)
