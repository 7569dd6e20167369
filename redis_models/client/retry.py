"""Retries: what may have happened to a batch whose connection broke, and whether it is sent again."""

import builtins
from collections.abc import Sequence
from typing import Final

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,
    RedisError,
    ResponseError,
    TimeoutError,
)

from ..errors import RedisModelsError, ServerRefusedError, ServerUnreachableError
from .commands import AtMostOnce, Command, Reply, changes_nothing, is_harmless, is_repeatable
from .errors import is_elsewhere

__all__ = ["BROKEN", "RetryState", "is_turned_away"]

BROKEN: Final = (OSError, RedisError)
_PAUSES: Final = (0.02, 0.1, 0.4)  # seconds before each new try after a broken connection
_UNSENT: Final = "nothing was sent"
_OPEN: Final = "what was sent may have been executed; look before you repeat it"


class RetryState:
    """The retries of one batch: whether it may have been executed, and whether it is tried again.

    Args:
        commands: The batch.
        address: What errors call the server.
        resends: Whether the store wants writes sent again.

    Attributes:
        is_sent: Whether something of the batch may have been sent in this try.
    """

    __slots__ = ("_address", "_commands", "_is_left_open", "_pauses", "_resends", "is_sent")

    def __init__(self, commands: Sequence[Command], address: str, *, resends: bool = False) -> None:
        self._commands, self._address = commands, address
        self._resends = resends
        self._pauses = iter(_PAUSES)
        self.is_sent = self._is_left_open = False

    def pause_after(self, exc: Exception) -> float:
        """Give the seconds to wait before the next try; raise our own error if there is none."""
        cause = _real_cause(exc)
        is_refused = isinstance(cause, BusyLoadingError) and len(self._commands) == 1
        self._is_left_open |= self.is_sent and not is_refused
        pause = next(self._pauses, None)
        if pause is None or not _is_worth_a_retry(cause) or (self._is_left_open and not self._may_run_twice()):
            is_write = not changes_nothing(self._commands)
            raise _unreachable(cause, self._address, self._is_left_open, is_write) from cause
        return pause

    def pause_after_refusal(self, replies: Sequence[Reply]) -> float | None:
        """Give the seconds to wait before another server is asked, because the first one refers to it.

        None if the replies are final: there are no tries left, or a command that must not run twice was executed.
        """
        return next(self._pauses, None) if is_turned_away(self._commands, replies) else None

    def _may_run_twice(self) -> bool:
        return is_repeatable(self._commands) or (self._resends and not isinstance(self._commands, AtMostOnce))


def is_turned_away(commands: Sequence[Command], replies: Sequence[Reply]) -> bool:
    """Whether a batch may be sent to another server: the first one refused all commands that must not run twice."""
    return all(
        (isinstance(reply, ResponseError) and is_elsewhere(reply)) or is_harmless(command)
        for command, reply in zip(commands, replies, strict=True)
    )


def _real_cause(exc: Exception) -> BaseException:
    """Give the real error: redis-py's asyncio connections hide errors of the handshake in another one."""
    return exc.__cause__ if isinstance(exc.__cause__, RedisError) else exc


def _is_worth_a_retry(exc: BaseException) -> bool:
    if isinstance(exc, (AuthenticationError, TimeoutError, builtins.TimeoutError)):
        return False  # a wrong password stays wrong; after a timeout the time is used up
    return isinstance(exc, (ConnectionError, BusyLoadingError, OSError))


def _unreachable(exc: BaseException, address: str, is_left_open: bool, is_write: bool) -> RedisModelsError:
    if isinstance(exc, AuthenticationError):
        return ServerRefusedError(f"{address} refuses the user name or password ({exc}); correct it in REDIS_URL")
    is_open = is_left_open and is_write
    outcome = _OPEN if is_open else "nothing was changed"
    if isinstance(exc, (TimeoutError, builtins.TimeoutError)):
        return ServerUnreachableError(
            f"{address} did not answer in time; {outcome if is_left_open else _UNSENT}", is_open
        )
    if is_left_open:
        return ServerUnreachableError(f"{address} cannot be reached any more ({exc}); {outcome}", is_open)
    return ServerUnreachableError(f"{address} cannot be reached ({exc}); start the server, or correct REDIS_URL")
