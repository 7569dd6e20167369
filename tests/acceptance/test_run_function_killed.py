"""Free steps on the command line: killed in one, a run goes on or asks, as the step says."""

import json
from typing import Any

import pytest

_STEP = """
    import os
    import signal
    from pathlib import Path

    def count(context):
        calls = context.redis.incr("calls")
        context.redis.set("stamps", b" ".join(sorted({{one for one in [context.redis.hget("customer:1", "_v")]}})))
        if calls == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    class Migration(migrations.Migration):
        id = "abcd0004"
        previous = "cccc0003"
        operations = [migrations.Run(count, may_run_twice={may_run_twice})]
"""


@pytest.mark.parametrize("may_run_twice", [True, False])
def test_killed_in_a_step_a_run_goes_on_or_asks_as_the_step_says(project: Any, may_run_twice: bool) -> None:
    project.deploy(3)
    project.migration("0004_count", _STEP.format(may_run_twice=may_run_twice))
    project.fill(20)
    killed = project.migrate_apart()

    again = project.migrate()
    marks = [row["mark"] for row in json.loads(project.run("--json", "showmigrations").out)["apps"]["shop"]]

    assert killed.code == -9
    assert [record["_v"] for record in project.records().values()] == [b"3"] * 20
    with project.server.client() as client:
        assert client.get("stamps") == b"3"
        if may_run_twice:
            assert (again.code, client.get("calls"), marks) == (0, b"2", ["X"] * 4)
            return
        assert (again.code, client.get("calls"), marks) == (6, b"1", ["X", "X", "X", ">"])
        assert "error: shop: the function of 0004_count was called at" in again.err
        done = project.migrate("--run-again")
        assert (done.code, client.get("calls")) == (0, b"2")
    assert "Applied shop.0004_count" in done.out


def test_the_plan_shows_every_segment_and_what_cannot_be_reversed(project: Any) -> None:
    project.deploy(3)
    project.migration("0004_count", _STEP.format(may_run_twice=False))
    project.fill(3)
    with project.server.client() as client:
        client.set("calls", 1)

    plan = project.run("-v", "migrate", "--plan")
    assert project.migrate().code == 0
    back = project.run("migrate", "shop", "zero", "--plan")
    refused = project.migrate("shop", "zero")

    assert "segment 1 of 2" in plan.out
    assert "+ Run count  (runs code)\n        back: cannot be taken back\n" in plan.out
    assert "- Remove field legacy_ref from Customer  (hides values)" in plan.out
    assert "calls count once; if it is interrupted, --run-again is needed to call it again" in plan.out
    assert back.code == 0
    assert "! will be refused: shop: 0004_count cannot be taken back" in back.out
    assert refused.code == 5
