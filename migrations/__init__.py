"""Migrations: what a migration file is made of, ``from redis_models import migrations``."""

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
