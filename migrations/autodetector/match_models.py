"""Matches the models of two snapshots, in one app and across apps. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from redis_models.errors import SchemaError

from ..schema.snapshot import ModelSchema, Snapshot
from .answers import Answers, DropAnswer, RenameModelAnswer
from .candidates import model_candidates
from .questions import DropModelQuestion, Question, RenameModelQuestion

__all__ = ["ModelMatch", "Moves", "find_moves", "match_models"]


@dataclass
class ModelMatch:
    """What happens to the models of one app. It grows during the match, and is only read afterwards.

    Attributes:
        old, new: The schemas.
        renamed: New name by old name.
        dropped: Names of models that are no longer tracked.
        leaving: Label of the app to which a model moves, by its name.
        questions: About the models that are in none of the above.
    """

    old: Snapshot
    new: Snapshot
    renamed: dict[str, str] = field(default_factory=dict[str, str])
    dropped: list[str] = field(default_factory=list[str])
    leaving: Mapping[str, str] = field(default_factory=dict[str, str])
    questions: list[Question] = field(default_factory=list[Question])

    @property
    def pairs(self) -> list[tuple[ModelSchema, ModelSchema]]:
        """Models that exist before and after, sorted by their new names."""
        kept = {name: name for name in self.old.by_name if name in self.new.by_name and name not in self.leaving}
        names = {**{name: name for name in kept if name not in self.renamed}, **self.renamed}
        pairs = [(self.old.model(before), self.new.model(after)) for before, after in names.items()]
        return sorted(pairs, key=lambda pair: pair[1].name)

    @property
    def gone(self) -> list[ModelSchema]:
        """Old models that are not in the new snapshot, as far as is known."""
        away = {*self.renamed, *self.leaving}
        return [model for model in self.old.models if model.name not in self.new.by_name and model.name not in away]

    @property
    def added(self) -> list[ModelSchema]:
        """New models that are not renamed old ones."""
        taken = {*self.renamed.values(), *(name for name in self.old.by_name if name not in self.renamed)}
        return [model for model in self.new.models if model.name not in taken or model.name in self.leaving]


def match_models(old: Snapshot, new: Snapshot, answers: Answers, leaving: Mapping[str, str]) -> ModelMatch:
    """Match the models of two snapshots.

    A removed model and a new one with the same keys are the same model, because they have the same records.

    Args:
        old: Of the files or the database.
        new: Of the code.
        answers: Those about whole models are used.
        leaving: Label of the app to which a model moves, by its name.

    Raises:
        SchemaError: An answer matches nothing, or contradicts another.
    """
    match = ModelMatch(old, new, leaving=leaving)
    for answer in answers.given:
        if isinstance(answer, RenameModelAnswer):
            _take_rename(match, answer)
    for model in match.gone:
        heir = next((other for other in match.added if other.keys.start == model.keys.start), None)
        if heir is not None:
            match.renamed[model.name] = heir.name
    for answer in answers.given:
        if isinstance(answer, DropAnswer) and answer.field is None:
            _take_drop(match, answer)
    for model in match.gone:
        if model.name not in match.dropped:
            match.questions.append(_question(model, match))
    return match


def _question(model: ModelSchema, match: ModelMatch) -> Question:
    candidates = model_candidates(model, match.added)
    if candidates:
        return RenameModelQuestion(model.name, model.keys.start, candidates)
    return DropModelQuestion(model.name, model.keys.start)


def _take_rename(match: ModelMatch, answer: RenameModelAnswer) -> None:
    flag = answer.flag()
    if answer.model not in match.old.by_name:
        raise SchemaError(f"{flag}: the files have no model {answer.model!r}; they have {_names(match.old)}")
    if answer.new not in match.new.by_name:
        raise SchemaError(f"{flag}: the code has no model {answer.new!r}; it has {_names(match.new)}")
    if answer.model in match.new.by_name:
        raise SchemaError(
            f"{flag}: {answer.model} is still in the code; give the new class other fields, or the old its own name"
        )
    if answer.new in match.old.by_name:
        raise SchemaError(f"{flag}: the files already have a model {answer.new!r}")
    for known, known_new in match.renamed.items():
        if (known == answer.model) != (known_new == answer.new):
            raise SchemaError(f"{flag} contradicts {RenameModelAnswer(known, known_new).flag()}; give one of them")
    match.renamed[answer.model] = answer.new


def _take_drop(match: ModelMatch, answer: DropAnswer) -> None:
    name = answer.model
    if name in match.renamed:
        heir = match.renamed[name]
        why = f"its records at {match.old.model(name).keys.start}* belong to {heir} now"
    elif name in match.new.by_name:
        why = "the model is still in the code"
    elif name in match.leaving:
        why = f"the model is in app {match.leaving[name]} now"
    elif name not in match.old.by_name:
        why = "there is no such model"
    else:
        match.dropped.append(name)
        return
    raise SchemaError(f"{answer.flag()} matches nothing: {why}")


def _names(snapshot: Snapshot) -> str:
    return ", ".join(snapshot.by_name) or "none"


@dataclass(frozen=True)
class Moves:
    """The models that move from and to one app.

    Attributes:
        leaving: Label of the app to which a model moves, by its name here.
        arriving: Schema of a model in the app from which it moves, by its name here.
    """

    leaving: dict[str, str] = field(default_factory=dict[str, str])
    arriving: dict[str, ModelSchema] = field(default_factory=dict[str, ModelSchema])


def find_moves(apps: Mapping[str, tuple[Snapshot, Snapshot]]) -> Mapping[str, Moves]:
    """Find models that were removed from one app and added to another with the same keys.

    Args:
        apps: Snapshots of the files and of the code, by the label of the app.
    """
    moves = {label: Moves() for label in apps}
    for label, (old, new) in apps.items():
        for model in old.models:
            if model.name in new.by_name or any(other.keys.start == model.keys.start for other in new.models):
                continue
            for other_label, (known, wanted) in apps.items():
                heir = _heir(model, known, wanted) if other_label != label else None
                if heir is not None and heir not in moves[other_label].arriving:
                    moves[label].leaving[model.name] = other_label
                    moves[other_label].arriving[heir] = _renamed(model, heir)
                    break
    return moves


def _heir(model: ModelSchema, known: Snapshot, wanted: Snapshot) -> str | None:
    found = [other.name for other in wanted.models if other.keys.start == model.keys.start]
    return found[0] if len(found) == 1 and found[0] not in known.by_name else None


def _renamed(model: ModelSchema, name: str) -> ModelSchema:
    return ModelSchema(
        name, model.version, model.primary_key, model.prefix, model.separator, model.table, model.fields, model.ttl
    )
