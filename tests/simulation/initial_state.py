"""What a schedule begins with: code of both versions, the chain, and records that its first version has stored."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from redis_models import Store
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.upgrade_on_read import ChainUpgrader
from redis_models.project.apps import App
from redis_models.records.repository import Repository, repository_of

from .oracle import now_ms
from .shop import CUSTOMER, KINDS, State, new_code, old_code

KNOWN: Final = {"customer": 18, "order": 7}  # records that there are at the beginning
_HOUR_MS: Final = 3_600_000


class Code:
    """Code of both versions, and the chain; made once, on one server.

    Attributes:
        chain: The migrations.
        old, new: Verbs of each version's models, by name.
        lazy: Likewise of the newest, with reads that bring older records up.
    """

    def __init__(self, url: str, chain: Chain, migrations: Path) -> None:
        self.chain = chain
        self._stores = [Store.from_url(url) for _ in range(3)]
        models = [old_code(), new_code(), new_code()]
        for store, newest, writes_back in zip(self._stores[1:], models[1:], (False, True), strict=True):
            app = App("shop", "shop", (), migrations, tuple(newest))
            store.upgrader = ChainUpgrader([app], writes_back=writes_back)
        self.old, self.new, self.lazy = map(_bound, self._stores, models)

    def close(self) -> None:
        """Close the stores."""
        for store in self._stores:
            store.close()


def _bound(store: Store, models: list[Any]) -> dict[str, Repository[Any]]:
    for model in models:
        store.register_model(model)
    return {model.__name__: repository_of(model) for model in models}


def store_first_records(client: Any) -> dict[str, State]:
    """Store what code of the first version would have stored over the years; give it, by key."""
    pipeline = client.pipeline(transaction=False)
    states: dict[str, State] = {}
    for kind in KINDS:
        for number in range(KNOWN[kind.table]):
            key, state = f"{kind.table}:{number}", _customer(number) if kind is CUSTOMER else _order(number)
            states[key] = state
            pipeline.hset(key, mapping={**state.fields, **({"_v": 1} if state.is_stamped else {})})
            pipeline.zadd(f"{kind.table}:__index", {key: 0})
            if state.ends > 0:
                pipeline.pexpireat(key, state.ends)
            for name, ends in state.field_ends.items():
                pipeline.execute_command("HPEXPIREAT", key, ends, "FIELDS", 1, name)
    pipeline.execute()
    return states


def _order(number: int) -> State:
    return State(1, {"id": b"%d" % number, "sum": b"s%d" % number})


def _customer(number: int) -> State:
    fields = {
        "id": b"%d" % number,
        "name": b"n%d" % number,
        "legacy_ref": b"r%d" % number,
        "age": b"NA" if number % 5 == 0 else b"0%d" % number if number % 5 == 1 else b"%d" % number,
        "visits": b"%d" % number,
        "code": b"c%d" % number,
    }
    now = round(now_ms())
    ends = now + (number + 100) * _HOUR_MS if number % 3 == 0 else -1
    field_ends: Mapping[str, int] = {}
    if number % 4 == 1:
        name = ("code", "name", "legacy_ref", "code", "visits")[number // 4]
        field_ends = {name: now + (number + 90) * _HOUR_MS}
    return State(1, fields, is_stamped=number % 6 != 5, ends=ends, field_ends=field_ends)
