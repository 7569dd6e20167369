"""Write records: each verb once, as a generator of command batches (see ``commands``).

Every write goes through a script that first looks at the stamp of each record: it refuses to touch a record of a newer
version, and one of an older version is upgraded before it is written. Deleting a record, or changing its TTL, needs no
knowledge of its fields, and is done whatever its version.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, Literal, TypeVar, cast

from redis.exceptions import NoScriptError

from ..client.commands import Argument, AtMostOnce, Command, Reply, RoundTrips, Script, call, check, load_script
from ..client.drivers import Driver
from ..encoding.raw_text import text_of
from ..errors import (
    ConflictError,
    DataError,
    NotFoundError,
    RecordTooNewError,
    RecordTooOldError,
    UniqueError,
    WrongKeyTypeError,
)
from ..indexes.entries import LONGEST_TEXT
from ..mapping.mapper import Mapper
from ..mapping.stored_field import STAMP, stored_version
from ..mapping.stored_model import StoredModel
from ..mapping.ttl import TtlArgument
from ..store import Upgrader
from .change import Change
from .counter import counter_of
from .indexed_scripts import (
    IndexedCall,
    changing_indexes_error,
    damaged_index_error,
    is_of_other_indexes,
    known_indexes,
    learn_indexes,
)
from .read import index_after, index_error
from .tracking import TrackedState

__all__ = [
    "WRITE_CHUNK",
    "Only",
    "delete",
    "delete_all",
    "expire",
    "increment",
    "patch",
    "save",
    "save_command",
]

M = TypeVar("M", bound=StoredModel)
Only = Literal["new", "existing"] | None  # which records may be written; None means both
ErrorsByReason = Mapping[
    bytes, Callable[[bytes], DataError]
]  # errors that reasons of a script stand for, by what is stored
WRITE_CHUNK: Final = 100  # records a script: its longest stop of the server stays under a millisecond or two
_SCRIPTS_A_BATCH: Final = 20
_MOST_ARGUMENTS: Final = 7000  # that a script can pass to one command
_OF_UNIQUE: Final = (b"TAKEN", b"CUT", b"OTHER")
_TRIES: Final = 8  # of writing records that another client puts back to an older version each time
_DELETE: Final = load_script("redis_models", "permissions", "fence", "delete")
_EXPIRE: Final = load_script("redis_models", "permissions", "expire")
_SAVE: Final = load_script("redis_models", "permissions", "stamp", "fence", "guard", "save")
_INCREMENT: Final = load_script("redis_models", "permissions", "stamp", "fence", "guard", "increment")


def save(
    mapper: Mapper[M],
    upgrader: Upgrader | None,
    instance: M,
    known: TrackedState,
    ttl: TtlArgument,
    if_unchanged: bool = False,
    assigned: str | None = None,
    *,
    always: bool = False,
) -> RoundTrips[None]:
    """Write what changed since the instance was loaded or saved.

    Args:
        mapper: The model.
        upgrader: Upgrades an older record first.
        instance: The instance to write.
        known: Its tracked state.
        ttl: As the script takes it.
        if_unchanged: Whether another writer's change since then is an error.
        assigned: A field to write, changed or not.
        always: Whether to ask for the record even if nothing changed.

    Raises:
        NotFoundError: The record was deleted meanwhile; it is not created again.
        ConflictError: Another client changed it, and ``if_unchanged`` is set.
        InvalidPrimaryKeyError: The primary key of a stored instance was changed.
    """
    key = known.key_for(mapper, instance)
    change = known.change(mapper, instance, assigned)
    if not change and not if_unchanged and not always and ttl == "":
        known.mark_saved(change)
        return
    try:
        command = save_command(mapper, key, change, ttl, known.stored if if_unchanged else None)
        # Its own success would look like another client's change to a second try.
        [reply] = yield AtMostOnce([command]) if if_unchanged else [command]
        if type(reply) is not int:  # nearly never
            expected = known.stored if if_unchanged else None
            attempt = ScriptCall(
                _SAVE, known_indexes(mapper.keys), [key], _save_arguments(mapper, change, ttl, expected), if_unchanged
            )
            if isinstance(reply, NoScriptError):
                [reply] = yield from call(attempt.script, [attempt.command], once=if_unchanged)
            yield from resolve_reply(mapper, upgrader, attempt, check([reply])[0])
    except BaseException as exc:
        known.mark_unknown(change, exc)
        raise
    known.mark_saved(change)


def save_at_once(mapper: Mapper[M], driver: Driver, instance: M, known: TrackedState, assigned: str) -> bool:
    """Do what ``save`` does for an assignment, in one exchange and without a generator, which takes a tenth less time.

    Returns:
        Whether it is written; if not, nothing was, and ``save`` must do it.
    """
    key, change = known.key_for(mapper, instance), known.change(mapper, instance, assigned)
    try:
        [reply] = driver.exchange((save_command(mapper, key, change),)) if change else [0]
    except BaseException as exc:
        known.mark_unknown(change, exc)
        raise
    if type(reply) is not int:
        return False
    known.mark_saved(change)
    return True


def patch(mapper: Mapper[M], upgrader: Upgrader | None, key: str, changes: Mapping[str, object]) -> RoundTrips[None]:
    """Write some fields of an existing record.

    Args:
        mapper: The model.
        upgrader: Upgrades an older record first.
        key: Its key.
        changes: Validated values by field.

    Raises:
        NotFoundError: There is no such record.
    """
    encoded = mapper.encode_some(changes)
    arguments = _save_arguments(mapper, Change(encoded, {}, [], {}), "", None)
    yield from run_script(mapper, upgrader, ScriptCall(_SAVE, known_indexes(mapper.keys), [key], arguments))


def increment(mapper: Mapper[M], upgrader: Upgrader | None, key: str, name: str, by: object) -> RoundTrips[int | float]:
    """Add to a number in an existing record, never twice, and give the sum.

    Raises:
        NotFoundError: There is no such record.
        EncodeError: The field is not a number, ``by`` does not fit its type, or the sum would leave its range.
        DecodeError: The field holds no such number.
    """
    counter = counter_of(mapper, name, by)
    adding = counter.increment(by)
    kind = "int" if counter.is_int else "float"
    # As text that reads back the same, whichever client packs it.
    number, low, high = repr(adding.by), repr(adding.low), repr(adding.high)
    arguments = (mapper.version, name, number, adding.start, kind, low, high)
    meanings: ErrorsByReason = {
        b"VALUE": partial(counter.no_number, key),
        b"RANGE": partial(counter.out_of_range, by),
    }
    attempt = ScriptCall(_INCREMENT, known_indexes(mapper.keys), [key], arguments, True, meanings)
    total = yield from run_script(mapper, upgrader, attempt)
    return int(cast(bytes, total)) if counter.is_int else float(cast(bytes, total))


def delete(mapper: Mapper[M], keys: Sequence[str], *, only_hashes: bool = False) -> RoundTrips[tuple[int, int]]:
    """Delete records, of whatever version.

    Args:
        mapper: The model.
        keys: Their keys.
        only_hashes: Pass over keys that do not hold a hash, hence no record.

    Returns:
        How many records existed, and how many members the index lost.

    Raises:
        WrongKeyTypeError: One of the keys holds no hash; none of its 100 is deleted.

    Cost:
        One script call for every 100; 20 calls a round trip.
    """
    chunks = [keys[start : start + WRITE_CHUNK] for start in range(0, len(keys), WRITE_CHUNK)]
    records = members = 0
    for start in range(0, len(chunks), _SCRIPTS_A_BATCH):
        group = chunks[start : start + _SCRIPTS_A_BATCH]
        indexes, options = known_indexes(mapper.keys), ("1" if only_hashes else "",)
        attempts = [ScriptCall(_DELETE, indexes, chunk, options, once=True) for chunk in group]
        commands = [attempt.command for attempt in attempts]
        # A second execution would not count the records that the first one deleted.
        replies = check((yield from call(indexes.script(_DELETE), commands, once=True)))
        for attempt, first in zip(attempts, replies, strict=True):
            reply = yield from resolve_reply(mapper, None, attempt, first)
            gone, removed = cast("list[int]", reply)
            records, members = records + gone, members + removed
    return records, members


def delete_all(mapper: Mapper[M]) -> RoundTrips[int]:
    """Delete every record of the index, in bounded steps; give how many existed.

    Members of the index that are not records of the model stay, in the index and at their keys.
    """
    total, after = 0, None
    while True:
        # From the start while nothing stays behind, so that records inserted meanwhile are found too.
        page = yield from index_after(mapper, after, WRITE_CHUNK * _SCRIPTS_A_BATCH)
        if not page:
            return total
        records, members = yield from delete(mapper, page, only_hashes=True)
        total += records
        if members < len(page):
            after = page[-1]


def expire(mapper: Mapper[M], key: str, ttl: TtlArgument) -> RoundTrips[None]:
    """Change the TTL of a record, from now.

    Args:
        mapper: The model.
        key: Its key.
        ttl: As the script takes it.

    Raises:
        NotFoundError: There is no such record.
        WrongKeyTypeError: The key holds no hash.
    """
    [reply] = check((yield from call(_EXPIRE, [_EXPIRE.command([mapper.keys.index, key], [ttl])])))
    if error := _refusal(mapper, [key], reply):
        raise error


@dataclass(frozen=True)
class ScriptCall(IndexedCall):
    """A script call that may be refused, and repeated after the process learned of indexes or older records are upgraded.

    Attributes:
        keys: Keys of the records.
        once: Whether it must not be executed twice.
        meanings: Errors for the script's own reasons, made of the stored value.
        weight: Bytes of the values that it writes, where there may be many.
        writes_whole: Whether it writes whole records, which may replace older ones that cannot be upgraded.
    """

    keys: Sequence[str]
    once: bool = False
    meanings: ErrorsByReason = field(default_factory=dict[bytes, Callable[[bytes], DataError]])
    weight: int = 0
    writes_whole: bool = False

    def replacing(self, stamps: Mapping[int, bytes]) -> "ScriptCall":
        """Give the call that replaces older records as they are, by their places and the stamps that they have."""
        mode, *arguments = self.arguments
        places = (b" %d:%b" % place_and_stamp for place_and_stamp in stamps.items())
        return replace(self, arguments=(b"".join([str(mode).encode(), *places]), *arguments))


def save_command(
    mapper: Mapper[M],
    key: str,
    change: Change,
    ttl: TtlArgument = "",
    expected: Mapping[str, bytes] | None = None,
) -> Command:
    """Make the call that writes what changed, if the record still has what is ``expected``; its reply is a number."""
    return known_indexes(mapper.keys).command(_SAVE, (key,), _save_arguments(mapper, change, ttl, expected))


def _save_arguments(
    mapper: Mapper[M], change: Change, ttl: TtlArgument, expected: Mapping[str, bytes] | None
) -> list[Argument]:
    arguments: list[Argument] = [mapper.version, ttl, 2 * len(change.written), *flatten(change.written)]
    if change.filled or change.removed or expected is not None:
        for part in (flatten(change.filled), change.removed, flatten(expected or {})):
            arguments += [len(part), *part]
    if expected is not None and mapper.takes_extras:
        arguments.append(STAMP)
    elif expected is not None:
        arguments += [name for name in mapper.names if name not in expected]
    return arguments


def flatten(fields: Mapping[str, bytes]) -> list[Argument]:
    return [part for pair in fields.items() for part in pair]


def run_script(mapper: Mapper[M], upgrader: Upgrader | None, attempt: ScriptCall) -> RoundTrips[Reply]:
    """Call a script, and give its reply as ``resolve_reply`` does."""
    [reply] = check((yield from call(attempt.script, [attempt.command], once=attempt.once)))
    return (yield from resolve_reply(mapper, upgrader, attempt, reply))


def resolve_reply(mapper: Mapper[M], upgrader: Upgrader | None, attempt: ScriptCall, reply: Reply) -> RoundTrips[Reply]:
    """Give the reply of an applied script, or raise the error of a refusal.

    A script that does not know the table's indexes is written anew for them, and one that meets older records is called
    again after they are upgraded. Whole records replace older ones that no migration can upgrade, in the same script as
    all other writes, so that it writes once, or not at all.
    """
    replaced: dict[int, bytes] = {}
    for _ in range(_TRIES):
        if is_of_other_indexes(reply):
            attempt = replace(attempt, indexes=(yield from learn_indexes(mapper.keys)))
        else:
            error = _refusal(mapper, attempt.keys, reply, attempt)
            if error is None:
                return reply
            if not isinstance(error, RecordTooOldError) or upgrader is None:
                raise error
            older = cast("list[Any]", reply)[2:]
            for place, stamp in zip(older[::2], older[1::2], strict=True):
                if not (yield from _is_upgraded(mapper, upgrader, attempt, place)):
                    replaced[place] = stamp
        command = attempt.replacing(replaced).command if replaced else attempt.command
        [reply] = check((yield from call(attempt.script, [command], once=attempt.once)))
    if is_of_other_indexes(reply):
        raise changing_indexes_error(mapper.keys)
    raise ConflictError(
        attempt.keys[0],
        f"not written: older code keeps writing this record, or one of the {len(attempt.keys)} of its batch, at"
        " an older version; stop that code, then try again",
    )


def _is_upgraded(mapper: Mapper[M], upgrader: Upgrader, attempt: ScriptCall, place: int) -> RoundTrips[bool]:
    try:
        yield from upgrader.rewrite(mapper.model, attempt.keys[place - 1])
    except RecordTooOldError:
        raise  # of a version that is not known here, nor what would be lost
    except DataError:
        if not attempt.writes_whole:
            raise
        return False
    return True


def _refusal(
    mapper: Mapper[Any], keys: Sequence[str], reply: Reply, attempt: ScriptCall | None = None
) -> DataError | None:
    """Give the error that a script's refusal of the first record in it means; None if it was applied."""
    if not isinstance(reply, list) or not reply or reply[0] != b"REFUSED":
        return None
    _, reason, place, stored, *details = cast("tuple[Any, ...]", reply)
    if reason == b"INDEX":
        return index_error(mapper)
    if reason == b"FIELD INDEX":
        return damaged_index_error(text_of(details[0]))
    key = keys[cast(int, place) - 1]
    if attempt is not None and reason in _OF_UNIQUE:
        return _unique_error(mapper, attempt, reason, key, details)
    if attempt is not None and reason in attempt.meanings:
        return attempt.meanings[reason](stored)
    if reason in _REFUSALS:
        return _REFUSALS[reason](mapper, key, [text_of(name) for name in details])
    try:
        version = stored_version(key, stored)
    except DataError as exc:
        return exc
    kind = RecordTooOldError if reason == b"OLDER" else RecordTooNewError
    return kind(key, version, mapper.version)


def _unique_error(
    mapper: Mapper[Any], attempt: ScriptCall, reason: bytes, key: str, details: Sequence[Any]
) -> DataError:
    place, *holder = details
    index = attempt.indexes.definitions.indexes[place - 1]
    fields = tuple(part.field for part in index.parts_at(mapper.version) or ())
    if holder:
        return UniqueError(mapper.model.__name__, index.name, fields, key, text_of(holder[0]))
    cause = (
        f"is longer than {LONGEST_TEXT} bytes, of which the index {index.name!r} is unique; shorten it"
        if reason == b"CUT"
        else f"has no entry in the unique index {index.name!r}; store it as the model does"
    )
    return ConflictError(key, f"nothing was written: the value of {' or '.join(fields)} {cause}")


def _wrong_type(mapper: Mapper[Any], key: str, fields: Sequence[str]) -> DataError:
    return WrongKeyTypeError(key)


def _not_found(mapper: Mapper[Any], key: str, fields: Sequence[str]) -> DataError:
    return NotFoundError(mapper.model.__name__, key)


def _exists(mapper: Mapper[Any], key: str, fields: Sequence[str]) -> DataError:
    return ConflictError(key, f"exists already, but only new records of {mapper.model.__name__} are wanted")


def _changed(mapper: Mapper[Any], key: str, fields: Sequence[str]) -> DataError:
    return ConflictError(
        key,
        f"another client changed {', '.join(fields)} since this {mapper.model.__name__} was loaded or saved; nothing"
        " was written. Get the record again, assign, and save that instance",
        fields,
    )


_REFUSALS: Final = {b"TYPE": _wrong_type, b"GONE": _not_found, b"EXISTS": _exists, b"CHANGED": _changed}
