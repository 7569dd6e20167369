"""Paths: one key changed in every object that a path leads to inside of a decoded value. Pure.

The values are those of ``type_resolver.resolve``. A path passes through containers and recognises objects by the class
that reading gave them, so that it never enters what only looks like one (an ``Any``), and knows which variant of a
union an object is. Going back, each object is paired with what it was, so that its own value returns, not a stand-in.
"""

import enum
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, cast

from redis_models.errors import RecordError

from ..schema.historical_values import HistoricalAlias, HistoricalObject, document_of

__all__ = [
    "ABSENT",
    "Document",
    "Edit",
    "as_key",
    "changed",
    "changed_back",
    "is_path",
    "parent_of",
    "plain",
    "split_path",
]

Document = dict[str, object]
_SETS: Final = (set, frozenset)


class _Absent:
    """What a key holds that is not there; its own class, because None is a value."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()


class Edit(ABC):
    """One change of one key, in every object that has it. Pure."""

    @abstractmethod
    def forward(self, document: Document, type: str) -> None:
        """Change an object of the type ``type``."""

    @abstractmethod
    def backward(self, document: Document, type: str, before: Mapping[str, object] | None) -> None:
        """Take that back; ``before`` is what the object was, as far as that is known."""


def is_path(name: str) -> bool:
    """Whether ``name`` leads into a field."""
    return "." in name


def split_path(name: str) -> tuple[str, tuple[str, ...]]:
    """Give the field that a path begins with, and the keys that follow."""
    field, *keys = name.split(".")
    return field, tuple(keys)


def plain(value: object) -> object:
    """Give ``value`` without classes of the past, so that any type can be made of it: objects become dicts."""
    return _Walk(None).walk(value, (), ABSENT)


def as_key(value: object) -> object:
    """Give ``value`` as ``plain`` does, as the key of a dict: what was a tuple is one still, and not a list."""
    made = plain(value)
    return tuple(map(as_key, cast("list[object]", made))) if isinstance(made, list) else made


def changed(value: object, path: Sequence[str], edit: Edit) -> object:
    """Give ``value`` as ``plain`` does, changed by ``edit`` in every object that ``path`` leads to.

    Args:
        value: As it was decoded; it stays as it is.
        path: Keys; the last is the one that ``edit`` is about.
        edit: The change.
    """
    return _Walk(edit).walk(value, tuple(path), ABSENT)


def changed_back(value: object, path: Sequence[str], edit: Edit, old: object, usual: Edit | None = None) -> object:
    """Give ``value`` as ``plain`` does, with ``edit`` taken back.

    Args:
        value: As it was decoded; it stays as it is.
        path: Keys; the last is the one that ``edit`` is about.
        edit: The change.
        old: What the value was before, or ABSENT.
        usual: What the change was while its operation had no function, which may have been given since.
    """
    return _WalkBack(edit, usual).walk(value, tuple(path), old)


class _Walk:
    """The way through one value. Holds no state."""

    def __init__(self, edit: Edit | None) -> None:
        self._edit = edit

    def walk(self, value: object, path: tuple[str, ...], old: object) -> object:
        if isinstance(value, HistoricalObject):
            return self._object(value, path, old)
        if isinstance(value, HistoricalAlias):
            return self.walk(value.root, (), ABSENT)  # no path leads into what recurs
        if isinstance(value, enum.Enum) and not isinstance(value, enum.Flag):
            return cast(object, value.value)
        if isinstance(value, dict):
            return self._dict(cast("dict[object, object]", value), path, old)
        if isinstance(value, (list, tuple, deque, *_SETS)):
            return self._items(cast("Iterable[object]", value), path, old)
        return value

    def _object(self, value: HistoricalObject, path: tuple[str, ...], old: object) -> Document:
        before = document_of(old) if isinstance(old, HistoricalObject) else None
        document = document_of(value)
        head, rest = (path[0], path[1:]) if len(path) > 1 else ("", ())
        for name, one in document.items():
            other = ABSENT if before is None else before.get(name, ABSENT)
            document[name] = self.walk(one, rest if name == head else (), other)
        if len(path) == 1 and self._edit is not None:
            self._apply(self._edit, document, value.__type_text__, before)
        return document

    def _apply(self, edit: Edit, document: Document, type: str, before: Document | None) -> None:
        edit.forward(document, type)

    def _dict(self, value: Mapping[object, object], path: tuple[str, ...], old: object) -> object:
        olds = cast("Mapping[object, object]", old) if isinstance(old, dict) else {}
        return {
            plain(name) if isinstance(name, enum.Enum) else name: self.walk(one, path, olds.get(name, ABSENT))
            for name, one in value.items()
        }

    def _items(self, value: Iterable[object], path: tuple[str, ...], old: object) -> object:
        items = list(value)
        olds = self._paired(items, old, path) if path else [ABSENT] * len(items)
        made = [self.walk(one, path, other) for one, other in zip(items, olds, strict=True)]
        if isinstance(value, deque):
            return deque(made, maxlen=value.maxlen)
        if isinstance(value, _SETS) and any(isinstance(one, (dict, list)) for one in made):
            return made  # has no hash; the set's own type makes a set of a list too
        return type(value)(made)  # type: ignore[call-arg]  # list, tuple, set or frozenset, which take items

    def _paired(self, items: Sequence[object], old: object, path: tuple[str, ...]) -> list[object]:
        return [ABSENT] * len(items)


class _WalkBack(_Walk):
    """Likewise on the way back, beside the value that it was."""

    def __init__(self, edit: Edit, usual: Edit | None) -> None:
        super().__init__(edit)
        self._edits = [edit] if usual is None else [edit, usual]

    def _apply(self, edit: Edit, document: Document, type: str, before: Document | None) -> None:
        known = None if before is None else {name: plain(one) for name, one in before.items()}
        edit.backward(document, type, known)

    def _paired(self, items: Sequence[object], old: object, path: tuple[str, ...]) -> list[object]:
        """Find what each item was: the first one that becomes the very same. One that was changed since has none."""
        olds = list(cast("Iterable[object]", old)) if isinstance(old, (list, tuple, deque, *_SETS)) else []
        become = [[self._forward(edit, one, path) for edit in self._edits] for one in olds]
        found: list[object] = []
        for item in map(plain, items):
            place = next((number for number, some in enumerate(become) if item in some), None)
            found.append(ABSENT if place is None else olds.pop(place))
            if place is not None:
                become.pop(place)
        return found

    def _forward(self, edit: Edit, old: object, path: tuple[str, ...]) -> object:
        try:
            return _Walk(edit).walk(old, path, ABSENT)
        except RecordError:
            return ABSENT  # nothing became of it, so it is none of those that are there now


def parent_of(document: object, keys: Sequence[str]) -> Document | None:
    """Give the object that ``keys`` lead to in a plain document of objects; None where one on the way is missing."""
    for key in keys:
        if not isinstance(document, dict):
            return None
        document = cast(Document, document).get(key)
    return cast(Document, document) if isinstance(document, dict) else None
