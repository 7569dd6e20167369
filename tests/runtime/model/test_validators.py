"""Validators of models that are stored: what they make of a value once, and what they refuse."""

from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, Json, ValidationError, ValidationInfo, field_validator, model_validator

from redis_models import AutoModel, Field, Model, Store
from redis_models.errors import DecodeError, EncodeError


def _one_more(value: int) -> int:
    return value + 1


class Drifting(Model):
    """Its validators make another value of what they made."""

    id: str = Field(primary_key=True)
    count_of: int = 0
    password: str = ""
    figures: list[Annotated[int, AfterValidator(_one_more)]] = Field(default_factory=list[int])
    figure: Annotated[int, AfterValidator(_one_more)] = 0
    note: str = ""

    @field_validator("count_of")
    @classmethod
    def _counted(cls, value: int) -> int:
        return value + 1

    @field_validator("password")
    @classmethod
    def _hashed(cls, value: str) -> str:
        return f"hash({value})"


class Listed(Model):
    """Has no validator but inside of its lists."""

    id: str = Field(primary_key=True)
    figures: list[Annotated[int, AfterValidator(_one_more)]] = Field(default_factory=list[int])
    named: dict[str, Annotated[int, AfterValidator(_one_more)] | None] = Field(default_factory=dict[str, int | None])
    note: str = ""


class Parsed(Model):
    id: str = Field(primary_key=True)
    document: Json[int]
    note: str = ""

    @field_validator("document")
    @classmethod
    def _counted(cls, value: int) -> int:
        return value + 1


class Place(Model):
    id: str = Field(primary_key=True)
    country: str = ""
    note: str = ""

    @field_validator("country")
    @classmethod
    def _repaired(cls, value: str) -> str:
        return {"UK": "GB"}.get(value, value)


class Span(Model):
    id: str = Field(primary_key=True)
    low: int = 0
    high: int = 9

    @model_validator(mode="after")
    def _in_order(self) -> "Span":
        if self.low > self.high:
            raise ValueError("low must not be above high")
        return self


class AutoSpan(AutoModel, Span):
    pass


class Window(Model):
    """A validator of one field looks at another."""

    id: str = Field(primary_key=True)
    opens: int = 0
    closes: int = 24
    note: str = ""

    @field_validator("closes")
    @classmethod
    def _behind(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data["opens"]:
            raise ValueError("closes before it opens")
        return value


MODELS: list[type[Model]] = [Drifting, Listed, Parsed, Place, Span, AutoSpan, Window]


@pytest.fixture(autouse=True)
def _validated(store: Store) -> Any:
    for model in MODELS:
        store.register_model(model)
    yield
    for model in MODELS:
        model._store = None


@pytest.mark.parametrize("kind", ["get", "select"])
async def test_what_a_validator_made_once_stays_over_loading_and_saving(client: Any, kind: str) -> None:
    made = Drifting(id="a", count_of=1, password="secret", figures=[1, 2], figure=5)
    await made.save()
    stored: dict[bytes, bytes] = client.hgetall("drifting:a")

    for note in ("x", "y", "z"):
        if kind == "get":
            loaded = await Drifting.get("a")
        else:
            [loaded] = await Drifting.select(ids=["a"]) or []
        assert (loaded.count_of, loaded.password, loaded.figures, loaded.figure) == (2, "hash(secret)", [2, 3], 6)
        loaded.note = note
        await loaded.save()

    assert client.hgetall("drifting:a") == {**stored, b"note": b"z"}


async def test_what_a_validator_inside_a_list_made_once_stays(client: Any) -> None:
    await Listed(id="a", figures=[1], named={"x": 5, "y": None}).save()
    stored: dict[bytes, bytes] = client.hgetall("listed:a")

    for note in ("x", "y"):
        loaded = await Listed.get("a")
        assert (loaded.figures, loaded.named) == ([2], {"x": 6, "y": None})
        loaded.note = note
        await loaded.save()

    assert client.hgetall("listed:a") == {**stored, b"note": b"y"}


async def test_what_a_validator_made_of_json_once_stays(client: Any) -> None:
    await Parsed.model_validate({"id": "a", "document": "5"}).save()

    for note in ("x", "y"):
        loaded = await Parsed.get("a")
        assert loaded.document == 6
        loaded.note = note
        await loaded.save()

    assert client.hget("parsed:a", "document") == b"6"


async def test_a_validator_may_repair_an_old_value_and_the_next_save_writes_it(client: Any) -> None:
    await Place(id="a", country="FR").save()
    client.hset("place:a", "country", "UK")

    loaded = await Place.get("a")
    await loaded.save()

    assert loaded.country == "GB"
    assert client.hget("place:a", "country") == b"GB"


async def test_a_patch_of_what_is_valid_only_as_a_whole_is_refused(client: Any) -> None:
    await Span(id="a").save()

    with pytest.raises(EncodeError, match=r"Span\.low.* a validator of the model needs the other fields"):
        await Span.patch("a", low=50)
    with pytest.raises(EncodeError, match=r"a validator of the model needs the other fields"):
        Span.sync.patch("a", low=1)

    assert client.hget("span:a", "low") == b"0"


async def test_a_patch_takes_no_default_for_what_another_field_holds(client: Any) -> None:
    await Window(id="a", opens=9).save()

    with pytest.raises(EncodeError, match=r"Window\.closes.* a validator of the model needs the other fields"):
        await Window.patch("a", closes=5)
    await Window.patch("a", note="late")
    await Window.patch("a", opens=10, closes=11)

    assert client.hmget("window:a", "opens", "closes", "note") == [b"10", b"11", b"late"]


async def test_an_assignment_that_the_whole_refuses_leaves_the_object_as_it_was(client: Any) -> None:
    span, auto = Span(id="a"), AutoSpan(id="a")
    await span.save()

    for instance in (span, auto):
        with pytest.raises(ValidationError, match="low must not be above high"):
            instance.low = 50

    assert [(instance.low, instance.model_fields_set) for instance in (span, auto)] == [(0, {"id"}), (0, {"id"})]
    await span.save()
    assert [client.hget(key, "low") for key in ("span:a", "autospan:a")] == [b"0", b"0"]


@pytest.mark.parametrize("kind", ["async", "sync"])
@pytest.mark.parametrize("model", [Span, AutoSpan])
async def test_an_assignment_refused_in_a_block_is_not_written_at_its_end(
    client: Any, model: type[Span], kind: str
) -> None:
    span = model(id="a")
    await span.save()

    def assign() -> None:
        span.high = 20
        with pytest.raises(ValidationError, match="low must not be above high"):
            span.low = 50

    if kind == "async":
        async with span.update():
            assign()
    else:
        with span.sync.update():
            assign()

    assert (span.low, span.high) == (0, 20)
    assert client.hmget(f"{model.__name__.lower()}:a", "low", "high") == [b"0", b"20"]


async def test_a_record_that_is_refused_as_a_whole_is_named_without_a_field(client: Any) -> None:
    await Span(id="a").save()
    client.hset("span:a", "low", "50")

    with pytest.raises(DecodeError) as caught:
        await Span.get("a")

    assert (caught.value.key, caught.value.field, caught.value.raw) == ("span:a", "", None)
    assert str(caught.value) == "span:a: Value error, low must not be above high"
