"""The operator's terminal obeys nothing that lies in Redis: control characters are spelled, in text and in JSON."""

import json
import re
from typing import Any

import pytest

from redis_models.cli.console.context import CliContext
from redis_models.redaction import printable

from .documents import HONEST, KEY

EVIL = "\x1b]0;x\x07\x1b[2J\x9b31m\u202egnp.exe\u2066\x7f\r\x08"
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
DOCUMENTS = {name: document for name, _, document in HONEST}


@pytest.fixture
def spoiled(project: Any, client: Any) -> Any:
    """A project whose records, history, quarantine and ledger are full of control characters."""
    project.deploy(2)
    project.fill(3)
    assert project.migrate().code == 0
    project.deploy(3)
    for key in (f"customer:{EVIL}", "customer:a\nerror: nothing is wrong"):
        record = {"_v": "2", "id": key[9:], "full_name": EVIL, "currency": EVIL, "age": f"x{EVIL}", "visits": "0"}
        client.hset(key, mapping=record)
        client.zadd("customer:__index", {key: 0})
    client.hset("customer:2", mapping={f"extra{EVIL}": "1", "age": f"\n{EVIL}"})
    event = {**DOCUMENTS["history:shop"], "name": EVIL, "by": f"{EVIL}\nroot", "consents": [EVIL]}
    client.rpush(KEY + "history:shop", json.dumps(event))
    entry = {**DOCUMENTS["quarantine:shop"], "reason": EVIL + "\n" + EVIL, "label": EVIL}
    client.hset(KEY + "quarantine:shop", f"customer:{EVIL}", json.dumps(entry))
    entry = {**DOCUMENTS["ledger:shop"], "id": f"cccc{EVIL}", "name": EVIL, "number": 9}
    client.hset(KEY + "ledger:shop", entry["id"], json.dumps(entry))
    return project


COMMANDS = [
    ("history",), ("quarantine", "list"), ("showmigrations",), ("explain",), ("verify",), ("diff",),
    ("check", "--database"), ("migrate", "--plan"), ("migrate", "--dry-run"), ("migrate", "--status"),
    ("migrate", "--max-latency-ms", "0", "--yes"),
    ("inspectdb",), ("makemigrations", "--from-redis"), ("stamp", "shop", "0002"), ("purge", "0002"),
    ("explain", "--key", f"customer:{EVIL}"),
]  # fmt: skip


@pytest.mark.parametrize("is_json", [False, True])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_control_character_of_redis_reaches_the_terminal(
    spoiled: Any, command: tuple[str, ...], is_json: bool
) -> None:
    ran = spoiled.run(*(["--json"] if is_json else []), *command)

    assert not CONTROL.search(ran.out + ran.err), repr(ran)
    assert "Traceback" not in ran.err
    assert not re.search("^error: nothing is wrong", ran.out + ran.err, re.MULTILINE)
    if is_json:
        json.loads(ran.out.splitlines()[-1])


def test_what_is_spelled_can_be_read() -> None:
    assert printable("a\x1b\x9b\x7f\u202e\n\t\r\udcff\ud800é名") == "a\\x1b\\x9b\\x7f\\u202e\\n\\t\\r\\xff\\ud800é名"


def test_lines_of_ours_stay_lines(capsys: pytest.CaptureFixture[str]) -> None:
    context = CliContext()
    context.out_lines("one\ntwo\x1b")
    context.err_lines("three\nfour\u202e")

    assert tuple(capsys.readouterr()) == ("one\ntwo\\x1b\n", "three\nfour\\u202e\n")
