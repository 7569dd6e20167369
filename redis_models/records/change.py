"""The change that a save makes to a record. Pure."""

from dataclasses import dataclass

__all__ = ["Change"]


@dataclass(slots=True)
class Change:
    """The change that a save makes to a record.

    Attributes:
        written: Stored fields with their new bytes.
        filled: Defaults of fields that the record did not have and that were not assigned; written only if the field
            is still missing.
        removed: Names of stored fields that the instance no longer has.
        values: The field values when the change was made; the instance may change before it is written.
    """

    written: dict[str, bytes]
    filled: dict[str, bytes]
    removed: list[str]
    values: dict[str, object]

    def __bool__(self) -> bool:
        return bool(self.written or self.filled or self.removed)


@dataclass(slots=True)
class PlainChange(Change):
    """A change of a model with hooks.

    Attributes:
        plain: Each value as it would be stored without hooks.
    """

    plain: dict[str, object]
