"""A database, and a user of it who lacks permissions: what scripts do for one of these."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import redis

import redis_models.migrations
from redis_models.client.commands import Script
from redis_models.client.errors import translate
from redis_models.errors import ServerRefusedError

from .scripts import all_keys

LEASE_KEY: Final = "redis_models:{default}:lease"
_SCRIPTS: Final = Path(redis_models.migrations.__file__).parent / "lua"


_CALLED: Final = re.compile(
    r"(?:call|pcall|demand|demand_once)\(\s*'([A-Z]+)'|'(Z[A-Z]+|HPEXPIREAT|PEXPIREAT|PERSIST)'"
)


_MOMENT: Final = re.compile(rb"_b\d+\.\d+\.$")  # keeps when a record ended, which no second run has again


def commands(client: Any) -> list[str]:
    """Give all commands of this server that scripts of migrations call."""
    texts = [path.read_text() for path in _SCRIPTS.glob("*.lua") if path.stem != "check_permissions"]
    found = {name for text in texts for pair in _CALLED.findall(text) for name in pair if name}
    return sorted(found & {name.upper() for name in client.command()})


class World:
    """Who fills and looks; and bob, who calls scripts and lacks permissions."""

    def __init__(self, client: redis.Redis, bob: redis.Redis, has_field_lives: bool) -> None:
        self.client: Any = client
        self.bob: Any = bob
        self.has_field_lives = has_field_lives

    def allow(self, *permissions: str) -> None:
        self.client.execute_command("ACL", "SETUSER", "bob", "reset", "on", ">pw", "~*", "+@all", *permissions)

    def put(self, key: str, fields: Mapping[str, str | int], *ending: str) -> None:
        self.client.hset(key, mapping=dict(fields))
        self.client.pexpire(key, 5_000_000)
        if ending and self.has_field_lives:
            self.client.execute_command("HPEXPIRE", key, 4_000_000, "FIELDS", len(ending), *ending)

    def state(self) -> dict[bytes, object]:
        """Give all bytes; of what ends, roughly in how many minutes, so that two runs can be compared."""
        return {key: self._held(key, self.client.type(key)) for key in self.client.keys("*")}

    def _held(self, key: bytes, kind: bytes) -> object:
        left = [self.client.pttl(key)]
        stored: object
        if kind == b"zset":
            stored = self.client.zrange(key, 0, -1, withscores=True)
        elif kind == b"set":
            stored = self.client.smembers(key)
        elif kind == b"list":
            stored = self.client.lrange(key, 0, -1)
        elif kind == b"string":
            stored = self.client.get(key)
        elif key == LEASE_KEY.encode():
            stored = self.client.hget(key, "holder")
        else:
            fields = self.client.hgetall(key)
            stored = {name: b"" if _MOMENT.match(name) else raw for name, raw in fields.items()}
            if self.has_field_lives:
                left += self.client.execute_command("HPTTL", key, "FIELDS", len(fields), *sorted(fields))
        return stored, [-1 if ms < 0 else round(ms / 60_000) for ms in left]

    def call(self, script: Script, keys: list[str], arguments: list[Any]) -> object:
        """Let bob call a script; raise what the library raises."""
        try:
            places = all_keys(script, keys)
            return self.bob.eval(script.source, len(places), *places, *arguments)
        except redis.ResponseError as exc:
            raise translate(exc) from exc

    def try_without(self, fill: Callable[["World"], None], act: Callable[["World"], object]) -> list[str]:
        """Do something without each command in turn; give those without which it was refused."""

        def begin(*permissions: str) -> dict[bytes, object]:
            self.client.flushall()
            self.client.hset(LEASE_KEY, mapping={"epoch": 7, "holder": "bob"})
            fill(self)
            self.allow(*permissions)
            return self.state()

        before = begin()
        act(self)
        after, missed = self.state(), list[str]()
        assert after != before
        for command in commands(self.client):
            begin(f"-{command.lower()}")
            try:
                act(self)
            except ServerRefusedError as exc:
                missed.append(command)
                assert self.state() == before, f"without {command}, a part was done"
                assert "nothing of it was executed; grant it" in str(exc)
            else:
                assert self.state() == after, f"without {command}, not all of it was done, and no error was raised"
        return missed
