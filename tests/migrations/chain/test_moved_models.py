"""A model that moved to another app, and was changed there: its records go all the way, wherever they are met."""

import importlib
from collections.abc import Iterator
from typing import Any

import pytest

from redis_models.migrations import CreateModel
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.chain.lineage import lineages_of
from redis_models.migrations.chain.loaded_migration import LoadedMigration
from redis_models.migrations.files.project_chains import with_histories
from redis_models.migrations.operations import AddField, MoveModel, Operation
from redis_models.migrations.upgrade_on_read import install
from redis_models.project.apps import bind, load_apps
from redis_models.project.settings import load_settings

_FILE = """from redis_models import migrations


class Migration(migrations.Migration):
    id = {id!r}
    previous = {previous!r}
    versions = {versions!r}
    operations = [migrations.{operation}]
"""
_FIELDS = {"id": "str"}
_CREATE = "CreateModel('C', fields={}, primary_key='id', table='c')"
_CODE = """
class C(Model):
    id: str = Field(primary_key=True)
    x: str
    y: str
    class Meta:
        table = "c"
        version = 3
"""


def _migration(shop_project: Any, app: str, number: int, operation: str, **versions: int) -> None:
    folder = shop_project.root / app / "redis_migrations"
    folder.mkdir(exist_ok=True)
    (folder / "HEAD").unlink(missing_ok=True)
    previous = f"{app}{number - 1}" if number > 1 else None
    text = _FILE.format(id=f"{app}{number}", previous=previous, versions=versions, operation=operation)
    (folder / f"{number:04d}_m.py").write_text(text)


@pytest.fixture
def moved(shop_project: Any, server: Any) -> Iterator[Any]:
    """Two records of version 1; then the model got a field, moved from shop to crm, and got another one there."""
    for path in (shop_project.root / "shop/redis_migrations").glob("0*"):
        path.unlink()
    _migration(shop_project, "shop", 1, _CREATE.format(_FIELDS), C=1)
    shop_project.models(
        'class C(Model):\n    id: str = Field(primary_key=True)\n    class Meta:\n        table = "c"\n'
    )
    shop_project.models("", "crm")
    shop_project.settings("shop", "crm", url=server.url)
    assert shop_project.command("migrate") == 0, shop_project.err
    with server.client() as client:
        for number in "12":
            client.hset(f"c:{number}", mapping={"id": number, "_v": 1})
            client.zadd("c:__index", {f"c:{number}": 0})
        _migration(shop_project, "shop", 2, "AddField('C', 'x', 'str', fill='0')", C=2)
        _migration(shop_project, "shop", 3, "MoveModel('C', 'crm')")
        _migration(shop_project, "crm", 1, _CREATE.format({**_FIELDS, "x": "str"}), C=2)
        _migration(shop_project, "crm", 2, "AddField('C', 'y', 'str', fill='0')", C=3)
        shop_project.models("")
        shop_project.models(_CODE, "crm")
        yield shop_project


def _versions(server: Any) -> dict[bytes, bytes | None]:
    with server.client() as client:
        return {key: client.hget(key, "_v") for key in sorted(client.scan_iter("c:*")) if key != b"c:__index"}


def _model(shop_project: Any) -> Any:
    shop_project.command("check")  # with modules that are fresh
    settings = load_settings("conf")
    apps = load_apps(settings)
    install(bind(settings, apps), apps, settings)
    return importlib.import_module("crm.models").C


def test_new_code_reads_and_writes_before_the_migrations_of_either_app(moved: Any, server: Any) -> None:
    model = _model(moved)

    assert model.sync.select(ids=["1"]) == [model(id="1", x="0", y="0")]
    model.sync.insert(model(id="new", x="1", y="2"))
    assert moved.command("migrate", "--allow-destructive") == 0, moved.err

    assert _versions(server) == {b"c:1": b"3", b"c:2": b"3", b"c:new": b"3"}
    with server.client() as client:
        assert client.hgetall("c:new") == {b"_v": b"3", b"id": b"new", b"x": b"1", b"y": b"2"}


def test_records_that_old_code_wrote_after_the_first_apps_migrations_are_brought_up_by_the_second(
    moved: Any, server: Any
) -> None:
    assert moved.command("migrate", "shop", "--allow-destructive") == 0, moved.err
    with server.client() as client:
        client.hset("c:late", mapping={"id": "late", "_v": 1})

    assert moved.command("migrate", "crm") == 0, moved.err
    assert _versions(server) == {b"c:1": b"3", b"c:2": b"3", b"c:late": b"3"}

    assert moved.command("migrate", "crm", "zero") == 0, moved.err
    assert moved.command("migrate", "shop", "1") == 0, moved.err
    assert _versions(server) == {b"c:1": b"1", b"c:2": b"1", b"c:late": b"1"}


def test_the_first_app_does_not_go_back_below_records_of_the_second(moved: Any, server: Any) -> None:
    assert moved.command("migrate", "--allow-destructive") == 0, moved.err

    assert moved.command("migrate", "shop", "1") == 6
    assert "is a version of C that no migration file here knows (1, 2)" in moved.err
    assert _versions(server) == {b"c:1": b"3", b"c:2": b"3"}


def _chain(app: str, *steps: tuple[dict[str, int], Operation]) -> Chain:
    migrations = [
        LoadedMigration(
            n,
            f"{n:04d}_m",
            f"{n:04d}_m.py",
            f"{app}{n}",
            f"{app}{n - 1}" if n > 1 else None,
            versions,
            (operation,),
            "",
        )
        for n, (versions, operation) in enumerate(steps, start=1)
    ]
    return Chain(app, tuple(migrations))


def test_a_history_goes_along_over_several_apps() -> None:
    a = _chain("a", ({"C": 1}, CreateModel("C", _FIELDS, "id", "c")), ({}, MoveModel("C", "b")))
    b = _chain(
        "b",
        ({"C": 1}, CreateModel("C", _FIELDS, "id", "c")),
        ({"C": 2}, AddField("C", "x", "str", fill="")),
        ({}, MoveModel("C", "c")),
    )
    c = _chain(
        "c",
        ({"C": 2}, CreateModel("C", {**_FIELDS, "x": "str"}, "id", "c")),
        ({"C": 4}, AddField("C", "y", "str", fill="")),
    )

    found = {chain.app: chain for chain in with_histories([c, a, b])}

    assert [lineage.path.versions for lineage in lineages_of(found["c"])] == [(1, 2, 4)]
    assert found["a"] is a
