"""Trials: what may have become of a batch when its connection broke, and whether it is sent again."""

import builtins
from collections.abc import Sequence
from typing import Final

from redis.exceptions import AuthenticationError, BusyLoadingError, ConnectionError, RedisError, TimeoutError

from .batches import Command, Once
from .errors import RedisModelsError, ServerRefusedError, ServerUnreachableError

__all__ = ["BROKEN", "Trial"]

BROKEN: Final = (OSError, RedisError)
_PAUSES: Final = (0.02, 0.1, 0.4)  # seconds before each new try after a broken connection


class Trial:
    """The tries of one batch: what may have become of it, and whether there is another one.

    Attributes:
        is_sent: Whether something of the batch may have been sent in this try.
    """

    __slots__ = ("_address", "_commands", "_is_left_open", "_pauses", "is_sent")

    def __init__(self, commands: Sequence[Command], address: str) -> None:
        self._commands, self._address = commands, address
        self._pauses = iter(_PAUSES)
        self.is_sent = self._is_left_open = False

    def pause_after(self, exc: Exception) -> float:
        """Give the seconds to wait before the next try, or raise our own error if there is none."""
        cause = _unwrapped(exc)
        is_refused = isinstance(cause, BusyLoadingError) and len(self._commands) == 1
        self._is_left_open |= self.is_sent and not is_refused
        pause = next(self._pauses, None)
        if pause is None or not _is_worth_a_retry(cause) or (self._is_left_open and isinstance(self._commands, Once)):
            raise _unreachable(cause, self._address, self._is_left_open) from cause
        return pause


def _unwrapped(exc: Exception) -> BaseException:
    """redis-py's asyncio connections hide what went wrong in the greeting, as a wrong password, in another error."""
    return exc.__cause__ if isinstance(exc.__cause__, RedisError) else exc


def _is_worth_a_retry(exc: BaseException) -> bool:
    if isinstance(exc, (AuthenticationError, TimeoutError, builtins.TimeoutError)):
        return False  # the first will not change; the others have used up the time already
    return isinstance(exc, (ConnectionError, BusyLoadingError, OSError))


def _unreachable(exc: BaseException, address: str, is_left_open: bool) -> RedisModelsError:
    if isinstance(exc, AuthenticationError):
        return ServerRefusedError(f"{address} refuses the user name or password ({exc}); correct it in REDIS_URL")
    fate = "what was sent may have been executed" if is_left_open else "nothing was sent"
    if isinstance(exc, (TimeoutError, builtins.TimeoutError)):
        return ServerUnreachableError(f"{address} did not answer in time; {fate}", is_left_open)
    if is_left_open:
        return ServerUnreachableError(f"{address} cannot be reached any more ({exc}); {fate}", is_left_open)
    return ServerUnreachableError(f"{address} cannot be reached ({exc}); start the server, or correct REDIS_URL")
