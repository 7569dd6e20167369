"""Leaving: a look at records that a way back leaves as they are, whether code of before could read them."""

from collections.abc import Callable

from redis_models.client.commands import Batches, hash_of
from redis_models.errors import RecordError
from redis_models.mapping.keys import KeySpace
from redis_models.mapping.stored_field import STAMP

from ..constraints.earlier_code import Earlier
from ..edits.record_edit import Draft
from ..keyspace.portions import Portions
from ..keyspace.results import Failure, is_another_type
from ..keyspace.scan import scan

__all__ = ["first_unreadable"]


def first_unreadable(
    keys: KeySpace, earlier: Earlier, without_secrets: Callable[[RecordError], RecordError]
) -> Batches[Failure | None]:
    """Look at all records of a model; give the first that code of before could not read, or None.

    Args:
        keys: Where they lie.
        earlier: What that code could read.
        without_secrets: Gives an error as it may be told.

    Cost:
        A SCAN of the database, and a round trip for each 200 records, or for 4 MB.
    """
    cursor, portions, stamp = "", Portions(), b"%d" % earlier.schema.version
    while cursor != "0":
        cursor, page = yield from scan(cursor or "0", keys)
        for some in portions.of(page):
            replies = yield [("HGETALL", key) for key in some]
            records = [{} if is_another_type(reply) else hash_of(reply) for reply in replies]
            for key, record in zip(some, records, strict=True):
                if record.get(STAMP, b"1") != stamp:
                    continue
                try:
                    earlier.check(Draft(record))
                except RecordError as exc:
                    return Failure(key.decode("utf-8", "surrogateescape"), str(without_secrets(exc)))
            portions.met([one for one in records if one])
    return None
