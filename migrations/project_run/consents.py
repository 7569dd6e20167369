"""Consents: what safety rules find in the migrations that a run would apply, and what a user has to consent to."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.errors import UnsafeError

from ..chain.chain import Chain
from ..keyspace.sampling import sample
from ..planner.passes import RewritePass
from ..planner.safety_check import Finding, findings_of
from ..planner.segments import RunPlan
from ..rewriter.outdated_records import Place, first_outdated, places_of
from ..schema.examples import Sample

__all__ = [
    "RECORDS",
    "UNDOABLE",
    "UNDOABLE_NEVER",
    "allow_line",
    "pending_findings",
    "refuse_unconsented",
    "samples_of",
    "unasked_keys",
    "with_idle",
]

UNDOABLE: Final = "The values stay in the records as undo fields; 'migrate' with an earlier target restores them."
UNDOABLE_NEVER: Final = "With --auto this cannot be undone; write migration files to be able to undo it."
RECORDS: Final = 200  # of a model; enough to see what is frequent, and read quickly


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
    return with_idle(client, chain, findings, run_plan.target, run_plan.passes)


def with_idle(
    client: SyncClient, chain: Chain, findings: Sequence[Finding], target: int, passes: Sequence[RewritePass] = ()
) -> list[Finding]:
    """Mark findings that would be refused but concern no record: nothing can break, so no consent is needed."""
    known: dict[tuple[str, ...], bool] = {}
    marked: list[Finding] = []
    for finding in findings:
        if finding.is_refused and finding.models:
            places = _places(chain, finding, target, passes)
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
        for place in _places(chain, finding, run_plan.target, run_plan.passes)
    )


def refuse_unconsented(findings: Sequence[Finding], cure: str, *, is_auto: bool) -> None:
    """Refuse a run whose findings need a consent that was not given.

    Args:
        findings: All that the safety rules found.
        cure: How to consent to all of them, as the caller spells it.
        is_auto: Whether the run has no migration files, in which a consent could be written.

    Raises:
        UnsafeError: A finding is refused; it says what breaks, and the safe way.
    """
    refused = [finding for finding in findings if finding.is_refused]
    if refused:
        raise UnsafeError(_refusal(refused, cure, is_auto))


def samples_of(client: SyncClient, chain: Chain, positions: range) -> dict[str, Sample]:
    """Read some records of each model that the migrations change, under the keys it has before them."""
    found: dict[str, Sample] = {}
    for position in positions:
        migration, before = chain.migrations[position - 1], chain.snapshots[position - 1]
        for name in dict.fromkeys(operation.model for operation in migration.operations):
            if name in before.by_name and name not in found:
                found[name] = run(client, sample(before.model(name).keys, RECORDS))
    return found


def _places(chain: Chain, finding: Finding, target: int, passes: Iterable[RewritePass]) -> list[Place]:
    return list(_each_place(chain, finding, target, list(passes)))


def _each_place(chain: Chain, finding: Finding, target: int, passes: Sequence[RewritePass]) -> Iterator[Place]:
    for model in finding.models:
        yield from places_of(chain, finding.position, model, target, passes)


def _refusal(refused: Sequence[Finding], cure: str, is_auto: bool) -> str:
    found = "; ".join(map(str, refused))
    if is_auto:
        return f"refused, nothing was changed: {found} To consent, {cure}. {UNDOABLE_NEVER}"
    lines = "; ".join(f"{allow_line(group)} in {path}" for path, group in _by_path(refused))
    return (
        f"refused, nothing was changed: {found} To consent, {cure}, or write in the class"
        f" Migration {lines}. {UNDOABLE.removesuffix('.')}"
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
