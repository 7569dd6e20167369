"""Files that are edited while a run is stopped: what it did must not be done otherwise to the records that are left."""

from collections.abc import Callable
from typing import Any

import pytest

_COUNT = 60
_CONSENT = ("--yes", "--allow-destructive", "--batch", "5", "--max-latency-ms", "0", "--ignore-sample")
_EDITS = {
    "a constant": ("0002_rename", 'fill="EUR"', 'fill="USD"'),
    "another name": ("0002_rename", '"full_name"', '"whole_name"'),
    "an operation less": ("0003_retype", 'migrations.AddField("Customer", "initial", "str", fill=initial),', ""),
    "a function that becomes a constant": ("0003_retype", "fill=initial", 'fill="?"'),
}


class Stopped:
    """A project whose run stopped half-way, at a record that cannot be converted."""

    def __init__(self, project: Any) -> None:
        self.project = project
        project.deploy(1)
        project.fill(_COUNT)
        assert self.migrate().code == 0
        self.before: dict[str, dict[str, bytes]] = project.records()
        project.deploy(3)
        with project.server.client() as client:
            last = client.scan(0, match="customer:?*", count=1000)[1][-1]
            client.hset(last, "age", "old")
        self.before[last.decode()]["age"] = b"old"
        assert self.migrate().code == 6
        self.half: dict[str, dict[str, bytes]] = project.records()
        assert {record["_v"] for record in self.half.values()} == {b"1", b"3"}

    def migrate(self, *arguments: str) -> Any:
        """Run ``migrate`` in this process."""
        return self.project.run("migrate", *arguments, *_CONSENT)

    def edit(self, name: str, old: str, new: str) -> Callable[[], object]:
        """Change a migration file; give what restores it."""
        path = self.project.root / f"shop/redis_migrations/{name}.py"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        return lambda: path.write_text(text)

    def mend(self) -> None:
        """Let the function convert what stopped the run."""
        self.edit("0003_retype", 'text == "NA"', "not text.isdecimal()")


@pytest.fixture
def stopped(project: Any) -> Stopped:
    """Sixty records of which some are of version 1, and some of version 3."""
    return Stopped(project)


@pytest.mark.parametrize("edit", _EDITS.values(), ids=_EDITS)
def test_a_file_that_says_something_else_than_when_its_run_began_is_refused(
    stopped: Stopped, edit: tuple[str, str, str]
) -> None:
    restore = stopped.edit(*edit)
    refused, planned, back = stopped.migrate(), stopped.migrate("--plan"), stopped.migrate("shop", "1")
    after_refusals = stopped.project.records()
    restore()
    stopped.mend()
    done = stopped.migrate()

    assert (refused.code, planned.code, back.code) == (8, 8, 8)
    assert "say something else than when a run that is not finished began; restore them as they were" in refused.err
    assert "or give it up with 'migrate shop 0001' before you edit them" in refused.err
    assert after_refusals == stopped.half
    assert done.code == 0
    assert {record["_v"] for record in stopped.project.records().values()} == {b"3"}
    assert {record["currency"] for record in stopped.project.records().values()} == {b"EUR"}


def test_a_run_that_was_given_up_leaves_its_files_free_to_be_edited(stopped: Stopped) -> None:
    given_up = stopped.migrate("shop", "1")
    back = stopped.project.records()
    stopped.edit("0002_rename", 'fill="EUR"', 'fill="USD"')
    stopped.mend()
    done = stopped.migrate()

    assert (given_up.code, done.code) == (0, 0), given_up
    assert back == stopped.before
    assert {record["currency"] for record in stopped.project.records().values()} == {b"USD"}
