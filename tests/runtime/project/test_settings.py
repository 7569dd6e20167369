"""Settings and apps: found from anywhere, checked as a whole, and every mistake told in one line."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from redis_models.errors import ModelDeclarationError, RedisModelsError, SettingsError
from redis_models.project.apps import App, load_apps
from redis_models.project.settings import ENVIRONMENT_VARIABLE, Settings, find_settings, load_settings
from redis_models.redaction import redact

Write = Callable[[dict[str, str]], Path]

MODEL = """
from redis_models import Field, Model

class Customer(Model):
    id: str = Field(primary_key=True)

    class Meta:
        prefix = "{prefix}"
"""


@pytest.fixture(autouse=True)
def untouched_interpreter(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if not name.startswith("redis_models"):
            del sys.modules[name]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write the files of a project and stand in its directory."""

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return write


def named(module: str) -> str:
    return f'[tool.redis_models]\nsettings = "{module}"\n'


def refused(start: Callable[[], object]) -> str:
    """Run what must fail with one of our errors, and give its text, which is one line."""
    with pytest.raises(RedisModelsError) as caught:
        start()
    text = str(caught.value)
    assert "\n" not in text
    return text


def settings_with(write: Write, text: str) -> Settings:
    write({"pyproject.toml": named("s1.settings"), "s1/__init__.py": "", "s1/settings.py": text})
    return load_settings()


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


def test_a_path_instead_of_a_module_name_is_told(write: Write) -> None:
    write({"s9/settings.py": ""})

    assert "write it like 'shop.settings'" in refused(lambda: load_settings("s9/settings.py"))


def test_a_missing_dependency_of_the_settings_is_broken_not_missing(write: Write) -> None:
    write({"t1/settings.py": "import os\n\nimport nosuchdep_x\n"})

    text = refused(lambda: load_settings("t1.settings"))

    assert "was found, but importing it failed: ModuleNotFoundError: No module named 'nosuchdep_x'" in text
    assert "(t1/settings.py:3)" in text


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("x = (\n", "SyntaxError: '(' was never closed"),
        ("\n\n1 / 0\n", "ZeroDivisionError: division by zero (t2/settings.py:3)"),
        ("import sys\nsys.exit('set SECRET')\n", "SystemExit: set SECRET (t2/settings.py:2)"),
        ("import json\njson.loads('{')\n", "(t2/settings.py:2)"),
        ("raise ValueError('one\\ntwo')\n", "ValueError: one two (t2/settings.py:1)"),
    ],
)
def test_broken_settings_quote_the_error_and_the_user_s_own_line(write: Write, code: str, told: str) -> None:
    write({"t2/settings.py": code})

    assert told in refused(lambda: load_settings("t2.settings"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("REDIS_URI = 'redis://h'", "there is no setting REDIS_URI; did you mean REDIS_URL?"),
        ("NAME_SPACE = 'x'", "did you mean NAMESPACE?"),
        ("REDIS_URL = 6379", "REDIS_URL must be a text"),
        ("REDIS_URL = 'reddis://h'", "did you mean redis:// ?"),
        ("REDIS_URL = 'localhost:6379'", "it must begin with embedded: or one of redis://"),
        ("REDIS_URL = 'redis://h:http/0'", "port is no number"),
        ("APPS = 'shop'", "APPS must be a list; write APPS = ['shop']"),
        ("APPS = ['a', 1]", "APPS holds 1"),
        ("APPS = ['a', 'a']", "APPS holds 'a' twice"),
        ("NAMESPACE = 'a{b'", "NAMESPACE is 'a{b'"),
        ("BATCH_SIZE = 101", "BATCH_SIZE is 101; it must be a whole number of records from 1 to 100"),
        ("BATCH_SIZE = True", "BATCH_SIZE is True"),
        (
            "EXECUTOR = 4",
            "EXECUTOR is 4; it must be a function that is given a number of workers, and gives an executor",
        ),
        ("LEASE_SECONDS = 0", "LEASE_SECONDS is 0"),
        ("RESEND_WRITES = 1", "RESEND_WRITES is 1; it must be True or False"),
    ],
)
def test_a_wrong_setting_names_itself_its_value_and_the_cure(write: Write, text: str, told: str) -> None:
    message = refused(lambda: settings_with(write, text))

    assert message.startswith("s1.settings: ")
    assert told in message


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


def apps_of(write: Write, files: dict[str, str], settings: str) -> tuple[App, ...]:
    root = write({**files, "project_settings.py": settings})
    sys.path.insert(0, str(root))
    return load_apps(load_settings("project_settings"))


def test_an_app_has_its_label_its_models_and_its_migrations_folder(write: Write) -> None:
    root = write({})
    (app,) = apps_of(write, {"co/a1/models.py": MODEL.format(prefix="a1")}, "APPS = ['co.a1']")

    assert (app.label, app.package, app.modules) == ("a1", "co.a1", ("co.a1.models",))
    assert app.migrations_path == root / "co/a1/redis_migrations"
    assert [model.__name__ for model in app.models] == ["Customer"]


def test_models_of_the_settings_module_belong_to_the_app_around_it(write: Write) -> None:
    write({"a2/__init__.py": "", "a2/settings.py": MODEL.format(prefix="a2")})

    (app,) = load_apps(load_settings("a2.settings"))

    assert (app.label, app.modules, len(app.models)) == ("a2", ("a2.settings",), 1)


def test_two_modules_of_one_package_are_one_app(write: Write) -> None:
    files = {"a3/x.py": MODEL.format(prefix="x"), "a3/y.py": MODEL.format(prefix="y").replace("Customer", "Account")}
    (app,) = apps_of(write, files, "APPS = ['a3.x', 'a3.y']")

    assert [model.__name__ for model in app.models] == ["Account", "Customer"]


def test_abstract_foreign_and_aliased_models_are_left_out(write: Write) -> None:
    files = {
        "b4/other.py": MODEL.format(prefix="o").replace("Customer", "Foreign"),
        "a4/models.py": "from b4.other import Foreign\n"
        + MODEL.format(prefix="a4")
        + "Same = Customer\nclass Base(Model):\n    id: str\n    class Meta:\n        abstract = True\n",
    }
    (app,) = apps_of(write, files, "APPS = ['a4']")

    assert [model.__name__ for model in app.models] == ["Customer"]
    assert app.left_out == (
        "a4.models imports Foreign of b4.other, which is in no app, so its records are not looked after; name 'Foreign'"
        " in __all__ of a4.models, or 'b4.other' in APPS",
    )


def test_a_model_that_is_imported_from_a_sibling_module_belongs_to_the_app(write: Write) -> None:
    files = {
        "a8/items.py": MODEL.format(prefix="i").replace("Customer", "Item"),
        "a8/deep/parts.py": MODEL.format(prefix="p").replace("Customer", "Part"),
        "a8/hidden.py": MODEL.format(prefix="h").replace("Customer", "Hidden"),
        "a8/models.py": "from a8.items import Item as Thing\nfrom .deep.parts import Part\n"
        "from a8.hidden import Hidden as _Hidden\n",
    }
    (app,) = apps_of(write, files, "APPS = ['a8']")

    assert [model.__name__ for model in app.models] == ["Item", "Part"]
    assert app.left_out == ()


@pytest.mark.parametrize("order", ["'a9', 'a9.inner'", "'a9.inner', 'a9'"])
def test_a_model_of_an_app_within_an_app_is_its_own(write: Write, order: str) -> None:
    files = {
        "a9/inner/models.py": MODEL.format(prefix="i").replace("Customer", "Item"),
        "a9/models.py": "from a9.inner.models import Item\n" + MODEL.format(prefix="a9"),
    }
    apps = apps_of(write, files, f"APPS = [{order}]")

    assert {app.label: [model.__name__ for model in app.models] for app in apps} == {
        "a9": ["Customer"],
        "inner": ["Item"],
    }


def test_a_models_package_may_spread_over_modules_and_re_export(write: Write) -> None:
    files = {
        "a5/models/__init__.py": "from a5.models.one import Customer\nfrom a5.shared import Shared\n"
        "__all__ = ['Shared']\n",
        "a5/models/one.py": MODEL.format(prefix="a5"),
        "a5/shared.py": MODEL.format(prefix="s").replace("Customer", "Shared"),
    }
    (app,) = apps_of(write, files, "APPS = ['a5']")

    assert [model.__name__ for model in app.models] == ["Customer", "Shared"]
    assert app.package == "a5"


def test_meta_app_moves_a_model_to_another_app(write: Write) -> None:
    moved = MODEL.format(prefix="b").replace("Customer", "Moved") + '        app = "a7"\n'
    apps = apps_of(write, {"a6/models.py": moved, "a7/models.py": MODEL.format(prefix="a7")}, "APPS = ['a6', 'a7']")

    assert [[model.__name__ for model in app.models] for app in apps] == [[], ["Customer", "Moved"]]


@pytest.mark.parametrize(
    ("files", "settings", "told"),
    [
        ({}, "", "project_settings: APPS is missing and no models are declared here"),
        ({}, "APPS = ['b0']", "app 'b0' (APPS of project_settings) does not exist"),
        ({"b1/__init__.py": ""}, "APPS = ['b1']", "app 'b1' (APPS of project_settings) has no module 'b1.models'"),
        (
            {"b2/models.py": "\nimport nosuchdep_y\n"},
            "APPS = ['b2']",
            "models module 'b2.models' of app 'b2' (APPS of project_settings) was found, but importing it failed:"
            " ModuleNotFoundError: No module named 'nosuchdep_y' (b2/models.py:2)",
        ),
        (
            {"b3/x/models.py": "", "b4/x/models.py": ""},
            "APPS = ['b3.x', 'b4.x']",
            "APPS names 'b3.x' and 'b4.x', which have one label (x)",
        ),
        ({"b5.py": "", "b6.py": ""}, "APPS = ['b5', 'b6']", "which have one migrations folder"),
        (
            {"b7/models.py": MODEL.format(prefix="") + '        app = "nope"\n'},
            "APPS = ['b7']",
            "Customer: Meta.app = 'nope' is no app of this project; those are b7",
        ),
        (
            {"b8/x.py": MODEL.format(prefix="x"), "b8/y.py": MODEL.format(prefix="y")},
            "APPS = ['b8.x', 'b8.y']",
            "Customer: app 'b8' has two models of this name, in b8.x and in b8.y",
        ),
        (
            {"b9/models.py": MODEL.format(prefix="p"), "c0/models.py": MODEL.format(prefix="p")},
            "APPS = ['b9', 'c0']",
            "Customer: has the same keys as b9.models.Customer (p:customer:*)",
        ),
        (
            {
                "d0/models.py": MODEL.format(prefix="p") + "        separator = '_'\n",
                "d1/models.py": MODEL.format(prefix="p").replace('prefix = "p"', 'table = "p_customer_x"'),
            },
            "APPS = ['d0', 'd1']",
            "Customer: has the same keys as d0.models.Customer (p_customer_x:*)",
        ),
        (
            {"c1/models.py": "import redis_models\nredis_models.setup('project_settings')\n"},
            "APPS = ['c1']",
            "redis_models.setup() is called while models are imported",
        ),
    ],
)
def test_apps_that_cannot_be_loaded_say_why(write: Write, files: dict[str, str], settings: str, told: str) -> None:
    assert told in refused(lambda: apps_of(write, files, settings))


def test_errors_of_declarations_and_of_settings_are_told_apart(write: Write) -> None:
    with pytest.raises(SettingsError):
        load_settings("d0")
    with pytest.raises(ModelDeclarationError):
        apps_of(write, {"d1/models.py": MODEL.format(prefix="") + '        app = "nope"\n'}, "APPS = ['d1']")


def python(code: str, directory: Path) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )


def test_setup_binds_every_model_and_may_be_called_again(write: Write) -> None:
    root = write(
        {
            "pyproject.toml": named("shop.settings"),
            "shop/settings.py": "REDIS_URL = 'embedded:'\nAPPS = ['shop']\n",
            "shop/models.py": MODEL.format(prefix="shop"),
        }
    )

    done = python(
        "import redis_models\n"
        "assert redis_models.setup() is redis_models.setup('shop.settings')\n"
        "from shop.models import Customer\n"
        "Customer.sync.insert(Customer(id='a'))\n"
        "print(Customer.sync.get('a').id)\n"
        "try:\n"
        "    redis_models.setup('other')\n"
        "except redis_models.RedisModelsError as exc:\n"
        "    print(exc)\n",
        root,
    )

    assert done.stderr == ""
    assert done.stdout.startswith("a\n'shop.settings' is set up in this process already")
