"""The repository of a model: its verbs, as generators of round trips. It checks arguments and calls the other modules.

``Model`` runs them in the event loop, ``sync`` runs the same ones blocking.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, cast

from pydantic import BaseModel, ValidationError

from ..client.commands import RoundTrips
from ..client.drivers import Driver
from ..coroutines import is_within, within
from ..encoding.secrets import mask_if_secret
from ..errors import DataError, EncodeError, UnboundModelError
from ..mapping.mapper import Mapper
from ..mapping.stored_model import StoredModel
from ..mapping.ttl import FOREVER, KEEP, LifeSpan, TtlArgument, ttl_argument, ttl_of_new
from ..store import Store, Upgrader
from . import insert as inserting
from . import read, write
from . import select as selecting
from .build_indexes import build_indexes
from .tracking import tracked_state
from .write import Only

__all__ = [
    "IDS_METHOD",
    "Keys",
    "Repository",
    "is_bound",
    "repository_of",
    "resolve_ids_async",
    "returned_keys",
    "store_of",
]

M = TypeVar("M", bound=StoredModel)
_MOST_SKIPPED = 2**62  # more than any index has; the server's 64 bits have room for a page after it
IDS_METHOD: Final = "_ids_to_primary_keys"


class Keys(list[str]):
    """Record keys in place of primary keys, as the model's own ``_ids_to_primary_keys`` returned them."""


def returned_keys(answer: object) -> Keys:
    """Give the record keys that ``_ids_to_primary_keys`` returned, together with the key of the index."""
    keys, _ = cast("tuple[Iterable[str], str]", answer)
    return Keys(keys)


async def resolve_ids_async(model: type[StoredModel], ids: object) -> object:
    """Give the keys that an overridden ``_ids_to_primary_keys`` returns for ``ids``; otherwise ``ids``."""
    if IDS_METHOD not in model.__overrides__ or is_within((model, IDS_METHOD)):
        return ids
    with within((model, IDS_METHOD)):
        return returned_keys(await cast(Any, model)._ids_to_primary_keys(ids))


def is_bound(model: type) -> bool:
    """Whether a model itself is bound to a store. Its parent does not count, because that has another table."""
    return model.__dict__.get("_store") is not None


def store_of(model: type[StoredModel]) -> Store:
    """Give the store that a model is bound to.

    Raises:
        UnboundModelError: It is not bound to a store.
    """
    store: Store | None = model.__dict__.get("_store")
    if store is None:
        raise UnboundModelError(model.__name__)
    return store


def repository_of(model: type[M]) -> "Repository[M]":
    """Give the repository of a model that is bound to a store."""
    store = store_of(model)
    return Repository(model.__mapper__, store.upgrader, store.life_span_in_seconds)


@dataclass(slots=True)
class Repository(Generic[M]):
    """The verbs of one model.

    Args:
        mapper: The model.
        upgrader: Upgrades older records, or None.
        life_span_s: The store's TTL of records, in seconds, or None.
    """

    mapper: Mapper[M]
    upgrader: Upgrader | None
    life_span_s: float | None

    def get(self, id: object) -> RoundTrips[M]:
        return (yield from read.read(self.mapper, self.upgrader, self.mapper.key_of(id)))

    def get_many(self, ids: Iterable[object], bad: list[DataError] | None = None) -> RoundTrips[list[M | None]]:
        if isinstance(ids, (str, bytes)):
            raise TypeError(f"{self.mapper.model.__name__}.get_many: ids must be a list of primary keys: [{ids!r}]")
        keys = [self.mapper.key_of(pk) for pk in ids]
        found = yield from read.fetch(self.mapper, self.upgrader, keys)
        return [self._readable(key, record, bad) for key, record in zip(keys, found, strict=True)]

    def _readable(self, key: str, record: read.FetchedRecord, bad: list[DataError] | None) -> M | None:
        """Make an instance; None if the record does not exist, or if ``bad`` takes the error."""
        if record is None:
            return None
        try:
            return read.make_instance(self.mapper, key, record)
        except DataError as exc:
            if bad is None:
                raise
            bad.append(exc)
            return None

    def exists(self, id: object) -> RoundTrips[bool]:
        return (yield from read.exists(self.mapper.key_of(id)))

    def count(self) -> RoundTrips[int]:
        return (yield from read.count(self.mapper))

    def ttl(self, id: object) -> RoundTrips[float | None]:
        return (yield from read.ttl(self.mapper, self.mapper.key_of(id)))

    def page_after(
        self, after: str | None, size: int, bad: list[DataError] | None = None
    ) -> RoundTrips[tuple[list[M], str | None]]:
        """Read the next records of the index; give them and the last key, or None at the end."""
        _check_count(self.mapper, "iterate", "batch_size", size, 1)
        keys = yield from read.index_after(self.mapper, after, size)
        records = yield from read.fetch(self.mapper, self.upgrader, keys)
        found = [self._readable(key, record, bad) for key, record in zip(keys, records, strict=True)]
        return [record for record in found if record is not None], keys[-1] if len(keys) == size else None

    def page(self, limit: int, after: object = None, bad: list[DataError] | None = None) -> RoundTrips[list[M]]:
        _check_count(self.mapper, "page", "limit", limit, 1)
        last = None if after is None else self.mapper.key_of(after)
        if bad is None:
            selection = selecting.Selection(limit=limit, after=last)
            return (yield from selecting.select(self.mapper, self.upgrader, selection, None))
        page: list[M] = []
        # Until it is full: a short page means the end, and ``after`` can only be a record that was given.
        while len(page) < limit:
            found, last = yield from self.page_after(last, min(limit - len(page), read.READ_CHUNK), bad)
            page += found
            if last is None:
                break
        return page

    def select(
        self, ids: object, skip: int | None, limit: int | None, bad_records: list[DataError] | None
    ) -> RoundTrips[list[M] | None]:
        selection = self._selection(ids, skip, limit)
        return (yield from selecting.select(self.mapper, self.upgrader, selection, bad_records)) or None

    def select_columns(
        self,
        columns: Sequence[str],
        ids: object,
        skip: int | None,
        limit: int | None,
        bad_records: list[DataError] | None = None,
    ) -> RoundTrips[list[dict[str, object]] | None]:
        name = self.mapper.model.__name__
        if isinstance(columns, (str, bytes)):
            raise TypeError(f"{name}.select: columns must be a list of fields: [{columns!r}]")
        if not columns:
            raise ValueError(f"{name}.select: columns must name a field; leave it out to read whole records")
        selection = self._selection(ids, skip, limit)
        found = yield from selecting.select_columns(self.mapper, self.upgrader, selection, list(columns), bad_records)
        return found or None

    def insert(
        self, instances: M | Iterable[M], life_span: LifeSpan | None = None, *, only: Only = None
    ) -> RoundTrips[list[int]]:
        name, data = self.mapper.model.__name__, cast(object, instances)
        is_single = isinstance(data, (BaseModel, str, bytes, dict)) or not isinstance(data, Iterable)
        instances = [cast(M, data)] if is_single else list(cast("Iterable[M]", data))
        for instance in instances:
            if not isinstance(instance, self.mapper.model):
                shown = mask_if_secret(instance, self.mapper.conceals(""))
                raise EncodeError(name, "insert", shown, f"it is not a {name}; give an instance, or a list of them")
            if type(instance) is not self.mapper.model and set(type(instance).__pydantic_fields__) - set(
                self.mapper.names
            ):
                kind = type(instance).__name__
                reason = f"it is a {kind}, which has fields that this table does not store; use {kind}.insert"
                raise EncodeError(name, "insert", mask_if_secret(instance, self.mapper.conceals("")), reason)
        ttl = self._ttl(life_span)
        return (yield from inserting.insert(self.mapper, self.upgrader, instances, ttl, _checked(name, only)))

    def save(
        self, instance: M, life_span: LifeSpan | None = KEEP, *, only: Only = None, if_unchanged: bool = False
    ) -> RoundTrips[list[int]]:
        """Save an instance; give what ``insert`` gives."""
        state = tracked_state(instance)
        if state is not None and only is None:
            ttl = "" if life_span is KEEP else self._ttl(life_span)
            yield from write.save(self.mapper, self.upgrader, instance, state, ttl, if_unchanged)
            return [0, 0]
        name, ttl = self.mapper.model.__name__, self._ttl(life_span)
        if _checked(name, only) == "existing" and state is not None:
            yield from write.save(self.mapper, self.upgrader, instance, state, ttl, if_unchanged, always=True)
            return [0, 0]
        if if_unchanged and (state is not None or only == "existing"):
            raise ValueError(f"{name}.save: if_unchanged and only={only!r} contradict each other; give one of them")
        if life_span is KEEP:  # there is nothing to keep where there is no record
            ttl = ttl_of_new(self._ttl(None))
        wanted = "new" if if_unchanged else only
        return (yield from inserting.insert(self.mapper, self.upgrader, [instance], ttl, wanted))

    def insert_at_once(self, instance: M, driver: Driver) -> bool:
        """Save an instance that was neither read nor written, in one exchange and without a generator.

        Blocking callers try this first, because it is a fifth faster than ``save``.

        Returns:
            Whether it was written. If not, nothing was written, and ``save`` must do it.
        """
        if len(self.mapper.names) > inserting.MOST_NAMES:
            return False
        ttl = "" if self.mapper.ttl is self.life_span_s is None else ttl_of_new(self._ttl(None))
        put = inserting.Put(self.mapper, instance, ttl)
        return put.accept_reply(driver.exchange((put.command,))[0])

    def sync(self, instance: M, assigned: str) -> RoundTrips[None]:
        """Write a field that was assigned, and other changed fields."""
        state = tracked_state(instance)
        if state is None:
            yield from self.save(instance)
            return
        yield from write.save(self.mapper, self.upgrader, instance, state, "", assigned=assigned)

    def patch(self, id: object, changes: dict[str, object]) -> RoundTrips[None]:
        yield from write.patch(self.mapper, self.upgrader, self.mapper.key_of(id), self._validated(changes))

    def increment(self, id: object, field: str, by: float = 1) -> RoundTrips[int | float]:
        return (yield from write.increment(self.mapper, self.upgrader, self.mapper.key_of(id), field, by))

    def delete(self, ids: object = None) -> RoundTrips[list[int] | None]:
        if ids is None:
            name = self.mapper.model.__name__
            raise TypeError(f"{name}.delete needs primary keys: {name}.delete(ids); {name}.delete_all() deletes all")
        keys = self._keys(ids)
        if not keys:
            return None
        return list((yield from write.delete(self.mapper, keys)))

    def delete_instance(self, instance: M) -> RoundTrips[list[int] | None]:
        state = tracked_state(instance)
        has_own_place = state is not None and self.mapper.is_movable
        key = (
            state.key_for(self.mapper, instance)
            if state and has_own_place
            else self.mapper.key_of(self._pk_of(instance))
        )
        counts = yield from write.delete(self.mapper, [key])
        if state is not None:
            state.mark_deleted()
        return list(counts)

    def delete_all(self) -> RoundTrips[int]:
        return (yield from write.delete_all(self.mapper))

    def build_indexes(self, drop: Iterable[str], rebuild: Iterable[str]) -> RoundTrips[list[str]]:
        for word, names in (("drop", drop), ("rebuild", rebuild)):
            if isinstance(names, str):
                verb = f"{self.mapper.model.__name__}.build_indexes"
                raise TypeError(f"{verb}: {word} must be a list of names: [{names!r}]")
        return (yield from build_indexes(self.mapper, self.upgrader, list(drop), list(rebuild)))

    def expire(self, id: object, seconds: LifeSpan) -> RoundTrips[None]:
        yield from write.expire(self.mapper, self.mapper.key_of(id), ttl_argument(self.mapper.model, seconds))

    def persist(self, id: object) -> RoundTrips[None]:
        yield from write.expire(self.mapper, self.mapper.key_of(id), ttl_argument(self.mapper.model, FOREVER))

    def _pk_of(self, instance: M) -> object:
        return getattr(instance, self.mapper.primary_key)

    def _selection(self, ids: object, skip: int | None, limit: int | None) -> selecting.Selection:
        for name, value in (("skip", skip), ("limit", limit)):
            if value is not None:
                _check_count(self.mapper, "select", name, value, 0)
        return selecting.Selection(None if ids is None else self._keys(ids), min(skip or 0, _MOST_SKIPPED), limit)

    def keys(self, ids: object) -> RoundTrips[list[str]]:
        """Give the record keys of one id or of several, or of the whole index."""
        if ids is not None:
            return self._keys(ids)
        keys: list[str] = []
        while page := (yield from read.index_after(self.mapper, keys[-1] if keys else None, read.READ_CHUNK)):
            keys += page
        return keys

    def _keys(self, ids: object) -> list[str]:
        """Give the keys of one id or of several; those of a set are sorted."""
        if isinstance(ids, Keys):
            return ids
        wanted = cast("Iterable[object]", ids) if isinstance(ids, (list, tuple, set, frozenset)) else [ids]
        keys = [self.mapper.key_of(pk) for pk in wanted]
        return sorted(keys) if isinstance(ids, (set, frozenset)) else keys

    def _ttl(self, requested: LifeSpan | None) -> TtlArgument:
        for life_span in (requested, self.mapper.ttl, self.life_span_s):
            if life_span is not None:
                return ttl_argument(self.mapper.model, life_span)
        return ttl_argument(self.mapper.model, KEEP)

    def _validated(self, changes: dict[str, object]) -> dict[str, object]:
        """Validate each value as an assignment does, without the other values of the record."""
        if any(
            validator.info.mode in ("after", "wrap")
            for validator in self.mapper.model.__pydantic_decorators__.model_validators.values()
        ):
            reason = (
                "a validator of the model needs the other fields; get the record, assign and save(if_unchanged=True)"
            )
            for name, value in changes.items():
                raise EncodeError(
                    self.mapper.model.__name__, name, mask_if_secret(value, self.mapper.conceals(name)), reason
                )
        empty = self.mapper.model.model_construct()
        vars(empty).clear()  # a validator that looks at another field must not take its default for what is stored
        validator = cast(Any, self.mapper.model).__pydantic_validator__
        valid: dict[str, object] = {}
        for name, value in changes.items():
            is_extra = self.mapper.takes_extras and name not in self.mapper.names
            if not is_extra:
                self.mapper.field(name)
            if name == self.mapper.primary_key:
                raise self.mapper._no_key(value, "cannot be patched; insert a new record")
            error: EncodeError | None = None
            try:
                validator.validate_assignment(empty, name, value)
            except ValidationError as exc:
                error = self.mapper.encode_error(name, value, exc)
            except (AttributeError, KeyError) as exc:
                reason = f"a validator of the model needs the other fields ({exc}); get the record, assign and save it"
                error = EncodeError(
                    self.mapper.model.__name__, name, mask_if_secret(value, self.mapper.conceals(name)), reason
                )
                error.__cause__ = exc
            if error is not None:
                raise error
            valid[name] = (empty.__pydantic_extra__ or {})[name] if is_extra else empty.__dict__[name]
        return valid


def _check_count(mapper: Mapper[Any], verb: str, name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{mapper.model.__name__}.{verb}: {name} must be a whole number, not {value!r}")
    if value < least:
        raise ValueError(f"{mapper.model.__name__}.{verb}: {name} must be {least} or more, not {value}")


def _checked(model: str, only: Only) -> Only:
    if only not in (None, "new", "existing"):
        raise ValueError(f"{model}: only must be 'new', 'existing' or None, not {only!r}")
    return only
