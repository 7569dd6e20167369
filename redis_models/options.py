"""Options of a model, in their two spellings: underscore class attributes (the seed's) and ``class Meta``. Pure.

The class attributes are the truth; ``Meta`` is read once, when the class is made, and becomes them. So both can be read
and set on the class later, and mean the same.
"""

import difflib
from dataclasses import dataclass
from typing import Final

from .errors import ModelDeclarationError

__all__ = ["ATTRIBUTES", "OWN", "Options", "attributes_of_meta", "read_options"]

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
}
ATTRIBUTES: Final = frozenset(_SPELLINGS.values())
# Options that a subclass does not inherit: two classes over one table, or a version of another shape, would be wrong.
OWN: Final[dict[str, object]] = {"_table_name": None, "_version": 1, "_abstract": False}


@dataclass(frozen=True)
class Options:
    """What a model says about how it is stored.

    Attributes:
        primary_key: Name of the field, or None where none is declared.
        table: Second part of its keys.
        prefix: First part of its keys, or "".
        separator: Between the parts of its keys.
        version: Version of the stored shape, from 1.
        ttl: Life span of a record in seconds, or None.
        auto_save, auto_sync: What a new instance does.
        app: Label of the app it belongs to, or None for the app of its module.
        abstract: It only serves as a base class and is never stored.
        managed: Migrations rewrite its records.
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


def attributes_of_meta(model: str, meta: type) -> dict[str, object]:
    """Give the class attributes that a ``class Meta`` stands for.

    Raises:
        ModelDeclarationError: It has a name that is no option.
    """
    found: dict[str, object] = {}
    for base in reversed(meta.__mro__[:-1]):
        for name, value in vars(base).items():
            if name.startswith("__"):
                continue
            if name not in _SPELLINGS:
                raise ModelDeclarationError(model, f"Meta.{name} is no option{_suggestion(name)}")
            found[_SPELLINGS[name]] = value
    return found


def read_options(model: type) -> Options:
    """Read the options off a class.

    Raises:
        ModelDeclarationError: One of them has a value it cannot have.
    """
    value = {name: getattr(model, attribute, None) for name, attribute in _SPELLINGS.items()}
    for name, (kind, wanted) in _WANTED.items():
        if not isinstance(value[name], kind) or (kind is int and isinstance(value[name], bool)):
            raise ModelDeclarationError(model.__name__, f"{name} must be {wanted}, not {value[name]!r}")
    version, ttl = value["version"], value["ttl"]
    if not isinstance(version, int) or version < 1:
        raise ModelDeclarationError(model.__name__, f"version must be 1 or more, not {version!r}")
    if isinstance(ttl, int) and ttl < 1:
        raise ModelDeclarationError(model.__name__, f"ttl must be at least 1 second, or None, not {ttl!r}")
    return Options(
        primary_key=_text(value["primary_key"]),
        table=_text(value["table"]) or model.__name__.lower(),
        prefix=_text(value["prefix"]) or "",
        separator=_text(value["separator"]) or ":",
        version=version,
        ttl=ttl if isinstance(ttl, int) else None,
        auto_save=bool(value["auto_save"]),
        auto_sync=bool(value["auto_sync"]),
        app=_text(value["app"]),
        abstract=bool(value["abstract"]),
        managed=value["managed"] is not False,
    )


_OPTIONAL_TEXT: Final = ((str, type(None)), "text or None")
_WANTED: Final[dict[str, tuple[type | tuple[type, ...], str]]] = {
    "primary_key": _OPTIONAL_TEXT,
    "table": _OPTIONAL_TEXT,
    "prefix": _OPTIONAL_TEXT,
    "separator": _OPTIONAL_TEXT,
    "app": _OPTIONAL_TEXT,
    "version": (int, "a whole number from 1"),
    "ttl": ((int, type(None)), "a whole number of seconds, or None"),
}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _suggestion(name: str) -> str:
    near = difflib.get_close_matches(name, _SPELLINGS, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; the options are {', '.join(sorted(_SPELLINGS))}"
