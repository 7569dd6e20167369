"""What a migration keeps aside in a record, in the stored field ``_b<n>``: encode and decode it. Pure.

The bytes are a run of entries ``{step}:{length}:{name}`` followed by ``-`` for a field that was absent, or by
``{length}:{bytes}``. Lengths are in bytes, so that any value fits, and the server's scripts can write it by joining text.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from redis_models.errors import RecordError

__all__ = ["Entry", "decode_aside", "encode_aside", "entry_head", "kept_field"]


@dataclass(frozen=True)
class Entry:
    """A field as it was before a step.

    Attributes:
        step: Place of the step in its migration; one past the last is the stamp's own entry.
        name: The field.
        raw: Its bytes, or None where it was absent.
    """

    step: int
    name: str
    raw: bytes | None


def kept_field(version: int) -> str:
    """Name of the stored field that keeps what the migration to ``version`` changed."""
    return f"_b{version}"


def entry_head(step: int, name: str) -> bytes:
    """Give an entry's bytes up to its value."""
    raw = name.encode("utf-8", "surrogateescape")
    return b"%d:%d:%s" % (step, len(raw), raw)


def encode_aside(entries: Iterable[Entry]) -> bytes:
    """Give the bytes of ``entries``, in their order."""
    return b"".join(
        entry_head(one.step, one.name) + (b"-" if one.raw is None else b"%d:%s" % (len(one.raw), one.raw))
        for one in entries
    )


def decode_aside(field: str, raw: bytes) -> list[Entry]:
    """Read entries back.

    Raises:
        RecordError: The bytes are none of ours.
    """
    entries: list[Entry] = []
    place = 0
    try:
        while place < len(raw):
            step, place = _number(raw, place)
            name, place = _counted(raw, place)
            value = None
            if raw[place : place + 1] == b"-":
                place += 1
            else:
                value, place = _counted(raw, place)
            entries.append(Entry(step, name.decode("utf-8", "surrogateescape"), value))
    except ValueError as exc:
        raise RecordError(field, raw, "is not what a migration keeps aside; somebody else wrote it") from exc
    return entries


def _number(raw: bytes, place: int) -> tuple[int, int]:
    colon = raw.index(b":", place)
    return int(raw[place:colon]), colon + 1


def _counted(raw: bytes, place: int) -> tuple[bytes, int]:
    length, start = _number(raw, place)
    if length < 0 or start + length > len(raw):
        raise ValueError(length)
    return raw[start : start + length], start + length
