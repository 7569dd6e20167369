"""Which field was which, by names, types and positions; the order of renames, in which none is overwritten."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redis_models.migrations.autodetector.answer_tracker import AnswerTracker
from redis_models.migrations.autodetector.answers import Answers
from redis_models.migrations.autodetector.match_fields import match_fields, order_moves
from redis_models.migrations.autodetector.questions import RenameQuestion
from redis_models.migrations.chain.optimizer import creation_of
from redis_models.migrations.operations import AddField, CreateModel
from redis_models.migrations.schema.snapshot import Snapshot

NAMES = ("a", "b", "c", "d", "e")


@given(st.permutations(NAMES), st.integers(0, 5))
def test_moves_in_any_circle_never_meet_a_name_in_use(mixed: list[str], count: int) -> None:
    moves = {old: new for old, new in zip(NAMES[:count], mixed[:count], strict=True) if old != new}
    matches = {name: name for name in NAMES if name in moves or name not in moves.values()}

    for old, new in order_moves(moves, list(matches)):
        assert new not in matches
        matches[new] = matches.pop(old)

    assert {new: old for new, old in matches.items() if new != old} == {new: old for old, new in moves.items()}


def _asked(before: str, after: str) -> dict[str, list[str]]:
    """Give the candidates of each field that is gone, most likely first; each field is a letter, all are text."""
    old, new = (
        CreateModel("A", dict.fromkeys(names.split(), "str"), "id", "a").apply(Snapshot()).model("A")
        for names in (before, after)
    )
    questions = match_fields(old, new, AnswerTracker(Answers(), "A")).questions
    return {
        question.field: [each.name for each in question.candidates]
        for question in questions
        if isinstance(question, RenameQuestion)
    }


@pytest.mark.parametrize(
    ("before", "after", "likely"),
    [
        ("id zq mw kept", "id jb ux kept", {"zq": ["jb", "ux"], "mw": ["ux", "jb"]}),
        ("id zq mw kept", "id ux jb kept", {"zq": ["ux", "jb"], "mw": ["jb", "ux"]}),
        ("id kept zq", "jb id kept ux", {"zq": ["ux", "jb"]}),
        ("zq id kept", "jb id kept ux", {"zq": ["jb", "ux"]}),
        ("id zq kept mw", "id vx jb kept ux", {"zq": ["jb", "vx", "ux"], "mw": ["ux", "jb", "vx"]}),
        ("id name zq kept", "id jb full_name kept", {"name": ["full_name", "jb"], "zq": ["full_name", "jb"]}),
    ],
)
def test_where_type_and_name_say_nothing_the_position_does(
    before: str, after: str, likely: dict[str, list[str]]
) -> None:
    assert _asked(before, after) == likely


def test_a_creation_names_fields_as_the_class_does() -> None:
    created = CreateModel("A", {"id": "str", "z": "str", "b": "str"}, "id", "a").apply(Snapshot())
    grown = AddField("A", "a", "str", fill="").apply(created).model("A")

    assert list(creation_of(grown).fields) == ["id", "z", "b", "a"]
    assert [field.name for field in grown.fields] == ["a", "b", "id", "z"]
