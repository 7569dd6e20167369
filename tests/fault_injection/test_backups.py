"""The server goes back to an old backup, or to nothing at all: what can be known of it is said, and nothing else."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .sentinel_group import wait

_COUNT = 6_000
# When the backup is made; and after it is restored: versions, what a check says, how it and a verification end. A
# receipt that is in the backup is of the records in it.
_MOMENTS = {
    "before the run": ({b"1"}, "is not applied", 1, 1),
    "during the run": ({b"1", b"3"}, "a run was stopped before it was complete", 1, 6),
    "after all": ({b"3"}, "", 0, 0),
}


@pytest.mark.parametrize("moment", _MOMENTS)
def test_an_old_backup_is_brought_to_the_target_again_and_has_lost_only_what_it_lacks(
    new_server: Any, new_shop: Any, tell: Callable[..., None], tmp_path: Path, moment: str
) -> None:
    server = new_server("--appendonly", "no")
    shop, backup = new_shop(server, _COUNT), tmp_path / "backup.rdb"

    def back_up() -> None:
        with server.client() as client:
            client.save()
        shutil.copy(server.directory / "dump.rdb", backup)

    if moment == "before the run":
        back_up()
    run = shop.start("--batch", "10")
    if moment == "during the run":
        run.await_changed(_COUNT // 3)
        back_up()
    assert run.end() == 0
    shop.check_all()
    if moment == "after all":
        back_up()
    server.kill()
    shutil.copy(backup, server.directory / "dump.rdb")
    server.start()

    stamps = {record["_v"] for record in shop.project.records().values()}
    checked = shop.project.run("migrate", "--check", "--verified")
    verified = shop.project.run("verify")
    shop.start_writers()  # of the newest code: they read the old records, and bring up what they write
    shop.await_writes(20)
    runs = shop.settle("--batch", "10")
    shop.await_writes(20)
    count = shop.compare(shop.stop_writers())

    versions, says, *codes = _MOMENTS[moment]
    assert (stamps, [checked.code, verified.code]) == (versions, codes)
    assert says in checked.out
    assert (count.wrong, count.lost, count.doubled, count.missing) == ([], 0, 0, set())
    assert count.errors == {}
    shop.check_all()
    tell(
        f"restored from a backup: {moment}", records=_COUNT, faults=1, acknowledged=count.acknowledged, lost=0,
        seen=(f"the receipt is gone with what it was of, `migrate --check --verified` says: {says}" if says else
        "the receipt is that of these records, and counts") + "; new code reads and writes what there is;"
        f" {runs} run to the target",
    )  # fmt: skip


@pytest.mark.parametrize("what", ["migrate", "verify"])
def test_a_replica_that_is_promoted_empty_is_not_called_done(
    new_server: Any,
    new_shop: Any,
    new_wire: Any,
    tell: Callable[..., None],
    unused_tcp_port_factory: Callable[[], int],
    what: str,
) -> None:
    port = unused_tcp_port_factory()
    primary = new_server("--appendonly", "no", "--port", str(port), "--repl-diskless-sync-delay", "600")
    replica = new_server("--appendonly", "no")
    with replica.client() as client:
        client.replicaof("127.0.0.1", port)  # it waits for its first copy, which never comes
    current = [primary]
    wire = new_wire(lambda: current[0].socket_path, delay_s=0.002)
    shop = new_shop(primary, _COUNT, wire.url)
    if what == "verify":
        assert shop.settle("--batch", "100") == 1
    run = shop.start("--batch", "10") if what == "migrate" else shop.start_command("verify")
    wait(lambda: run.throttles)
    if what == "migrate":
        run.await_changed(_COUNT // 4)
    primary.process.send_signal(signal.SIGSTOP)
    with replica.client() as client:
        client.replicaof("no", "one")
    current[0] = replica
    wire.cut_all()
    code = run.end()
    primary.process.send_signal(signal.SIGCONT)
    shop.project.server = replica
    left = shop.project.bookkeeping(), shop.project.records()
    checked = shop.project.run("migrate", "--check")
    verified = shop.project.run("verify")

    assert code == (6 if what == "migrate" else 1), run.output
    assert left == (set(), {})
    assert (checked.code, verified.code) == (1, 1)
    assert "0003_retype (cccc0003) is not applied" in checked.out
    said = "the lease is gone" if what == "migrate" else "that nothing is applied; there is no receipt"
    tell(
        f"replica promoted empty, under `{what}`", records=_COUNT, faults=1, acknowledged=0, lost="all by the server",
        seen=f"it ended with {code}, and said {said}; `migrate --check` and `verify` say that nothing is applied",
    )  # fmt: skip
