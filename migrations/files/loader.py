"""Migration files on disk: loads a folder as a chain, and writes files. It uses neither models nor Redis."""

import ast
import hashlib
import importlib.util
import os
import re
import sys
import tempfile
import traceback
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Final, cast

from redis_models.errors import MigrationFileError
from redis_models.project.imports import shown_path

from ..chain.chain import Chain
from ..chain.loaded_migration import LoadedMigration
from ..chain.migration import Migration
from ..chain.replaces import Replaced, read_replaced
from ..operations import Operation
from .lint import CODES, complaints_of
from .source_edit import nodes_of_reverse, outline, star_imports

__all__ = [
    "HEAD",
    "exchange_migrations",
    "load_chain",
    "load_migrations",
    "migration_from_text",
    "replace_file",
    "write_migration",
]

HEAD: Final = "HEAD"  # holds the id of the last migration, so that two branches that each add one collide in git
_NAME: Final = re.compile(r"(\d{4,})_\w+")
_ID: Final = re.compile(r"[\w-]{1,64}", re.ASCII)


def load_chain(label: str, directory: Path) -> Chain:
    """Read all migrations of an app.

    Args:
        label: Label of the app.
        directory: Its folder of migrations; without it, the chain is empty.

    Raises:
        MigrationFileError: A file cannot be read or does not fit.
    """
    chain = Chain(label, tuple(load_migrations(label, directory)))
    if directory.exists():
        _check_head(directory, chain)
    return chain


def load_migrations(label: str, directory: Path) -> list[LoadedMigration]:
    """Read all migrations of an app, even if they do not form one line.

    Raises:
        MigrationFileError: A file cannot be read.
    """
    return (
        [migration_from_text(label, path, _read(path)) for path in _files_in(directory)] if directory.exists() else []
    )


def migration_from_text(label: str, path: Path, source: bytes) -> LoadedMigration:
    """Load the text of a file as a migration; the file need not exist yet.

    Raises:
        MigrationFileError: The text is not valid Python, raises an error, or does not declare a valid migration.
    """
    shown = shown_path(path)
    found = _NAME.fullmatch(path.stem)
    if found is None:
        raise MigrationFileError(
            shown,
            "is not the name of a migration; rename it like 0004_rename_name.py; other files must begin with _",
        )
    tree = _parsed(shown, source)
    migration = _migration_of(shown, _run(f"_redis_migrations.{label}.{path.stem}", path, tree))
    return LoadedMigration(
        number=int(found[1]),
        name=path.stem,
        path=shown,
        id=_id(shown, migration),
        previous=_previous(shown, migration),
        versions=_versions(shown, migration),
        operations=_operations(shown, migration),
        checksum=_checksum(tree, {id(node) for node in (*_reasons_in(tree), *nodes_of_reverse(tree))}),
        whole_checksum=_checksum(tree, ()),
        replaces=_replaces(shown, migration),
        allow=_allow(shown, migration),
        complaints=tuple(complaints_of(tree)),
        star_imports=tuple(star_imports(tree)),
    )


def write_migration(directory: Path, name: str, text: str, id: str) -> Path:
    """Write a migration and make it the head: both, or neither.

    A process that dies in between leaves a file that HEAD does not name yet; ``load_chain`` then says what to do.

    Args:
        directory: The folder of migrations; created if it is missing.
        name: Name of the file without ``.py``.
        text: Its content.
        id: Id of the migration.

    Raises:
        MigrationFileError: The file exists already, or cannot be written.
    """
    path = directory / f"{name}.py"
    try:
        if not directory.exists():
            directory.mkdir(parents=True)
            (directory / "__init__.py").touch()  # packaging tools leave folders without it behind
        _place(path, text)
        try:
            replace_file(directory / HEAD, f"{id}\n")
        except OSError:
            path.unlink()
            raise
    except FileExistsError as exc:
        raise MigrationFileError(shown_path(path), "exists already; nothing was written") from exc
    except OSError as exc:
        raise MigrationFileError(shown_path(path), f"cannot be written: {exc.strerror}; nothing was written") from exc
    return path


def exchange_migrations(directory: Path, texts: Mapping[str, str], gone: Sequence[str], head: str) -> None:
    """Replace files: write the new ones, then HEAD, then delete the old ones.

    A process that dies in between leaves both old and new files, which ``load_chain`` refuses by name; version control
    has the old state.

    Args:
        directory: The folder of migrations.
        texts: Content by the name of a file without ``.py``.
        gone: Names of the files to delete.
        head: Id of the last migration afterwards.

    Raises:
        MigrationFileError: A file cannot be written.
    """
    try:
        for name, text in texts.items():
            replace_file(directory / f"{name}.py", text)
        replace_file(directory / HEAD, f"{head}\n")
        for name in gone:
            if name not in texts:
                (directory / f"{name}.py").unlink(missing_ok=True)
    except OSError as exc:
        raise MigrationFileError(
            shown_path(directory), f"cannot be written: {exc.strerror}; look at git status"
        ) from exc


def _place(path: Path, text: str) -> None:
    """Create a complete file; raises FileExistsError if it exists."""
    temporary = _temporary(path, text)
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if path.exists():
            raise FileExistsError(path) from None
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def replace_file(path: Path, text: str) -> None:
    """Write a file completely or not at all; raises OSError."""
    temporary = _temporary(path, text)
    try:
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _temporary(path: Path, text: str) -> Path:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o666 & ~_umask())  # mkstemp's 0600 would hide the file from other users
    except BaseException:
        os.unlink(name)
        raise
    return Path(name)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _files_in(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if path.suffix == ".py" and path.name[0] not in "._")
    except OSError as exc:
        raise MigrationFileError(shown_path(directory), f"is not a readable folder: {exc.strerror}") from exc


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise MigrationFileError(shown_path(path), f"cannot be read: {exc.strerror}") from exc


def _parsed(shown: str, source: bytes) -> ast.Module:
    try:
        return ast.parse(source, shown)
    except SyntaxError as exc:
        raise MigrationFileError(shown, f"line {exc.lineno or 1}: {exc.msg}") from exc
    except (ValueError, RecursionError) as exc:  # a zero byte, or too deep nesting
        raise MigrationFileError(shown, f"is not valid Python: {exc}") from exc


def _run(name: str, path: Path, tree: ast.Module) -> ModuleType:
    """Run a file as a module.

    It does not use the cache of the import system, so that the executed text is the one of the checksum, even if the
    file changed twice in a second.
    """
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pydantic look up the names of an annotation there
    try:
        exec(compile(tree, str(path), "exec", dont_inherit=True), module.__dict__)
    # A file runs code of the user, which may raise any exception, even SystemExit.
    except (Exception, SystemExit) as exc:
        del sys.modules[name]
        raise MigrationFileError(shown_path(path), f"raised {_quote(exc, path)}") from exc
    return module


def _quote(exc: BaseException, path: Path) -> str:
    lines = [frame.lineno for frame in traceback.extract_tb(exc.__traceback__) if frame.filename == str(path)]
    place = f" (line {lines[-1]})" if lines else ""
    return f"{type(exc).__name__}: {' '.join(str(exc).split())}{place}"


def _migration_of(shown: str, module: ModuleType) -> type[Migration]:
    migration = module.__dict__.get("Migration")
    if not isinstance(migration, type) or migration is Migration:
        raise MigrationFileError(shown, "has no class Migration; write class Migration(migrations.Migration): ...")
    if not issubclass(migration, Migration):
        raise MigrationFileError(
            shown, "its class Migration has another base; write class Migration(migrations.Migration): ..."
        )
    return migration


def _declared(migration: type[Migration], attribute: str) -> object:
    """Return an attribute without its declared type, because the file was not type-checked."""
    return getattr(migration, attribute)


def _id(shown: str, migration: type[Migration]) -> str:
    id = _declared(migration, "id")
    if not isinstance(id, str) or not _ID.fullmatch(id):
        what = f"id = {id!r}" if id else "no id"
        raise MigrationFileError(
            shown, f"has {what}; write a text that no other migration has, such as id = '51d09a3c'"
        )
    return id


def _previous(shown: str, migration: type[Migration]) -> str | None:
    previous = _declared(migration, "previous")
    if previous is None or isinstance(previous, str):
        return previous
    raise MigrationFileError(shown, f"has previous = {previous!r}; write the id of the migration before, or None")


def _versions(shown: str, migration: type[Migration]) -> Mapping[str, int]:
    versions = _declared(migration, "versions")
    if isinstance(versions, Mapping):
        pairs = cast("Mapping[object, object]", versions).items()
        if all(isinstance(name, str) and type(version) is int for name, version in pairs):
            return dict(cast("Mapping[str, int]", versions))
    raise MigrationFileError(shown, f"has versions = {versions!r}; write a whole number by model: {{'Customer': 3}}")


def _replaces(shown: str, migration: type[Migration]) -> tuple[Replaced, ...]:
    replaces = _declared(migration, "replaces")
    found = read_replaced(replaces)
    if found is None:
        raise MigrationFileError(
            shown,
            f"has replaces = {replaces!r:.60}; write a list of ids; for a squashed migration write a mapping of its id"
            " to its list",
        )
    return found


def _allow(shown: str, migration: type[Migration]) -> Mapping[str, str]:
    allow = _declared(migration, "allow")
    if isinstance(allow, Mapping):
        pairs = cast("Mapping[object, object]", allow).items()
        if all(code in CODES and isinstance(reason, str) and reason.strip() for code, reason in pairs):
            return dict(cast("Mapping[str, str]", allow))
    raise MigrationFileError(
        shown, f"has allow = {allow!r:.80}; write a reason by the code of a rule, like {{'RM102': 'not used any more'}}"
    )


def _operations(shown: str, migration: type[Migration]) -> tuple[Operation, ...]:
    operations = _declared(migration, "operations")
    if not isinstance(operations, Sequence) or isinstance(operations, str):
        raise MigrationFileError(shown, f"has operations = {operations!r:.60}; write a list of operations")
    for number, operation in enumerate(cast("Sequence[object]", operations), start=1):
        if not isinstance(operation, Operation):
            raise MigrationFileError(
                shown, f"operation {number} is {operation!r:.60}; write an operation such as migrations.AddField(...)"
            )
    return tuple(cast("Sequence[Operation]", operations))


def _checksum(tree: ast.Module, left_out: Container[int]) -> str:
    """Return the digest of what a file does, without comments, formatting and docstrings, in every version of Python.

    It omits reasons (``allow``) and options that only taking back uses, so that they can be added to an applied file.
    """
    return hashlib.sha256(repr(outline(tree, left_out)).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _reasons_in(tree: ast.Module) -> Iterator[ast.stmt]:
    """Return the statements of the class ``Migration`` that set ``allow``."""
    for node in tree.body:
        for statement in node.body if isinstance(node, ast.ClassDef) and node.name == "Migration" else ():
            targets = (
                statement.targets
                if isinstance(statement, ast.Assign)
                else [statement.target]
                if isinstance(statement, ast.AnnAssign)
                else []
            )
            if targets and all(isinstance(target, ast.Name) and target.id == "allow" for target in targets):
                yield statement


def _check_head(directory: Path, chain: Chain) -> None:
    """Refuse a HEAD that does not name the last migration. It may be missing, because wheels omit it."""
    path = directory / HEAD
    if not path.exists():
        return
    head = _read(path).decode("utf-8", "replace").strip()
    last = chain.migrations[-1].id if chain.migrations else ""
    if head == last:
        return
    raise MigrationFileError(shown_path(path), _complaint(head, last, chain))


def _complaint(head: str, last: str, chain: Chain) -> str:
    if "<<<<<<<" in head:
        return (
            "has conflict markers of git: two branches each created a migration; run"
            f" 'redis-models rebase {chain.app}',"
            f" then write {last!r} here, the id of the last"
        )
    for migration in chain.migrations:
        if migration.id == head:
            return f"names {head!r} ({migration.name}), but the last migration is {last!r}; write that here"
    cure = f"or write {last!r} here, the id of the last" if last else "or empty HEAD"
    return f"names {head!r}, but no file here has this id; restore the file, {cure}"
