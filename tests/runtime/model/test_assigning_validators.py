"""Validators and constructors that assign to the instance: as on a plain BaseModel, and no half record is saved."""

from typing import Any, Self

import pytest
from pydantic import (
    BaseModel,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    computed_field,
    field_validator,
    model_validator,
)

from redis_models import AutoModel, Field, Model, Store

from .models import writes


class _Key(Model):
    id: str = Field(primary_key=True, default="k")

    class Meta:
        abstract = True


class _AutoKey(AutoModel):
    id: str = Field(primary_key=True, default="k")

    class Meta:
        abstract = True


def after(base: Any) -> Any:
    class Bill(base):  # type: ignore[misc]  # one class on two bases
        net: int = 10
        tax: int = 0
        runs: int = 0

        @model_validator(mode="after")
        def _sum(self) -> Self:
            self.tax = self.net // 5
            self.runs += 1
            return self

    return Bill


def after_with_info(base: Any) -> Any:
    class Bill(base):  # type: ignore[misc]  # one class on two bases
        net: int = 10
        tax: int = 0
        runs: int = 0

        @model_validator(mode="after")
        def _sum(self, info: ValidationInfo) -> Self:
            assert info.mode == "python"
            self.tax = self.net // 5
            self.runs += 1
            return self

    return Bill


def two_of_them(base: Any) -> Any:
    class Bill(base):  # type: ignore[misc]  # one class on two bases
        net: int = 10
        tax: int = 0
        runs: int = 0

        @model_validator(mode="after")
        def _first(self) -> Self:
            self.tax = self.net
            return self

        @model_validator(mode="after")
        def _second(self) -> Self:
            self.tax, self.runs = self.tax // 5, self.runs + 1
            return self

    return Bill


def wrapping(base: Any) -> Any:
    class Bill(base):  # type: ignore[misc]  # one class on two bases
        net: int = 10
        tax: int = 0
        runs: int = 0

        @model_validator(mode="wrap")
        @classmethod
        def _sum(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
            made = handler(value)
            made.tax = made.net // 5
            made.runs += 1
            return made

    return Bill


def inherited(base: Any) -> Any:
    class Bill(after(base)):  # type: ignore[misc]
        note: str = ""

    return Bill


KINDS = [after, after_with_info, two_of_them, wrapping, inherited]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_a_model_validator_assigns_as_on_a_plain_model(kind: Any) -> None:
    plain, ours = kind(BaseModel)(), kind(_Key)()

    assert (ours.tax, ours.runs) == (plain.tax, plain.runs) == (2, 1)
    assert ours.model_fields_set - {"id"} == plain.model_fields_set


async def test_what_it_assigned_is_stored_and_follows_an_assignment(kind: Any, store: Store) -> None:
    bill_class = kind(_Key)
    store.register_model(bill_class)
    bill = bill_class(net=10)
    await bill.save()

    bill.net = 50
    await bill.save()

    assert (bill.tax, bill.runs) == (10, 2)
    assert (await bill_class.select(columns=["net", "tax"])) == [{"net": "50", "tax": "10"}]


def test_an_auto_model_is_written_once_and_whole(kind: Any, store: Store, client: Any) -> None:
    bill_class = kind(_AutoKey)
    store.register_model(bill_class)
    before = writes(client)

    bill = bill_class(net=10)

    made = writes(client)
    assert client.hmget("bill:k", "net", "tax") == [b"10", b"2"]
    bill.net = 50
    assert client.hmget("bill:k", "net", "tax") == [b"50", b"10"]
    assert (writes(client) - made) <= (made - before)  # an assignment takes no more than the first write


def test_a_validator_that_refuses_an_assignment_leaves_nothing_behind(store: Store, client: Any) -> None:
    class Bill(_AutoKey):
        net: int = 10
        tax: int = 2

        @model_validator(mode="after")
        def _sum(self) -> Self:
            self.tax = self.net // 5
            if self.tax > 100:
                raise ValueError("too dear")
            return self

    store.register_model(Bill)
    bill = Bill()

    with pytest.raises(ValidationError, match="too dear"):
        bill.net = 1000

    assert (bill.net, bill.tax) == (10, 2)
    assert client.hmget("bill:k", "net", "tax") == [b"10", b"2"]


def test_post_init_assigns_before_the_validators_of_the_model_look(store: Store) -> None:
    def bill(base: Any) -> Any:
        class Bill(base):  # type: ignore[misc]  # one class on two bases
            net: int = 10
            tax: int = 0
            gross: int = 0
            _seen: int = PrivateAttr(0)

            def model_post_init(self, _: object) -> None:
                self.tax = self.net // 5
                self.gross = self.net + self.tax
                self._seen += 1

            @model_validator(mode="after")
            def _check(self) -> Self:
                if self.gross != self.net + self.tax:
                    raise ValueError("gross is wrong")
                return self

        return Bill

    plain, ours = bill(BaseModel)(), bill(_Key)()

    assert (ours.gross, ours._seen) == (plain.gross, plain._seen) == (12, 1)


def test_a_mixin_s_post_init_assigns_too() -> None:
    class Sums:
        def model_post_init(self, _: object) -> None:
            self.tax = 7

    class Bill(Sums, _Key):
        tax: int = 0

        @model_validator(mode="after")
        def _check(self) -> Self:
            self.id = f"k{self.tax}"
            return self

    assert Bill().id == "k7"


def test_a_constructor_assigns_and_saves_once_it_returns(store: Store, client: Any) -> None:
    class Bill(_AutoKey):
        net: int = 10
        tax: int = 0

        def __init__(self, **values: Any) -> None:
            super().__init__(**values)
            self.tax = self.net // 5

        @model_validator(mode="after")
        def _count(self) -> Self:
            self.id = f"bill-{self.net}"
            return self

    store.register_model(Bill)
    bill = Bill(net=20)

    assert (bill.tax, client.hget("bill:bill-20", "tax")) == (4, b"4")


async def test_setters_of_computed_fields_and_field_validators_work_beside_them(store: Store, client: Any) -> None:
    class Bill(_AutoKey):
        net: int = 10
        tax: int = 0

        @field_validator("net")
        @classmethod
        def _positive(cls, value: int) -> int:
            return abs(value)

        @model_validator(mode="after")
        def _sum(self) -> Self:
            self.tax = self.net // 5
            return self

        @computed_field  # type: ignore[prop-decorator]
        @property
        def gross(self) -> int:
            return self.net + self.tax

        @gross.setter
        def gross(self, value: int) -> None:
            self.net = value * 5 // 6

    store.register_model(Bill)
    bill = Bill()

    bill.gross = -120

    assert (bill.net, bill.tax, bill.gross) == (100, 20, 120)
    assert client.hmget("bill:k", "net", "tax") == [b"100", b"20"]


def test_what_a_validator_may_not_assign_it_may_not_here_either() -> None:
    class Bill(_Key):
        net: int = Field(default=10, frozen=True)

        @model_validator(mode="after")
        def _sum(self) -> Self:
            self.net = 5
            return self

    with pytest.raises(ValidationError, match="frozen"):
        Bill()


def test_another_instance_that_a_validator_assigns_to_is_validated_and_saved(store: Store, client: Any) -> None:
    class Sum(_AutoKey):
        total: int = 0

    class Bill(_Key):
        net: int = 10

        @model_validator(mode="after")
        def _add(self) -> Self:
            total.total += self.net
            with pytest.raises(ValidationError):
                total.total = "much"  # type: ignore[assignment]
            return self

    store.register_model(Sum)
    total = Sum(id="s")

    Bill(net=3)

    assert client.hget("sum:s", "total") == b"3"


async def test_loading_runs_them_and_writes_nothing(kind: Any, store: Store, client: Any) -> None:
    bill_class = kind(_AutoKey)
    store.register_model(bill_class)
    bill_class(net=10)
    before = writes(client)

    found = await bill_class.get("k")

    assert (found.net, found.tax) == (10, 2)
    assert writes(client) == before
