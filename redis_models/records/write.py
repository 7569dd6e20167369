"""Write records: each verb once, as a generator of command batches (see ``commands``).

Every write goes through a script that first looks at the stamp of each record: it refuses to touch a record of a newer
version, and one of an older version is upgraded before it is written. Deleting a record, or changing its TTL, needs no
knowledge of its fields, and is done whatever its version.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, Literal, TypeVar, cast

from redis.exceptions import NoScriptError

from ..client.commands import Argument, AtMostOnce, Command, RoundTrips, call, check, load_script
from ..client.drivers import Driver
from ..mapping.mapper import Mapper
from ..mapping.stored_field import STAMP
from ..mapping.stored_model import StoredModel
from ..mapping.ttl import TtlArgument
from ..store import Upgrader
from .change import Change
from .counter import counter_of
from .indexed_scripts import known_indexes
from .read import index_after
from .script_calls import ErrorsByReason, ScriptCall, refusal_of, resolve_reply, run_script
from .tracking import TrackedState

__all__ = [
    "WRITE_CHUNK",
    "Only",
    "delete",
    "delete_all",
    "expire",
    "flatten",
    "increment",
    "patch",
    "save",
    "save_command",
]

M = TypeVar("M", bound=StoredModel)
Only = Literal["new", "existing"] | None  # which records may be written; None means both
WRITE_CHUNK: Final = 100  # records per script, so that it blocks the server for a millisecond or two at most
_SCRIPTS_A_BATCH: Final = 20
_DELETE: Final = load_script("redis_models", "permissions", "fence", "delete")
_EXPIRE: Final = load_script("redis_models", "permissions", "expire")
_SAVE: Final = load_script("redis_models", "permissions", "stamp", "fence", "guard", "save")
_INCREMENT: Final = load_script("redis_models", "permissions", "stamp", "fence", "guard", "increment")


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
            expected = state.stored if if_unchanged else None
            attempt = ScriptCall(
                _SAVE, known_indexes(mapper.keys), [key], _save_arguments(mapper, change, ttl, expected), if_unchanged
            )
            if isinstance(reply, NoScriptError):
                [reply] = yield from call(attempt.script, [attempt.command], once=if_unchanged)
            yield from resolve_reply(mapper, upgrader, attempt, check([reply])[0])
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
    addition = counter.increment(by)
    kind = "int" if counter.is_int else "float"
    # As text that reads back the same, whatever client packs it.
    number, low, high = repr(addition.by), repr(addition.low), repr(addition.high)
    arguments = (mapper.version, name, number, addition.start, kind, low, high)
    errors: ErrorsByReason = {
        b"VALUE": partial(counter.no_number, key),
        b"RANGE": partial(counter.out_of_range, by),
    }
    script_call = ScriptCall(_INCREMENT, known_indexes(mapper.keys), [key], arguments, True, errors)
    total = yield from run_script(mapper, upgrader, script_call)
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
    if error := refusal_of(mapper, [key], reply):
        raise error


def save_command(
    mapper: Mapper[M],
    key: str,
    change: Change,
    ttl: TtlArgument = "",
    expected: Mapping[str, bytes] | None = None,
) -> Command:
    """Make the call that writes a change, if the record still has the ``expected`` fields; its reply is a number."""
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
