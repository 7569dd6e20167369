"""Questions: what a diff cannot know, each with the flags that answer it. Pure; nobody is asked here."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Final

from ..edits.extra_fields import EXTRAS
from ..schema.snapshot import Literal
from .answers import (
    ComputeAnswer,
    DropAnswer,
    ExtraAnswer,
    FillAnswer,
    MapAnswer,
    RenameAnswer,
    RenameModelAnswer,
    TTLAnswer,
    ZoneAnswer,
)
from .candidates import Candidate

__all__ = [
    "POLICIES",
    "ComputeQuestion",
    "DropModelQuestion",
    "ExtraQuestion",
    "FillQuestion",
    "HintQuestion",
    "MapQuestion",
    "NoneQuestion",
    "Question",
    "RenameModelQuestion",
    "RenameQuestion",
    "SwapQuestion",
    "TTLQuestion",
    "ZoneQuestion",
]

# What a changed life span may mean for records that are there; see ``AlterTTL``.
POLICIES: Final = {
    "new-only": "records that are there keep their life spans",
    "all": "every record gets the new one, from the moment when it is rewritten",
    "shorten": "records that would live longer get the new one",
    "jitter": "every record gets between half of the new one and all of it, so that they do not end together",
}

_OPTIONAL: Final = " | None"


@dataclass(frozen=True)
class Question(ABC):
    """One thing to be decided.

    Attributes:
        model: Name of the model that it is about, as the code has it.
        evidence: What the stored records say about it, or "" where nobody looked.
    """

    model: str
    evidence: str = field(default="", kw_only=True, compare=False)

    @property
    @abstractmethod
    def summary(self) -> str:
        """What is asked, beginning with the model, in one line."""

    @abstractmethod
    def cure(self, prefix: str = "") -> str:
        """Give the flags that answer it; ``prefix`` is the app's label with a dot, where that is needed."""

    def line(self, prefix: str = "") -> str:
        """Give both in one line."""
        evidence = f"  ({self.evidence})" if self.evidence else ""
        return f"{prefix}{self.summary}{evidence}  use {self.cure(prefix)}"


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
        nobody = "none: its object is taken apart" if "." in self.field else "none: another field takes its name over"
        among = ", ".join(map(str, self.candidates)) or nobody
        return f"{self.model}.{self.field} → ?  candidates: {among}"

    def cure(self, prefix: str = "") -> str:
        flags = [RenameAnswer(self.model, self.field, one.name).flag(prefix) for one in self.candidates[:1]]
        if not self.is_primary_key:
            flags.append(DropAnswer(self.model, self.field).flag(prefix))
        return " or ".join(flags)


@dataclass(frozen=True)
class SwapQuestion(Question):
    """A field has the type that another one had, and so on around: did the values go along?

    Attributes:
        field: The first of them.
        type: Canonical text of the type that it had.
        others: Fields that have this type now.
    """

    field: str
    type: str
    others: tuple[str, ...]

    @property
    def summary(self) -> str:
        return f"{self.model}.{self.field} → ?  {self.story}"

    @property
    def story(self) -> str:
        """What happened, as far as it can be seen."""
        return f"it was {self.type}, as {' and '.join(self.others)} is now; its values may have changed places, or stay"

    def cure(self, prefix: str = "") -> str:
        answers = [RenameAnswer(self.model, self.field, one) for one in (*self.others, self.field)]
        return " or ".join(one.flag(prefix) for one in answers)


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
class ExtraQuestion(Question):
    """A field is new in a model that takes extra fields: what becomes of those that have its name already?

    Attributes:
        field: The field.
        type: Canonical text of its type.
    """

    field: str
    type: str

    @property
    def summary(self) -> str:
        return f"{self.model}.{self.field} → {self.type}, new, and records may hold an extra field of this name"

    def cure(self, prefix: str = "") -> str:
        flags = [ExtraAnswer(self.model, self.field, one).flag(prefix) for one in EXTRAS]
        return " or ".join([*flags, ComputeAnswer(self.model, self.field).flag(prefix)])


@dataclass(frozen=True)
class NoneQuestion(Question):
    """A field may no longer be None, and has no default: what do records get that hold None?

    Attributes:
        field: The field, or a path.
        type: Canonical text of its type now.
    """

    field: str
    type: str

    @property
    def summary(self) -> str:
        return f"{self.model}.{self.field} → {self.type}, no longer None, no default for records that hold None"

    def cure(self, prefix: str = "") -> str:
        fill = FillAnswer(self.model, self.field, _example(self.type)).flag(prefix)
        return f"{fill} (any literal) or {ComputeAnswer(self.model, self.field).flag(prefix)}"


@dataclass(frozen=True)
class MapQuestion(Question):
    """A value that a field could hold is gone: what do records get that hold it?

    Attributes:
        field: The field, or a path.
        value: The value as it is stored, as text.
        choices: Values that the field can hold now, as text; the likeliest first.
        whole: What a function would convert: the field itself, or the object that it tells apart from others.
    """

    field: str
    value: str
    choices: tuple[str, ...]
    whole: str

    @property
    def summary(self) -> str:
        choices = ", ".join(map(repr, self.choices)) or "none is new"
        return f"{self.model}.{self.field} → {self.value!r} is gone; values now: {choices}"

    def cure(self, prefix: str = "") -> str:
        flags = [MapAnswer(self.model, self.field, self.value, one).flag(prefix) for one in self.choices[:1]]
        return " or ".join([*flags, ComputeAnswer(self.model, self.whole).flag(prefix)])


@dataclass(frozen=True)
class ComputeQuestion(Question):
    """A field changed in a way that no operation on a part of it says: a function must convert it.

    Attributes:
        field: The field.
    """

    field: str

    @property
    def summary(self) -> str:
        return (
            f"{self.model}.{self.field} → some of its objects change otherwise than others; a function must convert it"
        )

    def cure(self, prefix: str = "") -> str:
        return ComputeAnswer(self.model, self.field).flag(prefix)


@dataclass(frozen=True)
class ZoneQuestion(Question):
    """Instants get a time zone: which one were they meant in?

    Attributes:
        field: The field, or a path.
    """

    field: str

    @property
    def summary(self) -> str:
        return f"{self.model}.{self.field} → datetime with a time zone; the stored ones have none"

    def cure(self, prefix: str = "") -> str:
        zone, compute = ZoneAnswer(self.model, self.field, "UTC"), ComputeAnswer(self.model, self.field)
        return f"{zone.flag(prefix)} (any zone) or {compute.flag(prefix)}"


@dataclass(frozen=True)
class TTLQuestion(Question):
    """The life span of a model's records changed: what about those that are there?

    Attributes:
        old, new: Seconds, or None for ever.
    """

    old: int | None
    new: int | None

    @property
    def policies(self) -> tuple[str, ...]:
        """Answers that there are."""
        return ("new-only", "all") if self.new is None else tuple(POLICIES)

    @property
    def summary(self) -> str:
        return (
            f"{self.model} → ttl was {_seconds(self.old)}, is {_seconds(self.new)}; what about the records there are?"
        )

    def cure(self, prefix: str = "") -> str:
        return " or ".join(TTLAnswer(self.model, one).flag(prefix) for one in self.policies)


@dataclass(frozen=True)
class RenameModelQuestion(Question):
    """A model is gone, and models are new: was it renamed?

    Attributes:
        keys: What its records' keys begin with.
        candidates: New models, the likeliest first.
    """

    keys: str
    candidates: tuple[Candidate, ...]

    @property
    def summary(self) -> str:
        return f"{self.model} → ?  candidates: {', '.join(map(str, self.candidates))}"

    def cure(self, prefix: str = "") -> str:
        rename = RenameModelAnswer(self.model, self.candidates[0].name)
        return f"{rename.flag(prefix)} or {DropAnswer(self.model).flag(prefix)} (its records stay)"


@dataclass(frozen=True)
class DropModelQuestion(Question):
    """A model is gone, and none is new: is it to be tracked no longer?

    Attributes:
        keys: What its records' keys begin with; the records stay.
    """

    keys: str

    @property
    def summary(self) -> str:
        return f"{self.model} → ?  {self.story}"

    def cure(self, prefix: str = "") -> str:
        return DropAnswer(self.model).flag(prefix)

    @property
    def story(self) -> str:
        """What happened, as far as it can be seen."""
        return f"the model is gone, or no longer managed; its records stay in Redis at {self.keys}*"


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


def _seconds(ttl: int | None) -> str:
    return "none" if ttl is None else f"{ttl} s"


_EXAMPLE_OF: Final[dict[str, Literal]] = {"str": "...", "int": 0, "float": 0.0, "bool": False}


def _example(type: str) -> Literal:
    if type.endswith(_OPTIONAL):
        return None
    if type.startswith(("list[", "set[", "tuple[")):
        return []
    return _EXAMPLE_OF.get(type, "...")
