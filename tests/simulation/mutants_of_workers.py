"""Runs with workers, and retries, broken on purpose; see ``mutants``."""

from collections.abc import Mapping
from typing import Final

from redis_models.migrations.executor import pass_runner, worker_pool
from redis_models.migrations.maintenance import retry
from redis_models.migrations.rewriter import compare_and_set

from .mutants import _FENCE_OF_RECORDS_IF_ANY, Mutant, _edited, recoded

MUTANTS: Final[Mapping[str, Mutant]] = {
    "a member that ended is passed over": Mutant(
        recoded(
            worker_pool.WorkerPool, "wait", "raise _ended(exc) from exc", "return WorkerResult(Outcome(), 0.0, ())"
        ),
        "dead members",
        "the journal is at|says that all is at",
    ),
    "pages are turned before their shares": Mutant(
        recoded(
            pass_runner.PassRunner,
            "_scan",
            "if in_flight and following is not None:",
            "if False:",
        ),
        "slow members",
        "the journal is at",
    ),
    "members without a fence": Mutant(
        _edited(compare_and_set, "_REPLACE", _FENCE_OF_RECORDS_IF_ANY), "orphans", "without a lease, changed records"
    ),
    "retried records leave the quarantine whatever comes of it": Mutant(
        recoded(retry, "_retry", "if outcome.failures:", "if False:"), "retries", "out of quarantine"
    ),
}
