"""What the tests of the verbs share: one way to call them in the loop and blocking, and a connection that breaks."""

import contextlib
import inspect
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from redis_models import Model

Call = Callable[..., Awaitable[Any]]


async def _result(value: object) -> Any:
    if inspect.isasyncgen(value):
        return [record async for record in cast("AsyncIterator[object]", value)]
    if inspect.isawaitable(value):
        return await value
    return list(cast("Iterator[object]", value)) if isinstance(value, Iterator) else value


@pytest.fixture(params=["async", "sync"])
def call(request: pytest.FixtureRequest) -> Call:
    """Call a verb of a model or of an instance, in the loop or blocking: ``await call(Book, "get", "A")``."""

    async def one(owner: "type[Model] | Model", verb: str, *arguments: object, **options: object) -> Any:
        face: Any = owner if request.param == "async" else owner.sync
        return await _result(getattr(face, verb)(*arguments, **options))

    return one


class Wire:
    """Passes bytes between clients and a server; can lose an answer, as a network does.

    ``lose_answer`` has it hang up on the client when the server answers the next message that holds ``word``.
    """

    def __init__(self, path: Path, server: str) -> None:
        self.url = f"unix://{path}"
        self.lost = 0
        self._server, self._word = server, b""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._start(self._accept)

    def lose_answer(self, word: bytes) -> None:
        self._word = word

    def close(self) -> None:
        for opened in (self._listener, *self._open):
            with contextlib.suppress(OSError):  # hung up already
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()
        for thread in self._threads:
            thread.join()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        self._threads.append(threading.Thread(target=work, args=arguments))
        self._threads[-1].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            self._open += [client, server]
            self._start(self._relay, client, server)

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        """Pass one message on, then its answer, and so on: both fit one packet in these tests."""
        try:
            while message := client.recv(1 << 16):
                server.sendall(message)
                answer = server.recv(1 << 16)
                if self._word and self._word in message and b"NOSCRIPT" not in answer:
                    self._word, self.lost = b"", self.lost + 1
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(answer)
        except OSError:
            return


@pytest.fixture
def wire(server: Any, tmp_path: Path) -> Iterator[Wire]:
    """A wire to the shared server."""
    wire = Wire(tmp_path / "wire", server.socket_path)
    yield wire
    wire.close()
