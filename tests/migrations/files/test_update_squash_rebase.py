"""Migration files over the years: made again, amended, squashed, of two branches, and begun from what Redis has."""

from pathlib import Path
from typing import Any

import pytest


def _with(shop_project: Any, fields: str, version: int) -> str:
    text = str(shop_project.initial).replace("    note: str | None = None\n", f"    note: str | None = None\n{fields}")
    return text.replace("version = 1", f"version = {version}")


def _change(shop_project: Any, fields: str, version: int, *arguments: str) -> None:
    shop_project.models(_with(shop_project, fields, version))
    assert shop_project.run(*arguments) == 0, shop_project.err


def _record(client: Any, **fields: str) -> None:
    client.hset("customer:c1", mapping={"id": "c1", "name": "Ann", "note": "None", **fields})
    client.zadd("customer:__index", {"customer:c1": 0})


def _folder(shop_project: Any) -> Path:
    return Path(shop_project.root / "shop" / "redis_migrations")


def test_a_file_that_was_thrown_away_comes_again_byte_for_byte(shop_project: Any) -> None:
    _change(shop_project, "    n: int = 0\n", 2)
    before = shop_project.text("0002_n")
    (_folder(shop_project) / "0002_n.py").unlink()
    (_folder(shop_project) / "HEAD").unlink()

    assert shop_project.run() == 0
    assert shop_project.text("0002_n") == before


def test_update_adds_what_changed_to_the_last_migration(shop_project: Any) -> None:
    _change(shop_project, "    n: int = 0\n", 2)

    _change(shop_project, "    n: int = 0\n    m: str = ''\n", 2, "--update")

    assert shop_project.files() == ["0001_initial", "0002_n"]
    assert 'migrations.AddField("Customer", "n", "int", fill=0)' in shop_project.text("0002_n")
    assert 'migrations.AddField("Customer", "m", "str", fill="")' in shop_project.text("0002_n")
    assert shop_project.run("--check") == 0


def test_update_of_the_first_migration_creates_the_model_as_it_is(shop_project: Any) -> None:
    _change(shop_project, "    n: int = 0\n", 1, "--update")

    assert shop_project.files() == ["0001_initial"]
    assert '"n": "int"' in shop_project.text("0001_initial")
    assert shop_project.run("--check") == 0


def test_update_keeps_functions_and_comments_of_the_file(shop_project: Any) -> None:
    _change(shop_project, "    code: str\n", 2, "--compute", "Customer.code")
    path = _folder(shop_project) / "0002_code.py"
    path.write_text(path.read_text().replace("raise NotImplementedError(", "return old.id  # mine\n    raise Error("))

    _change(shop_project, "    code: str\n    m: str = ''\n", 2, "--update")

    assert "# mine" in shop_project.text("0002_code")
    assert 'migrations.AddField("Customer", "m", "str", fill=""),\n    ]' in shop_project.text("0002_code")
    assert shop_project.run("--check") == 0


def test_update_leaves_alone_what_is_applied(shop_project: Any, server: Any) -> None:
    shop_project.settings("shop", url=server.url)
    _change(shop_project, "    n: int = 0\n", 2)
    assert shop_project.command("migrate") == 0
    shop_project.models(_with(shop_project, "    n: int = 0\n    m: str = ''\n", 2))

    assert shop_project.run("--update") == 1
    assert "0002_n is applied already; run 'makemigrations' without --update" in shop_project.err


def _branches(shop_project: Any) -> tuple[str, str]:
    """Make one migration on each of two branches, and merge both; give the text of each."""
    _change(shop_project, "    n: int = 0\n", 2)
    mine = shop_project.text("0002_n")
    (_folder(shop_project) / "0002_n.py").unlink()
    (_folder(shop_project) / "HEAD").unlink()
    _change(shop_project, "    m: str = ''\n", 2)
    theirs = shop_project.text("0002_m")
    (_folder(shop_project) / "0002_n.py").write_text(mine)
    (_folder(shop_project) / "HEAD").write_text("<<<<<<< HEAD\na\n=======\nb\n>>>>>>> theirs\n")
    shop_project.models(_with(shop_project, "    n: int = 0\n    m: str = ''\n", 3))
    return mine, theirs


def _id(text: str) -> str:
    return text.partition('id = "')[2][:8]


def test_two_branches_become_one_line(shop_project: Any) -> None:
    mine, theirs = _branches(shop_project)
    assert shop_project.run() == 1
    [_, suggested, other] = [part.partition("'")[0] for part in shop_project.err.split("'redis-models ")]

    assert shop_project.command("rebase", "shop") == 3
    asked = [line.partition("  use ")[2] for line in shop_project.err.splitlines() if "  use " in line]
    assert (
        sorted(asked)
        == sorted([suggested, other])
        == sorted(f"rebase shop --onto {_id(text)}" for text in (mine, theirs))
    )
    assert shop_project.command(*next(line for line in asked if _id(mine) in line).split()) == 0

    assert shop_project.files() == ["0001_initial", "0002_n", "0003_m"]
    assert f'previous = "{_id(mine)}"\n    versions = {{"Customer": 3}}' in shop_project.text("0003_m")
    assert _id(shop_project.text("0003_m")) == _id(theirs)
    assert "Write version = 3 in class Meta of Customer." in shop_project.err
    assert shop_project.run("--check") == 0
    assert shop_project.command("rebase", "shop") == 0
    assert "in one order" in shop_project.out


def test_the_branch_that_is_applied_keeps_its_place(shop_project: Any, server: Any) -> None:
    mine, _ = _branches(shop_project)
    shop_project.settings("shop", url=server.url)
    with server.client() as client:
        client.hset("redis_models:{default}:ledger:shop", _id(mine), "{}")

    assert shop_project.command("rebase", "shop", "--dry-run") == 0
    assert "0002_m.py → 0003_m.py" in shop_project.out
    assert "0002_m" in shop_project.files()


def test_branches_that_contradict_each_other_change_nothing(shop_project: Any) -> None:
    _change(shop_project, "    n: int = 0\n", 2)
    mine = shop_project.text("0002_n")
    (_folder(shop_project) / "0002_n.py").unlink()
    (_folder(shop_project) / "HEAD").unlink()
    _change(shop_project, "    n: str = ''\n", 2, "-n", "other")
    (_folder(shop_project) / "0002_n.py").write_text(mine)
    before = shop_project.tree()

    assert shop_project.command("rebase", "shop", "--onto", _id(mine)) == 1
    assert "0002_other does not fit after 0002_n" in shop_project.err
    assert "already has a field 'n'" in shop_project.err
    assert shop_project.tree() == before


def _long_chain(shop_project: Any) -> None:
    _change(shop_project, "    n: int = 0\n", 2)
    _change(shop_project, "    m: int = 0\n", 3, "--rename", "Customer.n=m")
    _change(shop_project, "    m: int = 0\n    x: str = ''\n", 4)
    _change(shop_project, "    m: str = ''\n    x: str = ''\n", 5)


def test_squashed_migrations_come_to_the_same_in_an_empty_database(shop_project: Any, server: Any) -> None:
    _long_chain(shop_project)

    assert shop_project.command("squashmigrations", "shop", "2", "4") == 0
    assert "2 of 3 operations left; replaces 3 migrations, with the same result" in shop_project.out
    assert shop_project.files() == ["0001_initial", "0002_squashed_m_x", "0005_alter_m"]
    assert shop_project.run("--check") == 0
    shop_project.settings("shop", url=server.url)
    with server.client() as client:
        _record(client)
        assert shop_project.command("migrate") == 0, shop_project.err
        assert client.hmget("customer:c1", "m", "x", "_v") == [b"0", b"", b"5"]
        assert shop_project.command("migrate", "zero") == 0, shop_project.err
        assert client.hgetall("customer:c1") == {b"id": b"c1", b"name": b"Ann", b"note": b"None"}


def test_a_database_that_applied_all_that_were_squashed_goes_on(shop_project: Any, server: Any) -> None:
    shop_project.settings("shop", url=server.url)
    _long_chain(shop_project)
    with server.client() as client:
        _record(client)
        assert shop_project.command("migrate", "4") == 0
        assert shop_project.command("squashmigrations", "shop", "2", "4") == 0

        assert shop_project.command("showmigrations") == 0
        assert shop_project.out.count("[X]") == 2
        assert shop_project.command("migrate") == 0, shop_project.err
        assert client.hget("customer:c1", "_v") == b"5"
        assert shop_project.command("migrate", "1") == 8
        assert "take back the later ones with 'migrate shop 2'" in shop_project.err


def test_a_database_that_applied_part_of_the_squashed_files_gets_instructions(shop_project: Any, server: Any) -> None:
    shop_project.settings("shop", url=server.url)
    _long_chain(shop_project)
    assert shop_project.command("migrate", "3") == 0
    assert shop_project.command("squashmigrations", "shop", "2", "4") == 0

    assert shop_project.command("migrate") == 8
    assert "of which only some are applied here" in shop_project.err


def test_functions_move_into_the_squashed_file(shop_project: Any) -> None:
    _change(shop_project, "    code: str\n", 2, "--compute", "Customer.code")
    path = _folder(shop_project) / "0002_code.py"
    text = path.read_text()
    path.write_text(text[: text.index("    raise")] + "    return f'x{old.id}'\n" + text[text.index("\n\n\nclass") :])
    _change(shop_project, "    code: str\n    x: int = 1\n", 3)

    assert shop_project.command("squashmigrations", "shop", "2", "3", "--name", "both") == 0, shop_project.err
    assert "return f'x{old.id}'" in shop_project.text("0002_both")
    assert shop_project.run("--check") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["2", "2"], "fewer than two migrations"),
        (["0099"], "has no migration '0099'"),
        (["3", "2"], "does not come after"),
    ],
)
def test_what_cannot_be_squashed_is_refused(shop_project: Any, arguments: list[str], message: str) -> None:
    _long_chain(shop_project)

    assert shop_project.command("squashmigrations", "shop", *arguments) == 1
    assert message in shop_project.err


def test_an_app_without_files_begins_with_what_redis_has(shop_project: Any, server: Any) -> None:
    shop_project.settings("shop", url=server.url)
    for path in _folder(shop_project).glob("*"):
        path.unlink() if path.is_file() else None
    with server.client() as client:
        _record(client)
        assert shop_project.command("migrate", "--auto") == 0, shop_project.err
        _change(shop_project, "    n: int = 7\n", 2, "--from-redis")

        assert shop_project.files() == ["0001_from_redis", "0002_n"]
        assert shop_project.command("stamp", "shop", "1") == 0
        assert shop_project.command("migrate") == 0, shop_project.err
        assert client.hget("customer:c1", "n") == b"7"


def test_files_that_redis_has_not_reached_cannot_be_the_start(shop_project: Any, server: Any) -> None:
    shop_project.settings("shop", url=server.url)
    assert shop_project.command("migrate") == 0
    _change(shop_project, "    n: int = 7\n", 2)

    assert shop_project.run("--from-redis") == 8
    assert "the schema in Redis differs from the last migration file" in shop_project.err


def test_keys_that_records_were_moved_away_from_are_refused_before_a_file_is_written(shop_project: Any) -> None:
    shop_project.models(
        shop_project.initial.replace("class Customer", "class Client").replace("version = 1", "version = 2")
    )
    assert shop_project.run("--rename", "Customer=Client") == 0
    text = shop_project.initial.replace("class Customer", "class Client").replace("version = 1", "version = 2")
    shop_project.models(text + shop_project.initial)
    before = shop_project.tree()

    assert shop_project.run() == 1
    assert "which records of Client had before they were renamed" in shop_project.err
    assert shop_project.tree() == before


def test_a_squash_that_was_killed_names_the_files_that_are_left(shop_project: Any) -> None:
    _long_chain(shop_project)
    old = {name: shop_project.text(name) for name in shop_project.files()}
    assert shop_project.command("squashmigrations", "shop", "2", "4") == 0
    for name in ("0002_n", "0003_rename_n"):
        (_folder(shop_project) / f"{name}.py").write_text(old[name])

    assert shop_project.run() == 1
    assert "replaces 0002_n, whose file still exists; delete that file" in shop_project.err


def test_a_rebase_that_was_killed_names_the_file_that_is_left(shop_project: Any) -> None:
    mine, theirs = _branches(shop_project)
    assert shop_project.command("rebase", "shop", "--onto", _id(mine)) == 0
    (_folder(shop_project) / "0002_m.py").write_text(theirs)

    assert shop_project.run() == 1
    assert "0003_m" in shop_project.err
    assert "if a rebase was stopped before it was complete, delete 0002_m.py" in shop_project.err
