"""Random stored values: what the codecs write, damaged bytes, and bytes that no client writes."""

import json
import random
from typing import Any, Final

__all__ = ["stored_value"]

_SCALARS: Final = (
    b"0",
    b"-1",
    b"007",
    b"1_0",
    b"1e5",
    b"nan",
    b"inf",
    b"-0.0",
    b"9" * 5000,
    b"None",
    b"\\None",
    b"null",
    b"true",
    b'""',
    b'"x"',
    b"\xff\xfe",
    b"\x00",
    b"",
    b"[]",
    b"{}",
    b"~",
    b"~[]",
    b'"\\ud800"',
    b'"2024-02-30"',
    b'"2024-01-01T00:00:00Z"',
    b'"P1D"',
    b'"127.0.0.1/8"',
    b'"00000000-0000-0000-0000-000000000000"',
    b'"1/0"',
    b'"3/4"',
    b'"1e9999"',
    b'"1E+999999"',
    b'"(a+)+$"',
    b'"["',
    b'"a{99999999999}"',
    b'"/tmp"',
    b'"Europe/Rome"',
    b'"Europe"',
    b'"../etc"',
    b'"aGk="',
    b'"redis://x"',
    b'["1", 2, null]',
    b'{"a": 1, "b": "1/2"}',
    b'{"1": "x"}',
    b'"[true, false]"',
)
_TAGS: Final = (
    "Counter",
    "Decimal",
    "Fraction",
    "IPv4Address",
    "IPv4Interface",
    "IPv4Network",
    "IPv6Address",
    "IPv6Network",
    "OrderedDict",
    "Path",
    "PurePosixPath",
    "PureWindowsPath",
    "SecretBytes",
    "SecretStr",
    "UUID",
    "ZoneInfo",
    "bytearray",
    "bytes",
    "complex",
    "date",
    "datetime",
    "deque",
    "dict",
    "float",
    "frozenset",
    "set",
    "str",
    "time",
    "timedelta",
    "tuple",
    "HttpUrl",
    "PostgresDsn",
    "unknown",
    "",
    "__class__",
)
_LEAVES: Final = (
    None,
    True,
    0,
    -1,
    2**70,
    1.5,
    1e308,
    "",
    "x",
    "1",
    "1e9999999",
    "1/3",
    "1e-9999999",
    "0.0.0.0/0",
    "::/0",
    "2024-01-01",
    "2024-01-01T00:00:00+00:00",
    "00:00:00",
    "Europe",
    "nan",
    "inf",
    "\ud800",
    "\x00",
    "aGk=",
    "a\x1b[31m",
    "NaN",
    "sNaN",
    "Infinity",
    "1" * 5000,
    "(" * 200,
    "file:///x",
    "http://[::1",
    "9999-12-31",
    10**15,
)


def stored_value(rng: random.Random) -> bytes:
    """Draw the bytes of one stored field."""
    kind = rng.random()
    if kind < 0.25:
        raw = rng.choice(_SCALARS)
    elif kind < 0.7:
        raw = b"~" + json.dumps(_tagged(rng, 3)).encode()
    elif kind < 0.9:
        raw = json.dumps(_plain(rng, 3)).encode()
    elif kind < 0.92:
        depth = rng.choice((50, 300, 1500, 5000))
        opening, closing = rng.choice(
            ((b"[", b"]"), (b'{"a":', b"}"), (b'{"tuple":[', b"]}"), (b'{"dict":[[1,', b"]]}"))
        )
        raw = rng.choice((b"", b"~")) + opening * depth + b"1" + closing * rng.choice((depth, depth - 1, 0))
    else:
        raw = rng.randbytes(rng.choice((1, 8, 40)))
    return _spoiled(rng, raw) if rng.random() < 0.3 else raw


def _tagged(rng: random.Random, depth: int) -> Any:
    kind = rng.random()
    if depth == 0 or kind < 0.2:
        return rng.choice(_LEAVES)
    if kind < 0.75:
        return {rng.choice(_TAGS): _inside(rng, depth - 1)}
    return _grown(rng, depth, _tagged)


def _inside(rng: random.Random, depth: int) -> Any:
    """Give what a tag is often followed by."""
    kind = rng.random()
    if kind < 0.4:
        return rng.choice(_LEAVES)
    if kind < 0.6:
        return [[_tagged(rng, depth), _tagged(rng, depth)] for _ in range(rng.randint(0, 3))]
    if kind < 0.8:
        return [_tagged(rng, depth) for _ in range(rng.randint(0, 4))]
    lists: list[Any] = [[0, [1], 9_999_999], [1e308], [1, 2, 3], [[1, 2], 1], ["00:00:00", "Europe"], ["1"], [[], -1]]
    return rng.choice(lists)


def _plain(rng: random.Random, depth: int) -> Any:
    return rng.choice(_LEAVES) if depth == 0 or rng.random() < 0.3 else _grown(rng, depth, _plain)


def _grown(rng: random.Random, depth: int, value: Any) -> Any:
    if rng.random() < 0.5:
        return [value(rng, depth - 1) for _ in range(rng.randint(0, 4))]
    return {
        rng.choice(("a", "b", "size", "1", "", "\ud800", "x")): value(rng, depth - 1) for _ in range(rng.randint(0, 4))
    }


def _spoiled(rng: random.Random, raw: bytes) -> bytes:
    place = rng.randrange(len(raw) + 1)
    return rng.choice(
        (raw[:place], raw[:place] + rng.randbytes(1) + raw[place:], raw[:place] + raw[place + 1 :], raw * 2)
    )
