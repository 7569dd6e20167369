"""A shop whose customers migrate from version 1 to 3 while live writers write to them; and what is counted after."""

import json
import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

__all__ = ["Count", "Shop", "Watched"]

_CONSENT: Final = ("--yes", "--allow-destructive")
_WRITERS: Final = 2
_LONGEST_S: Final = 240.0

# A process of the application, with the newest code. Every second customer is its own. An increment and a name are
# acknowledged, or open (they may have been executed), or refused.
_WRITER = """
import json, os, random, sys, time
from collections import Counter
import redis_models
from redis_models.errors import NotFoundError, RedisModelsError

redis_models.setup()
from shop.models import Customer

number, count, stop = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
pick, turn = random.Random(number), 0
counted, opened, errors, names, missing = Counter(), Counter(), Counter(), {}, set()
while not os.path.exists(stop):
    at, turn = pick.randrange(count // 2) * 2 + number, turn + 1
    name = f"w{at}.{turn}" if turn % 2 else ""
    try:
        if turn % 4 == 1:
            Customer.sync.patch(str(at), full_name=name)
        elif name:
            one = Customer.sync.get(str(at))
            one.full_name = name
            one.sync.save()
        else:
            Customer.sync.increment(str(at), "visits")
    except NotFoundError:
        missing.add(at)
    except RedisModelsError as exc:
        errors[type(exc).__name__] += 1
        if getattr(exc, "is_left_open", False):
            if name:
                names.setdefault(at, [None]).append(name)
            else:
                opened[at] += 1
        time.sleep(0.02)
    else:
        counted["all"] += 1
        if name:
            names[at] = [name]
            counted[f"names {at}"] += 1
        else:
            counted[at] += 1
    with open(f"beat{number}", "w") as beat:
        beat.write(str(counted["all"]))
    time.sleep(0.002)
print(json.dumps([counted, opened, names, errors, sorted(missing)]))
"""


@dataclass
class Count:
    """What was acknowledged to live writers, and what became of it.

    Attributes:
        acknowledged: Writes.
        lost: Of these, those that are not there.
        doubled: Increments that were executed more than once.
        open: Writes whose outcome the client does not know.
        missing: Records that a writer did not find.
        errors: That writers met, by class.
        wrong: Records that are not as they must be, whatever was written.
    """

    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0
    open: int = 0
    missing: set[int] = field(default_factory=set[int])
    errors: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])


class Watched:
    """A run of ``migrate`` that is under way; what it tells is read beside it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.changed = 0
        self.throttles: list[str] = []  # what each line of progress says of the pace, "" for full speed
        self.output: list[str] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            try:
                entry = json.loads(line)
                self.changed = max(self.changed, entry.get("changed", 0))
                self.throttles.append(entry.get("pace", ""))
            except ValueError:
                self.output.append(line.strip())

    def await_changed(self, least: int) -> None:
        """Wait until so many records are changed."""
        assert self.is_at(least), f"it ended with {self.process.returncode}: {self.output}"

    def is_at(self, least: int) -> bool:
        """Wait until so many records are changed; False where the run ends before."""
        until = time.monotonic() + _LONGEST_S
        while self.changed < least:
            if self.process.poll() is not None:
                return False
            assert time.monotonic() < until, f"{self.changed} records in {_LONGEST_S} s"
            time.sleep(0.005)
        return True

    def end(self) -> int:
        """Wait for its end; give its exit code."""
        code = self.process.wait(_LONGEST_S)
        self._thread.join()
        return code


class Shop:
    """The project, its customers, and the writers beside the run. Used by one test."""

    def __init__(self, project: Any, count: int, stop: Path) -> None:
        self.project, self.count, self._stop = project, count, stop
        self._writers: list[subprocess.Popen[str]] = []
        self._counted, self._opened = Counter[int](), Counter[int]()
        self._names = dict[int, list[str | None]]()
        project.deploy(1)
        project.fill(count)
        project.deploy(3)
        project.write("writer.py", _WRITER)

    def start_writers(self) -> None:
        """Start them, and wait until each has written something."""
        count = str(self.count)
        self._writers = [
            self.project.start("writer.py", str(number), count, str(self._stop)) for number in range(_WRITERS)
        ]
        self.await_writes(1)

    def await_writes(self, more: int) -> None:
        """Wait until each writer was acknowledged so many more writes."""
        before, until = [self._beat(number) for number in range(_WRITERS)], time.monotonic() + _LONGEST_S
        while any(self._beat(number) < before[number] + more for number in range(_WRITERS)):
            assert all(writer.poll() is None for writer in self._writers), [
                self.project.end(writer) for writer in self._writers
            ]
            assert time.monotonic() < until, "the writers do not get through"
            time.sleep(0.01)

    def _beat(self, number: int) -> int:
        try:
            return int((self.project.root / f"beat{number}").read_text() or 0)
        except OSError:
            return 0

    def start(self, *arguments: str) -> Watched:
        """Start ``migrate``, as fast as it can go."""
        return self.start_gently("--max-latency-ms", "0", *arguments)

    def start_gently(self, *arguments: str) -> Watched:
        """Start ``migrate`` at the pace that it takes by default."""
        return self.start_command("migrate", *arguments, *_CONSENT)

    def start_command(self, *arguments: str) -> Watched:
        """Start a command that tells how far it is."""
        return Watched(self.project.start("--json", *arguments))

    def settle(self, *arguments: str, most: int = 40) -> int:
        """Run ``migrate`` until it says that it is done; give how many runs that took."""
        codes: list[int] = []
        while len(codes) < most:
            done = self.project.run("migrate", "--max-latency-ms", "0", *arguments, *_CONSENT)
            codes.append(done.code)
            if done.code == 0:
                return len(codes)
            assert done.code in (4, 6, 7), done
        raise AssertionError(f"it is not done after {most} runs, which ended with {codes}")

    def stop_writers(self) -> Count:
        """End the writers; give what they were told, not compared with anything yet."""
        self._stop.touch()
        count, ended = Count(), [self.project.end(writer) for writer in self._writers]
        assert all(process.code == 0 for process in ended), ended
        for line in ended:
            counted, opened, names, errors, missing = json.loads(line.out)
            count.acknowledged += counted.pop("all", 0)
            self._counted.update({int(at): much for at, much in counted.items() if at.isdecimal()})
            self._opened.update({int(at): much for at, much in opened.items()})
            self._names.update({int(at): written for at, written in names.items()})
            count.errors.update(errors)
            count.missing |= set(missing)
        count.open = self._opened.total() + sum(len(written) - 1 for written in self._names.values())
        return count

    def compare(self, count: Count, *, version: int = 3, gone: bool = False) -> Count:
        """Compare every record with what the writers were told.

        Args:
            count: Of ``stop_writers``.
            version: That all records must have.
            gone: Records may be gone.
        """
        found = self.project.records()
        for at in range(self.count):
            record = found.pop(f"customer:{at}", None)
            if record is None:
                if not gone:
                    count.wrong.append(f"customer:{at} is gone")
                    count.lost += self._counted[at] + (self._names.get(at, [None])[0] is not None)
                continue
            visits = int(record.get("visits", b"0"))
            count.lost += max(0, self._counted[at] - visits)
            count.doubled += max(0, visits - self._counted[at] - self._opened[at])
            name = record.get("full_name" if version > 1 else "name", b"").decode()
            # What was acknowledged last, or nothing, and then what was left open.
            count.lost += name not in [f"n{at}" if known is None else known for known in self._names.get(at, [None])]
            if not _is_whole(record, at, version):
                count.wrong.append(f"customer:{at}: {record}")
        count.wrong += [f"{key} came from nowhere" for key in found]
        return count

    def torn(self) -> list[str]:
        """Give the records that are not whole, at whatever version each of them is."""
        return self.compare(Count(), version=0, gone=True).wrong

    def check_all(self) -> None:
        """Have ``verify`` read everything back, and ``migrate --check`` say that nothing is left to do."""
        verified = self.project.run("verify")
        assert verified.code == 0, verified
        checked = self.project.run("migrate", "--check", "--verified")
        assert checked.code == 0, checked

    def close(self) -> None:
        """End what still runs."""
        self._stop.touch()


def _is_whole(record: Mapping[str, bytes], at: int, version: int) -> bool:
    """Whether a record has exactly the stored fields of its version, with what no writer changes as it must be."""
    stamp = int(record.get("_v", b"1"))
    if version and stamp != version:
        return False
    name = record.get("full_name" if stamp > 1 else "name", b"").decode()
    if not re.fullmatch(rf"n{at}|w{at}\.\d+", name):
        return False
    fields = {field for field in record if not field.startswith("_b")}
    if stamp == 1:
        age = b"NA" if at % 10 == 0 else b"0%d" % at if at % 10 == 1 else b"%d" % at
        return fields == {"_v", "id", "name", "legacy_ref", "age", "visits"} and record["age"] == age
    age = b"None" if at % 10 == 0 else b"%d" % at
    return (
        fields == {"_v", "id", "full_name", "currency", "age", "initial", "visits"}
        and (record["age"], record["currency"], record["id"]) == (age, b"EUR", b"%d" % at)
        and record.get("_b2.2.legacy_ref") == b"r%d" % at
    )
