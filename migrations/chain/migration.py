"""``Migration``: the class that a migration file declares. It has attributes only."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

from ..operations import Operation

__all__ = ["Migration"]


class Migration:
    """One migration of an app; each file declares a subclass of the same name.

    Attributes:
        id: Its permanent name in Redis; name and number of the file may change.
        previous: Id of the migration before it, or None for the first.
        versions: Versions of models afterwards: of each model that an operation changes, and of those whose records
            only get a newer stamp.
        operations: In the order in which they apply.
        replaces: Ids of the migrations that this one replaces. One that was squashed itself is a mapping of its id to
            those that it replaced. ``squashmigrations`` writes it.
        allow: Reasons to allow here what safety rules would refuse, by the code of the rule.
    """

    id: ClassVar[str] = ""
    previous: ClassVar[str | None] = None
    versions: ClassVar[Mapping[str, int]] = MappingProxyType({})
    operations: ClassVar[Sequence[Operation]] = ()
    replaces: ClassVar[Sequence[object]] = ()
    allow: ClassVar[Mapping[str, str]] = MappingProxyType({})
