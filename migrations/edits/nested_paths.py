"""Paths into decoded values: change one key in every object to which a path leads. Pure.

The values come from ``type_resolver.resolve``. A path passes through containers and recognises objects by their class,
so that it does not enter dicts of the type ``Any``, and knows the variant of a union. Going back, each object is paired
with its older value, so that this value is restored.
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
    """The value of an absent key; a class of its own, because None is a value."""

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
        """Undo it; ``before`` is the older object, if it is known."""


def is_path(name: str) -> bool:
    """Whether ``name`` leads into a field."""
    return "." in name


def split_path(name: str) -> tuple[str, tuple[str, ...]]:
    """Split a path into its field and the keys that follow."""
    field, *keys = name.split(".")
    return field, tuple(keys)


def plain(value: object) -> object:
    """Return ``value`` without historical classes, so that any type can validate it: objects become dicts."""
    return _Traversal(None).visit(value, (), ABSENT)


def as_key(value: object) -> object:
    """Return ``value`` as ``plain`` does, for the key of a dict: a tuple stays a tuple."""
    made = plain(value)
    return tuple(map(as_key, cast("list[object]", made))) if isinstance(made, list) else made


def changed(value: object, path: Sequence[str], edit: Edit) -> object:
    """Return ``value`` as ``plain`` does, with ``edit`` applied to every object to which ``path`` leads.

    Args:
        value: The decoded value, which is not changed.
        path: Keys; ``edit`` changes the last one.
        edit: The change.
    """
    return _Traversal(edit).visit(value, tuple(path), ABSENT)


def changed_back(value: object, path: Sequence[str], edit: Edit, old: object, usual: Edit | None = None) -> object:
    """Return ``value`` as ``plain`` does, with ``edit`` undone.

    Args:
        value: The decoded value, which is not changed.
        path: Keys; ``edit`` changes the last one.
        edit: The change.
        old: The older value, or ABSENT.
        usual: The change without the function of its operation, which may have been added later.
    """
    return _ReverseTraversal(edit, usual).visit(value, tuple(path), old)


class _Traversal:
    """A traversal of one value. It has no state."""

    def __init__(self, edit: Edit | None) -> None:
        self._edit = edit

    def visit(self, value: object, path: tuple[str, ...], old: object) -> object:
        if isinstance(value, HistoricalObject):
            return self._object(value, path, old)
        if isinstance(value, HistoricalAlias):
            return self.visit(value.root, (), ABSENT)  # no path leads into a recursive type
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
        for name, item in document.items():
            old_item = ABSENT if before is None else before.get(name, ABSENT)
            document[name] = self.visit(item, rest if name == head else (), old_item)
        if len(path) == 1 and self._edit is not None:
            self._apply(self._edit, document, value.__type_text__, before)
        return document

    def _apply(self, edit: Edit, document: Document, type: str, before: Document | None) -> None:
        edit.forward(document, type)

    def _dict(self, value: Mapping[object, object], path: tuple[str, ...], old: object) -> object:
        olds = cast("Mapping[object, object]", old) if isinstance(old, dict) else {}
        return {
            plain(name) if isinstance(name, enum.Enum) else name: self.visit(item, path, olds.get(name, ABSENT))
            for name, item in value.items()
        }

    def _items(self, value: Iterable[object], path: tuple[str, ...], old: object) -> object:
        items = list(value)
        olds = self._paired(items, old, path) if path else [ABSENT] * len(items)
        made = [self.visit(item, path, old_item) for item, old_item in zip(items, olds, strict=True)]
        if isinstance(value, deque):
            return deque(made, maxlen=value.maxlen)
        if isinstance(value, _SETS) and any(isinstance(item, (dict, list)) for item in made):
            return made  # not hashable; the type of the set accepts a list too
        return type(value)(made)  # type: ignore[call-arg]  # list, tuple, set or frozenset, which take items

    def _paired(self, items: Sequence[object], old: object, path: tuple[str, ...]) -> list[object]:
        return [ABSENT] * len(items)


class _ReverseTraversal(_Traversal):
    """The reverse traversal, together with the older value."""

    def __init__(self, edit: Edit, usual: Edit | None) -> None:
        super().__init__(edit)
        self._edits = [edit] if usual is None else [edit, usual]

    def _apply(self, edit: Edit, document: Document, type: str, before: Document | None) -> None:
        known = None if before is None else {name: plain(item) for name, item in before.items()}
        edit.backward(document, type, known)

    def _paired(self, items: Sequence[object], old: object, path: tuple[str, ...]) -> list[object]:
        """Find the older value of each item: the first one that becomes this item. An item that changed has none."""
        olds = list(cast("Iterable[object]", old)) if isinstance(old, (list, tuple, deque, *_SETS)) else []
        become = [[self._forward(edit, old_item, path) for edit in self._edits] for old_item in olds]
        found: list[object] = []
        for item in map(plain, items):
            place = next((number for number, results in enumerate(become) if item in results), None)
            found.append(ABSENT if place is None else olds.pop(place))
            if place is not None:
                become.pop(place)
        return found

    def _forward(self, edit: Edit, old: object, path: tuple[str, ...]) -> object:
        try:
            return _Traversal(edit).visit(old, path, ABSENT)
        except RecordError:
            return ABSENT  # it could not be converted, so it is not among the present items


def parent_of(document: object, keys: Sequence[str]) -> Document | None:
    """Return the object to which ``keys`` lead in a plain document; None if one of them is missing."""
    for key in keys:
        if not isinstance(document, dict):
            return None
        document = cast(Document, document).get(key)
    return cast(Document, document) if isinstance(document, dict) else None
