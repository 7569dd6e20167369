"""Options of a model: two spellings of one set, what is inherited, and what is refused."""

from typing import Any

import pytest

from redis_models import AutoModel, Field, Model
from redis_models.errors import ModelDeclarationError


class Old(Model):
    _primary_key_field: str = "id"
    _table_name = "things"
    _redis_prefix = "Shop"
    _redis_separator = "/"
    _version = 3
    _ttl = 60
    _auto_save = True

    id: str


class New(Model):
    id: str

    class Meta:
        primary_key = "id"
        table = "things"
        prefix = "Shop"
        separator = "/"
        version = 3
        ttl = 60
        auto_save = True


def test_both_spellings_mean_the_same() -> None:
    assert Old.__options__ == New.__options__
    assert Old.__mapper__.key_of("a") == New.__mapper__.key_of("a") == "shop/things/a"


def test_a_class_attribute_can_be_set_later_and_moves_the_keys() -> None:
    class Late(Model):
        id: str = Field(primary_key=True)

    class Child(Late):
        pass

    before = Late.__mapper__.key_of("a"), Child.__mapper__.key_of("a")
    Late._redis_prefix = "p"

    assert before == ("late:a", "child:a")
    assert (Late.__mapper__.key_of("a"), Child.__mapper__.key_of("a")) == ("p:late:a", "p:child:a")


def test_options_are_not_fields_or_private_attributes() -> None:
    assert list(Old.model_fields) == ["id"]
    assert Old.__private_attributes__ == {}
    assert Old(id="a").model_dump() == {"id": "a"}


def test_a_subclass_inherits_all_but_what_names_the_class_and_its_shape() -> None:
    class Child(Old):
        size: int = 0

    options = Child.__options__

    assert (options.primary_key, options.prefix, options.separator, options.ttl) == ("id", "Shop", "/", 60)
    assert (options.table, options.version, options.abstract) == ("child", 1, False)


def test_a_meta_that_inherits_from_another_is_not_abstract_for_that() -> None:
    class Base(AutoModel):
        class Meta:
            abstract = True
            prefix = "p"
            version = 4

    class Child(Base):
        id: str = Field(primary_key=True)

        class Meta(Base.Meta):
            ttl = 5

    options = Child.__options__

    assert (options.abstract, options.version, options.table) == (False, 1, "child")
    assert (options.prefix, options.ttl, options.auto_sync) == ("p", 5, True)


def test_a_meta_made_elsewhere_can_be_shared() -> None:
    class Shared:
        prefix = "p"

    class One(Model):
        Meta = Shared
        id: str = Field(primary_key=True)

    assert One.__mapper__.key_of("a") == "p:one:a"


def test_the_primary_key_is_the_field_that_says_so() -> None:
    class Book(Model):
        title: str
        isbn: str = Field(primary_key=True)

    class Signed(Book):
        by: str

    assert (Book.get_primary_key_field(), Signed.get_primary_key_field()) == ("isbn", "isbn")


def test_two_primary_keys_are_refused() -> None:
    with pytest.raises(ModelDeclarationError, match="2 primary keys: a, b; keep one"):

        class Two(Model):  # pyright: ignore[reportUnusedClass]
            a: str = Field(primary_key=True)
            b: str = Field(primary_key=True)


def test_an_option_that_does_not_exist_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(ModelDeclarationError, match=r"Meta.verison is not an option; did you mean 'version'\?"):

        class Typo(Model):  # pyright: ignore[reportUnusedClass]
            class Meta:
                verison = 2


def test_spellings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ModelDeclarationError, match=r"_version = 2, but Meta says 3"):

        class Both(Model):  # pyright: ignore[reportUnusedClass]
            _version = 2

            class Meta:
                version = 3


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("_version", 0),
        ("_version", True),
        ("_version", "2"),
        ("_ttl", 0),
        ("_ttl", True),
        ("_ttl", 1.5),
        ("_table_name", ""),
        ("_table_name", 5),
        ("_redis_prefix", 5),
        ("_redis_separator", ""),
        ("_app", 5),
        ("_auto_save", "no"),
        ("_managed", None),
        ("_primary_key_field", 5),
    ],
)
def test_an_option_with_a_value_that_it_cannot_have_is_refused(attribute: str, value: object) -> None:
    class Wrong(Model):
        id: str = Field(primary_key=True)

    setattr(Wrong, attribute, value)

    with pytest.raises(ModelDeclarationError, match=rf"Wrong: \w+ must be .*, not {value!r}"):
        _ = Wrong.__mapper__


def _declared(**body: Any) -> type[Model]:
    annotations = body.pop("annotations", {"id": str})
    return type("Wrong", (Model,), {"__annotations__": annotations, "__module__": __name__, **body})


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({}, "has no primary key; write Field"),
        ({"_primary_key_field": "x"}, "primary key 'x' is not a field of the model; it has id"),
        ({"_primary_key_field": "id", "_redis_separator": "%5"}, "separator '%5'"),
        ({"_primary_key_field": "id", "annotations": {"id": str, "f": "Nowhere"}}, "Nowhere"),
    ],
)
def test_a_model_that_cannot_be_stored_is_refused(body: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Exception, match=complaint) as caught:
        _ = _declared(**body).__mapper__

    assert isinstance(caught.value, ModelDeclarationError)
