"""Verdicts: what is wrong with a stored record, judged by the model that is to read it. Pure."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from redis_models.encoding.secrets import reason_of
from redis_models.errors import DecodeError, InvalidPrimaryKeyError
from redis_models.mapping.mapper import Shape
from redis_models.mapping.stored_field import RESERVED, STAMP, stored_version
from redis_models.printable import printable

from ..state.tally import Kind, Verdict

__all__ = ["judge"]

_KEPT: Final = re.compile(r"_b([1-9][0-9]{0,14})[.-]")


def judge(
    shape: Shape[Any], key: str, record: Mapping[str, bytes], life_ms: int, others: Collection[str] = ()
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


def _fields(shape: Shape[Any], key: str, record: Mapping[str, bytes], others: Collection[str]) -> Iterator[Verdict]:
    for name in record:
        if name in others:
            continue
        kept = _KEPT.match(name)
        if kept is not None and int(kept[1]) > shape.version:
            yield Verdict(Kind.ASIDE, key, f"keeps {name!r} aside, though it is of version {shape.version}")
        elif kept is None and name != STAMP and name not in shape.names and not _is_extra(shape, name):
            yield Verdict(Kind.UNDECLARED, key, f"field {name!r} is none of its model's, so nobody reads it")


def _is_extra(shape: Shape[Any], name: str) -> bool:
    return shape.reads_whole and not name.startswith(RESERVED)


def _complaint(shape: Shape[Any], key: str, record: Mapping[str, bytes]) -> Verdict | None:
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
