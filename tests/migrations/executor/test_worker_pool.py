"""Worker processes that rewrite records by Python: killed, stopped, misled; executors of the application."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from redis_models.client.commands import RoundTrips, Sleep
from redis_models.errors import DriftError, IncompleteError
from redis_models.mapping.keys import KeySpace
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.chain.upgrade_path import UpgradePath
from redis_models.migrations.executor import worker_pool
from redis_models.migrations.executor.throttle import ThrottleState
from redis_models.migrations.executor.worker_pool import WorkerPool, WorkerTask, rewrite_task
from redis_models.migrations.keyspace.results import Fence
from redis_models.migrations.planner.passes import RewritePass

_COUNT = 900
_WORKERS = ("--workers", "3", "--batch", "5")  # two beside the run itself

Until = Callable[[Callable[[], object]], None]

# Says which processes work; slow, until there is the file.
_SLOW = """
    import os, pathlib, time

    def bonus(old, new):
        pathlib.Path({pids!r}, str(os.getpid())).touch()
        if old.visits < 0:
            raise ValueError("in debt")
        if not pathlib.Path({hurry!r}).exists():
            time.sleep(0.02)
        new.visits = old.visits + 1000

    def malus(old, new):
        pathlib.Path({pids!r}, str(os.getpid())).touch()
        new.visits = old.visits - 1000

    class Migration(migrations.Migration):
        id = "cccc0003"
        previous = "bbbb0002"
        versions = {{"Customer": 3}}
        operations = [migrations.Transform("Customer", bonus, back=malus)]
"""


class Shop:
    """A project whose records are of version 1, and are brought to version 3 by a function."""

    def __init__(self, project: Any) -> None:
        self.project, self.server = project, project.server
        project.fill(_COUNT)
        project.deploy(2)
        models = project.root / "shop/models.py"
        models.write_text(models.read_text().replace("version = 2", "version = 3"))
        self._hurry, self._pids = project.root / "hurry", project.root / "pids"
        self._pids.mkdir()
        project.migration("0003_bonus", _SLOW.format(hurry=str(self._hurry), pids=str(self._pids)))
        self.before: dict[str, dict[str, bytes]] = project.records()

    def hurry(self) -> None:
        self._hurry.touch()

    def workers(self) -> set[int]:
        """Give the processes that called functions of the migration."""
        return {int(path.name) for path in self._pids.iterdir()}

    def forget_workers(self) -> None:
        for path in self._pids.iterdir():
            path.unlink()

    def start(self, until: Until) -> tuple[Any, set[int]]:
        """Start a slow run; give it and its two members, when these are at work and some records are done."""
        process = self.project.start("migrate", *_WORKERS, "--max-latency-ms", "0", "--yes", "--allow-destructive")
        until(lambda: len(self.workers()) == 3 and b"3" in {record["_v"] for record in self.project.records().values()})
        return process, self.workers() - {process.pid}

    def migrate(self, *arguments: str) -> Any:
        """Run ``migrate`` in this process, which is fast, for tests that are not about workers."""
        self.hurry()
        ran = self.project.run("migrate", *arguments, "--yes", "--allow-destructive")
        assert ran.code == 0, ran.err
        return ran

    def run(self, *arguments: str) -> Any:
        """Run another command in this process."""
        return self.project.run(*arguments)

    def assert_finished(self) -> None:
        """Finish; check every record, and that it comes back byte for byte."""
        self.migrate()
        found = self.project.records()
        assert found.keys() == self.before.keys()
        assert {record["_v"] for record in found.values()} == {b"3"}
        assert {record["visits"] for record in found.values()} == {b"1000"}
        self.migrate("shop", "1")
        assert self.project.records() == self.before


@pytest.fixture
def shop(project: Any) -> Shop:
    return Shop(project)


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_members_do_the_work_there_and_back(shop: Shop) -> None:
    shop.hurry()
    for target in ((), ("shop", "1")):
        shop.forget_workers()
        process = shop.project.start("migrate", *target, *_WORKERS, "--yes", "--allow-destructive")

        ran = shop.project.end(process)

        assert ran.code == 0, ran.err
        assert f"{_COUNT} records changed" in ran.out
        assert process.pid in shop.workers()
        assert shop.workers() - {process.pid}  # the first may do all that is theirs before the second has started
    assert shop.project.records() == shop.before


@pytest.mark.parametrize("said", [("--workers", "1"), ()], ids=["one is the run itself", "few are not worth it"])
def test_without_workers_the_run_rewrites_by_itself(shop: Shop, said: tuple[str, ...]) -> None:
    shop.migrate(*said)

    assert shop.workers() == {os.getpid()}


def test_a_member_that_is_killed_ends_the_run_and_another_run_finishes(shop: Shop, until: Until) -> None:
    process, workers = shop.start(until)

    os.kill(workers.pop(), signal.SIGKILL)

    ran = shop.project.end(process)
    assert ran.code == 6, ran.err
    assert "a worker process ended" in ran.err
    assert "--workers 1" in ran.err
    assert {record["_v"] for record in shop.project.records().values()} == {b"1", b"3"}
    shop.assert_finished()


def test_members_end_with_a_run_that_is_killed(shop: Shop, until: Until) -> None:
    process, workers = shop.start(until)

    process.kill()

    until(lambda: all(map(_is_gone, workers)))
    shop.assert_finished()


def test_a_member_that_wakes_up_after_another_run_has_finished_changes_nothing(shop: Shop, until: Until) -> None:
    process, workers = shop.start(until)
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    process.kill()
    shop.migrate()
    shop.migrate("shop", "1")

    for pid in workers:
        os.kill(pid, signal.SIGCONT)
    until(lambda: all(map(_is_gone, workers)))

    assert shop.project.records() == shop.before


def test_ctrl_c_is_a_pause_that_says_so_once(shop: Shop, until: Until) -> None:
    process, workers = shop.start(until)

    for pid in (*workers, process.pid):  # as a terminal does
        os.kill(pid, signal.SIGINT)

    ran = shop.project.end(process)
    assert ran.code == 6
    assert "shop: interrupted" in ran.err
    assert "Traceback" not in ran.err
    assert all(map(_is_gone, workers))
    shop.assert_finished()


def test_what_members_cannot_rewrite_goes_to_quarantine_with_its_reason(shop: Shop) -> None:
    shop.hurry()
    with shop.server.client() as client:
        client.hset("customer:7", "visits", -1)

    assert shop.project.migrate_apart(*_WORKERS).code == 6
    ran = shop.project.migrate_apart(*_WORKERS, "--on-error", "quarantine")

    assert ran.code == 1, ran.err
    listed = shop.run("quarantine", "list")
    assert "customer:7" in listed.out
    assert "in debt" in listed.out
    assert {key for key, record in shop.project.records().items() if record["_v"] != b"3"} == {"customer:7"}


def test_before_a_scan_starts_again_nothing_of_the_previous_one_is_in_flight() -> None:
    """Meanwhile the lease is renewed: a member may be at a function that takes its time."""
    renewals = 0

    def renewed_if_due() -> RoundTrips[None]:
        nonlocal renewals
        renewals += 1
        yield from ()

    with ThreadPoolExecutor(1) as executor:
        workers, over = WorkerPool(1, "shop.settings", {}, 0, lambda _: executor, lambda _: None), threading.Event()
        pending: Any = workers._pending
        pending |= {executor.submit(over.wait), executor.submit(over.wait)}
        recalled = workers.cancel_pending(renewed_if_due)

        waits = [isinstance(next(recalled), Sleep) for _ in range(3)]
        over.set()

        assert waits == [True, True, True]
        assert renewals == 2
        assert all(isinstance(command, Sleep) for command in recalled)  # until the one that was begun has ended
        assert not pending


def test_a_batch_that_no_worker_takes_any_more_ends_the_run_like_one_in_flight(
    chain: Callable[..., Chain],
) -> None:
    class Broken(ThreadPoolExecutor):
        def submit(self, *_: Any, **__: Any) -> Any:
            raise BrokenExecutor("a child process ended")

    pool = WorkerPool(1, "shop.settings", {"shop": chain()}, 0, Broken, lambda _: None)
    rewrite_pass = RewritePass(UpgradePath("Customer", (), 1), KeySpace("", ":", "customer"), 2, 1)
    fence = Fence("lease", 1, has_field_lives=None)

    with pytest.raises(IncompleteError, match=r"ended \(a child process ended\)\. .* run 'migrate' again"):
        pool.submit("shop", rewrite_pass, fence, [b"customer:1"], ThrottleState(5))


def test_members_do_not_run_the_script_that_is_run(shop: Shop) -> None:
    shop.hurry()
    arguments = ("migrate", *_WORKERS, "--yes", "--allow-destructive")
    shop.project.write("release.py", f"from redis_models.cli.main import main\nraise SystemExit(main({arguments}))\n")

    ran = shop.project.run_apart("release.py")

    assert ran.code == 0, ran.err
    assert len(shop.workers()) > 1
    shop.assert_finished()


def test_an_executor_of_the_settings_does_the_work(shop: Shop) -> None:
    shop.hurry()
    settings = shop.project.root / "shop/settings.py"
    settings.write_text(
        settings.read_text()
        + "from concurrent.futures import ThreadPoolExecutor\n"
        + "class Plain(ThreadPoolExecutor):\n"
        + "    def shutdown(self, wait=True):\n"  # as that of Dask
        + "        super().shutdown(wait)\n"
        + "def EXECUTOR(workers):\n"
        + "    print('asked for', workers)\n"
        + "    return Plain(workers)\n"
    )

    process = shop.project.start("migrate", *_WORKERS, "--yes", "--allow-destructive")

    ran = shop.project.end(process)
    assert ran.code == 0, ran.err
    assert "asked for 2" in ran.out
    assert shop.workers() == {process.pid}
    shop.assert_finished()


def _task(**changes: Any) -> WorkerTask:
    fence, version = Fence("another's", 1, has_field_lives=None), worker_pool._library_version()
    task = WorkerTask(
        "shop.settings", "shop", ("0" * 8,), "customer:", False, None, fence, 3, [b"customer:1"], 5, False, version
    )
    return replace(task, **changes)


def test_a_worker_with_other_migration_files_refuses_to_work(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(shop.project.root), *sys.path])

    with pytest.raises(DriftError, match=r"shop: a worker has other migration files than the run\. .* Deploy"):
        rewrite_task(_task())

    assert shop.project.records() == shop.before


@pytest.mark.parametrize(("version", "named"), [("0.0.7", "the run has 0.0.7"), ("", "the run has an older one")])
def test_a_worker_with_another_version_of_the_library_refuses_to_work(version: str, named: str) -> None:
    own = worker_pool._library_version()

    with pytest.raises(DriftError) as refused:
        rewrite_task(_task(library_version=version))

    assert str(refused.value).startswith(f"shop: a worker has redis-models-orm {own}, {named}. Every record is")
    assert "Install the same version" in str(refused.value)


def test_a_task_has_the_version_of_the_library(chain: Callable[..., Chain]) -> None:
    submitted: list[Any] = []

    class Recording(ThreadPoolExecutor):
        def submit(self, *call: Any, **_: Any) -> Any:
            submitted.append(call[1])
            return Future[Any]()

    pool = WorkerPool(1, "shop.settings", {"shop": chain()}, 0, Recording, lambda _: None)
    rewrite_pass = RewritePass(UpgradePath("Customer", (), 1), KeySpace("", ":", "customer"), 2, 1)
    pool.submit("shop", rewrite_pass, Fence("lease", 1, None), [b"customer:1"], ThrottleState(5))

    assert [task.library_version for task in submitted] == [version("redis-models-orm")]
