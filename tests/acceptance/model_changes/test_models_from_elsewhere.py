"""Models that a models module imports: from a sibling they are the app's, of others it is said what to do."""

from typing import Any

_ITEM = """
from redis_models import Field, Model

class Item(Model):
    id: str = Field(primary_key=True)
"""


def test_a_model_of_a_sibling_module_is_migrated_and_bound(shop: Any) -> None:
    (shop.root / "shop/items.py").write_text(_ITEM)
    (shop.root / "shop/models.py").write_text("from shop.items import Item\n")

    assert shop.run("makemigrations") == 0, shop.err
    assert "create model  Item" in shop.out
    assert shop.migrate() == 0, shop.err
    item = shop.code().Item
    item.sync.insert(item(id="a"))

    assert shop.records()["a"]["id"] == b"a"
    assert shop.run("check") == 0, shop.out


def test_of_a_model_from_outside_of_every_app_it_is_said_what_to_do(shop: Any) -> None:
    (shop.root / "lib_of_items.py").write_text(_ITEM)
    models = "from lib_of_items import Item\nfrom redis_models import Field, Model\n"
    other = "class Other(Model):\n    id: str = Field(primary_key=True)\n"
    (shop.root / "shop/models.py").write_text(models + other)

    assert shop.run("makemigrations") == 0, shop.err
    said = shop.err
    assert "create model  Item" not in shop.out
    assert shop.run("check") == 0, shop.out
    checked = shop.err
    (shop.root / "shop/models.py").write_text(models + other + "__all__ = ['Item', 'Other']\n")
    assert shop.run("makemigrations") == 0, shop.err

    for text in (said, checked):
        assert "shop: shop.models imports Item from lib_of_items, which is not in APPS" in text
        assert "add 'Item' to __all__ of shop.models, or 'lib_of_items' to APPS" in text
    assert "create model  Item" in shop.out
