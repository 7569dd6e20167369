"""Candidates for a removed field, model or value, sorted by likelihood. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from types import MappingProxyType
from typing import Final

from redis_models.errors import SchemaError

from ..schema.snapshot import FieldSchema, Literal, ModelSchema
from .answers import Answer

__all__ = ["Candidate", "chosen_value", "field_candidates", "has_value", "likeliest", "model_candidates"]

_OPTIONAL: Final = " | None"
_OF_POSITION: Final = 0.25  # besides 1/2 each for type and name


@dataclass(frozen=True)
class Candidate:
    """A possible new name of a removed field or model.

    Attributes:
        name: The new name.
        type: Canonical text of a field's type; "" for a model.
        similarity: 0 to 1: of the names of fields, or of the stored fields of models.
    """

    name: str
    type: str
    similarity: float

    def __str__(self) -> str:
        return f"{self.name} ({self.similarity:.2f})"


def field_candidates(
    gone: FieldSchema, new: Iterable[FieldSchema], nearness: Mapping[str, float] = MappingProxyType({})
) -> tuple[Candidate, ...]:
    """Sort new fields by how likely each is the renamed field ``gone``: by hint, type and name, then position.

    Args:
        gone: The removed field.
        new: The candidates. Paths compare by their last part: ``zip`` may be ``address.zip`` now.
        nearness: How near each is to the place of ``gone``, 0 to 1, by name. It decides between similar candidates.
    """
    scored = [
        (
            _score(gone, field) + nearness.get(field.name, 0.0) * _OF_POSITION,
            Candidate(field.name, field.type, _alike(gone.name, field.name)),
        )
        for field in new
    ]
    return tuple(candidate for _, candidate in sorted(scored, key=lambda pair: (-pair[0], pair[1].name)))


def _score(gone: FieldSchema, field: FieldSchema) -> float:
    hinted = 2.0 if field.renamed_from == gone.name else 0.0
    if field.type == gone.type:
        typed = 1.0
    else:
        typed = 0.75 if field.type.removesuffix(_OPTIONAL) == gone.type.removesuffix(_OPTIONAL) else 0.0
    return hinted + typed / 2 + _alike(gone.name, field.name) / 2


def _alike(left: str, right: str) -> float:
    left, right = (name.rpartition(".")[2].lower() for name in (left, right))
    return round(SequenceMatcher(None, left, right, autojunk=False).ratio(), 2)


def model_candidates(gone: ModelSchema, new: Sequence[ModelSchema]) -> tuple[Candidate, ...]:
    """Sort new models by how likely each is the renamed model ``gone``: by shared fields, then by name."""
    scored = [(_shared(gone, model), _alike(gone.name, model.name), model.name) for model in new]
    scored.sort(key=lambda entry: (-entry[0], -entry[1], entry[2]))
    return tuple(Candidate(name, "", max(shared, alike)) for shared, alike, name in scored)


def _shared(left: ModelSchema, right: ModelSchema) -> float:
    mine, theirs = set(left.fields), set(right.fields)
    return round(len(mine & theirs) / len(mine | theirs), 2)


def has_value(values: Sequence[Literal], value: Literal) -> bool:
    """Whether a value is among others; 1 does not equal True."""
    return any(type(value) is type(other) and value == other for other in values)


def chosen_value(answer: Answer, text: str, choices: Sequence[Literal]) -> Literal:
    """Return the value that an answer names as text; ``SchemaError`` if there is no such value."""
    for choice in choices:
        if str(choice) == text:
            return choice
    raise SchemaError(f"{answer.flag()}: {text!r} is not one of the values now: {', '.join(map(str, choices))}")


def likeliest(values: Iterable[Literal], gone: Literal) -> tuple[str, ...]:
    """Return values as text, most similar to the removed value first."""
    name = str(gone).lower()
    matcher = [
        (SequenceMatcher(None, str(value).lower(), name, autojunk=False).ratio(), str(value)) for value in values
    ]
    return tuple(text for _, text in sorted(matcher, key=lambda pair: -pair[0]))
