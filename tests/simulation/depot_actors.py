"""Who acts in the depot: clerks with the code of a version, runners of migrations, and retries of quarantine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from redis_models import Store
from redis_models.client.commands import RoundTrips
from redis_models.errors import (
    ConflictError,
    DataError,
    IncompleteError,
    NotFoundError,
    RecordTooNewError,
    RedisModelsError,
    ServerUnreachableError,
    UnsafeError,
)
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.upgrade_on_read import ChainUpgrader
from redis_models.project.apps import App
from redis_models.records.repository import Repository, repository_of

from .actors import Actor
from .oracle import Violation
from .parcels import NEWEST, Parcel, key_at, parcel_code
from .runners import Retrier, RunnerProcess, Wish

if TYPE_CHECKING:
    from .depot import Depot

COUNT: Final = 14  # records that there are at the beginning


class Depots:
    """Code of all versions, and the chain; made once, on one server."""

    def __init__(self, url: str, chain: Chain, migrations: Path) -> None:
        self.chain = chain
        self._stores = list[Store]()
        self.verbs = dict[int, Repository[Any]]()
        for version, model in parcel_code().items():
            model.__name__ = "Parcel"
            store = Store.from_url(url)
            store.upgrader = ChainUpgrader([App("depot", "depot", (), migrations, (model,))], writes_back=False)
            store.register_model(model)
            self._stores.append(store)
            self.verbs[version] = repository_of(model)

    def close(self) -> None:
        """Close the stores."""
        for store in self._stores:
            store.close()


@dataclass
class Attempt:
    """What a clerk does to the record at a key; changed by the depot alone.

    Attributes:
        after: What it may make of what lies there, or of nothing: None for nothing.
        is_seen: Whether that was seen to happen.
        is_open: Whether something of it may have been executed without its knowledge.
    """

    label: str
    key: str
    after: Callable[[Parcel | None], Parcel | None] | None
    is_seen: bool = False
    is_open: bool = False


class Clerk(Actor):
    """Creates, changes, deletes and reads records by the verbs of one version's code."""

    def __init__(self, name: str, depot: "Depot", version: int) -> None:
        super().__init__(name, cast(Any, depot))
        self._depot, self.version = depot, version
        self._count = 0
        self.action: Attempt | None = None

    def begin(self, step: int, which: int, near: Sequence[str]) -> str:
        self._count += 1
        verbs, number = self._depot.code.verbs[self.version], (which * 5 + self._count * 3) % (COUNT + 6)
        thing = ("patch", "create", "patch", "delete", "get", "patch")[(which + self._count) % 6]
        id = f"{'c' if self.version == NEWEST else 'i'}{number}"
        if near and which % 2:
            id = near[self._count % len(near)].partition(":")[2]
        key = f"{'parcel' if self.version == 1 else 'pack'}:{id}"
        self._doing, self.action = getattr(self, f"_{thing}")(verbs, key, id)
        return f"{thing} {key}"

    def dies(self) -> None:
        super().dies()
        self.action = None

    def _create(self, verbs: Repository[Any], key: str, id: str) -> tuple[RoundTrips[Any], Attempt]:
        text = f"{self.name[:2]}{self._count}"
        is_clash = self._count % 3 == 0  # of a key that a record is to have which is not moved yet
        own = id if is_clash else f"{'c' if self.version == NEWEST else 'i'}{text}"
        other = f"{'i' if self.version == NEWEST else 'c'}{text}"
        names = {"id": other, "code": own} if self.version == NEWEST else {"id": own, "code": other}
        made = verbs.mapper.model(**names, **{"note" if self.version == 1 else "remark": text}, uid=f"u{text}")
        fields = {name: str(value).encode() for name, value in made.model_dump().items()}
        at = key_at(self.version, fields)
        assert at is not None
        whole = Parcel(at, self.version, fields)
        return verbs.insert(made, only="new"), Attempt("create", at, lambda old: whole if old is None else old)

    def _patch(self, verbs: Repository[Any], key: str, id: str) -> tuple[RoundTrips[Any], Attempt]:
        number = 100 + self._count * 10 + self.version

        def after(old: Parcel | None) -> Parcel | None:
            return None if old is None else replace(old, fields={**old.fields, "n": b"%d" % number})

        return verbs.patch(id, {"n": number}), Attempt("patch", key, after)

    def _delete(self, verbs: Repository[Any], key: str, id: str) -> tuple[RoundTrips[Any], Attempt]:
        return verbs.delete(id), Attempt("delete", key, lambda old: None)

    def _get(self, verbs: Repository[Any], key: str, id: str) -> tuple[RoundTrips[Any], Attempt]:
        return verbs.get(id), Attempt("get", key, None)

    def _ended(self, result: object) -> str:
        action, self.action, self._doing, self.pending = self.action, None, None, None
        assert action is not None
        if action.label in ("create", "patch") and not action.is_seen:
            raise Violation(
                f"{self.name}: {action.label} of {action.key} is acknowledged, and was never seen on the server"
            )
        return "done"

    def _failed(self, exc: RedisModelsError) -> str:
        action, self.action, self._doing, self.pending = self.action, None, None, None
        assert action is not None
        if not isinstance(exc, (NotFoundError, ConflictError, RecordTooNewError, ServerUnreachableError, DataError)):
            raise Violation(f"{self.name}: {action.label} of {action.key} fails without a reason: {exc!r}") from exc
        if action.is_seen and not action.is_open and not isinstance(exc, ServerUnreachableError):
            raise Violation(f"{self.name}: {action.label} of {action.key} is refused ({exc!r}), and was done") from exc
        return type(exc).__name__


class Mover(RunnerProcess):
    """A process that runs ``migrate``."""

    def __init__(self, name: str, depot: "Depot", wish: Wish) -> None:
        super().__init__(name, cast(Any, depot), depot.wire, depot.code.chain, wish)
        self._depot = depot
        self.scan_began: dict[str, int] = {}  # by table, the step at which it began to meet all records last

    def begin(self, step: int, which: int, near: Sequence[str]) -> str:
        self.scan_began = {}
        return super().begin(step, which, near)

    def versions_at(self, goal: int) -> dict[str, int]:
        return {"Parcel": goal}

    def has_reason(self, exc: RedisModelsError) -> bool:
        if isinstance(exc, IncompleteError) and "has no code" in str(exc):
            return self._depot.was_spoilt
        is_collision = isinstance(exc, UnsafeError) and "keys collide" in str(exc)
        is_collision |= isinstance(exc, IncompleteError) and "is taken" in str(exc)
        return is_collision and (self._depot.has_clashed or self._depot.was_spoilt)


class DepotRetrier(Retrier, Mover):
    """A process that runs ``quarantine retry``."""
