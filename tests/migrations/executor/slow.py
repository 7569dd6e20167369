"""A project whose migration takes its time, so that something can be done to the run meanwhile."""

import json
import subprocess
from collections.abc import Callable
from typing import Any, Final

CONSENT: Final = ("--yes", "--allow-destructive")
ProgressLine = dict[str, Any]

# Slow, until there is the file.
_SLOW: Final = """
    import pathlib, time

    def bonus(old, new):
        if not pathlib.Path({hurry!r}).exists():
            time.sleep(0.02)
        new.visits = old.visits + 1000

    def malus(old, new):
        new.visits = old.visits - 1000

    class Migration(migrations.Migration):
        id = "cccc0003"
        previous = "bbbb0002"
        versions = {{"Customer": 3}}
        operations = [migrations.Transform("Customer", bonus, back=malus)]
"""


class SlowShop:
    """A project whose records are of version 1, and take their time to version 3 until a test says ``hurry``."""

    def __init__(self, project: Any, count: int) -> None:
        self.project, self.server = project, project.server
        project.fill(count)
        project.deploy(2)
        models = project.root / "shop/models.py"
        models.write_text(models.read_text().replace("version = 2", "version = 3"))
        self._hurry = project.root / "hurry"
        project.migration("0003_retype", _SLOW.format(hurry=str(self._hurry)))
        self.before: dict[str, dict[str, bytes]] = project.records()

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start ``migrate`` in a process of its own, and wait until it changed something."""
        fixed = ("--max-latency-ms", "0", "--batch", "5", *arguments, *CONSENT)
        process: subprocess.Popen[str] = self.project.start("--json", "migrate", *fixed)
        await_progress(process, lambda progress: progress["changed"])
        return process

    def migrate(self, *arguments: str) -> Any:
        """Run ``migrate`` to its end, fast."""
        self.hurry()
        return self.project.run("migrate", *arguments, *CONSENT)

    def hurry(self) -> None:
        """Let the function of the migration be fast."""
        self._hurry.touch()

    def assert_whole(self) -> None:
        """Check that every record is as an uninterrupted run leaves it, and comes back byte for byte."""
        found = self.project.records()
        assert found.keys() == self.before.keys()
        for key, old in self.before.items():
            kept = {"id": old["id"], "full_name": old["name"], "age": old["age"]}
            assert found[key].items() >= {**kept, "_v": b"3", "visits": b"1000", "currency": b"EUR"}.items()
        back = self.migrate("shop", "1")
        assert back.code == 0, back.err
        assert self.project.records() == self.before


def next_progress(process: "subprocess.Popen[str]") -> ProgressLine:
    """Give the next that a run tells of its progress."""
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith('{"t": "progress"'), line or "the run ended too early"
    found: ProgressLine = json.loads(line)
    return found


def await_progress(process: "subprocess.Popen[str]", is_it: Callable[[ProgressLine], object]) -> ProgressLine:
    """Read what a run tells until it is something."""
    while not is_it(found := next_progress(process)):
        pass
    return found
