"""Errors show what lies in Redis so that no terminal obeys it, and hold it as it is."""

import logging
import pickle
import re
import traceback

import pytest

from redis_models.errors import (
    ConflictError,
    DecodeError,
    DriftError,
    EncodeError,
    IncompleteError,
    InvalidPrimaryKeyError,
    NotFoundError,
    RecordError,
    RecordTooNewError,
    RecordTooOldError,
    RedisModelsError,
    ServerRefusedError,
    UnansweredError,
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
    UnansweredError([EVIL, EVIL]),
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
