"""The command ``makemigrations`` on a project on the disk, with flags, where nobody can be asked."""

import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from redis_models.cli import context as cli_context
from redis_models.cli.main import main
from redis_models.errors import RecordError
from redis_models.migrations.draft import Draft
from redis_models.migrations.files import load_chain

INITIAL = """
class Customer(Model):
    id: str = Field(primary_key=True)
    name: str
    note: str | None = None

    class Meta:
        version = 1  # the first
"""
RENAMED = INITIAL.replace("name: str", "full_name: str")
REQUIRED = INITIAL.replace("note: str | None = None", "note: str | None = None\n    currency: str")


@dataclass
class Project:
    """A project in a folder of its own, whose command runs in this process."""

    root: Path
    capture: pytest.CaptureFixture[str]
    out: str = ""
    err: str = ""

    def models(self, text: str, app: str = "shop") -> None:
        """Declare the models of an app."""
        (self.root / app).mkdir(exist_ok=True)
        (self.root / app / "__init__.py").touch()
        (self.root / app / "models.py").write_text(f"from redis_models import Field, Model\n\n{text}", "utf-8")

    def settings(self, *apps: str) -> None:
        """Write the settings module."""
        (self.root / "conf.py").write_text(f"REDIS_URL = 'redis://127.0.0.1:1'\nAPPS = {list(apps)!r}\n", "utf-8")

    def run(self, *arguments: str, options: tuple[str, ...] = ()) -> int:
        """Run the command as a new process would, with fresh modules; give the exit code."""
        for name in [name for name in sys.modules if name.partition(".")[0] in ("shop", "crm", "conf")]:
            del sys.modules[name]
        importlib.invalidate_caches()
        self.capture.readouterr()
        code = main(["--settings", "conf", *options, "makemigrations", *arguments])
        self.out, self.err = self.capture.readouterr()
        return code

    def files(self, app: str = "shop") -> list[str]:
        """Names of the migrations of an app."""
        return sorted(path.stem for path in (self.root / app / "redis_migrations").glob("0*.py"))

    def text(self, name: str, app: str = "shop") -> str:
        """Text of a migration."""
        return (self.root / app / "redis_migrations" / f"{name}.py").read_text("utf-8")

    def tree(self) -> dict[str, str]:
        """All that lies in the project."""
        return {str(path): path.read_text("utf-8") for path in self.root.rglob("*") if path.is_file()}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Project]:
    """A project with one app, whose first migration is written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # one second is too coarse for what these tests rewrite
    monkeypatch.setattr(cli_context, "has_terminal", lambda: False)
    made = Project(tmp_path, capsys)
    made.settings("shop")
    made.models(INITIAL)
    assert made.run() == 0
    yield made
    for name in [name for name in sys.modules if name.partition(".")[0] in ("shop", "crm", "conf")]:
        del sys.modules[name]


def test_the_first_migration_creates_the_models_without_a_question(project: Project) -> None:
    assert project.files() == ["0001_initial"]
    assert "shop/redis_migrations/0001_initial.py   id " in project.out
    assert "Customer v1\n    + create model  Customer\n" in project.out


def test_nothing_changed_says_so(project: Project) -> None:
    before = project.tree()

    assert project.run() == 0
    assert project.out == "No changes detected\n"
    assert project.run("--check") == 0
    assert project.tree() == before


def test_an_unanswered_question_names_the_flags_and_writes_nothing(project: Project) -> None:
    project.models(RENAMED)
    before = project.tree()

    assert project.run() == 3
    assert project.err == (
        "error: 1 question needs an answer; nothing was written\n"
        "  Customer.name → ?  candidates: full_name (0.62)"
        "  use --rename Customer.name=full_name or --drop Customer.name\n"
    )
    assert project.tree() == before


def test_flags_answer_and_bump_raises_the_version(project: Project) -> None:
    project.models(RENAMED.replace("note: str | None = None", "currency: str"))
    flags = [
        "--rename",
        "Customer.name=full_name",
        "--drop",
        "shop.Customer.note",
        "--default",
        "Customer.currency='EUR'",
    ]

    assert project.run(*flags) == 2
    assert "write version = 2 in class Meta of Customer (shop/models.py:10), or run again with --bump" in project.err
    assert project.run(*flags, "--bump") == 0
    assert "version = 2  # the first" in (project.root / "shop" / "models.py").read_text("utf-8")
    assert project.files() == ["0001_initial", "0002_rename_name_currency_remove_note"]
    assert """    versions = {"Customer": 2}
    operations = [
        migrations.RenameField("Customer", "name", "full_name"),
        migrations.AddField("Customer", "currency", "str", fill="EUR"),
        migrations.RemoveField("Customer", "note"),
    ]
""" in project.text("0002_rename_name_currency_remove_note")
    assert "    ~ rename field  Customer.name → full_name\n" in project.out
    assert "    + add field     Customer.currency: str = 'EUR'\n" in project.out
    assert "    - remove field  Customer.note   destructive\n" in project.out
    assert project.run() == 0
    assert project.out == "No changes detected\n"


def test_questions_come_before_a_version_that_is_too_low(project: Project) -> None:
    project.models(REQUIRED)

    assert project.run() == 3
    assert project.run("--default", "Customer.currency='EUR'") == 2


def test_a_version_is_bumped_in_the_seeds_spelling_too(project: Project) -> None:
    project.models(INITIAL.replace("    class Meta:\n        version = 1", "    _version: int = 1"))
    assert project.run() == 0
    text = INITIAL.replace("    class Meta:\n        version = 1", "    _version = 1").replace(
        "    note: str | None = None\n", ""
    )
    project.models(text)

    assert project.run("--bump") == 0
    assert "    _version = 2  # the first" in (project.root / "shop" / "models.py").read_text("utf-8")


def test_a_version_that_is_nowhere_is_not_bumped_but_told(project: Project) -> None:
    project.models(INITIAL.replace("\n    class Meta:\n        version = 1  # the first\n", "    age: int = 0\n"))
    before = project.tree()

    assert project.run("--bump") == 2
    assert "--bump finds no line to edit; write version = 2 in class Meta of Customer (shop/models.py)" in project.err
    assert project.tree() == before


def test_a_lowered_version_is_refused(project: Project) -> None:
    project.models(INITIAL.replace("version = 1", "version = 3"))
    assert project.run() == 0
    assert "~ raise version Customer (the shape stays)" in project.out
    project.models(INITIAL)

    assert project.run() == 2
    assert "its version is 1, but the migration files have 3; write version = 3" in project.err
    assert project.run("--check") == 1
    assert project.run("--bump") == 0
    assert project.files() == ["0001_initial", "0002_customer_version_3"]


def test_check_says_what_would_be_written_or_asked_and_writes_nothing(project: Project) -> None:
    project.models(INITIAL.replace("version = 1", "version = 2").replace("    note: str | None = None\n", ""))
    before = project.tree()

    assert project.run("--check") == 1
    assert "- remove field  Customer.note" in project.out
    project.models(RENAMED)
    assert project.run("--check") == 1
    assert "use --rename Customer.name=full_name" in project.out
    project.models(INITIAL.replace("version = 1", "version = 2").replace("    note: str | None = None\n", ""))
    assert project.tree() == before


def test_a_dry_run_asks_the_same_and_prints_the_file_it_would_write(project: Project) -> None:
    project.models(REQUIRED.replace("version = 1", "version = 2"))
    before = project.tree()

    assert project.run("--dry-run") == 3
    assert project.run("--dry-run", "--default", "Customer.currency='EUR'") == 0
    assert 'migrations.AddField("Customer", "currency", "str", fill="EUR"),' in project.out
    assert project.tree() == before


def test_a_hint_in_the_code_answers(project: Project) -> None:
    project.models(
        RENAMED.replace("full_name: str", "full_name: str = Field(renamed_from='name')").replace("= 1", "= 2")
    )

    assert project.run() == 0
    assert 'migrations.RenameField("Customer", "name", "full_name")' in project.text("0002_rename_name")


def test_a_computed_fill_leaves_a_function_to_write(project: Project) -> None:
    project.models(REQUIRED.replace("version = 1", "version = 2"))

    assert project.run("--compute", "Customer.currency") == 0
    assert "Write customer_currency() in shop/redis_migrations/0002_currency.py before you run" in project.err
    text = project.text("0002_currency")
    assert "def customer_currency(old: migrations.OldRecord) -> object:" in text
    assert 'migrations.AddField("Customer", "currency", "str", fill=customer_currency)' in text
    assert project.run() == 0


def test_a_function_that_nobody_wrote_is_told_with_the_record(project: Project) -> None:
    project.models(REQUIRED.replace("version = 1", "version = 2"))
    project.run("--compute", "Customer.currency")
    chain = load_chain("shop", project.root / "shop" / "redis_migrations")
    before, after = (one.model("Customer") for one in chain.snapshots[1:])
    (step,) = chain.links[1].operations[0].steps(before, after)

    with pytest.raises(RecordError, match=r"NotImplementedError: write customer_currency\(\) first"):
        step.forward(Draft({}))


def test_an_empty_migration_waits_for_operations(project: Project) -> None:
    project.models(INITIAL.replace("version = 1", "version = 2"))

    assert project.run("--empty", "--name", "clean_names") == 0
    assert project.files() == ["0001_initial", "0002_clean_names"]
    assert 'versions = {"Customer": 2}\n    operations = []' in project.text("0002_clean_names")


def test_a_deleted_model_is_asked_about(project: Project) -> None:
    project.models("class Order(Model):\n    id: str = Field(primary_key=True)\n")

    assert project.run() == 3
    assert "Customer → ?  the model is gone; new: Order (0.33); its records stay in Redis at customer:*" in project.err
    assert project.run("--drop", "Customer") == 0
    assert "- delete model  Customer   its records stay" in project.out


def test_a_changed_key_is_refused_with_the_line_to_put_back(project: Project) -> None:
    project.models(INITIAL + "        prefix = 'store'\n")

    assert project.run() == 1
    assert "Customer: prefix changed from '' to 'store'" in project.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shopp"], "there is no app 'shopp'; did you mean 'shop'?"),
        (["--default", "Customer.x=EUR"], "text needs quotes: 'EUR', as in --default \"Customer.x='EUR'\""),
        (["--drop", "Nope"], "there is no model 'Nope'"),
        (["--name", "../x"], "--name '../x' cannot be part of a file name"),
    ],
)
def test_wrong_usage_exits_with_2_and_the_cure(project: Project, arguments: list[str], message: str) -> None:
    assert project.run(*arguments) == 2
    assert message in project.err


def test_an_answer_that_matches_nothing_is_refused_by_its_flag(project: Project) -> None:
    assert project.run("--drop", "Customer.note") == 1
    assert "--drop Customer.note matches nothing: it is in the code still" in project.err


def test_two_apps_with_one_model_name_need_the_label(project: Project) -> None:
    project.settings("shop", "crm")
    keys = "        table = 'leads'\n"
    project.models(INITIAL + keys, "crm")
    assert project.run() == 0
    project.models(REQUIRED.replace("version = 1", "version = 2") + keys, "crm")

    assert project.run() == 3
    assert "use --default \"crm.Customer.currency='...'\"" in project.err
    assert project.run("--default", "Customer.currency=''") == 2
    assert project.run("--default", "crm.Customer.currency=''") == 0
    assert project.files("crm") == ["0001_initial", "0002_currency"]
    assert project.files() == ["0001_initial"]


def test_only_the_named_app_is_looked_at(project: Project) -> None:
    project.settings("shop", "crm")
    project.models(INITIAL.replace("Customer", "Lead"), "crm")

    assert project.run("shop") == 0
    assert project.out == "No changes detected\n"
    assert project.files("crm") == []


def test_json_is_one_object_whatever_happens(project: Project) -> None:
    project.models(REQUIRED.replace("version = 1", "version = 2"))

    assert project.run(options=("--json",)) == 3
    assert json.loads(project.out)["error"] == "UnansweredError"
    assert project.run("--check", options=("--json",)) == 1
    assert [json.loads(project.out)[name] for name in ("ok", "exit", "written")] == [False, 1, False]
    assert project.run("--default", "Customer.currency=''", options=("--json",)) == 0
    written = json.loads(project.out)
    assert (written["ok"], written["written"]) == (True, True)
    assert [(one["name"], one["versions"], one["destructive"]) for one in written["migrations"]] == [
        ("0002_currency", {"Customer": 2}, False)
    ]
