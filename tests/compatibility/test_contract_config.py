"""The contract's table of ``RedisConfig``."""

import warnings
from types import SimpleNamespace

import pytest
from pydantic import BaseModel

import redis_models.config
from redis_models import RedisConfig


@pytest.mark.parametrize(
    ("field", "default"),
    [("host", "localhost"), ("port", 6379), ("db", 0), ("password", None), ("ssl", False), ("encoding", "utf-8")],
)
def test_each_field_has_the_default_of_pydantic_aioredis(field: str, default: object) -> None:
    assert getattr(RedisConfig(), field) == default


@pytest.mark.parametrize(
    ("config", "url"),
    [
        (RedisConfig(), "redis://localhost:6379/0"),
        (RedisConfig(host="h", port=1, db=2), "redis://h:1/2"),
        (RedisConfig(password="pw"), "redis://:pw@localhost:6379/0"),
        (RedisConfig(ssl=True), "rediss://localhost:6379/0"),
        (RedisConfig(ssl=True, password="pw"), "rediss://:pw@localhost:6379/0"),
        (RedisConfig(password="p@ss/w#1"), "redis://:p%40ss%2Fw%231@localhost:6379/0"),  # fault 42
    ],
)
def test_the_url_is_made_of_the_parts(config: RedisConfig, url: str) -> None:
    assert config.redis_url == url


def test_the_password_is_not_shown() -> None:
    # Fault 42.
    config = RedisConfig(password="s3cret")

    assert "s3cret" not in f"{config!r} {config!s}"


def test_it_is_a_pydantic_model_that_can_be_made_of_attributes() -> None:
    source = SimpleNamespace(host="h", port=1, db=2, password=None, ssl=False, encoding=None)

    assert isinstance(RedisConfig(), BaseModel)
    assert RedisConfig.model_validate(source).redis_url == "redis://h:1/2"


def test_from_orm_makes_it_of_attributes_too() -> None:
    source = SimpleNamespace(host="h", port=1, db=2, password=None, ssl=False, encoding=None)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pydantic's own; a config is not one of our models
        made = RedisConfig.from_orm(source)  # pyright: ignore[reportDeprecated]

    assert made.redis_url == "redis://h:1/2"


def test_it_is_in_the_module_of_pydantic_aioredis() -> None:
    assert redis_models.config.RedisConfig is RedisConfig
