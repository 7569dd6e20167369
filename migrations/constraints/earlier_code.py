"""Checks that earlier code can read a record that goes back to its version. Pure.

Migrations only know types. Earlier code may also fail because a constraint was loosened since, an enum got a member, or
records that were created since lack a field.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Final

from pydantic import ValidationError

from redis_models.encoding.limits import UNREADABLE
from redis_models.encoding.secrets import NOT_A_MEMBER, complaints
from redis_models.errors import RecordError

from ..edits.record_edit import RecordEdit
from ..schema.snapshot import REQUIRED, FieldSchema, ModelSchema
from .bounds import allows, is_checkable, values_at
from .history import DEFAULT, STORED_AS, is_stricter

__all__ = ["Constraint", "EarlierCode", "loosened", "non_member_in"]


_QUOTED: Final = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")

_NUMBERED: Final = re.compile(r"\bEnum\(|\bLiteral\[")


def non_member_in(field: FieldSchema) -> Callable[[bytes], str | None] | None:
    """Return a function that finds a value in bytes that is not a member of its enum; None if the type has no enum."""
    if not _NUMBERED.search(_QUOTED.sub("", field.type)):
        return None

    def stranger(raw: bytes) -> str | None:
        try:
            field.codec.decode(raw)
        except ValidationError as exc:
            return next((complaint.text for complaint in complaints(exc) if complaint.kind in NOT_A_MEMBER), None)
        except (*UNREADABLE, ValueError):
            pass  # the bytes were not written with this type
        return None

    return stranger


_REMEMBERED: Final = 10_000  # values per field; a few MB at most
_SHORT: Final = 80  # characters of a type in an error
_CONSENT: Final = "--accept-unreadable"
# These do not refuse stored values.
_NEUTRAL: Final = frozenset(["extra", "strict"])


@dataclass(frozen=True)
class Constraint:
    """A constraint that earlier code had and newer code does not have.

    Attributes:
        path: The field; "" for the whole model.
        name, value: Such as ``max_length`` and ``5``.
    """

    path: str
    name: str
    value: str

    @property
    def shown(self) -> str:
        """Its text: the name of a validator, or a constraint with its bound."""
        if " " in self.name:
            return self.name
        decimal = re.fullmatch(r"Decimal\('(.*)'\)", self.value)
        return f"{self.name}={self.value if decimal is None else decimal[1]}"

    @property
    def field(self) -> str:
        """The stored field of its path; "" for the whole model."""
        name = self.path
        for mark in ".[{|":
            name = name.partition(mark)[0]
        return name


@dataclass(frozen=True)
class EarlierCode:
    """The code of an older version of one model, and what it can read.

    Attributes:
        schema: The model at that time.
        position: Its position in the chain.
        name: The last migration at that time.
        following: The first migration after it that rewrites the records, and is undone; "" if there is none.
        removals: Migrations that removed a field, by the field.
        later: All types that each field had since.
        rules: Constraints that were loosened since.
        demands: Its constraints, as far as they are known.
        is_known: Whether they are known.
    """

    schema: ModelSchema
    position: int
    name: str
    following: str
    removals: Mapping[str, str] = field(default_factory=dict[str, str])
    later: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    rules: tuple[Constraint, ...] = ()
    demands: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    is_known: bool = False

    def check(self, edit: RecordEdit) -> None:
        """Refuse a record that the code of that time cannot read.

        Args:
            edit: The record as it will be written.

        Raises:
            RecordError: A field cannot be read; the error names the value and the cure.
        """
        for name in sorted(edit.lacking):
            self._refuse_lacking(edit, name)
        for look in self._looks:
            look(edit.fields)

    @property
    def unchecked(self) -> tuple[Constraint, ...]:
        """Constraints that only the code of that time can check."""
        return tuple(constraint for constraint in self.rules if not is_checkable(constraint.name, constraint.value))

    def _refuse_lacking(self, edit: RecordEdit, name: str) -> None:
        known = self.schema.by_name.get(name)
        if known is None or name in edit.fields or known.default is not REQUIRED:
            return
        if DEFAULT in self.demands.get(name, {}):
            return  # the class has a default, which is not in the migrations
        raise RecordError(
            name,
            None,
            f"the record was created without it, and the code of {self.name} needs it; give back= a value in"
            f" {self.removals.get(name, self.following)}, or continue with {_CONSENT}",
        )

    @cached_property
    def _looks(self) -> tuple[Callable[[Mapping[str, bytes]], None], ...]:
        return (*self._looks_at_members(), *self._looks_at_bounds())

    def _looks_at_members(self) -> Iterator[Callable[[Mapping[str, bytes]], None]]:
        for known in self.schema.fields:
            type = self.type_of(known.name)
            later = [FieldSchema(known.name, other) for other in self.later.get(known.name, ()) if other != type]
            stranger = non_member_in(FieldSchema(known.name, type)) if later else None
            if stranger is not None:
                yield _remembered(known.name, self._member_check(known.name, stranger, later))

    def type_of(self, name: str) -> str:
        """Return the type of a field in that code, which may differ from the migrations."""
        return self.demands.get(name, {}).get(STORED_AS, self.schema.field(name).type)

    def _member_check(
        self, name: str, stranger: Callable[[bytes], str | None], later: Sequence[FieldSchema]
    ) -> Callable[[bytes], None]:
        def check(raw: bytes) -> None:
            member = stranger(raw)
            if member is not None and any(_reads(field, raw) for field in later):
                self._refuse(name, raw, member, member)

        return check

    def _looks_at_bounds(self) -> Iterator[Callable[[Mapping[str, bytes]], None]]:
        checked = [constraint for constraint in self.rules if is_checkable(constraint.name, constraint.value)]
        for known in self.schema.fields:
            constraints = [constraint for constraint in checked if constraint.field in (known.name, "")]
            if constraints:
                yield _remembered(known.name, self._bound_check(known, constraints))

    def _bound_check(self, known: FieldSchema, constraints: list[Constraint]) -> Callable[[bytes], None]:
        def check(raw: bytes) -> None:
            try:
                value = known.codec.decode(raw)
            except (*UNREADABLE, ValueError):
                return  # it was not readable before either
            for constraint in constraints:
                path = constraint.path[len(known.name) :] if constraint.path else ""
                for item in values_at(value, path):
                    if not allows(constraint.name, constraint.value, item):
                        shown = f"{item!r:.60}"
                        self._refuse(
                            constraint.path or known.name, raw, f"{shown} does not meet {constraint.shown}", shown
                        )

        return check

    def _refuse(self, path: str, raw: bytes, problem: str, shown: str) -> None:
        name = Constraint(path, "", "").field
        known = self.schema.by_name.get(name)
        type = "TYPE" if known is None or len(known.type) > _SHORT else repr(known.type)
        alter = f"AlterField({self.schema.name!r}, {name!r}, {type}, {type}, back=FUNCTION)"
        cure = f" or give {self.following} as its first operation {alter}, with one type twice,"
        raise RecordError(
            path,
            raw,
            f"{problem}, so that the code of {self.name} cannot read it; write another value,"
            f"{cure if self.following else ''} or continue with {_CONSENT}",
            (shown,),
        )


def loosened(old: Mapping[str, Mapping[str, str]], new: Mapping[str, Mapping[str, str]]) -> Iterator[Constraint]:
    """Return the constraints of older code that newer code does not have, or has less strictly."""
    for path, rules in old.items():
        for name, value in rules.items():
            if name not in _NEUTRAL and is_stricter(name, new.get(path, {}).get(name), value):
                yield Constraint(path, name, value)


def _reads(field: FieldSchema, raw: bytes) -> bool:
    try:
        field.codec.decode(raw)
    except (*UNREADABLE, ValueError):
        return False
    return True


def _remembered(name: str, check: Callable[[bytes], None]) -> Callable[[Mapping[str, bytes]], None]:
    once = lru_cache(maxsize=_REMEMBERED)(check)

    def look(fields: Mapping[str, bytes]) -> None:
        raw = fields.get(name)
        if raw is not None:
            once(raw)

    return look
