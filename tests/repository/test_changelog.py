"""The change log: CHANGELOG.md has all items of the fragments; "make changelog" writes it."""

import re
from pathlib import Path

import pytest

_TOP = Path(__file__).parents[2]
_FRAGMENTS = sorted((_TOP / "docs" / "changelog.d").glob("*.md"))


@pytest.mark.parametrize("fragment", _FRAGMENTS, ids=lambda path: path.stem)
def test_the_change_log_holds_every_item_of_a_fragment(fragment: Path) -> None:
    log = (_TOP / "CHANGELOG.md").read_text("utf-8")
    items = re.split(r"^(?=- )|^###.*\n|\n\n", fragment.read_text("utf-8"), flags=re.MULTILINE)

    missing = [item for item in items if item.strip().replace("](../", "](docs/") not in log]

    assert missing == []
