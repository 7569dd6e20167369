"""Which records an answer can contain: those that are JSON in UTF-8, without NaN and infinity.

And whether answers show all of a model; then a client that sends an answer back sends the whole record.
"""

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Final, TypeGuard, Union, cast, get_args, get_origin

from fastapi import Request
from fastapi.datastructures import DefaultPlaceholder
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.routing import serialize_response
from pydantic import BaseModel, RootModel, TypeAdapter
from pydantic.fields import FieldInfo
from starlette.responses import Response

from ...encoding.round_trip import is_exact
from ...model.model import Model
from .http_errors import Place, unprocessable
from .merge import MISSING

__all__ = ["AnswerCheck", "answerable", "check_key", "shows_all_of"]

_MOST_KEY: Final = 4096  # bytes of a primary key; servers and proxies refuse paths of more than 8 KB, escapes included
# Newer releases of FastAPI let pydantic write the JSON, unless the application chose a response class.
_LETS_PYDANTIC_WRITE: Final = "dump_json" in inspect.signature(serialize_response).parameters


class AnswerCheck:
    """Checks whether the answers of a route can contain a record."""

    def __init__(self, schema: type[Model]) -> None:
        self._schema, self._adapter = schema, TypeAdapter[Any](schema)
        self._allows_nan = _LETS_PYDANTIC_WRITE and schema.model_config.get("ser_json_inf_nan") == "strings"

    def complaint(self, request: Request, record: Model) -> str | None:
        """Say why an answer to ``request`` cannot contain a record; None if it can."""
        writes = _writer_for(request, self._allows_nan)
        return _complaint(lambda: writes(self._content(record)))

    def shown(self, record: Model) -> object:
        """Give a record as answers show it; ``MISSING`` if no answer can."""
        try:
            return self._content(record)
        except Exception:  # as in _complaint
            return MISSING

    def check(self, request: Request, record: Model) -> None:
        """Refuse a record that answers could not contain: every list with it would fail.

        Raises:
            RequestValidationError: 422, which names the first such field.
        """
        reason = self.complaint(request, record)
        if reason is None:
            return
        writes = _writer_for(request, self._allows_nan)
        for name, info in type(record).model_fields.items():
            complaint = _complaint(lambda name=name: writes(record.model_dump(mode="json", include={name})))  # type: ignore[misc]
            if complaint is not None:
                raise unprocessable(("body", info.alias or name), complaint)
        raise unprocessable(("body",), reason)

    def _content(self, record: Model) -> object:
        # Validated first, as FastAPI does: a model may revalidate instances.
        return self._adapter.dump_python(self._adapter.validate_python(record), mode="json", by_alias=True)


def check_key(schema: type[Model], pk: object, place: Place) -> None:
    """Refuse a primary key that cannot be stored, or is too long for a path.

    Raises:
        InvalidPrimaryKeyError: It cannot be a primary key.
        RequestValidationError: It is too long for a path.
    """
    size = len(schema.__mapper__.key_of(pk).encode("utf-8", "surrogatepass"))
    if size > _MOST_KEY:
        raise unprocessable(place, f"the primary key is too long; its Redis key may have up to {_MOST_KEY} bytes")


def answerable(error: RequestValidationError) -> RequestValidationError:
    """Make an error that an answer can contain: FastAPI repeats the wrong values, which may not be JSON."""
    mistakes = cast("Sequence[dict[str, Any]]", error.errors())
    answer = RequestValidationError([_answerable_mistake(mistake) for mistake in mistakes], body=error.body)
    return error if answer.errors() == mistakes else answer


def _answerable_mistake(mistake: Mapping[str, Any]) -> dict[str, Any]:
    if _complaint(lambda: _write(jsonable_encoder(mistake))) is None:
        return dict(mistake)
    plain = {name: value for name, value in mistake.items() if name not in ("input", "ctx", "loc", "msg")}
    return {**plain, "loc": tuple(map(_escape_text, mistake["loc"])), "msg": _escape_text(mistake["msg"])}


def _escape_text(part: Any) -> Any:
    return part.encode("utf-8", "backslashreplace").decode() if isinstance(part, str) else part


def _complaint(writes: Callable[[], object]) -> str | None:
    try:
        writes()
    except RecursionError:
        return "is nested too deeply for an answer"
    except UnicodeError:
        return "cannot be put into an answer: it contains an unpaired surrogate, or bytes that are not UTF-8"
    except Exception as exc:  # serializers of the application may raise anything
        return f"cannot be put into an answer: {type(exc).__name__}"
    return None


def _writer_for(request: Request, allows_nan: bool) -> Callable[[object], object]:
    """Give the function that writes content as the route of a request does."""
    chosen: object = getattr(request.scope.get("route"), "response_class", None)
    if isinstance(chosen, type) and issubclass(chosen, Response):
        return chosen
    if isinstance(chosen, DefaultPlaceholder) and not _LETS_PYDANTIC_WRITE:
        return cast("type[Response]", chosen.value)
    return lambda content: _write(content, allows_nan)


def _write(content: object, allows_nan: bool = False) -> bytes:
    return json.dumps(content, ensure_ascii=False, allow_nan=allows_nan).encode()


_CONTAINERS: Final[tuple[object, ...]] = (dict, frozenset, list, set, tuple)


def shows_all_of(model: type[BaseModel], inside: tuple[object, ...] = ()) -> bool:
    """Whether every instance of a model can be made again from what answers show of it; False if it is not certain.

    Args:
        model: The model.
        inside: The models around it.
    """
    decorators = model.__pydantic_decorators__
    is_its_own = (
        decorators.field_serializers or decorators.model_serializers or model.model_config.get("extra") == "allow"
    )
    if is_its_own or any(name.startswith("ser_json") for name in model.model_config):
        return False
    return all(_is_shown(info, (*inside, model)) for info in model.model_fields.values())


def _is_shown(info: FieldInfo, inside: tuple[object, ...]) -> bool:
    if info.exclude or getattr(info, "exclude_if", None) or info.serialization_alias != info.validation_alias:
        return False
    if any(hasattr(item, "__get_pydantic_core_schema__") for item in info.metadata):
        return False
    return _is_type_shown(info.annotation, inside)


def _is_type_shown(annotation: object, inside: tuple[object, ...]) -> bool:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        members = [argument for argument in arguments if argument is not NoneType]
        return len(members) == 1 and _is_type_shown(members[0], inside)
    if origin in _CONTAINERS:
        return all(argument is ... or _is_type_shown(argument, inside) for argument in arguments)
    if _is_model(annotation):
        return annotation in inside or shows_all_of(annotation, inside)
    return is_exact(annotation)


def _is_model(annotation: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel) and not issubclass(annotation, RootModel)
