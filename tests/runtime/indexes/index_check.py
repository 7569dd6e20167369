"""What the indexes of a table must hold, computed in Python from the records that lie there."""

from collections.abc import Iterator
from typing import Any

from redis_models.encoding.raw_text import bytes_of, text_of
from redis_models.indexes.definitions import Definitions, read_definitions
from redis_models.indexes.entries import entry, member
from redis_models.mapping.keys import KeySpace

__all__ = ["differences"]


def differences(client: Any, space: KeySpace) -> list[str]:
    """Name each member that an index lacks, or has without a record that holds its value."""
    definitions = read_definitions(client.hget(space.definitions, "document"))
    wanted = _wanted(client, space, definitions)
    return [
        f"{what}: {text_of(raw)!r} in {key}"
        for key, members in wanted.items()
        for what, raws in _compared(members, set(client.zrange(key, 0, -1)))
        for raw in sorted(raws)
    ]


def _compared(wanted: set[bytes], found: set[bytes]) -> Iterator[tuple[str, set[bytes]]]:
    yield "missing", wanted - found
    yield "stale", found - wanted


def _wanted(client: Any, space: KeySpace, definitions: Definitions) -> dict[str, set[bytes]]:
    members: dict[str, set[bytes]] = {space.field_index(index.name): set() for index in definitions.indexes}
    members[space.others] = set()
    for key in client.scan_iter(space.pattern):
        if not space.owns(text_of(key)) or client.type(key) != b"hash":
            continue
        record = client.hgetall(key)
        name = key[len(bytes_of(space.start)) :]
        for index in definitions.indexes:
            parts = index.parts_at(int(record.get(b"_v", b"1")))
            raws = [record.get(bytes_of(part.field)) for part in parts or ()]
            entries = [None if raw is None else entry(part, raw) for part, raw in zip(parts or (), raws, strict=True)]
            if parts is None or None in entries:
                members[space.others].add(name)
            else:
                texts = [found.text for found in entries if found is not None]
                members[space.field_index(index.name)].add(member(texts, name))
    return members
