"""Runs with workers, and retries, broken on purpose; see ``mutants``."""

import inspect
import textwrap
from collections.abc import Mapping
from typing import Any, Final

import pytest

from redis_models.migrations import crew, passes, replacing, retrying

from .mutants import _FENCE_IF_ANY, Breaks, Mutant, _edited


def recoded(owner: Any, name: str, old: str, new: str) -> Breaks:
    """Give other text to a place of a Python function, or of a method of a class."""

    def break_it(patch: pytest.MonkeyPatch) -> None:
        function: Any = getattr(owner, name)
        source = textwrap.dedent(inspect.getsource(function))
        assert old in source, f"{name} has no {old!r} any more; break it elsewhere"
        made: dict[str, Any] = {}
        exec(compile(source.replace(old, new), "mutant", "exec", 0x1000000), function.__globals__, made)
        patch.setattr(owner, name, made[name])

    return break_it


MUTANTS: Final[Mapping[str, Mutant]] = {
    "a member that ended is passed over": Mutant(
        recoded(crew.Crew, "_awaited", "raise _ended(exc) from exc", "return Outcome()"),
        "dead members",
        "the journal is at|says that all is at",
    ),
    "pages are turned before their shares": Mutant(
        recoded(
            passes.Runner,
            "_walk",
            "if dealt and following is not None:",
            "if False:",
        ),
        "slow members",
        "the journal is at",
    ),
    "members without a fence": Mutant(
        _edited(replacing, "_REPLACE", _FENCE_IF_ANY), "orphans", "without a lease, changed records"
    ),
    "retried records leave the quarantine whatever comes of it": Mutant(
        recoded(retrying, "_retry", "if outcome.failures:", "if False:"), "retries", "out of quarantine"
    ),
}
