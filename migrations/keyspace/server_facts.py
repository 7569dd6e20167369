"""Facts about the server: whether it is a node of a cluster, its run, and whether hash fields may have a TTL."""

from typing import cast

from redis_models.client.commands import RoundTrips, hash_of
from redis_models.errors import ServerRefusedError

__all__ = ["has_field_lives", "refuse_cluster", "server_run_id"]


def refuse_cluster(address: str) -> RoundTrips[None]:
    """Refuse a node of a cluster, even the only one: its slots may be moved at any time. A run scans one node only.

    Args:
        address: Of the server, for errors.

    Raises:
        ServerRefusedError: It is one.

    Cost:
        One round trip; every user may ask.
    """
    [reply] = yield [("HELLO",)]
    if isinstance(reply, Exception):
        return  # a server without HELLO, as fakeredis; what it refuses later is reported then
    if hash_of(reply).get("mode") == b"cluster":
        raise ServerRefusedError(
            f"{address} is a node of a cluster, which migrations and what goes with them do not support: SCAN meets the"
            " records of one node only, so that those of others would be called migrated, or verified, unseen. Nothing"
            " was written; name a server in REDIS_URL that runs without cluster-enabled"
        )


def server_run_id() -> RoundTrips[str]:
    """Give the id of this run of the server; "" where the user may not ask, and then a stored cursor is not used."""
    [reply] = yield [("INFO", "server")]
    if isinstance(reply, Exception):
        return ""
    lines = cast(bytes, reply).decode().splitlines()
    return next((line.partition(":")[2] for line in lines if line.startswith("run_id:")), "")


def has_field_lives() -> RoundTrips[bool]:
    """Ask for the command, not for a version: both engines have it, under different numbers."""
    [reply] = yield [("COMMAND", "INFO", "HPEXPIRETIME")]
    if isinstance(reply, Exception):
        raise ServerRefusedError(f"the server's access list denies COMMAND INFO ({reply}); grant it to this user")
    return bool(reply and cast("list[object]", reply)[0])
