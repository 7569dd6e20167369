"""``migrate --fake``: record migrations as applied, without changing a record."""

from collections.abc import Sequence

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.migrations.executor.recorder import fake
from redis_models.migrations.planner.plan import as_squashed
from redis_models.migrations.state.lease import hold_lease
from redis_models.migrations.state.store import StateStore
from redis_models.project.apps import App
from redis_models.redaction import counted

from ..console.context import CliContext

__all__ = ["fake_all"]


def fake_all(context: CliContext, client: SyncClient, apps: Sequence[App], target: str | None, wait_s: float) -> None:
    """Record apps as being at a target, or at their newest migrations; change no record."""
    for app in apps:
        chain = context.chains[app.label]
        store = StateStore(context.settings.namespace, app.label)
        state = run(client, store.read())
        position = (
            chain.head_position if target is None else chain.target(target, len(as_squashed(chain, state.ledger)))
        )
        with hold_lease(
            client, context.settings.namespace, life_s=context.settings.lease_seconds, wait_s=wait_s
        ) as lease:
            fake(client, lease, store, chain, position)
        if state.journal is not None:
            context.err(f"{app.label}: the unfinished run is forgotten; some of its records may have another version")
        context.out(
            f"{app.label}: recorded {position} of {counted(chain.head_position, 'migration')} as applied;"
            " no record was changed"
        )
    context.json({"command": "migrate", "ok": True, "faked": [app.label for app in apps]})
