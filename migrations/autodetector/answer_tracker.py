"""The tracker of answers about one model: it knows which ones the diff used, and refuses the others. Pure."""

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
    """The answers about one model, and which of them were used. One diff uses it.

    Args:
        answers: All answers about the app.
        model: Name of the model in the code.

    Raises:
        SchemaError: Two of them contradict each other.
    """

    answers: Answers
    model: str
    _used: list[Answer] = field(default_factory=list[Answer])

    def __post_init__(self) -> None:
        seen: dict[tuple[str, str], Answer] = {}
        for answer in self.answers.given:
            if answer.model != self.model:
                continue
            if isinstance(answer, (FillAnswer, ComputeAnswer)):
                place = (answer.field, "")
            elif isinstance(answer, ExtraAnswer):
                place = (answer.field, "extra of")
            elif isinstance(answer, MapAnswer):
                place = (answer.field, answer.old)
            else:
                continue
            other = seen.setdefault(place, answer)
            if other != answer:
                raise SchemaError(f"{answer.flag()} contradicts {other.flag()}; give one of them")

    def consume(self, kind: type[A], name: str) -> A | None:
        """Return the answer of a kind about a field and mark it as used; None if there is none."""
        found = self.all(kind, name)
        if found:
            self.mark_used(found[0])
        return found[0] if found else None

    def all(self, kind: type[A], name: str) -> list[A]:
        """Return the answers of a kind about a field."""
        return [answer for answer in self.answers.of(kind, self.model) if _field_of(answer) == name]

    def mark_used(self, answer: Answer) -> None:
        """Mark an answer as used."""
        self._used.append(answer)

    def mark_used_inside(self, path: str) -> None:
        """Mark the answers about parts of a field as used, because the whole field is converted."""
        for answer in self.answers.given:
            place = answer.old if isinstance(answer, RenameAnswer) else getattr(answer, "field", None)
            if answer.model == self.model and isinstance(place, str) and place.startswith(f"{path}."):
                self.mark_used(answer)

    def refuse_unused(self) -> None:
        """Refuse answers that were not used.

        Raises:
            SchemaError: An answer was not used; the message names its flag.
        """
        for kind, why in _WHY.items():
            for answer in self.answers.of(kind, self.model):
                if answer not in self._used:
                    raise SchemaError(
                        f"{answer.flag()} matches nothing: {why.format(model=self.model, field=answer.field)}"
                    )
        for part in self.answers.given:
            if part.model != self.model or not isinstance(part, (RenameAnswer, DropAnswer)) or part in self._used:
                continue
            place = _field_of(part) or ""
            if "." in place:  # whole fields are matched, and refused, as a whole
                raise SchemaError(f"{part.flag()} matches nothing: {self.model}.{place} still exists")


_WHY: dict[type[FillAnswer] | type[ComputeAnswer] | type[MapAnswer] | type[ZoneAnswer] | type[ExtraAnswer], str] = {
    FillAnswer: "{field!r} is not a new field of {model}, and may be None as before",
    ComputeAnswer: "{field!r} is not new in {model}, and has the same type as before",
    MapAnswer: "{model}.{field} did not lose that value",
    ZoneAnswer: "{model}.{field} did not get a time zone",
    ExtraAnswer: "{field!r} is not a new field of {model} with one value, or {model} does not have extra fields",
}


def _field_of(answer: OfField) -> str | None:
    return answer.old if isinstance(answer, RenameAnswer) else answer.field
