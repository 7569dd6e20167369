"""Operations: the changes that a migration is made of."""

from .alter_field import AlterField
from .base import Operation, Risk
from .fields import AddField, RemoveField, RenameField
from .keys import AlterKeys
from .models import AlterExtras, CreateModel, DeleteModel, MoveModel, RenameModel
from .restructure import FlattenField, MergeFields, NestFields, SplitField
from .run import Run, RunContext
from .transform import Transform
from .ttl import AlterTTL

__all__ = [
    "AddField",
    "AlterExtras",
    "AlterField",
    "AlterKeys",
    "AlterTTL",
    "CreateModel",
    "DeleteModel",
    "FlattenField",
    "MergeFields",
    "MoveModel",
    "NestFields",
    "Operation",
    "RemoveField",
    "RenameField",
    "RenameModel",
    "Risk",
    "Run",
    "RunContext",
    "SplitField",
    "Transform",
]
