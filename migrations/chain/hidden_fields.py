"""Fields whose values must not be shown, from the models of the code. Pure.

Migration files know secrets by the text of types. Only the classes know ``hide_input_in_errors`` and secret extra
fields, so a chain gets these when it is loaded. They are not stored, and are not part of checksums.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from redis_models.mapping.mapper import Mapper
from redis_models.mapping.stored_field import STAMP

__all__ = ["NOTHING_HIDDEN", "Hidden", "HiddenFields", "hidden_by"]


@dataclass(frozen=True)
class Hidden:
    """The fields of one model whose values must not be shown.

    Attributes:
        names: Stored fields.
        visible: If not None, only these may be shown.
    """

    names: frozenset[str] = frozenset()
    visible: frozenset[str] | None = None

    def __bool__(self) -> bool:
        return bool(self.names) or self.visible is not None

    def __contains__(self, name: str) -> bool:
        return name in self.names or (self.visible is not None and name not in (*self.visible, STAMP, ""))

    def __or__(self, other: "Hidden") -> "Hidden":
        if self.visible is None or other.visible is None:
            visible = other.visible if self.visible is None else self.visible
        else:
            visible = self.visible & other.visible
        return Hidden(self.names | other.names, visible)


NOTHING_HIDDEN: Final = Hidden()


@dataclass(frozen=True)
class HiddenFields:
    """The hidden fields that concern one app.

    Attributes:
        by_name: By the names of the app's models.
        by_start: By the beginning of keys, of the models of all apps, because records may belong to another app now.
    """

    by_name: Mapping[str, Hidden]
    by_start: Mapping[str, Hidden]

    def of(self, name: str | None, starts: Iterable[str]) -> Hidden:
        """Return the hidden fields of records.

        Args:
            name: Their model at the end of the chain; None if it is deleted there.
            starts: The beginnings of all keys that they have or had.
        """
        found = NOTHING_HIDDEN if name is None else self.by_name.get(name, NOTHING_HIDDEN)
        for start in starts:
            found |= self.by_start.get(start, NOTHING_HIDDEN)
        return found


def hidden_by(mapper: Mapper[Any]) -> Hidden:
    """Return the hidden fields of a model of the code."""
    if mapper.model.model_config.get("hide_input_in_errors"):
        return Hidden(visible=frozenset())
    names = frozenset(name for name in mapper.names if mapper.conceals(name))
    has_secret_extras = mapper.extras is not None and mapper.extras.holds_secret
    return Hidden(names, frozenset(mapper.names) - names if has_secret_extras else None)
