"""Pages: the keys of the records that a walk may have to rewrite, some at a time, in the order of SCAN.

A page can be asked for before the records of the one before are rewritten; the server gives it between two scripts.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from redis_models.client.commands import Pipelined, Reply, RoundTrips, check

from ..keyspace.scan import scan, scan_rest, scanned, scanning
from ..planner.passes import RenameKeysPass, RewritePass
from .strategies import RewriteStrategy
from .throttle import ThrottleState

__all__ = ["Page", "Pages"]

# SCANs a page: where many other keys lie between the records, the lease must be kept and a pause be heard.
_MOST_SCANS: Final = 100


class Page(NamedTuple):
    """Some of the records of a walk.

    Attributes:
        keys: Those that may have to be rewritten.
        passed: How many others there were, which are at the target already.
        following: The cursor of the next page, "0" after the last.
    """

    keys: Sequence[bytes]
    passed: int
    following: str


class Pages:
    """The pages of one walk.

    Args:
        work: Whose records are met.
        hands: Who rewrites them.
        cursor: Where the walk begins.

    Attributes:
        is_over: Whether the last one was given.
    """

    def __init__(self, work: RewritePass | RenameKeysPass, hands: RewriteStrategy, cursor: str) -> None:
        self.is_over = False
        self._work, self._hands, self._cursor = work, hands, cursor
        self._ahead: list[Reply] | None = None

    def next(self, pace: ThrottleState) -> RoundTrips[Page]:
        """Give the next page; one that was not asked for is as large as the pace has it."""
        if self._ahead is not None:
            page = yield from self._arrived(self._ahead)
        elif isinstance(self._work, RewritePass) and not self._hands.is_first:
            page = yield from self._looked_through(self._work, pace)
        else:
            page = yield from self._scanned(self._hands.page if pace.is_free or not self._hands.takes_freedom else 1)
        self._ahead = None
        self._cursor, self.is_over = page.following, page.following == "0"
        return page

    def ask(self, pace: ThrottleState) -> RoundTrips[None]:
        """Ask for the next page, if there is one, nobody minds how large it is, and most of its records are needed."""
        if self._ahead is None and not self.is_over and self._hands.is_first and pace.is_free:
            self._ahead = yield Pipelined([scanning(self._cursor, self._work.keys, self._hands.page)])

    def _arrived(self, ahead: list[Reply]) -> RoundTrips[Page]:
        if not ahead:
            yield ()
        cursor, keys = scanned(check(ahead)[0], self._work.keys)
        return Page(keys, 0, cursor)

    def _looked_through(self, work: RewritePass, pace: ThrottleState) -> RoundTrips[Page]:
        # A look at a stamp takes a fifth of what it takes to rewrite a record.
        most = 5 * pace.batch_size * (1 + pace.is_free)
        cursor, keys, passed = yield from scan_rest(self._cursor, work.keys, work.target, most)
        return Page(keys, passed, cursor)

    def _scanned(self, least: int) -> RoundTrips[Page]:
        cursor, keys = yield from scan(self._cursor, self._work.keys)
        for _ in range(_MOST_SCANS):
            if len(keys) >= least or cursor == "0":
                break
            cursor, more = yield from scan(cursor, self._work.keys)
            keys += more
        return Page(keys, 0, cursor)
