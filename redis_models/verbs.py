"""The verbs of a model, as generators of command batches: arguments made plain, then ``reading`` and ``writing``.

``Model`` runs them in the loop, ``sync`` runs the same ones blocking.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from pydantic import ValidationError

from . import reading, writing
from .batches import Batches
from .errors import DataError, EncodeError, InvalidPrimaryKeyError, ModelDeclarationError
from .shape import Shape
from .store import Store, Upgrader

if TYPE_CHECKING:
    from .model import Model

__all__ = ["Verbs", "store_of", "verbs_of"]

M = TypeVar("M", bound="Model")


def store_of(model: "type[Model]") -> Store:
    """Give the store that a model is bound to.

    Raises:
        ModelDeclarationError: It is bound to none.
    """
    if model._store is None:
        raise ModelDeclarationError(
            model.__name__, "is bound to no store; call redis_models.setup(), or store.register_model() with it"
        )
    return model._store


def verbs_of(model: type[M]) -> "Verbs[M]":
    """Give the verbs of a model that is bound to a store."""
    store = store_of(model)
    return Verbs(model.__shape__, store.upgrader, store.life_span_in_seconds)


@dataclass(frozen=True)
class Verbs(Generic[M]):
    """The verbs of one model.

    Args:
        shape: The model.
        upgrader: What brings older records up, or None.
        life_span_s: The store's life span of records, in seconds, or None.
    """

    shape: Shape[M]
    upgrader: Upgrader | None
    life_span_s: int | None

    def get(self, id: object) -> Batches[M]:
        return (yield from reading.read(self.shape, self.upgrader, self.shape.key_of(id)))

    def get_many(self, ids: Iterable[object]) -> Batches[list[M | None]]:
        keys = [self.shape.key_of(one) for one in ids]
        records = yield from reading.fetch(self.shape, self.upgrader, keys)
        return [
            None if record is None else reading.loaded(self.shape, key, record)
            for key, record in zip(keys, records, strict=True)
        ]

    def exists(self, id: object) -> Batches[bool]:
        [there] = yield from reading.exists([self.shape.key_of(id)])
        return there

    def count(self) -> Batches[int]:
        return (yield from reading.count(self.shape))

    def page_after(self, after: str | None, size: int) -> Batches[tuple[list[M], str | None]]:
        """Read the next records of the index; and the last key seen, or None at the end."""
        keys = yield from reading.index_after(self.shape, after, size)
        records = yield from reading.fetch(self.shape, self.upgrader, keys)
        found = [
            reading.loaded(self.shape, key, record)
            for key, record in zip(keys, records, strict=True)
            if record is not None
        ]
        return found, keys[-1] if keys else None

    def select(
        self, ids: object, skip: int | None, limit: int | None, bad_records: list[DataError] | None
    ) -> Batches[list[M] | None]:
        keys = self._selected(ids, skip, limit)
        found = yield from reading.select(self.shape, self.upgrader, keys, skip, limit, bad_records)
        return found or None

    def select_columns(
        self, columns: Sequence[str], ids: object, skip: int | None, limit: int | None
    ) -> Batches[list[dict[str, object]] | None]:
        keys = self._selected(ids, skip, limit)
        found = yield from reading.select_columns(self.shape, self.upgrader, keys, columns, skip, limit)
        return found or None

    def insert(self, instances: M | Iterable[M], life_span_seconds: int | None) -> Batches[list[object]]:
        some = [instances] if isinstance(instances, self.shape.model) else list(cast("Iterable[M]", instances))
        for one in some:
            if not isinstance(one, self.shape.model):
                raise EncodeError(self.shape.model.__name__, "insert", one, f"it is no {self.shape.model.__name__}")
        return (yield from writing.insert(self.shape, self.upgrader, some, self._life_ms(life_span_seconds)))

    def save(self, instance: M) -> Batches[None]:
        yield from writing.save(self.shape, self.upgrader, instance, self._life_ms(None))

    def patch(self, id: object, changes: dict[str, object]) -> Batches[None]:
        yield from writing.patch(self.shape, self.upgrader, self.shape.key_of(id), self._validated(changes))

    def delete(self, ids: object) -> Batches[list[int] | None]:
        keys = self._keys(ids)
        if not keys:
            return None
        return list((yield from writing.delete(self.shape, keys)))

    def delete_instance(self, instance: M) -> Batches[list[int] | None]:
        return (yield from self.delete([getattr(instance, self.shape.primary_key)]))

    def delete_all(self) -> Batches[int]:
        return (yield from writing.delete_all(self.shape))

    def expire(self, id: object, seconds: float) -> Batches[None]:
        yield from writing.expire(self.shape, self.shape.key_of(id), _milliseconds(self.shape.model, seconds))

    def persist(self, id: object) -> Batches[None]:
        yield from writing.persist(self.shape, self.shape.key_of(id))

    def _selected(self, ids: object, skip: int | None, limit: int | None) -> list[str] | None:
        for name, value in (("skip", skip), ("limit", limit)):
            if value is not None and value < 0:
                raise ValueError(f"{self.shape.model.__name__}.select: {name} must be 0 or more, not {value}")
        return None if ids is None else sorted(self._keys(ids))

    def _keys(self, ids: object) -> list[str]:
        """Keys of one id or of a list, tuple or set of them, as in the seed."""
        some = ids if isinstance(ids, (list, tuple, set, frozenset)) else [ids]
        return [self.shape.key_of(one) for one in cast("Iterable[object]", some)]

    def _life_ms(self, seconds: int | None) -> int | None:
        for one in (seconds, self.shape.ttl, self.life_span_s):
            if one is not None:
                return _milliseconds(self.shape.model, one)
        return None

    def _validated(self, changes: dict[str, object]) -> dict[str, object]:
        """Check each value as an assignment would; the others of the record are not known here."""
        blank = self.shape.model.model_construct()
        validator = cast(Any, self.shape.model).__pydantic_validator__
        valid: dict[str, object] = {}
        for name, value in changes.items():
            self.shape.field(name)
            if name == self.shape.primary_key:
                raise InvalidPrimaryKeyError(self.shape.model.__name__, value, "cannot be patched; insert a new record")
            try:
                validator.validate_assignment(blank, name, value)
            except ValidationError as exc:
                raise EncodeError(self.shape.model.__name__, name, value, exc.errors()[0]["msg"]) from exc
            valid[name] = blank.__dict__[name]
        return valid


def _milliseconds(model: type, seconds: float) -> int:
    if isinstance(seconds, bool) or not seconds > 0:
        raise ValueError(f"{model.__name__}: a life span must be more than 0 seconds, not {seconds!r}")
    return max(1, round(seconds * 1000))
