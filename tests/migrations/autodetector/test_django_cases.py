"""What Django's autodetector is tested for, as far as it means something for hashes; names are those of its tests.

The letters are the groups of that list. Foreign keys, swappable models, managers and orderings have no counterpart.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from redis_models import Model
from redis_models.errors import MigrationFileError, ModelDeclarationError
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.chain.loaded_migration import LoadedMigration
from redis_models.migrations.files.renderer import suggest_name
from redis_models.migrations.operations import AddField, CreateModel, Operation, RemoveField

_PLAIN = "x: int"
_CUSTOMER = """
class Customer(Model):
    id: str = Field(primary_key=True)
    name: str
    class Meta:
        {}
"""
_CLIENT = _CUSTOMER.replace("Customer", "Client")
_TABLE = "table = 'people'"

# Case: declarations before and after, flags, operations.
FOUND: dict[str, tuple[str, str, Sequence[str], Sequence[str]]] = {
    "B new_model": (
        "",
        _CUSTOMER.format("pass"),
        ["--drop A"],
        ["Delete model A (its records stay)", "Create model Customer"],
    ),
    "B old_model": (
        _CUSTOMER.format("pass") + _CLIENT.format("pass"),
        _CLIENT.format("pass"),
        ["--drop Customer"],
        ["Delete model Customer (its records stay)"],
    ),
    "C add_field": ("", _PLAIN, ["--default A.x=1"], ["Add field x to A"]),
    "C add_field_with_default": ("", "x: int = 7", [], ["Add field x to A"]),
    "C add_not_null_field_with_db_default": ("", "x: int = 7", ["--default A.x=8"], ["Add field x to A"]),
    "C add_date_fields_with_auto_now_not_asking_for_default": (
        "",
        "x: datetime | None = None",
        [],
        ["Add field x to A"],
    ),
    "C add_date_fields_with_auto_now_add_asking_for_default": (
        "",
        "x: datetime = Field(default_factory=datetime.now)",
        ["--default A.x='2020-01-01T00:00:00'"],
        ["Add field x to A"],
    ),
    "C add_auto_field_does_not_request_default": (
        "",
        "x: list[int] = Field(default_factory=list)",
        [],
        ["Add field x to A"],
    ),
    "C add_blank_textfield_and_charfield": (
        "",
        "x: str = ''\ny: str = ''",
        [],
        ["Add field x to A", "Add field y to A"],
    ),
    "C add_non_blank_textfield_and_charfield": (
        "",
        "x: str\ny: str",
        ["--default A.x='a'", "--compute A.y"],
        ["Add field x to A", "Add field y to A"],
    ),
    "C add_field_before_generated_field": ("x: int = 1", "x: int = 1\ny: int = 2", [], ["Add field y to A"]),
    "D remove_field": (_PLAIN, "", [], ["Remove field x from A"]),
    "D alter_field": (_PLAIN, "x: str", [], ["Alter field x on A from int to str"]),
    "D alter_field_to_not_null_with_default": (
        "x: int | None = None",
        "x: int = 3",
        [],
        ["Alter field x on A from int | None to int"],
    ),
    "D alter_field_to_not_null_oneoff_default": (
        "x: int | None = None",
        _PLAIN,
        ["--default A.x=3"],
        ["Alter field x on A from int | None to int"],
    ),
    "E rename_field": (_PLAIN, "y: int", ["--rename A.x=y"], ["Rename field x to y on A"]),
    "E rename_field_with_renamed_model": (
        _CUSTOMER.format("pass"),
        _CLIENT.format("pass").replace("name:", "full_name:"),
        ["--rename Customer=Client", "--rename Client.name=full_name"],
        [
            "Rename model Customer to Client",
            "Rename field name to full_name on Client",
            "Alter keys of Client: table 'client'",
        ],
    ),
    "E rename_referenced_primary_key": (
        _CUSTOMER.format("pass"),
        _CUSTOMER.format("pass").replace("id:", "key:"),
        ["--rename Customer.id=key"],
        ["Rename field id to key on Customer"],
    ),
    "F rename_model": (
        _CUSTOMER.format("pass"),
        _CLIENT.format("pass"),
        ["--rename Customer=Client"],
        ["Rename model Customer to Client", "Alter keys of Client: table 'client'"],
    ),
    "F rename_model, pinned table": (
        _CUSTOMER.format(_TABLE),
        _CLIENT.format(_TABLE),
        [],
        ["Rename model Customer to Client"],
    ),
    "F rename_model_case": (
        _CUSTOMER.format("pass"),
        _CUSTOMER.format("pass").replace("Customer", "CUSTOMER"),
        [],
        ["Rename model Customer to CUSTOMER"],
    ),
    "F rename_model_with_renamed_rel_field": (
        _CUSTOMER.format(_TABLE),
        _CLIENT.format(_TABLE).replace("name:", "title:"),
        ["--rename Client.name=title"],
        ["Rename model Customer to Client", "Rename field name to title on Client"],
    ),
    "F rename_model_with_fks_in_different_position": (
        _CUSTOMER.format(_TABLE).replace("name: str", "name: str\n    n: int"),
        _CLIENT.format(_TABLE).replace("name: str", "n: int\n    name: str"),
        [],
        ["Rename model Customer to Client"],
    ),
    "H alter_db_table_add": (
        _CUSTOMER.format("pass"),
        _CUSTOMER.format(_TABLE),
        [],
        ["Alter keys of Customer: table 'people'"],
    ),
    "H alter_db_table_change": (
        _CUSTOMER.format("table = 'a'"),
        _CUSTOMER.format("table = 'b'"),
        [],
        ["Alter keys of Customer: table 'b'"],
    ),
    "H alter_db_table_remove": (
        _CUSTOMER.format(_TABLE),
        _CUSTOMER.format("pass"),
        [],
        ["Alter keys of Customer: table 'customer'"],
    ),
    "H alter_db_table_with_model_change": (
        _CUSTOMER.format("table = 'a'"),
        _CLIENT.format("table = 'b'"),
        ["--rename Customer=Client"],
        ["Rename model Customer to Client", "Alter keys of Client: table 'b'"],
    ),
    "H keep_db_table_with_model_change": (
        _CUSTOMER.format("table = 'a'"),
        _CLIENT.format("table = 'a'"),
        [],
        ["Rename model Customer to Client"],
    ),
    "J add_field_and_unique_together": ("", "x: int = 0", [], ["Add field x to A"]),
    "L unmanaged_to_managed": (
        _CUSTOMER.format("managed = False"),
        _CUSTOMER.format("pass"),
        [],
        ["Create model Customer"],
    ),
    "L managed_to_unmanaged": (
        _CUSTOMER.format("pass"),
        _CUSTOMER.format("managed = False"),
        ["--drop Customer"],
        ["Delete model Customer (its records stay)"],
    ),
    "N concrete_field_changed_to_many_to_many": (
        "x: str",
        "x: list[str]",
        ["--compute A.x"],
        ["Alter field x on A from str to list[str]"],
    ),
    "N many_to_many_changed_to_concrete_field": (
        "x: list[str]",
        "x: str",
        ["--compute A.x"],
        ["Alter field x on A from list[str] to str"],
    ),
    "Q mti_inheritance_model_removal": (
        "class P(Model):\n    id: str = Field(primary_key=True)\nclass C(P):\n    x: int",
        "class P(Model):\n    id: str = Field(primary_key=True)",
        ["--drop C"],
        ["Delete model C (its records stay)"],
    ),
    "Q add_model_with_field_removed_from_base_model": (
        "class P(Model):\n    id: str = Field(primary_key=True)\n    x: int",
        "class P(Model):\n    id: str = Field(primary_key=True)\nclass C(P):\n    x: int",
        [],
        ["Create model C", "Remove field x from P"],
    ),
    "R add_composite_pk": (
        "a: str\nb: str",
        "class A(Model):\n    id: str\n    a: str\n    b: str\n    ab: str = Field(primary_key=True)",
        ["--compute A.ab"],
        ["Add field ab to A", "Alter keys of A: primary key 'ab'"],
    ),
    "R remove_composite_pk": (
        "class A(Model):\n    a: str\n    b: str\n    ab: str = Field(primary_key=True)",
        "class A(Model):\n    a: str = Field(primary_key=True)\n    b: str",
        ["--drop A.ab"],
        ["Alter keys of A: primary key 'a'", "Remove field ab from A"],
    ),
}


@pytest.mark.parametrize("case", FOUND)
def test_what_changed_is_found(compare: Callable[..., Any], case: str) -> None:
    old, new, flags, operations = FOUND[case]

    found = compare(old or "pass", new or "pass", *flags)

    assert found.operations == list(operations)
    assert not found.questions


# Case: declarations before and after that store the same.
SAME: dict[str, tuple[str, str]] = {
    "D supports_functools_partial": (
        "x: list[int] = Field(default_factory=partial(list, [1]))",
        "x: list[int] = Field(default_factory=partial(list, [2]))",
    ),
    "E rename_field_preserved_db_column": ("x: int", "x: int = Field(alias='y')"),
    "H alter_db_table_no_changes": (_CUSTOMER.format(_TABLE), _CUSTOMER.format(_TABLE)),
    "H alter_db_table_comment_add": ("x: int", "'''A comment.'''\nx: int"),
    "H alter_db_table_comment_change": ("'''One.'''\nx: int", "'''Another.'''\nx: int"),
    "H alter_db_table_comment_remove": ("'''One.'''\nx: int", "x: int"),
    "I identical_regex_doesnt_alter": ("x: str = Field(pattern='a+')", "x: str = Field(pattern='a+')"),
    "I different_regex_does_alter": ("x: str = Field(pattern='a+')", "x: str = Field(pattern='b+')"),
    "I custom_deconstructible": ("x: int = Field(gt=1)", "x: int = Field(lt=9)"),
    "I deconstructible_list": ("x: list[int] = [1]", "x: list[int] = [2]"),
    "I deconstructible_tuple": ("x: tuple[int, int] = (1, 2)", "x: tuple[int, int] = (2, 1)"),
    "I deconstructible_dict": ("x: dict[str, int] = {'a': 1}", "x: dict[str, int] = {}"),
    "I nested_deconstructible_objects": (
        "x: list[int] = Field(default_factory=lambda: [1], max_length=3)",
        "x: list[int] = Field(default_factory=lambda: [2], max_length=5)",
    ),
    "J create_model_with_check_constraint": (
        "x: int\n@field_validator('x')\ndef positive(cls, value): return value",
        "x: int\n@field_validator('x')\ndef negative(cls, value): return -value",
    ),
    "J unique_together_ordering": ("x: int\ny: int", "y: int\nx: int"),
    "L unmanaged_create": (
        "x: int",
        f"class A(Model):\n    id: str = Field(primary_key=True)\n    x: int\n{_CUSTOMER.format('managed = False')}",
    ),
    "L unmanaged_delete": (
        f"class A(Model):\n    id: str = Field(primary_key=True)\n{_CUSTOMER.format('managed = False')}",
        "pass",
    ),
    "Q bases_first": (
        "x: int",
        "class B(Model):\n    x: int\n    class Meta:\n        abstract = True\n"
        "class A(B):\n    id: str = Field(primary_key=True)",
    ),
    "Q multiple_bases": (
        "x: int\ny: int",
        "class B(BaseModel):\n    x: int\nclass C(BaseModel):\n    y: int\n"
        "class A(B, C, Model):\n    id: str = Field(primary_key=True)",
    ),
}


@pytest.mark.parametrize("case", SAME)
def test_a_change_that_stores_the_same_bytes_is_not_a_migration(same: Callable[..., bool], case: str) -> None:
    old, new = SAME[case]

    assert same(old, new)


# Case: declarations before and after, and the question with its flags.
ASKED: dict[str, tuple[str, str, str]] = {
    "B old_model, without an answer": (
        _CUSTOMER.format("pass") + _CLIENT.format("pass"),
        _CLIENT.format("pass"),
        "Customer: the model was removed or is not managed any more; its records stay in Redis at customer:*",
    ),
    "C add_field, required": (
        "pass",
        _PLAIN,
        "A.x: int is required and has no default; existing records do not have it  use --default A.x=0",
    ),
    "C add_date_fields_with_auto_now_add_asking_for_null_addition": (
        "pass",
        "x: datetime = Field(default_factory=datetime.now)",
        "A.x: datetime is required and has no default; existing records do not have it",
    ),
    "D alter_field_to_not_null_without_default": (
        "x: int | None = None",
        _PLAIN,
        "A.x: int can no longer be None and has no default; records may contain None  use --default A.x=0",
    ),
    "E rename_field, without an answer": (
        _PLAIN,
        "y: int",
        "A.x → ?  candidates: y (0.00)  use --rename A.x=y or --drop A.x",
    ),
    "F rename_model, without an answer": (
        _CUSTOMER.format("pass"),
        _CLIENT.format("pass"),
        "Customer → ?  candidates: Client (1.00)  use --rename Customer=Client or --drop Customer (its records stay)",
    ),
    "R add_composite_pk, without a value": (
        "a: str",
        "class A(Model):\n    id: str\n    a: str\n    ab: str = Field(primary_key=True)",
        "A.ab: str is required and has no default; existing records do not have it",
    ),
}


@pytest.mark.parametrize("case", ASKED)
def test_what_cannot_be_known_is_asked(compare: Callable[..., Any], case: str) -> None:
    old, new, question = ASKED[case]

    asked = compare(old, new).questions

    assert len(asked) == 1
    assert asked[0].startswith(question)


# Case: what a migration does, and what its file is called.
_ADD, _REMOVE = AddField("A", "x", "int", 0), RemoveField("A", "y")
_CREATE = CreateModel("A", {"id": "str"}, "id", "a")
NAMES: dict[str, tuple[Sequence[Operation], bool, str]] = {
    "A no_operations": ([], False, "empty"),
    "A no_operations_initial": ([], True, "empty"),
    "A single_operation": ([_CREATE], False, "a"),
    "A single_operation_long_name": ([AddField("A", "x" * 80, "int", 0)], False, "x" * 52),
    "A two_operations": ([_ADD, _REMOVE], False, "x_remove_y"),
    "A two_create_models": ([_CREATE, CreateModel("B", {"id": "str"}, "id", "b")], False, "a_b"),
    "A two_create_models_with_initial_true": ([_CREATE, CreateModel("B", {"id": "str"}, "id", "b")], True, "initial"),
    "A many_operations_suffix": ([_ADD, _REMOVE] * 8, False, "x_remove_y_x_remove_y_x_remove_y_x_remove_y_and_more"),
    "A operation_with_invalid_chars_in_suggested_name": ([RemoveField("A", "a.b")], False, "remove_a_b"),
    "A none_name_with_initial_true": ([_CREATE], True, "initial"),
}


@pytest.mark.parametrize("case", NAMES)
def test_a_file_is_named_after_what_it_does(case: str) -> None:
    operations, is_first, name = NAMES[case]

    assert suggest_name(operations, {}, is_first=is_first) == name


def test_A_auto_a_version_that_rises_alone_names_the_file() -> None:
    assert suggest_name([], {"A": 3}, is_first=False) == "a_version_3"


def test_A_parse_number_and_arrange_for_graph_the_chain_is_ordered_by_number() -> None:
    first = LoadedMigration(9, "0009_b", "", "b", None, {"A": 1}, (_CREATE,), "")
    second = LoadedMigration(10, "0010_a", "", "a", "b", {"A": 2}, (_ADD,), "")

    assert [migration.id for migration in Chain("shop", (second, first)).migrations] == ["b", "a"]


def test_A_arrange_for_graph_with_multiple_initial_is_refused_because_there_is_one_line() -> None:
    first, other = (LoadedMigration(1, f"0001_{id}", "", id, None, {"A": 1}, (_CREATE,), "") for id in "ab")

    with pytest.raises(MigrationFileError, match="both the first"):
        Chain("shop", (first, other))


@pytest.mark.parametrize("option", ["unique_together", "constraints", "index_together"])
def test_J_an_option_for_secondary_indexes_is_refused_by_name(option: str) -> None:
    meta = type("Meta", (), {option: [["x"]]})

    with pytest.raises(ModelDeclarationError, match=rf"Meta\.{option} is not an option"):
        type("A", (Model,), {"__module__": __name__, "Meta": meta})


def test_K_two_classes_over_one_table_have_one_owner_and_the_other_is_refused(compare: Callable[..., Any]) -> None:
    proxy = _CUSTOMER.format(_TABLE) + _CLIENT.format(_TABLE)

    with pytest.raises(MigrationFileError, match=r"has the same keys \(people:\*\)"):
        compare(_CUSTOMER.format(_TABLE), proxy)


def test_K_proxy_an_abstract_or_unmanaged_second_class_is_not_a_change(same: Callable[..., bool]) -> None:
    proxy = _CLIENT.format(f"{_TABLE}\n        managed = False")

    assert same(_CUSTOMER.format(_TABLE), _CUSTOMER.format(_TABLE) + proxy)
