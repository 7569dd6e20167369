"""Key names: no primary key reaches another record, another model or an index."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from redis_models.mapping.keys import INDEX, KeySpace, bookkeeping_key, key_complaint

# Few signs, so that hypothesis meets separators within keys, and across their joints, all the time.
_SIGNS = st.text("a:_%5Fdix&", min_size=1, max_size=6)
_SEPARATORS = st.sampled_from([":", "::", "_%&_", "!SEP!", "/", "_", "__", ":a:", "%:"])
_PRIMARY_KEYS = st.one_of(_SIGNS, st.text(min_size=1).filter(lambda text: text.isprintable()), st.just(INDEX))


@st.composite
def _keyspaces(draw: st.DrawFn, separator: str) -> KeySpace:
    space = KeySpace(draw(st.one_of(st.just(""), _SIGNS)), separator, draw(_SIGNS))
    assume(key_complaint(separator, space.table) is None)
    return space


@given(st.data(), _SEPARATORS, _PRIMARY_KEYS, _PRIMARY_KEYS)
def test_a_key_belongs_to_one_record_of_one_model(data: st.DataObject, separator: str, first: str, two: str) -> None:
    mine, other = data.draw(_keyspaces(separator)), data.draw(_keyspaces(separator))
    key = mine.record(first)

    assert mine.owns(key)
    assert key not in (mine.index, other.index)
    assert not mine.owns(mine.index)
    if mine.start != other.start:
        assert not other.owns(key)
        assert other.record(two) != key
        assert not other.owns(mine.index)
    else:
        assert (other.record(two) == key) == (first == two)


@given(st.data(), _SEPARATORS, _PRIMARY_KEYS)
def test_a_primary_key_reads_back_from_its_key(data: st.DataObject, separator: str, pk: str) -> None:
    space = data.draw(_keyspaces(separator))

    assert space.primary_key(space.record(pk)) == pk


@pytest.mark.parametrize("pk", ["ada", "A-1", "caf\u00e9", "a b", "7", "x" * 1000, "__index2"])
def test_an_ordinary_primary_key_stands_in_the_key_as_it_is(pk: str) -> None:
    assert KeySpace("", ":", "customer").record(pk) == f"customer:{pk}"


def test_keys_are_spelled_as_in_pydantic_aioredis() -> None:
    space = KeySpace("PreFix", "!SEP!", "TabName")

    assert space.record("1") == "prefix!sep!TabName!sep!1"
    assert space.index == "prefix!sep!TabName!sep!__index"


def test_a_sibling_whose_prefix_begins_with_ours_keeps_its_records() -> None:
    order, item = KeySpace("", ":", "order"), KeySpace("order", ":", "item")

    assert not order.owns(item.record("7"))
    assert order.record("item:7") != item.record("7")
    assert not order.owns(item.index)


def test_half_a_separator_at_the_joint_is_escaped_too() -> None:
    assert KeySpace("", "::", "t").record(":a") != KeySpace("", "::", "t:").record("a")


def test_the_glob_of_a_model_takes_its_signs_literally() -> None:
    assert KeySpace("", ":", "a*[b]?").pattern == "a\\*\\[b\\]\\?:*"


@pytest.mark.parametrize("separator", ["", "%", "5", "%2", "i", "index", "_i", "X"])
def test_a_separator_that_cannot_keep_keys_apart_is_named(separator: str) -> None:
    complaint = key_complaint(separator, "t")

    assert complaint is not None
    assert repr(separator.lower()) in complaint


def test_a_table_that_ends_in_the_underscore_that_separates_is_named() -> None:
    complaint = key_complaint("_", "t__")

    assert complaint is not None
    assert "'t__'" in complaint


def test_the_bookkeeping_of_a_namespace_shares_one_slot() -> None:
    assert bookkeeping_key("shop", "lease") == "redis_models:{shop}:lease"


@given(st.data(), _SEPARATORS, _SEPARATORS, _PRIMARY_KEYS)
def test_spaces_that_share_no_keys_do_not_own_each_others(
    data: st.DataObject, separator: str, other_separator: str, pk: str
) -> None:
    mine, other = data.draw(_keyspaces(separator)), data.draw(_keyspaces(other_separator))
    shared = mine.shared_with(other)

    assert other.shared_with(mine) == shared
    if shared is None:
        assert not other.owns(mine.record(pk))
        assert not other.owns(mine.index)
        assert other.index != mine.index
    elif not mine.has_same_keys(other):
        assert shared in (mine.start, other.start)


@pytest.mark.parametrize(
    ("first", "other", "shared"),
    [
        (KeySpace("", "_", "user"), KeySpace("", ":", "user_profile"), "user_profile:"),
        (KeySpace("", ":", "a"), KeySpace("a", "-", "b"), None),
        (KeySpace("", ":", "a"), KeySpace("", "-", "a:b"), "a:b-"),
        (KeySpace("", ":", "order"), KeySpace("order", ":", "item"), None),
        (KeySpace("", ":", "order"), KeySpace("", ":", "order"), "order:"),
    ],
)
def test_key_spaces_that_overlap_are_reported(first: KeySpace, other: KeySpace, shared: str | None) -> None:
    assert first.shared_with(other) == shared


@pytest.mark.parametrize("index", [None, "shop:index", "other"])
def test_the_key_of_the_index_is_never_a_record(index: str | None) -> None:
    space = KeySpace("", ":", "shop", index)
    found = sorted({b"shop:a", space.index.encode(), b"shop:__index", b"shop:z"})

    assert not space.owns(space.index)
    assert not space.owns("shop:__index")
    assert space.owned_members(found) == [b"shop:a", b"shop:z"]
    assert not space.are_next(found, None)
    assert space.are_next([b"shop:a", b"shop:z"], None)


_PARTS = st.sampled_from(["a", "order", "order:item", "order_x", "A"])


@given(
    space=st.builds(KeySpace, st.sampled_from(["", "a", "Shop"]), st.sampled_from([":", "::", "_%_", "/"]), _PARTS),
    members=st.lists(st.one_of(st.binary(max_size=12), st.text("ab:/_%", max_size=9).map(str.encode)), unique=True),
    after=st.one_of(st.none(), st.binary(max_size=8)),
    own=st.lists(st.text("ab:/_%\xe9", min_size=1, max_size=4), unique=True),
)
def test_a_page_is_taken_whole_only_where_each_member_alone_would_be(
    space: KeySpace, members: list[bytes], after: bytes | None, own: list[str]
) -> None:
    mine = sorted(space.record(pk).encode() for pk in own)
    page = sorted({*mine, *(space.start.encode() + member for member in members[::2]), *members[1::2]})
    behind = space.start.encode() + after if after is not None else None

    def is_own(first: bytes) -> bool:
        return space.owns(first.decode("utf-8", "surrogateescape"))

    assert space.owned_members(page) == [item for item in page if is_own(item)]
    assert space.are_next(page, behind) == all(is_own(item) and (behind is None or item > behind) for item in page)
    assert space.are_next(mine, None)
    assert len(mine) < 2 or not space.are_next(mine[::-1], None)
