"""Contradictions: options of which one at most may be said. Pure."""

from collections.abc import Mapping

import click

__all__ = ["refuse_contradictions"]


def refuse_contradictions(said: Mapping[str, bool]) -> None:
    """Refuse two things said at once that each want something else.

    Args:
        said: Whether it is said, by option; what has no name is passed over.

    Raises:
        click.UsageError: Two of them are.
    """
    found = [name for name, is_said in said.items() if is_said and name]
    if len(found) > 1:
        raise click.UsageError(f"{found[0]} and {found[1]} contradict each other; say one of them")
