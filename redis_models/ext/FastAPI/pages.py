"""Pages of a list: how much of it a request may ask for, and where the next page begins."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from fastapi import HTTPException

from ...errors import ConfigurationError

__all__ = ["PageSizes", "link_after"]

_DEFAULT: Final = 1000  # records; a page of them is answered in some tens of milliseconds
_MOST_SKIPPED: Final = 2**63 - 1  # what a server takes for a position


@dataclass(frozen=True)
class PageSizes:
    """How many records a list gives.

    Attributes:
        usual: If the request names no limit.
        most: At most.
    """

    usual: int
    most: int

    @classmethod
    def of(cls, paginate: int | None, max_limit: int | None) -> "PageSizes":
        """Give the sizes that a router was told.

        Raises:
            ConfigurationError: One is below 1, or the usual one is above the other.
        """
        usual = min(_DEFAULT, max_limit or _DEFAULT) if paginate is None else paginate
        most = usual if max_limit is None else max_limit
        if usual < 1 or most < usual:
            raise ConfigurationError(
                f"CRUDRouter: paginate={paginate} and max_limit={max_limit} cannot be page sizes; both must be 1 or"
                " more, and max_limit must not be below paginate"
            )
        return cls(usual, most)

    def check(self, skip: int, limit: int) -> None:
        """Refuse a page that cannot be asked for.

        Raises:
            HTTPException: 422.
        """
        if skip < 0:
            raise _page_error("skip", "must be greater or equal to zero")
        if skip > _MOST_SKIPPED:
            raise _page_error("skip", f"must be at most {_MOST_SKIPPED}")
        if limit <= 0:
            raise _page_error("limit", "must be greater than zero")
        if limit > self.most:
            raise _page_error("limit", f"must be at most {self.most}")


def link_after(skip: int, limit: int) -> str:
    """Give the header ``Link`` of a page that is full: where the next one is, relative to the request."""
    return f'<?{urlencode({"skip": skip + limit, "limit": limit})}>; rel="next"'


def _page_error(name: str, complaint: str) -> HTTPException:
    """Give pydantic-aioredis' answer to a wrong page, nested as it is there."""
    mistake = {"loc": ["query", name], "msg": f"{name} query parameter {complaint}", "type": "type_error.integer"}
    return HTTPException(422, {"detail": [mistake]})
