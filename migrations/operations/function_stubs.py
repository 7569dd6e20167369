"""Functions of a migration file that somebody has still to write: what stands for them, and their stubs. Pure."""

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
    """A function that is still to be written, in any place of an operation that takes one.

    Attributes:
        name: Of the function.
    """

    name: str

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(self, *arguments: object) -> NoReturn:
        """Refuse to do anything."""
        # It stands for a function that only the file's author can write: a plan can do without, a run cannot.
        raise NotImplementedError(f"write {self.name}() in the migration file first")


def function_name(model: str, path: str) -> str:
    """Name the function that computes a field of a model."""
    return f"{model}_{path.replace('.', '_')}".lower()


@dataclass(frozen=True)
class Stub:
    """What the file has of the function until it is written.

    Attributes:
        parameters: With their annotations.
        returns: Annotation of the result.
        task: What it is to do, in a line without a full stop.
    """

    parameters: tuple[str, ...]
    returns: str
    task: str


def stub_of(operation: Operation, argument: str) -> Stub:
    """Give the stub of the function that ``operation`` takes as ``argument``.

    Raises:
        MigrationError: It takes none.
    """
    for kind, arguments in _STUBS.items():
        if isinstance(operation, kind) and argument in arguments:
            return arguments[argument](operation)
    raise MigrationError(f"{type(operation).__name__} takes no function as {argument}=")


def _fill(one: AddField) -> Stub:
    if is_path(one.name):
        return Stub((_OBJECT,), "object", f"Give the {one.type} that {one.model}.{one.name} gets in an object")
    return Stub((_OLD,), "object", f"Give the {one.type} that {one.model}.{one.name} gets in a record")


def _convert(one: AlterField) -> Stub:
    return Stub((_VALUE,), "object", _conversion(one, one.old, one.new))


def _convert_back(one: AlterField) -> Stub:
    return Stub((_VALUE,), "object", _conversion(one, one.new, one.old))


def _conversion(one: AlterField, old: str, new: str) -> str:
    short = [text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..." for text in (old, new)]
    return f"Turn a value of {one.model}.{one.name} from {short[0]} into {short[1]}"


def _split(one: SplitField) -> Stub:
    return Stub((_VALUE,), _DICT, f"Give {', '.join(one.into)} of what {one.model}.{one.name} holds")


def _split_back(one: SplitField) -> Stub:
    return Stub((_VALUES,), "object", f"Give {one.model}.{one.name} of {', '.join(one.into)}")


def _merge(one: MergeFields) -> Stub:
    return Stub((_VALUES,), "object", f"Give {one.model}.{one.into} of {', '.join(one.names)}")


def _merge_back(one: MergeFields) -> Stub:
    return Stub((_VALUE,), _DICT, f"Give {', '.join(one.names)} of what {one.model}.{one.into} holds")


def _transform(one: Transform) -> Stub:
    return Stub((_OLD, _NEW), "None", f"Assign to the new {one.model} what changes in it")


def _transform_back(one: Transform) -> Stub:
    return Stub((_OLD, _NEW), "None", f"Assign to the older {one.model} what it was")


_STUBS: Final[Mapping[type[Operation], Mapping[str, Callable[..., Stub]]]] = {
    AddField: {"fill": _fill},
    AlterField: {"convert": _convert, "back": _convert_back},
    MergeFields: {"merge": _merge, "split": _merge_back},
    SplitField: {"split": _split, "merge": _split_back},
    Transform: {"function": _transform, "back": _transform_back},
}
