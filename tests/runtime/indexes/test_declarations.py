"""Indexes as models declare them: their names and parts, and every declaration that is refused."""

from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, cast

import pytest
from pydantic import SecretStr, create_model

from redis_models import Field, Model, Store
from redis_models.errors import ModelDeclarationError
from redis_models.indexes.declarations import DeclaredIndex, declared_indexes, definitions_of
from redis_models.indexes.definitions import Part
from redis_models.model.metaclass import ModelMeta


class Status(Enum):
    NEW = "new"
    PAID = "paid"


class Order(Model):
    id: str = Field(primary_key=True)
    tenant: str
    number: int
    email: str | None = Field(default=None, unique=True, nocase=True)
    status: Status = Field(default=Status.NEW, index=True)
    created: datetime = Field(index=True)

    class Meta:
        version = 3
        indexes = [("status", "created")]  # noqa: RUF012
        unique = {"by_number": ("tenant", "number")}  # noqa: RUF012


def _declared(model: type[Model]) -> tuple[DeclaredIndex, ...]:
    return declared_indexes(model, model.__mapper__)


def _made(meta: dict[str, Any] | None = None, **fields: Any) -> type[Model]:
    """Make a model with a primary key, some fields, and options."""
    body: dict[str, Any] = {"__module__": __name__, "__annotations__": {"id": str}, "id": Field(primary_key=True)}
    for name, (annotation, value) in fields.items():
        body["__annotations__"][name] = annotation
        body[name] = value
    if meta is not None:
        body["Meta"] = type("Meta", (), meta)
    return cast("type[Model]", cast(Any, ModelMeta)("Thing", (Model,), body))


def _complaint(meta: dict[str, Any] | None = None, **fields: Any) -> str:
    """Give what is said of a model that cannot be."""
    model = _made(meta, **fields)
    with pytest.raises(ModelDeclarationError) as caught:
        Store.from_url("embedded:").register_model(model)
    return str(caught.value)


def test_indexes_of_fields_and_of_meta_have_the_names_of_their_fields_or_the_given_ones() -> None:
    assert _declared(Order) == (
        DeclaredIndex("by_number", ("tenant", "number"), is_unique=True),
        DeclaredIndex("created", ("created",)),
        DeclaredIndex("email", ("email",), is_unique=True, folds_case=("email",)),
        DeclaredIndex("status", ("status",)),
        DeclaredIndex("status_created", ("status", "created")),
    )


def test_definitions_tell_of_the_version_of_the_class() -> None:
    definitions = definitions_of(Order.__mapper__)

    email = definitions.index("email")
    assert email is not None
    assert email.shapes == {3: (Part("email", "str", is_optional=True, folds_case=True),)}
    assert email.through == 3
    both = definitions.index("status_created")
    assert both is not None
    assert both.parts_at(3) == (Part("status", "jstr"), Part("created", "datetime"))
    assert definitions is definitions_of(Order.__mapper__)


def test_a_model_without_indexes_has_no_definitions() -> None:
    assert not definitions_of(_made().__mapper__)
    assert definitions_of(_made().__mapper__).digest == ""


def test_a_field_that_is_indexed_and_unique_has_one_index() -> None:
    model = _made(number=(int, Field(default=0, index=True, unique=True)))

    assert _declared(model) == (DeclaredIndex("number", ("number",), is_unique=True),)


def test_what_an_annotation_and_its_default_say_of_storage_counts_together() -> None:
    Email = Annotated[str, Field(nocase=True)]
    model = _made(email=(Email, Field(unique=True)), other=(Email, Field(default="", index=True)))

    assert _declared(model) == (
        DeclaredIndex("email", ("email",), is_unique=True, folds_case=("email",)),
        DeclaredIndex("other", ("other",), folds_case=("other",)),
    )


def test_meta_is_inherited_as_a_whole_and_a_subclass_with_its_own_has_that() -> None:
    class Base(Model):
        id: str = Field(primary_key=True)
        a: int = Field(default=0, index=True)
        b: int = 0

        class Meta:
            abstract = True
            indexes = [("a", "b")]  # noqa: RUF012

    class Same(Base):
        pass

    class Own(Base):
        class Meta:  # pyright: ignore[reportIncompatibleVariableOverride]
            indexes = [("b",)]  # noqa: RUF012
            unique = [("b", "a")]  # noqa: RUF012

    class Without(Base):
        a: int = 5

        class Meta:  # pyright: ignore[reportIncompatibleVariableOverride]
            indexes: Any = None

    assert [index.name for index in _declared(Same)] == ["a", "a_b"]
    assert [index.name for index in _declared(Own)] == ["a", "b", "b_a"]
    assert [index.name for index in _declared(Without)] == []


def test_options_that_are_set_on_the_class_later_count() -> None:
    model = _made(number=(int, 0))
    assert _declared(model) == ()

    model._table_indexes = [("number",)]

    assert _declared(model) == (DeclaredIndex("number", ("number",)),)


def test_models_made_by_a_function_have_indexes() -> None:
    model: type[Model] = create_model(
        "Made", __base__=Model, id=(str, Field(primary_key=True)), n=(int, Field(index=True))
    )

    assert _declared(model) == (DeclaredIndex("n", ("n",)),)


@pytest.mark.parametrize(
    ("annotation", "kind", "is_optional"),
    [
        (int, "int", False),
        (int | None, "int", True),
        (float, "float", False),
        (bool, "bool", False),
        (Decimal, "decimal", False),
        (str | None, "str", True),
        (Literal["a", "b"], "jstr", False),
        (Literal[1, 2], "jint", False),
        (Annotated[int, Field(ge=0)], "int", False),
    ],
)
def test_the_kinds_of_parts(annotation: object, kind: str, is_optional: bool) -> None:
    definitions = definitions_of(_made(field=(annotation, Field(index=True))).__mapper__)

    index = definitions.index("field")
    assert index is not None
    parts = index.parts_at(1)
    assert parts is not None
    assert (parts[0].kind, parts[0].is_optional) == (kind, is_optional)


@pytest.mark.parametrize("annotation", [list[int], dict[str, int], SecretStr, bytes, int | str, Any])
def test_a_type_without_entries_is_refused(annotation: object) -> None:
    text = _complaint(field=(annotation, Field(index=True)))

    assert text.startswith("Thing: index 'field': field 'field' of type ")
    assert "cannot be indexed" in text


def test_the_types_within_an_index_of_several_are_looked_at_too() -> None:
    assert "'b' of type list[int] cannot be indexed" in _complaint(
        {"indexes": [("a", "b")]}, a=(int, 0), b=(list[int], Field(default_factory=list))
    )


def test_an_unknown_field_is_refused_and_a_near_one_named() -> None:
    text = _complaint({"indexes": [("status", "craeted")]}, status=(str, ""), created=(int, 0))

    assert text == "Thing: Meta.indexes names 'craeted', which is not a stored field; did you mean 'created'?"


def test_two_indexes_with_one_name_are_refused() -> None:
    text = _complaint({"indexes": [("a", "b")]}, a=(int, 0), b=(int, 0), a_b=(int, Field(default=0, index=True)))

    assert "2 indexes with the name 'a_b', of ('a_b',) and ('a', 'b')" in text
    assert "Meta.indexes" in text


@pytest.mark.parametrize("meta", [{"indexes": [("a",)]}, {"unique": [("a",)]}, {"indexes": {"other": ("a",)}}])
def test_two_indexes_of_equal_parts_are_refused(meta: dict[str, Any]) -> None:
    assert "declares 2 indexes of a; keep one" in _complaint(meta, a=(int, Field(default=0, index=True)))


def test_more_than_sixteen_indexes_and_more_than_four_parts_are_refused() -> None:
    many: dict[str, Any] = {f"f{number}": (int, Field(default=0, index=True)) for number in range(17)}
    few: dict[str, Any] = {f"f{number}": (int, 0) for number in range(5)}

    assert "declares 17 indexes; a model has at most 16" in _complaint(**many)
    assert "has 5 fields; an index has at most 4" in _complaint({"indexes": [tuple(few)]}, **few)
    many.popitem()
    assert len(_declared(_made(**many))) == 16


@pytest.mark.parametrize("name", ["", "_a", "A", "a-b", "a b", "ä", "a" * 65, "a\n"])
def test_names_of_indexes_are_checked(name: str) -> None:
    text = _complaint({"indexes": {name: ("a",)}}, a=(int, 0))

    assert "the name of an index" in text
    assert "rename it" in text


def test_a_field_whose_name_is_none_of_an_index_needs_one_in_meta() -> None:
    text = _complaint(createdAt=(int, Field(default=0, index=True)))

    assert "{'...': ('createdAt',)} in Meta.indexes or Meta.unique" in text
    model = _made({"indexes": {"created_at": ("createdAt",)}}, createdAt=(int, 0))
    assert _declared(model) == (DeclaredIndex("created_at", ("createdAt",)),)


@pytest.mark.parametrize("annotation", [int, bool, list[str], Literal[1]])
def test_nocase_on_what_is_not_text_is_refused_with_or_without_an_index(annotation: object) -> None:
    text = _complaint(field=(annotation, Field(default=None, nocase=True)))

    assert "'field'" in text
    assert text.endswith("remove nocase=True")


def test_the_primary_key_alone_needs_no_index() -> None:
    class Keyed(Model):
        id: str = Field(primary_key=True, index=True)

    class Composite(Model):
        id: str = Field(primary_key=True)
        a: int = 0

        class Meta:
            indexes = [("a", "id")]  # noqa: RUF012

    with pytest.raises(ModelDeclarationError, match="'id' is the primary key, which finds records without an index"):
        _ = Keyed.__mapper__
    assert [index.name for index in _declared(Composite)] == ["a_id"]


def test_a_field_stands_once_in_an_index() -> None:
    assert "has 'a' twice" in _complaint({"indexes": [("a", "b", "a")]}, a=(int, 0), b=(int, 0))


@pytest.mark.parametrize("value", ["status", ("a", "b"), ["a"], [()], {"name": "a"}, {1: ("a",)}, [("a", 1)], 5])
def test_other_values_of_the_options_are_refused_with_an_example(value: object) -> None:
    for option in ("indexes", "unique"):
        text = _complaint({option: value}, a=(int, 0), b=(int, 0))

        assert text.startswith(f'Thing: {option} must be a list of tuples of fields, as in [("status", "created")]')
        assert text.endswith(f"not {value!r}")


def test_a_misspelt_option_is_found() -> None:
    with pytest.raises(ModelDeclarationError, match=r"Meta.index is not an option; did you mean 'indexes'"):
        _made({"index": [("a",)]}, a=(int, 0))


def test_an_index_of_a_model_that_stores_in_its_own_way_is_refused() -> None:
    class OwnText(Model):
        id: str = Field(primary_key=True)
        number: int = Field(default=0, index=True)

        @classmethod
        def serialize_partially(cls, data: Any) -> Any:
            return {name: str(value) for name, value in data.items()}

    with pytest.raises(ModelDeclarationError, match=r"overrides serialize_partially, .*'number' cannot be an index"):
        _ = OwnText.__mapper__


def test_an_index_of_values_that_the_model_writes_as_json_of_its_own_is_refused() -> None:
    class Spelled(Model):
        id: str = Field(primary_key=True)
        number: int = Field(default=0, index=True)
        created: datetime | None = Field(default=None, index=True)

        @classmethod
        def json_default(cls, obj: Any) -> Any:
            return obj.strftime("%d.%m.%Y") if isinstance(obj, datetime) else super().json_default(obj)

        @classmethod
        def json_object_hook(cls, obj: Any) -> Any:
            return obj

    with pytest.raises(ModelDeclarationError, match=r"index 'created': .*cannot be indexed"):
        _ = Spelled.__mapper__
