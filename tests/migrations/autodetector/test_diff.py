"""The diff, case by case: what it finds, and what it refuses."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redis_models.errors import SchemaError
from redis_models.migrations import (
    AddField,
    AlterField,
    CreateModel,
    DeleteModel,
    MapValues,
    RemoveField,
    RenameField,
)
from redis_models.migrations.autodetector.answers import (
    Answer,
    Answers,
    ComputeAnswer,
    DropAnswer,
    FillAnswer,
    MapAnswer,
    RenameAnswer,
)
from redis_models.migrations.autodetector.diff import Diff, LowVersion, diff
from redis_models.migrations.autodetector.questions import FillQuestion, Question, RenameQuestion, SwapQuestion
from redis_models.migrations.operations import Operation
from redis_models.migrations.operations.function_stubs import FunctionStub
from redis_models.migrations.schema.snapshot import REQUIRED, FieldSchema, Literal, ModelSchema, Snapshot

Field = str | tuple[str, object] | FieldSchema


def model(name: str = "A", version: int = 1, key: str = "id", table: str = "", **fields: Field) -> ModelSchema:
    """Make a schema; a field is its type, or its type and default; the key is text unless it is given."""
    given_fields = {key: "str", **fields}
    made = tuple(sorted((schema_of(each, field) for each, field in given_fields.items()), key=lambda model: model.name))
    return ModelSchema(name, version, key, "shop", ":", table or name.lower(), made)


def schema_of(name: str, field: Field) -> FieldSchema:
    if isinstance(field, FieldSchema):
        return replace(field, name=name)
    return FieldSchema(name, field) if isinstance(field, str) else FieldSchema(name, field[0], field[1])  # type: ignore[arg-type]  # a literal


def hinted(type: str, renamed_from: str) -> FieldSchema:
    return FieldSchema("", type, REQUIRED, renamed_from)


def compare(old: ModelSchema | None, new: ModelSchema | None, *answers: Answer) -> Diff:
    """Compare one model; its new version is raised."""
    before = Snapshot((old,) if old else ())
    after = Snapshot((replace(new, version=2),) if new and old else (new,) if new else ())
    return diff(before, after, Answers(answers))


CERTAIN: Mapping[str, tuple[ModelSchema | None, ModelSchema | None, Sequence[Answer], Sequence[Operation]]] = {
    "a new model": (
        None,
        model(x="int"),
        [],
        [CreateModel("A", {"id": "str", "x": "int"}, "id", "a", "shop", ":")],
    ),
    "a deleted model": (model(), None, [DropAnswer("A")], [DeleteModel("A")]),
    "a field with a default": (model(), model(x=("int", 7)), [], [AddField("A", "x", "int", 7)]),
    "an optional field": (model(), model(x=("int | None", None)), [], [AddField("A", "x", "int | None", None)]),
    "a required field, filled": (model(), model(x="int"), [FillAnswer("A", "x", 1)], [AddField("A", "x", "int", 1)]),
    "a required field, computed": (
        model(),
        model(x="int"),
        [ComputeAnswer("A", "x")],
        [AddField("A", "x", "int", FunctionStub("a_x"))],
    ),
    "an answer beats a default": (
        model(),
        model(x=("int", 7)),
        [FillAnswer("A", "x", 8)],
        [AddField("A", "x", "int", 8)],
    ),
    "a removed field, nothing new": (model(x="int"), model(), [], [RemoveField("A", "x")]),
    "a retyped field": (model(x="int"), model(x="str"), [], [AlterField("A", "x", "int", "str")]),
    "an enum that lost a member": (
        model(x="Enum(AA='a', UA='u')"),
        model(x="Enum(AA='a')"),
        [MapAnswer("A", "x", "u", "a")],
        [AlterField("A", "x", "Enum(AA='a', UA='u')", "Enum(AA='a')", convert=MapValues({"u": "a"}))],
    ),
    "a renamed field by answer": (
        model(x="int"),
        model(y="int"),
        [RenameAnswer("A", "x", "y")],
        [RenameField("A", "x", "y")],
    ),
    "a renamed field by hint": (model(x="int"), model(y=hinted("int", "x")), [], [RenameField("A", "x", "y")]),
    "a rename with another type": (
        model(x="int"),
        model(y="str"),
        [RenameAnswer("A", "x", "y")],
        [RenameField("A", "x", "y"), AlterField("A", "y", "int", "str")],
    ),
    "a drop and an addition": (
        model(x="int"),
        model(y=("int", 0)),
        [DropAnswer("A", "x")],
        [AddField("A", "y", "int", 0), RemoveField("A", "x")],
    ),
    "names that change places": (
        model(x="int", y="int"),
        model(x="int", y="int"),
        [RenameAnswer("A", "x", "y"), RenameAnswer("A", "y", "x")],
        [RenameField("A", "x", "x_swap"), RenameField("A", "y", "x"), RenameField("A", "x_swap", "y")],
    ),
    "names that change places and types": (
        model(x="int", y="str"),
        model(x="str", y="int"),
        [RenameAnswer("A", "x", "y"), RenameAnswer("A", "y", "x")],
        [RenameField("A", "x", "x_swap"), RenameField("A", "y", "x"), RenameField("A", "x_swap", "y")],
    ),
    "names that move up": (
        model(x="int", y="int"),
        model(y="int", z="int"),
        [RenameAnswer("A", "x", "y"), RenameAnswer("A", "y", "z")],
        [RenameField("A", "y", "z"), RenameField("A", "x", "y")],
    ),
    "a field whose name another takes over": (
        model(x="int", y="int"),
        model(y="int"),
        [RenameAnswer("A", "x", "y"), DropAnswer("A", "y")],
        [RemoveField("A", "y"), RenameField("A", "x", "y")],
    ),
    "a copy beside the original": (
        model(x="int"),
        model(x=("int", 0), y="int"),
        [RenameAnswer("A", "x", "y")],
        [RenameField("A", "x", "y"), AddField("A", "x", "int", 0)],
    ),
    "a renamed primary key": (
        model(),
        model(key="pk"),
        [RenameAnswer("A", "id", "pk")],
        [RenameField("A", "id", "pk")],
    ),
    "a numeric primary key that becomes text": (
        model(id="int"),
        model(id="str"),
        [],
        [AlterField("A", "id", "int", "str")],
    ),
    "everything at once": (
        model(a="int", b="int", c="int"),
        model(z="int", b="str", d=("int", 4)),
        [RenameAnswer("A", "a", "z"), DropAnswer("A", "c")],
        [
            RenameField("A", "a", "z"),
            AddField("A", "d", "int", 4),
            AlterField("A", "b", "int", "str"),
            RemoveField("A", "c"),
        ],
    ),
    "a hint long followed": (model(y="int"), model(y=hinted("int", "x")), [], []),
    "a hint long followed, whose old name is used again": (
        model(x="int", y="int"),
        model(x="int", y=hinted("int", "x")),
        [],
        [],
    ),
    "another default only": (model(x=("int", 1)), model(x=("int", 2)), [], []),
}


@pytest.mark.parametrize("case", CERTAIN)
def test_what_is_certain_becomes_operations(case: str) -> None:
    old, new, answers, operations = CERTAIN[case]

    found = compare(old, new, *answers)

    assert list(found.operations) == operations
    assert not found.questions


REFUSED: Mapping[str, tuple[ModelSchema, ModelSchema | None, Sequence[Answer], str]] = {
    "a rename of nothing": (
        model(),
        model(),
        [RenameAnswer("A", "x", "id")],
        "--rename A.x=id: the files have no field 'x'; they have id",
    ),
    "a rename to nothing": (model(x="int"), model(), [RenameAnswer("A", "x", "y")], "the code has no field 'y'"),
    "a rename to itself": (model(), model(), [RenameAnswer("A", "id", "id")], "both names are the same"),
    "two renames of one": (
        model(x="int"),
        model(y="int", z="int"),
        [RenameAnswer("A", "x", "y"), RenameAnswer("A", "x", "z")],
        "--rename A.x=z contradicts --rename A.x=y",
    ),
    "a rename and a drop": (
        model(x="int"),
        model(y="int"),
        [RenameAnswer("A", "x", "y"), DropAnswer("A", "x")],
        "--drop A.x contradicts --rename A.x=y",
    ),
    "a drop of what is there": (
        model(x="int"),
        model(x="int"),
        [DropAnswer("A", "x")],
        "--drop A.x matches nothing: it is still in the code",
    ),
    "a drop of a model that is there": (model(), model(), [DropAnswer("A")], "--drop A matches nothing"),
    "a drop of no field": (model(), model(), [DropAnswer("A", "q")], "the files have no such field"),
    "a default of an old field": (
        model(x="int"),
        model(x="int"),
        [FillAnswer("A", "x", 1)],
        "--default A.x=1 matches nothing: 'x' is not a new field of A, and may be None as before",
    ),
    "a default of another type": (
        model(),
        model(x="int"),
        [FillAnswer("A", "x", "one")],
        "'one' is not a valid int: Input should be a valid integer",
    ),
    "a default and a function": (
        model(),
        model(x="int"),
        [FillAnswer("A", "x", 1), ComputeAnswer("A", "x")],
        "--compute A.x contradicts --default A.x=1",
    ),
    "an answer about no model": (
        model(),
        model(),
        [DropAnswer("B", "x")],
        "--drop B.x matches nothing: there is no such",
    ),
    "a field of a model that is gone": (model(), None, [DropAnswer("A", "id")], "the model was removed"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_with_the_cure(case: str) -> None:
    old, new, answers, message = REFUSED[case]

    with pytest.raises(SchemaError) as caught:
        compare(old, new, *answers)

    assert message in str(caught.value)


def test_a_changed_shape_under_an_old_version_names_the_version_that_it_needs() -> None:
    old, new = model(version=3), model(version=3, x=("int", 0))

    found = diff(Snapshot((old,)), Snapshot((new,)))

    assert found.low_versions == (LowVersion("A", stored=3, declared=3, needed=4, is_changed=True),)
    assert found.versions == {"A": 4}


def test_a_lowered_version_is_low_even_if_the_shape_stays() -> None:
    found = diff(Snapshot((model(version=3),)), Snapshot((model(version=2),)))

    assert found.low_versions == (LowVersion("A", stored=3, declared=2, needed=3, is_changed=False),)
    assert not found.is_written


def test_a_version_that_rises_alone_is_a_migration_without_operations() -> None:
    found = diff(Snapshot((model(version=3),)), Snapshot((model(version=5),)))

    assert (found.operations, found.versions, found.low_versions) == ((), {"A": 5}, ())


def test_the_operations_of_several_models_come_by_model() -> None:
    old = Snapshot((model("A", x="int"), model("B"), model("D")))
    new = Snapshot((model("A", 2), model("B", 2, x=("int", 0)), model("C")))

    found = diff(old, new, Answers((DropAnswer("D"),)))

    assert [operation.describe() for operation in found.operations] == [
        "Delete model D (its records stay)",
        "Create model C",
        "Remove field x from A",
        "Add field x to B",
    ]
    assert found.versions == {"A": 2, "B": 2, "C": 1}


NAMES = ("a", "b", "c", "d", "e")
FILLS: Mapping[str, Literal] = {"int": 0, "str": "", "list[int]": []}
SHAPES = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(sorted(FILLS)), max_size=5)


def answer_for(question: Question, choose: Any) -> Answer:
    match question:
        case RenameQuestion(name, field, _, candidates):
            renames = [RenameAnswer(name, field, candidate.name) for candidate in candidates]
            chosen: Answer = choose(st.sampled_from([*renames, DropAnswer(name, field)]))
            return chosen
        case SwapQuestion(name, field, _, others):
            moved: Answer = choose(st.sampled_from([RenameAnswer(name, field, other) for other in (*others, field)]))
            return moved
        case FillQuestion(name, field, type):
            return FillAnswer(name, field, FILLS[type])
        case _:
            raise AssertionError(question)


@given(old=SHAPES, new=SHAPES, chosen=st.data())
@settings(deadline=None)  # the first example compiles types, on a busy machine for half a second
def test_any_answers_give_operations_that_lead_to_the_code(
    old: dict[str, str], new: dict[str, str], chosen: st.DataObject
) -> None:
    before, after = Snapshot((model("A", 1, "id", "", **old),)), Snapshot((model("A", 2, "id", "", **new),))
    answers = Answers()
    found = diff(before, after, answers)
    while found.questions:
        answers = answers.having(answer_for(found.questions[0], chosen.draw))
        found = diff(before, after, answers)

    snapshot = before
    for operation in found.operations:
        snapshot = operation.apply(snapshot)

    assert snapshot.model("A").has_shape_of(after.model("A"))
    assert found == diff(before, after, Answers(tuple(reversed(answers.given))))
