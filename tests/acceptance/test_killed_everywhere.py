"""``kill -9`` at every step of a run: all the points are met, and a plain second run ends as if there had been no kill.

A run talks to the server in batches. It is killed before each batch; after each batch that wrote, before the replies
are read; and, inside a batch that writes, after each command but the last: a server executes a prefix of what was sent
before a kill. The points are not listed: the run is killed one point later each time, until it reaches its end.
"""

import gc
import json
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import pytest

from redis_models.client.commands import Script
from redis_models.migrations import (
    AddField,
    AlterField,
    AlterKeys,
    AlterTTL,
    CreateModel,
    RemoveField,
    RenameField,
    Run,
    RunContext,
)
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.executor import pass_runner
from redis_models.migrations.keyspace import scan
from redis_models.migrations.operations import Operation

Step = tuple[Mapping[str, int], Sequence[Operation]]
_RECORDS = 30
_PAGE = 15  # keys that a step of SCAN looks at
_LEASE = "redis_models:{default}:lease"
_READS = frozenset(("COMMAND", "EXISTS", "HGET", "HGETALL", "HLEN", "HMGET", "INFO", "SCAN", "TYPE", "ZCARD", "ZSCORE"))
_DAY_S, _LONG_MS = 86_400, 4_000_000_000_000  # in the year 2096
_SLACK_MS = 600_000  # of TTLs that begin when a record is rewritten
_FIELDS = {"id": "str", "name": "str", "ref": "str", "age": "str"}
# What differs between two runs that do the same.
_PASSING = ("applied_at", "at", "by", "records", "run", "seconds", "tried_at")


class Killed(BaseException):
    """The process is gone. Nothing catches it."""


class Deadly:
    """Passes exchanges on until the process dies at a point, and nothing after that.

    Args:
        exchange: Of the server.
        left: How many points are survived; None for all.

    Attributes:
        points: What has been passed, in words.
    """

    def __init__(self, exchange: Any, left: int | None) -> None:
        self._exchange, self._left, self._is_dead = exchange, left, False
        self.points: list[str] = []

    def point(self, name: str) -> None:
        """Die here, if it is time."""
        if self._is_dead:
            raise Killed
        self.points.append(name)
        self._is_dead = len(self.points) - 1 == self._left
        if self._is_dead:
            raise Killed

    def exchange(self, commands: Sequence[tuple[Any, ...]]) -> Any:
        if not commands:
            return self._exchange.exchange(commands)
        names = [_name_of(command) for command in commands]
        self.point(f"before {names[0]}")
        if any(name.startswith("script") for name in names):
            for count in range(1, len(commands)):
                if len(self.points) == self._left:
                    self._exchange.exchange(commands[:count])
                self.point(f"after {names[count - 1]}, {count} of {len(commands)}")
        replies = self._exchange.exchange(commands)
        if not _READS.issuperset(names):  # else it is the same for the server as before the next batch
            self.point(f"after {names[-1]}")
        return replies

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exchange, name)


def _name_of(command: tuple[Any, ...]) -> str:
    if command[0] in ("EVALSHA", "EVAL"):
        return f"script {_script_names().get(command[1], 'Bring records up, by a program')}"
    return "script LOAD" if command[0] == "SCRIPT" else str(command[0])


def _script_names() -> dict[str, str]:
    """Digests of the scripts that the engine has loaded, and the comments that they begin with."""
    if not _NAMES:
        found = [instance for instance in gc.get_objects() if type(instance) is Script]
        _NAMES.update((script.sha, _purpose_of(script.source)) for script in found)
    return _NAMES


_NAMES: dict[str, str] = {}


def _purpose_of(source: str) -> str:
    """Give the first line of the comment that says what a script takes."""
    own = source.rpartition("--[[ end of the fence ]]\n")[2]  # the fence has a comment of its own
    before = own.partition("\n-- KEYS ")[0].splitlines()
    comment = [*takewhile(lambda line: line.startswith("--"), reversed(before))]
    comment = comment[::-1] or before
    return next((line[3:] for line in comment if line.startswith("-- ")), "?")


@dataclass
class Scene:
    """What a run does.

    Attributes:
        steps: Of the chain, after the one that creates the model.
        fields: That the n-th record has more than others.
        policy: Of the run.
        begins_lives: Records get TTLs that begin when they are rewritten.
        must_pass: Scripts that must be among the points of the way there, by a part of their name.
    """

    steps: Sequence[Step]
    fields: Callable[[int], Mapping[str, str]] = lambda number: {}
    policy: Mapping[str, Any] | None = None
    begins_lives: bool = False
    must_pass: Sequence[str] = ()


_now: list[Deadly] = []  # the process of the run that is under way, for functions that are killed in their midst


def _to_age(text: str) -> int | None:
    return None if text == "NA" else int(text)


def _from_age(age: int | None) -> str:
    return "NA" if age is None else str(age)


def _initial(old: Any) -> str:
    return str(old.name[:1].upper())


def _there(context: RunContext) -> None:
    client: Any = context.redis
    client.set("setting", "one")
    _now[-1].point("between two writes of a function")
    client.set("other", "two")


def _back(context: RunContext) -> None:
    client: Any = context.redis
    client.delete("other")
    _now[-1].point("between two writes of a function")
    client.delete("setting")


_MOVES = [RenameField("Customer", "name", "full_name"), RemoveField("Customer", "ref", back="none")]
_CONVERTS = [
    AlterField("Customer", "age", old="str", new="int | None", convert=_to_age, back=_from_age),
    AddField("Customer", "initial", "str", fill=_initial),
]
_FILLS = AddField("Customer", "currency", "str", fill="EUR")
_SCENES = {
    "in the server": Scene([({"Customer": 2}, [*_MOVES, _FILLS])], must_pass=["Bring records", "Record the end"]),
    "by Python": Scene([({"Customer": 2}, _CONVERTS)], must_pass=["Write records", "Store the journal"]),
    "two steps, the server's and Python's": Scene([({"Customer": 2}, [_FILLS]), ({"Customer": 3}, _CONVERTS)]),
    "to other keys": Scene(
        [({"Customer": 2}, [AlterKeys("Customer", table="client"), _MOVES[0]])], must_pass=["Give records"]
    ),
    "a free step": Scene(
        [({"Customer": 2}, [_FILLS]), ({}, [Run(_there, _back, may_run_twice=True)]), ({"Customer": 3}, [_MOVES[1]])]
    ),
    "with a quarantine": Scene(
        [({"Customer": 2}, _CONVERTS)],
        fields=lambda number: {"age": "old"} if number % 9 == 2 else {},
        policy={"most_errors": 10},
        must_pass=["Note records"],
    ),
    "TTLs": Scene(
        [({"Customer": 2}, [AlterTTL("Customer", None, 30 * _DAY_S, policy="all"), _MOVES[0]])], begins_lives=True
    ),
}


class Scenario:
    """Records and a chain on the server, put back as they were before each run."""

    def __init__(self, database: Any, chain: Chain, scene: Scene) -> None:
        self._database, self._chain, self._scene = database, chain, scene
        self._client: Any = database.client
        self._saved: list[tuple[bytes, int, bytes]] = []
        self.target = chain.head_position
        database.migrate(chain, 1)  # of an empty server: what is created is recorded
        for number in range(_RECORDS):
            ages = {0: "NA", 1: f"0{number}"}
            record = {"id": f"c{number}", "name": f"n{number}", "ref": f"r{number}"}
            record |= {"age": ages.get(number % 10, f"{number}"), "_v": "1"}
            database.put(f"customer:c{number}", **{**record, **scene.fields(number)})
            if number % 2:
                self._client.pexpireat(f"customer:c{number}", _LONG_MS + number)
        self.save()

    def turn_round(self) -> None:
        """From now on runs lead back, from where those before led to."""
        self.target = self._chain.head_position
        self.run(None)
        self.target = 1
        self.save()

    def save(self) -> None:
        """Remember what is there as the beginning of every run."""
        keys = sorted(self._client.keys("*"))
        self._saved = [(key, max(0, self._client.pexpiretime(key)), self._client.dump(key)) for key in keys]

    def reset(self) -> None:
        """Begin anew; the server knows no scripts then."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.flushall()
        pipeline.script_flush()
        for key, ends_ms, raw in self._saved:
            pipeline.restore(key, ends_ms, raw, absttl=True)
        pipeline.execute()

    def run(self, left: int | None) -> Deadly:
        """Run, and die at the point after so many; a killed process' lease ends by itself."""
        process = Deadly(self._database.exchange, left)
        _now[:] = [process]
        try:
            self._database.migrate(self._chain, self.target, process, **(self._scene.policy or {}))
        except Killed:
            if self._client.hexists(_LEASE, "holder"):
                self._client.hset(_LEASE, "until", 0)
        return process

    def state(self) -> dict[str, Any]:
        """Give all that is there but for what no two runs share."""
        keys = sorted(self._client.keys("*"))
        pipeline = self._client.pipeline(transaction=False)
        for key in keys:
            pipeline.type(key)
            pipeline.pexpiretime(key)
        kinds = pipeline.execute()
        readers: dict[bytes, Callable[[bytes], Any]] = {
            b"hash": pipeline.hgetall,
            b"zset": lambda key: pipeline.zrange(key, 0, -1, withscores=True),
            b"list": lambda key: pipeline.lrange(key, 0, -1),
            b"string": pipeline.get,
        }
        for key, kind in zip(keys, kinds[::2], strict=True):
            readers[kind](key)
        found = zip(keys, kinds[1::2], pipeline.execute(), strict=True)
        return {key.decode(): self._lasting(key, ends_ms, value) for key, ends_ms, value in found}

    def _lasting(self, key: bytes, ends_ms: int, value: Any) -> Any:
        if key == _LEASE.encode():
            return b"holder" in value
        if key.startswith((b"redis_models:{default}:ledger", b"redis_models:{default}:quarantine")):
            return {name: _without_passing(raw) for name, raw in value.items()}
        if key.startswith(b"redis_models:{default}:history"):
            return [_without_passing(raw) for raw in value]
        if self._scene.begins_lives and self.target > 1 and not isinstance(value, (list, bytes)):
            ends_ms = round(ends_ms / _SLACK_MS / 10)  # and what is kept for the way back has the instant
            value = {name: raw for name, raw in value.items() if not name.startswith(b"_b")}
        return ends_ms, value


def _without_passing(raw: bytes) -> dict[str, Any]:
    return {name: value for name, value in json.loads(raw).items() if name not in _PASSING}


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "_COUNT", _PAGE)
    monkeypatch.setattr(pass_runner, "_CHECKPOINT_S", 0.0)  # after each step of SCAN


@pytest.fixture
def scenario(database: Any, chain: Callable[..., Chain], request: pytest.FixtureRequest) -> Iterator[Scenario]:
    """What a scene needs."""
    scene = _SCENES[request.param]
    create: Step = ({"Customer": 1}, [CreateModel("Customer", _FIELDS, "id", "customer")])
    yield Scenario(database, chain(create, *scene.steps), scene)


@pytest.mark.parametrize("way", ["there", "back"])
@pytest.mark.parametrize(
    ("scenario", "name"), [(name, name) for name in _SCENES], indirect=["scenario"], ids=list(_SCENES)
)
def test_killed_at_any_point_a_second_run_ends_as_if_it_had_not_been(scenario: Scenario, name: str, way: str) -> None:
    if way == "back":
        scenario.target = 1
    first = scenario.state()
    if way == "back":
        scenario.turn_round()
    scenario.reset()
    points = scenario.run(None).points
    wanted = scenario.state()
    differing: list[tuple[int, str]] = []

    at = 0
    while True:
        scenario.reset()
        killed = scenario.run(at)
        if len(killed.points) <= at:
            break
        assert scenario.run(None).points
        if scenario.state() != wanted:
            differing.append((at, killed.points[-1]))
        at += 1

    assert differing == []
    assert at == len(points)
    assert wanted != first if way == "there" else _records_of(wanted) == _records_of(first)
    for part in _SCENES[name].must_pass if way == "there" else ():
        assert any(part in point for point in points), sorted(set(points))


def _records_of(state: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in state.items() if not key.startswith("redis_models")}


# Runs ``migrate``, and ends itself before the n-th exchange with the server, or after it.
_ACCIDENT = """
import os, signal, sys
from redis_models.cli.main import main
from redis_models.client.client import SyncClient

moment, nth = sys.argv[1], int(sys.argv[2])
exchange, done = SyncClient.exchange, 0

def deadly(self, commands):
    global done
    done += commands != [("PING",)] and bool(commands)  # the probe goes by the clock
    if done == nth and moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    replies = exchange(self, commands)
    if done == nth and moment == "after":
        os.kill(os.getpid(), signal.SIGKILL)
    return replies

SyncClient.exchange = deadly
sys.exit(main(["migrate", "--yes", "--allow-destructive", "--batch", "10"], "redis-models"))
"""


@pytest.mark.parametrize(("moment", "nth"), [("before", 16), ("after", 22), ("after", 27)])
def test_a_process_that_is_really_killed_is_succeeded_at_once(project: Any, moment: str, nth: int) -> None:
    project.deploy(1)
    project.fill(60)
    project.deploy(3)
    project.write("accident.py", _ACCIDENT)
    killed = project.run_apart("accident.py", moment, str(nth))

    done = project.migrate()

    assert (killed.code, done.code) == (-signal.SIGKILL, 0), done.err
    assert {record["_v"] for record in project.records().values()} == {b"3"}
    assert len(project.records()) == 60
    assert project.bookkeeping() == {"lease", "ledger:shop", "snapshot:shop", "history:shop"}
