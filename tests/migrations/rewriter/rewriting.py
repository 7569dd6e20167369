"""Upgrade paths and records for the tests of the rewriter."""

import operator
from collections.abc import Callable, Mapping

import redis
from hypothesis import strategies as st

from redis_models.errors import RecordError
from redis_models.migrations.chain.upgrade_path import UpgradePath, VersionStep
from redis_models.migrations.edits.steps import Convert, Drop, Move, Put, Step
from redis_models.migrations.keyspace.results import Fence

LEASE = "the-lease"


FENCE = Fence(LEASE, 7, False)


KEY = b"m:1"


def path_of(*version_steps: list[Step]) -> UpgradePath:
    return UpgradePath("M", tuple(VersionStep(n, n + 1, tuple(steps)) for n, steps in enumerate(version_steps, 1)), 1)


def put(client: redis.Redis, record: Mapping[str, bytes], key: bytes = KEY) -> None:
    client.delete(key)
    client.hset(key, mapping=dict(record))  # type: ignore[arg-type]


def stored(client: redis.Redis, key: bytes = KEY) -> dict[str, bytes]:
    found: dict[bytes, bytes] = client.hgetall(key)  # type: ignore[assignment]
    return {name.decode(): raw for name, raw in found.items()}


_FIELDS = ("a", "b", "c", "d")


_names = st.sampled_from(_FIELDS)


POOL = (b"a", b"b", b"c", b"None", b"null", b"\\None", b"\\")


_values = st.sampled_from(POOL) | st.binary(max_size=6)


drawn_tables = st.dictionaries(st.sampled_from(POOL), st.sampled_from(POOL), max_size=len(POOL))


_pairs = st.permutations(_FIELDS).map(lambda names: names[:2])


def _looked_up(table: Mapping[bytes, bytes]) -> Callable[[bytes], bytes]:
    def function(raw: bytes) -> bytes:
        if raw not in table:
            raise RecordError("", raw, "cannot be converted")
        return table[raw]

    return function


def conversion(
    name: str, there: Mapping[bytes, bytes], back: Mapping[bytes, bytes], inputs: list[bytes], leaves_others: bool
) -> Convert:
    return Convert(name, _looked_up(there), _looked_up(back), operator.eq, inputs=inputs, leaves_others=leaves_others)


drawn_steps = st.one_of(
    st.builds(
        conversion, _names, drawn_tables, drawn_tables, st.lists(st.sampled_from(POOL), min_size=1), st.booleans()
    ),
    _pairs.map(lambda pair: Move(pair[0], pair[1])),
    st.builds(Put, _names, _values),
    st.builds(Drop, _names, st.none() | _values),
)


drawn_records = st.dictionaries(_names, _values)


def on_paper(upgrade_path: UpgradePath, record: Mapping[str, bytes], target: int) -> dict[str, bytes] | None:
    try:
        return upgrade_path.rewrite(record, target).fields
    except RecordError:
        return None
