"""Write records: each verb once, as a generator of command batches (see ``commands``).

Every write goes through a script that first looks at the stamp of each record: it refuses to touch a record of a newer
version, and one of an older version is upgraded before it is written. Deleting a record, or changing its TTL, needs no
knowledge of its fields, and is done whatever its version.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
    WrongKeyTypeError,
)
from ..mapping.mapper import Mapper
from ..mapping.stored_field import STAMP, stored_version
from ..mapping.stored_model import StoredModel
from ..mapping.ttl import TtlArgument
from ..store import Upgrader
from .change import Change
from .counter import counter_of
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
WRITE_CHUNK: Final = 100  # records per script, so that it blocks the server for a millisecond or two at most
_SCRIPTS_A_BATCH: Final = 20
_MOST_ARGUMENTS: Final = 7000  # that a script can pass to one command
_TRIES: Final = 8  # to write records that another client sets back to an older version each time
_DELETE: Final = load_script("redis_models", "permissions", "delete")
_EXPIRE: Final = load_script("redis_models", "permissions", "expire")
_SAVE: Final = load_script("redis_models", "permissions", "stamp", "guard", "save")
_INCREMENT: Final = load_script("redis_models", "permissions", "stamp", "guard", "increment")


def save(
    mapper: Mapper[M],
    upgrader: Upgrader | None,
    instance: M,
    state: TrackedState,
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
        state: Its tracked state.
        ttl: As the script takes it.
        if_unchanged: Whether another client's change since then is an error.
        assigned: A field to write, changed or not.
        always: Whether to check that the record exists, even if nothing changed.

    Raises:
        NotFoundError: The record was deleted meanwhile; it is not created again.
        ConflictError: Another client changed it, and ``if_unchanged`` is set.
        InvalidPrimaryKeyError: The primary key of a stored instance was changed.
    """
    key = state.key_for(mapper, instance)
    change = state.change(mapper, instance, assigned)
    if not change and not if_unchanged and not always and ttl == "":
        state.mark_saved(change)
        return
    try:
        command = save_command(mapper, key, change, ttl, state.stored if if_unchanged else None)
        # A second try would take the success of the first for another client's change.
        [reply] = yield AtMostOnce([command]) if if_unchanged else [command]
        if type(reply) is not int:  # nearly never
            if isinstance(reply, NoScriptError):
                [reply] = yield from call(_SAVE, [command], once=if_unchanged)
            yield from resolve_reply(
                mapper, upgrader, ScriptCall(_SAVE, [key], command, if_unchanged), check([reply])[0]
            )
    except BaseException as exc:
        state.mark_unknown(change, exc)
        raise
    state.mark_saved(change)


def save_at_once(mapper: Mapper[M], driver: Driver, instance: M, state: TrackedState, assigned: str) -> bool:
    """Do what ``save`` does for an assignment, in one exchange and without a generator, which is a tenth faster.

    Returns:
        Whether the change was written. If not, nothing was written, and ``save`` must do it.
    """
    key, change = state.key_for(mapper, instance), state.change(mapper, instance, assigned)
    try:
        [reply] = driver.exchange((save_command(mapper, key, change),)) if change else [0]
    except BaseException as exc:
        state.mark_unknown(change, exc)
        raise
    if type(reply) is not int:
        return False
    state.mark_saved(change)
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
    command = save_command(mapper, key, Change(encoded, {}, [], {}))
    [reply] = check((yield from call(_SAVE, [command])))
    yield from resolve_reply(mapper, upgrader, ScriptCall(_SAVE, [key], command), reply)


def increment(mapper: Mapper[M], upgrader: Upgrader | None, key: str, name: str, by: object) -> RoundTrips[int | float]:
    """Add to a number in an existing record, never twice, and give the sum.

    Raises:
        NotFoundError: There is no such record.
        EncodeError: The field is not a number, ``by`` does not fit its type, or the sum would leave its range.
        DecodeError: The field holds no such number.
    """
    counter = counter_of(mapper, name, by)
    addition = counter.increment(by)
    kind = "int" if counter.is_int else "float"
    # As text that reads back the same, whatever client packs it.
    number, low, high = repr(addition.by), repr(addition.low), repr(addition.high)
    command = _INCREMENT.command(
        [mapper.keys.index, key], [mapper.version, name, number, addition.start, kind, low, high]
    )
    errors: ErrorsByReason = {
        b"VALUE": partial(counter.no_number, key),
        b"RANGE": partial(counter.out_of_range, by),
    }
    [reply] = check((yield from call(_INCREMENT, [command], once=True)))
    total = yield from resolve_reply(mapper, upgrader, ScriptCall(_INCREMENT, [key], command, True, errors), reply)
    return int(cast(bytes, total)) if counter.is_int else float(cast(bytes, total))


def delete(mapper: Mapper[M], keys: Sequence[str], *, only_hashes: bool = False) -> RoundTrips[tuple[int, int]]:
    """Delete records, of whatever version.

    Args:
        mapper: The model.
        keys: Their keys.
        only_hashes: Skip keys that do not hold a hash: they are not records.

    Returns:
        How many records existed, and how many members were removed from the index.

    Raises:
        WrongKeyTypeError: One of the keys does not hold a hash; none of its 100 is deleted.

    Cost:
        One script call for every 100; 20 calls a round trip.
    """
    chunks = [keys[start : start + WRITE_CHUNK] for start in range(0, len(keys), WRITE_CHUNK)]
    records = members = 0
    for start in range(0, len(chunks), _SCRIPTS_A_BATCH):
        group = chunks[start : start + _SCRIPTS_A_BATCH]
        commands = [_DELETE.command([mapper.keys.index, *chunk], ("1" if only_hashes else "",)) for chunk in group]
        # A second execution would not count the records that the first one deleted.
        replies = check((yield from call(_DELETE, commands, once=True)))
        for chunk, reply in zip(group, replies, strict=True):
            if error := _refusal(mapper, chunk, reply):
                raise error
            gone, removed = cast("list[int]", reply)
            records, members = records + gone, members + removed
    return records, members


def delete_all(mapper: Mapper[M]) -> RoundTrips[int]:
    """Delete every record of the index, in bounded steps; give how many existed.

    Members of the index that are not records of the model stay, in the index and at their keys.
    """
    total, after = 0, None
    while True:
        # From the start as long as all members could be removed, so that records inserted meanwhile are found too.
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
        WrongKeyTypeError: The key does not hold a hash.
    """
    [reply] = check((yield from call(_EXPIRE, [_EXPIRE.command([mapper.keys.index, key], [ttl])])))
    if error := _refusal(mapper, [key], reply):
        raise error


@dataclass(frozen=True)
class ScriptCall:
    """A script call that may be refused, and is repeated after older records are upgraded.

    Attributes:
        script: The script.
        keys: Keys of the records.
        command: The command that calls it.
        once: Whether it must not be executed twice.
        meanings: Functions that make the errors for the script's own reasons from the stored value.
        weight: Bytes of the values that it writes, if there may be many.
        writes_whole: Whether it writes whole records, which may replace older ones that cannot be upgraded.
    """

    script: Script
    keys: Sequence[str]
    command: Command
    once: bool = False
    meanings: ErrorsByReason = field(default_factory=dict[bytes, Callable[[bytes], DataError]])
    weight: int = 0
    writes_whole: bool = False

    def with_replacements(self, stamps: Mapping[int, bytes]) -> Command:
        """Give the call that may replace older records, named by their positions and stamps."""
        place = 3 + 1 + len(self.keys)  # EVALSHA, digest, count, index, records; then the mode
        mode = b"".join(
            [str(self.command[place]).encode(), *(b" %d:%b" % place_and_stamp for place_and_stamp in stamps.items())]
        )
        return (*self.command[:place], mode, *self.command[place + 1 :])


def save_command(
    mapper: Mapper[M],
    key: str,
    change: Change,
    ttl: TtlArgument = "",
    expected: Mapping[str, bytes] | None = None,
) -> Command:
    """Make the call that writes a change, if the record still has the ``expected`` fields; its reply is a number."""
    arguments: list[Argument] = [mapper.version, ttl, 2 * len(change.written), *flatten(change.written)]
    if change.filled or change.removed or expected is not None:
        for part in (flatten(change.filled), change.removed, flatten(expected or {})):
            arguments += [len(part), *part]
    if expected is not None and mapper.takes_extras:
        arguments.append(STAMP)
    elif expected is not None:
        arguments += [name for name in mapper.names if name not in expected]
    return _SAVE.command((mapper.keys.index, key), arguments)


def flatten(fields: Mapping[str, bytes]) -> list[Argument]:
    return [part for pair in fields.items() for part in pair]


def resolve_reply(
    mapper: Mapper[M], upgrader: Upgrader | None, script_call: ScriptCall, reply: Reply
) -> RoundTrips[Reply]:
    """Give the reply of an applied script. If older records stop it, upgrade them and call it again; else raise.

    Whole records replace older ones that no migration can upgrade, in the same script as all other writes, so that it
    writes everything or nothing.
    """
    replacements: dict[int, bytes] = {}
    for _ in range(_TRIES):
        error = _refusal(mapper, script_call.keys, reply, script_call.meanings)
        if error is None:
            return reply
        if not isinstance(error, RecordTooOldError) or upgrader is None:
            raise error
        older = cast("list[Any]", reply)[2:]
        for position, stamp in zip(older[::2], older[1::2], strict=True):
            if not (yield from _is_upgraded(mapper, upgrader, script_call, position)):
                replacements[position] = stamp
        command = script_call.with_replacements(replacements) if replacements else script_call.command
        [reply] = check((yield from call(script_call.script, [command], once=script_call.once)))
    raise ConflictError(
        script_call.keys[0],
        f"not written: older code keeps writing this record, or one of the {len(script_call.keys)} of its batch, at"
        " an older version; stop that code, then try again",
    )


def _is_upgraded(mapper: Mapper[M], upgrader: Upgrader, script_call: ScriptCall, position: int) -> RoundTrips[bool]:
    try:
        yield from upgrader.rewrite(mapper.model, script_call.keys[position - 1])
    except RecordTooOldError:
        raise  # its version is not known here, so it is not known what would be lost
    except DataError:
        if not script_call.writes_whole:
            raise
        return False
    return True


def _refusal(
    mapper: Mapper[Any], keys: Sequence[str], reply: Reply, meanings: ErrorsByReason | None = None
) -> DataError | None:
    """Give the error of a script's refusal; None if the script was applied."""
    if not isinstance(reply, list) or not reply or reply[0] != b"REFUSED":
        return None
    _, reason, position, stored, *fields = cast("tuple[Any, ...]", reply)
    if reason == b"INDEX":
        return index_error(mapper)
    key = keys[cast(int, position) - 1]
    if meanings and reason in meanings:
        return meanings[reason](stored)
    if reason in _REFUSALS:
        return _REFUSALS[reason](mapper, key, [text_of(name) for name in fields])
    try:
        version = stored_version(key, stored)
    except DataError as exc:
        return exc
    kind = RecordTooOldError if reason == b"OLDER" else RecordTooNewError
    return kind(key, version, mapper.version)


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
