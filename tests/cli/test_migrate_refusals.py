"""Bad input to ``migrate``: one line that names the thing and the cure, the right exit code, nothing changed."""

from typing import Any

import pytest

_WAYS = {"server": 2, "python": 3}  # version whose migrations are done there
_MANY = 10_000  # their rewriting takes more memory than there is to spare


@pytest.fixture
def shop(project: Any) -> Any:
    """A project with 30 records of version 1, and the code of version 3 not migrated yet."""
    project.deploy(3)
    project.fill(30)
    return project


@pytest.fixture(params=_WAYS)
def either(project: Any, request: pytest.FixtureRequest) -> Any:
    """A project with 30 records of version 1, whose pending migrations are done by the server, or by Python."""
    project.version = _WAYS[request.param]
    project.deploy(project.version)
    project.fill(30)
    return project


def _assert_refused(ran: Any, code: int, *says: str) -> None:
    assert ran.code == code, ran.err
    assert len(ran.err.splitlines()) == 1, ran.err
    assert ran.err.startswith("error: ")
    for words in says:
        assert words in ran.err


def _versions(project: Any) -> list[bytes | None]:
    return [record.get("_v") for record in project.records().values()]


def test_a_key_of_another_type_stops_the_run_and_is_left_alone(either: Any) -> None:
    with either.server.client() as client:
        client.rpush("customer:list", "a", "b")

        refused = either.migrate()
        check = either.run("migrate", "--check")
        stored = client.lrange("customer:list", 0, -1)
        client.delete("customer:list")
        resumed = either.migrate()

    _assert_refused(refused, 6, "customer:list: does not hold a hash", "rename the key", "Run 'migrate' again")
    assert (stored, check.code, resumed.code) == ([b"a", b"b"], 1, 0)
    assert set(_versions(either)) == {b"%d" % either.version}


def test_a_stamp_from_the_future_stops_the_run_and_is_left_alone(either: Any) -> None:
    with either.server.client() as client:
        client.hset("customer:9", "_v", 12)
    before = either.records()["customer:9"]

    refused = either.migrate()

    _assert_refused(refused, 6, "customer:9", "pull the newer files")
    assert either.records()["customer:9"] == before
    with either.server.client() as client:
        client.hset("customer:9", "_v", 1)
    assert either.migrate().code == 0


@pytest.mark.parametrize("stamp", ["two", "", "-1", "2.0"])
def test_a_stamp_that_is_not_a_number_stops_the_run_and_is_left_alone(shop: Any, stamp: str) -> None:
    with shop.server.client() as client:
        client.hset("customer:9", "_v", stamp)

    refused = shop.migrate()

    _assert_refused(refused, 6, "customer:9", "_v", "Run 'migrate' again")
    assert shop.records()["customer:9"]["_v"] == stamp.encode()


def test_a_value_that_does_not_read_back_stops_the_run_with_its_key_field_and_bytes(shop: Any) -> None:
    with shop.server.client() as client:
        client.hset("customer:9", "age", b"\xff\xfe")
    before = shop.records()["customer:9"]

    refused = shop.migrate()

    _assert_refused(refused, 6, "customer:9: field 'age' holds b'\\xff\\xfe': does not read back as str")
    assert shop.records()["customer:9"] == before


def test_of_several_in_one_batch_one_is_named_and_the_others_are_counted(shop: Any) -> None:
    with shop.server.client() as client:
        client.rpush("customer:a", "no record")
        client.rpush("customer:b", "no record")

    refused = shop.migrate("shop", "2")  # the server does it, a hundred at a time

    _assert_refused(refused, 6, "customer:", "does not hold a hash", "(and 1 more in the same batch)")


def test_a_function_that_raises_stops_the_run_with_the_key_and_what_it_raised(shop: Any) -> None:
    with shop.server.client() as client:
        client.hdel("customer:9", "name")
        client.hset("customer:8", "age", "12 kg")

    refused = shop.migrate()
    with shop.server.client() as client:
        client.hset("customer:8", "age", "12")
    again = shop.migrate()

    _assert_refused(refused, 6, "customer:")
    _assert_refused(again, 6, "customer:9", "full_name")
    found = shop.records()
    assert found["customer:9"]["_v"] == b"1"
    assert "full_name" not in found["customer:9"]


def test_a_function_that_reads_an_unknown_field_is_reported_with_its_line(shop: Any) -> None:
    path = shop.root / "shop/redis_migrations/0003_retype.py"
    path.write_text(path.read_text().replace("old.full_name", "old.fullname"))
    before = shop.records()

    refused = shop.migrate()

    assert refused.code in (1, 6)
    assert len(refused.err.splitlines()) == 1
    assert "no field 'fullname'" in refused.err
    assert "Add field initial" in refused.err
    assert shop.records() == before


def test_records_without_a_stamp_are_migrated_and_come_back_without_one(shop: Any) -> None:
    with shop.server.client() as client:
        for at in range(0, 30, 2):
            client.hdel(f"customer:{at}", "_v")
    before = shop.records()

    there = shop.migrate()
    stamped = _versions(shop)
    back = shop.migrate("shop", "1")

    assert (there.code, back.code, set(stamped)) == (0, 0, {b"3"})
    assert shop.records() == before


def test_records_of_models_whose_keys_begin_alike_are_left_alone(shop: Any) -> None:
    alike = ("customers:1", "customer:vip:1", "customer2:1", "customer", "xcustomer:1", "customer::1")
    with shop.server.client() as client:
        for key in alike:
            client.hset(key, mapping={"id": "1", "name": "n", "legacy_ref": "r", "age": "5"})
    before = shop.records()

    done = shop.migrate()

    assert done.code == 0
    assert "30 records changed" in done.out
    found = shop.records()
    assert {key: found[key] for key in alike} == {key: before[key] for key in alike}


def test_glob_signs_in_a_table_name_reach_no_other_table(project: Any) -> None:
    project.deploy(1)
    file = project.root / "shop/redis_migrations/0001_initial.py"
    file.write_text(file.read_text().replace('table="customer"', 'table="[cx]*?"'))
    project.deploy(2, files=None)
    file.write_text(file.read_text().replace('table="customer"', 'table="[cx]*?"'))
    with project.server.client() as client:
        for key in ("[cx]*?:1", "cc:1", "c:1", "xab:1", "[cx]ab:1"):
            client.hset(key, mapping={"id": "1", "name": "n", "legacy_ref": "r", "age": "5"})

    done = project.migrate()

    assert done.code == 0
    assert [key for key, record in project.records().items() if "_v" in record] == ["[cx]*?:1"]


def test_an_index_of_another_type_does_not_stop_a_migration(shop: Any) -> None:
    with shop.server.client() as client:
        members = client.zrange("customer:__index", 0, -1)
        client.delete("customer:__index")
        client.sadd("customer:__index", *members)

        done = shop.migrate()

        assert done.code == 0
        assert client.scard("customer:__index") == 30
    assert set(_versions(shop)) == {b"3"}


def test_no_server_is_7_and_says_which(shop: Any) -> None:
    shop.settings(REDIS_URL="unix:///nowhere/at/all", APPS=["shop"])

    refused = shop.migrate()

    _assert_refused(refused, 7, "unix:///nowhere/at/all cannot be reached", "start the server, or correct REDIS_URL")


@pytest.mark.parametrize("secret", ["wrong", None])
def test_a_wrong_or_missing_password_is_7_and_is_not_shown(
    new_server: Any, new_project: Any, secret: str | None
) -> None:
    server = new_server("--requirepass", "s3cret")
    project = new_project(server, server.url.replace("unix://", f"unix://:{secret}@") if secret else server.url)
    project.deploy(1)

    refused = project.migrate()

    _assert_refused(refused, 7, "user name or password", "correct it in REDIS_URL")
    assert "wrong@" not in refused.err


def test_a_read_only_replica_is_7_and_is_not_written(new_server: Any, new_project: Any) -> None:
    project = new_project(new_server())
    project.deploy(2)
    project.fill(30)
    before = project.records()
    with project.server.client() as client:
        client.replicaof("127.0.0.1", 1)

    refused = project.migrate()

    _assert_refused(refused, 7, "read-only replica", "name the primary in REDIS_URL")
    assert project.records() == before


@pytest.mark.parametrize("way", _WAYS)
def test_full_memory_is_7_with_every_record_whole_and_more_memory_resumes(
    new_server: Any, new_project: Any, way: str
) -> None:
    project = new_project(new_server())
    project.fill(_MANY)
    project.deploy(_WAYS[way])
    path = project.root / "shop/redis_migrations/0002_rename.py"
    path.write_text(path.read_text().replace('fill="EUR"', f"fill={'x' * 200!r}"))
    before = project.records()
    with project.server.client() as client:
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 1_500_000)
        full = project.migrate("--patience", "1")
        torn = project.records()
        client.config_set("maxmemory", 1_000_000)
        fuller = project.migrate("--patience", "1")
        assert project.records() == torn
        client.config_set("maxmemory", 0)
    resumed = project.migrate()
    after = project.records()

    for refused in (full, fuller):
        _assert_refused(refused, 7, "memory is full", "Raise maxmemory")
    assert resumed.code == 0
    assert {record["_v"] for record in after.values()} == {b"%d" % _WAYS[way]}
    assert all(torn[key] in (before[key], after[key]) for key in before)
    assert 0 < sum(torn[key] == after[key] for key in before) < _MANY


@pytest.mark.parametrize(
    ("denied", "code", "says"),
    [
        ("-info", 0, ""),
        ("-command", 7, "COMMAND INFO"),
        ("-evalsha", 7, "evalsha"),
        ("-scan", 7, "scan"),
        ("-hset", 7, "hset"),
        ("resetkeys ~redis_models*", 7, "grant it to this user"),
        ("resetkeys ~customer:*", 7, "grant it to this user"),
    ],
)
def test_what_the_access_list_denies_is_named(either: Any, denied: str, code: int, says: str) -> None:
    before = either.records()
    with either.server.client() as client:
        client.execute_command("ACL", "SETUSER", "runner", "reset", "on", ">pw", "~*", "&*", "+@all", *denied.split())
        either.settings(REDIS_URL=either.server.url.replace("unix://", "unix://runner:pw@"), APPS=["shop"])

        ran = either.migrate()

        client.execute_command("ACL", "DELUSER", "runner")
    if code == 0:
        assert ran.code == 0, ran.err
        assert set(_versions(either)) == {b"%d" % either.version}
    else:
        _assert_refused(ran, code, says)
        assert either.records() == before


def test_who_may_only_read_can_look_where_the_database_is(project: Any) -> None:
    project.deploy(2)
    project.migrate("1")
    with project.server.client() as client:
        client.execute_command("ACL", "SETUSER", "reader", "reset", "on", ">pw", "~*", "+@connection", "+@read")
        project.settings(REDIS_URL=project.server.url.replace("unix://", "unix://reader:pw@"), APPS=["shop"])

        shown = project.run("showmigrations")

        client.execute_command("ACL", "DELUSER", "reader")
    assert shown.code == 0, shown.err
    assert "[X] 0001_initial" in shown.out
    assert "[ ] 0002_rename" in shown.out
