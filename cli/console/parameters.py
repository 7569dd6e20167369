"""Parameters of commands: amounts of zero or more, and options of which at most one may be given."""

import math
from collections.abc import Mapping
from typing import Any, Final

import click

__all__ = ["MOST", "MOST_OF_A_NAME", "Amount", "refuse_contradictions"]

MOST: Final = 2**31 - 1  # of whatever a command counts
MOST_OF_A_NAME: Final = 100  # letters of --name


class Amount(click.FloatRange):
    """A number of zero to ``MOST``; not ``nan``, which no clock ever reaches."""

    name = "number"

    def __init__(self) -> None:
        super().__init__(min=0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it; click fails where it is none."""  # click takes any value here
        number = float(super().convert(value, param, ctx))
        if math.isnan(number) or number > MOST:
            self.fail(f"{value!r:.60} is no amount; say a number from 0 to {MOST}", param, ctx)
        return number


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
