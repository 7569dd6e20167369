"""Mending: set fields of a record in quarantine, as the schema of its version has them, so that it can be rewritten."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis_models.client.commands import Argument, RoundTrips, call, check, load_script
from redis_models.encoding.raw_text import bytes_of
from redis_models.encoding.secrets import MASK, reason_of
from redis_models.errors import ConflictError, DecodeError, MigrationError, RecordError, WrongKeyTypeError
from redis_models.mapping.mapper import Mapper
from redis_models.mapping.stored_field import STAMP, stored_version

from ..chain.chain import Chain
from ..chain.lineage import Lineage
from ..keyspace.results import unfenced
from ..schema.snapshot import ModelSchema
from ..state.lease import Lease
from ..state.quarantine import Quarantine, QuarantinedRecord
from ..state.tally import Kind
from .record_check import judge
from .retry import place_of, record_of

__all__ = ["Mending", "mending_of", "refuse_unreadable", "schema_at", "write_mending"]

_MEND: Final = load_script("redis_models.migrations", "permissions", "repair")


@dataclass(frozen=True)
class Mending:
    """What is to be set in one record.

    Attributes:
        entry: The record.
        before: What it holds.
        values: Bytes by stored field.
        lineage: The way of its model's records.
    """

    entry: QuarantinedRecord
    before: Mapping[str, bytes]
    values: Mapping[str, bytes]
    lineage: Lineage

    def objection(self, position: int) -> str | None:
        """Say why it could still not be brought where the database is; None where it could."""
        record = {**self.before, **self.values}
        try:
            self.lineage.route.rewrite(record, self.lineage.at(position).version)
        except RecordError as exc:
            return str(exc)
        return None


def schema_at(chain: Chain, key: str, stamp: bytes | None) -> ModelSchema | None:
    """Give the schema by which a record is to be read; None where no migration file knows it."""
    found = place_of(chain, key)
    if found is None:
        return None
    try:
        version = stored_version(key, stamp)
    except DecodeError:
        return None
    return _schema_of(found[0], version)


def refuse_unreadable(mending: Mending, position: int, shapes: Iterable[Mapper[Any]]) -> None:
    """Refuse what a run would take, but the code would not read afterwards.

    Args:
        mending: What is to be set.
        position: Where the database is.
        shapes: Of the models of the app.

    Raises:
        MigrationError: The model refuses the record; nothing was written.
    """
    after = mending.lineage.at(position)
    for shape in shapes:
        if shape.keys.start != after.keys.start or shape.version != after.version:
            continue
        try:
            there = mending.lineage.route.rewrite({**mending.before, **mending.values}, after.version).fields
        except RecordError:
            return  # which is told otherwise
        for found in judge(shape, mending.entry.key, there, 0):
            if found.kind is Kind.UNREADABLE:
                raise MigrationError(
                    f"{mending.entry.key}: would be rewritten, but not be read then: {found.reason}; nothing was set"
                )


def mending_of(chain: Chain, entry: QuarantinedRecord, assignments: Sequence[str]) -> RoundTrips[Mending]:
    """Read a record, and what people want to be set in it. Writes nothing.

    Args:
        chain: Of the app.
        entry: The record.
        assignments: ``FIELD=TEXT``, where TEXT is the text of a field of text, and JSON for any other;
            ``FIELD:=JSON`` is JSON for a field of text, too.

    Raises:
        MigrationError: One of them is none, names a field that its version does not have, or is not of its type.
        WrongKeyTypeError: It is no hash.
    """
    found = place_of(chain, entry.key)
    if found is None:
        raise MigrationError(f"{entry.key}: no model of the migration files has this key; move or delete the record")
    record = yield from record_of(entry.key)
    if not record:
        raise MigrationError(f"{entry.key} is gone, so there is nothing to set; 'quarantine retry' forgets it")
    lineage, _ = found
    told = _told(assignments)
    versions = [one.version for one in lineage.schemas.values()]
    stamp = told.pop(STAMP, None)
    version = _version(entry.key, record.get(STAMP) if stamp is None else stamp[1].encode(), versions)
    schema = _schema_of(lineage, version)
    assert schema is not None, "it is one of these versions"
    values = {
        name: _encoded(schema, entry.key, name, *what, is_secret=lineage.conceals(name)) for name, what in told.items()
    }
    if stamp is not None:
        values[STAMP] = b"%d" % version
    return Mending(entry, record, values, lineage)


def write_mending(lease: Lease, namespace: str, chain: Chain, mending: Mending) -> RoundTrips[None]:
    """Set the fields, all or none, if they and the stamp are as they were read.

    Raises:
        ConflictError: Somebody changed one of them meanwhile; nothing was written.
        LockedError: The lease is somebody else's by now; likewise.
        MigrationError: The record left the quarantine, or is gone; likewise.
        WrongKeyTypeError: It is no hash any more.
    """
    quarantine, key = Quarantine(namespace, chain.app), mending.entry.key
    seen: list[Argument] = []
    for name in {STAMP: b"", **mending.values}:
        held = mending.before.get(name)
        seen += [name, "0" if held is None else "1", held or b""]
    sets: list[Argument] = [one for pair in mending.values.items() for one in pair]
    raw = bytes_of(key)
    command = _MEND.command([lease.key, quarantine.key, raw], [lease.epoch, len(seen) // 3, *seen, *sets])
    [reply] = check((yield from call(_MEND, [command])))
    unfenced(reply)
    if reply == b"TYPE":
        raise WrongKeyTypeError(key)
    if reply == b"CHANGED":
        raise ConflictError(key, "was changed by somebody meanwhile; nothing was set, look at it and try again")
    if reply != b"OK":
        left = "left the quarantine meanwhile" if reply == b"OUT" else "is gone"
        raise MigrationError(f"{key} {left}; nothing was set")


def _told(assignments: Sequence[str]) -> dict[str, tuple[bool, str]]:
    """Take assignments apart: by field, whether JSON is said, and the text."""
    found: dict[str, tuple[bool, str]] = {}
    for one in assignments:
        name, equals, text = one.partition("=")
        is_json = name.endswith(":")
        name = name.removesuffix(":")
        if not equals or not name:
            raise MigrationError(f"{one!r} sets nothing; write FIELD=VALUE, or FIELD:=JSON")
        if name in found:
            raise MigrationError(f"field {name!r} is set twice; write it once")
        found[name] = is_json, text
    return found


def _schema_of(lineage: Lineage, version: int) -> ModelSchema | None:
    known = sorted(lineage.schemas.items(), reverse=True)
    return next((schema for _, schema in known if schema.version == version), None)


def _version(key: str, stamp: bytes | None, versions: Sequence[int]) -> int:
    known = ", ".join(map(str, sorted(set(versions))))
    try:
        version = stored_version(key, stamp)
    except DecodeError:
        version = -1
    if version not in versions:
        raise MigrationError(
            f"{key}: its stamp {stamp!r} is no version that the migration files know ({known}); set the right one, too,"
            f" with {STAMP}=N"
        )
    return version


def _encoded(schema: ModelSchema, key: str, name: str, is_json: bool, text: str, *, is_secret: bool) -> bytes:
    if name not in schema.by_name:
        fields = ", ".join(one.name for one in schema.fields)
        raise MigrationError(
            f"{schema.name} has no field {name!r} at version {schema.version}, as {key} is; it has {fields}"
        )
    field = schema.field(name)
    shown = f"{name}={MASK if is_secret else text}"
    is_text = field.codec.kind == "str" and not is_json
    try:
        value = text if is_text else json.loads(text)
        raw = field.codec.encode(field.codec.validate_jsonable(value))
        field.codec.decode(raw)
    except json.JSONDecodeError as exc:
        raise MigrationError(
            f"{shown}: {field.type} is written as JSON, and this is none ({exc.msg}); quote it for the shell, as in"
            f" {name}='...'"
        ) from (None if is_secret else exc)
    except (ValueError, TypeError, RecursionError) as exc:
        said = reason_of(exc, is_secret=is_secret)
        cause = None if is_secret else exc
        raise MigrationError(f"{shown}: is no {field.type}, which {schema.name} has there: {said}") from cause
    if name == schema.primary_key and _key_of(schema, value) != key:
        raise MigrationError(f"{shown}: is the primary key, and the key {key} says another one")
    return raw


def _key_of(schema: ModelSchema, value: object) -> str:
    return schema.keys.record(str(value))
