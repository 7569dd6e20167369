"""Migrations: what a migration file is made of, and ``migrate``; ``from redis_models import migrations``."""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from .chain.migration import Migration
from .edits.converters import AttachTimezone, FillNone, MapValues
from .edits.views import NewRecord, OldObject, OldRecord
from .operations import (
    AddField,
    AlterExtras,
    AlterField,
    AlterKeys,
    AlterTTL,
    CreateModel,
    DeleteModel,
    FlattenField,
    MergeFields,
    MoveModel,
    NestFields,
    RemoveField,
    RenameField,
    RenameModel,
    Run,
    RunContext,
    SplitField,
    Transform,
)

if TYPE_CHECKING:
    from .project_run.migrate import AppResult, MigrateResult, migrate

__all__ = [
    "AddField",
    "AlterExtras",
    "AlterField",
    "AlterKeys",
    "AlterTTL",
    "AppResult",
    "AttachTimezone",
    "CreateModel",
    "DeleteModel",
    "FillNone",
    "FlattenField",
    "MapValues",
    "MergeFields",
    "MigrateResult",
    "Migration",
    "MoveModel",
    "NestFields",
    "NewRecord",
    "OldObject",
    "OldRecord",
    "RemoveField",
    "RenameField",
    "RenameModel",
    "Run",
    "RunContext",
    "SplitField",
    "Transform",
    "migrate",
]

# Imported at first use: a migration file needs no server.
_RUN_NAMES: Final = frozenset({"AppResult", "MigrateResult", "migrate"})


if not TYPE_CHECKING:  # which would let a type checker accept any name

    def __getattr__(name: str) -> object:
        if name not in _RUN_NAMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(".project_run.migrate", __name__), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_RUN_NAMES})
