"""Secrets: no error has the value of a type that holds one, nor that of a model which hides its input."""

import dataclasses
import pickle
import re
import traceback
from collections.abc import Callable, Iterator
from typing import Annotated, Any, cast

import pytest
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Secret,
    SecretBytes,
    SecretStr,
    TypeAdapter,
    create_model,
    field_validator,
    model_validator,
)
from typing_extensions import TypedDict

from redis_models import Field, Model, Store
from redis_models.encoding.secrets import holds_secret
from redis_models.errors import DataError, DecodeError, EncodeError

WORD = "xyzzy-4711"


class Pin(SecretStr):
    pass


class Card(BaseModel):
    pin: SecretStr
    next: "Card | None" = None


class Quiet(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)
    word: str


@dataclasses.dataclass
class Login:
    user: str
    key: SecretBytes


class Typed(TypedDict):
    card: Card


def _refuse(value: object) -> object:
    raise ValueError(f"{value!r} of {WORD} is refused")


SECRETS: list[Any] = [
    SecretStr, SecretBytes, Secret[int], Secret[str], Pin, Card, Quiet, Login, Typed, SecretStr | None, int | SecretStr,
    list[SecretStr], dict[str, SecretStr], dict[str, list[Card]], tuple[int, SecretStr], Annotated[SecretStr, "x"],
    list[Card | int], Annotated[str | Pin, AfterValidator(_refuse)],
]  # fmt: skip
PLAIN: list[Any] = [str, int, list[int], dict[str, str], str | None, Annotated[str, "SecretStr"]]


def shown(error: BaseException) -> Iterator[str]:
    """Everything that a log or a report of an error would show of it and of its causes."""
    left: list[BaseException | None] = [error]
    seen: list[BaseException] = []
    while left:
        value = left.pop()
        if value is None or value in seen:
            continue
        seen.append(value)
        yield from (
            str(value),
            repr(value),
            repr(value.args),
            repr(vars(value)),
            "".join(traceback.format_exception(value)),
        )
        left += [value.__cause__, value.__context__]
    yield repr(pickle.dumps(error))


def error_of(act: Callable[[], object]) -> BaseException:
    try:
        act()
    except Exception as exc:
        return exc
    raise AssertionError("nothing was refused")


def name_of(annotation: Any) -> str:
    """Give the text of a type, the same in every process: workers of one run compare the names of their tests."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(annotation))


@pytest.mark.parametrize("annotation", SECRETS, ids=name_of)
def test_a_type_that_holds_a_secret_is_known(annotation: Any) -> None:
    assert holds_secret(TypeAdapter[Any](annotation).core_schema)


@pytest.mark.parametrize("annotation", PLAIN, ids=name_of)
def test_a_type_that_holds_none_is_known(annotation: Any) -> None:
    assert not holds_secret(TypeAdapter[Any](annotation).core_schema)


# What no such type takes, as it may stand in Redis.
RAWS = [
    WORD,
    f'["{WORD}"',
    f'{{"pin": ["{WORD}"]}}',
    f'{{"word": {{"a": "{WORD}"}}}}',
    f'~{{"Decimal": "{WORD}"}}',
    f"'{WORD}",
]


@pytest.mark.parametrize("annotation", SECRETS, ids=name_of)
@pytest.mark.parametrize("raw", RAWS)
def test_no_error_of_reading_shows_a_secret(store: Store, client: Any, annotation: Any, raw: str) -> None:
    kind: Any = create_model("Holder", __base__=Model, id=(str, Field(primary_key=True)), it=(annotation, ...))
    store.register_model(kind)
    client.hset("holder:1", mapping={"id": "1", "it": raw, "_v": "1"})
    client.zadd("holder:__index", {"holder:1": 0})
    bad: list[DataError] = []

    errors = [error_of(lambda: kind.sync.get("1")), error_of(lambda: kind.sync.select())]
    kind.sync.select(bad_records=bad)
    try:
        kind.sync.select(columns=["it"])
    except DecodeError as exc:  # columns are more lenient: not always
        errors.append(exc)

    for error in [*errors, *bad]:
        assert isinstance(error, DecodeError)
        assert not [text for text in shown(error) if WORD in text]
        assert "*****" in str(error)


class User(Model):
    id: str = Field(primary_key=True)
    pw: SecretStr = Field(SecretStr("x" * 12), min_length=12)
    age: int = 0

    @field_validator("pw")
    @classmethod
    def _check(cls, value: SecretStr) -> SecretStr:
        if "7" in value.get_secret_value():
            raise ValueError(f"{value.get_secret_value()} has a 7")
        return value

    @model_validator(mode="before")
    @classmethod
    def _check_all(cls, values: Any) -> Any:
        if getattr(values, "get", str)("age") == 13:
            raise ValueError(f"{values['pw'].get_secret_value()} is unlucky")
        return values


class Hidden(Model):
    model_config = ConfigDict(hide_input_in_errors=True)
    id: str = Field(primary_key=True)
    word: int = 0
    name: str = ""

    @field_validator("name")
    @classmethod
    def _check(cls, value: str) -> str:
        if WORD in value:
            raise ValueError(f"{value} is refused")
        return value


def _stored(client: Any, key: str, **fields: str) -> None:
    client.hset(key, mapping={"_v": "1", "id": "1", **fields})


@pytest.mark.parametrize("word", [WORD, "xyzzy"])
def test_what_a_validator_quotes_of_a_secret_is_cut(store: Store, client: Any, word: str) -> None:
    store.register_model(User)
    _stored(client, "user:1", pw=f'"{word}"', age="1")
    errors = [error_of(lambda: User.sync.get("1")), error_of(lambda: User.sync.patch("1", pw=word))]
    _stored(client, "user:1", pw='"long enough xyzzy"', age="13")
    errors.append(error_of(lambda: User.sync.get("1")))

    assert not [text for error in errors for text in shown(error) if "xyzzy" in text]
    assert [type(error) for error in errors] == [DecodeError, EncodeError, DecodeError]


def test_errors_beside_a_secret_are_shown(store: Store, client: Any) -> None:
    store.register_model(User)
    _stored(client, "user:1", pw='"long enough xyzzy"', age="old")

    error = error_of(lambda: User.sync.get("1"))

    assert "field 'age' holds b'old'" in str(error)
    assert not [text for text in shown(error) if "xyzzy" in text]


def test_a_model_that_hides_its_input_shows_no_value_of_any_field(store: Store, client: Any) -> None:
    store.register_model(Hidden)
    _stored(client, "hidden:1", word=WORD, name="a")
    errors = [
        error_of(lambda: Hidden.sync.get("1")),
        error_of(lambda: Hidden.sync.increment("1", "word")),
        error_of(lambda: Hidden.sync.get([WORD])),
        error_of(lambda: Hidden.sync.patch("1", id=WORD)),
        error_of(lambda: Hidden.sync.increment("1", "word", WORD)),  # type: ignore[arg-type]
        error_of(lambda: Hidden.sync.increment("1", "name", WORD)),  # type: ignore[arg-type]
        error_of(lambda: Hidden.sync.patch("1", word=WORD)),
        error_of(lambda: Hidden.sync.patch("1", name=WORD)),
        error_of(lambda: Hidden.sync.insert(cast(Any, {"id": "1", "name": WORD}))),
        error_of(lambda: Hidden.sync.insert(Hidden.model_construct(id="1", word=WORD, name=5))),
    ]

    for error in errors:
        assert isinstance(error, DataError)
        assert not [text for text in shown(error) if WORD in text]


def test_a_secret_that_says_so_itself_is_hidden_in_a_field_of_any_type(store: Store, client: Any) -> None:
    kind: Any = create_model("Anything", __base__=Model, id=(str, Field(primary_key=True)), it=(list[int], ...))
    store.register_model(kind)
    _stored(client, "anything:1", it=f'~[{{"SecretStr": "{WORD}"}}]')

    assert not [text for text in shown(error_of(lambda: kind.sync.get("1"))) if WORD in text]
