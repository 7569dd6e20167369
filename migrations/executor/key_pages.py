"""Pages: the keys of the records that a scan may have to rewrite, some at a time, in the order of SCAN.

A page can be asked for before the records of the page before are rewritten; the server gives it between two scripts.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from redis_models.client.commands import PendingReplies, RoundTrips, check, pipelined

from ..keyspace.scan import scan, scan_rest, scanned, scanning
from ..planner.passes import RenameKeysPass, RewritePass
from .strategies import RewriteStrategy
from .throttle import ThrottleState

__all__ = ["Page", "Pages"]

# SCANs a page: where many other keys lie between the records, the lease must be renewed and a pause be noticed.
_MOST_SCANS: Final = 100


class Page(NamedTuple):
    """Some of the keys of a scan.

    Attributes:
        keys: Those of records that may have to be rewritten.
        passed: How many others there were, which are at the target already.
        following: The cursor of the next page, "0" after the last.
    """

    keys: Sequence[bytes]
    passed: int
    following: str


class Pages:
    """The pages of one scan.

    Args:
        record_pass: The pass.
        strategy: Rewrites them.
        cursor: Where the scan begins.

    Attributes:
        is_over: Whether the last page was given.
    """

    def __init__(self, record_pass: RewritePass | RenameKeysPass, strategy: RewriteStrategy, cursor: str) -> None:
        self.is_over = False
        self._pass, self._strategy, self._cursor = record_pass, strategy, cursor
        self._replies: PendingReplies | None = None

    def next(self, throttle: ThrottleState) -> RoundTrips[Page]:
        """Give the next page; one that was not asked for is as large as the throttle allows."""
        if self._replies is not None:
            page = yield from self._pipelined_page(self._replies)
        elif isinstance(self._pass, RewritePass) and not self._strategy.expects_outdated:
            page = yield from self._outdated_page(self._pass, throttle)
        else:
            reads_whole_page = throttle.is_unthrottled or not self._strategy.needs_unthrottled
            page = yield from self._scanned_page(self._strategy.page_size if reads_whole_page else 1)
        self._replies = None
        self._cursor, self.is_over = page.following, page.following == "0"
        return page

    def ask(self, throttle: ThrottleState) -> RoundTrips[None]:
        """Ask for the next page while a batch is in flight, unless there is a throttle, or few records are outdated."""
        strategy = self._strategy
        is_useful = strategy.max_in_flight > 1 and strategy.expects_outdated and throttle.is_unthrottled
        if is_useful and self._replies is None and not self.is_over:
            self._replies = yield from pipelined([scanning(self._cursor, self._pass.keys, strategy.page_size)])

    def _pipelined_page(self, replies: PendingReplies) -> RoundTrips[Page]:
        cursor, keys = scanned(check((yield from replies.wait()))[0], self._pass.keys)
        return Page(keys, 0, cursor)

    def _outdated_page(self, rewrite_pass: RewritePass, throttle: ThrottleState) -> RoundTrips[Page]:
        # A look at a stamp takes a fifth of what it takes to rewrite a record.
        most = 5 * throttle.batch_size * (1 + throttle.is_unthrottled)
        cursor, keys, passed = yield from scan_rest(self._cursor, rewrite_pass.keys, rewrite_pass.target, most)
        return Page(keys, passed, cursor)

    def _scanned_page(self, least: int) -> RoundTrips[Page]:
        cursor, keys = yield from scan(self._cursor, self._pass.keys)
        for _ in range(_MOST_SCANS):
            if len(keys) >= least or cursor == "0":
                break
            cursor, more = yield from scan(cursor, self._pass.keys)
            keys += more
        return Page(keys, 0, cursor)
