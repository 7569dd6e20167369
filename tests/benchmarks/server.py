"""A server of the run's own: in memory only, on a free port of this machine, ended by its process id."""

import socket
import subprocess
import tempfile
import time
from types import TracebackType
from typing import Any, Final, Self

import redis

from redis_models.embedded.executable import choose_program

__all__ = ["Server"]

_START_S: Final = 20.0
_NO_FILES: Final = ("--save", "", "--appendonly", "no")
_PATIENT: Final = ("--busy-reply-threshold", "600000")  # one giant script takes longer than the usual five seconds


class Server:
    """Runs for the length of a ``with`` block.

    Attributes:
        port: Where it listens, on 127.0.0.1 only.
        client: A plain client that answers bytes.
    """

    def __init__(self) -> None:
        self._program = choose_program()
        self._folder = tempfile.TemporaryDirectory(prefix="bench")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        where = ("--bind", "127.0.0.1", "--port", str(self.port), "--dir", self._folder.name)
        self._process = subprocess.Popen(
            [self._program.path, *where, *_NO_FILES, *_PATIENT], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        # Without time-out: the giant script is one command.
        self.client: Any = redis.Redis(port=self.port, socket_timeout=None, protocol=2)

    def __enter__(self) -> Self:
        until = time.monotonic() + _START_S
        while True:
            try:
                self.client.ping()
                return self
            except redis.ConnectionError:
                if time.monotonic() > until or self._process.poll() is not None:
                    self.close()
                    raise
                time.sleep(0.02)

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __str__(self) -> str:
        return f"{self._program.name.capitalize()} {self._program.version}"

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}/0"

    def flush(self) -> None:
        """Remove everything."""
        self.client.flushall()

    def close(self) -> None:
        """End it."""
        self.client.close()
        self._process.terminate()
        self._process.wait()
        self._folder.cleanup()
