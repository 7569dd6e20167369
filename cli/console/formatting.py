"""A record before and after a migration: as lines of text, and as JSON-like data."""

from collections.abc import Iterator, Sequence

from redis_models.encoding.secrets import MASK
from redis_models.migrations.planner.explain import Line

__all__ = ["record_document", "record_lines"]

_WIDTH = 40  # characters of a value


def record_lines(lines: Sequence[Line]) -> Iterator[str]:
    """Give a line for each field: what happens to it, its name, and its bytes before and after."""
    width = max((len(line.name) for line in lines), default=0)
    for line in lines:
        yield f"  {line.sign} {line.name.ljust(width)}  {_change(line)}"


def record_document(lines: Sequence[Line]) -> dict[str, object]:
    """Give the bytes before and after, as text, by field."""
    return {
        line.name: {"before": _text(sides[0]), "after": _text(sides[1])}
        for line, sides in ((line, _sides(line)) for line in lines)
    }


def _change(line: Line) -> str:
    sides = _sides(line)
    if line.before == line.after:
        return _short(sides[0] if sides[1] is None else sides[1])
    return " → ".join(_short(raw) for raw in sides if raw is not None)


def _sides(line: Line) -> tuple[bytes | None, bytes | None]:
    before, after = line.shown
    return _masked(line, before), _masked(line, after)


def _masked(line: Line, raw: bytes | None) -> bytes | None:
    return MASK.encode() if raw is not None and line.is_secret else raw


def _short(raw: bytes | None) -> str:
    text = "" if raw is None else raw.decode("utf-8", "backslashreplace")
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode("utf-8", "backslashreplace")
