"""Digests of what operations say: their names and literals, without what may be mended while a run is stopped. Pure.

That is what functions do, and what says how single values are converted, there or back: a record that is at the target
already does not meet it any more. It may be given, too, where there was nothing.
"""

import hashlib
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass, replace
from typing import Final, cast

from ..operations import AddField, AlterField, Operation
from ..schema.snapshot import Snapshot
from .link import Link

__all__ = ["digest_of"]

_MENDABLE: Final = frozenset(["back", "convert", "merge", "split"])


def digest_of(links: Iterable[Link], snapshots: Iterable[Snapshot]) -> str:
    """Give the digest of a part of a chain: ids, schemas, and what each operation says.

    Args:
        links: Migrations.
        snapshots: Schemas after each of them.
    """
    passed = [
        f"{link.id} {snapshot.fingerprint} {_said([one for one in link.operations if not _is_way_back_only(one)])}"
        for link, snapshot in zip(links, snapshots, strict=True)
    ]
    return hashlib.sha256("\n".join(passed).encode()).hexdigest()[:16]


def _is_way_back_only(operation: Operation) -> bool:
    return isinstance(operation, AlterField) and operation.is_way_back_only


def _said(value: object) -> str:
    """Spell a value; alike in every process, so that neither the order of sets nor an address is in it."""
    if callable(value):
        return "a function"
    if is_dataclass(value):
        if isinstance(value, AddField) and value.extra == "take" and not callable(value.fill):
            # A function may take the place of both: it sees extra fields, and makes of them what it likes.
            value = replace(value, fill=_nothing, extra=None)
        told = [f"{one.name}={_said(getattr(value, one.name))}" for one in fields(value) if one.name not in _MENDABLE]
        if isinstance(value, AlterField):
            # Records that are done keep aside what the steps say, by their places; a widening has none.
            told.append(f"is_widening={value.is_widening}")
        return f"{type(value).__name__}({', '.join(told)})"
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return f"{{{', '.join(sorted(f'{_said(name)}: {_said(one)}' for name, one in pairs))}}}"
    if isinstance(value, AbstractSet):
        return f"{{{', '.join(sorted(map(_said, cast('AbstractSet[object]', value))))}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_said, cast('Iterable[object]', value)))}]"
    return type(value).__name__ if type(value).__repr__ is object.__repr__ else repr(value)


def _nothing(old: object) -> object:
    """Stand for a function of which nothing is said."""
    return None
