"""Consent: what safety rules find in pending migrations, and whether a user consented to it."""

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

RECORDS = 200  # of a model; enough to see what is frequent, and read quickly


def pending_findings(client: SyncClient, chain: Chain, run_plan: RunPlan, hooks: Mapping[str, str]) -> list[Finding]:
    """Judge the migrations that a run would apply, with some records of each model that they touch.

    Args:
        client: Where the database is.
        chain: What the run follows: the files, or what ``--auto`` makes.
        run_plan: The run.
        hooks: What ``hooks_of`` says of the models of the code.
    """
    if not run_plan.applied:
        return []
    positions = range(run_plan.start + 1, run_plan.start + 1 + len(run_plan.applied))
    findings = findings_of(chain, positions, samples_of(client, chain, positions), hooks)
    return with_idle(client, chain, findings, run_plan.target, run_plan.works)


def with_idle(
    client: SyncClient, chain: Chain, findings: Sequence[Finding], target: int, works: Sequence[RewritePass] = ()
) -> list[Finding]:
    """Mark findings that would be refused but concern no record: nothing can break, so no consent is needed."""
    known: dict[tuple[str, ...], bool] = {}
    marked: list[Finding] = []
    for finding in findings:
        if finding.is_refused and finding.models:
            places = _places(chain, finding, target, works)
            starts = tuple(sorted(place.keys.start for place in places))
            if starts not in known:
                known[starts] = bool(places) and run(client, first_outdated(places)) is None
            finding = replace(finding, is_idle=known[starts])
        marked.append(finding)
    return marked


def unasked_keys(chain: Chain, run_plan: RunPlan, findings: Sequence[Finding]) -> frozenset[str]:
    """Give prefixes of keys under which no record was found, so no consent was asked; a run must change none."""
    return frozenset(
        place.keys.start
        for finding in findings
        if finding.is_idle
        for place in _places(chain, finding, run_plan.target, run_plan.works)
    )


def is_consented(
    context: CliContext, findings: Sequence[Finding], *, is_allowed: bool, yes: bool, is_auto: bool
) -> bool:
    """Ask on a terminal for consent, unless the command line or the files give it.

    Returns:
        True if no consent is needed, or it was given.

    Raises:
        UnsafeError: There is no terminal to ask on; it says what breaks, and the safe way.
        click.Abort: The user answered with no.
    """
    refused = [] if is_allowed else [finding for finding in findings if finding.is_refused]
    if not refused:
        return True
    if not context.is_interactive or yes:
        raise UnsafeError(_refusal(refused, is_auto))
    for finding in refused:
        context.err(f"{finding.rule.code} {finding.place}: {finding.what}")
        context.err(f"    {finding.rule.breaks} {finding.rule.why}")
        context.err(f"    {finding.rule.recipe}")
    context.err(f"    {_AUTOMATIC if is_auto else _UNDOABLE}")
    return click.confirm("Do you consent?", abort=True, err=True)


def samples_of(client: SyncClient, chain: Chain, positions: range) -> dict[str, Sample]:
    """Read some records of each model that the migrations change, under the keys it has before them."""
    found: dict[str, Sample] = {}
    for position in positions:
        link, before = chain.migrations[position - 1], chain.snapshots[position - 1]
        for name in dict.fromkeys(operation.model for operation in link.operations):
            if name in before.by_name and name not in found:
                found[name] = run(client, sample(before.model(name).keys, RECORDS))
    return found


def finding_document(finding: Finding) -> dict[str, object]:
    """Give a finding as JSON-like data."""
    return {
        "rule": finding.rule.code,
        "level": str(finding.rule.level),
        "place": finding.place,
        "what": finding.what,
        "allowed": finding.reason or None,
        "concerns_records": not finding.is_idle,
    }


_UNDOABLE = "The values stay in the records as undo fields; 'migrate' with an earlier target restores them."
_AUTOMATIC = "With --auto this cannot be undone; write migration files to be able to undo it."


def _places(chain: Chain, finding: Finding, target: int, works: Iterable[RewritePass]) -> list[Place]:
    return list(_each_place(chain, finding, target, list(works)))


def _each_place(chain: Chain, finding: Finding, target: int, works: Sequence[RewritePass]) -> Iterator[Place]:
    for model in finding.models:
        yield from places_of(chain, finding.position, model, target, works)


def _refusal(refused: Sequence[Finding], is_auto: bool) -> str:
    found = "; ".join(map(str, refused))
    if is_auto:
        return f"refused, nothing was changed: {found} To consent, run with --allow-destructive. {_AUTOMATIC}"
    lines = "; ".join(f"{allow_line(group)} in {path}" for path, group in _by_path(refused))
    return (
        f"refused, nothing was changed: {found} To consent, run with --allow-destructive, or write in the class"
        f" Migration {lines}. {_UNDOABLE.removesuffix('.')}"
    )


def _by_path(findings: Iterable[Finding]) -> list[tuple[str, list[Finding]]]:
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        found.setdefault(finding.path, []).append(finding)
    return list(found.items())


def allow_line(findings: Iterable[Finding]) -> str:
    """Give the line that consents to findings in one file, beside what that allows already."""
    reasons: dict[str, str] = {}
    for finding in findings:
        code = finding.rule.code
        reasons |= {**finding.allow, code: finding.allow.get(code, "why")}
    # Reasons as Python has them, which is not always as JSON does.
    return "allow = {" + ", ".join(f'"{code}": {_quoted(text)}' for code, text in sorted(reasons.items())) + "}"


def _quoted(text: str) -> str:
    return f'"{text}"' if text.isprintable() and '"' not in text and "\\" not in text else repr(text)
