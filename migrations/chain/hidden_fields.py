"""Hidden fields: what a model of the code does not let be shown, which no migration file says. Pure.

Files know secrets by the texts of types. That a model, or one within a field, says ``hide_input_in_errors``, or that
its extra fields are secret, only the classes know, so a chain is told by them when it is loaded. Nothing of it is
stored, and no checksum has it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from redis_models.mapping.mapper import Mapper
from redis_models.mapping.stored_field import STAMP

if TYPE_CHECKING:
    pass

__all__ = ["NOTHING_HIDDEN", "Hidden", "HiddenFields", "hidden_by"]


@dataclass(frozen=True)
class Hidden:
    """What of the records of one model must not be shown.

    Attributes:
        names: Stored fields.
        told: The only ones that may be; None where all others may.
    """

    names: frozenset[str] = frozenset()
    told: frozenset[str] | None = None

    def __bool__(self) -> bool:
        return bool(self.names) or self.told is not None

    def __contains__(self, name: str) -> bool:
        return name in self.names or (self.told is not None and name not in (*self.told, STAMP, ""))

    def __or__(self, other: "Hidden") -> "Hidden":
        told = self.told if other.told is None else other.told if self.told is None else self.told & other.told
        return Hidden(self.names | other.names, told)


NOTHING_HIDDEN: Final = Hidden()


@dataclass(frozen=True)
class HiddenFields:
    """What the models of the code hide, as far as one app is concerned.

    Attributes:
        by_name: By the names of the app's models.
        by_start: By the beginning of keys, of the models of all apps: records may be somebody else's by now.
    """

    by_name: Mapping[str, Hidden]
    by_start: Mapping[str, Hidden]

    def of(self, name: str | None, starts: Iterable[str]) -> Hidden:
        """Give what is hidden of records.

        Args:
            name: Of their model where the files end; None where it is deleted there.
            starts: The beginnings of all keys that they have or had.
        """
        found = NOTHING_HIDDEN if name is None else self.by_name.get(name, NOTHING_HIDDEN)
        for start in starts:
            found |= self.by_start.get(start, NOTHING_HIDDEN)
        return found


def hidden_by(shape: Mapper[Any]) -> Hidden:
    """Give what a model of the code hides."""
    if shape.model.model_config.get("hide_input_in_errors"):
        return Hidden(told=frozenset())
    names = frozenset(name for name in shape.names if shape.conceals(name))
    has_secret_extras = shape.extras is not None and shape.extras.holds_secret
    return Hidden(names, frozenset(shape.names) - names if has_secret_extras else None)
