"""Value choices: values that may take the place of one that is gone, as answers and questions name them. Pure."""

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

from redis_models.errors import SchemaError

from ..schema.snapshot import Literal
from .answers import Answer

__all__ = ["chosen_value", "has_value", "likeliest"]


def has_value(values: Sequence[Literal], one: Literal) -> bool:
    """Whether a value is among others, in which 1 is not True."""
    return any(type(one) is type(other) and one == other for other in values)


def chosen_value(answer: Answer, text: str, choices: Sequence[Literal]) -> Literal:
    """Give the value that an answer names as text; ``SchemaError`` if there is none such."""
    for one in choices:
        if str(one) == text:
            return one
    raise SchemaError(f"{answer.flag()}: {text!r} is none of the values now: {', '.join(map(str, choices))}")


def likeliest(values: Iterable[Literal], gone: Literal) -> tuple[str, ...]:
    """Give values as text, those first that look most like the one that is gone."""
    name = str(gone).lower()
    matcher = [(SequenceMatcher(None, str(one).lower(), name, autojunk=False).ratio(), str(one)) for one in values]
    return tuple(text for _, text in sorted(matcher, key=lambda pair: -pair[0]))
