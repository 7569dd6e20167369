"""Tracked state: the record of an instance as it was last read or written, so that a save writes only changes. Pure."""

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

__all__ = ["TrackedState", "lock_of", "track_read", "track_written", "tracked_state", "values_of"]

M = TypeVar("M", bound=StoredModel)
_CREATING: Final = Lock()  # of locks
_NOTHING: Final[dict[str, bytes]] = {}
_GET: Final = object.__getattribute__
_SET: Final = object.__setattr__
# Arguments of ``TrackedState``. Of thousands of instances that are read, few change, so they first keep this tuple:
# the garbage collector tracks objects, but not tuples of plain values.
_StateArguments = tuple[str, object, dict[str, bytes], dict[str, object], dict[str, bytes], bool]
# Types whose values cannot change inside: the same object has the same stored bytes.
_ATOMS: Final = frozenset({NoneType, bool, int, float, str, bytes, date, datetime, time, timedelta, Decimal, UUID})


class TrackedState:
    """The record of an instance as it was last read or written. Belongs to that instance.

    Attributes:
        key: Key of the record.
        stored: Its stored fields, as bytes.
    """

    __slots__ = ("_is_checked", "_items", "_lock", "_pk", "_unknown", "_unstored", "_values", "key", "stored")

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
        self._is_checked = is_checked  # whether ``_values`` are known to equal ``stored``
        # Made when they are needed: of thousands of instances that are loaded, few are changed.
        self._unknown: frozenset[str] = frozenset()  # stored fields whose last write may or may not have been executed
        self._items: dict[str, tuple[object, ...]] | None = None  # of containers, as they were when they were stored
        self._lock: RLock | None = None

    @property
    def lock(self) -> RLock:
        """The lock that a thread holds while it assigns, so that the state is that of the last write."""
        if self._lock is None:
            with _CREATING:
                self._lock = self._lock or RLock()
        return self._lock

    def key_for(self, mapper: Mapper[Any], instance: StoredModel) -> str:
        """Give the key of the record.

        Raises:
            InvalidPrimaryKeyError: The primary key was changed, or the model's methods give another key now.
        """
        pk = getattr(instance, mapper.primary_key)
        if pk is not self._pk and mapper.key_of(pk) != self.key:
            name = mapper.model.__name__
            reason = f"was changed, but the record is stored at {self.key!r}; insert a copy and delete that one"
            raise InvalidPrimaryKeyError(name, pk, reason)
        if mapper.is_movable and (now := mapper.key_of(pk)) != self.key:
            name, kept = mapper.model.__name__, f"is stored at {self.key!r}"
            reason = f"{kept}, but the model's methods give {now!r} now; save and delete it where it was loaded"
            raise InvalidPrimaryKeyError(name, pk, reason)
        return self.key

    def change(self, mapper: Mapper[Any], instance: StoredModel, assigned: str | None = None) -> Change:
        """Give what differs between ``instance`` and the record.

        A value that is only spelled differently, as by pydantic-aioredis, is not written: another client may have
        changed it since.

        Args:
            mapper: The model.
            instance: The instance of this record.
            assigned: A field to write even if its value did not change: another client may have changed the record.

        Raises:
            EncodeError: A value cannot be written as its field's type.
        """
        values, before, stored = values_of(instance), self._values, self.stored
        stored_items = self._items = {} if self._items is None else self._items
        change = Change({}, {}, [], values)
        is_checked = self._is_checked
        for name in self._maybe_changed(values) if is_checked else mapper.names:
            if name not in mapper.names:
                continue  # an extra field, or something cached beside them
            value = values[name]
            is_same = value is before[name]
            if is_same and is_checked and name in stored_items and _has_same_items(value, stored_items[name]):
                continue
            field = mapper.fields[mapper.names.index(name)]
            raw, stored_raw = mapper.encode_field(field, value), stored.get(name)
            if raw == stored_raw:
                if (items := _immutable_items(value)) is not None:
                    stored_items[name] = items
            elif stored_raw is None:
                is_default = is_same and (type(value) in _ATOMS or raw == self._unstored.get(name))
                (change.filled if is_default else change.written)[name] = raw
            elif not self._is_spelling_of(mapper, field, stored_raw, raw):
                change.written[name] = raw
        if mapper.takes_extras:
            self._compare_extras(mapper, instance, change)
        if forced := self._unknown | ({assigned} if assigned in mapper.names else frozenset[str]()):
            _add_forced(mapper, instance, change, forced)
        return change

    def mark_unknown(self, change: Change, exc: BaseException) -> None:
        """Note that ``change`` may have been written: the next save writes its fields again, changed or not."""
        is_settled = isinstance(exc, RedisModelsError) and not isinstance(exc, ServerUnreachableError)
        if not is_settled and getattr(exc, "is_left_open", True):
            self._unknown = self._unknown.union(change.written, change.filled, change.removed)

    def mark_assigned(self, name: str) -> None:
        """Make the next save write a field, changed or not: another client may have changed it."""
        self._unknown |= {name}

    def mark_deleted(self) -> None:
        """Note that the record was deleted: the next save writes the instance, and finds that it does not exist."""
        self.stored, self._is_checked = {}, False

    def mark_saved(self, change: Change) -> None:
        """Note that ``change`` has been written."""
        if change:
            self.stored.update(change.filled)
            self.stored.update(change.written)
            for name in change.removed:
                self.stored.pop(name, None)
            if self._items is not None:
                for name in change.written:
                    self._items.pop(name, None)
        self._values, self._is_checked = change.values, True
        self._unknown = frozenset()

    def _maybe_changed(self, values: dict[str, object]) -> list[str]:
        """Give the fields that may have changed: those with another value, and those with a mutable value."""
        before = self._values
        return [
            name for name, value in values.items() if type(value) not in _ATOMS or value is not before.get(name, before)
        ]

    def _compare_extras(self, mapper: Mapper[Any], instance: StoredModel, change: Change) -> None:
        extras = instance.__pydantic_extra__ or {}
        for name, raw in mapper.encode(instance).items():
            if name not in extras:
                continue
            is_untouched = extras[name] is self._values.get(name, self) and type(extras[name]) in _ATOMS
            if raw != self.stored.get(name) and not is_untouched:
                change.written[name] = raw
        # A name that is not valid text cannot be an extra field: another program wrote it.
        change.removed += [
            name for name in self.stored if name not in extras and name not in mapper.names and is_text(name)
        ]

    def _is_spelling_of(self, mapper: Mapper[Any], field: StoredField, stored_raw: bytes, raw: bytes) -> bool:
        try:
            return mapper.encode_field(field, mapper.decode_field(self.key, field, stored_raw)) == raw
        except DataError:
            return False


class HookedState(TrackedState):
    """The tracked state of a model with hooks. It compares values and not bytes.

    A hook that encrypts, for example, returns other bytes each time.
    """

    __slots__ = ("_plain", "pk")

    def __init__(
        self,
        mapper: Mapper[Any],
        instance: StoredModel,
        key: str,
        stored: dict[str, bytes],
        values: dict[str, object] | None = None,
    ) -> None:
        values = values_of(instance) if values is None else values
        self.pk = values[mapper.primary_key]
        super().__init__(key, self.pk, stored, values, _NOTHING, True)
        self._plain = _plain_values(mapper, values)

    def change(self, mapper: Mapper[Any], instance: StoredModel, assigned: str | None = None) -> Change:
        values = values_of(instance)
        plain = _plain_values(mapper, values)
        forced = self._unknown | ({assigned} if assigned is not None else frozenset[str]())
        changed = {name for name, raw in plain.items() if name in forced or raw != self._plain.get(name, plain)}
        removed = [name for name in self._plain if name not in plain and name in self.stored]
        unstored = [name for name in plain if name not in self.stored and name not in changed]
        if not (changed or removed or unstored or forced):
            return PlainChange({}, {}, [], values, plain)
        encoded = mapper.encode(instance)
        filled = {name: encoded[name] for name in unstored if name in encoded}
        written = {name: encoded[name] for name in encoded if name in changed or name in forced}
        if written or removed:
            written |= self._derived(mapper, instance, encoded, written.keys() | filled.keys())
        return PlainChange(written, filled, removed, values, plain)

    def mark_saved(self, change: Change) -> None:
        super().mark_saved(change)
        if isinstance(change, PlainChange):
            self._plain = change.plain

    def mark_deleted(self) -> None:
        super().mark_deleted()
        self._plain = {}

    def _derived(
        self, mapper: Mapper[Any], instance: StoredModel, encoded: dict[str, bytes], names: AbstractSet[str]
    ) -> dict[str, bytes]:
        """Give fields that the hook derives from changed values under other names.

        A field that the hook returns differently each time is written only if its value changed: another client may
        have changed it.
        """
        before = self._encoded_before(mapper)
        encoded_again = mapper.encode(instance)
        return {
            name: raw
            for name, raw in encoded.items()
            if name not in names
            and raw != before.get(name)
            and raw != self.stored.get(name)
            and (raw == encoded_again.get(name) or name not in mapper.names)
        }

    def _encoded_before(self, mapper: Mapper[Any]) -> Mapping[str, bytes]:
        """Give what the hook returned for the former values; the stored fields, if a value was changed in place."""
        values = {name: self._values[name] for name in self._plain if name in self._values}
        if _plain_values(mapper, values) != self._plain:
            return self.stored
        try:
            return mapper.encode_some(values)
        except DataError:
            return self.stored


def _plain_values(mapper: Mapper[Any], values: Mapping[str, object]) -> dict[str, object]:
    """Give values as they would be stored without hooks, to compare them. If they could not be, they stay unchanged."""
    plain: dict[str, object] = {}
    for name, value in values.items():
        if name in mapper.names:
            try:
                plain[name] = mapper.encode_field(mapper.field(name), value)
            except DataError:  # only the hook knows how
                plain[name] = value
        elif mapper.extras is not None:
            plain[name] = value
    return plain


def tracked_state(instance: StoredModel) -> TrackedState | None:
    """Give the tracked state of ``instance``; None if it was neither read nor written."""
    try:
        # Not by getattr: pydantic's lookup of a missing attribute takes several times longer.
        found = _GET(instance, "__record__")
    except AttributeError:
        return None
    return _unpack_state(instance) if type(found) is tuple else cast("TrackedState | None", found)


def lock_of(instance: StoredModel) -> RLock:
    """Give the lock for saving ``instance``; after its first save this is another lock."""
    state = tracked_state(instance)
    if state is not None:
        return state.lock
    with _CREATING:
        try:
            return cast(RLock, _GET(instance, "__first__"))
        except AttributeError:
            lock = RLock()
            _SET(instance, "__first__", lock)
            return lock


def track_read(mapper: Mapper[M], instance: M, key: str, stored: dict[str, bytes]) -> object:
    """Track the record that ``instance`` was read from; give its primary key."""
    if mapper.hooks:
        state = HookedState(mapper, instance, key, stored)
        _SET(instance, "__record__", state)
        return state.pk
    unstored = _NOTHING
    if len(stored) < len(mapper.fields):
        unstored = {}
        for field in mapper.fields:
            value = instance.__dict__[field.name]
            if field.name not in stored and type(value) not in _ATOMS:
                try:
                    unstored[field.name] = mapper.encode_field(field, value)
                except DataError:
                    continue  # the next save reports a default that cannot be stored
    values = values_of(instance)
    pk = values[mapper.primary_key]
    arguments: _StateArguments = (key, pk, stored, values, unstored, False)
    _SET(instance, "__record__", arguments)
    return pk


def track_written(
    mapper: Mapper[M], instance: M, key: str, stored: dict[str, bytes], values: dict[str, object]
) -> None:
    """Track the whole record that ``instance`` was written to, and its ``values`` at that time."""
    if mapper.hooks:
        _SET(instance, "__record__", HookedState(mapper, instance, key, stored, values))
        return
    arguments: _StateArguments = (key, values[mapper.primary_key], stored, values, _NOTHING, True)
    with _CREATING:  # another thread may be about to store the previous state there
        _SET(instance, "__record__", arguments)


def _unpack_state(instance: StoredModel) -> TrackedState:
    with _CREATING:
        found: TrackedState | _StateArguments = cast(Any, instance).__record__
        if isinstance(found, TrackedState):  # another thread was faster
            return found
        state = TrackedState(*found)
        if getattr(instance, "__auto__", None) is None:
            # The default; looking up an attribute that is not set costs more than an assignment takes.
            _SET(instance, "__auto__", (None, None))
        _SET(instance, "__record__", state)
        return state


def _add_forced(mapper: Mapper[Any], instance: StoredModel, change: Change, names: Iterable[str]) -> None:
    """Add these fields to ``change``: to be written, or removed if the instance no longer has them."""
    stored: dict[str, bytes] | None = None
    for name in names:
        if name in change.written:
            continue
        change.filled.pop(name, None)
        if name in mapper.names:
            change.written[name] = mapper.encode_field(mapper.field(name), change.values[name])
            continue
        stored = mapper.encode(instance) if stored is None else stored
        if name in stored:
            change.written[name] = stored[name]
        elif name not in change.removed:
            change.removed.append(name)


def values_of(instance: StoredModel) -> dict[str, object]:
    """Give the current values of an instance, extra ones too."""
    extras = instance.__pydantic_extra__
    return {**instance.__dict__, **extras} if extras else instance.__dict__.copy()


def _immutable_items(value: object) -> tuple[object, ...] | None:
    """Give the items of a plain container if all are immutable: to compare them is ten times faster than encoding."""
    items: tuple[object, ...]
    if isinstance(value, (list, set, frozenset)):
        items = tuple(cast("Iterable[object]", value))
    elif isinstance(value, dict):
        mapping = cast("dict[object, object]", value)
        items = (*mapping, *mapping.values())
    else:
        return None
    return items if _ATOMS.issuperset(map(type, items)) else None


def _has_same_items(value: object, items: tuple[object, ...]) -> bool:
    """Whether a container still has the same objects as items. Equal objects are not enough: 1 equals True."""
    container = cast("dict[object, object]", value)
    now = (*container, *container.values()) if isinstance(value, dict) else container
    return len(now) == len(items) and all(map(is_, now, items))
