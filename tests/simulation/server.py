"""The server of a schedule: a real one, whose time, whose restarts and whose SCAN are the schedule's.

A real SCAN gives keys in an order that depends on the process of the server and on all that it ever held. Here the keys
are real, and the order is that of a digest of the key and of the run of the server: the same in every repetition, and
another one after a restart, so that an old cursor is as worthless as a real one. What else SCAN may do it does: keys
come twice, and those that are made meanwhile may be left out.
"""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Any, Final

from redis_models.client.client import SyncClient
from redis_models.client.commands import AtMostOnce, Command, Reply, Script
from redis_models.migrations.executor import preflight
from redis_models.migrations.keyspace import scan as scan_module
from redis_models.migrations.maintenance import purge
from redis_models.migrations.rewriter import compare_and_set, rename_keys, server_side
from redis_models.migrations.state import lease, quarantine, store
from redis_models.records import insert, read, write

LEASE: Final = "redis_models:{default}:lease"
_PLACES: Final = 2**20
_A_SCAN: Final = 5  # keys


def dump_of(pattern: str, tables: Sequence[str], app: str) -> Script:
    """Make the script that reads all there is: records whose keys match, indexes, and the bookkeeping of an app."""
    indexes = ", ".join(f"redis.call('ZRANGE', '{table}:__index', 0, -1)" for table in tables)
    return Script(
        f"""
local found = {{}}
for _, key in ipairs(redis.call('KEYS', '{pattern}')) do
  if string.sub(key, -7) ~= '__index' then
    local held = redis.call('HGETALL', key)
    local one = {{key, redis.call('PEXPIRETIME', key), held}}
    if redis.call('OBJECT', 'ENCODING', key) ~= 'listpack' then
      local names = {{}}
      for i = 1, #held, 2 do names[#names + 1] = held[i] end
      one[4], one[5] = names, redis.call('HPEXPIRETIME', key, 'FIELDS', #names, unpack(names))
    end
    found[#found + 1] = one
  end
end
local kept = 'redis_models:{{default}}:'
return {{
  found,
  {{{indexes}}},
  redis.call('HGETALL', kept .. 'lease'),
  {{redis.call('HKEYS', kept .. 'ledger:{app}'), redis.call('GET', kept .. 'snapshot:{app}')}},
  redis.call('HGETALL', kept .. 'journal:{app}'),
  redis.call('HKEYS', kept .. 'quarantine:{app}'),
}}
"""
    )


@dataclass(frozen=True)
class Seen:
    """All that lies on the server.

    Attributes:
        records: What was read of each record: key, when it ends, fields, names and ends of fields that may end.
        indexes: Members by table.
        lease, journal: As they are stored.
        ledger: Ids.
        snapshot: As it is stored.
        quarantine: Keys of records.
    """

    records: Mapping[str, list[Any]]
    indexes: Mapping[str, frozenset[str]]
    lease: Mapping[str, str]
    ledger: frozenset[str]
    snapshot: str
    journal: Mapping[str, str]
    quarantine: frozenset[str] = frozenset()


class Wire:
    """Exchanges batches with the server, as a driver does, but in the schedule's time.

    Args:
        client: A plain client of the server, which is emptied.
        pattern: Of the keys of all records and indexes.
        tables: What the keys of models begin with.
        app: Label of the app that is migrated.
    """

    def __init__(
        self, client: Any, pattern: str = "[co]*", tables: Sequence[str] = ("customer", "order"), app: str = "shop"
    ) -> None:
        self.client, self._tables, self._dump = client, tables, dump_of(pattern, tables, app)
        self.exchange = SyncClient(client, "the server")
        self.now_s = 0.0
        self._passed_ms = 0  # of which the lease does not know yet
        self.run = 1
        self.is_full = False  # whether the server's memory is: it refuses what would make it grow
        self.seen = Seen({}, {}, {}, frozenset(), "", {})
        scripts = known_scripts()
        self.scripts = {script.sha: name for name, script in scripts}
        client.flushall()
        # Each schedule finds the server alike.
        pipeline = client.pipeline(transaction=False)
        pipeline.script_flush()
        for script in (self._dump, *(script for _, script in scripts)):
            pipeline.execute_command("SCRIPT LOAD", script.source)
        pipeline.execute()

    def clock(self) -> float:
        """Give the seconds of the schedule."""
        return self.now_s

    def passes(self, seconds: float) -> None:
        """Let time pass: for processes, and for the lease."""
        self.now_s += seconds
        self._passed_ms += round(seconds * 1000)

    def is_lease_held(self) -> bool:
        """Whether a holder has the lease, which has not expired."""
        until = self.seen.lease.get("until")
        return until is not None and float(until) - self._passed_ms > time.time() * 1000 + 1000

    def restarts(self) -> None:
        """Be another run of the server, which has all data and no scripts."""
        self.run += 1
        self.flush()

    def flush(self) -> None:
        """Forget all scripts but that of the tests."""
        self.client.script_flush()
        self.client.script_load(self._dump.source)

    def send(self, commands: Sequence[Command]) -> list[Reply]:
        """Execute a batch, and look at everything right behind it, in the same round trip."""
        sent: list[Command] = [
            command if (scan := scan_of(command)) is None else ("KEYS", scan[3]) for command in commands
        ]
        ages: list[Command] = [("HINCRBY", LEASE, "until", -self._passed_ms)] if "until" in self.seen.lease else []
        full, room = (_limited(1), _limited(0)) if self.is_full else ([], [])
        before = len(ages) + len(full)
        answers = self.exchange.exchange(AtMostOnce([*ages, *full, *sent, *room, self._dump.command([], [])]))
        replies, dump = answers[before : before + len(sent)], answers[-1]
        self.seen, self._passed_ms = _seen(dump, self._tables), 0
        for place, command in enumerate(commands):
            if command[0] == "SCAN":
                replies[place] = self._scanned(int(command[1]), replies[place])
            elif _is_rest(command) and not isinstance(replies[place], Exception):
                replies[place] = self._rest(command, replies[place])
            elif command[0] == "INFO" and not isinstance(replies[place], Exception):
                said: Any = replies[place]
                replies[place] = re.sub(rb"run_id:\w+", b"run_id:" + self.run_id.encode(), said)
        return replies

    @property
    def run_id(self) -> str:
        """What this run of the server is called."""
        return f"run{self.run}"

    def place_of(self, key: bytes) -> int:
        """Give where SCAN meets a key."""
        return 1 + int(sha1(b"%d %s" % (self.run, key), usedforsecurity=False).hexdigest()[:8], 16) % _PLACES

    def _scanned(self, cursor: int, found: Any) -> list[Any]:
        placed = sorted((self.place_of(key), key) for key in found)
        ahead = [entry for entry in placed if entry[0] >= cursor]
        following = b"%d" % ahead[_A_SCAN][0] if len(ahead) > _A_SCAN else b"0"
        keys = [key for _, key in ahead[:_A_SCAN]]
        behind = [key for place, key in placed if place < cursor]
        return [following, behind[-1:] + keys if cursor % 2 else keys]

    def _rest(self, command: Command, found: Any) -> list[Any]:
        """Do what the script does that looks for records of another version, by steps of this SCAN."""
        following, keys = self._scanned(int(command[3]), found)
        is_hash = {key: self.client.type(key) == b"hash" for key in keys}
        stamps = {key: self.client.hget(key, "_v") if is_hash[key] else None for key in keys}
        return [following, len(keys), [key for key in keys if stamps[key] != str(command[6]).encode()]]

    def look(self) -> Seen:
        """Read everything, in one round trip."""
        [reply] = self.exchange.exchange([self._dump.command([], [])])
        self.seen = _seen(reply, self._tables)
        return self.seen

    def describe(self, command: Command) -> str:
        """Say a command in a few words."""
        if _is_rest(command):
            return f"SCAN {_plain(command[3])} {_plain(command[4])} for the rest"
        if command[0] == "EVALSHA":
            count = int(command[2])
            keys = [_plain(argument) for argument in command[3 : 3 + count]]
            keys = [key for key in keys if "__index" not in key]
            called = self.scripts.get(str(command[1]), "rewrite")  # each migration has one of its own
            verb = [_plain(command[3 + count])] if called == "lease" else []
            return " ".join([called, *verb, *(key for key in keys if key not in ("", "lease"))])
        if command[0] == "SCAN":
            return f"SCAN {_plain(command[1])} {_plain(command[3])}"
        if command[0] in ("SCRIPT", "EVAL"):
            return str(command[0])
        return f"{command[0]!s} {_plain(command[1])}"


def _is_rest(command: Command) -> bool:
    return command[:2] == ("EVALSHA", scan_module._REST.sha)


def scan_of(command: Command) -> Command | None:
    """Give the step of SCAN that a command is, or takes inside the server; None for any other."""
    if _is_rest(command):
        return ("SCAN", command[3], "MATCH", command[4])
    return command if command[0] == "SCAN" else None


def _limited(most: int) -> list[Command]:
    return [("CONFIG", "SET", "maxmemory", most)]


def _seen(reply: Any, tables: Sequence[str]) -> Seen:
    if isinstance(reply, Exception):
        raise reply
    records, indexes, stored, (ledger, snapshot), journal, quarantined = reply
    return Seen(
        {record[0].decode(): record for record in sorted(records)},
        {table: frozenset(key.decode() for key in keys) for table, keys in zip(tables, indexes, strict=True)},
        _text(stored),
        frozenset(id.decode() for id in ledger),
        (snapshot or b"").decode(),
        _text(journal),
        frozenset(key.decode() for key in quarantined),
    )


_NAMES: Final = {lease: "lease", purge: "purge", quarantine: "quarantine", preflight: "rights"}  # modules of one script


def known_scripts() -> list[tuple[str, Script]]:
    """Give the scripts of the library, and what the trace calls them."""
    return [
        (_NAMES.get(module, name.strip("_").lower()), var)
        for module in (
            insert,
            read,
            write,
            lease,
            store,
            rename_keys,
            purge,
            quarantine,
            compare_and_set,
            server_side,
            preflight,
        )
        for name, var in vars(module).items()
        if isinstance(var, Script)
    ]


def _plain(value: object) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.removeprefix("redis_models:{default}:")


def _text(flat: Sequence[bytes]) -> dict[str, str]:
    found = [key.decode() for key in flat]
    return dict(zip(found[::2], found[1::2], strict=True))
