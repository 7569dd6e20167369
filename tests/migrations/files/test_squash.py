"""Squashed migrations beside databases that applied what they stand for, in whatever form, and files behind them."""

from pathlib import Path
from typing import Any

import pytest

_CREATED = 'CreateModel("A", fields={"id": "str", "ref": "str"}, primary_key="id", table="t")'
_REMOVED = 'RemoveField("A", "ref", back="none")'
_MODEL = """
class A(Model):
    id: str = Field(primary_key=True)
{fields}
    class Meta:
        version = {version}
        table = "t"
"""


def _folder(shop_project: Any) -> Path:
    return Path(shop_project.root / "shop" / "redis_migrations")


def _migration(
    shop_project: Any, number: int, *operations: str, id: str = "", previous: str = "", version: int = 0
) -> Path:
    before = repr(previous or f"id{number - 1}") if number > 1 else None
    path = _folder(shop_project) / f"{number:04d}_m.py"
    path.write_text(
        "from redis_models import migrations\n\n\nclass Migration(migrations.Migration):\n"
        f"    id = {id or f'id{number}'!r}\n    previous = {before}\n    versions = {{'A': {version or number}}}\n"
        f"    operations = [{', '.join(f'migrations.{operation}' for operation in operations)}]\n"
    )
    (_folder(shop_project) / "HEAD").unlink(missing_ok=True)
    return path


@pytest.fixture
def long_life(shop_project: Any, server: Any) -> Any:
    """Four migrations, the second of which stores an undo field, and a record from before them."""
    for path in _folder(shop_project).glob("0*"):
        path.unlink()
    _migration(shop_project, 1, _CREATED)
    _migration(shop_project, 2, 'AddField("A", "a", "str", fill="0")')
    _migration(shop_project, 3, _REMOVED)
    _migration(shop_project, 4, 'AddField("A", "c", "str", fill="0")')
    shop_project.models(_MODEL.format(fields="    a: str\n    c: str\n", version=4))
    shop_project.settings("shop", url=server.url)
    with server.client() as client:
        client.hset("t:1", mapping={"id": "1", "ref": "precious", "_v": "1"})
        client.zadd("t:__index", {"t:1": 0})
    return shop_project


def _ok(shop_project: Any, *arguments: str) -> str:
    assert shop_project.command(*arguments) == 0, shop_project.err
    return str(shop_project.out)


def _record(server: Any) -> dict[bytes, bytes]:
    with server.client() as client:
        return dict(client.hgetall("t:1"))


def _saved(shop_project: Any) -> dict[Path, str]:
    return {path: path.read_text() for path in _folder(shop_project).glob("0*.py")}


def _restore(shop_project: Any, files: dict[Path, str]) -> None:
    for path in _folder(shop_project).glob("0*.py"):
        path.unlink()
    for path, text in files.items():
        path.write_text(text)
    (_folder(shop_project) / "HEAD").unlink(missing_ok=True)


def test_what_is_behind_a_squashed_migration_is_not_edited(long_life: Any, server: Any) -> None:
    _ok(long_life, "migrate", "--allow-destructive")
    files = _saved(long_life)
    _ok(long_life, "squashmigrations", "shop", "2", "3")

    assert (_folder(long_life) / "0004_m.py").read_text() == files[_folder(long_life) / "0004_m.py"]
    assert "No migrations to apply" in _ok(long_life, "migrate")
    assert "edited" not in _ok(long_life, "showmigrations")

    assert long_life.command("migrate", "1") == 8
    _restore(long_life, files)
    _ok(long_life, "migrate", "1")
    assert _record(server) == {b"id": b"1", b"ref": b"precious", b"_v": b"1"}


@pytest.mark.parametrize("command", [("migrate", "shop", "4", "--fake"), ("stamp", "shop", "4")])
def test_what_records_a_place_keeps_the_originals_in_the_ledger(
    long_life: Any, server: Any, command: tuple[str, ...]
) -> None:
    _ok(long_life, "migrate", "--allow-destructive")
    files = _saved(long_life)
    _ok(long_life, "squashmigrations", "shop", "2", "3")

    _ok(long_life, *command)
    assert long_life.command("migrate", "1") == 8
    assert "take back the later ones with 'migrate shop 2'" in long_life.err

    _ok(long_life, "migrate", "2")
    _restore(long_life, files)
    _ok(long_life, "migrate", "1")
    assert _record(server)[b"ref"] == b"precious"


def test_a_stamp_over_a_part_of_the_originals_does_not_open_the_way_back(long_life: Any) -> None:
    _ok(long_life, "migrate", "2")
    _ok(long_life, "squashmigrations", "shop", "2", "3")

    assert long_life.command("migrate", "shop", "2", "--fake") == 8
    assert "of which only some are applied here; not applied: id3" in long_life.err
    _ok(long_life, "stamp", "shop", "2")
    assert long_life.command("migrate", "1") == 8
    assert "because the migrations that it replaces were applied here (id2)" in long_life.err


def test_a_stamp_counts_squashed_migrations_and_not_their_originals(long_life: Any) -> None:
    _ok(long_life, "migrate", "--allow-destructive")
    _ok(long_life, "squashmigrations", "shop", "2", "3")

    assert "recorded 2 of 3 migrations as applied" in _ok(long_life, "stamp", "shop", "-1")


def test_a_squash_of_a_squash_serves_databases_of_either_kind(long_life: Any, server: Any) -> None:
    originals = _saved(long_life)
    _ok(long_life, "squashmigrations", "shop", "2", "3")
    once = _saved(long_life)
    _ok(long_life, "squashmigrations", "shop", "2", "4")
    twice = _saved(long_life)
    [text] = [source for path, source in twice.items() if path.name.startswith("0002")]
    assert '": ["id2", "id3"]}, "id4"]' in text

    for files in (originals, once, twice):
        _restore(long_life, files)
        _ok(long_life, "migrate", "--allow-destructive")
        _restore(long_life, twice)
        assert "No migrations to apply" in _ok(long_life, "migrate")
        if files is not twice:
            assert long_life.command("migrate", "1") == 8
        _restore(long_life, files)
        _ok(long_life, "migrate", "1")
        assert _record(server) == {b"id": b"1", b"ref": b"precious", b"_v": b"1"}


def test_a_database_that_applied_only_the_first_squash_learns_what_is_missing(long_life: Any) -> None:
    _ok(long_life, "squashmigrations", "shop", "2", "3")
    _ok(long_life, "migrate", "2", "--allow-destructive")
    _ok(long_life, "squashmigrations", "shop", "2", "4")

    assert long_life.command("migrate") == 8
    assert "of which only some are applied here; not applied: id4" in long_life.err


def test_a_branch_that_follows_the_last_of_the_originals_is_rebased_behind_the_squashed_one(long_life: Any) -> None:
    other = _migration(long_life, 5, 'AddField("A", "d", "str", fill="0")', previous="id3", version=4)
    text = other.read_text()
    other.unlink()
    _ok(long_life, "squashmigrations", "shop", "2", "3")
    other.write_text(text)
    (_folder(long_life) / "HEAD").unlink()

    assert long_life.command("migrate") == 1
    assert "0004_m and 0005_m both follow 0002_squashed" in long_life.err
    _ok(long_life, "rebase", "shop", "--onto", "id4")
    assert 'previous = "id4"\n    versions = {"A": 5}' in (_folder(long_life) / "0005_m.py").read_text()
    _ok(long_life, "migrate", "--allow-destructive")


def test_a_branch_that_starts_inside_the_squashed_files_is_reported(long_life: Any) -> None:
    (_folder(long_life) / "0004_m.py").unlink()
    _ok(long_life, "squashmigrations", "shop", "2", "3")
    _migration(long_life, 5, 'AddField("A", "d", "str", fill="0")', previous="id2", version=4)

    assert long_life.command("migrate") == 1
    assert "previous = 'id2' is one of the migrations that 0002_squashed" in long_life.err


def test_update_leaves_a_squashed_migration_alone_whose_originals_are_applied(long_life: Any) -> None:
    (_folder(long_life) / "0004_m.py").unlink()
    _ok(long_life, "migrate", "--allow-destructive")
    _ok(long_life, "squashmigrations", "shop", "2", "3")

    assert long_life.run("--update") == 1
    assert "is applied already; run 'makemigrations' without --update" in long_life.err


def test_a_creation_that_takes_records_over_is_not_squashed_with_what_changes_them(shop_project: Any) -> None:
    for path in _folder(shop_project).glob("0*.py"):
        path.unlink()
    _migration(shop_project, 1, _CREATED)
    _migration(shop_project, 2, 'DeleteModel("A")')
    _migration(shop_project, 3, _CREATED.replace('"A"', '"B"'))
    _migration(shop_project, 4, 'AddField("B", "x", "str", fill="0")')
    for number, versions in ((2, "{}"), (3, "{'B': 1}"), (4, "{'B': 2}")):
        path = _folder(shop_project) / f"{number:04d}_m.py"
        path.write_text(path.read_text().replace(f"{{'A': {number}}}", versions))
    before = _saved(shop_project)

    assert shop_project.command("squashmigrations", "shop", "3", "4") == 1
    assert "0003_m to 0004_m cannot be one migration: that creates B at version 2 on the keys t:*" in shop_project.err
    assert _saved(shop_project) == before


def test_a_rebased_migration_that_is_applied_already_is_not_to_be_accepted_over_one_that_is_not(
    shop_project: Any, server: Any
) -> None:
    for path in _folder(shop_project).glob("0*.py"):
        path.unlink()
    _migration(shop_project, 1, _CREATED)
    _migration(shop_project, 2, 'AddField("A", "a", "str", fill="0")')
    shop_project.models(_MODEL.format(fields="    ref: str\n    a: str\n", version=2))
    shop_project.settings("shop", url=server.url)
    _ok(shop_project, "migrate")
    mine = _folder(shop_project) / "0002_m.py"
    mine = mine.rename(mine.with_name("0002_mine.py"))
    _migration(shop_project, 2, 'AddField("A", "b", "str", fill="0")', id="theirs", previous="id1")
    _ok(shop_project, "rebase", "shop", "--onto", "theirs")

    assert shop_project.command("migrate") == 8
    assert "A rebase put it after 0002_m, which is not applied here" in shop_project.err
    assert "take it back with 'migrate shop 1'" in shop_project.err
    assert "--fake" not in shop_project.err
