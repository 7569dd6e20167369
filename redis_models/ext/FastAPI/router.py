"""``CRUDRouter``: the routes that list, read, create, replace and delete the records of one model."""

import inspect
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from types import GenericAlias
from typing import Any, ClassVar, Final

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.params import Depends
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.routing import BaseRoute

from ...errors import ConflictError, DataError, DecodeError, NotFoundError, RecordTooNewError, RecordTooOldError
from ...mapping.ttl import KEEP
from ...model.model import Model
from ...records.tracking import tracked_state
from ...store import Store
from .bodies import (
    apply_put,
    creation_annotation,
    key_annotation,
    new_record,
    put_unreadable,
    replacement_annotation,
)
from .body_parts import check_masks, is_masked
from .hidden_fields import HiddenFields
from .http_errors import Place, conflict, not_found, one_line, translate_errors
from .pages import PageSizes, link_after, report_bad_records
from .responses import AnswerCheck, check_key, shows_all_of
from .routes import AnswerableRoute, EmptyKeyRoute, KeyRoute, has_path

__all__ = ["CRUDRouter", "PydanticAioredisCRUDRouter"]

Endpoint = Callable[..., Any]
RouteOption = bool | Sequence[Depends]  # whether the route exists, or its dependencies
_KEY: Final = "item_id"
_KEY_PLACE: Final[Place] = ("path", _KEY)
_UNREADABLE: Final = "X-Unreadable-Records"
_TRIES: Final = 8  # to replace a record that other clients write at the same time
_LOG: Final = logging.getLogger(__name__)


class CRUDRouter(APIRouter):
    """Routes for one model, documented by FastAPI.

    ======================  =====================================================================================
    GET /item?skip&limit    200 a list, ``[]`` when there is nothing
    GET /item/{item_id}     200, 404
    POST /item              200, 422; overwrites a record of that primary key, unless ``overwrite=False``: then 409
    PUT /item/{item_id}     200, 404, 422; 409 if other clients keep writing it; replaces an existing record whole
    DELETE /item/{item_id}  200 the deleted record, 204 if no answer can contain it, 404
    DELETE /item            200 ``[]``; deletes all; only with ``delete_all_route``
    ======================  =====================================================================================

    All of them answer 422 to values that no answer could contain, 409 for a record that cannot be read or shown, and
    503 while the server cannot answer, or if newer code wrote the record. A route that the application adds with the
    path and the method of one of these replaces it.

    Args:
        schema: The model.
        store: The store to bind the model to; None leaves it bound as it is, for example by ``redis_models.setup()``.
        create_schema: Body of POST instead of the model itself.
        update_schema: Body of PUT instead of the model without its primary key. Fields that it does not have, or that a
            request leaves out, keep their stored values.
        prefix: Path; ``/item`` for a class ``Item`` if None.
        tags: Tags in the documentation; the name of the class if None.
        paginate: Records that GET gives by default, and the maximum if ``max_limit`` is None; None means 1,000.
        get_all_route: Whether this route exists, or its dependencies. The other five are alike.
        delete_all_route: Likewise, but off by default; on by default in ``PydanticAioredisCRUDRouter``.
        overwrite: Whether POST may overwrite a record.
        max_limit: The maximum number of records in a list.
        settable: Fields with ``exclude=True`` that requests may set; nested ones with dots.
        leaves_newer: Whether a list leaves out records that newer code wrote, instead of answering 503.
        kwargs: Other arguments of ``fastapi.APIRouter``.

    Raises:
        ConfigurationError: The page sizes are wrong, or POST could never make a record.
    """

    _routes_delete_all: ClassVar[bool] = False

    def __init__(
        self,
        schema: type[Model],
        store: Store | None = None,
        create_schema: type[BaseModel] | None = None,
        update_schema: type[BaseModel] | None = None,
        prefix: str | None = None,
        tags: list[Any] | None = None,  # as APIRouter, whose list is invariant
        paginate: int | None = None,
        get_all_route: RouteOption = True,
        get_one_route: RouteOption = True,
        create_route: RouteOption = True,
        update_route: RouteOption = True,
        delete_one_route: RouteOption = True,
        delete_all_route: RouteOption | None = None,
        *,
        overwrite: bool = True,
        max_limit: int | None = None,
        settable: Iterable[str] = (),
        leaves_newer: bool = False,
        **kwargs: Any,
    ) -> None:
        if store is not None:
            store.register_model(schema)
        name = schema.__name__
        path = (name.lower() if prefix is None else prefix).strip("/")
        super().__init__(prefix=path and f"/{path}", tags=tags or [name], **kwargs)
        self.schema, self._generated = schema, list[BaseRoute]()
        self._hidden, self._answers = HiddenFields(schema, frozenset(settable)), AnswerCheck(schema)
        delete_all_route = self._routes_delete_all if delete_all_route is None else delete_all_route
        sizes = PageSizes.of(paginate, max_limit)
        if create_route is not False and create_schema in (None, schema):
            self._hidden.check_creatable()
        everything, single = "" if path else "/", f"/{{{_KEY}}}"
        many = GenericAlias(list, (schema,))
        self._generate(get_all_route, "GET", everything, self._get_all(sizes, leaves_newer), many)
        self._generate(create_route, "POST", everything, self._create(create_schema, overwrite), schema)
        self._generate(delete_all_route, "DELETE", everything, self._delete_all(), many)
        self._generate(get_one_route, "GET", single, self._get_one(), schema, KeyRoute)
        self._generate(update_route, "PUT", single, self._update(update_schema), schema, KeyRoute)
        self._generate(delete_one_route, "DELETE", single, self._delete_one(), schema, KeyRoute)
        if path:
            offer = delete_one_route if delete_all_route is False else delete_all_route
            self._generate(offer, "DELETE", EmptyKeyRoute.PATH, self._no_key(), None, EmptyKeyRoute)

    def add_api_route(self, path: str, endpoint: Endpoint, **options: Any) -> None:
        """Add a route of the application; it replaces a generated route with the same path and method."""
        methods = {method.upper() for method in options.get("methods") or ["GET"]}
        for route in [generated for generated in self._generated if has_path(generated, self.prefix + path, methods)]:
            self._generated.remove(route)
            self.routes.remove(route)
        super().add_api_route(path, endpoint, **options)

    def _generate(
        self,
        offer: RouteOption,
        method: str,
        path: str,
        endpoint: Endpoint,
        answer: Any,
        kind: type[APIRoute] = AnswerableRoute,
    ) -> None:
        """Add a generated route, of a subclass of the route class that the application chose."""
        if offer is False:
            return
        chosen = self.route_class
        super().add_api_route(
            path,
            endpoint,
            methods=[method],
            dependencies=None if offer is True else offer,
            response_model=answer,
            responses={404: {"description": f"{self.schema.__name__} not found"}} if kind is KeyRoute else {},
            include_in_schema=kind is not EmptyKeyRoute,
            route_class_override=type(kind.__name__, (kind, chosen), {}),
        )
        self._generated.append(self.routes[-1])

    def _get_all(self, sizes: PageSizes, leaves_newer: bool) -> Endpoint:
        schema, answers = self.schema, self._answers

        async def get_all(request: Request, response: Response, skip: int = 0, limit: int = sizes.usual) -> list[Model]:
            sizes.check(skip, limit)
            bad = list[DataError]()
            with translate_errors(schema, _KEY_PLACE):
                found = await schema.select(skip=skip, limit=limit, bad_records=bad) or []
                if not leaves_newer:
                    _check_versions(bad)
            complaints = [answers.complaint(request, record) for record in found]
            left_out = [(str(getattr(error, "key", "")), str(error)) for error in bad]
            left_out += [
                (_key_of(record), why) for record, why in zip(found, complaints, strict=True) if why is not None
            ]
            if left_out:
                response.headers[_UNREADABLE] = report_bad_records(schema, left_out)
            if len(found) + len(bad) == limit:
                response.headers["Link"] = link_after(skip, limit)
            return [record for record, why in zip(found, complaints, strict=True) if why is None]

        return get_all

    def _get_one(self) -> Endpoint:
        schema, answers = self.schema, self._answers

        async def get_one(request: Request, item_id: object) -> Model:
            with translate_errors(schema, _KEY_PLACE):
                check_key(schema, item_id, _KEY_PLACE)
                found = await schema.get(item_id)
            if (why := answers.complaint(request, found)) is not None:
                _LOG.error("%s: %s: %s", schema.__name__, one_line(_key_of(found)), why)
                raise conflict(schema, "cannot be shown as it is stored")
            return found

        return _annotated(get_one, item_id=key_annotation(schema))

    def _create(self, body: type[BaseModel] | None, overwrite: bool) -> Endpoint:
        schema, hidden, answers = self.schema, self._hidden, self._answers
        key_place = ("body", schema.get_primary_key_field())
        whole = body is None or body is schema
        is_kept = whole and overwrite and (hidden.hides or hidden.holds_secret)

        async def write(request: Request, record: Model) -> Model:
            if is_kept:
                return await self._overwrite(request, record)
            check_masks(record)
            if overwrite:
                await schema.insert(record)
            elif not await _is_inserted(schema, record):
                raise conflict(schema, "exists already; replace it with PUT")
            return record

        async def create(request: Request, item: BaseModel) -> Model:
            with translate_errors(schema, key_place):
                record = new_record(schema, item)
                check_key(schema, getattr(record, schema.get_primary_key_field()), key_place)
                answers.check(request, record)
                return await write(request, record)

        return _annotated(create, item=creation_annotation(schema, self._hidden) if whole else body)

    async def _overwrite(self, request: Request, record: Model) -> Model:
        """Write the record of a POST; if it exists, values that answers hide are kept."""
        schema, pk = self.schema, getattr(record, self.schema.get_primary_key_field())
        options: dict[str, Any] = {"life_span_seconds": None} if _takes(schema.save, "life_span_seconds") else {}
        for _ in range(_TRIES):
            if not is_masked(record) and await _is_inserted(schema, record):
                return record
            try:
                return await self._replace(request, await schema.get(pk), await request.json(), options)
            except NotFoundError:  # it does not exist, or was deleted meanwhile
                check_masks(record)
        raise _contention_error(schema)

    def _update(self, body: type[BaseModel] | None) -> Endpoint:
        schema, hidden, answers = self.schema, self._hidden, self._answers
        whole = body is None or body is schema
        # An overridden ``save`` must be called; those written for pydantic-aioredis do not take conditions.
        inserts = whole and "save" not in schema.__overrides__ and _takes(schema.insert, "only")
        is_mending = inserts and not hidden.hides and not schema.__mapper__.takes_extras
        shows_all = inserts and shows_all_of(schema)

        async def replace(request: Request, item_id: object, item: Any) -> Model:
            try:
                found = await schema.get(item_id)
                if not shows_all:
                    return await self._replace(request, found, item, {})
                updated = apply_put(found, item, answers.shown(found), hidden)
            except DecodeError:
                if not is_mending:
                    raise
                updated = put_unreadable(schema, item_id, item, hidden)
            answers.check(request, updated)
            # The whole record is written, and the last writer wins.
            await schema.insert(updated, KEEP, only="existing")
            return updated

        async def update(request: Request, item_id: object, item: Any) -> Model:
            with translate_errors(schema, _KEY_PLACE):
                check_key(schema, item_id, _KEY_PLACE)
                return await replace(request, item_id, item)

        item_type = replacement_annotation(schema, hidden) if whole else body
        return _annotated(update, item_id=key_annotation(schema), item=item_type)

    async def _replace(self, request: Request, found: Model, item: Any, options: dict[str, Any]) -> Model:
        """Apply a PUT to a record that was read; if another client writes it meanwhile, read it again and repeat.

        Args:
            request: The request.
            found: The record.
            item: The body.
            options: More arguments of ``save``.
        """
        schema, pk = self.schema, getattr(found, self.schema.get_primary_key_field())
        if _takes(schema.save, "if_unchanged"):
            options = {**options, "if_unchanged": True}
        for _ in range(_TRIES):
            updated = apply_put(found, item, self._answers.shown(found), self._hidden)
            self._answers.check(request, updated)
            try:
                await updated.save(**options)
            except ConflictError as exc:
                if exc.key == schema.get_table_index_key():
                    raise
                found = await schema.get(pk)
            else:
                return updated
        raise _contention_error(schema)

    def _delete_one(self) -> Endpoint:
        schema, answers = self.schema, self._answers

        async def delete_one(request: Request, item_id: object) -> Any:
            found: Model | None = None
            with translate_errors(schema, _KEY_PLACE):
                check_key(schema, item_id, _KEY_PLACE)
                # A record that cannot be read can still be deleted.
                with suppress(DecodeError):
                    found = await schema.get(item_id)
                deleted = await schema.delete([item_id])
            if not deleted or not deleted[0]:
                raise not_found(schema)
            if found is None or answers.complaint(request, found) is not None:
                return Response(status_code=204)
            return found

        return _annotated(delete_one, item_id=key_annotation(schema))

    def _delete_all(self) -> Endpoint:
        schema = self.schema

        async def delete_all() -> list[Model]:
            with translate_errors(schema, _KEY_PLACE):
                await schema.delete_all()
            return []

        return delete_all

    def _no_key(self) -> Endpoint:
        schema = self.schema

        async def no_key() -> None:
            raise not_found(schema)

        return no_key


class PydanticAioredisCRUDRouter(CRUDRouter):
    """``CRUDRouter`` with pydantic-aioredis' name and its default: the route that deletes the whole table is on."""

    _routes_delete_all = True


def _check_versions(bad: Sequence[DataError]) -> None:
    """Raise the error of a record of another version: a list must not silently leave it out."""
    for error in bad:
        if isinstance(error, (RecordTooNewError, RecordTooOldError)):
            raise error


def _key_of(record: Model) -> str:
    """Give the key of a record that was read; its stored primary key may be wrong or missing."""
    known = tracked_state(record)
    return "" if known is None else known.key


def _takes(verb: Callable[..., object], name: str) -> bool:
    """Whether a verb, which the application may have overridden, takes an argument of this name."""
    parameters = inspect.signature(verb).parameters.values()
    return any(parameter.name == name or parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)


async def _is_inserted(schema: type[Model], record: Model) -> bool:
    """Write a record unless it exists; give whether it was written."""
    try:
        if _takes(schema.insert, "only"):
            await schema.insert(record, only="new")
        elif await schema.exists(getattr(record, schema.get_primary_key_field())):
            return False
        else:
            await schema.insert(record)
    except ConflictError as exc:
        if exc.key == schema.get_table_index_key():
            raise
        return False
    return True


def _contention_error(schema: type[Model]) -> HTTPException:
    return conflict(schema, "is changed by other clients all the time; try again")


def _annotated(endpoint: Endpoint, **types: Any) -> Endpoint:
    """Set the annotations of an endpoint whose types are known only now; FastAPI reads them."""
    endpoint.__annotations__ = {**endpoint.__annotations__, **types}
    return endpoint
