"""Calls scripts by themselves, and compares the database before and after."""

from collections.abc import Sequence
from typing import Any

from redis_models.client.commands import Script

LEASE = "the-lease"


INDEX = "m:__index"


NEW_INDEX = "n:__index"


def all_keys(script: Script, keys: Sequence[str | bytes]) -> list[str | bytes]:
    """Give the keys of a call: before those of the caller, those of the table ``m``, where the script has a fence."""
    has_own = str(keys[0]).endswith("__index")  # keys of a table already
    table = [INDEX, f"{INDEX}:_definitions"] if "has_other_indexes" in script.source and not has_own else []
    return [*table, *keys]


class Scripts:
    """Calls scripts, and compares the database before and after."""

    def __init__(self, client: Any) -> None:
        self.client = client
        client.hset(LEASE, "epoch", 7)

    def call(self, module: object, name: str, keys: list[str], arguments: list[Any]) -> Any:
        script: Script = getattr(module, name)
        places = all_keys(script, keys)
        return self.client.eval(script.source, len(places), *places, *arguments)

    def put(self, key: str, **fields: Any) -> None:
        self.client.hset(key, mapping=fields)
        self.client.zadd(INDEX, {key: 0})

    def state(self) -> dict[bytes, bytes]:
        return {key: self.client.dump(key) for key in self.client.keys("*")}
