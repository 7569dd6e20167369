"""Check with a sample of records whether the models of the code can read what is stored. Writes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from redis_models.client.commands import RoundTrips
from redis_models.errors import DecodeError, RecordError
from redis_models.mapping.stored_field import STAMP, stored_version
from redis_models.redaction import counted

from ..chain.chain import Chain
from ..chain.lineage import upgrade_paths_of
from ..chain.upgrade_path import UpgradePath
from ..keyspace.sampling import sample
from ..state.tally import Kind
from .record_check import judge
from .verify import Subject

__all__ = ["Unreadable", "unreadable_in"]

_REFUSED: Final = (Kind.UNREADABLE, Kind.STAMP)


@dataclass(frozen=True)
class Unreadable:
    """Records that a model cannot read.

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
        records = counted(self.sampled, "record" if self.is_whole else "sampled record")
        return f"the code cannot read {self.failed:,} of {records} of {self.model}, e.g. {self.example}"


def unreadable_in(chain: Chain, subject: Subject, limit: int) -> RoundTrips[Unreadable | None]:
    """Read some records of a model through it, as the migrations would leave them; None if it can read all.

    Args:
        chain: The files.
        subject: The model.
        limit: Maximum number of records to read, for each key space of the model.

    Returns:
        What cannot be read. Records that cannot be rewritten, or have a later version, are not counted: other checks
        report them.

    Cost:
        Two round trips for each 20 records.
    """
    paths, failed, tried, examples, is_whole = upgrade_paths_of(chain), 0, 0, list[str](), True
    for keys in subject.spaces:
        sampled = yield from sample(keys, limit)
        is_whole = is_whole and sampled.is_whole
        for key, record in sampled.records.items():
            there = _brought(paths.get(keys.start), subject.shape.version, key, record)
            if there is None:
                continue
            tried += 1
            reasons = [verdict.reason for verdict in judge(subject.shape, key, there, 0) if verdict.kind in _REFUSED]
            failed += bool(reasons)
            examples += [f"{key}: {reasons[0]}"] if reasons else []
    return Unreadable(subject.name, failed, tried, is_whole, examples[0]) if failed else None


def _brought(
    path: UpgradePath | None, version: int, key: str, record: Mapping[str, bytes]
) -> Mapping[str, bytes] | None:
    """Give a record at the version of the code; None if it cannot be rewritten to it."""
    try:
        stamp = stored_version(key, record.get(STAMP))
    except DecodeError:
        return record
    if stamp == version:
        return record
    if stamp > version or path is None or not {stamp, version} <= set(path.versions):
        return None
    try:
        return path.rewrite(record, version).fields
    except RecordError:
        return None
