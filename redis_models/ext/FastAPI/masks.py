"""Secrets in bodies: what answers show in the place of a secret is no secret that anybody would want to store. Pure."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from ...encoding.equality import is_same
from ...encoding.secrets import SECRETS
from .body_parts import inner_parts
from .http_errors import Place, invalid_places

__all__ = ["check_masks", "is_mask", "is_masked"]


def is_mask(secret: Any) -> bool:
    """Whether a secret is only what answers show of it."""
    value: object = secret.get_secret_value()
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    return bool(text) and text == str(secret)


def is_masked(made: BaseModel) -> bool:
    """Whether there is such a secret in what a body made."""
    return next(_masked(made, ()), None) is not None


def check_masks(made: BaseModel, stored: BaseModel | None = None) -> None:
    """Refuse a record with secrets that are only what answers show in their place, such as ten asterisks.

    Args:
        made: What a body made.
        stored: The record that it replaces, whose own secrets may be anything.

    Raises:
        RequestValidationError: 422, with each place.
    """
    for name, value in made.__dict__.items():
        if stored is None or not is_same(value, stored.__dict__.get(name)):
            places = list(_masked(value, ("body", name)))
            if places:
                raise invalid_places(places, "is what answers show in the place of a secret; give the secret itself")


def _masked(made: object, place: Place) -> Iterator[Place]:
    if isinstance(made, SECRETS):
        if is_mask(made):
            yield place
        return
    for name, value, _ in inner_parts(made):
        yield from _masked(value, (*place, name))
