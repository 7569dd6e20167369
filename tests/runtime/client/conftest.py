"""Fixtures about connections: models to write with, questions to ask, and a proxy that cuts connections."""

import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from redis_models import AutoModel, Field, Model, Store
from redis_models.client.commands import RoundTrips, send
from redis_models.embedded.server import server_binary
from redis_models.errors import EmbeddedServerError


def _models(store: Store) -> tuple[type[Any], type[Any]]:
    class Item(Model):
        id: str = Field(primary_key=True)
        text: str = ""

    class Live(AutoModel):
        id: str = Field(primary_key=True)
        text: str = ""

    store.register_model(Item)
    store.register_model(Live)
    return Item, Live


def _echo(text: str) -> RoundTrips[object]:
    [reply] = yield from send([("ECHO", text)])
    return reply


@pytest.fixture
def models_of() -> Callable[[Store], tuple[type[Any], type[Any]]]:
    """Give a Model and an AutoModel that are bound to a store: ``item, live = models_of(store)``."""
    return _models


@pytest.fixture
def echo() -> Callable[[str], RoundTrips[object]]:
    """Ask the server to say something: ``store.run(echo("x")) == b"x"``."""
    return _echo


@pytest.fixture
def embedded_url() -> str:
    """A throw-away embedded server; skips where the server of this run is too old for that."""
    try:
        server_binary()
    except EmbeddedServerError as exc:
        pytest.skip(str(exc))
    return "embedded:"


class Proxy:
    """Stands between a client and a server on unix sockets, and cuts the connection once it is told to.

    It does so at the next request that holds ``mark``. With ``passed`` that many bytes of it still go to the server;
    with ``answer`` none of it does, and the client gets that; else all of it does, and the answer is lost.
    """

    def __init__(self, path: str, upstream: str) -> None:
        self.path, self._upstream = path, upstream
        self._rule: tuple[bytes, int | None, bytes | None] | None = None
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(path)
        self._listening.listen()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, mark: bytes, *, passed: int | None = None, answer: bytes | None = None) -> None:
        """Say when to cut, once."""
        self._rule = mark, passed, answer

    def close(self) -> None:
        """End every connection."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        for opened in [self._listening, *self._open]:
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._upstream)
            self._open += [client, server]
            muted = threading.Event()
            threading.Thread(target=self._forward, args=(client, server, muted), daemon=True).start()
            threading.Thread(target=_answer, args=(server, client, muted), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket, muted: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while request := client.recv(1 << 16):
                rule = self._rule
                if rule is None or rule[0] not in request:
                    server.sendall(request)
                    continue
                self._rule, (_, passed, answer) = None, rule
                if answer is not None:
                    client.sendall(answer)
                    break
                muted.set()
                server.sendall(request[:passed])
                if passed is None:
                    return  # the other thread hangs up when the server has answered
                break
        _hang_up(client, server)


def _answer(server: socket.socket, client: socket.socket, muted: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while chunk := server.recv(1 << 16):
            if muted.is_set():
                break
            client.sendall(chunk)
    _hang_up(server, client)


def _hang_up(*sockets: socket.socket) -> None:
    for writer in sockets:
        with contextlib.suppress(OSError):
            writer.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(server: Any, tmp_path: Path) -> Iterator[Proxy]:
    """A proxy before the empty server."""
    proxy = Proxy(str(server.directory / f"proxy-{tmp_path.name[-30:]}"), server.socket_path)
    yield proxy
    proxy.close()
    Path(proxy.path).unlink()


@pytest.fixture(params=["", "?max_connections=1", "?max_connections=2", "?protocol=3"])
async def narrow(server: Any, request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """A store with as many connections as it likes, with one, with two; and one that redis-py reads the replies of."""
    store = Store("s", url=f"{server.url}{request.param}", timeout_s=5)
    yield store
    await store.aclose()


@pytest.fixture
async def cut_off(proxy: Any) -> AsyncIterator[Store]:
    """A store behind the proxy."""
    store = Store.from_url(f"unix://{proxy.path}")
    yield store
    await store.aclose()


@pytest.fixture
async def resending(proxy: Any) -> AsyncIterator[Store]:
    """One behind the proxy, that sends writes again."""
    store = Store.from_url(f"unix://{proxy.path}", resend_writes=True)
    yield store
    await store.aclose()
