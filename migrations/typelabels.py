"""Labels of what recurs in canonical type text, counted anew where a change of the text has mixed them up. Pure.

``typetext`` counts labels in the order in which they are first referred to. Text that was put together from parts may
have a label twice, and text that lost a part may begin with the second.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

__all__ = ["numbered", "renumbered"]


@dataclass
class _Label:
    """One thing that recurs: the places in the text that name it. Grows while the text is read."""

    name: str
    number: int | None = None
    places: list[ast.expr] = field(default_factory=list[ast.expr])


def numbered(text: str) -> str:
    """Give ``text`` with its labels counted from ``T1``; each ``Ref`` goes on meaning what it meant."""
    raw, starts = text.encode(), [0]
    for line in raw.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    places = [(place, one.number) for one in _labels_of(text) if one.number is not None for place in one.places]
    # From the end, so that the places before stay where they are.
    for place, number in sorted(places, key=lambda pair: (pair[0].lineno, pair[0].col_offset), reverse=True):
        start = starts[place.lineno - 1] + place.col_offset
        end = starts[(place.end_lineno or place.lineno) - 1] + (place.end_col_offset or 0)
        raw = raw[:start] + f"'T{number}'".encode() + raw[end:]
    return raw.decode()


def renumbered(text: str, before: str) -> str:
    """Give ``text``, counted anew if the change from ``before`` added, doubled or took away a label.

    Otherwise it stays: a generic class counts its arguments first, so the numbers need not begin at one.
    """
    labels, old = ([one.name for one in _labels_of(each)] for each in (text, before))
    return text if sorted(labels) == sorted(old) else numbered(text)


def _labels_of(text: str) -> list[_Label]:
    if "Ref(" not in text:  # nearly always, and much faster
        return []
    found: list[_Label] = []
    count = 0
    for one, is_reference in _mentions(ast.parse(text, mode="eval").body, {}):
        if not is_reference:
            found.append(one)
        elif one.number is None:
            one.number = count = count + 1
    return found


def _mentions(node: ast.AST, known: Mapping[str, _Label]) -> Iterator[tuple[_Label, bool]]:
    """Give what is labelled, and each reference to it, in the order of the text."""
    match node:
        case ast.Call(func=ast.Name(id="Ref"), args=[ast.Constant(value=str(name)) as place]) if name in known:
            known[name].places.append(place)
            yield known[name], True
            return
        case ast.Call(func=ast.Name(id="Object" | "Alias"), args=[ast.Constant(value=str(name)) as place, *_]):
            label = _Label(name, places=[place])
            known = {**known, name: label}  # of two with the same label, a reference means the nearest around it
            yield label, False
        case _:
            pass
    for child in ast.iter_child_nodes(node):
        yield from _mentions(child, known)
