"""Mending: records in quarantine are set right by the command that texts name, all or nothing; every gate tells."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from redis_models.cli.commands import quarantine as command_of_quarantine
from redis_models.migrations.maintenance.repair import write_repair

_CONSENT = ("--yes", "--allow-destructive")
_HELD = "redis_models:{default}:quarantine:shop"
_LEASE = "redis_models:{default}:lease"
_FILES = {
    "0001_initial": """
        class Migration(migrations.Migration):
            id = "aaaa0001"
            previous = None
            versions = {"Probe": 1}
            operations = [
                migrations.CreateModel(
                    "Probe",
                    fields={
                        "id": "int", "depth": "str", "label": "str | None", "tags": "list[str]", "pin": "SecretStr",
                        "spot": "Object(x=int, y=int)",
                    },
                    primary_key="id",
                    table="probe",
                ),
            ]
    """,
    "0002_depth": """
        def whole(text):
            return int(text)

        class Migration(migrations.Migration):
            id = "bbbb0002"
            previous = "aaaa0001"
            versions = {"Probe": 2}
            operations = [
                migrations.AlterField("Probe", "depth", "str", "int", convert=whole, back=str),
                migrations.RemoveField("Probe", "tags", back=[]),
            ]
    """,
}
_MODEL = """
from pydantic import Field as F
from pydantic import SecretStr
from redis_models import Field, Model
from typing_extensions import TypedDict

class Spot(TypedDict):
    x: int
    y: int

class Probe(Model):
    id: int = Field(primary_key=True)
    depth: int = F(le=1000)
    label: str | None
    pin: SecretStr
    spot: Spot

    class Meta:
        version = 2
"""
_GOOD = {"depth": "3", "label": "a", "tags": '["u"]', "pin": '"k3y"', "spot": '{"x":1,"y":2}', "_v": "1"}


class Lab:
    """A project whose run put two records into quarantine: a bad value, and a stamp that is none."""

    def __init__(self, project: Any, client: Any) -> None:
        self.project, self.client = project, client
        for name, text in _FILES.items():
            project.migration(name, text)
        project.write("shop/models.py", _MODEL)
        for number in range(6):
            client.hset(f"probe:{number}", mapping={**_GOOD, "id": str(number)})
            client.zadd("probe:__index", {f"probe:{number}": 0})
        client.hset("probe:4", mapping={"depth": "deep", "_b1.0": "kept"})
        client.hset("probe:5", "_v", "07")
        self.run = project.run("migrate", "--on-error", "quarantine", *_CONSENT)

    def say(self, *arguments: str) -> Any:
        return self.project.run("quarantine", *arguments)

    def held(self) -> list[str]:
        return [record["key"] for record in json.loads(self.project.run("--json", "quarantine", "list").out)["records"]]


@pytest.fixture
def lab(project: Any, client: Any) -> Lab:
    return Lab(project, client)


def test_every_gate_reports_quarantined_records_until_they_are_repaired(lab: Lab) -> None:
    run = lab.project.run

    assert lab.run.code == 1
    assert "2 records are in quarantine" in lab.run.err
    assert run("migrate", *_CONSENT).code == 0  # nothing is left to apply; an application may start
    for gate in (("migrate", "--check"), ("check", "--database"), ("verify",), ("verify", "--sample", "3")):
        output = run(*gate)
        assert output.code == 1, gate
        assert "quarantine" in output.out, gate
    assert "2 records are in quarantine; see 'quarantine list'" in run("showmigrations").out
    assert json.loads(run("--json", "showmigrations").out)["quarantined"] == {"shop": 2}
    assert "quarantine set KEY FIELD=VALUE" in lab.say("list").err

    assert lab.say("set", "probe:4", "depth=40").code == 0
    assert lab.say("set", "probe:5", "_v=1").code == 0

    assert lab.held() == []
    assert lab.client.hgetall("probe:4")[b"depth"] == b"40"
    assert lab.client.hgetall("probe:4")[b"_b1.0"] == b"kept"
    for gate in (("migrate", "--check"), ("check", "--database"), ("verify", "--sample", "3")):
        assert run(*gate).code == 0, run(*gate).out
    assert "quarantine" not in run("showmigrations").out


def test_a_record_is_shown_with_the_types_that_its_version_has(lab: Lab) -> None:
    shown = lab.say("show", "probe:4")
    [document] = json.loads(lab.project.run("--json", "quarantine", "show", "probe:4").out)["records"]
    broken = lab.say("show", "probe:5")

    assert "Fields at version 1: depth: str, id: int, label: str | None" in shown.out
    assert document["types"]["tags"] == "list[str]"
    assert "Fields at version" not in broken.out


@pytest.mark.parametrize(
    ("assignments", "stored"),
    [
        (["depth=12"], {b"depth": b"12"}),
        (["depth=12", "label=no = sign:="], {b"depth": b"12", b"label": b"no = sign:="}),
        (["depth=12", "label:=null"], {b"label": b"None"}),
        (["depth=12", "label=null"], {b"label": b"null"}),
        (["depth=12", 'label:="quoted"'], {b"label": b"quoted"}),
        (["depth=12", 'spot={"y": 5, "x": 6}'], {b"spot": b'{"y": 5, "x": 6}'}),
    ],
)
def test_values_are_of_the_types_of_the_records_own_version(
    lab: Lab, assignments: list[str], stored: dict[bytes, bytes]
) -> None:
    ran = lab.say("set", "probe:4", *assignments)

    assert ran.code == 0, ran.out + ran.err
    assert "probe:4: set and rewritten" in ran.out
    record = lab.client.hgetall("probe:4")
    assert {name: record[name] for name in stored} == stored
    assert record[b"_v"] == b"2"


@pytest.mark.parametrize(
    ("assignments", "said"),
    [
        (["depth"], "write FIELD=VALUE"),
        (["=1"], "write FIELD=VALUE"),
        (["depth=1", "depth=2"], "is set twice"),
        (["deep=1"], "has no field 'deep' at version 1"),
        (["depth=1", "tags=u"], "must be JSON"),
        (["depth=1", "tags=[1]"], "not a valid list[str]"),
        (["depth=1", "spot={}"], "not a valid Object"),
        (["depth=1", "pin=[7]"], "pin=**********: not a valid Secret"),
        (["depth=1", "id=77"], "the key probe:4; the primary key cannot be changed"),
        (["depth=1", "_v=9"], "is unknown; the migration files have 1, 2"),
        (["depth=1", "tags=" + "[" * 100_000], "tags=["),
    ],
)
def test_what_is_none_is_refused_and_nothing_is_written(lab: Lab, assignments: list[str], said: str) -> None:
    before = lab.client.hgetall("probe:4")

    ran = lab.say("set", "probe:4", *assignments)

    assert ran.code == 1
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert lab.client.hgetall("probe:4") == before


def test_a_record_that_still_fails_stays_there_with_what_was_set(lab: Lab) -> None:
    tried = lab.say("set", "probe:4", "depth=deeper", "--dry-run")
    before = lab.client.hget("probe:4", "depth")
    ran = lab.say("set", "probe:4", "depth=deeper")

    assert (tried.code, ran.code, before) == (1, 1, b"deep")
    assert "still cannot be rewritten: field 'depth' holds b'deeper'" in tried.out
    assert "still cannot be rewritten: field 'depth' holds b'deeper'" in ran.out
    assert lab.client.hget("probe:4", "depth") == b"deeper"
    assert "probe:4" in lab.held()


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_what_the_code_would_not_read_afterwards_is_refused(lab: Lab, options: tuple[str, ...]) -> None:
    before = lab.client.hgetall("probe:4")

    ran = lab.say("set", "probe:4", "depth=5000", *options)

    assert ran.code == 1
    assert "could be rewritten, but not be read afterwards: field 'depth'" in ran.err
    assert "nothing was set" in ran.err
    assert lab.client.hgetall("probe:4") == before


def test_a_dry_run_writes_nothing_and_says_what_would_come(lab: Lab) -> None:
    before = lab.client.hgetall("probe:4")

    ran = lab.say("set", "probe:4", "depth=8", 'pin="0000"', "--dry-run")

    assert ran.code == 0
    assert "~ depth  deep → 8" in ran.out
    assert "0000" not in ran.out
    assert "could then be rewritten; nothing was written" in ran.out
    assert lab.client.hgetall("probe:4") == before
    assert "probe:4" in lab.held()


def test_a_value_that_another_client_changed_is_not_overwritten(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def overtaken(*arguments: Any) -> Any:
        lab.client.hset("probe:4", "depth", "99")
        return write_repair(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(command_of_quarantine, "write_repair", overtaken)
        ran = lab.say("set", "probe:4", "label=b", "depth=8")

    assert ran.code == 1
    assert "was changed by another client" in ran.err
    assert lab.client.hmget("probe:4", "depth", "label") == [b"99", b"a"]


_MEANWHILE: dict[str, tuple[Callable[[Any], object], int, str]] = {
    "it left the quarantine": (lambda client: client.hdel(_HELD, "probe:4"), 1, "left the quarantine in the meantime"),
    "it is gone": (lambda client: client.delete("probe:4"), 1, "no longer exists; nothing was set"),
    "it is not a hash": (lambda client: (client.delete("probe:4"), client.set("probe:4", "x")), 1, "probe:4"),
    "it has another stamp": (lambda client: client.hset("probe:4", "_v", "2"), 1, "was changed by another client"),
    "a field came": (lambda client: client.hdel("probe:4", "label"), 1, "was changed by another client"),
    "the lease is another one's": (lambda client: client.hincrby(_LEASE, "epoch", 1), 4, "lease"),
}


@pytest.mark.parametrize(("happens", "code", "said"), _MEANWHILE.values(), ids=list(_MEANWHILE))
def test_what_happens_in_between_is_seen_by_the_script(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, happens: Callable[[Any], object], code: int, said: str
) -> None:
    stored: list[Any] = []

    def overtaken(*arguments: Any) -> Any:
        happens(lab.client)
        stored.append(lab.client.dump("probe:4"))
        return write_repair(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(command_of_quarantine, "write_repair", overtaken)
        ran = lab.say("set", "probe:4", "label=b", "depth=8")

    assert ran.code == code, ran.err
    assert said in ran.err
    assert lab.client.dump("probe:4") == stored[0]


def test_a_record_that_is_gone_or_out_or_no_hash_is_not_made(lab: Lab) -> None:
    lab.client.delete("probe:4")

    gone = lab.say("set", "probe:4", "depth=8")
    out = lab.say("set", "probe:1", "depth=8")
    lab.client.set("probe:5", "text")
    other = lab.say("set", "probe:5", "depth=8")

    assert (gone.code, out.code, other.code) == (1, 1, 1)
    assert "'quarantine retry' removes the entry" in gone.err
    assert "probe:1 is not in quarantine" in out.err
    assert not lab.client.exists("probe:4")
    assert lab.client.get("probe:5") == b"text"


def test_under_a_run_that_stopped_the_field_is_set_and_the_next_run_rewrites_it(lab: Lab) -> None:
    lab.project.migration(
        "0003_more",
        """
        def positive(depth):
            if depth == 3:
                raise ValueError("three")
            return str(depth)

        class Migration(migrations.Migration):
            id = "cccc0003"
            previous = "bbbb0002"
            versions = {"Probe": 3}
            operations = [migrations.AlterField("Probe", "depth", "int", "str", convert=positive, back=int)]
        """,
    )
    assert lab.project.run("migrate", "--ignore-sample", *_CONSENT).code == 6

    ran = lab.say("set", "probe:4", "depth=8")

    assert ran.code == 0, ran.err
    assert "run 'migrate' to finish the unfinished run" in ran.out
    assert lab.client.hmget("probe:4", "depth", "_v") == [b"8", b"1"]


def test_ttls_of_the_record_and_its_fields_stay(lab: Lab) -> None:
    lab.client.expire("probe:4", 5000)
    if has_fields := lab.client.execute_command("COMMAND", "INFO", "HPEXPIREAT"):
        lab.client.execute_command("HEXPIRE", "probe:4", 4000, "FIELDS", 1, "label")

    assert lab.say("set", "probe:4", "depth=8", "label=z").code == 0

    assert 0 < lab.client.ttl("probe:4") <= 5000
    if has_fields:
        [left] = lab.client.execute_command("HTTL", "probe:4", "FIELDS", 1, "label")
        assert 0 < left <= 4000
