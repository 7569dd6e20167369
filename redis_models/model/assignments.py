"""Assignments to an instance: batched into one write, or undone; and the lock that orders its saves."""

import asyncio
import copy
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, Final, cast

from ..mapping.stored_model import StoredModel

__all__ = [
    "NO_CONTEXT",
    "UNSET",
    "UpdateBlocks",
    "batched_assignments",
    "restore_state",
    "restored_on_failure",
    "save_lock",
    "state_of",
]

NO_CONTEXT: Final = nullcontext()  # may be entered many times
UNSET: Final = (None, None)  # auto_save and auto_sync of an instance without its own: the class decides
State = dict[str, Any]
_CONTAINERS: Final = (list, dict, set, deque, bytearray)


class UpdateBlocks:
    """The open ``update()`` blocks of one instance.

    Attributes:
        settings: auto_save and auto_sync before the first block.
        open: The number of open blocks.
        saved: The state of the instance when a block last wrote it, or None.
    """

    __slots__ = ("open", "saved", "settings")

    def __init__(self, settings: tuple[bool | None, bool | None]) -> None:
        self.settings, self.open = settings, 0
        self.saved: State | None = None

    def mark_saved(self, instance: StoredModel) -> None:
        """Note that ``instance`` equals its record."""
        self.saved = state_of(instance)


@contextmanager
def batched_assignments(instance: StoredModel) -> Generator[UpdateBlocks]:
    """Defer the writes of assignments; the block ends with one write. Blocks may overlap, or be nested."""
    blocks: UpdateBlocks = getattr(instance, "__blocks__", None) or UpdateBlocks(getattr(instance, "__auto__", UNSET))
    object.__setattr__(instance, "__blocks__", blocks)
    blocks.open += 1
    before, saved = _copy_containers(state_of(instance)), blocks.saved
    object.__setattr__(instance, "__auto__", (blocks.settings[0], False))
    try:
        yield blocks
    except BaseException:
        state = blocks.saved  # another block may have written the record meanwhile
        restore_state(instance, before if state is None or state is saved else _copy_state(state))
        raise
    finally:
        blocks.open -= 1
        if blocks.open == 0:
            object.__setattr__(instance, "__auto__", blocks.settings)
            object.__setattr__(instance, "__blocks__", None)


@contextmanager
def restored_on_failure(instance: StoredModel) -> Generator[None]:
    """Restore the fields if a write failed or its outcome is unknown, so that the instance shows only known writes."""
    before = state_of(instance)
    try:
        yield
    except BaseException:
        restore_state(instance, before)
        raise


def save_lock(instance: StoredModel) -> asyncio.Lock:
    """Give the lock that orders the saves of this instance within the running loop."""
    loop, lock = getattr(instance, "__save_lock__", (None, None))
    if lock is None or loop is not asyncio.get_running_loop():
        lock = asyncio.Lock()
        object.__setattr__(instance, "__save_lock__", (asyncio.get_running_loop(), lock))
    return lock


def state_of(instance: StoredModel) -> State:
    """Give the current fields of an instance."""
    extra = instance.__pydantic_extra__
    return {
        "__dict__": instance.__dict__.copy(),
        "__pydantic_fields_set__": instance.__pydantic_fields_set__.copy(),
        "__pydantic_extra__": extra if extra is None else extra.copy(),
    }


def restore_state(instance: StoredModel, state: State) -> None:
    """Restore the fields of an instance to what ``state_of`` gave."""
    for name, value in state.items():
        object.__setattr__(instance, name, value)


def _copy_containers(state: State) -> State:
    """Give a state with copies of the instance's lists, dicts and sets."""
    values: dict[str, Any] = state["__dict__"]
    for name, value in values.items():
        if isinstance(value, _CONTAINERS):
            with suppress(Exception):  # a container of something that cannot be copied stays shared
                values[name] = copy.deepcopy(cast(object, value))
    return state


def _copy_state(state: State) -> State:
    return {name: part if part is None else part.copy() for name, part in state.items()}
