"""Models whose routes the tests call."""

from pydantic import BaseModel, model_validator

from redis_models import AutoModel, Field, Model


class Address(BaseModel):
    street: str
    zip_code: str | None = None


class Item(Model):
    id: str = Field(primary_key=True)
    price: float
    tags: list[int] = Field(default_factory=list[int])
    note: str | None = None
    amount: int = Field(default=1, ge=0)
    address: Address | None = None


class Auto(AutoModel):
    id: str = Field(primary_key=True)
    count_of: int = 0


class Numbered(Model):
    number: int = Field(primary_key=True)
    name: str = ""


class Span(Model):
    """Valid only as a whole, and named otherwise outside."""

    key: str = Field(primary_key=True, alias="k")
    low: int = Field(alias="from")
    high: int = Field(alias="to")

    @model_validator(mode="after")
    def _in_order(self) -> "Span":
        if self.low > self.high:
            raise ValueError("from must not be above to")
        return self


MODELS: list[type[Model]] = [Item, Auto, Numbered, Span]
WHOLE: dict[str, object] = {
    "id": "a",
    "price": 2.5,
    "tags": [1, 2],
    "note": "n",
    "amount": 3,
    "address": {"street": "s", "zip_code": "z"},
}
