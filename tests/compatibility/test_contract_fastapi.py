"""The contract's section on FastAPI."""

from typing import Any

import pytest

from redis_models import AutoModel, Field, Model, Store

fastapi = pytest.importorskip("fastapi")
httpx = pytest.importorskip("httpx")

from redis_models.ext.FastAPI import CRUDRouter, FastAPIModel, PydanticAioredisCRUDRouter  # noqa: E402


class Item(FastAPIModel):
    _primary_key_field = "name"
    name: str
    value: int
    tags: list[int] = Field(default_factory=list[int])


class Numbered(Model):
    _primary_key_field = "id"
    id: int
    note: str | None = None
    tags: list[int] = Field(default_factory=list[int])


class Auto(AutoModel):
    _primary_key_field = "name"
    name: str
    value: int = 0


def browser(*routers: Any, app: Any = None) -> Any:
    app = app or fastapi.FastAPI()
    for router in routers:
        app.include_router(router)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test")


@pytest.fixture
async def items(store: Store) -> Any:
    """A browser of the routes of Item, with three records."""
    async with browser(PydanticAioredisCRUDRouter(schema=Item, store=store)) as http:
        await Item.insert([Item(name=name, value=number) for number, name in enumerate("abc")])
        yield http


async def test_select_or_404_gives_what_select_gives(store: Store) -> None:
    store.register_model(Item)
    await Item.insert(Item(name="a", value=1))

    assert await Item.select_or_404() == await Item.select_or_404(None, ["a"]) == [Item(name="a", value=1)]
    assert await Item.select_or_404(columns=["name"]) == [{"name": "a"}]


async def test_select_or_404_raises_where_there_is_nothing(store: Store) -> None:
    store.register_model(Item)

    wrong: list[dict[str, Any]] = [{}, {"ids": ["a"]}, {"columns": ["name"], "ids": ["a"]}]
    for arguments in wrong:  # the last gave [{'name': None}]
        with pytest.raises(fastapi.HTTPException) as caught:
            await Item.select_or_404(**arguments)
        assert (caught.value.status_code, caught.value.detail) == (404, "Item not found")
    with pytest.raises(ZeroDivisionError):
        await Item.select_or_404(custom_exception=ZeroDivisionError())


def test_a_router_registers_its_model_and_takes_the_name_of_the_class(store: Store) -> None:
    router = PydanticAioredisCRUDRouter(schema=Numbered, store=store)

    assert issubclass(PydanticAioredisCRUDRouter, CRUDRouter)
    assert isinstance(router, fastapi.APIRouter)
    assert store.model("numbered") is Numbered
    assert (router.prefix, router.tags) == ("/numbered", ["Numbered"])
    assert CRUDRouter(Numbered, store, prefix="/n", tags=["x"]).prefix == "/n"


async def test_get_gives_a_list_or_a_page(items: Any) -> None:
    assert [item["name"] for item in (await items.get("/item")).json()] == ["a", "b", "c"]
    assert [item["name"] for item in (await items.get("/item?skip=1&limit=1")).json()] == ["b"]
    await Item.delete_all()
    empty = await items.get("/item")
    assert (empty.status_code, empty.json()) == (200, [])


async def test_a_wrong_page_is_answered_in_the_words_of_pydantic_aioredis(items: Any) -> None:
    answer = await items.get("/item?skip=-1")

    wanted = {
        "loc": ["query", "skip"],
        "msg": "skip query parameter must be greater or equal to zero",
        "type": "type_error.integer",
    }
    assert (answer.status_code, answer.json()) == (422, {"detail": {"detail": [wanted]}})
    assert (await items.get("/item?limit=0")).status_code == 422


async def test_a_page_is_at_most_as_long_as_the_router_says(store: Store) -> None:
    async with browser(CRUDRouter(Item, store, paginate=2)) as http:
        await Item.insert([Item(name=name, value=0) for name in "abc"])

        assert (await http.get("/item?limit=3")).status_code == 422
        assert len((await http.get("/item?limit=2")).json()) == 2


async def test_get_of_one_gives_it_or_404(items: Any) -> None:
    found, missing = await items.get("/item/a"), await items.get("/item/z")

    assert (found.status_code, found.json()) == (200, {"name": "a", "value": 0, "tags": []})
    assert (missing.status_code, missing.json()) == (404, {"detail": "Item not found"})


async def test_post_makes_a_record_or_writes_over_one(items: Any) -> None:
    for value in (8, 9):
        made = await items.post("/item", json={"name": "new", "value": value})
        assert (made.status_code, made.json()["value"]) == (200, value)

    assert (await items.post("/item", json={"other": 1})).status_code == 422
    assert await Item.select(ids=["new"]) == [Item(name="new", value=9)]


async def test_put_replaces_a_record_and_makes_none(items: Any) -> None:
    done = await items.put("/item/a", json={"name": "a", "value": 100})

    assert (done.status_code, done.json()["value"]) == (200, 100)
    assert (await items.put("/item/z", json={"name": "z", "value": 1})).status_code == 404
    assert (await items.put("/item/a", json={"name": "a"})).status_code == 422


async def test_put_with_another_primary_key_makes_no_second_record(items: Any) -> None:
    # pydantic-aioredis made one, and left the old.
    assert (await items.put("/item/a", json={"name": "other", "value": 1})).status_code == 422

    assert await Item.select(columns=["name"]) == [{"name": name} for name in "abc"]


async def test_delete_gives_what_it_deleted_or_404(items: Any) -> None:
    done = await items.delete("/item/a")

    assert (done.status_code, done.json()["name"]) == (200, "a")
    assert (await items.delete("/item/a")).status_code == 404


async def test_delete_of_all_empties_the_table(items: Any) -> None:
    done = await items.delete("/item")

    assert (done.status_code, done.json()) == (200, [])
    assert await Item.select() is None


@pytest.mark.parametrize(
    ("route", "method", "path"),
    [
        ("get_all_route", "GET", "/item"),
        ("get_one_route", "GET", "/item/a"),
        ("create_route", "POST", "/item"),
        ("update_route", "PUT", "/item/a"),
        ("delete_one_route", "DELETE", "/item/a"),
        ("delete_all_route", "DELETE", "/item"),
    ],
)
async def test_each_route_can_be_left_out_or_depend_on_something(
    store: Store, route: str, method: str, path: str
) -> None:
    def forbid() -> None:
        raise fastapi.HTTPException(403)

    off: dict[str, Any] = {route: False}
    guarded: dict[str, Any] = {route: [fastapi.Depends(forbid)]}
    body = {"name": "a", "value": 1}
    async with browser(PydanticAioredisCRUDRouter(Item, store, **off)) as http:
        assert (await http.request(method, path, json=body)).status_code in (404, 405)
    async with browser(CRUDRouter(Item, store, **guarded)) as http:
        assert (await http.request(method, path, json=body)).status_code == 403


async def test_bodies_keep_a_field_called_id_and_lists_optionals_and_defaults(store: Store) -> None:
    # The generated bodies of pydantic-aioredis dropped the first, and spoiled the others.
    async with browser(CRUDRouter(Numbered, store)) as http:
        made = await http.post("/numbered", json={"id": 1, "tags": [1, 2]})
        wrong = await http.post("/numbered", json={"id": 2, "tags": 1})

        assert (made.status_code, made.json()) == (200, {"id": 1, "note": None, "tags": [1, 2]})
        assert wrong.status_code == 422
        assert (await http.get("/numbered/1")).json()["tags"] == [1, 2]


async def test_an_auto_model_as_a_body_or_an_answer_writes_nothing(store: Store, client: Any) -> None:
    # pydantic-aioredis saved it when the body was parsed, and once more for the answer.
    store.register_model(Auto)
    app = fastapi.FastAPI()

    async def reject(body: Auto) -> None:
        raise fastapi.HTTPException(400, body.name)

    async def show() -> Any:
        return [*(await Auto.select() or []), None][0]

    app.post("/auto")(reject)
    app.get("/auto", response_model=Auto)(show)
    async with browser(app=app) as http:
        assert (await http.post("/auto", json={"name": "a"})).status_code == 400
        assert client.keys("*") == []
        Auto(name="b", value=1)
        before = client.info("commandstats")["cmdstat_hset"]["calls"]
        assert (await http.get("/auto")).json() == {"name": "b", "value": 1}
        assert client.info("commandstats")["cmdstat_hset"]["calls"] == before
