"""The unix socket of an embedded server: its path, and the two commands that are sent to it without a client."""

import os
import socket
import stat
import tempfile
import time
from pathlib import Path
from typing import Final

from ..errors import EmbeddedServerError

__all__ = [
    "LONGEST_SOCKET",
    "PATIENCE",
    "PING",
    "POLL",
    "SHUTDOWN",
    "ask",
    "await_end",
    "claim_folder",
    "is_ready",
    "runtime_folder",
]

PATIENCE: Final = 10.0  # seconds without an answer before we give up
POLL: Final = 0.003  # seconds between two tries
LONGEST_SOCKET: Final = 100  # bytes of a path; the kernels take 107 (Linux) or 103 (macOS)
PING: Final = b"*1\r\n$4\r\nPING\r\n"
# NOSAVE is the only form that is accepted while a script keeps the server busy; the append-only file is kept up anyway.
SHUTDOWN: Final = b"*2\r\n$8\r\nSHUTDOWN\r\n$6\r\nNOSAVE\r\n"


def ask(path: str, request: bytes) -> bytes:
    """Return the first line of the answer, or nothing if no server listens or the answer takes over a second."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(path)
            connection.sendall(request)
            return connection.recv(512)
    except OSError:
        return b""


def await_end(path: str) -> None:
    """Stop a server of a removed directory that still listens at our path; it would remove our socket at its end."""
    until = time.monotonic() + PATIENCE
    while ask(path, SHUTDOWN) and time.monotonic() < until:
        time.sleep(POLL)


def is_ready(answer: bytes) -> bool:
    """Whether a server answered PING and has loaded its data."""
    return bool(answer) and not answer.startswith(b"-LOADING")


def runtime_folder() -> Path:
    """Give the folder of this user for sockets whose own path would be too long."""
    for parent in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir()):
        if parent and os.path.isdir(parent) and len(os.fsencode(parent)) <= LONGEST_SOCKET - 60:
            return Path(parent, f"redis_models-{os.geteuid()}")
    return Path(f"/tmp/redis_models-{os.geteuid()}")


def claim_folder(folder: Path) -> None:
    """Make that folder, for this user alone.

    Raises:
        EmbeddedServerError: It exists, and others may use it.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise EmbeddedServerError(
            f"{folder}: must be this user's directory, mode 0700, to hold the socket of a directory whose path is too"
            " long for one; correct or remove it, or name a directory with a shorter path"
        )
