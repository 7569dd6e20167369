"""Models that override verbs as those of pydantic-aioredis did: the routes call these, with what they take."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, ClassVar

import httpx
import pytest

from redis_models import Field, Model, Store
from redis_models.ext.FastAPI import CRUDRouter

Serve = Callable[..., Awaitable[httpx.AsyncClient]]
CALLED: list[str] = []


class Saved(Model):
    id: str = Field(primary_key=True)
    text: str = ""
    hidden: str = Field(default="h", exclude=True)

    async def save(self) -> None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        CALLED.append("save")
        await super().save()


class Inserted(Model):
    id: str = Field(primary_key=True)
    text: str = ""
    overridden: ClassVar[bool] = True

    @classmethod
    async def insert(cls, data: Any, life_span_seconds: Any = None) -> Any:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        CALLED.append("insert")
        return await super().insert(data, life_span_seconds)


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    CALLED.clear()
    yield
    for model in (Saved, Inserted):
        model._store = None


@pytest.mark.parametrize(("model", "verb"), [(Saved, "save"), (Inserted, "insert")])
async def test_every_route_works_with_a_method_of_the_signature_of_pydantic_aioredis(
    store: Store, serve: Serve, model: type[Model], verb: str
) -> None:
    http = await serve(CRUDRouter(model, store, overwrite=False), raising=False)
    path = f"/{model.__name__.lower()}"

    answers = [
        await http.post(path, json={"id": "a", "text": "x"}),
        await http.post(path, json={"id": "a", "text": "again"}),
        await http.put(f"{path}/a", json={"text": "y"}),
        await http.get(path),
        await http.delete(f"{path}/a"),
        await http.put(f"{path}/a", json={"text": "z"}),
    ]

    assert [answer.status_code for answer in answers] == [200, 409, 200, 200, 200, 404]
    assert answers[3].json() == [{"id": "a", "text": "y"}]
    assert set(CALLED) == {verb}
