"""Torn records: of the stamp of one version, with fields of another.

Releases before this one could leave them, where the access list refused a script in the middle; so does a client that
writes a field under the name that it had at another version.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, cast

from redis_models.client.commands import Batches, Command
from redis_models.errors import DecodeError
from redis_models.mapping.mapper import Shape
from redis_models.mapping.stored_field import STAMP, stored_version

from ..edits.undo_fields import field_of
from ..state.tally import Kind, Verdict

__all__ = ["torn_fields", "torn_records"]


def torn_fields(shape: Shape[Any], record: Mapping[str, bytes], others: Collection[str]) -> Iterator[str]:
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
    shape: Shape[Any], records: Mapping[str, Mapping[str, bytes]], others: Collection[str]
) -> Batches[list[Verdict]]:
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
    commands: list[Command] = [("HPEXPIRETIME", _raw(key), "FIELDS", 1, _raw(name)) for key, name in found]
    replies = yield commands
    return [
        Verdict(Kind.TORN, key, _reason(shape, key, name, reply))
        for (key, name), reply in zip(found, replies, strict=True)
    ]


def _reason(shape: Shape[Any], key: str, name: str, reply: object) -> str:
    ends = cast("list[int]", reply)[0] if isinstance(reply, list) else -1  # a server without life spans of fields
    lost = f", which ends at {ends} ms since 1970, as what was made of it may have to" if ends > 0 else ""
    return (
        f"has field {name!r} of another version{lost}, beside the stamp of {shape.version}: a rewrite was refused"
        f" half-way, or a client wrote it. Compare it with the other fields, then 'HDEL {key} {name}'"
    )


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
