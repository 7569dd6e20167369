"""Cases: kinds of work, each with ours and its yardsticks; what there is to choose from."""

from collections.abc import Callable, Mapping
from typing import Final

from ..figures import Group
from .bench import Bench
from .bulk import insert, select
from .growth import growth
from .latency import latency
from .memory import memory
from .migrating import back, migrate_python, migrate_server, verify
from .paging import iterate, page
from .single import assign, get, patch, save
from .start import start

__all__ = ["CASES", "Bench", "Case"]

Case = Callable[[Bench], list[Group]]

CASES: Final[Mapping[str, Case]] = {
    "insert": insert,
    "select": select,
    "save": save,
    "get": get,
    "patch": patch,
    "assign": assign,
    "page": page,
    "iterate": iterate,
    "server": migrate_server,
    "python": migrate_python,
    "back": back,
    "verify": verify,
    "start": start,
    "memory": memory,
    "latency": latency,
    "growth": growth,
}
