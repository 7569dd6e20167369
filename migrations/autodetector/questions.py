"""Questions that a diff cannot decide, each with the flags that answer it. Pure: this module does not prompt."""

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

# What a changed TTL can mean for existing records; see ``AlterTTL``.
POLICIES: Final = {
    "new-only": "existing records keep their TTL",
    "all": "every record gets the new TTL, counted from its rewrite",
    "shorten": "records that would live longer get the new TTL",
    "jitter": "every record gets between half of the new TTL and all of it, so that they do not expire together",
}

_OPTIONAL: Final = " | None"


@dataclass(frozen=True)
class Question(ABC):
    """A question about one model.

    Attributes:
        model: Name of the model in the code.
        evidence: How many stored records it concerns; "" if they were not read.
    """

    model: str
    evidence: str = field(default="", kw_only=True, compare=False)

    @property
    def place(self) -> str:
        """The model, and the field if the question is about one."""
        return self.model

    @property
    @abstractmethod
    def sentence(self) -> str:
        """What changed, so that there is a question; begins with the place, and has no full stop."""

    @property
    def summary(self) -> str:
        """The question in one line, for people who answer it by flags."""
        return self.sentence

    @abstractmethod
    def cure(self, prefix: str = "") -> str:
        """Return the flags that answer it; ``prefix`` is the label of the app and a dot, if needed."""

    def line(self, prefix: str = "") -> str:
        """Return question, evidence and flags in one line."""
        evidence = f"  ({self.evidence})" if self.evidence else ""
        return f"{prefix}{self.summary}{evidence}  use {self.cure(prefix)}"


@dataclass(frozen=True)
class FieldQuestion(Question):
    """A question about one field.

    Attributes:
        field: The field, or a path.
    """

    field: str

    @property
    def place(self) -> str:
        return f"{self.model}.{self.field}"


@dataclass(frozen=True)
class RenameQuestion(FieldQuestion):
    """A field was removed and others were added: was it renamed?

    Attributes:
        type: Canonical text of its type.
        candidates: The new fields, most likely first; empty if another field takes over the name.
        is_primary_key: Whether it is the primary key, which cannot be dropped.
    """

    type: str
    candidates: tuple[Candidate, ...]
    is_primary_key: bool = False

    @property
    def sentence(self) -> str:
        if not self.candidates:
            return f"{self.place} is gone, and {self._why_no_candidates}"
        candidate, *others = self.candidates
        if others:
            return f"{self.place} ({self.type}) is gone; new: {', '.join(each.name for each in self.candidates)}"
        types = f"{self.type} → {candidate.type}, similarity {candidate.similarity:.2f}"
        return f"{self.place} is gone and {self.model}.{candidate.name} is new   [{types}]"

    @property
    def summary(self) -> str:
        candidates = ", ".join(map(str, self.candidates)) or f"none: {self._why_no_candidates}"
        return f"{self.place} → ?  candidates: {candidates}"

    @property
    def _why_no_candidates(self) -> str:
        return "its object is split up" if "." in self.field else "another field takes over its name"

    def cure(self, prefix: str = "") -> str:
        flags = [RenameAnswer(self.model, self.field, new.name).flag(prefix) for new in self.candidates[:1]]
        if not self.is_primary_key:
            flags.append(DropAnswer(self.model, self.field).flag(prefix))
        return " or ".join(flags)


@dataclass(frozen=True)
class SwapQuestion(FieldQuestion):
    """Fields exchanged their types: did their values move too?

    Attributes:
        type: Canonical text of its type before.
        others: Fields that have this type now.
    """

    type: str
    others: tuple[str, ...]

    @property
    def sentence(self) -> str:
        others = " and ".join(self.others)
        return f"{self.place}: it was {self.type}, as {others} is now; its values may have moved there, or stayed"

    def cure(self, prefix: str = "") -> str:
        answers = [RenameAnswer(self.model, self.field, name) for name in (*self.others, self.field)]
        return " or ".join(answer.flag(prefix) for answer in answers)


@dataclass(frozen=True)
class FillQuestion(FieldQuestion):
    """A required field without a default was added: which value do existing records get?

    Attributes:
        type: Canonical text of its type.
    """

    type: str

    @property
    def sentence(self) -> str:
        return f"{self.place}: {self.type} is required and has no default; existing records do not have it"

    def cure(self, prefix: str = "") -> str:
        fill = FillAnswer(self.model, self.field, _example(self.type)).flag(prefix)
        return f"{fill} (any literal) or {ComputeAnswer(self.model, self.field).flag(prefix)}"


@dataclass(frozen=True)
class ExtraQuestion(FieldQuestion):
    """A field was added to a model with extra fields: what happens to an extra field of the same name?

    Attributes:
        type: Canonical text of its type.
    """

    type: str

    @property
    def sentence(self) -> str:
        return f"{self.place}: {self.type} is new, and records may already have an extra field of this name"

    def cure(self, prefix: str = "") -> str:
        flags = [ExtraAnswer(self.model, self.field, policy).flag(prefix) for policy in EXTRAS]
        return " or ".join([*flags, ComputeAnswer(self.model, self.field).flag(prefix)])


@dataclass(frozen=True)
class NoneQuestion(FieldQuestion):
    """A field may no longer be None and has no default: what replaces None in existing records?

    Attributes:
        type: Canonical text of its type now.
    """

    type: str

    @property
    def sentence(self) -> str:
        return f"{self.place}: {self.type} can no longer be None and has no default; records may contain None"

    def cure(self, prefix: str = "") -> str:
        fill = FillAnswer(self.model, self.field, _example(self.type)).flag(prefix)
        return f"{fill} (any literal) or {ComputeAnswer(self.model, self.field).flag(prefix)}"


@dataclass(frozen=True)
class MapQuestion(FieldQuestion):
    """A field lost one of its values: what replaces it in existing records?

    Attributes:
        value: The stored value, as text.
        choices: Values of the field now, as text, most likely first.
        whole: The path that a function would convert: the field, or the object whose tag it is.
    """

    value: str
    choices: tuple[str, ...]
    whole: str

    @property
    def sentence(self) -> str:
        choices = ", ".join(map(repr, self.choices)) or "none is new"
        return f"{self.place}: the value {self.value!r} is gone; values now: {choices}"

    def cure(self, prefix: str = "") -> str:
        flags = [MapAnswer(self.model, self.field, self.value, choice).flag(prefix) for choice in self.choices[:1]]
        return " or ".join([*flags, ComputeAnswer(self.model, self.whole).flag(prefix)])


@dataclass(frozen=True)
class ComputeQuestion(FieldQuestion):
    """A field changed in a way that no operation expresses: a function must convert it."""

    @property
    def sentence(self) -> str:
        return f"{self.place}: its objects do not all change in the same way; a function must convert it"

    def cure(self, prefix: str = "") -> str:
        return ComputeAnswer(self.model, self.field).flag(prefix)


@dataclass(frozen=True)
class ZoneQuestion(FieldQuestion):
    """A datetime gets a time zone: in which one are the stored values?"""

    @property
    def sentence(self) -> str:
        return f"{self.place}: stored values have no time zone; the new type has one"

    def cure(self, prefix: str = "") -> str:
        zone, compute = ZoneAnswer(self.model, self.field, "UTC"), ComputeAnswer(self.model, self.field)
        return f"{zone.flag(prefix)} (any zone) or {compute.flag(prefix)}"


@dataclass(frozen=True)
class TTLQuestion(Question):
    """The TTL of a model changed: what happens to existing records?

    Attributes:
        old, new: Seconds; None if records do not expire.
    """

    old: int | None
    new: int | None

    @property
    def policies(self) -> tuple[str, ...]:
        """The possible answers."""
        return ("new-only", "all") if self.new is None else tuple(POLICIES)

    @property
    def sentence(self) -> str:
        return f"{self.place}: ttl was {_seconds(self.old)}, is {_seconds(self.new)}; what happens to existing records?"

    def cure(self, prefix: str = "") -> str:
        return " or ".join(TTLAnswer(self.model, policy).flag(prefix) for policy in self.policies)


@dataclass(frozen=True)
class RenameModelQuestion(Question):
    """A model was removed and others were added: was it renamed?

    Attributes:
        keys: Beginning of the keys of its records.
        candidates: New models, most likely first.
    """

    keys: str
    candidates: tuple[Candidate, ...]

    @property
    def sentence(self) -> str:
        names = ", ".join(candidate.name for candidate in self.candidates)
        return f"{self.place} is gone; new: {names}. Its records are at {self.keys}*"

    @property
    def summary(self) -> str:
        return f"{self.place} → ?  candidates: {', '.join(map(str, self.candidates))}"

    def cure(self, prefix: str = "") -> str:
        rename = RenameModelAnswer(self.model, self.candidates[0].name)
        return f"{rename.flag(prefix)} or {DropAnswer(self.model).flag(prefix)} (its records stay)"


@dataclass(frozen=True)
class DropModelQuestion(Question):
    """A model was removed and none was added: should it no longer be tracked?

    Attributes:
        keys: Beginning of the keys of its records, which stay.
    """

    keys: str

    def cure(self, prefix: str = "") -> str:
        return DropAnswer(self.model).flag(prefix)

    @property
    def sentence(self) -> str:
        return (
            f"{self.place}: the model was removed or is not managed any more; its records stay in Redis at {self.keys}*"
        )


@dataclass(frozen=True)
class HintQuestion(Question):
    """``renamed_from`` may describe a rename that was done long ago: do the values move now?

    Attributes:
        moves: Old and new names.
    """

    moves: tuple[tuple[str, str], ...]

    def cure(self, prefix: str = "") -> str:
        flags = " ".join(RenameAnswer(self.model, old, new).flag(prefix) for old, new in self.moves)
        return f"{flags}, or remove renamed_from from the code"

    @property
    def sentence(self) -> str:
        moves = ", ".join(f"{old} → {new}" for old, new in self.moves)
        olds = " and ".join(old for old, _ in self.moves)
        return f"{self.place}: renamed_from says {moves}, but the code still has {olds}"


def _seconds(ttl: int | None) -> str:
    return "none" if ttl is None else f"{ttl} s"


_EXAMPLE_OF: Final[dict[str, Literal]] = {"str": "...", "int": 0, "float": 0.0, "bool": False}


def _example(type: str) -> Literal:
    if type.endswith(_OPTIONAL):
        return None
    if type.startswith(("list[", "set[", "tuple[")):
        return []
    return _EXAMPLE_OF.get(type, "...")
