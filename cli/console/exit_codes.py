"""The exit codes of commands, for scripts that run them."""

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
    """Exit codes of every command; 0 to 3 as in Django."""

    DONE = 0
    FAILED = 1  # a check failed, or an error of another kind
    USAGE = 2  # a wrong command line, setting, or declaration of a model
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
    """Give the exit code for ``error``."""
    return next((code for kind, code in _EXITS if isinstance(error, kind)), Exit.FAILED)
