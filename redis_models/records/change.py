"""The change that a save makes to a record, as data. Pure."""

from dataclasses import dataclass

__all__ = ["Change"]


@dataclass(slots=True)
class Change:
    """The change that a save makes to a record.

    Attributes:
        written: Stored fields with their new bytes.
        filled: Stored fields that the record did not have and that were not assigned, with their defaults; written
            only where the field is still missing.
        removed: Names of stored fields that the instance no longer has.
        values: Field values that went into it; the instance may have others by the time it is written.
    """

    written: dict[str, bytes]
    filled: dict[str, bytes]
    removed: list[str]
    values: dict[str, object]

    def __bool__(self) -> bool:
        return bool(self.written or self.filled or self.removed)


@dataclass(slots=True)
class PlainChange(Change):
    """A change through hooks.

    Attributes:
        plain: Each value as it would be stored without hooks.
    """

    plain: dict[str, object]
