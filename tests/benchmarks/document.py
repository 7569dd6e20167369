"""The JSON document of a run: every value of every round, and what comes of them. Pure."""

from collections.abc import Sequence
from dataclasses import asdict

from .figures import Group, Series, by_name, ratio_of, spread_of
from .machine import Machine
from .scale import Scale

__all__ = ["document_of"]


def document_of(machine: Machine, scale: Scale, groups: Sequence[Group]) -> dict[str, object]:
    """Give what JSON can hold."""
    return {
        "machine": asdict(machine),
        "scale": asdict(scale),
        "groups": [
            {
                "case": group.case,
                "title": group.title,
                "notes": list(group.notes),
                "series": [_series(line, by_name(group)) for line in group.series],
                "lines": group.lines,
            }
            for group in groups
        ],
    }


def _series(one: Series, present: dict[str, Series]) -> dict[str, object]:
    if not one.values:
        return {"name": one.name, "why_not": one.why_not}
    document: dict[str, object] = {
        "name": one.name, "unit": one.unit, "records": one.records, "values": list(one.values),
        **asdict(spread_of(one.values)),
    }  # fmt: skip
    reached = spread_of(one.values).median
    if ours := present.get(one.ours):
        ratio = ratio_of(ours, one)
        document["ratio"] = {"of": one.ours, **asdict(ratio)}
        reached = ratio.median
    if one.promise is not None:
        document["promise"] = {**asdict(one.promise), "is_kept": one.promise.is_kept(reached)}
    return document
