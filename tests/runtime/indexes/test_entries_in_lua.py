"""Entries as the server computes them: byte for byte those of Python, in the order of sorted sets."""

import operator as operators
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redis_models.indexes.definitions import KINDS, Kind, Part
from redis_models.indexes.entries import Operator, beginning, bounds, entry, entry_of, lua_of, member

from .entry_values import ALL_PARTS, FIELDS, SPELLINGS, Field, in_lua, spellings

_ON_ONE_SERVER: Final = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40
)
_COMPARED: Final[dict[Operator, Callable[[Any, Any], bool]]] = {
    "==": operators.eq,
    "<": operators.lt,
    "<=": operators.le,
    ">": operators.gt,
    ">=": operators.ge,
}


def _assert_alike(client: Any, parts: list[Part], raws: list[bytes]) -> None:
    for raw, found in zip(raws, in_lua(client, parts, raws), strict=True):
        assert found == [entry(part, raw) for part in parts], raw


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
@given(data=st.data())
@_ON_ONE_SERVER
def test_values_have_the_entries_of_python(client: Any, field: Field, data: st.DataObject) -> None:
    values = data.draw(st.lists(field.values, min_size=1, max_size=20))

    _assert_alike(client, [field.part], [field.codec.encode(value) for value in values])


def test_odd_spellings_have_the_entries_of_python(client: Any) -> None:
    _assert_alike(client, ALL_PARTS, list(SPELLINGS))


@given(st.lists(spellings, min_size=1, max_size=20))
@_ON_ONE_SERVER
def test_any_bytes_have_the_entries_of_python(client: Any, raws: list[bytes]) -> None:
    _assert_alike(client, ALL_PARTS, raws)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_needs_no_encoder_of_another(client: Any, kind: Kind) -> None:
    source = f"{lua_of([Part('f', kind)])} for i = 1, #ARGV do encoders.{kind}(ARGV[i], true, true) end return 'done'"

    assert client.eval(source, 0, *SPELLINGS) == b"done"


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_that_are_made_to_take_long_do_not(client: Any, kind: Kind) -> None:
    size = 100_000
    raws = [
        head + sign * size + tail
        for head in (b"", b'"', b"-", b'"1.', b"1.", b'"\\"')
        for sign in (b"0", b"1", b" ", b'"', b"-", b"\\", b'\\"')
        for tail in (b"", b'"', b'\\"x"')
    ]
    source = f"""{lua_of([Part("f", kind)])}
    local before = redis.call('TIME')
    for i = 1, #ARGV do encoders.{kind}(ARGV[i], true, true) end
    local after = redis.call('TIME')
    return (after[1] - before[1]) * 1000000 + after[2] - before[2]"""

    assert client.eval(source, 0, *raws) < 2_000_000  # all 126; backtracking of two runs of digits takes hours


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
@given(data=st.data())
@_ON_ONE_SERVER
def test_a_range_of_the_sorted_set_has_the_records_that_compare_so(
    client: Any, field: Field, data: st.DataObject
) -> None:
    values = data.draw(st.lists(field.values, min_size=1, max_size=10))
    known = {
        f"{at}".encode(): (found, value)
        for at, value in enumerate(values)
        if (found := entry_of(field.part, field.codec, value)) is not None and not found.is_cut
    }
    if not known:
        return
    client.delete("index")
    client.zadd("index", {member([b"Q7", found.text], pk): 0 for pk, (found, _) in known.items()})
    sought_entry, sought = data.draw(st.sampled_from(list(known.values())))
    head = beginning([b"Q7"])

    for operator, compare in _COMPARED.items():
        first, end = bounds(field.part, operator, sought_entry)
        found = client.zrangebylex("index", b"[" + head + first, b"(" + head + end)
        wanted = {pk for pk, (_, value) in known.items() if _holds(compare, value, sought)}
        assert {text.rsplit(b"\0", 1)[1] for text in found} == wanted


def _holds(compare: Callable[[Any, Any], bool], value: Any, sought: Any) -> bool:
    try:
        return compare(getattr(value, "value", value), getattr(sought, "value", sought))
    except TypeError:  # None, and moments without a time zone beside others
        return False


@pytest.fixture
def english_server(new_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of a server whose texts have the order of English dictionaries."""
    localedef = shutil.which("localedef")
    if localedef is None:
        pytest.skip("there is no localedef")
    made = subprocess.run([localedef, "-i", "en_US", "-f", "UTF-8", str(tmp_path / "en_US.UTF-8")], capture_output=True)
    if made.returncode > 1:
        pytest.skip(f"localedef knows no en_US: {made.stderr.decode()}")
    monkeypatch.setenv("LOCPATH", str(tmp_path))
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    with new_server().client() as client:
        yield client


def test_the_locale_of_the_server_changes_nothing(english_server: Any) -> None:
    if english_server.eval("return 'a' < 'B'", 0) is None:
        pytest.skip("the server has no locale")
    parts = [Part("f", "str", folds_case=True), Part("f", "float"), Part("f", "jstr", folds_case=True)]
    raws = [b"1.5", b"-2.25e-7", "\u00c4I".encode(), '"\u00c4I"'.encode(), b"\xc4"]

    _assert_alike(english_server, ALL_PARTS, list(SPELLINGS))
    _assert_alike(english_server, parts, raws)
    english_server.zadd("index", {b"=a\0": 0, b"=B\0": 0})
    assert english_server.zrangebylex("index", "-", "+") == [b"=B\0", b"=a\0"]


def test_fakeredis_computes_the_same() -> None:
    pytest.importorskip("lupa")  # what fakeredis runs scripts with
    fakeredis: Any = pytest.importorskip("fakeredis")

    _assert_alike(fakeredis.FakeRedis(), ALL_PARTS, list(SPELLINGS))


def test_only_the_encoders_that_are_needed_are_written() -> None:
    parts = [Part("a", "date"), Part("b", "bool"), Part("c", "date", is_optional=True)]

    assert lua_of(parts).endswith("\nencoders = {bool = encode_bool, date = encode_date}\nend\n")
    assert lua_of(parts) == lua_of(reversed(parts))
    assert lua_of(parts).count("\nlocal function encode_") == 3  # one of None
