"""What must lie on the server after each step: the model of acknowledged values, and what is compared with it.

Nothing else may change than what the actor whose step it was may change, and then only as the oracle says: an operation
of the application its record, as it was asked to; a runner any record, to the version of its plan. So nothing that was
acknowledged is ever lost, and what is not acknowledged is there whole or not at all.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from .server import Seen, Wire
from .shop import KINDS, Kind, State, is_stuck

NOT_NOW: Final = State(0, {})  # what an effect gives on a record on which it has none
ABOUT: Final = -1_000_000  # an end that is this many ms lower stands for so many ms from now
Effect = Callable[[State | None], State | None]


class Violation(AssertionError):
    """Something that must never be is there."""


@dataclass
class Operation:
    """An operation of an actor of the application that is under way. Changed by its actor and by the world.

    Attributes:
        label: For the trace.
        key: The record that it is about.
        began: Step at which it began.
        effect: What it does to that record, once it is known.
        is_applied: Whether it was seen to have happened, or there was nothing to do.
        is_spent: Whether it was seen to change its record: it must not do so again.
        writes_back: Whether it may bring up any record that it reads.
    """

    label: str
    key: str
    began: int
    effect: Effect | None = None
    is_applied: bool = False
    is_spent: bool = False
    writes_back: bool = False

    def may_do(self, state: State | None) -> list[State | None]:
        """Give what it may make of its record now."""
        if self.effect is None or self.is_spent:
            return []
        after = self.effect(state)
        return [] if after is NOT_NOW else [after]


@dataclass
class Truth:
    """The model, and what it was compared with last. Changed by ``compare`` and ``ends`` alone.

    Attributes:
        states: Records that there are.
        since: Step at which an actor of the application made a record what version it is of.
        written: Step at which one wrote it last.
        history: What each record was, from which step on.
    """

    wire: Wire
    states: dict[str, State] = field(default_factory=dict[str, State])
    since: dict[str, int] = field(default_factory=dict[str, int])
    written: dict[str, int] = field(default_factory=dict[str, int])
    history: dict[str, list[tuple[int, State | None]]] = field(
        default_factory=dict[str, list[tuple[int, State | None]]]
    )
    seen: Seen = field(init=False)

    def begin(self, states: Mapping[str, State]) -> None:
        """Take what there is at the beginning."""
        self.states = dict(states)
        self.history = {key: [(0, state)] for key, state in states.items()}
        self.seen = self.wire.look()
        for key, state in states.items():
            if not _is(state, self.seen.records[key], 0):
                raise Violation(f"{key} begins otherwise than {state}: {self.seen.records[key]}")

    def compare(
        self,
        step: int,
        began_ms: float,
        operation: Operation | None,
        versions: Mapping[str, int],
        *,
        is_runner: bool,
        purges: bool = False,
    ) -> None:
        """Compare everything after a step.

        Args:
            step: Its number.
            began_ms: When it began, in ms since 1970.
            operation: What the actor does.
            versions: To which version it may bring records, by model.
            is_runner: Whether it is not an actor of the application.
            purges: Whether it only removes undo fields.
        """
        before, self.seen = self.seen, self.wire.seen
        for key in before.records.keys() | self.seen.records.keys():
            raw = self.seen.records.get(key)
            if raw != before.records.get(key):
                self._explain(step, key, raw, began_ms, operation, versions, is_runner, purges)
        if operation is not None and operation.effect is not None:
            state = self.states.get(operation.key)
            operation.is_applied |= operation.effect(state) == state
        for table, members in self.seen.indexes.items():
            missing = [key for key in self.states if key not in members and key.startswith(table)]
            if missing:
                raise Violation(f"records are not in the index: {sorted(missing)}")

    def _explain(
        self,
        step: int,
        key: str,
        raw: list[Any] | None,
        began_ms: float,
        operation: Operation | None,
        versions: Mapping[str, int],
        is_runner: bool,
        purges: bool,
    ) -> None:
        kind, before = kind_of(key), self.states.get(key)
        allowed: list[State | None] = []
        target = versions.get(kind.name)
        is_its_own = operation is not None and operation.key == key
        is_read = operation is not None and operation.writes_back
        is_upgrade = before is not None and target is not None and target > before.version
        is_movable = target is not None and not is_stuck(before, target)
        if (
            before is not None
            and target is not None
            and is_movable
            and (is_runner or ((is_its_own or is_read) and is_upgrade))
        ):
            allowed.append(kind.moved(before, target))
        if before is not None and purges:
            field_ends = {name: ends for name, ends in before.field_ends.items() if not name.startswith("undo ")}
            allowed.append(replace(before, undo={}, field_ends=field_ends))
        if operation is not None and is_its_own:
            effects = [effect for start in (before, *allowed) for effect in operation.may_do(start)]
            if any(_is(effect, raw, began_ms) for effect in effects):
                operation.is_applied = operation.is_spent = True
            allowed += effects
        for after in allowed:
            if _is(after, raw, began_ms):
                self._accept(step, key, before, _settled(after, raw), is_runner)
                return
        others = [state for state in allowed if state != before]
        raise Violation(f"{key} is {_shown(raw)}\n  it was {before}\n  and may become {others}")

    def _accept(self, step: int, key: str, before: State | None, after: State | None, is_runner: bool) -> None:
        if after is None:
            self.states.pop(key, None)
        else:
            self.states[key] = after
        self.history.setdefault(key, [(0, None)]).append((step, after))
        if is_runner:
            return
        self.written[key] = step
        if after is not None and (before is None or before.version != after.version):
            self.since[key] = step

    def ended(self, step: int, key: str, after: State | None) -> None:
        """Take note of what time has done."""
        self._accept(step, key, self.states.get(key), after, False)
        self.seen = self.wire.look()

    def states_since(self, key: str, step: int) -> list[State | None]:
        """Give what a record has been from a step on."""
        known = self.history.get(key, [(0, None)])
        earlier = [place for place, (at, _) in enumerate(known) if at <= step]
        return [state for _, state in known[max(earlier, default=0) :]]

    def has_met_stuck(self, kind: Kind, version: int, step: int, key: str | None = None) -> bool:
        """Whether a record, or any of a model, could not be brought to a version at some moment from a step on."""
        keys = [event for event in self.history if event.startswith(f"{kind.table}:")] if key is None else [key]
        return any(is_stuck(state, version) for key in keys for state in self.states_since(key, step))

    def behind(self, kind: Kind, version: int, scan_began: int, *, leaves_newer: bool) -> list[str]:
        """Give the records at another version for which there is no reason: neither quarantine nor a later action.

        Args:
            kind: The model.
            version: Where a run led them.
            scan_began: Step at which it began to meet them.
            leaves_newer: Whether it led up, so that records beyond are left as newer code wrote them.
        """
        return [
            key
            for key, state in sorted(self.states.items())
            if kind_of(key) is kind and state.version != version and self.since.get(key, -1) <= scan_began
            if key not in self.seen.quarantine and not (leaves_newer and state.version > version)
        ]


def kind_of(key: str) -> Kind:
    """Give the model of a key."""
    return next(kind for kind in KINDS if key.startswith(f"{kind.table}:"))


def now_ms() -> float:
    """Give the server's time: it runs on this machine."""
    return time.time() * 1000


def _is(state: State | None, raw: list[Any] | None, began_ms: float) -> bool:
    """Whether a record is as it must be, and nothing beside."""
    if state is None or raw is None:
        return state is None and raw is None
    _, ends, flat, *field_ends = raw
    stored = {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}
    stamp = stored.pop("_v", None)
    if stamp != (b"%d" % state.version if state.is_stamped or state.version > 1 else None):
        return False
    fields = {name: value for name, value in stored.items() if not name.startswith("_b")}
    newest = max((int(name[2]) for name in stored if name.startswith("_b")), default=0)
    if fields != state.fields or newest > state.version:
        return False
    if state.ends < ABOUT:
        ms = ABOUT - state.ends
        if not began_ms + ms - 5 <= ends <= now_ms() + ms + 5:
            return False
    elif ends != state.ends:
        return False
    found = (
        {_name_of_field_end(name): at for name, at in zip(*field_ends, strict=True) if at != -1} if field_ends else {}
    )
    return found == state.field_ends


def _name_of_field_end(name: bytes) -> str:
    return "undo legacy_ref" if name == b"_b2.3.legacy_ref" else name.decode()


def _settled(state: State | None, raw: list[Any] | None) -> State | None:
    return state if state is None or raw is None or state.ends >= ABOUT else replace(state, ends=raw[1])


def _shown(raw: list[Any] | None) -> str:
    if raw is None:
        return "gone"
    _, ends, flat, *field_ends = raw
    fields = {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}
    until = "" if ends == -1 else f", ends {ends}"
    return f"{fields}{until}{f', fields end {field_ends}' if field_ends else ''}"
