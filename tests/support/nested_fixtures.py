"""Helpers of these tests: one model, one migration, one record."""

from collections.abc import Callable, Mapping

import pytest

from redis_models.migrations.chain.upgrade_path import UpgradePath, make_version_step
from redis_models.migrations.operations import CreateModel, Operation
from redis_models.migrations.schema.snapshot import Snapshot

Record = Mapping[str, bytes]


class OneModel:
    """The model ``Order`` with some fields, before and after one migration."""

    def __init__(self, fields: Mapping[str, str], *operations: Operation) -> None:
        self.before = CreateModel("Order", {"id": "str", **fields}, "id", "order").apply(Snapshot())
        self.after = self.before
        for operation in operations:
            self.after = operation.apply(self.after)
        self.path = UpgradePath("Order", (make_version_step("Order", self.before, operations, 2),), 1)

    @property
    def types(self) -> dict[str, str]:
        """The types of the fields afterwards."""
        return {field.name: field.type for field in self.after.model("Order").fields if field.name != "id"}

    def up(self, **fields: bytes) -> dict[str, bytes]:
        """Upgrade a record of these fields; its undo fields are part of it."""
        return self.path.rewrite({"id": b"1", "_v": b"1", **fields}, 2).fields

    def down(self, record: Record) -> dict[str, bytes]:
        """Take a record back."""
        return seen(self.path.rewrite(record, 1).fields)

    def there(self, **fields: bytes) -> dict[str, bytes]:
        """Bring a record up, and give what the application sees; it must come back as it was, byte for byte."""
        up = self.up(**fields)
        assert self.down(up) == fields
        for field in self.after.model("Order").fields:
            if field.name in up:
                field.codec.decode(up[field.name])  # the application could read it
        return seen(up)


def seen(record: Record) -> dict[str, bytes]:
    """Give what the application sees of a record, without its primary key."""
    return {name: raw for name, raw in record.items() if not name.startswith("_") and name != "id"}


@pytest.fixture
def order() -> Callable[..., OneModel]:
    """Give what makes a model and its migration."""
    return OneModel
