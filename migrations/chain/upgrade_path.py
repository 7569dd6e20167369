"""Routes: the way of a model's records from any version to any other, through the migrations of its app. Pure.

All stages on the way are run on one edit, so that a record is rewritten once, however many migrations are pending.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from redis_models.encoding.secrets import is_tagged_secret
from redis_models.errors import DecodeError, RecordError
from redis_models.mapping.stored_field import STAMP, stored_version

from ..constraints.earlier_code import Earlier
from ..edits.record_edit import RecordEdit
from ..edits.steps import Expire, Step, UndoValues
from ..edits.typed_steps import Widen
from ..edits.undo_fields import field_of, undo_fields_of, undo_name
from ..operations import AlterField, Operation
from ..schema.snapshot import ModelSchema, Snapshot
from ..schema.type_compatibility import is_storage_neutral
from .hidden_fields import NOTHING_HIDDEN, Hidden

__all__ = ["UpgradePath", "VersionStep", "make_version_step"]

_NOTHING: Final[UndoValues] = {}
_ALL_TOLD: Final[Mapping[str, str]] = {}


class _UndoNames(dict[tuple[int, str], str]):
    """Names of the stored fields that keep something aside, by step and field: those of ``undo_name``, made once.

    Args:
        version: That the migration leads to.
        was_absent: Whether the record had no such field.
    """

    def __init__(self, version: int, *, was_absent: bool) -> None:
        super().__init__()
        self._version, self._was_absent = version, was_absent

    def __missing__(self, place: tuple[int, str]) -> str:
        name = self[place] = undo_name(self._version, *place, was_absent=self._was_absent)
        return name


@dataclass(frozen=True)
class VersionStep:
    """What one migration does to the records of one model.

    Attributes:
        older, newer: Versions on both sides.
        steps: In the order of the migration's operations; what they keep aside is named after their places.
        widenings: Those that keep nothing aside, hence have no place: each with the number of steps before it.
        secrets: Fields that hold a secret on either side, or are made of one.
    """

    older: int
    newer: int
    steps: tuple[Step, ...]
    widenings: tuple[tuple[int, Widen], ...] = ()
    secrets: frozenset[str] = frozenset()

    @cached_property
    def is_static(self) -> bool:
        """Whether the server can do it by itself."""
        return all(step.is_static for step in self.steps)

    def forward(self, edit: RecordEdit) -> None:
        """Bring a draft of the older version to the newer one."""
        for place, forward, displaces, life in self._forwards:
            origin = None if displaces is None else edit.origin(displaces)
            for name, raw in forward(edit).items():
                if raw is None:
                    edit.store_undo(self._absent_names[place, name], b"")
                else:
                    edit.store_undo(self._undo_names[place, name], raw, origin)
            if life is not None:
                edit.ttl_changes += (life,)
        if STAMP not in edit.fields:
            edit.store_undo(undo_name(self.newer, len(self.steps), STAMP, was_absent=True), b"")
        edit.set(STAMP, self._stamp)

    @cached_property
    def _undo_names(self) -> "_UndoNames":
        return _UndoNames(self.newer, was_absent=False)

    @cached_property
    def _absent_names(self) -> "_UndoNames":
        return _UndoNames(self.newer, was_absent=True)

    @cached_property
    def _stamp(self) -> bytes:
        return b"%d" % self.newer

    @cached_property
    def _forwards(
        self,
    ) -> tuple[tuple[int, Callable[[RecordEdit], UndoValues], str | None, tuple[str, int, str] | None], ...]:
        """What each step does and displaces, and the change of the record's life span that it is; asked only once."""
        return tuple(
            (
                place,
                step.forward,
                step.displaces,
                (step.policy, step.ms, undo_name(self.newer, place, "", was_absent=False))
                if isinstance(step, Expire)
                else None,
            )
            for place, step in enumerate(self.steps)
        )

    def backward(self, edit: RecordEdit) -> None:
        """Bring a draft of the newer version back to the older one."""
        kept: dict[int, UndoValues] = {}
        lives: dict[tuple[int, str], str] = {}
        for entry in undo_fields_of(self.newer, edit.fields):
            raw = edit.pop_undo(entry.stored_as)
            kept.setdefault(entry.step, {})[entry.name] = None if entry.was_absent else raw
            if not entry.was_absent:
                lives[entry.step, entry.name] = entry.stored_as
        widenings = list(self.widenings)
        for place in range(len(self.steps), -1, -1):
            if place < len(self.steps):
                step = self.steps[place]
                step.backward(edit, kept.get(place, _NOTHING))
                if step.displaces is not None and (place, step.displaces) in lives:
                    edit.moved[step.displaces] = lives[place, step.displaces]
            while widenings and widenings[-1][0] == place:
                widenings.pop()[1].backward(edit, _NOTHING)
        if STAMP in kept.get(len(self.steps), {}):
            edit.remove(STAMP)
        else:
            edit.set(STAMP, b"%d" % self.older)


@dataclass(frozen=True)
class UpgradePath:
    """The way through the versions of one model.

    Attributes:
        model: Name of the model.
        version_steps: From the oldest version to the newest, without a gap.
        first: The oldest version; the only one where there are no stages.
        leaves_newer: Whether records that are further than a target stay as they are, even those of unknown versions.
        hidden: What the model of the code hides.
        earlier: What the code could read to which records are taken back; None where nobody looks.
    """

    model: str
    version_steps: tuple[VersionStep, ...]
    first: int
    leaves_newer: bool = False
    hidden: Hidden = NOTHING_HIDDEN
    earlier: Earlier | None = None

    @cached_property
    def versions(self) -> tuple[int, ...]:
        """Every version that a record can be brought from, and to."""
        return (self.first, *(stage.newer for stage in self.version_steps))

    def version_steps_between(self, old: int, new: int) -> Sequence[VersionStep]:
        """Give the stages between two versions, from the older to the newer one."""
        low, high = min(old, new), max(old, new)
        return [stage for stage in self.version_steps if stage.older >= low and stage.newer <= high]

    def is_done(self, version: int, target: int) -> bool:
        """Whether a record of some version needs nothing to be at a target."""
        return version == target or (self.leaves_newer and version > target)

    def is_static(self, old: int, new: int) -> bool:
        """Whether the server can bring a record from ``old`` to ``new`` by itself; the way back needs what was kept."""
        return old <= new and all(stage.is_static for stage in self.version_steps_between(old, new))

    def rewrite(self, record: Mapping[str, bytes], target: int) -> RecordEdit:
        """Bring a record to version ``target``; the record itself stays as it is.

        Args:
            record: All its stored fields.
            target: One of ``versions``.

        Raises:
            RecordError: Its stamp is unknown here, or a step cannot do it.
        """
        edit = RecordEdit(record)
        version = self.version_of(record.get(STAMP))
        stages, names = self._path(version, target)
        edit.touched |= names
        try:
            for stage in stages:
                if version < target:
                    stage.forward(edit)
                else:
                    stage.backward(edit)
            if self.earlier is not None and version > target:
                self.earlier.check(edit)
        except RecordError as exc:
            error = self.without_secrets(exc)
            if error is exc:
                raise
        else:
            return edit
        raise error  # behind the clause, so that what it was made of is not its context

    def without_secrets(self, exc: RecordError) -> RecordError:
        """Give an error as it may be told, the same one where it has no secret."""
        is_secret = self.conceals(exc.field.partition(".")[0], exc.raw)
        if not is_secret and not (exc.is_told and self.conceals("")):
            return exc
        return exc.without_values(keeps_raw=not is_secret)

    def conceals(self, name: str, raw: bytes | None = None) -> bool:
        """Whether the value of a stored field must not be shown: its type holds or held a secret, or its model says so.

        Args:
            name: The field, or one that keeps such a field aside; "" for the record as a whole.
            raw: Its bytes, if there are some: they may say so themselves.
        """
        if not name:
            return bool(self._secrets or self.hidden)
        field = field_of(name)
        return field in self._secrets or field in self.hidden or (raw is not None and is_tagged_secret(raw))

    @cached_property
    def _secrets(self) -> frozenset[str]:
        """The fields that hold a secret at any version that the migrations lead to or from, by all their names."""
        secrets = self.hidden.names.union(*(stage.secrets for stage in self.version_steps))
        if self.hidden.names:
            secrets = _spread(secrets, [step for stage in self.version_steps for step in stage.steps])
        return secrets

    def check_widened(self, record: Mapping[str, bytes], fields: Mapping[str, bytes], target: int) -> None:
        """Look at what a record became whose bytes stayed because newer types read them alike, as far as is known.

        Args:
            record: Its stored fields before.
            fields: What ``rewrite`` made of them.
            target: Version that they are of now.

        Raises:
            RecordError: The newest type of a field does not read it.
        """
        version = self.version_of(record.get(STAMP))
        stages = self.version_steps_between(version, target) if version < target else ()
        same = [one for stage in stages for _, one in stage.widenings if fields.get(one.name) == record.get(one.name)]
        for widen, raw in ((one, record[one.name]) for one in same if one.name in record):
            try:
                widen.check(raw)
                continue
            except RecordError as exc:
                error = self.without_secrets(exc)
                if error is exc:
                    raise
            raise error  # as above

    def _path(self, version: int, target: int) -> tuple[Sequence[VersionStep], frozenset[str]]:
        """Give the stages in the order in which they run, and the fields that they name beforehand."""
        path = self._paths.get((version, target))
        if path is None:
            stages = self.version_steps_between(version, target)
            steps: list[Step] = [step for stage in stages for step in stage.steps]
            if version > target:  # forwards nobody looks at these
                steps += [step for stage in stages for _, step in stage.widenings]
            names = frozenset((STAMP,)).union(*(step.names for step in steps))
            path = self._paths[version, target] = (stages if version < target else stages[::-1], names)
        return path

    def names_before(self, target: int) -> tuple[str, ...] | None:
        """Give the fields that bringing records up to ``target`` looks at; None where that is not known beforehand."""
        if target != self.versions[-1] or any(not step.names for stage in self.version_steps for step in stage.steps):
            return None
        return (STAMP, *sorted({name for stage in self.version_steps for step in stage.steps for name in step.names}))

    @cached_property
    def _paths(self) -> dict[tuple[int, int], tuple[Sequence[VersionStep], frozenset[str]]]:
        return {}

    def version_of(self, raw: bytes | None) -> int:
        """Give the version that a stamp stands for.

        Raises:
            RecordError: No migration that is known here leads to it.
        """
        if raw in self._known:
            return self._known[raw]
        try:
            version = stored_version("", raw)
        except DecodeError as exc:
            raise RecordError(STAMP, raw, exc.reason) from exc
        if version not in self.versions and not (self.leaves_newer and version > self.versions[-1]):
            known = ", ".join(str(one) for one in self.versions)
            raise RecordError(
                STAMP,
                raw,
                f"is a version of {self.model} that no migration file here knows ({known}); pull the newer files",
            )
        if version in self.versions:
            self._known[raw] = version
        return version

    @cached_property
    def _known(self) -> dict[bytes | None, int]:
        return {}


def make_version_step(
    model: str, before: Snapshot, operations: Sequence[Operation], newer: int, noted: Mapping[str, str] = _ALL_TOLD
) -> VersionStep:
    """Make the stage of one migration for one model.

    Args:
        model: Name of the model, in ``before``.
        before: State before the migration.
        operations: All of the migration; those on other models are passed over.
        newer: Version afterwards.
        noted: Types of fields that the code had before, where the migrations tell less: an enum had got a member.

    Raises:
        SchemaError: An operation does not fit the state it meets.
    """
    steps: list[Step] = []
    widenings: list[tuple[int, Widen]] = []
    secrets = _secrets(before, model)
    state, name = before, model
    for operation in operations:
        after, new_name = operation.apply(state), operation.name_after(name)
        if operation.model == name and name in state.by_name and new_name in after.by_name:
            for step in operation.steps(_as_noted(state.model(name), operation, noted), after.model(new_name)):
                if isinstance(step, Widen):
                    widenings.append((len(steps), step))
                else:
                    steps.append(step)
        state, name = after, new_name
        secrets |= _secrets(after, new_name)
    return VersionStep(before.model(model).version, newer, tuple(steps), tuple(widenings), _spread(secrets, steps))


def _as_noted(schema: ModelSchema, operation: Operation, noted: Mapping[str, str]) -> ModelSchema:
    """Give the schema that an operation meets, with the type that the code had of a field that it changes."""
    known = schema.by_name.get(operation.name) if isinstance(operation, AlterField) else None
    type = None if known is None else noted.get(known.name)
    if known is None or type is None or not is_storage_neutral(known.type, type):
        return schema
    return schema.with_type(known.name, type)


def _spread(secrets: frozenset[str], steps: Sequence[Step]) -> frozenset[str]:
    """Give the fields that hold a secret by what steps do: what one was moved or merged into is one, too."""
    for step in (*steps, *reversed(steps)):
        secrets |= step.names if step.names & secrets else frozenset()
    return secrets


def _secrets(state: Snapshot, model: str) -> frozenset[str]:
    found = state.by_name.get(model)
    return frozenset() if found is None else frozenset(one.name for one in found.fields if one.holds_secret)
