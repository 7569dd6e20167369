"""Operations: the changes that a migration is made of."""

from .alter_field import AlterField
from .base import Operation, Risk
from .fields import AddField, RemoveField, RenameField
from .free import Run, RunContext
from .keys import AlterKeys
from .lifespans import AlterTTL
from .models import AlterExtras, CreateModel, DeleteModel, MoveModel, RenameModel
from .records import Transform
from .storage import FlattenField, MergeFields, NestFields, SplitField

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
