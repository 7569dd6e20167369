"""Settings and apps: found from anywhere, checked as a whole, and every mistake told in one line."""

import sys

import pytest

from redis_models.project.settings import ENVIRONMENT_VARIABLE, find_settings, load_settings
from redis_models.redaction import redact

from .conftest import Write
from .projects import named, refused, settings_with


def test_option_wins_over_environment_wins_over_pyproject(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write({"pyproject.toml": named("from_toml")})

    assert find_settings().module == "from_toml"
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "from_environment")
    assert find_settings().module == "from_environment"
    assert find_settings("from_option").module == "from_option"
    assert find_settings("from_option").source == "--settings"


def test_settings_are_found_from_a_directory_below_the_project(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write({"pyproject.toml": named("s2.settings"), "s2/settings.py": "", "s2/deep/er/x": ""})
    monkeypatch.chdir(root / "s2/deep/er")

    settings = load_settings()

    assert settings.root == root
    assert settings.redis_url == f"embedded:{root}/data"


def test_an_inner_pyproject_without_our_table_is_passed_over(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write({"pyproject.toml": named("s3"), "inner/pyproject.toml": "[project]\nname='x'\n"})
    monkeypatch.chdir(root / "inner")

    assert find_settings().root == root


def test_a_package_in_src_is_found_and_its_data_lie_in_the_project(write: Write) -> None:
    root = write({"pyproject.toml": named("s4.settings"), "src/s4/__init__.py": "", "src/s4/settings.py": ""})

    assert load_settings().redis_url == f"embedded:{root}/data"


def test_data_do_not_move_with_the_way_settings_are_named(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write({"manage.py": "", "s5/settings.py": "REDIS_URL = 'embedded:store'"})
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "s5.settings")
    sys.path.insert(0, str(root))
    monkeypatch.chdir("/")

    assert load_settings().redis_url == f"embedded:{root}/store"


def test_a_lone_settings_module_in_the_working_directory_is_enough(write: Write) -> None:
    root = write({"s6_settings.py": ""})

    assert load_settings("s6_settings").root == root


def test_no_settings_named_says_all_three_ways(write: Write) -> None:
    write({})

    text = refused(load_settings)

    assert "--settings" in text
    assert ENVIRONMENT_VARIABLE in text
    assert "[tool.redis_models]" in text


def test_missing_module_says_who_named_it_and_where_it_was_looked_for(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write({})
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "nope_x.settings")

    text = refused(load_settings)

    assert text.startswith(f"settings module 'nope_x.settings' (named by {ENVIRONMENT_VARIABLE}) does not exist")
    assert str(root) in text


def test_missing_module_in_a_package_that_exists_says_so(write: Write) -> None:
    write({"s7/__init__.py": ""})

    assert "package 's7' in s7 has no module 'setings'" in refused(lambda: load_settings("s7.setings"))


def test_a_module_below_a_module_is_missing_not_broken(write: Write) -> None:
    write({"s8.py": ""})

    assert "'s8' is a module, not a package" in refused(lambda: load_settings("s8.settings"))


def test_a_path_instead_of_a_module_name_is_reported(write: Write) -> None:
    write({"s9/settings.py": ""})

    assert "write it like 'shop.settings'" in refused(lambda: load_settings("s9/settings.py"))


def test_a_missing_dependency_of_the_settings_is_broken_not_missing(write: Write) -> None:
    write({"t1/settings.py": "import os\n\nimport nosuchdep_x\n"})

    text = refused(lambda: load_settings("t1.settings"))

    assert "was found, but importing it failed: ModuleNotFoundError: No module named 'nosuchdep_x'" in text
    assert "(t1/settings.py:3)" in text


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = (\n", "SyntaxError: '(' was never closed"),
        ("\n\n1 / 0\n", "ZeroDivisionError: division by zero (t2/settings.py:3)"),
        ("import sys\nsys.exit('set SECRET')\n", "SystemExit: set SECRET (t2/settings.py:2)"),
        ("import json\njson.loads('{')\n", "(t2/settings.py:2)"),
        ("raise ValueError('one\\ntwo')\n", "ValueError: one two (t2/settings.py:1)"),
    ],
)
def test_broken_settings_quote_the_error_and_the_user_s_own_line(write: Write, code: str, message: str) -> None:
    write({"t2/settings.py": code})

    assert message in refused(lambda: load_settings("t2.settings"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("REDIS_URI = 'redis://h'", "there is no setting REDIS_URI; did you mean REDIS_URL?"),
        ("NAME_SPACE = 'x'", "did you mean NAMESPACE?"),
        ("REDIS_URL = 6379", "REDIS_URL must be a text"),
        ("REDIS_URL = 'reddis://h'", "did you mean redis:// ?"),
        ("REDIS_URL = 'localhost:6379'", "it must begin with embedded: or one of redis://"),
        ("REDIS_URL = 'redis://h:http/0'", "port is not a number"),
        ("APPS = 'shop'", "APPS must be a list; write APPS = ['shop']"),
        ("APPS = ['a', 1]", "APPS contains 1"),
        ("APPS = ['a', 'a']", "APPS contains 'a' twice"),
        ("NAMESPACE = 'a{b'", "NAMESPACE is 'a{b'"),
        ("BATCH_SIZE = 101", "BATCH_SIZE is 101; it must be a whole number of records from 1 to 100"),
        ("BATCH_SIZE = True", "BATCH_SIZE is True"),
        (
            "EXECUTOR = 4",
            "EXECUTOR is 4; it must be a function that takes a number of workers and returns an executor",
        ),
        ("LEASE_SECONDS = 0", "LEASE_SECONDS is 0"),
        ("RESEND_WRITES = 1", "RESEND_WRITES is 1; it must be True or False"),
    ],
)
def test_a_wrong_setting_names_itself_its_value_and_the_cure(write: Write, text: str, expected: str) -> None:
    message = refused(lambda: settings_with(write, text))

    assert message.startswith("s1.settings: ")
    assert expected in message


@pytest.mark.parametrize(("text", "wanted"), [("", False), ("RESEND_WRITES = True", True)])
def test_writes_are_sent_again_only_where_the_settings_say_so(write: Write, text: str, wanted: bool) -> None:
    assert settings_with(write, text).resend_writes is wanted


def test_names_of_the_project_s_own_are_left_alone(write: Write) -> None:
    settings = settings_with(write, "REDIS_URL = 'redis://h'\nREDIS_URL_2 = 1\nDEBUG = True\nCACHE_URL = ''\n")

    assert settings.redis_url == "redis://h"


@pytest.mark.parametrize(
    "url",
    [
        "redis://:s3cret@h:x",
        "redis://u:s3/cr@et@h:x",
        "reddis://u:s3cret@h",
        "rediz://h?password=s3cret",
    ],
)
def test_no_password_is_ever_shown(write: Write, url: str) -> None:
    text = refused(lambda: settings_with(write, f"REDIS_URL = {url!r}"))

    assert "s3" not in text


def test_no_password_is_in_the_repr(write: Write) -> None:
    settings = settings_with(write, "REDIS_URL = 'rediss://u:s3cret@h/0'")

    assert "s3cret" not in repr(settings)
    assert settings.shown_url == "rediss://***@h/0"


def test_a_password_in_the_exception_of_a_broken_module_is_hidden(write: Write) -> None:
    write({"t3.py": "raise RuntimeError('cannot reach redis://:s3cret@h:1/0')"})

    assert "redis://***@h:1/0" in refused(lambda: load_settings("t3"))
    assert redact("a redis://h:1/0 b@c") == "a redis://h:1/0 b@c"
