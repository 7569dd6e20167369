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
            _score(gone, one) + nearness.get(one.name, 0.0) * _OF_POSITION,
            Candidate(one.name, one.type, _alike(gone.name, one.name)),
        )
        for one in new
    ]
    return tuple(candidate for _, candidate in sorted(scored, key=lambda pair: (-pair[0], pair[1].name)))


def _score(gone: FieldSchema, one: FieldSchema) -> float:
    hinted = 2.0 if one.renamed_from == gone.name else 0.0
    if one.type == gone.type:
        typed = 1.0
    else:
        typed = 0.75 if one.type.removesuffix(_OPTIONAL) == gone.type.removesuffix(_OPTIONAL) else 0.0
    return hinted + typed / 2 + _alike(gone.name, one.name) / 2


def _alike(one: str, other: str) -> float:
    one, other = (name.rpartition(".")[2].lower() for name in (one, other))
    return round(SequenceMatcher(None, one, other, autojunk=False).ratio(), 2)


def model_candidates(gone: ModelSchema, new: Sequence[ModelSchema]) -> tuple[Candidate, ...]:
    """Sort new models by how likely each is the renamed model ``gone``: by shared fields, then by name."""
    scored = [(_shared(gone, one), _alike(gone.name, one.name), one.name) for one in new]
    scored.sort(key=lambda one: (-one[0], -one[1], one[2]))
    return tuple(Candidate(name, "", max(shared, alike)) for shared, alike, name in scored)


def _shared(one: ModelSchema, other: ModelSchema) -> float:
    mine, theirs = set(one.fields), set(other.fields)
    return round(len(mine & theirs) / len(mine | theirs), 2)


def has_value(values: Sequence[Literal], one: Literal) -> bool:
    """Whether a value is among others; 1 does not equal True."""
    return any(type(one) is type(other) and one == other for other in values)


def chosen_value(answer: Answer, text: str, choices: Sequence[Literal]) -> Literal:
    """Return the value that an answer names as text; ``SchemaError`` if there is no such value."""
    for one in choices:
        if str(one) == text:
            return one
    raise SchemaError(f"{answer.flag()}: {text!r} is not one of the values now: {', '.join(map(str, choices))}")


def likeliest(values: Iterable[Literal], gone: Literal) -> tuple[str, ...]:
    """Return values as text, most similar to the removed value first."""
    name = str(gone).lower()
    matcher = [(SequenceMatcher(None, str(one).lower(), name, autojunk=False).ratio(), str(one)) for one in values]
    return tuple(text for _, text in sorted(matcher, key=lambda pair: -pair[0]))
