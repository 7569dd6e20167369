"""Upgrade on read: records of older versions are upgraded in memory by the migrations that rewrite them.

``redis_models.setup()`` installs this in the store, so that new code can run before, during and after its migration. A
record of an older version is read as if it were new, and upgraded in Redis before it is written.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from redis_models.client.commands import RoundTrips
from redis_models.encoding.raw_text import bytes_of
from redis_models.errors import ConflictError, RecordError, RecordTooOldError, RedisModelsError
from redis_models.mapping.stored_field import STAMP, stored_version

from .chain.lineage import upgrade_paths_of
from .chain.upgrade_path import UpgradePath
from .files.project_chains import load_chains
from .keyspace.results import Fence, Outcome
from .rewriter.compare_and_set import rewrite_here

if TYPE_CHECKING:
    from redis_models.model import Model
    from redis_models.project.apps import App
    from redis_models.project.settings import Settings
    from redis_models.store import Store

__all__ = ["ChainUpgrader", "install"]

_WRITTEN_AT_ONCE: Final = 100  # records that are read again in one round trip
_A_SCRIPT: Final = 20  # records that one script writes
_log = logging.getLogger(__name__)


def install(store: "Store", apps: "Sequence[App]", settings: "Settings") -> None:
    """Install an upgrader for ``apps`` in ``store``; it loads their migrations when they are first needed."""
    store.upgrader = ChainUpgrader(apps, writes_back=settings.write_back)


class ChainUpgrader:
    """Upgrades records of the models of some apps.

    Args:
        apps: Their migration files are loaded when they are first needed.
        writes_back: Whether records that were read are also upgraded in Redis.
    """

    def __init__(self, apps: "Sequence[App]", *, writes_back: bool = False) -> None:
        self._apps = apps
        self._writes_back = writes_back

    def upgrade(self, model: "type[Model]", key: str, record: Mapping[str, bytes]) -> dict[str, bytes]:
        """Return a record as the newest version stores it.

        Raises:
            RecordTooOldError: No migrations lead from its version to that of the model.
            DataError: A migration cannot upgrade it.
        """
        path, version = self._path(model, key, stored_version(key, record.get(STAMP)))
        try:
            return path.rewrite(record, version).fields
        except RecordError as exc:
            if not model.__mapper__.conceals(""):
                raise ConflictError(key, f"cannot be upgraded to version {version}: {exc}") from exc
            shown = exc.without_values()
        raise ConflictError(key, f"cannot be upgraded to version {version}: {shown}")

    def rewrite(self, model: "type[Model]", key: str) -> RoundTrips[None]:
        """Upgrade the stored record by compare-and-set, unless another client does it first."""
        path, version = self._path(model, key, None)
        raw = bytes_of(key)
        outcome: Outcome = yield from rewrite_here(_fence(model), path, version, [raw], 1)
        if outcome.failures:
            raise ConflictError(key, f"cannot be upgraded to version {version}: {outcome.failures[0].reason}")

    def former_names(self, model: "type[Model]", field: str) -> Mapping[int, str | None]:
        """Give the stored fields that held the same bytes as a field of the model, by its older versions."""
        path, version = self._paths.get(model), model.__mapper__.version
        return {} if path is None or version not in path.versions else path.former_names(field, version)

    def write_back(self, model: "type[Model]", keys: Sequence[str]) -> RoundTrips[None]:
        """Upgrade stored records that were just read, if ``writes_back`` is set.

        Each is read again and written completely. It stays unchanged if another client writes it, memory is full, or
        the server is a replica. Reading never fails because of this.
        """
        if not self._writes_back:
            return
        raws = [bytes_of(key) for key in keys]
        try:
            path, version = self._path(model, keys[0], None)
            fence = _fence(model)
            for start in range(0, len(raws), _WRITTEN_AT_ONCE):
                yield from rewrite_here(fence, path, version, raws[start : start + _WRITTEN_AT_ONCE], _A_SCRIPT)
        except RedisModelsError as exc:
            _log.info("older records were read, and not written back: %s", exc)

    @cached_property
    def _paths(self) -> Mapping[object, UpgradePath]:
        paths: dict[object, UpgradePath] = {}
        chains = load_chains(self._apps)
        for app, chain in zip(self._apps, chains, strict=True):
            known = upgrade_paths_of(chain)
            starts = {model: model.__mapper__.keys.start for model in app.models}
            # Newer code may upgrade a record further between our read and our write; it stays at that version.
            paths.update(
                {model: replace(known[start], leaves_newer=True) for model, start in starts.items() if start in known}
            )
        return paths

    def _path(self, model: "type[Model]", key: str, stored: int | None) -> tuple[UpgradePath, int]:
        version = model.__mapper__.version
        path = self._paths.get(model)
        if path is None or version not in path.versions or (stored is not None and stored not in path.versions):
            raise RecordTooOldError(key, stored or 1, version)
        return path, version


def _fence(model: "type[Model]") -> Fence:
    """What a script compares for a caller without a lease."""
    return Fence("", "", None, model.__mapper__.keys)
