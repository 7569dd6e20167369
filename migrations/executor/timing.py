"""Timing: how long the batches of a run take, as the run sees it."""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from redis_models.client.commands import Command, Reply
from redis_models.client.drivers import Driver

__all__ = ["LATEST", "Timed"]

LATEST: Final = 100  # batches; older ones say nothing of the moment


@dataclass(frozen=True)
class Timed:
    """A driver that takes down how long the latest batches took; pauses do not count.

    Attributes:
        driver: What exchanges them.
        taken_ms: What they took, in milliseconds; grows at the end, and may be emptied by another thread.
    """

    driver: Driver
    taken_ms: deque[float] = field(default_factory=lambda: deque[float](maxlen=LATEST))

    def exchange(self, commands: Sequence[Command]) -> list[Reply]:
        """Do what the driver does."""
        began = time.perf_counter()
        replies = self.driver.exchange(commands)
        if commands:
            self.taken_ms.append((time.perf_counter() - began) * 1000)
        return replies
