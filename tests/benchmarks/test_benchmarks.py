"""The benchmarks measure what they say: every case runs, its results are checked, and what is missed is shown."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from rich.console import Console

from .__main__ import main, measure
from .cases import CASES, Bench
from .figures import Group, Promise, Series, ratio_of
from .plots import Axis, plot
from .rounds import Contender, in_turn
from .scale import SCALES
from .server import Server
from .table import lines_of
from .yardsticks.redispy import RedisPy

_TINY = SCALES["tiny"]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _no_rival_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    # popoto says here where the server is.
    monkeypatch.delenv("REDIS_URL", raising=False)


@pytest.mark.parametrize("case", CASES)
def test_every_case_runs_every_yardstick_that_is_installed(case: str) -> None:
    _, groups = measure([case], _TINY, Console(quiet=True))

    missing = {line.name: line.why_not for group in groups for line in group.series if not line.values}
    assert groups
    assert all(missing.values())
    assert not [name for name in missing if name.startswith(("redis_models", "redis-py"))]


@pytest.mark.parametrize("case", ["insert", "select", "save", "get", "patch", "iterate"])
def test_a_yardstick_that_does_less_is_found_out(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lazy(*_: object) -> list[object]:
        return []

    monkeypatch.setattr(RedisPy, case, lazy)

    with Server() as server, pytest.raises(AssertionError, match="redis-py"):
        CASES[case](Bench(server, _TINY, tmp_path))


def test_contenders_take_turns_and_are_checked_once() -> None:
    events: list[str] = []
    clock = iter(range(1_000))

    def contender(name: str) -> Contender:
        def work() -> int:
            events.append(name)
            return 5

        return Contender(name, work, check=lambda: events.append(f"{name} checked"))

    rates = in_turn([contender("a"), contender("b")], 2, warms_up=True, clock=lambda: float(next(clock)))

    assert events == ["a", "a checked", "b", "b checked", "b", "a", "a", "b"]
    assert rates == {"a": [5.0, 5.0], "b": [5.0, 5.0]}


def test_ratios_are_taken_round_by_round_and_show_what_is_missed() -> None:
    # The machine was three times slower in the second round.
    ours, theirs = Series("ours", [90.0, 30.0, 90.0]), Series("it", [100.0, 25.0, 100.0], ours="ours")
    promised = Series("it", theirs.values, ours="ours", promise=Promise(1.0))
    slow = Series("start", [310.0], "ms", promise=Promise(300, is_at_most=True))
    absent = Series("rival", (), why_not="not installed (rival)")

    lines = lines_of(Group("case", "title", [ours, promised, slow, absent]))

    assert ratio_of(ours, theirs).median == 0.9
    assert [(line.ratio, line.ratios, line.is_kept) for line in lines[:2]] == [
        ("", "", None),
        ("0.90", "0.90 - 1.20", False),
    ]
    assert (lines[2].promised, lines[2].is_kept) == ("<= 300 ms", False)
    assert lines[3].value == "not installed (rival)"


@pytest.mark.parametrize("is_log", [False, True])
def test_a_plot_is_an_svg_with_all_its_lines(is_log: bool) -> None:
    lines = {"a <b>": [(10.0, 1.0), (1_000.0, 5.0)], "c": [(10.0, 0.0), (20.0, 2.0)], "nothing": []}

    svg = plot("Title", Axis("records", is_log), Axis("a second", is_log), lines)

    root = ElementTree.fromstring(svg)
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert len(list(root.iter("{http://www.w3.org/2000/svg}polyline"))) == 2
    assert {"Title", "records", "a second", "a <b>", "c"} <= set(texts)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the children of a process")
def test_a_run_that_is_terminated_ends_its_server() -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "growth"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert any("full scale" in line for line in running.stdout)
        (server, *_) = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()

        running.terminate()
        _, said = running.communicate()

    assert (running.returncode, said) == (1, "terminated\n")
    assert not Path(f"/proc/{server}").exists()


def test_a_run_writes_its_tables_between_the_marks_and_every_value_as_json(tmp_path: Path) -> None:
    marks = "Before.\n<!-- written by make bench -->\nold\n<!-- end of what make bench writes -->\nAfter.\n"
    page, headlines, values = tmp_path / "speed.md", tmp_path / "README.md", tmp_path / "values.json"
    page.write_text(marks)
    headlines.write_text(marks)

    main(["save", "growth", "--scale", "tiny", f"--json={values}", f"--page={page}", f"--headlines={headlines}"])

    document = json.loads(values.read_text())
    redis_py = next(line for line in document["groups"][0]["series"] if line["name"] == "redis-py")
    assert len(redis_py["values"]) == _TINY.rounds and redis_py["promise"]["bound"] == 0.8
    assert redis_py["ratio"]["of"] == "redis_models"
    for written in (page, headlines):
        text = written.read_text()
        assert text.startswith("Before.\n<!-- written") and text.endswith("-->\nAfter.\n") and "old" not in text
        assert "| save a new object | redis-py |" in text and "A tiny run" in text
    assert "![Records a second, by the number of records](speed-growth.svg)" in page.read_text()
    assert (tmp_path / "speed-growth.svg").exists()
