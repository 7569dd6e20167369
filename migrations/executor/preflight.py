"""Before a run writes: keys that records cannot get, and commands that the access list denies. Changes nothing.

Redis does not roll a script back when the access list denies one of its commands: earlier writes stay, and later ones
never happen, because the record has its new version by then.
"""

import re
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from itertools import pairwise
from typing import Final, cast

from redis_models.client.commands import RoundTrips, check, hash_of, load_script
from redis_models.encoding.raw_text import text_of
from redis_models.errors import DecodeError, RecordError, ServerRefusedError, UnsafeError
from redis_models.mapping.keys import KeySpace, bookkeeping_key
from redis_models.mapping.stored_field import STAMP, stored_version

from ..chain.upgrade_path import UpgradePath
from ..edits.steps import Expire
from ..keyspace.results import is_another_type, unfenced
from ..keyspace.scan import scan
from ..planner.passes import RenameKeysPass
from ..rewriter.rename_keys import refuse_foreign_index
from ..state.lease import Lease
from ..state.quarantine import QuarantinePolicy

__all__ = [
    "OF_THE_END",
    "Collisions",
    "commands_of",
    "look_for_collisions",
    "refuse_collisions",
    "refuse_missing_rights",
]

_SHOWN: Final = 10


@dataclass
class Collisions:
    """Keys that more than one record would have. Grows while records are visited.

    Attributes:
        found: The first of them, with what is wrong.
        digests: Of keys that were made of fields, to find two alike; eight bytes a record.
        suspects: Digests that were seen more than once, each with the keys that have it, found in a second scan; SCAN
            may give one key twice.
        has_strangers: Whether some of the keys found are not of records of the model.
    """

    found: list[str] = field(default_factory=list[str])
    digests: "array[int]" = field(default_factory=lambda: array("Q"))
    suspects: dict[int, set[bytes]] = field(default_factory=dict[int, set[bytes]])
    has_strangers: bool = False

    def suspect_twins(self) -> bool:
        """Find digests that were seen twice; tell whether there are any, so that a second scan is needed."""
        seen = sorted(self.digests)
        self.digests = array("Q")
        self.suspects = {digest: set() for digest, following in pairwise(seen) if digest == following}
        return bool(self.suspects)

    def tell_twins(self) -> None:
        """Note the keys that are to become one, after the second scan."""
        for keys in self.suspects.values():
            if len(keys) > 1:
                self.note(f"{' and '.join(sorted(map(text_of, keys)))} would become one")

    def note(self, what: str) -> None:
        """Note a collision, if it is one of the first."""
        if len(self.found) < _SHOWN:
            self.found.append(what)


def refuse_collisions(
    renewed_if_due: Callable[[], RoundTrips[None]], moves: Sequence[RenameKeysPass], quarantine: QuarantinePolicy
) -> RoundTrips[None]:
    """Look whether every record can have its new key, before anything is written.

    Args:
        renewed_if_due: Called after every page, to renew the lease of a run.
        moves: All of a run.
        quarantine: Of the run; records in it may have any key.

    Raises:
        UnsafeError: Some cannot; it names the first of them.
        ConflictError: The key of an index holds another type than a sorted set.
        LockedError: Another runner holds the lease now.

    Cost:
        A scan of the keys for each pass and each new prefix, with one or two commands a record; a second scan for each
        pass where keys that are made of fields seem to be equal.
    """
    collisions = Collisions()
    for move in moves:
        yield from refuse_foreign_index(move)
    for move in {move.after.keys.start: move for move in moves if move.vacant_below}.values():
        yield from _scan_all(
            renewed_if_due, move.after.keys, partial(_look_for_strangers, move, collisions, quarantine)
        )
    for _ in range(2):  # a second time only to tell which keys are alike
        for place, move in enumerate(moves):
            rivals = [other.keys for other in moves[place + 1 :] if other.after.keys.start == move.after.keys.start]
            yield from _scan_all(
                renewed_if_due, move.keys, partial(look_for_collisions, move, collisions=collisions, rivals=rivals)
            )
        collisions.tell_twins()
        if collisions.found or not collisions.suspect_twins():
            break
    if collisions.found:
        raise UnsafeError(_refusal(moves[0].path.model, collisions))


def _refusal(model: str, collisions: Collisions) -> str:
    cure = "Change or move these records first"
    if collisions.has_strangers:
        cure += (
            ". Other data needs other keys, or the model another table. If records were renamed by hand, accept them"
            " with 'migrate --fake'"
        )
    return f"{model}: nothing was moved, because keys collide: {'; '.join(collisions.found)}. {cure}"


def _scan_all(
    renewed_if_due: Callable[[], RoundTrips[None]], keys: KeySpace, look: Callable[[Sequence[bytes]], RoundTrips[None]]
) -> RoundTrips[None]:
    cursor = ""
    while cursor != "0":
        cursor, page = yield from scan(cursor or "0", keys)
        yield from look(page)
        yield from renewed_if_due()


def _look_for_strangers(
    move: RenameKeysPass, collisions: Collisions, quarantine: QuarantinePolicy, keys: Sequence[bytes]
) -> RoundTrips[None]:
    """Note hashes under new keys that neither a migration nor code with these keys wrote.

    They would be rewritten as if they were records, and renamed on the way back.
    """
    quarantined = {failure.key for failure in quarantine.among(keys)}
    replies = yield [("HGET", key, STAMP) for key in keys]
    for key, reply in zip(keys, replies, strict=True):
        if is_another_type(reply) or text_of(key) in quarantined:
            continue  # the pass will report the first, and has reported the second
        if not _is_at_least(cast("bytes | None", reply), move.vacant_below):
            collisions.note(
                f"{text_of(key)} has one of the new keys {move.after.keys.start}* already and is not a record of"
                f" {move.path.model} at version {move.vacant_below} or later"
            )
            collisions.has_strangers = True


def _is_at_least(stamp: bytes | None, version: int) -> bool:
    try:
        return stamp is not None and stored_version("", stamp) >= version
    except DecodeError:
        return False


def look_for_collisions(
    move: RenameKeysPass, keys: Sequence[bytes], collisions: Collisions, rivals: Sequence[KeySpace] = ()
) -> RoundTrips[None]:
    """Note the records that cannot have their new keys; nothing is written.

    Args:
        move: The pass.
        keys: Of the records.
        collisions: Notes what is found.
        rivals: Other keys from which records get the same new keys.
    """
    left = [key for key in keys if not move.is_there(text_of(key))]
    targets = yield from _expected_targets(move, left, collisions)
    pairs = [(key, target) for key, target in targets.items() if target != key]
    for key, target in (yield from _taken(pairs)):
        collisions.note(f"{text_of(key)} → {text_of(target)}, which exists already")
    if move.follows_field:
        for key, target in targets.items():
            digest = int.from_bytes(blake2b(target, digest_size=8).digest())
            if digest in collisions.suspects:
                collisions.suspects[digest].add(key)
            else:
                collisions.digests.append(digest)
    else:  # the key itself tells where a twin would be, and nothing has to be remembered
        twins = [(key, twin) for key in targets for twin in move.twins(key, rivals)]
        for key, twin in (yield from _taken(twins)):
            collisions.note(f"{text_of(key)} and {text_of(twin)} would become one, {text_of(targets[key])}")


def _taken(pairs: Sequence[tuple[bytes, bytes]]) -> RoundTrips[list[tuple[bytes, bytes]]]:
    """Give the pairs whose second key exists."""
    replies = check((yield [("EXISTS", other) for _, other in pairs]))
    return [pair for pair, reply in zip(pairs, replies, strict=True) if reply]


def _expected_targets(
    move: RenameKeysPass, keys: Sequence[bytes], collisions: Collisions
) -> RoundTrips[dict[bytes, bytes]]:
    """Give the keys that records would have at their target version."""
    if not move.follows_field:
        return {key: target for key in keys if (target := move.key_by_key(key)) is not None}
    replies = yield [("HGETALL", key) for key in keys]
    targets: dict[bytes, bytes] = {}
    for key, reply in zip(keys, replies, strict=True):
        if is_another_type(reply):
            continue  # the pass will report it
        found = hash_of(reply)
        if not found:
            continue  # it expired or was deleted since the scan found it
        try:
            version = move.path.version_of(found.get(STAMP))
            if move.is_left(version):
                continue
            if version not in move.fields:
                found, version = move.path.rewrite(found, move.target).fields, move.target
            targets[key] = move.key_by_field(found.get(move.fields[version]))
        except RecordError:
            continue  # the pass will stop there
        except ValueError as exc:
            collisions.note(f"{text_of(key)}: {exc}")
    return targets


_SCRIPT: Final = load_script("redis_models.migrations", "check_permissions", is_repeatable=True)

# In the order in which the scripts call them; what is called before the first write of a record and may not be needed
# is left out, because it refuses the record whole.
_OF_A_REWRITE: Final = ("HMGET", "EXISTS", "HSET", "HPEXPIREAT", "HDEL")

_OF_A_TTL: Final = ("TIME", "PERSIST", "PEXPIREAT")

_OF_A_MOVE: Final = ("ZCARD", "TYPE", "HGET", "EXISTS", "ZADD", "RENAME", "ZREM")

OF_THE_END: Final = ("LINDEX", "HLEN", "RPUSH", "SET", "HSET", "HDEL", "DEL")

_MAY_BE_MISSING: Final = frozenset(["HPEXPIREAT"])  # servers without it do not have a TTL for hash fields

_DENIED: Final = re.compile(r"NOPERM|ACL failure|permission|can't run this command", re.IGNORECASE)

_UNKNOWN: Final = re.compile(r"unknown( redis)? command", re.IGNORECASE)


def commands_of(paths: Iterable[UpgradePath], moves: Iterable[RenameKeysPass]) -> tuple[str, ...]:
    """Give the commands that the scripts call which change records.

    Args:
        paths: Of the records that are rewritten.
        moves: What moves them.
    """
    paths = list(paths)
    found = list(_OF_A_REWRITE if paths else ())
    if any(
        isinstance(step, Expire) for path in paths for version_step in path.version_steps for step in version_step.steps
    ):
        found += _OF_A_TTL
    if any(True for _ in moves):
        found += _OF_A_MOVE
    return tuple(dict.fromkeys(found))


def refuse_missing_rights(lease: Lease, namespace: str, commands: Sequence[str]) -> RoundTrips[None]:
    """Try commands, and tell which of them this user may not call.

    Args:
        lease: Held by this process.
        namespace: ``NAMESPACE`` of the settings.
        commands: Of ``commands_of``.

    Raises:
        ServerRefusedError: The access list denies some, or the server has them under other names; it names them all.
        LockedError: Another runner holds the lease now.

    Keys:
        The lease, and ``redis_models:{namespace}:rights``, which never exists.

    Cost:
        One round trip, whether the server has the script or not.
    """
    keys = [lease.key, bookkeeping_key(namespace, "rights")]
    loaded, reply = yield [("SCRIPT", "LOAD", _SCRIPT.source), _SCRIPT.command(keys, [lease.epoch, *commands])]
    if isinstance(reply, Exception):
        check([loaded, reply])
    said = [text.decode() for text in cast("list[bytes]", unfenced(reply))]
    missing = {name: text for name, text in zip(said[::2], said[1::2], strict=True) if _is_missing(name, text)}
    if missing:
        raise ServerRefusedError(_permission_refusal(missing))


def _is_missing(name: str, said: str) -> bool:
    if _UNKNOWN.search(said):
        return name not in _MAY_BE_MISSING
    return _DENIED.search(said) is not None


def _permission_refusal(missing: dict[str, str]) -> str:
    names = ", ".join(missing)
    grants = " ".join(f"+{name.lower()}" for name in missing)
    return (
        f"the server's access list denies {names} to this user, without which a script would stop in the middle of a"
        f" record; nothing was written. Grant it with 'ACL SETUSER NAME {grants}' and run again"
        f" (the server says: {next(iter(missing.values()))})"
    )
