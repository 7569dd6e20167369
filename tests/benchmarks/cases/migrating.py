"""Migrating: all records of a model rewritten, in the server and by Python, taken back, and verified."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from pydantic import create_model

from ..figures import Group, Promise, Series
from ..filling import fill_customers
from ..project import BY_PYTHON, IN_SERVER, Change, Done, Project
from ..rounds import Contender, in_turn
from ..yardsticks import clientside, giant
from .bench import Bench

__all__ = ["REWRITING", "back", "migrate_python", "migrate_server", "verify"]

REWRITING: Final = "redis_models, the rewriting"
PROVED: Final = "redis_models, the rewriting and its proof"
COMMAND: Final = "redis_models, the whole command"
GIANT: Final = "one giant script"
GIANT_KEEPING: Final = "one giant script with checks and undo fields"
PIPELINE: Final = "client pipeline"
_PROMISED: Final = 3  # operations: rename, add and remove


def migrate_server(bench: Bench) -> list[Group]:
    """Rewrite by what the server can do by itself."""
    notes = (
        "With --max-latency-ms 0. The rewriting is what the command reports: the scan that changes the records,"
        " with the fence, the journal, and undo fields. Its proof is a second scan, which finds that no record is"
        " left. The whole command is a process from its start to its end.",
        "One giant script stops the server for all clients until it is done; it is the server's own limit. One"
        " compares the version of each record and stores undo fields, as redis_models does; the other does neither,"
        " and must not be run twice. The client pipeline reads and writes 500 records at a time, loses writes of"
        " other clients meanwhile, and stores no undo fields.",
    )
    return [_in_server(bench, count, notes if count == bench.scale.steps[0] else ()) for count in bench.scale.steps]


def _in_server(bench: Bench, count: int, notes: Sequence[str]) -> Group:
    changes = IN_SERVER[:count]
    project = Project(bench.folder / f"server{count}", bench.server, changes)
    checked = partial(_check, bench, changes, _as_in_server)
    runs: list[Done] = []
    contenders = [
        _ours(bench, project, checked, bench.scale.migrated, runs),
        _contender(bench, GIANT, lambda: giant.rewrite_all(bench.server, changes, keeps=False), checked),
        _contender(bench, GIANT_KEEPING, lambda: giant.rewrite_all(bench.server, changes, keeps=True), checked),
        _contender(bench, PIPELINE, lambda: clientside.as_in_server(bench.server, changes), checked),
    ]
    rates = in_turn(contenders, bench.scale.rounds, warms_up=bench.scale.warms_up)
    rates |= _by_themselves(bench, bench.scale.migrated, runs)
    records, is_promised = bench.scale.migrated, count == _PROMISED
    series = [
        Series(REWRITING, rates[REWRITING], records=records),
        Series(PROVED, rates[PROVED], records=records),
        Series(COMMAND, rates[COMMAND], records=records),
        *_compared(
            rates, GIANT_KEEPING, records, {REWRITING: Promise(0.9), COMMAND: Promise(0.5)} if is_promised else {}
        ),
        *_compared(rates, GIANT, records, {}),
        *_compared(rates, PIPELINE, records, {REWRITING: Promise(6.0)} if is_promised else {}),
    ]
    return Group("server", f"migrate in the server, {_operations(count)}", series, notes)


def migrate_python(bench: Bench) -> list[Group]:
    """Rewrite by functions."""
    return [_by_python(bench, count) for count in bench.scale.steps]


def _by_python(bench: Bench, count: int) -> Group:
    changes, records = BY_PYTHON[:count], bench.scale.by_python
    project = Project(bench.folder / f"python{count}", bench.server, changes)
    checked = partial(_check, bench, changes, _as_by_python)
    runs: list[Done] = []
    contenders = [
        _ours(bench, project, checked, records, runs),
        _contender(bench, PIPELINE, lambda: clientside.by_python(bench.server, changes), checked, records),
    ]
    rates = in_turn(contenders, bench.scale.rounds, warms_up=bench.scale.warms_up)
    rates |= _by_themselves(bench, records, runs)
    series = [
        Series(REWRITING, rates[REWRITING], records=records),
        Series(PROVED, rates[PROVED], records=records),
        Series(COMMAND, rates[COMMAND], records=records),
        *_compared(rates, PIPELINE, records, {REWRITING: Promise(1.0)}),
    ]
    notes = (
        "redis_models writes a record only if what the functions have seen is still there, and keeps what it replaces;"
        " the client pipeline, 500 records at a time, does neither.",
    )
    return Group("python", f"migrate by Python, {_operations(count)}", series, notes)


def back(bench: Bench) -> list[Group]:
    """Take a migration back."""
    records, changes = bench.scale.by_python, IN_SERVER[:_PROMISED]
    project = Project(bench.folder / "back", bench.server, changes)
    runs: list[Done] = []
    before: list[object] = []

    def prepare() -> None:
        fill_customers(bench.server, records)
        before[:] = [_sample(bench)]
        project.migrate_flat_out()

    def work() -> int:
        runs.append(project.migrate_flat_out("shop", "0001"))
        return records

    def check() -> None:
        assert _sample(bench) == before[0]

    contenders = [Contender(COMMAND, work, prepare, check)]
    rates = in_turn(contenders, bench.scale.rounds, warms_up=bench.scale.warms_up)
    rates |= _by_themselves(bench, records, runs)
    series = [
        Series(REWRITING, rates[REWRITING], records=records),
        Series(PROVED, rates[PROVED], records=records),
        Series(COMMAND, rates[COMMAND], records=records),
    ]
    return [Group("back", f"go back, {_operations(_PROMISED)}", series, ("Every record as it was, byte for byte.",))]


def verify(bench: Bench) -> list[Group]:
    """Read everything back."""
    records = bench.scale.by_python
    project = Project(bench.folder / "verify", bench.server, IN_SERVER[:_PROMISED])
    fields: dict[str, Any] = dict.fromkeys(
        ("id", "full_name", "email", "city", "note", "phone", "currency"), (str, ...)
    )
    validate = create_model(
        "Customer", age=(str, ...), visits=(int, ...), balance=(float, ...), **fields
    ).model_validate
    name, pipeline = "redis_models, the whole command", "redis-py + pydantic"

    def verified() -> int:
        result = project.run("verify").document
        assert result["ok"], result
        return records

    def read() -> int:
        read = clientside.read_and_validate(bench.server, validate)
        assert read == records, read
        return read

    fill_customers(bench.server, records)
    project.migrate_flat_out()
    contenders = [Contender(name, verified), Contender(pipeline, read)]
    rates = in_turn(contenders, bench.scale.rounds, warms_up=bench.scale.warms_up)
    series = [Series(name, rates[name], records=records), Series(pipeline, rates[pipeline], ours=name, records=records)]
    notes = ("verify reads each record through its model, encodes it again and compares, and looks at the index.",)
    return [Group("verify", "verify", series, notes)]


def _ours(bench: Bench, project: Project, check: Callable[[], None], records: int, runs: list[Done]) -> Contender:
    """Give the command; what it says of itself goes into ``runs``."""

    def work() -> int:
        done = project.migrate_flat_out()
        assert sum(done.document["apps"]["shop"]["changed"].values()) == records
        runs.append(done)
        return records

    return Contender(COMMAND, work, lambda: fill_customers(bench.server, records), check)


def _by_themselves(bench: Bench, records: int, runs: Sequence[Done]) -> dict[str, list[float]]:
    """Give the rates of the rewriting, and of that with its proof, in the rounds that are counted."""
    counted = runs[-bench.scale.rounds :]
    return {
        REWRITING: [records / count.rewriting_s for count in counted],
        PROVED: [records / count.seconds for count in counted],
    }


def _contender(
    bench: Bench, name: str, work: Callable[[], int], check: Callable[[], None], records: int | None = None
) -> Contender:
    count = bench.scale.migrated if records is None else records
    return Contender(name, work, lambda: fill_customers(bench.server, count), check)


def _compared(rates: dict[str, list[float]], name: str, records: int, promises: dict[str, Promise]) -> list[Series]:
    """Give a yardstick once for each of ours."""
    return [
        Series(name, rates[name], ours=ours, promise=promises.get(ours), records=records)
        for ours in (REWRITING, PROVED, COMMAND)
        if ours == REWRITING or name in (GIANT, GIANT_KEEPING)
    ]


def _operations(count: int) -> str:
    return f"{count} fused operations" if count > 1 else "1 operation"


def _sample(bench: Bench) -> list[dict[bytes, bytes]]:
    """Give some records as they are now."""
    return [bench.server.client.hgetall(f"customer:{at}") for at in (0, 1, 7, 42)]


def _check(
    bench: Bench, changes: Sequence[Change], expected: Callable[[int, Sequence[Change]], dict[str, str]]
) -> None:
    """Raise AssertionError unless the records are as they should be; undo fields do not matter."""
    for at in (0, 1, 7, 42):
        stored = bench.server.client.hgetall(f"customer:{at}").items()
        seen = {name.decode(): raw.decode() for name, raw in stored if not name.startswith(b"_b")}
        wanted = expected(at, changes)
        assert seen == wanted, f"{seen}, not {wanted}"


def _before(at: int) -> dict[str, str]:
    return {
        "_v": "2", "id": f"{at}", "name": f"Customer number {at}", "email": f"c{at}@example.com",
        "city": f"City {at % 97}", "note": f"a note about {at}", "legacy_ref": f"ref-{at}", "phone": f"+49 30 {at}",
        "age": "NA" if at % 10 == 0 else f"{18 + at % 70}", "visits": f"{at % 10_000}", "balance": "0.5",
    }  # fmt: skip


def _as_in_server(at: int, changes: Sequence[Change]) -> dict[str, str]:
    row = _before(at)
    filled = {"currency": "EUR", "level": "1", "country": "DE"}
    renamed = {"full_name": "name", "mail": "email", "town": "city"}
    added = {name: filled.get(name) or row[renamed[name]] for change in changes for name in change.added}
    removed = {name for change in changes for name in change.removed}
    return {name: value for name, value in {**row, **added}.items() if name not in removed}


def _as_by_python(at: int, changes: Sequence[Change]) -> dict[str, str]:
    row = _before(at)
    row["age"] = "None" if row["age"] == "NA" else row["age"]
    return {**row, **{name: "C" for change in changes for name in change.added if name.startswith("initial")}}
