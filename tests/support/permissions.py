"""What each kind of user does: every command and every verb, on databases that are ready for it."""

import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

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
_VERBS = """
import asyncio

import redis_models

redis_models.setup()
from redis_models import FOREVER, Field, Model
from shop.models import Customer


class Loose(Model):
    model_config = {"extra": "allow"}
    _redis_prefix = "customer"
    id: str = Field(primary_key=True)


Customer._store.register_model(Loose)


def one(id, **changes):
    values = {"full_name": "Ann", "age": None, "initial": "A"} | changes
    return Customer(id=id, **values)


def blocking():
    table = Customer.sync
    table.insert(one("3"))  # in the place of one that no migration can bring up
    table.insert(one("s1"))
    table.insert([one("s2"), one("s3")], life_span_seconds=3600)
    table.insert(one("s1"), life_span_seconds=FOREVER)
    table.insert(one("s4"), only="new")
    held = table.get("s1")
    held.full_name = "Bo"
    held.sync.save(if_unchanged=True)
    held.visits = 3
    held.sync.save(life_span_seconds=60)
    table.patch("s2", visits=2)
    assert table.increment("s2", "visits", 2) == 4
    table.expire("s2", 60), table.persist("s2")
    assert table.ttl("s2") is None
    assert len(table.get_many(["s1", "s2", "none"])) == 3
    assert table.exists("s3") and table.count() > 3
    assert len(table.select(limit=3)) == 3 and len(table.select(skip=1, limit=2)) == 2
    assert table.select(columns=["full_name"], ids=["s1"]) == [{"full_name": "Bo"}]
    assert len(list(table.iterate(2))) == len(table.page(1000))
    assert table.get("1").full_name == "n1"  # of an older version
    table.patch("1", visits=9)
    sparse = table.get("5")  # without a field that has a default
    sparse.full_name = "Cy"
    sparse.sync.save()
    loose = Loose(id="l", colour="red")
    loose.sync.save()
    loose.colour = "blue"
    loose.sync.save(if_unchanged=True)
    loose.sync.delete()
    held.sync.delete()
    table.delete(["s2", "s3"])


async def looped():
    await Customer.insert(one("a1"))
    await Customer.insert([one("a2"), one("a3")], life_span_seconds=3600)
    held = await Customer.get("a1")
    held.full_name = "Bo"
    await held.save(if_unchanged=True)
    async with held.update() as held:
        held.visits = 3
    await Customer.patch("a2", visits=2)
    assert await Customer.increment("a2", "visits", 2) == 4
    await Customer.expire("a2", 60)
    await Customer.persist("a2")
    assert await Customer.ttl("a2") is None
    assert len(await Customer.get_many(["a1", "a2", "none"])) == 3
    assert await Customer.exists("a3") and await Customer.count() > 3
    assert len(await Customer.select(limit=3)) == 3 and len(await Customer.select(skip=1, limit=2)) == 2
    assert len([record async for record in Customer.iterate(2)]) == len(await Customer.page(1000))
    await Customer.patch("2", visits=9)  # of an older version
    await held.delete()
    await Customer.delete_all()


blocking()
asyncio.run(looped())
"""
_READS = """
import asyncio

import redis_models

redis_models.setup()
from shop.models import Customer

assert Customer.sync.count() == 12  # the index has one more, whose record is gone
assert Customer.sync.get("1").full_name == "n1" and Customer.sync.exists("2")
assert len(Customer.sync.select()) == len(Customer.sync.page(100)) == len(list(Customer.sync.iterate(5))) == 12
assert Customer.sync.get("7").full_name == "n7"  # of an older version
assert len(Customer.sync.select(skip=2, limit=3)) == len(Customer.sync.select(ids=["1", "2", "3", "9"], skip=1)) == 3
assert Customer.sync.ttl("1") is None and len(Customer.sync.get_many(["1", "2"])) == 2


async def looped():
    assert await Customer.count() == 12
    assert len(await Customer.select(limit=5)) == 5 and len([one async for one in Customer.iterate(5)]) == 12


asyncio.run(looped())
"""

_TICKETS = """
import asyncio
import sys

import redis_models

redis_models.setup()
from redis_models import Field, Model, Store, asc, desc, on
from redis_models.errors import IndexDamagedError, UniqueError
from shop.models import Customer
from shop.settings import REDIS_URL


class Ticket(Model):
    id: str = Field(primary_key=True)
    number: int = Field(unique=True)
    day: int | None = Field(default=None, index=True)
    price: float = Field(default=0.5, index=True)
    note: str = Field(default="", index=True)

    class Meta:
        prefix = "customer"


class Damaged(Ticket):
    class Meta:
        prefix = "customer"


class FormerCustomer(Model):  # as the code of version 1 might have declared it
    id: str = Field(primary_key=True)
    name: str = Field(index=True)
    age: str = Field(index=True)

    class Meta:
        table = "customer"


for table in (Ticket, Damaged):
    Customer._store.register_model(table)
"""
_BUILDS = """
assert Ticket.sync.build_indexes() == ["day", "note", "number", "price"]
assert Ticket.sync.build_indexes(rebuild=["number"]) == ["number"]
Damaged.sync.build_indexes()
"""
_FILLS = """
Ticket.sync.insert([Ticket(id=f"t{number}", number=number, day=number % 3) for number in range(9)])
Damaged.sync.insert(Damaged(id="d", number=1))
"""
_BUILDS_FORMER = """
Store.from_url(REDIS_URL).register_model(FormerCustomer)
assert FormerCustomer.sync.build_indexes() == ["age", "name"]
"""
_FINDS = """
tickets = Ticket.sync
for _ in range(2):  # the second time by what the first one learned
    assert tickets.where(Ticket.number == 4).one().id == "t4"
    assert tickets.where(Ticket.number == 8).all() == []  # its record is gone
assert tickets.where(Ticket.day == 1, Ticket.price < 1).order_by(desc(Ticket.number)).ids() == ["t7", "t4", "t1"]
assert tickets.where(on(Ticket.day) >= 1, Ticket.note == "").count() == 5
assert tickets.where(Ticket.day == 1).estimate() == 3 and tickets.where(Ticket.day == 1).exists()
assert len(tickets.where(on(Ticket.day) >= 0).page(2).records) == 2
assert tickets.where().order_by(desc(Ticket.number)).limit(2).ids() == ["t7", "t6"]
assert "reads index day" in str(tickets.where(Ticket.day == 2).explain())
assert tickets.where(Ticket.note == "", on(Ticket.id).startswith("t0")).ids() == ["t0"]
assert len(list(tickets.where(allow_scan=True))) == 8
try:
    Damaged.sync.where(Damaged.day == 1).all()
except IndexDamagedError:
    pass
else:
    raise AssertionError("the index is empty")


async def looped():
    found = Ticket.where(Ticket.day == 0).order_by(asc(Ticket.number))
    assert [ticket.id async for ticket in found] == ["t0", "t3", "t6"]


asyncio.run(looped())
"""
_CHANGES = """
tickets.insert(Ticket(id="x", number=100))
tickets.insert([Ticket(id="y", number=101, day=1), Ticket(id="z", number=102)])
try:
    tickets.insert(Ticket(id="w", number=101))
except UniqueError as exc:
    assert exc.holder == "customer:ticket:y"
ticket = tickets.get("x")
ticket.day = 7
ticket.sync.save()
tickets.patch("y", price=1.5)
tickets.increment("z", "price", 1.25)
tickets.increment("z", "number")
assert tickets.where(Ticket.day == 7).update(note="late") == 1
assert tickets.where(Ticket.note == "late").delete() == 1
tickets.delete(["y"])
assert tickets.delete_all() == 9
"""


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
    _run_program(project, _TICKETS + _BUILDS + _FILLS)
    with plain(project) as client:
        client.delete("customer:ticket:t8", "customer:damaged:__index:day")


def built(project: Project) -> None:
    """Give two tables without indexes of fields, and a record that another program wrote."""
    new_records(project)
    _run_program(project, _TICKETS + _FILLS)
    with plain(project) as client:
        client.hset("customer:ticket:raw", mapping={"id": "raw", "number": 77})


def old_indexed_records(project: Project) -> None:
    """Give records of version 1, whose table has indexes that the code does not know."""
    old_records(project)
    _run_program(project, _TICKETS + _BUILDS_FORMER)


def new_indexed_records(project: Project) -> None:
    old_indexed_records(project)
    assert project.migrate().code == 0


def moved_indexed(project: Project) -> None:
    """Give records that are to have other keys, and indexes to go along."""
    moved(project)
    _run_program(project, _TICKETS + _BUILDS_FORMER)


def repaired_indexed(project: Project) -> None:
    repaired(project)
    _run_program(project, _TICKETS + _BUILDS_FORMER)


def old_indexed_table(project: Project) -> None:
    old_table(project)
    _run_program(project, _TICKETS + _BUILDS_FORMER)


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
        "all verbs that read": Action(dead_member, program(_READS)),
        "all verbs that read, past foreign members": Action(unclean, program(_READS)),
        "queries": Action(indexed, program(_TICKETS + _FINDS)),
    },
    "who builds indexes": {
        "build_indexes": Action(built, program(_TICKETS + _BUILDS)),
    },
    "application": {
        "all verbs that read": Action(dead_member, program(_READS)),
        "all verbs that read, past foreign members": Action(unclean, program(_READS)),
        "all verbs": Action(worn, program(_VERBS)),
        "queries and all verbs of a table with indexes": Action(indexed, program(_TICKETS + _FINDS + _CHANGES)),
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
