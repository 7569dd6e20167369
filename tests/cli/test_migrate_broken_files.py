"""Broken migration files, broken models, drift: one line that names the thing and the cure, nothing changed."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def shop(project: Any) -> Any:
    """A project with 30 records of version 1, and the code of version 3 not migrated yet."""
    project.deploy(3)
    project.fill(30)
    return project


def _assert_refused(ran: Any, code: int, *says: str) -> None:
    assert ran.code == code, ran.err
    assert len(ran.err.splitlines()) == 1, ran.err
    assert ran.err.startswith("error: ")
    for words in says:
        assert words in ran.err


def _break_syntax(project: Any) -> None:
    project.migration("0002_rename", "class Migration(\n")


def _take_the_id(project: Any) -> None:
    path = project.root / "shop/redis_migrations/0002_rename.py"
    path.write_text(path.read_text().replace('id = "bbbb0002"', ""))


def _raise(project: Any) -> None:
    project.migration("0002_rename", "1 / 0")


def _import_nothing(project: Any) -> None:
    project.migration("0002_rename", "import no_such_module")


def _take_the_class(project: Any) -> None:
    project.migration("0002_rename", "x = 1")


def _misname(project: Any) -> None:
    project.migration("rename", "x = 1")


def _fork(project: Any) -> None:
    path = project.root / "shop/redis_migrations/0002_rename.py"
    project.write("shop/redis_migrations/0002_other.py", path.read_text().replace("bbbb0002", "dddd0002"))


def _break_the_line(project: Any) -> None:
    (project.root / "shop/redis_migrations/0002_rename.py").unlink()


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (_break_syntax, ("0002_rename.py", "line")),
        (_take_the_id, ("0002_rename.py: has no id", "such as id = ")),
        (_raise, ("0002_rename.py: raised ZeroDivisionError", "line")),
        (_import_nothing, ("0002_rename.py: raised ModuleNotFoundError", "no_such_module")),
        (_take_the_class, ("0002_rename.py: has no class Migration",)),
        (_misname, ("rename.py: is not the name of a migration", "0004_rename_name.py")),
        (_fork, ("0002_other", "0002_rename", "one after the other")),
        (_break_the_line, ("0003_retype.py: previous = 'bbbb0002' is not the id of a file here", "restore that file")),
    ],
)
def test_a_broken_file_is_1_and_names_the_file(shop: Any, harm: Callable[[Any], None], says: tuple[str, ...]) -> None:
    harm(shop)
    before = shop.records()

    for arguments in (("migrate", "--yes"), ("migrate", "--check"), ("migrate", "--plan"), ("showmigrations",)):
        _assert_refused(shop.run(*arguments), 1, *says)

    assert (shop.records(), shop.bookkeeping()) == (before, set())


def test_a_model_that_begins_where_records_of_another_version_stay_is_refused(shop: Any) -> None:
    shop.migration(
        "0004_delete",
        """
        class Migration(migrations.Migration):
            id = "dddd0004"
            previous = "cccc0003"
            operations = [migrations.DeleteModel("Customer")]
        """,
    )
    shop.migration(
        "0005_again",
        """
        class Migration(migrations.Migration):
            id = "eeee0005"
            previous = "dddd0004"
            versions = {"Customer": 1}
            operations = [
                migrations.CreateModel("Customer", fields={"id": "str"}, primary_key="id", table="customer"),
            ]
        """,
    )
    before = shop.records()

    refused = shop.migrate()

    _assert_refused(refused, 1, "0005_again.py: creates Customer at version 1", "give it version 3", "another table")
    assert shop.records() == before


def test_a_file_that_was_edited_after_it_was_applied_is_8_until_it_is_accepted(shop: Any) -> None:
    assert shop.migrate("shop", "2").code == 0
    path = shop.root / "shop/redis_migrations/0002_rename.py"
    text = path.read_text()
    before = shop.records()
    path.write_text(text.replace('fill="EUR"', 'fill="USD"'))

    refused = shop.migrate()
    shown = shop.run("showmigrations")
    path.write_text("# a comment changes nothing\n" + text)
    harmless = shop.run("migrate", "--plan")
    path.write_text(text.replace('fill="EUR"', 'fill="USD"'))
    accepted = shop.run("migrate", "shop", "2", "--fake")
    done = shop.migrate()

    _assert_refused(refused, 8, "0002_rename.py: 0002_rename (bbbb0002) was edited after it was applied", "--fake")
    assert "edited after it was applied!" in shown.out
    assert {record["currency"] for record in before.values()} == {
        record["currency"] for record in shop.records().values()
    }
    assert (harmless.code, accepted.code, done.code) == (0, 0, 0)


def test_an_applied_migration_whose_file_is_missing_is_8(shop: Any) -> None:
    assert shop.migrate().code == 0
    before = shop.records()
    (shop.root / "shop/redis_migrations/0003_retype.py").unlink()

    refused = shop.migrate("shop", "1")
    shown = shop.run("showmigrations")

    _assert_refused(refused, 8, "0003_retype (cccc0003) is applied here, but its file is missing; restore it")
    assert "[?] 0003_retype" in shown.out
    assert shop.records() == before


def test_a_snapshot_that_is_not_what_the_files_lead_to_is_8(shop: Any) -> None:
    assert shop.migrate("shop", "1").code == 0
    with shop.server.client() as client:
        key = "redis_models:{default}:snapshot:shop"
        client.set(key, client.get(key).replace(b'"str"', b'"int"'))
        other = shop.migrate()
        client.set(key, b"{")
        broken = shop.migrate()
        client.delete(key)
        client.hset("redis_models:{default}:ledger:shop", "aaaa0001", "no JSON")
        ledger = shop.migrate()
        client.delete("redis_models:{default}:ledger:shop")
        client.hset("redis_models:{default}:journal:shop", "target", "x")
        journal = shop.migrate()

    _assert_refused(other, 8, "the snapshot stored in Redis", "--fake")
    _assert_refused(broken, 8, "snapshot")
    _assert_refused(ledger, 8, "redis_models:{default}:ledger:shop", "cannot be read")
    _assert_refused(journal, 8, "shop", "cannot be read")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("class Broken(\n", ("shop.models", "SyntaxError")),
        ("import no_such_module\n", ("shop.models", "no_such_module")),
        ("raise RuntimeError('at import')\n", ("shop.models", "RuntimeError: at import")),
        ("from redis_models import Model\nclass Customer(Model):\n    id: str\n", ("Customer", "primary key")),
    ],
)
def test_models_that_cannot_be_imported_are_2(shop: Any, text: str, says: tuple[str, ...]) -> None:
    shop.write("shop/models.py", text)
    before = shop.records()

    refused = shop.migrate()

    _assert_refused(refused, 2, *says)
    assert (shop.records(), shop.bookkeeping()) == (before, set())


def test_tracebacks_are_shown_only_where_they_are_asked_for(shop: Any) -> None:
    shop.migration("0002_rename", "1 / 0")

    plain = shop.migrate()
    traced = shop.run("--traceback", "migrate", "--yes", "--allow-destructive")

    assert (plain.code, traced.code) == (1, 1)
    assert "Traceback" not in plain.err
    assert "Traceback (most recent call last)" in traced.err
    assert traced.err.splitlines()[-1] == plain.err.strip()
