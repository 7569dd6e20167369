"""What the diff cannot know: which question it asks, in which words, and when."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from redis_models.migrations.autodetector.answers import Answer, Answers, DropAnswer, RenameAnswer
from redis_models.migrations.autodetector.diff import Diff, diff
from redis_models.migrations.autodetector.questions import (
    DropModelQuestion,
    FillQuestion,
    HintQuestion,
    Question,
    RenameQuestion,
)
from redis_models.migrations.schema.snapshot import REQUIRED, FieldSchema, ModelSchema, Snapshot

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


OPEN: Mapping[str, tuple[ModelSchema, ModelSchema | None, Sequence[Answer], type[Question], str]] = {
    "one gone, one new": (
        model(title="str"),
        model(full_title=("str", "")),
        [],
        RenameQuestion,
        "A.title → ?  candidates: full_title (0.67)  use --rename A.title=full_title or --drop A.title",
    ),
    "the type counts more than the name": (
        model(title="str"),
        model(titles=("int", 0), label=("str", "")),
        [],
        RenameQuestion,
        "A.title → ?  candidates: label (0.40), titles (0.91)  use --rename A.title=label or --drop A.title",
    ),
    "a name that stays in use": (
        model(x="int", y="int"),
        model(y="int"),
        [RenameAnswer("A", "x", "y")],
        RenameQuestion,
        "A.y → ?  candidates: none: another field takes over its name  use --drop A.y",
    ),
    "a hint onto a name that was in use": (
        model(x="int", y="int"),
        model(y=hinted("int", "x")),
        [],
        RenameQuestion,
        "A.x → ?  candidates: y (0.00)  use --rename A.x=y or --drop A.x",
    ),
    "two hints about one name": (
        model(x="int"),
        model(y=hinted("int", "x"), z=hinted("int", "x")),
        [],
        RenameQuestion,
        "A.x → ?  candidates: y (0.00), z (0.00)  use --rename A.x=y or --drop A.x",
    ),
    "a primary key": (
        model(),
        model(key="pk"),
        [],
        RenameQuestion,
        "A.id → ?  candidates: pk (0.00)  use --rename A.id=pk",
    ),
    "a required field": (
        model(),
        model(x="int"),
        [],
        FillQuestion,
        "A.x: int is required and has no default; existing records do not have it"
        "  use --default A.x=0 (any literal) or --compute A.x",
    ),
    "a deleted model": (
        model(),
        None,
        [],
        DropModelQuestion,
        "A: the model was removed or is not managed any more; its records stay in Redis at shop:a:*  use --drop A",
    ),
    "hints that swap": (
        model(x="int", y="int"),
        model(x=hinted("int", "y"), y=hinted("int", "x")),
        [],
        HintQuestion,
        "A: renamed_from says x → y, y → x, but the code still has x and y"
        "  use --rename A.x=y --rename A.y=x, or remove renamed_from from the code",
    ),
    "a hint beside the original": (
        model(x="int"),
        model(x="int", y=FieldSchema("", "int", 0, "x")),
        [],
        HintQuestion,
        "A: renamed_from says x → y, but the code still has x"
        "  use --rename A.x=y, or remove renamed_from from the code",
    ),
}


@pytest.mark.parametrize("case", OPEN)
def test_what_is_not_certain_is_asked(case: str) -> None:
    old, new, answers, kind, line = OPEN[case]

    (question,) = compare(old, new, *answers).questions

    assert type(question) is kind
    assert question.line() == line


def test_hints_that_swapped_in_the_last_migration_are_not_asked_about_again() -> None:
    both = model(x=hinted("int", "y"), y=hinted("int", "x"))

    assert diff(Snapshot((both,)), Snapshot((both,))).is_empty


def test_a_fill_is_asked_only_when_it_is_known_which_fields_are_new() -> None:
    old, new = model(x="int"), model(y="int")

    assert [type(question) for question in compare(old, new).questions] == [RenameQuestion]
    assert [type(question) for question in compare(old, new, DropAnswer("A", "x")).questions] == [FillQuestion]
    assert not compare(old, new, RenameAnswer("A", "x", "y")).questions
