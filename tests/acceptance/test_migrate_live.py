"""Live clients and failing functions while ``migrate`` runs: no write is lost, and nothing is called done too early."""

import json
from typing import Any

import pytest

_PLACES = {"server": 2, "python": 3}  # version whose migrations are done there

# A client that knows nothing of redis_models: counts visits of two thirds of the customers, deletes the others.
_CLIENT = """
import json, random, sys
import redis
client, number, count = redis.Redis(unix_socket_path=sys.argv[1], protocol=2), int(sys.argv[2]), int(sys.argv[3])
pick, counted, deleted = random.Random(number), {}, []
while not client.exists("stop"):
    for _ in range(50):
        at = pick.randrange(count)
        if at % 3 == 2 and at % 2 == number:
            client.delete(f"customer:{at}")
            deleted.append(at)
        elif at % 3 != 2:
            client.hincrby(f"customer:{at}", "visits", 1)
            counted[at] = counted.get(at, 0) + 1
    client.set(f"busy:{number}", len(deleted))
print(json.dumps([counted, deleted]))
"""

_BONUS = """
    def bonus(old, new):
        new.visits = old.visits + 1000

    def malus(old, new):
        new.visits = old.visits - 1000

    class Migration(migrations.Migration):
        id = "cccc0003"
        previous = "bbbb0002"
        versions = {"Customer": 3}
        operations = [migrations.Transform("Customer", bonus, back=malus)]
"""

_MALUS = _BONUS[_BONUS.index("\n    def malus") :]


@pytest.fixture
def shop(project: Any) -> Any:
    """A project whose records are of version 1."""
    project.deploy(1)
    return project


@pytest.mark.parametrize("way", _PLACES)
def test_no_increment_of_a_live_client_is_lost_and_no_deleted_record_comes_back(shop: Any, way: str) -> None:
    count, version = 8_000, _PLACES[way]
    shop.fill(count)
    shop.deploy(version)
    shop.migration("0003_retype", _BONUS)
    shop.write("client.py", _CLIENT)
    clients = [shop.start("client.py", shop.server.socket_path, str(number), str(count)) for number in (0, 1)]
    with shop.server.client() as client:
        while client.exists("busy:0", "busy:1") < 2:
            pass
        counted_before = int(client.info("commandstats")["cmdstat_hincrby"]["calls"])
        there = [shop.migrate("shop", str(version)) for _ in range(2)]
        back = shop.migrate("shop", "1")
        again = shop.migrate("shop", str(version))
        counted_after = int(client.info("commandstats")["cmdstat_hincrby"]["calls"])
        client.set("stop", 1)
    acknowledged = [json.loads(shop.end(client).out) for client in clients]

    assert [process.code for process in (*there, back, again)] == [0, 0, 0, 0]
    assert counted_after > counted_before
    found = shop.records()
    deleted = {at for _, names in acknowledged for at in names}
    assert {f"customer:{at}" for at in range(count) if at not in deleted} == found.keys()
    bonus = 1000 if version == 3 else 0
    for at in (at for at in range(count) if at not in deleted):
        wanted = bonus + sum(counted.get(str(at), 0) for counted, _ in acknowledged)
        assert (int(found[f"customer:{at}"]["visits"]), found[f"customer:{at}"]["_v"]) == (wanted, b"%d" % version)


def test_a_record_that_others_write_all_the_time_ends_in_6_and_loses_nothing(shop: Any) -> None:
    shop.fill(200)
    shop.deploy(3)
    meddle = f"""
    import redis
    client = redis.Redis(unix_socket_path={shop.server.socket_path!r}, protocol=2)

    def bonus(old, new):
        if old.id == "7":
            client.hincrby("customer:7", "visits", 1)
        new.visits = old.visits + 1000
    """
    shop.migration("0003_retype", meddle + _MALUS)

    hot = shop.migrate()
    counted = int(shop.records()["customer:7"]["visits"])
    shop.migration("0003_retype", _BONUS)
    calm = shop.migrate()

    assert (hot.code, calm.code) == (6, 0)
    assert "other clients change 1 record faster" in hot.err
    assert {record["visits"] for key, record in shop.records().items() if key != "customer:7"} == {b"1000"}
    assert shop.records()["customer:7"]["visits"] == b"%d" % (1000 + counted)


def test_a_failing_function_is_fixed_in_its_file_and_the_run_goes_on(shop: Any) -> None:
    shop.fill(5_000)
    with shop.server.client() as client:
        client.hset("customer:77", "age", "old")
    before = shop.records()
    shop.deploy(3)
    path = shop.root / "shop/redis_migrations/0003_retype.py"

    stopped = shop.migrate()
    path.write_text(path.read_text().replace('text == "NA"', "not text.isdecimal()"))
    done = shop.migrate()

    assert (stopped.code, done.code) == (6, 0)
    assert "customer:77" in stopped.err
    assert "'age' holds b'old'" in stopped.err
    found = shop.records()
    assert found["customer:77"].items() >= {"age": b"None", "_b3.0.age": b"old"}.items()
    assert {record["_v"] for record in found.values()} == {b"3"}
    assert shop.migrate("shop", "1").code == 0
    assert shop.records() == before


def test_records_that_old_code_keeps_writing_are_never_called_applied(shop: Any) -> None:
    shop.fill(10)
    shop.deploy(3)
    stubborn = f"""
    import redis
    client = redis.Redis(unix_socket_path={shop.server.socket_path!r}, protocol=2)

    def bonus(old, new):
        fresh = f"customer:{{old.id}}+"
        client.hset(fresh, mapping={{"_v": 2, "id": fresh[9:], "full_name": "n", "age": "1", "visits": 0}})
        new.visits = old.visits + 1000
    """
    shop.migration("0003_retype", stubborn + _MALUS)

    restless = shop.migrate()
    shop.migration("0003_retype", _BONUS)
    calm = shop.migrate()

    assert (restless.code, calm.code) == (6, 0)
    assert "old code is still writing" in restless.err
    assert {record["_v"] for record in shop.records().values()} == {b"3"}


def test_a_record_that_is_deleted_while_its_function_runs_stays_gone(shop: Any) -> None:
    shop.fill(200)
    shop.deploy(3)
    with shop.server.client() as client:
        client.hset("customer:bare", "own", "x")  # nothing of it is read, so nothing of it can have changed
    delete = f"""
    import redis
    client = redis.Redis(unix_socket_path={shop.server.socket_path!r}, protocol=2)

    def bonus(old, new):
        if old.get("id") in (None, "7"):
            client.delete(f"customer:{{old.get('id', 'bare')}}")
        new.visits = old.get("visits", 0) + 1000
"""
    shop.migration("0003_retype", delete + _MALUS)

    done = shop.migrate()

    assert done.code == 0
    assert shop.records().keys() == {f"customer:{at}" for at in range(200) if at != 7}
