"""A model at version 3, two other faces of its table, who knows the way up, and all the ways to write a record."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from redis_models import AutoModel, Field, Model
from redis_models.client.commands import RoundTrips, send
from redis_models.errors import DecodeError


class Item(Model):
    id: str = Field(primary_key=True)
    name: str = ""
    price: int = 0

    class Meta:
        version = 3


class Live(AutoModel):
    id: str = Field(primary_key=True)
    name: str = ""

    class Meta:
        version = 3
        table = "item"


class Brand(Model):
    """The model of the same table one version ago."""

    id: str = Field(primary_key=True)
    title: str = ""

    class Meta:
        table = "item"
        version = 2


class Upgrade:
    """Knows the way from versions 1 and 2 to 3: ``title`` became ``name``."""

    def __init__(self, interfering: Callable[[str], object] = str) -> None:
        self.rewritten: list[str] = []
        self._interfering = interfering

    def upgrade(self, model: type[Model], key: str, record: Mapping[str, bytes]) -> dict[str, bytes]:
        if record.get("title") == b"unfit":
            raise DecodeError(key, "title", b"unfit", "no way up")
        return {"name": record.get("title", b""), **{name: raw for name, raw in record.items() if name != "title"}}

    def former_names(self, model: Any, field: str) -> dict[int, str | None]:
        return {}

    def write_back(self, model: type[Model], keys: Sequence[str]) -> RoundTrips[None]:
        yield from ()

    def rewrite(self, model: type[Model], key: str) -> RoundTrips[None]:
        self.rewritten.append(key)
        [title] = yield from send([("HGET", key, "title")])
        name = title if isinstance(title, bytes) else b""
        yield from send([("HSET", key, "_v", 3, "name", name), ("HDEL", key, "title")])
        self._interfering(key)


def everything(client: Any) -> dict[bytes, object]:
    keys: list[bytes] = client.keys()
    return {key: client.dump(key) for key in keys}


def loaded(client: Any, key: str) -> Item:
    """An instance that was read before something happened to its record."""
    client.hset(key, mapping={"_v": 3, "id": key.partition(":")[2], "name": "old", "price": 1})
    return Item.sync.get(key.partition(":")[2])


def _insert(item: Item) -> None:
    Item.sync.insert([Item(id="before"), item, Item(id="zafter")])


def _save(item: Item) -> None:
    item.name = "new"
    item.sync.save()


def _save_new(item: Item) -> None:
    Item(id=item.id, name="new").sync.save()


def _patch(item: Item) -> None:
    Item.sync.patch(item.id, name="new")


def _update(item: Item) -> None:
    with item.sync.update():
        item.name, item.price = "new", 7


def _make(item: Item) -> None:
    Live(id=item.id, name="new")


def _assign(item: Item) -> None:
    live = Live(id=item.id, name="new", auto_save=False)
    live.name = "newer"


def _replace(item: Item) -> None:
    Item.sync.insert([Item(id=item.id, name="new")], only="existing")


def _save_with_a_life_span(item: Item) -> None:
    item.sync.save(60)


def _save_if_unchanged(item: Item) -> None:
    item.name = "new"
    item.sync.save(if_unchanged=True)


def _increment(item: Item) -> None:
    Item.sync.increment(item.id, "price")


# Those that need a record.
UPDATES = [_save, _patch, _update, _replace, _save_with_a_life_span, _save_if_unchanged, _increment]
WRITES = [_insert, _save_new, _make, _assign, *UPDATES]
