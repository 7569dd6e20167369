"""Changes of a model's pydantic schema: validators may assign to the instance, and iterables become lists.

Assignments to a model are validated, and validation runs the validators of the whole model. A validator that assigns
would call itself without end. So while it runs, assignments to its instance are those of a plain ``BaseModel``: they
set the value, without validation and without a write to Redis.
"""

import functools
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from threading import get_ident
from typing import Any, Final, cast

from pydantic import BaseModel
from pydantic_core import CoreSchema

__all__ = [
    "assign_plain",
    "is_in_validator",
    "let_post_init_assign",
    "let_validators_assign",
    "make_repeatable",
    "reads_once",
    "within_validator",
]

# How many validators run now, by thread and instance. Nearly always empty, so most calls return at once.
_open: dict[tuple[int, int], int] = {}
_CLASSES: Final = ("model", "dataclass", "typed-dict", "definition-ref")  # schemas that have a field list of their own
_NO_SCHEMAS: Final = ("default", "metadata", "cls", "ref", "schema_ref")  # these hold objects of the application
_MARKED: Final = "__marks_its_instance__"
_Node = dict[str, Any]


def is_in_validator(instance: BaseModel) -> bool:
    """Whether a validator of the whole model runs for ``instance``, in this thread."""
    return bool(_open) and (get_ident(), id(instance)) in _open


@contextmanager
def within_validator(*instances: object) -> Generator[None]:
    """Make assignments to ``instances`` plain ones."""
    marks = [(get_ident(), id(instance)) for instance in instances]
    for mark in marks:
        _open[mark] = _open.get(mark, 0) + 1
    try:
        yield
    finally:
        for mark in marks:
            _open[mark] -= 1
            if not _open[mark]:
                del _open[mark]


def assign_plain(instance: BaseModel, name: str, value: object) -> None:
    """Assign to a field as a plain ``BaseModel`` does."""
    if name in type(instance).model_fields:
        values: dict[str, object] = vars(instance)
        values[name] = value
    elif instance.__pydantic_extra__ is not None:
        instance.__pydantic_extra__[name] = value
    instance.__pydantic_fields_set__.add(name)


def let_validators_assign(schema: CoreSchema) -> None:
    """Change the schema of a model in place, so that its own validators run ``within_validator``."""
    node = cast(_Node, schema)
    while node.get("type") != "model" and isinstance(node.get("schema"), dict):
        if node["type"] == "function-after":
            node["function"]["function"] = _mark_calls(node["function"]["function"])
        elif node["type"] == "function-wrap":
            node["function"]["function"] = _mark_results(node["function"]["function"])
        node = node["schema"]


def let_post_init_assign(model: type[BaseModel]) -> None:
    """Make a model's ``model_post_init``, its own or that of a mixin, run ``within_validator``."""
    method = model.model_post_init
    if method is not BaseModel.model_post_init and method.__name__ != "init_private_attributes":  # pydantic's own
        type.__setattr__(model, "model_post_init", _mark_calls(method))


def make_repeatable(schema: CoreSchema) -> None:
    """Change the schema of a model in place: its own fields get lists instead of iterators that can be read once."""
    node = cast(_Node, schema)
    while node.get("type") != "model-fields" and isinstance(node.get("schema"), dict):
        node = node["schema"]
    for field in cast("dict[str, _Node]", node.get("fields", {})).values():
        for inner in _nodes(field, _CLASSES):
            if inner.get("type") == "generator":
                # Any iterable is accepted, as before, also by a strict model.
                inner.update(type="list", strict=False)


def reads_once(schema: CoreSchema) -> bool:
    """Whether a value of a schema may contain, at any depth, an iterator that can be read only once."""
    return any(node.get("type") == "generator" for node in _nodes(cast(_Node, schema), ()))


def _nodes(node: object, ends: tuple[str, ...]) -> Iterator[_Node]:
    """Give the schemas within a schema; it does not enter those whose type is in ``ends``."""
    if isinstance(node, dict):
        schema = cast(_Node, node)
        if schema.get("type") in ends:
            return
        yield schema
        for name, inner in schema.items():
            if name not in _NO_SCHEMAS:
                yield from _nodes(inner, ends)
    elif isinstance(node, (list, tuple)):
        for inner in cast("list[object]", node):
            yield from _nodes(inner, ends)


def _mark_calls(function: Callable[..., object]) -> Callable[..., object]:
    if hasattr(function, _MARKED):
        return function

    @functools.wraps(function)
    def marked(instance: object, *arguments: object) -> object:
        with within_validator(instance):
            return function(instance, *arguments)

    setattr(marked, _MARKED, True)
    return marked


def _mark_results(function: Callable[..., object]) -> Callable[..., object]:
    """Wrap a wrap validator, which gets its instance from the inner validator."""
    if hasattr(function, _MARKED):
        return function

    @functools.wraps(function)
    def marked(value: object, handler: Callable[..., object], *arguments: object) -> object:
        with ExitStack() as marks:
            marks.enter_context(within_validator(value))

            def inner(*inputs: object) -> object:
                result = handler(*inputs)
                marks.enter_context(within_validator(result))
                return result

            return function(value, inner, *arguments)

    setattr(marked, _MARKED, True)
    return marked
