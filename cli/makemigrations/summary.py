"""A new migration, described in lines of text."""

from dataclasses import fields
from types import FunctionType

from redis_models.migrations.files.next_migration import NewMigration
from redis_models.migrations.operations import (
    AddField,
    AlterField,
    AlterKeys,
    CreateModel,
    DeleteModel,
    MoveModel,
    Operation,
    RemoveField,
    RenameField,
    RenameModel,
)
from redis_models.migrations.project_run.consents import allow_line
from redis_models.project.imports import shown_path

__all__ = ["changes_of", "consents_of", "tasks_of", "title_of"]


def title_of(new: NewMigration) -> str:
    """Give the line with the file, its id, and the raised versions."""
    versions = ", ".join(_version(new, model, version) for model, version in sorted(new.migration.versions.items()))
    return f"  {shown_path(new.path)}   id {new.migration.id}" + (f"   {versions}" if versions else "")


def changes_of(new: NewMigration) -> list[str]:
    """Give a line for every change: + adds, ~ changes, - removes."""
    lines = [_change(operation) for operation in new.migration.operations]
    touched = {operation.model for operation in new.migration.operations}
    lines += [
        f"~ raise version {model} (its fields stay the same)"
        for model in sorted(new.migration.versions)
        if model not in touched
    ]
    return lines or ["  no operations: add them, and list the models that they change in versions"]


def tasks_of(new: NewMigration) -> list[str]:
    """Give a line for every function that the user has to write."""
    names = [name for operation in new.migration.operations for name in _functions(operation)]
    return [f"Write {name}() in {shown_path(new.path)} before you run 'migrate'." for name in dict.fromkeys(names)]


def consents_of(new: NewMigration) -> list[str]:
    """Say that 'migrate' will ask for consent; nothing if the file has a reason."""
    if not new.refused:
        return []
    return [
        f"{new.path.name}: 'migrate' will ask for consent if there are records. To consent in the file, write"
        f" {allow_line(new.refused)}, or use --reason."
    ]


def _functions(operation: Operation) -> list[str]:
    values: list[object] = [getattr(operation, field.name) for field in fields(operation)]
    return [value.__name__ for value in values if isinstance(value, FunctionType)]


def _version(new: NewMigration, model: str, version: int) -> str:
    old = new.before.by_name.get(model)
    return f"{model} v{old.version}→v{version}" if old else f"{model} v{version}"


def _change(operation: Operation) -> str:
    match operation:
        case CreateModel(model):
            return f"+ create model  {model}"
        case DeleteModel(model):
            return f"- delete model  {model}   its records stay"
        case AddField(model, name, type):
            value = (
                f"{getattr(operation.fill, '__name__', operation.fill)}(old)"
                if callable(operation.fill)
                else repr(operation.fill)
            )
            extra = "   takes the values of the extra field" if operation.extra == "take" else ""
            return f"+ add field     {model}.{name}: {type} = {value}{extra}"
        case RemoveField(model, name):
            return f"- remove field  {model}.{name}   destructive"
        case RenameField(model, old, new):
            return f"~ rename field  {model}.{old} → {new}"
        case AlterField(model, name, old, new, convert):
            how = "" if convert is None else f"   by {_name_of(convert)}"
            return f"~ alter field   {model}.{name}: {old} → {new}{how}"
        case RenameModel(model, new):
            return f"~ rename model  {model} → {new}"
        case MoveModel(model, app):
            return f"~ move model    {model} → app {app}   its records stay"
        case AlterKeys(model):
            return f"~ alter keys    {model}: {operation.changes}   moves records"
        case _:
            return f"~ {operation.describe()}"


def _name_of(value: object) -> str:
    return f"{value.__name__}()" if isinstance(value, FunctionType) else repr(value)
