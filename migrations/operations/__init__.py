"""Operations: the changes that a migration is made of."""

from .base import Operation, Risk
from .fields import AddField, AlterField, RemoveField, RenameField
from .free import Run, RunContext
from .models import CreateModel, DeleteModel
from .records import Transform

__all__ = [
    "AddField",
    "AlterField",
    "CreateModel",
    "DeleteModel",
    "Operation",
    "RemoveField",
    "RenameField",
    "Risk",
    "Run",
    "RunContext",
    "Transform",
]
