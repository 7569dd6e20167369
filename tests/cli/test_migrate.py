"""``migrate`` and ``showmigrations`` do what they say: plans, targets, ways back, several apps, exit codes, JSON."""

import json
from typing import Any

import pytest

_COUNTER = """
    from redis_models import Field, Model

    class Counter(Model):
        id: str = Field(primary_key=True)
        {field}: int = 0

        class Meta:
            version = {version}
"""
_CREATE_COUNTER = """
    class Migration(migrations.Migration):
        id = "c1"
        versions = {"Counter": 1}
        operations = [
            migrations.CreateModel("Counter", fields={"id": "str", "n": "int"}, primary_key="id", table="counter"),
        ]
"""
_RENAME_COUNTER = """
    class Migration(migrations.Migration):
        id = "c2"
        previous = "c1"
        versions = {"Counter": VERSION}
        operations = [migrations.RenameField("Counter", "n", "hits")]
"""


def _document(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


def _versions(project: Any) -> set[bytes | None]:
    return {record.get("_v") for record in project.records().values()}


def _marks(project: Any) -> str:
    rows = _document(project.run("--json", "showmigrations").out)["apps"]["shop"]
    return "".join(row["mark"] for row in rows)


def _applied(project: Any) -> int:
    with project.server.client() as client:
        found: int = client.hlen("redis_models:{default}:ledger:shop")
        return found


def test_the_plan_tells_every_step_and_count_and_does_nothing(project: Any) -> None:
    project.deploy(2)
    project.fill(20)
    before = project.records()

    plan = project.run("migrate", "--plan")

    assert plan.code == 0
    assert "apply 2 migrations, 1 pass" in plan.out
    for line in (
        "0002_rename  bbbb0002",
        "+ Rename field name to full_name on Customer",
        "- Remove field legacy_ref from Customer",
        "pass over Customer to version 2: about 20 records, in the server, under a second",
    ):
        assert line in plan.out
    assert (project.records(), project.bookkeeping()) == (before, set())


def test_check_is_0_only_where_nothing_is_pending_and_nothing_unmade(project: Any) -> None:
    project.deploy(2)
    pending = project.run("migrate", "--check")
    assert project.migrate().code == 0
    clean = project.run("migrate", "--check")
    project.deploy(3, files=2)

    unmade = project.run("migrate", "--check")

    assert (pending.code, clean.code, unmade.code) == (1, 0, 1)
    assert "0002_rename (bbbb0002) is not applied" in pending.out
    assert "run 'makemigrations'" in unmade.out


def test_a_target_is_a_number_a_name_an_id_or_a_step(project: Any) -> None:
    project.deploy(3)
    project.fill(20)
    reached: list[str] = []

    for target in ("2", "+1", "-1", "cccc0003", "rename", "0001_init", "aaaa", "0003", "zero"):
        assert project.migrate("shop", target).code == 0
        reached.append(f"{target} {_versions(project).pop()!r} {_applied(project)}")

    assert reached == [
        "2 b'2' 2",
        "+1 b'3' 3",
        "-1 b'2' 2",
        "cccc0003 b'3' 3",
        "rename b'2' 2",
        "0001_init b'1' 1",
        "aaaa b'1' 1",
        "0003 b'3' 3",
        "zero b'1' 0",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("shop", "9"), 1, "shop has no migration '9'"),
        (("shop", "+9"), 1, "+9 leads out of the chain"),
        (("shop", "-1"), 1, "-1 leads out of the chain"),
        (("shop", "000"), 1, "may be any of"),
        (("nowhere", "2"), 2, "nowhere"),
        (("--batch", "101"), 2, "101"),
    ],
)
def test_a_target_that_is_none_is_refused_with_what_there_is(
    project: Any, arguments: tuple[str, ...], code: int, says: str
) -> None:
    project.deploy(3)

    refused = project.migrate(*arguments)

    assert (refused.code, refused.out) == (code, "")
    assert says in refused.err
    assert len(refused.err.splitlines()) == 1


def test_the_server_rewrites_what_it_can_before_and_after_python_steps(project: Any) -> None:
    project.deploy(3)
    project.fill(20)
    project.migration(
        "0004_drop",
        """
        class Migration(migrations.Migration):
            id = "dddd0004"
            previous = "cccc0003"
            versions = {"Customer": 4}
            operations = [migrations.RemoveField("Customer", "currency")]
        """,
    )
    plans = [_document(project.run("--json", "migrate", "shop", "2", "--plan").out)]
    before = project.records()
    assert project.migrate("shop", "3").code == 0
    project.fill(25, start=20)  # by old code, after the run
    before |= {key: record for key, record in project.records().items() if record["_v"] == b"1"}

    plans.append(_document(project.run("--json", "migrate", "--plan").out))
    there = project.migrate()
    stamps = _versions(project)
    back = project.migrate("zero")

    assert [plan["plans"][0]["passes"][0]["in_server"] for plan in plans] == [True, True]
    assert (there.code, back.code, stamps) == (0, 0, {b"4"})
    assert project.records() == before


def test_removing_is_refused_without_consent(project: Any) -> None:
    project.deploy(2)
    project.fill(5)
    before = project.records()

    refused = project.run("migrate", "--yes")

    assert refused.code == 5
    assert "--allow-destructive" in refused.err
    assert "Remove field legacy_ref" in refused.err
    assert (project.records(), project.bookkeeping()) == (before, set())


def test_each_app_has_its_own_chain(project: Any) -> None:
    project.settings(REDIS_URL=project.server.url, APPS=["shop", "stats"])
    project.deploy(1)
    project.write("stats/__init__.py", "")
    project.write("stats/models.py", _COUNTER.format(field="hits", version=5))
    project.write("stats/redis_migrations/0001_initial.py", _file(_CREATE_COUNTER))
    project.write("stats/redis_migrations/0002_rename.py", _file(_RENAME_COUNTER.replace("VERSION", "5")))
    with project.server.client() as client:
        client.hset("counter:a", mapping={"id": "a", "n": 3})
    project.fill(3)

    ran = project.migrate("stats", "1")
    all_apps = project.migrate()
    back = project.migrate("stats", "zero")

    assert (ran.code, all_apps.code, back.code) == (0, 0, 0)
    assert "Applied shop.0001_initial" in all_apps.out
    assert "Applied stats.0002_rename" in all_apps.out
    assert "Took back stats.0001_initial" in back.out
    assert project.records()["counter:a"] == {"id": b"a", "n": b"3"}
    assert project.bookkeeping() >= {"ledger:shop", "snapshot:shop"}


def test_versions_may_skip_numbers(project: Any) -> None:
    project.write("shop/models.py", _COUNTER.format(field="hits", version=5))
    project.migration("0001_initial", _CREATE_COUNTER)
    project.migration("0002_rename", _RENAME_COUNTER.replace("VERSION", "5"))
    with project.server.client() as client:
        client.hset("counter:a", mapping={"_v": 1, "id": "a", "n": 3})

    there = project.migrate()
    after = project.records()["counter:a"]
    back = project.migrate("zero")

    assert (there.code, back.code) == (0, 0)
    assert after == {"_v": b"5", "id": b"a", "hits": b"3"}
    assert project.records()["counter:a"] == {"_v": b"1", "id": b"a", "n": b"3"}


def test_fake_records_migrations_without_touching_a_record(project: Any) -> None:
    project.deploy(3)
    project.fill(5)
    before = project.records()

    faked = project.run("migrate", "shop", "2", "--fake")

    assert faked.code == 0
    assert "recorded 2 of 3 migrations as applied" in faked.out
    assert project.records() == before
    assert _marks(project) == "FF "


def test_fake_leaves_what_was_applied_in_the_ledger_as_it_was(project: Any) -> None:
    project.deploy(1)
    assert project.migrate().code == 0
    project.deploy(2)

    assert project.run("migrate", "--fake").code == 0

    assert _marks(project) == "XF"


def test_fake_says_that_it_forgets_a_stopped_run(project: Any) -> None:
    project.deploy(3)
    project.fill(5)
    with project.server.client() as client:
        client.hset("customer:3", "age", "old")
    assert project.migrate().code == 6

    faked = project.run("migrate", "shop", "1", "--fake")

    assert faked.code == 0
    assert "the unfinished run is forgotten" in faked.err
    assert _marks(project) == "F  "


def test_without_files_auto_goes_from_the_stored_snapshot_to_the_code_time_after_time(project: Any) -> None:
    project.write("shop/models.py", _COUNTER.format(field="n", version=1))
    first = project.migrate("--auto")
    with project.server.client() as client:
        client.hset("counter:a", mapping={"_v": 1, "id": "a", "n": 3})
    more = _COUNTER.format(field="n: int = 0; more", version=2)
    project.write("shop/models.py", more)

    pending = project.run("migrate", "--auto", "--check")
    second = project.migrate("--auto")
    clean = project.run("migrate", "--auto", "--check")
    third = project.migrate("--auto")

    assert (first.code, pending.code, second.code, clean.code, third.code) == (0, 1, 0, 0, 0)
    assert project.records()["counter:a"] == {"_v": b"2", "id": b"a", "n": b"3", "more": b"0"}
    assert "No migrations to apply." in third.out


def test_auto_refuses_what_loses_data_or_is_ambiguous(project: Any) -> None:
    project.write("shop/models.py", _COUNTER.format(field="n: int = 0; more", version=1))
    assert project.migrate("--auto").code == 0
    with project.server.client() as client:
        client.hset("counter:a", mapping={"_v": 1, "id": "a", "n": 3, "more": 4})
    before = project.records()
    project.write("shop/models.py", _COUNTER.format(field="n", version=2))

    dropped = project.run("migrate", "--auto", "--yes")
    project.write("shop/models.py", _COUNTER.format(field="n: int = 0; other", version=2))
    renamed = project.run("migrate", "--auto", "--yes")

    assert dropped.code in (3, 5)
    assert renamed.code == 3
    assert "more" in dropped.err
    assert "more" in renamed.err
    assert project.records() == before


def test_records_of_a_deleted_model_are_of_its_last_version_and_come_back(project: Any) -> None:
    project.write("shop/models.py", _COUNTER.format(field="hits", version=2))
    project.migration("0001_initial", _CREATE_COUNTER)
    project.migration("0002_rename", _RENAME_COUNTER.replace("VERSION", "2"))
    project.migration(
        "0003_delete",
        """
        class Migration(migrations.Migration):
            id = "c3"
            previous = "c2"
            operations = [migrations.DeleteModel("Counter")]
        """,
    )
    with project.server.client() as client:
        client.hset("counter:a", mapping={"id": "a", "n": 3})

    there = project.migrate()
    deleted = project.records()["counter:a"]
    back = project.migrate("2")
    found = project.records()["counter:a"]
    first = project.migrate("1")

    assert (there.code, back.code, first.code) == (0, 0, 0)
    assert deleted == found == {"id": b"a", "hits": b"3", "_v": b"2", "_b2-1._v": b""}
    assert project.records()["counter:a"] == {"id": b"a", "n": b"3"}


def test_results_for_programs_are_one_json_object_on_stdout(project: Any) -> None:
    project.deploy(2)
    project.fill(10)

    plan = _document(project.run("--json", "migrate", "--plan").out)
    check = _document(project.run("--json", "migrate", "--check").out)
    refused = _document(project.run("--json", "migrate").out)
    done = _document(project.run("--json", "migrate", "--yes", "--allow-destructive").out)
    nothing = _document(project.run("--json", "migrate").out)

    assert plan["plans"][0]["passes"] == [{"model": "Customer", "to_version": 2, "records": 10, "in_server": True}]
    assert plan["plans"][0]["destructive"] == ["0002_rename: Remove field legacy_ref from Customer"]
    assert (check["ok"], len(check["problems"])) == (False, 2)
    assert (refused["ok"], refused["exit"], refused["error"]) == (False, 5, "UnsafeError")
    assert (done["ok"], done["apps"]["shop"]["changed"]) == (True, {"Customer": 10})
    assert (nothing["ok"], nothing["apps"]) == (True, {})


def test_showmigrations_tells_what_when_and_how_many(project: Any) -> None:
    project.deploy(2)
    project.fill(10)
    project.migrate()
    project.deploy(3)

    shown = project.run("showmigrations", "shop")

    assert shown.code == 0
    assert "[X] 0002_rename  bbbb0002" in shown.out
    assert "10 records" in shown.out
    assert "[ ] 0003_retype  cccc0003" in shown.out


def _file(text: str) -> str:
    lines = [line[4:] if line.startswith("    ") else line for line in text.splitlines()]
    return "\n".join(["from redis_models import migrations", *lines, ""])
