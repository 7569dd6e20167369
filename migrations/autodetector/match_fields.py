"""Matches the stored fields of a model's old schema with those of its new one, as far as that is certain. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from redis_models.errors import SchemaError

from ..schema.snapshot import FieldSchema, ModelSchema
from ..schema.type_compatibility import is_widening, without_none
from ..schema.type_tree import parse
from .answer_tracker import AnswerTracker
from .answers import ComputeAnswer, DropAnswer, RenameAnswer
from .candidates import field_candidates
from .match_nested import keys_of
from .questions import HintQuestion, Question, RenameQuestion, SwapQuestion

__all__ = ["FieldMatch", "match_fields", "order_moves"]


@dataclass
class FieldMatch:
    """What happens to the fields of one model. It grows during the match, and is only read afterwards.

    Attributes:
        old, new: The schemas.
        moves: New name by old name; the values move along.
        dropped: Old names whose values are dropped.
        questions: About the fields that are in neither of the above.
        staying: Names whose values stay, as an answer says, although another field now has their type.
    """

    old: ModelSchema
    new: ModelSchema
    moves: dict[str, str] = field(default_factory=dict[str, str])
    dropped: set[str] = field(default_factory=set[str])
    questions: list[Question] = field(default_factory=list[Question])
    staying: set[str] = field(default_factory=set[str])

    @property
    def kept(self) -> list[str]:
        """Names of fields that stay where they are."""
        moved = {*self.moves, *self.moves.values()}
        return [name for name in self.old.by_name if name in self.new.by_name and name not in moved]

    @property
    def gone(self) -> list[FieldSchema]:
        """Old fields that are not in the new schema, or whose name another field takes over."""
        kept = set(self.kept)
        return [field for field in self.old.fields if field.name not in self.moves and field.name not in kept]

    @property
    def added(self) -> list[FieldSchema]:
        """New fields to which no old field moves."""
        taken = {*self.kept, *self.moves.values()}
        return [field for field in self.new.fields if field.name not in taken]


def match_fields(old: ModelSchema, new: ModelSchema, tracker: AnswerTracker) -> FieldMatch:
    """Match the fields of one model. Moves into nested objects and out of them come before; see ``match_nested``.

    Args:
        old: The schema before, under the new name of the model.
        new: The schema of the code.
        tracker: Answers about the model; those about paths are ignored.

    Raises:
        SchemaError: An answer matches nothing, or contradicts another.
    """
    match = FieldMatch(old, new)
    for answer in tracker.answers.of(RenameAnswer, old.name):
        if "." not in answer.old + answer.new:
            _take_rename(match, answer)
    drops = {
        answer.field: answer
        for answer in tracker.answers.of(DropAnswer, old.name)
        if answer.field and "." not in answer.field
    }
    _take_hints(match, drops)
    _take_drops(match, drops)
    _ask(match)
    if not match.questions:
        _ask_about_swaps(match, tracker)
    _refuse_needless_stay(match, tracker)
    return match


def _take_rename(match: FieldMatch, answer: RenameAnswer) -> None:
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


def _take_hints(match: FieldMatch, drops: Mapping[str, DropAnswer]) -> None:
    """Follow ``renamed_from`` if the rename is not done yet: the old name was removed, the new one was added."""
    gone, added = {field.name for field in match.gone}, match.added
    hints = [field for field in added if field.renamed_from in gone and field.name not in match.old.by_name]
    for hinted in hints:
        rivals = [other for other in hints if other.renamed_from == hinted.renamed_from]
        if hinted.renamed_from is not None and hinted.renamed_from not in drops and len(rivals) == 1:
            match.moves[hinted.renamed_from] = hinted.name
    for moves in _doubtful_hints(match):
        match.questions.append(HintQuestion(match.old.name, tuple(moves)))


def _doubtful_hints(match: FieldMatch) -> list[list[tuple[str, str]]]:
    """Find hints whose old name is still in use: a copy of a field, or two names exchanged while the version rises."""
    kept = set(match.kept)
    hints = {
        field.renamed_from: field.name
        for field in match.new.fields
        if field.renamed_from in kept and field.name not in match.moves.values() and field.renamed_from != field.name
    }
    doubtful = [[(old, new)] for old, new in hints.items() if new not in match.old.by_name]
    if match.new.version > match.old.version and hints and set(hints) == set(hints.values()):
        doubtful.append(sorted(hints.items()))
    return doubtful


def _take_drops(match: FieldMatch, drops: Mapping[str, DropAnswer]) -> None:
    gone = {field.name for field in match.gone}
    for name, answer in drops.items():
        if name in match.moves:
            rename = RenameAnswer(answer.model, name, match.moves[name]).flag()
            raise SchemaError(f"{answer.flag()} contradicts {rename}; give one of them")
        if name not in gone:
            where = "it is still in the code" if name in match.new.by_name else "the files have no such field"
            raise SchemaError(f"{answer.flag()} matches nothing: {where}")
        match.dropped.add(name)


def _ask(match: FieldMatch) -> None:
    """Ask about every removed field for which there are candidates; drop the others."""
    overtaken, inside = set(match.moves.values()), _new_inside(match)
    kept, added = set(match.kept), match.added
    for old in match.gone:
        if old.name in match.dropped:
            continue
        hinted = [new for new in match.new.fields if new.renamed_from == old.name and new.name in kept]
        new = [*added, *hinted, *(new for new in inside if _is_alike(old, new))]
        candidates = field_candidates(old, new, _nearness(match, old.name))
        is_key = old.name == match.old.primary_key
        if candidates or old.name in overtaken:
            match.questions.append(RenameQuestion(match.old.name, old.name, old.type, candidates, is_key))
        else:
            match.dropped.add(old.name)


def _ask_about_swaps(match: FieldMatch, tracker: AnswerTracker) -> None:
    """Ask about fields that exchanged their types: their values may have moved with the types, or not.

    Only a field whose own type moved to another one is a candidate.
    """
    old, new = match.old, match.new
    settled = match.staying | {answer.field for answer in tracker.answers.of(ComputeAnswer, old.name)}
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
    around = _in_cycles(goes_to)
    for name in sorted(around)[:1]:  # its answer turns the others into questions about renames
        match.questions.append(SwapQuestion(old.name, name, old.field(name).type, tuple(goes_to[name])))


def _is_another(old: FieldSchema, new: FieldSchema) -> bool:
    """Whether the type changed so that values must be converted."""
    return not _is_alike(old, new) and not is_widening(old.type, new.type)


def _in_cycles(goes_to: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the names that are part of a cycle."""
    found: set[str] = set()
    for name in goes_to:
        reached, pending = set[str](), list(goes_to[name])
        while pending:
            reachable = pending.pop()
            if reachable not in reached:
                reached.add(reachable)
                pending += goes_to.get(reachable, ())
        if name in reached:
            found.add(name)
    return found


def _refuse_needless_stay(match: FieldMatch, tracker: AnswerTracker) -> None:
    """Refuse an answer that a field stays if no other field has its type."""
    for name in match.staying:
        old_field, new_field = match.old.field(name), match.new.by_name.get(name)
        has_rival = any(_is_alike(old_field, new) for new in match.new.fields if new.name != name)
        if new_field is None or not _is_another(old_field, new_field) or not has_rival:
            raise SchemaError(f"{RenameAnswer(tracker.model, name, name).flag()}: both names are the same")


def _new_inside(match: FieldMatch) -> list[FieldSchema]:
    """Return new keys of objects, as paths: a field may have moved there."""
    known = {key.name for field in match.old.fields for key in keys_of(field)}
    return [key for field in match.new.fields for key in keys_of(field) if key.name not in known]


def _nearness(match: FieldMatch, gone: str) -> dict[str, float]:
    """Return how near new fields are to a removed one: 1 at the same distance from a field that stayed, else 1/2."""
    homes = {**{name: name for name in match.kept}, **match.moves}
    before, after = match.old.in_order, match.new.in_order
    if gone not in before:
        return {}
    found: dict[str, float] = {}
    for is_reverse in (False, True):
        old_distances = _distances(before[::-1] if is_reverse else before, homes)
        new_distances = _distances(after[::-1] if is_reverse else after, {name: name for name in homes.values()})
        for name, (anchor, distance) in new_distances.items():
            if anchor == old_distances[gone][0]:
                found[name] = max(found.get(name, 0.0), 1.0 if distance == old_distances[gone][1] else 0.5)
    return found


def _distances(names: Sequence[str], homes: Mapping[str, str]) -> dict[str, tuple[str, int]]:
    """Return, for each field that did not stay, the last one before it that stayed, and the distance to it."""
    found: dict[str, tuple[str, int]] = {}
    anchor, distance = "", 0
    for name in names:
        if name in homes:
            anchor, distance = homes[name], 0
        else:
            distance += 1
            found[name] = (anchor, distance)
    return found


def _is_alike(left: FieldSchema, right: FieldSchema) -> bool:
    """Whether two fields or keys have the same type, ignoring None. Others are unlikely candidates."""
    return without_none(parse(left.type)) == without_none(parse(right.type))


def order_moves(moves: Mapping[str, str], occupied: Sequence[str]) -> list[tuple[str, str]]:
    """Sort renames so that each new name is free. A cycle is broken with a temporary name.

    Args:
        moves: New name by old name.
        occupied: Names in use before the first rename.
    """
    pending, names, ordered = dict(moves), set(occupied), list[tuple[str, str]]()
    while pending:
        old = next((name for name in sorted(pending) if pending[name] not in names), None)
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
