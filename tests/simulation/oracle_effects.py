"""What the verbs of a model do to one record, as the oracle has it."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from .oracle import ABOUT, NOT_NOW, Effect
from .shop import Kind, State


def patched(version: int, values: Mapping[str, bytes], filled: Mapping[str, bytes]) -> Effect:
    """Some fields of an existing record; ``filled`` where it has none of that name."""

    def effect(state: State | None) -> State | None:
        if state is None or state.version != version:
            return NOT_NOW
        fields = {**filled, **state.fields, **values}
        field_ends = {name: ends for name, ends in state.field_ends.items() if name not in values}
        return replace(state, fields=fields, field_ends=field_ends, is_stamped=state.is_stamped or version == 1)

    return effect


def created(version: int, values: Mapping[str, bytes]) -> Effect:
    """A record where there is none."""
    return lambda state: State(version, values) if state is None else NOT_NOW


def stored(version: int, values: Mapping[str, bytes], is_stuck: Callable[[], bool]) -> Effect:
    """A whole record, whether there is one or not; also in the place of an older one that could not be brought up."""
    there, new = patched(version, values, {}), created(version, values)

    def effect(state: State | None) -> State | None:
        if state is not None and state.version < version and is_stuck():
            return State(version, values, ends=state.ends)
        return new(state) if state is None else there(state)

    return effect


def added(version: int, name: str, by: int) -> Effect:
    """A number and what was there."""

    def effect(state: State | None) -> State | None:
        if state is None or state.version != version:
            return NOT_NOW
        fields = {**state.fields, name: b"%d" % (int(state.fields[name]) + by)}
        return replace(state, fields=fields, is_stamped=state.is_stamped or version == 1)

    return effect


def deleted() -> Effect:
    """Nothing."""
    return lambda state: None


def expiring(ms: int) -> Effect:
    """Another TTL; 0 removes it."""
    ends = ABOUT - ms if ms else -1
    return lambda state: NOT_NOW if state is None else replace(state, ends=ends)


def unless_changed(read: Mapping[str, bytes], effect: Effect) -> Effect:
    """What another effect is, on a record that is still as it was read; nothing on any other."""
    return lambda state: effect(state) if state is not None and state.fields == read else NOT_NOW


def bytes_of(kind: Kind, instance: object, version: int) -> dict[str, bytes]:
    """Give an instance of the code of a version as it is stored, without fields that may be absent and are empty."""
    found: dict[str, bytes] = {}
    for name in kind.fields[version]:
        value = getattr(instance, name)
        if value != "" or name not in kind.optional:
            found[name] = str(value).encode()
    return found


def as_read(kind: Kind, state: State | None, version: int) -> dict[str, bytes] | None:
    """Give a record as code of a version reads it, likewise."""
    if state is None:
        return None
    fields = kind.moved(state, version).fields
    return {name: raw for name, raw in fields.items() if raw or name not in kind.optional}
