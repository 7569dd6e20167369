"""The order of renames, in which no name is overwritten."""

from hypothesis import given
from hypothesis import strategies as st

from redis_models.migrations.matching import order_moves

NAMES = ("a", "b", "c", "d", "e")


@given(st.permutations(NAMES), st.integers(0, 5))
def test_moves_in_any_circle_never_meet_a_name_in_use(mixed: list[str], count: int) -> None:
    moves = {old: new for old, new in zip(NAMES[:count], mixed[:count], strict=True) if old != new}
    held = {name: name for name in NAMES if name in moves or name not in moves.values()}

    for old, new in order_moves(moves, list(held)):
        assert new not in held
        held[new] = held.pop(old)

    assert {new: old for new, old in held.items() if new != old} == {new: old for old, new in moves.items()}
