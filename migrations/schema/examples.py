"""Made-up stored values of any type, to test a migration without records; and samples of real records. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Final, cast

from .snapshot import Literal, ModelSchema
from .type_resolver import codec_of
from .type_tree import Atom, Choice, Container, Object, Tree, parse, stored_values

__all__ = ["Sample", "example_records", "examples_of"]

_ATOMS: Final[dict[str, list[Literal]]] = {
    "Any": [1, "a", None],
    "Decimal": ["1.50", "0"],
    "Fraction": ["1/3", "2"],
    "IPv4Address": ["127.0.0.1"],
    "IPv4Interface": ["127.0.0.1/8"],
    "IPv4Network": ["10.0.0.0/8"],
    "IPv6Address": ["::1"],
    "IPv6Interface": ["::1/128"],
    "IPv6Network": ["fe80::/64"],
    "None": [None],
    "Path": ["/tmp/a"],
    "Pattern": ["a+"],
    "UUID": ["00000000-0000-0000-0000-000000000007", "12345678-1234-5678-1234-567812345678"],
    "ZoneInfo": ["UTC"],
    "bool": [True, False],
    "bytes": ["YQ=="],
    "complex": ["1+2j"],
    "date": ["2020-01-02", "1999-12-31"],
    "datetime": ["2020-01-02T03:04:05", "1999-12-31T23:59:59.5"],
    "datetime[aware]": ["2020-01-02T03:04:05+01:00"],
    "datetime[naive]": ["2020-01-02T03:04:05"],
    "float": [1.5, 0.0, -2.0],
    "int": [7, 0, -12],
    "str": ["a b", "", "7", "None"],
    "time": ["03:04:05"],
    "timedelta": ["P1DT2H"],
}
_PLENTY: Final = 3


def examples_of(type: str) -> list[bytes]:
    """Return some stored values of a type; none if no value can be made up."""
    codec, found = codec_of(type), dict[bytes, None]()
    for value in _values(parse(type)):
        try:
            found[codec.encode(codec.validate_jsonable(value))] = None
        except (ValueError, TypeError):
            continue  # such as values that a custom serializer refuses
    return list(found)


def example_records(schema: ModelSchema, count: int = _PLENTY) -> list[dict[str, bytes]]:
    """Return records of a model that together have all examples of each field; fields without examples are omitted."""
    fields = {field.name: examples_of(field.type) for field in schema.fields}
    wanted = max([count, *map(len, fields.values())])
    columns = {name: list(islice(cycle(values), wanted)) for name, values in fields.items() if values}
    return [{name: column[number] for name, column in columns.items()} for number in range(wanted)]


def _values(tree: Tree) -> Iterator[Literal]:
    known = stored_values(tree)
    if known is not None:
        yield from known
        return
    match tree:
        case Atom(text):
            yield from _ATOMS.get(text, ["a", 1, "2020-01-02T03:04:05"])
        case Choice():
            for member in tree.members:
                yield from _values(member)
        case Container():
            yield from _contents(tree)
        case Object():
            yield from _objects(tree)
        case _:
            return


def _contents(tree: Container) -> Iterator[Literal]:
    if tree.kind == "dict":
        keys, values = (list(_values(item)) for item in tree.items)
        yield {str(key): value for key, value in zip(keys, values, strict=False)}
        yield {}
    elif tree.kind == "tuple" and not tree.is_variadic:
        parts: list[Sequence[Literal]] = [list(_values(item)) for item in tree.items]
        if all(parts):
            yield [part[0] for part in parts]
    else:
        values = list(_values(tree.items[0]))
        yield cast(Literal, values[:2])
        yield []


def _objects(tree: Object) -> Iterator[Literal]:
    """Return objects with every key that together have all examples of each key; none for a recursive type."""
    if tree.label is not None:
        return
    columns = {key.name: list(_values(key.tree)) for key in tree.keys}
    if not all(columns.values()):
        return
    for number in range(max([1, *map(len, columns.values())])):
        yield {name: values[number % len(values)] for name, values in columns.items()}


@dataclass(frozen=True)
class Sample:
    """Some records of one model.

    Attributes:
        records: Stored fields by key, with undo fields.
        total: Number of records, as far as it is known.
    """

    records: Mapping[str, Mapping[str, bytes]]
    total: int

    @property
    def is_whole(self) -> bool:
        """Whether the sample has all records."""
        return len(self.records) >= self.total
