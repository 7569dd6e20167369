"""What scripts are tried on: a lease, records, and a user who lacks permissions."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from redis_models.client.client import SyncClient

from .permission_world import World
from .rewriting import LEASE
from .scripts import Scripts


@pytest.fixture
def scripts(client: Any) -> Scripts:
    return Scripts(client)


@pytest.fixture
def world(server: Any, client: Any) -> Iterator[World]:
    has_field_lives = "hpttl" in client.command()
    client.execute_command("ACL", "SETUSER", "bob", "reset", "on", ">pw", "~*", "+@all")
    with server.client(username="bob", password="pw") as bob:
        yield World(client, bob, has_field_lives)
    client.execute_command("ACL", "DELUSER", "bob")


@pytest.fixture
def leased(client: redis.Redis) -> tuple[redis.Redis, SyncClient]:
    client.hset(LEASE, "epoch", 7)
    return client, SyncClient(client, "test")
