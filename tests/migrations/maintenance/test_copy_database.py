"""relocate copies a project to another database: whole, without overwriting, again after a kill."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from redis_models.client.client import SyncClient
from redis_models.errors import IncompleteError, UnsafeError
from redis_models.mapping.keys import KeySpace
from redis_models.migrations.maintenance.copy_database import Relocation, _dumps, relocate


@pytest.fixture
def other(new_server: Callable[..., Any]) -> Iterator[Any]:
    """Another server."""
    yield new_server()


def _fill(client: Any, count: int = 300) -> None:
    for number in range(count):
        key = f"customer:c{number}"
        client.hset(key, mapping={"id": f"c{number}", "name": f"n{number}", "note": "None", "_v": "1"})
        client.zadd("customer:__index", {key: 0})
        if number % 2:
            client.pexpire(key, 100_000_000)
    client.hset("stranger:1", "a", "b")


def _job(source: Any, target: Any) -> Relocation:
    space = KeySpace("", ":", "customer")
    return Relocation(SyncClient(source, "a"), SyncClient(target, "b"), [space], "default", ["shop"])


def _dump(client: Any) -> dict[bytes, Any]:
    return {key: (client.hgetall(key), client.pexpiretime(key)) for key in client.scan_iter("customer:c*")}


def test_a_project_moves_with_its_records_ttls_and_migrations(shop_project: Any, server: Any, other: Any) -> None:
    shop_project.settings("shop", url=server.url)
    assert shop_project.command("migrate") == 0
    with server.client() as source, other.client() as target:
        _fill(source)
        shop_project.settings("shop", url=other.url)

        assert shop_project.command("relocate", "--from", server.url, "--dry-run") == 0, shop_project.err
        assert target.dbsize() <= 1  # its lease
        assert shop_project.command("relocate", "--from", server.url) == 0, shop_project.err

        assert "300 records, 303 keys copied now" in shop_project.out
        assert _dump(target) == _dump(source)
        assert target.zcard("customer:__index") == 300
        assert not target.exists("stranger:1")
    assert shop_project.command("migrate", "--check") == 0
    assert shop_project.command("history") == 0
    assert "applied" in shop_project.out
    assert shop_project.command("relocate", "--from", server.url) == 0
    assert "300 records, 0 keys copied now" in shop_project.out


def test_taken_keys_are_reported_before_anything_is_written(server: Any, other: Any) -> None:
    with server.client() as source, other.client() as target:
        _fill(source)
        target.hset("customer:c7", mapping={"id": "c7", "name": "another"})

        with pytest.raises(UnsafeError, match="1 key of the target differs: customer:c7"):
            relocate(_job(source, target), lambda: None)

        assert target.dbsize() == 1


def test_what_is_written_meanwhile_is_found(server: Any, other: Any) -> None:
    with server.client() as source, other.client() as target:
        _fill(source)
        job, pages = _job(source, target), 0

        def write_late() -> None:
            nonlocal pages
            pages += 1
            if target.exists("customer:c7"):
                source.hset("customer:c7", "name", "late")

        with pytest.raises(IncompleteError, match=r"changed in the source during the copy: customer:c7\."):
            relocate(job, write_late)

        assert not target.exists("redis_models:{default}:ledger:shop")


def test_killed_at_any_page_it_is_finished_by_the_next_run(server: Any, other: Any) -> None:
    with server.client() as source, other.client() as target:
        _fill(source, 100)
        for page in range(1, 9):
            target.flushall()
            left = page

            def die() -> None:
                nonlocal left
                left -= 1
                if left == 0:
                    raise KeyboardInterrupt

            try:
                relocate(_job(source, target), die)
            except KeyboardInterrupt:
                relocate(_job(source, target), lambda: None)
            assert _dump(target) == _dump(source)


def test_a_database_is_not_copied_onto_itself(shop_project: Any, server: Any) -> None:
    shop_project.settings("shop", url=server.url)

    assert shop_project.command("relocate", "--from", server.url) == 2
    assert "is the database of the settings; give another one" in shop_project.err


def test_a_record_that_expires_while_it_is_read_is_not_written_again(server: Any, other: Any) -> None:
    batches = _dumps([b"customer:c1", b"customer:c2"])

    assert next(batches) == [("DUMP", b"customer:c1"), ("DUMP", b"customer:c2")]
    assert batches.send([b"one", b"two"]) == [("PEXPIRETIME", b"customer:c1"), ("PEXPIRETIME", b"customer:c2")]
    with pytest.raises(StopIteration) as ended:
        batches.send([-2, -1])

    assert ended.value.value == [None, (b"two", 0, True)]


@pytest.mark.parametrize("what", ["deleted", "a later end", "no end", "an end of a field"])
def test_what_is_deleted_or_lives_longer_in_the_source_meanwhile_is_found(server: Any, other: Any, what: str) -> None:
    with server.client() as source, other.client() as target:
        _fill(source)
        later = source.pexpiretime("customer:c7") + 1

        def change_late() -> None:
            if not target.exists("customer:c7"):
                return
            if what == "deleted":
                source.delete("customer:c7")
            elif what == "a later end":
                source.pexpireat("customer:c7", later)
            elif what == "no end":
                source.persist("customer:c7")
            else:
                source.hexpire("customer:c7", 1000, "name")

        with pytest.raises(IncompleteError, match=r"1 record changed in the source during the copy: customer:c7\."):
            relocate(_job(source, target), change_late)

        target.delete("customer:c7")
        relocate(_job(source, target), lambda: None)
        assert _dump(target) == _dump(source)


def test_a_record_that_only_the_target_has_is_in_the_way(server: Any, other: Any) -> None:
    with server.client() as source, other.client() as target:
        _fill(source)
        target.hset("customer:stranger", "id", "stranger")

        with pytest.raises(UnsafeError, match=r"1 key of the target differs: customer:stranger\."):
            relocate(_job(source, target), lambda: None)

        assert target.dbsize() == 1


def test_a_project_with_a_move_that_is_pending_takes_the_records_from_where_they_are(
    shop_project: Any, server: Any, other: Any
) -> None:
    shop_project.settings("shop", url=server.url)
    assert shop_project.command("migrate") == 0
    with server.client() as source, other.client() as target:
        _fill(source, 20)
        shop_project.models(shop_project.initial.replace("version = 1", 'version = 2\n        table = "client"'))
        assert shop_project.run(options=("--no-input",)) == 0, shop_project.err
        shop_project.settings("shop", url=other.url)

        assert shop_project.command("relocate", "--from", server.url) == 0, shop_project.err
        assert "20 records" in shop_project.out
        assert _dump(target) == _dump(source)
        assert shop_project.command("migrate", "--allow-destructive") == 0, shop_project.err
        assert len(target.keys("client:c*")) == 20


def test_bookkeeping_that_another_server_encodes_differently_does_not_matter(server: Any, other: Any) -> None:
    ledger = "redis_models:{default}:ledger:shop"
    with server.client() as source, other.client() as target:
        source.config_set("hash-max-listpack-entries", 4)
        source.hset(ledger, mapping={f"id{number}": "{}" for number in range(50)})
        source.rpush("redis_models:{default}:history:shop", *map(str, range(50)))
        source.set("redis_models:{default}:snapshot:shop", "{}")
        relocate(_job(source, target), lambda: None)
        assert source.dump(ledger) != target.dump(ledger)

        relocate(_job(source, target), lambda: None)

        target.hset(ledger, "id7", "{ }")
        with pytest.raises(UnsafeError, match=f"differs: {ledger}"):
            relocate(_job(source, target), lambda: None)


def test_a_url_comes_out_of_the_environment_too_and_a_password_on_the_command_line_is_warned_of(
    shop_project: Any, server: Any, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop_project.settings("shop", url=server.url)
    assert shop_project.command("migrate") == 0
    with server.client() as source:
        _fill(source, 3)
    shop_project.settings("shop", url=other.url)
    monkeypatch.setenv("OLD_URL", server.url)

    assert shop_project.command("relocate", "--from-env", "OLD_URL") == 0, shop_project.err
    assert "3 records" in shop_project.out
    assert "warning" not in shop_project.err
    assert shop_project.command("relocate", "--from-env", "NO_URL") == 2
    assert "--from-env NO_URL: this environment variable is not set" in shop_project.err
    assert shop_project.command("relocate") == 2
    assert "give either --from URL or --from-env NAME" in shop_project.err

    shop_project.command("relocate", "--from", f"unix://bob:s3cret@{server.socket_path}")

    assert "put the URL into an environment variable" in shop_project.err
    assert "s3cret" not in shop_project.out + shop_project.err
