"""Programs that call every verb, each for a kind of user: what permissions.py has them do."""

VERBS = """
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
READS = """
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

TICKETS = """
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
BUILDS = """
assert Ticket.sync.build_indexes() == ["day", "note", "number", "price"]
assert Ticket.sync.build_indexes(rebuild=["number"]) == ["number"]
Damaged.sync.build_indexes()
"""
FILLS = """
Ticket.sync.insert([Ticket(id=f"t{number}", number=number, day=number % 3) for number in range(9)])
Damaged.sync.insert(Damaged(id="d", number=1))
"""
BUILDS_FORMER = """
Store.from_url(REDIS_URL).register_model(FormerCustomer)
assert FormerCustomer.sync.build_indexes() == ["age", "name"]
"""
FINDS = """
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
CHANGES = """
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
