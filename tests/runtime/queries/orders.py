"""The model of these tests, a helper that fills its table, and one that lets others write in the middle of a query."""

import enum
from collections.abc import Callable, Sequence
from typing import Any

from redis_models import Field, Model
from redis_models.client.client import SyncClient
from redis_models.client.commands import Command, Reply, RoundTrips
from redis_models.client.drivers import run

__all__ = ["Interrupted", "Order", "Status", "ids_of", "insert_orders", "run_interrupted"]


class Status(enum.Enum):
    NEW = "new"
    PAID = "paid"


class Order(Model):
    id: str = Field(primary_key=True)
    tenant: str = "t"
    number: int = 0
    email: str | None = Field(default=None, unique=True, nocase=True)
    status: Status = Field(default=Status.NEW, index=True)
    day: int | None = Field(default=None, index=True)
    note: str = ""

    class Meta:
        indexes = (("status", "day"),)
        unique = (("tenant", "number"),)


def insert_orders(count: int) -> list[Order]:
    """Insert orders ``o00``, ``o01``, ...: every third is paid, and the days repeat after ten; the first has none."""
    orders = [
        Order(
            id=f"o{number:02}",
            number=number,
            status=Status.NEW if number % 3 else Status.PAID,
            day=number % 10 or None,
        )
        for number in range(count)
    ]
    Order.sync.insert(orders)
    return orders


def ids_of(orders: Sequence[Order]) -> list[str]:
    return [order.id for order in orders]


class Interrupted:
    """Exchanges batches; before each it calls ``before`` with the batch."""

    def __init__(self, inner: SyncClient, before: Callable[[Sequence[Command]], None]) -> None:
        self._inner, self._before = inner, before

    def exchange(self, commands: Sequence[Command]) -> list[Reply]:
        self._before(commands)
        return self._inner.exchange(commands)


def run_interrupted(batches: RoundTrips[Any], before: Callable[[Sequence[Command]], None]) -> Any:
    """Run a verb, and let ``before`` write between its round trips."""
    store = Order._store
    assert store is not None
    return run(Interrupted(store.sync_client, before), batches)
