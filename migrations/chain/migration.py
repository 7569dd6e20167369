"""``Migration``: what a migration file declares, once, as class attributes. It holds no behaviour."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

from ..operations import Operation

__all__ = ["Migration"]


class Migration:
    """One step of an app's chain; a migration file subclasses it, under the same name.

    Attributes:
        id: What the migration is called in Redis, for ever; the file's name and number may change.
        previous: Id of the migration before it, or None for the first.
        versions: The versions that models have afterwards: of every model that an operation touches, and of those whose
            records only get a newer stamp.
        operations: In the order in which they apply.
        replaces: Ids of the migrations that this one stands for, and by the id of one that was squashed itself those
            that it stood for; ``squashmigrations`` writes it.
        allow: Why what a safety rule would refuse is right here: a reason by the code of the rule.
    """

    id: ClassVar[str] = ""
    previous: ClassVar[str | None] = None
    versions: ClassVar[Mapping[str, int]] = MappingProxyType({})
    operations: ClassVar[Sequence[Operation]] = ()
    replaces: ClassVar[Sequence[object]] = ()
    allow: ClassVar[Mapping[str, str]] = MappingProxyType({})
