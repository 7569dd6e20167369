"""The verbs of a model, as generators of command batches: arguments made plain, then ``reading`` and ``writing``.

``Model`` runs them in the loop, ``sync`` runs the same ones blocking.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from pydantic import BaseModel, ValidationError

from . import reading, writing
from .batches import Batches
from .errors import DataError, EncodeError, InvalidPrimaryKeyError, ModelDeclarationError
from .shape import Shape
from .store import Store, Upgrader

if TYPE_CHECKING:
    from .model import Model

__all__ = ["LifeSpan", "Verbs", "store_of", "verbs_of"]

M = TypeVar("M", bound="Model")
LifeSpan = float | timedelta  # seconds, unless it says otherwise
_LONGEST_MS: Final = 10**15  # 31,000 years; Redis refuses what overflows only after the record is written


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
        found = yield from reading.fetch(self.shape, self.upgrader, keys)
        return [
            None if record is None else reading.loaded(self.shape, key, record)
            for key, record in zip(keys, found, strict=True)
        ]

    def exists(self, id: object) -> Batches[bool]:
        [there] = yield from reading.exists([self.shape.key_of(id)])
        return there

    def count(self) -> Batches[int]:
        return (yield from reading.count(self.shape))

    def page_after(self, after: str | None, size: int) -> Batches[tuple[list[M], str | None]]:
        """Read the next records of the index; and the last key seen, or None at the end."""
        if size < 1:
            raise ValueError(f"{self.shape.model.__name__}.iterate: batch_size must be 1 or more, not {size}")
        keys = yield from reading.index_after(self.shape, after, size)
        records = yield from reading.fetch(self.shape, self.upgrader, keys)
        found = [
            reading.loaded(self.shape, key, record)
            for key, record in zip(keys, records, strict=True)
            if record is not None
        ]
        return found, keys[-1] if len(keys) == size else None

    def select(
        self, ids: object, skip: int | None, limit: int | None, bad_records: list[DataError] | None
    ) -> Batches[list[M] | None]:
        selection = self._selection(ids, skip, limit)
        return (yield from reading.select(self.shape, self.upgrader, selection, bad_records)) or None

    def select_columns(
        self, columns: Sequence[str], ids: object, skip: int | None, limit: int | None
    ) -> Batches[list[dict[str, object]] | None]:
        if isinstance(columns, str):
            raise TypeError(f"{self.shape.model.__name__}.select: columns must be a list of fields: [{columns!r}]")
        selection = self._selection(ids, skip, limit)
        return (yield from reading.select_columns(self.shape, self.upgrader, selection, columns)) or None

    def insert(self, instances: M | Iterable[M], life_span: LifeSpan | None) -> Batches[list[object]]:
        given = cast(object, instances)
        is_one = isinstance(given, (BaseModel, str, bytes, dict)) or not isinstance(given, Iterable)
        some = [cast(M, given)] if is_one else list(cast("Iterable[M]", given))
        for one in some:
            if not isinstance(one, self.shape.model):
                name = self.shape.model.__name__
                raise EncodeError(name, "insert", one, f"it is no {name}; give one, or a list of them")
        return (yield from writing.insert(self.shape, self.upgrader, some, self._life_ms(life_span)))

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

    def expire(self, id: object, seconds: LifeSpan) -> Batches[None]:
        yield from writing.expire(self.shape, self.shape.key_of(id), _milliseconds(self.shape.model, seconds))

    def persist(self, id: object) -> Batches[None]:
        yield from writing.persist(self.shape, self.shape.key_of(id))

    def _selection(self, ids: object, skip: int | None, limit: int | None) -> reading.Selection:
        for name, value in (("skip", skip), ("limit", limit)):
            if value is not None and value < 0:
                raise ValueError(f"{self.shape.model.__name__}.select: {name} must be 0 or more, not {value}")
        return reading.Selection(None if ids is None else sorted(self._keys(ids)), skip or 0, limit)

    def _keys(self, ids: object) -> list[str]:
        """Keys of one id or of a list, tuple or set of them, as in the seed."""
        some = cast("Iterable[object]", ids) if isinstance(ids, (list, tuple, set, frozenset)) else [ids]
        return [self.shape.key_of(one) for one in some]

    def _life_ms(self, asked: LifeSpan | None) -> int | None:
        for one in (asked, self.shape.ttl, self.life_span_s):
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
            except AttributeError as exc:
                reason = f"a validator of the model needs the other fields ({exc}); get the record, assign and save it"
                raise EncodeError(self.shape.model.__name__, name, value, reason) from exc
            valid[name] = blank.__dict__[name]
        return valid


def _milliseconds(model: type, life_span: object) -> int:
    seconds = life_span.total_seconds() if isinstance(life_span, timedelta) else life_span
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < _LONGEST_MS / 1000:
        raise ValueError(
            f"{model.__name__}: a life span must be a number of seconds above 0, or a timedelta, not {life_span!r}"
        )
    return max(1, round(seconds * 1000))
