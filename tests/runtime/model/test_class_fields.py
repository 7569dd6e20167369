"""Fields of a model class: references for conditions, and nothing that pydantic or Python would take for a default."""

import copy
import doctest
import inspect
import pickle
import sys
import threading
import warnings
from datetime import datetime
from types import ModuleType
from typing import Any, ClassVar, Generic, TypeVar, cast
from unittest import mock

import pydantic
import pytest
from pydantic import BaseModel, ConfigDict, PrivateAttr, create_model, field_validator

from redis_models import AutoModel, Field, Model, Store, on
from redis_models.errors import ModelDeclarationError
from redis_models.ext.FastAPI import FastAPIModel
from redis_models.indexes.conditions import Comparison, Reference
from redis_models.model.metaclass import ModelMeta

T = TypeVar("T")


class Parent(Model):
    id: str = Field(primary_key=True)
    number: int = 5
    name: str | None = None
    tags: list[str] = Field(default_factory=list)
    needed: int


class Noisy(AutoModel):
    id: str = Field(primary_key=True)
    text: str = "t"


def _is_reference(found: object, model: type[Model], name: str) -> bool:
    reference: Any = found
    return isinstance(found, Reference) and reference.model is model and reference.name == name


def test_a_field_of_a_class_is_a_reference_and_its_value_on_an_instance() -> None:
    assert all(_is_reference(getattr(Parent, name), Parent, name) for name in Parent.model_fields)
    assert Parent(id="a", needed=1).number == 5
    assert type(Parent(id="a", needed=1).number) is int
    assert hasattr(Parent, "number")
    assert not hasattr(Parent, "nubmer")
    with pytest.raises(AttributeError):
        _ = Parent.nubmer  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]


def test_inherited_and_redefined_fields_keep_their_defaults_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        class Child(Parent):
            number: int  # pyright: ignore[reportGeneralTypeIssues]
            needed: int = 7
            other: str = "o"

        class Grandchild(Child):
            name: str | None = "n"

    child, grandchild = Child(id="a", number=1), Grandchild(id="b", number=2)
    assert child.model_dump() == {"id": "a", "number": 1, "name": None, "tags": [], "needed": 7, "other": "o"}
    assert grandchild.model_dump() == {"id": "b", "number": 2, "name": "n", "tags": [], "needed": 7, "other": "o"}
    assert [name for name, info in Child.model_fields.items() if info.is_required()] == ["id", "number"]
    assert _is_reference(Child.tags, Child, "tags")
    assert _is_reference(Grandchild.number, Grandchild, "number")
    assert not hasattr(Parent, "other")


def test_several_bases_and_mixins_give_their_defaults() -> None:
    class Mixin(BaseModel):
        extra: int = 3

    class Plain:
        helper: ClassVar[str] = "h"

    class Second(Model):
        id: str = Field(primary_key=True)
        second: int = 2

    class Child(Plain, Mixin, Second, Parent):
        pass

    child = Child(id="a", needed=0)
    assert (child.extra, child.second, child.number) == (3, 2, 5)
    assert Child.helper == "h"
    assert _is_reference(Child.extra, cast("type[Model]", Child), "extra")
    assert not hasattr(Mixin, "extra")  # it is not ours


def test_models_made_of_others_at_run_time_keep_their_defaults() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Made = create_model("Made", __base__=Parent, added=(int, 9))

    assert Made(id="a", needed=1).model_dump() == {
        "id": "a", "number": 5, "name": None, "tags": [], "needed": 1, "added": 9,
    }  # fmt: skip


def test_generic_models_have_references_to_the_class_that_is_named() -> None:
    class Box(Model, Generic[T]):
        id: str = Field(primary_key=True)
        item: T
        size: int = 1

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Numbers = Box[int]

        class Own(Box[str]):
            item: str = "i"

    assert Numbers(id="a", item=5).size == 1
    assert Own(id="a").item == "i"
    assert _is_reference(Numbers.size, Numbers, "size")
    assert _is_reference(cast(Any, Box).item, Box, "item")
    assert Box[int] is Numbers


def test_forward_references_are_looked_up_later_and_defaults_stay() -> None:
    class Late(Parent):
        other: "Later | None" = None
        number: int  # pyright: ignore[reportGeneralTypeIssues]

    assert _is_reference(Late.other, Late, "other")

    class Later(BaseModel):
        it: int = 1

    Late.model_rebuild(_types_namespace={"Later": Later})
    Late.model_rebuild(force=True, _types_namespace={"Later": Later})

    late = Late.model_validate({"id": "a", "number": 1, "needed": 2, "other": {}})
    assert late.model_dump()["other"] == {"it": 1}
    assert Late(id="a", number=1, needed=2).other is None
    assert Late.model_fields["number"].is_required()


def test_verbs_win_over_fields_of_their_name() -> None:
    Stock: Any = cast(Any, ModelMeta)("Stock", (Model,), {
        "__module__": __name__, "__annotations__": {"id": str, "count": int, "copy": int},
        "id": Field(primary_key=True), "copy": 3,
    })  # fmt: skip

    stock = Stock(id="a", count=4)

    assert (stock.count, stock.copy) == (4, 3)
    assert inspect.iscoroutinefunction(Stock.count)
    assert (on(Stock, "count") > 3) == Comparison("count", ">", 3)
    assert (on(Stock, "copy") > 3) == Comparison("copy", ">", 3)


def test_private_attributes_class_variables_and_properties_are_as_before() -> None:
    class Full(Model):
        id: str = Field(primary_key=True)
        number: int = 1
        limit: ClassVar[int] = 10
        by: ClassVar[object] = Parent.number
        _hidden: int = PrivateAttr(default=2)

        @property
        def double(self) -> int:
            return self.number * 2

        @field_validator("number")
        @classmethod
        def checked(cls, value: int) -> int:
            assert _is_reference(cls.number, cls, "number")
            return value

    full = Full(id="a", number=4)
    full._hidden = 6
    assert (full.double, full._hidden, Full.limit) == (8, 6, 10)
    assert isinstance(vars(Full)["double"], property)
    assert isinstance(cast(Any, Full)._hidden, pydantic.fields.ModelPrivateAttr)
    assert _is_reference(Full.by, Parent, "number")


def test_a_reference_is_no_default() -> None:
    with pytest.raises(
        ModelDeclarationError, match=r"Wrong: field 'number' has the field Parent.number as its default"
    ):

        class Wrong(Model):  # pyright: ignore[reportUnusedClass]
            id: str = Field(primary_key=True)
            number: int = Parent.number


def test_a_class_that_cannot_be_made_leaves_the_others_as_they_are() -> None:
    with pytest.raises(pydantic.PydanticUserError):

        class Wrong(Parent):  # pyright: ignore[reportUnusedClass]
            unannotated = 5

    assert _is_reference(Parent.number, Parent, "number")


def test_hooks_of_classes_that_are_being_made_see_no_references() -> None:
    seen: list[bool] = []

    class Watching(Parent):
        @classmethod
        def __pydantic_init_subclass__(cls, **options: Any) -> None:
            seen.append(hasattr(cls, "number") or hasattr(Parent, "number"))

    class Child(Watching):
        pass

    assert seen == [False]
    assert hasattr(Child, "number")


def test_other_threads_see_references_while_a_class_is_being_made() -> None:
    seen: list[bool] = []

    class Watching(Parent):
        @classmethod
        def __pydantic_init_subclass__(cls, **options: Any) -> None:
            thread = threading.Thread(target=lambda: seen.append(hasattr(Parent, "number")))
            thread.start()
            thread.join()

    class Child(Watching):  # pyright: ignore[reportUnusedClass]
        pass

    assert seen == [True]


def test_instances_are_assigned_copied_pickled_and_compared_as_before() -> None:
    parent = Parent(id="a", needed=1)

    parent.number = 6
    parent.tags.append("x")
    back = pickle.loads(pickle.dumps(parent))

    assert back == parent == copy.copy(parent) == copy.deepcopy(parent) == parent.model_copy()
    assert pickle.loads(pickle.dumps(Parent)) is Parent is copy.copy(Parent) is copy.deepcopy(Parent)
    assert parent.model_copy(update={"number": 7}).number == 7
    del parent.number
    assert not hasattr(parent, "number")  # an instance without a value does not show the reference
    with pytest.raises(AttributeError):
        _ = Parent.model_construct(id="b").needed


def test_instances_of_a_frozen_and_of_an_open_model_are_as_before() -> None:
    class Frozen(Model):
        model_config = ConfigDict(frozen=True)
        id: str = Field(primary_key=True)

    class Open(Model):
        model_config = ConfigDict(extra="allow")
        id: str = Field(primary_key=True)

    with pytest.raises(pydantic.ValidationError, match="frozen"):
        Frozen(id="a").id = "b"  # pyright: ignore[reportAttributeAccessIssue]
    open_one: Any = Open.model_validate({"id": "a", "more": 5})
    open_one.more = 6
    assert open_one.model_extra == {"more": 6}
    assert not hasattr(Open, "more")


def test_what_python_asks_of_classes_is_answered_as_before() -> None:
    plain: Any = type("Plain", (BaseModel,), {"__annotations__": {"id": str, "number": int}, "number": 5})

    parameters = inspect.signature(Noisy).parameters
    assert {name: parameter.default for name, parameter in parameters.items()} == {
        "id": inspect.Signature.empty,
        "text": "t",
    }
    assert "number" not in dir(Parent)
    assert {name for name, _ in inspect.getmembers(Parent)} >= set(dir(plain)) - {"__weakref__", "_abc_impl"}
    assert inspect.getdoc(Parent.get) is not None
    assert mock.create_autospec(Noisy, instance=False) is not None
    assert isinstance(Parent.model_json_schema(), dict)
    assert "number" not in vars(Parent)


def test_doctests_of_a_module_with_models_are_found_and_run() -> None:
    module = ModuleType("with_models")
    source = '''
from redis_models import Field, Model

class Documented(Model):
    """A model.

    >>> Documented(id="a").number
    5
    >>> Documented.number > 3  # doctest: +ELLIPSIS
    Comparison(field='number', operator='>', value=3, ...)
    """

    id: str = Field(primary_key=True)
    number: int = 5
'''
    sys.modules["with_models"] = module
    try:
        exec(source, vars(module))
        failed, tried = doctest.testmod(module)
    finally:
        del sys.modules["with_models"]

    assert (failed, tried) == (0, 2)


def test_schemas_of_fastapi_have_the_defaults() -> None:
    fastapi: Any = pytest.importorskip("fastapi")

    class Item(FastAPIModel):
        id: str = Field(primary_key=True)
        number: int = Field(default=5, index=True)
        created: datetime | None = Field(default=None, description="when", index=True)

    class Child(Item):
        more: str = "m"

    app = fastapi.FastAPI()

    def post(item: Child) -> Item:
        return item

    app.post("/items")(post)

    schemas = app.openapi()["components"]["schemas"]
    assert schemas["Child"]["properties"]["number"] == {"type": "integer", "title": "Number", "default": 5}
    assert schemas["Item"]["properties"]["created"]["description"] == "when"
    assert schemas["Child"]["required"] == ["id"]


async def test_records_of_auto_models_are_written_and_assigned_as_before(store: Store) -> None:
    store.register_model(Noisy)
    noisy = Noisy(id="a", text="b")
    noisy.text = "c"

    assert (await Noisy.get("a")).text == "c"
    assert (cast(Any, Noisy.text) == "c") == Comparison("text", "==", "c")


def test_options_of_storage_are_not_seen_by_pydantic() -> None:
    class Indexed(Model):
        id: str = Field(primary_key=True)
        a: str = Field(default="", index=True, nocase=True, max_length=3)
        b: int = Field(unique=True)

        class Meta:
            indexes = [("a", "b")]  # noqa: RUF012

    class Without(Model):
        id: str
        a: str = pydantic.Field(default="", max_length=3)
        b: int

    schema, other = Indexed.model_json_schema(), Without.model_json_schema()
    assert {**schema, "title": ""} == {**other, "title": ""}
    assert set(Indexed.__pydantic_fields__) == {"id", "a", "b"}


def test_a_misspelt_field_of_a_class_is_named_with_the_field_that_is_meant() -> None:
    with pytest.raises(AttributeError, match=r"^Parent has no field or attribute 'nubmer'; did you mean 'number'\?$"):
        Parent.nubmer  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(AttributeError, match=r"'zzz'; its fields are .*number"):
        Parent.zzz  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(Parent, "_private")
