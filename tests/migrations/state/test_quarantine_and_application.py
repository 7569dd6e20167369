"""What an application can do while records are in quarantine: read past them, and put whole records in their place."""

from typing import Any

_CODE = """
import redis_models

redis_models.setup()
from shop.models import Customer

bad = []
good = [one.id for one in Customer.sync.iterate(7, bad_records=bad)]
paged, last = [], None
while page := Customer.sync.page(7, after=last, bad_records=[]):
    paged += [one.id for one in page]
    last = page[-1].id
many = Customer.sync.get_many(["7", good[0]], bad_records=bad)
print(len(good), paged == good, [one and one.id for one in many] == [None, good[0]], sorted({one.key for one in bad}))
whole = Customer.sync.get(good[0]).model_copy(update={"id": "7"})
print(Customer.sync.insert(whole))
print(Customer.sync.get("7") == whole)
"""


def test_readers_go_on_and_a_whole_record_ends_its_quarantine(project: Any) -> None:
    project.fill(30)
    project.deploy(3)
    with project.server.client() as client:
        client.hset("customer:7", mapping={"age": "old"})
        client.zadd("customer:__index", {"customer:7": 0})
    project.run("migrate", "--on-error", "quarantine", "--yes", "--allow-destructive")
    project.write("use.py", _CODE)

    done = project.end(project.start("use.py"))

    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == ["29 True True ['customer:7']", "[3, 0]", "True"]
    with project.server.client() as client:
        assert client.hget("customer:7", "_v") == b"3"
    for gate in (["migrate", "--check"], ["check", "--database"], ["verify"], ["migrate", "--check", "--verified"]):
        assert (project.run(*gate).code, gate) == (0, gate)
    assert "in quarantine" not in project.run("showmigrations").out
    retried = project.run("quarantine", "retry")
    assert retried.code == 0, retried.err
    assert "customer:7" not in project.run("quarantine", "list").out
    assert project.run("verify").code == 0


def test_a_record_that_was_deleted_meanwhile_keeps_no_gate_red(project: Any) -> None:
    project.fill(5)
    project.deploy(3)
    with project.server.client() as client:
        for key in ("customer:x", "customer:y"):
            client.hset(key, mapping={**client.hgetall("customer:1"), b"id": key[9:], b"age": b"old"})
            client.zadd("customer:__index", {key: 0})
    project.run("migrate", "--on-error", "quarantine", "--yes", "--allow-destructive")
    project.write(
        "delete.py",
        "import redis_models; redis_models.setup()\nfrom shop.models import Customer\n"
        "print(Customer.sync.delete(['x']))",
    )

    assert project.end(project.start("delete.py")).out == "[1, 1]\n"

    checked = project.run("migrate", "--check")
    assert checked.code == 1
    assert "1 record is in quarantine" in checked.out
