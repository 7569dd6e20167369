"""Rewrite records in the server: one batch of one model, by its program; what that leaves to Python is done here.

Every function is a generator of command batches. Results are given for each record; a single record
raises nothing, so that it never hides the others.
"""

from collections.abc import Sequence

from redis.exceptions import ResponseError

from redis_models.client.commands import PendingReplies, RoundTrips, call_again, pipelined
from redis_models.client.errors import translate
from redis_models.records.indexed_scripts import IndexedCall, known_indexes, resolve_indexes

from ..keyspace.results import KEYS_A_SCRIPT, Fence, Outcome, PendingResult, RewriteResult, letters_of
from .compare_and_set import rewrite_here
from .program import Program

__all__ = ["rewrite_in_server", "start_in_server"]


def rewrite_in_server(
    fence: Fence, program: Program, target: int, keys: Sequence[bytes], at_once: int
) -> RoundTrips[Outcome]:
    """Let the server bring records up by itself.

    Args:
        fence: Of the caller's lease.
        program: For the versions that most records have; those of others are done by Python.
        target: Version to reach.
        keys: The records.
        at_once: How many records a script takes, at most 100.

    Raises:
        LockedError: Another runner holds the lease now; no record was changed by the script that found out.
        RedisModelsError: What the server refused; where some records were changed, it is in the outcome instead.
    """
    pending = yield from start_in_server(fence, program, target, keys, at_once)
    return (yield from pending.wait())


def start_in_server(
    fence: Fence, program: Program, target: int, keys: Sequence[bytes], at_once: int
) -> RoundTrips[PendingResult]:
    """Give the server scripts to do, and do not wait for them; arguments as for ``rewrite_in_server``."""
    chunks = [keys[start : start + at_once] for start in range(0, len(keys), at_once)]
    fixed = [fence.epoch, target, fence.flag]
    indexes = known_indexes(fence.space)
    attempts = [IndexedCall(program.script, indexes, [fence.lease_key, *chunk], fixed) for chunk in chunks]
    replies = yield from pipelined([attempt.command for attempt in attempts])
    return PendingResult(lambda: replies.is_ready, _outcome_of(fence, program, target, chunks, attempts, replies))


def _outcome_of(
    fence: Fence,
    program: Program,
    target: int,
    chunks: Sequence[Sequence[bytes]],
    attempts: Sequence[IndexedCall],
    replies: PendingReplies,
) -> RoundTrips[Outcome]:
    yield from replies.wait()
    if attempts:
        yield from call_again(attempts[0].script, [attempt.command for attempt in attempts], replies)
    outcome, others = Outcome(), list[bytes]()
    for keys, attempt, first in zip(chunks, attempts, replies, strict=True):
        reply = yield from resolve_indexes(attempt, first)
        if isinstance(reply, ResponseError):  # of one script; those beside it may have done their part
            outcome.refusal = outcome.refusal or translate(reply)
            continue
        others += outcome.count_all(keys, letters_of(reply), retried=RewriteResult.NEEDS_PYTHON)
    if outcome.refusal is None:
        outcome.add((yield from rewrite_here(fence, program.path, target, others, KEYS_A_SCRIPT)))
    elif not outcome.changed:
        raise outcome.refusal
    return outcome
