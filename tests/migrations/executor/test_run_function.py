"""Free steps: what is before one is recorded before it is called, and nothing is called twice that may not be."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.errors import IncompleteError, LockedError, MigrationFileError, UnsafeError
from redis_models.migrations import AddField, CreateModel, Run, RunContext
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.chain.loaded_migration import LoadedMigration
from redis_models.migrations.executor.progress import Policy, Progress
from redis_models.migrations.executor.recorder import fake, stamp
from redis_models.migrations.executor.run import execute_run
from redis_models.migrations.executor.throttle import fixed_throttle
from redis_models.migrations.operations import Operation
from redis_models.migrations.planner.segments import RunPlan, make_run_plan
from redis_models.migrations.state.lease import hold_lease
from redis_models.migrations.state.store import StateStore

_CREATED = CreateModel("Customer", {"id": "str", "name": "str"}, "id", "customer")
_CITY = AddField("Customer", "city", "str", fill="Wien")
_ZIP = AddField("Customer", "zip", "str", fill="1010")


def _link(number: int, *operations: Operation, **versions: int) -> LoadedMigration:
    previous = f"id{number - 1}" if number > 1 else None
    name = f"{number:04d}_step"
    return LoadedMigration(number, name, f"{name}.py", f"id{number}", previous, versions, operations, f"sum{number}")


@dataclass
class Shop:
    """A database and a chain: created, city, a free step, zip, another free step.

    Attributes:
        seen: For each call, its name and what the first record was like.
    """

    client: Any
    may_run_twice: bool = True
    has_back: bool = True
    seen: list[tuple[str, dict[bytes, bytes]]] = field(default_factory=list[tuple[str, dict[bytes, bytes]]])
    during: Callable[[RunContext], None] | None = None
    progress: list[Progress] = field(default_factory=list[Progress])

    def __post_init__(self) -> None:
        self.exchange = SyncClient(self.client, "test")
        self.shelf = StateStore("default", "shop")
        self.client.hset("customer:1", mapping={"_v": 1, "id": "1", "name": "Ada"})

    @property
    def chain(self) -> Chain:
        first = self._step("first")
        second = self._step("second")
        links = _link(1, _CREATED, Customer=1), _link(2, _CITY, Customer=2), _link(3, first)
        return Chain("shop", (*links, _link(4, _ZIP, Customer=3), _link(5, second)))

    def _step(self, name: str) -> Run:
        def there(context: RunContext) -> None:
            self._note(name, context)

        def back(context: RunContext) -> None:
            self._note(f"{name} back", context)

        return Run(there, back if self.has_back else None, may_run_twice=self.may_run_twice)

    def _note(self, name: str, context: RunContext) -> None:
        found: Any = context.redis.hgetall("customer:1")
        self.seen.append((name, found))
        if self.during is not None:
            self.during(context)

    def run_plan(self, target: int) -> RunPlan:
        return make_run_plan(self.chain, run(self.exchange, self.shelf.read()), target)

    def migrate(self, target: int, *, run_again: bool = False, segments: int = 99, life_s: float = 30.0) -> list[int]:
        """Go to a target in at most so many segments; return the position after each."""
        reached: list[int] = []
        with hold_lease(self.exchange, "default", life_s=life_s) as lease:
            done = execute_run(
                self.exchange,
                lease,
                self.shelf,
                self.run_plan(target),
                lambda state: make_run_plan(self.chain, state, target),
                policy=Policy(fixed_throttle(100)),
                report=self.progress.append,
                run_again=run_again,
            )
            for segment, _ in done:
                reached.append(segment.target)
                if len(reached) == segments:
                    break
        return reached

    @property
    def position(self) -> int:
        return len(run(self.exchange, self.shelf.read()).ledger)

    @property
    def version(self) -> bytes:
        found: bytes = self.client.hget("customer:1", "_v")
        return found

    @property
    def called(self) -> list[str]:
        return [name for name, _ in self.seen]


@pytest.fixture
def shop(client: Any) -> Shop:
    return Shop(client)


def _fail(_: RunContext) -> None:
    raise ValueError("no such rack")


def _stops(shop: Shop, start: int, target: int) -> Sequence[tuple[int, int]]:
    if start:
        shop.migrate(start)
    return [(segment.start, segment.target) for segment in shop.run_plan(target).segments]


@pytest.mark.parametrize(
    ("start", "target", "segments"),
    [
        (0, 5, [(0, 2), (2, 3), (3, 4), (4, 5)]),
        (0, 2, [(0, 2)]),
        (0, 3, [(0, 2), (2, 3)]),
        (2, 3, [(2, 3)]),
        (3, 4, [(3, 4)]),
        (5, 0, [(5, 4), (4, 3), (3, 2), (2, 0)]),
        (4, 2, [(4, 3), (3, 2)]),
        (3, 3, [(3, 3)]),
    ],
)
def test_a_way_is_cut_on_both_sides_of_a_free_step(
    shop: Shop, start: int, target: int, segments: list[tuple[int, int]]
) -> None:
    assert _stops(shop, start, target) == segments


def test_each_step_sees_the_records_as_they_are_at_its_place(shop: Shop) -> None:
    there = shop.migrate(5)
    back = shop.migrate(0)

    assert (there, back) == ([2, 3, 4, 5], [4, 3, 2, 0])
    assert shop.called == ["first", "second", "second back", "first back"]
    assert [(b"city" in record, b"zip" in record) for _, record in shop.seen] == [
        (True, False),
        (True, True),
        (True, True),
        (True, False),
    ]
    assert shop.client.hgetall("customer:1") == {b"_v": b"1", b"id": b"1", b"name": b"Ada"}


def test_what_is_before_a_step_is_recorded_when_it_is_called(shop: Shop) -> None:
    positions: list[int] = []
    shop.during = lambda _: positions.append(shop.position)

    shop.migrate(5)
    shop.migrate(2)

    assert positions == [2, 4, 5, 3]


def test_a_run_that_dies_between_two_segments_resumes_after_the_first(shop: Shop) -> None:
    first = shop.migrate(5, segments=2)
    rest = shop.migrate(5)

    assert (first, rest) == ([2, 3], [4, 5])
    assert shop.called == ["first", "second"]


def test_records_that_newer_code_wrote_already_are_not_taken_back_on_the_way(shop: Shop) -> None:
    newer = {b"_v": b"3", b"id": b"2", b"name": b"Eve", b"city": b"Graz", b"zip": b"8010"}
    shop.client.hset("customer:2", mapping=newer)
    found: list[dict[bytes, bytes]] = []
    shop.during = lambda context: found.append(shop.client.hgetall("customer:2"))

    shop.migrate(5)

    assert found == [newer, newer]
    assert shop.client.hgetall("customer:2") == newer


def test_a_function_that_raises_stops_the_run_there_and_is_quoted(shop: Shop) -> None:
    shop.during = _fail

    with pytest.raises(IncompleteError) as stopped:
        shop.migrate(5)

    assert "there of 0003_step raised ValueError: no such rack" in str(stopped.value)
    assert "run 'migrate' again" in str(stopped.value)
    assert isinstance(stopped.value.__cause__, ValueError)
    assert (shop.position, shop.version) == (2, b"2")
    shop.during = None
    assert shop.migrate(5) == [3, 4, 5]
    assert shop.called == ["first", "first", "second"]


@pytest.mark.parametrize("target", [5, 0])
def test_a_step_that_may_not_run_twice_is_not_called_again_unasked(shop: Shop, target: int) -> None:
    shop.migrate(5 - target)
    shop.seen.clear()
    shop.may_run_twice, shop.during = False, _fail
    with pytest.raises(IncompleteError, match="may not run twice: look"):
        shop.migrate(target)
    shop.during = None

    with pytest.raises(IncompleteError) as refused:
        shop.migrate(target)

    assert "may have run partly, and it may not run twice" in str(refused.value)
    assert "migrate --run-again" in str(refused.value)
    assert len(shop.seen) == 1
    assert shop.migrate(target, run_again=True)[-1] == target
    assert len(shop.seen) == 3


def test_a_step_that_is_open_is_finished_before_anything_else_is_done(shop: Shop) -> None:
    shop.during = _fail
    with pytest.raises(IncompleteError):
        shop.migrate(5)
    shop.during = None

    for target in (0, 2):
        with pytest.raises(IncompleteError, match="finish that first with 'migrate shop 3'"):
            shop.migrate(target)

    assert shop.migrate(4) == [3, 4]
    assert shop.migrate(0)[-1] == 0


@pytest.mark.parametrize(("target", "called"), [(3, ["first", "second"]), (2, ["first", "first", "second"])])
def test_fake_says_what_became_of_a_step_that_is_open(shop: Shop, target: int, called: list[str]) -> None:
    shop.may_run_twice, shop.during = False, _fail
    with pytest.raises(IncompleteError) as stopped:
        shop.migrate(5)
    shop.during = None
    with pytest.raises(IncompleteError, match=f"'migrate --fake shop {target}'"):
        shop.migrate(5)

    with hold_lease(shop.exchange, "default", life_s=30) as lease:
        fake(shop.exchange, lease, shop.shelf, shop.chain, target)

    assert "look at what it did" in str(stopped.value)
    assert shop.migrate(5)[-1] == 5
    assert shop.called == called


def test_without_back_nothing_is_taken_back_and_the_refusal_comes_first(shop: Shop) -> None:
    shop.has_back = False
    shop.migrate(5)

    with pytest.raises(UnsafeError) as refused:
        shop.migrate(1)

    assert "0005_step cannot be taken back, because there has no back=" in str(refused.value)
    assert "'stamp shop 4'" in str(refused.value)
    assert (shop.position, shop.version) == (5, b"3")
    with hold_lease(shop.exchange, "default", life_s=30) as lease:
        stamp(shop.exchange, lease, shop.shelf, shop.chain, 4)
    assert shop.migrate(3) == [3]


def test_a_run_that_is_given_up_is_settled_before_a_step_is_taken_back(shop: Shop) -> None:
    shop.migrate(3)
    shop.client.hset("customer:2", mapping={"_v": 2, "id": "2", "name": "Eve", "city": "Graz"})
    shop.client.hset("customer:3", "_v", "bad")
    with pytest.raises(IncompleteError):
        shop.migrate(4)
    shop.client.delete("customer:3")
    found: list[set[bytes]] = []
    shop.during = lambda _: found.append({shop.client.hget(f"customer:{at}", "_v") for at in (1, 2)})

    segments = shop.migrate(2)

    assert segments == [3, 2]
    assert found == [{b"2"}]


def test_a_function_is_given_a_client_of_its_own_the_schemas_and_the_progress(shop: Shop) -> None:
    given: list[RunContext] = []
    shop.during = given.append

    shop.migrate(3)

    [context] = given
    assert context.snapshot == shop.chain.snapshots[3]
    plain: Any = context.redis
    assert plain.get_connection_kwargs()["retry"].get_retries() == 0
    context.report(3, 7)
    assert shop.progress[-1] == Progress("0003_step", 3, 0, 7)


def test_the_lease_is_kept_while_a_function_runs_longer_than_it_lives(shop: Shop) -> None:
    lives: list[int] = []

    def wait(context: RunContext) -> None:
        key = "redis_models:{default}:lease"
        before = shop.client.hget(key, "until")
        for _ in range(1000):
            if shop.client.hget(key, "until") != before:
                lives.append(1)
                return
            threading.Event().wait(0.01)

    shop.during = wait

    shop.migrate(3, life_s=0.3)

    assert lives == [1]


def test_nothing_is_recorded_of_a_step_whose_lease_was_taken_over(shop: Shop) -> None:
    def overtake(_: RunContext) -> None:
        shop.client.hset("redis_models:{default}:lease", "epoch", 9_000_000_000_000_000)

    shop.during = overtake

    with pytest.raises(LockedError, match="nothing is recorded of it"):
        shop.migrate(3)

    assert shop.position == 2


async def _later(_: RunContext) -> None: ...


def _slowly(_: RunContext) -> Any:
    yield


@pytest.mark.parametrize(("function", "says"), [(_later, "is async"), (_slowly, "has a yield")])
def test_a_function_that_does_nothing_when_it_is_called_is_refused(function: Any, says: str) -> None:
    with pytest.raises(MigrationFileError, match=says):
        Chain("shop", (_link(1, Run(function, may_run_twice=True)),))


def test_a_function_that_returns_an_awaitable_fails(shop: Shop) -> None:
    step = Run(lambda context: _later(context), may_run_twice=True)
    chain = Chain("shop", (*shop.chain.migrations[:2], _link(3, step)))
    with (
        pytest.raises(IncompleteError, match=r"asyncio\.run"),
        hold_lease(shop.exchange, "default", life_s=30) as lease,
    ):
        state = run(shop.exchange, shop.shelf.read())
        run_plan = make_run_plan(chain, state, 3)
        list(
            execute_run(
                shop.exchange,
                lease,
                shop.shelf,
                run_plan,
                lambda _: run_plan,
                policy=Policy(fixed_throttle(9)),
                report=lambda _: None,
            )
        )

    assert shop.position == 2


@pytest.mark.parametrize(
    ("operations", "versions", "says"),
    [
        ((_CREATED, Run(_fail, may_run_twice=True)), {"Customer": 1}, "must be the only operation"),
        ((Run(_fail, may_run_twice=True),) * 2, {}, "must be the only operation"),
        ((Run(_fail, may_run_twice=True),), {"Customer": 2}, "raise versions in another migration"),
    ],
)
def test_a_free_step_stands_alone_in_its_migration(
    operations: tuple[Operation, ...], versions: dict[str, int], says: str
) -> None:
    with pytest.raises(MigrationFileError, match=says):
        Chain("shop", (_link(1, *operations, **versions),))
