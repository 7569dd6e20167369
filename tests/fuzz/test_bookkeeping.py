"""The engine's own keys are input: whatever lies there, each command ends with a line, and touches nothing foreign."""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from .bench import COMMANDS, Bench
from .documents import HONEST, KEY, spoils


@pytest.fixture
def bench(project: Any, client: Any) -> Bench:
    return Bench(project, client)


@pytest.mark.parametrize("seed", range(3))
def test_every_command_survives_any_value_at_the_keys_of_the_engine(bench: Bench, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(40):
        what, spoil = spoils(rng)
        for command in rng.sample(COMMANDS, 5):
            bench.restore()
            spoil(bench.client)

            assert bench.complaint(command) is None, f"{what}; {' '.join(command)}"


DOCUMENTS = {name: (field, document) for name, field, document in HONEST}
READERS: dict[str, tuple[str, ...]] = {
    "ledger:shop": ("migrate", "--plan"),
    "snapshot:shop": ("diff",),
    "journal:shop": ("showmigrations",),
    "history:shop": ("history",),
    "quarantine:shop": ("quarantine", "list"),
    "control": ("migrate", "--status"),
    "lease": ("migrate", "--status"),
}


def _with(at: str, **changes: Any) -> Callable[[Any], object]:
    field, document = DOCUMENTS[at]
    raw = json.dumps({**document, **changes})
    return lambda client: client.set(KEY + at, raw) if field == "" else client.hset(KEY + at, field, raw)


def _model(**changes: Any) -> Callable[[Any], object]:
    model = DOCUMENTS["snapshot:shop"][1]["models"]["Customer"]
    return _with("snapshot:shop", models={"Customer": {**model, **changes}})


def _text(name: str, raw: str) -> Callable[[Any], object]:
    return lambda client: client.set(KEY + name, raw)


def _fields(name: str, **fields: str) -> Callable[[Any], object]:
    return lambda client: client.hset(KEY + name, mapping=fields)


def _many(name: str) -> Callable[[Any], object]:
    script = "for i = 1, 200000 do redis.call('HSET', KEYS[1], 'k' .. i, '{}') end"
    return lambda client: client.eval(script, 1, KEY + name)


def _instead(name: str) -> Callable[[Any], object]:
    return lambda client: (client.delete(KEY + name), client.zadd(KEY + name, {"x": 0}))


def _said_to_a_run(spoil: Callable[[Any], object]) -> Callable[[Any], object]:
    lease = _fields("lease", epoch="5", holder='{"host": "h", "pid": 1}', until="99999999999999")
    return lambda client: (lease(client), spoil(client))


def _large(name: str, *command: str) -> Callable[[Any], object]:
    """Put something of 100 MB at a key, made by the server."""
    script = (
        "local more = {unpack(ARGV, 2)} more[#more + 1] = string.rep(string.rep('x', 1000000), 100)"
        " return redis.call(ARGV[1], KEYS[1], unpack(more))"
    )
    return lambda client: client.eval(script, 1, KEY + name, *command)


JOURNAL = {
    "target": "2", "reach": "2", "depth": "1", "fingerprint": "f", "model": "Customer", "cursor": "0", "run_id": "",
    "seen": "0", "changed": "0", "updated_at": "2024-01-01T00:00:00+00:00",
}  # fmt: skip
UNREADABLE: dict[str, tuple[str, Callable[[Any], object]]] = {
    **{f"another type: {name}": (name, _instead(name)) for name in READERS if name != "control"},
    "settings of a run that are not a hash": ("control", _said_to_a_run(_instead("control"))),
    "settings of a run that are not numbers": ("control", _said_to_a_run(_fields("control", batch="9" * 5000))),
    "a ledger of numbers": ("ledger:shop", _with("ledger:shop", name=5)),
    "a ledger of another id": ("ledger:shop", _with("ledger:shop", id="bbbb")),
    "a ledger with more": ("ledger:shop", _with("ledger:shop", colour="red")),
    "a ledger of many": ("ledger:shop", _many("ledger:shop")),
    "a snapshot that is a list": ("snapshot:shop", _text("snapshot:shop", "[]")),
    "a snapshot of nothing": ("snapshot:shop", _with("snapshot:shop", models=None)),
    "a snapshot that nests": ("snapshot:shop", _text("snapshot:shop", "[" * 100_000)),
    "a snapshot of a number": ("snapshot:shop", _with("snapshot:shop", models={"Customer": 5})),
    "a snapshot of half letters": ("snapshot:shop", _with("snapshot:shop", models={"\ud800": {}})),
    "a model without fields": ("snapshot:shop", _model(fields=[])),
    "a model without its key": ("snapshot:shop", _model(primary_key="nope")),
    "a model of a version of text": ("snapshot:shop", _model(version="x")),
    "a model of many fields": ("snapshot:shop", _model(fields={f"k{n}": {"type": "int"} for n in range(20_000)})),
    "a type that is a number": ("snapshot:shop", _model(fields={"id": {"type": 5}})),
    "a type that stands for itself": (
        "snapshot:shop",
        _model(fields={"id": {"type": "str"}, "a": {"type": "Alias('a', Ref('a'))"}}),
    ),
    "a snapshot of a hundred megabytes": (
        "snapshot:shop",
        lambda client: client.setrange(KEY + "snapshot:shop", 100_000_000, "x"),
    ),
    "an entry of the ledger of a hundred megabytes": ("ledger:shop", _large("ledger:shop", "HSET", "aaaa0001")),
    "a field of the journal of a hundred megabytes": ("journal:shop", _large("journal:shop", "HSET", "more")),
    "an event of a hundred megabytes": ("history:shop", _large("history:shop", "RPUSH")),
    "a reason of a hundred megabytes": ("quarantine:shop", _large("quarantine:shop", "HSET", "customer:1")),
    "a holder of a lease of a hundred megabytes": ("lease", _large("lease", "HSET", "holder")),
    "what is said to a run of a hundred megabytes": ("control", _said_to_a_run(_large("control", "HSET", "paused"))),
    "a snapshot of a million parts": ("snapshot:shop", _text("snapshot:shop", f"[{'{},' * 1_000_001}5]")),
    "a cursor that no server gives": ("journal:shop", _fields("journal:shop", **{**JOURNAL, "cursor": "9" * 20})),
    "a journal of words": ("journal:shop", _fields("journal:shop", target="soon")),
    "a journal of nothing": ("journal:shop", _fields("journal:shop", colour="red")),
    "a history of words": ("history:shop", lambda client: client.rpush(KEY + "history:shop", '"x"')),
    "a history that nests": ("history:shop", lambda client: client.rpush(KEY + "history:shop", '{"a":' * 99_999)),
    "a quarantine of numbers": ("quarantine:shop", _with("quarantine:shop", reason=5)),
    "a lease that ends at no time": ("lease", _fields("lease", epoch="5", holder="h", until="later")),
    "a lease of no epoch": ("lease", _fields("lease", epoch="x", holder="h", until="99999999999999")),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_cannot_be_read_is_named_with_its_key_and_a_cure(bench: Bench, kind: str) -> None:
    name, spoil = UNREADABLE[kind]
    spoil(bench.client)

    ran = bench.project.run(*READERS[name])

    assert ran.code == 8, ran
    [line] = ran.err.splitlines()
    assert line.startswith("error: ")
    assert KEY + name in line
    assert "delete that key" in line or "'stamp shop TARGET'" in line
    assert len(line) < 800
    if "delete that key" in line:
        bench.client.delete(KEY + name)
    if "'stamp shop TARGET'" in line:
        assert bench.project.run("stamp", "shop", "0002").code == 0
    assert bench.project.run(*READERS[name]).code != 8


def test_what_is_larger_than_any_of_ours_is_refused_before_it_is_read(bench: Bench) -> None:
    _said_to_a_run(_large("lease", "HSET", "holder"))(bench.client)
    _large("control", "HSET", "paused")(bench.client)
    for name in ("ledger:shop", "journal:shop", "quarantine:shop"):
        _large(name, "HSET", "more")(bench.client)
    _large("history:shop", "RPUSH")(bench.client)
    sent = bench.client.info("stats")["total_net_output_bytes"]

    for command in COMMANDS:
        assert bench.complaint(command) is None, command

    assert bench.client.info("stats")["total_net_output_bytes"] - sent < 50_000_000


@pytest.mark.parametrize("option", ["--pause", "--resume", "--set=batch=5"])
def test_what_is_said_to_a_run_where_something_else_lies_is_refused(bench: Bench, option: str) -> None:
    _said_to_a_run(_instead("control"))(bench.client)

    ran = bench.project.run("migrate", option)

    assert ran.code == 8, ran
    assert KEY + "control" in ran.err


def test_a_lease_whose_holder_has_no_end_stops_a_run(bench: Bench) -> None:
    _large("lease", "HSET", "holder")(bench.client)
    bench.client.hset(KEY + "lease", "until", "99999999999999")

    assert bench.project.migrate("0001").code == 8


def test_a_quarantine_that_cannot_be_read_is_not_copied_to_another_database(bench: Bench, new_server: Any) -> None:
    other = new_server()
    bench.project.settings(REDIS_URL=other.url, APPS=["shop"])
    _large("quarantine:shop", "HSET", "customer:1")(bench.client)

    ran = bench.project.run("relocate", "--from", f"unix://{bench.project.server.socket_path}")

    assert ran.code == 8, ran
    assert KEY + "quarantine:shop" in ran.err
    assert not [key for key in other.client().keys("*") if b"lease" not in key]


def test_who_may_not_ask_for_sizes_reads_all_the_same(bench: Bench) -> None:
    permissions = "on >pass ~* +@all -memory -llen -strlen"
    bench.client.execute_command("ACL", "SETUSER", "reader", *permissions.split())
    socket = bench.project.server.socket_path
    bench.project.settings(REDIS_URL=f"unix://reader:pass@{socket}", APPS=["shop"])

    assert bench.project.run("showmigrations").code == 0
    assert bench.project.run("history").code == 0


@pytest.mark.parametrize("field", ["epoch", "until"])
@pytest.mark.parametrize("text", ["x", "", "9" * 400, "nan", "-5", "1e308"])
def test_a_lease_that_is_none_stops_a_run_and_changes_nothing(bench: Bench, field: str, text: str) -> None:
    lease = {"epoch": "5", "holder": '{"host": "h", "pid": 1}', "until": "99999999999999", field: text}
    bench.client.delete(KEY + "lease")
    bench.client.hset(KEY + "lease", mapping=lease)

    ran = bench.project.migrate("0001")

    assert ran.code == 8, ran
    assert KEY + "lease" in ran.err
    assert bench.client.hgetall(KEY + "lease") == {name.encode(): value.encode() for name, value in lease.items()}
