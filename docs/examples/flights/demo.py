"""The main job, end to end: real flights change their shape twice and go back, while clients use them.

Run it with ``make demo``, or ``python docs/examples/flights/demo.py``. It takes as many of the 336,776 flights as this
machine does in about two minutes; ``make demo FLIGHTS=all`` takes them all. It exits with 0 only if nothing was lost.
"""

import argparse
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import raw
from back import differences_to
from edit import diff_lines, with_functions
from project import HERE, DemoError, Project, start_project
from source import ALL, record_id
from traffic import Acknowledged, live_traffic

_ANSWERS: Final = (
    *("--rename", "Flight.dest=destination", "--rename", "Flight.tailnum=tail_number"),
    *("--rename", "Flight.time_hour=scheduled", "--drop", "Flight.year", "--drop", "Flight.month"),
    *("--drop", "Flight.day"),
)
_SHOWN: Final = 10  # differences
_FEWEST: Final = 200  # flights; with fewer, the live clients would delete them all
_MEASURED: Final = 8_000  # flights that are stored first, to see how fast this machine is
_LENGTH_S: Final = 100  # how long all acts may take together
_ACTS: Final = 11  # as many times as long as storing the flights takes all of it
_WIDTH: Final = 110


class Demo:
    """One run of the demo.

    Args:
        work: Folder in which the project is made.
        count: How many flights, from the beginning of the file; 0 for as many as suit this machine.
    """

    def __init__(self, work: Path, count: int) -> None:
        self.work, self.count = work, count
        self.acknowledged = Acknowledged()
        self.seconds: dict[str, float] = {}

    def run(self) -> Project:
        """Play all acts; raise DemoError where something is not as it must be."""
        with self._act("1. A new project; version 1 is the CSV file as it comes: all text, NA included"):
            project = start_project(self.work)
            project.use_models(1)
            project.manage("makemigrations")
            project.manage("migrate")
        if not self.count:
            with self._act("   How many flights suit this machine"):
                self._choose_count(project)
        with self._act(f"2. Store {self.count:,} flights through the models, with two processes"):
            began = time.monotonic()
            project.script("store.py", str(self.count))
            print(f"  {self.count:,} flights stored, {self.count / (time.monotonic() - began):,.0f} a second")
            self._show_one(project)
        with self._act("   Remember the bytes of every record, for the end"):
            before = raw.prints_of(project.socket, self.count)
            print(f"  {len(before):,} records read")
        with self._act("3. Version 2 renames three fields, drops three and adds one, while clients use the flights"):
            self._to_version_2(project)
        with self._act("4. Version 3 turns text into datetime, int, None and an Enum, while clients use the flights"):
            self._to_version_3(project)
        with self._act("5. Check every flight"):
            self._check(project)
        with self._act("6. Back to version 1: every byte as it was"):
            project.manage("migrate", "flights", "0001", "--yes")
            self._show_one(project)
            self._check_bytes(project, before)
        return project

    def _choose_count(self, project: Project) -> None:
        rate = int(project.script("store.py", str(_MEASURED)))
        self.count = min(ALL, max(_MEASURED, rate * _LENGTH_S // _ACTS // 1_000 * 1_000))
        print(f"  {_MEASURED:,} flights stored, {rate:,} a second: {self.count:,} of {ALL:,} will take about", end=" ")
        print(f"{self.count / rate * _ACTS:.0f} s. 'make demo FLIGHTS=all' takes all.")

    def _to_version_2(self, project: Project) -> None:
        project.use_models(2)
        project.manage("--no-input", "makemigrations", expect=3)
        project.manage("--no-input", "makemigrations", *_ANSWERS)
        project.manage("migrate", "--plan")
        with live_traffic(project, self.count, self.acknowledged):
            project.manage("migrate", "--yes", "--allow-destructive")
        self._show_one(project)

    def _to_version_3(self, project: Project) -> None:
        project.use_models(3)
        project.manage("makemigrations")
        self._write_functions(project)
        with live_traffic(project, self.count, self.acknowledged):
            project.manage("migrate", "--yes")
        project.manage("showmigrations")
        self._show_one(project)

    def _write_functions(self, project: Project) -> None:
        [path] = project.migrations.glob("0003_*.py")
        generated = path.read_text("utf-8")
        edited = with_functions(generated, HERE / "conversions.py")
        print(f"\n  $ edit {path.relative_to(project.root)}")
        for line in diff_lines(generated, edited):
            print(f"    {line}")
        print("    (what pydantic converts by itself, text to datetime or Enum, needs no function)")
        path.write_text(edited, "utf-8")

    def _check(self, project: Project) -> None:
        _refuse(self.acknowledged.faults)
        path = project.root / "acknowledged.json"
        path.write_text(self.acknowledged.as_json(), "utf-8")
        print(project.script("check.py", str(self.count), str(path)), end="")
        counted = sum(self.acknowledged.increments.values())
        print(f"  {counted:,} increments acknowledged to plain clients, and all of them are there")
        print(f"  {len(self.acknowledged.edits):,} flights edited by a live client, as it left them")
        print(f"  {len(self.acknowledged.deleted):,} flights deleted by a live client, and still gone")

    def _check_bytes(self, project: Project, before: dict[str, raw.Print]) -> None:
        after = raw.prints_of(project.socket, self.count)
        _refuse(differences_to(before, after, self.count, self.acknowledged))
        _refuse([f"{key} belongs to no model" for key in raw.strangers(project.connect())])
        edited = len(self.acknowledged.edits)
        print(f"  {len(after) - edited:,} records have the bytes they had; only the counters went on")
        print(f"  {edited:,} records that a live client edited hold its values, as version 1 writes them")
        print("  no stray key: only flights, their index, and redis_models:{default}:*")

    def _show_one(self, project: Project) -> None:
        """Print the first flight as it is stored in Redis, without its undo fields, which are only counted."""
        key = raw.key_of(record_id(1))
        print(f"\n  $ redis-cli HGETALL {key}")
        record = raw.text_of(project.connect(), key)
        shown = "   ".join(f"{name} {value}" for name, value in sorted(record.items()) if not name.startswith("_b"))
        kept = sum(name.startswith("_b") for name in record)
        more = f"   and {kept} undo fields (_b...)" if kept else ""
        print(textwrap.fill(shown + more, _WIDTH, initial_indent="    ", subsequent_indent="    "), flush=True)

    @contextmanager
    def _act(self, title: str) -> Iterator[None]:
        print(f"\n\n{title}\n{'-' * len(title)}", flush=True)
        began = time.monotonic()
        yield
        self.seconds[title] = time.monotonic() - began
        print(f"  [{self.seconds[title]:.1f} s]", flush=True)


def _refuse(differences: Sequence[str]) -> None:
    """End the demo if there is any difference, with the first of them."""
    if differences:
        raise DemoError("\n  ".join([f"{len(differences):,} differences:", *differences[:_SHOWN]]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--rows",
        type=_rows,
        default=0,
        metavar="N",
        help=f"only the first N flights, {_FEWEST} to {ALL}, or 'all'; without it, as many as suit this machine",
    )
    parser.add_argument("--work", type=Path, default=HERE / "work", metavar="DIR", help="where the project is made")
    parser.add_argument("--keep", action="store_true", help="leave the project there, to look around")
    return parser.parse_args()


def _rows(text: str) -> int:
    rows = ALL if text == "all" else int(text)
    if not _FEWEST <= rows <= ALL:
        raise argparse.ArgumentTypeError(f"{text}: must be {_FEWEST} to {ALL}, or 'all'")
    return rows


def main() -> int:
    """Run the demo; give its exit code."""
    arguments = _arguments()
    demo = Demo(arguments.work.absolute(), arguments.rows)
    try:
        project = demo.run()
    except DemoError as exc:
        print(f"\nFAILED: {exc}\nThe project is in {demo.work}, as it was then.", flush=True)
        return 1
    except KeyboardInterrupt:
        return 130
    print("\n\nNothing was lost.")
    for title, seconds in demo.seconds.items():
        print(f"  {seconds:6.1f} s  {title}")
    print(f"  {sum(demo.seconds.values()):6.1f} s  in all")
    project.stop()
    if arguments.keep:
        print(f"\nLook around:\n  cd {project.root}\n  python manage.py showmigrations\n  python manage.py migrate")
    else:
        shutil.rmtree(project.root)
    return 0


if __name__ == "__main__":
    sys.exit(main())
