"""The indexes that a model class declares: ``Field(index=True)``, ``Meta.indexes`` and the like, checked. Pure."""

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from ..encoding.annotations import Storage
from ..errors import ModelDeclarationError
from ..mapping.fields import storage_of
from ..mapping.mapper import Mapper
from ..mapping.options import NamedFields, read_indexes
from .definitions import MOST_INDEXES, MOST_PARTS, Definitions, Index, Part
from .entries import part_of

__all__ = ["DeclaredIndex", "declared_indexes", "definitions_of"]

_NAME: Final = re.compile(r"(?!_)[a-z0-9_]{1,64}")
_CACHE: Final = "_definitions"  # where a mapper keeps them, as it does what it computes itself


@dataclass(frozen=True)
class DeclaredIndex:
    """One index of a model class.

    Attributes:
        name: Its name; that of its field, or those of its fields joined by "_", unless ``Meta`` says another.
        fields: The stored fields that it is made of, in order.
        is_unique: Whether no two records may have the same values.
        folds_case: Those of its fields whose letters A to Z equal a to z.
    """

    name: str
    fields: tuple[str, ...]
    is_unique: bool = False
    folds_case: tuple[str, ...] = ()


def declared_indexes(model: type[BaseModel], mapper: Mapper[Any]) -> tuple[DeclaredIndex, ...]:
    """Give the indexes that a class declares, sorted by name.

    Raises:
        ModelDeclarationError: One of them cannot be.
    """
    storages = {name: storage_of(model.model_fields[name]) for name in mapper.names}
    _check_nocase(model, mapper, storages)
    indexes = tuple(_declared(model, mapper, storages))
    if indexes and mapper.hooks:
        raise _error(
            model,
            f"overrides {' and '.join(mapper.hooks)}, so the server cannot read what it stores, and {indexes[0].name!r}"
            " cannot be an index; remove the method, or the index",
        )
    _check_all(model, indexes)
    return tuple(sorted(indexes, key=lambda index: index.name))


def definitions_of(mapper: Mapper[Any]) -> Definitions:
    """Give the indexes that the class of a mapper declares, as they are defined beside its records.

    They tell of records of the class' own version; ``build_indexes`` keeps what is told of older ones.

    Raises:
        ModelDeclarationError: One of them cannot be.
    """
    kept: dict[str, Any] = vars(mapper)
    if _CACHE not in kept:
        indexes = declared_indexes(mapper.model, mapper)
        kept[_CACHE] = Definitions(tuple(_defined(index, mapper) for index in indexes))
    definitions: Definitions = kept[_CACHE]
    return definitions


def _defined(index: DeclaredIndex, mapper: Mapper[Any]) -> Index:
    parts = tuple(_part(mapper, index.name, name, folds_case=name in index.folds_case) for name in index.fields)
    return Index(index.name, index.is_unique, {mapper.version: parts}, through=mapper.version)


def _part(mapper: Mapper[Any], index: str, name: str, *, folds_case: bool) -> Part:
    model, codec = mapper.model, mapper.field(name).codec
    try:
        return part_of(name, codec, folds_case=folds_case)
    except TypeError as exc:
        raise _error(model, f"index {index!r}: {exc}") from exc


def _declared(model: type[BaseModel], mapper: Mapper[Any], storages: dict[str, Storage]) -> Iterator[DeclaredIndex]:
    def made(declared: NamedFields, is_unique: bool, where: str) -> DeclaredIndex:
        _check(model, mapper, declared, where)
        name = declared.name if declared.name is not None else "_".join(declared.fields)
        folding = tuple(field for field in declared.fields if storages[field].nocase)
        return DeclaredIndex(name, declared.fields, is_unique, folding)

    for name, storage in storages.items():
        if storage.index or storage.unique:
            word = "unique" if storage.unique else "index"
            yield made(NamedFields(None, (name,)), storage.unique, f"Field({word}=True) of {name!r}")
    indexes, unique = read_indexes(model)
    for declared in indexes:
        yield made(declared, False, "Meta.indexes")
    for declared in unique:
        yield made(declared, True, "Meta.unique")


def _check(model: type[BaseModel], mapper: Mapper[Any], declared: NamedFields, where: str) -> None:
    """Refuse an index that cannot be, whatever others there are."""
    fields = declared.fields
    for field in fields:
        if field not in mapper.names:
            raise _error(
                model, f"{where} names {field!r}, which is not a stored field{_suggestion(field, mapper.names)}"
            )
        if fields.count(field) > 1:
            raise _error(model, f"{where}: {fields!r} has {field!r} twice; keep one")
    if len(fields) > MOST_PARTS:
        raise _error(model, f"{where}: {fields!r} has {len(fields)} fields; an index has at most {MOST_PARTS}")
    if fields == (mapper.primary_key,):
        raise _error(
            model, f"{where}: {fields[0]!r} is the primary key, which finds records without an index; remove the index"
        )
    name = declared.name if declared.name is not None else "_".join(fields)
    if _NAME.fullmatch(name) is None:
        cure = (
            f"name it: {{'...': {fields!r}}} in Meta.indexes or Meta.unique" if declared.name is None else "rename it"
        )
        raise _error(
            model,
            f"{where}: the name of an index has 1 to 64 of the letters a-z, 0-9 and _, and does not begin with _, but"
            f" this one would be {name!r:.80}; {cure}",
        )
    for field in fields:
        _part(mapper, name, field, folds_case=False)


def _check_nocase(model: type[BaseModel], mapper: Mapper[Any], storages: dict[str, Storage]) -> None:
    for name in [name for name, storage in storages.items() if storage.nocase]:
        try:
            part_of(name, mapper.field(name).codec, folds_case=True)
        except TypeError as exc:
            raise _error(model, f"{exc}; remove nocase=True") from exc


def _check_all(model: type[BaseModel], indexes: Iterable[DeclaredIndex]) -> None:
    """Refuse indexes that cannot be beside each other."""
    indexes = tuple(indexes)
    if len(indexes) > MOST_INDEXES:
        raise _error(model, f"declares {len(indexes)} indexes; a model has at most {MOST_INDEXES}")
    for fields, count in Counter(index.fields for index in indexes).items():
        if count > 1:
            raise _error(model, f"declares {count} indexes of {' and '.join(fields)}; keep one, the unique one if any")
    for name, count in Counter(index.name for index in indexes).items():
        if count > 1:
            alike = " and ".join(repr(index.fields) for index in indexes if index.name == name)
            raise _error(
                model,
                f"has {count} indexes with the name {name!r}, of {alike}; name one: {{'...': (...)}} in Meta.indexes",
            )


def _suggestion(name: str, names: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(names)}"


def _error(model: type[BaseModel], reason: str) -> ModelDeclarationError:
    return ModelDeclarationError(model.__name__, reason)
