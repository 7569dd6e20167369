"""``FastAPIModel``, and what importing the extension needs."""

import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import assert_type

import httpx
import pytest
import redis
from fastapi import FastAPI, HTTPException

from redis_models import AutoModel, Field, Store
from redis_models.ext import FastAPI as extension
from redis_models.ext.FastAPI import CRUDRouter, FastAPIModel, PydanticAioredisCRUDRouter

Serve = Callable[..., Awaitable[httpx.AsyncClient]]


class Book(FastAPIModel):
    title: str = Field(primary_key=True)
    pages: int = 0


class Diary(FastAPIModel, AutoModel):
    title: str = Field(primary_key=True)


@pytest.fixture(autouse=True)
def _bound(store: Store) -> Iterator[None]:
    store.register_model(Book)
    store.register_model(Diary)
    yield
    Book._store = Diary._store = None


async def test_nothing_found_is_404_with_the_name_of_the_class() -> None:
    for wanted in (Book.select_or_404(), Book.select_or_404(ids=["x"]), Book.select_or_404(["pages"], "x")):
        with pytest.raises(HTTPException) as caught:
            await wanted

        assert (caught.value.status_code, caught.value.detail) == (404, "Book not found")


async def test_an_exception_of_ones_own_takes_its_place() -> None:
    class Nothing(Exception):
        pass

    with pytest.raises(Nothing):
        await Book.select_or_404(None, ["x"], Nothing())
    with pytest.raises(Nothing):
        await Book.select_or_404(custom_exception=Nothing())


async def test_what_is_found_is_what_select_gives() -> None:
    books = [Book(title=title, pages=3) for title in "abc"]
    await Book.insert(books)

    found = await Book.select_or_404()
    columns = await Book.select_or_404(["title"], ["c", "x"])

    assert_type(found, list[Book])
    assert_type(columns, list[dict[str, object]])
    assert found == books
    assert columns == [{"title": "c"}]
    assert await Book.select_or_404(skip=1, limit=1) == books[1:2]


async def test_in_an_application_it_answers_404(serve: Serve) -> None:
    app = FastAPI()

    @app.get("/books/{title}")
    async def book(title: str) -> list[Book]:
        return await Book.select_or_404(ids=[title])

    http = await serve(app=app)
    await Book.insert(Book(title="a"))

    assert (await http.get("/books/a")).json() == [{"title": "a", "pages": 0}]
    assert (await http.get("/books/b")).status_code == 404
    assert (await http.get("/books/b")).json() == {"detail": "Book not found"}


async def test_it_goes_together_with_an_automodel(client: redis.Redis) -> None:
    diary = Diary(title="d")

    assert client.exists("diary:d") == 1
    assert await Diary.select_or_404() == [diary]


def test_the_extension_has_the_names_of_pydantic_aioredis_and_ours() -> None:
    assert extension.__all__ == [
        "CRUDRouter",
        "FastAPIModel",
        "PydanticAioredisCRUDRouter",
        "install_error_handlers",
    ]
    assert issubclass(PydanticAioredisCRUDRouter, CRUDRouter)


def _run(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_without_fastapi_the_import_says_what_to_install() -> None:
    ran = _run("import sys; sys.modules['fastapi'] = None; import redis_models.ext.FastAPI")

    assert "ImportError: redis_models.ext.FastAPI needs FastAPI; run pip install" in ran.stderr
    assert "'redis-models-orm[fastapi]'" in ran.stderr


def test_the_library_itself_imports_nothing_of_fastapi() -> None:
    ran = _run(
        "import sys, redis_models; redis_models.AutoModel, redis_models.setup; import redis_models.ext\n"
        "assert not {'fastapi', 'starlette'} & sys.modules.keys()"
    )

    assert (ran.returncode, ran.stderr) == (0, "")
