"""Schemas as text: what is stored in Redis, and what it means that something differs."""

from dataclasses import replace

import pytest

from redis_models.errors import SchemaError
from redis_models.migrations.operations import CreateModel
from redis_models.migrations.schema.snapshot import FieldSchema, ModelSchema, Snapshot

_MODEL = ModelSchema("A", 1, "id", "", ":", "a", (FieldSchema("id", "str"),))


def test_a_snapshot_reads_back_as_it_was() -> None:
    snapshot = Snapshot((replace(_MODEL, ttl=60),))

    assert Snapshot.from_json(snapshot.to_json()) == snapshot


def test_snapshots_from_before_ttls_keep_their_fingerprint() -> None:
    text = '{"format": 1, "models": {"A": {"version": 1, "primary_key": "id", "prefix": "", "separator": ":",'
    text += ' "table": "a", "fields": {"id": {"type": "str"}}}}}'

    assert Snapshot.from_json(text).fingerprint == Snapshot((_MODEL,)).fingerprint


@pytest.mark.parametrize("change", [{"ttl": 60}, {"codec": 2}, {"table": "b"}, {"version": 2}])
def test_what_is_stored_otherwise_has_another_fingerprint(change: dict[str, object]) -> None:
    other = replace(_MODEL, **change)  # type: ignore[arg-type]  # each of its own type

    assert Snapshot((other,)).fingerprint != Snapshot((_MODEL,)).fingerprint


def test_a_codec_that_is_newer_than_this_version_is_refused() -> None:
    with pytest.raises(SchemaError, match="A is stored by codec 2, and this version knows 1; use the newer version"):
        Snapshot.from_json(Snapshot((replace(_MODEL, codec=2),)).to_json())


def test_a_snapshot_remembers_which_models_take_extra_fields() -> None:
    plain = CreateModel("A", {"id": "str"}, "id", "a").apply(Snapshot())
    open_ = CreateModel("A", {"id": "str"}, "id", "a", extras=True).apply(Snapshot())

    assert [Snapshot.from_json(snapshot.to_json()).model("A").extras for snapshot in (plain, open_)] == [False, True]
    assert plain.fingerprint == open_.fingerprint
