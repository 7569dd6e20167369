"""Matching models: which one of the old schemas is which of the new ones, in one app and across apps. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from redis_models.errors import SchemaError

from ..schema.snapshot import ModelSchema, Snapshot
from .answers import Answers, DropAnswer, RenameModelAnswer
from .candidates import model_candidates
from .questions import DropModelQuestion, Question, RenameModelQuestion

__all__ = ["Moves", "Pairing", "find_moves", "pair_models"]


@dataclass
class Pairing:
    """What became of the models. Grows while it is made, then is only read.

    Attributes:
        old, new: The schemas.
        renamed: New name by old name.
        dropped: Names of models that are tracked no longer.
        leaving: Label of the app that a model goes to, by its name.
        questions: What is not certain.
    """

    old: Snapshot
    new: Snapshot
    renamed: dict[str, str] = field(default_factory=dict[str, str])
    dropped: list[str] = field(default_factory=list[str])
    leaving: Mapping[str, str] = field(default_factory=dict[str, str])
    questions: list[Question] = field(default_factory=list[Question])

    @property
    def pairs(self) -> list[tuple[ModelSchema, ModelSchema]]:
        """Models that are there before and after, by their new names."""
        kept = {name: name for name in self.old.by_name if name in self.new.by_name and name not in self.leaving}
        names = {**{name: name for name in kept if name not in self.renamed}, **self.renamed}
        pairs = [(self.old.model(one), self.new.model(other)) for one, other in names.items()]
        return sorted(pairs, key=lambda pair: pair[1].name)

    @property
    def gone(self) -> list[ModelSchema]:
        """Old models that have no new name yet."""
        away = {*self.renamed, *self.leaving}
        return [one for one in self.old.models if one.name not in self.new.by_name and one.name not in away]

    @property
    def come(self) -> list[ModelSchema]:
        """New models that no old one became."""
        taken = {*self.renamed.values(), *(name for name in self.old.by_name if name not in self.renamed)}
        return [one for one in self.new.models if one.name not in taken or one.name in self.leaving]


def pair_models(old: Snapshot, new: Snapshot, answers: Answers, leaving: Mapping[str, str]) -> Pairing:
    """Match the models of two snapshots.

    A model that is gone and one that is new under the same keys are one: its records can be nobody else's.

    Args:
        old: Where the files, or the database, are.
        new: What the code says.
        answers: About models as a whole.
        leaving: Label of the app that a model goes to, by its name, where that is known.

    Raises:
        SchemaError: An answer matches nothing, or contradicts another.
    """
    pairing = Pairing(old, new, leaving=leaving)
    for answer in answers.given:
        if isinstance(answer, RenameModelAnswer):
            _take_rename(pairing, answer)
    for one in pairing.gone:
        heir = next((other for other in pairing.come if other.keys.start == one.keys.start), None)
        if heir is not None:
            pairing.renamed[one.name] = heir.name
    for answer in answers.given:
        if isinstance(answer, DropAnswer) and answer.field is None:
            _take_drop(pairing, answer)
    for one in pairing.gone:
        if one.name not in pairing.dropped:
            pairing.questions.append(_question(one, pairing))
    return pairing


def _question(one: ModelSchema, pairing: Pairing) -> Question:
    candidates = model_candidates(one, pairing.come)
    if candidates:
        return RenameModelQuestion(one.name, one.keys.start, candidates)
    return DropModelQuestion(one.name, one.keys.start)


def _take_rename(pairing: Pairing, answer: RenameModelAnswer) -> None:
    flag = answer.flag()
    if answer.model not in pairing.old.by_name:
        raise SchemaError(f"{flag}: there was no model {answer.model!r}; there were {_names(pairing.old)}")
    if answer.new not in pairing.new.by_name:
        raise SchemaError(f"{flag}: the code has no model {answer.new!r}; it has {_names(pairing.new)}")
    if answer.model in pairing.new.by_name:
        raise SchemaError(
            f"{flag}: {answer.model} is in the code still; give the new class other fields, or the old its own name"
        )
    if answer.new in pairing.old.by_name:
        raise SchemaError(f"{flag}: {answer.new} is no new model")
    for one, other in pairing.renamed.items():
        if (one == answer.model) != (other == answer.new):
            raise SchemaError(f"{flag} contradicts {RenameModelAnswer(one, other).flag()}; give one of them")
    pairing.renamed[answer.model] = answer.new


def _take_drop(pairing: Pairing, answer: DropAnswer) -> None:
    name = answer.model
    if name in pairing.renamed:
        heir = pairing.renamed[name]
        why = f"its records at {pairing.old.model(name).keys.start}* are those of {heir} now"
    elif name in pairing.new.by_name:
        why = "the model is in the code still"
    elif name in pairing.leaving:
        why = f"the model is in app {pairing.leaving[name]} now"
    elif name not in pairing.old.by_name:
        why = "there is no such model"
    else:
        pairing.dropped.append(name)
        return
    raise SchemaError(f"{answer.flag()} matches nothing: {why}")


def _names(snapshot: Snapshot) -> str:
    return ", ".join(snapshot.by_name) or "none"


@dataclass(frozen=True)
class Moves:
    """What moves from and to one app.

    Attributes:
        leaving: Label of the app that a model goes to, by its name here.
        arriving: What a model is in the app that it comes from, by its name here.
    """

    leaving: dict[str, str] = field(default_factory=dict[str, str])
    arriving: dict[str, ModelSchema] = field(default_factory=dict[str, ModelSchema])


def find_moves(apps: Mapping[str, tuple[Snapshot, Snapshot]]) -> Mapping[str, Moves]:
    """Find models that are gone in one app and new in another, under the same keys: the records can be no other's.

    Args:
        apps: Where the files are, and what the code says, by the label of the app.
    """
    moves = {label: Moves() for label in apps}
    for label, (old, new) in apps.items():
        for one in old.models:
            if one.name in new.by_name or any(other.keys.start == one.keys.start for other in new.models):
                continue
            for other_label, (known, wanted) in apps.items():
                heir = _heir(one, known, wanted) if other_label != label else None
                if heir is not None and heir not in moves[other_label].arriving:
                    moves[label].leaving[one.name] = other_label
                    moves[other_label].arriving[heir] = _renamed(one, heir)
                    break
    return moves


def _heir(one: ModelSchema, known: Snapshot, wanted: Snapshot) -> str | None:
    found = [other.name for other in wanted.models if other.keys.start == one.keys.start]
    return found[0] if len(found) == 1 and found[0] not in known.by_name else None


def _renamed(one: ModelSchema, name: str) -> ModelSchema:
    return ModelSchema(name, one.version, one.primary_key, one.prefix, one.separator, one.table, one.fields, one.ttl)
