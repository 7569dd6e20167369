"""Whether answers show all of a model, so that whoever sends one back has said all of the record. Pure."""

from types import NoneType, UnionType
from typing import Final, TypeGuard, Union, get_args, get_origin

from pydantic import BaseModel, RootModel
from pydantic.fields import FieldInfo

from ...encoding.round_trip import is_exact

__all__ = ["shows_all_of"]

_CONTAINERS: Final[tuple[object, ...]] = (dict, frozenset, list, set, tuple)


def shows_all_of(model: type[BaseModel], inside: tuple[object, ...] = ()) -> bool:
    """Whether every value of a model is the same again when it is made of what an answer shows; not sure is False.

    Args:
        model: The model.
        inside: The models that it is a part of.
    """
    told = model.__pydantic_decorators__
    is_its_own = told.field_serializers or told.model_serializers or model.model_config.get("extra") == "allow"
    if is_its_own or any(name.startswith("ser_json") for name in model.model_config):
        return False
    return all(_is_shown(info, (*inside, model)) for info in model.model_fields.values())


def _is_shown(info: FieldInfo, inside: tuple[object, ...]) -> bool:
    if info.exclude or getattr(info, "exclude_if", None) or info.serialization_alias != info.validation_alias:
        return False
    if any(hasattr(one, "__get_pydantic_core_schema__") for one in info.metadata):
        return False
    return _is_type_shown(info.annotation, inside)


def _is_type_shown(annotation: object, inside: tuple[object, ...]) -> bool:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        members = [one for one in arguments if one is not NoneType]
        return len(members) == 1 and _is_type_shown(members[0], inside)
    if origin in _CONTAINERS:
        return all(one is ... or _is_type_shown(one, inside) for one in arguments)
    if _is_model(annotation):
        return annotation in inside or shows_all_of(annotation, inside)
    return is_exact(annotation)


def _is_model(annotation: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel) and not issubclass(annotation, RootModel)
