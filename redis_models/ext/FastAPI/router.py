"""``CRUDRouter``: the routes that list, read, create, replace and delete the records of one model."""

import logging
import re
from collections.abc import Callable, Sequence
from types import GenericAlias
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Response
from fastapi.params import Depends
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.routing import BaseRoute

from ...errors import ConflictError, DataError
from ...lifespan import KEEP
from ...model import Model
from ...store import Store
from .bodies import key_annotation, new_record, replaced, replacement_annotation
from .failures import Place, answered, conflict, not_found
from .paths import EmptyKeyRoute, KeyRoute

__all__ = ["CRUDRouter"]

Endpoint = Callable[..., Any]
Offer = bool | Sequence[Depends]  # whether there is a route, or what it depends on
_KEY: Final = "item_id"
_KEY_PLACE: Final[Place] = ("path", _KEY)
_UNREADABLE: Final = "X-Unreadable-Records"
_HEADER_SIZE: Final = 2000  # characters; servers and proxies take 4 to 8 KB for all headers
_TRIES: Final = 8  # of replacing a record that others write at the same time
_PARAMETER: Final = re.compile(r"\{[^}]*\}")
_LOG: Final = logging.getLogger(__name__)


class CRUDRouter(APIRouter):
    """Routes for one model, with FastAPI's documentation of them.

    ======================  =====================================================================================
    GET /item?skip&limit    200 a list, ``[]`` when there is nothing
    GET /item/{item_id}     200, 404
    POST /item              200, 422; overwrites a record of that primary key, unless ``overwrite=False``: then 409
    PUT /item/{item_id}     200, 404, 422; 409 if others write it all the time; replaces an existing record whole
    DELETE /item/{item_id}  200 the deleted record, 404
    DELETE /item            200 ``[]``; deletes all
    ======================  =====================================================================================

    All of them: 503 while the server cannot answer. A route that the application adds with the path and the method of
    one of these takes its place.

    Args:
        schema: The model.
        store: Where it lives; None leaves it bound to the store that it has, as ``redis_models.setup()`` does.
        create_schema: Body of POST instead of the model itself.
        update_schema: Body of PUT instead of the model without its primary key; then fields that it does not have, or
            that a request leaves out, keep what is stored.
        prefix: Path, ``/item`` for a class ``Item`` if None.
        tags: In the documentation, the name of the class if None.
        paginate: Records that GET gives at most, and by default; None means all.
        get_all_route: Whether there is this route; or what it depends on. The other five are alike.
        overwrite: Whether POST may overwrite a record.
        kwargs: What ``fastapi.APIRouter`` takes too.
    """

    def __init__(
        self,
        schema: type[Model],
        store: Store | None = None,
        create_schema: type[BaseModel] | None = None,
        update_schema: type[BaseModel] | None = None,
        prefix: str | None = None,
        tags: list[Any] | None = None,  # as APIRouter, whose list is invariant
        paginate: int | None = None,
        get_all_route: Offer = True,
        get_one_route: Offer = True,
        create_route: Offer = True,
        update_route: Offer = True,
        delete_one_route: Offer = True,
        delete_all_route: Offer = True,
        *,
        overwrite: bool = True,
        **kwargs: Any,
    ) -> None:
        if store is not None:
            store.register_model(schema)
        name = schema.__name__
        path = (name.lower() if prefix is None else prefix).strip("/")
        super().__init__(prefix=path and f"/{path}", tags=tags or [name], **kwargs)
        self.schema, self._generated = schema, list[BaseRoute]()
        everything, one = "" if path else "/", f"/{{{_KEY}}}"
        many = GenericAlias(list, (schema,))
        self._generate(get_all_route, "GET", everything, self._get_all(paginate), many)
        self._generate(create_route, "POST", everything, self._create(create_schema, overwrite), schema)
        self._generate(delete_all_route, "DELETE", everything, self._delete_all(), many)
        self._generate(get_one_route, "GET", one, self._get_one(), schema, KeyRoute)
        self._generate(update_route, "PUT", one, self._update(update_schema), schema, KeyRoute)
        self._generate(delete_one_route, "DELETE", one, self._delete_one(), schema, KeyRoute)
        if path:
            self._generate(delete_all_route, "DELETE", EmptyKeyRoute.PATH, self._no_key(), None, EmptyKeyRoute)

    def add_api_route(self, path: str, endpoint: Endpoint, **options: Any) -> None:
        """Add a route of the application's own; it replaces a generated one of the same path and method."""
        methods = {method.upper() for method in options.get("methods") or ["GET"]}
        for route in [one for one in self._generated if _answers(one, self.prefix + path, methods)]:
            self._generated.remove(route)
            self.routes.remove(route)
        super().add_api_route(path, endpoint, **options)

    def _generate(
        self,
        offer: Offer,
        method: str,
        path: str,
        endpoint: Endpoint,
        answer: Any,
        kind: type[APIRoute] | None = None,
    ) -> None:
        """Add one of our routes, on top of the class of routes that the application chose."""
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
            route_class_override=chosen if kind is None else type(kind.__name__, (kind, chosen), {}),
        )
        self._generated.append(self.routes[-1])

    def _get_all(self, paginate: int | None) -> Endpoint:
        schema = self.schema

        async def get_all(response: Response, skip: int = 0, limit: int | None = paginate) -> list[Model]:
            _check_page(skip, limit, paginate)
            bad = list[DataError]()
            with answered(schema, _KEY_PLACE):
                found = await schema.select(skip=skip, limit=limit, bad_records=bad)
            if bad:
                response.headers[_UNREADABLE] = _reported(schema, bad)
            return found or []

        return get_all

    def _get_one(self) -> Endpoint:
        schema = self.schema

        async def get_one(item_id: object) -> Model:
            with answered(schema, _KEY_PLACE):
                return await schema.get(item_id)

        return _annotated(get_one, item_id=key_annotation(schema))

    def _create(self, body: type[BaseModel] | None, overwrite: bool) -> Endpoint:
        schema = self.schema

        async def create(item: BaseModel) -> Model:
            with answered(schema, ("body", schema.get_primary_key_field())):
                made = new_record(schema, item)
                if overwrite:
                    await schema.insert(made)
                else:
                    await _insert_new(schema, made)
            return made

        return _annotated(create, item=body or schema)

    def _update(self, body: type[BaseModel] | None) -> Endpoint:
        schema = self.schema
        whole = body is None or body is schema
        keeps_nothing = whole and not any(info.exclude for info in schema.model_fields.values())
        keeps_nothing = keeps_nothing and not schema.__shape__.takes_extras

        async def update(item_id: object, item: Any) -> Model:
            with answered(schema, _KEY_PLACE):
                for _ in range(_TRIES):
                    made = replaced(await schema.get(item_id), item)
                    if keeps_nothing:  # the last wins, whole; there is nothing that another's write could change
                        await schema.insert(made, KEEP, only="existing")
                        return made
                    try:
                        await made.save(if_unchanged=True)
                    except ConflictError as exc:
                        if exc.key == schema.get_table_index_key():
                            raise
                        continue  # somebody wrote between reading and writing: what is kept of the record may differ
                    return made
            raise conflict(schema, "is being changed by others all the time; try again")

        return _annotated(
            update, item_id=key_annotation(schema), item=replacement_annotation(schema) if whole else body
        )

    def _delete_one(self) -> Endpoint:
        schema = self.schema

        async def delete_one(item_id: object) -> Model:
            with answered(schema, _KEY_PLACE):
                found = await schema.get(item_id)
                deleted = await schema.delete([item_id])
            if not deleted or not deleted[0]:
                raise not_found(schema)
            return found

        return _annotated(delete_one, item_id=key_annotation(schema))

    def _delete_all(self) -> Endpoint:
        schema = self.schema

        async def delete_all() -> list[Model]:
            with answered(schema, _KEY_PLACE):
                await schema.delete_all()
            return []

        return delete_all

    def _no_key(self) -> Endpoint:
        schema = self.schema

        async def no_key() -> None:
            raise not_found(schema)

        return no_key


async def _insert_new(schema: type[Model], made: Model) -> None:
    try:
        await schema.insert(made, only="new")
    except ConflictError as exc:
        if exc.key == schema.get_table_index_key():
            raise
        raise conflict(schema, "exists already; replace it with PUT") from exc


def _annotated(endpoint: Endpoint, **types: Any) -> Endpoint:
    """Give the parameters of an endpoint types that are known only now, where FastAPI looks for them."""
    endpoint.__annotations__ = {**endpoint.__annotations__, **types}
    return endpoint


def _answers(route: BaseRoute, path: str, methods: set[str]) -> bool:
    """Whether a route has this path, whatever its parameters are called, and one of these methods."""
    if not isinstance(route, APIRoute) or not route.include_in_schema:
        return False
    return bool(methods.intersection(route.methods or ())) and _PARAMETER.sub("{}", route.path) == _PARAMETER.sub(
        "{}", path
    )


def _check_page(skip: int, limit: int | None, paginate: int | None) -> None:
    if skip < 0:
        raise _page_error("skip", "must be greater or equal to zero")
    if limit is not None and limit <= 0:
        raise _page_error("limit", "must be greater than zero")
    if limit is not None and paginate is not None and limit > paginate:
        raise _page_error("limit", f"must be at most {paginate}")


def _page_error(name: str, complaint: str) -> HTTPException:
    """Give the seed's answer to a wrong page, nested as it is there."""
    mistake = {"loc": ["query", name], "msg": f"{name} query parameter {complaint}", "type": "type_error.integer"}
    return HTTPException(422, {"detail": [mistake]})


def _reported(schema: type[Model], bad: Sequence[DataError]) -> str:
    """Log why records cannot be read, and give their primary keys for a header: escaped, with commas between."""
    for error in bad:
        _LOG.error("%s: left out of a list: %s", schema.__name__, error)
    keys = [str(getattr(error, "key", "")) for error in bad]
    owned = [schema.__shape__.keys.primary_key(key) for key in keys if schema.__shape__.keys.owns(key)]
    return ",".join(quote(pk, safe="", errors="replace") for pk in owned)[:_HEADER_SIZE]
