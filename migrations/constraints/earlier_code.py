"""Earlier code: what it could read, for a last look at each record that is taken back to its version. Pure.

Types are not all that a model asks for. A bound that was loosened, a member that an enum got, a field that records made
since do not have: code of before cannot read what newer code wrote, although no migration says so.
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

__all__ = ["Earlier", "Rule", "loosened", "stranger_in"]


_QUOTED: Final = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")

_NUMBERED: Final = re.compile(r"\bEnum\(|\bLiteral\[")


def stranger_in(field: FieldSchema) -> Callable[[bytes], str | None] | None:
    """Give what says of bytes which value in them is no member, and of what; None where a type has no such place."""
    if not _NUMBERED.search(_QUOTED.sub("", field.type)):
        return None

    def stranger(raw: bytes) -> str | None:
        try:
            field.codec.decode(raw)
        except ValidationError as exc:
            return next((one.text for one in complaints(exc) if one.kind in NOT_A_MEMBER), None)
        except (*UNREADABLE, ValueError):
            pass  # nothing that was written as it
        return None

    return stranger


_REMEMBERED: Final = 10_000  # values a field; a few MB at most
_SHORT: Final = 80  # characters of a type that an error spells
_CONSENT: Final = "--accept-unreadable"
# What refuses no value that a type of the same name stored, or says nothing of values that are there.
_NEUTRAL: Final = frozenset(["extra", "strict"])


@dataclass(frozen=True)
class Rule:
    """A constraint that code of before had, and newer code did not.

    Attributes:
        path: Of the field; "" for the whole.
        name, value: ``max_length``, ``5``.
    """

    path: str
    name: str
    value: str

    @property
    def shown(self) -> str:
        """What it is called: a validator by its name, else with its bound."""
        if " " in self.name:
            return self.name
        decimal = re.fullmatch(r"Decimal\('(.*)'\)", self.value)
        return f"{self.name}={self.value if decimal is None else decimal[1]}"

    @property
    def field(self) -> str:
        """The field that it is of; "" for the whole."""
        name = self.path
        for mark in ".[{|":
            name = name.partition(mark)[0]
        return name


@dataclass(frozen=True)
class Earlier:
    """What code of an older version could read of one model.

    Attributes:
        schema: The model as it was.
        position: Where that is in the chain.
        name: The migration that was the last then.
        following: The first one behind it that rewrites the records, which is taken back; "" where none does.
        removals: Those that removed a field, by its name.
        later: All types that each field had since: what none of them reads, nobody wrote as it.
        rules: Constraints that were loosened since.
        demands: What it demanded, as far as that is known.
        is_known: Whether it is known.
    """

    schema: ModelSchema
    position: int
    name: str
    following: str
    removals: Mapping[str, str] = field(default_factory=dict[str, str])
    later: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    rules: tuple[Rule, ...] = ()
    demands: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    is_known: bool = False

    def check(self, edit: RecordEdit) -> None:
        """Refuse a record of which code of that time could not read a field.

        Args:
            edit: It, as it is to be.

        Raises:
            RecordError: Likewise; it names the value and what to do.
        """
        for name in sorted(edit.lacking):
            self._refuse_lacking(edit, name)
        for look in self._looks:
            look(edit.fields)

    @property
    def unchecked(self) -> tuple[Rule, ...]:
        """Rules that take the code of that time."""
        return tuple(one for one in self.rules if not is_checkable(one.name, one.value))

    def _refuse_lacking(self, edit: RecordEdit, name: str) -> None:
        known = self.schema.by_name.get(name)
        if known is None or name in edit.fields or known.default is not REQUIRED:
            return
        if DEFAULT in self.demands.get(name, {}):
            return  # the class said a default, which no migration tells
        raise RecordError(
            name,
            None,
            f"the record was made without it since, and the code of {self.name} needs it; give back= a value in"
            f" {self.removals.get(name, self.following)}, or go on with {_CONSENT}",
        )

    @cached_property
    def _looks(self) -> tuple[Callable[[Mapping[str, bytes]], None], ...]:
        return (*self._looks_at_members(), *self._looks_at_bounds())

    def _looks_at_members(self) -> Iterator[Callable[[Mapping[str, bytes]], None]]:
        for one in self.schema.fields:
            type = self.type_of(one.name)
            later = [FieldSchema(one.name, other) for other in self.later.get(one.name, ()) if other != type]
            stranger = stranger_in(FieldSchema(one.name, type)) if later else None
            if stranger is not None:
                yield _remembered(one.name, self._member_check(one.name, stranger, later))

    def type_of(self, name: str) -> str:
        """Give the type that a field had in that code, which may have been more than the migrations tell."""
        return self.demands.get(name, {}).get(STORED_AS, self.schema.field(name).type)

    def _member_check(
        self, name: str, stranger: Callable[[bytes], str | None], later: Sequence[FieldSchema]
    ) -> Callable[[bytes], None]:
        def check(raw: bytes) -> None:
            said = stranger(raw)
            if said is not None and any(_reads(one, raw) for one in later):
                self._refuse(name, raw, said, said)

        return check

    def _looks_at_bounds(self) -> Iterator[Callable[[Mapping[str, bytes]], None]]:
        checked = [one for one in self.rules if is_checkable(one.name, one.value)]
        for known in self.schema.fields:
            rules = [one for one in checked if one.field in (known.name, "")]
            if rules:
                yield _remembered(known.name, self._bound_check(known, rules))

    def _bound_check(self, known: FieldSchema, rules: list[Rule]) -> Callable[[bytes], None]:
        def check(raw: bytes) -> None:
            try:
                value = known.codec.decode(raw)
            except (*UNREADABLE, ValueError):
                return  # it was none before either
            for rule in rules:
                path = rule.path[len(known.name) :] if rule.path else ""
                for one in values_at(value, path):
                    if not allows(rule.name, rule.value, one):
                        shown = f"{one!r:.60}"
                        self._refuse(rule.path or known.name, raw, f"{shown} does not meet {rule.shown}", shown)

        return check

    def _refuse(self, path: str, raw: bytes, said: str, shown: str) -> None:
        name = Rule(path, "", "").field
        known = self.schema.by_name.get(name)
        type = "TYPE" if known is None or len(known.type) > _SHORT else repr(known.type)
        alter = f"AlterField({self.schema.name!r}, {name!r}, {type}, {type}, back=FUNCTION)"
        cure = f" or give {self.following} as its first operation {alter}, with one type twice,"
        raise RecordError(
            path,
            raw,
            f"{said}, so that the code of {self.name} cannot read it; write another value,"
            f"{cure if self.following else ''} or go on with {_CONSENT}",
            (shown,),
        )


def loosened(old: Mapping[str, Mapping[str, str]], new: Mapping[str, Mapping[str, str]]) -> Iterator[Rule]:
    """Give the constraints of older code that newer code did not have, or not as strictly."""
    for path, rules in old.items():
        for name, value in rules.items():
            if name not in _NEUTRAL and is_stricter(name, new.get(path, {}).get(name), value):
                yield Rule(path, name, value)


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
