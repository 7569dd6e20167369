"""Runs the benchmarks, prints their tables, and writes them where they are told to: ``python -m tests.benchmarks``."""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from .cases import CASES, Bench
from .document import document_of
from .figures import Group
from .machine import Machine, look
from .pages import write_headlines, write_page
from .scale import SCALES, Scale
from .server import Server
from .table import headlines_of, print_group

__all__ = ["main", "measure"]


def measure(names: Sequence[str], scale: Scale, console: Console) -> tuple[Machine, list[Group]]:
    """Run cases one after the other, and print what each came to."""
    groups: list[Group] = []
    with tempfile.TemporaryDirectory(prefix="bench") as folder, Server() as server:
        machine = look(str(server))
        console.print(f"{machine}; {scale.name} scale, {scale.rounds} rounds\n")
        for name in names:
            began = time.monotonic()
            found = CASES[name](Bench(server, scale, Path(folder)))
            for group in found:
                print_group(console, group)
            groups += found
            console.print(f"{name}: {time.monotonic() - began:.0f} s\n", style="dim")
            sys.stdout.flush()  # who looks into a file sees how far it is
    return machine, groups


def _end(*_: object) -> None:
    sys.exit("terminated")  # by way of all blocks, so that the server ends, too


def main(arguments: Sequence[str]) -> int:
    """Give 0, unless a case did not do what it should."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("cases", nargs="*", choices=[[], *CASES], metavar="CASE", help=f"one of {', '.join(CASES)}")
    parser.add_argument("--scale", choices=SCALES, default="full", help="how much is done")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write every value, as JSON")
    parser.add_argument("--page", type=Path, help="page that gets the tables and the plots")
    parser.add_argument("--headlines", type=Path, help="page that gets what is promised")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 170)
    scale = SCALES[options.scale]
    machine, groups = measure(options.cases or list(CASES), scale, console)
    missed = [f"{title}: {line.name}" for title, line in headlines_of(groups) if line.is_kept is False]
    console.print(f"missed: {'; '.join(missed)}" if missed else "All promises are kept.")
    if options.json:
        options.json.write_text(json.dumps(document_of(machine, scale, groups), indent=1) + "\n", "utf-8")
    if options.page:
        write_page(options.page, machine, scale, groups)
    if options.headlines:
        write_headlines(options.headlines, machine, scale, groups)
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    sys.exit(main(sys.argv[1:]))
