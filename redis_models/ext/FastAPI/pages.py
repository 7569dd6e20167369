"""Pages of a list: how many records a request may ask for, which were left out, and where the next page begins."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

from fastapi import HTTPException

from ...errors import ConfigurationError
from ...model.model import Model
from .http_errors import one_line

__all__ = ["PageSizes", "link_after", "report_bad_records"]

_DEFAULT: Final = 1000  # records; such a page takes some tens of milliseconds
_HEADER_SIZE: Final = 2000  # characters; servers and proxies take 4 to 8 KB for all headers
_LOG: Final = logging.getLogger(f"{__package__}.router")  # the name that applications configure
_MOST_SKIPPED: Final = 2**63 - 1  # the greatest position that a server accepts


@dataclass(frozen=True)
class PageSizes:
    """How many records a list gives.

    Attributes:
        usual: If the request does not have a limit.
        most: The maximum limit of a request.
    """

    usual: int
    most: int

    @classmethod
    def of(cls, paginate: int | None, max_limit: int | None) -> "PageSizes":
        """Make the sizes from the arguments of a router.

        Raises:
            ConfigurationError: A size is below 1, or the usual one is above the maximum.
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
        """Refuse a page that is out of bounds.

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
    """Give the header ``Link`` of a full page: the next page, relative to the request."""
    return f'<?{urlencode({"skip": skip + limit, "limit": limit})}>; rel="next"'


def _page_error(name: str, complaint: str) -> HTTPException:
    """Give pydantic-aioredis' answer to a wrong page, nested as it is there."""
    mistake = {"loc": ["query", name], "msg": f"{name} query parameter {complaint}", "type": "type_error.integer"}
    return HTTPException(422, {"detail": [mistake]})


def report_bad_records(schema: type[Model], bad: Sequence[tuple[str, str]]) -> str:
    """Log why records were left out; give their primary keys for a header, escaped and separated by commas."""
    for key, reason in bad:
        message = reason if reason.startswith(key) else f"{key}: {reason}"
        _LOG.error("%s: left out of a list: %s", schema.__name__, one_line(message))
    owned = [schema.__mapper__.keys.primary_key(key) for key, _ in bad if schema.__mapper__.keys.owns(key)]
    header = ",".join(quote(_bytes_of(pk), safe="") for pk in owned)
    return header if len(header) <= _HEADER_SIZE else header[: header.rfind(",", 0, _HEADER_SIZE - 4) + 1] + "..."


def _bytes_of(pk: str) -> bytes:
    try:
        return pk.encode("utf-8", "surrogateescape")  # the key contains bytes that are not UTF-8
    except UnicodeEncodeError:
        return pk.encode("utf-8", "surrogatepass")
