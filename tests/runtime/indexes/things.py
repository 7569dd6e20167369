"""The models that conditions are about in these tests."""

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

from annotated_types import Ge
from pydantic import SecretStr

from redis_models import Condition, Field, Model, on
from redis_models.indexes.conditions import Reference


class Status(Enum):
    NEW = "new"
    PAID = "paid"


class Rank(Enum):
    LOW = 1
    HIGH = 20


class Thing(Model):
    id: str = Field(primary_key=True)
    count: int = 0  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleMethodOverride]  # a verb's name
    number: int = 0
    size: float | None = None
    price: Decimal | None = None
    name: str | None = None
    email: str | None = Field(default=None, nocase=True)
    status: Status | None = None
    rank: Rank | None = None
    kind: Literal["a", "b"] | None = None
    is_paid: bool = False
    day: date | None = None
    created: datetime | None = None
    key: UUID | None = None
    tags: list[int] = Field(default_factory=list[int])
    token: SecretStr | None = None
    bounded: Annotated[int, Ge(0)] | None = None


class Other(Model):
    id: str = Field(primary_key=True)
    number: int = 0


class Child(Thing):
    pass


COUNT: Reference[Any] = on(Thing, "count")


def as_condition(condition: object) -> Condition:
    """Give what checkers take for a bool as the condition that it is."""
    assert isinstance(condition, Condition)
    return condition
