"""Migrations: what a migration file is made of, ``from redis_models import migrations``."""

from .converters import AttachTimezone, FillNone, MapValues
from .migration import Migration
from .operations import (
    AddField,
    AlterField,
    CreateModel,
    DeleteModel,
    FlattenField,
    MergeFields,
    NestFields,
    RemoveField,
    RenameField,
    SplitField,
    Transform,
)
from .views import NewRecord, OldObject, OldRecord

__all__ = [
    "AddField",
    "AlterField",
    "AttachTimezone",
    "CreateModel",
    "DeleteModel",
    "FillNone",
    "FlattenField",
    "MapValues",
    "MergeFields",
    "Migration",
    "NestFields",
    "NewRecord",
    "OldObject",
    "OldRecord",
    "RemoveField",
    "RenameField",
    "SplitField",
    "Transform",
]
