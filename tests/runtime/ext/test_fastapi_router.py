"""How a router is made and where it stands: which routes it has, below what, and with whose bodies."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import httpx
from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel
from pydantic import Field as PydanticField

from redis_models import Store
from redis_models.ext.FastAPI import CRUDRouter

from .items import WHOLE, Address, Item, Numbered

Serve = Callable[..., Awaitable[httpx.AsyncClient]]


async def test_routes_can_be_left_out(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Item, store, delete_all_route=False, update_route=False, get_one_route=False))
    await http.post("/item", json=WHOLE)

    assert (await http.delete("/item")).status_code == 405
    assert (await http.put("/item/a", json=WHOLE)).status_code == 405
    assert (await http.get("/item/a")).status_code == 405
    assert await Item.count() == 1


async def test_routes_can_depend_on_something(store: Store, serve: Serve) -> None:
    def locked() -> None:
        raise HTTPException(401)

    http = await serve(CRUDRouter(Item, store, delete_all_route=[Depends(locked)], create_route=[Depends(locked)]))

    assert (await http.delete("/item")).status_code == 401
    assert (await http.post("/item", json=WHOLE)).status_code == 401
    assert (await http.get("/item")).status_code == 200


async def test_prefix_tags_and_options_of_the_router_are_those_given(store: Store, serve: Serve) -> None:
    app = FastAPI()
    http = await serve(CRUDRouter(Item, store, prefix="shop/items/", tags=["Shop"], deprecated=True), app=app)

    assert (await http.get("/shop/items")).status_code == 200
    assert app.openapi()["paths"]["/shop/items"]["get"]["tags"] == ["Shop"]
    assert app.openapi()["paths"]["/shop/items"]["get"]["deprecated"] is True


async def test_a_router_may_stand_at_the_root_or_below_another_prefix(store: Store, serve: Serve) -> None:
    app = FastAPI()
    app.include_router(CRUDRouter(Numbered, store), prefix="/v1")
    http = await serve(CRUDRouter(Item, store, prefix="/"), app=app)
    await http.post("/", json=WHOLE)
    await http.post("/v1/numbered", json={"number": 1})

    assert (await http.get("/")).json() == [WHOLE]
    assert (await http.get("/a")).json() == WHOLE
    assert (await http.get("/v1/numbered/1")).status_code == 200


async def test_a_router_may_lie_in_a_mounted_application(store: Store, serve: Serve) -> None:
    inner, outer = FastAPI(), FastAPI()
    inner.include_router(CRUDRouter(Item, store))
    outer.mount("/api", inner)
    http = await serve(app=outer)
    await Item.insert(Item(id="a/b", price=1))

    assert (await http.get("/api/item/a%2Fb")).json()["id"] == "a/b"


async def test_a_route_of_the_application_takes_the_place_of_a_generated_one(store: Store, serve: Serve) -> None:
    router = CRUDRouter(Item, store)

    @router.get("/{name}")
    async def mine(name: str) -> str:
        return name

    @router.get("/{item_id}/tags")
    async def tags(item_id: str) -> list[int]:
        return (await Item.get(item_id)).tags

    app = FastAPI()
    http = await serve(router, app=app)
    await http.post("/item", json=WHOLE)

    assert (await http.get("/item/a")).json() == "a"
    assert (await http.get("/item/a/tags")).json() == [1, 2]
    assert (await http.put("/item/a", json={"price": 1})).status_code == 200
    assert set(app.openapi()["paths"]) == {"/item", "/item/{name}", "/item/{item_id}", "/item/{item_id}/tags"}


async def test_a_model_that_is_bound_already_needs_no_store(store: Store, serve: Serve) -> None:
    store.register_model(Item)

    http = await serve(CRUDRouter(Item))

    assert (await http.get("/item")).json() == []


class NewItem(BaseModel):
    price: float
    id: Annotated[str, PydanticField(default_factory=lambda: "made")]
    amount: int = 42
    address: Address | None = None
    stranger: str = "is not a field"


class Changes(BaseModel):
    price: float | None = None
    note: str | None = None


async def test_bodies_may_be_classes_of_ones_own(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Item, store, NewItem, Changes))

    posted = await http.post("/item", json={"price": 1, "address": {"street": "s"}})
    changed = await http.put("/item/made", json={"note": "new"})

    wanted: dict[str, object] = {"id": "made", "price": 1.0, "tags": [], "note": None, "amount": 42}
    assert posted.json() == {**wanted, "address": {"street": "s", "zip_code": None}}
    assert changed.json() == {**posted.json(), "note": "new"}
    assert (await http.put("/item/made", json={"price": None})).status_code == 422
