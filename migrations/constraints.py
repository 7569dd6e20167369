"""Constraints: what models demanded when ``makemigrations`` ran, in a file beside the migrations; what is stricter.

``constraints.json`` tells what no migration tells, because it stores nothing differently: lengths, bounds, patterns,
validators. Without it nobody could tell a constraint that is new from one that all records came through.
"""

import ast
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from redis_models.errors import MigrationFileError
from redis_models.importing import shown_path

from .acceptance import Acceptance
from .files import replace_file

__all__ = ["Tightened", "read_constraints", "tightened_since", "write_constraints"]

_FILE: Final = "constraints.json"
_AT_MOST: Final = ("max_length", "le", "lt", "max_digits", "decimal_places", "str_max_length")
_AT_LEAST: Final = ("min_length", "ge", "gt", "str_min_length")
# What makes another value of one, and refuses none.
_HARMLESS: Final = (
    "coerce_numbers_to_str", "encoder", "regex_engine", "str_strip_whitespace", "str_to_lower", "str_to_upper",
)  # fmt: skip
_LOOSE: Final = {"allow_inf_nan": "True", "strict": "False"}
_MENDING: Final = ("before", "wrap", "plain")  # validators that may have made readable what was stored


@dataclass(frozen=True)
class Tightened:
    """A demand that a model did not make before.

    Attributes:
        model: Name of the model.
        path: Of the field; "" for the whole.
        what: What it demands, and what it did.
    """

    model: str
    path: str
    what: str

    @property
    def place(self) -> str:
        """Model and field."""
        return f"{self.model}.{self.path}" if self.path else self.model


def read_constraints(directory: Path) -> Mapping[str, Acceptance]:
    """Give what the models of an app demanded, by their names; nothing where that is not known."""
    try:
        document: object = json.loads((directory / _FILE).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}  # none yet; or a conflict of two branches, which the next one to be written ends
    return cast("Mapping[str, Acceptance]", document) if _is_sound(document) else {}


def write_constraints(directory: Path, told: Mapping[str, Acceptance]) -> None:
    """Keep what the models of an app demand, if that is news.

    Raises:
        MigrationFileError: The disk refuses.
    """
    if not directory.is_dir() or read_constraints(directory) == told:
        return
    try:
        replace_file(directory / _FILE, json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    except OSError as exc:
        raise MigrationFileError(shown_path(directory / _FILE), f"cannot be written: {exc.strerror}") from exc


def tightened_since(model: str, old: Acceptance, new: Acceptance) -> Iterator[Tightened]:
    """Give what a model demands now, and did not before.

    Args:
        model: Its name.
        old, new: What it demanded, and demands, of fields that records have already.
    """
    for path, rules in new.items():
        known = old.get(path, {})
        for name, value in rules.items():
            what = _stricter(name, known.get(name), value)
            # Fields that a model does not declare are never asked for, so that it can refuse none.
            if what is not None and (name, path) != ("extra", ""):
                yield Tightened(model, path, what)
    for path, rules in old.items():
        for name in rules:
            if name.split()[0] in _MENDING and name not in new.get(path, {}):
                yield Tightened(model, path, f"the {name} is gone")


def _stricter(name: str, old: str | None, new: str) -> str | None:
    """Say what is stricter, or None where nothing is."""
    if old == new or name in _HARMLESS or (name in ("allow_inf_nan", "strict") and new == _LOOSE[name]):
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


def _is_sound(document: object) -> bool:
    if not isinstance(document, dict):
        return False
    models = cast("dict[str, object]", document).values()
    return all(
        isinstance(paths, dict)
        and all(
            isinstance(rules, dict)
            and all(isinstance(value, str) for value in cast("dict[str, object]", rules).values())
            for rules in cast("dict[str, object]", paths).values()
        )
        for paths in models
    )
