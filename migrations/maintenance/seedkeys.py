"""Keys that pydantic-aioredis wrote: whose record lies under one, and under which key this library looks for it. Pure.

That library put the text of a primary key into the key as it is, so that the same key may be a record of two models,
``shop:order:7`` of ``shop`` and of ``shop:order``. What decides is the primary key that the record itself holds.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

from redis_models.errors import DecodeError, InvalidPrimaryKeyError
from redis_models.mapping.mapper import Shape

__all__ = ["Verdict", "judge"]


@dataclass(frozen=True)
class Verdict:
    """What a record of a model needs.

    Attributes:
        target: The key that it is to have; None where it must stay as it is.
        problem: Why it must, and what to do; None where it need not.
    """

    target: str | None = None
    problem: str | None = None


def judge(shape: Shape[Any], key: str, raw: bytes | None, *, is_listed: bool) -> Verdict | None:
    """Say what a hash needs to become a record of a model.

    Args:
        shape: The model.
        key: Where the hash lies.
        raw: What it holds as the model's primary key, or None.
        is_listed: Whether the model's index has the key.

    Returns:
        None for a hash that seems to be none of this model's.
    """
    target, problem, spelled = None, None, False
    if raw is None:
        if _says_itself(shape, key):
            return Verdict(key)
        name = shape.primary_key
        problem = f"has no field {name!r}, the primary key, and its key does not say it; add it, or delete the hash"
    else:
        try:
            value = shape.decode_one(key, shape.primary_key, raw)
            spelled = _spells(shape, key, _spellings(value))
            target = shape.key_of(value)
        except DecodeError as exc:
            problem = f"its primary key {exc.field!r} holds {exc.raw!r}: {exc.reason}; correct it, or delete the hash"
        except InvalidPrimaryKeyError as exc:
            problem = f"its primary key {exc.value!r} {exc.reason}"
        if target == key:
            return Verdict(target)
        spelled = spelled or _spells(shape, key, _texts(raw))
        if target is not None and spelled:
            return Verdict(target)
        problem = (
            problem or f"holds the primary key {raw!r}, which belongs under {target!r}; correct it, or rename the key"
        )
    return Verdict(problem=problem) if spelled or is_listed or shape.keys.owns(key) else None


def _says_itself(shape: Shape[Any], key: str) -> bool:
    """Whether a key says the primary key as this library spells it; one that is to be renamed may mean another's."""
    try:
        return shape.key_of(shape.primary_key_in(key)) == key
    except (DecodeError, InvalidPrimaryKeyError):
        return False


def _spells(shape: Shape[Any], key: str, texts: Iterable[str]) -> bool:
    return key in (shape.keys.start + text for text in texts)


def _texts(raw: bytes) -> Iterator[str]:
    """How a key could spell what is stored, whatever its type: as it is, or without the quotes of JSON."""
    with suppress(ValueError):
        text = raw.decode()
        yield text
        inner: object = json.loads(text)
        if isinstance(inner, str):
            yield inner


def _spellings(value: object) -> Iterator[str]:
    """How that library spelled a value in a key; for enums it depended on the version of Python."""
    yield str(value)
    if isinstance(value, Enum):
        yield f"{type(value).__name__}.{value.name}"
        yield str(cast(object, value.value))
