"""The actors of a schedule: each is a generator that yields before each exchange with the server."""

from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from redis_models.client.commands import Command, RoundTrips
from redis_models.errors import (
    ConflictError,
    NotFoundError,
    RecordTooNewError,
    RedisModelsError,
    ServerOutOfMemoryError,
    ServerUnreachableError,
)
from redis_models.records.repository import Repository
from redis_models.records.tracking import tracked_state

from . import oracle_effects
from .initial_state import KNOWN
from .oracle import Operation, Truth, Violation, kind_of
from .shop import CUSTOMER, KINDS, Kind, is_stuck

_HOT: Final = 4  # records of each model that are written most
_MAKING: Final = frozenset(("create", "delete", "put"))
_NEW: Final = 12  # ids of each model beyond these, for records that are made and made again


class Actor:
    """A client that does one thing after another. Only the world steps it.

    Attributes:
        name: For the trace.
        pending: The batch that is sent next, or None between two things.
        answered: Replies to its first commands, where only these were executed yet.
        operation: What is under way in the application.
        versions: To which version it may bring records, by model.
        epoch: Of the lease that it has, or None.
        met_full: Whether memory was full when it sent something since it began.
    """

    def __init__(self, name: str, truth: Truth) -> None:
        self.name, self.truth = name, truth
        self.pending: Sequence[Command] | None = None
        self.answered: list[Any] = []
        self.operation: Operation | None = None
        self.versions: dict[str, int] = {}
        self.epoch: int | None = None
        self.met_full = False
        self._doing: Generator[Sequence[Command], Any, Any] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether something is under way."""
        return self._doing is not None

    def begin(self, step: int, which: int, near: Sequence[str]) -> str:
        """Begin the next thing, maybe about one of the records ``near`` by; give what it is."""
        raise NotImplementedError

    def goes_on(self, replies: list[Any] | BaseException | None) -> str:
        """Take replies, or an error in their place, up to the next batch; give what came of it, where it ended."""
        assert self._doing is not None
        self.answered = []
        try:
            if isinstance(replies, BaseException):
                self.pending = self._doing.throw(replies)
            else:
                self.pending = self._doing.send(replies)
        except StopIteration as end:
            return self._ended(end.value)
        except RedisModelsError as exc:
            return self._failed(exc)
        return ""

    def dies(self) -> None:
        """Be killed: nothing is sent any more, whatever it still has to say."""
        doing, self._doing, self.pending, self.operation = self._doing, None, None, None
        self.versions, self.epoch, self.answered = {}, None, []
        if doing is not None:
            try:
                doing.close()
            except RuntimeError:  # it wanted to send something
                doing.close()

    def _ended(self, result: object) -> str:
        raise NotImplementedError

    def _failed(self, exc: RedisModelsError) -> str:
        raise NotImplementedError


class Application(Actor):
    """Writes and reads records by verbs of the library.

    Args:
        name: For the trace.
        truth: The model of what is there.
        verbs: By model.
        is_new: Whether its code is that of the newest version, which brings records up.
        things: Methods that it does in turn.
        writes_back: Whether its reads bring older records up.
    """

    def __init__(
        self,
        name: str,
        truth: Truth,
        verbs: Mapping[str, Repository[Any]],
        is_new: bool,
        things: Sequence[str],
        writes_back: bool = False,
    ) -> None:
        super().__init__(name, truth)
        self._verbs, self._is_new, self._things, self._writes_back = verbs, is_new, things, writes_back
        self._count = 0
        if is_new:
            self.versions = {kind.name: kind.newest for kind in KINDS}
        self._known = dict(self.versions)

    def dies(self) -> None:
        super().dies()
        self.versions = dict(self._known)

    def begin(self, step: int, which: int, near: Sequence[str]) -> str:
        self._count += 1
        kind = KINDS[(which + self._count) % 7 == 0]
        pool = KNOWN[kind.table] + _NEW
        number = (which * 5 + self._count * 3) % (_HOT if which % 2 else pool)
        thing = self._things[(which + self._count) % len(self._things)]
        if thing in _MAKING and which % 4 < 3 and not (near and which % 8 == 5):
            number = pool - 1 - number % _NEW
        elif near and which % 8 in (3, 5, 7):
            table, _, id = near[self._count % len(near)].partition(":")
            kind, number = next(kind for kind in KINDS if kind.table == table), int(id)
        self.operation = Operation(thing, f"{kind.table}:{number}", step, writes_back=self._writes_back)
        doing: Callable[[Kind, Operation, str], RoundTrips[Any]] = getattr(self, f"_{thing}")
        self._doing = doing(kind, self.operation, str(number))
        return f"{thing} {self.operation.key}"

    def read_all(self, kind: Kind, step: int) -> None:
        """Begin to read every record of a model."""
        self.operation = Operation("select", f"{kind.table}:0", step)
        self._doing = self._select(kind, self.operation, "0")
        self.goes_on(None)

    def _version(self, kind: Kind) -> int:
        return kind.newest if self._is_new else 1

    def _token(self) -> str:
        return f"{'abcdefghijk'[self._count % 11]}{self.name[-1]}{self._count}"

    def _value(self, name: str) -> Any:
        # Never the same twice, so that what is read tells who wrote it.
        number = 100 + 10 * self._count + ord(self.name[-1]) % 10
        if name == "age" and self._is_new:
            return number
        return f"0{number}" if name == "age" else number if name == "visits" else self._token()

    def _whole(self, kind: Kind, id: str) -> tuple[Any, dict[str, bytes]]:
        names = kind.fields[self._version(kind)]
        values = {name: id if name == "id" else self._value(name) for name in sorted(names)}
        instance = self._verbs[kind.name].mapper.model(**values)
        return instance, {name: str(value).encode() for name, value in values.items()}

    def _create(self, kind: Kind, operation: Operation, id: str) -> RoundTrips[Any]:
        instance, raw = self._whole(kind, id)
        operation.effect = oracle_effects.created(self._version(kind), raw)
        return (yield from self._verbs[kind.name].insert(instance, only="new"))

    def _put(self, kind: Kind, operation: Operation, id: str) -> RoundTrips[Any]:
        instance, raw = self._whole(kind, id)
        version = self._version(kind)
        met_stuck = partial(self.truth.has_met_stuck, kind, version, operation.began, operation.key)
        operation.effect = oracle_effects.stored(version, raw, met_stuck)
        return (yield from self._verbs[kind.name].insert(instance))

    def _field(self, kind: Kind) -> str:
        names = sorted(kind.fields[self._version(kind)] - {"id", "visits"})
        return names[self._count % len(names)]

    def _patch(self, kind: Kind, operation: Operation, id: str) -> RoundTrips[Any]:
        name = self._field(kind)
        value = self._value(name)
        operation.effect = oracle_effects.patched(self._version(kind), {name: str(value).encode()}, {})
        return (yield from self._verbs[kind.name].patch(id, {name: value}))

    def _save(self, kind: Kind, operation: Operation, id: str, if_unchanged: bool = False) -> RoundTrips[Any]:
        verbs = self._verbs[kind.name]
        instance = yield from verbs.get(id)
        known = tracked_state(instance)
        assert known is not None
        stored = known.stored
        name = self._field(kind)
        value = self._value(name)
        setattr(instance, name, value)
        filled = {name: b"" for name in kind.optional & kind.fields[self._version(kind)] if name not in stored}
        filled.pop(name, None)
        operation.effect = oracle_effects.patched(self._version(kind), {name: str(value).encode()}, filled)
        if if_unchanged:
            operation.effect = oracle_effects.unless_changed(dict(stored), operation.effect)
        return (yield from verbs.save(instance, if_unchanged=if_unchanged))

    def _careful(self, kind: Kind, operation: Operation, id: str) -> RoundTrips[Any]:
        return (yield from self._save(kind, operation, id, if_unchanged=True))

    def _increment(self, kind: Kind, operation: Operation, id: str) -> RoundTrips[Any]:
        if kind is not CUSTOMER:
            return (yield from self._patch(kind, operation, id))
        operation.effect = oracle_effects.added(self._version(kind), "visits", 1)
        return (yield from self._verbs[kind.name].increment(id, "visits"))

    def _delete(self, kind: Kind, operation: Operation, id: str) -> RoundTrips[Any]:
        operation.effect = oracle_effects.deleted()
        return (yield from self._verbs[kind.name].delete(id))

    def _expire(self, kind: Kind, operation: Operation, id: str) -> RoundTrips[Any]:
        # Never the same twice, as in _value: two that end a record in the same ms would look like one.
        seconds = 100_000 + 10 * self._count + ord(self.name[-1]) % 10
        operation.effect = oracle_effects.expiring(1000 * seconds)
        return (yield from self._verbs[kind.name].expire(id, seconds))

    def _persist(self, kind: Kind, operation: Operation, id: str) -> RoundTrips[Any]:
        operation.effect = oracle_effects.expiring(0)
        return (yield from self._verbs[kind.name].persist(id))

    def _get(self, kind: Kind, operation: Operation, id: str) -> RoundTrips[Any]:
        [found] = yield from self._verbs[kind.name].get_many([id])
        self._check_read(kind, operation, f"{kind.table}:{id}", found)
        return found

    def _select(self, kind: Kind, operation: Operation, id: str) -> RoundTrips[Any]:
        found = yield from self._verbs[kind.name].select(None, None, None, None)
        by_key = {f"{kind.table}:{record.id}": record for record in found or []}
        for key in sorted(self.truth.history):
            if key.startswith(f"{kind.table}:"):
                self._check_read(kind, operation, key, by_key.get(key))
        return len(by_key)

    def _check_read(self, kind: Kind, operation: Operation, key: str, found: Any) -> None:
        version = self._version(kind)
        read = None if found is None else oracle_effects.bytes_of(kind, found, version)
        known = self.truth.states_since(key, operation.began)
        # Old code must not read newer records, as if they were of its own version.
        readable = [
            state for state in known if state is None or (state.version <= version and not is_stuck(state, version))
        ]
        if read not in [oracle_effects.as_read(kind, state, version) for state in readable]:
            raise Violation(f"{operation.label} read {read}, but {key} was {known}")

    def _ended(self, result: object) -> str:
        operation, self.operation, self._doing, self.pending = self.operation, None, None, None
        assert operation is not None
        if operation.effect is not None and not operation.is_applied:
            raise Violation(
                f"{operation.label} {operation.key} is acknowledged ({result!r}), and was never seen on the server"
            )
        return "done"

    def _failed(self, exc: RedisModelsError) -> str:
        operation, self.operation, self._doing, self.pending = self.operation, None, None, None
        assert operation is not None
        if not self._is_a_reason(operation, exc):
            code = "new" if self._is_new else "old"
            raise Violation(
                f"{operation.label} {operation.key} of {code} code fails without a reason: {exc!r}"
            ) from exc
        is_open = isinstance(exc, ServerUnreachableError)
        if operation.effect is not None and operation.is_applied and not is_open:
            raise Violation(
                f"{operation.label} {operation.key} is refused ({exc!r}), and was done all the same"
            ) from exc
        return type(exc).__name__

    def _is_a_reason(self, operation: Operation, exc: RedisModelsError) -> bool:
        state, kind = self.truth.states.get(operation.key), kind_of(operation.key)
        key = None if operation.label == "select" else operation.key
        if self.truth.has_met_stuck(kind, self._version(kind), operation.began, key):
            return True
        if isinstance(exc, RecordTooNewError):
            return not self._is_new and state is not None and state.version > 1
        if isinstance(exc, NotFoundError):
            return state is None
        if isinstance(exc, ConflictError):
            is_put_back = self._is_new and "puts it" in str(exc)
            return is_put_back or operation.label == "careful" or (operation.label == "create" and state is not None)
        if isinstance(exc, ServerOutOfMemoryError):
            return self.met_full
        return isinstance(exc, ServerUnreachableError)
