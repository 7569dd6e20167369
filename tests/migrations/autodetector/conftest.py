"""Two declarations of models, as a person writes them, and what the diff makes of them."""

import itertools
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, replace
from textwrap import dedent, indent

import pytest

from redis_models import Model
from redis_models.migrations.autodetector.answers import Answers, parse_answer
from redis_models.migrations.autodetector.diff import Diff, diff
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.chain.loaded_migration import LoadedMigration
from redis_models.migrations.operations import Operation
from redis_models.migrations.schema.from_models import snapshot_of
from redis_models.migrations.schema.snapshot import Snapshot

_HEAD = """
from collections import deque
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, Optional, Union
from uuid import UUID, uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, NaiveDatetime, PrivateAttr, computed_field, field_validator

from redis_models import AutoModel, Field, Model
"""
_NUMBERS = itertools.count()


def declared(source: str, version: int) -> Snapshot:
    """Give the schemas of the models that ``source`` declares; one without ``class`` is the body of a model A."""
    text = dedent(source).strip()
    if not any(line.startswith("class ") for line in text.splitlines()):
        text = f"class A(Model):\n    id: str = Field(primary_key=True)\n{indent(text, '    ')}\n"
    module = types.ModuleType(f"autodetector_{next(_NUMBERS)}")
    sys.modules[module.__name__] = module
    try:
        exec(compile(_HEAD + text, module.__name__, "exec"), module.__dict__)
        models = [
            var
            for var in vars(module).values()
            if isinstance(var, type) and issubclass(var, Model) and var.__module__ == module.__name__
        ]
        snapshot = snapshot_of(models)
    finally:
        del sys.modules[module.__name__]
    for model in snapshot.models:
        # The cases are about shapes; a version that is said is meant.
        snapshot = snapshot.with_model(model if model.version > 1 else replace(model, version=version))
    return snapshot


@dataclass(frozen=True)
class Case:
    """What the diff of two declarations came to.

    Attributes:
        old, new: The schemas.
        found: What lies between them.
    """

    old: Snapshot
    new: Snapshot
    found: Diff

    @property
    def operations(self) -> list[str]:
        """The operations, a line each."""
        return [operation.describe() for operation in self.found.operations]

    @property
    def questions(self) -> list[str]:
        """What is asked, and the flags that answer it."""
        return [question.line() for question in self.found.questions]


def compare(old: str, new: str, *flags: str) -> Case:
    """Compare two declarations; a flag is ``--rename A.b=c``. Without questions, the way must lead to the code."""
    before, after = declared(old, 1), declared(new, 2)
    models = {"shop": sorted({*before.by_name, *after.by_name})}
    answers = Answers()
    for flag in flags:
        option, text = flag.split(" ", 1)
        answers = answers.having(parse_answer(option, text, models)[1])
    found = diff(before, after, answers)
    if not found.questions:
        _check(before, after, answers, found)
    return Case(before, after, found)


def _check(before: Snapshot, after: Snapshot, answers: Answers, found: Diff) -> None:
    """Replay the operations as a file would; afterwards nothing is left to be found."""
    versions = {name: version for name, version in found.versions.items() if version > 1 or name not in before.by_name}
    first = LoadedMigration(
        1, "0001_a", "a", "a", None, {model.name: model.version for model in before.models}, (_creations(before)), ""
    )
    second = LoadedMigration(2, "0002_b", "b", "b", "a", versions, found.operations, "")
    reached = Chain("shop", (first, second)).snapshots[-1]
    again = diff(reached, after)
    assert not again.operations, [operation.describe() for operation in again.operations]
    assert not again.questions, [question.line() for question in again.questions]


def _creations(snapshot: Snapshot) -> tuple[Operation, ...]:
    return diff(Snapshot(), snapshot).operations


def same(old: str, new: str) -> bool:
    """Whether the diff finds nothing at all between two declarations of one version."""
    return diff(declared(old, 1), declared(new, 1)).is_empty


@pytest.fixture(name="compare")
def _compare() -> Callable[..., Case]:
    """Give what compares two declarations."""
    return compare


@pytest.fixture(name="same")
def _same() -> Callable[..., bool]:
    """Give what tells whether two declarations store the same."""
    return same
