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
    """A project whose run stopped at a record that cannot be converted."""

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
    refused, planned = stopped.migrate(), stopped.migrate("--plan")
    after_refusals = stopped.project.records()
    restore()
    stopped.mend()
    done = stopped.migrate()

    assert (refused.code, planned.code) == (8, 8)
    assert "since a run began that is not finished; restore them (corrected" in refused.err
    assert "or give it up with 'migrate shop 0001'" in refused.err
    assert after_refusals == stopped.half
    assert done.code == 0
    assert {record["_v"] for record in stopped.project.records().values()} == {b"3"}
    assert {record["currency"] for record in stopped.project.records().values()} == {b"EUR"}


@pytest.mark.parametrize("edit", _EDITS.values(), ids=_EDITS)
def test_a_run_whose_files_were_edited_since_is_given_up_as_it_began(
    stopped: Stopped, edit: tuple[str, str, str]
) -> None:
    restore = stopped.edit(*edit)
    planned, given_up = stopped.migrate("shop", "1", "--plan"), stopped.migrate("shop", "1")
    back = stopped.project.records()
    restore()
    stopped.mend()
    done = stopped.migrate()

    assert (planned.code, given_up.code) == (0, 0), given_up
    assert back == stopped.before
    assert (done.code, {record["_v"] for record in stopped.project.records().values()}) == (0, {b"3"}), done


def test_a_run_of_which_a_file_is_gone_is_given_up_as_far_as_no_function_of_it_is_needed(stopped: Stopped) -> None:
    folder = stopped.project.root / "shop/redis_migrations"
    text = (folder / "0003_retype.py").read_text()
    (folder / "0003_retype.py").unlink()
    (folder / "HEAD").unlink(missing_ok=True)

    refused = stopped.migrate()
    given_up = stopped.migrate("shop", "1")
    (folder / "0003_retype.py").write_text(text)
    restored = stopped.migrate("shop", "1")

    assert (refused.code, given_up.code, restored.code) == (8, 6, 0), restored
    assert "(there were 3, and there are 2 now)" in refused.err
    assert "a function that is needed is no longer in the file; restore it from version control" in given_up.err
    assert stopped.project.records() == stopped.before


@pytest.mark.parametrize("said", ["", "[]", "{", "[1]", '[{"id": "bbbb0002"}]', "[" * 100_000, '{"a": 1}'])
def test_foreign_values_in_the_journal_are_not_trusted(stopped: Stopped, said: str) -> None:
    stopped.edit(*_EDITS["another name"])
    with stopped.project.server.client() as client:
        client.hset("redis_models:{default}:journal:shop", "said", said)

    refused = stopped.migrate("shop", "1")

    assert refused.code == 8
    assert stopped.project.records() == stopped.half


def test_a_run_that_was_given_up_leaves_its_files_free_to_be_edited(stopped: Stopped) -> None:
    given_up = stopped.migrate("shop", "1")
    back = stopped.project.records()
    stopped.edit("0002_rename", 'fill="EUR"', 'fill="USD"')
    stopped.mend()
    done = stopped.migrate()

    assert (given_up.code, done.code) == (0, 0), given_up
    assert back == stopped.before
    assert {record["currency"] for record in stopped.project.records().values()} == {b"USD"}
