"""Start-up: of the import, beyond what pydantic and redis-py take, and of the command."""

import subprocess
import sys
from typing import Final

from ..figures import Group, Promise, Series
from ..rounds import Contender, in_turn
from .bench import Bench

__all__ = ["start"]

_BARE: Final = "python -c pass"
_BOTH: Final = "import pydantic, redis, redis.asyncio"
_OURS: Final = "from redis_models import Model, Store"
_HELP: Final = "redis-models --help"
_PROGRAMS: Final = {
    _BARE: ("-c", "pass"),
    _BOTH: ("-c", "from pydantic import BaseModel; import redis, redis.asyncio"),
    _OURS: ("-c", "from redis_models import Model, Store"),
    _HELP: ("-m", "redis_models", "--help"),
}


def start(bench: Bench) -> list[Group]:
    """Start processes."""
    contenders = [_contender(name, arguments) for name, arguments in _PROGRAMS.items()]
    rates = in_turn(contenders, bench.scale.rounds, warms_up=bench.scale.warms_up)
    took = {name: [1000 / rate for rate in found] for name, found in rates.items()}
    beyond = [ours - both for ours, both in zip(took[_OURS], took[_BOTH], strict=True)]
    series = [
        Series(_HELP, took[_HELP], "ms", promise=Promise(300, is_at_most=True)),
        Series(f"{_OURS}, beyond the next", beyond, "ms", promise=Promise(150, is_at_most=True)),
        Series(_BOTH, took[_BOTH], "ms"),
        Series(_BARE, took[_BARE], "ms"),
    ]
    return [Group("start", "start a process", series, ("From its start to its end.",))]


def _contender(name: str, arguments: tuple[str, ...]) -> Contender:
    def run() -> int:
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        return 1

    return Contender(name, run)
