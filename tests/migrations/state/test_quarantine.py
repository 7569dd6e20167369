"""Quarantine: what cannot be rewritten stays as it is, is shown with its reason, tried again, and never lost."""

import io
import json
import signal
from typing import Any

import pytest

_CONSENT = ("--yes", "--allow-destructive")
_QUARANTINE = ("--on-error", "quarantine")
_BAD = {
    b"customer:7": {b"age": b"old"},  # a function raises
    b"customer:8": {b"age": b"\xfe\xff"},  # no text
    b"customer:\xff": {b"_v": b"1", b"id": b"x", b"name": b"\xff\\xff", b"age": b"?", b"\xfd": b"1"},
}


class Shop:
    """A project with 30 good records, three bad ones and a list, whose migrations are done by Python."""

    def __init__(self, project: Any) -> None:
        self.project = project
        project.fill(30)
        project.deploy(3)
        with project.server.client() as client:
            for key, fields in _BAD.items():
                client.hset(key, mapping=fields)
            client.rpush("customer:list", "a", "b")
        self.before = self.dump()

    def say(self, *arguments: str) -> Any:
        """Run a command."""
        return self.project.run(*arguments)

    def migrate(self, *arguments: str) -> Any:
        """Run ``migrate`` with every consent."""
        return self.say("migrate", *arguments, *_CONSENT)

    def quarantine(self, *arguments: str) -> Any:
        """Run ``quarantine`` for people."""
        return self.say("quarantine", *arguments)

    def records_of(self, *arguments: str) -> Any:
        """Run a command of ``quarantine`` for programs; give its records."""
        return json.loads(self.say("--json", "quarantine", *arguments).out)["records"]

    def held(self) -> set[str]:
        """Keys of the records in quarantine."""
        return {message["key"] for message in self.records_of("list")}

    def dump(self) -> dict[bytes, Any]:
        """Everything but the bookkeeping, as it is stored."""
        with self.project.server.client() as client:
            return {
                key: client.hgetall(key) if client.type(key) == b"hash" else client.dump(key)
                for key in client.keys("customer:*")
            }

    def bad(self) -> dict[bytes, Any]:
        """What is in quarantine, as it is stored."""
        return {key: raw for key, raw in self.dump().items() if key in _BAD or key == b"customer:list"}

    def mend(self) -> None:
        """Mend all but customer:7."""
        with self.project.server.client() as client:
            client.hset("customer:8", "age", "8")
            client.hset(b"customer:\xff", mapping={"age": "9", "name": "n"})
            client.delete("customer:list")


@pytest.fixture
def shop(project: Any) -> Shop:
    """A project that has bad records among good ones."""
    return Shop(project)


def test_a_run_goes_on_past_records_that_it_cannot_rewrite_and_leaves_them_as_they_are(shop: Shop) -> None:
    done = shop.migrate(*_QUARANTINE)
    listed, shown = shop.quarantine("list"), shop.quarantine("show", "customer:7")
    status = shop.say("migrate", "--status")
    again = shop.migrate()

    assert (done.code, listed.code, shown.code, again.code) == (1, 0, 0, 0)
    assert "shop: 4 records are in quarantine; the application may not be able to read them" in done.err
    assert shop.bad() == {key: raw for key, raw in shop.before.items() if key in shop.bad()}
    assert len(shop.bad()) == 4
    for says in (
        "shop: customer:7: field 'age' holds b'old': cannot become int | None",
        "shop: customer:8: field 'age' holds b'\\xfe\\xff': does not read back as str",
        "shop: customer:\\xff: field 'age' holds b'?'",
        "shop: customer:list: does not hold a hash; rename the key to another prefix",
        "Customer, to be rewritten to version 3; last tried 20",
    ):
        assert says in listed.out
    assert "  age = b'old'\n  id = b'7'\n" in shown.out
    assert "4 records are in quarantine; see 'quarantine list'" in status.out
    assert "No migrations to apply" in again.out
    assert "4 records are in quarantine; see 'quarantine list'" in again.err


def test_json_output_has_every_byte(shop: Shop) -> None:
    done = json.loads(shop.say("--json", "migrate", *_QUARANTINE, *_CONSENT).out)
    listed = {message["key"]: message for message in shop.records_of("list")}
    [odd], [alike] = shop.records_of("show", "customer:\udcff"), shop.records_of("show", "customer:\\xff")
    [no_hash] = shop.records_of("show", "customer:list")

    assert done["apps"]["shop"]["quarantined"] == 4
    assert listed.keys() == {"customer:7", "customer:8", "customer:\udcff", "customer:list"}
    assert listed["customer:7"].keys() == {"app", "key", "label", "model", "target", "reason", "at"}
    assert (listed["customer:7"]["app"], listed["customer:7"]["target"]) == ("shop", 3)
    assert odd == alike
    raw = {name.encode(errors="surrogateescape"): text for name, text in odd["fields"].items()}
    assert {name: text.encode(errors="surrogateescape") for name, text in raw.items()} == _BAD[b"customer:\xff"]
    assert no_hash["fields"] is None
    assert "The key does not hold a hash." in shop.quarantine("show", "customer:list").out


def test_records_that_were_repaired_by_hand_leave_the_quarantine(shop: Shop) -> None:
    shop.migrate(*_QUARANTINE)
    shop.mend()

    [entry] = shop.records_of("retry", "customer:8")
    left = shop.quarantine("retry")
    again = shop.quarantine("retry", "customer:7")
    unknown = shop.quarantine("retry", "customer:8")

    assert (entry["key"], entry["reason"]) == ("customer:8", "")
    assert (left.code, again.code, unknown.code) == (1, 1, 1)
    assert "shop: customer:\\xff: rewritten" in left.out
    assert "shop: customer:list: no longer exists" in left.out
    assert "shop: customer:7: field 'age' holds b'old'" in left.out
    assert "customer:8 is not in quarantine; 'quarantine list' shows the keys that are" in unknown.err
    assert shop.held() == {"customer:7"}
    with shop.project.server.client() as client:
        assert client.hmget("customer:8", "_v", "age", "_b3.0.age") == [b"3", b"8", None]
        assert client.hmget(b"customer:\xff", "_v", b"\xfd") == [b"3", b"1"]
        assert client.hgetall("customer:7") == shop.before[b"customer:7"]
    with shop.project.server.client() as client:
        client.hset("customer:7", "age", "7")
    assert shop.quarantine("retry").code == 0
    assert shop.quarantine("list").out == "The quarantine is empty.\n"
    assert shop.quarantine("retry").out == "The quarantine is empty.\n"


def test_the_way_back_takes_records_in_quarantine_with_it_byte_for_byte(shop: Shop) -> None:
    shop.migrate(*_QUARANTINE)

    back = shop.migrate("shop", "1")

    assert back.code == 0
    assert shop.dump() == shop.before
    assert shop.held() == {"customer:list"}  # the others are where they belong
    # Forward again, and back by a step: what cannot reach version 3 can reach version 2.
    assert shop.migrate(*_QUARANTINE).code == 1
    assert shop.held() == {"customer:7", "customer:8", "customer:\udcff", "customer:list"}
    assert shop.migrate("shop", "2").code == 0
    assert shop.held() == {"customer:list"}
    assert {record[b"_v"] for record in shop.dump().values() if isinstance(record, dict)} == {b"2"}
    assert shop.migrate("shop", "1").code == 0
    assert shop.dump() == shop.before


def test_no_more_records_than_were_allowed_go_to_quarantine(shop: Shop) -> None:
    stopped = shop.migrate(*_QUARANTINE, "--max-errors", "2")
    first = shop.held()
    retried = shop.quarantine("retry")
    status = shop.say("migrate", "--status")
    more = shop.migrate(*_QUARANTINE, "--max-errors", "2")
    plain = shop.migrate("shop", "2")

    assert (stopped.code, more.code, plain.code) == (6, 1, 0)
    assert len(first) == 2
    assert first < shop.held() | {"customer:7", "customer:8", "customer:\udcff", "customer:list"}
    assert "because at most 2 may be quarantined (--max-errors)" in stopped.err
    assert len(stopped.err.splitlines()) == 1
    assert retried.code == 6
    assert "a run is unfinished; finish it with 'migrate' first" in retried.err
    assert "2 records are in quarantine" in status.out


def test_without_the_option_the_first_such_record_stops_the_run_and_none_is_quarantined(shop: Shop) -> None:
    stopped = shop.migrate("--ignore-sample")

    assert stopped.code == 6
    assert "with --on-error quarantine to skip such records" in stopped.err
    assert shop.quarantine("list").out == "The quarantine is empty.\n"


def test_dropped_records_are_printed_whole_before_they_are_gone(shop: Shop) -> None:
    shop.migrate(*_QUARANTINE)

    unasked = shop.quarantine("drop", "customer:7")
    kept = shop.bad()
    dropped = shop.quarantine("drop", "customer:7", "customer:\\xff", "--yes")
    no_hash = shop.quarantine("drop", "customer:list", "--yes")
    [last] = shop.records_of("drop", "customer:8", "--yes")

    assert (unasked.code, dropped.code, no_hash.code) == (1, 0, 1)
    assert "use --yes to confirm" in unasked.err
    assert len(kept) == 4
    for line in dropped.out.splitlines():
        result = json.loads(line)
        key = result["key"].encode(errors="surrogateescape")
        restored = {name.encode(errors="surrogateescape"): raw for name, raw in result["fields"].items()}
        assert restored.items() >= {n: r.decode(errors="surrogateescape") for n, r in _BAD[key].items()}.items()
    assert "customer:list: does not hold a hash" in no_hash.err
    assert last["fields"]["age"].encode(errors="surrogateescape") == b"\xfe\xff"
    assert shop.held() == {"customer:list"}
    with shop.project.server.client() as client:
        assert client.exists("customer:7", "customer:8", b"customer:\xff") == 0
        assert client.zcard("customer:__index") == 28
        assert client.lrange("customer:list", 0, -1) == [b"a", b"b"]


class Typed(io.StringIO):
    """What a user types at a terminal."""

    def isatty(self) -> bool:
        return True


def test_drop_asks_on_a_terminal_and_takes_no_for_an_answer(shop: Shop) -> None:
    shop.migrate(*_QUARANTINE)
    before = shop.dump()
    shop.project.keyboard = Typed("n\ny\n")

    declined = shop.quarantine("drop", "customer:7")
    kept = shop.dump()
    dropped = shop.quarantine("drop", "customer:7")

    assert (declined.code, dropped.code) == (1, 0)
    assert "Delete 1 record for good? [y/N]" in declined.out + declined.err
    assert "Cancelled." in declined.err
    assert kept == before
    assert shop.dump().keys() == before.keys() - {b"customer:7"}


_STEP = """
    def nothing(context):
        pass

    class Migration(migrations.Migration):
        id = "dddd0004"
        previous = "cccc0003"
        versions = {}
        operations = [migrations.Run(nothing, back=nothing, may_run_twice=True)]
"""


def test_a_free_step_at_the_end_hides_no_record_in_quarantine(shop: Shop) -> None:
    shop.project.migration("0004_step", _STEP)

    done = json.loads(shop.say("--json", "migrate", *_QUARANTINE, *_CONSENT).out)

    assert done["apps"]["shop"]["quarantined"] == 4


def test_a_function_that_is_fixed_for_the_quarantine_is_accepted_without_going_back(shop: Shop) -> None:
    shop.project.migration("0004_step", _STEP)
    shop.migrate(*_QUARANTINE)
    path = shop.project.root / "shop/redis_migrations/0003_retype.py"
    path.write_text(path.read_text().replace('text == "NA"', "not text.isdecimal()"))

    retried = shop.quarantine("retry", "customer:7")
    drifted = shop.migrate()
    accepted = shop.say("migrate", "shop", "4", "--fake")
    done = shop.migrate()

    assert (retried.code, drifted.code, accepted.code, done.code) == (0, 8, 0, 0)
    assert "was edited after it was applied" in drifted.err
    assert "accept it as it is with 'migrate shop 4 --fake'" in drifted.err
    assert "No migrations to apply." in done.out


_READER = """
import asyncio
import redis_models

redis_models.setup("shop.settings")
from shop.models import Customer

def said(verb):
    try:
        return repr(verb())
    except redis_models.RedisModelsError as exc:
        return f"{type(exc).__name__}: {exc}"

print(said(lambda: Customer.sync.get("7")))
print(said(lambda: Customer.sync.get("9").age))
print(said(lambda: Customer.sync.patch("7", visits=5)))
print(said(lambda: len(Customer.sync.select())))
"""


def test_reading_or_writing_a_quarantined_record_says_why_it_fails(shop: Shop) -> None:
    shop.migrate(*_QUARANTINE)
    shop.project.write("reader.py", _READER)

    read = shop.project.run_apart("reader.py")

    assert read.code == 0, read.err
    get, good, patch, select = read.out.splitlines()
    for result in (get, patch):
        assert result.startswith("ConflictError: customer:7: cannot be upgraded to version 3: field 'age' holds b'old'")
    assert good == "9"
    assert "customer:" in select
    assert "holds" in select
    assert shop.bad() == {key: raw for key, raw in shop.before.items() if key in shop.bad()}


_KILLED = """
import os, signal, sys
from redis_models.cli.main import main
from redis_models.migrations.state.quarantine import Quarantine

moment, nth = sys.argv[1], int(sys.argv[2])
calls, change = 0, Quarantine.change

def dying(*arguments):
    global calls
    calls += 1
    if calls == nth and moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = yield from change(*arguments)
    if calls == nth and moment == "after":
        os.kill(os.getpid(), signal.SIGKILL)
    return result

Quarantine.change = dying
sys.exit(main(sys.argv[3:], "redis-models"))
"""


@pytest.mark.parametrize(("moment", "nth"), [("before", 1), ("after", 1), ("after", 2)])
def test_killed_around_the_note_it_is_made_by_the_next_run(shop: Shop, moment: str, nth: int) -> None:
    shop.project.write("killed.py", _KILLED)
    command = ("migrate", *_QUARANTINE, "--batch", "3", *_CONSENT)
    assert shop.project.run_apart("killed.py", moment, str(nth), *command).code == -signal.SIGKILL

    done = shop.migrate(*_QUARANTINE)

    assert done.code == 1
    assert shop.held() == {"customer:7", "customer:8", "customer:\udcff", "customer:list"}
    assert shop.bad() == {key: raw for key, raw in shop.before.items() if key in shop.bad()}
    assert shop.migrate("shop", "1").code == 0
    assert shop.dump() == shop.before


def test_killed_between_a_retry_and_its_note_nothing_is_done_twice(shop: Shop) -> None:
    shop.migrate(*_QUARANTINE)
    shop.mend()
    shop.project.write("killed.py", _KILLED)
    killed = shop.project.run_apart("killed.py", "before", "1", "quarantine", "retry", "customer:8")
    assert killed.code == -signal.SIGKILL
    stored = shop.dump()[b"customer:8"]

    [retried] = shop.records_of("retry", "customer:8")

    assert retried["reason"] == ""
    assert shop.dump()[b"customer:8"] == stored
    assert "customer:8" not in shop.held()


def test_an_entry_that_names_what_no_model_owns_leads_to_nothing_but_its_own_end(shop: Shop) -> None:
    ledger, quarantine = b"redis_models:{default}:ledger:shop", b"redis_models:{default}:quarantine:shop"
    entry = {"label": "l", "model": "Customer", "target": 4, "reason": "said so", "at": "now"}
    foreign = [ledger.decode(), "other:1", "customer:a:b", "customer:__index", "nothing"]
    with shop.project.server.client() as client:
        for key in ("other:1", "customer:a:b"):
            client.hset(key, mapping={"id": "1", "secret": "xyzzy"})
        for key in foreign:
            client.hset(quarantine, key, json.dumps({"key": key, **entry}))
        before = {key: client.dump(key) for key in client.keys("*") if key != quarantine}

        for key in foreign:
            shown = shop.quarantine("show", key)
            assert "No model has this key" in shown.out
            assert "xyzzy" not in shown.out + shown.err
        result = shop.quarantine("retry")
        assert result.out.count("no model of the migration files has this key") == len(foreign)
        dropped = shop.quarantine("drop", *foreign, "--yes")

        assert dropped.code == 0
        assert dropped.err.count("no model has this key, so the key stays as it is") == len(foreign)
        assert {key: client.dump(key) for key in before} == before
        assert client.exists(quarantine) == 0
