"""Migrations: what a migration file is made of, ``from redis_models import migrations``."""

from .converters import AttachTimezone, FillNone, MapValues
from .migration import Migration
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
from .views import NewRecord, OldObject, OldRecord

__all__ = [
    "AddField",
    "AlterExtras",
    "AlterField",
    "AlterKeys",
    "AlterTTL",
    "AttachTimezone",
    "CreateModel",
    "DeleteModel",
    "FillNone",
    "FlattenField",
    "MapValues",
    "MergeFields",
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
]
