"""The generated routes, each as the contract of pydantic-aioredis has it, on a real server."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import redis
from fastapi import FastAPI, HTTPException

from redis_models import Store
from redis_models.ext.FastAPI import CRUDRouter

from .items import WHOLE, Auto, Item, Numbered, Span

Serve = Callable[..., Awaitable[httpx.AsyncClient]]


def _is_empty(client: Any) -> bool:
    return bool(client.dbsize() == 0)


def _writes(client: Any) -> int:
    """How many commands the server executed that write a hash or the index."""
    stats = client.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("hset", "hdel", "zadd"))


async def test_a_list_of_nothing_is_empty(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Item, store))

    answer = await http.get("/item")

    assert (answer.status_code, answer.json()) == (200, [])


async def test_what_is_posted_is_listed_and_read(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Item, store))

    posted = await http.post("/item", json=WHOLE)

    assert (posted.status_code, posted.json()) == (200, WHOLE)
    assert (await http.get("/item")).json() == [WHOLE]
    assert (await http.get("/item/a")).json() == WHOLE
    assert (await Item.get("a")).model_dump() == WHOLE


async def test_fields_with_defaults_may_be_left_out_of_a_post(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Item, store))

    posted = await http.post("/item", json={"id": "a", "price": 1})

    assert posted.json() == {"id": "a", "price": 1.0, "tags": [], "note": None, "amount": 1, "address": None}


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"price": 1}, "id"),
        ({"id": "a"}, "price"),
        ({"id": "a", "price": 1, "tags": 1}, "tags"),
        ({"id": "a", "price": 1, "amount": -1}, "amount"),
        ({"id": "a", "price": 1, "address": {}}, "address"),
    ],
)
async def test_a_wrong_body_is_answered_422_and_writes_nothing(
    store: Store, client: redis.Redis, serve: Serve, wrong: dict[str, object], place: str
) -> None:
    http = await serve(CRUDRouter(Item, store))

    answer = await http.post("/item", json=wrong)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][:2] == ["body", place]
    assert _is_empty(client)


async def test_an_empty_primary_key_is_answered_422(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Item, store))

    answer = await http.post("/item", json={"id": "", "price": 1})

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "id"]


async def test_a_post_overwrites_by_default(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Item, store))
    await http.post("/item", json=WHOLE)

    again = await http.post("/item", json={"id": "a", "price": 9})

    assert again.status_code == 200
    assert (await Item.get("a")).price == 9


async def test_without_overwrite_a_post_of_an_existing_primary_key_conflicts(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Item, store, overwrite=False))
    first = await http.post("/item", json=WHOLE)

    again = await http.post("/item", json={"id": "a", "price": 9})

    assert (first.status_code, again.status_code) == (200, 409)
    assert again.json() == {"detail": "Item exists already; replace it with PUT"}
    assert (await Item.get("a")).price == 2.5


async def test_a_put_replaces_the_whole_record(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Item, store))
    await http.post("/item", json=WHOLE)

    answer = await http.put("/item/a", json={"price": 7, "tags": [5]})

    wanted: dict[str, object] = {"id": "a", "price": 7.0, "tags": [5], "note": None, "amount": 1, "address": None}
    assert (answer.status_code, answer.json()) == (200, wanted)
    assert (await Item.get("a")).model_dump() == wanted


async def test_a_put_may_repeat_the_primary_key_but_not_change_it(
    store: Store, client: redis.Redis, serve: Serve
) -> None:
    http = await serve(CRUDRouter(Item, store))
    await http.post("/item", json=WHOLE)

    same = await http.put("/item/a", json={"id": "a", "price": 7})
    other = await http.put("/item/a", json={"id": "b", "price": 8})

    assert (same.status_code, other.status_code) == (200, 422)
    assert other.json()["detail"][0]["loc"] == ["body", "id"]
    assert client.exists("item:b") == 0
    assert (await Item.get("a")).price == 7


async def test_a_wrong_body_of_a_put_leaves_the_record(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Item, store))
    await http.post("/item", json=WHOLE)

    answers = [await http.put("/item/a", json=wrong) for wrong in ({}, {"price": 1, "tags": 1}, [1], "text", None)]

    assert [answer.status_code for answer in answers] == [422] * 5
    assert answers[0].json()["detail"][0]["loc"] == ["body", "price"]
    assert (await Item.get("a")).model_dump() == WHOLE


async def test_a_put_of_a_missing_record_is_refused(store: Store, client: redis.Redis, serve: Serve) -> None:
    http = await serve(CRUDRouter(Item, store))

    answer = await http.put("/item/a", json={"price": 1})

    assert (answer.status_code, answer.json()) == (404, {"detail": "Item not found"})
    assert _is_empty(client)


async def test_a_put_keeps_the_ttl(store: Store, client: redis.Redis, serve: Serve) -> None:
    http = await serve(CRUDRouter(Item, store))
    await Item.insert(Item(id="a", price=1), life_span_seconds=1000)

    await http.put("/item/a", json={"price": 2})

    assert 0 < client.ttl("item:a") <= 1000


async def test_a_body_is_valid_as_a_whole_or_not_at_all(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Span, store))
    await http.post("/span", json={"k": "a", "from": 1, "to": 2})

    moved = await http.put("/span/a", json={"from": 10, "to": 20})
    wrong = await http.put("/span/a", json={"from": 10, "to": 2})

    assert (moved.status_code, moved.json()) == (200, {"k": "a", "from": 10, "to": 20})
    assert wrong.status_code == 422
    assert "from must not be above to" in wrong.json()["detail"][0]["msg"]


async def test_of_two_puts_at_once_one_comes_last(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Span, store))
    await http.post("/span", json={"k": "a", "from": 0, "to": 0})

    answers = await asyncio.gather(*(http.put("/span/a", json={"from": n, "to": n}) for n in range(20)))

    assert {answer.status_code for answer in answers} <= {200, 409}
    found = await Span.get("a")
    assert found.low == found.high


async def test_a_delete_answers_what_was_there(store: Store, client: redis.Redis, serve: Serve) -> None:
    http = await serve(CRUDRouter(Item, store))
    await http.post("/item", json=WHOLE)

    first, second = await http.delete("/item/a"), await http.delete("/item/a")

    assert (first.status_code, first.json()) == (200, WHOLE)
    assert (second.status_code, second.json()) == (404, {"detail": "Item not found"})
    assert _is_empty(client)


async def test_a_delete_of_all_leaves_nothing(store: Store, client: redis.Redis, serve: Serve) -> None:
    http = await serve(CRUDRouter(Item, store, delete_all_route=True))
    await Item.insert([Item(id=str(number), price=1) for number in range(250)])

    answer = await http.delete("/item")

    assert (answer.status_code, answer.json()) == (200, [])
    assert _is_empty(client)


@pytest.mark.parametrize("path", ["/item/", "/item//", "/item///"])
async def test_a_delete_with_an_empty_primary_key_deletes_nothing(store: Store, serve: Serve, path: str) -> None:
    http = await serve(CRUDRouter(Item, store))
    await http.post("/item", json=WHOLE)

    answer = await http.delete(path, follow_redirects=True)

    assert (answer.status_code, await Item.count()) == (404, 1)
    assert (await http.get(path, follow_redirects=True)).json() == [WHOLE]


async def test_pages_are_cut_by_skip_and_limit(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Item, store, paginate=2))
    await Item.insert([Item(id=name, price=1) for name in "abcde"])

    async def page(**query: int) -> list[str]:
        return [item["id"] for item in (await http.get("/item", params=query)).json()]

    assert await page() == ["a", "b"]
    assert await page(skip=3) == ["d", "e"]
    assert await page(skip=1, limit=1) == ["b"]
    assert await page(skip=9) == []


@pytest.mark.parametrize(("name", "value"), [("skip", -1), ("limit", 0), ("limit", -1), ("limit", 3)])
async def test_a_wrong_page_is_answered_as_in_pydantic_aioredis(
    store: Store, serve: Serve, name: str, value: int
) -> None:
    http = await serve(CRUDRouter(Item, store, paginate=2))

    answer = await http.get("/item", params={name: value})

    assert answer.status_code == 422
    [mistake] = answer.json()["detail"]["detail"]
    assert (mistake["loc"], mistake["type"]) == (["query", name], "type_error.integer")
    assert mistake["msg"].startswith(f"{name} query parameter must be ")


async def test_the_answer_to_a_negative_skip_is_that_of_pydantic_aioredis(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Item, store))

    assert (await http.get("/item?skip=-1")).json() == {
        "detail": {
            "detail": [
                {
                    "loc": ["query", "skip"],
                    "msg": "skip query parameter must be greater or equal to zero",
                    "type": "type_error.integer",
                }
            ]
        }
    }


async def test_ids_in_paths_have_the_type_of_the_primary_key(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Numbered, store))
    await http.post("/numbered", json={"number": 7, "name": "seven"})

    assert (await http.get("/numbered/007")).json() == {"number": 7, "name": "seven"}
    assert (await http.get("/numbered/abc")).status_code == 422
    assert (await http.put("/numbered/7", json={"number": "7", "name": "x"})).status_code == 200


@pytest.mark.parametrize(
    "key", ["a/b", "a//b/", "/", "50%", "%2F", "a b", "a?b#c", "é\ue000/", "__index", "a:b", "..."]
)
async def test_any_text_may_be_a_primary_key(store: Store, serve: Serve, key: str) -> None:
    http = await serve(CRUDRouter(Item, store))
    await http.post("/item", json={"id": key, "price": 1})
    path = "/item/" + "".join(f"%{byte:02x}" for byte in key.encode())

    assert (await http.get(path)).json()["id"] == key
    assert (await http.put(path, json={"price": 2})).json()["price"] == 2
    assert (await http.delete(path)).status_code == 200
    assert await Item.count() == 0


async def test_an_automodel_is_written_once_by_a_post_and_never_by_a_get(
    store: Store, client: redis.Redis, serve: Serve
) -> None:
    http = await serve(CRUDRouter(Auto, store))

    before = _writes(client)
    await http.post("/auto", json={"id": "a", "count_of": 1})
    posted = _writes(client) - before
    await http.get("/auto")
    await http.get("/auto/a")
    read = _writes(client) - before - posted
    await http.put("/auto/a", json={"count_of": 2})
    replaced = _writes(client) - before - posted

    assert (posted, read) == (2, 0)  # HSET and ZADD
    assert replaced <= 2
    assert (await Auto.get("a")).count_of == 2


async def test_parsing_a_body_or_answering_with_an_automodel_writes_nothing(
    store: Store, client: redis.Redis, serve: Serve
) -> None:
    store.register_model(Auto)
    app = FastAPI()

    @app.post("/rejected")
    async def rejected(item: Auto) -> Auto:
        raise HTTPException(400, item.id)

    @app.post("/echo", response_model=Auto)
    async def echo(item: Auto) -> Auto:
        return item

    http = await serve(app=app)
    answers = [await http.post(path, json={"id": "a"}) for path in ("/rejected", "/echo")]

    assert [answer.status_code for answer in answers] == [400, 200]
    assert _is_empty(client)


async def test_a_bad_record_is_left_out_of_the_list_and_named(
    store: Store, client: redis.Redis, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    http = await serve(CRUDRouter(Item, store))
    await Item.insert([Item(id=name, price=1) for name in ("a", "b,é", "c")])
    client.hset("item:b,é", "price", "much")

    answer = await http.get("/item")

    assert answer.status_code == 200
    assert [item["id"] for item in answer.json()] == ["a", "c"]
    assert answer.headers["X-Unreadable-Records"] == "b%2C%C3%A9"
    assert "holds b'much'" in caplog.text


async def test_an_unreadable_record_answers_409_until_it_is_replaced(
    store: Store, client: redis.Redis, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    http = await serve(CRUDRouter(Item, store))
    await Item.insert(Item(id="a", price=1))
    client.hset("item:a", "price", "much")

    bad, put, good = await http.get("/item/a"), await http.put("/item/a", json={"price": 2}), await http.get("/item/a")

    assert (bad.status_code, bad.json()) == (409, {"detail": "Item cannot be read as it is stored"})
    assert "holds b'much'" in caplog.text
    assert (put.status_code, good.json()["price"]) == (200, 2)


async def test_a_bad_record_can_be_deleted(store: Store, client: redis.Redis, serve: Serve) -> None:
    http = await serve(CRUDRouter(Item, store))
    await Item.insert(Item(id="a", price=1))
    client.hset("item:a", "price", "much")

    answer = await http.delete("/item/a")

    assert (answer.status_code, answer.content) == (204, b"")
    assert _is_empty(client)


@pytest.mark.usefixtures("impatient")
async def test_while_the_server_is_away_503_is_answered_without_its_address(
    new_server: Callable[..., Any], serve: Serve
) -> None:
    server = new_server()
    store = Store.from_url(server.url)
    http = await serve(CRUDRouter(Item, store, delete_all_route=True))
    server.kill()

    answers = [
        await http.get("/item"),
        await http.get("/item/a"),
        await http.post("/item", json=WHOLE),
        await http.put("/item/a", json=WHOLE),
        await http.delete("/item/a"),
        await http.delete("/item"),
    ]
    await store.aclose()

    assert [answer.status_code for answer in answers] == [503] * 6
    assert not any(server.socket_path in answer.text for answer in answers)


async def test_another_type_at_the_key_of_the_index_is_not_a_conflict_of_a_request(
    store: Store, client: redis.Redis, serve: Serve
) -> None:
    http = await serve(CRUDRouter(Item, store, overwrite=False), raising=False)
    client.set("item:__index", "x")

    assert (await http.get("/item")).status_code == 503
    assert (await http.post("/item", json=WHOLE)).status_code == 503
