"""A proxy between clients and a server: it cuts connections at a random byte, is slow, and follows the primary."""

import random
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

__all__ = ["Wire"]

_PIECE: Final = 65_536


class Wire:
    """Listens on a free port of this machine, and passes on what comes. Used as a context.

    Args:
        target: Says for each new connection where it leads: a path of a unix socket, or a port of this machine.
        cut_after: From how many to how many bytes a connection carries, both ways together, before it is cut at once.
        delay_s: How long each piece is under way, in seconds.
        piece: Bytes of one piece at most.

    Attributes:
        port: Where clients connect to.
        cuts: Connections that were cut.
    """

    def __init__(
        self,
        target: Callable[[], str | int],
        *,
        cut_after: tuple[int, int] | None = None,
        delay_s: float = 0.0,
        piece: int = _PIECE,
    ) -> None:
        self._target, self._delay_s, self._piece = target, delay_s, piece
        self.cut_after = cut_after
        self.cuts = 0
        self._random, self._lock = random.Random(11), threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._is_closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_closed = True
        self._listener.close()
        self.cut_all()

    @property
    def url(self) -> str:
        """What a settings module calls it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def cut_all(self) -> None:
        """Cut every connection."""
        with self._lock:
            opened, self._open = self._open, set()
        for writer in opened:
            _end(writer)

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        try:
            far = _connect(self._target())
        except OSError:
            _end(near)
            return
        with self._lock:
            self._open |= {near, far}
        budget = [self._random.randint(*self.cut_after) if self.cut_after else -1]
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(target=self._pass_on, args=(far, near, budget), daemon=True)
        back.start()
        self._pass_on(near, far, budget)
        back.join()
        with self._lock:
            self._open -= {near, far}

    def _pass_on(self, source: socket.socket, sink: socket.socket, budget: list[int]) -> None:
        with suppress(OSError):
            while piece := source.recv(self._piece):
                if self._delay_s:
                    time.sleep(self._delay_s)
                if budget[0] >= 0:
                    left, budget[0] = budget[0], max(0, budget[0] - len(piece))
                    if len(piece) >= left:
                        sink.sendall(piece[:left])
                        self.cuts += 1
                        break
                sink.sendall(piece)
        _end(source)
        _end(sink)


def _connect(target: str | int) -> socket.socket:
    if isinstance(target, int):
        return socket.create_connection(("127.0.0.1", target), timeout=2)
    far = socket.socket(socket.AF_UNIX)
    far.connect(target)
    return far


def _end(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
