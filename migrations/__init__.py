"""Migrations: what a migration file is made of, ``from redis_models import migrations``."""

from .migration import Migration
from .operations import (
    AddField,
    AlterField,
    CreateModel,
    DeleteModel,
    RemoveField,
    RenameField,
    Run,
    RunContext,
    Transform,
)
from .views import NewRecord, OldRecord

__all__ = [
    "AddField",
    "AlterField",
    "CreateModel",
    "DeleteModel",
    "Migration",
    "NewRecord",
    "OldRecord",
    "RemoveField",
    "RenameField",
    "Run",
    "RunContext",
    "Transform",
]
