"""What a run stands on goes away under it: its bookkeeping, all data, the server's answers; and it needs no disk."""

import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from redis_models.errors import IncompleteError, RedisModelsError
from redis_models.migrations import AddField, CreateModel, RenameField
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.operations import Operation

Step = tuple[Mapping[str, int], Sequence[Operation]]
_FIELDS = {"id": "str", "name": "str"}
_CREATE: Step = ({"Customer": 1}, [CreateModel("Customer", _FIELDS, "id", "customer")])


def _initial(old: Any) -> str:
    return str(old.full_name[:1].upper())


_STEPS: list[Step] = [
    ({"Customer": 2}, [RenameField("Customer", "name", "full_name")]),
    ({"Customer": 3}, [AddField("Customer", "initial", "str", fill=_initial)]),
]


class _Intervention:
    """Something that is done once, after so many exchanges."""

    def __init__(self, left: int, do: Callable[[], object]) -> None:
        self._left, self._do = left, do
        self.is_done = False

    def __call__(self) -> None:
        self._left -= 1
        if self._left == 0:
            self.is_done = True
            self._do()


def _fill(database: Any, links: Chain) -> None:
    database.client.flushall()
    database.migrate(links, 1)
    for number in range(25):
        database.put(f"customer:c{number}", id=f"c{number}", name=f"n{number}", _v="1")


@pytest.mark.parametrize("name", ["lease", "journal:shop", "*"])
def test_bookkeeping_that_is_deleted_during_a_run_costs_no_record(
    database: Any, watched: Callable[..., Any], chain: Callable[..., Chain], name: str
) -> None:
    links = chain(_CREATE, *_STEPS)
    _fill(database, links)
    database.migrate(links)
    wanted, points = database.dump(), 0

    def delete() -> None:
        keys = database.client.keys(f"redis_models:{{default}}:{name}")
        if keys:
            database.client.delete(*keys)

    while True:
        _fill(database, links)
        intervention = _Intervention(points + 1, delete)
        try:
            database.migrate(links, exchange=watched(intervention))
        except RedisModelsError:
            assert intervention.is_done
        if not intervention.is_done:
            break
        database.migrate(links)
        assert database.dump() == wanted
        points += 1

    assert points > 10


def test_nothing_comes_back_after_a_flush_during_the_run(
    database: Any, watched: Callable[..., Any], chain: Callable[..., Chain]
) -> None:
    links, points, refusals = chain(_CREATE, *_STEPS), 0, list[str]()
    while True:
        _fill(database, links)
        intervention, said = _Intervention(points + 1, database.client.flushall), ""
        try:
            database.migrate(links, exchange=watched(intervention))
        except IncompleteError as exc:
            said = str(exc)
        if not intervention.is_done:
            break
        # Neither a record nor a word about one: what is recorded would be recorded over nothing.
        assert not database.client.keys("*:shop") and database.dump() == {}
        assert said.startswith("the lease at redis_models:{default}:lease is gone") or not database.client.keys("*")
        refusals.append(said)
        points += 1

    assert points > 10
    assert refusals.count("") <= 2  # when all was recorded already


def test_a_ledger_that_is_deleted_during_a_run_is_not_started_again_by_it(
    database: Any, watched: Callable[..., Any], chain: Callable[..., Chain]
) -> None:
    links, points, ended, ledger = chain(_CREATE, *_STEPS), 0, 0, "redis_models:{default}:ledger:shop"
    while True:
        _fill(database, links)
        entries = database.client.hgetall(ledger)
        intervention = _Intervention(points + 1, lambda: database.client.delete(ledger))
        try:
            database.migrate(links, exchange=watched(intervention))
            ended += intervention.is_done
        except RedisModelsError:
            database.client.hset(ledger, mapping=entries)  # as from a backup
            database.migrate(links)
            assert database.client.hlen(ledger) == 3
        else:
            assert not intervention.is_done or not database.client.exists(ledger)
        if not intervention.is_done:
            break
        points += 1

    assert points > 10
    assert ended <= 2  # when all was recorded already


def test_a_server_that_does_not_answer_in_time_is_waited_for_and_asked_again(
    new_server: Callable[..., Any], new_project: Callable[..., Any]
) -> None:
    server = new_server("--appendonly", "no")
    project = new_project(server, f"{server.url}?socket_timeout=0.5")
    project.deploy(1)
    project.fill(3_000)
    project.deploy(3)
    running = project.start(
        "--json", "migrate", "--batch", "5", "--max-latency-ms", "0", "--patience", "60", "--yes", "--allow-destructive"
    )
    assert '"changed"' in running.stderr.readline()
    server.process.send_signal(signal.SIGSTOP)
    while "did not answer in time" not in (line := running.stderr.readline()):
        assert line, "the run ended"
    server.process.send_signal(signal.SIGCONT)

    done = project.end(running)

    assert done.code == 0, done.err
    assert [record["_v"] for record in project.records().values()] == [b"3"] * 3_000
    assert {record["initial"] for record in project.records().values()} == {b"N"}


def test_a_run_writes_no_file(project: Any) -> None:
    project.deploy(1)
    project.fill(100)
    project.deploy(3)
    before = {path: path.stat().st_mtime_ns for path in project.root.rglob("*")}

    done = project.migrate()

    assert done.code == 0
    assert {path: path.stat().st_mtime_ns for path in project.root.rglob("*")} == before


# Every write to a file fails, as on a full disk or where nothing may be written; stderr is not seen.
_WITHOUT_A_DISK = """
import os, resource, signal, sys
from redis_models.cli.main import main

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
os.dup2(os.open("/dev/full", os.O_WRONLY), 2)
sys.exit(main(["--json", "migrate", "--yes", "--allow-destructive", "--batch", "5"], "redis-models"))
"""


def test_a_run_needs_neither_a_disk_nor_a_reader_of_its_output(project: Any) -> None:
    project.deploy(1)
    project.fill(100)
    project.deploy(3)
    project.write("full.py", _WITHOUT_A_DISK)

    done = project.run_apart("full.py")

    assert done.code == 0, done
    assert '"changed": {"Customer": 100}' in done.out
    assert [record["_v"] for record in project.records().values()] == [b"3"] * 100


def test_a_run_whose_output_is_closed_ends_before_it_begins(project: Any) -> None:
    project.deploy(1)
    project.fill(100)
    project.deploy(3)
    before = project.records()
    project.write("full.py", _WITHOUT_A_DISK.replace("), 2)", "), 1)").replace('"--json", ', ""))

    refused = project.run_apart("full.py")

    assert refused.code == 1
    assert "No space left on device" in refused.err
    assert (project.records(), project.bookkeeping()) == (before, set())
