"""What this process knows of a table's indexes: their definitions and states, which every query compares first.

A query is planned by what the process learned last, and asks for the digest and the states together with the first
members. If they are others by now, it is planned again.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, cast

from ..client.commands import Command, Reply, RoundTrips, check
from ..errors import ConfigurationError
from ..indexes.definitions import Definitions
from ..indexes.plan import UsableIndex
from ..indexes.scans import usable_indexes
from ..mapping.mapper import Mapper
from ..records.build_indexes import is_usable
from ..records.indexed_scripts import known_indexes, learn_indexes

__all__ = ["Knowledge", "is_still", "known", "learn"]

_KNOWN: Final = "_known_states"


@dataclass(frozen=True)
class Knowledge:
    """The indexes of a table, and which of them are ready.

    Attributes:
        mapper: The model.
        definitions: The indexes.
        raw_states: Their states as they are stored.
        is_fresh: Whether it was read for this query.
    """

    mapper: Mapper[Any]
    definitions: Definitions
    raw_states: bytes
    is_fresh: bool

    @cached_property
    def states(self) -> Mapping[str, str]:
        """The state of each index by its name."""
        try:
            found: object = json.loads(self.raw_states or b"{}")
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            key = self.mapper.keys.definitions
            raise ConfigurationError(
                f"the states of indexes at {key!r} are not readable: {self.raw_states!r:.80}; build the indexes again"
            )
        return {name: str(state) for name, state in cast("dict[str, object]", found).items()}

    @cached_property
    def defined(self) -> tuple[UsableIndex, ...]:
        """The indexes that this code can read, ready or not."""
        return usable_indexes(self.mapper, self.definitions)

    @cached_property
    def ready(self) -> tuple[UsableIndex, ...]:
        """The indexes that this code can read, and that have all records."""
        return tuple(index for index in self.defined if is_usable(self.states.get(index.name)))

    @cached_property
    def by_field(self) -> Mapping[str, UsableIndex]:
        """The ready indexes of one field each, by its name; none where validators decide what values are."""
        if self.mapper._has_validators:
            return {}
        return {index.parts[0].field: index for index in self.ready if len(index.parts) == 1}

    @cached_property
    def question(self) -> Command:
        """The command whose reply ``is_still`` takes."""
        return ("HMGET", self.mapper.keys.definitions, "digest", "states")


def known(mapper: Mapper[Any]) -> Knowledge | None:
    """Give what this process learned last; None if nothing."""
    found: Knowledge | None = vars(mapper).get(_KNOWN)
    if found is None or found.definitions is not known_indexes(mapper.keys).definitions:
        return None  # a write has learned of others since
    return found


def learn(mapper: Mapper[Any]) -> RoundTrips[Knowledge]:
    """Read the definitions and states of a table's indexes.

    Raises:
        ConfigurationError: They are not readable, or a newer version of the library wrote them.
    """
    table = yield from learn_indexes(mapper.keys)
    [raw] = check((yield [("HGET", mapper.keys.definitions, "states")]))
    # Beside the cached properties of the mapper; what is kept was not read for the next query.
    vars(mapper)[_KNOWN] = Knowledge(mapper, table.definitions, cast("bytes | None", raw) or b"", False)
    return Knowledge(mapper, table.definitions, cast("bytes | None", raw) or b"", True)


def is_still(knowledge: Knowledge, reply: Reply) -> bool:
    """Whether the reply to ``question`` says what is known."""
    digest, states = cast("list[bytes | None]", check([reply])[0])
    return (digest or b"").decode("utf-8", "replace") == knowledge.definitions.digest and (
        states or b""
    ) == knowledge.raw_states
