"""What a request is answered when the library refuses: status codes for our errors."""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from fastapi import HTTPException
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from ...errors import ConflictError, EncodeError, InvalidPrimaryKeyError, NotFoundError, ServerError
from ...model import Model

__all__ = ["Place", "answered", "conflict", "invalid", "not_found", "unprocessable"]

Place = tuple[int | str, ...]  # of what is wrong in a request, as FastAPI names it: ("path", "item_id")
_LOG: Final = logging.getLogger(__name__)


@contextmanager
def answered(schema: type[Model], key_place: Place) -> Generator[None]:
    """Answer what the verbs raise in the block; records that cannot be read stay errors of the server.

    Args:
        schema: The model.
        key_place: Where the request names the primary key.

    Raises:
        HTTPException: 404, 409 or 503.
        RequestValidationError: 422, in FastAPI's form.
    """
    try:
        yield
    except NotFoundError as exc:
        raise not_found(schema) from exc
    except ConflictError as exc:
        if exc.key == schema.get_table_index_key():
            raise  # something else lies where the index should be: no request is to blame
        raise conflict(schema, "was changed by somebody else meanwhile; try again") from exc
    except EncodeError as exc:
        raise unprocessable(("body", exc.field), exc.reason) from exc
    except InvalidPrimaryKeyError as exc:
        raise unprocessable(key_place, f"the primary key {exc.reason}") from exc
    except ServerError as exc:
        # Its text names the server's address, which is not for everybody.
        _LOG.error("%s: %s", schema.__name__, exc)
        raise HTTPException(503, "The database cannot answer now; try again later") from exc


def not_found(schema: type[Model]) -> HTTPException:
    """Give what is answered where there is no such record."""
    return HTTPException(404, f"{schema.__name__} not found")


def conflict(schema: type[Model], reason: str) -> HTTPException:
    """Give what is answered where the record is not as the request takes it to be."""
    return HTTPException(409, f"{schema.__name__} {reason}")


def unprocessable(place: Place, reason: str) -> RequestValidationError:
    """Give the answer to one wrong value, which is not repeated in it."""
    return RequestValidationError([{"type": "value_error", "loc": place, "msg": reason}])


def invalid(error: ValidationError, body: object) -> RequestValidationError:
    """Give the answer that FastAPI itself would give to a body with these mistakes."""
    found = [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False)]
    return RequestValidationError(found, body=body)
