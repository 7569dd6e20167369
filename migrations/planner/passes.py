"""Passes: what a run does to the records of one model under one prefix of keys. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import cast

from redis_models.encoding.raw_text import bytes_of, text_of
from redis_models.encoding.secrets import MASK
from redis_models.mapping.keys import KeySpace
from redis_models.mapping.stored_field import is_plain

from ..chain.upgrade_path import UpgradePath
from ..schema.snapshot import ModelSchema

__all__ = ["RenameKeysPass", "RewritePass"]


@dataclass(frozen=True)
class RewritePass:
    """A pass that rewrites records.

    Attributes:
        path: The upgrade path of the model's records.
        keys: Their keys.
        target: Version to reach.
        source: Version that most records are expected to have.
    """

    path: UpgradePath
    keys: KeySpace
    target: int
    source: int

    @property
    def label(self) -> str:
        """The name of the pass. It has the keys, because a model may have several passes."""
        return f"{self.path.model} at {self.keys.start}*"

    @property
    def is_in_server(self) -> bool:
        """Whether the server rewrites most records by itself, because each step up is static."""
        return self.source < self.target and self.path.is_static(self.source, self.target)


@dataclass(frozen=True)
class RenameKeysPass:
    """A pass that gives records other keys.

    Attributes:
        path: The upgrade path of the records.
        keys: Their keys, or some of them.
        after: The model that gives the new keys.
        follows_field: Whether new keys are made from a field, because the primary key is another field or type.
        vacant_below: If no run can have renamed records to the new keys yet, the version from which on newer
            code writes them there; else 0.
        later: The name of the primary key at later versions, as long as keys are made from it.
    """

    path: UpgradePath
    keys: KeySpace
    after: ModelSchema
    follows_field: bool
    vacant_below: int = 0
    later: Mapping[int, str] = field(default_factory=dict[int, str])

    @property
    def target(self) -> int:
        """The version that records must have before."""
        return self.after.version

    @property
    def label(self) -> str:
        """The name of the pass."""
        return f"{self.path.model} from {self.keys.start}* to {self.after.keys.start}*"

    @cached_property
    def fields(self) -> Mapping[int, str]:
        """The fields from which new keys are made, by the version of records; "" if made from the old keys."""
        if not self.follows_field:
            return {self.target: ""}
        own = {self.target: self.after.primary_key}
        return {**self.later, **own} if self.path.leaves_newer else own

    @property
    def takes_all_newer(self) -> bool:
        """Whether a record of any later version is renamed too, even of an unknown one: its key is enough."""
        return self.path.leaves_newer and not self.follows_field

    def is_left(self, version: int) -> bool:
        """Whether a record of a version keeps its key: it is made of a field that does not matter here yet."""
        return self.path.is_done(version, self.target) and version not in self.fields

    def is_there(self, key: str) -> bool:
        """Whether a key is a new key already, so that it stays."""
        return self.keys.start != self.after.keys.start and self.after.keys.owns(key)

    def key_by_key(self, key: bytes) -> bytes | None:
        """Make a new key from the old one; None if the old key could not be made from it again."""
        text = text_of(key)
        primary_key = self.keys.primary_key(text)
        if self.keys.record(primary_key) != text:
            return None
        return bytes_of(self.after.keys.record(primary_key))

    def key_by_field(self, raw: bytes | None) -> bytes:
        """Make a new key from the value of a record's primary key.

        Raises:
            ValueError: No key can be made from it.
        """
        name = self.after.primary_key
        if raw is None:
            raise ValueError(f"it has no {name}, and its key is made from that")
        field = self.after.field(name)
        try:
            value = field.codec.decode(raw)
        except ValueError as exc:
            shown = MASK if self.path.conceals(name, raw) else repr(raw[:40])
            raise ValueError(f"its {name} holds {shown}, which is not a valid {field.type}; correct it first") from exc
        value = cast(object, value.value) if isinstance(value, Enum) else value
        if not is_plain(value):
            shown = MASK if self.path.conceals(name, raw) else f"{value!r:.60}"
            raise ValueError(f"its {name} is {shown}, which cannot be used as a primary key; use str, int or UUID")
        text = str(value)
        if not text:
            raise ValueError(f"its {name} is empty, and its key is made from that")
        return bytes_of(self.after.keys.record(text))

    def twins(self, key: bytes, rivals: Sequence[KeySpace]) -> Iterator[bytes]:
        """Yield the keys of other models' records that would get the same new key as this one."""
        primary_key = self.keys.primary_key(text_of(key))
        for keys in rivals:
            yield bytes_of(keys.record(primary_key))
