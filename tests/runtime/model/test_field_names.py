"""Fields whose names mean something elsewhere: in a signature, or in pydantic 1."""

import warnings
from typing import Any

import pytest

from redis_models import AutoModel, Model, Store

NAMES = ["cls", "json", "dict", "copy", "schema", "construct", "validate", "fields", "parse_obj"]


def _declared(base: type[Model], name: str) -> Any:
    body = {"__annotations__": {"id": str, name: str}, "_primary_key_field": "id", "__module__": __name__}
    metaclass: Any = type(base)
    return metaclass("Named", (base,), body)  # as a class statement does, which type checkers would not let pass


@pytest.mark.parametrize("base", [Model, AutoModel])
@pytest.mark.parametrize("name", NAMES)
async def test_a_field_of_that_name_gives_no_warning_and_is_written_read_assigned_and_patched(
    store: Store, client: Any, base: type[Model], name: str
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        named = _declared(base, name)
    store.register_model(named)

    record = named(id="a", **{name: "x"})
    await record.save()
    loaded = await named.get("a")

    assert getattr(loaded, name) == "x"
    assert loaded.model_dump() == {"id": "a", name: "x"}
    setattr(loaded, name, "y")
    await loaded.save()
    assert client.hget("named:a", name) == b"y"
    await named.patch("a", **{name: "z"})
    assert await named.select(columns=[name]) == [{name: "z"}]


def test_such_a_field_is_required() -> None:
    for name in ("cls", "json", "dict", "copy", "schema"):
        with pytest.raises(ValueError, match="Field required"):
            _declared(Model, name)(id="a")
