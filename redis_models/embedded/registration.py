"""One use of an embedded server: an open writing end of a FIFO, which the kernel closes when the process dies."""

import array
import contextlib
import os
import sys
import time
import weakref
from typing import Final

if sys.platform != "win32":
    import fcntl
    import termios

__all__ = ["EmbeddedUse"]

_POLL: Final = 0.0003  # seconds between two looks
_LOOKS: Final = 200


class EmbeddedUse:
    """An open writing end of a FIFO. Closed with the last reference to it."""

    def __init__(self, fifo: str) -> None:
        end = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        self._end, self._identity = end, _identity(os.fstat(end))
        self.close = weakref.finalize(self, _close, end, self._identity)

    def is_open(self) -> bool:
        """Whether it is still open: daemons close everything."""
        try:
            return self._identity == _identity(os.fstat(self._end))
        except OSError:
            return False

    def is_at(self, fifo: str) -> bool:
        """Whether it is still open, and the file was not replaced: daemons close everything, people remove folders."""
        try:
            return self._identity == _identity(os.fstat(self._end)) == _identity(os.stat(fifo))
        except OSError:
            return False

    def is_watched(self, fifo: str) -> bool:
        """Whether a reader still reads: after the last writer left, it may be open for a moment, but reads nothing."""
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)  # an end of our own spares us SIGPIPE
        try:
            os.write(self._end, b"\n")
            for _ in range(_LOOKS):
                time.sleep(_POLL)
                unread = array.array("i", [0])
                fcntl.ioctl(reader, termios.FIONREAD, unread)
                if not unread[0]:
                    return True
            return False
        finally:
            os.close(reader)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _close(end: int, identity: tuple[int, int]) -> None:
    # The number may belong to another file by now; see is_at.
    with contextlib.suppress(OSError):
        if _identity(os.fstat(end)) == identity:
            os.close(end)
