"""Consent: what safety rules find in migrations that are pending, and who said that it is right."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import click

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.errors import UnsafeError
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.keyspace.sampling import sample
from redis_models.migrations.planner.passes import RewritePass
from redis_models.migrations.planner.safety_check import Finding, findings_of
from redis_models.migrations.planner.segments import RunPlan
from redis_models.migrations.rewriter.outdated_records import Place, first_outdated, places_of
from redis_models.migrations.schema.examples import Sample

from .context import CliContext

__all__ = [
    "allow_line",
    "finding_document",
    "is_consented",
    "pending_findings",
    "samples_of",
    "unasked_keys",
    "with_idle",
]

RECORDS = 200  # of a model; enough to see what is frequent, and read in a moment


def pending_findings(client: SyncClient, chain: Chain, journey: RunPlan, hooks: Mapping[str, str]) -> list[Finding]:
    """Judge the migrations that a run would apply, with some records of each model that they touch.

    Args:
        client: Where the database is.
        chain: What the run follows: the files, or what ``--auto`` makes.
        journey: The run.
        hooks: What ``hooks_of`` says of the models of the code.
    """
    if not journey.applied:
        return []
    positions = range(journey.start + 1, journey.start + 1 + len(journey.applied))
    findings = findings_of(chain, positions, samples_of(client, chain, positions), hooks)
    return with_idle(client, chain, findings, journey.target, journey.works)


def with_idle(
    client: SyncClient, chain: Chain, findings: Sequence[Finding], target: int, works: Sequence[RewritePass] = ()
) -> list[Finding]:
    """Mark what would be refused, but concerns no record: nothing can break, so nobody needs to consent."""
    known: dict[tuple[str, ...], bool] = {}
    marked: list[Finding] = []
    for one in findings:
        if one.is_refused and one.models:
            places = _places(chain, one, target, works)
            starts = tuple(sorted(place.keys.start for place in places))
            if starts not in known:
                known[starts] = bool(places) and run(client, first_outdated(places)) is None
            one = replace(one, is_idle=known[starts])
        marked.append(one)
    return marked


def unasked_keys(chain: Chain, journey: RunPlan, findings: Sequence[Finding]) -> frozenset[str]:
    """Give what keys begin with that no run may change now: a consent would have been asked for, had there been any."""
    return frozenset(
        place.keys.start
        for one in findings
        if one.is_idle
        for place in _places(chain, one, journey.target, journey.works)
    )


def is_consented(
    context: CliContext, findings: Sequence[Finding], *, is_allowed: bool, yes: bool, is_auto: bool
) -> bool:
    """Ask on a terminal for the consent that neither the command line nor the files give.

    Returns:
        Whether no consent is needed, or consent was given.

    Raises:
        UnsafeError: Nobody can be asked; it says what breaks, and the safe way.
        click.Abort: The answer was no.
    """
    refused = [] if is_allowed else [one for one in findings if one.is_refused]
    if not refused:
        return True
    if not context.is_interactive or yes:
        raise UnsafeError(_refusal(refused, is_auto))
    for one in refused:
        context.err(f"{one.rule.code} {one.place}: {one.what}")
        context.err(f"    {one.rule.breaks} {one.rule.why}")
        context.err(f"    {one.rule.recipe}")
    context.err(f"    {_AUTOMATIC if is_auto else _KEPT}")
    return click.confirm("Is that right here?", abort=True, err=True)


def samples_of(client: SyncClient, chain: Chain, positions: range) -> dict[str, Sample]:
    """Read some records of each model that some migrations touch, where it lies before the first that does."""
    found: dict[str, Sample] = {}
    for position in positions:
        link, before = chain.migrations[position - 1], chain.snapshots[position - 1]
        for name in dict.fromkeys(one.model for one in link.operations):
            if name in before.by_name and name not in found:
                found[name] = run(client, sample(before.model(name).keys, RECORDS))
    return found


def finding_document(one: Finding) -> dict[str, object]:
    """Give a finding as JSON-like data."""
    return {
        "rule": one.rule.code,
        "level": str(one.rule.level),
        "place": one.place,
        "what": one.what,
        "allowed": one.reason or None,
        "concerns_records": not one.is_idle,
    }


_KEPT = "The values stay in the records, aside, and 'migrate' with an earlier target brings them back."
_AUTOMATIC = "With --auto there is no way back; write migration files to have one."


def _places(chain: Chain, finding: Finding, target: int, works: Iterable[RewritePass]) -> list[Place]:
    return list(_each_place(chain, finding, target, list(works)))


def _each_place(chain: Chain, finding: Finding, target: int, works: Sequence[RewritePass]) -> Iterator[Place]:
    for model in finding.models:
        yield from places_of(chain, finding.position, model, target, works)


def _refusal(refused: Sequence[Finding], is_auto: bool) -> str:
    found = "; ".join(map(str, refused))
    if is_auto:
        return f"refused without --allow-destructive, nothing was changed: {found} {_AUTOMATIC}"
    lines = "; ".join(f"{allow_line(some)} in {path}" for path, some in _by_path(refused))
    return (
        f"refused, nothing was changed: {found} To consent, run with --allow-destructive, or write in the class"
        f" Migration {lines}. {_KEPT.removesuffix('.')}"
    )


def _by_path(findings: Iterable[Finding]) -> list[tuple[str, list[Finding]]]:
    found: dict[str, list[Finding]] = {}
    for one in findings:
        found.setdefault(one.path, []).append(one)
    return list(found.items())


def allow_line(findings: Iterable[Finding]) -> str:
    """Give the line that consents to findings in one file, beside what that allows already."""
    reasons: dict[str, str] = {}
    for one in findings:
        reasons |= {**one.allow, one.rule.code: one.allow.get(one.rule.code, "why")}
    # Reasons as Python has them, which is not always as JSON does.
    return "allow = {" + ", ".join(f'"{code}": {_quoted(text)}' for code, text in sorted(reasons.items())) + "}"


def _quoted(text: str) -> str:
    return f'"{text}"' if text.isprintable() and '"' not in text and "\\" not in text else repr(text)
