"""Given answers about one model, as the diff takes them: each once, and it tells which fitted nothing. Pure."""

from dataclasses import dataclass, field
from typing import TypeVar

from redis_models.errors import SchemaError

from .answers import (
    Answer,
    Answers,
    ComputeAnswer,
    DropAnswer,
    ExtraAnswer,
    FillAnswer,
    MapAnswer,
    RenameAnswer,
    ZoneAnswer,
)

__all__ = ["AnswerTracker"]

OfField = RenameAnswer | DropAnswer | FillAnswer | ComputeAnswer | MapAnswer | ZoneAnswer | ExtraAnswer
A = TypeVar("A", RenameAnswer, DropAnswer, FillAnswer, ComputeAnswer, MapAnswer, ZoneAnswer, ExtraAnswer)


@dataclass
class AnswerTracker:
    """The answers about one model. Notes those that were used; belongs to one diff.

    Args:
        answers: All that were given.
        model: Name of the model, as the code has it.

    Raises:
        SchemaError: Two of them contradict each other.
    """

    answers: Answers
    model: str
    _used: list[Answer] = field(default_factory=list[Answer])

    def __post_init__(self) -> None:
        seen: dict[tuple[str, str], Answer] = {}
        for one in self.answers.given:
            if one.model != self.model:
                continue
            if isinstance(one, (FillAnswer, ComputeAnswer)):
                place = (one.field, "")
            elif isinstance(one, ExtraAnswer):
                place = (one.field, "extra of")
            elif isinstance(one, MapAnswer):
                place = (one.field, one.old)
            else:
                continue
            other = seen.setdefault(place, one)
            if other != one:
                raise SchemaError(f"{one.flag()} contradicts {other.flag()}; give one of them")

    def consume(self, kind: type[A], name: str) -> A | None:
        """Give the answer of a kind about a field, or None; it is used by that."""
        found = self.all(kind, name)
        if found:
            self.mark_used(found[0])
        return found[0] if found else None

    def all(self, kind: type[A], name: str) -> list[A]:
        """Give the answers of a kind about a field."""
        return [one for one in self.answers.of(kind, self.model) if _field_of(one) == name]

    def mark_used(self, answer: Answer) -> None:
        """Note that an answer was used."""
        self._used.append(answer)

    def mark_used_inside(self, path: str) -> None:
        """Note that the answers about parts of a field are of use, if only because it is converted as a whole."""
        for one in self.answers.given:
            place = one.old if isinstance(one, RenameAnswer) else getattr(one, "field", None)
            if one.model == self.model and isinstance(place, str) and place.startswith(f"{path}."):
                self.mark_used(one)

    def refuse_unused(self) -> None:
        """Refuse answers that were of no use.

        Raises:
            SchemaError: There is one; it names the flag.
        """
        for kind, why in _WHY.items():
            for one in self.answers.of(kind, self.model):
                if one not in self._used:
                    raise SchemaError(f"{one.flag()} matches nothing: {why.format(model=self.model, field=one.field)}")
        for part in self.answers.given:
            if part.model != self.model or not isinstance(part, (RenameAnswer, DropAnswer)) or part in self._used:
                continue
            place = _field_of(part) or ""
            if "." in place:  # whole fields are matched, and refused, as a whole
                raise SchemaError(f"{part.flag()} matches nothing: {self.model}.{place} is not gone")


_WHY: dict[type[FillAnswer] | type[ComputeAnswer] | type[MapAnswer] | type[ZoneAnswer] | type[ExtraAnswer], str] = {
    FillAnswer: "{field!r} is no new field of {model}, and may be None as before",
    ComputeAnswer: "{field!r} is neither new nor of another type in {model}",
    MapAnswer: "{model}.{field} lost no such value",
    ZoneAnswer: "{model}.{field} got no time zone",
    ExtraAnswer: "{field!r} is no new field of {model} with one value for all, or the model takes no extra fields",
}


def _field_of(one: OfField) -> str | None:
    return one.old if isinstance(one, RenameAnswer) else one.field
