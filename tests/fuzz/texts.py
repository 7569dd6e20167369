"""Canonical type texts, drawn: every construct of the grammar, with names and constants of all kinds."""

import random

from redis_models.migrations.schema.type_spelling import CONTAINERS, NAMES, OPAQUE, keywords, quoted

__all__ = ["mutated", "type_text"]

_ATOMS = sorted(NAMES) + sorted(OPAQUE) + ["bytes[hex]", "bytes[utf8]", "Custom('shop.money.Money')"]
_NAMES = ("size", "self", "class", "größe", "a b", "", "None", "it's", 'say "x"', "\n", "line\\n", "\u2028", "_x", "名")
_CONSTANTS = ("a", "it's", '"', "\\", "\x00\x7f", "\u202e", "é", "1", 0, -1, 10**30, True, False)
_PIECES = ("'", '"', "\\", "[", "]", "(", ")", "{", "}", ",", "|", "=", "**", "...", "-", "1e999", "Ref('T1')",
           "None", "\n", "\0", "\u202e", "Alias('a', ", "Object(", "list[", "Enum(A=", "Literal[", "#")  # fmt: skip


def type_text(rng: random.Random, depth: int = 4, labels: tuple[str, ...] = ()) -> str:
    """Draw the text of a type."""
    kind = rng.choice(("atom", "container", "tuple", "dict", "union", "literal", "enum", "object", "recursive"))
    if depth <= 0 or kind == "atom":
        return f"Ref({rng.choice(labels)!r})" if labels and rng.random() < 0.3 else rng.choice(_ATOMS)

    def inner() -> str:
        return type_text(rng, depth - 1, labels)

    match kind:
        case "container":
            return f"{rng.choice(sorted(CONTAINERS.keys() - {'dict'}))}[{inner()}]"
        case "dict":
            return f"dict[{inner()}, {inner()}]"
        case "tuple":
            return rng.choice((f"tuple[{inner()}, ...]", "tuple[()]", f"tuple[{inner()}, {inner()}]"))
        case "union":
            return " | ".join(inner() for _ in range(rng.randint(2, 4)))
        case "literal":
            return f"Literal[{', '.join(quoted(rng.choice(_CONSTANTS)) for _ in range(rng.randint(1, 4)))}]"
        case "enum":
            return f"Enum({keywords((f'M{number}', _constant(rng)) for number in range(rng.randint(1, 4)))})"
        case _:
            label = f"T{len(labels) + 1}" if kind == "recursive" else ""
            inside = (*labels, label) if label else labels
            names = rng.sample(_NAMES, rng.randint(0, 4))
            pairs = [(name, _wrapped(rng, type_text(rng, depth - 1, inside))) for name in sorted(names)]
            return f"Object({', '.join(part for part in (repr(label) if label else '', keywords(pairs)) if part)})"


def mutated(rng: random.Random, text: str) -> str:
    """Spoil a text: cut, double, swap or put something into it, once or a few times."""
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        start, end = sorted(rng.randrange(len(text) + 1) for _ in range(2))
        piece = rng.choice((*_PIECES, rng.choice(_ATOMS), text[start:end]))
        text = rng.choice((
            text[:start] + text[end:], text[:end],
            text[:start] + piece + text[start:], text[:start] + piece + text[end:],
            text[:start] + text[start:end] * rng.choice((2, 2, 2, 40)) + text[end:],
        ))[:20_000]  # fmt: skip
    return text


def _wrapped(rng: random.Random, text: str) -> str:
    return f"NotRequired[{text}]" if rng.random() < 0.3 else text


def _constant(rng: random.Random) -> str:
    return quoted(rng.choice((*_CONSTANTS, None, 1.5, -1e300, ["a", 1], {"k": [None]})))
