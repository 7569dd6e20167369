"""Values of historical types: enums and objects whose classes may not exist any more. Pure."""

import enum
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pydantic
from pydantic import BaseModel, ConfigDict, RootModel

__all__ = ["HistoricalAlias", "HistoricalObject", "document_of"]


@dataclass(frozen=True)
class _Apart:
    """Metadata that makes annotations with different texts unequal.

    In Python ``list[int | str]`` equals ``list[str | int]``, so caches (of typing, of the codec) return one for the
    other. But the order of a union decides how pydantic reads it.
    """

    text: str


class _StoredValue(enum.Enum):
    """An enum whose members equal their stored values, as those of IntEnum and StrEnum do."""

    def __eq__(self, other: object) -> bool:
        return self is other or bool(self.value == (other.value if isinstance(other, enum.Enum) else other))

    def __hash__(self) -> int:
        return 0 if isinstance(self.value, (dict, list)) else hash(self.value)


class HistoricalObject(BaseModel):
    """Base class of models for objects in stored JSON.

    Attributes:
        __stored_names__: Stored key by field name, for keys that cannot be field names.
        __type_text__: The text of its type.
    """

    model_config = ConfigDict(
        extra="allow",
        protected_namespaces=(),
        ser_json_bytes="base64",
        ser_json_inf_nan="constants",
        val_json_bytes="base64",
    )
    __stored_names__: ClassVar[Mapping[str, str]] = {}
    __type_text__: ClassVar[str] = ""
    _order: tuple[str, ...] = ()

    @pydantic.model_validator(mode="wrap")
    @classmethod
    def _remember_order(
        cls, value: object, handler: pydantic.ModelWrapValidatorHandler[typing.Self]
    ) -> "HistoricalObject":
        if not isinstance(value, dict):
            return handler(value)
        names = {stored: name for name, stored in cls.__stored_names__.items()}
        document = typing.cast(dict[str, object], value)
        keyed = {names.get(key, key): item for key, item in document.items()}
        if len(keyed) != len(document):
            raise ValueError(f"undeclared keys have the same names as {', '.join(names)}")
        made = handler(keyed)
        made._order = tuple(keyed)
        return made

    @pydantic.model_serializer(mode="wrap")
    def _keep_order(self, handler: pydantic.SerializerFunctionWrapHandler) -> dict[str, object]:
        return self._in_order(handler(self))

    def _in_order(self, made: Mapping[str, object]) -> dict[str, object]:
        names = dict.fromkeys([*self._order, *made])
        kept = self.model_fields_set | (self.model_extra or {}).keys()
        return {self.__stored_names__.get(name, name): made[name] for name in names if name in made and name in kept}

    def __eq__(self, other: object) -> bool:
        """Compare the stored values, ignoring the class and the order of keys."""
        return isinstance(other, HistoricalObject) and self._stored() == other._stored()

    def __hash__(self) -> int:
        return hash(frozenset(self._stored()))  # the values may be unhashable; sets of objects are small

    def _stored(self) -> dict[str, object]:
        names = self.__stored_names__
        document = {names.get(name, name): value for name, value in vars(self).items() if name in self.model_fields_set}
        return document | (self.model_extra or {})


def document_of(value: HistoricalObject) -> dict[str, object]:
    """Return the stored values of an object by key, in order."""
    return value._in_order(vars(value) | (value.model_extra or {}))


class HistoricalAlias(RootModel[object]):
    """Base class of models for recursive types that are not objects."""

    model_config = ConfigDict(ser_json_bytes="base64", ser_json_inf_nan="constants", val_json_bytes="base64")
