"""The document of a table's indexes reads back as it was written; other text is refused by what is wrong with it."""

import json
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redis_models.indexes.definitions import KINDS, Definitions, Index, Part, read_definitions

_parts = st.builds(Part, st.text(max_size=5), st.sampled_from(KINDS), st.booleans(), st.booleans())
_shapes = st.dictionaries(
    st.integers(1, 10**15 - 1), st.none() | st.lists(_parts, min_size=1, max_size=4).map(tuple), max_size=4
)
_indexes = st.builds(Index, st.text(max_size=5), st.booleans(), _shapes, st.integers(1, 10**15))
_INDEX: Final = {"unique": False, "through": 1, "from": {"1": [["name", "str"]]}}


def _document(**changes: Any) -> str:
    return json.dumps({"format": 1, "indexes": {"name": _INDEX | changes}})


@given(st.lists(_indexes, max_size=16, unique_by=lambda index: index.name))
def test_definitions_read_back_and_equal_ones_have_one_digest(indexes: list[Index]) -> None:
    definitions = Definitions(tuple(indexes))

    found = read_definitions(definitions.document)

    assert found == definitions
    assert found.digest == definitions.digest == Definitions(tuple(reversed(indexes))).digest


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("", "Expecting value"),
        (b"\xff\xfe", "."),
        ("[]", "not a JSON object"),
        ("[" * 100_000, "nested too deeply"),
        ('{"format":2,"indexes":{}}', "its format is 2, and this version of the library knows 1"),
        ('{"format":1}', "it has no indexes"),
        (json.dumps({"format": 1, "indexes": {f"i{n}": _INDEX for n in range(17)}}), "17 indexes, .* at most 16"),
        (_document(through="1e3"), "'1e3' is not a version"),
        (_document(through=float("inf")), "inf is not a version"),
        (_document(through=True), "True is not a version"),
        (_document(through=-1), "-1 is not a version"),
        (_document(**{"from": {"9" * 5000: None}}), "is not a version"),
        (_document(**{"from": {str(n): None for n in range(1, 1002)}}), "1,001 shapes, and at most 1,000"),
        (_document(**{"from": []}), "the index 'name' is not readable"),
        (_document(**{"from": {"1": []}}), "not a list of 1 to 4 fields"),
        (_document(**{"from": {"1": [["f", "int"]] * 5}}), "not a list of 1 to 4 fields"),
        (_document(**{"from": {"1": [["f", "what"]]}}), "'what'. is not a field and its kind"),
        (_document(**{"from": {"1": [[7, "int"]]}}), "is not a field and its kind"),
        (_document(**{"from": {"1": [["f", ["int"]]]}}), "is not a field and its kind"),
        (_document(**{"from": {"1": [["f", "int", {}]]}}), "is not readable"),
    ],
)
def test_what_is_no_document_is_refused_by_what_is_wrong(document: str | bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_definitions(document)
