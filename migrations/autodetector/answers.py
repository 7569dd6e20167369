"""Answers to the questions of a diff, and the flags that give them. Pure."""

import ast
import math
import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar, cast
from zoneinfo import ZoneInfo

from redis_models.errors import SchemaError

from ..edits.extra_fields import EXTRAS
from ..edits.views import complaint
from ..schema.snapshot import Literal
from ..schema.type_resolver import codec_of

__all__ = [
    "OPTIONS",
    "Answer",
    "Answers",
    "ComputeAnswer",
    "DropAnswer",
    "ExtraAnswer",
    "FillAnswer",
    "MapAnswer",
    "RenameAnswer",
    "RenameModelAnswer",
    "TTLAnswer",
    "ZoneAnswer",
    "parse_answer",
    "parse_literal",
]

_SAFE_IN_DOUBLE: Final = re.compile(r"[^\"$`\\!]*")
_BARE_WORD: Final = re.compile(r"[\w .:/+-]+")


@dataclass(frozen=True)
class RenameAnswer:
    """The field ``old`` was renamed to ``new``; its values move."""

    model: str
    old: str
    new: str

    def flag(self, prefix: str = "") -> str:
        """Return the option that gives this answer; ``prefix`` is the label of the app and a dot, if needed."""
        return f"--rename {prefix}{self.model}.{self.old}={self.new}"


@dataclass(frozen=True)
class RenameModelAnswer:
    """The model was renamed to ``new``; its records follow."""

    model: str
    new: str

    def flag(self, prefix: str = "") -> str:
        """Return the option that gives this answer."""
        return f"--rename {prefix}{self.model}={self.new}"


@dataclass(frozen=True)
class DropAnswer:
    """The values of a field are dropped; without a field, the model is no longer tracked."""

    model: str
    field: str | None = None

    def flag(self, prefix: str = "") -> str:
        """Return the option that gives this answer."""
        return f"--drop {prefix}{self.model}" + (f".{self.field}" if self.field else "")


@dataclass(frozen=True)
class FillAnswer:
    """Every record gets this value, as JSON has it."""

    model: str
    field: str
    value: Literal

    def flag(self, prefix: str = "") -> str:
        """Return the option that gives this answer, quoted for a shell."""
        return f"--default {_quoted(f'{prefix}{self.model}.{self.field}={self.value!r}')}"

    def check(self, type: str) -> None:
        """Refuse a value that is not of ``type``.

        Raises:
            SchemaError: The value does not have that type.
        """
        codec = codec_of(type)
        try:
            codec.encode(codec.validate_jsonable(self.value))
        except (ValueError, TypeError) as exc:
            raise SchemaError(f"{self.flag()}: {self.value!r} is not a valid {type}: {complaint(exc)}") from exc


@dataclass(frozen=True)
class MapAnswer:
    """The value ``old`` of a field is replaced by ``new``; both are text without quotes."""

    model: str
    field: str
    old: str
    new: str

    def flag(self, prefix: str = "") -> str:
        """Return the option that gives this answer, quoted for a shell."""
        return f"--map {_quoted(f'{prefix}{self.model}.{self.field}:{self.old}={self.new}')}"


@dataclass(frozen=True)
class ZoneAnswer:
    """Stored datetimes without a time zone are in this zone."""

    model: str
    field: str
    zone: str

    def flag(self, prefix: str = "") -> str:
        """Return the option that gives this answer."""
        return f"--zone {prefix}{self.model}.{self.field}={self.zone}"

    def check(self) -> None:
        """Refuse an unknown time zone.

        Raises:
            SchemaError: The zone is unknown.
        """
        try:
            ZoneInfo(self.zone)
        except (ValueError, OSError, KeyError) as exc:  # not found is a KeyError; "Europe" is a folder
            reason = f"unknown time zone {self.zone!r}; write one like Europe/Berlin"
            raise SchemaError(f"{self.flag()}: {reason}") from exc


@dataclass(frozen=True)
class TTLAnswer:
    """What a changed TTL means for existing records."""

    model: str
    policy: str

    def flag(self, prefix: str = "") -> str:
        """Return the option that gives this answer."""
        return f"--ttl {prefix}{self.model}={self.policy}"


@dataclass(frozen=True)
class ComputeAnswer:
    """A function, which the user writes into the file, computes the value of each record."""

    model: str
    field: str

    def flag(self, prefix: str = "") -> str:
        """Return the option that gives this answer."""
        return f"--compute {prefix}{self.model}.{self.field}"


@dataclass(frozen=True)
class ExtraAnswer:
    """What happens to extra fields that have the name of a new field; see ``AddField``."""

    model: str
    field: str
    policy: str

    def flag(self, prefix: str = "") -> str:
        """Return the option that gives this answer."""
        return f"--extra {prefix}{self.model}.{self.field}={self.policy}"

    def check(self) -> None:
        """Refuse an unknown policy.

        Raises:
            SchemaError: The policy is unknown.
        """
        if self.policy not in EXTRAS:
            raise SchemaError(f"{self.flag()}: unknown policy; write one of {', '.join(EXTRAS)}")


Answer = (
    RenameAnswer
    | RenameModelAnswer
    | DropAnswer
    | FillAnswer
    | ComputeAnswer
    | MapAnswer
    | ZoneAnswer
    | TTLAnswer
    | ExtraAnswer
)
A = TypeVar("A", bound=Answer)


@dataclass(frozen=True)
class Answers:
    """The answers about one app.

    Args:
        given: In any order. The diff refuses answers that contradict each other.
    """

    given: tuple[Answer, ...] = ()

    def having(self, *more: Answer) -> "Answers":
        """Return these answers with more appended."""
        return Answers((*self.given, *more))

    def of(self, kind: type[A], model: str) -> list[A]:
        """Return the answers of one kind about one model, in order and without duplicates."""
        found: list[A] = []
        for answer in self.given:
            if isinstance(answer, kind) and answer.model == model and answer not in found:
                found.append(answer)
        return found


def parse_answer(option: str, text: str, models: Mapping[str, Collection[str]]) -> tuple[str, Answer]:
    """Parse the value of an answer flag.

    Args:
        option: One of ``OPTIONS``.
        text: ``Model.field=...``, or ``app.Model.field=...``; for ``--drop``, ``--rename`` and ``--ttl`` also a model
            alone. A field may be a path into a nested object, ``address.zip``.
        models: Names of the models that an answer may be about, by the label of their app.

    Returns:
        The label of the app, and the answer.

    Raises:
        SchemaError: The text has another form, or its model is unknown or ambiguous.
    """
    flag = f"{option} {_quoted(text)}"
    path, equals, value = text.partition("=")
    path, colon, old_value = path.partition(":") if option == "--map" else (path, "", "")
    value = value.strip()
    label, model, field = _place(flag, path.strip(), models)
    wants_value = option not in ("--drop", "--compute")
    is_whole = {"--drop": True, "--ttl": not field, "--rename": bool(field) or "." not in value}.get(
        option, bool(field)
    )
    if wants_value != bool(equals) or (wants_value and not value) or not is_whole or bool(colon) != (option == "--map"):
        raise SchemaError(f"{flag}: write it like {OPTIONS[option]}")
    match option:
        case "--drop":
            return label, DropAnswer(model, field or None)
        case "--compute":
            return label, ComputeAnswer(model, field)
        case "--rename":
            return label, _rename(model, field, value)
        case "--map":
            return label, MapAnswer(model, field, old_value.strip(), value)
        case "--zone":
            return label, ZoneAnswer(model, field, value)
        case "--ttl":
            return label, TTLAnswer(model, value)
        case "--extra":
            return label, ExtraAnswer(model, field, value)
        case _:
            return label, FillAnswer(model, field, parse_literal(flag, path, value))


def _rename(model: str, field: str, value: str) -> Answer:
    """Parse the new name of a field or model; it may repeat the model, as in ``Customer.name=Customer.nick``."""
    if not field:
        return RenameModelAnswer(model, value)
    return RenameAnswer(model, field, value.removeprefix(f"{model}."))


OPTIONS: Final[Mapping[str, str]] = {
    "--rename": "--rename Customer.name=full_name, or --rename Customer=Client for a model",
    "--drop": "--drop Customer.name, or --drop Customer for a model",
    "--default": "--default \"Order.currency='EUR'\"",
    "--compute": "--compute Order.total",
    "--map": "--map Order.status:PENDING=NEW",
    "--zone": "--zone Order.created=Europe/Berlin",
    "--ttl": "--ttl Order=new-only",
    "--extra": "--extra Order.city=take",
}


def parse_literal(flag: str, path: str, text: str) -> Literal:
    """Read a Python literal made of text, numbers, True, False, None, lists and dicts.

    Raises:
        SchemaError: It is not such a literal; the message says how to write it.
    """
    try:
        value: object = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError) as exc:
        cure = "write a Python literal: 'text', 12, True, None, [], {}"
        if _BARE_WORD.fullmatch(text.strip()):
            cure = f"text needs quotes: {text.strip()!r}" + (
                f", as in --default {_literal(path, text)}" if path else ""
            )
        raise SchemaError(f"{flag}: {text.strip()} is not a Python literal; {cure}") from exc
    return _jsonable(flag, value)


def _literal(path: str, text: str) -> str:
    return _quoted(f"{path.strip()}={text.strip()!r}")


def _jsonable(flag: str, value: object) -> Literal:
    if isinstance(value, (list, tuple)):
        return [_jsonable(flag, item) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        pairs = cast("dict[object, object]", value)
        if all(isinstance(key, str) for key in pairs):
            return {str(key): _jsonable(flag, item) for key, item in pairs.items()}
        raise SchemaError(f"{flag}: the keys of {value!r} must be text, as in JSON")
    if value is None or isinstance(value, (str, bool, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise SchemaError(
        f"{flag}: {value!r} cannot be stored as JSON; write text, a number, True, False, None, a list or a dict"
    )


def _place(flag: str, path: str, models: Mapping[str, Collection[str]]) -> tuple[str, str, str]:
    """Split ``app.Model.field``, whose first and last part may be missing; the field may be a path."""
    parts = [part.strip() for part in path.split(".")]
    if not all(parts):
        raise SchemaError(f"{flag}: write Model.field, or app.Model.field")
    is_labelled = len(parts) > 1 and parts[1] in models.get(parts[0], ())
    if (
        not is_labelled
        and len(parts) > 2
        and parts[0] in models
        and not any(parts[0] in names for names in models.values())
    ):
        is_labelled = True  # the app has no such model: see the error below
    label = parts.pop(0) if is_labelled else None
    model, field = parts[0], ".".join(parts[1:])
    owners = [app for app in models if label in (None, app) and model in models[app]]
    if len(owners) == 1:
        return owners[0], model, field
    if owners:
        choices = " or ".join(f"{app}.{path}" for app in owners)
        raise SchemaError(f"{flag}: several apps have a model {model}; write {choices}")
    known = ", ".join(f"{app}.{name}" for app in models for name in models[app] if label in (None, app))
    raise SchemaError(f"{flag}: there is no model {model!r}; there are {known or 'none'}")


def _quoted(text: str) -> str:
    """Quote a word for a shell; in double quotes where it is readable that way."""
    if "'" in text and _SAFE_IN_DOUBLE.fullmatch(text):
        return f'"{text}"'
    return shlex.quote(text)
