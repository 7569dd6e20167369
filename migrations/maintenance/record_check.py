"""Faults of a stored record: its model cannot read it, or it has the stamp of one version and fields of another.

Earlier releases could leave the second kind if the access list stopped a script in the middle; so does a client that
writes a field under the name that it had at another version.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, cast

from redis_models.client.commands import Command, RoundTrips
from redis_models.encoding.raw_text import bytes_of
from redis_models.encoding.secrets import reason_of
from redis_models.errors import DecodeError, InvalidPrimaryKeyError
from redis_models.mapping.mapper import Mapper
from redis_models.mapping.stored_field import RESERVED, STAMP, stored_version
from redis_models.redaction import counted, printable

from ..edits.undo_fields import field_of
from ..state.tally import Kind, Verdict

__all__ = ["judge", "torn_fields", "torn_records"]

_UNDO: Final = re.compile(r"_b([1-9][0-9]{0,14})[.-]")


def judge(
    shape: Mapper[Any], key: str, record: Mapping[str, bytes], ttl_ms: int, others: Collection[str] = ()
) -> Iterator[Verdict]:
    """Judge one record: its stamp, whether its model reads it, its key, and what else is in it.

    Args:
        shape: Of its model.
        key: Of the record.
        record: All its stored fields.
        ttl_ms: As PTTL has it: -1 without a TTL, -2 if the record expired since it was read.
        others: Fields of other versions, which ``torn_records`` judges.
    """
    try:
        version = stored_version(key, record.get(STAMP))
    except DecodeError as exc:
        yield Verdict(Kind.STAMP, key, _reason_of(exc))
        return
    if version != shape.version:
        is_older = version < shape.version
        cure = "run 'migrate --stragglers'" if is_older else "deploy the newer code"
        reason = f"has version {version}, its model has version {shape.version}; {cure}"
        yield Verdict(Kind.OLDER if is_older else Kind.NEWER, key, reason)
        return
    yield from _fields(shape, key, record, others)
    complaint = _complaint(shape, key, record)
    if complaint is not None:
        yield complaint
    else:
        for name in () if shape.hooks else shape.names:  # a hook may leave fields out and fill them in when it reads
            if name not in record:
                source = "the key" if name == shape.primary_key else "its default"
                yield Verdict(Kind.ABSENT, key, f"field {name!r} is not stored; its value comes from {source}")
    if shape.ttl is not None and ttl_ms == -1:
        yield Verdict(Kind.ENDLESS, key, f"has no TTL; new records get {counted(shape.ttl, 'second')}")


def _fields(shape: Mapper[Any], key: str, record: Mapping[str, bytes], others: Collection[str]) -> Iterator[Verdict]:
    for name in record:
        if name in others:
            continue
        undo = _UNDO.match(name)
        if undo is not None and int(undo[1]) > shape.version:
            yield Verdict(Kind.ASIDE, key, f"has the undo field {name!r}, which version {shape.version} does not have")
        elif undo is None and name != STAMP and name not in shape.names and not _is_extra(shape, name):
            yield Verdict(Kind.UNDECLARED, key, f"field {name!r} is not declared by its model, so it is never read")


def _is_extra(shape: Mapper[Any], name: str) -> bool:
    return shape.reads_whole and not name.startswith(RESERVED)


def _complaint(shape: Mapper[Any], key: str, record: Mapping[str, bytes]) -> Verdict | None:
    """Read the record through its model."""
    try:
        instance = shape.decode(key, record)
        meant = shape.key_of(getattr(instance, shape.primary_key))
    except DecodeError as exc:
        return Verdict(Kind.UNREADABLE, key, _reason_of(exc))
    except InvalidPrimaryKeyError as exc:
        return Verdict(Kind.KEY, key, str(exc))
    except Exception as exc:  # validators of the application may raise anything; it is a fact about this record
        reason = reason_of(exc, is_secret=shape.conceals(""))
        return Verdict(Kind.UNREADABLE, key, f"a validator raised {type(exc).__name__}: {reason}")
    return None if meant == key else Verdict(Kind.KEY, key, f"its {shape.primary_key} belongs to the key {meant}")


def _reason_of(exc: DecodeError) -> str:
    return str(exc).removeprefix(f"{printable(exc.key)}: ")


def torn_fields(shape: Mapper[Any], record: Mapping[str, bytes], others: Collection[str]) -> Iterator[str]:
    """Name the fields of a record that its model only has at other versions.

    Args:
        shape: Of its model.
        record: All its stored fields; a record of another version is skipped.
        others: The names that the model has, or had, at other versions.
    """
    try:
        if not others or stored_version("", record.get(STAMP)) != shape.version:
            return
    except DecodeError:
        return
    undo_fields = {(field_of(name), raw) for name, raw in record.items() if field_of(name) != name}
    for name in record:
        # With extra fields allowed, this may be one, unless it equals an undo field of a migration.
        if name in others and (not shape.reads_whole or (name, record[name]) in undo_fields):
            yield name


def torn_records(
    shape: Mapper[Any], records: Mapping[str, Mapping[str, bytes]], others: Collection[str]
) -> RoundTrips[list[Verdict]]:
    """Judge which records are torn, and which TTLs of fields their new fields may have lost.

    Args:
        shape: Of their model.
        records: All their stored fields, by key.
        others: As for ``torn_fields``.

    Cost:
        One round trip if any is torn, otherwise none.
    """
    found = [(key, name) for key, record in records.items() for name in torn_fields(shape, record, others)]
    if not found:
        return []
    commands: list[Command] = [("HPEXPIRETIME", bytes_of(key), "FIELDS", 1, bytes_of(name)) for key, name in found]
    replies = yield commands
    return [
        Verdict(Kind.TORN, key, _reason(shape, key, name, reply))
        for (key, name), reply in zip(found, replies, strict=True)
    ]


def _reason(shape: Mapper[Any], key: str, name: str, reply: object) -> str:
    ends = cast("list[int]", reply)[0] if isinstance(reply, list) else -1  # a server without TTLs of fields
    expires = f", which expires at {ends} ms since 1970; its new field may need the same TTL" if ends > 0 else ""
    return (
        f"has the stamp of version {shape.version} and field {name!r} of another version{expires}: a rewrite was"
        f" interrupted, or a client wrote it. Compare it with the other fields, then run 'HDEL {key} {name}'"
    )
