"""Unique indexes: a value belongs to the record that holds it now, and to no other one, with every way to write."""

import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from redis_models import AutoModel, Field, Model, Store
from redis_models.errors import ConflictError, RedisModelsError, ServerOutOfMemoryError, UniqueError

from .index_check import differences


class Member(Model):
    id: str = Field(primary_key=True)
    email: str | None = Field(default=None, unique=True, nocase=True)
    badge: int | None = Field(default=None, unique=True)
    team: str | None = None
    seat: int = 0

    class Meta:
        unique = {"by_seat": ("team", "seat")}  # noqa: RUF012


class RivalOne(Member):
    class Meta:  # pyright: ignore[reportIncompatibleVariableOverride]
        table = "member"


class RivalTwo(Member):
    class Meta:  # pyright: ignore[reportIncompatibleVariableOverride]
        table = "member"


class Live(AutoModel):
    id: str = Field(primary_key=True)
    email: str = Field(unique=True)


@pytest.fixture(autouse=True)
def _tables(store: Store) -> Iterator[None]:
    for model in (Member, Live):
        store.register_model(model)
        model.sync.build_indexes()
    yield
    Member._store = Live._store = None


@pytest.fixture(autouse=True)
def _lies_right(client: Any, _tables: None) -> Iterator[None]:
    yield
    missing = [line for line in differences(client, Member.__mapper__.keys) if line.startswith("missing")]
    assert missing == []


def _emails(client: Any) -> dict[bytes, bytes]:
    return {key: client.hget(key, "email") for key in sorted(client.keys("member:[a-z]*"))}


def test_the_error_names_index_fields_and_holder_and_nothing_is_written(client: Any) -> None:
    Member.sync.insert(Member(id="a", email="x@y"))

    with pytest.raises(UniqueError) as raised:
        Member.sync.insert([Member(id="b", email="z@y"), Member(id="c", email="X@Y")])

    assert (raised.value.index, raised.value.fields) == ("email", ("email",))
    assert (raised.value.key, raised.value.holder) == ("member:c", "member:a")
    assert sorted(client.keys("member:[a-z]*")) == [b"member:a"]


def test_two_of_one_call_may_not_have_one_value(client: Any) -> None:
    with pytest.raises(UniqueError):
        Member.sync.insert([Member(id="a", badge=1), Member(id="b", badge=1)])
    assert client.keys("member:[a-z]*") == []


def test_none_collides_with_nothing_also_as_a_part() -> None:
    Member.sync.insert([Member(id=id, team=None, seat=1) for id in "abcd"])
    Member.sync.insert(Member(id="e", team="t", seat=1))
    with pytest.raises(UniqueError, match="unique by team and seat"):
        Member.sync.insert(Member(id="f", team="t", seat=1))


def test_records_of_one_call_may_swap_and_shift_their_values(client: Any) -> None:
    Member.sync.insert([Member(id="a", email="1"), Member(id="b", email="2"), Member(id="c", email="3")])

    Member.sync.insert([Member(id="a", email="2"), Member(id="b", email="1")])
    Member.sync.insert([Member(id="a", email="1"), Member(id="b", email="3"), Member(id="c", email="4")])

    assert list(_emails(client).values()) == [b"1", b"3", b"4"]
    with pytest.raises(UniqueError):  # the first of the chain goes to one who keeps it
        Member.sync.insert([Member(id="b", email="4"), Member(id="c", email="4")])


_LEAVING: Final[dict[str, Callable[[Any], object]]] = {
    "deleted behind": lambda client: client.delete("member:a"),
    "expired": lambda client: client.pexpireat("member:a", 1),
    "changed behind": lambda client: client.hset("member:a", "email", "other"),
    "field deleted behind": lambda client: client.hdel("member:a", "email"),
    "deleted": lambda _: Member.sync.delete("a"),
    "changed": lambda _: _patch("a", email="other"),
    "set to None": lambda _: _patch("a", email=None),
}


def _patch(id: str, **changes: object) -> bool:
    Member.sync.patch(id, **changes)
    return True


@pytest.mark.parametrize("leave", _LEAVING.values(), ids=_LEAVING)
def test_a_value_that_its_holder_left_is_free(client: Any, leave: Callable[[Any], object]) -> None:
    Member.sync.insert(Member(id="a", email="x"))
    leave(client)

    Member.sync.insert(Member(id="b", email="X"))

    with pytest.raises(UniqueError):
        Member.sync.insert(Member(id="c", email="x"))
    Member.sync.build_indexes(rebuild=["email"])  # where another program wrote the field


def test_leftover_claims_do_not_hide_the_true_holder(client: Any) -> None:
    Member.sync.insert(Member(id="z", email="x"))
    index = Member.__mapper__.keys.field_index("email")
    client.zadd(index, {f"=x\0gone{number:03}": 0 for number in range(250)})

    Member.sync.insert(Member(id="new"))

    with pytest.raises(UniqueError) as raised:
        Member.sync.patch("new", email="x")

    assert raised.value.holder == "member:z"
    client.zremrangebylex(index, b"[=x\0gone", b"[=x\0gonez")


def test_patch_save_increment_and_assignment_are_refused_likewise(client: Any) -> None:
    Member.sync.insert([Member(id="a", badge=1, email="x"), Member(id="b", badge=0, email="y")])
    before = client.hgetall("member:b")
    member = Member.sync.get("b")
    member.email = "X"

    writes: list[Callable[[], object]] = [
        lambda: _patch("b", email="X"),
        lambda: _patch("b", badge=1),
        lambda: Member.sync.increment("b", "badge"),
        member.sync.save,
        lambda: member.sync.save(if_unchanged=True),
    ]
    for refused in writes:
        with pytest.raises(UniqueError):
            refused()

    assert client.hgetall("member:b") == before
    assert differences(client, Member.__mapper__.keys) == []


def test_an_assignment_that_is_refused_is_put_back(client: Any) -> None:
    Live(id="a", email="x")
    live = Live(id="b", email="y")

    with pytest.raises(UniqueError):
        live.email = "x"

    assert live.email == "y"
    assert client.hget("live:b", "email") == b"y"


def test_a_text_that_is_longer_than_its_entry_is_refused(client: Any) -> None:
    Member.sync.insert(Member(id="a", email="é" * 128))

    with pytest.raises(ConflictError, match="longer than 256 bytes"):
        Member.sync.insert(Member(id="b", email="é" * 128 + "x"))

    assert client.keys("member:[a-z]*") == [b"member:a"]


def test_of_many_who_want_one_value_exactly_one_gets_it(store: Store, client: Any) -> None:
    won: list[str] = []
    rivals = [(Store.from_url(store.address), model) for model in (RivalOne, RivalTwo)]

    def compete(own: Store, model: type[Member]) -> None:
        own.register_model(model)
        for number in range(100):
            try:
                model.sync.insert(model(id=f"{model.__name__.lower()}{number}", badge=number))
            except UniqueError:
                continue
            won.append(f"{number}")

    threads = [threading.Thread(target=compete, args=rival) for rival in rivals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for own, model in rivals:
        own.close()
        model._store = None

    assert sorted(won, key=int) == [str(number) for number in range(100)]
    assert differences(client, Member.__mapper__.keys) == []


@pytest.mark.parametrize("name", ["badge", "by_seat", "email", "_others"])
def test_an_index_of_another_type_refuses_the_whole_write(client: Any, name: str) -> None:
    Member.sync.insert(Member(id="a", email="x", badge=1, team="t"))
    key = Member.__mapper__.keys.field_index(name)
    client.delete(key)
    client.set(key, "text")
    before = {key: client.dump(key) for key in client.keys("*")}

    if name != "_others":
        with pytest.raises(RedisModelsError, match="not a sorted set"):
            Member.sync.insert([Member(id="b", email="y", badge=2, team="u"), Member(id="c", email="z", badge=3)])
        assert client.keys("member:[a-z]*") == [b"member:a"]
        assert client.dump("member:a") == before[b"member:a"]
    client.delete(key)
    Member.sync.build_indexes(rebuild=["badge", "by_seat", "email"])


def test_full_memory_refuses_the_record_and_its_entries(client: Any) -> None:
    Member.sync.insert(Member(id="a", email="x", badge=1))
    before = {key: client.dump(key) for key in client.keys("*")}
    client.config_set("maxmemory", "1")
    try:
        writes: list[Callable[[], object]] = [
            lambda: Member.sync.insert(Member(id="b", email="y")),
            lambda: Member.sync.insert([Member(id="b", email="y"), Member(id="c", email="z")]),
            lambda: _patch("a", email="other"),
            lambda: Member.sync.increment("a", "badge"),
        ]
        for refused in writes:
            with pytest.raises(ServerOutOfMemoryError):
                refused()
    finally:
        client.config_set("maxmemory", "0")

    assert {key: client.dump(key) for key in client.keys("*")} == before
