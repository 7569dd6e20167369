"""Text that serializers decide in place of the type: those of metadata, of fields and of whole classes. Pure."""

import pydantic
from pydantic import BaseModel

from .type_spelling import TypeText
from .typeconstants import quoted

__all__ = ["custom", "has_own_schema", "serializer_of", "serializers_of", "told_by"]


def told_by(metadata: object) -> str | None:
    """Give the text that one piece of metadata decides, or None where it is validation only."""
    match metadata:
        case TypeText(text):
            return text
        case pydantic.PlainSerializer() | pydantic.WrapSerializer():
            return custom(metadata.func)
        case pydantic.EncodedBytes() | pydantic.EncodedStr():
            return custom(metadata.encoder)
        case _:
            pass
    if metadata is pydantic.Json or type(metadata) is pydantic.Json:
        return "Json"
    if type(metadata) is pydantic.SerializeAsAny:
        return "Any"  # it stores whatever class the value has
    own = getattr(metadata, "__get_pydantic_core_schema__", None)
    if isinstance(metadata, pydantic.GetPydanticSchema):
        return None if own is None else custom(own)
    home: str = getattr(metadata, "__module__", "")
    return None if own is None or home.partition(".")[0] in ("annotated_types", "pydantic") else custom(metadata)


def serializer_of(cls: type[object]) -> object:
    """Give the model serializer of a class, the last where there are several, or None."""
    decorators = getattr(cls, "__pydantic_decorators__", None)
    found = [] if decorators is None else list(decorators.model_serializers.values())
    return next((one.func for one in reversed(found)), None)


def serializers_of(cls: type[object], name: str) -> tuple[object, ...]:
    """Give the field serializers of one field, as metadata of its annotation."""
    decorators = getattr(cls, "__pydantic_decorators__", None)
    found = [] if decorators is None else list(decorators.field_serializers.values())
    return tuple(TypeText(custom(one.func)) for one in found if {name, "*"} & set(one.info.fields))


def custom(source: object, arguments: str = "") -> str:
    """Name code of the application; ``arguments`` is what a generic class is given, brackets included."""
    name: str = getattr(source, "__qualname__", None) or type(source).__qualname__
    module: str = getattr(source, "__module__", None) or type(source).__module__
    return f"Custom({quoted(f'{module}.{name}{arguments}')})"


def has_own_schema(cls: type[object]) -> bool:
    """Tell whether a class makes its pydantic schema itself, so that its annotations say nothing."""
    own = getattr(cls, "__get_pydantic_core_schema__", None)
    usual = getattr(BaseModel.__get_pydantic_core_schema__, "__func__", None)
    return own is not None and getattr(own, "__func__", own) is not usual
