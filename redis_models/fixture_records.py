"""Records that fixtures of classes, modules and sessions make, for ``testing``: tests of theirs begin with them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from .client.commands import Batches, check

__all__ = ["Content", "FixtureRecords", "content", "restored"]

Content = Mapping[bytes, "tuple[bytes, int] | None"]  # of keys: what DUMP and PTTL say; None where there is none


@dataclass
class FixtureRecords:
    """What each fixture that is set up changed, in the order in which they were. Belongs to the tests of a process.

    Attributes:
        is_used: Whether a test was begun by this, and nothing has brought the server in order since.
        is_in_test: Whether a test is under way.
    """

    is_used: bool = False
    is_in_test: bool = False
    _changes: dict[int, Content] = field(default_factory=dict[int, Content])

    def add(self, fixture: object, before: Content, after: Content) -> None:
        """Remember what a fixture changed."""
        self._changes[id(fixture)] = {
            key: after.get(key) for key in before.keys() | after.keys() if before.get(key) != after.get(key)
        }

    def forget(self, fixture: object) -> None:
        """A fixture is torn down: the tests that come begin without what it made."""
        self._changes.pop(id(fixture), None)

    @property
    def kept(self) -> Content:
        """What a test begins with."""
        merged: dict[bytes, tuple[bytes, int] | None] = {}
        for change in self._changes.values():
            merged |= change
        return {key: one for key, one in merged.items() if one is not None}


def content() -> Batches[Content]:
    """Read everything.

    Cost: two round trips; one where there is nothing.
    """
    keys = cast("list[bytes]", check((yield [("KEYS", "*")]))[0])
    if not keys:
        return {}
    replies = cast("list[Any]", check((yield [(name, key) for key in keys for name in ("DUMP", "PTTL")])))
    pairs = zip(keys, replies[::2], replies[1::2], strict=True)
    return {key: (raw, max(ttl_ms, 0)) for key, raw, ttl_ms in pairs if raw is not None}


def restored(kept: Content) -> Batches[None]:
    """Leave what is to be kept, and nothing else.

    Cost: one round trip.
    """
    records = [("RESTORE", key, one[1], one[0]) for key, one in kept.items() if one is not None]
    check((yield [("FLUSHALL",), *records]))
