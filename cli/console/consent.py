"""Consent: ask a user on a terminal, or refuse; findings of safety rules as JSON-like data."""

from collections.abc import Sequence

import click

from redis_models.migrations.planner.safety_check import Finding
from redis_models.migrations.project_run.consents import UNDOABLE, UNDOABLE_NEVER, refuse_unconsented
from redis_models.migrations.project_run.refusals import COMMAND

from .context import CliContext

__all__ = ["finding_document", "is_consented"]


def is_consented(
    context: CliContext, findings: Sequence[Finding], *, is_allowed: bool, yes: bool, is_auto: bool
) -> bool:
    """Ask on a terminal for consent, unless the command line or the files give it.

    Returns:
        True if no consent is needed, or it was given.

    Raises:
        UnsafeError: There is no terminal to ask on; the text says what breaks, and what is safe.
        click.Abort: The user answered no.
    """
    refused = [] if is_allowed else [finding for finding in findings if finding.is_refused]
    if not refused:
        return True
    if not context.is_interactive or yes:
        refuse_unconsented(refused, COMMAND.allow_destructive, is_auto=is_auto)
    for finding in refused:
        context.err(f"{finding.rule.code} {finding.place}: {finding.what}")
        context.err(f"    {finding.rule.breaks} {finding.rule.why}")
        context.err(f"    {finding.rule.recipe}")
    context.err(f"    {UNDOABLE_NEVER if is_auto else UNDOABLE}")
    return click.confirm("Do you consent?", abort=True, err=True)


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
