"""The diff of two snapshots: operations, as answers say, or questions. Pure: it does not prompt or print.

- A version that rises without a change makes a migration without operations: without it, processes could not read
  records with the older stamp.
- A change that stores the same bytes does not make a migration; see ``type_compatibility``.
- Operations are sorted by model: removed models, new models, then each other model by name; see ``compare_models``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from redis_models.errors import SchemaError

from ..chain.optimizer import creation_of
from ..operations import DeleteModel, MoveModel, Operation
from ..schema.snapshot import ModelSchema, Snapshot
from .answers import Answers, DropAnswer, RenameModelAnswer
from .compare_models import Comparison, compare
from .match_models import ModelMatch, match_models
from .questions import Question

__all__ = ["Diff", "LowVersion", "diff"]

_NO_MODELS: Mapping[str, str] = {}
_NO_SCHEMAS: Mapping[str, ModelSchema] = {}


@dataclass(frozen=True)
class LowVersion:
    """A model whose class must declare a higher version.

    Attributes:
        model: Name of the model.
        stored: The version in the files.
        declared: The version of the class.
        needed: The lowest version that it may declare.
        is_changed: Whether the model changed; otherwise its version was lowered.
    """

    model: str
    stored: int
    declared: int
    needed: int
    is_changed: bool


@dataclass(frozen=True)
class Diff:
    """The difference between two snapshots.

    Attributes:
        operations: In the order in which they apply. While there are questions, only those that do not depend on them.
        questions: What must be answered first.
        versions: The version of each changed model afterwards, with low versions corrected.
        low_versions: Models whose class must declare another version before a file can be written.
        target: The schemas after the operations: those of the code, except for versions and for changes that need no
            migration.
        is_partial: Whether another migration must follow, because a model that came from another app changed too.
    """

    operations: tuple[Operation, ...] = ()
    questions: tuple[Question, ...] = ()
    versions: Mapping[str, int] = field(default_factory=dict[str, int])
    low_versions: tuple[LowVersion, ...] = ()
    target: Snapshot = field(default_factory=Snapshot, compare=False)
    is_partial: bool = False

    @property
    def is_written(self) -> bool:
        """Whether there is something for a migration to do."""
        return bool(self.operations or self.versions)

    @property
    def is_empty(self) -> bool:
        """Whether both snapshots are the same."""
        return not (self.operations or self.questions or self.versions or self.low_versions)


def diff(
    old: Snapshot,
    new: Snapshot,
    answers: Answers | None = None,
    *,
    leaving: Mapping[str, str] = _NO_MODELS,
    arriving: Mapping[str, ModelSchema] = _NO_SCHEMAS,
) -> Diff:
    """Compare two snapshots.

    Args:
        old: Of the files or the database.
        new: Of the code.
        answers: To the questions of an earlier diff, or given in advance.
        leaving: Label of the app to which a model moves, by its name in ``old``.
        arriving: Schema of a model in the app from which it moves, by its name in ``new``.

    Raises:
        SchemaError: An answer matches nothing, or two contradict each other.
    """
    answers = Answers() if answers is None else answers
    match = match_models(old, new, answers, leaving)
    _refuse_unknown_models(match, answers)
    found = [compare(before, after, answers) for before, after in match.pairs]
    parts = [_of_models(match, arriving), *map(_of_pair, match.pairs, found)]
    return Diff(
        operations=tuple(operation for part in parts for operation in part.operations),
        questions=tuple(question for part in parts for question in part.questions),
        versions=dict(sorted(pair for part in parts for pair in part.versions.items())),
        low_versions=tuple(low for part in parts for low in part.low_versions),
        target=_target(new, found, match, arriving),
        is_partial=parts[0].is_partial,
    )


def _refuse_unknown_models(match: ModelMatch, answers: Answers) -> None:
    """Refuse answers about models that have no questions."""
    known = {new.name for _, new in match.pairs}
    for answer in answers.given:
        is_whole = isinstance(answer, RenameModelAnswer) or (isinstance(answer, DropAnswer) and answer.field is None)
        if not is_whole and answer.model not in known:
            raise SchemaError(f"{answer.flag()} matches nothing: {_why_no_fields(match, answer.model)}")


def _why_no_fields(match: ModelMatch, model: str) -> str:
    if model in match.renamed:
        return f"the model was renamed to {match.renamed[model]}"
    if model in match.old.by_name:
        return "the model was removed"
    is_new = model in match.new.by_name
    return "the model is new and has no records yet" if is_new else "there is no such model"


def _of_models(match: ModelMatch, arriving: Mapping[str, ModelSchema]) -> Diff:
    """Return the operations that create, delete or move whole models."""
    operations: list[Operation] = [MoveModel(name, app) for name, app in sorted(match.leaving.items())]
    operations += [DeleteModel(name) for name in sorted(match.dropped)]
    added = [arriving.get(model.name, model) for model in match.added]
    operations += [creation_of(model) for model in added]
    is_partial = any(not model.has_shape_of(match.new.model(model.name)) for model in added)
    return Diff(
        tuple(operations),
        tuple(match.questions),
        {model.name: model.version for model in added},
        is_partial=is_partial,
    )


def _of_pair(pair: tuple[ModelSchema, ModelSchema], found: Comparison) -> Diff:
    """Return the diff of one model, with the version that it needs."""
    old, new = pair
    least = old.version + 1 if found.is_changed else old.version
    is_named = found.is_changed or new.version > old.version
    versions = {new.name: max(new.version, least)} if is_named else {}
    low = (LowVersion(new.name, old.version, new.version, least, found.is_changed),) if new.version < least else ()
    return Diff(tuple(found.operations), tuple(found.questions), versions, low)


def _target(
    new: Snapshot, found: Sequence[Comparison], match: ModelMatch, arriving: Mapping[str, ModelSchema]
) -> Snapshot:
    for comparison in found:
        if not comparison.questions:
            new = new.with_model(replace(comparison.schema, version=comparison.new.version))
    for model in match.added:
        new = new.with_model(arriving.get(model.name, model))
    return new
