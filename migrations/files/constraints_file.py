"""The file ``constraints.json`` beside the migrations: constraints of the models when ``makemigrations`` ran.

It has what migrations do not have, because it does not change what is stored: lengths, bounds, patterns, validators,
new members of enums, defaults. It shows which constraints are new, so that stored records may violate them, and which
constraints older code has. Present constraints are stored by the name of the model; earlier ones by its name and the id
of the last migration at which they were valid.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from redis_models.errors import MigrationFileError
from redis_models.project.imports import shown_path

from ..constraints.history import ConstraintHistory, what_is_stricter
from .loader import replace_file
from .model_constraints import Constraints

__all__ = [
    "Tightened",
    "read_constraints",
    "read_history",
    "tightened_since",
    "write_constraints",
]

_FILE: Final = "constraints.json"
_MENDING: Final = ("before", "wrap", "plain")  # validators that may have converted stored values


@dataclass(frozen=True)
class Tightened:
    """A constraint that is stricter than before.

    Attributes:
        model: Name of the model.
        path: The field; "" for the whole model.
        what: Description of the constraint now and before.
    """

    model: str
    path: str
    what: str

    @property
    def place(self) -> str:
        """Model and field."""
        return f"{self.model}.{self.path}" if self.path else self.model


def read_history(directory: Path) -> ConstraintHistory:
    """Read the history of constraints of an app; empty if it is not known."""
    try:
        document: object = json.loads((directory / _FILE).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        document = {}  # no file yet, or a conflict of two branches, which the next write resolves
    return ConstraintHistory(cast("Mapping[str, Constraints]", document) if _is_sound(document) else {})


def read_constraints(directory: Path) -> Mapping[str, Constraints]:
    """Read the latest constraints of an app's models, by name; empty if they are not known."""
    return read_history(directory).now


def write_constraints(directory: Path, history: ConstraintHistory) -> None:
    """Write the constraints of an app's models if they changed.

    Raises:
        MigrationFileError: The file cannot be written.
    """
    if not directory.is_dir() or read_history(directory) == history:
        return
    try:
        text = json.dumps(history.document, indent=1, sort_keys=True, ensure_ascii=False)
        replace_file(directory / _FILE, f"{text}\n")
    except OSError as exc:
        raise MigrationFileError(shown_path(directory / _FILE), f"cannot be written: {exc.strerror}") from exc


def tightened_since(model: str, old: Constraints, new: Constraints) -> Iterator[Tightened]:
    """Return the constraints of a model that are stricter than before.

    Args:
        model: Its name.
        old, new: Constraints of existing fields before and now.
    """
    for path, rules in new.items():
        known = old.get(path, {})
        for name, value in rules.items():
            what = what_is_stricter(name, known.get(name), value)
            # A model does not read fields that it does not declare, so it cannot refuse them.
            if what is not None and (name, path) != ("extra", ""):
                yield Tightened(model, path, what)
    for path, rules in old.items():
        for name in rules:
            if name.split()[0] in _MENDING and name not in new.get(path, {}):
                yield Tightened(model, path, f"the {name} was removed")


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
