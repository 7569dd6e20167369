"""Operations: the changes that a migration is made of."""

from .base import Operation, Risk
from .fields import AddField, AlterField, RemoveField, RenameField
from .models import CreateModel, DeleteModel
from .records import Transform
from .storage import FlattenField, MergeFields, NestFields, SplitField

__all__ = [
    "AddField",
    "AlterField",
    "CreateModel",
    "DeleteModel",
    "FlattenField",
    "MergeFields",
    "NestFields",
    "Operation",
    "RemoveField",
    "RenameField",
    "Risk",
    "SplitField",
    "Transform",
]
