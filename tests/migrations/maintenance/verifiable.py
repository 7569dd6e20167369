"""What tests of ``verify`` share: a model, its records, and what the command finds."""

import json
from typing import Any

MODEL = """
class Customer(Model):
    id: str = Field(primary_key=True)
    age: int
    note: str | None = None

    class Meta:
        version = {version}
        table = "{table}"
        ttl = 1000
"""


def put(client: Any, key: str, **others: str | bytes) -> None:
    fields = {"id": key.rpartition(":")[2], "age": "7", "note": "None", "_v": "2", **others}
    client.hset(key, mapping=fields)
    client.expire(key, 1000)
    client.zadd("customer:__index", {key: 0})


def found_of(shop_project: Any, *options: str, code: int = 1) -> dict[str, Any]:
    assert shop_project.command("verify", *options, options=("--json",)) == code, shop_project.err
    return dict(json.loads(shop_project.out)["apps"]["shop"]["models"]["Customer"])
