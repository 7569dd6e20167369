"""A migration that maps an enum and changes TTLs runs in the server, announces it, and goes back."""

from typing import Any

_MODEL = """
    from enum import Enum

    from redis_models import Field, Model

    class Status(Enum):
        NEW = "new"
        DONE = "done"

    class Order(Model):
        id: str = Field(primary_key=True)
        status: Status

        class Meta:
            version = 2
            ttl = 3600
"""
_CREATE = """
    class Migration(migrations.Migration):
        id = "o1"
        versions = {"Order": 1}
        operations = [
            migrations.CreateModel(
                "Order",
                fields={"id": "str", "status": "Enum(NEW='new', OLD='old')"},
                primary_key="id",
                table="order",
            ),
        ]
"""
_MAP = """
    class Migration(migrations.Migration):
        id = "o2"
        previous = "o1"
        versions = {"Order": 2}
        operations = [
            migrations.AlterField(
                "Order",
                "status",
                "Enum(NEW='new', OLD='old')",
                "Enum(NEW='new', DONE='done')",
                convert=migrations.MapValues({"old": "done"}),
            ),
            migrations.AlterTTL("Order", old=None, new=3600, policy="all"),
        ]
"""


def test_an_enum_is_mapped_and_records_get_an_end_and_all_of_it_goes_back(project: Any) -> None:
    project.write("shop/models.py", _MODEL)
    project.migration("0001_initial", _CREATE)
    project.migration("0002_map", _MAP)
    with project.server.client() as client:
        for number, status in enumerate(('"new"', '"old"', '"\\u006fld"')):
            client.hset(f"order:{number}", mapping={"id": number, "status": status, "_v": "1"})
    before = project.records()

    plan = project.run("migrate", "--plan")
    there = project.migrate("--allow-destructive")

    assert "in the server" in plan.out and "3600 s (all records, from now)" in plan.out
    assert there.code == 0
    found = project.records()
    assert [record["status"] for record in found.values()] == [b'"new"', b'"done"', b'"done"']
    # The last one was spelled as the library never does: Python brought it up.
    assert [record.get("_b2.0.status") for record in found.values()] == [None, None, b'"\\u006fld"']
    with project.server.client() as client:
        assert all(3500 < client.ttl(key) <= 3600 for key in found)
        back = project.migrate("1")
        assert (back.code, project.records()) == (0, before)
        assert {client.ttl(key) for key in found} == {-1}
