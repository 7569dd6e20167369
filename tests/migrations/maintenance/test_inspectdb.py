"""inspectdb prints models for undeclared hashes; the result can be imported, and reads them."""

import importlib.util
import json
import sys
from typing import Any

import pytest

from redis_models import Model, Store

_UUID = '"12345678-1234-5678-1234-567812345678"'


def _fill(client: Any) -> None:
    for number in range(30):
        fields = {
            "id": f"o{number}",
            "number": str(number),
            "padded": f"{number:03}",
            "price": f"{number}.5",
            "paid": "true" if number % 2 else "false",
            "token": _UUID,
            "day": '"2020-01-02"',
            "seen": '"2020-01-02T03:04:05"',
            "tags": '["a","b"]',
            "counts": '{"a":1}',
            "note": "None" if number % 3 else "a note",
            "class": "odd",
            "not a name": "x",
            "model_dump": "x",
        }
        if number % 2:
            fields["maybe"] = "7"
        client.hset(f"shop:order:o{number}", mapping=fields)
    client.hset("plain:1", mapping={"name": "no key in it"})
    client.hset("customer:c1", mapping={"id": "c1"})
    client.set("shop:counter", 1)
    client.zadd("shop:order:__index", {f"shop:order:o{number}": 0 for number in range(30)})
    client.expire("plain:1", 1000)


def test_the_printed_models_read_the_sampled_records(shop_project: Any, server: Any) -> None:
    shop_project.settings("shop", url=server.url)
    with server.client() as client:
        _fill(client)
    file = shop_project.root / "drafted.py"

    assert shop_project.command("inspectdb", "--write", str(file)) == 0, shop_project.err

    text = file.read_text()
    for line in (
        "class Order(Model):",
        "# 30 records at shop:order:*; 30 of them were read.",
        "id: str = Field(primary_key=True)",
        "number: int",
        "padded: str",
        "price: float",
        "paid: bool",
        "token: UUID",
        "day: date",
        "seen: datetime",
        "tags: list[str]",
        "counts: dict[str, int]",
        "note: str | None = None",
        "maybe: int | None = None",
        "# The stored field 'class' is left out: it is not a valid field name of a class.",
        "# The stored field 'model_dump' is left out: it is not a valid field name of a class.",
        'table = "order"',
        'prefix = "shop"',
        "managed = False",
        "# No field contains the last part of the key",
        "# All of them have a TTL",
        "# Omitted: 1 key that is not a hash.",
    ):
        assert line in text
    assert "Customer" not in text
    module = text.replace("class Plain(Model):", "class Plain(Model):\n    id: str = Field(primary_key=True)")
    order = _loaded(module).Order
    with Store.from_url(server.url) as store:
        store.register_model(order)
        found: list[Any] = order.sync.select() or []
    assert sorted(record.number for record in found) == list(range(30))
    assert {record.maybe for record in found} == {None, 7}


def _loaded(text: str) -> Any:
    spec = importlib.util.spec_from_loader("drafted_models", loader=None)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["drafted_models"] = module
    exec(compile(text, "drafted_models", "exec"), module.__dict__)
    del sys.modules["drafted_models"]
    assert issubclass(module.Order, Model)
    return module


def test_a_pattern_a_sample_and_declared_tables(shop_project: Any, server: Any) -> None:
    shop_project.settings("shop", url=server.url)
    with server.client() as client:
        _fill(client)

    assert shop_project.command("inspectdb", "--sample", "3", "shop:*", options=("--json",)) == 0
    found = json.loads(shop_project.out)
    assert [model["name"] for model in found["models"]] == ["Order"]
    assert "3 of them were read" in found["text"]
    assert shop_project.command("inspectdb", "--all", "customer:*") == 0
    assert "class Customer(Model):" in shop_project.out


def test_values_of_any_bytes_and_an_empty_database_are_handled(shop_project: Any, server: Any) -> None:
    shop_project.settings("shop", url=server.url)
    assert shop_project.command("inspectdb") == 0
    with server.client() as client:
        client.hset(b"x:\xff", mapping={b"\xff": b"\xfe", b"raw": b"\xfe\xff"})

    assert shop_project.command("inspectdb") == 0, shop_project.err
    assert "raw: bytes" in shop_project.out


@pytest.mark.parametrize("file", ["conf.py"])
def test_a_file_that_is_there_is_not_overwritten(shop_project: Any, server: Any, file: str) -> None:
    shop_project.settings("shop", url=server.url)
    before = (shop_project.root / file).read_text()

    assert shop_project.command("inspectdb", "--write", file) == 2
    assert "this file exists already; give a new one" in shop_project.err
    assert (shop_project.root / file).read_text() == before


def test_names_that_the_printed_models_use_do_not_collide_with_fields(shop_project: Any, server: Any) -> None:
    shop_project.settings("shop", url=server.url)
    with server.client() as client:
        days = {"date": '"2020-01-02"', "datetime": '"2020-01-02T03:04:05"', "since": '"2020-01-03"', "int": "1"}
        client.hset("order:o1", mapping={"class": "o1", "id": "o1", "str": "x", "Field": "y", "UUID": _UUID, **days})
        client.hset("model:m1", mapping={"id": "m1"})
        client.hset("kind:k1", mapping={"class": "k1"})

    assert shop_project.command("inspectdb") == 0, shop_project.err

    text = shop_project.out
    assert "class Model_(Model):" in text
    for name in ("Field", "UUID", "class", "int", "str"):
        assert f"# The stored field '{name}' is left out: it is not a valid field name of a class." in text
    module = _loaded(text.replace("class Kind(Model):", "class Kind(Model):\n    id: str = Field(primary_key=True)"))
    with Store.from_url(server.url) as store:
        store.register_model(module.Order)
        found = module.Order.sync.get("o1")
    assert (str(found.date), str(found.datetime), str(found.since)) == (
        "2020-01-02",
        "2020-01-02 03:04:05",
        "2020-01-03",
    )
