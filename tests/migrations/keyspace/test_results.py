"""Results of scripts: each letter has a name, and a letter without one is an error that names it."""

import pytest

from redis_models.errors import LockedError, ServerError
from redis_models.migrations.keyspace.results import (
    HASH_EXPECTED,
    Failure,
    Outcome,
    RewriteResult,
    letters_of,
    unfenced,
)
from redis_models.migrations.rewriter import rename_keys


def test_letters_are_counted_by_their_names() -> None:
    outcome, keys = Outcome(), [b"a", b"b", b"c", b"d", b"\xff", b"f"]

    left = outcome.count_all(keys, "ASGVTA", retried=RewriteResult.NEEDS_PYTHON)

    assert left == [b"d"]
    assert outcome == Outcome(changed=2, skipped=1, gone=1, failures=[Failure("\udcff", HASH_EXPECTED)])


def test_a_batch_that_was_rewritten_whole_is_counted_at_once() -> None:
    outcome = Outcome()

    assert outcome.count_all([b"a", b"b"], "AA", retried=RewriteResult.CONFLICT) == []
    assert outcome == Outcome(changed=2)


@pytest.mark.parametrize("letter", ["Z", "a", "C"])
def test_an_unknown_letter_is_an_error_that_names_it(letter: str) -> None:
    with pytest.raises(ServerError, match=f"^b: a script gave the unknown result '{letter}'"):
        Outcome().count_all([b"a", b"b"], "A" + letter, retried=RewriteResult.NEEDS_PYTHON)


def test_an_unknown_letter_of_renamed_keys_is_an_error_that_names_it() -> None:
    with pytest.raises(ServerError, match=r"^a: a script gave the unknown result 'S'"):
        rename_keys._count(Outcome(), b"a", b"b", "S")


def test_the_reply_of_a_script_without_the_lease_is_an_error() -> None:
    for refused in (letters_of, unfenced):
        with pytest.raises(LockedError):
            refused(b"FENCED")

    assert letters_of(b"AS") == "AS"
    assert unfenced(7) == 7
