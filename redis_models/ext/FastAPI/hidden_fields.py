"""Fields with ``exclude=True``, which answers never show: requests may set only those that are ``settable``."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from pydantic import RootModel, TypeAdapter
from pydantic.fields import FieldInfo

from ...encoding.secrets import holds_secret, schema_nodes
from ...errors import ConfigurationError
from ...model.model import Model
from .body_parts import alias_words, fields_of, is_named
from .http_errors import Place, invalid_places

__all__ = ["HiddenFields"]

_SEQUENCES = (list, tuple)
_EXCLUDED = ("serialization_exclude", "serialization_exclude_if")


@dataclass(frozen=True)
class HiddenFields:
    """Which fields of a model a request may not set.

    Args:
        schema: The model.
        settable: Fields with ``exclude=True`` that requests may set; nested ones with dots, ``owner.secret``.
    """

    schema: type[Model]
    settable: frozenset[str]

    def __post_init__(self) -> None:
        hidden = {name for name, info in self.schema.model_fields.items() if info.exclude}
        for name in sorted(self.settable):
            if "." not in name and name not in hidden:
                raise ConfigurationError(
                    f"CRUDRouter: settable names {name!r}, but {self.schema.__name__} has no field {name!r} with"
                    " exclude=True; remove it, because requests may set every other field"
                )

    @property
    def names(self) -> list[str]:
        """Fields of the model itself that no request may set."""
        fields = self.schema.model_fields
        return [name for name, info in fields.items() if info.exclude and name not in self.settable]

    @cached_property
    def hides(self) -> bool:
        """Whether the model has a field, at any depth, that answers do not show."""
        return any(any(node.get(option) for option in _EXCLUDED) for node in schema_nodes(self._core_schema))

    @cached_property
    def holds_secret(self) -> bool:
        """Whether a record may contain a secret."""
        return holds_secret(self._core_schema)

    @cached_property
    def _core_schema(self) -> object:
        return TypeAdapter(self.schema).core_schema

    def check_creatable(self) -> None:
        """Refuse a router whose POST could never make a record.

        Raises:
            ConfigurationError: A required field must not be set by requests.
        """
        fields = self.schema.model_fields
        for name in self.names:
            if fields[name].is_required():
                raise ConfigurationError(
                    f"CRUDRouter: {self.schema.__name__}.{name} has exclude=True and no default, so that no POST could"
                    f" make a record; pass settable=[{name!r}], a create_schema, or create_route=False"
                )

    def check(self, received: object, parsed: Model) -> None:
        """Refuse a body that contains such a field, at any depth.

        Args:
            received: The body of the request.
            parsed: The record that was made from it.

        Raises:
            RequestValidationError: 422, with each place.
        """
        if places := list(self._named(received, parsed, ("body",), "")):
            raise invalid_places(places, "cannot be set by a request")

    def _named(self, received: object, parsed: object, place: Place, path: str) -> Iterator[Place]:
        if isinstance(parsed, RootModel):
            yield from self._named(received, cast(Any, parsed).root, place, path)
        elif isinstance(received, Mapping) and (fields := fields_of(parsed)) is not None:
            for name, info in fields.items():
                yield from self._named_field(cast("Mapping[str, object]", received), parsed, name, info, place, path)
        elif isinstance(received, Mapping) and isinstance(parsed, Mapping):
            pairs = zip(
                cast("Mapping[Any, object]", received).items(),
                cast("Mapping[Any, object]", parsed).values(),
                strict=False,
            )
            for (key, part), value in pairs:
                yield from self._named(part, value, (*place, str(key)), path)
        elif isinstance(received, _SEQUENCES) and isinstance(parsed, Sequence) and not isinstance(parsed, (str, bytes)):
            for number, (part, value) in enumerate(
                zip(cast("list[object]", received), cast("Sequence[object]", parsed), strict=False)
            ):
                yield from self._named(part, value, (*place, number), path)

    def _named_field(
        self, received: Mapping[str, object], parsed: object, name: str, info: FieldInfo, place: Place, path: str
    ) -> Iterator[Place]:
        dotted = f"{path}{name}"
        if info.exclude and dotted not in self.settable:
            if is_named(name, info, received):
                yield (*place, name)
            return
        for word in alias_words(name, info):
            if word in received:
                yield from self._named(received[word], getattr(parsed, name, None), (*place, word), f"{dotted}.")
