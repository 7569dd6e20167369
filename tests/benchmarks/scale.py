"""Scale: how much of everything a run does. Pure."""

from dataclasses import dataclass
from typing import Final

__all__ = ["SCALES", "Scale"]


@dataclass(frozen=True)
class Scale:
    """How much is done.

    Attributes:
        name: What it is called.
        rounds: How often each contender is timed.
        warms_up: Whether a round before these is not counted.
        records: Records of bulk work.
        calls: Calls of single work.
        pages: Records of the table that is paged through.
        migrated: Records that migrate in the server.
        by_python: Records that migrate by Python.
        growth: Numbers of records that growth is shown for.
        steps: Numbers of operations that are fused.
        quiet_s: Seconds that a live client is watched before anything else runs.
    """

    name: str
    rounds: int
    warms_up: bool
    records: int
    calls: int
    pages: int
    migrated: int
    by_python: int
    growth: tuple[int, ...]
    steps: tuple[int, ...]
    quiet_s: float


SCALES: Final = {
    scale.name: scale
    for scale in (
        Scale(
            "full",
            5,
            True,
            records=20_000,
            calls=3_000,
            pages=1_000_000,
            migrated=200_000,
            by_python=50_000,
            growth=(10_000, 100_000, 1_000_000),
            steps=(1, 2, 3, 5, 8),
            quiet_s=5.0,
        ),
        Scale(
            "small",
            2,
            False,
            records=500,
            calls=100,
            pages=10_000,
            migrated=10_000,
            by_python=2_000,
            growth=(1_000, 10_000),
            steps=(3,),
            quiet_s=0.5,
        ),
        Scale(
            "tiny",
            1,
            False,
            records=30,
            calls=5,
            pages=120,
            migrated=60,
            by_python=60,
            growth=(60,),
            steps=(8,),
            quiet_s=0.05,
        ),
    )
}
