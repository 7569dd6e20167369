"""Pasted: the command, flag or line that an error names, taken from its text as it stands, leads on."""

import json
import re
import shlex
from typing import Any

import pytest

_CONSENT = ("--yes", "--allow-destructive", "--max-latency-ms", "0")
_LEDGER = "redis_models:{default}:ledger:shop"
_MODEL = """
from redis_models import Field, Model

class Customer(Model):
    id: str = Field(primary_key=True)
    {fields}

    class Meta:
        version = {version}
"""
_STEP = """
    def step(run):
        raise RuntimeError("stopped")

    class Migration(migrations.Migration):
        id = "dddd0004"
        previous = "cccc0003"
        versions = {}
        operations = [migrations.Run(step, may_run_twice=False)]
"""


class Typist:
    """A user who types what messages say."""

    def __init__(self, project: Any) -> None:
        self.project = project

    def output_of(self, *arguments: str, code: int) -> str:
        """Run a command that ends with a code; give what it tells, results and errors."""
        ran = self.project.run(*arguments)
        assert ran.code == code, f"{arguments} {ran.code} {ran.out} {ran.err}"
        return str(ran.out + ran.err)

    def paste(self, text: str, number: int = 0, **known: str) -> None:
        """Run one of the commands that a text quotes, with what people know in the place of words in capitals."""
        commands = re.findall(rf"'(?:redis-models )?((?:{'|'.join(_WORDS)})(?: [^']+)?)'", text)
        assert len(commands) > number, text
        words = [known.get(word, word) for word in shlex.split(commands[number])]
        if words[0] == "migrate" and "--fake" not in words:
            words += _CONSENT
        ran = self.project.run(*words)
        assert ran.code == 0, f"{words}: {ran.out} {ran.err}"

    def is_in_order(self) -> bool:
        """Whether nothing is left to do."""
        return bool(self.project.run("migrate", *_CONSENT).code == 0)


_WORDS = (
    "adopt", "check", "history", "makemigrations", "migrate", "purge", "quarantine", "rebase", "stamp", "verify",
)  # fmt: skip


@pytest.fixture
def typist(project: Any) -> Typist:
    return Typist(project)


@pytest.fixture
def applied(typist: Typist) -> Typist:
    """Twenty records at version 3."""
    typist.project.fill(20)
    typist.project.deploy(3)
    assert typist.project.migrate().code == 0
    return typist


def _edit(project: Any, name: str, old: str, new: str) -> None:
    path = project.root / f"shop/redis_migrations/{name}.py"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_an_edited_file_is_accepted_by_the_command_that_is_named(applied: Typist) -> None:
    _edit(applied.project, "0002_rename", 'fill="EUR"', 'fill="USD"')

    applied.paste(applied.output_of("migrate", code=8))

    assert applied.is_in_order()


def test_a_snapshot_of_something_else_is_refused_in_the_same_way(applied: Typist, client: Any) -> None:
    client.set(
        "redis_models:{default}:snapshot:shop",
        client.get("redis_models:{default}:snapshot:shop").replace(b"visits", b"visit"),
    )

    applied.paste(applied.output_of("migrate", code=8))

    assert applied.is_in_order()


@pytest.mark.parametrize("raw", [b"{", b"[]", b'"x"', b"\xff", b"nonsense"])
def test_an_unreadable_ledger_is_repaired_by_the_command_that_the_error_names(
    applied: Typist, client: Any, raw: bytes
) -> None:
    client.hset(_LEDGER, "bbbb0002", raw)

    applied.paste(applied.output_of("migrate", code=8), TARGET="3")

    assert applied.is_in_order()
    assert applied.project.run("verify").code == 0


def test_an_unreadable_quarantine_is_built_again(typist: Typist, client: Any) -> None:
    typist.project.fill(20)
    typist.project.deploy(3)
    client.hset("customer:7", "age", "old")
    assert typist.project.run("migrate", "--on-error", "quarantine", *_CONSENT).code == 1
    key = "redis_models:{default}:quarantine:shop"
    client.hset(key, "customer:7", "{")

    text = typist.output_of("quarantine", "list", code=8)
    client.delete(re.findall(rf"{re.escape(key)}", text)[0])
    found = re.findall(r"'(migrate [^']+)'", text)[0]
    ran = typist.project.run(*shlex.split(found), *_CONSENT)

    assert ran.code == 1, ran.err
    assert client.hkeys(key) == [b"customer:7"]


def test_records_that_older_code_wrote_are_brought_up_by_the_command_that_verify_names(applied: Typist) -> None:
    applied.project.fill(3, 100)

    applied.paste(applied.output_of("verify", code=1))

    assert applied.project.run("verify").code == 0


def test_foreign_members_of_an_index_are_taken_out_by_the_command_that_verify_names(
    applied: Typist, client: Any
) -> None:
    client.zadd("customer:__index", {"other:1": 0})

    applied.paste(applied.output_of("verify", code=1))

    assert applied.project.run("verify").code == 0


def test_a_purge_without_a_receipt_names_what_gives_one(applied: Typist) -> None:
    applied.paste(applied.output_of("purge", "--yes", code=5))

    assert applied.project.run("purge", "--yes").code == 0


@pytest.mark.parametrize("number", [0, 1, 2], ids=["it did all", "it did nothing", "again"])
def test_a_function_that_did_not_end_may_be_accepted_undone_or_called_again(applied: Typist, number: int) -> None:
    applied.project.migration("0004_step", _STEP)
    assert applied.project.run("migrate", *_CONSENT).code != 0
    text = applied.output_of("migrate", *_CONSENT, code=6)
    _edit(applied.project, "0004_step", 'raise RuntimeError("stopped")', "pass")

    applied.paste(text, number)

    assert applied.is_in_order()
    assert applied.project.run("migrate", "--check").code == 0


def test_questions_name_flags_that_answer_them(typist: Typist) -> None:
    typist.project.write("shop/models.py", _MODEL.format(fields="name: str; kind: str = 'a b'", version=1))
    assert typist.project.run("makemigrations").code == 0
    fields = "full_name: str; since: int"
    typist.project.write("shop/models.py", _MODEL.format(fields=fields, version=2))

    flags: list[str] = []
    for _ in range(5):
        ran = typist.project.run("makemigrations", *flags)
        if ran.code == 0:
            break
        assert ran.code == 3, ran.err
        flags += _first_flag(ran.err)

    assert typist.project.run("makemigrations", "--check").code == 0


def _first_flag(text: str) -> list[str]:
    """Take the first option that a question offers, with the value that people know."""
    found = re.search(r"(--(?:rename|drop|default|compute|map|zone|ttl) (?:\"[^\"]*\"|'[^']*'|\S+))", text)
    assert found is not None, text
    return [word.rstrip(",;.").replace("LITERAL", "0") for word in shlex.split(found[1])]


@pytest.mark.parametrize("way", ["line", "flag"])
def test_a_version_that_is_too_low_is_raised_by_the_line_or_the_flag_that_is_named(typist: Typist, way: str) -> None:
    typist.project.write("shop/models.py", _MODEL.format(fields="name: str = ''", version=1))
    assert typist.project.run("makemigrations").code == 0
    path = typist.project.write("shop/models.py", _MODEL.format(fields="name: str = ''; age: int = 0", version=1))

    text = typist.output_of("makemigrations", code=2)
    line, flag = re.search(r"write (version = \d+) in", text), re.search(r"run again with (--\w+)", text)
    assert line is not None
    assert flag is not None
    if way == "line":
        path.write_text(path.read_text().replace("version = 1", line[1]))
    ran = typist.project.run("makemigrations", *([] if way == "line" else [flag[1]]))

    assert ran.code == 0, ran.err
    assert typist.project.run("makemigrations", "--check").code == 0


@pytest.mark.parametrize(
    ("name", "old", "new", "cure", "repaired"),
    [
        (
            "0003_retype",
            'versions = {"Customer": 3}',
            "versions = {}",
            r"add (\{'Customer': \d+\})",
            "versions = CURE",
        ),
        (
            "0003_retype",
            'previous = "bbbb0002"',
            'previous = "ffff0000"',
            r"or write (previous = '\w+')",
            "CURE",
        ),
        (
            "0003_retype",
            'id = "cccc0003"',
            'id = ""',
            r"such as (id = '\w+')",
            "CURE",
        ),
    ],
)
def test_a_line_that_a_file_lacks_is_named_as_it_is_written(
    typist: Typist, name: str, old: str, new: str, cure: str, repaired: str
) -> None:
    typist.project.deploy(3)
    _edit(typist.project, name, old, new)

    found = re.search(cure, typist.output_of("migrate", code=1))
    assert found is not None
    _edit(typist.project, name, new, repaired.replace("CURE", found[1]))

    assert typist.is_in_order()


def test_the_line_of_a_head_is_named_as_it_is_written(typist: Typist) -> None:
    typist.project.deploy(3)
    head = typist.project.write("shop/redis_migrations/HEAD", "aaaa0001\n")

    found = re.search(r"the last migration is '(\w+)'; write that here", typist.output_of("migrate", code=1))
    assert found is not None
    head.write_text(found[1])

    assert typist.is_in_order()


def test_a_run_without_files_is_gone_on_with_or_gets_files_by_what_is_named(typist: Typist) -> None:
    typist.project.write("shop/models.py", _MODEL.format(fields="name: str = ''", version=1))
    assert typist.project.run("migrate", "--auto", "--yes").code == 0

    text = typist.output_of("migrate", code=8)
    found = re.findall(r"'(makemigrations [^']+)'", text)

    assert typist.project.run(*found[0].split()).code == 0
    ran = typist.project.run("migrate", *_CONSENT)
    if ran.code:
        typist.paste(ran.err)

    assert typist.is_in_order()
    assert typist.project.run("migrate", "--check").code == 0


def test_settings_are_named_by_the_lines_that_are_shown(typist: Typist) -> None:
    (typist.project.root / "pyproject.toml").write_text("")

    text = typist.output_of("check", code=2)
    found = re.search(r'write (settings = "shop.settings") under (\[tool.redis_models\])', text)
    assert found is not None
    (typist.project.root / "pyproject.toml").write_text(f"{found[2]}\n{found[1]}\n")
    typist.project.deploy(1)

    assert json.loads(typist.project.run("--json", "check").out)["problems"] is not None
