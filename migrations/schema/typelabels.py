"""Labels of what recurs in canonical type text, counted anew where a change of the text has mixed them up. Pure.

``type_text`` counts labels in the order in which they are first referred to. Text that was put together from parts may
have a label twice, and text that lost a part may begin with the second.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .type_parser import CallNode, ConstantNode, Node, parse_text, parts_of

__all__ = ["numbered", "renumbered"]


@dataclass
class _Label:
    """One thing that recurs: the places in the text that name it. Grows while the text is read."""

    name: str
    number: int | None = None
    places: list[Node] = field(default_factory=list[Node])


def numbered(text: str) -> str:
    """Give ``text`` with its labels counted from ``T1``; each ``Ref`` goes on meaning what it meant."""
    places = [(place.start, place.end, one.number) for one in _labels_of(text) if one.number for place in one.places]
    parts, done = list[str](), 0
    for start, end, number in sorted(places):
        parts += [text[done:start], f"'T{number}'"]
        done = end
    return "".join([*parts, text[done:]])


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
    for one, is_reference in _mentions(parse_text(text), {}):
        if not is_reference:
            found.append(one)
        elif one.number is None:
            one.number = count = count + 1
    return found


def _mentions(node: Node, known: Mapping[str, _Label]) -> Iterator[tuple[_Label, bool]]:
    """Give what is labelled, and each reference to it, in the order of the text."""
    if not node.has_reference:
        return
    match node:
        case CallNode(name="Ref", items=(ConstantNode(value=str(name)) as place,)) if name in known:
            known[name].places.append(place)
            yield known[name], True
        case CallNode(name="Object" | "Alias", items=(ConstantNode(value=str(name)) as place, *_)):
            label = _Label(name, places=[place])
            yield label, False
            # Of two with the same label, a reference means the nearest around it.
            yield from _mentions_in(node, {**known, name: label})
        case _:
            yield from _mentions_in(node, known)


def _mentions_in(node: Node, known: Mapping[str, _Label]) -> Iterator[tuple[_Label, bool]]:
    for one in parts_of(node):
        yield from _mentions(one, known)
