"""Apps: which models belong to which, and what is wrong with those that cannot be loaded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from redis_models.errors import ModelDeclarationError, SettingsError
from redis_models.project.apps import App, load_apps
from redis_models.project.settings import load_settings

from .conftest import Write
from .projects import MODEL, named, refused


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
        "a4.models imports Foreign from b4.other, which is not in APPS, so migrations ignore its records; add 'Foreign'"
        " to __all__ of a4.models, or 'b4.other' to APPS",
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
    ("files", "settings", "message"),
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
            "Customer: Meta.app = 'nope' is not an app of this project; its apps are b7",
        ),
        (
            {"b8/x.py": MODEL.format(prefix="x"), "b8/y.py": MODEL.format(prefix="y")},
            "APPS = ['b8.x', 'b8.y']",
            "Customer: app 'b8' has two models with this name, in b8.x and in b8.y",
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
            "redis_models.setup() was called while models were imported",
        ),
    ],
)
def test_apps_that_cannot_be_loaded_say_why(write: Write, files: dict[str, str], settings: str, message: str) -> None:
    assert message in refused(lambda: apps_of(write, files, settings))


def test_errors_of_declarations_and_of_settings_are_different_classes(write: Write) -> None:
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
    assert done.stdout.startswith("a\n'other' cannot be set up, because 'shop.settings' already is in this process")
