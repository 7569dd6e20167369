"""The names that pydantic 1 gave its models, with their keyword forms, for code that was written against them.

They do what pydantic 1 did, without warnings; new code has pydantic's own names (``model_dump``, ``model_validate``).
What ran the constructor there (``parse_obj``, ``parse_raw``, ``parse_file``, ``validate`` of a dict) runs it here, so
it saves an ``AutoModel``; ``copy``, ``construct`` and ``from_orm`` did not, and do not.
"""

import json
from collections.abc import Callable, Mapping, Set
from pathlib import Path
from typing import Any, Final, Self, cast

import pydantic
from pydantic import BaseModel, ConfigDict, PydanticUserError
from pydantic_core import to_jsonable_python

from ..errors import ModelDeclarationError

__all__ = ["Pydantic1Model", "config_of"]

Names = Set[str] | Set[int] | Mapping[str, Any] | Mapping[int, Any] | None
Fields = dict[str, Any]
_DEFINITIONS: Final = "#/definitions/{model}"
# Config of pydantic 1 -> ConfigDict; None: pydantic 2 does always what it asked for.
_RENAMED: Final[dict[str, str | None]] = {
    "allow_population_by_field_name": "validate_by_name",
    "anystr_lower": "str_to_lower",
    "anystr_strip_whitespace": "str_strip_whitespace",
    "anystr_upper": "str_to_upper",
    "copy_on_model_validation": None,
    "keep_untouched": "ignored_types",
    "max_anystr_length": "str_max_length",
    "min_anystr_length": "str_min_length",
    "orm_mode": "from_attributes",
    "schema_extra": "json_schema_extra",
    "smart_union": None,
    "underscore_attrs_are_private": None,
    "validate_all": "validate_default",
}


def config_of(model: str, config: type) -> ConfigDict:
    """Give what an inner ``class Config`` says, in the words of either pydantic, as pydantic 2 takes it.

    Raises:
        ModelDeclarationError: It has a name that means nothing to pydantic 2.
    """
    options: dict[str, object] = {}
    for base in reversed(config.__mro__[:-1]):
        options |= {name: value for name, value in vars(base).items() if not name.startswith("__")}
    found: dict[str, object] = {}
    for name, value in options.items():
        if name == "allow_mutation":
            found["frozen"] = not value
        elif name in _RENAMED:
            found |= {new: value for new in [_RENAMED[name]] if new is not None}
            if _RENAMED[name] == "validate_by_name":
                found["validate_by_alias"] = True
        elif name in ConfigDict.__annotations__:
            found[name] = getattr(value, "value", value)  # Extra.allow was an enum
        else:
            raise ModelDeclarationError(
                model,
                f"Config.{name} means nothing to pydantic 2; see its ConfigDict, or Field for what one field needs",
            )
    return cast(ConfigDict, found)


class Pydantic1Model(BaseModel):
    """A pydantic 2 model that answers to the names of pydantic 1."""

    def dict(  # skip_defaults is a word more than pydantic 2 takes
        self,
        *,
        include: Names = None,
        exclude: Names = None,
        by_alias: bool = False,
        skip_defaults: bool | None = None,
        exclude_unset: bool = False,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
    ) -> Fields:
        """Give the fields and their values; nested models become dicts. ``skip_defaults`` is ``exclude_unset``."""
        return self.model_dump(
            include=cast(Any, include),
            exclude=cast(Any, exclude),
            by_alias=by_alias,
            exclude_unset=exclude_unset or bool(skip_defaults),
            exclude_defaults=exclude_defaults,
            exclude_none=exclude_none,
            warnings=False,  # pydantic 1 did not look at the values
        )

    def json(
        self,
        *,
        include: Names = None,
        exclude: Names = None,
        by_alias: bool = False,
        skip_defaults: bool | None = None,
        exclude_unset: bool = False,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        encoder: Callable[[Any], Any] | None = None,
        models_as_dict: bool = True,
        **dumps_kwargs: Any,
    ) -> str:
        """Give the fields as a JSON object, spaced as ``json.dumps`` does.

        Args:
            include, exclude, by_alias, skip_defaults, exclude_unset, exclude_defaults, exclude_none: As in ``dict``.
            encoder: Makes something JSON knows of a value that JSON does not; None takes pydantic's.
            models_as_dict: Whether nested models become dicts before the encoder sees them.
            dumps_kwargs: Of ``json.dumps``.
        """
        fields = self.dict(
            include=include,
            exclude=exclude,
            by_alias=by_alias,
            skip_defaults=skip_defaults,
            exclude_unset=exclude_unset,
            exclude_defaults=exclude_defaults,
            exclude_none=exclude_none,
        )
        if not models_as_dict:
            values = {_shown_as(self, name, by_alias): value for name, value in self}
            fields = {name: values.get(name, value) for name, value in fields.items()}
        return json.dumps(fields, default=encoder or _encoded, **dumps_kwargs)

    def copy(
        self, *, include: Names = None, exclude: Names = None, update: Fields | None = None, deep: bool = False
    ) -> Self:
        """Give a copy, which stands for no record; ``update`` is not validated."""
        copied = self.model_copy(deep=deep)
        kept = _chosen({*copied.__dict__, *(copied.__pydantic_extra__ or {})}, include, exclude)
        stored: list[Fields] = [vars(copied), copied.__pydantic_extra__ or {}]
        for values in stored:
            for name in [name for name in values if name not in kept]:
                del values[name]
        object.__setattr__(copied, "__pydantic_fields_set__", copied.__pydantic_fields_set__ & kept)
        return copied.model_copy(update=update)

    @classmethod
    def construct(cls, _fields_set: set[str] | None = None, **values: Any) -> Self:
        """Make an instance without validation; nothing is saved."""
        return cls.model_construct(_fields_set, **values)

    @classmethod
    def parse_obj(cls, obj: object) -> Self:
        """Make an instance of a mapping, by the constructor."""
        return cls(**cast("Mapping[str, Any]", obj)) if isinstance(obj, Mapping) else cls.model_validate(obj)

    @classmethod
    def parse_raw(
        cls,
        b: str | bytes,
        *,
        content_type: str | None = None,
        encoding: str = "utf8",
        proto: object = None,
        allow_pickle: bool = False,
    ) -> Self:
        """Make an instance of JSON text, by the constructor.

        Raises:
            ValidationError: It is not JSON, or not what the model accepts.
            TypeError: It is said to be a pickle, which can run any code: load it yourself, and use ``parse_obj``.
        """
        if proto not in (None, "json") or allow_pickle or (content_type is not None and "json" not in content_type):
            raise TypeError(f"{cls.__name__}.parse_raw reads JSON only; load it yourself and use parse_obj")
        text = b.decode(encoding) if isinstance(b, bytes) else b
        try:
            document = json.loads(text)
        except ValueError:
            return cls.model_validate_json(text)  # which says in pydantic's words what is wrong with it
        return cls.parse_obj(document)

    @classmethod
    def parse_file(
        cls,
        path: str | Path,
        *,
        content_type: str | None = None,
        encoding: str = "utf8",
        proto: object = None,
        allow_pickle: bool = False,
    ) -> Self:
        """Make an instance of a file of JSON, by the constructor; see ``parse_raw``."""
        return cls.parse_raw(
            Path(path).read_bytes(),
            content_type=content_type,
            encoding=encoding,
            proto=proto,
            allow_pickle=allow_pickle,
        )

    @classmethod
    def from_orm(cls, obj: object) -> Self:
        """Make an instance of an object's attributes; nothing is saved.

        Raises:
            PydanticUserError: The model's configuration does not allow it.
        """
        if not cls.model_config.get("from_attributes"):
            raise PydanticUserError(
                "You must set the config attribute `from_attributes=True` to use from_orm", code=None
            )
        return cls.model_validate(obj)

    @classmethod
    def validate(cls, value: object) -> Self:
        """Make an instance of a mapping, by the constructor; give a shallow copy of an instance."""
        return value.model_copy() if isinstance(value, cls) else cls.parse_obj(value)

    @classmethod
    def schema(cls, by_alias: bool = True, ref_template: str = _DEFINITIONS) -> Fields:
        """Give the JSON schema, nested models under ``definitions``."""
        schema = cls.model_json_schema(by_alias=by_alias, ref_template=ref_template)
        if "$defs" in schema:
            schema["definitions"] = schema.pop("$defs")
        return schema

    @classmethod
    def schema_json(cls, *, by_alias: bool = True, ref_template: str = _DEFINITIONS, **dumps_kwargs: Any) -> str:
        """Give the JSON schema as text."""
        return json.dumps(cls.schema(by_alias, ref_template), default=_encoded, **dumps_kwargs)

    @classmethod
    def update_forward_refs(cls, **localns: Any) -> None:
        """Look up names in annotations that were not there when the class was made."""
        cls.model_rebuild(force=True, _types_namespace=localns or None)


def _encoded(value: object) -> object:
    return value.dict() if isinstance(value, Pydantic1Model) else to_jsonable_python(value)


def _shown_as(model: BaseModel, name: str, by_alias: bool) -> str:
    info: pydantic.fields.FieldInfo | None = type(model).model_fields.get(name)
    return (info.serialization_alias or name) if by_alias and info is not None else name


def _chosen(names: set[str], include: Names, exclude: Names) -> set[str]:
    """Which of ``names`` stay; a field that is included or excluded in part stays."""
    wanted = names if include is None else names & {str(name) for name in include}
    if exclude is None:
        return wanted
    excluded = {name for name in exclude if not isinstance(exclude, Mapping) or cast(Any, exclude)[name] in (True, ...)}
    return wanted - cast("set[str]", excluded)
