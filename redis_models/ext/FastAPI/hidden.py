"""Fields with ``exclude=True``, which no answer shows: a request may set those only that the router was told of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic import AliasChoices, AliasPath, BaseModel, RootModel
from pydantic.fields import FieldInfo

from ...errors import ConfigurationError
from ...model import Model
from .failures import Place, unsettable

__all__ = ["HiddenFields", "alias_words", "is_named"]

_SEQUENCES = (list, tuple)


@dataclass(frozen=True)
class HiddenFields:
    """Which fields of a model a request may not set.

    Args:
        schema: The model.
        settable: Fields with ``exclude=True`` that it may set; those of nested models with dots: ``owner.secret``.
    """

    schema: type[Model]
    settable: frozenset[str]

    def __post_init__(self) -> None:
        hidden = {name for name, info in self.schema.model_fields.items() if info.exclude}
        for name in sorted(self.settable):
            if "." not in name and name not in hidden:
                raise ConfigurationError(
                    f"CRUDRouter: settable names {name!r}, but {self.schema.__name__} has no field {name!r} with"
                    " exclude=True; others can be set anyhow"
                )

    @property
    def names(self) -> list[str]:
        """Fields of the model itself that no request may set."""
        fields = self.schema.model_fields
        return [name for name, info in fields.items() if info.exclude and name not in self.settable]

    def check_creatable(self) -> None:
        """Refuse a router whose POST could never make a record.

        Raises:
            ConfigurationError: A field must be given, and cannot.
        """
        fields = self.schema.model_fields
        for name in self.names:
            if fields[name].is_required():
                raise ConfigurationError(
                    f"CRUDRouter: {self.schema.__name__}.{name} has exclude=True and no default, so that no POST could"
                    f" make a record; say settable=[{name!r}], give a create_schema, or say create_route=False"
                )

    def check(self, given: object, made: Model) -> None:
        """Refuse a body that names such a field, nested ones too.

        Args:
            given: The body as it came.
            made: What was made of it.

        Raises:
            RequestValidationError: 422, with each place.
        """
        if places := list(self._named(given, made, ("body",), "")):
            raise unsettable(places)

    def _named(self, given: object, made: object, place: Place, path: str) -> Iterator[Place]:
        if isinstance(made, RootModel):
            yield from self._named(given, cast(Any, made).root, place, path)
        elif isinstance(given, Mapping) and (fields := _fields(made)) is not None:
            for name, info in fields.items():
                yield from self._named_field(cast("Mapping[str, object]", given), made, name, info, place, path)
        elif isinstance(given, Mapping) and isinstance(made, Mapping):
            pairs = zip(
                cast("Mapping[Any, object]", given).items(), cast("Mapping[Any, object]", made).values(), strict=False
            )
            for (key, one), value in pairs:
                yield from self._named(one, value, (*place, str(key)), path)
        elif isinstance(given, _SEQUENCES) and isinstance(made, Sequence) and not isinstance(made, (str, bytes)):
            for number, (one, value) in enumerate(
                zip(cast("list[object]", given), cast("Sequence[object]", made), strict=False)
            ):
                yield from self._named(one, value, (*place, number), path)

    def _named_field(
        self, given: Mapping[str, object], made: object, name: str, info: FieldInfo, place: Place, path: str
    ) -> Iterator[Place]:
        dotted = f"{path}{name}"
        if info.exclude and dotted not in self.settable:
            if is_named(name, info, given):
                yield (*place, name)
            return
        for word in alias_words(name, info):
            if word in given:
                yield from self._named(given[word], getattr(made, name, None), (*place, word), f"{dotted}.")


def is_named(name: str, info: FieldInfo, given: Mapping[str, Any]) -> bool:
    """Whether a body says something of a field, by its name or by any alias."""
    given = given if isinstance(given, dict) else dict(given)
    missing = object()
    paths = [one for one in _choices(info) if isinstance(one, AliasPath)]
    words = {name, *(one for one in _choices(info) if isinstance(one, str))}
    return any(word in given for word in words) or any(_at(given, one.path, missing) is not missing for one in paths)


def alias_words(name: str, info: FieldInfo) -> set[str]:
    """Give the words at the top of a body that may speak of a field."""
    firsts = [one.path[0] if isinstance(one, AliasPath) else one for one in _choices(info)]
    return {name, *(one for one in firsts if isinstance(one, str))}


def _choices(info: FieldInfo) -> Sequence[str | AliasPath | None]:
    alias = info.validation_alias
    return alias.choices if isinstance(alias, AliasChoices) else [alias]


def _at(given: Any, path: Sequence[int | str], missing: object) -> object:
    for part in path:
        try:
            given = given[part]
        except (LookupError, TypeError):
            return missing
    return given


def _fields(made: object) -> Mapping[str, FieldInfo] | None:
    """Give the fields of an instance of a pydantic model or dataclass; None for anything else."""
    if isinstance(made, BaseModel):
        return type(made).model_fields
    found: object = getattr(type(made), "__pydantic_fields__", None)
    return cast("dict[str, FieldInfo]", found) if isinstance(found, dict) else None
