"""Write records: each verb once, as a generator of command batches (see ``batches``).

Every write goes through one script that first looks at the stamp of each record: it refuses to touch a record of a
newer version, and one of an older version is brought up before it is written. Deleting, and changing a life span, need
to know nothing of a record's fields, and take records of any version.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from .batches import Argument, Batches, Command, Reply, call, check, load_script, send
from .errors import (
    ConflictError,
    DataError,
    InvalidPrimaryKeyError,
    NotFoundError,
    RecordTooNewError,
    RecordTooOldError,
    WrongKeyTypeError,
)
from .reading import index_after, no_index
from .shape import Shape, stored_version
from .store import Upgrader

if TYPE_CHECKING:
    from .model import Model

__all__ = ["WRITE_CHUNK", "delete", "delete_all", "expire", "insert", "patch", "persist", "save"]

M = TypeVar("M", bound="Model")
Writes = Sequence[tuple[str, Mapping[str, bytes]]]  # keys of records, and the stored fields to write there
WRITE_CHUNK: Final = 100  # records a script: its longest stop of the server stays under a millisecond or two
_SCRIPTS_A_BATCH: Final = 20
_TRIES: Final = 8  # of writing records that somebody else puts back to an older version each time
_WRITE: Final = load_script("redis_models", "write")
_DELETE: Final = load_script("redis_models", "delete")


def insert(
    shape: Shape[M], upgrader: Upgrader | None, instances: Sequence[M], life_ms: int | None
) -> Batches[list[object]]:
    """Write whole records, new or not; fields that the model does not declare stay.

    Args:
        shape: The model.
        upgrader: What brings up older records that are overwritten.
        instances: What to write, at most 100 of them atomically; more go in several scripts.
        life_ms: Life span in milliseconds, or None to leave it as it is.

    Returns:
        As the seed: for each record the number of new fields, then 1 if the index did not have it, else 0; with a life
        span, True after each of them.

    Raises:
        RecordTooNewError: Newer code wrote one of them; no record of its 100 was written.
    """
    writes = [(shape.key_of(getattr(instance, shape.primary_key)), shape.encode(instance)) for instance in instances]
    replies = yield from _write(shape, upgrader, "upsert", writes, life_ms)
    for instance, (key, fields) in zip(instances, writes, strict=True):
        object.__setattr__(instance, "__record__", (key, fields))
    if life_ms is None:
        return [figure for pair in replies for figure in pair]
    return [figure for new, added in replies for figure in (new, True, added, True)]


def save(shape: Shape[M], upgrader: Upgrader | None, instance: M, life_ms: int | None) -> Batches[None]:
    """Write what changed since the instance was loaded or saved; a new instance is written whole.

    Raises:
        NotFoundError: The record was deleted meanwhile; it is not created again.
        InvalidPrimaryKeyError: The primary key of a stored instance was changed.
    """
    known: tuple[str, dict[str, bytes]] | None = getattr(instance, "__record__", None)
    if known is None:
        yield from insert(shape, upgrader, [instance], life_ms)
        return
    pk = getattr(instance, shape.primary_key)
    key, stored = known
    if shape.key_of(pk) != key:
        raise InvalidPrimaryKeyError(
            shape.model.__name__, pk, f"was changed, but the record lies at {key!r}; insert a copy and delete that one"
        )
    fields = shape.encode(instance)
    changed = {name: raw for name, raw in fields.items() if stored.get(name) != raw}
    if changed:
        yield from _write(shape, upgrader, "update", [(key, changed)], None)
        object.__setattr__(instance, "__record__", (key, fields))


def patch(shape: Shape[M], upgrader: Upgrader | None, key: str, changes: Mapping[str, object]) -> Batches[None]:
    """Write some fields of an existing record.

    Args:
        shape: The model.
        upgrader: What brings an older record up first.
        key: Where it lies.
        changes: Validated values by field.

    Raises:
        NotFoundError: There is no such record.
    """
    encoded = {name: shape.encode_field(shape.field(name), value) for name, value in changes.items()}
    if encoded:
        yield from _write(shape, upgrader, "update", [(key, encoded)], None)


def delete(shape: Shape[M], keys: Sequence[str]) -> Batches[tuple[int, int]]:
    """Delete records, of whatever version.

    Returns:
        How many records existed, and how many members the index lost.

    Raises:
        WrongKeyTypeError: One of the keys holds no hash; none of its 100 is deleted.
    """
    commands = [
        _DELETE.command([shape.keys.index, *keys[start : start + WRITE_CHUNK]], ())
        for start in range(0, len(keys), WRITE_CHUNK)
    ]
    records = members = 0
    for place, reply in enumerate(check((yield from call(_DELETE, commands)))):
        if error := _refusal(shape, keys[place * WRITE_CHUNK :], reply):
            raise error
        gone, removed = cast("list[int]", reply)
        records, members = records + gone, members + removed
    return records, members


def delete_all(shape: Shape[M]) -> Batches[int]:
    """Delete every record of the index, in bounded steps; give how many existed."""
    total = 0
    while True:
        # From the start each time: what was there is gone, and what is inserted meanwhile is met too.
        page = yield from index_after(shape, None, WRITE_CHUNK * _SCRIPTS_A_BATCH)
        if not page:
            return total
        records, _ = yield from delete(shape, page)
        total += records


def expire(shape: Shape[M], key: str, life_ms: int) -> Batches[None]:
    """Give a record a life span, from now; ``NotFoundError`` if there is none."""
    [reply] = yield from send([("PEXPIRE", key, life_ms)])
    if reply != 1:
        raise NotFoundError(shape.model.__name__, key)


def persist(shape: Shape[M], key: str) -> Batches[None]:
    """Take a record's life span away; ``NotFoundError`` if there is no record."""
    _, there = yield from send([("PERSIST", key), ("EXISTS", key)])
    if there != 1:
        raise NotFoundError(shape.model.__name__, key)


def _write(
    shape: Shape[M],
    upgrader: Upgrader | None,
    mode: str,
    writes: Writes,
    life_ms: int | None,
) -> Batches[list[list[int]]]:
    chunks = [writes[start : start + WRITE_CHUNK] for start in range(0, len(writes), WRITE_CHUNK)]
    results: list[list[int]] = []
    for start in range(0, len(chunks), _SCRIPTS_A_BATCH):
        some = chunks[start : start + _SCRIPTS_A_BATCH]
        commands = [_write_command(shape, mode, chunk, life_ms) for chunk in some]
        replies = check((yield from call(_WRITE, commands)))
        for chunk, command, reply in zip(some, commands, replies, strict=True):
            results.extend((yield from _settled(shape, upgrader, [key for key, _ in chunk], command, reply)))
    return results


def _write_command(shape: Shape[M], mode: str, writes: Writes, life_ms: int | None) -> Command:
    arguments: list[Argument] = [mode, shape.version, "" if life_ms is None else life_ms]
    for _, fields in writes:
        arguments.append(2 * len(fields))
        for pair in fields.items():
            arguments.extend(pair)
    return _WRITE.command([shape.keys.index, *(key for key, _ in writes)], arguments)


def _settled(
    shape: Shape[M], upgrader: Upgrader | None, keys: Sequence[str], command: Command, reply: Reply
) -> Batches[list[list[int]]]:
    """Give the figures of an applied script; bring older records up and try again; raise what refuses it."""
    for _ in range(_TRIES):
        error = _refusal(shape, keys, reply)
        if error is None:
            return cast("list[list[int]]", reply)
        if not isinstance(error, RecordTooOldError) or upgrader is None:
            raise error
        for key in _refused_keys(keys, reply):
            yield from upgrader.rewrite(shape.model, key)
        [reply] = check((yield from call(_WRITE, [command])))
    raise ConflictError(
        keys[0], f"not written, because somebody puts it or one of the {len(keys)} beside it back to an older version"
    )


def _refused_keys(keys: Sequence[str], reply: Reply) -> Iterable[str]:
    return [keys[place - 1] for place in cast("list[int]", reply)[2::2]]


def _refusal(shape: Shape[Any], keys: Sequence[str], reply: Reply) -> DataError | None:
    """Give the error that a script's refusal of the first record in it means; None if it was applied."""
    answer = cast("list[bytes | int]", reply)
    if not answer or answer[0] != b"REFUSED":
        return None
    _, reason, place, stored = answer[:4]
    if reason == b"INDEX":
        return no_index(shape)
    key = keys[cast(int, place) - 1]
    if reason == b"TYPE":
        return WrongKeyTypeError(key)
    if reason == b"GONE":
        return NotFoundError(shape.model.__name__, key)
    try:
        version = stored_version(key, cast(bytes, stored))
    except DataError as exc:
        return exc
    kind = RecordTooOldError if reason == b"OLDER" else RecordTooNewError
    return kind(key, version, shape.version)
