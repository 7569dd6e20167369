"""What is wrong with a stored record: unreadable for its model, or of the stamp of one version with fields of another.

Releases before this one could leave the second kind, where the access list refused a script in the middle; so does a
client that writes a field under the name that it had at another version.
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
from redis_models.redaction import printable

from ..edits.undo_fields import field_of
from ..state.tally import Kind, Verdict

__all__ = ["judge", "torn_fields", "torn_records"]

_KEPT: Final = re.compile(r"_b([1-9][0-9]{0,14})[.-]")


def judge(
    shape: Mapper[Any], key: str, record: Mapping[str, bytes], life_ms: int, others: Collection[str] = ()
) -> Iterator[Verdict]:
    """Judge one record: its stamp, whether its model reads it, its key, and what else is in it.

    Args:
        shape: Of its model.
        key: Where it lies.
        record: All its stored fields.
        life_ms: What remains of its life; -1 for ever, -2 if it ended since the record was read.
        others: Fields of other versions, which ``torn_records`` judges.
    """
    try:
        version = stored_version(key, record.get(STAMP))
    except DecodeError as exc:
        yield Verdict(Kind.STAMP, key, _said(exc))
        return
    if version != shape.version:
        is_older = version < shape.version
        cure = "run 'migrate --stragglers'" if is_older else "deploy the newer code"
        said = f"is of version {version}, its model of version {shape.version}; {cure}"
        yield Verdict(Kind.OLDER if is_older else Kind.NEWER, key, said)
        return
    yield from _fields(shape, key, record, others)
    complaint = _complaint(shape, key, record)
    if complaint is not None:
        yield complaint
    else:
        for name in () if shape.hooks else shape.names:  # what a hook does not store, it has its own way to
            if name not in record:
                source = "the key says" if name == shape.primary_key else "its default"
                yield Verdict(Kind.ABSENT, key, f"field {name!r} is absent, and reads as {source}")
    if shape.ttl is not None and life_ms == -1:
        yield Verdict(Kind.ENDLESS, key, f"lives for ever; new ones live {shape.ttl} seconds")


def _fields(shape: Mapper[Any], key: str, record: Mapping[str, bytes], others: Collection[str]) -> Iterator[Verdict]:
    for name in record:
        if name in others:
            continue
        kept = _KEPT.match(name)
        if kept is not None and int(kept[1]) > shape.version:
            yield Verdict(Kind.ASIDE, key, f"keeps {name!r} aside, though it is of version {shape.version}")
        elif kept is None and name != STAMP and name not in shape.names and not _is_extra(shape, name):
            yield Verdict(Kind.UNDECLARED, key, f"field {name!r} is none of its model's, so nobody reads it")


def _is_extra(shape: Mapper[Any], name: str) -> bool:
    return shape.reads_whole and not name.startswith(RESERVED)


def _complaint(shape: Mapper[Any], key: str, record: Mapping[str, bytes]) -> Verdict | None:
    """Read the record through its model."""
    try:
        instance = shape.decode(key, record)
        meant = shape.key_of(getattr(instance, shape.primary_key))
    except DecodeError as exc:
        return Verdict(Kind.UNREADABLE, key, _said(exc))
    except InvalidPrimaryKeyError as exc:
        return Verdict(Kind.KEY, key, str(exc))
    except Exception as exc:  # validators are the user's: whatever they raise is a fact about this record
        said = reason_of(exc, is_secret=shape.conceals(""))
        return Verdict(Kind.UNREADABLE, key, f"a validator raised {type(exc).__name__}: {said}")
    return None if meant == key else Verdict(Kind.KEY, key, f"its {shape.primary_key} belongs under {meant}")


def _said(exc: DecodeError) -> str:
    return str(exc).removeprefix(f"{printable(exc.key)}: ")


def torn_fields(shape: Mapper[Any], record: Mapping[str, bytes], others: Collection[str]) -> Iterator[str]:
    """Name the fields of a record that its model has at other versions only.

    Args:
        shape: Of its model.
        record: All its stored fields; what is of another version than the model is passed over.
        others: The names that the model has, or had, at other versions.
    """
    try:
        if not others or stored_version("", record.get(STAMP)) != shape.version:
            return
    except DecodeError:
        return
    kept = {(field_of(name), raw) for name, raw in record.items() if field_of(name) != name}
    for name in record:
        # With extra fields allowed, one of that name may be meant; not so if it is what a migration kept aside.
        if name in others and (not shape.reads_whole or (name, record[name]) in kept):
            yield name


def torn_records(
    shape: Mapper[Any], records: Mapping[str, Mapping[str, bytes]], others: Collection[str]
) -> RoundTrips[list[Verdict]]:
    """Judge which of some records are torn, and which life spans of fields their new fields may have lost.

    Args:
        shape: Of their model.
        records: All their stored fields, by key.
        others: As for ``torn_fields``.

    Cost:
        None where none is torn, else one round trip.
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
    ends = cast("list[int]", reply)[0] if isinstance(reply, list) else -1  # a server without life spans of fields
    lost = f", which ends at {ends} ms since 1970, as what was made of it may have to" if ends > 0 else ""
    return (
        f"has field {name!r} of another version{lost}, beside the stamp of {shape.version}: a rewrite was refused"
        f" half-way, or a client wrote it. Compare it with the other fields, then 'HDEL {key} {name}'"
    )
