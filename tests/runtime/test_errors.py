"""Errors show what lies in Redis so that no terminal obeys it, and hold it as it is."""

import logging
import pickle
import re
import traceback

import pytest

from redis_models.errors import (
    ConflictError,
    CursorError,
    DecodeError,
    DriftError,
    EncodeError,
    IncompleteError,
    IndexDamagedError,
    IndexNotReadyError,
    InvalidPrimaryKeyError,
    ManyRecordsError,
    NoIndexError,
    NotFoundError,
    QueryError,
    RecordError,
    RecordTooNewError,
    RecordTooOldError,
    RedisModelsError,
    ServerRefusedError,
    TooManyOthersError,
    UnansweredError,
    UniqueError,
    WrongKeyTypeError,
)

EVIL = "a\x1b]0;x\x07\x9b31m\u202egnp\u2028\x7f\x00\r\udcff\ud800"
_OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
ERRORS: list[RedisModelsError] = [
    DecodeError(EVIL, EVIL, EVIL.encode("utf-8", "replace"), EVIL), DecodeError(EVIL, "", None, EVIL),
    EncodeError("Customer", EVIL, EVIL, EVIL), WrongKeyTypeError(EVIL), NotFoundError("Customer", EVIL),
    ConflictError(EVIL, EVIL, [EVIL]), RecordTooNewError(EVIL, 5, 2), RecordTooOldError(EVIL, 1, 2),
    InvalidPrimaryKeyError("Customer", EVIL, EVIL), RecordError(EVIL, EVIL.encode("utf-8", "replace"), EVIL),
    RecordError("", None, EVIL), ServerRefusedError(EVIL), DriftError(EVIL), IncompleteError(EVIL),
    UnansweredError([EVIL, EVIL]), UniqueError("Customer", "name", [EVIL, EVIL], EVIL, EVIL), QueryError(EVIL),
    NoIndexError("Customer", EVIL, EVIL), IndexNotReadyError("Customer", "name", EVIL), CursorError(EVIL, EVIL),
    IndexDamagedError("Customer", "name", EVIL), TooManyOthersError("Customer", 1_001, 1_000),
    ManyRecordsError("Customer", EVIL),
]  # fmt: skip


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_no_error_sends_control_characters_to_who_prints_it(
    error: RedisModelsError, caplog: pytest.LogCaptureFixture
) -> None:
    try:
        raise error
    except RedisModelsError as exc:
        logging.getLogger("shop").exception("cannot load")
        shown = [str(exc), repr(exc), "".join(traceback.format_exception(exc)), caplog.text]

    assert not [text for text in shown if _OBEYED.search(text)]
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_attributes_of_an_error_are_as_they_are_stored() -> None:
    error = DecodeError(EVIL, EVIL, b"\x1b", EVIL)

    assert (error.key, error.field, error.raw, error.reason) == (EVIL, EVIL, b"\x1b", EVIL)


def test_a_key_adds_no_line_to_a_log() -> None:
    assert str(WrongKeyTypeError("a\nerror: all is well")).startswith("a\\nerror: all is well: does not hold a hash")


def test_what_is_spelled_is_not_spelled_again() -> None:
    assert str(DriftError(str(DriftError("a\x1b\\")))) == "a\\x1b\\"


def test_errors_of_queries_say_what_cures_them() -> None:
    assert str(UniqueError("Order", "number", ["tenant", "number"], "shop:order:2", "shop:order:1")) == (
        "shop:order:2: Order is unique by tenant and number, and 'shop:order:1' has the same values of tenant and"
        " number; write another, or change or delete that record first"
    )
    assert str(NoIndexError("Order", "Order.number > 5", "Field(index=True) on number")) == (
        "Order: no index serves Order.number > 5; declare Field(index=True) on number, or read every record with"
        " allow_scan=True"
    )
    assert "Order.build_indexes()" in str(IndexNotReadyError("Order", "number", "building"))
    assert "after=None" in str(CursorError("abc", "is not readable"))
    assert "Order.build_indexes(rebuild=['number'])" in str(
        IndexDamagedError("Order", "number", "shop:order:__index:number")
    )
    assert "Order.build_indexes()" in str(TooManyOthersError("Order", 1_001, 1_000))
    assert "first()" in str(ManyRecordsError("Order", "Order.number > 5"))
    assert issubclass(UniqueError, ConflictError)


def test_a_unique_error_tells_the_record_and_who_holds_the_value() -> None:
    error = UniqueError("Order", "number", ["tenant", "number"], "shop:order:2", "shop:order:1")

    again = pickle.loads(pickle.dumps(error))

    for found in (error, again):
        facts = (found.model, found.index, found.fields, found.key, found.holder)
        assert facts == ("Order", "number", ("tenant", "number"), "shop:order:2", "shop:order:1")
