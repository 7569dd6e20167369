"""The command ``makemigrations`` on a project on the disk, with flags, where nobody can be asked."""

import json
from typing import Any

import pytest

from redis_models.errors import RecordError
from redis_models.migrations.edits.record_edit import Draft
from redis_models.migrations.files.loader import load_chain


def test_the_first_migration_creates_the_models_without_a_question(project: Any) -> None:
    assert project.files() == ["0001_initial"]
    assert "shop/redis_migrations/0001_initial.py   id " in project.out
    assert "Customer v1\n    + create model  Customer\n" in project.out


def test_nothing_changed_says_so(project: Any) -> None:
    before = project.tree()

    assert project.run() == 0
    assert project.out == "No changes detected\n"
    assert project.run("--check") == 0
    assert project.tree() == before


def test_an_unanswered_question_names_the_flags_and_writes_nothing(project: Any) -> None:
    project.models(project.renamed)
    before = project.tree()

    assert project.run() == 3
    assert project.err == (
        "error: 1 question needs an answer; nothing was written\n"
        "  Customer.name → ?  candidates: full_name (0.62)"
        "  use --rename Customer.name=full_name or --drop Customer.name\n"
    )
    assert project.tree() == before


def test_flags_answer_and_bump_raises_the_version(project: Any) -> None:
    project.models(project.renamed.replace("note: str | None = None", "currency: str"))
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


def test_questions_come_before_a_version_that_is_too_low(project: Any) -> None:
    project.models(project.required)

    assert project.run() == 3
    assert project.run("--default", "Customer.currency='EUR'") == 2


def test_a_version_is_bumped_in_the_seeds_spelling_too(project: Any) -> None:
    project.models(project.initial.replace("    class Meta:\n        version = 1", "    _version: int = 1"))
    assert project.run() == 0
    text = project.initial.replace("    class Meta:\n        version = 1", "    _version = 1").replace(
        "    note: str | None = None\n", ""
    )
    project.models(text)

    assert project.run("--bump") == 0
    assert "    _version = 2  # the first" in (project.root / "shop" / "models.py").read_text("utf-8")


_END = "\n    class Meta:\n        version = 1  # the first\n"
# What a class ends with that says no version, and what it ends with after --bump.
_WITHOUT = {
    "no Meta": ("    age: int = 0\n", "    age: int = 0\n\n    class Meta:\n        version = 2\n"),
    "no end of line": ("    age: int = 0", "    age: int = 0\n\n    class Meta:\n        version = 2\n"),
    "a remark": ("    age: int = 0  # years\n", "# years\n\n    class Meta:\n        version = 2\n"),
    "a method": (
        '    age: int = 0\n\n    def hi(self) -> str:\n        return """\nhi"""\n\n\nOTHER = 5\n',
        'hi"""\n\n    class Meta:\n        version = 2\n\n\nOTHER = 5\n',
    ),
    "a Meta without one": (
        "    age: int = 0\n\n    class Meta:\n        auto_sync = False\n",
        "        auto_sync = False\n        version = 2\n",
    ),
}


@pytest.mark.parametrize("kind", _WITHOUT)
def test_a_class_that_says_no_version_gets_one_by_bump(project: Any, kind: str) -> None:
    assert project.run() == 0
    before, after = _WITHOUT[kind]
    project.models(project.initial.replace("    note: str | None = None\n", "").replace(_END, before))
    answers = ["--drop", "Customer.note"]

    assert project.run(*answers) == 2
    assert "or run again with --bump" in project.err
    assert project.run(*answers, "--bump") == 0, project.err
    assert (project.root / "shop" / "models.py").read_text("utf-8").endswith(after)
    assert project.run() == 0
    assert project.out == "No changes detected\n"


def test_a_version_that_is_nowhere_is_not_bumped_but_told(project: Any) -> None:
    assert project.run() == 0
    project.models("class Customer(Model): id: str = Field(primary_key=True); age: int = 0\n")
    before = project.tree()

    assert project.run("--drop", "Customer.name", "--drop", "Customer.note", "--bump") == 2
    assert "--bump finds no line to edit; write version = 2 in class Meta of Customer (shop/models.py)" in project.err
    assert project.tree() == before


def test_a_lowered_version_is_refused(project: Any) -> None:
    project.models(project.initial.replace("version = 1", "version = 3"))
    assert project.run() == 0
    assert "~ raise version Customer (the shape stays)" in project.out
    project.models(project.initial)

    assert project.run() == 2
    assert "its version is 1, but the migration files have 3; write version = 3" in project.err
    assert project.run("--check") == 1
    assert project.run("--bump") == 0
    assert project.files() == ["0001_initial", "0002_customer_version_3"]


def test_check_says_what_would_be_written_or_asked_and_writes_nothing(project: Any) -> None:
    project.models(project.initial.replace("version = 1", "version = 2").replace("    note: str | None = None\n", ""))
    before = project.tree()

    assert project.run("--check") == 1
    assert "- remove field  Customer.note" in project.out
    project.models(project.renamed)
    assert project.run("--check") == 1
    assert "use --rename Customer.name=full_name" in project.out
    project.models(project.initial.replace("version = 1", "version = 2").replace("    note: str | None = None\n", ""))
    assert project.tree() == before


def test_a_dry_run_asks_the_same_and_prints_the_file_it_would_write(project: Any) -> None:
    project.models(project.required.replace("version = 1", "version = 2"))
    before = project.tree()

    assert project.run("--dry-run") == 3
    assert project.run("--dry-run", "--default", "Customer.currency='EUR'") == 0
    assert 'migrations.AddField("Customer", "currency", "str", fill="EUR"),' in project.out
    assert project.tree() == before


def test_a_hint_in_the_code_answers(project: Any) -> None:
    project.models(
        project.renamed.replace("full_name: str", "full_name: str = Field(renamed_from='name')").replace("= 1", "= 2")
    )

    assert project.run() == 0
    assert 'migrations.RenameField("Customer", "name", "full_name")' in project.text("0002_rename_name")


def test_a_computed_fill_leaves_a_function_to_write(project: Any) -> None:
    project.models(project.required.replace("version = 1", "version = 2"))

    assert project.run("--compute", "Customer.currency") == 0
    assert "Write customer_currency() in shop/redis_migrations/0002_currency.py before you run" in project.err
    text = project.text("0002_currency")
    assert "def customer_currency(old: migrations.OldRecord) -> object:" in text
    assert 'migrations.AddField("Customer", "currency", "str", fill=customer_currency)' in text
    assert project.run() == 0


def test_a_function_that_nobody_wrote_is_told_with_the_record(project: Any) -> None:
    project.models(project.required.replace("version = 1", "version = 2"))
    project.run("--compute", "Customer.currency")
    chain = load_chain("shop", project.root / "shop" / "redis_migrations")
    before, after = (one.model("Customer") for one in chain.snapshots[1:])
    (step,) = chain.links[1].operations[0].steps(before, after)

    with pytest.raises(RecordError, match=r"NotImplementedError: write customer_currency\(\) first"):
        step.forward(Draft({}))


def test_an_empty_migration_waits_for_operations(project: Any) -> None:
    project.models(project.initial.replace("version = 1", "version = 2"))

    assert project.run("--empty", "--name", "clean_names") == 0
    assert project.files() == ["0001_initial", "0002_clean_names"]
    assert 'versions = {"Customer": 2}\n    operations = []' in project.text("0002_clean_names")


def test_a_model_that_is_gone_beside_a_new_one_is_asked_about(project: Any) -> None:
    project.models("class Order(Model):\n    id: str = Field(primary_key=True)\n")

    assert project.run() == 3
    assert "Customer → ?  candidates: Order (0.46)  use --rename Customer=Order or --drop Customer" in project.err
    assert project.run("--drop", "Customer") == 0
    assert "- delete model  Customer   its records stay" in project.out


def test_a_renamed_class_with_other_keys_takes_its_records_along(project: Any) -> None:
    project.models(project.renamed.replace("class Customer", "class Client").replace("version = 1", "version = 2"))

    assert project.run("--rename", "Customer=Client", "--rename", "Client.name=full_name") == 0
    assert project.files() == ["0001_initial", "0002_rename_customer_rename_name_alter_keys_client"]
    text = project.text("0002_rename_customer_rename_name_alter_keys_client")
    assert 'migrations.RenameModel("Customer", "Client")' in text
    assert 'migrations.AlterKeys("Client", table="client")' in text
    assert project.run("--check") == 0


def test_a_changed_prefix_becomes_a_move_of_the_records(project: Any) -> None:
    project.models(project.initial.replace("version = 1", "version = 2") + "        prefix = 'store'\n")

    assert project.run() == 0
    assert "~ alter keys    Customer: prefix 'store'" in project.out


def test_answers_are_saved_and_replayed(project: Any) -> None:
    project.models(project.renamed.replace("version = 1", "version = 2"))
    answers = project.root / "answers.txt"
    assert project.run("--dry-run", "--rename", "Customer.name=full_name", "--save-answers", str(answers)) == 0

    assert "--rename Customer.name=full_name\n" in answers.read_text()
    assert project.run("--answers", str(answers)) == 0
    assert project.files() == ["0001_initial", "0002_rename_name"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--rename", "answers.txt:1: '--rename' is no answer; write one option a line"),
        ("\n--drop 'x", "answers.txt:2: No closing quotation"),
        ("--drop Nope", "answers.txt:1: --drop Nope: there is no model 'Nope'"),
    ],
)
def test_a_file_of_answers_that_says_nothing_usable_is_refused_with_the_line(
    project: Any, text: str, message: str
) -> None:
    (project.root / "answers.txt").write_text(text)

    assert project.run("--answers", "answers.txt") == 2
    assert message in project.err


def test_a_model_that_went_to_another_app_needs_no_answer(project: Any) -> None:
    project.settings("shop", "crm")
    project.models("class Order(Model):\n    id: str = Field(primary_key=True)\n")
    moved = project.initial.replace("note: str | None = None", "note: str | None = None\n    vip: bool = False")
    project.models(moved.replace("version = 1", "version = 2"), "crm")

    assert project.run() == 0
    assert "~ move model    Customer → app crm   its records stay" in project.out
    assert project.files("crm") == ["0001_initial", "0002_vip"]
    assert 'migrations.MoveModel("Customer", app="crm")' in project.text(project.files()[-1])
    assert project.run("--check") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shopp"], "there is no app 'shopp'; did you mean 'shop'?"),
        (["--default", "Customer.x=EUR"], "text needs quotes: 'EUR', as in --default \"Customer.x='EUR'\""),
        (["--drop", "Nope"], "there is no model 'Nope'"),
        (["--name", "../x"], "--name '../x' cannot be part of a file name"),
    ],
)
def test_wrong_usage_exits_with_2_and_the_cure(project: Any, arguments: list[str], message: str) -> None:
    assert project.run(*arguments) == 2
    assert message in project.err


def test_an_answer_that_matches_nothing_is_refused_by_its_flag(project: Any) -> None:
    assert project.run("--drop", "Customer.note") == 1
    assert "--drop Customer.note matches nothing: it is in the code still" in project.err


def test_two_apps_with_one_model_name_need_the_label(project: Any) -> None:
    project.settings("shop", "crm")
    keys = "        table = 'leads'\n"
    project.models(project.initial + keys, "crm")
    assert project.run() == 0
    project.models(project.required.replace("version = 1", "version = 2") + keys, "crm")

    assert project.run() == 3
    assert "use --default \"crm.Customer.currency='...'\"" in project.err
    assert project.run("--default", "Customer.currency=''") == 2
    assert project.run("--default", "crm.Customer.currency=''") == 0
    assert project.files("crm") == ["0001_initial", "0002_currency"]
    assert project.files() == ["0001_initial"]


def test_only_the_named_app_is_looked_at(project: Any) -> None:
    project.settings("shop", "crm")
    project.models(project.initial.replace("Customer", "Lead"), "crm")

    assert project.run("shop") == 0
    assert project.out == "No changes detected\n"
    assert project.files("crm") == []


def test_json_is_one_object_whatever_happens(project: Any) -> None:
    project.models(project.required.replace("version = 1", "version = 2"))

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


_DROPPED = "name: str\n    note: str | None = None"


def test_a_reason_is_kept_in_the_file_and_needs_no_other_consent(project: Any, server: Any) -> None:
    project.settings("shop", url=server.url)
    assert project.command("migrate") == 0, project.err
    with server.client() as client:
        client.hset("customer:c1", mapping={"id": "c1", "name": "Ada", "note": "n"})
    project.models(project.initial.replace(_DROPPED, "name: str").replace("= 1", "= 2"))

    assert project.run("--dry-run") == 0
    assert "make it with --reason" in project.err
    assert project.run("--reason", "nobody reads 'note'; it is in the \"ledger\"") == 0, project.err

    assert 'allow = {"RM101":' in project.text(project.files()[-1])
    assert "--reason" not in project.err
    assert project.command("check") == 0, project.out
    assert project.command("migrate") == 0, project.err
    with server.client() as client:
        assert client.hget("customer:c1", "_v") == b"2"


def test_a_reason_changes_no_id_and_goes_into_a_file_that_is_written_again(project: Any) -> None:
    project.models(project.initial.replace(_DROPPED, "name: str").replace("= 1", "= 2"))
    assert project.run() == 0
    plain = project.text(project.files()[-1])
    project.models(project.initial.replace(_DROPPED, "name: str\n    more: int = 0").replace("= 1", "= 2"))

    assert project.run("--update", "--reason", "so") == 0, project.err

    text = project.text(project.files()[-1])
    assert 'allow = {"RM101": "so"}' in text
    assert "more" in text
    assert "allow" not in plain


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--reason", "so"), "leave it out"), (("--reason", " "), "is empty"), (("--reason", "so", "--check"), "--check")],
)
def test_a_reason_for_nothing_is_refused(project: Any, arguments: tuple[str, ...], said: str) -> None:
    fields = "name: str" if said == "is empty" else f"{_DROPPED}\n    more: int = 0"
    project.models(project.initial.replace(_DROPPED, fields).replace("= 1", "= 2"))
    before = project.tree()

    assert project.run(*arguments) == 2
    assert said in project.err
    assert project.tree() == before
