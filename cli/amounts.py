"""Amounts on the command line: seconds and milliseconds, zero or more."""

import math
from typing import Any, Final

import click

__all__ = ["MOST", "Amount"]

MOST: Final = 2**31 - 1  # of whatever a command counts


class Amount(click.FloatRange):
    """A number of zero or more; not ``nan``, which no clock ever reaches."""

    name = "number"

    def __init__(self) -> None:
        super().__init__(min=0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it; click fails where it is none."""  # click takes any value here
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is no amount; say 0 or more", param, ctx)
        return number
