"""Types whose values can be numbered are converted by the server, as Python would do it; odd spellings by Python."""

import dataclasses
from collections.abc import Callable

import pytest
import redis

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.errors import RecordError
from redis_models.mapping.keys import KeySpace
from redis_models.migrations import AlterField, FillNone, MapValues
from redis_models.migrations.chain.upgrade_path import UpgradePath, make_version_step
from redis_models.migrations.edits.stored_values import changes_none_only, may_be_none, stored_bytes
from redis_models.migrations.keyspace.results import Fence
from redis_models.migrations.planner.passes import RewritePass
from redis_models.migrations.rewriter.compare_and_set import rewrite_here
from redis_models.migrations.rewriter.program import compile_program
from redis_models.migrations.rewriter.server_side import rewrite_in_server
from redis_models.migrations.schema.snapshot import FieldSchema, ModelSchema, Snapshot

_STATUS = "Enum(NEW='new', OLD='old', GONE='gone')"
_LESS = "Enum(NEW='new', DONE='done')"
_ODD = [b"true", b"True", b"1", b"null", b"None", b' "new"', b'"\\u006eew"', b"garbage", b"", b'"null"', b"\xff"]


def _alter(
    old: str, new: str, convert: Callable[..., object] | None = None, back: Callable[..., object] | None = None
) -> UpgradePath:
    fields = (FieldSchema("f", old), FieldSchema("id", "str"))
    before = Snapshot((ModelSchema("M", 1, "id", "", ":", "m", fields),))
    return UpgradePath("M", (make_version_step("M", before, [AlterField("M", "f", old, new, convert, back)], 2),), 1)


def _not(value: object) -> object:
    return not value


_CASES = [
    (_STATUS, _LESS, MapValues({"old": "done", "gone": "done"}), None),
    (_STATUS, _LESS, None, None),  # what is gone is refused by name
    (f"{_STATUS} | None", "str", FillNone("new"), None),
    (f"{_STATUS} | None", _STATUS, FillNone("new"), None),
    ("Literal['a', 'b', True] | None", "str | None", None, None),
    ("bool", "bool", _not, _not),
    ("bool | None", "int", FillNone(7), None),
    ("bool", "str", None, None),
    ("int | None", "int", FillNone(0), None),
    ("int | None", "int", None, None),
    ("str | None", "str", FillNone(""), None),
    ("str", "str | None", None, None),
    ("float | None", "float", FillNone(1.5), None),
    ("datetime | None", "datetime", FillNone("2020-01-01T00:00:00"), None),
    ("list[int | None] | None", "list[int | None]", FillNone([1]), None),
]
_VALUES = {
    "int": [b"1", b"-5", b"007"],
    "str": [b"", b"text", b"\\None", b"\\\\None", b"null", b"a\\b"],
    "float": [b"1.5", b"1", b"nan"],
    "datetime": [b'"2020-01-01T00:00:00"', b'"2020-01-01 00:00"'],
    "list[int | None]": [b"[]", b"[1,2]", b"[ 1 ]", b"[null]"],
}


def _plain(type: str) -> str:
    return type.removesuffix(" | None")


@pytest.fixture
def leased(client: redis.Redis) -> SyncClient:
    client.hset("the-lease", "epoch", 7)
    return SyncClient(client, "test")


@pytest.mark.parametrize(("old", "new", "convert", "back"), _CASES)
def test_the_server_converts_as_python_does_and_the_way_back_restores_every_spelling(
    leased: SyncClient,
    client: redis.Redis,
    old: str,
    new: str,
    convert: Callable[..., object] | None,
    back: Callable[..., object] | None,
) -> None:
    upgrade_path, fence = _alter(old, new, convert, back), Fence("the-lease", 7, False)
    raws = [*(stored_bytes(old) or ()), *_VALUES.get(_plain(old), ()), *_ODD]
    keys = [b"m:%d" % number for number in range(len(raws))]
    for key, raw in zip(keys, raws, strict=True):
        client.hset(key, mapping={"f": raw, "_v": "1"})
    expected = [_on_paper(upgrade_path, raw) for raw in raws]

    outcome = run(leased, rewrite_in_server(fence, compile_program(upgrade_path, 2), 2, keys, 100))

    assert [client.hgetall(key) for key in keys] == expected
    assert outcome.changed == len([record for record in expected if record[b"_v"] == b"2"])
    run(leased, rewrite_here(fence, upgrade_path, 1, keys, 100))
    assert [client.hgetall(key) for key in keys] == [{b"f": raw, b"_v": b"1"} for raw in raws]


@pytest.mark.parametrize(
    ("old", "new", "convert", "raws"),
    [
        (_STATUS, _LESS, MapValues({"old": "done", "gone": "done"}), [b'"new"', b'"old"', b'"gone"']),
        ("bool | None", "int", FillNone(7), [b"true", b"false", b"null", b"None"]),
        ("int | None", "int", FillNone(0), [b"5", b"None", b"null", b"007"]),
        ("str", "str | None", None, [b"text", b"", "ü".encode()]),
    ],
)
def test_what_the_library_stores_needs_no_python(
    leased: SyncClient,
    client: redis.Redis,
    old: str,
    new: str,
    convert: Callable[..., object] | None,
    raws: list[bytes],
) -> None:
    upgrade_path = _alter(old, new, convert)
    without_python = dataclasses.replace(compile_program(upgrade_path, 2), path=UpgradePath("M", (), 99))
    keys = [b"m:%d" % number for number in range(len(raws))]
    for key, raw in zip(keys, raws, strict=True):
        client.hset(key, mapping={"f": raw, "_v": "1"})

    outcome = run(leased, rewrite_in_server(Fence("the-lease", 7, False), without_python, 2, keys, 100))

    assert (outcome.changed, outcome.failures) == (len(raws), [])
    assert RewritePass(upgrade_path, KeySpace("", ":", "m"), 2, 1).is_in_server


@pytest.mark.parametrize(
    ("old", "new", "convert"),
    [
        ("int", "str", None),
        ("int | None", "int", _not),
        ("int | None", "float", FillNone(0)),
        (f"Enum({', '.join(f'A{n}={n}' for n in range(1001))})", "int", None),
    ],
)
def test_what_has_no_end_or_an_unknown_function_is_left_to_python(
    old: str, new: str, convert: Callable[..., object] | None
) -> None:
    assert not _alter(old, new, convert).is_static(1, 2)


def test_the_bytes_that_a_type_stores_are_numbered() -> None:
    assert stored_bytes("bool") == (b"false", b"true")
    assert stored_bytes(f"{_STATUS} | None") == (b"None", b"null", b'"new"', b'"old"', b'"gone"')
    assert stored_bytes("Literal[1, 'x'] | None") == (b"None", b"null", b"1", b'"x"')
    assert stored_bytes("int") is None is stored_bytes("bool | int")


def test_what_could_be_read_as_none_is_never_left_alone() -> None:
    assert all(may_be_none(raw) for raw in (b"None", b"null", b"\\None", b' "null"', b'"\\u006eull"'))
    assert not may_be_none(b"517")
    assert changes_none_only("int", "int | None", None, None)
    assert not changes_none_only("int | None", "int", FillNone(0), _not)


def _on_paper(upgrade_path: UpgradePath, raw: bytes) -> dict[bytes, bytes]:
    try:
        fields = upgrade_path.rewrite({"f": raw, "_v": b"1"}, 2).fields
    except RecordError:
        return {b"f": raw, b"_v": b"1"}
    return {name.encode(): value for name, value in fields.items()}
