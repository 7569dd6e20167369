"""Keys that pydantic-aioredis spelled otherwise than this library does."""

import enum
import ipaddress
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from redis_models import Model
from redis_models.migrations.maintenance.adopt import Takeover
from redis_models.migrations.maintenance.legacy_table import judge

TakeOver = Callable[..., Takeover]


class Colour(str, enum.Enum):  # noqa: UP042  # as it was written then
    RED = "r:d"


class Size(enum.IntEnum):
    BIG = 1


def _model(annotation: object) -> Any:
    class Thing(Model):
        id: annotation  # type: ignore[valid-type]  # pyright: ignore[reportInvalidTypeForm]  # a variable, on purpose
        name: str

        _primary_key_field = "id"

    return Thing


@pytest.mark.parametrize(
    ("annotation", "value", "spelled", "stored"),
    [
        (str, "a:b", "a:b", "a:b"),
        (str, "50%", "50%", "50%"),
        (str, "a%3Ab", "a%3Ab", "a%3Ab"),
        (str, "ü b", "ü b", "ü b"),
        (int, -5, "-5", "-5"),
        (float, 1e16, "1e+16", "1e+16"),
        (bool, True, "True", "true"),
        (date, date(2020, 1, 1), "2020-01-01", '"2020-01-01"'),
        (datetime, datetime(2020, 1, 1), "2020-01-01 00:00:00", '"2020-01-01T00:00:00"'),
        (
            datetime,
            datetime(2020, 1, 1, 2, tzinfo=UTC),
            "2020-01-01 02:00:00+00:00",
            '"2020-01-01T02:00:00+00:00"',
        ),
        (uuid.UUID, uuid.UUID(int=7), str(uuid.UUID(int=7)), f'"{uuid.UUID(int=7)}"'),
        (ipaddress.IPv6Address, ipaddress.IPv6Address("::1"), "::1", '"::1"'),
        (Colour, Colour.RED, "Colour.RED", '"r:d"'),
        (Colour, Colour.RED, "r:d", '"r:d"'),
        (Size, Size.BIG, "1", "1"),
        (tuple[int, str], (1, "a:b"), "(1, 'a:b')", '"[1, \\"a:b\\"]"'),
    ],
)
def test_a_record_is_found_by_its_primary_key(
    old: Any, client: Any, take_over: TakeOver, annotation: object, value: object, spelled: str, stored: str
) -> None:
    model = _model(annotation)
    old.insert("thing:", spelled, {"id": stored, "name": "Ann"})

    done = take_over(model)

    assert done.problems == ()
    assert model.sync.get(value) == model(id=value, name="Ann")
    assert [record.id for record in model.sync.select()] == [value]
    assert client.zcard("thing:__index") == 1
    assert take_over(model).is_nothing


@pytest.mark.parametrize(("annotation", "spelled", "stored"), [(str, "", ""), (str | None, "None", "None")])
def test_a_primary_key_that_none_may_have_is_reported(
    old: Any, client: Any, take_over: TakeOver, annotation: object, spelled: str, stored: str
) -> None:
    model = _model(annotation)
    old.insert("thing:", spelled, {"id": stored, "name": "Ann"})

    done = take_over(model)

    assert [problem.key for problem in done.problems] == [f"thing:{spelled}"]
    assert client.hget(f"thing:{spelled}", "name") == b"Ann"
    assert take_over(model).problems == done.problems


def test_two_records_of_one_primary_key_are_reported_and_left(old: Any, client: Any, take_over: TakeOver) -> None:
    model = _model(Colour)
    old.insert("thing:", "Colour.RED", {"id": '"r:d"', "name": "3.11"})
    old.insert("thing:", "r%3Ad", {"id": '"r:d"', "name": "ours"})

    done = take_over(model)

    assert [problem.key for problem in done.problems] == ["thing:Colour.RED"]
    assert "thing:r%3Ad" in done.problems[0].reason
    assert client.hget("thing:Colour.RED", "name") == b"3.11"
    assert model.sync.get(Colour.RED).name == "ours"


def test_a_key_that_another_record_must_leave_first_is_waited_for(old: Any, client: Any, take_over: TakeOver) -> None:
    texts = ["a:b", "a%3Ab", "a%253Ab", "a%25253Ab"]
    for text in texts:
        old.insert("thing:", text, {"id": text, "name": text})
    model = _model(str)

    done = take_over(model)

    assert (done.problems, done.records, done.renamed) == ((), 4, 4)
    assert [model.sync.get(text).name for text in texts] == texts


def test_records_of_a_longer_table_name_are_left_alone(old: Any, client: Any, take_over: TakeOver) -> None:
    old.insert("thing:", "1", {"id": "1", "name": "mine"})
    old.insert("thing:part:", "2", {"id": "2", "name": "of another table"})
    old.insert("thing:thing:", "3", {"id": "3", "name": "of a third"})

    done = take_over(_model(str))

    assert (done.records, done.problems) == (1, ())
    assert client.hgetall("thing:part:2") == {b"id": b"2", b"name": b"of another table"}
    assert client.hgetall("thing:thing:3") == {b"id": b"3", b"name": b"of a third"}


def test_a_record_that_two_tables_list_goes_to_the_one_that_wrote_it_last(
    old: Any, client: Any, take_over: TakeOver
) -> None:
    old.insert("thing:", "part:2", {"id": "part:2", "name": "mine"})
    old.insert("thing:part:", "2", {"id": "2", "name": "written over it"})

    done = take_over(_model(str))

    assert [problem.key for problem in done.problems] == ["thing:part:2"]
    assert client.hget("thing:part:2", "name") == b"written over it"
    assert client.exists("thing:__index") == 0


def test_keys_that_are_not_text_are_reported(old: Any, client: Any, take_over: TakeOver) -> None:
    client.hset(b"thing:\xff", mapping={b"id": b"\xff", b"name": b"Ann"})
    client.sadd("thing:__index", b"thing:\xff")

    done = take_over(_model(str))

    assert done.problem_count == 1
    assert client.hget(b"thing:\xff", "name") == b"Ann"


@pytest.mark.parametrize(
    ("prefix", "separator", "table", "start"),
    [
        ("PreFix", "!SEP!", "TabName", "prefix!sep!TabName!sep!"),
        ("", "_%&_", "tab", "tab_%&_"),
        ("", "::", "tab", "tab::"),
    ],
)
def test_names_are_cased_and_separated_as_that_library_did(
    old: Any, take_over: TakeOver, prefix: str, separator: str, table: str, start: str
) -> None:
    model = _model(str)
    model._redis_prefix, model._redis_separator, model._table_name = prefix, separator, table
    for pk in ("1", f"a{separator.lower()}b", "c:d"):
        old.insert(start, pk, {"id": pk, "name": "Ann"})

    done = take_over(model)

    assert (done.records, done.problems) == (3, ())
    assert {record.id for record in model.sync.select()} == {"1", f"a{separator.lower()}b", "c:d"}


@pytest.mark.parametrize(
    ("key", "raw", "is_listed", "target"),
    [
        ("thing:1", b"1", False, "thing:1"),
        ("thing:a:b", b"a:b", False, "thing:a%3Ab"),
        ("thing:a:b", b"b", True, None),
        ("thing:x", b"y", True, None),
        ("thing:x", None, False, "thing:x"),
        ("thing:x", None, True, "thing:x"),
        ("thing:a%3Ab", None, False, "thing:a%3Ab"),
        ("thing:a:b", None, True, None),
        ("thing:50%", None, True, None),
    ],
)
def test_only_a_key_that_spells_the_primary_key_is_renamed(
    key: str, raw: bytes | None, is_listed: bool, target: str | None
) -> None:
    verdict = judge(_model(str).__mapper__, key, raw, is_listed=is_listed)

    assert verdict is not None
    assert verdict.target == target
    assert (verdict.problem is None) == (target is not None)


@pytest.mark.parametrize(("key", "raw"), [("thing:a:b", b"b"), ("thing:a:b", None), ("thing:a:__index", None)])
def test_a_key_without_index_entry_or_matching_primary_key_is_foreign(key: str, raw: bytes | None) -> None:
    assert judge(_model(str).__mapper__, key, raw, is_listed=False) is None
