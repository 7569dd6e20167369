"""Secrets in migrations: no command prints the value of a field that holds or held one, and no quarantine keeps it."""

from collections.abc import Callable
from typing import Any

import pytest

_WORD, _OTHER = "xyzzy-4711", "plugh-0815"
_MODEL = """
from pydantic import BaseModel, ConfigDict, SecretStr
from redis_models import Field, Model

class Card(BaseModel):
    pin: SecretStr

class Quiet(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)
    word: str

class Customer(Model):
    id: str = Field(primary_key=True)
    {field}

    class Meta:
        version = {version}
"""
_FIRST = """
class Migration(migrations.Migration):
    id = "aaaa0001"
    previous = None
    versions = {{"Customer": 1}}
    operations = [
        migrations.CreateModel(
            "Customer", fields={{"id": "str", {name!r}: {type!r}}}, primary_key="id", table="customer"
        ),
    ]
"""
_SECOND = """
{functions}

class Migration(migrations.Migration):
    id = "bbbb0002"
    previous = "aaaa0001"
    versions = {{"Customer": 2}}
    operations = [{operations}]
"""


class Shop:
    """A project with records that hold a secret, and everything that its commands said."""

    def __init__(self, project: Any) -> None:
        self.project = project
        self.said = ""

    def say(self, *arguments: str) -> int:
        """Run a command; give its exit code."""
        output = self.project.run(*arguments)
        self.said += output.out + output.err
        return int(output.code)

    def begin(self, field: str, name: str, type: str, **records: str) -> None:
        """Migrate to version 1, and store records."""
        self.project.write("shop/models.py", _MODEL.format(field=field, version=1))
        self.project.migration("0001_first", _FIRST.format(name=name, type=type))
        assert self.say("migrate", "--yes") == 0, self.said
        with self.project.server.client() as client:
            for key, raw in records.items():
                client.hset(f"customer:{key}", mapping={"id": key, name: raw, "_v": "1"})
                client.zadd("customer:__index", {f"customer:{key}": 0})

    def change(self, field: str, operations: str, functions: str = "") -> None:
        """Write version 2 of the code."""
        self.project.write("shop/models.py", _MODEL.format(field=field, version=2))
        self.project.migration("0002_second", _SECOND.format(operations=operations, functions=functions))

    def say_everything(self, *keys: str) -> None:
        """Run every command that speaks of records."""
        for key in keys:
            assert self.say("explain", "shop", "2", "--key", f"customer:{key}") != 2
            self.say("--json", "explain", "shop", "2", "--key", f"customer:{key}")
        self.say("migrate", "--plan")
        self.say("migrate", "--dry-run")
        self.say("--json", "migrate", "--dry-run", "--sample", "5")
        self.say("--traceback", "migrate", "--yes", "--allow-destructive")
        self.say("migrate", "--yes", "--allow-destructive", "--on-error", "quarantine")
        for key in keys:
            self.say("quarantine", "show", f"customer:{key}")
            self.say("--json", "quarantine", "show", f"customer:{key}")
        self.say("quarantine", "list")
        self.say("--json", "quarantine", "list")
        self.say("quarantine", "retry")
        self.say("verify")
        self.say("--json", "verify")
        self.say("history")
        self.say("--traceback", "migrate", "zero", "--yes", "--allow-destructive", "--on-error", "quarantine")
        self.say("explain", "shop", "2", "--backwards", "--key", f"customer:{keys[0]}")

    def leaks(self) -> list[str]:
        """Which words stand in what was said, or in the bookkeeping."""
        with self.project.server.client() as client:
            kept = [client.dump(key) for key in client.keys("redis_models:*")]
            kept += [client.hgetall(key) for key in client.keys("redis_models:*quarantine*")]
        return [word for word in (_WORD, _OTHER) if word in self.said + repr(kept)]


@pytest.fixture
def shop(project: Any) -> Shop:
    return Shop(project)


_CHANGES = [
    ("it: SecretStr", "SecretStr", f'"{_WORD}"', "it: int", "int"),
    ("it: list[SecretStr]", "list[SecretStr]", f'["{_WORD}"]', "it: list[int]", "list[int]"),
    ("it: SecretStr | None", "SecretStr | None", f'"{_WORD}"', "it: float | None", "float | None"),
    ("it: Card", "Object(pin=SecretStr)", f'{{"pin": "{_WORD}"}}', "it: int", "int"),
    ("it: dict[str, SecretStr]", "dict[str, SecretStr]", f'{{"a": "{_WORD}"}}', "it: dict[str, int]", "dict[str, int]"),
    ("it: str", "str", _WORD, "it: dict[str, SecretStr]", "dict[str, SecretStr]"),
    ("it: SecretStr", "SecretStr", f"'{_WORD}'", "it: str", "str"),  # no JSON, so that it does not even read back
]


_TELLING = """
def change(value):
    word = getattr(value, "get_secret_value", lambda: value)()
    raise ValueError(f"what is {value!r} {word}?")
"""


@pytest.mark.parametrize(("before", "old", "raw", "after", "new"), _CHANGES)
@pytest.mark.parametrize("is_described", [False, True])
def test_no_command_shows_a_secret_that_cannot_be_converted(
    shop: Shop, before: str, old: str, raw: str, after: str, new: str, is_described: bool
) -> None:
    shop.begin(before, "it", old, good=raw, other=raw.replace(_WORD, _OTHER))
    function = _TELLING if is_described else ""
    extra = ", convert=change" if is_described else ""
    shop.change(after, f'migrations.AlterField("Customer", "it", old={old!r}, new={new!r}{extra})', function)

    shop.say_everything("good", "other")

    assert "**********" in shop.said
    assert shop.leaks() == []


_FUNCTIONS: dict[str, tuple[str, str]] = {
    "transform": (
        'migrations.Transform("Customer", change)',
        "def change(old, new):\n    raise ValueError(f'what is {old.it.get_secret_value()}?')\n",
    ),
    "assigned": (
        'migrations.AddField("Customer", "n", "int", fill=0), migrations.Transform("Customer", change)',
        "def change(old, new):\n    new.n = old.it.get_secret_value()\n",
    ),
    "filled": (
        'migrations.AddField("Customer", "n", "int", fill=change)',
        "def change(old):\n    return old.it.get_secret_value()\n",
    ),
}


@pytest.mark.parametrize("kind", _FUNCTIONS)
def test_what_a_function_says_of_a_secret_is_hidden_for_any_field(shop: Shop, kind: str) -> None:
    operations, function = _FUNCTIONS[kind]
    shop.begin("it: SecretStr", "it", "SecretStr", good=f'"{_WORD}"')
    shop.change("it: SecretStr; n: int = 0" if kind != "transform" else "it: SecretStr", operations, function)

    shop.say_everything("good")

    assert "**********" in shop.said
    assert shop.leaks() == []


_WHOLE: dict[str, tuple[str, str]] = {
    "renamed and retyped": (
        "word: str",
        'migrations.RenameField("Customer", "it", "word"),'
        ' migrations.AlterField("Customer", "word", old="SecretStr", new="str")',
    ),
    "removed": ("", 'migrations.RemoveField("Customer", "it")'),
    "kept": ("it: SecretStr; n: int = 0", 'migrations.AddField("Customer", "n", "int", fill=0)'),
}


@pytest.mark.parametrize("kind", _WHOLE)
def test_a_secret_that_goes_through_is_stars_before_and_afterwards(shop: Shop, kind: str) -> None:
    field, operations = _WHOLE[kind]
    shop.begin("it: SecretStr", "it", "SecretStr", good=f'"{_WORD}"')
    shop.change(field or "pass", operations)

    shop.say_everything("good")

    assert "**********" in shop.said
    assert shop.leaks() == []


def test_a_record_that_old_code_reads_through_a_migration_tells_no_secret(
    shop: Shop, store: Any, new_project: Callable[..., Any]
) -> None:
    shop.begin("it: SecretStr", "it", "SecretStr", good=f'"{_WORD}"')
    shop.change("it: int", 'migrations.AlterField("Customer", "it", old="SecretStr", new="int")')
    shop.project.write(
        "read.py",
        "import redis_models\nredis_models.setup()\nfrom shop.models import Customer\nCustomer.sync.get('good')\n",
    )

    output = shop.project.run_apart("read.py")

    assert "cannot be upgraded to version 2" in output.err
    assert _WORD not in output.out + output.err


def test_a_value_that_is_not_secret_is_still_shown(shop: Shop) -> None:
    shop.begin("it: str", "it", "str", good=_WORD)
    shop.change("it: int", 'migrations.AlterField("Customer", "it", old="str", new="int")')

    shop.say("migrate", "--yes", "--allow-destructive")

    assert f"holds b'{_WORD}'" in shop.said


# What hides values and stands in no file: before, its type, stored, afterwards, its type.
_SAYS = "model_config = ConfigDict(hide_input_in_errors=True)"
_HIDDEN = [
    (f"{_SAYS}; it: str", "str", _WORD, f"{_SAYS}; it: int", "int"),
    (f"{_SAYS}; it: list[str]", "list[str]", f'["{_WORD}"]', f"{_SAYS}; it: list[int]", "list[int]"),
    ("it: dict[str, str]", "dict[str, str]", f'{{"word": "{_WORD}"}}', f"{_SAYS}; it: int", "int"),
    ("it: Quiet", "Object(word=str)", f'{{"word": "{_WORD}"}}', "it: list[Quiet]", "list[Object(word=str)]"),
]


@pytest.mark.parametrize(("before", "old", "raw", "after", "new"), _HIDDEN)
@pytest.mark.parametrize("is_described", [False, True])
def test_no_command_shows_a_value_that_the_code_hides(
    shop: Shop, before: str, old: str, raw: str, after: str, new: str, is_described: bool
) -> None:
    shop.begin(before, "it", old, good=raw, other=raw.replace(_WORD, _OTHER))
    extra = ", convert=change" if is_described else ""
    output = _TELLING.replace('getattr(value, "get_secret_value", lambda: value)()', "value")
    shop.change(after, f'migrations.AlterField("Customer", "it", old={old!r}, new={new!r}{extra})', output)

    shop.say_everything("good", "other")
    shop.say("check", "--database")

    assert "**********" in shop.said
    assert shop.leaks() == []


_MOVED = {
    "renamed": (
        f"{_SAYS}; word: str",
        'migrations.RenameField("Customer", "it", "word"), migrations.AddField("Customer", "n", "int", fill=change)',
    ),
    "removed": (f"{_SAYS}; n: int", 'migrations.RemoveField("Customer", "it"),'
                ' migrations.AddField("Customer", "n", "int", fill=0)'),
    "made a nested key": (
        "inner: Quiet | None = None",
        'migrations.AddField("Customer", "inner", "Object(word=str) | None", fill=None),'
        ' migrations.RemoveField("Customer", "inner"), migrations.RenameField("Customer", "it", "inner")',
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", _MOVED)
def test_hidden_fields_stay_hidden_under_former_names_and_as_undo_fields(shop: Shop, kind: str) -> None:
    field, operations = _MOVED[kind]
    shop.begin("it: str", "it", "str", good=_WORD)
    shop.change(field, operations, "def change(old):\n    return getattr(old, 'it', None) or old.word\n")

    shop.say_everything("good")

    assert "**********" in shop.said
    assert shop.leaks() == []


def test_values_that_are_set_in_a_record_that_the_code_hides_are_stars(shop: Shop) -> None:
    shop.begin(f"{_SAYS}; it: str", "it", "str", good=_OTHER)
    shop.change(f"{_SAYS}; it: int", 'migrations.AlterField("Customer", "it", old="str", new="int")')
    shop.say("migrate", "--yes", "--allow-destructive", "--on-error", "quarantine")

    for arguments in (["--dry-run", "it=" + _WORD], ['id="' + _WORD], ["it:={" + _WORD], ["it:=[" + _WORD + "]"]):
        shop.say("quarantine", "set", "customer:good", *arguments)

    assert "it  ********** → **********" in shop.said
    assert shop.leaks() == []


def test_a_run_without_files_heeds_what_the_code_hides(project: Any) -> None:
    shop = Shop(project)
    project.write("shop/models.py", _MODEL.format(field=f"{_SAYS}; it: str", version=1))
    assert shop.say("migrate", "--auto", "--yes") == 0, shop.said
    with project.server.client() as client:
        client.hset("customer:a", mapping={"id": "a", "it": _WORD, "_v": "1"})
        client.zadd("customer:__index", {"customer:a": 0})
    project.write("shop/models.py", _MODEL.format(field=f"{_SAYS}; it: int", version=2))

    shop.say("migrate", "--auto", "--dry-run")
    shop.say("migrate", "--auto", "--yes", "--allow-destructive")
    shop.say("migrate", "--auto", "--yes", "--allow-destructive", "--on-error", "quarantine")

    assert "**********" in shop.said
    assert shop.leaks() == []


def test_that_a_model_hides_its_values_changes_no_file_and_no_snapshot(shop: Shop) -> None:
    shop.begin("it: str", "it", "str", good=_WORD)
    with shop.project.server.client() as client:
        before = {key: client.dump(key) for key in client.keys("*")}
    shop.project.write("shop/models.py", _MODEL.format(field=f"{_SAYS}; it: str", version=1))

    assert shop.say("makemigrations", "--check") == 0, shop.said
    assert shop.say("migrate", "--check") == 0, shop.said
    assert shop.say("diff", "--check") == 0, shop.said
    with shop.project.server.client() as client:
        assert {key: client.dump(key) for key in client.keys("*")} == before


def test_a_hidden_field_of_a_deleted_model_is_reported(shop: Shop) -> None:
    shop.begin(f"{_SAYS}; it: str", "it", "str", good=_WORD)
    shop.project.write("shop/models.py", "")
    shop.change("it: int", 'migrations.AlterField("Customer", "it", old="str", new="int")')
    shop.project.write("shop/models.py", "")

    shop.say("migrate", "--yes", "--allow-destructive")

    assert f"holds b'{_WORD}'" in shop.said
