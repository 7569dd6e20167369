"""Calls scripts by themselves, and compares the database before and after."""

from typing import Any

from redis_models.client.commands import Script

LEASE = "the-lease"


INDEX = "m:__index"


NEW_INDEX = "n:__index"


class Scripts:
    """Calls scripts, and compares the database before and after."""

    def __init__(self, client: Any) -> None:
        self.client = client
        client.hset(LEASE, "epoch", 7)

    def call(self, module: object, name: str, keys: list[str], arguments: list[Any]) -> Any:
        script: Script = getattr(module, name)
        return self.client.eval(script.source, len(keys), *keys, *arguments)

    def put(self, key: str, **fields: Any) -> None:
        self.client.hset(key, mapping=fields)
        self.client.zadd(INDEX, {key: 0})

    def state(self) -> dict[bytes, bytes]:
        return {key: self.client.dump(key) for key in self.client.keys("*")}
