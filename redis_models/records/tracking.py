"""What an instance remembers of its record, so that a save writes what changed and nothing else. Pure."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from operator import is_
from threading import Lock, RLock
from types import NoneType
from typing import Any, Final, TypeVar, cast
from uuid import UUID

from ..errors import DataError, InvalidPrimaryKeyError, RedisModelsError, ServerUnreachableError
from ..mapping.mapper import Mapper
from ..mapping.stored_field import StoredField, is_text
from ..mapping.stored_model import StoredModel
from .change import Change, PlainChange

__all__ = ["TrackedState", "lock_of", "remember", "remembered", "saved", "values_of"]

M = TypeVar("M", bound=StoredModel)
_MAKING: Final = Lock()  # of locks
_NOTHING: Final[dict[str, bytes]] = {}
_GET: Final = object.__getattribute__
_SET: Final = object.__setattr__
# What ``Remembered`` is made of. Thousands of instances are read for one that is changed, so that they keep this first:
# the garbage collector has to look after objects, but not after a tuple of plain values.
_Made = tuple[str, object, dict[str, bytes], dict[str, object], dict[str, bytes], bool]
# Types whose values cannot change inside: the same object has the same stored bytes.
_ATOMS: Final = frozenset({NoneType, bool, int, float, str, bytes, date, datetime, time, timedelta, Decimal, UUID})


class TrackedState:
    """The record of an instance as it was last read or written. Belongs to that instance.

    Attributes:
        key: Where the record lies.
        stored: Its stored fields, as bytes.
    """

    __slots__ = ("_insides", "_is_checked", "_lock", "_pk", "_unknown", "_unstored", "_values", "key", "stored")

    def __init__(
        self,
        key: str,
        pk: object,
        stored: dict[str, bytes],
        values: dict[str, object],
        unstored: dict[str, bytes],
        is_checked: bool,
    ) -> None:
        self.key, self.stored, self._pk, self._values, self._unstored = key, stored, pk, values, unstored
        self._is_checked = is_checked  # whether ``_values`` are known to be what ``stored`` stands for
        # Made when they are needed: thousands of instances are loaded for one that is changed.
        self._unknown: frozenset[str] = frozenset()  # stored fields of which a write may have been executed, or not
        self._insides: dict[str, tuple[object, ...]] | None = None  # of containers, as they were when they were stored
        self._lock: RLock | None = None

    @property
    def lock(self) -> RLock:
        """Held by a thread that assigns, so that what is sent last is what is remembered."""
        if self._lock is None:
            with _MAKING:
                self._lock = self._lock or RLock()
        return self._lock

    def key_for(self, shape: Mapper[Any], instance: StoredModel) -> str:
        """Give the key of the record.

        Raises:
            InvalidPrimaryKeyError: The primary key was changed meanwhile, or the model's methods give another place.
        """
        pk = getattr(instance, shape.primary_key)
        if pk is not self._pk and shape.key_of(pk) != self.key:
            name = shape.model.__name__
            reason = f"was changed, but the record lies at {self.key!r}; insert a copy and delete that one"
            raise InvalidPrimaryKeyError(name, pk, reason)
        if shape.is_movable and (now := shape.key_of(pk)) != self.key:
            name, kept = shape.model.__name__, f"lies at {self.key!r}"
            reason = f"{kept}, but the model's methods say {now!r} now; save and delete it where it was loaded"
            raise InvalidPrimaryKeyError(name, pk, reason)
        return self.key

    def change(self, shape: Mapper[Any], instance: StoredModel, assigned: str | None = None) -> Change:
        """Give what differs between ``instance`` and the record.

        A value that is only spelled differently, as by pydantic-aioredis, is not written: another writer may have
        changed it since.

        Args:
            shape: The model.
            instance: Whose record this is.
            assigned: A field that is written even if it holds what is remembered: another writer may have changed it.

        Raises:
            EncodeError: A value cannot be written as its field's type.
        """
        values, before, stored = values_of(instance), self._values, self.stored
        insides = self._insides = {} if self._insides is None else self._insides
        change = Change({}, {}, [], values)
        is_checked = self._is_checked
        for name in self._suspects(values) if is_checked else shape.names:
            if name not in shape.names:
                continue  # an extra field, or something cached beside them
            value = values[name]
            is_same = value is before[name]
            if is_same and is_checked and name in insides and _is_inside(value, insides[name]):
                continue
            field = shape.fields[shape.names.index(name)]
            raw, known = shape.encode_field(field, value), stored.get(name)
            if raw == known:
                if (inside := _inside(value)) is not None:
                    insides[name] = inside
            elif known is None:
                is_default = is_same and (type(value) in _ATOMS or raw == self._unstored.get(name))
                (change.filled if is_default else change.written)[name] = raw
            elif not self._is_spelling_of(shape, field, known, raw):
                change.written[name] = raw
        if shape.takes_extras:
            self._compare_extras(shape, instance, change)
        if asked := self._unknown | ({assigned} if assigned in shape.names else frozenset[str]()):
            _write_anyway(shape, instance, change, asked)
        return change

    def mark_unknown(self, change: Change, exc: BaseException) -> None:
        """Remember that ``change`` may have been written: the next save writes its fields again, whatever they are."""
        is_settled = isinstance(exc, RedisModelsError) and not isinstance(exc, ServerUnreachableError)
        if not is_settled and getattr(exc, "is_left_open", True):
            self._unknown = self._unknown.union(change.written, change.filled, change.removed)

    def mark_assigned(self, name: str) -> None:
        """Have the next save write a field, changed or not: another writer may have changed it."""
        self._unknown |= {name}

    def mark_deleted(self) -> None:
        """Take note that the record was deleted: the next save writes the instance, and finds that there is none."""
        self.stored, self._is_checked = {}, False

    def mark_saved(self, change: Change) -> None:
        """Remember that ``change`` has been written."""
        if change:
            self.stored.update(change.filled)
            self.stored.update(change.written)
            for name in change.removed:
                self.stored.pop(name, None)
            if self._insides is not None:
                for name in change.written:
                    self._insides.pop(name, None)
        self._values, self._is_checked = change.values, True
        self._unknown = frozenset()

    def _suspects(self, values: dict[str, object]) -> list[str]:
        """Give the fields that may have changed: those with another value, and those whose value may, inside."""
        before = self._values
        return [
            name for name, value in values.items() if type(value) not in _ATOMS or value is not before.get(name, before)
        ]

    def _compare_extras(self, shape: Mapper[Any], instance: StoredModel, change: Change) -> None:
        extras = instance.__pydantic_extra__ or {}
        for name, raw in shape.encode(instance).items():
            if name not in extras:
                continue
            is_untouched = extras[name] is self._values.get(name, self) and type(extras[name]) in _ATOMS
            if raw != self.stored.get(name) and not is_untouched:
                change.written[name] = raw
        # A name that is not text was never among the extra fields: another program wrote it.
        change.removed += [
            name for name in self.stored if name not in extras and name not in shape.names and is_text(name)
        ]

    def _is_spelling_of(self, shape: Mapper[Any], field: StoredField, known: bytes, raw: bytes) -> bool:
        try:
            return shape.encode_field(field, shape.decode_field(self.key, field, known)) == raw
        except DataError:
            return False


class HookedState(TrackedState):
    """What an instance of a model with hooks remembers: what is stored does not tell what it was made of.

    A hook that encrypts gives other bytes each time, so whether a field changed is told by its value.
    """

    __slots__ = ("_plain", "pk")

    def __init__(
        self,
        shape: Mapper[Any],
        instance: StoredModel,
        key: str,
        stored: dict[str, bytes],
        values: dict[str, object] | None = None,
    ) -> None:
        values = values_of(instance) if values is None else values
        self.pk = values[shape.primary_key]
        super().__init__(key, self.pk, stored, values, _NOTHING, True)
        self._plain = _plain(shape, values)

    def change(self, shape: Mapper[Any], instance: StoredModel, assigned: str | None = None) -> Change:
        values = values_of(instance)
        plain = _plain(shape, values)
        asked = self._unknown | ({assigned} if assigned is not None else frozenset[str]())
        changed = {name for name, raw in plain.items() if name in asked or raw != self._plain.get(name, plain)}
        left = [name for name in self._plain if name not in plain and name in self.stored]
        unstored = [name for name in plain if name not in self.stored and name not in changed]
        if not (changed or left or unstored or asked):
            return PlainChange({}, {}, [], values, plain)
        encoded = shape.encode(instance)
        filled = {name: encoded[name] for name in unstored if name in encoded}
        written = {name: encoded[name] for name in encoded if name in changed or name in asked}
        if written or left:
            written |= self._derived(shape, instance, encoded, written.keys() | filled.keys())
        return PlainChange(written, filled, left, values, plain)

    def mark_saved(self, change: Change) -> None:
        super().mark_saved(change)
        if isinstance(change, PlainChange):
            self._plain = change.plain

    def mark_deleted(self) -> None:
        super().mark_deleted()
        self._plain = {}

    def _derived(
        self, shape: Mapper[Any], instance: StoredModel, encoded: dict[str, bytes], done: AbstractSet[str]
    ) -> dict[str, bytes]:
        """Give what the hook makes of the values that changed, under other names than theirs.

        A field that comes out differently each time is written only with its value: another client may have changed it.
        """
        before = self._told_before(shape)
        second = shape.encode(instance)
        return {
            name: raw
            for name, raw in encoded.items()
            if name not in done
            and raw != before.get(name)
            and raw != self.stored.get(name)
            and (raw == second.get(name) or name not in shape.names)
        }

    def _told_before(self, shape: Mapper[Any]) -> Mapping[str, bytes]:
        """Give what the hook makes of the values as they were; what is stored, where these changed inside."""
        values = {name: self._values[name] for name in self._plain if name in self._values}
        if _plain(shape, values) != self._plain:
            return self.stored
        try:
            return shape.encode_some(values)
        except DataError:
            return self.stored


def _plain(shape: Mapper[Any], values: Mapping[str, object]) -> dict[str, object]:
    """Give values as they would be stored without hooks, to compare them; what could not be, as it is."""
    plain: dict[str, object] = {}
    for name, value in values.items():
        if name in shape.names:
            try:
                plain[name] = shape.encode_field(shape.field(name), value)
            except DataError:  # only the hook knows how
                plain[name] = value
        elif shape.extras is not None:
            plain[name] = value
    return plain


def remembered(instance: StoredModel) -> TrackedState | None:
    """Give what ``instance`` remembers; None if it was neither read nor written."""
    try:
        # Not by getattr: pydantic's way of looking for what is not there takes several times longer.
        found = _GET(instance, "__record__")
    except AttributeError:
        return None
    return _unfolded(instance) if type(found) is tuple else cast("TrackedState | None", found)


def lock_of(instance: StoredModel) -> RLock:
    """Give what a thread holds that saves ``instance``; once it is remembered, that is another one than before."""
    known = remembered(instance)
    if known is not None:
        return known.lock
    with _MAKING:
        try:
            return cast(RLock, _GET(instance, "__first__"))
        except AttributeError:
            lock = RLock()
            _SET(instance, "__first__", lock)
            return lock


def remember(shape: Mapper[M], instance: M, key: str, stored: dict[str, bytes]) -> object:
    """Have ``instance`` remember the record that it was read from; give its primary key."""
    if shape.hooks:
        known = HookedState(shape, instance, key, stored)
        _SET(instance, "__record__", known)
        return known.pk
    unstored = _NOTHING
    if len(stored) < len(shape.fields):
        unstored = {}
        for field in shape.fields:
            value = instance.__dict__[field.name]
            if field.name not in stored and type(value) not in _ATOMS:
                try:
                    unstored[field.name] = shape.encode_field(field, value)
                except DataError:
                    continue  # a default that cannot be stored is the next save's affair
    values = values_of(instance)
    pk = values[shape.primary_key]
    folded: _Made = (key, pk, stored, values, unstored, False)
    _SET(instance, "__record__", folded)
    return pk


def saved(shape: Mapper[M], instance: M, key: str, stored: dict[str, bytes], values: dict[str, object]) -> None:
    """Have ``instance`` remember the whole record that it was written to, and the ``values`` that it was made of."""
    if shape.hooks:
        _SET(instance, "__record__", HookedState(shape, instance, key, stored, values))
        return
    folded: _Made = (key, values[shape.primary_key], stored, values, _NOTHING, True)
    with _MAKING:  # another thread may be about to put what was remembered before in its place
        _SET(instance, "__record__", folded)


def _unfolded(instance: StoredModel) -> TrackedState:
    with _MAKING:
        found: TrackedState | _Made = cast(Any, instance).__record__
        if isinstance(found, TrackedState):  # another thread was faster
            return found
        known = TrackedState(*found)
        if getattr(instance, "__auto__", None) is None:
            # Says nothing of its own; but looking for it where it is not set costs more than the assignment that asks.
            _SET(instance, "__auto__", (None, None))
        _SET(instance, "__record__", known)
        return known


def _write_anyway(shape: Mapper[Any], instance: StoredModel, change: Change, names: Iterable[str]) -> None:
    """Have ``change`` write these fields too, or remove them where the instance has them no more."""
    stored: dict[str, bytes] | None = None
    for name in names:
        if name in change.written:
            continue
        change.filled.pop(name, None)
        if name in shape.names:
            change.written[name] = shape.encode_field(shape.field(name), change.values[name])
            continue
        stored = shape.encode(instance) if stored is None else stored
        if name in stored:
            change.written[name] = stored[name]
        elif name not in change.removed:
            change.removed.append(name)


def values_of(instance: StoredModel) -> dict[str, object]:
    """Give the values of an instance as they are now, extra ones too."""
    extras = instance.__pydantic_extra__
    return {**instance.__dict__, **extras} if extras else instance.__dict__.copy()


def _inside(value: object) -> tuple[object, ...] | None:
    """Give what a plain container holds, if that cannot change inside: comparing it costs a tenth of encoding."""
    members: tuple[object, ...]
    if isinstance(value, (list, set, frozenset)):
        members = tuple(cast("Iterable[object]", value))
    elif isinstance(value, dict):
        mapping = cast("dict[object, object]", value)
        members = (*mapping, *mapping.values())
    else:
        return None
    return members if _ATOMS.issuperset(map(type, members)) else None


def _is_inside(value: object, members: tuple[object, ...]) -> bool:
    """Whether a container holds the very objects of ``held`` still; equal ones will not do: 1 is not True."""
    container = cast("dict[object, object]", value)
    now = (*container, *container.values()) if isinstance(value, dict) else container
    return len(now) == len(members) and all(map(is_, now, members))
