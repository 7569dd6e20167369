"""The history of constraints: what models demanded while each migration was the last; which is stricter. Pure."""

import ast
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

__all__ = ["DEFAULT", "NOTES", "STORED_AS", "ConstraintHistory", "Demands", "is_stricter", "what_is_stricter"]

# What a model demands, by the path of a field, "" for the whole: ``{"name": {"max_length": "5"}}``.
Demands = Mapping[str, Mapping[str, str]]

# What is noted of a field beside its constraints: the type that the code has, where the migrations do not tell all of
# it, and whether reading can do without a value.
STORED_AS: Final = "stored_as"
DEFAULT: Final = "default"
NOTES: Final = frozenset([STORED_AS, DEFAULT])

_AT: Final = " @ "  # between a model and the migration behind which it demanded something else than now
_SINCE: Final = "@"  # has the first migration behind which it is known what models demanded
_NEW_APP: Final = "zero"
_AT_MOST: Final = ("max_length", "le", "lt", "max_digits", "decimal_places", "str_max_length")
_AT_LEAST: Final = ("min_length", "ge", "gt", "str_min_length")
# What makes another value of one, and refuses none.
_HARMLESS: Final = (
    "coerce_numbers_to_str", "encoder", "regex_engine", "str_strip_whitespace", "str_to_lower", "str_to_upper",
)  # fmt: skip
_LOOSE: Final = {"allow_inf_nan": "True", "strict": "False"}


@dataclass(frozen=True)
class ConstraintHistory:
    """What the models of an app demanded, and when.

    Attributes:
        told: The content of the file.
        code: Gives what the models of the code demand, which may be more, or less, by now.
    """

    told: Mapping[str, Demands]
    code: Callable[[], Mapping[str, Demands]] = field(default=dict[str, Demands], compare=False)

    @property
    def now(self) -> Mapping[str, Demands]:
        """What the models demand, by their names, as far as that is known."""
        return {name: one for name, one in self.told.items() if _SINCE not in name}

    def is_known(self, ids: Collection[str]) -> bool:
        """Whether it was noted what models demanded while there were these migrations."""
        since = self.told.get(_SINCE, {}).get("", {}).get("since")
        return since == _NEW_APP or since in ids

    def at(self, model: str, ids: Sequence[str]) -> Demands | None:
        """Give what a model demanded when the first of some migrations was the last; None where that is not known.

        Args:
            model: Its name at that time.
            ids: That migration, and all that came after it.
        """
        changed = (self.told.get(f"{model}{_AT}{id}") for id in ids)
        return next((one for one in changed if one is not None), self.told.get(model))

    def after(self, told: Mapping[str, Demands], ids: Sequence[str], new: Sequence[str]) -> "ConstraintHistory":
        """Give the history with what models demand now.

        Args:
            told: That.
            ids: The migrations before this, in order.
            new: Those that are made now.
        """
        known, kept = self.now, {name: one for name, one in self.told.items() if _AT in name}
        head = [*ids, *new][-1:]
        first = ids[-1:] if known and ids else head if ids else []
        since = self.told.get(_SINCE) or {"": {"since": (first or [_NEW_APP])[0]}}
        for before in ids[-1:] if new else ids[-2:-1]:  # up to there, what was demanded stays true
            changed = {f"{name}{_AT}{before}": one for name, one in known.items() if told.get(name) != one}
            kept = {**changed, **kept}
        return ConstraintHistory({_SINCE: since, **kept, **told})


def is_stricter(name: str, old: str | None, new: str) -> bool:
    """Whether a rule refuses what it did not before; ``old`` is None where there was none."""
    return what_is_stricter(name, old, new) is not None


def what_is_stricter(name: str, old: str | None, new: str) -> str | None:
    """Say what is stricter, or None where nothing is."""
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
        return f"the {name} is another one"
    one, other = _number(old), _number(new)
    if (
        one is not None
        and other is not None
        and ((name in _AT_MOST and other > one) or (name in _AT_LEAST and other < one))
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
