"""Runs that died: the next one begins where they were, and knows how far they had brought records, up and back."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.migrations import AddField, CreateModel, RemoveField
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.executor import pass_runner
from redis_models.migrations.keyspace import scan
from redis_models.migrations.keyspace.scan import _REST
from redis_models.migrations.state.entries import Journal
from redis_models.migrations.state.store import StateStore

_COUNT: Final = 40
_A: Final = CreateModel("A", {"id": "str", "x": "str"}, "id", "a")
_B: Final = CreateModel("B", {"id": "str", "x": "str"}, "id", "b")


def _next(old: Any) -> str:
    return f"{old.x}+"


class Runs:
    """Runs of one chain, of which some die."""

    def __init__(self, database: Any, watched: Callable[..., Any]) -> None:
        self.database, self.client = database, database.client
        self._watched = watched
        self.scanned: list[tuple[str, str]] = []  # at which cursors the last run asked for keys, and of what

    def fill(self, table: str, version: int = 1) -> None:
        for number in range(_COUNT):
            self.database.put(f"{table}:{number}", _v=str(version), id=str(number), x="1")

    def versions(self, table: str) -> list[int]:
        return sorted({int(self.client.hget(f"{table}:{number}", "_v")) for number in range(_COUNT)})

    @property
    def journal(self) -> Journal | None:
        found: Journal | None = run(self.database.exchange, StateStore("default", "shop").read()).journal
        return found

    def go(
        self, chain: Chain, target: int | None = None, then: Callable[[], None] = lambda: None, **given: Any
    ) -> None:
        exchange = given.pop("exchange", None) or self._watched(then)
        inner, self.scanned = exchange.exchange, []

        def noting(commands: Any, *arguments: Any, **options: Any) -> Any:
            for command in commands:
                if command[0] == "SCAN":
                    self.scanned.append((str(command[1]), str(command[3])))
                elif command[:3] == ("EVALSHA", _REST.sha, 0):  # which leaves out what is there already
                    self.scanned.append((str(command[3]), str(command[4])))
            return inner(commands, *arguments, **options)

        exchange.exchange = noting
        self.database.migrate(chain, target, exchange, **given)

    def die(self, chain: Chain, target: int, when: Callable[[Journal], object], **given: Any) -> Journal:
        """Run until something is true of the journal, and be killed; give the journal."""
        found: list[Journal] = []

        def look() -> None:
            journal = self.journal
            if not found and journal is not None and journal.target == target and when(journal):
                found.append(journal)
                self.client.delete("redis_models:{default}:lease")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            self.go(chain, target, look, **given)
        return found[0]


@pytest.fixture
def runs(database: Any, watched: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    monkeypatch.setattr(scan, "_COUNT", 10)
    monkeypatch.setattr(pass_runner, "_CHECKPOINT_S", 0.0)
    yield Runs(database, watched)


def test_the_next_run_goes_on_at_the_cursor(runs: Runs, chain: Callable[..., Chain]) -> None:
    links = chain(({"A": 1}, [_A]), ({"A": 2}, [AddField("A", "y", "str", fill=_next)]))
    runs.database.migrate(links, 1)
    runs.fill("a")
    left = runs.die(links, 2, lambda journal: journal.cursor != "0")

    runs.go(links)

    assert runs.scanned[0] == (left.cursor, "a:*")
    assert runs.versions("a") == [2]


def test_but_not_at_that_of_another_model(runs: Runs, chain: Callable[..., Chain]) -> None:
    both = [AddField("A", "y", "str", fill=_next), AddField("B", "y", "str", fill=_next)]
    links = chain(({"A": 1, "B": 1}, [_A, _B]), ({"A": 2, "B": 2}, both))
    runs.database.migrate(links, 1)
    runs.fill("a")
    runs.fill("b")
    runs.die(links, 2, lambda journal: journal.cursor != "0" and journal.model.startswith("B "))

    runs.go(links)

    assert runs.scanned[0] == ("0", "a:*")
    assert runs.versions("a") == runs.versions("b") == [2]


def test_it_is_not_resent_if_the_run_id_of_the_server_is_unknown(
    runs: Runs, server: Any, chain: Callable[..., Chain]
) -> None:
    links = chain(({"A": 1}, [_A]), ({"A": 2}, [AddField("A", "y", "str", fill=_next)]))
    runs.database.migrate(links, 1)
    runs.fill("a")
    runs.client.execute_command("ACL", "SETUSER", "bob", "reset", "on", ">pw", "~*", "+@all", "-info")
    with server.client(username="bob", password="pw") as bob:
        runs.database.exchange = SyncClient(bob, "test")
        runs.die(links, 2, lambda journal: journal.cursor != "0")

        runs.go(links)

    runs.client.execute_command("ACL", "DELUSER", "bob")
    assert runs.scanned[0] == ("0", "a:*")
    assert runs.versions("a") == [2]


def test_how_far_up_two_runs_that_died_have_been_is_taken_back(runs: Runs, chain: Callable[..., Chain]) -> None:
    """The second of three migrations is not of that model: who thinks that nothing was further leaves it alone."""
    third = ({"A": 2}, [AddField("A", "y", "str", fill=_next)])
    links = chain(({"A": 1, "B": 1}, [_A, _B]), ({"B": 2}, [AddField("B", "y", "str", fill=_next)]), third)
    runs.database.migrate(links, 1)
    runs.fill("a")
    runs.fill("b")
    before = runs.database.dump()
    runs.die(links, 2, lambda journal: journal.cursor != "0")
    runs.die(links, 3, lambda journal: journal.model.startswith("A ") and journal.changed)
    assert runs.versions("a") == [1, 2]

    runs.go(links, 1)

    assert runs.database.dump() == before
    assert runs.journal is None


def test_how_far_back_two_runs_that_died_have_been_is_brought_up(runs: Runs, chain: Callable[..., Chain]) -> None:
    third = ({"B": 2}, [AddField("B", "y", "str", fill=_next)])
    links = chain(({"A": 1, "B": 1}, [_A, _B]), ({"A": 2}, [RemoveField("A", "x")]), third)
    runs.database.migrate(links, 1)
    runs.fill("a")
    runs.fill("b")
    runs.database.migrate(links)
    after = runs.database.dump()
    runs.die(links, 2, lambda journal: journal.cursor != "0")
    runs.die(links, 1, lambda journal: journal.model.startswith("A ") and journal.changed)
    assert runs.versions("a") == [1, 2]

    runs.go(links)

    assert runs.database.dump() == after
    assert runs.journal is None


def test_a_run_that_was_to_meet_all_records_and_died_is_finished_by_a_plain_one(
    runs: Runs, chain: Callable[..., Chain]
) -> None:
    third = ({"B": 2}, [AddField("B", "y", "str", fill=_next)])
    links = chain(({"A": 1, "B": 1}, [_A, _B]), ({"A": 2}, [AddField("A", "y", "str", fill=_next)]), third)
    runs.database.migrate(links, 2)
    runs.fill("a")  # by code that should have ended
    runs.fill("b")
    runs.die(links, 3, lambda journal: journal.cursor != "0")
    runs.die(links, 3, lambda journal: journal.model.startswith("A ") and journal.changed, includes_stragglers=True)
    assert runs.versions("a") == [1, 2]

    runs.go(links)

    assert runs.versions("a") == runs.versions("b") == [2]


def test_a_run_to_another_target_says_so_and_starts_again(runs: Runs, chain: Callable[..., Chain]) -> None:
    steps = [({"A": number}, [AddField("A", f"y{number}", "str", fill=_next)]) for number in (2, 3)]
    links = chain(({"A": 1}, [_A]), *steps)
    runs.database.migrate(links, 1)
    runs.fill("a")
    up = runs.die(links, 3, lambda journal: journal.cursor != "0")

    between = runs.die(links, 2, lambda journal: journal.changed)

    assert (up.target, up.reach, up.depth) == (3, 3, 1)
    assert (between.target, between.reach, between.depth) == (2, 3, 1)
    assert runs.scanned[0] == ("0", "a:*")
    runs.go(links, 2)
    assert runs.versions("a") == [2]


def test_what_newer_code_wrote_and_what_is_there_already_is_not_written_by_python(
    runs: Runs, chain: Callable[..., Chain]
) -> None:
    steps = [({"A": number}, [AddField("A", f"y{number}", "str", fill=_next)]) for number in (2, 3)]
    links = chain(({"A": 1}, [_A]), *steps)
    runs.database.migrate(links, 1)
    runs.fill("a")
    runs.database.put("a:newer", _v="3", id="newer", x="1", y2="1+", y3="1+")
    runs.database.put("a:there", _v="2", id="there", x="1", y2="1+")
    before = [runs.client.dump(key) for key in ("a:newer", "a:there")]
    sent: list[Any] = []
    exchange = runs._watched(lambda: None)
    inner = exchange.exchange

    def noting(commands: Any, **options: Any) -> Any:
        sent.extend(commands)
        return inner(commands, **options)

    exchange.exchange = noting

    runs.go(links, 2, exchange=exchange)

    assert [runs.client.dump(key) for key in ("a:newer", "a:there")] == before
    assert runs.versions("a") == [2]
    assert not any(key in command for command in sent for key in (b"a:newer", b"a:there") if command[0] == "EVALSHA")
