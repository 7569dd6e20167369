"""Models of large records, and a write of one that is given up on a link that has stalled."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import pytest

from redis_models import AutoModel, Field, Model

NewBox = Callable[[str], Any]


LARGE: Final = "x" * 30_000_000  # more than all buffers on the way hold


class Parcel(Model):
    id: str = Field(primary_key=True)
    content: str = ""
    note: str = ""
    weight: int = 0


class LiveParcel(AutoModel):
    id: str = Field(primary_key=True)
    content: str = ""


async def give_up(box: Any, write: Any) -> None:
    """Begin a write, cancel it while it is on a link that has stalled."""
    box.stall(b"parcel:a")
    task = asyncio.create_task(write)
    assert await asyncio.to_thread(box.is_held.wait, 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
