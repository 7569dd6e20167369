"""Matching: which stored field of a model's old schema is which of its new one, as far as that is certain. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from redis_models.errors import SchemaError

from ..schema.snapshot import FieldSchema, ModelSchema
from ..schema.type_compatibility import is_widening, without_none
from ..schema.type_tree import parse
from .answer_tracker import AnswerTracker
from .answers import ComputeAnswer, DropAnswer, RenameAnswer
from .candidates import field_candidates
from .match_nested import insides
from .questions import HintQuestion, Question, RenameQuestion, SwapQuestion

__all__ = ["Match", "match_fields", "order_moves"]


@dataclass
class Match:
    """What became of the fields of one model. Grows while it is made, then is only read.

    Attributes:
        old, new: The schemas.
        moves: New name by old name; the values go along.
        dropped: Old names whose values go.
        questions: What is not certain; the fields concerned are in neither of the above.
        staying: Names of which somebody said that the values stay, although another field has their type.
    """

    old: ModelSchema
    new: ModelSchema
    moves: dict[str, str] = field(default_factory=dict[str, str])
    dropped: set[str] = field(default_factory=set[str])
    questions: list[Question] = field(default_factory=list[Question])
    staying: set[str] = field(default_factory=set[str])

    @property
    def kept(self) -> list[str]:
        """Names whose values stay where they are."""
        moved = {*self.moves, *self.moves.values()}
        return [name for name in self.old.by_name if name in self.new.by_name and name not in moved]

    @property
    def gone(self) -> list[FieldSchema]:
        """Old fields that have no place in the new schema: removed, or overtaken by another field."""
        kept = set(self.kept)
        return [one for one in self.old.fields if one.name not in self.moves and one.name not in kept]

    @property
    def added(self) -> list[FieldSchema]:
        """New fields that no old one moves to."""
        taken = {*self.kept, *self.moves.values()}
        return [one for one in self.new.fields if one.name not in taken]


def match_fields(old: ModelSchema, new: ModelSchema, tracker: AnswerTracker) -> Match:
    """Match the fields of one model; what moves into nested objects or out of them is done already.

    Args:
        old: The schema before, under the name that the model has now.
        new: What the code says.
        tracker: Answers about the model; paths are passed over.

    Raises:
        SchemaError: An answer matches nothing, or contradicts another.
    """
    match = Match(old, new)
    for answer in tracker.answers.of(RenameAnswer, old.name):
        if "." not in answer.old + answer.new:
            _take_rename(match, answer)
    drops = {one.field: one for one in tracker.answers.of(DropAnswer, old.name) if one.field and "." not in one.field}
    _take_hints(match, drops)
    _take_drops(match, drops)
    _ask(match)
    if not match.questions:
        _ask_about_swaps(match, tracker)
    _refuse_needless_stay(match, tracker)
    return match


def _take_rename(match: Match, answer: RenameAnswer) -> None:
    if answer.old not in match.old.by_name:
        raise SchemaError(f"{answer.flag()}: the files have no field {answer.old!r}; they have {_names(match.old)}")
    if answer.new not in match.new.by_name:
        raise SchemaError(f"{answer.flag()}: the code has no field {answer.new!r}; it has {_names(match.new)}")
    if answer.old == answer.new:
        match.staying.add(answer.old)
        return
    for old, new in match.moves.items():
        if answer.old == old or answer.new == new:
            other = RenameAnswer(answer.model, old, new).flag()
            raise SchemaError(f"{answer.flag()} contradicts {other}; give one of them")
    match.moves[answer.old] = answer.new


def _take_hints(match: Match, drops: Mapping[str, DropAnswer]) -> None:
    """Follow ``renamed_from`` where it is no relic of a rename long done: the old name is gone, the new one is new."""
    gone, added = {one.name for one in match.gone}, match.added
    hints = [one for one in added if one.renamed_from in gone and one.name not in match.old.by_name]
    for one in hints:
        rivals = [other for other in hints if other.renamed_from == one.renamed_from]
        if one.renamed_from is not None and one.renamed_from not in drops and len(rivals) == 1:
            match.moves[one.renamed_from] = one.name
    for moves in _doubtful_hints(match):
        match.questions.append(HintQuestion(match.old.name, tuple(moves)))


def _doubtful_hints(match: Match) -> list[list[tuple[str, str]]]:
    """Hints about names in use still: a copy beside the original; names that change places, if the version rises."""
    kept = set(match.kept)
    hints = {
        one.renamed_from: one.name
        for one in match.new.fields
        if one.renamed_from in kept and one.name not in match.moves.values() and one.renamed_from != one.name
    }
    doubtful = [[(old, new)] for old, new in hints.items() if new not in match.old.by_name]
    if match.new.version > match.old.version and hints and set(hints) == set(hints.values()):
        doubtful.append(sorted(hints.items()))
    return doubtful


def _take_drops(match: Match, drops: Mapping[str, DropAnswer]) -> None:
    gone = {one.name for one in match.gone}
    for name, answer in drops.items():
        if name in match.moves:
            rename = RenameAnswer(answer.model, name, match.moves[name]).flag()
            raise SchemaError(f"{answer.flag()} contradicts {rename}; give one of them")
        if name not in gone:
            where = "it is in the code still" if name in match.new.by_name else "the files have no such field"
            raise SchemaError(f"{answer.flag()} matches nothing: {where}")
        match.dropped.add(name)


def _ask(match: Match) -> None:
    """Ask about every field that is gone where one is new; without a new one it can only be removed."""
    overtaken, inside = set(match.moves.values()), _new_inside(match)
    kept, added = set(match.kept), match.added
    for one in match.gone:
        if one.name in match.dropped:
            continue
        hinted = [new for new in match.new.fields if new.renamed_from == one.name and new.name in kept]
        new = [*added, *hinted, *(new for new in inside if _is_alike(one, new))]
        candidates = field_candidates(one, new, _nearness(match, one.name))
        is_key = one.name == match.old.primary_key
        if candidates or one.name in overtaken:
            match.questions.append(RenameQuestion(match.old.name, one.name, one.type, candidates, is_key))
        else:
            match.dropped.add(one.name)


def _ask_about_swaps(match: Match, tracker: AnswerTracker) -> None:
    """Ask about fields whose types went around among them: the values may have gone with the types, or not.

    A field that others may have taken the place of is the only one that may have taken the place of another.
    """
    old, new = match.old, match.new
    settled = match.staying | {one.field for one in tracker.answers.of(ComputeAnswer, old.name)}
    changed = [name for name in match.kept if name != old.primary_key and _is_another(old.field(name), new.field(name))]
    goes_to = {
        name: [
            other
            for other in changed
            if other != name and other not in settled and _is_alike(old.field(name), new.field(other))
        ]
        for name in changed
        if name not in settled
    }
    around = _in_circles(goes_to)
    for name in sorted(around)[:1]:  # once it is answered, the others are questions of renames
        match.questions.append(SwapQuestion(old.name, name, old.field(name).type, tuple(goes_to[name])))


def _is_another(one: FieldSchema, other: FieldSchema) -> bool:
    """Whether the type is another one, and the values cannot simply stay as they are."""
    return not _is_alike(one, other) and not is_widening(one.type, other.type)


def _in_circles(goes_to: Mapping[str, Sequence[str]]) -> set[str]:
    """Give the names from which some way leads back to themselves."""
    found: set[str] = set()
    for name in goes_to:
        reached, pending = set[str](), list(goes_to[name])
        while pending:
            one = pending.pop()
            if one not in reached:
                reached.add(one)
                pending += goes_to.get(one, ())
        if name in reached:
            found.add(name)
    return found


def _refuse_needless_stay(match: Match, tracker: AnswerTracker) -> None:
    """Refuse answers that say what nobody asks: that a field stays whose type no other one has."""
    for name in match.staying:
        one, other = match.old.field(name), match.new.by_name.get(name)
        has_rival = any(_is_alike(one, new) for new in match.new.fields if new.name != name)
        if other is None or not _is_another(one, other) or not has_rival:
            raise SchemaError(f"{RenameAnswer(tracker.model, name, name).flag()}: both names are the same")


def _new_inside(match: Match) -> list[FieldSchema]:
    """Give the keys, as paths, that objects have now and did not have: a field may have moved there."""
    known = {key.name for one in match.old.fields for key in insides(one)}
    return [key for one in match.new.fields for key in insides(one) if key.name not in known]


def _nearness(match: Match, gone: str) -> dict[str, float]:
    """Give how near new fields are to where one was: 1 at the same distance from a field that stayed, 1/2 beside it."""
    homes = {**{name: name for name in match.kept}, **match.moves}
    before, after = match.old.in_order, match.new.in_order
    if gone not in before:
        return {}
    found: dict[str, float] = {}
    for is_reverse in (False, True):
        there = _distances(before[::-1] if is_reverse else before, homes)
        here = _distances(after[::-1] if is_reverse else after, {name: name for name in homes.values()})
        for name, (anchor, distance) in here.items():
            if anchor == there[gone][0]:
                found[name] = max(found.get(name, 0.0), 1.0 if distance == there[gone][1] else 0.5)
    return found


def _distances(names: Sequence[str], homes: Mapping[str, str]) -> dict[str, tuple[str, int]]:
    """Give, for each field that did not stay, the one that stayed before it, and how far that is."""
    found: dict[str, tuple[str, int]] = {}
    anchor, distance = "", 0
    for name in names:
        if name in homes:
            anchor, distance = homes[name], 0
        else:
            distance += 1
            found[name] = (anchor, distance)
    return found


def _is_alike(one: FieldSchema, other: FieldSchema) -> bool:
    """Whether a field and a key of an object are of one type, None aside; others are no likely candidates."""
    return without_none(parse(one.type)) == without_none(parse(other.type))


def order_moves(moves: Mapping[str, str], occupied: Sequence[str]) -> list[tuple[str, str]]:
    """Put renames in an order in which each new name is free; a circle is broken with a name of its own.

    Args:
        moves: New name by old name.
        occupied: Names in use before the first rename.
    """
    pending, names, ordered = dict(moves), set(occupied), list[tuple[str, str]]()
    while pending:
        old = next((one for one in sorted(pending) if pending[one] not in names), None)
        if old is None:
            old = min(pending)
            new = _unused(old, {*names, *moves.values()})
            pending[new] = pending.pop(old)
        else:
            new = pending.pop(old)
        ordered.append((old, new))
        names = names - {old} | {new}
    return ordered


def _unused(name: str, taken: set[str]) -> str:
    name = f"{name}_swap"
    while name in taken:
        name += "_"
    return name


def _names(model: ModelSchema) -> str:
    return ", ".join(model.by_name)
