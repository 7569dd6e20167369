"""The command ``makemigrations`` on a project on disk, with flags and without a terminal."""

import json
from typing import Any

import pytest

from redis_models.errors import RecordError
from redis_models.migrations.edits.record_edit import RecordEdit
from redis_models.migrations.files.loader import load_chain


def test_the_first_migration_creates_the_models_without_a_question(shop_project: Any) -> None:
    assert shop_project.files() == ["0001_initial"]
    assert "shop/redis_migrations/0001_initial.py   id " in shop_project.out
    assert "Customer v1\n    + create model  Customer\n" in shop_project.out


def test_nothing_changed_says_so(shop_project: Any) -> None:
    before = shop_project.tree()

    assert shop_project.run() == 0
    assert shop_project.out == "No changes detected.\n"
    assert shop_project.run("--check") == 0
    assert shop_project.tree() == before


def test_an_unanswered_question_names_the_flags_and_writes_nothing(shop_project: Any) -> None:
    shop_project.models(shop_project.renamed)
    before = shop_project.tree()

    assert shop_project.run() == 3
    assert shop_project.err == (
        "error: 1 question needs an answer; nothing was written\n"
        "  Customer.name → ?  candidates: full_name (0.62)"
        "  use --rename Customer.name=full_name or --drop Customer.name\n"
    )
    assert shop_project.tree() == before


def test_flags_answer_and_bump_raises_the_version(shop_project: Any) -> None:
    shop_project.models(shop_project.renamed.replace("note: str | None = None", "currency: str"))
    flags = [
        "--rename",
        "Customer.name=full_name",
        "--drop",
        "shop.Customer.note",
        "--default",
        "Customer.currency='EUR'",
    ]

    assert shop_project.run(*flags) == 2
    assert (
        "write version = 2 in class Meta of Customer (shop/models.py:10), or run again with --bump" in shop_project.err
    )
    assert shop_project.run(*flags, "--bump") == 0
    assert "version = 2  # the first" in (shop_project.root / "shop" / "models.py").read_text("utf-8")
    assert shop_project.files() == ["0001_initial", "0002_rename_name_currency_remove_note"]
    assert """    versions = {"Customer": 2}
    operations = [
        migrations.RenameField("Customer", "name", "full_name"),
        migrations.AddField("Customer", "currency", "str", fill="EUR"),
        migrations.RemoveField("Customer", "note"),
    ]
""" in shop_project.text("0002_rename_name_currency_remove_note")
    assert "    ~ rename field  Customer.name → full_name\n" in shop_project.out
    assert "    + add field     Customer.currency: str = 'EUR'\n" in shop_project.out
    assert "    - remove field  Customer.note   destructive\n" in shop_project.out
    assert shop_project.run() == 0
    assert shop_project.out == "No changes detected.\n"


def test_questions_come_before_a_version_that_is_too_low(shop_project: Any) -> None:
    shop_project.models(shop_project.required)

    assert shop_project.run() == 3
    assert shop_project.run("--default", "Customer.currency='EUR'") == 2


def test_a_version_is_bumped_in_the_seeds_spelling_too(shop_project: Any) -> None:
    shop_project.models(shop_project.initial.replace("    class Meta:\n        version = 1", "    _version: int = 1"))
    assert shop_project.run() == 0
    text = shop_project.initial.replace("    class Meta:\n        version = 1", "    _version = 1").replace(
        "    note: str | None = None\n", ""
    )
    shop_project.models(text)

    assert shop_project.run("--bump") == 0
    assert "    _version = 2  # the first" in (shop_project.root / "shop" / "models.py").read_text("utf-8")


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
def test_a_class_that_says_no_version_gets_one_by_bump(shop_project: Any, kind: str) -> None:
    assert shop_project.run() == 0
    before, after = _WITHOUT[kind]
    shop_project.models(shop_project.initial.replace("    note: str | None = None\n", "").replace(_END, before))
    answers = ["--drop", "Customer.note"]

    assert shop_project.run(*answers) == 2
    assert "or run again with --bump" in shop_project.err
    assert shop_project.run(*answers, "--bump") == 0, shop_project.err
    assert (shop_project.root / "shop" / "models.py").read_text("utf-8").endswith(after)
    assert shop_project.run() == 0
    assert shop_project.out == "No changes detected.\n"


def test_a_version_that_is_not_in_the_file_is_reported_instead_of_bumped(shop_project: Any) -> None:
    assert shop_project.run() == 0
    shop_project.models("class Customer(Model): id: str = Field(primary_key=True); age: int = 0\n")
    before = shop_project.tree()

    assert shop_project.run("--drop", "Customer.name", "--drop", "Customer.note", "--bump") == 2
    assert (
        "--bump found no line to edit; write version = 2 in class Meta of Customer (shop/models.py)" in shop_project.err
    )
    assert shop_project.tree() == before


def test_a_lowered_version_is_refused(shop_project: Any) -> None:
    shop_project.models(shop_project.initial.replace("version = 1", "version = 3"))
    assert shop_project.run() == 0
    assert "~ raise version Customer (its fields stay the same)" in shop_project.out
    shop_project.models(shop_project.initial)

    assert shop_project.run() == 2
    assert "its version is 1, but the migration files have 3; write version = 3" in shop_project.err
    assert shop_project.run("--check") == 1
    assert shop_project.run("--bump") == 0
    assert shop_project.files() == ["0001_initial", "0002_customer_version_3"]


def test_check_says_what_would_be_written_or_asked_and_writes_nothing(shop_project: Any) -> None:
    shop_project.models(
        shop_project.initial.replace("version = 1", "version = 2").replace("    note: str | None = None\n", "")
    )
    before = shop_project.tree()

    assert shop_project.run("--check") == 1
    assert "- remove field  Customer.note" in shop_project.out
    shop_project.models(shop_project.renamed)
    assert shop_project.run("--check") == 1
    assert "use --rename Customer.name=full_name" in shop_project.out
    shop_project.models(
        shop_project.initial.replace("version = 1", "version = 2").replace("    note: str | None = None\n", "")
    )
    assert shop_project.tree() == before


def test_a_dry_run_asks_the_same_and_prints_the_file_it_would_write(shop_project: Any) -> None:
    shop_project.models(shop_project.required.replace("version = 1", "version = 2"))
    before = shop_project.tree()

    assert shop_project.run("--dry-run") == 3
    assert shop_project.run("--dry-run", "--default", "Customer.currency='EUR'") == 0
    assert 'migrations.AddField("Customer", "currency", "str", fill="EUR"),' in shop_project.out
    assert shop_project.tree() == before


def test_a_hint_in_the_code_answers(shop_project: Any) -> None:
    shop_project.models(
        shop_project.renamed.replace("full_name: str", "full_name: str = Field(renamed_from='name')").replace(
            "= 1", "= 2"
        )
    )

    assert shop_project.run() == 0
    assert 'migrations.RenameField("Customer", "name", "full_name")' in shop_project.text("0002_rename_name")


def test_a_computed_fill_leaves_a_function_to_write(shop_project: Any) -> None:
    shop_project.models(shop_project.required.replace("version = 1", "version = 2"))

    assert shop_project.run("--compute", "Customer.currency") == 0
    assert "Write customer_currency() in shop/redis_migrations/0002_currency.py before you run" in shop_project.err
    text = shop_project.text("0002_currency")
    assert "def customer_currency(old: migrations.OldRecord) -> object:" in text
    assert 'migrations.AddField("Customer", "currency", "str", fill=customer_currency)' in text
    assert shop_project.run() == 0


def test_a_stub_that_was_left_unwritten_is_reported_with_the_record(shop_project: Any) -> None:
    shop_project.models(shop_project.required.replace("version = 1", "version = 2"))
    shop_project.run("--compute", "Customer.currency")
    chain = load_chain("shop", shop_project.root / "shop" / "redis_migrations")
    before, after = (snapshot.model("Customer") for snapshot in chain.snapshots[1:])
    (step,) = chain.migrations[1].operations[0].steps(before, after)

    with pytest.raises(RecordError, match=r"NotImplementedError: write customer_currency\(\) first"):
        step.forward(RecordEdit({}))


def test_an_empty_migration_waits_for_operations(shop_project: Any) -> None:
    shop_project.models(shop_project.initial.replace("version = 1", "version = 2"))

    assert shop_project.run("--empty", "--name", "clean_names") == 0
    assert shop_project.files() == ["0001_initial", "0002_clean_names"]
    assert 'versions = {"Customer": 2}\n    operations = []' in shop_project.text("0002_clean_names")


def test_a_model_that_is_gone_beside_a_new_one_is_asked_about(shop_project: Any) -> None:
    shop_project.models("class Order(Model):\n    id: str = Field(primary_key=True)\n")

    assert shop_project.run() == 3
    assert "Customer → ?  candidates: Order (0.46)  use --rename Customer=Order or --drop Customer" in shop_project.err
    assert shop_project.run("--drop", "Customer") == 0
    assert "- delete model  Customer   its records stay" in shop_project.out


def test_a_renamed_class_with_other_keys_takes_its_records_along(shop_project: Any) -> None:
    shop_project.models(
        shop_project.renamed.replace("class Customer", "class Client").replace("version = 1", "version = 2")
    )

    assert shop_project.run("--rename", "Customer=Client", "--rename", "Client.name=full_name") == 0
    assert shop_project.files() == ["0001_initial", "0002_rename_customer_rename_name_alter_keys_client"]
    text = shop_project.text("0002_rename_customer_rename_name_alter_keys_client")
    assert 'migrations.RenameModel("Customer", "Client")' in text
    assert 'migrations.AlterKeys("Client", table="client")' in text
    assert shop_project.run("--check") == 0


def test_a_changed_prefix_becomes_a_move_of_the_records(shop_project: Any) -> None:
    shop_project.models(shop_project.initial.replace("version = 1", "version = 2") + "        prefix = 'store'\n")

    assert shop_project.run() == 0
    assert "~ alter keys    Customer: prefix 'store'" in shop_project.out


def test_answers_are_saved_and_replayed(shop_project: Any) -> None:
    shop_project.models(shop_project.renamed.replace("version = 1", "version = 2"))
    answers = shop_project.root / "answers.txt"
    assert shop_project.run("--dry-run", "--rename", "Customer.name=full_name", "--save-answers", str(answers)) == 0

    assert "--rename Customer.name=full_name\n" in answers.read_text()
    assert shop_project.run("--answers", str(answers)) == 0
    assert shop_project.files() == ["0001_initial", "0002_rename_name"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--rename", "answers.txt:1: '--rename' is not an answer; write one option a line"),
        ("\n--drop 'x", "answers.txt:2: No closing quotation"),
        ("--drop Nope", "answers.txt:1: --drop Nope: there is no model 'Nope'"),
    ],
)
def test_a_file_of_answers_that_says_nothing_usable_is_refused_with_the_line(
    shop_project: Any, text: str, message: str
) -> None:
    (shop_project.root / "answers.txt").write_text(text)

    assert shop_project.run("--answers", "answers.txt") == 2
    assert message in shop_project.err


def test_a_model_that_went_to_another_app_needs_no_answer(shop_project: Any) -> None:
    shop_project.settings("shop", "crm")
    shop_project.models("class Order(Model):\n    id: str = Field(primary_key=True)\n")
    moved = shop_project.initial.replace("note: str | None = None", "note: str | None = None\n    vip: bool = False")
    shop_project.models(moved.replace("version = 1", "version = 2"), "crm")

    assert shop_project.run() == 0
    assert "~ move model    Customer → app crm   its records stay" in shop_project.out
    assert shop_project.files("crm") == ["0001_initial", "0002_vip"]
    assert 'migrations.MoveModel("Customer", app="crm")' in shop_project.text(shop_project.files()[-1])
    assert shop_project.run("--check") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shopp"], "no app named 'shopp'; did you mean 'shop'?"),
        (["--default", "Customer.x=EUR"], "text needs quotes: 'EUR', as in --default \"Customer.x='EUR'\""),
        (["--drop", "Nope"], "there is no model 'Nope'"),
        (["--name", "../x"], "--name '../x' cannot be part of a file name"),
    ],
)
def test_wrong_usage_exits_with_2_and_the_cure(shop_project: Any, arguments: list[str], message: str) -> None:
    assert shop_project.run(*arguments) == 2
    assert message in shop_project.err


def test_an_answer_that_matches_nothing_is_refused_by_its_flag(shop_project: Any) -> None:
    assert shop_project.run("--drop", "Customer.note") == 1
    assert "--drop Customer.note matches nothing: it is still in the code" in shop_project.err


def test_two_apps_with_one_model_name_need_the_label(shop_project: Any) -> None:
    shop_project.settings("shop", "crm")
    keys = "        table = 'leads'\n"
    shop_project.models(shop_project.initial + keys, "crm")
    assert shop_project.run() == 0
    shop_project.models(shop_project.required.replace("version = 1", "version = 2") + keys, "crm")

    assert shop_project.run() == 3
    assert "use --default \"crm.Customer.currency='...'\"" in shop_project.err
    assert shop_project.run("--default", "Customer.currency=''") == 2
    assert shop_project.run("--default", "crm.Customer.currency=''") == 0
    assert shop_project.files("crm") == ["0001_initial", "0002_currency"]
    assert shop_project.files() == ["0001_initial"]


def test_only_the_named_app_is_looked_at(shop_project: Any) -> None:
    shop_project.settings("shop", "crm")
    shop_project.models(shop_project.initial.replace("Customer", "Lead"), "crm")

    assert shop_project.run("shop") == 0
    assert shop_project.out == "No changes detected.\n"
    assert shop_project.files("crm") == []


def test_json_is_always_one_object(shop_project: Any) -> None:
    shop_project.models(shop_project.required.replace("version = 1", "version = 2"))

    assert shop_project.run(options=("--json",)) == 3
    assert json.loads(shop_project.out)["error"] == "UnansweredError"
    assert shop_project.run("--check", options=("--json",)) == 1
    assert [json.loads(shop_project.out)[name] for name in ("ok", "exit", "written")] == [False, 1, False]
    assert shop_project.run("--default", "Customer.currency=''", options=("--json",)) == 0
    written = json.loads(shop_project.out)
    assert (written["ok"], written["written"]) == (True, True)
    assert [
        (migration["name"], migration["versions"], migration["destructive"]) for migration in written["migrations"]
    ] == [("0002_currency", {"Customer": 2}, False)]


_DROPPED = "name: str\n    note: str | None = None"


def test_a_reason_is_kept_in_the_file_and_needs_no_other_consent(shop_project: Any, server: Any) -> None:
    shop_project.settings("shop", url=server.url)
    assert shop_project.command("migrate") == 0, shop_project.err
    with server.client() as client:
        client.hset("customer:c1", mapping={"id": "c1", "name": "Ada", "note": "n"})
    shop_project.models(shop_project.initial.replace(_DROPPED, "name: str").replace("= 1", "= 2"))

    assert shop_project.run("--dry-run") == 0
    assert "or use --reason" in shop_project.err
    assert shop_project.run("--reason", "no client reads 'note'; it is in the \"ledger\"") == 0, shop_project.err

    assert 'allow = {"RM101":' in shop_project.text(shop_project.files()[-1])
    assert "--reason" not in shop_project.err
    assert shop_project.command("check") == 0, shop_project.out
    assert shop_project.command("migrate") == 0, shop_project.err
    with server.client() as client:
        assert client.hget("customer:c1", "_v") == b"2"


def test_a_reason_changes_no_id_and_goes_into_a_file_that_is_written_again(shop_project: Any) -> None:
    shop_project.models(shop_project.initial.replace(_DROPPED, "name: str").replace("= 1", "= 2"))
    assert shop_project.run() == 0
    plain = shop_project.text(shop_project.files()[-1])
    shop_project.models(shop_project.initial.replace(_DROPPED, "name: str\n    more: int = 0").replace("= 1", "= 2"))

    assert shop_project.run("--update", "--reason", "so") == 0, shop_project.err

    text = shop_project.text(shop_project.files()[-1])
    assert 'allow = {"RM101": "so"}' in text
    assert "more" in text
    assert "allow" not in plain


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--reason", "so"), "remove it"), (("--reason", " "), "is empty"), (("--reason", "so", "--check"), "--check")],
)
def test_a_reason_for_nothing_is_refused(shop_project: Any, arguments: tuple[str, ...], said: str) -> None:
    fields = "name: str" if said == "is empty" else f"{_DROPPED}\n    more: int = 0"
    shop_project.models(shop_project.initial.replace(_DROPPED, fields).replace("= 1", "= 2"))
    before = shop_project.tree()

    assert shop_project.run(*arguments) == 2
    assert said in shop_project.err
    assert shop_project.tree() == before
