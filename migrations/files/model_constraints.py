"""Collects what models accept beyond the types of their fields: constraints, validators, settings.

These do not change what is stored, so they do not need a migration, but a stricter model may refuse stored records. The
text comes from annotations and classes, not from the schemas of pydantic, so that it does not depend on the versions of
Python and pydantic. It does not contain docstrings and comments. ``constraints.json`` stores it for each model.
"""

import dataclasses
import hashlib
import inspect
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Final, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from annotated_types import GroupedMetadata
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typing_extensions import is_typeddict

from redis_models.encoding.annotations import Storage
from redis_models.model import Model

from ..constraints.history import DEFAULT, STORED_AS
from ..schema.from_models import snapshot_of
from ..schema.snapshot import Snapshot
from .function_digest import OURS, source_digest, stable_text

__all__ = ["Constraints", "constraints_of", "demands_of", "digest_of_constraints"]

# Constraints by the path of a field, "" for the whole: ``{"name": {"max_length": "5"}}``.
Constraints = Mapping[str, Mapping[str, str]]
_Found = dict[str, dict[str, str]]

_SETTINGS: Final = (
    "allow_inf_nan", "coerce_numbers_to_str", "extra", "regex_engine", "str_max_length", "str_min_length",
    "str_strip_whitespace", "str_to_lower", "str_to_upper", "strict", "val_json_bytes",
)  # fmt: skip
_USUAL: Final[Mapping[str, object]] = {"allow_inf_nan": True, "extra": "ignore", "regex_engine": "rust-regex"}
# Methods of classes that are called when a value is created.
_HOOKS: Final = (
    "__get_pydantic_core_schema__", "__get_validators__", "__init__", "__new__", "__post_init__", "_missing_",
    "model_post_init", "model_validate",
)  # fmt: skip
_VALIDATORS: Final = "pydantic.functional_validators"


def constraints_of(model: type[Model]) -> Constraints:
    """Return the constraints of a model."""
    found: _Found = {}
    _Collector(found).of_class(model, "")
    return {path: dict(sorted(rules.items())) for path, rules in sorted(found.items()) if rules}


def digest_of_constraints(models: Iterable[type[Model]]) -> str:
    """Return a digest of the constraints of models, in any order."""
    constraints = {model.__name__: constraints_of(model) for model in models}
    return hashlib.sha256(json.dumps(constraints, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()[:16]


class _Collector:
    """Collects constraints from annotations; it enters each class once on a path."""

    def __init__(self, found: _Found) -> None:
        self._found, self._open = found, set[type]()

    def _note(self, path: str, rules: Iterable[tuple[str, str]]) -> None:
        known = self._found.setdefault(path, {})
        for name, value in rules:
            known[name] = value if name not in known or known[name] == value else f"{known[name]}, {value}"

    def of_class(self, cls: type[Any], path: str) -> None:
        """Add the constraints of a class and of its fields."""
        if cls in self._open:
            return
        top = cls.__module__.partition(".")[0]
        is_model = issubclass(cls, BaseModel)
        if top == "pydantic" and not is_model:
            self._note(path, [("type", cls.__name__)])  # such as PastDate, which has no metadata
        if top in sys.stdlib_module_names or top in OURS:
            return
        self._open.add(cls)
        self._note(path, _hooks_of(cls))
        if is_model or hasattr(cls, "__pydantic_decorators__"):
            self._of_pydantic(cast("type[BaseModel]", cls), path)
        elif dataclasses.is_dataclass(cls) or is_typeddict(cls) or hasattr(cls, "_fields"):
            self._note(path, _settings_of(getattr(cls, "__pydantic_config__", {})))
            for name, hint in _hints_of(cls).items():
                self.of_annotation(hint, _inside(path, name))
        self._open.discard(cls)

    def _of_pydantic(self, cls: type[BaseModel], path: str) -> None:
        config: Mapping[str, object] = getattr(cls, "model_config", None) or getattr(cls, "__pydantic_config__", {})
        self._note(path, _settings_of(config))
        for place, rules in _decorators_of(cls):
            self._note(_inside(path, place) if place else path, rules)
        fields: Mapping[str, FieldInfo] = getattr(cls, "__pydantic_fields__", {})
        for name, info in fields.items():
            self.of_annotation(info.annotation, _inside(path, name))
            self._note(_inside(path, name), _rules_of(info.metadata))

    def of_annotation(self, annotation: object, path: str) -> None:
        """Add the constraints of an annotation, at any depth."""
        annotation = _bare(annotation)
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            self.of_annotation(arguments[0], path)
            self._note(path, _rules_of(arguments[1:]))
        elif origin in (Union, UnionType):
            arms = [argument for argument in arguments if argument is not type(None)]
            for arm in arms:
                self.of_annotation(arm, path if len(arms) == 1 else f"{path}|{_name_of(arm)}")
        elif origin is not None and origin is not Literal and origin is not Callable:
            for number, argument in enumerate(arguments):
                is_key = (
                    number == 0 and len(arguments) == 2 and isinstance(origin, type) and issubclass(origin, Mapping)
                )
                self.of_annotation(argument, f"{path}{{}}" if is_key else f"{path}[]")
            if isinstance(origin, type) and origin.__module__ not in ("builtins", "collections", "typing"):
                self.of_class(cast("type[Any]", origin), path)
        elif isinstance(annotation, type):
            self.of_class(annotation, path)


def _bare(annotation: object) -> object:
    """Resolve names for types: ``NewType``, ``type X = ...``, the bound of a variable."""
    for attribute in ("__supertype__", "__value__"):
        inner: object = getattr(annotation, attribute, None)
        if inner is not None and not isinstance(annotation, (type, Enum)):
            return _bare(inner)
    if isinstance(annotation, TypeVar):
        return _bare(annotation.__bound__) if annotation.__bound__ is not None else Any
    return annotation


def _inside(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _name_of(annotation: object) -> str:
    inner = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    return str(getattr(get_origin(inner) or inner, "__name__", "any"))


def _hints_of(cls: type) -> Mapping[str, object]:
    try:
        return get_type_hints(cls, include_extras=True)
    except Exception:  # a name that only type checkers know; the user's module may raise anything
        return inspect.get_annotations(cls)


def _settings_of(config: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name in _SETTINGS:
        value = config.get(name)
        is_said = value not in (None, False, 0) or (name == "allow_inf_nan" and value is False)
        if is_said and value != _USUAL.get(name):
            yield name, stable_text(value)


def _decorators_of(cls: type[BaseModel]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Return the validators of a class by field, "" for those of the whole."""
    found = cls.__pydantic_decorators__
    for kind in (found.validators, found.field_validators, found.root_validators, found.model_validators):
        for name, decorator in cast("Mapping[str, Any]", kind).items():
            rule = (f"{getattr(decorator.info, 'mode', 'before')} validator {name}", source_digest(decorator.func))
            for place in getattr(decorator.info, "fields", ("",)):
                yield ("" if place == "*" else place), [rule]


def _hooks_of(cls: type) -> Iterator[tuple[str, str]]:
    for name in _HOOKS:
        owner = next((base for base in cls.__mro__ if name in vars(base)), None)
        if owner is None or owner.__module__.partition(".")[0] in (*OURS, "builtins"):
            continue
        function: object = vars(owner)[name]
        function = getattr(function, "__func__", function)
        module = str(getattr(function, "__module__", "") or "")
        # Methods that pydantic and dataclasses generate have no source.
        if inspect.isfunction(function) and module.partition(".")[0] not in OURS and _has_source(function):
            yield f"method {name}", source_digest(function)


def _rules_of(metadata: Iterable[object]) -> Iterator[tuple[str, str]]:
    for metadata_item in metadata:
        if isinstance(metadata_item, FieldInfo):
            yield from _rules_of(metadata_item.metadata)
        elif isinstance(metadata_item, GroupedMetadata):
            yield from _rules_of(cast("Iterable[object]", metadata_item))
        elif type(metadata_item).__module__ == _VALIDATORS and hasattr(metadata_item, "func"):
            mode = type(metadata_item).__name__.removesuffix("Validator").lower()
            function = cast(Any, metadata_item).func
            yield f"{mode} validator {getattr(function, '__name__', '?')}", source_digest(function)
        elif not isinstance(metadata_item, (Storage, str)):
            yield from _facts_of(metadata_item)


def _facts_of(metadata_item: object) -> Iterator[tuple[str, str]]:
    """Return the constraints of a metadata object; none if pydantic ignores it."""
    top = type(metadata_item).__module__.partition(".")[0]
    if top in ("annotated_types", "pydantic"):
        values = {**getattr(metadata_item, "__dict__", {})}
        if dataclasses.is_dataclass(metadata_item):
            values |= {field.name: getattr(metadata_item, field.name) for field in dataclasses.fields(metadata_item)}
        is_serializer = type(metadata_item).__module__.endswith(("functional_serializers", "json_schema"))
        yield from (
            (name, stable_text(value)) for name, value in values.items() if value is not None and not is_serializer
        )
    elif hasattr(metadata_item, "__get_pydantic_core_schema__"):
        cls = metadata_item if isinstance(metadata_item, type) else type(metadata_item)
        # Its arguments count, and for a class of the application also its source.
        yield (
            f"constraint {cls.__name__}",
            stable_text(vars(metadata_item)) if metadata_item is not cls and hasattr(metadata_item, "__dict__") else "",
        )


def _has_source(function: Any) -> bool:
    try:
        inspect.getsource(function)
    except (OSError, TypeError):
        return False
    return True


def demands_of(model: type[Model], reached: Snapshot) -> Constraints:
    """Return the constraints of a model, and facts about its fields that are not in the migrations.

    Args:
        model: The class.
        reached: The snapshot at the end of the migrations.
    """
    found = {path: dict(rules) for path, rules in constraints_of(model).items()}
    known = reached.by_name.get(model.__name__)
    for field in snapshot_of([model]).model(model.__name__).fields:
        if not model.model_fields[field.name].is_required():
            found.setdefault(field.name, {})[DEFAULT] = "yes"
        before = None if known is None else known.by_name.get(field.name)
        if before is not None and before.type != field.type:  # such as an enum with a new member
            found.setdefault(field.name, {})[STORED_AS] = field.type
    return {path: dict(sorted(rules.items())) for path, rules in sorted(found.items())}
