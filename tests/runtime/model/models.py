"""Models that the tests of this folder share."""

from typing import Annotated, Any, TypeVar

import pydantic
from pydantic import AfterValidator, PlainSerializer, PlainValidator

from redis_models import AutoModel, Field, Model

T = TypeVar("T")


class Book(Model):
    title: str = Field(primary_key=True)
    pages: int = Field(default=0, ge=0)
    tags: list[str] = Field(default_factory=list)
    note: str | None = None


class Note(AutoModel):
    id: str = Field(primary_key=True)
    text: str = ""
    size: int = Field(default=0, ge=0)


class Stamped(AutoModel):
    """Assigns to itself while it is made."""

    id: str = Field(primary_key=True)
    seen: int = 0

    def model_post_init(self, _: object) -> None:
        self.seen = self.seen + 1


class Odd(Model):
    """Types that make their values from something else."""

    id: str = Field(primary_key=True)
    document: pydantic.Json[list[int]] = Field(default_factory=list[int])
    blob: pydantic.Base64Bytes = b""
    word: pydantic.SecretStr = pydantic.SecretStr("")
    stranger: Annotated["Stranger | None", PlainValidator(lambda it: Stranger.of(it)), PlainSerializer(str)] = None
    even: Annotated[int, AfterValidator(lambda it: it)] = 0


class Stranger:
    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return self.name

    @classmethod
    def of(cls, value: object) -> "Stranger | None":
        return value if isinstance(value, Stranger) else cls(str(value))


def writes(client: Any) -> int:
    """How many commands the server executed that write a hash."""
    stats: dict[str, dict[str, int]] = client.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("hset", "hdel", "zadd"))
