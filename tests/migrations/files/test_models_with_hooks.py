"""Migrations of models whose own methods make what is stored: what looks into values is refused by name."""

import json
from typing import Any

import pytest

_HOOKS = """

    @classmethod
    def serialize_partially(cls, data):
        return super().serialize_partially({name: one[::-1] if name == "name" else one for name, one in data.items()})

    @classmethod
    def deserialize_partially(cls, data):
        return super().deserialize_partially({name: one[::-1] if name == "name" else one for name, one in data.items()})
"""
_MODELS = """


class Customer(Model):
    id: str = Field(primary_key=True)
    name: {type} = {default}
    {extra}

    class Meta:
        version = {version}
"""


def models(
    version: int = 1, kind: str = "str", default: str = '""', extra: str = "note: str = ''", hooks: bool = True
) -> str:
    text = _MODELS.format(type=kind, default=default, extra=extra, version=version)
    return text + (_HOOKS if hooks else "")


@pytest.fixture
def shop(shop_project: Any, server: Any) -> Any:
    """A project with a record that went through the hooks."""
    folder = shop_project.root / "shop" / "redis_migrations"
    for path in folder.glob("*"):
        if path.is_file():
            path.unlink()
    shop_project.models(models())
    shop_project.settings("shop", url=server.url)
    assert shop_project.command("makemigrations") == 0, shop_project.err
    assert shop_project.command("migrate") == 0, shop_project.err
    with server.client() as client:
        client.hset("customer:c1", mapping={"_v": "1", "id": "c1", "name": "321", "note": "n"})
        client.zadd("customer:__index", {"customer:c1": 0})
    return shop_project


def test_a_conversion_is_refused_by_name_with_what_to_use_instead(shop: Any, client: Any) -> None:
    shop.models(models(2, "int", "0"))

    shop.command("makemigrations")
    output = shop.out + shop.err
    assert shop.command("check") in (0, 1)
    checked = shop.out + shop.err
    code = shop.command("migrate")

    assert "RM118" in output
    assert "RM118" in checked
    assert code == 5
    assert "RM118" in shop.err
    assert "its values go through Customer.serialize_partially" in shop.err
    assert "fill it through the model" in shop.err
    assert client.hgetall("customer:c1") == {b"_v": b"1", b"id": b"c1", b"name": b"321", b"note": b"n"}


@pytest.mark.parametrize(
    "extra", ["remark: str = Field(default='', renamed_from='note')", "note: str = ''\n    size: int = 3"]
)
def test_what_leaves_values_as_they_are_is_not(extra: str, shop: Any, client: Any) -> None:
    shop.models(models(2, extra=extra))

    assert shop.command("makemigrations") == 0, shop.err
    assert shop.command("migrate") == 0, shop.err
    assert client.hmget("customer:c1", "_v", "name") == [b"2", b"321"]


def test_a_model_without_hooks_is_not_refused(shop: Any) -> None:
    shop.models(models(2, "int", "0", hooks=False))

    shop.command("makemigrations")
    shop.command("check", options=("--json",))

    assert "RM118" not in {finding["rule"] for finding in json.loads(shop.out)["findings"]}


def test_verify_reads_through_the_hooks(shop: Any, client: Any) -> None:
    assert shop.command("verify") == 0, shop.out + shop.err
