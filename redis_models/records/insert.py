"""Insert whole records, many at a time, as generators of round trips (see ``commands``).

A script writes up to a hundred records, all or none. While the server writes one batch, the next one is encoded.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar, cast

from ..client.commands import (
    Argument,
    AtMostOnce,
    PendingReplies,
    Reply,
    RoundTrips,
    call_again,
    check,
    load_script,
    pipelined,
)
from ..errors import ConflictError, DataError
from ..mapping.mapper import Mapper
from ..mapping.stored_model import StoredModel
from ..mapping.ttl import TtlArgument
from ..store import Upgrader
from .change import Change
from .indexed_scripts import TableIndexes, known_indexes
from .script_calls import ScriptCall, resolve_reply
from .tracking import track_written, tracked_state, values_of
from .write import WRITE_CHUNK, Only, flatten

__all__ = ["MOST_NAMES", "Put", "insert"]

M = TypeVar("M", bound=StoredModel)
_ENCODED_AT_ONCE: Final = 1000  # records; they are all encoded before any of them is sent
_BYTES_A_BATCH: Final = 8 * 2**20  # of values; one exchange must end within the deadline of a store
MOST_NAMES: Final = 3000  # fields that a script can write in one command
_WRITE: Final = load_script("redis_models", "permissions", "stamp", "whole", "fence", "write")
_PUT: Final = load_script("redis_models", "permissions", "stamp", "whole", "fence", "put")


def insert(
    mapper: Mapper[M], upgrader: Upgrader | None, instances: Sequence[M], ttl: TtlArgument, only: Only = None
) -> RoundTrips[list[int]]:
    """Write whole records; stored fields that the model does not declare are kept.

    Args:
        mapper: The model.
        upgrader: Upgrades older records before they are overwritten.
        instances: The instances to write, each 100 of them atomically. Up to 1,000 are encoded before any is sent.
        ttl: As the script takes it.
        only: Which records may be written.

    Returns:
        For each record the number of new fields, then 1 if the index did not have it, else 0.

    Raises:
        RecordTooNewError: Newer code wrote one of them; no record of its 100 was written.
        ConflictError: Only new ones were wanted and one exists, or is among ``instances`` twice; likewise.
        NotFoundError: Only existing ones were wanted and one does not exist; likewise.
        EncodeError: A value cannot be written; none of its 1,000 was sent.
    """
    if len(instances) == 1:
        return (yield from _insert_one(mapper, upgrader, instances[0], ttl, only))
    # With only="new", a second try would take the record of the first for another client's.
    once, is_pipelined = only == "new", False
    if once or len(instances) > _ENCODED_AT_ONCE:
        keys = [mapper.key_of(getattr(instance, mapper.primary_key)) for instance in instances]
        if once:
            _check_unique(mapper, keys)
        # A record that is given twice must be written in the order of the instances, so nothing is pipelined then.
        is_pipelined = not once and len(set(keys)) == len(keys)
    figures: list[int] = []
    sent = deque[tuple[_InsertBatch[M], PendingReplies]]()
    batches, refused = _make_batches(mapper, instances, ttl, only), None
    try:
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                break
            except DataError as exc:
                refused = exc  # raised after the batches that were sent before
                break
            sent.append((batch, PendingReplies()))
            commands = [script_call.command for script_call in batch.calls]
            if is_pipelined:
                sent[-1] = batch, (yield from pipelined(commands))
            else:
                sent[-1] = batch, PendingReplies((yield AtMostOnce(commands) if once else commands))
            if len(sent) > is_pipelined:
                figures += yield from _finish_batch(mapper, upgrader, *sent[0], once)
                sent.popleft()
        if sent:
            yield from sent[0][1].wait()
            figures += yield from _finish_batch(mapper, upgrader, *sent[0], once)
            sent.popleft()
        if refused is not None:
            raise refused
    except BaseException as exc:
        for batch, _ in sent:
            for instance, fields in zip(batch.instances, batch.fields, strict=True):
                if (state := tracked_state(instance)) is not None:
                    # Some scripts of the batch may have been applied before one was refused.
                    state.mark_unknown(
                        Change(fields, {}, [], {}), exc if len(instances) <= WRITE_CHUNK else BaseException()
                    )
        raise
    return figures


def _insert_one(
    mapper: Mapper[M], upgrader: Upgrader | None, instance: M, ttl: TtlArgument, only: Only
) -> RoundTrips[list[int]]:
    put = Put(mapper, instance, ttl, only)
    key, fields = put.key, put.fields
    if len(fields) > MOST_NAMES:
        script_call = _write_call(mapper, put.indexes, [key], [fields], ttl, only)
    else:
        script_call = ScriptCall(_PUT, put.indexes, (key,), put.arguments, once=only == "new", writes_whole=True)
    commands = (put.command if script_call.plain is _PUT else script_call.command,)
    try:
        replies = yield AtMostOnce(commands) if script_call.once else commands
        yield from call_again(script_call.script, commands, replies, once=script_call.once)
        figures = yield from resolve_reply(mapper, upgrader, script_call, check(replies)[0])
    except BaseException as exc:
        if (state := tracked_state(instance)) is not None:
            state.mark_unknown(Change(fields, {}, [], {}), exc)
        raise
    put.accept_reply(figures)
    return cast("list[int]", figures)


class Put(Generic[M]):
    """A script call that writes one whole record.

    Args:
        mapper: The model.
        instance: The instance to write.
        ttl: As the script takes it.
        only: Which records may be written.

    Attributes:
        key: Key of the record.
        fields: Its stored fields.
        indexes: Those of the table, as this process knows them.
        arguments: What the script takes.
        command: The command; the server may not have the script yet.
    """

    __slots__ = ("_instance", "_mapper", "_values", "arguments", "command", "fields", "indexes", "key")

    def __init__(self, mapper: Mapper[M], instance: M, ttl: TtlArgument, only: Only = None) -> None:
        self._mapper, self._instance = mapper, instance
        self._values = values_of(instance)  # first, so that later assignments count as changes
        self.key = mapper.key_of(self._values[mapper.primary_key])
        self.fields = mapper.encode(instance)
        self.arguments: tuple[Argument, ...] = (only or "any", mapper.version, ttl, *flatten(self.fields))
        self.indexes = known_indexes(mapper.keys)
        self.command = self.indexes.command(_PUT, (self.key,), self.arguments)

    def accept_reply(self, reply: Reply) -> bool:
        """Give whether the record was written, by the reply; if so, the instance tracks it."""
        if not isinstance(reply, list) or type(cast("list[object]", reply)[0]) is not int:
            return False
        track_written(self._mapper, self._instance, self.key, self.fields, self._values)
        return True


@dataclass(frozen=True)
class _InsertBatch(Generic[M]):
    """Whole records that are sent together.

    Attributes:
        instances: The instances to write.
        fields: Stored fields of each.
        values: Values of each, as they were encoded; the instances may change before the replies come.
        calls: The script calls.
    """

    instances: Sequence[M]
    fields: Sequence[dict[str, bytes]]
    values: Sequence[dict[str, object]]
    calls: Sequence[ScriptCall]


def _make_batches(mapper: Mapper[M], instances: Sequence[M], ttl: TtlArgument, only: Only) -> Iterator[_InsertBatch[M]]:
    """Encode records, up to 1,000 at a time, and make batches of them."""
    for start in range(0, len(instances), _ENCODED_AT_ONCE):
        chunk = instances[start : start + _ENCODED_AT_ONCE]
        keys = [mapper.key_of(getattr(instance, mapper.primary_key)) for instance in chunk]
        values = [values_of(instance) for instance in chunk]  # first, so that later assignments count as changes
        fields = [mapper.encode(instance) for instance in chunk]
        indexes = known_indexes(mapper.keys)
        script_calls = [
            _write_call(
                mapper,
                indexes,
                keys[first : first + WRITE_CHUNK],
                fields[first : first + WRITE_CHUNK],
                ttl,
                only,
            )
            for first in range(0, len(chunk), WRITE_CHUNK)
        ]
        first = 0
        for calls_of_batch in _group_calls(script_calls):
            end = first + WRITE_CHUNK * len(calls_of_batch)
            yield _InsertBatch(chunk[first:end], fields[first:end], values[first:end], calls_of_batch)
            first = end


def _group_calls(script_calls: Iterable[ScriptCall]) -> Iterator[list[ScriptCall]]:
    batch: list[ScriptCall] = []
    size = 0
    for script_call in script_calls:
        if batch and size + script_call.weight > _BYTES_A_BATCH:
            yield batch
            batch, size = [], 0
        batch.append(script_call)
        size += script_call.weight
    if batch:
        yield batch


def _finish_batch(
    mapper: Mapper[M], upgrader: Upgrader | None, batch: _InsertBatch[M], replies: list[Reply], once: bool
) -> RoundTrips[list[int]]:
    """Handle the replies to a batch, and have its instances remember their records; give the figures."""
    commands = [script_call.command for script_call in batch.calls]
    yield from call_again(batch.calls[0].script, commands, replies, once=once)
    figures: list[int] = []
    for script_call, reply in zip(batch.calls, check(replies), strict=True):
        figures.extend(cast("list[int]", (yield from resolve_reply(mapper, upgrader, script_call, reply))))
    keys = (key for script_call in batch.calls for key in script_call.keys)
    for instance, key, fields, written in zip(batch.instances, keys, batch.fields, batch.values, strict=True):
        track_written(mapper, instance, key, fields, written)
    return figures


def _write_call(
    mapper: Mapper[M],
    indexes: TableIndexes,
    keys: Sequence[str],
    records: Sequence[dict[str, bytes]],
    ttl: TtlArgument,
    only: Only,
) -> ScriptCall:
    """Make the call that writes whole records."""
    arguments: list[Argument] = [only or "any", mapper.version, ttl]
    values: list[bytes] = []
    for fields in records:
        values += fields.values()
    if mapper.reads_whole or len(mapper.names) > MOST_NAMES:
        arguments.append("")
        for fields in records:
            arguments += [2 * len(fields), *flatten(fields)]
    else:
        arguments += [len(mapper.names), *mapper.names, *values]
    weight = sum(map(len, values))
    return ScriptCall(_WRITE, indexes, keys, arguments, once=only == "new", weight=weight, writes_whole=True)


def _check_unique(mapper: Mapper[M], keys: Sequence[str]) -> None:
    if len(set(keys)) < len(keys):
        twice = next(key for key, times in Counter(keys).items() if times > 1)
        raise ConflictError(twice, f"is inserted twice, but only new records of {mapper.model.__name__} are wanted")
