"""Options of a model, in two spellings: ``class Meta``, and the class attributes of pydantic-aioredis. Pure.

The class attributes are what counts: when the class is made, ``Meta`` is read once and sets them. Later the attributes
can be read and set on the class.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

from ..errors import ModelDeclarationError

__all__ = ["ATTRIBUTES", "NamedFields", "Options", "read_indexes", "read_options", "take_options"]

# Meta name -> class attribute.
_SPELLINGS: Final = {
    "primary_key": "_primary_key_field",
    "table": "_table_name",
    "prefix": "_redis_prefix",
    "separator": "_redis_separator",
    "auto_save": "_auto_save",
    "auto_sync": "_auto_sync",
    "version": "_version",
    "ttl": "_ttl",
    "app": "_app",
    "abstract": "_abstract",
    "managed": "_managed",
    "indexes": "_table_indexes",
    "unique": "_table_unique",
}
ATTRIBUTES: Final = frozenset(_SPELLINGS.values())
_FIELDS: Final = 'a list of tuples of fields, as in [("status", "created")], or a dict of them by their names'
# Options that a subclass does not inherit: its table, and the version of its fields, are its own.
_OWN: Final[dict[str, object]] = {"_table_name": None, "_version": 1, "_abstract": False}


class NamedFields(NamedTuple):
    """The fields of an index, and the name that ``Meta`` gives it, if any."""

    name: str | None
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Options:
    """The options of a model.

    Attributes:
        primary_key: Name of the primary key's field, or None if none is declared.
        table: Second part of its keys.
        prefix: First part of its keys, or "".
        separator: Text between the parts of its keys.
        version: Version of its records, from 1.
        ttl: TTL of a record in seconds, or None.
        auto_save, auto_sync: Whether making an instance saves it, and assigning writes it.
        app: Label of the app it belongs to, or None for the app of its module.
        abstract: Whether it is only a base class and never stored.
        managed: Whether migrations rewrite its records.
        indexes: Indexes beside those of single fields: the fields of each, and its name or None.
        unique: Likewise, those whose values no two records may share.
    """

    primary_key: str | None
    table: str
    prefix: str
    separator: str
    version: int
    ttl: int | None
    auto_save: bool
    auto_sync: bool
    app: str | None
    abstract: bool
    managed: bool
    indexes: tuple["NamedFields", ...] = ()
    unique: tuple["NamedFields", ...] = ()


def take_options(model: str, namespace: dict[str, object]) -> dict[str, object]:
    """Take the options out of a class body; give them as class attributes, with defaults for those not inherited.

    Raises:
        ModelDeclarationError: ``Meta`` has a name that is not an option, or contradicts the class attribute beside it.
    """
    meta = namespace.pop("Meta", None)  # pydantic would take a Meta that is made elsewhere for a field without a type
    options = _attributes_of_meta(model, meta) if isinstance(meta, type) else {}
    for attribute in ATTRIBUTES & namespace.keys():
        value = namespace.pop(attribute)
        if options.setdefault(attribute, value) != value:
            raise ModelDeclarationError(
                model,
                f"{attribute} = {value!r}, but Meta says {options[attribute]!r} for the same option; keep one of them",
            )
    annotations = namespace.get("__annotations__")
    if isinstance(annotations, dict):
        for attribute in ATTRIBUTES:
            cast("dict[str, object]", annotations).pop(attribute, None)
    return {**_OWN, **options, "Meta": meta} if isinstance(meta, type) else {**_OWN, **options}


def read_options(model: type) -> Options:
    """Read the options of a class.

    Raises:
        ModelDeclarationError: An option has a wrong value.
    """
    value = {name: _read(model, name) for name in _SPELLINGS}
    version, ttl = value["version"], value["ttl"]
    return Options(
        primary_key=_text(value["primary_key"]),
        table=_text(value["table"]) or model.__name__.lower(),
        prefix=_text(value["prefix"]) or "",
        separator=_text(value["separator"]) or ":",
        version=version if isinstance(version, int) else 1,
        ttl=ttl if isinstance(ttl, int) else None,
        auto_save=bool(value["auto_save"]),
        auto_sync=bool(value["auto_sync"]),
        app=_text(value["app"]),
        abstract=bool(value["abstract"]),
        managed=value["managed"] is not False,
        indexes=_named_fields(value["indexes"]),
        unique=_named_fields(value["unique"]),
    )


def read_indexes(model: type) -> tuple[tuple[NamedFields, ...], tuple[NamedFields, ...]]:
    """Read ``indexes`` and ``unique`` off a class, which may be any pydantic model.

    Raises:
        ModelDeclarationError: One of them has a value it cannot have.
    """
    return _named_fields(_read(model, "indexes")), _named_fields(_read(model, "unique"))


def _read(model: type, name: str) -> object:
    value: object = getattr(model, _SPELLINGS[name], None)
    is_wanted, wanted = _WANTED[name]
    if not is_wanted(value):
        raise ModelDeclarationError(model.__name__, f"{name} must be {wanted}, not {value!r}")
    return value


def _attributes_of_meta(model: str, meta: type) -> dict[str, object]:
    attributes: dict[str, object] = {}
    for base in reversed(meta.__mro__[:-1]):
        for name, value in vars(base).items():
            if name.startswith("__"):
                continue
            if name not in _SPELLINGS:
                raise ModelDeclarationError(model, f"Meta.{name} is not an option{_suggestion(name)}")
            if base is meta or _SPELLINGS[name] not in _OWN:
                attributes[_SPELLINGS[name]] = value
    return attributes


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_version(value: object) -> bool:
    return _is_number(value) and cast(int, value) < 10**15  # Lua, which compares stamps, knows whole numbers to 2^53


def _is_text(value: object) -> bool:
    return value is None or isinstance(value, str)


def _is_name(value: object) -> bool:
    return value is None or (isinstance(value, str) and value != "")


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)


def _is_named_fields(value: object) -> bool:
    if value is None:
        return True
    if isinstance(value, dict):
        named = cast("dict[object, object]", value)
        return all(isinstance(name, str) for name in named) and all(map(_is_fields, named.values()))
    return isinstance(value, (list, tuple)) and all(map(_is_fields, cast("list[object]", value)))


def _is_fields(value: object) -> bool:
    if not isinstance(value, (list, tuple)):
        return False
    names = cast("list[object]", value)
    return bool(names) and all(isinstance(name, str) for name in names)


# Option -> what it may be, as a test and in words.
_WANTED: Final[dict[str, tuple[Callable[[object], bool], str]]] = {
    "primary_key": (_is_name, "the name of a field"),
    "table": (_is_name, "text, or None for the name of the class"),
    "prefix": (_is_text, "text or None"),
    "separator": (_is_name, "text, or None for ':'"),
    "app": (_is_name, "the label of an app, or None"),
    "version": (_is_version, "a whole number from 1, of at most 15 digits"),
    "ttl": (lambda value: value is None or _is_number(value), "a whole number of seconds from 1, or None"),
    "auto_save": (_is_switch, "True or False"),
    "auto_sync": (_is_switch, "True or False"),
    "abstract": (_is_switch, "True or False"),
    "managed": (_is_switch, "True or False"),
    "indexes": (_is_named_fields, _FIELDS),
    "unique": (_is_named_fields, _FIELDS),
}


def _named_fields(value: object) -> tuple[NamedFields, ...]:
    if isinstance(value, dict):
        return tuple(NamedFields(name, tuple(one)) for name, one in cast("dict[str, list[str]]", value).items())
    return tuple(NamedFields(None, tuple(one)) for one in cast("list[list[str]]", value or ()))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _suggestion(name: str) -> str:
    matches = difflib.get_close_matches(name, _SPELLINGS, n=1)
    return f"; did you mean {matches[0]!r}?" if matches else f"; the options are {', '.join(sorted(_SPELLINGS))}"
