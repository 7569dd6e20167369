"""Stubs of functions that the user must still write in a migration file. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

from redis_models.errors import MigrationError

from ..edits.nested_paths import is_path
from .alter_field import AlterField
from .base import Operation
from .fields import AddField
from .restructure import MergeFields, SplitField
from .transform import Transform

__all__ = ["FunctionStub", "Stub", "function_name", "stub_of"]

_SHOWN: Final = 48  # characters of a type
_OLD, _NEW, _OBJECT = "old: migrations.OldRecord", "new: migrations.NewRecord", "old: migrations.OldObject"
_VALUE, _VALUES, _DICT = "value: object", "values: dict[str, object]", "dict[str, object]"


@dataclass(frozen=True)
class FunctionStub:
    """The argument of an operation whose function must still be written.

    Attributes:
        name: Name of the function.
    """

    name: str

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(self, *arguments: object) -> NoReturn:
        """Raise NotImplementedError: a plan does not need the function, a run does."""
        raise NotImplementedError(f"write {self.name}() in the migration file first")


def function_name(model: str, path: str) -> str:
    """Return the name of the function that computes a field of a model."""
    return f"{model}_{path.replace('.', '_')}".lower()


@dataclass(frozen=True)
class Stub:
    """The text of a function in the file until it is written.

    Attributes:
        parameters: With their annotations.
        returns: Annotation of the result.
        task: What it must do, in a line without a full stop.
    """

    parameters: tuple[str, ...]
    returns: str
    task: str


def stub_of(operation: Operation, argument: str) -> Stub:
    """Return the stub of the function that ``operation`` takes as ``argument``.

    Raises:
        MigrationError: The argument is not a function.
    """
    for kind, arguments in _STUBS.items():
        if isinstance(operation, kind) and argument in arguments:
            return arguments[argument](operation)
    raise MigrationError(f"{type(operation).__name__} does not take a function as {argument}=")


def _fill(operation: AddField) -> Stub:
    if is_path(operation.name):
        return Stub(
            (_OBJECT,), "object", f"Return the {operation.type} of {operation.model}.{operation.name} for an object"
        )
    return Stub((_OLD,), "object", f"Return the {operation.type} of {operation.model}.{operation.name} for a record")


def _convert(operation: AlterField) -> Stub:
    return Stub((_VALUE,), "object", _conversion(operation, operation.old, operation.new))


def _convert_back(operation: AlterField) -> Stub:
    return Stub((_VALUE,), "object", _conversion(operation, operation.new, operation.old))


def _conversion(operation: AlterField, old: str, new: str) -> str:
    short = [text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..." for text in (old, new)]
    return f"Convert a value of {operation.model}.{operation.name} from {short[0]} to {short[1]}"


def _split(operation: SplitField) -> Stub:
    return Stub(
        (_VALUE,), _DICT, f"Return {', '.join(operation.into)}, given the value of {operation.model}.{operation.name}"
    )


def _split_back(operation: SplitField) -> Stub:
    return Stub((_VALUES,), "object", f"Return {operation.model}.{operation.name}, given {', '.join(operation.into)}")


def _merge(operation: MergeFields) -> Stub:
    return Stub((_VALUES,), "object", f"Return {operation.model}.{operation.into}, given {', '.join(operation.names)}")


def _merge_back(operation: MergeFields) -> Stub:
    return Stub(
        (_VALUE,), _DICT, f"Return {', '.join(operation.names)}, given the value of {operation.model}.{operation.into}"
    )


def _transform(operation: Transform) -> Stub:
    return Stub((_OLD, _NEW), "None", f"Assign the fields of the new {operation.model} that change")


def _transform_back(operation: Transform) -> Stub:
    return Stub((_OLD, _NEW), "None", f"Assign the fields of the older {operation.model} that change")


_STUBS: Final[Mapping[type[Operation], Mapping[str, Callable[..., Stub]]]] = {
    AddField: {"fill": _fill},
    AlterField: {"convert": _convert, "back": _convert_back},
    MergeFields: {"merge": _merge, "split": _merge_back},
    SplitField: {"split": _split, "merge": _split_back},
    Transform: {"function": _transform, "back": _transform_back},
}
