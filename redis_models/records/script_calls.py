"""Calls of the scripts that write, and what their refusals mean.

A script that is refused because the process does not know the indexes of the table, or because records are of an older
version, is called again after that is settled. Any other refusal is an error.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar, cast

from ..client.commands import Reply, RoundTrips, call, check
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
from ..indexes.definitions import Index
from ..indexes.entries import LONGEST_TEXT
from ..mapping.mapper import Mapper
from ..mapping.stored_field import stored_version
from ..mapping.stored_model import StoredModel
from ..store import Upgrader
from .indexed_scripts import (
    IndexedCall,
    changing_indexes_error,
    damaged_index_error,
    is_of_other_indexes,
    learn_indexes,
)
from .read import index_error

__all__ = ["ErrorsByReason", "ScriptCall", "refusal_of", "resolve_reply", "run_script"]

M = TypeVar("M", bound=StoredModel)
# Errors that reasons of a script stand for, by what is stored.
ErrorsByReason = Mapping[bytes, Callable[[bytes], DataError]]
_OF_UNIQUE: Final = (b"TAKEN", b"CUT", b"OTHER")
_TRIES: Final = 8  # to write records that another client sets back to an older version each time


@dataclass(frozen=True)
class ScriptCall(IndexedCall):
    """A script call that may be refused, and is repeated when the indexes are known or older records are upgraded.

    Attributes:
        keys: Keys of the records.
        once: Whether it must not be executed twice.
        meanings: Functions that make the errors for the script's own reasons from the stored value.
        weight: Bytes of the values that it writes, if there may be many.
        writes_whole: Whether it writes whole records, which may replace older ones that cannot be upgraded.
    """

    keys: Sequence[str]
    once: bool = False
    meanings: ErrorsByReason = field(default_factory=dict[bytes, Callable[[bytes], DataError]])
    weight: int = 0
    writes_whole: bool = False

    def with_replacements(self, stamps: Mapping[int, bytes]) -> "ScriptCall":
        """Give the call that may replace older records, named by their positions and stamps."""
        mode, *arguments = self.arguments
        places = (b" %d:%b" % place_and_stamp for place_and_stamp in stamps.items())
        return replace(self, arguments=(b"".join([str(mode).encode(), *places]), *arguments))


def run_script(mapper: Mapper[M], upgrader: Upgrader | None, script_call: ScriptCall) -> RoundTrips[Reply]:
    """Call a script, and give its reply as ``resolve_reply`` does."""
    [reply] = check((yield from call(script_call.script, [script_call.command], once=script_call.once)))
    return (yield from resolve_reply(mapper, upgrader, script_call, reply))


def resolve_reply(
    mapper: Mapper[M], upgrader: Upgrader | None, script_call: ScriptCall, reply: Reply
) -> RoundTrips[Reply]:
    """Give the reply of an applied script, or raise the error of a refusal.

    A script that does not know the table's indexes is written anew for them. One that meets older records is called
    again after they are upgraded. Whole records replace older ones that no migration can upgrade, in the same script as
    all other writes, so that it writes everything or nothing.
    """
    replacements: dict[int, bytes] = {}
    for _ in range(_TRIES):
        if is_of_other_indexes(reply):
            script_call = replace(script_call, indexes=(yield from learn_indexes(mapper.keys)))
        else:
            error = refusal_of(mapper, script_call.keys, reply, script_call)
            if error is None:
                return reply
            if not isinstance(error, RecordTooOldError) or upgrader is None:
                raise error
            older = cast("list[Any]", reply)[2:]
            for position, stamp in zip(older[::2], older[1::2], strict=True):
                if not (yield from _is_upgraded(mapper, upgrader, script_call, position)):
                    replacements[position] = stamp
        next_call = script_call.with_replacements(replacements) if replacements else script_call
        [reply] = check((yield from call(next_call.script, [next_call.command], once=next_call.once)))
    if is_of_other_indexes(reply):
        raise changing_indexes_error(mapper.keys)
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


def refusal_of(
    mapper: Mapper[Any], keys: Sequence[str], reply: Reply, attempt: ScriptCall | None = None
) -> DataError | None:
    """Give the error of a script's refusal; None if the script was applied."""
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
    indexes: Sequence[Index] = attempt.indexes.definitions.indexes
    index = indexes[cast(int, place) - 1]
    parts = index.parts_at(mapper.version) or next((shape for shape in index.shapes.values() if shape), ())
    fields = tuple(part.field for part in parts)
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
