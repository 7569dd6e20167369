"""What stands between clients and a server: it loses one reply, delivers a request late, stalls, or leads elsewhere."""

import contextlib
import socket
import threading
from collections.abc import Callable, Generator
from typing import Any, Final

_CHUNK: Final = 1 << 16
_LONGEST_S: Final = 20.0  # of any wait; a test that hangs says so


class Middlebox:
    """Passes bytes between TCP clients and a server on a unix socket, or wherever ``upstream`` is set to.

    What is told to befall the next request befalls the first chunk that holds the mark, once.

    Args:
        upstream: Path of the server's socket.

    Attributes:
        upstream: Where new connections lead; those that are open stay where they are.
        lost: How many replies were lost.
        is_held: Set while a request is held, or its connection stalled.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream, self.lost = upstream, 0
        self.is_held, self.flows = threading.Event(), threading.Event()
        self.rule: tuple[str, bytes, Callable[[], object]] | None = None
        self.held: _Relayed | None = None
        self._links: list[_Relayed] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_reply(self, mark: bytes, between: Callable[[], object] = lambda: None) -> None:
        """Have the server execute a request; then do what comes ``between``, and hang up without a reply."""
        self.rule = "lose", mark, between

    def hold(self, mark: bytes, *, hangs_up: bool = True) -> None:
        """Keep a request, all that follows on its connection, and the connection to the server; the client may see."""
        self.is_held.clear()
        self.rule = "cut" if hangs_up else "mute", mark, lambda: None

    def stall(self, mark: bytes) -> None:
        """Read no more from a connection behind the first bytes of a request."""
        self.is_held.clear()
        self.flows.clear()
        self.rule = "stall", mark, lambda: None

    @contextlib.contextmanager
    def unreachable(self) -> Generator[None]:
        """Hang up on clients that connect meanwhile; the connections that are there stay."""
        upstream, self.upstream = self.upstream, "/nowhere"
        try:
            yield
        finally:
            self.upstream = upstream

    def await_end(self) -> None:
        """Wait until the server has ended the connection whose request is held."""
        assert self.held is not None, "nothing is held"
        assert self.held.is_over.wait(_LONGEST_S), "the server does not hang up"

    def deliver(self) -> bytes:
        """Deliver what was held; give what the server says to it, nothing where it has ended the connection."""
        assert self.held is not None, "nothing is held"
        relayed, self.held = self.held, None
        relayed.is_delivered = True
        with contextlib.suppress(OSError):
            relayed.server.sendall(relayed.kept)
        assert relayed.is_answered.wait(_LONGEST_S), "the server neither answers nor hangs up"
        return bytes(relayed.first_reply)

    def flow(self) -> None:
        """Let a stalled connection go on; come back when the server has seen all that its client sent."""
        assert self.held is not None, "nothing is stalled"
        relayed, self.held = self.held, None
        self.flows.set()
        assert relayed.is_over.wait(_LONGEST_S), "the server does not hang up"

    def close(self) -> None:
        """End every connection."""
        self.flows.set()
        hang_up(self._listener)
        for relayed in self._links:
            hang_up(relayed.client, relayed.server)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self.upstream)
            except OSError:
                hang_up(client, server)
                continue
            relayed = _Relayed(self, client, server)
            self._links.append(relayed)
            threading.Thread(target=relayed.pass_requests, daemon=True).start()
            threading.Thread(target=relayed.pass_replies, daemon=True).start()


class _Relayed:
    """One client, and its way to the server.

    Attributes:
        kept: What is held.
        is_delivered: Whether that has been sent on.
        first_reply: The first reply to that.
        is_answered: Set when there is one, or the server has hung up.
        is_over: Set when the server has hung up.
    """

    def __init__(self, box: Middlebox, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server, self._box = client, server, box
        self.kept, self.first_reply, self.is_delivered = bytearray(), bytearray(), False
        self.is_answered, self.is_over = threading.Event(), threading.Event()
        self._fate: tuple[str, Callable[[], object]] = "", lambda: None

    def pass_requests(self) -> None:
        with contextlib.suppress(OSError):
            while chunk := self.client.recv(_CHUNK):
                rule = self._box.rule
                if not self._fate[0] and rule is not None and rule[1] in chunk:
                    self._box.rule, self._fate = None, (rule[0], rule[2])
                if self._fate[0] in ("cut", "mute"):
                    self._keep(chunk)
                    return
                self.server.sendall(chunk)
                if self._fate[0] == "stall" and not self._box.flows.is_set():
                    self._box.held = self
                    self._box.is_held.set()
                    self._box.flows.wait(_LONGEST_S)
        with contextlib.suppress(OSError):
            self.server.shutdown(socket.SHUT_WR)

    def _keep(self, chunk: bytes) -> None:
        self.kept += chunk
        self._box.held = self
        if self._fate[0] == "cut":
            hang_up(self.client)
        self._box.is_held.set()
        with contextlib.suppress(OSError):
            while chunk := self.client.recv(_CHUNK):
                self.kept += chunk

    def pass_replies(self) -> None:
        with contextlib.suppress(OSError):
            while chunk := self.server.recv(_CHUNK):
                if self._fate[0] in ("cut", "mute"):
                    if self.is_delivered:  # else it is of what was sent before that
                        self.first_reply += chunk
                        self.is_answered.set()
                elif self._fate[0] == "lose" and b"NOSCRIPT" not in chunk:
                    self._box.lost += 1
                    self._fate[1]()
                    break
                else:
                    with contextlib.suppress(OSError):  # who hung up may still be executed
                        self.client.sendall(chunk)
        self.is_answered.set()
        self.is_over.set()
        hang_up(self.client, self.server)


def hang_up(*sockets: Any) -> None:
    """End sockets."""
    for writer in sockets:
        with contextlib.suppress(OSError):
            writer.shutdown(socket.SHUT_RDWR)
        writer.close()
