"""A bench: a project whose database is put back as it was before each input, and all commands that look at it."""

import re
from typing import Any

__all__ = ["COMMANDS", "Bench"]

COMMANDS = [
    ("migrate", "--plan"), ("migrate", "--status"), ("migrate", "--check"),
    ("migrate", "--max-latency-ms", "0", "--yes"), ("migrate", "--fake"), ("migrate", "--auto"),
    ("migrate", "0001", "--max-latency-ms", "0", "--yes", "--allow-destructive"), ("migrate", "--pause"),
    ("migrate", "--resume"), ("migrate", "--abort"), ("showmigrations",), ("history",), ("explain",), ("diff",),
    ("check", "--database"), ("verify",), ("purge", "0002"), ("quarantine", "list"), ("quarantine", "retry"),
    ("stamp", "0002"), ("makemigrations", "--from-redis"), ("rebase",), ("squashmigrations", "shop", "0002"),
]  # fmt: skip
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
NO_ERROR_OF_OURS = re.compile(r"Traceback|\(run again with --traceback|internal")


class Bench:
    """A project with five records at the second migration, which is put back as it was before every input."""

    def __init__(self, project: Any, client: Any) -> None:
        project.deploy(2)
        project.fill(5)
        assert project.migrate().code == 0
        client.hset("canary:1", "id", "1")
        client.set("canary", "bird")
        self.project, self.client = project, client
        self._keys = {key: client.dump(key) for key in client.keys("*")}

    def restore(self) -> None:
        self.client.flushall()
        for key, raw in self._keys.items():
            self.client.restore(key, 0, raw)

    def complaint(self, command: tuple[str, ...]) -> str | None:
        """Run a command; say what is wrong with how it ends, or None."""
        ran = self.project.run(*command)
        said = ran.out + ran.err
        if ran.code not in range(9) or NO_ERROR_OF_OURS.search(said):
            return f"exit {ran.code}: {ran.err[-300:]}"
        if CONTROL.search(said):
            return f"control characters: {said[-300:]!r}"
        if ran.code == 7 or len(ran.err) > 3000:
            return f"exit {ran.code}, {len(ran.err)} letters: {ran.err[-300:]}"
        if [self.client.dump(key) for key in (b"canary", b"canary:1")] != [
            self._keys[b"canary"],
            self._keys[b"canary:1"],
        ]:
            return "a foreign key was touched"
        return None
