"""Outdated records: whether a model has any that a run would change, and any that earlier code could not read.

A look at the index is enough where its first members show one. Else the keyspace is scanned, as records may be missing
from the index. What a way back leaves as it is, is looked at in the same manner.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

from redis_models.client.commands import Command, RoundTrips, check, hash_of
from redis_models.encoding.raw_text import text_of
from redis_models.errors import RecordError, UnsafeError
from redis_models.mapping.keys import KeySpace
from redis_models.mapping.stored_field import STAMP

from ..chain.chain import Chain
from ..chain.lineage import Lineage, lineages_of
from ..constraints.earlier_code import EarlierCode
from ..edits.record_edit import RecordEdit
from ..keyspace.batch_size import ReadSize
from ..keyspace.results import Failure, Outcome, is_another_type
from ..keyspace.scan import scan
from ..planner.passes import RenameKeysPass, RewritePass

__all__ = ["Place", "first_outdated", "first_unreadable", "places_of", "refuse_outdated"]

_FIRST: Final = 100  # members of an index; where a run has work to do, most records are of the older version


@dataclass(frozen=True)
class Place:
    """Where records of a model may lie that a run would change.

    Attributes:
        keys: Their keys.
        target: The version that they are to have; None where every record that lies there is to be changed.
        leaves_newer: Whether records of a later version stay as they are.
    """

    keys: KeySpace
    target: int | None
    leaves_newer: bool = True

    def is_outdated(self, version: int) -> bool:
        """Whether a record of a version would be changed."""
        return self.target is None or version < self.target or (version > self.target and not self.leaves_newer)


def places_of(chain: Chain, position: int, model: str, target: int, passes: Iterable[RewritePass] = ()) -> list[Place]:
    """Give where records may lie that the operations of one migration on a model are about.

    Args:
        chain: The files.
        position: After the migration.
        model: What the model is called before it or after it.
        target: Position that the run leads to.
        passes: Passes of the run.

    Returns:
        Every place that these records have or had; none where no migration before says that the model exists.
    """
    back = {rewrite_pass.keys.start for rewrite_pass in passes if not rewrite_pass.path.leaves_newer}
    found = [
        place for lineage in lineages_of(chain) if _has(lineage, position, model) for place in _of(lineage, target)
    ]
    return [replace(place, leaves_newer=place.keys.start not in back) for place in found]


def first_outdated(places: Sequence[Place]) -> RoundTrips[str | None]:
    """Give the key of a record that a run would change, or None where there is none.

    Cost:
        One round trip for each place where the index shows one; a SCAN of the database for each where it does not.
    """
    for place in places:
        members = yield [("ZRANGE", place.keys.index, 0, _FIRST - 1)]
        if not is_another_type(members[0]):
            found = yield from _outdated_in(place, _owned(place, cast("list[bytes]", check(members)[0])))
            if found is not None:
                return found
    for place in places:
        cursor = ""
        while cursor != "0":
            cursor, keys = yield from scan(cursor or "0", place.keys)
            found = yield from _outdated_in(place, keys)
            if found is not None:
                return found
    return None


def refuse_outdated(record_pass: RewritePass | RenameKeysPass, keys: Sequence[bytes]) -> RoundTrips[Outcome]:
    """Check that records need no change, because the plan had none to change and no consent was asked for.

    Raises:
        UnsafeError: One was written since; it is as it was.
    """
    is_left = isinstance(record_pass, RenameKeysPass) and record_pass.keys.start != record_pass.after.keys.start
    place = Place(record_pass.keys, None if is_left else record_pass.target, record_pass.path.leaves_newer)
    found = yield from _outdated_in(place, keys)
    if found is not None:
        raise UnsafeError(
            f"{found}: written since the plan was made, which had no record of {record_pass.path.model} to change, and"
            " so asked for no consent; it is unchanged. Run 'migrate' again, which asks"
        )
    return Outcome(skipped=len(keys))


def _has(lineage: Lineage, position: int, model: str) -> bool:
    return any(schema.name == model for schema in lineage.within(range(position - 1, position + 1)))


def _of(lineage: Lineage, target: int) -> Iterator[Place]:
    is_there = target in lineage.schemas
    after = lineage.at(target)
    for keys in {schema.keys.start: schema.keys for schema in lineage.schemas.values()}.values():
        yield Place(keys, after.version if is_there and keys.start == after.keys.start else None)


def _owned(place: Place, members: Sequence[bytes]) -> list[bytes]:
    return [key for key in members if place.keys.owns(text_of(key))]


def _outdated_in(place: Place, keys: Sequence[bytes]) -> RoundTrips[str | None]:
    if not keys:
        return None
    commands: list[Command] = [command for key in keys for command in (("HGET", key, "_v"), ("EXISTS", key))]
    replies = yield commands
    for key, stamp, exists in zip(keys, replies[::2], replies[1::2], strict=True):
        if is_another_type(stamp) or not check([exists])[0]:
            continue
        if place.is_outdated(_version(cast("bytes | None", stamp))):
            return text_of(key)
    return None


def _version(stamp: bytes | None) -> int:
    """Give the version that a stamp says; 0 for one that says none, which a run stops at."""
    text = b"1" if stamp is None else stamp
    return int(text) if text.isdigit() and len(text) < 10 else 0


def first_unreadable(
    keys: KeySpace, earlier: EarlierCode, without_secrets: Callable[[RecordError], RecordError]
) -> RoundTrips[Failure | None]:
    """Read all records of a model; give the first that the earlier code cannot read, or None.

    Args:
        keys: Where the records are.
        earlier: What that code can read.
        without_secrets: Removes secrets from an error.

    Cost:
        A SCAN of the database, and a round trip for each 200 records, or for 4 MB.
    """
    cursor, read_size, stamp = "", ReadSize(), b"%d" % earlier.schema.version
    while cursor != "0":
        cursor, page = yield from scan(cursor or "0", keys)
        for batch in read_size.of(page):
            replies = yield [("HGETALL", key) for key in batch]
            records = [{} if is_another_type(reply) else hash_of(reply) for reply in replies]
            for key, record in zip(batch, records, strict=True):
                if record.get(STAMP, b"1") != stamp:
                    continue
                try:
                    earlier.check(RecordEdit(record))
                except RecordError as exc:
                    return Failure(text_of(key), str(without_secrets(exc)))
            read_size.met([record for record in records if record])
    return None
