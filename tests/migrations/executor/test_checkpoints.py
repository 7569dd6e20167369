"""A cursor is stored when all records before it are done, by any strategy and in any order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Final
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from redis_models.client.commands import RoundTrips, Sleep
from redis_models.client.drivers import run
from redis_models.migrations.executor import pass_runner
from redis_models.migrations.executor.key_pages import Page
from redis_models.migrations.executor.pass_runner import PassRunner
from redis_models.migrations.executor.progress import Policy
from redis_models.migrations.executor.strategies import RewriteStrategy
from redis_models.migrations.executor.throttle import ThrottleState
from redis_models.migrations.keyspace.results import Outcome, PendingResult
from redis_models.migrations.state.entries import Journal

_paces: Final = st.builds(
    ThrottleState,
    st.integers(1, 3),
    rest=st.sampled_from([0.0, 0.0, 0.5]),
    hold=st.sampled_from(["", "", "full"]),
    is_unthrottled=st.booleans(),
)


@dataclass
class Scenario:
    """All that a walk talks to, without a server: the keys are numbers, and time passes by pauses.

    Attributes:
        sizes: Of the pages.
        draw: Gives what is left open.
        now: The time, in seconds.
        done: Records that were rewritten.
        cursors: Those that were stored.
    """

    sizes: Sequence[int]
    draw: Callable[[Any], Any]
    now: float = 0.0
    done: set[bytes] = field(default_factory=set[bytes])
    cursors: list[str] = field(default_factory=list[str])
    key: str = "lease"
    epoch: int = 1
    app: str = "shop"
    label: str = "A"
    keys: Any = None

    def exchange(self, commands: Any) -> list[Any]:
        self.now += commands.seconds if isinstance(commands, Sleep) else 0.001
        return []

    def clock(self) -> float:
        return self.now

    def renewed_if_due(self) -> RoundTrips[None]:
        yield ()

    def save_journal(self, _: str, __: int, journal: Journal, ___: Any = None) -> RoundTrips[None]:
        yield ()
        if journal.cursor != "begin":
            before = sum(self.sizes[: int(journal.cursor) or None])
            assert self.done >= {b"%d" % number for number in range(before)}
            self.cursors.append(journal.cursor)

    def pages(self, *_: Any) -> Any:
        ends = [0, *accumulate(self.sizes)]
        names = [*map(str, range(1, len(self.sizes))), "0"]
        scenario, left = self, iter(zip(ends, ends[1:], names, strict=False))

        class Pages:
            is_over = False

            def next(self, _: ThrottleState) -> RoundTrips[Page]:
                yield ()
                start, end, following = next(left)
                self.is_over = following == "0"
                return Page(
                    [b"%d" % number for number in range(start, end)], scenario.draw(st.integers(0, 1)), following
                )

            def ask(self, _: ThrottleState) -> RoundTrips[None]:
                yield ()

        return Pages()

    def rewritten(self, keys: Sequence[bytes], _: ThrottleState) -> RoundTrips[Outcome]:
        yield ()
        assert not self.done & set(keys)
        self.done |= set(keys)
        return Outcome(changed=len(keys))

    def submitted(self, keys: Sequence[bytes], throttle: ThrottleState) -> RoundTrips[PendingResult]:
        yield ()
        ends = self.now + self.draw(st.sampled_from([0.0, 0.01, 0.1, 1.0]))

        def work() -> RoundTrips[Outcome]:
            while self.now < ends:
                yield Sleep(0.05)
            return (yield from self.rewritten(keys, throttle))

        return PendingResult(lambda: self.now >= ends, work())


class Mixed(RewriteStrategy):
    """Begins some batches elsewhere, and does others at once."""

    def __init__(self, scenario: Scenario, max_in_flight: int) -> None:
        super().__init__()
        self._scenario, self.max_in_flight = scenario, max_in_flight

    def start(self, keys: Sequence[bytes], throttle: ThrottleState) -> RoundTrips[PendingResult]:
        if self.max_in_flight == 1 or throttle.rest or self._scenario.draw(st.booleans()):
            return PendingResult.completed((yield from self._scenario.rewritten(keys, throttle)))
        return (yield from self._scenario.submitted(keys, throttle))


def _no_size(_: Any) -> RoundTrips[int]:
    yield ()
    return 0


@given(sizes=st.lists(st.integers(0, 9), min_size=1, max_size=6), most=st.integers(1, 5), drawn=st.data())
@settings(max_examples=300, deadline=None)
def test_no_cursor_is_stored_before_all_records_behind_it_are_done(
    sizes: list[int], most: int, drawn: st.DataObject
) -> None:
    scenario: Any = Scenario(sizes, drawn.draw)
    strategy = Mixed(scenario, most)
    policy = Policy(lambda: drawn.draw(_paces), patience_s=1e9)
    begun = Journal(1, 1, 1, "")
    with patch.multiple(pass_runner, Pages=scenario.pages, index_size=_no_size, _CHECKPOINT_S=0.0):
        runner = PassRunner(scenario, scenario, begun, policy, scenario, lambda _: None)
        scan = run(scenario, runner._scan(scenario, strategy, "run", "begin", 0, 7))

    assert scan.changed == len(scenario.done) == sum(sizes)
    assert scenario.cursors[-1] == runner.journal.cursor == "0"
    assert runner.journal.changed == 7 + sum(sizes)
    assert runner.journal.seen == scan.changed + scan.skipped
