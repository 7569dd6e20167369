"""JSON that another user of the database may have written, read in bounded time and memory. Pure."""

import json
from typing import Final, NoReturn

__all__ = ["read_json"]

_PARTS: Final = 1_000_000  # of a document; each takes up to a hundred times its bytes once it is read


def read_json(raw: bytes | str) -> object:
    """Read JSON of bounded size and depth.

    Raises:
        ValueError: It is none, or more than what the engine writes; the text is one line.
    """
    text = raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw
    parts = sum(map(text.count, (b",", b"[", b"{")))
    if parts > _PARTS:
        raise ValueError(f"it has {parts} parts, and no more than {_PARTS} are read")
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as exc:
        raise ValueError("it nests too deeply") from exc


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
