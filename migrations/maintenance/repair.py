"""Repair: set fields of a quarantined record, with the types of its own version, so that it can be rewritten."""

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
from redis_models.records.indexed_scripts import IndexedCall, known_indexes, resolve_indexes

from ..chain.chain import Chain
from ..chain.lineage import Lineage
from ..keyspace.results import unfenced
from ..schema.snapshot import ModelSchema
from ..state.lease import Lease
from ..state.quarantine import Quarantine, QuarantinedRecord
from ..state.tally import Kind
from .record_check import judge
from .retry import place_of, record_of

__all__ = ["Repair", "read_repair", "refuse_unreadable", "schema_at", "write_repair"]

_REPAIR: Final = load_script("redis_models.migrations", "permissions", "fence", "repair")


@dataclass(frozen=True)
class Repair:
    """Fields to set in one record.

    Attributes:
        entry: The record.
        before: Its stored fields.
        values: New bytes by stored field.
        lineage: Of its model.
    """

    entry: QuarantinedRecord
    before: Mapping[str, bytes]
    values: Mapping[str, bytes]
    lineage: Lineage

    def objection(self, position: int) -> str | None:
        """Say why the record could still not be rewritten; None if it could."""
        record = {**self.before, **self.values}
        try:
            self.lineage.path.rewrite(record, self.lineage.at(position).version)
        except RecordError as exc:
            return str(exc)
        return None


def schema_at(chain: Chain, key: str, stamp: bytes | None) -> ModelSchema | None:
    """Give the schema of the version of a record; None if no migration file has it."""
    found = place_of(chain, key)
    if found is None:
        return None
    try:
        version = stored_version(key, stamp)
    except DecodeError:
        return None
    return _schema_of(found[0], version)


def refuse_unreadable(repair: Repair, position: int, shapes: Iterable[Mapper[Any]]) -> None:
    """Refuse values that a run would accept, but that the code could not read afterwards.

    Args:
        repair: The fields to set.
        position: Where the database is.
        shapes: Of the models of the app.

    Raises:
        MigrationError: The model refuses the record; nothing was written.
    """
    after = repair.lineage.at(position)
    for shape in shapes:
        if shape.keys.start != after.keys.start or shape.version != after.version:
            continue
        try:
            there = repair.lineage.path.rewrite({**repair.before, **repair.values}, after.version).fields
        except RecordError:
            return  # reported by objection()
        for found in judge(shape, repair.entry.key, there, 0):
            if found.kind is Kind.UNREADABLE:
                raise MigrationError(
                    f"{repair.entry.key}: could be rewritten, but not be read afterwards: {found.reason};"
                    " nothing was set"
                )


def read_repair(chain: Chain, entry: QuarantinedRecord, assignments: Sequence[str]) -> RoundTrips[Repair]:
    """Read a record, and the assignments to it. Writes nothing.

    Args:
        chain: Of the app.
        entry: The record.
        assignments: ``FIELD=TEXT``, where TEXT is the text of a field of text, and JSON for any other;
            ``FIELD:=JSON`` is JSON for a field of text, too.

    Raises:
        MigrationError: An assignment is malformed, names a field that the version does not have, or has a wrong type.
        WrongKeyTypeError: The key does not hold a hash.
    """
    found = place_of(chain, entry.key)
    if found is None:
        raise MigrationError(f"{entry.key}: no model of the migration files has this key; rename or delete the key")
    record = yield from record_of(entry.key)
    if not record:
        raise MigrationError(
            f"{entry.key} no longer exists, so nothing can be set; 'quarantine retry' removes the entry"
        )
    lineage, _ = found
    assigned = _parsed(assignments)
    versions = [model.version for model in lineage.schemas.values()]
    stamp = assigned.pop(STAMP, None)
    version = _version(entry.key, record.get(STAMP) if stamp is None else stamp[1].encode(), versions)
    schema = _schema_of(lineage, version)
    assert schema is not None, "it is one of these versions"
    values = {
        name: _encoded(schema, entry.key, name, *what, is_secret=lineage.conceals(name))
        for name, what in assigned.items()
    }
    if stamp is not None:
        values[STAMP] = b"%d" % version
    return Repair(entry, record, values, lineage)


def write_repair(lease: Lease, namespace: str, chain: Chain, repair: Repair) -> RoundTrips[None]:
    """Set the fields, all or none, if they and the stamp are as they were read.

    Raises:
        ConflictError: Another client changed one of them; nothing was written.
        LockedError: Another runner has taken over the lease; nothing was written.
        MigrationError: The record left the quarantine, or no longer exists; nothing was written.
        WrongKeyTypeError: The key no longer holds a hash.
    """
    quarantine, key = Quarantine(namespace, chain.app), repair.entry.key
    seen: list[Argument] = []
    for name in {STAMP: b"", **repair.values}:
        raw = repair.before.get(name)
        seen += [name, "0" if raw is None else "1", raw or b""]
    sets: list[Argument] = [part for pair in repair.values.items() for part in pair]
    record_key = bytes_of(key)
    found = place_of(chain, key)
    assert found is not None, "it was read for these assignments"
    arguments: list[Argument] = [lease.epoch, len(seen) // 3, *seen, *sets]
    attempt = IndexedCall(_REPAIR, known_indexes(found[1]), [lease.key, quarantine.key, record_key], arguments)
    [first] = yield from call(attempt.script, [attempt.command])
    [reply] = check([(yield from resolve_indexes(attempt, first))])
    unfenced(reply)
    if reply == b"TYPE":
        raise WrongKeyTypeError(key)
    if reply == b"CHANGED":
        raise ConflictError(
            key, "was changed by another client in the meantime; nothing was set. Look at it and try again"
        )
    if reply != b"OK":
        left = "left the quarantine in the meantime" if reply == b"OUT" else "no longer exists"
        raise MigrationError(f"{key} {left}; nothing was set")


def _parsed(assignments: Sequence[str]) -> dict[str, tuple[bool, str]]:
    """Parse assignments: by field, whether the text is JSON (``:=``), and the text."""
    found: dict[str, tuple[bool, str]] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        is_json = name.endswith(":")
        name = name.removesuffix(":")
        if not equals or not name:
            raise MigrationError(f"{assignment!r} is not an assignment; write FIELD=VALUE or FIELD:=JSON")
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
            f"{key}: its version stamp {stamp!r} is unknown; the migration files have {known}. Set it, too, with"
            f" {STAMP}=N"
        )
    return version


def _encoded(schema: ModelSchema, key: str, name: str, is_json: bool, text: str, *, is_secret: bool) -> bytes:
    if name not in schema.by_name:
        fields = ", ".join(field.name for field in schema.fields)
        raise MigrationError(
            f"{schema.name} has no field {name!r} at version {schema.version}, the version of {key}; it has {fields}"
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
            f"{shown}: a value of type {field.type} must be JSON ({exc.msg}); quote it for the shell, as in"
            f" {name}='...'"
        ) from (None if is_secret else exc)
    except (ValueError, TypeError, RecursionError) as exc:
        said = reason_of(exc, is_secret=is_secret)
        cause = None if is_secret else exc
        raise MigrationError(
            f"{shown}: not a valid {field.type}, the type of this field in {schema.name}: {said}"
        ) from cause
    if name == schema.primary_key and _key_of(schema, value) != key:
        raise MigrationError(f"{shown}: does not match the key {key}; the primary key cannot be changed")
    return raw


def _key_of(schema: ModelSchema, value: object) -> str:
    return schema.keys.record(str(value))
