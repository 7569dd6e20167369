"""Scripts that rewrite and rename records bring the indexes of fields along, whether or not the caller knows them."""

import json
import operator
from typing import Any, Final

import pytest

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.indexes.definitions import Definitions, Index, Part
from redis_models.mapping.keys import KeySpace
from redis_models.migrations.chain.upgrade_path import UpgradePath
from redis_models.migrations.edits.steps import Convert, Move, Put, Step
from redis_models.migrations.keyspace.results import Fence
from redis_models.migrations.planner.passes import RenameKeysPass
from redis_models.migrations.rewriter.compare_and_set import rewrite_here
from redis_models.migrations.rewriter.program import compile_program
from redis_models.migrations.rewriter.rename_keys import move_records
from redis_models.migrations.rewriter.server_side import rewrite_in_server
from redis_models.migrations.schema.snapshot import FieldSchema, ModelSchema

from ...runtime.indexes.index_check import differences
from .rewriting import LEASE, path_of

_SPACE: Final = KeySpace("", ":", "m")
_KNOWN_BY_VERSION: Final = Definitions(
    (
        Index("age", False, {1: (Part("age", "int"),)}, 2),
        Index("name", False, {1: (Part("name", "str"),), 2: (Part("title", "str"),)}, 2),
    )
)
_OF_VERSION_1: Final = Definitions(
    (
        Index("age", False, {1: (Part("age", "int"),)}, 1),
        Index("name", False, {1: (Part("name", "str"),)}, 1),
    )
)
_STATIC: Final[list[Step]] = [Move("name", "title"), Put("kind", b"new")]
_BY_PYTHON: Final[list[Step]] = [
    *_STATIC,
    Convert("age", lambda raw: b"%d" % (int(raw) + 1), lambda raw: b"%d" % (int(raw) - 1), operator.eq),
]


def define(client: Any, definitions: Definitions) -> None:
    """Write definitions as ``build_indexes`` does, for indexes that are filled already."""
    states = json.dumps(dict.fromkeys([index.name for index in definitions.indexes], "ready"))
    document = {"digest": definitions.digest, "document": definitions.document, "states": states}
    client.hset(_SPACE.definitions, mapping=document)


@pytest.fixture
def leased(client: Any) -> SyncClient:
    client.hset(LEASE, "epoch", 7)
    return SyncClient(client, "test")


def _fill(client: Any) -> list[bytes]:
    keys = [f"m:{number}".encode() for number in range(20)]
    for number, key in enumerate(keys):
        client.hset(key, mapping={"_v": 1, "id": number, "name": f"n{number % 3}", "age": number % 5})
        client.zadd(_SPACE.index, {key: 0})
        client.zadd(_SPACE.field_index("age"), {b"%c%d\0%d" % (81, number % 5, number): 0})
        client.zadd(_SPACE.field_index("name"), {b"=n%d\0%d" % (number % 3, number): 0})
    client.hset("m:odd", mapping={"_v": 1, "id": "odd", "name": "n1", "age": "007"})
    client.zadd(_SPACE.field_index("name"), {b"=n1\0odd": 0})
    client.zadd(_SPACE.others, {"odd": 0})
    client.set("m:text", "no hash")
    return [*keys, b"m:gone", b"m:text"]


def _rewrite(leased: SyncClient, fence: Fence, path: UpgradePath, keys: list[bytes], *, in_server: bool) -> None:
    if in_server:
        outcome = run(leased, rewrite_in_server(fence, compile_program(path, 2), 2, keys, 7))
    else:
        outcome = run(leased, rewrite_here(fence, path, 2, keys, 7, is_unthrottled=True))
    assert (outcome.changed, outcome.gone, outcome.contested) == (20, 1, 0)


@pytest.mark.parametrize("definitions", [_KNOWN_BY_VERSION, _OF_VERSION_1], ids=["known by version", "version 1 only"])
@pytest.mark.parametrize(
    ("steps", "in_server"), [(_STATIC, True), (_STATIC, False), (_BY_PYTHON, False)], ids=["server", "here", "python"]
)
def test_rewriting_forth_and_back_keeps_every_entry(
    client: Any, leased: SyncClient, steps: list[Step], in_server: bool, definitions: Definitions
) -> None:
    keys = _fill(client)
    define(client, definitions)
    assert differences(client, _SPACE) == []
    # A space that has not learned of any index yet, so that the first scripts are refused.
    fence, path = Fence(LEASE, 7, None, KeySpace("", ":", "m")), path_of(steps)

    _rewrite(leased, fence, path, keys, in_server=in_server)

    assert client.hget("m:1", "title") == b"n1"
    assert differences(client, _SPACE) == []
    is_known = definitions is _KNOWN_BY_VERSION
    assert client.zcard(_SPACE.others) == (1 if is_known else 21)

    run(leased, rewrite_here(fence, path, 1, keys, 7))

    assert client.hget("m:1", "name") == b"n1"
    assert differences(client, _SPACE) == []
    assert client.zcard(_SPACE.others) == 1


@pytest.mark.parametrize("in_server", [True, False])
def test_an_index_that_holds_another_type_stops_the_rewriting_before_it_writes(
    client: Any, leased: SyncClient, in_server: bool
) -> None:
    keys = _fill(client)
    define(client, _KNOWN_BY_VERSION)
    client.delete(_SPACE.field_index("name"))
    client.set(_SPACE.field_index("name"), "text")
    before = {key: client.dump(key) for key in client.keys("*")}

    with pytest.raises(Exception, match="is not a sorted set"):
        _rewrite(leased, Fence(LEASE, 7, None, _SPACE), path_of(_STATIC), keys, in_server=in_server)

    assert {key: client.dump(key) for key in client.keys("*")} == before


@pytest.mark.parametrize(("separator", "table"), [(":", "n"), ("|", "m")], ids=["another table", "another separator"])
def test_renamed_records_take_their_entries_along(client: Any, leased: SyncClient, separator: str, table: str) -> None:
    _fill(client)
    define(client, _OF_VERSION_1)
    after = ModelSchema("M", 1, "id", "", separator, table, (FieldSchema("id", "str"),))
    rename_pass = RenameKeysPass(UpgradePath("M", (), 1), _SPACE, after, follows_field=False)
    keys = [key for key in client.keys("m:*") if _SPACE.owns(key.decode()) and client.type(key) == b"hash"]

    outcome = run(leased, move_records(Fence(LEASE, 7, None, KeySpace("", ":", "m")), rename_pass, keys))

    assert (outcome.changed, outcome.failures) == (21, [])
    assert differences(client, after.keys) == []
    assert client.zcard(after.keys.field_index("name")) == 21
    assert differences(client, _SPACE) == []  # nothing is left there
