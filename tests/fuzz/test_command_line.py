"""Nonsensical arguments, settings and models: each is refused in one line, never with a traceback."""

import re
from typing import Any

import pytest

LONG = "n" * 300
NUL = "a\0b"
HALF = "\ud800"
DIGITS = "9" * 5000
OPENING = "(" * 5000

# What is refused as wrong usage, with exit code 2.
MISUSED: list[tuple[str, ...]] = [
    ("startapp", LONG), ("startapp", NUL), ("startapp", ""), ("startapp", HALF), ("startapp", "../x"),
    ("startproject", LONG), ("startproject", NUL), ("startproject", ""), ("startproject", "mine", LONG),
    ("startproject", "mine", NUL), ("startproject", "mine", HALF), ("makemigrations", NUL),
    ("makemigrations", LONG), ("makemigrations", "shop", "--name", LONG), ("makemigrations", "shop", "--name", NUL),
    ("makemigrations", "shop", "--name", ""), ("makemigrations", "shop", "--empty", "--name", LONG),
    ("makemigrations", "--answers", NUL), ("makemigrations", "--answers", LONG),
    ("makemigrations", "--save-answers", NUL), ("makemigrations", "--default", NUL),
    ("makemigrations", "--default", "Customer.a=" + OPENING),
    ("makemigrations", "--default", "Customer.a=" + DIGITS),
    ("makemigrations", "--default", "Customer.age=float('inf')"), ("makemigrations", "--rename", "=" * 1000),
    ("makemigrations", "--drop", HALF), ("makemigrations", "--map", NUL), ("migrate", NUL),
    ("migrate", "shop", NUL), ("migrate", "shop", HALF), ("migrate", "--batch", DIGITS),
    ("migrate", "--batch", "-1"), ("migrate", "--max-latency-ms", "nan"),
    ("migrate", "--dry-run", "--sample", "9" * 40), ("migrate", "--max-errors", "9" * 400),
    ("migrate", "--workers", "9" * 40), ("explain", NUL), ("explain", "--key", NUL), ("history", "-n", "9" * 40),
    ("history", "-n", "0"), ("verify", "--sample", "9" * 40), ("inspectdb", "--sample", "9" * 40),
    ("purge", "shop", NUL), ("stamp", "shop", NUL), ("relocate", "--from", ""),
    ("relocate", "--from", "redis://" + LONG), ("relocate", "--from", "redis://" + "h" * 5000),
    ("relocate", "--from", "redis://h:" + "9" * 400), ("quarantine", "drop", NUL),
    ("squashmigrations", "shop", NUL), ("--settings", NUL, "migrate"), ("--settings", LONG, "migrate"), (NUL,),
    (LONG,), (HALF,), ("",), ("squashmigrations", "shop", "0001", "0002", "--name", LONG),
    ("migrate", "--wait", "1e999"), ("migrate", "--wait", "9" * 20),
    ("migrate", "--patience", "inf"), ("migrate", "--max-latency-ms", "1e999"),
    ("purge", "--wait", "Infinity"), ("migrate", "--set", "max-latency-ms=1e999"), ("verify", "--sample", "x" * 5000),
    # A target of a command without targets is not an app of this project.
    ("history", "1e999"), ("showmigrations", "0001"), ("quarantine", "list", "0002"), ("rebase", "zero"),
    ("squashmigrations", "0001", "0002"), ("explain", "0001", "0002"),
]  # fmt: skip
# What names nothing that there is.
UNKNOWN: list[tuple[str, ...]] = [
    ("migrate", "shop", DIGITS), ("migrate", "shop", "+" + DIGITS), ("migrate", "shop", "-" + DIGITS),
    ("migrate", "shop", ""), ("migrate", "shop", "\u0663"), ("migrate", "shop", "\u00b2"),
    ("stamp", "shop", DIGITS), ("squashmigrations", "shop", DIGITS), ("explain", "--key", "k" * 30_000),
    ("explain", "--key", "\udcff"), ("quarantine", "drop", "\udcff"), ("adopt", LONG),
    ("relocate", "--from", "unix:///" + LONG), ("relocate", "--from", "embedded:" + LONG),
]  # fmt: skip


def _is_a_line(ran: Any) -> bool:
    """Whether all that a command said is short, and no traceback or class of Python."""
    said = ran.err.removeprefix("error: ")
    return len(said) < 1500 and not re.search(r"Traceback|\(run again with --traceback|^\w+Error:", said)


@pytest.fixture
def project(project: Any) -> Any:
    project.deploy(2)
    return project


@pytest.mark.parametrize("command", MISUSED, ids=lambda command: repr(command)[:60])
def test_wrong_usage_is_one_line_and_exit_code_2(project: Any, command: tuple[str, ...]) -> None:
    ran = project.run(*command)

    assert ran.code == 2, ran.err[:500]
    assert _is_a_line(ran), ran.err[:500]
    assert ran.err.count("error: ") == 1


@pytest.mark.parametrize("option", ["--sample", "--fail-level", "--wait", "--on-error", "--zone", "--ttl", "--from"])
def test_a_long_value_does_not_hide_what_is_wrong_with_it(project: Any, option: str) -> None:
    commands = {"--fail-level": "check", "--sample": "verify", "--zone": "makemigrations", "--ttl": "makemigrations"}
    command = "relocate" if option == "--from" else commands.get(option, "migrate")

    ran = project.run(command, option, "y" * 3000)

    assert ran.code == 2, ran.err[:500]
    assert len(ran.err) < 400


@pytest.mark.parametrize("command", UNKNOWN, ids=lambda command: repr(command)[:60])
def test_an_unknown_name_is_refused_in_one_line(project: Any, command: tuple[str, ...]) -> None:
    ran = project.run(*command)

    assert ran.code != 0
    assert _is_a_line(ran), ran.err[:500]


SETTINGS: list[tuple[str, Any]] = [
    ("NAMESPACE", ""), ("NAMESPACE", NUL), ("NAMESPACE", "{"), ("NAMESPACE", 5), ("NAMESPACE", None), ("APPS", [NUL]),
    ("APPS", [LONG]), ("APPS", [""]), ("APPS", [5]), ("APPS", None), ("APPS", ["a..b"]), ("APPS", ["shop", "shop"]),
    ("APPS", ["."]), ("REDIS_URL", "redis://h\0"), ("REDIS_URL", "unix:///" + LONG), ("REDIS_URL", "redis://" + LONG),
    ("REDIS_URL", ""), ("REDIS_URL", "embedded:a\0b"), ("REDIS_URL", "embedded:" + LONG), ("REDIS_URL", 5),
    ("BATCH_SIZE", 10**400), ("BATCH_SIZE", "x"), ("MAX_LATENCY_MS", float("nan")), ("WRITE_BACK", 5),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), SETTINGS, ids=lambda parameter: repr(parameter)[:40])
def test_a_nonsensical_setting_is_refused_in_one_line(project: Any, server: Any, name: str, value: Any) -> None:
    settings = {"REDIS_URL": server.url, "APPS": ["shop"], name: value}
    text = "".join(
        f"{setting} = {'float(' + repr(repr(given)) + ')' if given != given else repr(given)}\n"
        for setting, given in settings.items()
    )
    project.write("shop/settings.py", text)

    for command in (("migrate", "--plan"), ("check",)):
        ran = project.run(*command)

        assert ran.code in (0, 1, 2, 7)
        assert _is_a_line(ran), ran.err[:500]


SOURCES = [
    "BATCH_SIZE = 10**5000", "LEASE_SECONDS = -10**5000", "NAMESPACE = 'n' * 100_000", "APPS = [10**5000]",
    "APPS = ['a' * 100_000, 5]", "EXECUTOR = 10**5000", "WRITE_BACK = 10**5000", "RESEND_WRITES = 'y' * 100_000",
    "REDIS_URL = 10**5000", "BATCH_SIZE = 1e999", "LEASE_SECONDS = float('nan')", "NAMESPACE = '\\x1b[2J'",
    "APPS = 10**5000", "BATCH_SIZE = type('Odd', (), {'__repr__': lambda self: 1 / 0})()", "LEASE_SECONDS = True",
    "NAMESPACE = '\\ud800'", "BATCH_SIZE = 0x10 * 10**18",
]  # fmt: skip


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source[:40])
def test_a_setting_is_refused_by_its_name_in_a_short_line(project: Any, server: Any, source: str) -> None:
    project.write("shop/settings.py", f"REDIS_URL = {server.url!r}\nAPPS = ['shop']\n{source}\n")

    ran = project.run("migrate", "--plan")

    assert ran.code == 2, ran
    [line] = ran.err.splitlines()
    assert f"shop.settings: {source.partition(' ')[0]} " in line
    assert len(line) < 300


FIELDS = [
    "x: float = float('inf')", "x: float = float('nan')", "x: list[float] = [float('-inf')]", "x: str = '\\ud800'",
    "x: int = 10**5000", "x: float | None = float('inf')", "x: bytes = b'\\xff'", "x: str = 'a\\0b'",
    "x: Decimal = Decimal('1e9999999')", "x: complex = complex('inf')", f"{LONG}: int = 0", "größe: int = 0",
]  # fmt: skip
_MODELS = """
from decimal import Decimal
from redis_models import Field, Model

class {name}(Model):
    id: str = Field(primary_key=True)
    {field}
"""


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field[:40])
def test_a_default_that_no_file_can_hold_ends_without_a_traceback(project: Any, field: str) -> None:
    for name in ("Customer", "Item"):
        project.write("shop/models.py", _MODELS.format(name=name, field=field))
        for command in (
            ("makemigrations", "--dry-run"),
            ("check",),
            ("diff",),
            ("makemigrations", "--drop", "Customer"),
        ):
            ran = project.run(*command)

            assert ran.code in (0, 1, 2, 3, 5), ran
            assert not re.search(r"Traceback|--traceback", ran.err), ran.err[:500]
    if (project.root / "shop/redis_migrations/0003_delete_customer_and_more.py").exists():
        assert project.run("migrate", "--yes").code == 0


@pytest.mark.parametrize("name", ["C" + "u" * 300, "Größe", "\u5546\u54c1"])
def test_a_model_of_an_uncommon_name_is_migrated(project: Any, name: str) -> None:
    project.write("shop/models.py", _MODELS.format(name=name, field="x: int = 0"))

    assert project.run("makemigrations", "--drop", "Customer").code == 0
    assert project.run("migrate", "--yes").code == 0
    assert project.run("check").code in (0, 1)
