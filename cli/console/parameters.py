"""Parameters of commands: amounts of zero or more, and options of which at most one may be given."""

import math
from collections.abc import Mapping
from typing import Any, Final

import click

__all__ = ["MOST", "MOST_OF_A_NAME", "Amount", "refuse_contradictions"]

MOST: Final = 2**31 - 1  # of anything that a command counts
MOST_OF_A_NAME: Final = 100  # letters of --name


class Amount(click.FloatRange):
    """A number from 0 to ``MOST``; not ``nan``."""

    name = "number"

    def __init__(self) -> None:
        super().__init__(min=0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the number; fail with click's error if it is not one."""  # click passes any value here
        number = float(super().convert(value, param, ctx))
        if math.isnan(number) or number > MOST:
            self.fail(f"{value!r:.60} is not a valid amount; use a number from 0 to {MOST}", param, ctx)
        return number


def refuse_contradictions(options: Mapping[str, bool]) -> None:
    """Refuse two options that contradict each other.

    Args:
        options: Whether each option was given, by its name; an empty name is ignored.

    Raises:
        click.UsageError: Two of them were given.
    """
    given = [name for name, is_given in options.items() if is_given and name]
    if len(given) > 1:
        raise click.UsageError(f"{given[0]} and {given[1]} cannot be combined; use one of them")
