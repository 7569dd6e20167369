"""Type trees: text taken apart and put together again, and one key changed in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redis_models.errors import SchemaError
from redis_models.migrations.schema import type_tree
from redis_models.migrations.schema.type_edit import key_at, with_key, with_renamed_key, with_retyped_key, without_key
from redis_models.migrations.schema.type_resolver import resolve
from redis_models.migrations.schema.type_text import describe
from redis_models.migrations.schema.type_tree import (
    Atom,
    Choice,
    Container,
    EnumTree,
    Key,
    LiteralTree,
    Object,
    choice_of,
    parse,
)

NAMES = st.sampled_from(["city", "zip", "class", "content-type", "_id", "ö", "json", "a b"])
ATOMS = st.sampled_from(["str", "int", "None", "datetime[aware]", "JSON[str]", "Custom('a.b')", "Flag(A=1)", "Url"])
CONSTANTS = st.one_of(st.text(max_size=4), st.integers(-9, 9), st.booleans())


def _list(tree: type_tree.Tree) -> type_tree.Tree:
    return Container("list", (tree,))


def _dict(tree: type_tree.Tree) -> type_tree.Tree:
    return Container("dict", (Atom("str"), tree))


def _long_tuple(tree: type_tree.Tree) -> type_tree.Tree:
    return Container("tuple", (tree,), is_variadic=True)


def _larger(inner: st.SearchStrategy[type_tree.Tree]) -> st.SearchStrategy[type_tree.Tree]:
    keys = st.builds(Key, NAMES, inner, st.booleans())
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(choice_of),
        inner.map(_list),
        inner.map(_dict),
        st.lists(inner, max_size=3).map(lambda items: Container("tuple", tuple(items))),
        inner.map(_long_tuple),
        st.lists(keys, max_size=3, unique_by=lambda key: key.name).map(lambda keys: Object(tuple(keys))),
    )


LEAVES: st.SearchStrategy[type_tree.Tree] = st.one_of(
    ATOMS.map(Atom),
    st.lists(CONSTANTS, min_size=1, max_size=3).map(lambda values: LiteralTree(tuple(values))),
    st.dictionaries(NAMES, CONSTANTS, min_size=1, max_size=3).map(lambda tree: EnumTree(tuple(tree.items()))),
)
TREES = st.recursive(LEAVES, _larger, max_leaves=6)


@given(TREES)
def test_a_tree_reads_back_from_its_text(tree: type_tree.Tree) -> None:
    assert type_tree._read(str(tree)) == tree


@pytest.mark.parametrize(
    "text",
    [
        "str",
        "int | str | None",
        "Literal[True, 1, 'a', 'b']",
        "Enum(**{'class': 1, 'a-b': 'x'}, plain=2)",
        "Enum(ONE=[1, 2], TWO=-1.5)",
        "Object(_id=NotRequired[int], **{'class': int, 'content-type': str}, json=bool)",
        "Object('T1', capital=NotRequired[Object('T2', country=Ref('T1'), twins=NotRequired[list[Ref('T2')]]) | None],"
        " name=str)",
        "Alias('T1', list[Ref('T1')] | int)",
        "tuple[()]",
        "tuple[int, ...]",
        "dict[UUID, list[datetime[aware]]]",
        "Object()",
        "JSON[str] | None",
    ],
)
def test_canonical_text_comes_out_as_it_went_in(text: str) -> None:
    assert str(parse(text)) == text
    assert describe(resolve(text)) == text


def test_trees_distinguish_what_python_takes_for_equal() -> None:
    assert parse("Literal[1]") != parse("Literal[True]")
    assert parse("Enum(A=[1])") == EnumTree((("A", [1]),))
    assert len({parse("Enum(A=[1])"), parse("Enum(A=[True])"), Choice((Atom("int"), Atom("str")))}) == 3


@pytest.mark.parametrize("text", ["Objct(a=int)", "list[", "Object(a=)", "Ref('T1')", "NotRequired[int]", ""])
def test_text_that_is_not_a_type_is_refused(text: str) -> None:
    with pytest.raises(SchemaError, match="type "):
        parse(text)


ADDRESS = "Object(city=str, zip=NotRequired[int | None])"
PETS = "list[Object(kind=Literal['cat'], lives=int) | Object(kind=Literal['dog'], lives=str)]"


def test_a_key_is_found_through_containers_and_unions() -> None:
    assert key_at(f"{ADDRESS} | None", ["zip"]) == [Key("zip", parse("int | None"), is_required=False)]
    assert [str(place.tree) for place in key_at(PETS, ["lives"])] == ["int", "str"]
    assert [place.text for place in key_at(f"dict[str, tuple[{ADDRESS}, ...]]", ["zip"])] == ["NotRequired[int | None]"]
    assert key_at(f"Object(home={ADDRESS}, work={ADDRESS} | None)", ["work", "city"]) == [Key("city", Atom("str"))]
    assert key_at(ADDRESS, ["street"]) == key_at("str", ["x"]) == key_at(ADDRESS, ["city", "x"]) == []


def test_a_key_is_added_removed_renamed_and_retyped() -> None:
    order = f"Object(home={ADDRESS} | None, id=int)"

    assert with_key(order, ["home", "a"], "int") == (
        "Object(home=Object(a=int, city=str, zip=NotRequired[int | None]) | None, id=int)"
    )
    assert with_key("list[Object()]", ["a"], "NotRequired[int]") == "list[Object(a=NotRequired[int])]"
    assert with_key("list[Object()]", ["a"], "int", is_required=False) == "list[Object(a=NotRequired[int])]"
    assert without_key(order, ["home", "city"]) == "Object(home=Object(zip=NotRequired[int | None]) | None, id=int)"
    assert with_renamed_key(ADDRESS, ["city"], "town") == "Object(town=str, zip=NotRequired[int | None])"
    assert with_retyped_key(ADDRESS, ["zip"], "NotRequired[int | None]", "str") == "Object(city=str, zip=str)"


def test_a_variant_of_a_union_is_chosen_by_the_type_of_its_key() -> None:
    assert with_retyped_key(PETS, ["lives"], "int", "float") == PETS.replace("lives=int", "lives=float")
    assert with_key(PETS, ["age"], "int").count("age=int") == 2


def test_variants_that_become_equal_are_one() -> None:
    assert without_key("Object(a=int, b=int) | Object(a=int) | None", ["b"]) == "Object(a=int) | None"


def test_a_change_that_does_not_fit_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"town.zip: the path does not lead to an object in Object\(city=str"):
        with_key(ADDRESS, ["town", "zip"], "int")
    with pytest.raises(SchemaError, match=r"city.x: the path does not lead to an object"):
        with_key(ADDRESS, ["city", "x"], "int")
    with pytest.raises(SchemaError, match=r"zip: .* already has a key 'zip'"):
        with_key(ADDRESS, ["zip"], "int")
    with pytest.raises(SchemaError, match=r"zip: .* already has a key 'city'"):
        with_renamed_key(ADDRESS, ["zip"], "city")
    with pytest.raises(SchemaError, match="street: there is no such key in"):
        without_key(ADDRESS, ["street"])
    with pytest.raises(SchemaError, match=r"zip: it is 'NotRequired\[int \| None\]' here, not 'int'; correct the file"):
        with_retyped_key(ADDRESS, ["zip"], "int", "str")


def test_a_recursive_object_is_left_to_a_function() -> None:
    with pytest.raises(SchemaError, match=r"value: T1 contains itself.*AlterField\(..., convert=...\)"):
        with_key("Object('T1', next=Ref('T1') | None)", ["value"], "int")
