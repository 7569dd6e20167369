"""The parser of type text: what it takes is what Python would read, and hostile text is refused in bounded time."""

import ast
import random
from typing import Any

import pytest

from redis_models.errors import SchemaError
from redis_models.migrations.schema.type_edit import numbered
from redis_models.migrations.schema.type_parser import (
    CallNode,
    ConstantNode,
    NameNode,
    Node,
    SubscriptNode,
    UnionNode,
    parse_text,
)
from redis_models.migrations.schema.type_resolver import codec_of, resolve
from redis_models.migrations.schema.type_tree import parse

from .bounded import outcome
from .texts import mutated, type_text


def _as_tuples(node: Node, text: str) -> Any:
    """Give what a node says, and the characters that it stands at."""
    place = text[node.start : node.end]
    match node:
        case NameNode(name=name):
            return ("name", name, place)
        case ConstantNode(value=value):
            return ("constant", repr(value), place)
        case SubscriptNode(name=name, items=items):
            return ("subscript", name, [_as_tuples(item, text) for item in items], place)
        case CallNode(name=name, items=items, keywords=keywords):
            pairs = [(key, _as_tuples(keyword, text)) for key, keyword in keywords]
            return ("call", name, [_as_tuples(item, text) for item in items], pairs, place)
        case UnionNode(members=members):
            return ("union", [_as_tuples(member, text) for member in members], place)
        case _:
            raise AssertionError(node)


def _as_tuples_by_python(node: ast.expr, text: str) -> Any:
    place = ast.get_source_segment(text, node)
    match node:
        case ast.Name(id=name):
            return ("name", name, place)
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Tuple(elts=elements)):
            return ("subscript", name, [_as_tuples_by_python(element, text) for element in elements], place)
        case ast.Subscript(value=ast.Name(id=name), slice=inner):
            return ("subscript", name, [_as_tuples_by_python(inner, text)], place)
        case ast.Call(func=ast.Name(id=name), args=items, keywords=keywords):
            pairs: list[Any] = []
            for keyword in keywords:
                if isinstance(keyword.value, ast.Dict) and keyword.arg is None:
                    keys = [ast.literal_eval(key) for key in keyword.value.keys if key is not None]
                    pairs += [
                        (key, _as_tuples_by_python(each, text))
                        for key, each in zip(keys, keyword.value.values, strict=True)
                    ]
                else:
                    pairs.append((keyword.arg, _as_tuples_by_python(keyword.value, text)))
            return ("call", name, [_as_tuples_by_python(item, text) for item in items], pairs, place)
        case ast.BinOp():
            members = list[ast.expr]()
            left: ast.expr = node
            while isinstance(left, ast.BinOp):
                members.append(left.right)
                left = left.left
            return ("union", [_as_tuples_by_python(member, text) for member in [left, *reversed(members)]], place)
        case _:
            return ("constant", repr(ast.literal_eval(node)), place)


@pytest.mark.parametrize("seed", range(20))
def test_a_text_is_taken_apart_as_python_takes_it_apart(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(100):
        text = type_text(rng)

        assert _as_tuples(parse_text(text), text) == _as_tuples_by_python(ast.parse(text, mode="eval").body, text)


@pytest.mark.parametrize("seed", range(10))
def test_the_tree_of_a_text_is_that_text_again(seed: int) -> None:
    rng = random.Random(1000 + seed)
    for _ in range(100):
        text = type_text(rng)
        try:
            tree = parse(text)
        except SchemaError:
            continue  # a label twice

        assert parse(str(tree)) == tree
        assert numbered(text).count("Ref(") == text.count("Ref(")


@pytest.mark.parametrize("seed", range(10))
def test_a_spoiled_text_is_read_or_refused(seed: int) -> None:
    rng = random.Random(2000 + seed)
    for _ in range(200):
        text = mutated(rng, type_text(rng, 3))
        try:
            parse(text)
            codec_of(text)
        except SchemaError as exc:
            assert str(exc).startswith("type ")  # there may be none


def _keys(count: int, type: str = "int") -> str:
    return f"Object({', '.join(f'k{number:05}={type}' for number in range(count))})"


HOSTILE = {
    "texts side by side": "Literal[" + "'a' " * 60_000 + "]",
    "a text without its end": "Literal['" + "x\\" * 300_000,
    "depth": "list[" * 50_000,
    "depth of parentheses": "(" * 50_000,
    "depth of constants": "Enum(A=" + "[" * 50_000,
    "depth of objects": "Object(a=" * 101 + "int" + ")" * 101,
    "a million keys": _keys(1_000_000),
    "a number of a million digits": "Literal[" + "7" * 1_000_000 + "]",
    "an alias of itself": "Alias('a', Ref('a'))",
    "an alias of itself or another": "Alias('node', int | Ref('node') | None)",
    "two aliases of each other": "Alias('a', Alias('b', Ref('a') | list[Ref('b')]))",
    "a reference to nothing": "tuple[Alias('a', int), Ref('a')]",
    "half a surrogate pair": "Literal['\\ud800']",
    "a member twice": "Enum(A='x', A='y')",
    "a member of Python's own": "Enum(__class__=1)",
    "a number without end": "Enum(A=-1e999)",
    "zero": "int\0",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_is_refused_in_bounded_time(kind: str) -> None:
    text = HOSTILE[kind]

    def refused() -> int:
        with pytest.raises(SchemaError) as caught:
            codec_of(text)
        return len(str(caught.value))

    assert 10 < int(outcome(refused)) < 1000


LARGE = {
    "an object of two thousand keys": _keys(2000, "str | None"),
    "an object of objects": _keys(250, "Object(a=int, b=list[str])"),
    "an enum of five thousand members": "Enum(" + ", ".join(f"M{number}='v{number}'" for number in range(5000)) + ")",
    "a union of a thousand": " | ".join(f"list[Literal[{number}]]" for number in range(1000)),
    "forty objects deep": "Object(a=" * 40 + "int" + ")" * 40,
    "what recurs in what recurs": "".join(f"Alias('a{i}', list[" for i in range(20)) + "Ref('a0')" + "])" * 20,
}


@pytest.mark.parametrize("kind", LARGE)
def test_large_honest_text_is_read_in_bounded_time(kind: str) -> None:
    text = LARGE[kind]

    assert outcome(lambda: str(parse(text)) == text and resolve(text) is resolve(text)) == "True"


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        ("Alias('T1', list[Ref('T1')])", b"[[], [[]]]"),
        ("Alias('T1', dict[str, Ref('T1') | int])", b'{"a": {"b": 1}}'),
        ("Object('T1', next=Ref('T1') | None)", b'{"next": {"next": null}}'),
    ],
)
def test_what_recurs_inside_of_something_comes_back(text: str, raw: bytes) -> None:
    codec = codec_of(text)

    assert codec.encode(codec.decode(raw)) == raw
