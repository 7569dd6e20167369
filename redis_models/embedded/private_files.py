"""Private files: check that a directory and its files belong to this user alone; open files without following links.

A user who may write into the directory, or replace one of its parents, could create a socket there and pose as our
server, or a link that makes us write elsewhere. So no other user may write there. Owners of parent directories are
trusted: mostly they own the project, whose code this user runs already, as root in a container does with a mounted
folder; and a directory that such an owner puts in its place would not belong to this user.
"""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from ..errors import EmbeddedServerError

if sys.platform != "win32":
    import grp
    import pwd

__all__ = ["check_private", "check_tree", "make_private", "open_private"]

_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
_ROOT: Final = 0


def make_private(path: Path) -> None:
    """Make a directory for this user alone, and its parents, which others may read, whatever the umask is."""
    for parent in reversed(path.parents):
        if not parent.exists():
            parent.mkdir(mode=0o755, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)


def check_private(path: Path) -> None:
    """Check a directory and its parents.

    Args:
        path: Absolute, without symbolic links.

    Raises:
        EmbeddedServerError: It belongs to another user, or others may write into it or replace it.
    """
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise EmbeddedServerError(f"{path}: is not a directory any more; find out what replaced it, then start again")
    user = os.geteuid()
    if status.st_uid != user:
        raise EmbeddedServerError(
            f"{path}: belongs to user {_user(status.st_uid)}, but this process runs as {_user(user)}; run it as the"
            f" owner, or run 'chown -R {_user(user)} {path}', or name another directory"
        )
    if status.st_mode & _OTHERS:
        raise EmbeddedServerError(
            f"{path}: others may write there (mode {_mode(status)}), and could pose as its server;"
            f" 'chmod go-w {path}', or name a directory inside it"
        )
    for parent in path.parents:
        _check_parent(path, parent, parent.lstat())


def check_tree(path: Path) -> None:
    """Check every file of a directory that the server opens by itself.

    Raises:
        EmbeddedServerError: A file is a link, or belongs to another user.
    """
    is_open = bool(path.lstat().st_mode & (stat.S_IXGRP | stat.S_IXOTH))  # so that the modes within matter
    for entry in _entries(path):
        with suppress(FileNotFoundError):  # a running server makes files and removes them
            status = entry.stat(follow_symlinks=False)
            _check_file(entry.path, status)
            if is_open and not stat.S_ISLNK(status.st_mode) and status.st_mode & _OTHERS:
                raise EmbeddedServerError(
                    f"{entry.path}: others may write there (mode {_mode(status)}); 'chmod -R go-w {path}'"
                )


def open_private(path: str, flags: int) -> int:
    """Open a file of ours without following a link; it is created if ``flags`` say so.

    Raises:
        EmbeddedServerError: It is a link, or belongs to another user.
        OSError: It cannot be opened.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        pass
    else:
        _check_file(path, found)
    # Without waiting for a writer, should it be a FIFO by now.
    file = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    try:
        _check_file(path, os.fstat(file))
    except BaseException:
        os.close(file)
        raise
    return file


def _entries(path: Path) -> Iterator["os.DirEntry[str]"]:
    with suppress(FileNotFoundError), os.scandir(path) as found:
        for entry in found:
            yield entry
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(Path(entry.path))


def _check_file(path: str, status: os.stat_result) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFLNK:
        if os.path.basename(path) == "db.sock":
            return  # our own link to a shorter path; it is made again at each start
        raise EmbeddedServerError(
            f"{path}: is a symbolic link, and a private server follows none; 'rm {path}', and move what it leads"
            " to here"
        )
    if status.st_uid != os.geteuid():
        raise EmbeddedServerError(
            f"{path}: belongs to user {_user(status.st_uid)}, in the directory of {_user(os.geteuid())};"
            f" 'chown {_user(os.geteuid())} {path}' if that is meant, or remove it"
        )
    if kind == stat.S_IFREG and status.st_nlink > 1:
        raise EmbeddedServerError(
            f"{path}: is a hard link, so that another file would change with it; 'cp {path} {path}.new' and"
            f" 'mv {path}.new {path}' make it one of its own"
        )


def _check_parent(path: Path, parent: Path, status: os.stat_result) -> None:
    others = status.st_mode & _OTHERS
    if not others or status.st_mode & stat.S_ISVTX:
        return  # with the sticky bit, only the owner of an entry may replace it
    if others == stat.S_IWGRP and _is_private_group(status.st_gid, status.st_uid):
        return
    raise EmbeddedServerError(
        f"{path}: others could put another directory in its place, as they may write in {parent}"
        f" (mode {_mode(status)}); 'chmod go-w {parent}', or name another directory"
    )


def _is_private_group(gid: int, owner: int) -> bool:
    """Whether a group is root's, or a user's private group, which many systems use together with umask 002.

    Another user's private group has that user's number; inside a container neither may have a name.
    """
    if gid == _ROOT or gid == owner != os.geteuid():
        return True
    try:
        me, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return group.gr_name == me.pw_name and me.pw_gid == gid and set(group.gr_mem) <= {me.pw_name}


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _mode(status: os.stat_result) -> str:
    return f"{stat.S_IMODE(status.st_mode):04o}"
