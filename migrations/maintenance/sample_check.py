"""Readable: whether the models of the code accept what is stored, seen at a sample of records. Writes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from redis_models.client.commands import RoundTrips
from redis_models.errors import DecodeError, RecordError
from redis_models.mapping.stored_field import STAMP, stored_version

from ..chain.chain import Chain
from ..chain.lineage import routes_of
from ..chain.upgrade_path import UpgradePath
from ..keyspace.sampling import sample
from ..state.tally import Kind
from .record_check import judge
from .verify import Subject

__all__ = ["Unreadable", "unreadable_in"]

_REFUSED: Final = (Kind.UNREADABLE, Kind.STAMP)


@dataclass(frozen=True)
class Unreadable:
    """Records that a model refuses.

    Attributes:
        model: Its name.
        failed: How many of the sample.
        sampled: How many were tried.
        is_whole: Whether these were all.
        example: Key of one, and why.
    """

    model: str
    failed: int
    sampled: int
    is_whole: bool
    example: str

    def __str__(self) -> str:
        of = f"{self.failed:,} of {self.sampled:,}" + ("" if self.is_whole else " sampled")
        noun = "record" if self.sampled == 1 else "records"
        return f"{of} {noun} of {self.model} cannot be read by the code, e.g. {self.example}"


def unreadable_in(chain: Chain, subject: Subject, limit: int) -> RoundTrips[Unreadable | None]:
    """Read some records of a model through it, as the migrations would leave them; None where all are accepted.

    Args:
        chain: The files.
        subject: The model.
        limit: How many records to read at most, in each place where they lie.

    Returns:
        What is refused. Records that cannot be converted, or are of a later version, are not counted: other checks tell
        of these.

    Cost:
        Two round trips for each 20 records.
    """
    routes, failed, tried, examples, is_whole = routes_of(chain), 0, 0, list[str](), True
    for keys in subject.spaces:
        found = yield from sample(keys, limit)
        is_whole = is_whole and found.is_whole
        for key, record in found.records.items():
            there = _brought(routes.get(keys.start), subject.shape.version, key, record)
            if there is None:
                continue
            tried += 1
            reasons = [one.reason for one in judge(subject.shape, key, there, 0) if one.kind in _REFUSED]
            failed += bool(reasons)
            examples += [f"{key}: {reasons[0]}"] if reasons else []
    return Unreadable(subject.name, failed, tried, is_whole, examples[0]) if failed else None


def _brought(
    route: UpgradePath | None, version: int, key: str, record: Mapping[str, bytes]
) -> Mapping[str, bytes] | None:
    """Give a record at the version of the code; None where it cannot be brought there."""
    try:
        stamp = stored_version(key, record.get(STAMP))
    except DecodeError:
        return record
    if stamp == version:
        return record
    if stamp > version or route is None or not {stamp, version} <= set(route.versions):
        return None
    try:
        return route.rewrite(record, version).fields
    except RecordError:
        return None
