"""Model drafts: source of models for hashes that have none. Pure; ``survey`` reads the hashes.

A type is only chosen if every value that was read has its canonical spelling: ``007`` is text, not a number.
"""

import json
import keyword
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Final, cast
from uuid import UUID

import jinja2

from redis_models.encoding.codec import codec_for
from redis_models.encoding.raw_text import bytes_of
from redis_models.errors import DecodeError
from redis_models.mapping.stored_field import RESERVED, STAMP, stored_version
from redis_models.model import Model
from redis_models.redaction import counted

__all__ = ["Draft", "DraftedField", "Table", "draft", "render_models"]

_NONE: Final = frozenset((b"None", b"null"))
_NAMES_OF_MODELS: Final = frozenset(dir(Model))
# Names that the source uses: a field of that name would hide them in the rest of the class.
_NAMES_OF_TYPES: Final = frozenset(["bool", "bytes", "dict", "float", "int", "list", "object", "str", "UUID"])
_NAMES_OF_CLASSES: Final = frozenset(["Field", "Model", "UUID"])
_ENVIRONMENT: Final = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parents[1] / "templates"),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


@dataclass
class Table:
    """Hashes whose keys have the same prefix. Filled by a scan, then only read.

    Attributes:
        start: Prefix of their keys, with the separator.
        separator: Between the parts of their keys.
        count: How many there are.
        records: Some of them, by key.
        ttls: TTLs of those, in seconds; None without one.
    """

    start: str
    separator: str
    count: int = 0
    records: dict[str, Mapping[str, bytes]] = field(default_factory=dict[str, Mapping[str, bytes]])
    ttls: list[int | None] = field(default_factory=list[int | None])


@dataclass(frozen=True)
class DraftedField:
    """One field of a draft.

    Attributes:
        name: Its name.
        type: Python for its type.
        is_key: Whether it is the primary key.
        default: Python for its default, or "".
    """

    name: str
    type: str
    is_key: bool
    default: str

    @property
    def line(self) -> str:
        """The line of the class."""
        value = " = Field(primary_key=True)" if self.is_key else f" = {self.default}" if self.default else ""
        return f"{self.name}: {self.type}{value}"


@dataclass(frozen=True)
class Draft:
    """The source of one model, in parts.

    Attributes:
        name: Of the class.
        fields: The primary key first.
        comments: What the user must check.
        options: Lines of its Meta.
    """

    name: str
    fields: tuple[DraftedField, ...]
    comments: tuple[str, ...]
    options: tuple[str, ...]


def draft(table: Table, taken: Iterable[str]) -> Draft:
    """Draft a model of a table.

    Args:
        table: With at least one record.
        taken: Names that other classes have.
    """
    verb = "was" if len(table.records) == 1 else "were"
    *first, name = table.start[: -len(table.separator)].split(table.separator)
    comments = [f"{counted(table.count, 'record')} at {table.start}*; {len(table.records):,} of them {verb} read."]
    columns = _columns(table.records)
    key = _key_field(table, columns)
    if key is None:
        comments.append(
            "No field contains the last part of the key, so the model has no primary key; add such a field"
            " to the records."
        )
    fields = [DraftedField(key, _type_of(columns[key]), True, "")] if key else []
    for column, values in sorted(columns.items()):
        if column == key or column.startswith(RESERVED):
            continue
        if not _is_name(column):
            comments.append(f"The stored field {column!r} is left out: it is not a valid field name of a class.")
            continue
        type, default = _type_and_default(values, len(table.records))
        fields.append(DraftedField(column, type, False, default))
    comments += _about_ttls(table.ttls)
    options = [f"table = {_quoted(name)}"]
    options += [f"prefix = {_quoted(table.separator.join(first))}"] if first else []
    options += [f"separator = {_quoted(table.separator)}"] if table.separator != ":" else []
    options += _version(table.records)
    options.append("managed = False  # remove this to let migrations rewrite the records")
    return Draft(_class_name(name, taken), tuple(fields), tuple(comments), tuple(options))


def render_models(drafts: Sequence[Draft], others: int) -> str:
    """Give the source of a models module.

    Args:
        drafts: Its models.
        others: How many keys do not hold a hash.
    """
    names = {field.name for draft in drafts for field in draft.fields}
    drafts = [_with_free_types(draft, names) for draft in drafts]
    text = " ".join(field.type for draft in drafts for field in draft.fields)
    return _ENVIRONMENT.get_template("models.py.j2").render(
        drafts=drafts,
        others=others,
        dates=[f"{name}{alias}" for name in _DATES for alias in ("", f" as {name}_type") if _says(text, name, alias)],
        has_uuid="UUID" in text,
    )


_DATES: Final = ("date", "datetime")


def _says(text: str, name: str, alias: str) -> bool:
    return re.search(rf"\b{alias.rpartition(' ')[2] or name}\b", text) is not None


def _with_free_types(draft: Draft, names: Iterable[str]) -> Draft:
    """Give the draft with an alias for each type that a field has the name of: ``date: date | None = None``."""
    taken = "|".join(name for name in _DATES if name in names)
    if not taken:
        return draft
    renamed = (replace(field, type=re.sub(rf"\b({taken})\b", r"\1_type", field.type)) for field in draft.fields)
    return replace(draft, fields=tuple(renamed))


def _columns(records: Mapping[str, Mapping[str, bytes]]) -> dict[str, list[bytes]]:
    columns: dict[str, list[bytes]] = {}
    for record in records.values():
        for name, raw in record.items():
            columns.setdefault(name, []).append(raw)
    return columns


def _key_field(table: Table, columns: Mapping[str, Sequence[bytes]]) -> str | None:
    """Find the field that contains the last part of the key in every record; ``id`` before others."""
    for name in sorted(columns, key=lambda name: (name != "id", name)):
        if _is_name(name) and all(record.get(name) == _last_part(table, key) for key, record in table.records.items()):
            return name
    return None


def _is_name(field: str) -> bool:
    """Whether this is a valid field name of a class."""
    is_free = field not in _NAMES_OF_MODELS | _NAMES_OF_TYPES | _NAMES_OF_CLASSES
    return field.isidentifier() and not keyword.iskeyword(field) and is_free and field[:1] != "_"


def _last_part(table: Table, key: str) -> bytes:
    return bytes_of(key[len(table.start) :])


def _type_and_default(values: Sequence[bytes], count: int) -> tuple[str, str]:
    type = _type_of([raw for raw in values if raw not in _NONE])
    is_optional = len(values) < count or any(raw in _NONE for raw in values)
    return (f"{type} | None", "None") if is_optional else (type, "")


def _type_of(values: Sequence[bytes]) -> str:
    """Give the narrowest type that writes every value with the same bytes."""
    if not values:
        return "str"
    for name, kind in _KINDS.items():
        codec = codec_for(kind)
        try:
            if all(codec.encode(codec.decode(raw)) == raw for raw in values) and _is_likely(name, values):
                return name
        except (ValueError, TypeError):
            continue
    return _type_of_json(values)


_KINDS: Final[Mapping[str, object]] = {
    "int": int,
    "float": float,
    "bool": bool,
    "UUID": UUID,
    "date": date,
    "datetime": datetime,
}


def _is_likely(name: str, values: Sequence[bytes]) -> bool:
    return name not in ("UUID", "date", "datetime") or all(raw.startswith(b'"') for raw in values)


def _type_of_json(values: Sequence[bytes]) -> str:
    try:
        documents: list[object] = [json.loads(raw) for raw in values]
    except ValueError:
        return "str" if all(_is_text(raw) for raw in values) else "bytes"
    if all(isinstance(document, list) for document in documents):
        return f"list[{_item_type([item for document in documents for item in cast('list[object]', document)])}]"
    if all(isinstance(document, dict) for document in documents):
        items = [item for document in documents for item in cast("dict[str, object]", document).values()]
        return f"dict[str, {_item_type(items)}]"
    return "str"


def _item_type(items: Sequence[object]) -> str:
    kinds = {type(item) for item in items}
    names = {int: "int", str: "str", float: "float", bool: "bool"}
    return names.get(kinds.pop(), "object") if len(kinds) == 1 else "object"


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _about_ttls(ttls: Sequence[int | None]) -> list[str]:
    known = [ttl for ttl in ttls if ttl is not None]
    if not known:
        return []
    if len(known) == len(ttls):
        return [f"All of them have a TTL, of at most {max(known):,} s; to give new records one, set ttl in Meta."]
    return [f"{len(known):,} of them {'has' if len(known) == 1 else 'have'} a TTL."]


def _version(records: Mapping[str, Mapping[str, bytes]]) -> list[str]:
    versions: list[int] = []
    for key, record in records.items():
        with suppress(DecodeError):  # verify names such a stamp
            versions.append(stored_version(key, record.get(STAMP)))
    highest = max(versions, default=1)
    return [f"version = {highest}"] if highest > 1 else []


def _class_name(table: str, taken: Iterable[str]) -> str:
    name = "".join(part[:1].upper() + part[1:] for part in re.split(r"\W|_", table)) or "Table"
    if not name.isidentifier() or keyword.iskeyword(name):
        name = "Table" + re.sub(r"\W", "", name)
    while name in {*taken, *_NAMES_OF_CLASSES}:
        name += "_"
    return name


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
