"""The history of constraints: those of each model at each migration, and which are stricter. Pure."""

import ast
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

__all__ = ["DEFAULT", "NOTES", "STORED_AS", "ConstraintHistory", "Demands", "is_stricter", "what_is_stricter"]

# Constraints of a model by the path of a field, "" for the whole: ``{"name": {"max_length": "5"}}``.
Demands = Mapping[str, Mapping[str, str]]

# Facts about a field besides its constraints: its type in the code, if it differs from the migrations, and whether it
# has a default.
STORED_AS: Final = "stored_as"
DEFAULT: Final = "default"
NOTES: Final = frozenset([STORED_AS, DEFAULT])

_AT: Final = " @ "  # between a model and the last migration at which its constraints differed from those now
_SINCE: Final = "@"  # its entry names the first migration with known constraints
_NEW_APP: Final = "zero"
_AT_MOST: Final = ("max_length", "le", "lt", "max_digits", "decimal_places", "str_max_length")
_AT_LEAST: Final = ("min_length", "ge", "gt", "str_min_length")
# These change values and do not refuse any.
_HARMLESS: Final = (
    "coerce_numbers_to_str", "encoder", "regex_engine", "str_strip_whitespace", "str_to_lower", "str_to_upper",
)  # fmt: skip
_LOOSE: Final = {"allow_inf_nan": "True", "strict": "False"}


@dataclass(frozen=True)
class ConstraintHistory:
    """The constraints of an app's models over time.

    Attributes:
        document: The content of the file.
        code: Returns the constraints of the models in the code, which may differ.
    """

    document: Mapping[str, Demands]
    code: Callable[[], Mapping[str, Demands]] = field(default=dict[str, Demands], compare=False)

    @property
    def now(self) -> Mapping[str, Demands]:
        """The latest constraints of the file, by model."""
        return {name: demands for name, demands in self.document.items() if _SINCE not in name}

    def is_known(self, ids: Collection[str]) -> bool:
        """Whether the constraints are known for a chain of these migrations."""
        since = self.document.get(_SINCE, {}).get("", {}).get("since")
        return since == _NEW_APP or since in ids

    def at(self, model: str, ids: Sequence[str]) -> Demands | None:
        """Return the constraints of a model at a migration; None if they are not known.

        Args:
            model: Its name at that time.
            ids: That migration, and all after it.
        """
        changed = (self.document.get(f"{model}{_AT}{id}") for id in ids)
        return next((demands for demands in changed if demands is not None), self.document.get(model))

    def after(self, now: Mapping[str, Demands], ids: Sequence[str], new: Sequence[str]) -> "ConstraintHistory":
        """Return the history with new constraints.

        Args:
            now: The constraints now, by model.
            ids: The existing migrations, in order.
            new: The migrations that are created now.
        """
        known, kept = self.now, {name: demands for name, demands in self.document.items() if _AT in name}
        head = [*ids, *new][-1:]
        first = ids[-1:] if known and ids else head if ids else []
        since = self.document.get(_SINCE) or {"": {"since": (first or [_NEW_APP])[0]}}
        for before in ids[-1:] if new else ids[-2:-1]:  # up to there, the earlier constraints are valid
            changed = {f"{name}{_AT}{before}": demands for name, demands in known.items() if now.get(name) != demands}
            kept = {**changed, **kept}
        return ConstraintHistory({_SINCE: since, **kept, **now})


def is_stricter(name: str, old: str | None, new: str) -> bool:
    """Whether a constraint refuses more than before; ``old`` is None if there was none."""
    return what_is_stricter(name, old, new) is not None


def what_is_stricter(name: str, old: str | None, new: str) -> str | None:
    """Describe what is stricter; None if nothing is."""
    if (
        old == new
        or name in _HARMLESS
        or name in NOTES
        or (name in ("allow_inf_nan", "strict") and new == _LOOSE[name])
    ):
        return None
    is_named = " " in name  # a validator, a method
    if old is None:
        return f"the {name} is new" if is_named else f"{name}={_shown(new)} is new"
    if is_named:
        return f"the {name} changed"
    old_bound, new_bound = _number(old), _number(new)
    if (
        old_bound is not None
        and new_bound is not None
        and ((name in _AT_MOST and new_bound > old_bound) or (name in _AT_LEAST and new_bound < old_bound))
    ):
        return None
    return f"{name}={_shown(new)}, was {_shown(old)}"


def _shown(value: str) -> str:
    return value.removeprefix("Decimal(").removesuffix(")").strip("'")


def _number(text: str) -> float | None:
    try:
        return float(cast(str, ast.literal_eval(text.removeprefix("Decimal(").removesuffix(")"))))
    except (ValueError, SyntaxError, TypeError, RecursionError):
        return None
