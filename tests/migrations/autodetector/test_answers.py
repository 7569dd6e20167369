"""Answers as flags of the command line: read, refused, and written for a shell."""

import pytest

from redis_models.errors import SchemaError
from redis_models.migrations.autodetector.answers import (
    Answer,
    ComputeAnswer,
    DropAnswer,
    FillAnswer,
    RenameAnswer,
    parse_answer,
)

MODELS = {"shop": ["Customer", "Order"], "crm": ["Customer", "Lead"]}


@pytest.mark.parametrize(
    ("option", "text", "label", "answer"),
    [
        ("--rename", "Order.a=b", "shop", RenameAnswer("Order", "a", "b")),
        ("--rename", "crm.Customer.a=b", "crm", RenameAnswer("Customer", "a", "b")),
        ("--drop", "Lead", "crm", DropAnswer("Lead")),
        ("--drop", "shop.Order", "shop", DropAnswer("Order")),
        ("--drop", "Order.a", "shop", DropAnswer("Order", "a")),
        ("--default", "Order.a='x=y'", "shop", FillAnswer("Order", "a", "x=y")),
        ("--default", "Order.a=-1.5", "shop", FillAnswer("Order", "a", -1.5)),
        ("--default", "Order.a=(1, None)", "shop", FillAnswer("Order", "a", [1, None])),
        ("--compute", "Order.a", "shop", ComputeAnswer("Order", "a")),
    ],
)
def test_a_flag_is_read_as_the_answer_that_it_is(option: str, text: str, label: str, answer: Answer) -> None:
    assert parse_answer(option, text, MODELS) == (label, answer)


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        ("--rename", "Order.a", "write it like --rename Customer.name=full_name"),
        ("--rename", "Order.a=", "write it like"),
        ("--rename", "Order=b.c", "write it like"),
        ("--map", "Order.a=b", "write it like --map Order.status:PENDING=NEW"),
        ("--zone", "Order=UTC", "write it like --zone"),
        ("--ttl", "Order.a=all", "write it like --ttl Order=new-only"),
        ("--drop", "Order.a=b", "write it like"),
        ("--drop", "Nope.a", "there is no model 'Nope'; there are shop.Customer, shop.Order, crm.Customer, crm.Lead"),
        ("--drop", "Customer.a", "several apps have a model Customer; write shop.Customer.a or crm.Customer.a"),
        ("--drop", "a..d", "write Model.field, or app.Model.field"),
        ("--default", "Order.a=EUR", "text needs quotes: 'EUR', as in --default \"Order.a='EUR'\""),
        ("--default", "Order.a=f(", "is not a Python literal"),
        ("--default", "Order.a={1: 2}", "must be text, as in JSON"),
        ("--default", "Order.a=b'x'", "cannot be stored as JSON"),
        ("--default", "Order.a=1e999", "cannot be stored as JSON"),
    ],
)
def test_a_flag_that_says_nothing_usable_is_refused_with_its_name(option: str, text: str, message: str) -> None:
    with pytest.raises(SchemaError) as caught:
        parse_answer(option, text, MODELS)

    assert option in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "flag"),
    [
        (FillAnswer("Order", "a", "EUR"), "--default \"Order.a='EUR'\""),
        (FillAnswer("Order", "a", 1), "--default Order.a=1"),
        (FillAnswer("Order", "a", "$HOME"), "--default 'Order.a='\"'\"'$HOME'\"'\"''"),
        (DropAnswer("Order"), "--drop shop.Order"),
    ],
)
def test_a_flag_survives_the_shell(answer: Answer, flag: str) -> None:
    assert answer.flag("shop." if "shop." in flag else "") == flag
