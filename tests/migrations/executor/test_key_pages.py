"""What a walk looks at: all records that are not of a version, whatever else lies between."""

from typing import Any, Final

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from redis_models.client.client import SyncClient
from redis_models.client.commands import RoundTrips
from redis_models.client.drivers import run
from redis_models.mapping.keys import KeySpace
from redis_models.migrations.chain.upgrade_path import UpgradePath, VersionStep
from redis_models.migrations.executor import key_pages
from redis_models.migrations.executor.strategies import local_strategy
from redis_models.migrations.executor.throttle import ThrottleState
from redis_models.migrations.keyspace.results import Fence
from redis_models.migrations.keyspace.scan import scan, scan_rest
from redis_models.migrations.planner.passes import RewritePass

_SPACE: Final = KeySpace("", ":", "it*m[")
_KEYS: Final = [
    b"it*m[:%s" % rest
    for rest in (b"a", b"b", b"\xff", b"\0", b"]]", b"*", b"\xc3\xa9", b"a b", b"__inde", b"%1", b"'", b"_")
]
_OTHERS: Final = [b"it*m[:", b"it*m[:sub:a", b"itemm[:a", b"it*m", b"other:a"]
_STAMPS: Final = [b"7", b"6", b"8", b"", b"07", b"7.0", b"\xff", None]


def _scanned(driver: SyncClient, most: int, client: Any) -> tuple[list[bytes], int]:
    found: list[bytes] = []
    passed, cursor, first = 0, "0", True
    while first or cursor != "0":
        first = False
        client.script_flush()
        cursor, members, others = run(driver, scan_rest(cursor, _SPACE, 7, most))
        found += members
        passed += others
    return found, passed


@given(
    stamps=st.dictionaries(st.sampled_from(_KEYS + _OTHERS), st.sampled_from(_STAMPS)),
    others=st.dictionaries(st.sampled_from(_KEYS + _OTHERS), st.sampled_from(["set", "zadd", "xadd"]), max_size=4),
    most=st.sampled_from([1, 3, 1000, 5000]),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_look_at_stamps_finds_every_record_that_is_of_another_version(
    client: Any, stamps: dict[bytes, bytes | None], others: dict[bytes, str], most: int
) -> None:
    client.flushall()
    client.zadd("it*m[:__index", {"it*m[:a": 0})
    for key, stamp in stamps.items():
        if key not in others:
            client.hset(key, mapping={"field": "7"} if stamp is None else {"_v": stamp, "field": "6"})
    for key, how in others.items():
        if how == "set":
            client.set(key, "7")
        elif how == "zadd":
            client.zadd(key, {"_v": 7})
        else:
            client.xadd(key, {"_v": 7})

    found, passed = _scanned(SyncClient(client, "test"), most, client)

    there = {key for key in (*stamps, *others) if key in _KEYS}
    done = {key for key in there if key not in others and stamps[key] == b"7"}
    assert set(found) == there - done
    # Those of a longer prefix may be counted with them, as by SCAN; no other is.
    longer = {key for key in stamps if key in _OTHERS[:2] and key not in others and stamps[key] == b"7"}
    assert passed >= len(done)
    assert passed <= len(done | longer) or len(found) > len(set(found))


_names: Final = st.text("ab_:%é*[\udcff\n", max_size=6)


@given(
    table=st.sampled_from(["item", "it_m", "a"]),
    separator=st.sampled_from([":", "_", "é", "::", "__", "X"]),
    rests=st.lists(_names, max_size=8),
)
@example("item", ":", ["__index", "", "a"])
@example("item", ":", ["a", "b:c", "b"])
def test_keys_as_the_server_has_them_are_owned_as_texts_are(table: str, separator: str, rests: list[str]) -> None:
    space = KeySpace("", separator, table)
    keys = [(space.start + rest).encode("utf-8", "surrogateescape") for rest in rests]

    owned = [key for key in dict.fromkeys(keys) if space.owns(key.decode("utf-8", "surrogateescape"))]
    assert space.owned(keys) == owned


def test_a_run_without_records_renews_its_lease_between_foreign_keys(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease is kept between two pages; what reads ahead must not read through a thousand million other keys."""
    steps = 0

    def endless(cursor: str, keys: KeySpace) -> RoundTrips[tuple[str, list[bytes]]]:
        nonlocal steps
        steps += 1
        assert steps < 1000
        yield ()
        return "1", []

    monkeypatch.setattr(key_pages, "scan", endless)
    rewrite_pass = RewritePass(UpgradePath("M", (VersionStep(1, 2, ()),), 1), _SPACE, 2, 1)
    strategy = local_strategy(rewrite_pass, Fence("", "", False), expects_outdated=True)

    page = run(
        SyncClient(client, "test"),
        key_pages.Pages(rewrite_pass, strategy, "0").next(ThrottleState(100, is_unthrottled=True)),
    )

    assert page == ([], 0, "1")


def test_one_step_reads_as_much_as_a_step_of_scan(client: Any) -> None:
    with client.pipeline(transaction=False) as pipeline:
        for number in range(3000):
            pipeline.hset(f"it*m[:{number}", "_v", 6)
        pipeline.execute()
    driver = SyncClient(client, "test")

    _, by_scan = run(driver, scan("0", _SPACE))
    _, by_script, passed = run(driver, scan_rest("0", _SPACE, 7, 5000))

    assert sorted(by_script) == sorted(by_scan)
    assert passed == 0
