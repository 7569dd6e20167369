"""Consent: what safety rules find in migrations that are pending, and who said that it is right."""

from collections.abc import Iterable, Sequence

from redis_models.client import SyncClient, run
from redis_models.errors import UnsafeError
from redis_models.migrations.chain import Chain
from redis_models.migrations.legs import Journey
from redis_models.migrations.operations import Risk
from redis_models.migrations.safety import Finding, findings_of
from redis_models.migrations.sampling import Sample, sample

__all__ = ["finding_document", "pending_findings", "refuse_automatic", "refuse_unsafe", "samples_of"]

_RECORDS = 200


def pending_findings(client: SyncClient, journey: Journey) -> list[Finding]:
    """Judge the migrations that a run would apply, with some records of each model that they touch."""
    if not journey.applied or not journey.chain.links:
        return []
    positions = range(journey.start + 1, journey.start + 1 + len(journey.applied))
    return findings_of(journey.chain, positions, samples_of(client, journey.chain, positions))


def samples_of(client: SyncClient, chain: Chain, positions: range) -> dict[str, Sample]:
    """Read some records of each model that some migrations touch, where it lies before the first that does."""
    found: dict[str, Sample] = {}
    for position in positions:
        link, before = chain.links[position - 1], chain.snapshots[position - 1]
        for name in dict.fromkeys(one.model for one in link.operations):
            if name in before.by_name and name not in found:
                found[name] = run(client, sample(before.model(name).keys, _RECORDS))
    return found


def refuse_unsafe(findings: Iterable[Finding], *, is_allowed: bool) -> None:
    """Refuse what needs a consent that neither the command line nor the file gives.

    Raises:
        UnsafeError: There is such a finding; it says what breaks, and the safe way.
    """
    refused: Sequence[Finding] = [] if is_allowed else [one for one in findings if one.is_refused]
    if not refused:
        return
    codes = ", ".join(f'"{code}": "why"' for code in sorted({one.rule.code for one in refused}))
    found = "; ".join(map(str, refused))
    raise UnsafeError(
        f"refused, nothing was changed: {found} To consent, run with --allow-destructive, or write"
        f" allow = {{{codes}}} in the migration. The values stay in the records, aside, and 'migrate' with an earlier"
        " target brings them back"
    )


def refuse_automatic(journey: Journey, *, is_allowed: bool) -> None:
    """Refuse a run without files that would hide values or move keys: it has no way back.

    Raises:
        UnsafeError: It would.
    """
    if journey.chain.links or is_allowed:
        return
    operations = [one for link in journey.applied for one in link.operations]
    risky = [one.describe() for one in operations if one.risk in (Risk.HIDES, Risk.MOVES)]
    if risky:
        raise UnsafeError(
            f"refused without --allow-destructive, nothing was changed: {'; '.join(risky)}. With --auto there is no way"
            " back; write migration files to have one"
        )


def finding_document(one: Finding) -> dict[str, object]:
    """Give a finding as JSON-like data."""
    return {
        "rule": one.rule.code,
        "level": str(one.rule.level),
        "place": one.place,
        "what": one.what,
        "allowed": one.reason or None,
    }
