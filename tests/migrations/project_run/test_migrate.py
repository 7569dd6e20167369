"""``migrations.migrate``: an application migrates with one call, which does what the command does."""

import threading
from typing import Any

import pytest
import redis

from redis_models import migrations
from redis_models.client.client import SyncClient
from redis_models.errors import IncompleteError, LockedError, MigrationError, SettingsError, UnsafeError
from redis_models.migrations.executor.progress import Progress
from redis_models.migrations.state.lease import hold_lease


@pytest.fixture
def shop(project: Any) -> Any:
    """A project with 30 records of version 1, and the code of version 3 not migrated yet."""
    project.deploy(3)
    project.fill(30)
    return project


def _versions(project: Any) -> set[bytes | None]:
    return {record.get("_v") for record in project.records().values()}


def test_one_call_applies_all_and_says_what_it_did(shop: Any) -> None:
    result = shop.migrate_from_python(allow_destructive=True)

    assert result.applied == ("shop.0001_initial", "shop.0002_rename", "shop.0003_retype")
    [app] = result.apps
    assert (app.app, app.changed, app.quarantined, app.has_unmade_changes) == ("shop", {"Customer": 30}, 0, False)
    assert (result.changed, result.unapplied, result.is_ok) == (30, (), True)
    assert _versions(shop) == {b"3"}
    assert shop.run("migrate", "--check").code == 0


def test_a_second_call_has_nothing_to_do(shop: Any) -> None:
    shop.migrate_from_python(allow_destructive=True)
    before = shop.records()

    result = shop.migrate_from_python()

    assert (result.applied, result.changed, result.is_ok) == ((), 0, True)
    assert [app.app for app in result.apps] == ["shop"]
    assert shop.records() == before


def test_a_target_takes_migrations_back(shop: Any) -> None:
    before = shop.records()
    shop.migrate_from_python(allow_destructive=True)

    result = shop.migrate_from_python(app="shop", target="0001")

    assert result.unapplied == ("shop.0003_retype", "shop.0002_rename")
    assert result.changed == 30
    assert {key: {**record, "_v": b"1"} for key, record in before.items()} == shop.records()


def test_an_unconsented_migration_is_refused_and_the_argument_is_named(shop: Any) -> None:
    before = shop.records()

    with pytest.raises(
        UnsafeError, match=r"nothing was changed: .* To consent, pass allow_destructive=True, or"
    ) as caught:
        shop.migrate_from_python()

    assert "--allow-destructive" not in str(caught.value)
    assert shop.records() == before


def test_a_second_runner_is_refused_while_another_holds_the_lease(shop: Any, client: redis.Redis) -> None:
    before = shop.records()

    with hold_lease(SyncClient(client, "test"), "default", life_s=10), pytest.raises(LockedError):
        shop.migrate_from_python(allow_destructive=True)

    assert shop.records() == before


def test_a_runner_that_waits_goes_on_when_the_lease_is_free(shop: Any, client: redis.Redis) -> None:
    with hold_lease(SyncClient(client, "test"), "default", life_s=10) as lease:
        timer = threading.Timer(0.3, client.delete, (lease.key,))
        timer.start()
        result = shop.migrate_from_python(allow_destructive=True, wait_seconds=30)
        timer.join()

    assert result.changed == 30


@pytest.mark.parametrize("at", [5, 29])
def test_a_stop_in_the_middle_is_an_incomplete_error_and_the_next_call_resumes(
    shop: Any, client: redis.Redis, at: int
) -> None:
    client.hset(f"customer:{at}", "age", "forty")

    with pytest.raises(IncompleteError, match=f"customer:{at}: "):
        shop.migrate_from_python(allow_destructive=True, ignore_sample=True)
    check = shop.run("migrate", "--check")
    client.hset(f"customer:{at}", "age", "40")
    result = shop.migrate_from_python(allow_destructive=True)

    assert "a run was stopped before it was complete" in check.out
    assert result.applied[-1] == "shop.0003_retype"
    assert _versions(shop) == {b"3"}


def test_a_sample_that_cannot_be_rewritten_is_refused_and_the_arguments_are_named(
    shop: Any, client: redis.Redis
) -> None:
    client.hset("customer:5", "age", "forty")
    before = shop.records()

    with pytest.raises(IncompleteError, match=r'pass on_error="quarantine" to continue .* ignore_sample=True'):
        shop.migrate_from_python(allow_destructive=True)

    assert shop.records() == before


def test_records_go_to_quarantine_if_they_may(shop: Any, client: redis.Redis) -> None:
    client.hset("customer:5", "age", "forty")

    result = shop.migrate_from_python(allow_destructive=True, on_error="quarantine")
    later = shop.migrate_from_python()

    assert (result.changed, result.is_ok, result.apps[0].newly_quarantined) == (29, False, 1)
    assert (later.is_ok, later.apps[0].quarantined) == (True, 1)


def test_progress_is_reported_and_what_it_raises_ends_the_run(shop: Any) -> None:
    seen: list[Progress] = []

    def report(progress: Progress) -> None:
        seen.append(progress)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shop.migrate_from_python(allow_destructive=True, report=report)
    resumed = shop.migrate_from_python(allow_destructive=True)

    assert seen[0].model == "Customer"
    assert resumed.applied[-1] == "shop.0003_retype"


def test_models_without_files_are_migrated_to_the_code(project: Any) -> None:
    project.deploy(1, files=0)
    for path in (project.root / "shop/redis_migrations").glob("*.py"):
        path.unlink()

    first = project.migrate_from_python(auto=True)
    project.write(
        "shop/models.py",
        "from redis_models import Field, Model\n\nclass Customer(Model):\n"
        "    id: str = Field(primary_key=True)\n    visits: int = 0\n    name: str\n    legacy_ref: str\n"
        "    age: str\n    note: str = 'none'\n\n    class Meta:\n        version = 2\n",
    )
    project.fill(3)
    second = project.migrate_from_python(auto=True)

    assert (first.changed, second.changed) == (0, 3)
    assert {record["note"] for record in project.records().values()} == {b"none"}


def test_changes_without_a_migration_are_said(shop: Any, caplog: pytest.LogCaptureFixture) -> None:
    (shop.root / "shop/redis_migrations/0003_retype.py").unlink()

    result = shop.migrate_from_python(allow_destructive=True)

    assert result.apps[0].has_unmade_changes
    assert "run 'makemigrations'" in caplog.text


def test_an_unknown_app_or_target_is_refused(shop: Any) -> None:
    with pytest.raises(SettingsError, match=r"no app named 'shopp'; did you mean 'shop'\?"):
        shop.migrate_from_python(app="shopp")
    with pytest.raises(MigrationError, match="0009"):
        shop.migrate_from_python(app="shop", target="0009")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"wait_seconds": -1}, "wait_seconds is -1; give 0 or more"),
        ({"patience_seconds": float("nan")}, "patience_seconds is nan"),
        ({"batch": 101}, "batch is 101; give 1 to 100"),
        ({"workers": 0}, "workers is 0; give 1 to 64"),
        ({"max_errors": 0}, "max_errors is 0; give 1 or more"),
        ({"auto": True, "target": "zero"}, "auto=True cannot be combined"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_read(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        migrations.migrate(**arguments)


def test_the_package_names_what_it_exports() -> None:
    assert {"AppResult", "MigrateResult", "migrate"} <= set(dir(migrations))
    with pytest.raises(AttributeError, match="has no attribute 'migrat'"):
        _ = migrations.migrat  # type: ignore[attr-defined]
