"""The metaclass of models: it reads options, finds the primary key, and allows fields with the names of verbs."""

import copy
import difflib
import functools
import inspect
import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast, dataclass_transform, get_origin

import pydantic
from pydantic import BaseModel, PrivateAttr
from pydantic.errors import PydanticUndefinedAnnotation

from ..coroutines import being_saved
from ..errors import ModelDeclarationError
from ..indexes.conditions import Reference
from ..indexes.declarations import definitions_of
from ..mapping.compiler import compile_mapper
from ..mapping.core_schema import let_post_init_assign
from ..mapping.fields import Field, storage_of
from ..mapping.keys import KeySpace
from ..mapping.mapper import Mapper
from ..mapping.options import ATTRIBUTES, Options, read_options, take_options
from ..mapping.overrides import ModelHooks, with_hooks
from ..mapping.stored_model import StoredModel
from ..records.repository import is_bound
from .assignments import UNSET
from .pydantic_v1 import Pydantic1Model, config_of
from .sync import record_of

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass

else:
    ModelMetaclass = type(BaseModel)

__all__ = ["ModelMeta", "is_live"]

# These two are arguments of the constructor, and properties, which would hide a field's value.
_TAKEN: Final = ("auto_save", "auto_sync")
_VERBS: Final = (
    "get", "get_many", "exists", "count", "iterate", "select", "page", "insert", "save", "increment", "patch", "delete",
    "delete_all", "expire", "persist", "ttl", "_ids_to_primary_keys",
)  # fmt: skip
_LIBRARY: Final = (
    *(f"{__package__}.{name}" for name in ("base", "queryable", "model")),
    "redis_models.ext.FastAPI.model",
)
_MARKED: Final = "__marks_its_saves__"
_MOST_PLACES: Final = 1000  # key spaces of one model whose mappers are cached, for example one for each tenant
_HOOKS: Final = frozenset(
    {"serialize_partially", "deserialize_partially", "json_default", "json_object_hook", "get_table_index_key"}
    | {"_get_prefix", "_get_separator", "_get_tablename"}
)


@dataclass_transform(kw_only_default=True, field_specifiers=(Field, pydantic.Field, PrivateAttr))
class ModelMeta(ModelMetaclass):
    """Removes a model's options from the class body before pydantic makes private attributes of them."""

    if TYPE_CHECKING:  # not in the base class, so that a model may set them with or without an annotation
        _primary_key_field: str
        _table_name: Any  # text or None, and a model may annotate either
        _redis_prefix: Any
        _redis_separator: Any
        _auto_save: bool
        _auto_sync: bool
        _version: int
        _ttl: int | None
        _app: str | None
        _abstract: bool
        _managed: bool
        _table_indexes: Any  # a list of tuples, or a dict of them
        _table_unique: Any
        __assigned__: frozenset[str]
        __overrides__: frozenset[str]  # verbs that the application overrides
        Config: type[Any]

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **kwargs: Any) -> "ModelMeta":
        own = take_options(name, namespace)
        own["Config"] = _take_config(name, bases, namespace)
        namespace["__assigned__"] = frozenset(namespace)  # names to which the class body assigns a default
        with _fields_named_like_verbs(name, bases, namespace), _making.begun():
            cls = cast("ModelMeta", super().__new__(mcs, name, bases, namespace, **kwargs))
        type.__setattr__(cls, "_store", None)  # the parent's store is for another table
        for attribute, value in own.items():
            type.__setattr__(cls, attribute, value)
        _refuse_references(cast(type[StoredModel], cls))
        let_post_init_assign(cast(type[StoredModel], cls))
        _note_overrides(cls)
        if "_primary_key_field" not in own:
            _find_primary_key(cast(type[StoredModel], cls))
        return cls

    def __setattr__(cls, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name in ATTRIBUTES or name in _HOOKS:
            _forget_mapper(cls)
        elif name in _VERBS:
            _note_overrides(cls)

    @property
    def __options__(cls) -> Options:
        """The model's current options."""
        return read_options(cls)

    @property
    def __mapper__(cls) -> "Mapper[Any]":
        """The model's mapper, compiled on first use, and again after an option changed."""
        compiled = cls.__dict__.get("_compiled")
        if compiled is None:
            model = cast(type[StoredModel], cls)
            _resolve_annotations(model)
            hooks: ModelHooks = cast(Any, model).__hooks__()
            if hooks.keys is not None:  # it may give another key space next time
                return _mapper_at(model, hooks)
            compiled = with_hooks(compile_mapper(model, read_options(cls)), hooks)
            definitions_of(compiled)  # refuses an index that cannot be
            type.__setattr__(cls, "_compiled", compiled)
        return cast("Mapper[Any]", compiled)

    if not TYPE_CHECKING:  # checkers take the constructor's signature from the fields, and know these as attributes

        def __getattr__(cls, name):
            """Give a field of the class as what a condition is made of; called for what is not an attribute."""
            fields = cls.__dict__.get("__pydantic_fields__")
            if fields is not None and name in fields and not _making.depth:
                return Reference(cls, name)
            try:
                return super().__getattr__(name)
            except AttributeError:
                if name.startswith("_") or not fields:
                    raise
            near = difflib.get_close_matches(name, fields, n=1)
            cure = f"did you mean {near[0]!r}?" if near else f"its fields are {', '.join(fields)}"
            raise AttributeError(f"{cls.__name__} has no field or attribute {name!r}; {cure}", name=name, obj=cls)

        def __call__(cls, /, *args, **values):
            auto = UNSET
            if "auto_save" in values or "auto_sync" in values:
                auto = (values.pop("auto_save", None), values.pop("auto_sync", None))
            instance = super().__call__(*args, **values)
            if auto != UNSET or cls._auto_sync:
                object.__setattr__(instance, "__auto__", auto)
            if instance.auto_save and is_bound(cls):
                record_of(instance).save()
            return instance


class _Making(threading.local):
    """Whether this thread is making a model class: pydantic would take a reference for the default of a field."""

    depth = 0

    @contextmanager
    def begun(self) -> Generator[None]:
        """Hide the fields of all model classes from this thread."""
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1


_making: Final = _Making()


def is_live(instance: StoredModel) -> bool:
    """Whether assignments to ``instance`` may write: its constructor has returned, or it was loaded or saved.

    A validator or ``model_post_init`` may assign while an instance is made or loaded; that does not write. Nor does an
    assignment to a copy, or to the parsed body of a web framework, before it is saved.
    """
    return getattr(instance, "__auto__", None) is not None or getattr(instance, "__record__", None) is not None


def _mapper_at(model: type[StoredModel], hooks: ModelHooks) -> "Mapper[Any]":
    """Give the mapper for the current key space of a model whose methods return it."""
    assert hooks.keys is not None
    mappers: dict[KeySpace, Mapper[Any]] | None = model.__dict__.get("_mappers")
    if mappers is None:
        mappers = {}
        type.__setattr__(model, "_mappers", mappers)
    keys = hooks.keys()
    if keys not in mappers:
        if len(mappers) >= _MOST_PLACES:
            mappers.clear()
        mapper = with_hooks(compile_mapper(model, read_options(model)), hooks._replace(keys=lambda: keys))
        definitions_of(mapper)  # refuses an index that cannot be
        mappers[keys] = mapper
    return mappers[keys]


def _note_overrides(cls: "ModelMeta") -> None:
    """Note which verbs a model, one of its bases or a mixin overrides."""
    overridden: set[str] = set()
    for name in _VERBS:
        base = next((base for base in cls.__mro__ if name in vars(base)), None)
        is_theirs = base is not None and base.__module__ not in _LIBRARY
        if base is not None and is_theirs and isinstance(vars(base)[name], (FunctionType, classmethod, staticmethod)):
            overridden.add(name)
    type.__setattr__(cls, "__overrides__", frozenset(overridden))
    if "save" in overridden:
        _mark_saves(cls)
    children: list[ModelMeta] = cast(Any, type).__subclasses__(cls)
    for child in children:
        _note_overrides(child)


def _mark_saves(cls: "ModelMeta") -> None:
    """Wrap an overridden ``save``: while it runs, its assignments to the instance are not written one by one."""
    save: Any = getattr(cls, "save")  # noqa: B009  # not declared by a metaclass
    if hasattr(save, _MARKED) or not isinstance(save, FunctionType):
        return

    @functools.wraps(save)
    def marked(self: object, *arguments: Any, **options: Any) -> object:
        with being_saved(self):
            return save(self, *arguments, **options)

    @functools.wraps(save)
    async def marked_async(self: object, *arguments: Any, **options: Any) -> object:
        with being_saved(self):
            return await save(self, *arguments, **options)

    wrapper = marked_async if inspect.iscoroutinefunction(save) else marked
    setattr(wrapper, _MARKED, True)
    type.__setattr__(cls, "save", wrapper)


def _forget_mapper(cls: "ModelMeta") -> None:
    type.__setattr__(cls, "_compiled", None)
    type.__setattr__(cls, "_mappers", None)
    children: list[ModelMeta] = cast(Any, type).__subclasses__(cls)
    for child in children:
        _forget_mapper(child)


def _take_config(name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> type:
    """Use an inner ``class Config`` as ``model_config``, without pydantic's warning; give the new ``Config``."""
    config: object = namespace.pop("Config", None)
    parent = next((vars(base)["Config"] for base in bases if "Config" in vars(base)), object)
    if not isinstance(config, type):
        return type("Config", (parent,), {})  # its own class: what is set there must not change other models
    namespace["model_config"] = {**config_of(name, config), **namespace.get("model_config", {})}
    return config


def _resolve_annotations(model: type[StoredModel]) -> None:
    """Resolve names in annotations that were not defined yet when the class was made."""
    if not model.__pydantic_complete__:
        try:
            model.model_rebuild()
        except PydanticUndefinedAnnotation as exc:
            raise ModelDeclarationError(
                model.__name__,
                f"an annotation names {exc.name!r}, which is not defined; import it in {model.__module__}",
            ) from exc


def _refuse_references(model: type[StoredModel]) -> None:
    for name, info in model.__pydantic_fields__.items():
        default: object = info.default
        if isinstance(default, Reference):
            raise ModelDeclarationError(
                model.__name__, f"field {name!r} has the field {cast(object, default)!r} as its default; write a value"
            )


def _find_primary_key(model: type[StoredModel]) -> None:
    """Find the field with ``primary_key=True``."""
    names = [name for name, info in model.__pydantic_fields__.items() if storage_of(info).primary_key]
    if len(names) > 1:
        raise ModelDeclarationError(model.__name__, f"has {len(names)} primary keys: {', '.join(names)}; keep one")
    if names:
        type.__setattr__(model, "_primary_key_field", names[0])


@contextmanager
def _fields_named_like_verbs(name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> Generator[None]:
    """Allow fields with the names of verbs, such as ``count``: the class keeps the verb, an instance has the value.

    Pydantic would take the verb of the base class for the field's default, and warn.
    """
    verbs = _verbs_of(bases)
    annotations: dict[str, Any] = namespace.get("__annotations__", {})
    for field in _TAKEN:
        if field in verbs & annotations.keys():
            raise ModelDeclarationError(
                name,
                f"field {field!r} has the name of a constructor argument; rename it, and use alias={field!r}",
            )
    inherited = {field: info for base in reversed(bases) for field, info in getattr(base, "model_fields", {}).items()}
    for field in [
        field_name for field_name in inherited if field_name in verbs - annotations.keys() - namespace.keys()
    ]:
        annotations[field], namespace[field] = inherited[field].annotation, copy.copy(inherited[field])
        namespace["__annotations__"] = annotations
    for field in verbs & annotations.keys() - namespace.keys():
        if not _is_class_variable(annotations[field]):
            namespace[field] = pydantic.Field()
    with warnings.catch_warnings():
        if shadowing := "|".join(sorted(verbs & annotations.keys())):
            warnings.filterwarnings("ignore", rf'Field name "({shadowing})" in .* shadows an attribute', UserWarning)
        yield


def _verbs_of(bases: tuple[type, ...]) -> set[str]:
    """Give the public names that ``Model`` adds to pydantic's; none while ``Model`` itself is made."""
    names = {name for base in bases for cls in base.__mro__ if cls.__module__ in _OURS for name in vars(cls)}
    return {name for name in names if not name.startswith("_")} - (set(dir(BaseModel)) - set(vars(Pydantic1Model)))


def _is_class_variable(annotation: object) -> bool:
    if isinstance(annotation, str):
        return annotation.removeprefix("typing.").startswith("ClassVar")
    return annotation is ClassVar or get_origin(annotation) is ClassVar


_OURS: Final = tuple(f"{__package__}.{name}" for name in ("base", "queryable", "model", "pydantic_v1"))
