"""Canonical text of a type: one line that says how its values are stored. Pure.

Snapshots in Redis, migration files and the diff carry this text in place of types; ``historical.resolve`` reads it.

- **Equal text, equal bytes.** Names of classes, docstrings, titles, aliases, constraints, validators and the order of
  model fields do not show. What the codec writes differently does: ``bytes`` is base64, ``bytes[utf8]`` what a nested
  model stores by default; ``JSON[str]`` is a quoted string where ``str`` would be plain text.
- **Objects** (models, dataclasses, TypedDicts) list their stored keys, sorted. ``NotRequired`` marks a key that reading
  can do without (it has a default, is optional or computed), because a diff must know whether old JSON still reads. The
  default itself does not show: it is written out in every record.
- **Enums** list their members as defined, by name and stored value; the base class does not show, except for ``Flag``.
- **Recursion** is ``Object('T1', next=Ref('T1') | None)``: labels are counted, so that class names do not show.
- **Serializers of the application** are ``Custom('module.name')``: the text follows the name, not the code behind it.
"""

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import ipaddress
import itertools
import keyword
import math
import pathlib
import re
import sys
import types
import typing
import unicodedata
import uuid
import zoneinfo
from collections import abc
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Final, ForwardRef, Literal, NewType, TypeVar, Union, cast, get_args, get_origin

import pydantic
import typing_extensions
from pydantic import BaseModel, RootModel
from pydantic.dataclasses import is_pydantic_dataclass, rebuild_dataclass
from pydantic.fields import FieldInfo
from pydantic.networks import _BaseMultiHostUrl, _BaseUrl
from pydantic.types import PaymentCardNumber  # pyright: ignore[reportDeprecated]  # old records may hold one
from pydantic_core import MultiHostUrl, PydanticSerializationError, Url, to_jsonable_python

from redis_models.codec import codec_for
from redis_models.errors import ModelDeclarationError

__all__ = ["CONTAINERS", "NAMES", "OPAQUE", "TypeText", "describe"]

# Texts that stand for one type.
NAMES: Final[Mapping[str, object]] = {
    "Any": typing.Any,
    "Decimal": decimal.Decimal,
    "Fraction": fractions.Fraction,
    "IPv4Address": ipaddress.IPv4Address,
    "IPv4Interface": ipaddress.IPv4Interface,
    "IPv4Network": ipaddress.IPv4Network,
    "IPv6Address": ipaddress.IPv6Address,
    "IPv6Interface": ipaddress.IPv6Interface,
    "IPv6Network": ipaddress.IPv6Network,
    "None": types.NoneType,
    "Path": pathlib.Path,
    "Pattern": re.Pattern,
    "SecretBytes": pydantic.SecretBytes,
    "SecretStr": pydantic.SecretStr,
    "UUID": uuid.UUID,
    "ZoneInfo": zoneinfo.ZoneInfo,
    "bool": bool,
    "bytes": bytes,
    "complex": complex,
    "date": datetime.date,
    "datetime": datetime.datetime,
    "datetime[aware]": pydantic.AwareDatetime,
    "datetime[naive]": pydantic.NaiveDatetime,
    "float": float,
    "int": int,
    "str": str,
    "time": datetime.time,
    "timedelta": datetime.timedelta,
}
# Containers whose parameters are types; tuple is apart.
CONTAINERS: Final[Mapping[str, type]] = {one.__name__: one for one in (collections.deque, dict, frozenset, list, set)}
_TEMPORAL: Final = ("date", "datetime", "time", "timedelta")
# Texts whose values are read back as the JSON that they are, because their own type would normalise, hide or refuse it.
OPAQUE: Final = frozenset(
    [
        "ByteSize",
        "Email",
        "ImportString",
        "JSON[float]",
        "JSON[int]",
        "JSON[str]",
        "Json",
        "NameEmail",
        "Pattern[bytes]",
    ]
    + ["PaymentCardNumber", "Secret", "Url", "float[strings]"]
    + [f"{name}[{unit}]" for name in _TEMPORAL for unit in ("milliseconds", "seconds")]
)
_SPELLINGS: Final[Mapping[object, tuple[str, ...]]] = {
    **{one: (text,) for text, one in NAMES.items()},
    **dict.fromkeys((None,), ("None",)),
    **dict.fromkeys((object, abc.Hashable, pydantic.JsonValue), ("Any",)),
    **dict.fromkeys((pathlib.PosixPath, pathlib.PurePath, pathlib.PurePosixPath), ("Path",)),
    **dict.fromkeys((pydantic.FutureDate, pydantic.PastDate), ("date",)),
    **dict.fromkeys((pydantic.FutureDatetime, pydantic.PastDatetime), ("datetime",)),
    **dict.fromkeys((typing.LiteralString, typing_extensions.LiteralString), ("str",)),
    **{getattr(pydantic, text): (text,) for text in ("ByteSize", "ImportString", "Json", "NameEmail", "Secret")},
    pydantic.EmailStr: ("Email",),
    PaymentCardNumber: ("PaymentCardNumber",),  # pyright: ignore[reportDeprecated]
    pydantic.IPvAnyAddress: ("IPv4Address", "IPv6Address"),
    pydantic.IPvAnyInterface: ("IPv4Interface", "IPv6Interface"),
    pydantic.IPvAnyNetwork: ("IPv4Network", "IPv6Network"),
}
_KINDS: Final[Mapping[object, str]] = {
    **{one: text for text, one in CONTAINERS.items()},
    **dict.fromkeys((abc.Collection, abc.Generator, abc.Iterable, abc.MutableSequence, abc.Sequence), "list"),
    **dict.fromkeys((abc.MutableSet, abc.Set), "set"),
    **dict.fromkeys((abc.Mapping, abc.MutableMapping, collections.OrderedDict, collections.defaultdict), "dict"),
}
_ALIASES: Final = (typing_extensions.TypeAliasType, getattr(typing, "TypeAliasType", typing_extensions.TypeAliasType))
_QUALIFIERS: Final = (Final, typing_extensions.ReadOnly, typing_extensions.NotRequired, typing_extensions.Required)
# What the codec stores as plain text only where it is spelled str, int or float.
_PLAIN: Final = re.compile(r"(str|float)( \| None)?|(int)( \| None)")
_CODEC_SETTINGS: Final[Mapping[str, object]] = {"ser_json_bytes": "base64"}


@dataclass(frozen=True)
class TypeText:
    """Metadata of an annotation whose text its type cannot say."""

    text: str


def _nothing_bound() -> "dict[object, tuple[object, _Scope]]":
    return {}


@dataclass(frozen=True)
class _Scope:
    """What names, type variables and settings mean at one place of an annotation."""

    settings: Mapping[str, object]
    module: str = ""
    names: Mapping[str, object] = dataclasses.field(default_factory=dict[str, object])
    bound: "Mapping[object, tuple[object, _Scope]]" = dataclasses.field(default_factory=_nothing_bound)


@dataclass(frozen=True)
class _Key:
    """One key of a stored object."""

    name: str
    annotation: object
    is_required: bool
    metadata: tuple[object, ...] = ()


class _IndescribableError(Exception):
    pass


_REFUSALS: Final = (
    _IndescribableError,
    ImportError,  # EmailStr without email-validator
    NameError,
    PydanticSerializationError,
    SyntaxError,  # a forward reference that is no expression
    pydantic.PydanticUserError,
)


def describe(annotation: object, *, owner: str = "") -> str:
    """Give the canonical text of ``annotation``.

    Args:
        annotation: What a model's field is annotated with, metadata included.
        owner: ``Model.field``, for the error only.

    Returns:
        A Python expression, the same on every run, Python and pydantic; equal for annotations that store equal values
        with equal bytes and read the same bytes.

    Raises:
        ModelDeclarationError: Values of it cannot be stored as text or JSON, or a name in it cannot be resolved.
    """
    try:
        text = _joined(_Walk().parts(annotation, _Scope(_settings_around(annotation))))
        codec = codec_for(annotation)
    except RecursionError as exc:
        raise ModelDeclarationError(owner or "type", f"{annotation!r} contains itself without end") from exc
    except _REFUSALS as exc:
        reason = f"{annotation!r} cannot be described: {str(exc).splitlines()[0]}"
        raise ModelDeclarationError(owner or "type", reason) from exc
    if codec.kind != "json":
        return f"{codec.kind} | None" if codec.is_optional else codec.kind
    plain = _PLAIN.fullmatch(text)
    return text if plain is None else f"JSON[{plain[1] or plain[3]}]{plain[2] or plain[4] or ''}"


class _Walk:
    """Goes through one annotation; holds the classes that it is inside of, with the label of those that recur."""

    def __init__(self) -> None:
        self._open: dict[object, str | None] = {}
        self._count = itertools.count(1)

    def parts(self, annotation: object, scope: _Scope) -> list[str]:
        """Give the texts of the members of a union, or the one text of anything else."""
        if isinstance(annotation, (str, ForwardRef)):
            annotation = _evaluated(annotation, scope)
        if (spelled := _found(annotation, _SPELLINGS)) is not None:
            return [_with_unit(text, scope.settings) for text in spelled]
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            return self._annotated(arguments[0], arguments[1:], scope)
        if origin in (Union, types.UnionType):
            return [part for one in arguments for part in self.parts(one, scope)]
        if origin is Literal:
            return _literal(arguments)
        if origin in _QUALIFIERS:
            return self.parts(arguments[0], scope)
        return self._named(annotation, origin or annotation, arguments, scope)

    def _annotated(self, annotation: object, metadata: tuple[object, ...], scope: _Scope) -> list[str]:
        told = next((told for told in map(_told_by, reversed(metadata)) if told), None)
        return [told] if told else self.parts(annotation, scope)

    def _text(self, annotation: object, scope: _Scope) -> str:
        return _joined(self.parts(annotation, scope))

    def _named(self, annotation: object, origin: object, arguments: tuple[object, ...], scope: _Scope) -> list[str]:
        if annotation is typing.Self or annotation is typing_extensions.Self:
            return self.parts(scope.names.get("Self"), scope)
        if isinstance(annotation, TypeVar):
            return self._type_variable(annotation, scope)
        if isinstance(annotation, NewType):
            return self.parts(annotation.__supertype__, scope)
        if isinstance(origin, _ALIASES):
            return self._alias(cast(typing_extensions.TypeAliasType, origin), arguments, scope)
        if origin is tuple:
            return [self._tuple(annotation, arguments, scope)]
        if origin is collections.Counter:
            return [f"dict[{self._text(arguments[0] if arguments else typing.Any, scope)}, int]"]
        if (kind := _found(origin, _KINDS)) is not None:
            count = 2 if kind == "dict" else 1
            return [f"{kind}[{', '.join(self._texts(arguments[:count] or (typing.Any,) * count, scope))}]"]
        if origin is re.Pattern:
            return ["Pattern[bytes]" if arguments == (bytes,) else "Pattern"]
        if _is_class(origin):
            return self._class(origin, arguments, scope)
        raise _IndescribableError("it is no type whose values have a JSON form")

    def _class(self, cls: type[object], arguments: tuple[object, ...], scope: _Scope) -> list[str]:
        if cls in _SPELLINGS:
            return list(_SPELLINGS[cls])
        if issubclass(cls, (Url, MultiHostUrl, _BaseUrl, _BaseMultiHostUrl)):
            return ["Url"]
        if _has_own_schema(cls):
            inner = f"[{', '.join(self._texts(arguments, scope))}]" if arguments else ""
            return [_custom(cls, inner)]
        if issubclass(cls, enum.Enum):
            return [_enum(cls)]
        key = (cls, self._texts(arguments, scope))
        inside = replace(_bind(cls, arguments, scope), module=cls.__module__, names={cls.__name__: cls, "Self": cls})
        if issubclass(cls, BaseModel):
            return self._model(cls, key, replace(inside, settings=dict(cls.model_config)))
        if dataclasses.is_dataclass(cls):
            settings: Mapping[str, object] | None = getattr(cls, "__pydantic_config__", None)
            inside = replace(inside, settings=scope.settings if settings is None else settings)
            serializer = _serializer_of(cls)
            found = self._object(key, lambda: _keys_of_dataclass(cls), inside)
            return found if serializer is None else [_custom(serializer)]
        if typing_extensions.is_typeddict(cls):  # pydantic writes it with the settings around it, whatever its own are
            return self._object(key, lambda: _keys_of_typed_dict(cls), inside)
        if _is_named_tuple(cls):
            return self._recursive(key, lambda: [self._named_tuple(cls, inside)])
        raise _IndescribableError(
            f"{cls.__name__} has no JSON form; make it a pydantic model, or annotate it with a PlainSerializer"
        )

    def _model(self, cls: type[BaseModel], key: Hashable, scope: _Scope) -> list[str]:
        cls.model_rebuild()
        stored_names: Mapping[str, str] | None = getattr(cls, "__stored_names__", None)
        serializer = _serializer_of(cls)
        if serializer is not None and stored_names is None:  # the serializer of historical objects adds nothing
            return [_custom(serializer)]
        if issubclass(cls, RootModel):
            root = cls.model_fields["root"]
            return self._recursive(key, lambda: self._annotated(root.annotation, tuple(root.metadata), scope))
        return self._object(key, lambda: _keys_of_model(cls, stored_names or {}), scope)

    def _object(self, key: Hashable, keys: Callable[[], Iterable[_Key]], scope: _Scope) -> list[str]:
        def inside() -> list[str]:
            pairs: list[tuple[str, str]] = []
            for one in sorted(keys(), key=lambda one: one.name):
                text = _joined(self._annotated(one.annotation, one.metadata, scope))
                pairs.append((one.name, text if one.is_required else f"NotRequired[{text}]"))
            return [_keywords(pairs)]

        return self._recursive(key, inside, "Object")

    def _alias(self, alias: typing_extensions.TypeAliasType, arguments: tuple[object, ...], scope: _Scope) -> list[str]:
        inside = replace(_bind(alias, arguments, scope), module=alias.__module__ or "", names={alias.__name__: alias})
        return self._recursive((alias, self._texts(arguments, scope)), lambda: self.parts(alias.__value__, inside))

    def _type_variable(self, variable: TypeVar, scope: _Scope) -> list[str]:
        if variable in scope.bound:
            return self.parts(*scope.bound[variable])
        default = getattr(variable, "__default__", None)  # typing_extensions or Python 3.13
        if default is not None and default is not typing_extensions.NoDefault:
            return self.parts(default, scope)
        members = variable.__constraints__ or (variable.__bound__ or typing.Any,)
        return [part for one in members for part in self.parts(one, scope)]

    def _tuple(self, annotation: object, arguments: tuple[object, ...], scope: _Scope) -> str:
        if annotation is tuple or annotation is typing.Tuple:  # noqa: UP006  # bare, where tuple[()] has no arguments too
            return "tuple[Any, ...]"
        if len(arguments) == 2 and arguments[1] is ...:
            return f"tuple[{self._text(arguments[0], scope)}, ...]"
        return f"tuple[{', '.join(self._texts(arguments, scope)) or '()'}]"

    def _named_tuple(self, cls: type[object], scope: _Scope) -> str:
        hints = _hints(cls)
        names: tuple[str, ...] = getattr(cls, "_fields", ())
        return self._tuple(cls, tuple(hints.get(name, typing.Any) for name in names), scope)

    def _texts(self, annotations: Iterable[object], scope: _Scope) -> tuple[str, ...]:
        return tuple(self._text(one, scope) for one in annotations)

    def _recursive(self, key: Hashable, inside: Callable[[], list[str]], name: str = "Alias") -> list[str]:
        if key in self._open:
            label = self._open[key] or f"T{next(self._count)}"
            self._open[key] = label
            return [f"Ref({label!r})"]
        self._open[key] = None
        inner = inside()
        recurring = self._open.pop(key)
        if recurring is None:
            return inner if name == "Alias" else [f"{name}({inner[0]})"]
        return [f"{name}({', '.join(one for one in (repr(recurring), _joined(inner)) if one)})"]


def _keys_of_model(cls: type[BaseModel], stored_names: Mapping[str, str]) -> Iterator[_Key]:
    for key in _keys_of_fields(cls, cls.model_fields):
        yield replace(key, name=stored_names.get(key.name, key.name))
    for name, one in cls.model_computed_fields.items():
        yield _Key(name, one.return_type, is_required=False, metadata=_serializers_of(cls, name))


def _keys_of_dataclass(cls: type[object]) -> Iterator[_Key]:
    names = [one.name for one in _declared(cls)]
    if is_pydantic_dataclass(cls):
        rebuild_dataclass(cls)
        fields: dict[str, FieldInfo] = cls.__pydantic_fields__
    else:
        fields = _fields_of_plain_dataclass(cls)
    return _keys_of_fields(cls, {name: fields[name] for name in names})


def _declared(cls: type[object]) -> "tuple[dataclasses.Field[object], ...]":
    return dataclasses.fields(cast(typing.Any, cls))  # typeshed has no public name for the class of a dataclass


def _fields_of_plain_dataclass(cls: type[object]) -> dict[str, FieldInfo]:
    fields: dict[str, FieldInfo] = {}
    hints = _hints(cls)
    for one in _declared(cls):
        is_required = one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
        default = one.default if isinstance(one.default, FieldInfo) else None
        annotation: type = hints[one.name]
        fields[one.name] = (
            FieldInfo.from_annotation(annotation)
            if is_required
            else FieldInfo.from_annotated_attribute(annotation, default)
        )
    return fields


def _keys_of_fields(cls: type[object], fields: Mapping[str, FieldInfo]) -> Iterator[_Key]:
    for name, one in fields.items():
        if one.exclude is True:
            continue
        is_required = one.is_required() and getattr(one, "exclude_if", None) is None
        yield _Key(name, one.annotation, is_required, (*one.metadata, *_serializers_of(cls, name)))


def _keys_of_typed_dict(cls: type[object]) -> Iterator[_Key]:
    required: frozenset[str] = getattr(cls, "__required_keys__", frozenset())
    for name, hint in _hints(cls).items():
        qualifiers, annotation = _unqualified(hint)
        # __required_keys__ does not see a qualifier in an annotation that was written as text.
        is_required = typing_extensions.NotRequired not in qualifiers and (
            name in required or typing_extensions.Required in qualifiers
        )
        yield _Key(name, annotation, is_required)


def _unqualified(hint: object) -> tuple[list[object], object]:
    qualifiers: list[object] = []
    while get_origin(hint) in _QUALIFIERS:
        qualifiers.append(get_origin(hint))
        hint = get_args(hint)[0]
    return qualifiers, hint


def _serializer_of(cls: type[object]) -> object:
    decorators = getattr(cls, "__pydantic_decorators__", None)
    found = [] if decorators is None else list(decorators.model_serializers.values())
    return next((one.func for one in reversed(found)), None)


def _serializers_of(cls: type[object], name: str) -> tuple[object, ...]:
    decorators = getattr(cls, "__pydantic_decorators__", None)
    found = [] if decorators is None else list(decorators.field_serializers.values())
    return tuple(TypeText(_custom(one.func)) for one in found if {name, "*"} & set(one.info.fields))


def _bind(origin: object, arguments: tuple[object, ...], scope: _Scope) -> _Scope:
    """Give the scope inside of a generic class or alias, with the arguments of its generic bases bound too."""
    attribute = "__type_params__" if isinstance(origin, _ALIASES) else "__parameters__"
    variables: tuple[object, ...] = getattr(origin, attribute, ())
    own = {variable: (one, scope) for variable, one in zip(variables, arguments, strict=False)}
    inside, inherited = replace(scope, bound=own), dict[object, tuple[object, _Scope]]()
    for base in getattr(origin, "__orig_bases__", ()):
        if isinstance(get_origin(base), type) and get_origin(base) is not typing.Generic:
            inherited |= _bind(get_origin(base), get_args(base), inside).bound
    return replace(scope, bound=inherited | own)


def _hints(cls: type[object]) -> dict[str, typing.Any]:
    return typing_extensions.get_type_hints(cls, localns={cls.__name__: cls}, include_extras=True)


def _evaluated(reference: str | ForwardRef, scope: _Scope) -> object:
    holder = type("holder", (), {"__annotations__": {"it": reference}})
    module = sys.modules.get(scope.module)
    names = {} if module is None else dict(vars(module))
    hints = typing_extensions.get_type_hints(holder, globalns=names, localns=dict(scope.names), include_extras=True)
    return cast(object, hints["it"])


def _told_by(metadata: object) -> str | None:
    """Give the text that one piece of metadata decides, or None where it is validation only."""
    match metadata:
        case TypeText(text):
            return text
        case pydantic.PlainSerializer() | pydantic.WrapSerializer():
            return _custom(metadata.func)
        case pydantic.EncodedBytes() | pydantic.EncodedStr():
            return _custom(metadata.encoder)
        case _:
            pass
    if metadata is pydantic.Json or type(metadata) is pydantic.Json:
        return "Json"
    if type(metadata) is pydantic.SerializeAsAny:
        return "Any"  # it stores whatever class the value has
    own = getattr(metadata, "__get_pydantic_core_schema__", None)
    if isinstance(metadata, pydantic.GetPydanticSchema):
        return None if own is None else _custom(own)
    home: str = getattr(metadata, "__module__", "")
    return None if own is None or home.partition(".")[0] in ("annotated_types", "pydantic") else _custom(metadata)


def _custom(source: object, arguments: str = "") -> str:
    name: str = getattr(source, "__qualname__", None) or type(source).__qualname__
    module: str = getattr(source, "__module__", None) or type(source).__module__
    return f"Custom({_quoted(f'{module}.{name}{arguments}')})"


def _has_own_schema(cls: type[object]) -> bool:
    own = getattr(cls, "__get_pydantic_core_schema__", None)
    usual = getattr(BaseModel.__get_pydantic_core_schema__, "__func__", None)
    return own is not None and getattr(own, "__func__", own) is not usual


def _enum(cls: type[enum.Enum]) -> str:
    members = [
        (name, _quoted(to_jsonable_python(one.value))) for name, one in cls.__members__.items() if one.name == name
    ]
    if not members:
        raise _IndescribableError(f"the enum {cls.__name__} has no members")
    return f"{'Flag' if issubclass(cls, enum.Flag) else 'Enum'}({_keywords(members)})"


def _literal(values: Iterable[object]) -> list[str]:
    # Sorted: Literal['a', 'b'] equals Literal['b', 'a'], so that typing's caches give either for the other.
    stored = [to_jsonable_python(one) for one in values]
    texts = sorted({(type(one).__name__, _quoted(one)) for one in stored if one is not None})
    found = [f"Literal[{', '.join(text for _, text in texts)}]"] if texts else []
    return [*found, "None"] if None in stored else found


def _quoted(value: object) -> str:
    """Give the constant's Python text, the same on every Python."""
    if isinstance(value, str):
        # repr() escapes what this Python's Unicode does not know; what Unicode 3.2 knows, every Python does.
        is_old = all(unicodedata.ucd_3_2_0.category(char) != "Cn" for char in value)
        return repr(value) if is_old else ascii(value)
    if isinstance(value, dict):
        pairs = cast(dict[object, object], value).items()
        return f"{{{', '.join(f'{_quoted(key)}: {_quoted(one)}' for key, one in pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_quoted, cast(list[object], value)))}]"
    if isinstance(value, float) and not math.isfinite(value):
        raise _IndescribableError(f"{value!r} has no JSON form")
    return repr(value)


def _keywords(pairs: Iterable[tuple[str, str]]) -> str:
    groups: list[str] = []
    for is_plain, group in itertools.groupby(pairs, key=lambda pair: _is_plain(pair[0])):
        if is_plain:
            groups += [f"{name}={text}" for name, text in group]
        else:
            groups.append(f"**{{{', '.join(f'{_quoted(name)}: {text}' for name, text in group)}}}")
    return ", ".join(groups)


def _is_plain(name: str) -> bool:
    # Python would normalise other letters, so that the name would not be the one that is stored.
    return name.isascii() and name.isidentifier() and not keyword.iskeyword(name) and name != "__debug__"


def _joined(parts: list[str]) -> str:
    unique = dict.fromkeys(part for part in parts if part != "None")
    return " | ".join([*unique, *(["None"] if "None" in parts else [])])


def _with_unit(text: str, settings: Mapping[str, object]) -> str:
    """Add what the surrounding model's configuration changes in the JSON of ``text``."""
    if text == "bytes" and (form := settings.get("ser_json_bytes", "utf8")) != "base64":
        return f"bytes[{form}]"
    if text == "float" and settings.get("ser_json_inf_nan") == "strings":
        return "float[strings]"
    unit = settings.get("ser_json_temporal", "iso8601")
    if text == "timedelta" and unit == "iso8601" and settings.get("ser_json_timedelta") == "float":
        unit = "seconds"
    name = text.partition("[")[0]
    return f"{name}[{unit}]" if name in _TEMPORAL and unit != "iso8601" else text


T = TypeVar("T")


def _found(key: object, table: Mapping[object, T]) -> T | None:
    try:
        return table.get(key)
    except TypeError:  # unhashable: Annotated[int, Some([1])]
        return None


def _settings_around(annotation: object) -> Mapping[str, object]:
    """Give the settings that the codec passes; whole models, dataclasses and TypedDicts keep pydantic's own."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if not _is_class(annotation):
        return _CODEC_SETTINGS
    is_object = dataclasses.is_dataclass(annotation) or typing_extensions.is_typeddict(annotation)
    return {} if is_object or issubclass(annotation, BaseModel) else _CODEC_SETTINGS


def _is_named_tuple(cls: type[object]) -> bool:
    return issubclass(cls, tuple) and hasattr(cast(object, cls), "_fields")


def _is_class(value: object) -> typing_extensions.TypeIs[type[object]]:
    return isinstance(value, type)
