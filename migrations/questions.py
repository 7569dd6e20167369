"""Questions: what a diff cannot know, each with the flags that answer it. Pure; nobody is asked here."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from .answers import ComputeAnswer, DropAnswer, FillAnswer, RenameAnswer
from .schema import FieldSchema, Literal, ModelSchema

__all__ = [
    "Candidate",
    "DropModelQuestion",
    "FillQuestion",
    "HintQuestion",
    "Question",
    "RenameQuestion",
    "field_candidates",
    "model_candidates",
]

_OPTIONAL: Final = " | None"


@dataclass(frozen=True)
class Candidate:
    """What a field or model that is gone may be called now.

    Attributes:
        name: The new name.
        type: Canonical text of a field's type; "" for a model.
        similarity: 0 to 1; of the names of fields, of the stored fields of models.
    """

    name: str
    type: str
    similarity: float

    def __str__(self) -> str:
        return f"{self.name} ({self.similarity:.2f})"


@dataclass(frozen=True)
class Question(ABC):
    """One thing to be decided.

    Attributes:
        model: Name of the model that it is about.
    """

    model: str

    @property
    @abstractmethod
    def summary(self) -> str:
        """What is asked, beginning with the model, in one line."""

    @abstractmethod
    def cure(self, prefix: str = "") -> str:
        """Give the flags that answer it; ``prefix`` is the app's label with a dot, where that is needed."""

    def line(self, prefix: str = "") -> str:
        """Give both in one line."""
        return f"{prefix}{self.summary}  use {self.cure(prefix)}"


@dataclass(frozen=True)
class RenameQuestion(Question):
    """A field is gone, and fields are new: was it renamed?

    Attributes:
        field: The field that is gone.
        type: Canonical text of its type.
        candidates: The new fields, the likeliest first; empty where another field takes the name over.
        is_primary_key: Then dropping is no answer.
    """

    field: str
    type: str
    candidates: tuple[Candidate, ...]
    is_primary_key: bool = False

    @property
    def summary(self) -> str:
        among = ", ".join(map(str, self.candidates)) or "none: another field takes its name over"
        return f"{self.model}.{self.field} → ?  candidates: {among}"

    def cure(self, prefix: str = "") -> str:
        flags = [RenameAnswer(self.model, self.field, one.name).flag(prefix) for one in self.candidates[:1]]
        if not self.is_primary_key:
            flags.append(DropAnswer(self.model, self.field).flag(prefix))
        return " or ".join(flags)


@dataclass(frozen=True)
class FillQuestion(Question):
    """A field is new, required and without a default: what do existing records get?

    Attributes:
        field: The field.
        type: Canonical text of its type.
    """

    field: str
    type: str

    @property
    def summary(self) -> str:
        return f"{self.model}.{self.field} → {self.type}, required, no default for existing records"

    def cure(self, prefix: str = "") -> str:
        fill = FillAnswer(self.model, self.field, _example(self.type)).flag(prefix)
        return f"{fill} (any literal) or {ComputeAnswer(self.model, self.field).flag(prefix)}"


@dataclass(frozen=True)
class DropModelQuestion(Question):
    """A model is gone: is it to be tracked no longer?

    Attributes:
        keys: What its records' keys begin with; the records stay.
        candidates: New models that may be it, the likeliest first.
        heir: The new model that has the same keys, if there is one.
    """

    keys: str
    candidates: tuple[Candidate, ...] = ()
    heir: str | None = None

    @property
    def summary(self) -> str:
        return f"{self.model} → ?  {self.story}"

    def cure(self, prefix: str = "") -> str:
        return DropAnswer(self.model).flag(prefix)

    @property
    def story(self) -> str:
        """What happened, as far as it can be seen, and the cure if it was not meant."""
        if self.heir:
            return f"the model is gone; its records at {self.keys}* become those of {self.heir}, on the same keys"
        stay = f"its records stay in Redis at {self.keys}*"
        if not self.candidates:
            return f"the model is gone, or no longer managed; {stay}"
        among = ", ".join(map(str, self.candidates))
        return f"the model is gone; new: {among}; {stay}. If it was renamed, give the new class its table and prefix"


@dataclass(frozen=True)
class HintQuestion(Question):
    """``renamed_from`` says something that may be long done: do the values move now?

    Attributes:
        moves: Old and new names.
    """

    moves: tuple[tuple[str, str], ...]

    @property
    def summary(self) -> str:
        return f"{self.model} → ?  {self.story}"

    def cure(self, prefix: str = "") -> str:
        flags = " ".join(RenameAnswer(self.model, old, new).flag(prefix) for old, new in self.moves)
        return f"{flags}, or take renamed_from out of the code"

    @property
    def story(self) -> str:
        """What is doubtful."""
        moves = ", ".join(f"{old} → {new}" for old, new in self.moves)
        return f"renamed_from says {moves}, but the code still has {' and '.join(old for old, _ in self.moves)}"


def field_candidates(gone: FieldSchema, new: Iterable[FieldSchema]) -> tuple[Candidate, ...]:
    """Sort new fields by how likely each is a renamed ``gone``: a hint, then the type, then the name."""
    scored = [(_score(gone, one), Candidate(one.name, one.type, _alike(gone.name, one.name))) for one in new]
    return tuple(candidate for _, candidate in sorted(scored, key=lambda pair: (-pair[0], pair[1].name)))


def _score(gone: FieldSchema, one: FieldSchema) -> float:
    hinted = 2.0 if one.renamed_from == gone.name else 0.0
    if one.type == gone.type:
        typed = 1.0
    else:
        typed = 0.75 if one.type.removesuffix(_OPTIONAL) == gone.type.removesuffix(_OPTIONAL) else 0.0
    return hinted + typed / 2 + _alike(gone.name, one.name) / 2


def _alike(one: str, other: str) -> float:
    return round(SequenceMatcher(None, one.lower(), other.lower(), autojunk=False).ratio(), 2)


def model_candidates(gone: ModelSchema, new: Sequence[ModelSchema]) -> tuple[Candidate, ...]:
    """Sort new models by how likely each is a renamed ``gone``; those that share no field are left out."""
    found = [Candidate(one.name, "", _shared(gone, one)) for one in new]
    return tuple(sorted((one for one in found if one.similarity), key=lambda one: (-one.similarity, one.name)))


def _shared(one: ModelSchema, other: ModelSchema) -> float:
    mine, theirs = set(one.fields), set(other.fields)
    return round(len(mine & theirs) / len(mine | theirs), 2)


_EXAMPLE_OF: Final[dict[str, Literal]] = {"str": "...", "int": 0, "float": 0.0, "bool": False}


def _example(type: str) -> Literal:
    if type.endswith(_OPTIONAL):
        return None
    if type.startswith(("list[", "set[", "tuple[")):
        return []
    return _EXAMPLE_OF.get(type, "...")
