"""Models of which an answer does not show everything, and records that hold something in each field."""

import dataclasses
from collections import deque
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AliasGenerator,
    AliasPath,
    Base64Bytes,
    BaseModel,
    ByteSize,
    ConfigDict,
    Json,
    PlainSerializer,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
    computed_field,
    field_serializer,
    model_serializer,
    model_validator,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass

from redis_models import Field, Model


class Lock(BaseModel):
    """A part with something that no answer shows."""

    place: str
    code: str = Field(default="0000", exclude=True)
    serial: int = Field(default=0, exclude=True)


class Safe(BaseModel):
    kind: Literal["safe"] = "safe"
    size: int
    pin: str = Field(default="", exclude=True)


class Box(BaseModel):
    kind: Literal["box"] = "box"
    size: int


class Plain(BaseModel):
    width: int


class Deep(BaseModel):
    width: int
    grain: str = Field(default="", exclude=True)


@dataclasses.dataclass
class Hinge:
    side: str
    maker: Annotated[str, Field(exclude=True)] = "none"


@pydantic_dataclass
class Bolt:
    length: int
    alloy: str = Field(default="steel", exclude=True)
    blob: Base64Bytes = Field(default=b"", exclude=True)


class Locks(RootModel[list[Lock]]):
    pass


class Badge(BaseModel):
    holder: str
    token: SecretStr = SecretStr("")


class Door(Model):
    """Holds parts in every way."""

    id: str = Field(primary_key=True)
    lock: Lock | None = None
    locks: list[Lock] = Field(default_factory=list[Lock])
    by_floor: dict[str, Lock] = Field(default_factory=dict[str, Lock])
    pair: tuple[Lock, int] | None = None
    all_of_them: Locks = Locks([])
    content: Annotated[Safe | Box, Field(discriminator="kind")] | None = None
    either: Plain | Deep | None = None
    hinge: Hinge | None = None
    bolt: Bolt | None = None
    badges: list[Badge] = Field(default_factory=list[Badge])
    secrets: list[SecretStr] = Field(default_factory=list[SecretStr])


def lock_at(place: str, code: str = "0000") -> Lock:
    return Lock(place=place, code=code, serial=len(code))


class Hook(BaseModel):
    place: str
    serial: int = Field(exclude=True)  # no body makes one without it


class Wall(Model):
    id: str = Field(primary_key=True)
    hook: Hook
    hooks: list[Hook] = Field(default_factory=list[Hook])
    limits: "Bounds | None" = None


class Shade(Enum):
    DARK = "d"


class Upper(BaseModel):
    model_config = ConfigDict(alias_generator=AliasGenerator(serialization_alias=str.upper))

    depth: int = 0
    note: str | None = "none"

    @model_serializer(mode="wrap")
    def _without_none(self, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value is not None}


class Cabinet(Model):
    """Every kind of field whose answer does not make it again."""

    model_config = ConfigDict(extra="allow")

    id: str = Field(primary_key=True)
    password: SecretStr = SecretStr("")
    raw: SecretBytes = SecretBytes(b"")
    number: Secret[int] = Secret(0)
    card: str = ""
    cost: float = Field(default=0.0, exclude=True)
    inner: str = Field(default="i", serialization_alias="outer")
    first: int = Field(default=0, validation_alias=AliasPath("numbers", 0))
    document: Json[list[int]] = Field(default_factory=list[int])
    blob: Base64Bytes = b""
    moment: date | str = ""
    anything: Any = None
    path: Path | str = ""
    size: ByteSize = ByteSize(0)
    rounded: Annotated[Decimal, PlainSerializer(lambda value: f"{value:.1f}")] = Decimal(0)
    shade: Shade | None = None
    upper: Upper = Upper()
    last: deque[int] = Field(default_factory=lambda: deque[int](maxlen=2))
    ids: set[UUID] = Field(default_factory=set[UUID])
    when: datetime | None = None
    wait: timedelta = timedelta()
    badge: Badge | None = None

    @computed_field
    def label(self) -> str:
        return f"{self.id}!"

    @field_serializer("card")
    def _stars(self, card: str) -> str:
        return f"...{card[-4:]}"


class Sealed(Model):
    """Takes nothing that it does not know, not even what it says of itself."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(primary_key=True)
    width: int = 1
    height: int = Field(default=1, serialization_alias="tall")

    @computed_field
    def area(self) -> int:
        return self.width * self.height


class Bounds(BaseModel):
    low: int
    high: int = Field(default=100, exclude=True)

    @model_validator(mode="after")
    def _in_order(self) -> "Bounds":
        if self.low > self.high:
            raise ValueError("low must not be above high")
        return self


Wall.model_rebuild()
MODELS: list[type[Model]] = [Door, Cabinet, Sealed, Wall]


def full_cabinet() -> Cabinet:
    made = Cabinet(
        id="a",
        password=SecretStr("secret"),
        raw=SecretBytes(b"secret"),
        number=Secret(7),
        card="4111-2222",
        cost=3.5,
        inner="other",
        document="[1, 2]",  # type: ignore[arg-type]  # a Json is made of text
        blob=b"YWJj",
        moment=date(2020, 1, 2),
        anything=(date(2021, 1, 1), {1, 2}),
        path=Path("/x"),
        size=ByteSize(3000),
        rounded=Decimal("1.2345"),
        shade=Shade.DARK,
        upper=Upper(depth=3, note=None),
        last=deque([1, 2], maxlen=2),
        ids={UUID(int=1), UUID(int=2)},
        when=datetime(2020, 1, 1, tzinfo=timezone(timedelta(hours=2))),
        wait=timedelta(seconds=90),
        badge=Badge(holder="h", token=SecretStr("t")),
        extra=date(2022, 2, 2),  # type: ignore[call-arg]
    )
    made.first = 5
    return made


def full_door(**changed: Any) -> Door:
    return Door(
        id="a",
        lock=lock_at("in", "1"),
        locks=[lock_at("up", "22"), lock_at("down", "333")],
        by_floor={"1": lock_at("one", "4444"), "2": lock_at("two", "55555")},
        pair=(lock_at("p", "6"), 3),
        all_of_them=Locks([lock_at("r", "77")]),
        content=Safe(size=1, pin="88"),
        either=Deep(width=1, grain="fine"),
        hinge=Hinge(side="left", maker="me"),
        bolt=Bolt(length=1, alloy="brass", blob=b"YWJj"),
        badges=[Badge(holder="x", token=SecretStr("tx")), Badge(holder="y", token=SecretStr("ty"))],
        secrets=[SecretStr("s1"), SecretStr("s2")],
    ).model_copy(update=changed)
