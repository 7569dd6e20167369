"""What each kind of user does: every command and every verb, on databases that are ready for it."""

import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from .permission_programs import BUILDS, BUILDS_FORMER, CHANGES, FILLS, FINDS, READS, TICKETS, VERBS
from .projects import Project, Ran

Prepare = Callable[[Project], object]
Act = Callable[[Project], Ran]


@dataclass(frozen=True)
class Action:
    """Something that a user does.

    Attributes:
        prepare: Makes the database ready, as a user who may do everything.
        act: What is done.
        code: What the command exits with.
    """

    prepare: Prepare
    act: Act
    code: int = 0


_MOVED = """
from redis_models import Field, Model

class Customer(Model):
    id: str = Field(primary_key=True)
    visits: int = 0
    full_name: str
    currency: str = 'EUR'
    age: int | None
    initial: str

    class Meta:
        version = 5
        ttl = 86400
        table = "client"
"""
_FILES = {
    "0004_end": """
        class Migration(migrations.Migration):
            id = "dddd0004"
            previous = "cccc0003"
            versions = {"Customer": 4}
            operations = [migrations.AlterTTL("Customer", None, 86400, policy="all")]
    """,
    "0005_move": """
        class Migration(migrations.Migration):
            id = "eeee0005"
            previous = "dddd0004"
            versions = {"Customer": 5}
            operations = [migrations.AlterKeys("Customer", table="client")]
    """,
}


def plain(project: Project) -> Any:
    """Give a client of who may do everything, whose types leave much unknown."""
    return project.server.client()


def old_records(project: Project) -> None:
    """Give twelve records of version 1, and code that is two versions further."""
    project.deploy(3)
    project.migrate("shop", "1")
    project.fill(12)
    ended_fields(project)
    with plain(project) as client:
        client.hdel("customer:5", "visits")


def new_records(project: Project) -> None:
    old_records(project)
    assert project.migrate().code == 0


def moved(project: Project) -> None:
    """Give twelve records that are to end, and to have other keys."""
    new_records(project)
    for name, text in _FILES.items():
        project.migration(name, text)
    project.write("shop/models.py", _MOVED)


def moved_there(project: Project) -> None:
    moved(project)
    assert project.migrate().code == 0


def spoilt(project: Project) -> None:
    """Give records of which one cannot be rewritten, and is in quarantine."""
    about_to_fail(project)
    assert project.migrate("--on-error", "quarantine", "--ignore-sample").code == 1


def about_to_fail(project: Project) -> None:
    old_records(project)
    with plain(project) as client:
        client.hset("customer:3", "age", "old")


def verified(project: Project) -> None:
    new_records(project)
    assert project.run("verify").code == 0


def repaired(project: Project) -> None:
    spoilt(project)
    with plain(project) as client:
        client.hset("customer:3", "age", "3")


def worn(project: Project) -> None:
    """Give records of which one cannot be brought up, and code that is two versions further."""
    old_records(project)
    with plain(project) as client:
        client.hset("customer:3", "age", "old")


def indexed(project: Project) -> None:
    """Give a table with indexes of fields, a stale entry in it, and one whose index was emptied."""
    dead_member(project)
    _run_program(project, TICKETS + BUILDS + FILLS)
    with plain(project) as client:
        client.delete("customer:ticket:t8", "customer:damaged:__index:day")


def built(project: Project) -> None:
    """Give two tables without indexes of fields, and a record that another program wrote."""
    new_records(project)
    _run_program(project, TICKETS + FILLS)
    with plain(project) as client:
        client.hset("customer:ticket:raw", mapping={"id": "raw", "number": 77})


def old_indexed_records(project: Project) -> None:
    """Give records of version 1, whose table has indexes that the code does not know."""
    old_records(project)
    _run_program(project, TICKETS + BUILDS_FORMER)


def new_indexed_records(project: Project) -> None:
    old_indexed_records(project)
    assert project.migrate().code == 0


def moved_indexed(project: Project) -> None:
    """Give records that are to have other keys, and indexes to go along."""
    moved(project)
    _run_program(project, TICKETS + BUILDS_FORMER)


def repaired_indexed(project: Project) -> None:
    repaired(project)
    _run_program(project, TICKETS + BUILDS_FORMER)


def old_indexed_table(project: Project) -> None:
    old_table(project)
    _run_program(project, TICKETS + BUILDS_FORMER)


def _run_program(project: Project, text: str) -> None:
    ran = program(text)(project)
    assert ran.code == 0, ran.err


def unclean(project: Project) -> None:
    """Give an index with dead members and one that is not a key of the model, so that it is read by position."""
    dead_member(project)
    with plain(project) as client:
        client.zadd("customer:__index", {"customer": 0, "customs": 0})


def dead_member(project: Project) -> None:
    new_records(project)
    with plain(project) as client:
        old = {"_v": 1, "id": "7", "name": "n7", "legacy_ref": "r", "age": "5", "visits": 0}
        client.delete("customer:7")
        client.hset("customer:7", mapping=old)
        client.zadd("customer:__index", {"customer:0": 0, "customer:00": 0})


def unsettled(project: Project) -> None:
    """Give an index that has to be put right."""
    dead_member(project)
    with plain(project) as client:
        client.zrem("customer:__index", "customer:5")
        client.zadd("customer:__index", {"customer:6": 3})


def old_table(project: Project) -> None:
    """Give what pydantic-aioredis wrote, with an index that is a set and a key that is escaped by now."""
    project.deploy(3)
    with plain(project) as client:
        for id in ("1", "2", "a:b"):
            client.hset(f"customer:{id}", mapping={"id": id, "name": "n", "legacy_ref": "r", "age": "5", "visits": 1})
            client.sadd("customer:__index", f"customer:{id}")
        client.sadd("customer:__index", "customer:gone")


def stamped(project: Project) -> None:
    new_records(project)
    with plain(project) as client:
        client.delete("redis_models:{default}:ledger:shop", "redis_models:{default}:snapshot:shop")


def elsewhere(project: Project) -> None:
    """Give records in another database of the same server, and none in that of the settings."""
    new_records(project)
    ended_fields(project)
    with plain(project) as client:
        client.swapdb(0, 1)


def ended_fields(project: Project) -> None:
    with plain(project) as client:
        if "hpexpire" in client.command():
            client.execute_command("HPEXPIRE", "customer:2", 5_000_000, "FIELDS", 2, "name", "visits")
        client.pexpire("customer:4", 5_000_000)


def relocate(*arguments: str) -> Act:
    def act(project: Project) -> Ran:
        [url] = re.findall(r"REDIS_URL = '(.*)'", (project.root / "shop/settings.py").read_text())
        return project.run("relocate", "--from", f"{url}?db=1", *arguments)

    return act


def run(*arguments: str) -> Act:
    return lambda project: project.run(*arguments)


def migrate(*arguments: str) -> Act:
    return lambda project: project.migrate(*arguments)


def program(text: str) -> Act:
    def act(project: Project) -> Ran:
        project.write("program.py", textwrap.dedent(text))
        return project.run_apart("program.py")

    return act


ACTIONS: Final[dict[str, dict[str, Action]]] = {
    "reading application": {
        "all verbs that read": Action(dead_member, program(READS)),
        "all verbs that read, past foreign members": Action(unclean, program(READS)),
        "queries": Action(indexed, program(TICKETS + FINDS)),
    },
    "who builds indexes": {
        "build_indexes": Action(built, program(TICKETS + BUILDS)),
    },
    "application": {
        "all verbs that read": Action(dead_member, program(READS)),
        "all verbs that read, past foreign members": Action(unclean, program(READS)),
        "all verbs": Action(worn, program(VERBS)),
        "queries and all verbs of a table with indexes": Action(indexed, program(TICKETS + FINDS + CHANGES)),
    },
    "who looks": {
        "showmigrations": Action(old_records, run("showmigrations")),
        "history": Action(new_records, run("history")),
        "diff": Action(new_records, run("diff")),
        "check": Action(new_records, run("check", "--database")),
        "explain": Action(old_records, run("explain", "shop", "2", "--key", "customer:1")),
        "migrate --plan": Action(old_records, run("migrate", "--plan")),
        "migrate --check": Action(old_records, run("migrate", "--check"), 1),
        "migrate --dry-run": Action(old_records, run("migrate", "--dry-run")),
        "migrate --dry-run --sample": Action(old_records, run("migrate", "--dry-run", "--sample", "3")),
        "migrate --plan of a move": Action(moved, run("migrate", "--plan")),
        "migrate --dry-run of a move": Action(moved, run("migrate", "--dry-run")),
        "migrate --status": Action(new_records, run("migrate", "--status")),
        "purge --dry-run": Action(new_records, run("purge", "shop", "--dry-run")),
        "quarantine list": Action(spoilt, run("quarantine", "list")),
        "quarantine show": Action(spoilt, run("quarantine", "show", "customer:3")),
        "inspectdb": Action(new_records, run("inspectdb")),
        "makemigrations --from-redis": Action(new_records, run("makemigrations", "--from-redis", "--dry-run")),
    },
    "who verifies": {
        "verify": Action(new_records, run("verify")),
        "migrate --check --verified": Action(verified, run("migrate", "--check", "--verified")),
        "verify --repair-index": Action(unsettled, run("verify", "--repair-index"), 1),
    },
    "who migrates": {
        "migrate": Action(old_records, migrate()),
        "migrate, with its probe": Action(old_records, run("migrate", "--yes", "--allow-destructive")),
        "migrate back": Action(new_records, migrate("shop", "1")),
        "migrate to other keys and an end": Action(moved, migrate()),
        "migrate back from other keys": Action(moved_there, migrate("shop", "3")),
        "migrate --stragglers": Action(new_records, migrate("--stragglers")),
        "migrate --fake": Action(old_records, migrate("--fake")),
        "migrate --on-error quarantine": Action(
            about_to_fail,
            migrate("--on-error", "quarantine", "--ignore-sample"),
            1,
        ),
        "migrate --set": Action(old_records, run("migrate", "--set", "batch=7"), 1),
        "migrate with indexes": Action(old_indexed_records, migrate()),
        "migrate back with indexes": Action(new_indexed_records, migrate("shop", "1")),
        "migrate to other keys, with indexes": Action(moved_indexed, migrate()),
        "quarantine set, with indexes": Action(repaired_indexed, run("quarantine", "set", "customer:3", "age=7")),
        "quarantine retry, with indexes": Action(repaired_indexed, run("quarantine", "retry", "customer:3")),
        "stamp": Action(stamped, run("stamp", "shop", "3")),
        "purge, verified": Action(verified, run("purge", "shop", "--yes")),
        "purge": Action(new_records, run("purge", "shop", "--yes", "--unverified")),
        "quarantine retry": Action(repaired, run("quarantine", "retry", "customer:3")),
        "quarantine set": Action(spoilt, run("quarantine", "set", "customer:3", "age=7")),
        "quarantine drop": Action(spoilt, run("quarantine", "drop", "customer:3", "--yes")),
    },
    "who relocates": {
        "relocate --dry-run": Action(elsewhere, relocate("--dry-run")),
        "relocate": Action(elsewhere, relocate()),
    },
    "who adopts": {
        "adopt --dry-run": Action(old_table, run("adopt", "--dry-run")),
        "adopt": Action(old_table, run("adopt")),
        "adopt beside indexes": Action(old_indexed_table, run("adopt")),
    },
}
