"""The chain of an app's migrations: where a target is in it, and what its models are at each place."""

import pytest

from redis_models.errors import MigrationError
from redis_models.migrations import CreateModel
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.chain.loaded_migration import LoadedMigration
from redis_models.migrations.operations import Operation

CREATED = CreateModel("A", {"id": "str", "x": "int"}, "id", "a")


def migration(number: int, id: str, previous: str | None, *operations: Operation, **versions: int) -> LoadedMigration:
    name = f"{number:04d}_{id}"
    return LoadedMigration(number, name, f"{name}.py", id, previous, versions, operations, "")


CHAIN = Chain(
    "shop",
    (
        LoadedMigration(1, "0001_initial", "", "1c0be772", None, {}, (), ""),
        LoadedMigration(2, "0002_rename_name", "", "51d09a3c", "1c0be772", {}, (), ""),
        LoadedMigration(4, "0004_rename_city", "", "00000004", "51d09a3c", {}, (), ""),
    ),
)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("zero", 0),
        ("1", 1),
        ("0002", 2),
        ("4", 3),
        ("0002_rename_name", 2),
        ("0002_r", 2),
        ("rename_c", 3),
        ("51d", 2),
        ("51d09a3c", 2),
        ("00000004", 3),
        ("+1", 2),
        ("-1", 0),
        ("+0", 1),
    ],
)
def test_a_target_is_found_by_number_name_id_or_steps(text: str, position: int) -> None:
    assert CHAIN.target(text, current=1) == position


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rename", "'rename' may be any of 0002_rename_name (51d09a3c), 0004_rename_city (00000004); write more"),
        ("000", "may be any of 0001_initial (1c0be772)"),
        ("3", "shop has no migration '3'; it has 0001_initial (1c0be772), 0002"),
        ("", "has no migration ''"),
        ("+3", "+3 leads out of the chain; it is at 1 of 3 migrations"),
        ("-2", "-2 leads out of the chain"),
    ],
)
def test_a_target_that_is_none_or_several_names_the_candidates(text: str, message: str) -> None:
    with pytest.raises(MigrationError) as caught:
        CHAIN.target(text, current=1)

    assert message in str(caught.value)


def test_a_position_is_found_by_id() -> None:
    assert [CHAIN.position_of(migration.id) for migration in CHAIN.migrations] == [1, 2, 3]
    with pytest.raises(MigrationError, match="has no migration with the id 'nope'"):
        CHAIN.position_of("nope")


def test_a_created_model_may_start_at_any_version_and_a_version_may_rise_alone() -> None:
    chain = Chain("shop", (migration(1, "a", None, CREATED, A=7), migration(2, "b", "a", A=9)))

    assert [snapshot.model("A").version for snapshot in chain.snapshots[1:]] == [7, 9]
