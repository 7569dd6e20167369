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


def _series(series: Series, present: dict[str, Series]) -> dict[str, object]:
    if not series.values:
        return {"name": series.name, "why_not": series.why_not}
    document: dict[str, object] = {
        "name": series.name, "unit": series.unit, "records": series.records, "values": list(series.values),
        **asdict(spread_of(series.values)),
    }  # fmt: skip
    reached = spread_of(series.values).median
    if ours := present.get(series.ours):
        ratio = ratio_of(ours, series)
        document["ratio"] = {"of": series.ours, **asdict(ratio)}
        reached = ratio.median
    if series.promise is not None:
        document["promise"] = {**asdict(series.promise), "is_kept": series.promise.is_kept(reached)}
    return document
