"""Upgrade paths: the steps of a model's records from any version to any other. Pure.

All steps change one edit, so that a record is rewritten once, however many migrations are pending.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from redis_models.encoding.secrets import is_tagged_secret
from redis_models.errors import DecodeError, RecordError
from redis_models.mapping.stored_field import STAMP, stored_version

from ..constraints.earlier_code import EarlierCode
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
_NO_TYPES: Final[Mapping[str, str]] = {}


class _UndoNames(dict[tuple[int, str], str]):
    """A cache of the names of undo fields (``undo_name``), by step and field.

    Args:
        version: Version after the migration.
        was_absent: Whether they are for absent fields.
    """

    def __init__(self, version: int, *, was_absent: bool) -> None:
        super().__init__()
        self._version, self._was_absent = version, was_absent

    def __missing__(self, place: tuple[int, str]) -> str:
        name = self[place] = undo_name(self._version, *place, was_absent=self._was_absent)
        return name


@dataclass(frozen=True)
class VersionStep:
    """The changes of one migration to the records of one model.

    Attributes:
        older, newer: Versions before and afterwards.
        steps: In the order of the operations; undo fields have the index of their step.
        widenings: Steps without undo fields, each with the number of ``steps`` before it.
        secrets: Fields that hold a secret before or afterwards, or are made from one.
    """

    older: int
    newer: int
    steps: tuple[Step, ...]
    widenings: tuple[tuple[int, Widen], ...] = ()
    secrets: frozenset[str] = frozenset()

    @cached_property
    def is_static(self) -> bool:
        """Whether the server can execute it without Python."""
        return all(step.is_static for step in self.steps)

    def forward(self, edit: RecordEdit) -> None:
        """Upgrade an edit from the older version to the newer one."""
        for place, forward, displaces, ttl_change in self._forwards:
            origin = None if displaces is None else edit.origin(displaces)
            for name, raw in forward(edit).items():
                if raw is None:
                    edit.store_undo(self._absent_names[place, name], b"")
                else:
                    edit.store_undo(self._undo_names[place, name], raw, origin)
            if ttl_change is not None:
                edit.ttl_changes += (ttl_change,)
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
        """Index, function, displaced field and TTL change of each step, computed once."""
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
        """Downgrade an edit from the newer version to the older one."""
        undo: dict[int, UndoValues] = {}
        stored_as: dict[tuple[int, str], str] = {}
        for entry in undo_fields_of(self.newer, edit.fields):
            raw = edit.pop_undo(entry.stored_as)
            undo.setdefault(entry.step, {})[entry.name] = None if entry.was_absent else raw
            if not entry.was_absent:
                stored_as[entry.step, entry.name] = entry.stored_as
        widenings = list(self.widenings)
        for place in range(len(self.steps), -1, -1):
            if place < len(self.steps):
                step = self.steps[place]
                step.backward(edit, undo.get(place, _NOTHING))
                if step.displaces is not None and (place, step.displaces) in stored_as:
                    edit.moved[step.displaces] = stored_as[place, step.displaces]
            while widenings and widenings[-1][0] == place:
                widenings.pop()[1].backward(edit, _NOTHING)
        if STAMP in undo.get(len(self.steps), {}):
            edit.remove(STAMP)
        else:
            edit.set(STAMP, b"%d" % self.older)


@dataclass(frozen=True)
class UpgradePath:
    """The steps between all versions of one model.

    Attributes:
        model: Name of the model.
        version_steps: From the oldest version to the newest, without gaps.
        first: The oldest version.
        leaves_newer: Whether records of versions beyond a target stay unchanged, even of unknown versions.
        hidden: Hidden fields of the model in the code.
        earlier: Checks of the older code to which records go back; None if they are not checked.
    """

    model: str
    version_steps: tuple[VersionStep, ...]
    first: int
    leaves_newer: bool = False
    hidden: Hidden = NOTHING_HIDDEN
    earlier: EarlierCode | None = None

    @cached_property
    def versions(self) -> tuple[int, ...]:
        """All versions between which records can be converted."""
        return (self.first, *(version_step.newer for version_step in self.version_steps))

    def version_steps_between(self, old: int, new: int) -> Sequence[VersionStep]:
        """Return the steps between two versions, from the older to the newer one."""
        low, high = min(old, new), max(old, new)
        return [
            version_step
            for version_step in self.version_steps
            if version_step.older >= low and version_step.newer <= high
        ]

    def former_names(self, name: str, version: int) -> dict[int, str | None]:
        """Give the stored fields that held the same bytes as a field of ``version``, by the older versions.

        None from where on a step may have changed the bytes, or made them.
        """
        names: dict[int, str | None] = {}
        former: str | None = name
        for version_step in reversed(self.version_steps_between(self.first, version)):
            for step in reversed(version_step.steps):
                former = None if former is None else step.former_name(former)
            names[version_step.older] = former
        return names

    def is_done(self, version: int, target: int) -> bool:
        """Whether a record of this version needs no change to be at a target."""
        return version == target or (self.leaves_newer and version > target)

    def is_static(self, old: int, new: int) -> bool:
        """Whether the server can convert a record from ``old`` to ``new`` without Python; going back it cannot."""
        return old <= new and all(version_step.is_static for version_step in self.version_steps_between(old, new))

    def rewrite(self, record: Mapping[str, bytes], target: int) -> RecordEdit:
        """Convert a record to version ``target``; ``record`` itself does not change.

        Args:
            record: All its stored fields.
            target: One of ``versions``.

        Raises:
            RecordError: Its stamp is unknown, or a step cannot convert it.
        """
        edit = RecordEdit(record)
        version = self.version_of(record.get(STAMP))
        version_steps, names = self._path(version, target)
        edit.touched |= names
        try:
            for version_step in version_steps:
                if version < target:
                    version_step.forward(edit)
                else:
                    version_step.backward(edit)
            if self.earlier is not None and version > target:
                self.earlier.check(edit)
        except RecordError as exc:
            error = self.without_secrets(exc)
            if error is exc:
                raise
        else:
            return edit
        raise error  # after the clause, so that the original error is not its context

    def without_secrets(self, exc: RecordError) -> RecordError:
        """Return an error without secrets; the same error if it has none."""
        is_secret = self.conceals(exc.field.partition(".")[0], exc.raw)
        if not is_secret and not (exc.is_told and self.conceals("")):
            return exc
        return exc.without_values(keeps_raw=not is_secret)

    def conceals(self, name: str, raw: bytes | None = None) -> bool:
        """Whether the value of a stored field must not be shown: its type has or had a secret, or its model hides it.

        Args:
            name: The field or its undo field; "" for the whole record.
            raw: Its bytes, if known; they may be marked as a secret.
        """
        if not name:
            return bool(self._secrets or self.hidden)
        field = field_of(name)
        return field in self._secrets or field in self.hidden or (raw is not None and is_tagged_secret(raw))

    @cached_property
    def _secrets(self) -> frozenset[str]:
        """The fields that hold a secret at any version, by all their names."""
        secrets = self.hidden.names.union(*(version_step.secrets for version_step in self.version_steps))
        if self.hidden.names:
            secrets = _spread(secrets, [step for version_step in self.version_steps for step in version_step.steps])
        return secrets

    def check_widened(self, record: Mapping[str, bytes], fields: Mapping[str, bytes], target: int) -> None:
        """Check fields whose bytes did not change because their type was only widened.

        Args:
            record: Its stored fields before.
            fields: The result of ``rewrite``.
            target: Version of ``fields``.

        Raises:
            RecordError: The newest type of a field cannot read its bytes.
        """
        version = self.version_of(record.get(STAMP))
        version_steps = self.version_steps_between(version, target) if version < target else ()
        same = [
            widening
            for version_step in version_steps
            for _, widening in version_step.widenings
            if fields.get(widening.name) == record.get(widening.name)
        ]
        for widen, raw in ((widening, record[widening.name]) for widening in same if widening.name in record):
            try:
                widen.check(raw)
                continue
            except RecordError as exc:
                error = self.without_secrets(exc)
                if error is exc:
                    raise
            raise error  # as above

    def _path(self, version: int, target: int) -> tuple[Sequence[VersionStep], frozenset[str]]:
        """Return the steps in the order in which they run, and the fields that they name in advance."""
        path = self._paths.get((version, target))
        if path is None:
            version_steps = self.version_steps_between(version, target)
            steps: list[Step] = [step for version_step in version_steps for step in version_step.steps]
            if version > target:  # forwards, these do not read values
                steps += [step for version_step in version_steps for _, step in version_step.widenings]
            names = frozenset((STAMP,)).union(*(step.names for step in steps))
            path = self._paths[version, target] = (version_steps if version < target else version_steps[::-1], names)
        return path

    def names_before(self, target: int) -> tuple[str, ...] | None:
        """Return the fields that an upgrade to ``target`` reads; None if they are not known in advance."""
        if target != self.versions[-1] or any(
            not step.names for version_step in self.version_steps for step in version_step.steps
        ):
            return None
        return (
            STAMP,
            *sorted(
                {name for version_step in self.version_steps for step in version_step.steps for name in step.names}
            ),
        )

    @cached_property
    def _paths(self) -> dict[tuple[int, int], tuple[Sequence[VersionStep], frozenset[str]]]:
        return {}

    def version_of(self, raw: bytes | None) -> int:
        """Return the version of a stamp.

        Raises:
            RecordError: No known migration leads to that version.
        """
        if raw in self._known:
            return self._known[raw]
        try:
            version = stored_version("", raw)
        except DecodeError as exc:
            raise RecordError(STAMP, raw, exc.reason) from exc
        if version not in self.versions and not (self.leaves_newer and version > self.versions[-1]):
            known = ", ".join(map(str, self.versions))
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
    model: str, before: Snapshot, operations: Sequence[Operation], newer: int, noted: Mapping[str, str] = _NO_TYPES
) -> VersionStep:
    """Return the changes of one migration to the records of one model.

    Args:
        model: Name of the model, in ``before``.
        before: State before the migration.
        operations: All operations of the migration; those on other models are ignored.
        newer: Version afterwards.
        noted: Types of fields in the code before, if they differ from the migrations: an enum may have got a member.

    Raises:
        SchemaError: An operation does not fit its place.
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
    """Return the schema before an operation, with the type that a changed field had in the code."""
    known = schema.by_name.get(operation.name) if isinstance(operation, AlterField) else None
    type = None if known is None else noted.get(known.name)
    if known is None or type is None or not is_storage_neutral(known.type, type):
        return schema
    return schema.with_type(known.name, type)


def _spread(secrets: frozenset[str], steps: Sequence[Step]) -> frozenset[str]:
    """Return all secret fields: a field to which a secret is moved or merged is secret too."""
    for step in (*steps, *reversed(steps)):
        secrets |= step.names if step.names & secrets else frozenset()
    return secrets


def _secrets(state: Snapshot, model: str) -> frozenset[str]:
    found = state.by_name.get(model)
    return frozenset() if found is None else frozenset(field.name for field in found.fields if field.holds_secret)
