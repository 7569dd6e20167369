"""Faults 44 to 51 of pydantic-aioredis, absent here: stores, classes and servers; and the size of one step."""

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydantic
import pytest

import redis_models
from redis_models import AutoModel, Field, Model, Store
from redis_models.errors import ServerRefusedError

_ROOT = Path(redis_models.__file__).parents[1]
_PAGES = [
    _ROOT / "docs" / "reference" / "pydantic-aioredis.md",
    _ROOT / "docs" / "how-to" / "from-pydantic-aioredis.md",
]
_PYTHON = re.compile(r'^```python(?: title="(.*?)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_END_S = 60.0  # of a script on a busy machine


class Item(Model):
    _primary_key_field = "k"
    k: str
    v: int = 0
    numbers: list[int] = Field(default_factory=list[int])


class Auto(AutoModel):
    _primary_key_field = "k"
    k: str
    v: int = 0


def run_python(text: str, *arguments: str, folder: Path | None = None) -> str:
    """Run a script with every warning an error; give all that it says."""
    paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", text, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_END_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def new_item(module: str, table: str) -> Any:
    """A class called Item, of another module."""
    made: Any = pydantic.create_model("Item", __base__=Model, __module__=module, k=(str, ...))
    made._primary_key_field, made._table_name = "k", table
    return made


def calls(client: Any) -> dict[str, int]:
    """How often the server has executed each command, in scripts too."""
    return {name.removeprefix("cmdstat_"): stats["calls"] for name, stats in client.info("commandstats").items()}


@pytest.mark.parametrize("closing", ["await store.aclose()", "store.close()", "pass"])
def test_fault_44_a_script_ends_without_noise(server: Any, closing: str) -> None:
    # Neither "Event loop is closed" nor a warning of sockets left open; a store that is not closed ends with its loop.
    said = run_python(
        textwrap.dedent(f"""
        import asyncio, sys
        from redis_models import Model, Store

        class Item(Model):
            _primary_key_field = "k"
            k: str

        async def main():
            asyncio.get_running_loop().slow_callback_duration = 60  # a busy machine makes noise of its own
            store = Store.from_url(sys.argv[1])
            store.register_model(Item)
            await Item.insert(Item(k="1"))
            {closing}

        asyncio.run(main())
        """),
        server.url,
    )

    assert said == ""


async def test_fault_45_a_class_registered_again_belongs_to_the_last_store_only(
    new_server: Callable[[], Any], store: Store
) -> None:
    class Moving(Model):
        _primary_key_field = "k"
        k: str

    other = Store.from_url(new_server().url)
    store.register_model(Moving)
    other.register_model(Moving)

    assert other.model("Moving") is Moving
    with pytest.raises(KeyError):
        store.model("Moving")
    await other.aclose()


def test_fault_45_two_classes_of_one_name_are_distinguished(store: Store) -> None:
    here, there = new_item("shop.models", "here"), new_item("stock.models", "there")

    store.register_model(here)
    store.register_model(there)

    assert store.model("shop.models.Item") is here
    assert store.model("stock.models.Item") is there
    with pytest.raises(KeyError, match=r"shop\.models\.Item.*stock\.models\.Item"):
        store.model("item")


async def test_fault_46_a_child_has_a_store_and_a_table_of_its_own(store: Store, client: Any) -> None:
    class Parent(Model):
        _primary_key_field = "k"
        _table_name = "shared"
        k: str

    class Child(Parent):
        more: int = 0

    store.register_model(Parent)
    await Parent.insert(Parent(k="p"))

    with pytest.raises(AttributeError, match="Child"):
        await Child.insert(Child(k="c"))
    store.register_model(Child)
    await Child.insert(Child(k="c"))

    assert await Parent.select() == [Parent(k="p")]
    assert await Child.select() == [Child(k="c")]
    assert client.exists("shared:p", "child:c") == 2


async def test_fault_47_a_hash_tag_keeps_a_model_in_one_slot_of_a_cluster(
    new_server: Callable[..., Any], unused_tcp_port_factory: Callable[[], int]
) -> None:
    class Stock(Model):
        _primary_key_field = "k"
        _redis_prefix = "{shop}"
        k: str
        v: int = 0

    port = next(port for port in iter(unused_tcp_port_factory, 0) if port < 55_000)  # its bus is 10,000 above
    node = new_server("--cluster-enabled", "yes", "--port", str(port))
    with node.client() as client:
        client.execute_command("CLUSTER", "ADDSLOTS", *range(16384))
        while client.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
            pass
    store = Store.from_url(node.url)
    store.register_model(Stock)

    assert await Stock.insert([Stock(k="a"), Stock(k="b")]) == [2, 1, 2, 1]
    assert await Stock.select() == [Stock(k="a"), Stock(k="b")]
    assert await Stock.delete("a") == [1, 1]
    assert await Stock.delete_all() == 1
    store.register_model(Item)
    with pytest.raises(ServerRefusedError, match="slot"):
        await Item.insert(Item(k="a"))  # no hash tag: refused whole, since record and index cannot change together
    with node.client() as client:
        assert client.keys("*") == []
    await store.aclose()


async def test_fault_48_an_assignment_that_failed_leaves_the_object_as_it_was(new_server: Callable[[], Any]) -> None:
    server = new_server()
    store = Store.from_url(server.url)
    store.register_model(Auto)
    record = Auto(k="1", v=1)
    server.kill()

    with pytest.raises(redis_models.RedisModelsError):
        record.v = 2

    assert record.v == 1
    await store.aclose()


def test_fault_49_serialize_partially_leaves_what_it_is_given() -> None:
    given: dict[str, object] = {"k": "a", "v": 1, "numbers": [1], "other": None}
    before = dict(given)

    once = Item.serialize_partially(given)

    assert given == before
    assert once == Item.serialize_partially(given) == {"k": "a", "v": 1, "numbers": "[1]", "other": None}
    stored: dict[str, Any] = {"k": "a", "numbers": "[1]"}
    assert Item.deserialize_partially(stored) == {"k": "a", "numbers": [1]}
    assert stored == {"k": "a", "numbers": "[1]"}


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.stem)
def test_fault_50_the_examples_of_the_documentation_run(page: Path, tmp_path: Path) -> None:
    # What they print is compared in tests/repository/test_docs.py.
    text = page.read_text("utf-8")
    blocks = _PYTHON.findall(text)
    assert blocks and text.startswith("<!-- executed in ")

    for title, block in blocks:
        if title:
            (tmp_path / title).write_text(block)
        else:
            run_python(block, folder=tmp_path)


async def test_fault_51_many_records_are_written_in_bounded_steps(client: Any, store: Store) -> None:
    store.register_model(Item)
    records = [Item(k=str(number)) for number in range(1000)]
    before = calls(client)

    await Item.insert(records, life_span_seconds=60)

    after = calls(client)
    made = {name: after.get(name, 0) - before.get(name, 0) for name in ("multi", "evalsha", "expire", "pexpire")}
    assert made["multi"] == 0
    assert 10 <= made["evalsha"] <= 20  # a hundred records a script
    assert made["expire"] + made["pexpire"] == 1000  # one a record, none for the index
