"""The diff: from two snapshots and the answers given to operations, or to questions. Pure; it never prompts or prints.

- A version that rises while the shape stays makes a migration without operations: records of the older stamp must have
  a known way to the newer one, or no process could read them.
- What stores the same bytes makes no migration; see ``type_compatibility``.
- Operations come by model: models that go, models that come, then for each other model, by name, what lies between its
  two schemas; see ``compare_models``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from redis_models.errors import SchemaError

from ..chain.optimizer import creation_of
from ..operations import DeleteModel, MoveModel, Operation
from ..schema.snapshot import ModelSchema, Snapshot
from .answers import Answers, DropAnswer, RenameModelAnswer
from .compare_models import Comparison, compare
from .match_models import Pairing, pair_models
from .questions import Question

__all__ = ["Diff", "LowVersion", "diff"]

_NOBODY: Mapping[str, str] = {}
_NOTHING: Mapping[str, ModelSchema] = {}


@dataclass(frozen=True)
class LowVersion:
    """A model whose class must say a higher version.

    Attributes:
        model: Its name.
        stored: The version that the files have.
        declared: The version that the class says.
        needed: The version that it must say.
        is_changed: Whether the shape changed; otherwise the version was lowered.
    """

    model: str
    stored: int
    declared: int
    needed: int
    is_changed: bool


@dataclass(frozen=True)
class Diff:
    """What leads from one snapshot to another.

    Attributes:
        operations: In the order in which they apply; the certain ones only, while there are questions.
        questions: What must be answered first.
        versions: The version that each changed model has afterwards, as if no version were low.
        low_versions: Models whose class must say another version before this may be written.
        target: The schemas that the operations lead to, versions aside: the code's, but for what is worth no migration.
        is_partial: Whether another migration must follow: a model that came from another app changed, too.
    """

    operations: tuple[Operation, ...] = ()
    questions: tuple[Question, ...] = ()
    versions: Mapping[str, int] = field(default_factory=dict[str, int])
    low_versions: tuple[LowVersion, ...] = ()
    target: Snapshot = field(default_factory=Snapshot, compare=False)
    is_partial: bool = False

    @property
    def is_written(self) -> bool:
        """Whether there is anything for a migration to do."""
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
    leaving: Mapping[str, str] = _NOBODY,
    arriving: Mapping[str, ModelSchema] = _NOTHING,
) -> Diff:
    """Compare two snapshots.

    Args:
        old: Where the files, or the database, are.
        new: What the code says.
        answers: To the questions of an earlier diff, or given in advance.
        leaving: Label of the app that a model goes to, by its name in ``old``.
        arriving: What a model of ``new`` is in the app that it comes from, by its name in ``new``.

    Raises:
        SchemaError: An answer matches nothing, or two contradict each other.
    """
    given = Answers() if answers is None else answers
    pairing = pair_models(old, new, given, leaving)
    _refuse_strangers(pairing, given)
    found = [compare(one, other, given) for one, other in pairing.pairs]
    parts = [_of_models(pairing, arriving), *map(_of_pair, pairing.pairs, found)]
    return Diff(
        operations=tuple(operation for part in parts for operation in part.operations),
        questions=tuple(question for part in parts for question in part.questions),
        versions=dict(sorted(pair for part in parts for pair in part.versions.items())),
        low_versions=tuple(low for part in parts for low in part.low_versions),
        target=_target(new, found, pairing, arriving),
        is_partial=parts[0].is_partial,
    )


def _refuse_strangers(pairing: Pairing, answers: Answers) -> None:
    """Refuse answers about models that have nothing to answer."""
    known = {new.name for _, new in pairing.pairs}
    for answer in answers.given:
        is_whole = isinstance(answer, RenameModelAnswer) or (isinstance(answer, DropAnswer) and answer.field is None)
        if not is_whole and answer.model not in known:
            raise SchemaError(f"{answer.flag()} matches nothing: {_why_no_fields(pairing, answer.model)}")


def _why_no_fields(pairing: Pairing, model: str) -> str:
    if model in pairing.renamed:
        return f"the model is called {pairing.renamed[model]} now"
    if model in pairing.old.by_name:
        return "the model is gone as a whole"
    is_new = model in pairing.new.by_name
    return "the model is new, and has no records yet" if is_new else "there is no such model"


def _of_models(pairing: Pairing, arriving: Mapping[str, ModelSchema]) -> Diff:
    """Compare the names of the models."""
    operations: list[Operation] = [MoveModel(name, app) for name, app in sorted(pairing.leaving.items())]
    operations += [DeleteModel(name) for name in sorted(pairing.dropped)]
    come = [arriving.get(one.name, one) for one in pairing.come]
    operations += [creation_of(one) for one in come]
    is_partial = any(not one.has_shape_of(pairing.new.model(one.name)) for one in come)
    return Diff(
        tuple(operations), tuple(pairing.questions), {one.name: one.version for one in come}, is_partial=is_partial
    )


def _of_pair(pair: tuple[ModelSchema, ModelSchema], found: Comparison) -> Diff:
    """Add to a comparison what it means for the version."""
    old, new = pair
    least = old.version + 1 if found.is_changed else old.version
    is_named = found.is_changed or new.version > old.version
    versions = {new.name: max(new.version, least)} if is_named else {}
    low = (LowVersion(new.name, old.version, new.version, least, found.is_changed),) if new.version < least else ()
    return Diff(tuple(found.operations), tuple(found.questions), versions, low)


def _target(
    new: Snapshot, found: Sequence[Comparison], pairing: Pairing, arriving: Mapping[str, ModelSchema]
) -> Snapshot:
    for one in found:
        if not one.questions:
            new = new.with_model(replace(one.schema, version=one.new.version))
    for model in pairing.come:
        new = new.with_model(arriving.get(model.name, model))
    return new
