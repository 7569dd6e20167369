"""The base of model classes, without a server: options, keys, and the hooks that serialize fields."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from pydantic import ConfigDict, GetCoreSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema

from ..encoding.json_documents import aioredis_text
from ..errors import ModelDeclarationError
from ..mapping import partial
from ..mapping.core_schema import let_validators_assign, make_repeatable
from ..mapping.keys import INDEX, KeySpace, key_complaint
from ..mapping.overrides import ModelHooks
from ..mapping.stored_model import StoredModel
from .assignments import UNSET
from .metaclass import ModelMeta
from .pydantic_v1 import Fields, Pydantic1Model

if TYPE_CHECKING:
    from ..store import Store

__all__ = ["_AbstractModel"]

Hook = Callable[[Any], object]


def _default_to_none(model: "type[_AbstractModel]") -> None:
    """Give a bare ``Optional[X]`` the default None, as pydantic 1 did; ``= Field(...)`` asks for a value."""
    for name, info in model.__pydantic_fields__.items():
        if info.is_required() and name not in model.__assigned__ and _takes_none(info):
            info.default = None


def _takes_none(info: FieldInfo) -> bool:
    return type(None) in get_args(info.annotation)


def _is_library_method(method: Hook, library_method: Hook) -> bool:
    return getattr(method, "__func__", method) is getattr(library_method, "__func__", None)


def _key_part(model: "type[_AbstractModel]", name: str) -> str:
    """Call a method that a model may override and that gives a part of its keys."""
    value: object = getattr(model, name)()
    if not isinstance(value, str) or not (value or name == "_get_prefix"):
        raise ModelDeclarationError(model.__name__, f"{name}() returned {value!r:.60}; it must return text")
    return value


class _AbstractModel(Pydantic1Model, StoredModel, metaclass=ModelMeta):
    """Base of ``Model``; applications import it under this name, which pydantic-aioredis gave it."""

    model_config = ConfigDict(arbitrary_types_allowed=True, validate_assignment=True)

    if not TYPE_CHECKING:  # declared in the metaclass, so that a model may set them with or without an annotation
        _auto_save = False
        _auto_sync = False
        _ttl = None
        _app = None
        _managed = True
        _abstract = True
    _store: ClassVar["Store | None"] = None

    if TYPE_CHECKING:  # fields for checkers, so that the constructor takes them
        auto_save: bool = False
        auto_sync: bool = False
    else:

        @property
        def auto_save(self):
            """Whether making this instance saved it."""
            own = getattr(self, "__auto__", UNSET)[0]
            return self._auto_save if own is None else own

        @auto_save.setter
        def auto_save(self, value):
            self.set_auto_save(value)

        @property
        def auto_sync(self):
            """Whether assigning to a field of this instance writes it."""
            own = getattr(self, "__auto__", UNSET)[1]
            return self._auto_sync if own is None else own

        @auto_sync.setter
        def auto_sync(self, value):
            self.set_auto_sync(value)

    def set_auto_save(self, auto_save: bool = True) -> None:
        """Set ``auto_save`` of this instance."""
        object.__setattr__(self, "__auto__", (auto_save, getattr(self, "__auto__", UNSET)[1]))

    def set_auto_sync(self, auto_sync: bool = True) -> None:
        """Set whether assigning to a field of this instance writes it."""
        object.__setattr__(self, "__auto__", (getattr(self, "__auto__", UNSET)[0], auto_sync))

    @classmethod
    def get_primary_key_field(cls) -> str:
        """Name of the primary key's field."""
        return cls._primary_key_field

    @classmethod
    def get_table_index_key(cls) -> str:
        """Redis key of the model's index, a sorted set of record keys; a model may override it."""
        return f"{cls._get_prefix()}{cls._get_tablename()}{cls._get_separator()}{INDEX}"

    @classmethod
    def _get_prefix(cls) -> str:
        """The prefix of keys, with its separator. A model may override this and the next two methods."""
        prefix = cls.__options__.prefix.lower()
        return f"{prefix}{cls._get_separator()}" if prefix else ""

    @classmethod
    def _get_separator(cls) -> str:
        return cls.__options__.separator.lower()

    @classmethod
    def _get_tablename(cls) -> str:
        return cls.__options__.table

    @classmethod
    def __hooks__(cls) -> ModelHooks:
        """The overridden methods that decide how and where records are stored."""
        base, names = _AbstractModel, ("get_table_index_key", "_get_prefix", "_get_separator", "_get_tablename")
        has_keys = not all(_is_library_method(getattr(cls, name), getattr(base, name)) for name in names)
        serialize, deserialize = cls.serialize_partially, cls.deserialize_partially
        return ModelHooks(
            None if _is_library_method(serialize, base.serialize_partially) else serialize,
            None if _is_library_method(deserialize, base.deserialize_partially) else deserialize,
            cls.__key_space__ if has_keys else None,
        )

    @classmethod
    def __key_space__(cls) -> KeySpace:
        """The key space of the model, as its overridden methods return it now."""
        first, table = _key_part(cls, "_get_prefix"), _key_part(cls, "_get_tablename")
        separator, index = _key_part(cls, "_get_separator"), _key_part(cls, "get_table_index_key")
        prefix = first.removesuffix(separator)
        if complaint := key_complaint(separator, table, prefix):
            raise ModelDeclarationError(cls.__name__, complaint)
        keys = KeySpace(prefix, separator, table)
        if keys.first != first:  # it does not end with the separator, but keys begin with it
            keys = KeySpace("", separator, first + table)
        if index.startswith(keys.start) and "%" in index[len(keys.start) :]:
            raise ModelDeclarationError(cls.__name__, f"get_table_index_key() returned {index!r}; remove the %")
        return keys if keys.index == index else KeySpace(keys.prefix, separator, keys.table, index)

    @classmethod
    def json_default(cls, obj: Any) -> Any:
        """Give a JSON value for a value that JSON does not have; a model may override it.

        The result of an override is written unchanged, by ``serialize_partially`` too. ``json_object_hook`` and the
        field's type must then read it back.

        Raises:
            TypeError: It is not a date, a datetime, a UUID or of an IP type.
        """
        return aioredis_text(obj)

    @classmethod
    def json_object_hook(cls, obj: Any) -> Any:
        """Give the value of a JSON object in a stored field, at any depth; a model may override it."""
        return obj

    @classmethod
    def __json_hooks__(cls) -> tuple[Hook | None, Hook | None]:
        """``json_default`` and ``json_object_hook`` if a subclass overrides them, else None."""
        default, hook = cls.json_default, cls.json_object_hook
        return (
            None if _is_library_method(default, _AbstractModel.json_default) else default,
            None if _is_library_method(hook, _AbstractModel.json_object_hook) else hook,
        )

    @classmethod
    def serialize_partially(cls, data: Mapping[str, object]) -> Fields:
        """Give some fields as Redis gets them, in a new dict.

        Text and numbers stay unchanged; other values become JSON text. Values are not validated: one that does not fit
        its field is written as ``json_default`` returns it. Names of other fields pass through.

        Raises:
            TypeError: A value cannot be stored.
        """
        return partial.serialize(cls.__mapper__, data, cls.json_default)

    @classmethod
    def deserialize_partially(cls, data: Mapping[Any, Any]) -> Fields:
        """Give some stored fields as the constructor takes them, in a new dict.

        Text and numbers stay text; JSON is read, not validated. Names of other fields pass through.

        Raises:
            DecodeError: A field does not read back.
        """
        return partial.deserialize(cls.__mapper__, data, cls.json_object_hook)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type, handler: GetCoreSchemaHandler, /) -> CoreSchema:
        _default_to_none(cls)
        schema = handler(source)
        own = handler.resolve_ref_schema(schema)
        make_repeatable(own)
        let_validators_assign(own)
        return schema
