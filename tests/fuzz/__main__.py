"""``python -m tests.fuzz``: a million inputs, by default, each bounded; prints its seed, writes the table of counts.

An input is told by its seed, its target and its number: ``--only "type texts" --from 4711 --inputs 1`` runs it again.
"""

import argparse
import faulthandler
import mmap
import multiprocessing
import os
import random
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from ..conftest import Server
from ..support.projects import Project
from .bench import Bench
from .served import Indexes, bookkeeping, records
from .targets import TARGETS

_INPUT_S = 10  # of one input on a busy machine; a thousand times what most take
_CHUNK = 500
_BEGIN, _END = "<!-- fuzz -->", "<!-- end of fuzz -->"
_SERVED = {
    "index members": 2,
    "the engine's own keys, under commands": 2,
    "records, under commands": 1,
}  # in thousandths, likewise


class Done(NamedTuple):
    """What came of some inputs of one target."""

    target: str
    inputs: int
    seconds: float
    failures: list[str]


def main() -> int:
    """Run all targets; 1 if any input failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=600, help="end after so many, whatever is left")
    parser.add_argument("--seed", default=str(int(time.time())))
    parser.add_argument("--only", help="one target")
    parser.add_argument("--from", dest="start", type=int, default=0, help="number of the first input")
    parser.add_argument("--page", type=Path, help="page that gets the table")
    given = parser.parse_args()
    print(f"seed {given.seed}: {given.inputs:,} inputs, at most {given.seconds:.0f} s", flush=True)
    until = time.monotonic() + given.seconds
    shares = {name: share for name, (_, share) in TARGETS.items()} | _SERVED
    wanted = {name: max(1, given.inputs * share // sum(shares.values())) for name, share in shares.items()}
    wanted = {given.only: given.inputs} if given.only else wanted
    done = list(_run(given.seed, wanted, given.start, until))
    failures = [failure for report in done for failure in report.failures]
    table = _table(given.seed, done, wanted)
    print(table)
    for failure in failures[:20]:
        print(failure)
    if given.page and not failures:
        _write(given.page, table)
    return 1 if failures or not done else 0


def _run(seed: str, wanted: dict[str, int], start: int, until: float) -> Iterator[Done]:
    jobs = [
        (seed, name, first, min(_CHUNK, start + count - first), until)
        for name, count in wanted.items()
        for first in range(start, start + count, _CHUNK)
    ]
    random.Random(0).shuffle(jobs)  # so that an early end leaves something of each
    context = multiprocessing.get_context("fork")
    at = mmap.mmap(-1, 4096)
    with context.Pool(os.cpu_count() or 1, _begin, (at, context.Value("i", 0))) as pool:
        results = pool.imap_unordered(_chunk, jobs)
        for _ in jobs:
            try:
                yield results.next(timeout=max(1.0, until - time.monotonic()) + 6 * _INPUT_S)
            except multiprocessing.TimeoutError:
                yield Done("?", 0, 0.0, [f"seed {seed}: an input did not end: {_where(at)}"])
                return


_place: list[Any] = []


def _begin(at: mmap.mmap, counter: Any) -> None:
    with counter.get_lock():
        number, counter.value = counter.value, counter.value + 1
    _place[:] = [at, number]
    faulthandler.enable()
    signal.signal(signal.SIGALRM, _too_long)


class TooLongError(BaseException):
    """An input took too long. Not an Exception: pydantic would take it for a validator's."""


def _too_long(*_: object) -> None:
    raise TooLongError(f"it took more than {_INPUT_S} s")


def _where(at: mmap.mmap) -> str:
    names = [*TARGETS, *_SERVED]
    counts = [struct.unpack_from("<iiq", at, worker * 16) for worker in range(os.cpu_count() or 1)]
    return ", ".join(f"{names[target]} {number}" for is_busy, target, number in counts if is_busy)


def _chunk(job: tuple[str, str, int, int, float]) -> Done:
    seed, name, first, count, until = job
    failures, begun = list[str](), time.monotonic()
    at, worker = _place
    number = first
    with ExitStack() as stack:
        target = _target(name, stack)
        while number < first + count and time.monotonic() < until:
            struct.pack_into("<iiq", at, worker * 16, 1, [*TARGETS, *_SERVED].index(name), number)
            signal.alarm(_INPUT_S)
            try:
                target(random.Random(f"{seed}/{name}/{number}"))
            except BaseException as exc:
                where = traceback.extract_tb(exc.__traceback__)[-1]
                failures.append(
                    f"--seed {seed} --only {name!r} --from {number} --inputs 1: {type(exc).__name__}: {str(exc)[:600]}"
                    f" ({Path(where.filename).name}:{where.lineno})"
                )
            finally:
                signal.alarm(0)
            number += 1
        struct.pack_into("<iiq", at, worker * 16, 0, 0, 0)
    return Done(name, number - first, time.monotonic() - begun, failures)


def _target(name: str, stack: ExitStack) -> Callable[[random.Random], object]:
    if name in TARGETS:
        return TARGETS[name][0]
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rm")))
    (directory / "server").mkdir()
    server = Server(directory / "server")
    stack.callback(server.stop)
    client: Any = stack.enter_context(server.client())
    if name == "index members":
        indexes = Indexes(server.url, client)
        stack.callback(indexes.close)
        return indexes
    (directory / "project").mkdir()
    bench = Bench(Project(directory / "project", server), client)
    return lambda rng: (records if name == "records, under commands" else bookkeeping)(bench, rng)


def _table(seed: str, done: list[Done], wanted: dict[str, int]) -> str:
    lines = ["| what | inputs | a second | failed |", "|---|--:|--:|--:|"]
    for name in wanted:
        reports = [report for report in done if report.target == name]
        count, seconds = sum(report.inputs for report in reports), sum(report.seconds for report in reports)
        rate = f"{count / seconds:,.0f}" if seconds else ""
        lines.append(f"| {name} | {count:,} | {rate} | {sum(len(report.failures) for report in reports)} |")
    failed = sum(len(report.failures) for report in done)
    lines.append(f"| together, seed {seed} | {sum(report.inputs for report in done):,} | | {failed} |")
    return "\n".join(lines)


def _write(page: Path, table: str) -> None:
    text = page.read_text()
    before, _, rest = text.partition(_BEGIN)
    after = rest.partition(_END)[2]
    page.write_text(f"{before}{_BEGIN}\n\n{table}\n\n{_END}{after}")


if __name__ == "__main__":
    sys.exit(main())
