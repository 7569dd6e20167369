"""Migrations: what a migration file is made of, ``from redis_models import migrations``."""

from .converters import AttachTimezone, FillNone, MapValues
from .migration import Migration
from .operations import AddField, AlterField, CreateModel, DeleteModel, RemoveField, RenameField, Transform
from .views import NewRecord, OldObject, OldRecord

__all__ = [
    "AddField",
    "AlterField",
    "AttachTimezone",
    "CreateModel",
    "DeleteModel",
    "FillNone",
    "MapValues",
    "Migration",
    "NewRecord",
    "OldObject",
    "OldRecord",
    "RemoveField",
    "RenameField",
    "Transform",
]
