"""The page about the calls of pydantic-aioredis has each of them, and what it promises exists."""

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import redis_models
from redis_models import AutoModel, Model, RedisConfig, Store

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "pydantic-aioredis.md"
_SPAN = re.compile(r"`([^`]+)`")

_NAMES = """
    RedisConfig host port db password ssl encoding redis_url Store name redis_config redis_store
    life_span_in_seconds models register_model model _primary_key_field _redis_prefix _redis_separator
    _table_name _auto_save _auto_sync _store insert save select delete get_primary_key_field
    get_table_index_key serialize_partially deserialize_partially json_default json_object_hook update
    set_auto_sync set_auto_save auto_sync auto_save AutoModel _get_prefix _get_separator _get_tablename
    _ids_to_primary_keys construct copy dict json parse_obj parse_raw parse_file validate from_orm schema
    schema_json update_forward_refs Config FastAPIModel select_or_404 columns ids custom_exception
    PydanticAioredisCRUDRouter pydantic_aioredis.config pydantic_aioredis.model pydantic_aioredis.store
    pydantic_aioredis.abstract pydantic_aioredis.types pydantic_aioredis.utils pydantic_aioredis.ext.FastAPI
"""


class Book(Model):
    _primary_key_field = "title"
    _redis_prefix = ""  # these two have no default to read, as in pydantic-aioredis
    _redis_separator = ":"
    title: str


class Shelf(AutoModel):
    _primary_key_field = "name"
    name: str
    room: str = ""


def rows() -> list[tuple[str, str]]:
    """What stands in the first and the second column of the tables of calls."""
    calls = _PAGE.read_text("utf-8").partition("## What is different")[0]
    cells = [[cell.strip() for cell in line.split("|")] for line in calls.splitlines() if line.startswith("| ")]
    return [(row[1], row[2]) for row in cells if row[2] != "here"]


def test_each_call_of_the_contract_has_a_row() -> None:
    words = {word for there, _ in rows() for span in _SPAN.findall(there) for word in re.findall(r"[\w.]+", span)}
    parts = {part for word in words for part in word.split(".")} | words

    assert [name for name in re.findall(r"\S+", _NAMES) if name not in parts] == []


@pytest.mark.parametrize("here", sorted({span for _, here in rows() for span in _SPAN.findall(here)}))
def test_what_is_said_to_be_here_is_here_with_these_arguments(here: str) -> None:
    pytest.importorskip("fastapi")
    pytest.importorskip("redis_models.ext.FastAPI")
    expression = ast.parse(here, mode="eval").body
    call = expression if isinstance(expression, ast.Call) else None

    found = _resolved(ast.unparse(expression.func if isinstance(expression, ast.Call) else expression))

    if call is not None and not (inspect.isclass(found) and issubclass(found, Model)):
        parameters = inspect.signature(found).parameters
        named = [word.arg for word in call.keywords]
        named += [arg.id for arg in call.args if isinstance(arg, ast.Name) and arg.id != "Book"]
        assert [name for name in named if name not in parameters] == []
        for word in call.keywords:
            assert parameters[str(word.arg)].default == ast.literal_eval(word.value), word.arg


def test_each_fault_is_in_the_last_table() -> None:
    table = _PAGE.read_text("utf-8").partition("## What is different")[2]
    numbers: set[int] = set()
    for cell in re.findall(r"^\| ([\d, to]+) \|", table, re.MULTILINE):
        for part in cell.split(", "):
            first, _, last = part.partition(" to ")
            numbers |= set(range(int(first), int(last or first) + 1))

    assert numbers == set(range(1, 52))


def _resolved(path: str) -> Any:
    """What a dotted name of the page stands for."""
    config = RedisConfig()
    roots: dict[str, Any] = {
        "redis_models": redis_models,
        "RedisConfig": RedisConfig,
        "Store": Store,
        "Book": Book,
        "Shelf": Shelf,
        "config": config,
        "store": Store("sample", config),
        "book": Book(title="a"),
        "shelf": Shelf(name="a"),
    }
    root, *names = path.split(".")
    found = roots[root]
    for name in names:
        found = getattr(found, name)
    return found
