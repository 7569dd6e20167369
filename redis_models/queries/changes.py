"""Changes of the records that a query finds: update and delete, each record only as it was when it was judged.

A record that another client changes meanwhile is read and judged again. All together they are not atomic: what was
changed before an error stays changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, Generic, TypeVar, cast

from ..client.commands import Argument, Reply, RoundTrips, call, check, load_script
from ..errors import ConflictError, DataError, NotFoundError, UniqueError
from ..indexes.plan import EVERYTHING
from ..mapping.mapper import Mapper
from ..mapping.stored_model import StoredModel
from ..records.indexed_scripts import known_indexes
from ..records.read import fetch
from ..records.script_calls import ScriptCall, resolve_reply
from ..records.write import WRITE_CHUNK, flatten
from ..store import Upgrader
from .decision import Request
from .search import Match, Search
from .streams import Stream

__all__ = ["Changes"]

M = TypeVar("M", bound=StoredModel)
_TRIES: Final = 100  # of changing a record that others change all the time
_NOWHERE: Final = Stream("", 0, 0, 0, b"", b"", 0, False)  # of records that no index was asked for
_SAVE: Final = load_script("redis_models", "permissions", "stamp", "fence", "guard", "save")
_DELETE: Final = load_script("redis_models", "permissions", "fence", "delete_unchanged")


class Changes(Generic[M]):
    """The changes of the records of one query.

    Args:
        mapper: The model.
        upgrader: Upgrades older records, or None.
        request: What is asked for.
    """

    def __init__(self, mapper: Mapper[M], upgrader: Upgrader | None, request: Request) -> None:
        self._mapper, self._upgrader = mapper, upgrader
        self._request = request if request.limit is not None else replace(request, orders=())

    def update(self, values: Mapping[str, object]) -> RoundTrips[int]:
        """Write constants into the records; give how many did not have them.

        Args:
            values: Validated values by field.
        """
        written = self._mapper.encode_some(values)
        total = 0
        search = self._search(tuple(written))
        left = self._request.limit
        while not search.is_done and left != 0:
            matches = yield from self._next(search, left)
            left = None if left is None else left - len(matches)
            total += yield from self._update(search, matches, written)
        return total

    def delete(self) -> RoundTrips[int]:
        """Delete the records; give how many there were."""
        if self._request.condition == EVERYTHING:
            name = self._mapper.model.__name__
            raise TypeError(f"{name}.where() without a condition finds all records; {name}.delete_all() deletes them")
        total = 0
        search = self._search(())
        left = self._request.limit
        while not search.is_done and left != 0:
            matches = yield from self._next(search, left)
            left = None if left is None else left - len(matches)
            for start in range(0, len(matches), WRITE_CHUNK):
                total += yield from self._delete(search, matches[start : start + WRITE_CHUNK])
        return total

    def _search(self, columns: Sequence[str]) -> Search[M]:
        return Search(self._mapper, self._upgrader, self._request, columns=columns, in_order=True)

    def _next(self, search: Search[M], wanted: int | None) -> RoundTrips[list[Match]]:
        if not search.is_open:
            yield from search.open(wanted)
        matches = yield from search.next_matches(WRITE_CHUNK if wanted is None else wanted)
        for match in matches:
            _record(match)
        return matches if wanted is None else matches[:wanted]

    def _update(self, search: Search[M], matches: Sequence[Match], written: Mapping[str, bytes]) -> RoundTrips[int]:
        """Write into records as they were read, then into those that were changed meanwhile and still match."""
        total = 0
        for _ in range(_TRIES):
            # A record that is met again, in its new place in the index, has what is to be written.
            wanted = [match for match in matches if any(_record(match).get(name) != written[name] for name in written)]
            if not wanted:
                return total
            indexes = known_indexes(self._mapper.keys)
            attempts = [
                ScriptCall(_SAVE, indexes, [match[0][0]], self._save_arguments(search, match, written))
                for match in wanted
            ]
            replies = yield from call(indexes.script(_SAVE), [attempt.command for attempt in attempts])
            changed: list[str] = []
            for match, attempt, reply in zip(wanted, attempts, check(replies), strict=True):
                is_written = yield from self._is_written(attempt, reply)
                if is_written:
                    total += 1
                elif is_written is None:
                    changed.append(match[0][0])
            matches = yield from self._judged_again(search, changed, tuple(written))
        raise self._restless(matches)

    def _is_written(self, attempt: ScriptCall, reply: Reply) -> RoundTrips[bool | None]:
        """Whether a record was written; None if it was changed meanwhile."""
        try:
            yield from resolve_reply(self._mapper, self._upgrader, attempt, reply)
        except NotFoundError:
            return False
        except ConflictError as exc:
            if isinstance(exc, UniqueError) or not exc.fields:
                raise
            return None
        return True

    def _delete(self, search: Search[M], matches: Sequence[Match]) -> RoundTrips[int]:
        """Delete records as they were read, then those that were changed meanwhile and still match."""
        total = 0
        for _ in range(_TRIES):
            if not matches:
                return total
            indexes, keys = known_indexes(self._mapper.keys), [match[0][0] for match in matches]
            names = self._judged_names(search)
            arguments: list[Argument] = [self._mapper.version, len(names), *names]
            for match in matches:
                for name in names:
                    raw = _record(match).get(name)
                    arguments += ("", "") if raw is None else ("1", raw)
            attempt = ScriptCall(_DELETE, indexes, keys, arguments, once=True)
            # A second execution would not count the records that the first one deleted.
            [first] = check((yield from call(attempt.script, [attempt.command], once=True)))
            reply = yield from resolve_reply(self._mapper, self._upgrader, attempt, first)
            results = cast("list[bytes]", reply)
            total += results.count(b"DELETED")
            if self._upgrader is not None:
                for key, result in zip(keys, results, strict=True):
                    if result == b"OLDER":
                        yield from self._upgrader.rewrite(self._mapper.model, key)
            changed = [key for key, result in zip(keys, results, strict=True) if result in (b"OLDER", b"CHANGED")]
            matches = yield from self._judged_again(search, changed, ())
        raise self._restless(matches)

    def _save_arguments(self, search: Search[M], match: Match, written: Mapping[str, bytes]) -> list[Argument]:
        """Give the arguments of save.lua: what to write if what was judged is still there."""
        names, record = self._judged_names(search), _record(match)
        expected = {name: record[name] for name in names if name in record}
        missing = [name for name in names if name not in record]
        arguments: list[Argument] = [self._mapper.version, "", 2 * len(written), *flatten(written)]
        for part in ((), (), flatten(expected)):
            arguments += [len(part), *part]
        return [*arguments, *missing]

    def _judged_names(self, search: Search[M]) -> tuple[str, ...]:
        """The stored fields that decide whether a record matches."""
        return self._mapper.names if search.needs_whole else search.judged

    def _judged_again(self, search: Search[M], keys: Sequence[str], columns: Sequence[str]) -> RoundTrips[list[Match]]:
        """Read records again that were changed meanwhile, and give those that still match."""
        if not keys:
            return []
        names = None if search.needs_whole else tuple(dict.fromkeys((*columns, *search.judged)))
        records = yield from fetch(self._mapper, self._upgrader, keys, names)
        matches: list[Match] = []
        for key, record in zip(keys, records, strict=True):
            if isinstance(record, DataError):
                raise record
            if record is not None and search.meets(key, record):
                matches.append(((key, b"", _NOWHERE), record))
        return matches

    def _restless(self, matches: Sequence[Match]) -> ConflictError:
        return ConflictError(
            matches[0][0][0], f"other clients changed it {_TRIES} times while it was to be changed; try again"
        )


def _record(match: Match) -> dict[str, bytes]:
    if isinstance(match[1], DataError):
        raise match[1]
    return match[1]
